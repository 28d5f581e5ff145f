"""ScienceWorld's panels: which tasks, which caps, which leaks. Nothing here starts Java."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter

import gymnasium as gym
import pytest

from act_envs import cli
from act_envs.base import TextEnv
from act_envs.cli import main
from act_envs.errors import UnknownArgument, UnknownSplit
from act_envs.scienceworld import catalogue, jre
from act_envs.scienceworld.env import ScienceWorldEnv
from act_envs.scienceworld.panels import panels, step_limits, tasks

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("scienceworld") is None,
    reason=f"needs the package scienceworld. Run: {jre.INSTALL}",
)


def ids(name: str) -> set[str]:
    return {task.task_id for task in tasks(name)}


def splits(name: str) -> dict[str, int]:
    return Counter(task.split for task in tasks(name))


def kinds(name: str) -> dict[str, int]:
    return Counter(task.kind for task in tasks(name))


def make(**kwargs: object) -> TextEnv:
    env = gym.make("ACT/ScienceWorld-v0", **kwargs).unwrapped
    assert isinstance(env, TextEnv)
    return env


def test_a_panel_lists_tasks_of_the_catalogue_once_and_in_its_order() -> None:
    every = [task for kind in catalogue.kinds() for task in _of_kind(kind)]
    for panel in panels().values():
        mine = set(panel.tasks)
        assert panel.tasks == tuple(task for task in every if task in mine)
        assert set(panel.step_limits) == {task.kind for task in panel.tasks}


def _of_kind(kind: str) -> list[object]:
    return [catalogue.task(f"{kind}/{n}") for n in range(catalogue.kinds()[kind].variations)]


def test_eto_is_the_published_lists() -> None:
    assert splits("eto-train") == {"train": 1126, "dev": 357}
    assert splits("eto-dev") == {"dev": 194}
    assert splits("eto-test") == {"test": 211}
    assert len(ids("eto-train") & ids("eto-dev")) == 54
    assert not ids("eto-test") & (ids("eto-train") | ids("eto-dev"))
    assert max(kinds("eto-train").values()) == 120
    assert max(kinds("eto-dev").values()) == 10
    missing = catalogue.kinds().keys() - kinds("eto-test").keys()
    assert {catalogue.kinds()[kind].topic for kind in missing} == {
        "2-3", "9-1", "9-2", "9-3", "10-1", "10-2",
    }  # fmt: skip
    # The variations were drawn at random: nothing else would show a number that got lost.
    numbers = {n: [catalogue.parse(task_id)[1] for task_id in ids(n)] for n in panels()}
    assert sum(numbers["eto-train"]) == 170781
    assert sum(numbers["eto-dev"]) == 28467


def test_eto_tests_the_first_ten_test_variations_of_its_kinds() -> None:
    wanted = [task for task in tasks("test-10") if task.kind in kinds("eto-test")]
    assert list(tasks("eto-test")) == wanted


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("boil", 100),
        ("melt", 80),
        ("measure-melting-point-known-substance", 120),
        ("power-component", 20),
        ("power-component-renewable-vs-nonrenewable-energy", 30),
        ("lifespan-longest-lived", 10),
        ("lifespan-longest-lived-then-shortest-lived", 12),
        ("grow-plant", 30),
        ("grow-fruit", 60),
        ("chemistry-mix-paint-secondary-color", 15),
        ("chemistry-mix-paint-tertiary-color", 30),
    ],
)
def test_eto_caps_every_kind_on_its_own(kind: str, limit: int) -> None:
    for name in ("eto-train", "eto-dev", "eto-test"):
        assert panels()[name].step_limits[kind] == limit


def test_test_10_is_the_beginning_of_the_test_split() -> None:
    for kind in catalogue.kinds().values():
        mine = [t.task_id for t in tasks("test-10") if t.kind == kind.name]
        assert mine == [f"{kind.name}/{n}" for n in kind.ranges["test"]][:10]


def test_agentgym_is_numbered_as_its_server_numbers() -> None:
    pool = tasks("agentgym")
    assert (pool[0].task_id, pool[120].task_id, pool[-1].task_id) == (
        "boil/0", "use-thermometer/0", "identify-life-stages-2/9",
    )  # fmt: skip
    left_out = catalogue.kinds().keys() - kinds("agentgym").keys()
    assert {catalogue.kinds()[kind].topic for kind in left_out} == {
        "5-1", "5-2", "9-1", "9-2", "9-3", "10-1", "10-2",
    }  # fmt: skip
    assert (
        len(pool) == 4639 == sum(catalogue.kinds()[kind].variations for kind in kinds("agentgym"))
    )
    assert set(panels()["agentgym"].step_limits.values()) == {30}


def test_out_of_distribution_shares_no_topic() -> None:
    def topics(name: str) -> set[str]:
        return {catalogue.kinds()[kind].topic.partition("-")[0] for kind in kinds(name)}

    assert topics("ood-test") == {"6", "9"}
    assert topics("ood-train") == {"1", "2", "3", "4", "5", "7", "8", "10"}
    assert splits("ood-train") == {"train": 2684}
    assert splits("ood-test") == {"test": 56}
    assert ids("ood-test") <= ids("test-10")


def test_the_documentation_has_the_numbers() -> None:
    rows = re.findall(
        r'^ +\| ``"(.+?)"`` +\| ([\d,]+) +\| (.+?) +\|', ScienceWorldEnv.__doc__, re.M
    )  # type: ignore[arg-type]
    shown = {}
    for panel in panels().values():
        few, many = min(panel.step_limits.values()), max(panel.step_limits.values())
        shown[panel.name] = (
            f"{len(panel.tasks):,}",
            f"{few} to {many}" if few < many else f"{few}",
        )
    assert {name: (count, limit) for name, count, limit in rows} == shown


@needs_package
def test_the_environment_plays_a_panel_with_its_caps() -> None:
    env = make(split="eto-test")
    assert env.splits == catalogue.SPLITS
    assert env.panels == tuple(panels())
    assert env.tasks() == env.tasks("eto-test") == list(tasks("eto-test"))
    assert env.step_limit == 120  # the most, before it is known which task is played
    assert make().step_limit == make(split="dev").step_limit == 100
    assert make(split="eto-test", step_limit=7).step_limit == 7
    assert make(split="eto-test", step_limit=None).step_limit is None
    with pytest.raises(UnknownArgument, match="'panels'"):
        make(step_limit="panels")
    with pytest.raises(UnknownSplit, match="'eto-test'"):
        make(split="eto_test")
    with pytest.raises(UnknownSplit, match="'ood-train'"):
        env.tasks("ood-trian")


@needs_package
def test_a_simplification_leaves_unsolvable_tasks_out_of_panels_too() -> None:
    env = make(split="test-10", simplifications="noElectricalAction")
    assert len(env.tasks()) == 271 - 30


def test_kinds_outside_the_panel_keep_the_usual_limit() -> None:
    limits = step_limits("eto-dev")
    assert not isinstance(limits, int)
    assert limits.keys() == catalogue.kinds().keys()
    assert limits["inclined-plane-determine-angle"] == 100


@needs_package
def test_the_command_line_lists_counts_and_reports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "scienceworld", "--split", "eto-test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 211
    assert lines[0] == "boil/21\ttest\tboil"
    assert main(["tasks", "scienceworld", "--count"]) == 0
    assert "eto-train\tgrow-fruit\t62" in capsys.readouterr().out.splitlines()
    assert main(["tasks", "scienceworld", "--check-leaks"]) == 0
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert "none in common" in title
    rows = [line.split() for line in lines]
    assert [row for row in rows if row[3] != "0"] == [
        ["eto-train", "1,483", "eto-dev", "54", "leak"],
        ["eto-train", "1,483", "dev", "357", "leak"],
    ]
    apart = {(row[0], row[2]) for row in rows}
    assert len(apart) == len(rows) == 3 + 1 + 5 * 2 + 2 + 3
    assert {("eto-train", "eto-test"), ("ood-train", "ood-test"), ("test-10", "train")} <= apart
    assert not {"agentgym"} & {name for pair in apart for name in pair}
    assert main(["tasks", "scienceworld", "--check-leaks", "--count"]) == 2


@needs_package
def test_list_shows_panels_on_a_line_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "env_ids", lambda: ("ACT/Toy-v0", "ACT/ScienceWorld-v0"))
    monkeypatch.setattr(ScienceWorldEnv, "reset", lambda self, **_: None)
    assert main(["list"]) == 0
    toy, scienceworld = capsys.readouterr().out.split("ACT/ScienceWorld-v0")
    assert "panels" not in toy
    assert "\n    panels: eto-train 1,483, eto-dev 194, eto-test 211, " in scienceworld
