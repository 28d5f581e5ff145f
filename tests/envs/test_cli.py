"""``act-envs`` as a person meets it."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time

import pytest

from act_envs import testing
from act_envs.cli import main
from act_envs.errors import SimulatorError
from act_envs.toy import ToySimulator


def play(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *lines: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
    assert main(["play", "toy", "--task", "fetch/3", "--step-limit", "4"]) == 0
    return capsys.readouterr().out


def test_tasks_lists_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "toy", "--split", "dev", "--kind", "feed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "feed/100\tdev\tfeed"
    assert len(lines) == 50
    assert main(["tasks", "ACT/Toy-v0", "--count"]) == 0
    assert "train\tfetch\t100" in capsys.readouterr().out


def test_check_says_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "toy"]) == 0
    count = len(testing.CHECKS)
    assert f"ACT/Toy-v0: {count} of {count} checks hold" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["tasks", "toi"], "'ACT/Toy-v0'"),
        (["tasks", "toy", "--split", "trian"], "'train'"),
        (["tasks", "toy", "--kind", "fetsh"], "'fetch'"),
        (["play", "toy", "--task", "fetch/900"], "'fetch/"),
        (["play", "toy", "--env-kwargs", "spilt", "x"], "'split'"),
        (["play", "toy", "--env-kwargs", "split", "test"], "--split"),
        (["play", "toy", "--env-kwargs", "admissible", "no"], "True or False"),
        (["play", "toy", "--seed", "-1"], "-1"),
    ],
)
def test_mistakes_get_one_line_with_a_suggestion(
    capsys: pytest.CaptureFixture[str], argv: list[str], hint: str
) -> None:
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert hint in error


def test_play_undo_hint_and_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ":undo|wait|:undo|:hint|:actions look|:goal|x|x|x|x|x|:undo|:restart|:next|:help|:nope"
    out = play(monkeypatch, capsys, *script.split("|"), ":quit")
    assert "Nothing to undo." in out
    assert "step 1/4" in out
    assert "Out of steps." in out
    assert "The episode is over" in out
    assert "There is no command :nope" in out
    assert "\nlook\n" in out


def test_a_hint_that_fails_does_not_end_the_game(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> str:
        raise SimulatorError("no path was found. Play the task without it.")

    monkeypatch.setattr(ToySimulator, "expert_action", fail)
    out = play(monkeypatch, capsys, "wait", ":hint", ":undo", ":quit")
    assert "no path was found" in out
    assert "Nothing to undo" not in out


def test_play_ends_with_its_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "step 1" in play(monkeypatch, capsys, "wait")


def test_play_in_a_real_terminal_with_tab_and_interrupt() -> None:
    """Through a pseudo-terminal: completion by Tab, and Ctrl-C ends with status 130."""
    parent, child = pty.openpty()
    code = "import sys; from act_envs.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "play", "toy", "--task", "fetch/3"],
        stdin=child, stdout=child, stderr=child, start_new_session=True,
        preexec_fn=lambda: os.login_tty(child) if hasattr(os, "login_tty") else None,
    )  # fmt: skip
    os.close(child)
    seen = ""

    def wait_for(text: str, *, press: bytes = b"") -> None:
        """Read until the text has come; a key that is to be pressed is pressed every second.

        (CPython's readline can miss a signal that comes just before it waits for a key.)
        """
        nonlocal seen
        end = time.monotonic() + 60
        while text not in seen:
            assert time.monotonic() < end, seen
            if press:
                os.write(parent, press)
            if select.select([parent], [], [], 1)[0]:
                seen += os.read(parent, 4096).decode()
        seen = seen.partition(text)[2]

    try:
        wait_for("> ")
        os.write(parent, b"wai\t\n")
        wait_for("step 1")
        wait_for("> ")
        wait_for("interrupted", press=b"\x03")
        assert process.wait(60) == 130
    finally:
        process.kill()
        os.close(parent)
