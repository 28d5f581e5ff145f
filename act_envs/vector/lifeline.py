"""What ties a worker process to the one that started it: its end, and errors that travel back."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
import time
import traceback

_LOOK = 0.5  # seconds between looks at whether the parent still lives
_PR_SET_PDEATHSIG = 1


def end_with(parent: int, *, by_signal: bool) -> None:
    """End this process with the one that started it, whatever its main thread is doing.

    Args:
        parent: the number of that process.
        by_signal: have the system kill this process as well, even where it is stopped (Linux). It
            does so when the *thread* ends that has started us, which must be no sooner than we may.
    """
    if by_signal and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def portable(error: Exception) -> Exception:
    """The error as it can be sent, with a note of where it comes from."""
    where = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - of an unusual class; what it says is what counts
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In a worker process:\n{where}")
    return error


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
