"""Numbers and names as people read them."""

from __future__ import annotations

import math


def amount(value: float | None) -> str:
    """A count, a cost or a score."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{round(value, 2):,g}" if abs(value) < 1e5 else f"{value:,.0f}"


def signed(value: float | None) -> str:
    """A difference."""
    sign = "+" if value is not None and value > 0 else ""
    return sign + amount(value).replace("-", "−")


def words(name: str) -> str:
    """A name in the code as people read it."""
    return name.replace("_", " ")
