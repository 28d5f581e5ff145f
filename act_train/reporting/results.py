"""Results of evaluations as a report shows them, and as runs of experiments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from act_train.evaluation.measures import Line, values
from act_train.evaluation.pairing import SAME

# What must be equal for two results to be one experiment with other weights or another seed.
_PROTOCOL = (*SAME, "benchmark", "step_limit", "history", "prompt_version", "sampling")


@dataclass(frozen=True, slots=True)
class Result:
    """A file with one line per task or question.

    Attributes:
        label: name of its run.
        path: the file.
        lines: all complete lines.
    """

    label: str
    path: Path
    lines: tuple[Line, ...]

    @property
    def request(self) -> Line:
        """What all lines share: that of the first one."""
        return self.lines[0]

    @property
    def kind(self) -> str:
        """What was measured: ``episodes``, ``next-action`` or ``reasoning``."""
        return self.request["metric"]

    @property
    def protocol(self) -> str:
        """A name of how it was measured, the same for other weights and other seeds."""
        return self._named(_PROTOCOL)

    @property
    def run(self) -> str:
        """A name of whose result it is, under its protocol: who acts, with which seed."""
        return self._named(("policy", "revision", "seed"))

    @property
    def whole(self) -> bool:
        """Whether every task that was asked for is there."""
        return len(self.lines) == self.request["tasks"]

    def values(self, measure: str) -> list[tuple[str, float]]:
        """Task and value of each observation, see :mod:`act_train.evaluation.measures`.

        Raises:
            KeyError: there is no such measure of this kind of result.
        """
        return [(line["task_id"], value) for line in self.lines for value in values(line, measure)]

    def _named(self, keys: tuple[str, ...]) -> str:
        return json.dumps([*map(self.request.get, keys)], sort_keys=True)
