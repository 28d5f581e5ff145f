"""How episodes fail, read off their turns: loops, refused actions, answers without an action.

Pure functions over the ``turns`` of result lines; every rate says what it is a share of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from act_data.policies.too_long import TOO_LONG

Turns = Sequence[dict[str, Any]]

FAULTS = ("no_tag", "malformed", "empty", TOO_LONG)
CYCLE, TIMES = 8, 3  # turns of the longest cycle looked for, and how often it must have been taken


def anatomy(episodes: Sequence[tuple[Turns, bool]]) -> dict[str, Any]:
    """What went wrong in some episodes.

    Args:
        episodes: of each the turns, the first of which holds the first observation alone, and
            whether it was won.

    Returns:
        ``invalid_share``: of the actions, those that the simulator did not take as its own;
        ``answers``: how many there were, none of experts; ``format_failure_share``: of these, those
        without an action where the format asks for it, and ``faults``: the same by what is wrong;
        ``recovery_share``: of the refused actions with one after them, those after which one was
        taken; ``repeated_share``: of the actions, those that were taken before in the episode, were
        answered as they are now, and followed the same observation; ``loop_share``: of the
        episodes, those that end in a loop (see :func:`ends_in_loop`); ``steps_to_success``: mean of
        the won episodes. None where a share is of nothing.
    """
    played = [list(turns[1:]) for turns, _ in episodes]
    steps = [turn for turns in played for turn in turns]
    faults = Counter(turn["fault"] for turn in steps if "answer" in turn)
    answers, failures = faults.total(), faults.total() - faults[None]
    pairs = [pair for turns in played for pair in pairwise(turns)]
    after = [later["valid"] for one, later in pairs if not one["valid"]]
    won = [len(turns) for turns, (_, win) in zip(played, episodes, strict=True) if win]
    return {
        "invalid_share": _share([not turn["valid"] for turn in steps]),
        "answers": answers,
        "format_failure_share": failures / answers if answers else None,
        "faults": {name: faults[name] / answers for name in FAULTS if faults[name]},
        "recovery_share": _share(after),
        "repeated_share": _share([again for turns, _ in episodes for again in _repeated(turns)]),
        "loop_share": _share([ends_in_loop(turns) for turns, _ in episodes]),
        "steps_to_success": fmean(won) if won else None,
    }


def ends_in_loop(turns: Turns) -> bool:
    """Whether the last turns are one cycle, of up to ``CYCLE``, taken ``TIMES`` in a row.

    A cycle repeats actions and observations: whoever goes round it once more, sees nothing new.
    """
    told = [(turn["action"], turn["observation"]) for turn in turns[1:]]
    for length in range(1, CYCLE + 1):
        tail = told[-length * TIMES :]
        if len(tail) == length * TIMES and tail == tail[:length] * TIMES:
            return True
    return False


def _repeated(turns: Turns) -> list[bool]:
    seen: set[tuple[str, str, str]] = set()
    found = []
    for before, turn in pairwise(turns):
        told = (before["observation"], turn["action"], turn["observation"])
        found.append(told in seen)
        seen.add(told)
    return found


def _share(which: Sequence[bool]) -> float | None:
    return sum(which) / len(which) if which else None
