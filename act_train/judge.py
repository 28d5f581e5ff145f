"""``act-train judge``: how well a model tells the expert's action from the alternative.

For each pair and each order of the candidates, both answers are scored: the sum of the
log-probabilities of their tokens after the critique prompt, the end of the turn included. The
model names the likelier one. Reported are

- ``accuracy``: share of prompts (two per pair) where that is the expert's action, and its
  bootstrap interval over tasks (``accuracy_95``);
- ``swap_consistent``: share of pairs where it is in *both* orders (chance: 0.25);
- ``choose_first``: share of prompts where it is the first candidate (0.5 is unbiased, and 1 is
  a model that looks at nothing else), and ``probability_first``, the mean probability of that;
- ``admissible_accuracy``: the accuracy on the ``admissible_pairs`` whose alternative the simulator
  offered; the rest may be told apart by that alone (null where there are none);
- the same with the state removed (``no_state_``): what the look of the actions alone gives away.
  Random alternatives are often recognisable without any state; only what a judge adds to this
  floor is judgment;
- ``verdicts``: per pair its id, its task, and how right the model was with the expert's action
  shown first and second (0, 0.5 for a tie, 1), so that two judges can be compared pair by pair.

Tasks are held out as they were from the model (its ``run.json``). A share larger than that would
call tasks held out that it was trained on, and is refused.

Left out: reasoning. The score is that of an immediate answer, with an empty thinking block where
the chat template knows one; a model that needs to think is underrated.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from act_data.models import load_model
from act_data.prompts import PROMPT_VERSION, Message, critique_prompt, render_answer
from act_data.storage.files import write_json
from act_data.types import AgentState, ContrastPair
from act_train.data import load_pairs, split_by_task, spread
from act_train.errors import RecipeError, TrainingData
from act_train.manifest import recorded
from act_train.recipe import JudgeArguments, JudgedPairArguments, ModelArguments, PairArguments
from act_train.statistics import mean_interval

logger = logging.getLogger(__name__)


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


def run(
    model: ModelArguments, data: JudgedPairArguments, arguments: JudgeArguments
) -> dict[str, Any]:
    """Judge the pairs and write the result.

    Returns:
        What ``output`` holds.

    Raises:
        RecipeError: the share of held-out tasks is larger than the model's own.
        TrainingData: there is no pair to judge.
    """
    history, share = _as_trained(recorded(Path(model.model)), data, arguments.part)
    pairs = load_pairs(data.pairs, data.allow_split)
    if arguments.part != "all":
        train, held = split_by_task(pairs, share)
        pairs = train if arguments.part == "train" else held
    if not pairs:
        raise TrainingData(
            f"validation_share={share} leaves no pair in part {arguments.part!r}. "
            "Set part: all, or judge a model that was trained with a larger share."
        )
    pairs = spread(pairs, data.max_pairs)
    network, tokenizer, revision = load_model(model.model, model.revision)
    result: dict[str, Any] = {
        "model": model.model,
        "revision": revision,
        "part": arguments.part,
        "pairs": len(pairs),
        "history": history,
        "validation_share": share,
        "prompt_version": PROMPT_VERSION,
    }
    blank = [dataclasses.replace(pair, state=AgentState("", "")) for pair in pairs]
    for prefix, shown in (("", pairs), ("no_state_", blank)):
        verdicts = judge(
            network, tokenizer, shown, history=history, batch_size=arguments.batch_size
        )
        found = {
            **measure(verdicts),
            "accuracy_95": _interval(verdicts, shown),
            **_admissible(verdicts, shown),
            "verdicts": _rows(verdicts, shown),
        }
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


def _as_trained(
    known: Mapping[str, Any], data: JudgedPairArguments, part: str
) -> tuple[int, float]:
    """History and share of held-out tasks: as asked, else the model's own, else the defaults."""
    history, share = data.history, data.validation_share
    own_history, own_share = known.get("history"), known.get("validation_share")
    if history is None:
        history = PairArguments.history if own_history is None else own_history
    elif own_history is not None and own_history != history:
        logger.warning(
            "the model was trained with history=%s and is judged with history=%s: it meets prompts "
            "that it does not know. Leave history out to take the model's own.",
            own_history, history,
        )  # fmt: skip
    if share is None:
        share = PairArguments.validation_share if own_share is None else own_share
    elif part == "held-out" and own_share is not None and own_share < share:
        raise RecipeError(
            f"validation_share={share} is larger than the {own_share} of the model's training: "
            "tasks that it was trained on would count as held out. Leave validation_share out, or "
            "set part: all."
        )
    return history, share


def _admissible(verdicts: Sequence[Verdict], pairs: Sequence[ContrastPair]) -> dict[str, Any]:
    """The accuracy on pairs whose alternative was offered by the simulator."""
    right = [
        (first + second) / 2
        for pair, (_, _, first, second) in zip(pairs, _rows(verdicts, pairs), strict=True)
        if pair.alternative_action in pair.admissible_actions
    ]
    return {
        "admissible_accuracy": sum(right) / len(right) if right else None,
        "admissible_pairs": len(right),
    }


def _rows(verdicts: Sequence[Verdict], pairs: Sequence[ContrastPair]) -> list[list[Any]]:
    """What can be paired with another judge's: one row per pair."""
    right = [_half_step(v.expert - v.other) for v in verdicts]
    return [
        [pair.pair_id, pair.task_id, first, second]
        for pair, first, second in zip(pairs, right[::2], right[1::2], strict=True)
    ]


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
