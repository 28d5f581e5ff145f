"""The terms of a text, as Anserini's ``DefaultEnglishAnalyzer`` (Lucene 8.11) yields them.

A tokenizer after Unicode Standard Annex #29 in the dialect of Lucene's ``StandardTokenizer``, then
the English possessive, lower case, 33 stop words and Porter's stemmer. No ranking: see ``search``.

The tokenizer works on the string of the *classes* of the characters, a letter each:
``A`` letter, ``J`` Hebrew letter, ``N`` digit, ``K`` Katakana, ``_`` joins words (ExtendNumLet),
``:`` joins letters, ``,`` joins digits, ``.`` and ``'`` join either, ``"`` joins Hebrew letters,
``C`` a word by itself (Han, Hiragana), ``S`` and ``s`` South East Asian letter and mark,
``P`` emoji, ``B`` emoji that takes a modifier, ``M`` modifier, ``L`` letter and emoji at once,
``R`` regional indicator, ``#`` takes a keycap, ``k`` keycap, ``t`` and ``v`` text and emoji
presentation selector, ``g`` tag and ``G`` end of tags, ``z`` zero-width joiner, ``e`` any other
character that extends the one before it; a blank is everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import numpy as np

from act_envs.errors import MissingExtra

try:
    import regex as re  # before 3.11.5, the standard one gets possessive repeats wrong
except ImportError as error:
    raise MissingExtra(
        'WebShop\'s search needs regex. Run: pip install "agentic-critical-training[webshop]"'
    ) from error

LONGEST = 255  # UTF-16 units of a token, the size of the scanner's buffer; the rest is a new token

_STOPS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with"
)
STOP_WORDS = frozenset(_STOPS.split())


def terms(text: str) -> list[str]:
    """The terms of a text in order, with their repetitions."""
    found = map(_term, tokens(text))
    return [term for term in found if term is not None]


def tokens(text: str) -> list[str]:
    """The tokens of a text in order, as they are written."""
    if text.isascii():
        classes = text.encode().translate(_ascii_classes())
    else:
        classes = _classes()[_code_points(text)].tobytes()
    spans = [found.span() for found in _SCAN.finditer(classes) if not found.lastindex]
    if any(end - start > LONGEST // 2 for start, end in spans):
        spans = _limited(classes, _code_points(text))
    return [text[start:end] for start, end in spans]


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@lru_cache(maxsize=1 << 16)
def _term(token: str) -> str | None:
    """What is indexed for a token; None for a stop word."""
    if len(token) > 1 and token[-1] in "sS" and token[-2] in "'’＇":
        token = token[:-2]
    # Java's Character.toLowerCase knows neither a final sigma nor an i with two dots.
    token = token.replace("Σ", "σ").replace("İ", "i").lower()
    return None if token in STOP_WORDS else stem(token)


# --------------------------------------------------------------------------------- tokenizer


@lru_cache(maxsize=1)
def _classes() -> np.ndarray:
    """The class letter of every code point, (0x110000,) uint8."""
    table = np.full(0x110000, ord(" "), np.uint8)
    text = (
        resources.files("act_envs.webshop").joinpath("characters.txt").read_text(encoding="ascii")
    )
    for line in text.partition("\n\n")[2].splitlines():
        letter, *ranges = line.split()
        for pair in ranges:
            first, _, last = pair.partition("-")
            table[int(first, 16) : int(last or first, 16) + 1] = ord(letter)
    return table


@lru_cache(maxsize=1)
def _ascii_classes() -> bytes:
    return _classes()[:256].tobytes()


def _grammar() -> bytes:
    """One token at the left of a string of classes.

    Lucene's generated scanner takes the longest match of any rule. Here every choice is made so
    that the first match is the longest: it never gives back what it took.
    """
    x = "[ektvzgGs]*+"  # WB4: what extends a character belongs to it
    p = "[ekzgGs]*+"  # the same within an emoji, where selectors have a place of their own
    letter, digit, kana, join = f"[AJL]{x}", f"N{x}", f"K{x}", f"_{x}"
    # WB6, WB7: letters around a joint. WB7a-c: a Hebrew letter may end in a quote, or be joined to
    # another by a double one; Lucene's grammar has a letter take part in one such joint only.
    joints = f"(?:[:.']{x}{letter})*+"
    hebrew = f"J{x}(?:\"{x}J{x}|'{x}|{joints})"
    number = f"N++{x}(?:[,.']{x}{digit})*+"  # WB8, WB11, WB12
    run = f"(?:[AL]++{x}{joints}|{hebrew}|{number})++"  # WB5, WB9, WB10
    body = f"(?:{run}|(?:{kana})++)"  # WB13: Katakana joins nothing but itself
    ties = f"(?:_++{x}){{0,{LONGEST // 2 + 1}}}+"  # more, of two characters each, do not fit
    word = f"{ties}{body}(?:(?:{join})++{body})*+(?:{join})*+"  # WB13a, WB13b
    based = f"(?:B{p}M{p}|[PBL]{p}v?)"
    bare = f"M{p}"  # a modifier by itself: no joiner may lead to it but the one that joins it
    tail = f"(?:(?<=v)g++G|(?:(?<=z)(?:{based}|{bare})|(?<=v)(?:z++{based}|z{bare}))*+)"
    emoji = f"(?:z{{0,{LONGEST - 1}}}+{based}|{bare}){tail}"
    # A letter that is an emoji too starts a word, unless joiners lead from it to a mere emoji.
    leads = f"(?=(?:L{p}(?:vz(?:z++(?!M))?+|(?<=z)))++[PBM])"
    others = [
        f"{leads}{emoji}",
        word,
        emoji,
        "#[ekzgGs]*v?k" + p,
        f"R{x}R{x}",
        f"[Ss][Ss]*+{x}(?:[Ss]{x})*+",
        f"C{x}",
    ]
    return "|".join(others).encode("ascii")


_TOKEN = re.compile(_grammar())
# A long line of underscores that leads to no word is passed over at once, for time's sake.
_SCAN = re.compile(_TOKEN.pattern + b"|(_++)")
_START = re.compile(rb"[AJLNK_PBMz#RSsC]")


def _limited(classes: bytes, code_points: np.ndarray) -> list[tuple[int, int]]:
    """The spans of tokens where the scanner sees :data:`LONGEST` UTF-16 units at a time."""
    units = np.concatenate(([0], np.cumsum(1 + (code_points > 0xFFFF))))
    spans, at = [], 0
    while start := _START.search(classes, at):
        at = start.start()
        end = int(np.searchsorted(units, units[at] + LONGEST, side="right")) - 1
        if match := _TOKEN.match(classes, at, end):
            spans.append(match.span())
            at = match.end()
        else:
            at += 1
    return spans


# --------------------------------------------------------------------------------- stemmer

# Steps 2 and 3 of the algorithm: the first suffix that fits decides, also where its stem is too
# short to be changed. "bli" and "logi" are Martin Porter's two departures from his paper.
_STEP_2 = (
    "ational:ate tional:tion enci:ence anci:ance izer:ize bli:ble alli:al entli:ent eli:e "
    "ousli:ous ization:ize ation:ate ator:ate alism:al iveness:ive fulness:ful ousness:ous "
    "aliti:al iviti:ive biliti:ble logi:log"
)
_STEP_3 = "icate:ic ative: alize:al iciti:ic ical:ic ful: ness:"
_STEP_4 = "al ance ence er ic able ible ant ement ment ent sion tion ou ism ate iti ous ive ize"
_DOUBLE, _TRIPLE = (
    [tuple(rule.split(":")) for rule in step.split()] for step in (_STEP_2, _STEP_3)
)
_LONG = _STEP_4.split()


def stem(word: str) -> str:
    """The stem of a word in lower case (Porter, 1980, *An algorithm for suffix stripping*).

    With the author's two departures, as in Lucene's ``PorterStemmer``: words of one or two UTF-16
    units stay as they are, and every character but ``a e i o u y`` is a consonant.
    """
    if not word.isascii() and max(word) > "\uffff":  # each half of such a character counts
        halves = np.frombuffer(word.encode("utf-16-le"), "<u2")
        whole = stem("".join(map(chr, halves)))
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    if len(word) < 3:
        return word
    word = _plurals_and_participles(word)
    if word.endswith("y") and "v" in _shape(word[:-1]):  # step 1c
        word = word[:-1] + "i"
    for rules in (_DOUBLE, _TRIPLE):
        word = _replace(word, rules)
    return _final_e(_strip(word))


def _shape(word: str) -> str:
    """``v`` for each vowel and ``c`` for each consonant; y is a vowel after a consonant."""
    shape = ""
    for letter in word:
        vowel = shape.endswith("c") if letter == "y" else letter in "aeiou"
        shape += "v" if vowel else "c"
    return shape


def _measure(word: str) -> int:
    """How many times vowels are followed by consonants."""
    return _shape(word).count("vc")


def _doubled(word: str) -> bool:
    """Whether it ends in a consonant that is written twice."""
    return len(word) > 1 and word[-1] == word[-2] and _shape(word)[-1] == "c"


def _short(word: str) -> bool:
    """Whether it ends in consonant, vowel, consonant, and the last is not w, x or y."""
    return _shape(word).endswith("cvc") and word[-1] not in "wxy"


def _plurals_and_participles(word: str) -> str:
    """Steps 1a and 1b."""
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        base = word.removesuffix(suffix)
        if base != word:
            break
    else:
        return word
    if "v" not in _shape(base):
        return word
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if _doubled(base):
        return base if base[-1] in "lsz" else base[:-1]
    return base + "e" if _measure(base) == 1 and _short(base) else base


def _replace(word: str, rules: Sequence[tuple[str, ...]]) -> str:
    """Steps 2 and 3."""
    for suffix, other in rules:
        if word.endswith(suffix):
            base = word.removesuffix(suffix)
            return base + other if _measure(base) > 0 else word
    return word


def _strip(word: str) -> str:
    """Step 4. Of "sion" and "tion" only the "ion" goes."""
    for suffix in _LONG:
        if word.endswith(suffix):
            base = word[: -len(suffix)] + (suffix[0] if suffix.endswith("ion") else "")
            return base if _measure(base) > 1 else word
    return word


def _final_e(word: str) -> str:
    """Step 5."""
    if word.endswith("e"):
        measure = _measure(word)
        if measure > 1 or (measure == 1 and not _short(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("l") and _doubled(word) and _measure(word) > 1 else word
