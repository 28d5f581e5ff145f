"""What stands behind a number: magnitudes count, and no other unit may stand in a unit's place.

A unit is brought into one form, products of powers, and left out of the formula: a key often has
none, and a unit beside none is no difference. Words that no unit is made of stay in the formula.
"""

from __future__ import annotations

import re
from collections import Counter

_UNITS = {
    "cm": "cm|centimet(?:er|re)s?",
    "mm": "mm|millimet(?:er|re)s?",
    "km": "km|kilomet(?:er|re)s?",
    "m": "m|met(?:er|re)s?",
    "in": "in|inch(?:es)?",
    "ft": "ft|foot|feet",
    "yd": "yd|yards?",
    "mile": "miles?",
    "s": "s|secs?|seconds?",
    "min": "mins?|minutes?",
    "h": "h|hrs?|hours?",
    "am": r"a\.?m\.?",
    "pm": r"p\.?m\.?",
    "day": "days?",
    "week": "weeks?",
    "month": "months?",
    "year": "years?|yrs?",
    "kg": "kg|kilograms?",
    "mg": "mg|milligrams?",
    "g": "g|grams?",
    "lb": "lbs?|pounds?",
    "oz": "oz|ounces?",
    "mL": "mL|ml|millilit(?:er|re)s?",
    "L": "L|lit(?:er|re)s?",
    "gal": "gal|gallons?",
    "J": "J|joules?",
    "N": "N|newtons?",
    "W": "W|watts?",
    "$": "dollars?",
    "c": "cents?",
    "%": "percent(?:age)?|pct",
    "°": "degrees?",
    "C": "C|celsius",
    "F": "F|fahrenheit",
    "rad": "rad|radians?",
    "mph": "mph",
    "kph": "kph|kmph",
    "person": "persons?|people",
    "": "units?|points?",
}
_NAMED = {name: re.compile(pattern) for name, pattern in _UNITS.items()}
_QUOTIENTS = {"mph": ("mile", "h"), "kph": ("km", "h")}
_MAGNITUDES = {
    "dozen": "12", "hundred": "10^{2}", "thousand": "10^{3}", "million": "10^{6}",
    "billion": "10^{9}", "trillion": "10^{12}", "tenth": "10^{-1}", "hundredth": "10^{-2}",
    "thousandth": "10^{-3}",
}  # fmt: skip
_SIZES = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_RAISED = {"squared": 2, "cubed": 3}
_FILLERS = ("of", "a", "an", "the")
_NO_UNIT = {
    "is", "are", "was", "were", "be", "been", "being", "do", "does", "did", "not", "no", "nor",
    "never", "cannot", "isn't", "wasn't", "wrong", "incorrect", "false", "right", "correct", "true",
    "negative", "positive", "minus", "plus", "mod", "modulo", "choose", "over", "and", "or", "but",
    "if", "when", "where", "for", "with", "without", "to", "than", "into", "half", "halves",
    "third", "thirds", "quarter", "factorial", "infinity", "infty", "approximately", "about",
    "alpha", "beta", "gamma", "delta", "epsilon", "theta", "kappa", "lambda", "sigma", "omega",
}  # fmt: skip
_MOST_WORDS = 4

_KNOWN = "|".join(_UNITS.values())
_SIZE = r"(?:(?:square|cubic|sq\.?|cu\.?)\s*)?"
_POWER = r"(?:\s*\^\s*\{?-?\d\}?)?"
_MAGNITUDE = rf"(?:{'|'.join(_MAGNITUDES)})s?"
_COMMAND = r"\\(?:text|textrm|mbox|mathrm)\s*"
_AFTER = r"(?:(?<=[\d})°])|(?<=\\pi)|(?<=\\pi ))"
# Letters alone (m, s, g) may be variables, and stay.
_FIRST = rf"{_SIZE}(?=[a-zA-Z]{{2}})(?:{_KNOWN})\b\.?{_POWER}"
_NEXT = rf"\s*(?:/|per\b)\s*{_SIZE}(?:{_KNOWN})\b\.?{_POWER}"
_BARE = re.compile(rf"{_AFTER}\s*((?:{_MAGNITUDE}\s+)*(?:{_FIRST}(?:{_NEXT})*|{_MAGNITUDE}))\s*$")
_SCALE = re.compile(r"(?<=°)\s*([CF])$")
_WORDS = re.compile(r"(?<=\d)((?: [a-z]+)* ([a-z]{4,}))$")
# Between two numbers a text means something: "3 R 2", "2 hours 30 minutes".
_TEXT = re.compile(
    rf"{_AFTER}\s*({_COMMAND}\{{[^{{}}]*\}}{_POWER}"
    rf"(?:\s*[/*]?\s*{_COMMAND}\{{[^{{}}]*\}}{_POWER})*)(?!\s*[\w(])"
)
_MARKUP = re.compile(rf"{_COMMAND}|[{{}}~]")
_TOKEN = re.compile(r"[\s-]*([A-Za-z][A-Za-z'.]*|[/*°]|\^\s*-?\d)[\s-]*")


def split_unit(text: str) -> tuple[str, str]:
    """A formula with magnitudes as factors and without its units, and the last unit, else ``""``.

    Args:
        text: formula in LaTeX. A ``\\text{...}`` behind a number is a unit if its words may be one.
    """
    name = ""

    def drop(found: re.Match[str]) -> str:
        nonlocal name
        unit = _unit(_MARKUP.sub(" ", found[1]))
        if unit is None:
            return found[0]
        name = unit[1] or name
        return unit[0]

    def drop_words(found: re.Match[str]) -> str:
        # Variables of a product come in the order of the alphabet.
        return found[0] if list(found[2]) == sorted(found[2]) else drop(found)

    if text.startswith("\\$"):
        name = "$"
    text = re.sub(r"\\\$|[$£€¥]", "", text)
    text = _SCALE.sub(r"\\text{\1}", text)
    text = _WORDS.sub(drop_words, _BARE.sub(drop, _TEXT.sub(drop, text)))
    if re.search(r"%\s*$", text):
        name = "%"
    text = re.sub(r"\\?%", "", text).strip()
    return text, f"{name} °".strip() if text.endswith("°") else name


def may_be_same(unit: str, other: str) -> bool:
    """Whether two units, as :func:`split_unit` names them, are the same or one is not told.

    A temperature in degrees may leave its scale out.
    """
    if not unit or not other or unit == other:
        return True
    return "°" in (unit, other) and unit.endswith("°") and other.endswith("°")


def _unit(written: str) -> tuple[str, str] | None:
    """The factor of a magnitude, and the unit in one form; None for words that are no unit."""
    tokens = [found[1] for found in _TOKEN.finditer(written)]
    if _TOKEN.sub("", written).strip() or len(tokens) > 2 * _MOST_WORDS:
        return None
    factor = ""
    while tokens and (magnitude := _MAGNITUDES.get(_singular(tokens[0]))):
        factor += f"*{magnitude}"
        del tokens[0]
    powers = _powers(tokens)
    if powers is None:
        return None
    parts = (n if power == 1 else f"{n}^{power}" for n, power in sorted(powers.items()) if power)
    return factor, " ".join(parts)


def _powers(tokens: list[str]) -> dict[str, int] | None:
    """The powers of the units that are multiplied; None where there is a word that is none."""
    parts: list[tuple[str, int]] = []
    sign, size = 1, 1
    for token in tokens:
        word = token.rstrip(".").casefold()
        if token in ("/", "per"):
            sign = -1
        elif word in _SIZES:
            size = _SIZES[word]
        elif token.startswith("^") or word in _RAISED:
            if not parts:
                return None
            power = _RAISED[word] if word in _RAISED else int(token[1:])
            parts[-1] = (parts[-1][0], parts[-1][1] * power)
        elif token != "*" and token not in _FILLERS:
            if (name := _name(token)) is None:
                return None
            names = _QUOTIENTS.get(name, (name,))
            parts += [(one, sign * size * (-1) ** at) for at, one in enumerate(names)]
            sign, size = 1, 1
    if len(parts) > _MOST_WORDS or (size > 1 and not parts):
        return None
    powers: Counter[str] = Counter()
    for name, power in parts:
        powers[name] += power
    del powers[""]
    return dict(powers)


def _name(word: str) -> str | None:
    """One name for a word in all its forms; None for what is no unit."""
    # Of short ones the case counts: mL and ML.
    word = word if len(word) < 4 else word.casefold()
    for written in (word, word.rstrip(".")):
        known = [name for name, pattern in _NAMED.items() if pattern.fullmatch(written)]
        if known:
            return known[0]
    word = word.rstrip(".")
    if word == "°":
        return word
    return None if len(word) < 2 or word.casefold() in _NO_UNIT else _singular(word)


def _singular(word: str) -> str:
    word = re.sub(r"ies$", "y", word)
    return re.sub(r"(?<=x|z)es$|(?<=ch|sh|ss)es$|(?<=[a-rt-z])s$", "", word)
