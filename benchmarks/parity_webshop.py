"""Whether our WebShop says what the original says: the part of ``benchmarks.parity`` about it.

The original cannot be run beside it (Java, spaCy models, packages of 2021), so it is compared with
recordings of the unmodified original at commit 64fa2a5, which lie beside its 1,000 products:

- ``reference_search.json.gz``: ``queries``, each with ``q`` and ``hits`` (asin, score), 50 at most;
- ``reference_rewards.json.gz``: ``cases`` of product, goal, price, chosen options and the nouns of
  both titles, with the reward and its parts;
- ``reference_episodes.json.gz``: ``episodes``, each with a goal and steps: the action, the page in
  every observation mode, what could be clicked, the reward.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym

from act_envs.base import TextEnv
from act_envs.errors import ActError, AssetsNotFound
from act_envs.progress import Progress
from act_envs.webshop.catalogue import Product, find_source
from act_envs.webshop.generator import generate
from act_envs.webshop.goals import SPLITS, Goal
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.reward import Reward, reward
from act_envs.webshop.shop import Shop, open_shop
from act_envs.webshop.simulator import NativeSimulator
from benchmarks.resemblance.webshop import resemblance
from benchmarks.table import Row

OBSERVATIONS = ("text", "text_rich", "url")
GOALS = 500  # that the oracle is sent after
SHOWN = 5  # differences that are printed


def rows(quick: bool, data_dir: Path | None) -> list[Row]:
    """Every figure about WebShop.

    Args:
        quick: fewer queries, episodes and goals.
        data_dir: folder of the 1,000 products and the recordings.
    """
    folder = find_source(data_dir).products.parent
    shop = open_shop(folder)
    figures = [_searches(shop, folder, quick), _rewards(folder)]
    for compat, observation in itertools.product((None, "upstream"), OBSERVATIONS):
        figures.append(_episodes(folder, observation, compat, quick))
    figures += _oracle(shop, quick)
    generated = [listing.product() for listing in generate(0, len(shop.products))]
    figures += [
        Row(f"generated products: {name} (real: {real:.3g})", made, "")
        for name, real, made in resemblance(shop.products, generated)
    ]
    return figures


def recorded(folder: Path, name: str) -> dict[str, Any]:
    """A recording of the original.

    Raises:
        AssetsNotFound: it is not there.
    """
    path = folder / f"reference_{name}.json.gz"
    if not path.is_file():
        raise AssetsNotFound(
            f"{path} is missing: a recording of the original, see benchmarks/parity_webshop.py. "
            "Give the folder that has it with --data-dir."
        )
    with gzip.open(path) as file:
        return json.load(file)


def play(env: TextEnv, episode: Mapping[str, Any], session: str) -> list[str]:
    """Play a recorded episode again and say what differs.

    Compared are the page, what can be clicked, the reward and the end.

    Args:
        env: of an observation mode that was recorded.
        episode: goal and steps.
        session: the name that it has in recorded addresses.
    """
    simulator = env._simulator
    assert isinstance(simulator, NativeSimulator)
    differences, told = [], []
    prices = {s["session"]["asin"]: s["price"] for s in episode["steps"] if "price" in s}
    for step in episode["steps"]:
        earned, done = 0.0, False
        if step["action"] is None:
            shown, info = env.reset(options={"goal": episode["goal"], "prices": prices})
        else:
            shown, earned, done, _, info = env.step(step["action"])
            told.append(step["action"])
        name = info["task_id"].replace("/", "-")
        bar = ["search[...]"] if step["available"]["has_search_bar"] else []
        clickable = step["available"]["clickables"]
        for what, ours, theirs in (
            ("page", shown, step[simulator.observation].replace(session, name)),
            ("clickables", simulator.clickables(), clickable),
            ("actions", env.admissible_actions(), bar or [f"click[{c}]" for c in clickable]),
            ("reward", earned, step.get("reward", 0.0)),
            ("end", done, step.get("done", False)),
        ):
            if ours != theirs:
                differences.append(
                    f"{session}, {what} after {told}:\n  ours:     {ours!r}\n  upstream: {theirs!r}"
                )
    return differences


def rewarded(case: Mapping[str, Any]) -> Reward:
    """What our reward makes of a recorded case; the goal's title is told from the product's."""
    bought, wanted, listed = case["product"], case["goal"], case["nouns"]
    chosen = wanted["goal_options"]
    goal = Goal(
        asin="A",
        category="garden",
        query=wanted["query"],
        name=f"goal: {wanted['name']}",
        product_category=wanted["product_category"],
        instruction="",
        attributes=tuple(wanted["attributes"]),
        options=tuple(chosen.items()) if isinstance(chosen, dict) else tuple(chosen),
        price_upper=wanted["price_upper"],
    )
    product = Product(
        asin="B",
        title=bought["Title"],
        query=bought["query"],
        product_category=bought["product_category"],
        description=bought["Description"],
        bullet_points=tuple(bought["BulletPoints"]),
        attributes=tuple(bought["Attributes"]),
    )
    nouns = Nouns({product.title: listed["product"], goal.name: listed["goal"]})
    return reward(product, goal, case["price"], case["options"], nouns)


def _searches(shop: Shop, folder: Path, quick: bool) -> Row:
    queries = recorded(folder, "search")["queries"][:: 10 if quick else 1]
    same = 0
    for query in queries:
        hits = [asin for asin, _ in query["hits"]]
        same += list(shop.search(query["q"])) == hits
    return Row(
        f"searches of {len(queries)} with the same results in order", same, "", _all(queries)
    )


def _rewards(folder: Path) -> Row:
    cases = recorded(folder, "rewards")["cases"]
    same = 0
    for case in cases:
        try:
            ours = asdict(rewarded(case))
        except (ActError, TypeError):
            same += "error" in case
            continue
        parts = {**case.get("info", {}), "total": case.get("reward")}
        same += "error" not in case and all(ours[name] == parts[name] for name in parts)
    return Row(f"rewards of {len(cases)} that are equal to the last bit", same, "", _all(cases))


def _episodes(folder: Path, observation: str, compat: str | None, quick: bool) -> Row:
    episodes = recorded(folder, "episodes")["episodes"][:: 10 if quick else 1]
    env = gym.make(
        *("ACT/WebShop-v0",), data_dir=folder, observation=observation, compat=compat
    ).unwrapped
    assert isinstance(env, TextEnv)
    same = 0
    for number, episode in enumerate(episodes):
        number *= 10 if quick else 1
        differences = play(env, episode, f"url-{number}-{episode['goal_index']}")
        same += not differences
        for difference in differences[:SHOWN]:
            print(difference, file=sys.stderr)
    env.close()
    name = f"episodes of {len(episodes)} without a difference: {observation}"
    return Row(f"{name}, compat={compat!r}", same, "", _all(episodes))


def _oracle(shop: Shop, quick: bool) -> list[Row]:
    """How often the oracle wins, and whether it is right where it gives up."""
    from act_envs.webshop.engine import Engine

    engine, rng = Engine(shop, Nouns("rule")), random.Random(0)
    simulator = NativeSimulator(engine, "synthetic", "text")
    tasks = [task for split in SPLITS for task in simulator.tasks(split)]
    drawn = rng.sample(tasks, min(len(tasks), 50 if quick else GOALS))
    won = steps = 0
    with Progress("goals of the oracle", len(drawn)) as progress:
        for task in drawn:
            simulator.start(task)
            outcome = None
            while (action := simulator.expert_action("oracle")) is not None:
                outcome, steps = simulator.act(action), steps + 1
            won += outcome is not None and outcome.won
            progress.advance()
    return [
        Row("goals that the oracle reaches", 100 * won / len(drawn), "%"),
        Row("actions of the oracle, mean", steps / max(won, 1), "steps"),
    ]


def _all(items: list[Any]) -> str:
    return f">= {len(items)}"
