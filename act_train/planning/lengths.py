"""How long rows are, as the model's own tokenizer counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from act_train.data import spread
from act_train.rows import Row

SAMPLE = 2000


@dataclass(frozen=True)
class Length:
    """Tokens of a row.

    Attributes:
        prompt: with what the chat template puts around it.
        whole: prompt and answer; of a preference the longer one. A prompt alone where answers are
            generated.
        answers: all tokens after the prompt: of a preference those of both.
    """

    prompt: int
    whole: int
    answers: int


def lengths(rows: Sequence[Row], tokenizer: Any, template: dict[str, Any]) -> list[Length]:
    """Lengths of at most ``SAMPLE`` of the rows, evenly spread.

    Args:
        rows: of :mod:`act_train.rows`.
        tokenizer: of the model, with a chat template.
        template: further arguments of the template.
    """
    return [_length(row, tokenizer, template) for row in spread(rows, SAMPLE)]


def quantile(values: Sequence[int], share: float) -> int:
    """The least value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def _length(row: Row, tokenizer: Any, template: dict[str, Any]) -> Length:
    prompt = row["prompt"]
    start = _count(prompt, tokenizer, add_generation_prompt=True, **template)
    ends = [row[name] for name in ("completion", "chosen", "rejected") if name in row]
    wholes = [_count([*prompt, *end], tokenizer, **template) for end in ends] or [start]
    return Length(start, max(wholes), sum(whole - start for whole in wholes))


def _count(messages: Any, tokenizer: Any, **options: Any) -> int:
    text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])
