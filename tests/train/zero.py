"""What two processes run in ``test_zero.py``: TRL's trainer and ours, and what they logged.

accelerate launch ... tests/train/zero.py MODEL OUT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from act_train.shared_prefix import SharedPrefixGRPOTrainer

PROMPTS = ["go to the kitchen and take the cup", "look", "open the door of the cellar", "wait"]
LOGGED = ("loss", "grad_norm", "entropy", "kl", "reward")


def luck(completions: list[str], **_: object) -> list[float]:
    return [float(sum(map(ord, text)) % 7) for text in completions]


def main(model: str, out: str) -> None:
    logs = {}
    for kind in (GRPOTrainer, SharedPrefixGRPOTrainer):
        trainer = kind(
            model,
            reward_funcs=luck,
            args=GRPOConfig(
                output_dir=f"{out}/{kind.__name__}", per_device_train_batch_size=8,
                num_generations=4, max_completion_length=6, max_steps=3, beta=0.1, bf16=False,
                gradient_checkpointing=False, learning_rate=1e-3, report_to=[], logging_steps=1,
                save_strategy="no", use_cpu=True, disable_tqdm=True, seed=3,
                model_init_kwargs={"dtype": "float32"}, logging_first_step=True,
            ),
            train_dataset=Dataset.from_dict({"prompt": PROMPTS * 4}),
        )  # fmt: skip
        trainer.train()
        lines = [line for line in trainer.state.log_history if "loss" in line]
        logs[kind.__name__] = [[line[name] for name in LOGGED] for line in lines]
        logs["shares"] = getattr(trainer, "shares", None)
    if int(os.environ["RANK"]) == 0:
        Path(out, "logs.json").write_text(json.dumps(logs))
    torch.distributed.destroy_process_group()  # as act-train does; without it, gloo may abort


if __name__ == "__main__":
    main(*sys.argv[1:])
