"""One line of progress on standard error. For command lines and for work that takes seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

_IN_TERMINAL, _ELSEWHERE = 0.25, 10.0  # seconds between two lines


class Progress:
    """Counts, and says so: in a terminal on one line, elsewhere in a plain line now and then.

    Args:
        label: what is being done (``"json_2.1.2_tw-pddl.zip"``).
        total: how much there is, None where nobody knows.
        megabytes: the count is of bytes, to be shown in megabytes.
        plain: write plain lines where there is no terminal; else write nothing there.
    """

    def __init__(
        self, label: str, total: int | None = None, *, megabytes: bool = False, plain: bool = True
    ) -> None:
        self.label, self.total, self.done = label, total, 0
        self._megabytes = megabytes
        self._stream: TextIO | None = sys.stderr  # None where the process has none
        self._terminal = self._stream is not None and self._stream.isatty()
        self._silent = self._stream is None or not (self._terminal or plain)
        self._next = time.monotonic() + (_IN_TERMINAL if self._terminal else _ELSEWHERE)
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal and self._width:
            self._show(final=True)

    def advance(self, count: int = 1) -> None:
        """That much more is done."""
        self.done += count
        if not self._silent and time.monotonic() >= self._next:
            self._next = time.monotonic() + (_IN_TERMINAL if self._terminal else _ELSEWHERE)
            self._show(final=not self._terminal)

    def _show(self, *, final: bool) -> None:
        if self._stream is None:
            return
        line = f"{self.label}  {self._count()}"
        # Blanks cover what a longer line before may have left over.
        start, blanks = ("\r", " " * (self._width - len(line))) if self._terminal else ("", "")
        self._width = len(line)
        self._stream.write(f"{start}{line}{blanks}" + ("\n" if final else ""))
        self._stream.flush()

    def _count(self) -> str:
        of = "" if self.total is None else f" of {self._number(self.total)}"
        share = f" ({self.done / self.total:.0%})" if self.total else ""
        return f"{self._number(self.done)}{of}{' MB' if self._megabytes else ''}{share}"

    def _number(self, count: int) -> str:
        return f"{count / 1e6:.1f}" if self._megabytes else f"{count:,}"
