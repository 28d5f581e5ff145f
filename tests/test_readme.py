"""Every code block of the README is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [code for language, code in BLOCKS if language == "bash"]
INSTALL = re.compile(r"pip install|^make ", re.MULTILINE)


@pytest.mark.parametrize("code", PYTHON)
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("code", [code for code in SHELL if not INSTALL.search(code)])
def test_shell_blocks_run(code: str, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code], cwd=tmp_path, env=environment, check=True
    )


def test_blocks_that_install_are_what_ci_runs() -> None:
    """These build whole environments, so they run in CI's script and not inside the suite."""
    script = (ROOT / ".ci" / "run").read_text()
    commands = [line for code in SHELL if INSTALL.search(code) for line in code.splitlines()]
    assert commands
    for command in commands:
        core = command.removeprefix("python -m ").replace('"', "")
        assert core in script.replace('"', ""), command


def test_all_blocks_have_a_language_that_is_run() -> None:
    fences = (ROOT / "README.md").read_text().count("```")
    assert fences == 2 * (len(PYTHON) + len(SHELL))
