"""DeepSpeed for real: two processes, sharded optimizer states (ZeRO-2) and parameters (ZeRO-3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from act_train.scratch import make_model, make_tokenizer
from tests.train.zero import LOGGED, PROMPTS

CONFIG = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": "DEEPSPEED",
    "machine_rank": 0,
    "mixed_precision": "no",
    "num_machines": 1,
    "num_processes": 2,
    "use_cpu": True,
}


def launched(folder: Path, root: Path, stage: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A module in two processes that share by ZeRO of this stage."""
    zero = {
        "zero_stage": stage, "zero3_init_flag": stage == 3, "zero3_save_16bit_model": True,
        "offload_optimizer_device": "none", "offload_param_device": "none",
    }  # fmt: skip
    (folder / "zero.yaml").write_text(yaml.safe_dump({**CONFIG, "deepspeed_config": zero}))
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "zero.yaml",
         "--main_process_port", "0", "-m", *words],
        cwd=folder, capture_output=True, text=True, timeout=850, check=False,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def a_model(folder: Path) -> None:
    tokenizer = make_tokenizer(PROMPTS, 300)
    make_model(tokenizer, hidden=64, layers=2, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.timeout(900)  # the first start on a machine compiles a part of DeepSpeed
@pytest.mark.parametrize("stage", [2, 3])
def test_training_is_that_of_trl(stage: int, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    a_model(tmp_path / "model")
    done = launched(tmp_path, pytestconfig.rootpath, stage, "tests.train.zero", "model", ".")
    assert done.returncode == 0, done.stderr[-3000:]
    logs = json.loads((tmp_path / "logs.json").read_text())
    assert logs["shares"]
    theirs, ours = logs["GRPOTrainer"], logs["SharedPrefixGRPOTrainer"]
    assert len(theirs) == 3
    for expected, found in zip(theirs, ours, strict=True):
        named = [dict(zip(LOGGED, line, strict=True)) for line in (found, expected)]
        assert named[0] == pytest.approx(named[1], rel=1e-4, abs=1e-6)


@pytest.mark.timeout(900)
def test_adapters_end_in_the_weights_or_are_refused(
    stored: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    a_model(tmp_path / "model")
    told: dict[str, Any] = {
        "stage": "imitate", "model": "model", "lora_rank": 4, "output_dir": "out", "history": 0,
        "trajectories": str(stored / "trajectories.parquet"), "max_steps": 2, "max_length": 2048,
        "per_device_train_batch_size": 2, "learning_rate": 0.01, "use_cpu": True, "bf16": False,
        "activation_checkpointing": False, "save_strategy": "no", "report_to": "none",
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(told))
    command = ("act_train.cli", "imitate", "--config", "recipe.yaml")
    refused = launched(tmp_path, pytestconfig.rootpath, 3, *command)
    assert refused.returncode != 0
    assert "lora_rank=4 and ZeRO stage 3" in refused.stderr
    assert not (tmp_path / "out" / "model.safetensors").exists()
    done = launched(tmp_path, pytestconfig.rootpath, 2, *command)
    assert done.returncode == 0, done.stderr[-3000:]
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("model", "out"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "proj" in name}
    assert not list((tmp_path / "out").glob("adapter*"))
