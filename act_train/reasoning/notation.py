"""One way to write a formula: LaTeX answers without what does not change their meaning.

Gone are delimiters, spacing, styles, units, percent and degree signs, commas between thousands, and
braces around one sign. Fractions and roots have their braces.
A percentage is its number: ``50\\%`` is 50, and not 0.5, as the data set's own answers are.
"""

from __future__ import annotations

import re

_GONE = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|quad|qquad|cdotp)(?![a-zA-Z])"
    r"|\\[,;:! ()\[\]]|\$|~|&nbsp;|\\%|%|\\\$|\^\{?\\circ\}?|\^\{?\\degree\}?|\\degree|°"
)
_WORDS = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:le|leq|leqslant)(?![a-zA-Z])|≤"), r"\\le "),
    (re.compile(r"\\(?:ge|geq|geqslant)(?![a-zA-Z])|≥"), r"\\ge "),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])|[×·∗]"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])|÷"), "/"),
    (re.compile(r"\\mp(?![a-zA-Z])|±|\+/?-"), r"\\pm "),
    (re.compile(r"\\infin(?![a-zA-Z])|∞"), r"\\infty "),
    (re.compile(r"∪"), r"\\cup "),
    (re.compile(r"π"), r"\\pi "),
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"√(\w+)"), r"\\sqrt{\1}"),
    (re.compile(r"\\lbrace(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\{,\}"), ","),
)
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf|mathit|operatorname)\{([^{}]*)\}"
)
_JOINING = re.compile(r"\s*(?:\band\b|\bor\b)\s*")
# After a number. Letters alone (m, s, g) may be variables, and stay.
_UNIT = re.compile(
    r"(?<=[\d})])\s*(?:(?:square|cubic|sq\.?|cu\.?)\s*)?\b(?:units?|cm|mm|km|kg|mg|in(?:ch(?:es)?)?|"
    r"f(?:ee|oo)?t|yards?|yd|miles?|meters?|metres?|centimeters?|kilometers?|mph|seconds?|sec|"
    r"minutes?|min|hours?|hrs?|days?|weeks?|months?|years?|degrees?|radians?|dollars?|cents?|"
    r"pounds?|lbs?|ounces?|oz|grams?|kilograms?|lit(?:er|re)s?|percent|points?)\b\.?"
    r"(?:\s*\^\s*\{?\d\}?)?\s*$"
)
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COMMAND_END = re.compile(r"(\\[a-zA-Z]+)\s+(?=[a-zA-Z])")  # where a blank tells two names apart
_ROW, _GAP = "\x01", "\x02"  # stand for the end of a row, and for such a blank
_NAMED = re.compile(r"(?:[a-zA-Z](?:_\{?\w\}?)?(?:\([a-zA-Z]\))?(?:=|\\in))([^=]+)")


def normal(formula: str) -> str:
    """A formula in the one way that this module writes it; ``""`` when nothing is left."""
    text = formula.strip().rstrip(".").strip().replace("\\\\", _ROW)
    text = text.replace("\\!", "").replace("\\,", " ").replace("\\ ", " ")
    for pattern, plain in _WORDS:
        text = pattern.sub(plain, text)
    text = _GONE.sub("", text).strip()
    text = _UNIT.sub("", _unwrapped(text)).strip()
    text = _JOINING.sub(",", text) if re.search(r"\d|\\", text) else text
    if re.fullmatch(r"[A-Za-z][A-Za-z' -]+", text):  # words
        return re.sub(r"\s+", "", text).casefold()
    text = _COMMAND_END.sub(r"\1" + _GAP, text)
    text = _braced(re.sub(r"\s+", "", text).replace(_GAP, " "))
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text)
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if lone := re.fullmatch(r"[({]([A-Za-z])[)}]", text):
        text = lone[1]
    return re.sub(r"(?<!\d)\.(?=\d)", "0.", text).replace(_ROW, "\\\\")


def unnamed(formula: str) -> str:
    """A formula in normal notation without a name before it: ``x=``, ``f(x)=``, ``x\\in``."""
    named = _NAMED.fullmatch(formula)
    return named[1] if named else formula


def _unwrapped(text: str) -> str:
    """Texts without their command; those after a number are units, and go with their exponent."""

    def plain(match: re.Match[str]) -> str:
        inside = match[1].strip()
        before = text[: match.start()].strip()
        joins = re.fullmatch(r",?\s*(?:and|or)\s*,?", inside)
        if before and before[-1] in "0123456789})" and not joins:
            return "\0"
        return f" {inside} " if joins else inside

    text = _TEXT.sub(plain, text)
    return re.sub(r"\s*\0(?:\s*\^\s*\{?\d\}?)?", "", text)


def _braced(text: str) -> str:
    """``\\frac12`` and ``\\sqrt2`` with braces around what they are about."""
    sign = r" ?(\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-zA-Z]+|\w)"

    def brace(part: str) -> str:
        return part if part.startswith("{") else f"{{{part}}}"

    text = re.sub(rf"\\frac{sign}{sign}", lambda m: f"\\frac{brace(m[1])}{brace(m[2])}", text)
    return re.sub(rf"\\sqrt{sign}", lambda m: f"\\sqrt{brace(m[1])}", text)
