"""The demo's plan and its memory; `.ci/run` runs the demo itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from act_train import cli, demo, recipe
from act_train.arguments.measuring import EvaluateArguments
from act_train.arguments.running import DemoArguments
from act_train.demo_report import HISTORY
from act_train.errors import DemoFailed
from act_train.recipe import packaged


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands that were executed; none of them really is, and no report is written."""
    lines: list[str] = []

    def execute(command: demo.Command) -> None:
        lines.append(" ".join(command))
        demo._output(command).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(demo, "_execute", execute)
    monkeypatch.setattr(demo, "write_report", lambda out, seconds: out / "report.html")
    return lines


def test_every_step_is_a_command_that_exists(tmp_path: Path) -> None:
    made: set[str] = set()
    for command in demo.commands(tmp_path):
        program, stage, *options = command
        assert program in ("act-data", "act-train")
        if program == "act-train":
            assert stage in cli.STAGES
        if "--config" in options:
            assert options[options.index("--config") + 1] in packaged()
        written = str(demo._output(command))
        read = {option for option in options if option.startswith(str(tmp_path))} - {written}
        assert read <= made, "what a step reads, an earlier step has written"
        assert written not in made
        made.add(written)


def test_players_are_evaluated_alike(tmp_path: Path) -> None:
    plays = [options for _, stage, *options in demo.commands(tmp_path) if stage == "evaluate"]
    read = [recipe.read(options, EvaluateArguments)[0] for options in plays]
    assert len(read) == len(demo.PLAYING) * len(demo.SPLITS)
    alike = ("env", "tasks", "step_limit", "metric", "limit", "seed", "repeat_penalty")
    assert len({str([getattr(one, name) for name in alike]) for one in read}) == 1
    assert {one.history for one in read} == {HISTORY}
    assert {(one.policy, one.split) for one in read} == {
        (f"scored:{demo.MODELS[name].format(out=tmp_path)}", split)
        for name in demo.PLAYING
        for split in demo.SPLITS
    }


def test_a_demo_goes_on_where_it_stopped(
    tmp_path: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = len(demo.commands(tmp_path))

    def interrupt(command: Any) -> None:
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(" ".join(command))
        demo._output(command).mkdir(parents=True, exist_ok=True)

    with monkeypatch.context() as patched:
        patched.setattr(demo, "_execute", interrupt)
        with pytest.raises(KeyboardInterrupt):
            demo.run(DemoArguments(str(tmp_path)))
    result = demo.run(DemoArguments(str(tmp_path)))
    assert len(ran) == len(set(ran)) == steps
    assert Path(result["report"]).name == "report.html"
    demo.run(DemoArguments(str(tmp_path)))
    assert len(ran) == steps
    (tmp_path / "critique").rmdir()  # what has been deleted is made again
    demo.run(DemoArguments(str(tmp_path)))
    assert [line for line in ran[steps:] if "critique" in line.split()[1]] == ran[steps:]
    assert len(ran) == steps + 1


def test_a_demo_of_other_code_is_not_continued(tmp_path: Path, ran: list[str]) -> None:
    demo.run(DemoArguments(str(tmp_path)))
    memory = json.loads((tmp_path / "demo.json").read_text())
    for broken in (json.dumps({**memory, "code": "other"}), "{", "[]"):
        (tmp_path / "demo.json").write_text(broken)
        with pytest.raises(DemoFailed, match="rm -r"):
            demo.run(DemoArguments(str(tmp_path)))


def test_a_step_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match="act-data collect --env nonsense"):
        demo._execute(("act-data", "collect", "--env", "nonsense", "--out", str(tmp_path)))
