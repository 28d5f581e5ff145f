"""Mistakes in recipes become one line and exit status 2; help loads nothing heavy."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from act_train import cli, recipe
from act_train.arguments.measuring import EvaluateArguments
from act_train.arguments.training import PairArguments
from act_train.cli import STAGES, main


@pytest.mark.parametrize("argv", [[], ["--help"], *([name, "--help"] for name in STAGES)])
def test_help_loads_neither_torch_nor_trl(argv: list[str]) -> None:
    code = (
        "import sys; from act_train.cli import main; status = main(sys.argv[1:]);"
        "assert not {'torch', 'trl', 'transformers', 'datasets'} & set(sys.modules);"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage: act-train" in done.stdout


def error_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "Traceback" not in said
    return said


EVALUATE = ["evaluate", "--policy", "expert", "--env", "ACT/Toy-v0"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["critic"], "'critique'"),
        (["evaluate", "--config"], "no file"),
        (["evaluate", "--config", "nowhere.yaml"], "does not exist"),
        (["evaluate", "--config", "nano_evaluat.yaml"], "nano_evaluate.yaml"),
        ([*EVALUATE, "--output", "x", "--step_limit", "many"], "invalid int value: 'many'"),
        ([*EVALUATE, "--output", "x", "--step_limit", "5", "--outptu", "y"], "'--output'"),
        ([*EVALUATE, "--outptu=y"], "'--output'"),  # and not: output is not set
        ([*EVALUATE, "--output", "/", "--step_limit", "5"], "/ is a folder. Give the name"),
        (
            [
                "evaluate",
                "--env",
                "CartPole-v1",
                *EVALUATE[1:3],
                "--output",
                "x",
                "--step_limit",
                "5",
            ],
            "no text environment",
        ),
        (
            ["judge", "--model", "m", "--pairs", "p", "--output", "o.json", "--rationale_pairs=-1"],
            "rationale_pairs=-1",
        ),
        (["tiny", "--out", "o", "--texts", "t", "--hidden", "0"], "hidden=0"),
        (["tiny", "--out", "o", "--texts", "t", "--seed", "99999999999999999999"], "seed="),
        (["compare", "a.jsonl"], "1 result files are given"),
        ([*EVALUATE, "--step_limit", "5"], "output"),
    ],
)
def test_mistakes_on_the_command_line(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in error_of(argv, capsys)


def test_files_that_cannot_be_read_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    play = [*EVALUATE, "--limit", "1", "--step_limit", "5", "--output"]
    for argv, told in (
        ([*play, str(file / "a.jsonl")], "file is a file, and a folder is needed. Choose"),
        ([*play, str(file / "sub" / "a.jsonl")], "leads through a file as if"),
        (["compare", str(tmp_path / "no"), str(file)], "no does not exist. Give the path"),
        (["compare", str(tmp_path), str(file)], "is a folder. Give the name of a file."),
        ([*play, "/dev/null"], "keeps nothing to go on with. Give the name of a file."),
        (["evaluate", "--config", str(tmp_path)], "is a folder. Give the name of a file in it."),
    ):
        said = error_of(argv, capsys)
        assert told in said
        assert "Errno" not in said
    assert main([*play, str(tmp_path / "a.jsonl")]) == 0
    capsys.readouterr()
    run = ["report", str(tmp_path / "a.jsonl"), "--out"]
    assert "file is a file, and a folder is needed." in error_of([*run, str(file)], capsys)
    make = ["tiny", "--texts", str(file), "--out"]
    assert "file is a file, and a folder is needed." in error_of([*make, str(file)], capsys)
    assert "holds a.jsonl, which is nothing that" in error_of([*make, str(tmp_path)], capsys)
    assert (tmp_path / "a.jsonl").stat().st_size
    assert main(["tiny", "--texts", str(tmp_path / "none"), "--out", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()

    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", refuse)
    for error in (errno.ENOSPC, errno.EDQUOT):
        said = error_of([*play, str(tmp_path / f"{error}.jsonl")], capsys)
        assert f"{error}.jsonl cannot be written: the disk is full. Make room" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("polcy: expert\n", "'policy'"),
        ("policy: [unclosed\n", "no YAML"),
        ("- a list\n", "mapping"),
        ("policy: expert\nenv: ACT/Toy-v0\noutput: x\nstep_limit: soon\n", "invalid int value"),
        ("policy: expert\nenv: ACT/Toy-v0\noutput: x\nstep_limit: 2.5\n", "invalid int value"),
        ("policy: expert\nenv: ACT/Tyo-v0\noutput: x\nstep_limit: 5\n", "Tyo"),
    ],
)
def test_mistakes_in_a_recipe(
    tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    assert told in error_of(["evaluate", "--config", str(path)], capsys)


def test_an_option_beats_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "out.jsonl"
    path.write_text(f"policy: expert\nenv: ACT/Toy-v0\nstep_limit: 1\noutput: {out}\nlimit: 3\n")
    assert main(["evaluate", f"--config={path}", "--step_limit", "30"]) == 0
    assert '"step_limit": 30' in out.read_text()
    assert "episodes" in capsys.readouterr().out


def test_values_are_read_alike_from_yaml_and_options(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("pairs: x\nvalidation_share: 1e-3\nhistory: 3\nallow_split: [dev]\n")
    [one] = recipe.read(["--config", str(path)], PairArguments)
    options = ["--pairs", "x", "--validation_share", "1e-3", "--history", "3"]
    [two] = recipe.read([*options, "--allow_split", "dev"], PairArguments)
    assert one == two
    assert one.validation_share == 0.001


def test_a_recipe_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"policy: \xff\xfe")
    assert "no YAML" in error_of(["evaluate", "--config", str(path)], capsys)


def test_a_recipe_may_write_a_list_of_one_and_a_mapping_plainly(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "policy: expert\nenv: ACT/Toy-v0\noutput: x\nstep_limit: 5\n"
        "tasks: fetch:1\nenv_kwargs: {admissible: true}\n"
    )
    for _ in range(2):  # TRL's parser changes the fields that it has seen
        [found] = recipe.read(["--config", str(path)], EvaluateArguments)
        assert found.tasks == ["fetch:1"]
        assert found.make_arguments() == {"admissible": True}


def test_a_table_leaves_rows_to_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {"accuracy": 0.5, "accuracy_95": [0.25, 0.75], "verdicts": [["id", "task", 1.0, 0.5]]}
    monkeypatch.setattr(cli, "_run", lambda *_: report)
    assert main(["tiny"]) == 0
    assert capsys.readouterr().out == "accuracy     0.5\naccuracy_95  [0.25, 0.75]\n"


def test_processes_part_before_they_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else threads of gloo may abort a process when its interpreter ends."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("act_train.tiny.run", lambda _: {"model": "made"})
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/others", world_size=1, rank=0
    )
    assert main(["tiny", "--out", "o", "--texts", "t"]) == 0
    assert not torch.distributed.is_initialized()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_and_strange_signs_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "a\x1b[2J")
    assert "a\\x1b[2J does not exist." in error_of(["compare", missing, missing], capsys)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "act_train.cli"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output cannot be written")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("after", "environment"), [("| true", {}), ("", {"LC_ALL": "C"})])
def test_neither_a_closed_pipe_nor_an_ascii_terminal_is_an_error(
    after: str, environment: dict[str, str]
) -> None:
    code = (
        "import sys; from act_train import cli; cli._run = lambda *_: {'name': '\\u2192'};"
        "sys.exit(cli.main(['tiny']))"
    )
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; {sys.executable} -X utf8=0 -c "{code}" {after}'],
        env={**os.environ, "PYTHONCOERCECLOCALE": "0", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if after else "name  ?\n")


@pytest.mark.parametrize(
    ("stage", "told"), [("evaluate", ": the same command goes on from here."), ("critique", "")]
)
def test_ctrl_c_says_what_goes_on(
    stage: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    assert main([stage]) == 130
    assert capsys.readouterr().err == f"\ninterrupted{told}\n"
