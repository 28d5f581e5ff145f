"""``hard-negative``: the admissible actions that come closest to the expert's, in text and effect.

Closeness is the sum of two similarities, both in [0, 1]. That of two actions is the share of words
that they have in common in the same order (same verb, same object, same place): ``2 L / (|A| +
|B|)`` with the length ``L`` of the longest common subsequence. That of two effects, what the agent
reads afterwards, is the Dice coefficient of their words with multiplicity, ``2 |A ∩ B| / (|A| +
|B|)``: the same share in any order, which is cheap for long texts.

An action that leads to the very state of the expert's is the expert's in other words and no
negative: left out. Nothing is drawn and no model is asked, so equal states give equal answers.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from act_data.policies.base import Query, Sample
from act_data.prompts import render_answer
from act_envs import TextEnv
from act_envs.errors import UnknownArgument
from act_envs.types import Consequence

REACH = 16
"""How many actions, the nearest in text, are executed in a state; more where k is larger."""

_WORD = re.compile(r"\w+")


def foresee(
    env: TextEnv, expert: str, offered: Sequence[str], count: int
) -> dict[str, Consequence]:
    """Execute the expert's action and those nearest to it in text, each from where ``env`` stands.

    Args:
        env: stands in the state of the query, and stands there again afterwards.
        expert: the expert's action.
        offered: the admissible actions.
        count: how many of them to execute.

    Returns:
        What each action gave: the expert's first, then the nearest, nearest first.
    """
    actions = [expert, *(action for _, action in _nearest(expert, offered, count))]
    return dict(zip(actions, env.consequences(actions), strict=True))


class HardNegative:
    """Ranks the admissible actions by their closeness to the expert's (see the module)."""

    name = "hard-negative"
    revision = ""
    needs_admissible = True
    needs_effects = True

    def __init__(self) -> None:
        self.sampling: dict[str, Any] = {"reach": REACH}
        self.engine: dict[str, Any] = {}

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        """The ``k`` closest actions of every query, all different; fewer where there are fewer.

        Raises:
            UnknownArgument: a query does not say what the expert does, or what that gives.
        """
        return [self._closest(query, k) for query in queries]

    @staticmethod
    def _closest(query: Query, k: int) -> list[Sample]:
        expert, effects = query.expert_action, query.effects
        if expert is None or expert not in effects:
            raise UnknownArgument(
                "hard-negative cannot act by itself: it must know what the expert does. "
                "Use it with act-data mine."
            )
        own = effects[expert]
        seen = Counter(_words(own.observation))
        closeness = {
            action: said + _shared(seen, Counter(_words(effects[action].observation)))
            for said, action in _nearest(expert, effects, len(effects))
            if effects[action].state_hash != own.state_hash
        }
        ranked = sorted(closeness, key=lambda action: -closeness[action])  # stable: nearest in text
        return [Sample(render_answer(action), action) for action in ranked[:k]]


def _nearest(expert: str, offered: Iterable[str], count: int) -> list[tuple[float, str]]:
    """The ``count`` actions most similar to the expert's, and their similarity, nearest first."""
    said = _words(expert)
    others = [
        (_in_order(_words(action), said), action)
        for action in dict.fromkeys(offered)
        if action != expert
    ]
    least = min(heapq.nlargest(count, (similar for similar, _ in others)), default=0.0)

    def rank(other: tuple[float, str]) -> tuple[float, bytes]:
        # In the order of the letters the same things would lose every tie, in every state.
        text = f"{expert}\n{other[1]}".encode()
        return -other[0], hashlib.blake2b(text, digest_size=8).digest()

    return sorted((other for other in others if other[0] >= least), key=rank)[:count]


def _in_order(first: list[str], second: list[str]) -> float:
    """The share of words in a longest common subsequence; 1 where there are no words at all."""
    lengths = [0] * (len(second) + 1)  # of the common subsequence with each beginning of `second`
    for word in first:
        if word in second:
            before = 0
            for index, other in enumerate(second, 1):
                above = lengths[index]
                longest = before + 1 if word == other else max(above, lengths[index - 1])
                lengths[index], before = longest, above
    total = len(first) + len(second)
    return 2 * lengths[-1] / total if total else 1.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _shared(first: Counter[str], second: Counter[str]) -> float:
    """The Dice coefficient; 1 where there are no words at all."""
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0
