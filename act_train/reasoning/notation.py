"""One way to write a formula: LaTeX answers without what does not change their meaning.

Gone are delimiters, spacing, styles, units, percent signs, degrees outside of trigonometric
functions, commas between thousands, and the line over the name of a segment. Exponents, indices,
fractions and roots have their braces, repeating decimals are fractions, words are ``\\text{...}``.
A percentage is its number: ``50\\%`` is 50, and not 0.5, as the data set's own answers are.
"""

from __future__ import annotations

import re

from act_train.reasoning.units import split_unit

_FUNCTIONS = (
    "arcsin|arccos|arctan|arccot|arcsec|arccsc|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp"
)
_ANGLED = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_SIGNS = str.maketrans({
    "−": "-", "–": "-", "‐": "-", "‑": "-", "－": "-", "\u200b": "", "º": "°", "×": "*", "·": "*",
    "∗": "*", "⋅": "*", "÷": "/", "⁄": "/", "π": "\\pi ", "∞": "\\infty ", "∪": "\\cup ",
    "√": "\\sqrt ", "±": "\\pm ", "∓": "\\mp ", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ",
    "≈": "\\approx ", "∈": "\\in ", "∅": "\\emptyset ", "ℝ": "\\mathbb{R}", "θ": "\\theta ",
    "½": "\\frac{1}{2}", "⅓": "\\frac{1}{3}", "⅔": "\\frac{2}{3}", "¼": "\\frac{1}{4}",
    "¾": "\\frac{3}{4}",
})  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_END = r"(?![a-zA-Z])"
_PLAIN = tuple((re.compile(pattern), plain) for pattern, plain in (
    (r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda found: f"^{{{found[0].translate(_RAISED)}}}"),
    # Thousands, as typesetters part them.
    (r"(?<=\d)(?:,\\!|\{,\}|\\,|\\;)\s*(?=\d{3}(?!\d))", ""),
    (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits)" + _END + r"|\\!", ""),
    (r"\\[,;: ]|\\q?quad" + _END + r"|~|&nbsp;", " "),
    (r"\\[()\[\]]|(?<!\\)\$", ""),
    (r"\\[dtc]frac" + _END, r"\\frac"),
    (r"\\[dt]binom" + _END, r"\\binom"),
    (r"\{([^{}]*)\\choose" + _END + r"([^{}]*)\}", r"\\binom{\1}{\2}"),
    (r"\\(?:leqslant|leq|le)" + _END + "|<=", r"\\le "),
    (r"\\(?:geqslant|geq|ge)" + _END + "|>=", r"\\ge "),
    (r"\\neq?" + _END + "|!=", r"\\ne "),
    (r"\\lt" + _END, "<"),
    (r"\\gt" + _END, ">"),
    (r"\*\*", "^"),
    (r"(?<=\d)[eE]([+-]?\d+)(?![\d.])", r"*10^{\1}"),
    (r"\\(?:times|cdotp?|ast)" + _END, "*"),
    (r"\\div" + _END, "/"),
    (r"\+/?-(?=\s*[\d\\a-zA-Z])", r"\\pm "),
    (r"\\infin" + _END, r"\\infty "),
    (r"\\varnothing" + _END + r"|\\\{\s*\\\}", r"\\emptyset "),
    (r"\\mathbb\s*\{?R\}?", r"(-\\infty ,\\infty )"),
    (r"\\[lr]?vert" + _END, "|"),
    (r"\\langle" + _END, "("),
    (r"\\rangle" + _END, ")"),
    (r"\\lbrace" + _END, r"\\{"),
    (r"\\rbrace" + _END, r"\\}"),
    (r"\^\s*\{?\s*\\(?:circ|degree)" + _END + r"\s*\}?|\\degree" + _END, "°"),
    (r"\\begin\{smallmatrix\}", r"\\begin{matrix}"),
    (r"\\end\{smallmatrix\}", r"\\end{matrix}"),
    (r"[(\[]\s*\\begin\{array\}\{[lcr| ]*\}", r"\\begin{pmatrix}"),
    (r"\\end\{array\}\s*[)\]]", r"\\end{pmatrix}"),
    (r"bmatrix\}", "pmatrix}"),
    (rf"\\(?:operatorname|mathrm|text)\{{({_FUNCTIONS})\}}", r"\\\1 "),
    (rf"(?<![a-zA-Z\\])({_FUNCTIONS}|sqrt|pi)(?![a-zA-Z])", r"\\\1 "),
    (r"\\overline\{([A-Z]{2,})\}", r"\1"),  # a segment; a conjugate has one letter
))  # fmt: skip
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf|mathit|operatorname)\s*\{([^{}]*)\}"
)
_JOINING = re.compile(r"\s*,?\s*(?:\band\b|\bor\b)\s*,?\s*")
_WORDS = re.compile(r"[A-Za-z]{4,}|(?=.*[A-Za-z]{2})[A-Za-z][A-Za-z'-]*(?: [A-Za-z'-]+)+")
_WRAPPED = re.compile(_TEXT.pattern + r"\.?")
_WORD = re.compile(r"\\text\{([^{}]*)\}")
_ALL_NUMBERS = ("allrealnumbers", "allreals", "realnumbers")
_THOUSANDS = re.compile(r"(?:^|(?<==)|(?<== ))-?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?=\*10\^|$)")
_APART = re.compile(r"(?<![\d.])(\d{1,3}(?: \d{3})+)(?![\d ]*[\d/])")
_MIXED = re.compile(r"(?<![\d./])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d/])")
_REPEATING = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar|dot)\s*(?:\{(\d+)\}|(\d))")
_COMMAND_END = re.compile(r"(\\[a-zA-Z]+)\s+(?=[a-zA-Z])")  # where a blank tells two names apart
_ROW, _GAP = "\x01", "\x02"  # stand for the end of a row, and for such a blank


def normal(formula: str) -> str:
    """A formula in the one way that this module writes it; ``""`` when nothing is left."""
    text, _ = split_unit(plain(formula))
    if words := _worded(text):
        return words
    text = _unwrapped(text)
    text = text if _ANGLED.search(text) else text.replace("°", "")
    text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _indexed(_braced(_REPEATING.sub(_repeating, text)))
    text = _MIXED.sub(r"\1\\frac{\2}{\3}", text)
    text = _APART.sub(lambda found: found[1].replace(" ", ""), text)
    text = re.sub(r"(?<=\d)\s+(?=\d)", ";", text)  # two numbers are not one
    text = _JOINING.sub(",", text) if re.search(r"\d|\\", text) else text
    text = re.sub(r"\s+", "", _COMMAND_END.sub(r"\1" + _GAP, text)).replace(_GAP, " ")
    text = re.sub(rf"({_ROW})+(?=\\end)", "", text)
    if lone := re.fullmatch(r"[({]+([A-Za-z])[)}]+", text):
        text = lone[1]
    text = re.sub(r"(?<!\d)\.(?=\d)", "0.", _bare(text))
    return text.replace(_ROW, "\\\\")


def word(formula: str) -> str | None:
    """The letters of a formula in normal notation that is words, in lower case."""
    found = _WORD.fullmatch(formula)
    return found[1] if found else None


def plain(formula: str) -> str:
    """A formula with one command for each meaning, and with its texts and units still in it."""
    text = formula.strip().replace("\\\\", _ROW).translate(_SIGNS)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    text = text.strip()
    text = text if text.endswith("..") else text.rstrip(".,; ")
    wrapped = _WRAPPED.fullmatch(text)
    text = wrapped[1] if wrapped and re.search(r"\d", wrapped[1]) else text
    return re.sub(r"[^\S\x01]+", " ", text).strip()


def _worded(text: str) -> str:
    """Words without blanks, in lower case; ``""`` for a formula."""
    wrapped = _WRAPPED.fullmatch(text)
    inside = wrapped[1].strip(" .") if wrapped else text
    letters = re.sub(r"[\s'-]", "", inside)
    if not letters.isalpha() or not letters.isascii() or len(letters) < 2:
        return ""
    if wrapped or _WORDS.fullmatch(inside):
        letters = letters.casefold()
        return r"(-\infty,\infty)" if letters in _ALL_NUMBERS else f"\\text{{{letters}}}"
    return ""


def _unwrapped(text: str) -> str:
    """Texts without their command, but for words that join nothing."""

    def plainly(found: re.Match[str]) -> str:
        inside = found[1].strip()
        if inside.isalpha() and len(inside) > 1 and not _JOINING.fullmatch(inside):
            return f"\\text{{{inside.casefold()}}}"
        return f" {inside} "

    return _TEXT.sub(plainly, text)


def _repeating(found: re.Match[str]) -> str:
    """A repeating decimal as a fraction: 0.1666... is (16 - 1) / 90."""
    whole, once, again = found[1] or "0", found[2], found[3] or found[4]
    above = int(whole + once + again) - int(whole + once)
    return rf"\frac{{{above}}}{{{'9' * len(again)}{'0' * len(once)}}}"


def _braced(text: str) -> str:
    """``\\frac12`` and ``\\sqrt2`` with braces around what they are about."""
    sign = r"\s*(\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-zA-Z]+|\w)"

    def brace(part: str) -> str:
        return part if part.startswith("{") else f"{{{part}}}"

    text = re.sub(rf"\\frac{sign}{sign}", lambda m: f"\\frac{brace(m[1])}{brace(m[2])}", text)
    return re.sub(r"\\sqrt\s*(\d+|[a-zA-Z])", lambda m: f"\\sqrt{{{m[1]}}}", text)


def _indexed(text: str) -> str:
    """Indices and exponents in braces; ``\\log_28`` has base 2."""
    text = re.sub(r"\\log_(\d)(\d+)(?=$|[-+*/=,)\]}])", r"\\log_{\1}\2", text)
    return re.sub(r"([_^])\s*(\d+|[a-zA-Z])", r"\1{\2}", text)


def _bare(text: str) -> str:
    """Without braces around the whole."""
    while text.startswith("{") and text.endswith("}") and _encloses(text):
        text = text[1:-1]
    return text


def _encloses(text: str) -> bool:
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return at == len(text) - 1
    return False
