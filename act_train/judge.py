"""``act-train judge``: how well a model tells the expert's action from the alternative.

For each pair and each order of the candidates, both answers are scored: the sum of the
log-probabilities of their tokens after the critique prompt, the end of the turn included. The
model names the likelier one. Reported are

- ``accuracy``: share of prompts (two per pair) where that is the expert's action, and its
  bootstrap interval over tasks (``accuracy_95``);
- ``swap_consistent``: share of pairs where it is in *both* orders (chance: 0.25);
- ``choose_first``: share of prompts where it is the first candidate (0.5 is unbiased, and 1 is
  a model that looks at nothing else), and ``probability_first``, the mean probability of that;
- the same with the state removed (``no_state_``): what the look of the actions alone gives away.
  Random alternatives are often recognisable without any state; only what a judge adds to this
  floor is judgment.

Left out: reasoning. The score is that of an immediate answer, with an empty thinking block where
the chat template knows one; a model that needs to think is underrated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from act_data.files import write_json
from act_data.policies import load_model
from act_data.prompts import PROMPT_VERSION, Message, critique_prompt, render_answer
from act_data.types import AgentState, ContrastPair
from act_train.data import load_pairs, split_by_task, spread
from act_train.recipe import JudgeArguments, ModelArguments, PairArguments
from act_train.statistics import mean_interval


@dataclass(frozen=True, slots=True)
class Verdict:
    """Log-probabilities of the two answers to one prompt.

    Attributes:
        expert: of naming the expert's action.
        other: of naming the alternative.
        expert_first: the expert's action was shown first.
    """

    expert: float
    other: float
    expert_first: bool


def run(model: ModelArguments, data: PairArguments, arguments: JudgeArguments) -> dict[str, Any]:
    """Judge the pairs and write the result.

    Returns:
        What ``output`` holds.
    """
    pairs = load_pairs(data.pairs, data.allow_split)
    if arguments.part != "all":
        train, held = split_by_task(pairs, data.validation_share)
        pairs = train if arguments.part == "train" else held
    pairs = spread(pairs, data.max_pairs)
    network, tokenizer, revision = load_model(model.model, model.revision)
    result: dict[str, Any] = {
        "model": model.model,
        "revision": revision,
        "part": arguments.part,
        "pairs": len(pairs),
        "history": data.history,
        "prompt_version": PROMPT_VERSION,
    }
    blank = [dataclasses.replace(pair, state=AgentState("", "")) for pair in pairs]
    for prefix, shown in (("", pairs), ("no_state_", blank)):
        verdicts = judge(
            network, tokenizer, shown, history=data.history, batch_size=arguments.batch_size
        )
        found = {**measure(verdicts), "accuracy_95": _interval(verdicts, shown)}
        result |= {f"{prefix}{name}": value for name, value in found.items()}
    path = Path(arguments.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    return result


def judge(
    model: Any, tokenizer: Any, pairs: Sequence[ContrastPair], *, history: int, batch_size: int
) -> list[Verdict]:
    """Two verdicts per pair: the expert's action first, then second."""
    questions: list[tuple[list[Message], str]] = []
    for pair in pairs:
        actions = (pair.expert_action, pair.alternative_action)
        for candidates in (actions, actions[::-1]):
            prompt = critique_prompt(pair.state, candidates, history=history)
            questions += [(prompt, action) for action in actions]
    scores: list[float] = []
    for start in range(0, len(questions), batch_size):
        scores += _log_probabilities(model, tokenizer, questions[start : start + batch_size])
    return [
        Verdict(scores[i], scores[i + 1], expert_first=i % 4 == 0) for i in range(0, len(scores), 2)
    ]


def measure(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Rates over verdicts, two in a row per pair; a tie counts half for either side."""
    right = [_half_step(v.expert - v.other) for v in verdicts]
    first = [r if v.expert_first else 1 - r for r, v in zip(right, verdicts, strict=True)]
    gaps = [v.expert - v.other if v.expert_first else v.other - v.expert for v in verdicts]
    both = [a == b == 1 for a, b in zip(right[::2], right[1::2], strict=True)]
    probability = torch.sigmoid(torch.tensor(gaps, dtype=torch.float64)).mean()
    return {
        "accuracy": sum(right) / len(right),
        "swap_consistent": sum(both) / len(both),
        "choose_first": sum(first) / len(first),
        "probability_first": float(probability),
    }


def _interval(verdicts: Sequence[Verdict], pairs: Sequence[ContrastPair]) -> list[float]:
    """Of the accuracy; tasks are resampled whole, since their pairs resemble each other."""
    right = [_half_step(v.expert - v.other) for v in verdicts]
    _, interval = mean_interval(right, [pair.task_id for pair in pairs for _ in range(2)])
    return interval


@torch.inference_mode()
def _log_probabilities(
    model: Any, tokenizer: Any, questions: Sequence[tuple[list[Message], str]]
) -> list[float]:
    """Sum of the log-probabilities of each answer's tokens after its prompt."""
    prompts, rows = [], []
    for prompt, action in questions:
        asked = tokenizer.apply_chat_template(
            prompt, add_generation_prompt=True, enable_thinking=False, tokenize=False
        )
        answer = f"{render_answer(action)}{tokenizer.eos_token}"
        # Tokenised apart, as generation meets them: the border is never merged over.
        head = tokenizer(asked, add_special_tokens=False)["input_ids"]
        prompts.append(len(head))
        rows.append(head + tokenizer(answer, add_special_tokens=False)["input_ids"])
    width = max(map(len, rows))
    # Padding on the right needs no mask: a causal model never looks there.
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    longest = width - min(prompts) + 1
    logits = model(input_ids=tokens, logits_to_keep=longest).logits[:, :-1].float()
    targets = tokens[:, -(longest - 1) :]
    picked = logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    offset = width - (longest - 1)
    return [
        float(picked[i, prompt - offset : len(row) - offset].sum())
        for i, (prompt, row) in enumerate(zip(prompts, rows, strict=True))
    ]


def _half_step(gap: float) -> float:
    return 0.5 if gap == 0 else float(gap > 0)
