"""The postings of a collection of texts, by term, with what each is worth to BM25.

The score that a term of weight w gives to a document is ``w - w / (1 + impact)`` (Lucene's
``BM25Similarity``). The *impact* depends on the frequency of the term in the document and on the
document's length alone, so few values occur, and a posting holds the place of its own among them.
Weights, and so scores, are made in ``search``.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from act_envs.webshop.analysis import terms

K1, B = np.float32(0.9), np.float32(0.4)  # Anserini's defaults
_EXACT = 24  # lengths that SmallFloat.intToByte4 keeps as they are, before its 4-bit floats
_CHUNK = 1 << 22  # postings sorted at a time


class Postings(NamedTuple):
    """All postings of a collection.

    Attributes:
        ids: of the documents, in the order in which they came.
        filled: how many documents have any term.
        terms: in ascending order.
        starts: where the postings of each term start, and the last end, (terms + 1,) int64.
        docs: the documents of each term, ascending, (postings,) int32.
        codes: the places of their impacts, (postings,) uint16, or uint32 where there are many.
        bounds: the greatest code of each term, (terms,).
        impacts: every impact that occurs, ascending, float32.
    """

    ids: list[str]
    filled: int
    terms: list[str]
    starts: np.ndarray
    docs: np.ndarray
    codes: np.ndarray
    bounds: np.ndarray
    impacts: np.ndarray


def gather(documents: Iterable[tuple[str, str]]) -> Postings:
    """The postings of documents.

    Takes some 20 bytes of memory per posting at its height, and the vocabulary.

    Args:
        documents: the id and the text of each; read once, one at a time.
    """
    ids: list[str] = []
    lengths = array("q")
    numbers = _Numbers()
    chunks = [_Chunk(0)]
    for name, text in documents:
        counts = Counter(terms(text))
        chunks[-1].add(map(numbers.__getitem__, counts), counts.values())
        ids.append(name)
        lengths.append(counts.total())
        if len(chunks[-1].numbers) >= _CHUNK:
            chunks.append(_Chunk(len(ids)))

    words = sorted(numbers)
    places = np.empty(len(words), np.int32)  # in the sorted vocabulary, by number
    places[[numbers[word] for word in words]] = np.arange(len(words))
    numbers.clear()
    norms = _norms(np.asarray(lengths))
    filled = int(np.count_nonzero(lengths))
    pairs, codes, impacts = _impacts(chunks, norms, sum(lengths) / max(filled, 1))
    sizes = sum(
        (np.bincount(places[chunk.numbers], minlength=len(words)) for chunk in chunks),
        np.zeros(len(words), np.int64),
    )
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    docs, coded = _by_term(chunks, places, norms, starts, pairs, codes)
    bounds = np.maximum.reduceat(coded, starts[:-1]) if words else coded
    return Postings(ids, filled, words, starts, docs, coded, bounds, impacts)


class _Numbers(dict[str, int]):
    """Numbers terms in the order of their first appearance."""

    def __missing__(self, term: str) -> int:
        self[term] = number = len(self)
        return number


class _Chunk:
    """The postings of some consecutive documents in their order: a few arrays of equal length.

    Attributes:
        numbers: of the terms.
        freqs: how often the document has the term.
        sizes: how many postings each document has.
    """

    def __init__(self, first: int) -> None:
        self.first = first  # of its documents
        self.numbers, self.freqs, self.sizes = array("i"), array("i"), array("i")

    def add(self, numbers: Iterable[int], freqs: Iterable[int]) -> None:
        """Add a document."""
        before = len(self.numbers)
        self.numbers.extend(numbers)
        self.freqs.extend(freqs)
        self.sizes.append(len(self.numbers) - before)

    def docs(self) -> np.ndarray:
        """The document of each posting, int32."""
        docs = np.arange(self.first, self.first + len(self.sizes), dtype=np.int32)
        return np.repeat(docs, self.sizes)

    def pairs(self, norms: np.ndarray) -> np.ndarray:
        """What the impact of each posting depends on: frequency times 256 plus norm, int64."""
        return np.asarray(self.freqs).astype(np.int64) * 256 + norms[self.docs()]


def _norm_lengths() -> np.ndarray:
    """The length that each of the 256 norms stands for, ascending, int64.

    Norms up to 23 stand for themselves, the others for 23 and a float with three bits after the
    leading one (Lucene's ``SmallFloat.byte4ToInt``).
    """
    floats = [*range(8), *((8 + low) << high for high in range(28) for low in range(8))]
    return np.array([*range(_EXACT), *(_EXACT + value for value in floats)], np.int64)


def _norms(lengths: np.ndarray) -> np.ndarray:
    """Lengths in a byte each, rounded down to one that a norm stands for."""
    return np.searchsorted(_norm_lengths(), lengths, side="right") - 1


def _impacts(
    chunks: list[_Chunk], norms: np.ndarray, average: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs that occur, ascending, the place of each among the impacts, and the impacts."""
    pairs = np.empty(0, np.int64)
    for chunk in chunks:
        pairs = np.union1d(pairs, chunk.pairs(norms))
    one, lengths = np.float32(1), _norm_lengths().astype(np.float32)
    inverse = one / (K1 * ((one - B) + B * lengths / np.float32(max(average, 1))))
    impacts = (pairs // 256).astype(np.float32) * inverse[pairs % 256]
    order = np.argsort(impacts)
    codes = np.empty(len(pairs), np.uint16 if len(pairs) <= 1 << 16 else np.uint32)
    codes[order] = np.arange(len(pairs))
    return pairs, codes, impacts[order]


def _by_term(
    chunks: list[_Chunk],
    places: np.ndarray,
    norms: np.ndarray,
    starts: np.ndarray,
    pairs: np.ndarray,
    codes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The documents and codes of all postings by term. Uses the chunks up, to bound the memory."""
    docs, coded = np.empty(starts[-1], np.int32), np.empty(starts[-1], codes.dtype)
    free = starts[:-1].copy()  # where the next posting of each term goes
    while chunks:
        chunk = chunks.pop(0)
        terms_ = places[chunk.numbers]
        order = np.argsort(terms_, kind="stable")
        terms_ = terms_[order]
        counts = np.bincount(terms_, minlength=len(free))
        where = np.arange(len(terms_)) + (free - np.cumsum(counts) + counts)[terms_]
        docs[where] = chunk.docs()[order]
        coded[where] = codes[np.searchsorted(pairs, chunk.pairs(norms)[order])]
        free += counts
    return docs, coded
