"""Gold paths, upstream's own solutions of its tasks: how they are found here, and kept."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from act_envs.errors import SimulatorError
from act_envs.scienceworld import wire
from act_envs.scienceworld.machine import Machine, MachineDied

logger = logging.getLogger(__name__)

TIMEOUT = 900.0  # seconds; the longest search takes 30 of CPU
KEPT = 256  # paths
_HEAP = "-Xmx1g"  # for a search that does not fit into the usual one


class GoldPaths(OrderedDict[tuple[str, str], tuple[str, ...]]):
    """The paths that were asked for last, by task and simplifications."""

    def find(
        self, task_id: str, simplifications: str, search: Callable[[], Sequence[str]]
    ) -> tuple[str, ...]:
        """The path of a task, searched for where it is not kept."""
        key = (task_id, simplifications)
        path = self.pop(key, None)
        if path is None:
            path = tuple(search())
        self[key] = path  # as the one that was used last
        while len(self) > KEPT:
            self.popitem(last=False)
        return path  # another thread may have taken it out meanwhile


def search(shared: Machine, request: bytes, java_options: Sequence[str]) -> list[str]:
    """Let upstream solve a task in a Java process; if it dies of that, in one with more memory.

    Args:
        shared: the process that plays the episode.
        request: from :func:`wire.expert`.
        java_options: the user's, the larger process gets them too.

    Raises:
        SimulatorError: the search failed, took too long, or did not fit into memory.
    """
    try:
        answer = wire.Reader(shared.ask(request, TIMEOUT))
    except MachineDied as error:
        # Of two heaps Java takes the last. One that the user has made larger stays.
        options = java_options if _heap(java_options) >= _heap([_HEAP]) else (*java_options, _HEAP)
        logger.info("%s Searching again with %s.", error, " ".join(options))
        larger = Machine(options)
        try:
            answer = wire.Reader(larger.ask(request, TIMEOUT))
        except MachineDied as again:
            raise SimulatorError(
                f"ScienceWorld's search for a gold path ended its process twice: {again} "
                "Give it more memory: java_options='-Xmx4g'."
            ) from again
        finally:
            larger.close()
    try:
        answer.check()
    except wire.OperationFailed as error:
        raise SimulatorError(
            f"ScienceWorld's search for a gold path failed: {error}. Play the task without it."
        ) from error
    path = answer.text()
    return path.split("\n") if path else []


def _heap(options: Iterable[str]) -> int:
    """Bytes that Java may take by its options; 0 where they do not say."""
    found = (re.fullmatch(r"-Xmx([0-9]+)([kmgtKMGT]?)", option) for option in options)
    sizes = [int(one[1]) << 10 * " kmgt".index(one[2].lower() or " ") for one in found if one]
    return sizes[-1] if sizes else 0
