"""What may load what, and what must not be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "trl", "datasets", "pyarrow", "py4j", "scienceworld", "flask",
         "tyro", "tqdm", "matplotlib")  # fmt: skip
EXTRAS = {*HEAVY, "yaml", "jinja2", "huggingface_hub", "regex", "rapidfuzz", "selenium", "PIL",
          "accelerate", "deepspeed", "peft", "scipy", "safetensors"} - {"tyro"}  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running ``code``."""
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
    script += "print('\\n'.join(sorted({m.split('.')[0] for m in sys.modules})), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_import_act_envs_loads_gymnasium_and_numpy_only() -> None:
    base = loaded_after("import gymnasium, numpy")
    assert loaded_after("import act_envs") - base == {"act_envs"}


@pytest.mark.parametrize("package", ["act_envs", "act_data", "act_train"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    assert not loaded_after(f"import {package}") & set(HEAVY)


@pytest.mark.parametrize(
    "command",
    [
        "from act_envs.cli import main; main(['--help'])",
        "from act_data.cli import main; main(['--help'])",
        "from act_train.cli import main; main(['--help'])",
    ],
)
def test_help_needs_no_extra(command: str) -> None:
    assert not loaded_after(command) & EXTRAS
