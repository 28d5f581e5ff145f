"""What the seller of a generated product says of it: title, description and bullet points.

A product has a few words of its own for every slot of the patterns in ``wares.toml`` (adjectives,
parts, invented names), and all of its texts are made with these: it repeats itself, as sellers do,
and differs from its neighbours.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

from act_envs.webshop.chance import Chance, power
from act_envs.webshop.wares import POOL, SLOTS, Attribute, Orders, Pattern, Ware, load

# Words, twenty as likely as each other: how it is with the real products.
_TITLE = (5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 25, 27)
_DESCRIPTION = "8 15 23 30 38 46 55 65 76 88 100 113 128 146 166 188 218 252 310 460"
_FIRST_POINT = (1, 1, 2, 3, 4, 5, 7, 10, 12, 15, 17, 19, 21, 24, 28, 32, 38, 44, 55, 80)
_POINTS = (1, 1, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 7, 7, 8)
_LENGTHS = tuple(map(int, _DESCRIPTION.split()))
_SLOPPY = 0.2  # share of sellers who leave out the blank after a stop or a colon
_SHORT = 6  # words; a bullet point of no more is no sentence

_OWN = {
    "color": 3,
    "motif": 4,
    "adj": 6,
    "person": 3,
    "place": 4,
    "verb": 4,
    "few": 5,
    "material": 2,
    "style": 1,
    "part": 4,
    "use": 3,
    "gain": 3,
    "rare": 8,
}  # how many words a product has for a slot
_VOCABULARY = [(SLOTS.index(slot), count) for slot, count in _OWN.items()]
_MODELS = {"electronics": 6}  # names of models in one listing; elsewhere one
_MEASURES, _OWN_MEASURES = 1 << 14, 40

_IS, _WITH, _FOR, _NOUN, _QUERY, _BRAND, _SERIES, _COIN, _N, _DIM, _MODEL, _YEAR = map(
    SLOTS.index,
    ("is", "with", "for", "noun", "query", "brand", "series", "coin", "n", "dim", "model", "year"),
)
_MOTIF, _MATERIAL, _STYLE, _PART, _USE, _RARE = map(
    SLOTS.index, ("motif", "material", "style", "part", "use", "rare")
)

_STARTS = "b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh st t tr v w y z"
_MIDDLES = "a a e e i o o u ai ea ee ia io ou"
_ONSETS, _VOWELS = _STARTS.split(), _MIDDLES.split()
_CODAS = ("", "", "", "l", "n", "r", "s", "m", "x", "nd", "th", "ck")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Speech:
    """The words of one product.

    Args:
        chance: where all choices come from.
        ware: what it is one of.
        features: what it is wanted for.

    Attributes:
        noun: what it is called.
        told: words that its texts use.
    """

    def __init__(self, chance: Chance, ware: Ware, features: Sequence[Attribute]) -> None:
        self._chance, self._ware = chance, ware
        self.noun = chance.common(ware.nouns)
        self._brand = _coined(chance.rank(16.0), 0)
        styles = ware.family.words[_STYLE]
        self._style = chance.common([style for style in styles if style not in self.noun])
        self._blank = "" if chance.number() < _SLOPPY else " "
        own = self._words(features)
        self.told = (self._style, *own[_MATERIAL], *own[_RARE], *own[_USE])
        self._slots = [itertools.cycle(words) for words in own]
        self._sentences = self._cycle(ware.family.department.sentences)

    def title(self) -> str:
        """Brand, thing, and then phrases up to the length that is due."""
        number, length = self._chance.number, self._chance.pick(_TITLE)
        whose, of_somebody, _ = self._ware.query.partition("'s ")
        words = [self._brand] if number() < 0.85 else []
        if of_somebody and number() < 0.8:
            words.append(f"{whose}'s" if number() < 0.7 else whose)
        if length > 6:
            words.append(self._style)
        words.append(self.noun)
        text = " ".join(words)
        size = len(words) + self.noun.count(" ")
        comma = self._chance.pick((", ", ", ", " ", " - "))
        for pattern in self._cycle(load().titles):
            if size + pattern.words // 2 >= length:
                break
            text += (" " if pattern.begins else comma) + self._filled(pattern)
            size += pattern.words
        return titled(text)

    def description(self) -> str:
        """A few sentences or many."""
        return self._prose(self._chance.pick(_LENGTHS))

    def points(self) -> tuple[str, ...]:
        """Bullet points, of which upstream's search sees the first."""
        chance, lexicon = self._chance, load()
        length = chance.pick(_FIRST_POINT)
        headed = chance.number() < 0.4
        points = []
        for _ in range(chance.pick(_POINTS)):
            if length <= _SHORT:
                text = _sentence(self._filled(chance.pick(lexicon.fragments)))
            else:
                text = self._prose(length)
                if headed:
                    head = self._filled(chance.pick(lexicon.heads)).upper()
                    text = f"{head}:{self._blank}{text}"
            points.append(text)
            length = min(int(length * (0.6 + chance.number() * 0.8)) + chance.below(8), 60)
        return tuple(points)

    def model(self) -> str:
        """A number that somebody gave to something (``"KX-2204"``)."""
        return _model(self._chance)

    def _prose(self, length: int) -> str:
        """Sentences of about so many words; of a sloppy seller, with no blank between them."""
        sentences: list[str] = []
        for pattern in self._sentences:
            sentence = self._filled(pattern)
            if not pattern.begins:
                sentence = _sentence(sentence)
            if sentence in sentences:
                continue
            sentences.append(sentence)
            length -= pattern.words
            if length <= _SHORT:
                break
        text = f".{self._blank}".join(sentences) + "."
        return text if self._blank else text.replace(": ", ":")

    def _filled(self, pattern: Pattern) -> str:
        return pattern.text % tuple(map(next, map(self._slots.__getitem__, pattern.slots)))

    def _cycle(self, orders: Orders) -> Iterator[Pattern]:
        """Patterns in some order; all of them before one comes again."""
        order = self._chance.pick(orders)
        start = self._chance.below(len(order))
        return itertools.cycle(order[start:] + order[:start])

    def _words(self, features: Sequence[Attribute]) -> list[Sequence[str]]:
        """What the slots of this product's patterns are filled with, in turn."""
        chance, number, family = self._chance, self._chance.number, self._ware.family
        own: list[Sequence[str]] = [()] * len(SLOTS)
        for slot, count in _VOCABULARY:  # as many words from each part of the family's list
            start = int(number() * POOL)
            own[slot] = family.pools[slot][start : start + POOL : POOL // count]
        own[_STYLE] = (self._style, *own[_STYLE])
        own[_NOUN], own[_QUERY], own[_BRAND] = (self.noun,), (self._ware.query,), (self._brand,)
        own[_SERIES] = (_coined(chance.rank(14.0), 1), own[_MOTIF][0])
        own[_COIN] = [_coined(chance.rank(11.0), 2) for _ in range(5)]
        start = chance.below(_MEASURES)
        own[_N] = _measures()[start : start + _OWN_MEASURES]
        own[_DIM] = (_size(chance),)
        own[_MODEL] = [_model(chance) for _ in range(_MODELS.get(family.department.name, 1))]
        own[_YEAR] = (str(1890 + chance.below(130)),)
        for slot, instead in ((_IS, _STYLE), (_WITH, _PART), (_FOR, _USE)):
            sort = SLOTS[slot]
            texts = [feature.text for feature in features if feature.sort == sort]
            own[slot] = (*texts, own[instead][0])
        return own


def titled(text: str) -> str:
    """A text with every word's first letter large, and the others as they are."""
    return " ".join([word[:1].upper() + word[1:] for word in text.split(" ")])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _model(chance: Chance) -> str:
    code = chance.below(26**3)
    letters = _LETTERS[code % 26] + _LETTERS[code // 26 % 26]
    if code % 2:
        letters += _LETTERS[code // 26**2]
    number = chance.number()
    return f"{letters}{'-' if code % 3 == 0 else ''}{10 + int(number * number * 9990)}"


def _size(chance: Chance) -> str:
    """Inches or centimetres: every third number whole, small ones more often."""
    lengths = []
    for _ in range(3):
        number = chance.number()
        tenths = 20 + int(number * number * 800)
        lengths.append(f"{tenths // 10}" if tenths % 3 == 0 else f"{tenths / 10}")
    first, second, third = lengths
    shape = chance.number()
    unit = chance.pick(("in", "cm", " inch", " inch"))
    if shape < 0.5:
        return f"{first}x{second}{unit}"
    return f"{first} x {second} x {third}{unit}" if shape < 0.65 else f"{first}{unit}"


@functools.cache
def _measures() -> tuple[str, ...]:
    """Measures as sellers write them, in a row to take a piece of."""
    chance, found = Chance("measures"), []
    for _ in range(_MEASURES + _OWN_MEASURES):
        size = power(0.7 + 4.5 * chance.number())
        found.append(str(int(size)) if chance.number() < 0.45 else f"{size:.1f}")
    return tuple(found)


@functools.lru_cache(maxsize=1 << 14)
def _coined(rank: int, language: int) -> str:
    """The invented word of a rank, always the same one."""
    code = (rank * 0x9E3779B1 + language * 0x85EBCA6B + 0x27D4EB2F) & 0xFFFFFFFF
    code = (code ^ code >> 15) * 0x2C1B3C6D & 0xFFFFFFFFFF
    syllables, word = _syllables(), ""
    for _ in range(3 if rank % 5 == 0 else 2):
        code, place = divmod(code, len(syllables))
        word += syllables[place]
    return word.upper() if rank % 7 == 3 else word.capitalize()


@functools.cache
def _syllables() -> list[str]:
    return [onset + vowel + coda for onset in _ONSETS for vowel in _VOWELS for coda in _CODAS]
