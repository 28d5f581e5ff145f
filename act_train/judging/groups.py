"""Accuracies by kind of pair: by task, by what was proposed and by whom, by step, by regret."""

from __future__ import annotations

import bisect
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from act_data.analysis.noise import READINGS
from act_train.judging.choices import Line, tasks_of, with_interval
from act_train.judging.resampling import Array

_STEP_ENDS = (0, 2, 5, 10)  # last step of each group but the last
_STEPS = ("0", "1 to 2", "3 to 5", "6 to 10", "above 10")
_REGRET_ENDS = (0.0, 1.0, 2.0, 5.0, sys.float_info.max)  # likewise, in actions; the last: no win
_REGRETS = ("below 0", "0", "to 1", "to 2", "to 5", "above 5", "infinite")


def groups(lines: Sequence[Line], accuracies: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Accuracies by each way to tell pairs apart, and by each group within it."""
    rows = []
    for by, (group, order) in _GROUPINGS.items():
        names = [group(line) for line in lines]
        found = {name for name in names if name is not None}
        for name in order or sorted(found):
            if name not in found:
                continue
            inside = [at for at, other in enumerate(names) if other == name]
            tasks = tasks_of([lines[at] for at in inside])
            row = {"by": by, "group": name, "pairs": len(inside), "tasks": tasks.count}
            for prefix, accuracy in accuracies.items():
                row |= with_interval(f"{prefix}accuracy", tasks.ratio(accuracy[inside]))
            rows.append(row)
    return rows


def _bucket(value: float, ends: Sequence[float], names: Sequence[str]) -> str:
    return names[bisect.bisect_left(ends, value)]


def _regret(line: Line, reading: str) -> str | None:
    regret = line["regrets"][reading]
    if regret is None:
        return None
    regret = float(regret)
    return "below 0" if regret < 0 else _bucket(regret, _REGRET_ENDS, _REGRETS[1:])


_GROUPINGS: Mapping[str, tuple[Callable[[Line], str | None], Sequence[str]]] = {
    "environment": (lambda line: line["env_id"], ()),
    "kind": (lambda line: line["kind"], ()),
    "policy": (lambda line: line["policy"], ()),
    "alternative": (
        lambda line: "admissible" if line["admissible"] else "inadmissible",
        ("admissible", "inadmissible"),
    ),
    "step": (lambda line: _bucket(line["step"], _STEP_ENDS, _STEPS), _STEPS),
    **{
        f"{reading} regret": (functools.partial(_regret, reading=reading), _REGRETS)
        for reading in READINGS
    },
}
"""By name: the group of a line, None for none; the groups in order, () by the alphabet."""
