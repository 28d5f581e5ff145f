"""A GRPO step with the prompt computed once: ``python -m benchmarks.shared_prefix [--quick]``.

TRL's trainer and ours, each in a process of its own, on the same small model, prompts, and answers
of a fixed length: what a whole step costs (generation, log-probabilities, backward pass and
optimizer), in CPU time with one thread; how much memory it takes at its peak; and that both end
with the same weights. Beside the ratios stands what counting tokens allows: G answers of C tokens
after a prompt of P are G (P + C) tokens for TRL and P + G C for ours.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import tyro

from benchmarks.table import Row, publish

BARS = {(200, 24, 8): 2.8, (600, 24, 16): 5.0, (600, 64, 16): 3.0}
AIM = 0.7  # share of the bound that would be a very good result
CURVES = ((100, 24, 8), (400, 24, 8), (800, 24, 8), (200, 12, 8), (200, 96, 8), (200, 24, 2),
          (200, 24, 4), (200, 24, 32))  # fmt: skip
GROUPS = 4  # prompts in a micro-batch
_PROGRAM = """
import json, sys
from benchmarks.shared_prefix import Job, measure
print(json.dumps(measure(Job(**json.loads(sys.argv[2])), sys.argv[1])))
"""


@dataclass(frozen=True)
class SharedPrefix:
    """Steps of both trainers."""

    quick: bool = False
    """The first case alone, and fewer steps."""

    hidden: int = 256
    """Width of the model, a multiple of 64."""

    layers: int = 4
    """Its depth."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        rows = []
        for row in self._rows():
            print(f"measured: {row.name}", file=sys.stderr, flush=True)
            rows.append(row)
        return publish("A step of GRPO, TRL against ours", rows, self.json)

    def _rows(self) -> Iterator[Row]:
        cases = [(*case, 1) for case in BARS] + [(*case, 8) for case in BARS]
        if self.quick:
            cases = cases[:1]
        for prompt, answer, group, accumulate in cases:
            yield from self._case(prompt, answer, group, accumulate, bar=True)
        for prompt, answer, group in () if self.quick else CURVES:
            yield from self._case(prompt, answer, group, 1, bar=False)

    def _case(
        self, prompt: int, answer: int, group: int, accumulate: int, *, bar: bool
    ) -> Iterator[Row]:
        steps = 3 if accumulate > 1 or self.quick else 6
        job = Job(prompt, answer, group, accumulate, steps, self.hidden, self.layers)
        theirs, ours = (_in_process(job, kind) for kind in ("trl", "ours"))
        title = f"P={prompt} C={answer} G={group}, {accumulate} micro-batches"
        bound = group * (prompt + answer) / (prompt + group * answer)
        wanted = BARS.get((prompt, answer, group)) if bar else None
        yield Row(
            f"{title}: CPU of a step, TRL's by ours", theirs["step"] / ours["step"], "x",
            "" if wanted is None else f">= {wanted:g}",
        )  # fmt: skip
        yield Row(f"{title}: the bound by tokens", bound, "x")
        yield Row(f"{title}: TRL's step", theirs["step"], "s")
        if bar:
            yield Row(
                f"{title}: peak memory, ours by TRL's", ours["memory"] / theirs["memory"], "x",
                "<= 1.02",
            )  # fmt: skip
            worst = max(abs(a - b) for a, b in zip(theirs["sums"], ours["sums"], strict=True))
            yield Row(f"{title}: largest difference of a weight's mean", worst, "", "<= 1e-05")


@dataclass(frozen=True)
class Job:
    """Steps of one trainer: lengths in tokens, sizes, and how many."""

    prompt: int
    answer: int
    group: int
    accumulate: int
    steps: int
    hidden: int
    layers: int


def _in_process(job: Job, kind: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, kind, json.dumps(asdict(job))],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        sys.exit(f"{kind}, {job}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(job: Job, kind: str) -> dict[str, Any]:
    """Train, and tell seconds of CPU of a step (median), peak memory in bytes, and the weights."""
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

    from act_train.scratch import make_model, make_tokenizer
    from act_train.shared_prefix import SharedPrefixGRPOTrainer

    words = ["cup", "desk", "door", "lamp", "go", "take", "open", "look", "kitchen", "drawer"]
    tokenizer = make_tokenizer([" ".join(words)] * 9, 300)
    model = make_model(tokenizer, hidden=job.hidden, layers=job.layers, seed=0)
    generator = torch.Generator().manual_seed(0)

    def prompt() -> str:
        drawn = torch.randint(len(words), (4 * job.prompt,), generator=generator)
        ids = tokenizer(" ".join(words[index] for index in drawn))["input_ids"][: job.prompt]
        return str(tokenizer.decode(ids))

    class Times(TrainerCallback):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.begun = time.process_time()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.seconds.append(time.process_time() - self.begun)

    times = Times()
    prompts = [prompt() for _ in range(GROUPS * job.accumulate * job.steps)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = (SharedPrefixGRPOTrainer if kind == "ours" else GRPOTrainer)(
            model,
            reward_funcs=lambda completions, **_: [float(len(set(c))) for c in completions],
            args=GRPOConfig(
                output_dir=folder, per_device_train_batch_size=GROUPS * job.group,
                gradient_accumulation_steps=job.accumulate, num_generations=job.group,
                max_completion_length=job.answer, max_steps=job.steps, optim="sgd",
                generation_kwargs={"min_new_tokens": job.answer}, bf16=False, use_cpu=True,
                gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True,
                learning_rate=1e-2, seed=0,
            ),
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=tokenizer,
            callbacks=[times],
        )  # fmt: skip
        trainer.train()
    assert getattr(trainer, "shares", True), "it has turned itself off"
    lengths = trainer.state.log_history[0]
    assert lengths["completions/mean_length"] == job.answer, lengths
    return {
        "step": median(times.seconds[1:]),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "sums": [parameter.mean().item() for parameter in model.parameters()],
    }


if __name__ == "__main__":
    sys.exit(tyro.cli(SharedPrefix, description=__doc__)())
