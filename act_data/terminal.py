"""How a command speaks: its answer at the end, or what went wrong, in one line."""

from __future__ import annotations

import io
import os
import sys

from act_data.analysis.table import printable
from act_data.storage.files import in_words


def prepare() -> None:
    """Before anything is printed: a locale without Unicode is no reason to fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def answer(text: str) -> int:
    """Print on stdout what came of a command. A broken pipe is that of a reader who has gone.

    It is called when the work is over: a pipe that breaks during the work is a failure of the work.

    Returns:
        The exit status: 0, or 2 where it cannot be written.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be flushed or printed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # such as a full disk
        return failed(f"standard output cannot be written ({error}). Send it elsewhere.")
    return 0


def failed(error: object) -> int:
    """Say on stderr what went wrong.

    Returns:
        The exit status: 2.
    """
    said = in_words(error) if isinstance(error, OSError) else str(error)
    sys.stderr.write(f"error: {printable(' '.join(said.split()))}\n")
    return 2
