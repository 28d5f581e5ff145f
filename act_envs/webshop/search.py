"""Full-text search with the ranking and the scores of Lucene 8.11, to the last bit of a float32.

BM25 over the terms of :mod:`act_envs.webshop.analysis`; a query is a bag of terms, as Anserini
makes it. What a term adds is computed in float32 in the order of operations of Lucene's
``BM25Similarity``. The sum is taken in float64, where a handful of float32 numbers of like size
add up without rounding, so that their order does not matter.

Terms that few documents have come first. A document is given up as soon as all that the terms to
come can add does not lift it among the best, and postings of documents that are not met in time are
not even looked at (after MaxScore: Turtle and Flood, 1995). The result is the same as without.

An index is a few arrays, in memory or mapped from a folder that processes share. It knows nothing
of products, only texts and the ids of what they belong to.
"""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from act_envs.errors import CatalogueError
from act_envs.webshop.analysis import terms
from act_envs.webshop.postings import gather

VERSION = 1  # of the files
_ONE = np.float32(1)
_LONG = 1024  # postings of a term; fewer are added without asking whether they have to be
_ROUNDING = 1 - 1e-6  # more than what float32 can turn a score into a tie by


class Strings:
    """Many strings in two arrays.

    Args:
        text: their UTF-8 bytes, one after the other, (bytes,) uint8.
        ends: where each ends, (strings,) int64.
    """

    def __init__(self, text: np.ndarray, ends: np.ndarray) -> None:
        self.text, self.ends = text, ends
        self._text, self._ends = text.data, ends.data

    @classmethod
    def of(cls, strings: Iterable[str]) -> Self:
        """Strings in the given order."""
        text, ends = bytearray(), array("q")
        for string in strings:
            text += string.encode("utf-8", "surrogatepass")
            ends.append(len(text))
        return cls(np.asarray(memoryview(text)), np.asarray(ends))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        try:
            return str(self._bytes(index), "utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CatalogueError(
                f"a text of the catalogue is damaged: {error}. Run: act-envs check-data webshop"
            ) from error

    def find(self, string: str) -> int | None:
        """The index of a string where they are in ascending order; None where it is not there."""
        key = string.encode("utf-8", "surrogatepass")
        at = bisect_left(range(len(self)), key, key=self._bytes)
        return at if at < len(self) and self._bytes(at) == key else None

    def _bytes(self, index: int) -> bytes:
        start = self._ends[index - 1] if index else 0
        return self._text[start : self._ends[index]].tobytes()


class _Part(NamedTuple):
    """A term in a query, as many times as it stands there.

    Attributes:
        docs: the documents that have it, ascending, (postings,) int32.
        codes: the place of the impact of each posting, (postings,).
        weight: the term's inverse document frequency times the count in the query.
        bound: the most that it adds to a score.
        gains: what it adds to the score of each document, (postings,) float32, where these are
            so few that it is kept.
    """

    docs: np.ndarray
    codes: np.ndarray
    weight: np.float32
    bound: float
    gains: np.ndarray | None


class Index:
    """An inverted index. Made by :meth:`build` or :meth:`load`.

    Args:
        arrays: ``term_text`` and ``term_ends``, the terms in ascending order; ``id_text`` and
            ``id_ends``, the ids in the order of the documents; ``ranks``, (documents,) int32, the
            place of each id among all; ``starts``, (terms + 1,) int64, ``docs``, (postings,)
            int32, and ``codes``, (postings,) uint16 or uint32, the postings by term; ``bounds``,
            (terms,), the greatest code of each; ``impacts``, float32, in ascending order.
        filled: how many documents have any term.
    """

    def __init__(self, arrays: dict[str, np.ndarray], filled: int) -> None:
        self._arrays, self._filled = arrays, filled
        self.ids = Strings(arrays["id_text"], arrays["id_ends"])
        self.terms = Strings(arrays["term_text"], arrays["term_ends"])
        self._ranks, self._impacts = arrays["ranks"], arrays["impacts"]
        self._part = lru_cache(maxsize=1 << 12)(self._look_up)
        self._id = lru_cache(maxsize=1 << 14)(self.ids.__getitem__)

    @classmethod
    def build(cls, documents: Iterable[tuple[str, str]]) -> Self:
        """Index documents.

        Args:
            documents: the id and the text of each, in any order; read once, one at a time.

        Raises:
            CatalogueError: two have the same id.
        """
        found = gather(documents)
        order = sorted(range(len(found.ids)), key=found.ids.__getitem__)
        for one, other in pairwise(order):
            if found.ids[one] == found.ids[other]:
                raise CatalogueError(f"two documents have the id {found.ids[one]!r}. Drop one.")
        ranks = np.empty(len(order), np.int32)
        ranks[order] = np.arange(len(order))
        ids, words = Strings.of(found.ids), Strings.of(found.terms)
        arrays = {
            "id_text": ids.text,
            "id_ends": ids.ends,
            "ranks": ranks,
            "term_text": words.text,
            "term_ends": words.ends,
            "starts": found.starts,
            "docs": found.docs,
            "codes": found.codes,
            "bounds": found.bounds,
            "impacts": found.impacts,
        }
        return cls(arrays, found.filled)

    def search(self, query: str, k: int = 50) -> list[tuple[str, float]]:
        """The best documents for a query.

        Args:
            query: any text.
            k: how many, at the most.

        Returns:
            Their ids and scores, the best first; equal scores by ascending id. Empty where no
            term of the query is in any document.
        """
        counts = Counter(terms(query))
        parts = [part for item in counts.items() if (part := self._part(*item)) is not None]
        scores, docs = self._summed([part for part in parts if part.gains is not None])
        long = sorted(
            (part for part in parts if part.gains is None), key=lambda part: len(part.docs)
        )
        floor = 0.0  # a score that k documents reach
        for at, part in enumerate(long):
            rest = sum(part.bound for part in long[at + 1 :])
            if at & (at - 1) == 0:  # it costs time, and grows ever more slowly
                floor = max(floor, self._floor(docs, scores, long[at:], k) * _ROUNDING)
            docs = docs[scores[docs] + (part.bound + rest) >= floor]
            new = self._worth(part, floor - rest)
            new = new[scores[new] == 0]
            docs = np.concatenate((docs, new))
            if len(docs) * 8 < len(part.docs):
                scores[docs] += self._gains_of(part, docs)
            else:
                scores[part.docs] += self._gains(part.weight, part.codes)
        return self._ranked(docs, scores, k)

    def _worth(self, part: _Part, least: float) -> np.ndarray:
        """The documents to whose score a term adds at least so much, ascending."""
        if least > part.bound:
            return part.docs[:0]
        if least <= 0:
            return part.docs
        gains = self._gains(part.weight, np.arange(len(self._impacts)))
        return part.docs[part.codes >= np.searchsorted(gains, np.float64(least))]

    def _summed(self, parts: list[_Part]) -> tuple[np.ndarray, np.ndarray]:
        """The scores of all documents by parts whose gains are kept, and who has any."""
        if not parts:
            return np.zeros(len(self.ids)), np.empty(0, np.int32)
        docs = np.concatenate([part.docs for part in parts])
        gains = np.concatenate([part.gains for part in parts if part.gains is not None])
        scores = np.bincount(docs, gains, minlength=len(self.ids))
        some = np.unique(docs) if len(docs) * 16 < len(scores) else np.flatnonzero(scores)
        return scores, some

    def _floor(self, docs: np.ndarray, scores: np.ndarray, parts: list[_Part], k: int) -> float:
        """A score that ``k`` documents reach, found by scoring the best so far to the end."""
        if len(docs) < k:
            return 0.0
        some = min(len(docs), 2 * k)
        best = np.sort(docs[np.argpartition(scores[docs], len(docs) - some)[-some:]])
        return _largest(scores[best] + sum(self._gains_of(part, best) for part in parts), k)

    def _gains_of(self, part: _Part, docs: np.ndarray) -> np.ndarray:
        """What a term adds to the scores of some documents, ascending."""
        where = np.searchsorted(part.docs, docs)
        gains = np.zeros(len(docs))
        hit = part.docs.take(where, mode="clip") == docs
        gains[hit] = self._gains(part.weight, part.codes[where[hit]])
        return gains

    def _ranked(self, docs: np.ndarray, scores: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The best ``k`` of some documents."""
        values = scores[docs].astype(np.float32)
        if len(docs) > k:
            best = values >= _largest(values, k)
            docs, values = docs[best], values[best]
        order = np.lexsort((self._ranks[docs], -values))[:k]
        return list(zip(map(self._id, docs[order].tolist()), values[order].tolist(), strict=True))

    def _gains(self, weight: np.float32, codes: np.ndarray) -> np.ndarray:
        """What a term of that weight adds to the score for each posting, float32."""
        if len(codes) < len(self._impacts):
            return weight - weight / (_ONE + self._impacts[codes])
        return (weight - weight / (_ONE + self._impacts))[codes]

    def _look_up(self, text: str, count: int) -> _Part | None:
        """A term that stands ``count`` times in a query; None where no document has it."""
        at = self.terms.find(text)
        if at is None:
            return None
        start, end = self._arrays["starts"][at : at + 2].tolist()
        docs, codes = self._arrays["docs"][start:end], self._arrays["codes"][start:end]
        odds = (self._filled - len(docs) + 0.5) / (len(docs) + 0.5)
        weight = np.float32(count) * np.float32(math.log(1 + odds))
        bound = self._gains(weight, self._arrays["bounds"][at : at + 1]).item()
        gains = self._gains(weight, codes) if len(docs) <= _LONG else None
        return _Part(docs, codes, weight, bound, gains)

    # ------------------------------------------------------------------------------- files

    def save(self, folder: Path) -> None:
        """Write the index into a folder, which is made. Its size is about 6 bytes per posting."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.json").unlink(missing_ok=True)  # what is half written is no index
        for name, values in self._arrays.items():
            np.save(folder / f"{name}.npy", values)
        facts = {name: [str(v.dtype), len(v)] for name, v in self._arrays.items()}
        note = {"version": VERSION, "filled": self._filled, "arrays": facts}
        (folder / "index.json").write_text(json.dumps(note), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map an index that :meth:`save` has written, read-only.

        Raises:
            CatalogueError: a file is missing, cut short, or of another version or index.
        """
        remedy = "Compile the catalogue again."
        try:
            note = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            if note["version"] != VERSION:
                raise CatalogueError(
                    f"the search index {folder} has version {note['version']!r}, not {VERSION}. "
                    + remedy
                )
            arrays = {}
            for name, facts in note["arrays"].items():
                values = np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray)
                if [str(values.dtype), *values.shape] != facts:
                    raise ValueError(f"{name}.npy does not belong to it")
                arrays[name] = values
            return cls(arrays, int(note["filled"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CatalogueError(
                f"{folder} is no search index, or a damaged one: {error}. {remedy}"
            ) from error


def _largest(values: np.ndarray, k: int) -> float:
    """The ``k``-th largest value; 0 where there are fewer."""
    return 0.0 if len(values) < k else float(np.partition(values, len(values) - k)[-k])
