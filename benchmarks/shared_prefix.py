"""A GRPO step with the prompt computed once: ``python -m benchmarks.shared_prefix [--quick]``.

TRL's trainer and ours, each in a process of its own, on the same small model, prompts, and answers
of a fixed length: what a whole step costs (generation, log-probabilities, backward pass and
optimizer), in CPU time with one thread; how much memory it takes at its peak; and that both end
with the same weights. Beside the ratios stands what counting tokens allows: G answers of C tokens
after a prompt of P are G (P + C) tokens for TRL and P + G C for ours.

And both learn: 200 steps of a task that a tiny model can learn, for some seeds. Equal seeds begin
with equal answers, and part ways when rounding first changes a token; from there on the two differ
as two seeds do, or less.
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
from statistics import mean, median, stdev
from typing import Any, cast

from benchmarks.script import call
from benchmarks.table import Row, publish

BARS = {(200, 24, 8): 2.8, (600, 24, 16): 5.0, (600, 64, 16): 3.0}
CURVES = ((100, 24, 8), (400, 24, 8), (800, 24, 8), (200, 12, 8), (200, 96, 8), (200, 256, 8),
          (200, 24, 2), (200, 24, 4), (200, 24, 32))  # fmt: skip
SEEDS = 3
LEARNING = 200  # steps
_LAST = 50  # steps at the end of a learning curve
_PROGRAM = """
import json, sys
from benchmarks.shared_prefix import Job, measure
print(json.dumps(measure(Job(**json.loads(sys.argv[2])), sys.argv[1], sys.argv[3])))
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
        if not self.quick:
            yield from self._learning()

    def _case(
        self, prompt: int, answer: int, group: int, accumulate: int, *, bar: bool
    ) -> Iterator[Row]:
        steps = 5 if bar and accumulate == 1 else 3
        groups = 2 if accumulate == 1 else 1
        job = Job(prompt, answer, group, groups, accumulate, steps, self.hidden, self.layers)
        theirs, ours, difference = _both(job)
        times = f"{accumulate} x {groups} prompts a step"
        title = f"P={prompt} C={answer} G={group}, {times}"
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
            yield Row(
                f"{title}: largest difference of a weight after {steps} steps", difference, "",
                "<= 1e-05",
            )  # fmt: skip

    def _learning(self) -> Iterator[Row]:
        ends: dict[str, list[float]] = {}
        apart = []
        for seed in range(SEEDS):
            job = Job(
                prompt=40, answer=8, group=8, groups=2, accumulate=1, steps=LEARNING, hidden=64,
                layers=2, rate=1e-3, optimizer="adamw_torch", seed=seed,
            )  # fmt: skip
            found = {kind: _in_process(job, kind) for kind in ("trl", "ours")}
            curves = [result["rewards"] for result in found.values()]
            both = zip(*curves, strict=True)
            apart.append(next((at for at, (a, b) in enumerate(both) if a != b), LEARNING))
            for kind, result in found.items():
                ends.setdefault(kind, []).append(mean(result["rewards"][-_LAST:]))
            ends.setdefault("start", []).append(mean(curves[0][:5]))
        title = f"{LEARNING} steps, {SEEDS} seeds"
        for kind, name in (("start", "at the start"), ("trl", "TRL's"), ("ours", "ours")):
            yield Row(f"{title}: mean reward, {name}", mean(ends[kind]), "")
        noise = max(stdev(ends["trl"]), stdev(ends["ours"]))
        yield Row(f"{title}: largest deviation between seeds", noise, "")
        yield Row(
            f"{title}: difference of the two", abs(mean(ends["ours"]) - mean(ends["trl"])), "",
            f"<= {2 * noise:.3g}",
        )  # fmt: skip
        yield Row(f"{title}: steps with equal rewards to the last digit", min(apart), "")


@dataclass(frozen=True)
class Job:
    """Steps of one trainer.

    Attributes:
        prompt: tokens of a prompt.
        answer: tokens of an answer.
        group: answers to a prompt.
        groups: prompts in a micro-batch.
        accumulate: micro-batches of a step.
        steps: how many.
        hidden: width of the model.
        layers: its depth.
        rate: learning rate.
        optimizer: as TRL names it.
        seed: of the weights and of what is drawn.
    """

    prompt: int
    answer: int
    group: int
    groups: int
    accumulate: int
    steps: int
    hidden: int
    layers: int
    rate: float = 1e-2
    optimizer: str = "sgd"
    seed: int = 0


def _both(job: Job) -> tuple[dict[str, Any], dict[str, Any], float]:
    """What TRL's trainer and ours tell, and the largest difference of a weight in the end."""
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as folder:
        found = {k: _in_process(job, k, str(Path(folder, k))) for k in ("trl", "ours")}
        theirs, ours = (load_file(Path(folder, kind)) for kind in found)
    worst = max(float((theirs[name] - ours[name]).abs().max()) for name in theirs)
    return found["trl"], found["ours"], worst


def _in_process(job: Job, kind: str, weights: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, kind, json.dumps(asdict(job)), weights],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        sys.exit(f"{kind}, {job}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(job: Job, kind: str, weights: str = "") -> dict[str, Any]:
    """Train, and tell seconds of CPU of a step (median), peak memory in bytes, and rewards.

    Args:
        job: what is done.
        kind: whose trainer, ``"trl"`` or ``"ours"``.
        weights: file for the weights in the end; none where it is empty.
    """
    import torch
    from datasets import Dataset
    from safetensors.torch import save_file
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

    from act_train.scratch import make_model, make_tokenizer
    from act_train.shared_prefix import SharedPrefixGRPOTrainer

    words = ["cup", "desk", "door", "lamp", "go", "take", "open", "look", "kitchen", "drawer"]
    tokenizer = make_tokenizer([" ".join(words)] * 9, 300)
    model = make_model(tokenizer, hidden=job.hidden, layers=job.layers, seed=job.seed)
    generator = torch.Generator().manual_seed(job.seed)

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

    def letters(completions: list[str], **_: Any) -> list[float]:
        """How much of an answer is lower-case letters: soon learnt, and never all or nothing."""
        return [sum("a" <= c <= "z" for c in text) / max(1, len(text)) for text in completions]

    times = Times()
    prompts = [prompt() for _ in range(job.groups * job.accumulate * job.steps)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = (SharedPrefixGRPOTrainer if kind == "ours" else GRPOTrainer)(
            model,
            reward_funcs=cast(Any, letters),
            args=GRPOConfig(
                output_dir=folder, per_device_train_batch_size=job.groups * job.group,
                gradient_accumulation_steps=job.accumulate, num_generations=job.group,
                max_completion_length=job.answer, max_steps=job.steps, optim=job.optimizer,
                generation_kwargs={"min_new_tokens": job.answer}, bf16=False, use_cpu=True,
                gradient_checkpointing=False, report_to=[], save_strategy="no", disable_tqdm=True,
                learning_rate=job.rate, seed=job.seed, logging_steps=1,
            ),
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=tokenizer,
            callbacks=[times],
        )  # fmt: skip
        trainer.train()
    assert getattr(trainer, "shares", True), "it has turned itself off"
    logged = trainer.state.log_history[:-1]
    assert logged[0]["completions/mean_length"] == job.answer, logged[0]
    if weights:
        save_file({name: it.detach().clone() for name, it in model.named_parameters()}, weights)
    return {
        "step": median(times.seconds[1:]),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "rewards": [entry["reward"] for entry in logged],
    }


if __name__ == "__main__":
    sys.exit(call(SharedPrefix, description=__doc__))
