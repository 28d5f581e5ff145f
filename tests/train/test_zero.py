"""DeepSpeed for real: two processes, sharded optimizer states (ZeRO-2) and parameters (ZeRO-3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


@pytest.mark.timeout(900)  # the first start on a machine compiles a part of DeepSpeed
@pytest.mark.parametrize("stage", [2, 3])
def test_training_is_that_of_trl(stage: int, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    tokenizer = make_tokenizer(PROMPTS, 300)
    make_model(tokenizer, hidden=64, layers=2, seed=0).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    zero = {
        "zero_stage": stage, "zero3_init_flag": stage == 3, "zero3_save_16bit_model": True,
        "offload_optimizer_device": "none", "offload_param_device": "none",
    }  # fmt: skip
    (tmp_path / "zero.yaml").write_text(yaml.safe_dump({**CONFIG, "deepspeed_config": zero}))
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "zero.yaml",
         "--main_process_port", "0", "-m", "tests.train.zero", "model", "."],
        cwd=tmp_path, capture_output=True, text=True, timeout=850, check=False,
        env={**os.environ, "PYTHONPATH": str(pytestconfig.rootpath), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    logs = json.loads((tmp_path / "logs.json").read_text())
    assert logs["shares"]
    theirs, ours = logs["GRPOTrainer"], logs["SharedPrefixGRPOTrainer"]
    assert len(theirs) == 3
    for expected, found in zip(theirs, ours, strict=True):
        named = [dict(zip(LOGGED, line, strict=True)) for line in (found, expected)]
        assert named[0] == pytest.approx(named[1], rel=1e-4, abs=1e-6)
