"""The nouns of a product's title, of which the reward compares those of two products.

Upstream tags titles with spaCy. Only three facts come of it: no noun in common, fewer than a tenth
of the goal's, more than a fifth. Three choices, and results should name which one they used:

- ``"rule"``: built in, needs nothing. It says how it goes; it is no tagger.
- ``"spacy"`` or ``"spacy:MODEL"``: upstream's way, where spaCy and the model are installed.
- lists by title, or the path of a JSON file of them: made elsewhere, once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from act_envs.assets import given_path
from act_envs.errors import AssetsNotFound, CatalogueError, MissingExtra, UnknownArgument

SPACY_MODEL = "en_core_web_sm"
"""The one that upstream's ``goal.py`` loads, though its set-up script installs the large one."""

_WORD = re.compile(r"[^\W\d_][\w.]*\w|[^\W\d_]")
_CLITIC = re.compile(r"['’](?:s|re|ve|ll|d|m|t)\b")
# Words that are no nouns: those that hold sentences together, and the adjectives, adverbs and
# verbs that titles use most.
_NO_NOUNS = """
    a about above all am an and any are as at be before below between both but by can could do
    does each either every for from has have he her his how i if in into is it its may more most
    must my neither no nor not of off on only onto or other our out over own per same she should
    so some such than that the their them then there these they this those through to too under
    up upon us very was we were what when where which while who will with within without would
    you your
    available best better big bigger classic clean clear comfy compatible cool cute deep double dry
    easy elegant extra fast fine fresh full good great hard heavy high hot large light long loose
    low lower mini modern multi natural new nice old one organic original perfect portable premium
    pure quick quiet real round safe sexy sharp short simple single slim small smart smooth soft
    solid strong super tall thick thin tight tiny top two ultra unique upper vintage warm wet wide
    buy enjoy find fits get give keep make makes use using
"""
_OTHERS = frozenset(_NO_NOUNS.split())
_ENDINGS = re.compile(r"\w{3,}(?:able|ible|(?<!e)ed|ful|less|ly|ous|proof)")
_NOUNS_ALL_THE_SAME = frozenset(("assembly", "belly", "family", "jelly", "supply", "vegetable"))


class Nouns:
    """Nouns by title, kept once they are known.

    Args:
        choice: ``"rule"``, ``"spacy"``, ``"spacy:MODEL"``, lists by title, or the path of a JSON
            object of them.

    Attributes:
        name: the choice, as results should report it; of lists, ``"lists:"`` and a digest.

    Raises:
        UnknownArgument: none of these.
        MissingExtra: spaCy is not installed.
        AssetsNotFound: its model or the file of lists is not there.
        CatalogueError: the file holds no lists of words by title.
    """

    def __init__(self, choice: str | Path | Mapping[str, Sequence[str]] = "rule") -> None:
        self.name = str(choice)
        if choice == "rule":
            find = rule
        elif isinstance(choice, str) and (choice == "spacy" or choice.startswith("spacy:")):
            find = _tagger(choice.partition(":")[2] or SPACY_MODEL)
        else:
            lists = _checked(choice, "nouns") if isinstance(choice, Mapping) else _read(choice)
            find = _looked_up(lists)
            said = repr(sorted((title, list(words)) for title, words in lists.items()))
            self.name = f"lists:{hashlib.blake2b(said.encode(), digest_size=4).hexdigest()}"
        self._of = lru_cache(maxsize=1 << 16)(
            lambda title: (words := tuple(find(title)), frozenset(words))
        )

    def __call__(self, title: str) -> tuple[tuple[str, ...], frozenset[str]]:
        """The nouns of a title, lower case: each time that it has one, and each once.

        Raises:
            CatalogueError: there is no list for that title.
        """
        return self._of(title)


def nouns_of(choice: str | Path | Mapping[str, Sequence[str]]) -> Nouns:
    """As ``Nouns``; the same for all who ask for a rule or a model, which takes seconds to load."""
    if isinstance(choice, str) and (choice == "rule" or choice.startswith("spacy")):
        return _shared(choice)
    return Nouns(choice)


@lru_cache(4)
def _shared(choice: str) -> Nouns:
    return Nouns(choice)


def rule(title: str) -> list[str]:
    """The words that are likely nouns: what is left after the others are struck out.

    A word begins at a letter (of "10ml" the unit is left) and goes on over digits and dots;
    hyphens and slashes part words. Struck out are function words, frequent adjectives and verbs (a
    list), and what ends, after three letters or more, in -able, -ible, -ed, -ful, -less, -ly, -ous
    or -proof, but for a handful of nouns. Unlike a tagger it looks at no word's neighbours.
    """
    words = _WORD.findall(_CLITIC.sub(" ", title).lower())
    return [
        word
        for word in words
        if word not in _OTHERS and (word in _NOUNS_ALL_THE_SAME or not _ENDINGS.fullmatch(word))
    ]


def _tagger(model: str) -> Callable[[str], list[str]]:
    try:
        import spacy
    except ImportError as error:
        raise MissingExtra(
            "nouns='spacy' needs spaCy, which is not installed. Run: pip install spacy, or use "
            "nouns='rule'."
        ) from error
    try:
        tag = spacy.load(model)
    except OSError as error:
        raise AssetsNotFound(
            f"spaCy has no model {model!r}. Run: python -m spacy download {model}, or use "
            "nouns='rule'."
        ) from error
    return lambda title: [
        word.text.lower() for word in tag(title) if word.pos_ in ("NOUN", "PROPN")
    ]


def _looked_up(lists: Mapping[str, Sequence[str]]) -> Callable[[str], Sequence[str]]:
    def find(title: str) -> Sequence[str]:
        try:
            return lists[title]
        except KeyError:
            raise CatalogueError(
                f"the lists of nouns have none for the title {title!r:.200}. Make them from this "
                "catalogue, or use nouns='rule'."
            ) from None

    return find


def _read(path: object) -> Mapping[str, Sequence[str]]:
    file = given_path(path, "nouns")
    if not file.is_file():
        if isinstance(path, str) and not Path(path).suffix:
            raise UnknownArgument(
                f"nouns={path!r}. Give 'rule', 'spacy', 'spacy:MODEL' or a JSON file of lists."
            )
        raise AssetsNotFound(f"nouns={str(path)!r} is no file. Give the JSON file of lists.")
    try:
        lists = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CatalogueError(f"cannot read {file}: {error}. Make it again.") from error
    return _checked(lists, str(file))


def _checked(lists: object, what: str) -> Mapping[str, Sequence[str]]:
    if (
        not isinstance(lists, Mapping)
        or not lists
        or not all(
            isinstance(title, str)
            and isinstance(words, list | tuple)
            and all(isinstance(word, str) for word in words)
            for title, words in lists.items()
        )
    ):
        raise CatalogueError(f"{what} holds no lists of words by title. Make it again.")
    return lists
