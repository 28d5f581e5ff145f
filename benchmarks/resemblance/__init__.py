"""How much generated worlds resemble the real ones: the same measures of both."""

from typing import NamedTuple


class Compared(NamedTuple):
    """One measure: its name, its value for what is real and for what is generated."""

    name: str
    real: float
    generated: float
