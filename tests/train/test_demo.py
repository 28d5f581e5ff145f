"""The demo's plan and its memory; `.ci/run` runs the demo itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import pytest

from act_train import cli, demo, demo_steps, recipe
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
        demo_steps.output(command).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def at_once(
        run: Callable[[TextIO], None], _: Path
    ) -> Iterator[Callable[[], None]]:  # in this process
        yield lambda: run(sys.stderr)

    monkeypatch.setattr(demo_steps, "execute", execute)
    monkeypatch.setattr(demo, "in_own_process", at_once)
    monkeypatch.setattr(demo, "write_report", lambda out, *_: out / "report.html")
    return lines


def all_of(out: Path) -> list[demo.Command]:
    plan = demo.commands(out)
    return [*plan.data, *plan.act, *plan.rest]


@pytest.mark.parametrize("lane", ["act", "rest"])
def test_every_step_is_a_command_that_exists(lane: str, tmp_path: Path) -> None:
    made: set[str] = set()
    plan = demo.commands(tmp_path)
    for command in (*plan.data, *getattr(plan, lane)):
        program, stage, *options = command
        assert program in ("act-data", "act-train")
        if program == "act-train":
            assert stage in cli.STAGES
        if "--config" in options:
            assert options[options.index("--config") + 1] in packaged()
        written = str(demo_steps.output(command))
        named = {option.rpartition(":")[2] for option in options}  # players are scored:MODEL
        read = {name for name in named if name.startswith(str(tmp_path))} - {written}
        assert read <= made, "what a step reads, an earlier step has written"
        assert written not in made
        made.add(written)


def test_no_two_steps_write_one_thing(tmp_path: Path) -> None:
    outputs = [demo_steps.output(command) for command in all_of(tmp_path)]
    assert len({*outputs}) == len(outputs)


def test_players_are_evaluated_alike(tmp_path: Path) -> None:
    plays = [options for _, stage, *options in all_of(tmp_path) if stage == "evaluate"]
    read = [recipe.read(options, EvaluateArguments)[0] for options in plays]
    playing = ("base", "imitate", "act-imitate")
    assert len(read) == len(playing) * len(demo.SPLITS)
    alike = ("env", "tasks", "step_limit", "metric", "limit", "seed", "repeat_penalty")
    assert len({str([getattr(one, name) for name in alike]) for one in read}) == 1
    assert {one.history for one in read} == {HISTORY}
    assert {(one.policy, one.split) for one in read} == {
        (f"scored:{demo.MODELS[name].format(out=tmp_path)}", split)
        for name in playing
        for split in demo.SPLITS
    }


@pytest.mark.parametrize("cores", [1, 2])
def test_a_demo_goes_on_where_it_stopped(
    cores: int, tmp_path: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "processors", lambda: cores)
    steps = len(all_of(tmp_path))

    def interrupt(command: Any) -> None:
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(" ".join(command))
        demo_steps.output(command).mkdir(parents=True, exist_ok=True)

    with monkeypatch.context() as patched:
        patched.setattr(demo_steps, "execute", interrupt)
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


def test_what_is_made_again_is_not_done_before_its_end(
    tmp_path: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.run(DemoArguments(str(tmp_path)))
    ran.clear()
    (tmp_path / "critique").rmdir()

    def interrupt(command: demo.Command) -> None:
        demo_steps.output(command).mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(demo_steps, "execute", interrupt)
        with pytest.raises(KeyboardInterrupt):
            demo.run(DemoArguments(str(tmp_path)))
    demo.run(DemoArguments(str(tmp_path)))
    assert [line.split()[1] for line in ran] == ["critique"]


def test_a_demo_of_other_code_is_not_continued(tmp_path: Path, ran: list[str]) -> None:
    demo.run(DemoArguments(str(tmp_path)))
    record = tmp_path / demo_steps.STEPS / "01.json"
    known = json.loads(record.read_text())
    for broken in (json.dumps({**known, "code": "other"}), "{}", "{", "[]"):
        record.write_text(broken)
        with pytest.raises(DemoFailed, match="rm -r"):
            demo.run(DemoArguments(str(tmp_path)))


def test_a_step_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match="act-data collect --env nonsense"):
        demo_steps.execute(("act-data", "collect", "--env", "nonsense", "--out", str(tmp_path)))


def test_what_ran_at_the_same_time_is_counted_once() -> None:
    times = {"a": (0.0, 10.0), "b": (10.0, 20.0), "c": (12.0, 15.0), "d": (15.0, 25.0)}
    assert demo_steps.covered({}) == 0
    assert demo_steps.covered(times) == 25
    assert demo_steps.covered({**times, "later": (100.0, 101.0)}) == 26


def say(what: str, terminal: TextIO) -> None:
    """Run in a process of its own."""
    sys.stdout.write("to the file\n")
    terminal.write("to the terminal")
    if what == "be killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fail":
        raise DemoFailed("`act-train judge` ended with status 2.")
    if what == "raise":
        raise ValueError("out of memory")
    if what == "sleep":
        Path("beside.pid").write_text(str(os.getpid()))
        time.sleep(600)


def test_what_runs_beside_is_waited_for_and_may_fail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with demo_steps.in_own_process(partial(say, "well"), tmp_path) as wait:
        wait()
    assert (tmp_path / demo_steps.SAID).read_text() == "to the file\n"
    assert "to the terminal" in capfd.readouterr().err
    failing = demo_steps.in_own_process(partial(say, "fail"), tmp_path)
    with pytest.raises(DemoFailed, match=demo_steps.SAID), failing as wait:
        wait()
    assert "`act-train judge` ended with status 2." in capfd.readouterr().err
    assert "ended with status 2." in (tmp_path / demo_steps.SAID).read_text()
    unforeseen = demo_steps.in_own_process(partial(say, "raise"), tmp_path)
    with pytest.raises(DemoFailed, match=demo_steps.SAID), unforeseen as wait:
        wait()
    assert "ValueError('out of memory')" in capfd.readouterr().err
    assert "Traceback" in (tmp_path / demo_steps.SAID).read_text()
    killed = demo_steps.in_own_process(partial(say, "be killed"), tmp_path)
    with pytest.raises(DemoFailed, match="killed by signal 9"), killed as wait:
        wait()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_beside_outlives_the_demo(
    how: signal.Signals, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    code = (
        "from functools import partial\nfrom pathlib import Path\n"
        "from act_train import demo_steps\nfrom tests.train.test_demo import say\n"
        "if __name__ == '__main__':\n"
        "    with demo_steps.in_own_process(partial(say, 'sleep'), Path('.')) as wait:\n"
        "        wait()\n"
    )
    (tmp_path / "script.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(pytestconfig.rootpath)}
    begun = tmp_path / "beside.pid"
    with subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, env=environment) as script:
        try:
            until(lambda: begun.exists() and begun.read_text())
            script.send_signal(how)
            script.wait(60)
        finally:
            script.kill()
    until(lambda: not Path(f"/proc/{begun.read_text()}").exists())


def until(happens: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.1)
