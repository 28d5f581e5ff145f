"""``ACT/WebShop-v0`` and ``ACT/WebShopGen-v0``: recorded episodes, tasks, the oracle, errors."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import itertools
import json
import os
import pickle
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from act_envs.base import TextEnv
from act_envs.cli import main
from act_envs.errors import AssetsNotFound, SnapshotMismatch, UnknownArgument, UnknownTask
from act_envs.webshop import goals, pages
from act_envs.webshop.catalogue import Product
from act_envs.webshop.engine import Engine, Errand
from act_envs.webshop.expert import Oracle
from act_envs.webshop.goals import SPLITS, Goal
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.pages import Visit
from act_envs.webshop.reward import reward
from act_envs.webshop.shop import Shop, open_shop
from act_envs.webshop.simulator import NativeSimulator
from benchmarks.parity_webshop import play, recorded
from tests.envs.webshop_shop import write_shop

pytest.importorskip("rapidfuzz", reason="needs the extra webshop")
PRODUCTS = 300


def make(env_id: str = "ACT/WebShopGen-v0", **kwargs: Any) -> TextEnv:
    if env_id == "ACT/WebShopGen-v0":
        kwargs.setdefault("products", PRODUCTS)
    env = gym.make(env_id, **kwargs).unwrapped
    assert isinstance(env, TextEnv)
    return env


@pytest.fixture(scope="module")
def real() -> Path:
    folder = Path(os.environ.get("ACT_DATA_DIR") or "nowhere") / "webshop_1k"
    if not (folder / "reference_episodes.json.gz").exists():
        pytest.skip("needs webshop_1k with its recorded episodes: set ACT_DATA_DIR")
    return folder


@pytest.fixture(scope="module")
def episodes(real: Path) -> list[dict[str, Any]]:
    return recorded(real, "episodes")["episodes"]


# -- beside upstream -------------------------------------------------------------------------------


@pytest.mark.parametrize("compat", [None, "upstream"])
@pytest.mark.parametrize("observation", ["text", "text_rich", "url"])
def test_recorded_episodes_are_played_alike(
    episodes: list[dict[str, Any]], real: Path, observation: str, compat: str | None
) -> None:
    """40 episodes of the original, page by page: what is shown, offered and earned."""
    env = make("ACT/WebShop-v0", data_dir=real, observation=observation, compat=compat)
    for number, episode in enumerate(episodes):
        assert not play(env, episode, f"url-{number}-{episode['goal_index']}")
    env.close()


# -- tasks -----------------------------------------------------------------------------------------


def test_splits_share_no_product_and_ood_no_department() -> None:
    env = make()
    tasks = {split: env.tasks(split) for split in SPLITS}
    origins = {split: {task.origin for task in found} for split, found in tasks.items()}
    assert all(tasks.values())
    for one, other in itertools.combinations(SPLITS, 2):
        assert not origins[one] & origins[other]
    kinds = {split: {task.kind for task in found} for split, found in tasks.items()}
    assert not kinds["ood"] & (kinds["train"] | kinds["dev"] | kinds["test"])
    for split, found in tasks.items():
        assert {task.split for task in found} == {split}
        _, info = env.reset(options={"task_id": found[-1].task_id})
        assert (info["split"], info["kind"]) == (split, found[-1].kind)
    assert env.panels == ()


def test_leaks_are_reported_by_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Upstream's splits share products: those of the small shop here, with two goals of one."""
    wanted = {"instruction_attributes": ["brass"], "instruction_options": []}
    human = {"B000LAMP01": [{"instruction": text, **wanted} for text in ("one lamp", "a lamp")]}
    monkeypatch.setenv("ACT_DATA_DIR", str(write_shop(tmp_path, human=human)))
    monkeypatch.setattr(goals, "HUMAN_GOALS", 2)
    monkeypatch.setattr(
        goals, "UPSTREAM_SPLITS", {"test": range(1), "eval": range(0), "train": range(1, 2)}
    )
    env = make("ACT/WebShop-v0", goals="human")
    assert env.panels == ("upstream-train", "upstream-dev", "upstream-test")
    assert [len(env.tasks(panel)) for panel in env.panels] == [1, 0, 1]
    assert env.tasks("upstream-test") != env.tasks("upstream-train")
    monkeypatch.setattr("act_envs.cli.make", lambda env_id: env)
    assert main(["tasks", "webshop", "--check-leaks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("upstream-train") and "m-test" in line)
    assert line.endswith("0  leak: 1 of its 1 origins are in both")
    assert not [line for line in lines if line.startswith(("train", "dev")) and "leak" in line]


def test_the_seed_of_products_decides_which_there_are() -> None:
    tasks = [make(seed_of_products=seed).tasks("test") for seed in (0, 0, 1)]
    assert tasks[0] == tasks[1] != tasks[2]


def test_generated_files_are_played_compiled_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write = ["generate", "webshop", "--products", str(PRODUCTS), "--out", str(tmp_path)]
    assert main(write) == 0
    envs = [make(), make("ACT/WebShop-v0", data_dir=tmp_path)]
    assert main(["compile", "webshop", "--data-dir", str(tmp_path)]) == 0
    envs.append(make("ACT/WebShop-v0", data_dir=tmp_path))
    assert "products with 0 human" in capsys.readouterr().out
    copied = ["--from", str(tmp_path), "--data-dir", str(tmp_path / "2")]
    assert main(["download", "webshop", *copied]) == 0
    envs.append(make("ACT/WebShop-v0", data_dir=tmp_path / "2"))
    shops = [env._simulator._engine.shop for env in envs]  # pyright: ignore
    assert shops[1] is not shops[2]
    assert len({shop.digest for shop in shops}) == 1
    played = []
    for env in envs:
        shown = [env.reset(seed=5)]
        while (action := env.expert_action()) is not None:
            shown.append(env.step(action))
        played.append((shown, env.state_hash()))
    assert played[0] == played[1] == played[2] == played[3]
    snapshot = envs[0].snapshot()
    assert envs[2].restore(snapshot)[1]["won"]


def test_people_wrote_the_goals_of_the_whole_catalogue_only(tmp_path: Path) -> None:
    folder = write_shop(tmp_path)
    kinds = {
        whose: {t.task_id.partition("/")[0] for t in _everything(data_dir=folder, goals=whose)}
        for whose in (None, "human", "synthetic")
    }
    assert kinds == {None: {"synthetic"}, "human": {"human"}, "synthetic": {"synthetic"}}


def _everything(**kwargs: Any) -> list[Any]:
    env = make("ACT/WebShop-v0", **kwargs)
    return [task for split in SPLITS for task in env.tasks(split)]


def test_an_empty_source_of_goals_is_no_default(tmp_path: Path) -> None:
    with pytest.raises(UnknownArgument, match="source=''"):
        make("ACT/WebShop-v0", data_dir=write_shop(tmp_path), goals="")


def test_a_goal_and_prices_can_be_given() -> None:
    env = make()
    env.reset(seed=0)
    asin = env.tasks()[0].origin
    goal = {"asin": asin, "instruction_text": "Find it.", "attributes": ["no such thing"]}

    def bought(**options: Any) -> dict[str, Any]:
        shown, info = env.reset(options=options)
        assert info["goal"] in shown
        title = env._simulator._engine.shop.find(asin).title  # pyright: ignore
        for action in (f"search[{title.lower()}]", f"click[{asin.lower()}]", "click[buy now]"):
            *_, info = env.step(action.replace("[", "", action.count("[") - 1))
        assert info["purchase"] is not None
        return dict(info)

    given = bought(goal=goal)
    assert (given["goal"], given["purchase"]["r_att"], given["failed"]) == ("Find it.", 0.0, True)
    assert given["purchase"]["r_price"]
    assert not bought(goal={**goal, "price_upper": 5}, prices={asin: 5.01})["purchase"]["r_price"]
    assert bought(goal={**goal, "price_upper": 5}, prices={asin: 5})["purchase"]["r_price"]
    named = env.tasks()[0].task_id
    dear = bought(task_id=named, prices={asin: 10**6})
    assert dear["task_id"] != named
    assert not dear["purchase"]["r_price"]
    snapshot = pickle.loads(pickle.dumps(env.snapshot()))
    _, info = make().restore(snapshot)
    assert (info["goal"], info["purchase"]) == (dear["goal"], dear["purchase"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goal": "shoes"}, "a goal is a mapping"),
        ({"goal": {"asin": "B0"}}, "'instruction_text'"),
        ({"goal": {"asin": "B0", "instruction_text": "x", "atributes": []}}, "'attributes'"),
        ({"goal": {"asin": "B0", "instruction_text": "x", "attributes": ["y"]}}, "'category'"),
        ({"prices": {"B0": 1.0}}, "task_id"),
        ({"task_id": None, "prices": 3}, "task_id"),
        ({"gaol": {}}, "Did you mean 'goal'"),
        ({"goal": {"asin": "\ud800", "instruction_text": "x", "attributes": ["y"]}}, "an asin"),
    ],
)
def test_options_that_are_not_understood_are_errors(options: Any, message: str) -> None:
    with pytest.raises(UnknownArgument, match=message):
        make().reset(options=options)


def test_prices_of_no_product_are_an_error() -> None:
    env = make()
    named = env.tasks()[0].task_id
    with pytest.raises(UnknownArgument, match="no product of these prices"):
        env.reset(options={"task_id": named, "prices": {"B0": 1.0}})


def test_a_given_goal_does_not_choose_its_split() -> None:
    env = make()
    product = env._simulator._engine.shop.find(env.tasks("ood")[0].origin)  # pyright: ignore
    goal = {"asin": product.asin, "instruction_text": "x", "attributes": ["y"]}
    _, info = env.reset(options={"goal": {**goal, "category": "fashion"}})
    assert (info["split"], info["kind"]) == ("ood", "fashion")
    kinds = {task.kind for split in env.splits for task in env.tasks(split)}
    limited = make(step_limit=dict.fromkeys(kinds, 9))
    assert limited.reset(options={"goal": {**goal, "category": "fashion"}})
    with pytest.raises(UnknownArgument, match="no number for tasks of kind 'toys'"):
        limited.reset(options={"goal": {**goal, "category": "toys"}})
    env.reset(options={"goal": {**goal, "category": "toys"}})
    with pytest.raises(UnknownArgument, match="no number for tasks of kind 'toys'"):
        limited.restore(env.snapshot())


def test_all_goals_of_the_original_can_be_given(real: Path) -> None:
    path = real / "reference_goals_prices.json.gz"
    env = make("ACT/WebShop-v0", data_dir=real)
    with gzip.open(path) as file:
        given = json.load(file)["goals"]
    assert len(given) == 6910
    for goal in given:
        assert env.reset(options={"goal": goal})[1]["goal"] == goal["instruction_text"]


@pytest.mark.parametrize("price", ["9", 10**400, -1, float("nan"), float("inf"), True, None])
def test_a_price_is_a_number_of_dollars(price: Any) -> None:
    env = make()
    named = env.tasks()[0].task_id
    with pytest.raises(UnknownArgument, match="dollars"):
        env.reset(options={"task_id": named, "prices": {"B0": price}})


@pytest.mark.parametrize(
    "name", ["synthetic/B0/0", "human/x", "given/B0/1", "synthetic//0", "synthetic/B0/-1", ""]
)
def test_unknown_tasks_are_errors(name: str) -> None:
    with pytest.raises(UnknownTask, match="Known: synthetic/"):
        make().reset(options={"task_id": name})


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"observation": "txt"}, "'text'"),
        ({"compat": "v1"}, "'upstream'"),
        ({"nouns": "spacey"}, "'rule'"),
        ({"attributes": 1}, "attributes"),
        ({"products": 0}, "products"),
        ({"products": [1]}, "products"),
        ({"products": 10**6}, "act-envs generate webshop"),
        ({"seed_of_products": -1}, "seed=-1"),
        ({"goals": "human"}, "no argument 'goals'"),
    ],
)
def test_arguments_that_are_not_understood_are_errors(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownArgument, match=message):
        make(**kwargs)


@pytest.mark.parametrize("package", ["regex", "rapidfuzz"])
def test_a_missing_package_is_an_error_with_the_command(package: str) -> None:
    code = f"""if True:
        import sys
        sys.modules[{package!r}] = None
        import gymnasium, act_envs
        try:
            gymnasium.make("ACT/WebShopGen-v0")
        except act_envs.errors.MissingExtra as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "agentic-critical-training[webshop]"' in done.stdout


def test_a_missing_catalogue_is_an_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(AssetsNotFound, match="ACT_DATA_DIR"):
        make("ACT/WebShop-v0", data_dir=tmp_path)


# -- episodes --------------------------------------------------------------------------------------


def test_info_names_the_nouns_and_the_parts_of_the_reward() -> None:
    env = make(admissible=True)
    _, info = env.reset(seed=3)
    assert (info["nouns"], info["purchase"], info["admissible_actions"]) == (
        *("rule", None),
        ["search[...]"],
    )
    while (action := env.expert_action()) is not None:
        *_, info = env.step(action)
    assert info["purchase"] is not None
    assert info["purchase"]["total"] == info["score"] == info["raw_score"] == 1.0


def test_what_is_not_understood_shows_the_page_again() -> None:
    env = make(observation="text_rich")
    shown, _ = env.reset(seed=1)
    for action in ("click[buy now]", "CLICK[search]", "look", "", "two\nlines"):
        again, _, _, _, info = env.step(action)
        assert (again, info["action_valid"]) == (shown, False)


def test_observations_of_other_kinds_do_not_exchange_snapshots() -> None:
    env, other = make(), make(observation="url")
    env.reset(seed=0)
    with pytest.raises(SnapshotMismatch):
        other.restore(env.snapshot())


def test_info_belongs_to_its_reader() -> None:
    env = make()
    env.reset(seed=3)
    while (action := env.expert_action()) is not None:
        env.step(action)
    snapshot = env.snapshot()
    _, info = env.restore(snapshot)
    info["purchase"]["total"] = 99  # pyright: ignore
    assert env.restore(snapshot)[1]["purchase"]["total"] == 1.0  # pyright: ignore


def test_environments_share_a_shop() -> None:
    one, other = make(), make(observation="text_rich")
    assert one._simulator._engine.shop is other._simulator._engine.shop  # pyright: ignore


# -- the oracle ------------------------------------------------------------------------------------


def _expert(products: list[Product], goal: Goal, visit: Visit, **kwargs: Any) -> str | None:
    engine = Engine(Shop.of(products), Nouns("rule"), **kwargs)
    return Oracle(engine).next_action(Errand(goal, {}, "me"), visit)


def _goal_of(product: Product, *options: str) -> Goal:
    return Goal(
        asin=product.asin,
        category=product.category,
        query=product.query,
        name=product.title,
        product_category=product.product_category,
        instruction="Find it",
        attributes=("red",),
        options=options,
        price_upper=200.0,
    )


BOX = Product("B0BOX", "Red box", query="boxes", attributes=("red",))


@pytest.mark.parametrize(
    "value", ["description", "reviews", "attributes", "back to search", "< prev", "buy now"]
)
def test_the_oracle_gives_up_where_a_button_hides_an_option(value: str) -> None:
    box = dataclasses.replace(BOX, options={"kind": (value, "plain")})
    assert _expert([box], _goal_of(box, value), Visit()) is None
    assert _expert([box], _goal_of(box, "plain"), Visit()) == "search[boxes]"


def test_the_oracle_gives_up_where_no_action_names_the_product() -> None:
    for asin in ("B0[A]", "b0box"):  # of two that differ in case, upstream opens the last
        box = dataclasses.replace(BOX, asin=asin)
        assert _expert([BOX, box], _goal_of(box), Visit()) in (None, "search[boxes]")
    assert _expert([dataclasses.replace(BOX, asin="B0[A]")], _goal_of(BOX), Visit()) is None


def test_the_oracle_does_not_try_for_ever() -> None:
    many = {f"size {n}": tuple(f"large {i}" for i in range(8)) for n in range(9)}
    box = dataclasses.replace(BOX, options={**many, "last": ("zebra", "violin")})
    start = time.process_time()
    assert _expert([box], _goal_of(box, *["large"] * 12, "zebra", "violin"), Visit()) is None
    assert time.process_time() - start < 20


def test_the_oracle_searches_again_where_that_is_quicker() -> None:
    boxes = [BOX, *(dataclasses.replace(BOX, asin=f"B1{n:04}") for n in range(45))]
    at = functools.partial(Visit, pages.RESULTS, ("boxes",))
    goal = _goal_of(boxes[0])
    assert _expert(boxes, goal, at(2)) == "click[< prev]"
    assert _expert(boxes, goal, at(30)) == "click[back to search]"


def _best(engine: Engine, simulator: NativeSimulator) -> float:
    """The most that buying the goal's own product can earn, by trying all choices."""
    goal = simulator._errand.goal
    product = engine.shop.find(goal.asin)
    assert product is not None
    choices = [[(name, v) for v in ("", *values)] for name, values in product.options.items()]
    price = engine.price(simulator._errand, product)
    return max(
        reward(product, goal, price, {n: v for n, v in chosen if v}, engine.nouns).total
        for chosen in itertools.product(*choices)
    )


def _check_oracle(shop: Shop, count: int) -> tuple[int, int]:
    """Follow the oracle from where other play has led. Tasks won, and tasks that cannot be."""
    engine, rng = Engine(shop, Nouns("rule")), random.Random(0)
    simulator = NativeSimulator(engine, "synthetic", "text")
    tasks = [task for split in SPLITS for task in simulator.tasks(split)]
    won = impossible = 0
    for task in rng.sample(tasks, count):
        simulator.start(task)
        for _ in range(rng.randrange(7)):
            offered = [a for a in simulator.admissible_actions() if a != "click[buy now]"]
            simulator.act(rng.choice(offered).replace("...", rng.choice(("men", "red box", "tea"))))
        steps, outcome = 0, None
        while (action := simulator.expert_action("oracle")) is not None and steps < 30:
            outcome, steps = simulator.act(action), steps + 1
            assert outcome.action_valid, (task, action)
        if outcome is None:
            impossible += 1
            assert _best(engine, simulator) < 1.0, task
        else:
            won += 1
            assert outcome.won, task
            assert steps <= 20
    return won, impossible


def test_the_oracle_wins_from_anywhere_or_nobody_can() -> None:
    won, impossible = _check_oracle(make()._simulator._engine.shop, 150)  # pyright: ignore
    assert won > 120
    assert won + impossible == 150


def test_the_oracle_wins_with_real_products(real: Path) -> None:
    won, impossible = _check_oracle(open_shop(real), 150)
    assert (won, impossible) == (140, 10)


def test_the_oracle_takes_the_very_words_of_a_goal() -> None:
    """Upstream would accept "x-large" for "large"; what is imitated should not."""
    env = make()
    for task in env.tasks("train")[:40]:
        env.reset(options={"task_id": task.task_id})
        simulator = env._simulator
        assert isinstance(simulator, NativeSimulator)
        info: Any = None
        while (action := env.expert_action()) is not None:
            *_, info = env.step(action)
        if info is not None and simulator._visit.asin == task.origin:
            chosen = dict(simulator._visit.options)
            wanted = dict(simulator._errand.goal.options)  # pyright: ignore
            assert {name: chosen.get(name) for name in wanted} == wanted
