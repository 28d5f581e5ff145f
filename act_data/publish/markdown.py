"""Markdown from texts that may hold anything: what stands in a cell or a block stays in it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from act_data.analysis.bootstrap import Estimate
from act_data.analysis.table import as_is
from act_envs.registration import NAMESPACE

READ = {"hindsight": "in hindsight", "informed": "informed"}
"""What the readings are called."""


def code(text: str) -> str:
    """A short text as code, on one line, in a table or not."""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    edge = " " if len(ticks) > 1 else ""
    return f"{ticks}{edge}{' '.join(text.split()).replace('|', chr(92) + '|')}{edge}{ticks}"


def fenced(text: str, language: str = "text") -> str:
    """A block of code that its text cannot end."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks}{language}\n{text}\n{ticks}"


def percent(share: Estimate) -> str:
    """An estimate in percent with its interval."""
    low, high = f"{100 * share.low:.1f}", f"{100 * share.high:.1f}"
    return f"{100 * share.value:.1f} ({low}–{high})"


def short(env_id: str) -> str:
    """The name of an environment without what all of ours begin with."""
    return as_is(env_id.removeprefix(f"{NAMESPACE}/"))


def listed(names: Iterable[str]) -> str:
    """``a, b and c``; at least one."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def folded(title: str, text: str) -> str:
    """A long table behind a line to click on."""
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"
