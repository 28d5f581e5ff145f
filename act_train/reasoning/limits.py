"""The process that compares formulas, each pair in a child within limits that the kernel holds.

Every child meets the same state, whatever was compared before. Its limit is on the time that it
computes, not on the clock: a busy machine decides as an idle one does. Nothing but sympy is loaded.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable

_MEMORY = 2**30  # bytes of address space
_DIFFERENT, _SAME, _UNDECIDED = range(3)  # how a child ends


def limited(work: Callable[[], bool], seconds: float) -> bool | None:
    """What a function says in a child of this process; None where it raises or is ended.

    Args:
        work: what is run.
        seconds: of computing time that it may take.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return {_SAME: True, _DIFFERENT: False}.get(os.waitstatus_to_exitcode(status))
    said = _UNDECIDED
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        said = _SAME if work() else _DIFFERENT
    finally:  # a child must not go on as its parent, whatever was raised
        os._exit(said)


def _serve(lines: Iterable[str], seconds: float) -> None:
    from act_train.reasoning.equality import same_answer

    same_answer("\\sqrt{x}+1", "1+x^{1/2}")  # what sympy loads late is loaded once
    for line in lines:
        answer, key = json.loads(line)
        said = limited(lambda answer=answer, key=key: same_answer(answer, key), seconds)
        sys.stdout.write(f"{json.dumps(said)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(iter(sys.stdin.readline, ""), float(sys.argv[1]))
