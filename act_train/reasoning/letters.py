"""The letter of an option in what a model says, read strictly and leniently.

Leniently a letter may be boxed, in words, in brackets or alone on a line, and the text of an option
stands for its letter. Two letters ("A or C") are no answer. Letters within words are none, and
small ones only where they stand in brackets or at the end of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from act_data.prompts import spoken
from act_train.reasoning.extraction import ADVERB, SAID, boxes
from act_train.reasoning.questions import LETTERS

_LINE = re.compile(r"^[ \t]*Answer:[ \t]*([A-D])[ \t\r]*$", re.MULTILINE)
_AROUND = r"[^\w\n]{0,8}"
_LETTER = (
    r"(?:(?P<letter>[A-D])\b(?!['’])|\((?P<bracketed>[a-d])\)|(?P<small>[a-d])\b(?=[^\w\n]*$))"
    # "A" may be an article, and an option that is wrong no answer.
    r"(?!(?<=A) (?!(?:is|because|since|as|and|or)\b)[a-z])"
    r"(?!\W{1,3}(?:is|are|was)\s+(?:not|wrong|incorrect)\b)"
    # One of two is none.
    r"(?P<other>[^\w\n]{0,4}(?:,|/|&|\band\b|\bor\b)[^\w\n]{0,4}[A-D]\b)?"
)
_IS = rf"(?:\s{{1,3}}(?:is|must be|would be|should be)\b(?:\s{{1,3}}(?i:{ADVERB}))?|\W{{0,3}}:)"
_GIVEN = re.compile(
    rf"\b(?i:answer|choice|option)\b{_IS}{_AROUND}(?:(?i:choice|option)\b{_AROUND})?{_LETTER}"
    rf"|^[^\w\n]*{_LETTER.replace('?P<', '?P<alone_')}[^\w\n]*$",
    re.MULTILINE,
)
_NAMED = re.compile(
    rf"\b(?i:answer|choice|option)\b{_AROUND}{_LETTER}"
    # In a formula, letters are chosen as names.
    rf"|\b(?:[Ww]e|I)\s{{1,3}}(?:choose|pick|select){_AROUND}{_LETTER.replace('?P<', '?P<alone_')}"
    r"(?!\s{0,3}[=<>])",
    re.MULTILINE,
)
_BOXED = re.compile(rf"\W*{_LETTER}(?:\W*|[).:]\W.*)", re.DOTALL)
_STYLE = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf)(?![a-zA-Z])")
_SIGNS = re.compile(r"[\s$*\\{}]+|[.,;]+$")


def read_letter(text: str, options: Sequence[str]) -> tuple[str | None, str | None]:
    """The letter that answers a question with options, read strictly and leniently.

    Args:
        text: what the model said.
        options: the texts of the options, in the order of their letters.

    Returns:
        Strictly the last line ``Answer: LETTER``; leniently also what is said otherwise. None where
        there is none.
    """
    answer = spoken(text)
    if answer is None:
        return None, None
    if lines := _LINE.findall(answer):
        return lines[-1], lines[-1]
    meant = _STYLE.sub("", answer)
    given = [*_letters(_GIVEN, meant), *_boxed(meant, options), *_texts(meant, options)]
    # "Option B" by itself may be said of a wrong one.
    given = given or list(_letters(_NAMED, meant))
    return None, max(given, default=(0, ""))[1] or None


def _letters(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    """Where letters are given, and which."""
    for found in pattern.finditer(text):
        yield found.start(), _given(found)


def _boxed(text: str, options: Sequence[str]) -> Iterator[tuple[int, str]]:
    for box in boxes(text):
        if box.content is None:
            continue
        if letter := _BOXED.fullmatch(re.sub("[{}]", "", box.content)):
            yield box.start, _given(letter)
        elif option := _option(box.content, options):
            yield box.start, option


def _given(found: re.Match[str]) -> str:
    """The letter of a match; ``""`` where there are two at once."""
    parts = {name.removeprefix("alone_"): part for name, part in found.groupdict().items() if part}
    return "" if "other" in parts else next(iter(parts.values())).upper()


def _texts(text: str, options: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where the text of an option is said to be the answer."""
    for said in SAID.finditer(text):
        if letter := _option(said["rest"], options):
            yield said.start(), letter


def _option(text: str, options: Sequence[str]) -> str:
    """The letter of the one option with this text; ``""`` where there is none, or two."""
    texts = [_bare(option) for option in options]
    found = [letter for letter, one in zip(LETTERS, texts, strict=True) if one == _bare(text)]
    return found[0] if len(found) == 1 else ""


def _bare(text: str) -> str:
    """A text without blanks, markup and full stop, in small letters."""
    return _SIGNS.sub("", _STYLE.sub("", text).strip()).casefold()
