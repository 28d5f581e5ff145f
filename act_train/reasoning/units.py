"""The unit of an answer: left out of what is compared, but no other unit may stand in its place."""

from __future__ import annotations

import re

_UNITS = {
    "cm": "cm|centimet(?:er|re)s?",
    "mm": "mm|millimet(?:er|re)s?",
    "km": "km|kilomet(?:er|re)s?",
    "m": "m|met(?:er|re)s?",
    "in": "in|inch(?:es)?",
    "ft": "ft|foot|feet",
    "yd": "yd|yards?",
    "mi": "miles?",
    "mph": "mph|miles? per hour",
    "s": "s|secs?|seconds?",
    "min": "mins?|minutes?",
    "h": "h|hrs?|hours?",
    "am": r"a\.?m\.?",
    "pm": r"p\.?m\.?",
    "day": "days?",
    "week": "weeks?",
    "month": "months?",
    "year": "years?",
    "kg": "kg|kilograms?",
    "mg": "mg|milligrams?",
    "g": "g|grams?",
    "lb": "lbs?|pounds?",
    "oz": "oz|ounces?",
    "l": "L|lit(?:er|re)s?",
    "$": "dollars?",
    "c": "cents?",
    "%": "percent(?:age)?|pct",
    "°": "degrees?",
    "rad": "rad|radians?",
    "": "units?|points?",
}
_NAMED = {name: re.compile(pattern) for name, pattern in _UNITS.items()}
_SIZE = r"(?:square|cubic|sq\.?|cu\.?)\s*"
_POWER = r"(?:\s*\^\s*\{?\d\}?)?"
_AFTER = r"(?<=[\d})°])"
# Letters alone (m, s, g) may be variables, and stay.
_BARE = re.compile(
    rf"{_AFTER}\s*(?:{_SIZE})?(?=[a-z]{{2}})({'|'.join(_UNITS.values())})\b\.?{_POWER}\s*$"
)
# Between two numbers a text means something: "3 R 2", "2 hours 30 minutes".
_TEXT = re.compile(
    rf"{_AFTER}\s*\\(?:text|textrm|mbox|mathrm)\s*\{{([^{{}}]*)\}}{_POWER}(?!\s*[\w(])"
)
_JOINS = re.compile(r"\s*,?\s*(?:and|or)\b.*")
_INSIDE = re.compile(rf"(?:{_SIZE})?(.*?)\.?{_POWER}")


def split_unit(text: str) -> tuple[str, str]:
    """A formula without its units, and the name of the last one that is known, else ``""``.

    Args:
        text: formula in LaTeX. Any ``\\text{...}`` behind a number is a unit.
    """
    name = ""

    def drop(found: re.Match[str]) -> str:
        nonlocal name
        if _JOINS.fullmatch(found[1]) or re.search(r"\d", found[1].partition("^")[0]):
            return found[0]
        name = _name(found[1]) or name
        return ""

    if text.startswith("\\$"):
        name = "$"
    text = re.sub(r"\\\$|[$£€¥]", "", text)
    text = _TEXT.sub(drop, text)
    text = _BARE.sub(drop, text)
    if re.search(r"%\s*$", text):
        name = "%"
    text = re.sub(r"\\?%", "", text).strip()
    return text, "°" if text.endswith("°") else name


def _name(written: str) -> str:
    """The unit that is written, whatever its power."""
    inside = _INSIDE.fullmatch(written.strip())
    known = (name for name, one in _NAMED.items() if inside and one.fullmatch(inside[1]))
    return next(known, "")
