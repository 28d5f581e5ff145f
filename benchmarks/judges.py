"""Judges of whom all is known, measured: ``python -m benchmarks.judges [--quick]``.

What ``act-train judge`` says of planted judges (:mod:`benchmarks.planted`) beside what was planted,
and what it saves that the questions about a state share most of their prompt: CPU time of the four
answers of a pair, each in a forward pass of its own, against one pass over the shared prefix, for a
small model from scratch and prompts of 400 tokens.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from act_data.shared_prefix import answer_log_probabilities
from act_train.arguments.measuring import JudgeArguments
from act_train.judge import measure
from act_train.scratch import make_model, make_tokenizer
from benchmarks.planted import SURE, planted_judges, planted_pairs
from benchmarks.script import call
from benchmarks.table import Row, cpu_seconds, publish

EACH = 5  # pairs of a task
KNOWN: Mapping[str, Mapping[str, float]] = {
    "perfect": {
        "accuracy": 1, "swap_consistent": 1, "position_bias": 0, "ece": 1 - SURE,
        "no_state_accuracy": 0.5, "text_accuracy": 0.5, "hindsight auroc": 0.5,
    },
    "random": {
        "accuracy": 0.5, "swap_consistent": 0.25, "position_bias": 0, "ece": 0.25,
        "hindsight auroc": 0.5, "informed auroc": 0.5,
    },
    "always-first": {
        "accuracy": 0.5, "swap_consistent": 0, "position_bias": 1, "ece": SURE - 0.5,
        "no_state_position_bias": 1,
    },
    "calibrated": {
        "accuracy": 0.7, "swap_consistent": 0.7, "position_bias": 0, "ece": 0, "brier": 0.21,
    },
    "verifier": {"hindsight auroc": 1, "informed auroc": 0.5},
    "obedient": {"rationale free": 1, "rationale removed": 0.5, "rationale wrong": 0},
}  # fmt: skip


@dataclass(frozen=True)
class Judges:
    """Planted judges, and the price of a choice."""

    quick: bool = False
    """Fewer pairs."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        return publish("Judges", rows(quick=self.quick), self.json)


def rows(*, quick: bool = False) -> Iterator[Row]:
    """The figures of this benchmark."""
    pairs = planted_pairs(60 if quick else 400, EACH)
    furthest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, judge in planted_judges(pairs).items():
            output = str(Path(folder) / f"{name}.json")
            given = JudgeArguments(output=output, rationale_pairs=len(pairs))
            found = _figures(measure(judge, pairs, {}, given))
            for figure, truth in KNOWN[name].items():
                yield Row(f"{name}: {figure}, planted {truth:g}", found[figure], "")
                furthest = max(furthest, abs(found[figure] - truth))
            if name == "calibrated":
                yield Row(
                    "calibrated: lower end of the interval of ece", found["ece_95"][0], "", "<= 0"
                )
    yield Row("furthest from what was planted", furthest, "", f"<= {0.1 if quick else 0.05}")
    yield Row("four answers, separately / over a shared prefix", _ratio(), "x", ">= 2")


def _figures(result: Mapping[str, Any]) -> dict[str, Any]:
    readings = {f"{row['reading']} auroc": row["auroc"] for row in result["verified"]}
    rationales = {
        f"rationale {name}": result["rationales"][f"{name}_accuracy"]
        for name in ("free", "removed", "wrong")
    }
    return {**result, **readings, **rationales}


def _ratio() -> float:
    """CPU time of both ways, the median of several."""
    tokenizer = make_tokenizer(["go to drawer 12, take mug 3 from drawer 12"], 1024)
    model = make_model(tokenizer, hidden=128, layers=4, seed=0).eval()
    draw = torch.Generator().manual_seed(0)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, len(tokenizer), (count,), generator=draw).tolist()

    state = tokens(360)
    contexts = [[*state, *tokens(40)] for _ in range(2)]
    questions = [(context, tokens(12)) for context in contexts for _ in range(2)]

    @torch.inference_mode()
    def separately() -> None:
        for context, answer in questions:
            ids = torch.tensor([[*context, *answer]])
            logits = model(input_ids=ids, logits_to_keep=len(answer) + 1).logits
            logits[:, :-1].log_softmax(-1).gather(-1, ids[:, -len(answer) :, None]).sum()

    def together() -> None:
        answer_log_probabilities(model, questions)

    return median(_seconds(separately) / _seconds(together) for _ in range(9))


def _seconds(work: Callable[[], None]) -> float:
    start = cpu_seconds()
    for _ in range(5):
        work()
    return cpu_seconds() - start


if __name__ == "__main__":
    sys.exit(call(Judges))
