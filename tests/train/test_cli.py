"""Mistakes in recipes become one line and exit status 2; help loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from act_train import recipe
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
        (["evaluate", "--config", "scienceworld_tiny_evaluat.yaml"], "_tiny_evaluate.yaml"),
        ([*EVALUATE, "--output", "x", "--step_limit", "many"], "invalid int value: 'many'"),
        ([*EVALUATE, "--output", "x", "--step_limit", "5", "--outptu", "y"], "'--output'"),
        ([*EVALUATE, "--output", "x"], "step_limit"),
        ([*EVALUATE, "--step_limit", "5"], "output"),
    ],
)
def test_mistakes_on_the_command_line(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in error_of(argv, capsys)


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
    [one] = recipe.read(["--config", str(path)], recipe.PairArguments)
    options = ["--pairs", "x", "--validation_share", "1e-3", "--history", "3"]
    [two] = recipe.read([*options, "--allow_split", "dev"], recipe.PairArguments)
    assert one == two
    assert one.validation_share == 0.001
