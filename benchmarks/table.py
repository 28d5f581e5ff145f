"""What every benchmark shares: a row, a fair clock, one table, one file of rows.

CPU time is that of this process and of every process below it, read from the operating system,
so that a simulator in another process cannot hide its cost.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
import timeit
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

_TURNS = 2_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One figure against its target.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: its unit; ``"x"`` for a ratio measured within one run.
        target: the bar with its direction (``">= 12"``), ``""`` when there is none.
    """

    name: str
    value: float
    unit: str
    target: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the figure meets its target; None without one."""
        if not self.target:
            return None
        sign, _, bar = self.target.partition(" ")
        return self.value >= float(bar) if sign == ">=" else self.value <= float(bar)


def cpu_seconds() -> float:
    """CPU time so far of this process, its finished children and its living descendants."""
    finished = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + finished.ru_utime + finished.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:  # it ended between being listed and being read
            continue
        total += times.user + times.system
    return total


def machine() -> str:
    """The machine in words: processor, cores, Python, and how fast that is at this moment.

    A machine that is shared can be twice as slow in one hour as in another: absolute figures of
    two runs compare only where their loops take alike.
    """
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    loop = median(timeit.repeat("pass", number=_TURNS, timer=time.process_time)) / _TURNS
    return (
        f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{1e9 * loop:.1f} ns for a turn of an empty loop"
    )


def commit() -> str:
    """The commit that is measured, with ``-dirty`` where files differ from it, or ``""``."""
    try:
        return subprocess.check_output(
            ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"),
            cwd=Path(__file__).parent, text=True, stderr=subprocess.DEVNULL,
        ).strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""


def publish(title: str, rows: Iterable[Row], json_path: Path | None) -> int:
    """Print the table, write the rows, and say by the exit status whether all targets hold.

    Args:
        title: heading of the table.
        rows: the figures.
        json_path: file for ``machine``, ``commit`` and ``rows``, a list of ``{"name", "value",
            "unit", "target", "holds"}``.

    Returns:
        0, or 1 when a target is missed.
    """
    rows = list(rows)
    verdict = {True: "holds", False: "MISSED", None: ""}
    table = [("figure", "value", "target", "")]
    table += [(r.name, f"{r.value:,.4g} {r.unit}", r.target, verdict[r.holds]) for r in rows]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    measured = {"machine": machine(), "commit": commit()}
    print(f"{title}\n{measured['machine']}\n")
    for number, line in enumerate(table):
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * w for w in widths[:3]))
    if json_path is not None:
        records = [{**asdict(row), "holds": row.holds} for row in rows]
        json_path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**measured, "rows": records}, indent=1)
        json_path.write_text(f"{text}\n", encoding="utf-8")
    missed = [row.name for row in rows if row.holds is False]
    if missed:
        print(f"\nmissed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0
