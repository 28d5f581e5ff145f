"""``act-data diff``: which pairs are only in one of two places, and which are not the same in both.

Pairs are the same by their ids. Of the rows of the first place a few hundred bytes each are kept,
a digest for every field; those of the second are compared as they are read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

import tyro

from act_data.analysis.noise import READINGS
from act_data.analysis.table import aligned, printable
from act_data.storage.holdings import find_rows
from act_data.storage.tables import read_pairs
from act_data.types import ContrastPair, Verification
from act_envs.errors import UnknownArgument, nearest

_DIGEST = 8  # bytes
_SHOWN = 10  # ids
_VERIFIED = [field.name for field in fields(Verification)]
_COMPARED = (
    *(field.name for field in fields(ContrastPair) if field.name != "verification"),
    *(f"verification.{name}" for name in _VERIFIED),
)


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Compare the pairs of two places, by their ids; the exit status is 1 where they differ.

    Attributes:
        before: what act-data mine, contrast, verify, filter or build wrote: a folder or a file.
        after: likewise.
        ignore: fields that may differ, such as generator or verification.verifier; verification
            stands for all that begin with it.
    """

    before: Annotated[Path, tyro.conf.Positional]
    after: Annotated[Path, tyro.conf.Positional]
    ignore: tuple[str, ...] = ()


@dataclass(slots=True)
class Difference:
    """What is not the same in two places. Ids are in order of their first rows.

    Attributes:
        only_before: ids of pairs that the first place alone has.
        only_after: ids of pairs that the second alone has.
        changed: ids of pairs that both have, not the same.
        same: how many are the same in both.
        by_field: how many of the changed differ in each field.
        verdicts: for each reading how many of the pairs in both went from one verdict to another,
            as ``{(before, after): number}``.
    """

    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: int = 0
    by_field: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """0 where nothing differs, else 1."""
        return int(bool(self.only_before or self.only_after or self.changed))


def diff(config: Diff) -> Difference:
    """Compare.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: pairs cannot be read.
        UnknownArgument: there is no field of a name.
    """
    compared = _compared(config.ignore)
    known = {name: _known(pair, compared) for name, pair in _named(config.before)}
    found = Difference()
    for name, pair in _named(config.after):
        there = known.pop(name, None)
        if there is None:
            found.only_after.append(name)
            continue
        here = _known(pair, compared)
        differing = [
            field_name
            for at, field_name in enumerate(compared)
            if there[0][at * _DIGEST : (at + 1) * _DIGEST]
            != here[0][at * _DIGEST : (at + 1) * _DIGEST]
        ]
        found.by_field.update(differing)
        if differing:
            found.changed.append(name)
        else:
            found.same += 1
        for reading, before, after in zip(READINGS, there[1], here[1], strict=True):
            if before != after and f"verification.{reading}" in compared:
                found.verdicts.setdefault(reading, Counter())[before, after] += 1
    found.only_before = [*known]
    return found


def diff_text(found: Difference) -> str:
    """What differs, for people."""
    lines = [
        f"{found.same:,} the same, {len(found.changed):,} changed, "
        f"{len(found.only_before):,} only before, {len(found.only_after):,} only after"
    ]
    for name, ids in (
        ("only before", found.only_before),
        ("only after", found.only_after),
        ("changed", found.changed),
    ):
        if ids:
            more = f", and {len(ids) - _SHOWN:,} others" if len(ids) > _SHOWN else ""
            lines.append(f"{name}: {', '.join(map(printable, ids[:_SHOWN]))}{more}")
    if found.by_field:
        lines += ["", "fields that differ", *_table(found.by_field)]
    for reading, changes in found.verdicts.items():
        told = {f"{one} -> {other}": number for (one, other), number in changes.items()}
        lines += ["", f"verdicts, {reading}", *_table(told)]
    return "\n".join(lines)


def _compared(ignore: tuple[str, ...]) -> list[str]:
    for name in ignore:
        if name not in (*_COMPARED, "verification"):
            known = (*_COMPARED, "verification")
            raise UnknownArgument(f"pairs have no field {name!r}. {nearest(name, known)}")
    return [name for name in _COMPARED if name not in ignore and name.split(".")[0] not in ignore]


def _named(path: Path) -> Iterator[tuple[str, ContrastPair]]:
    """All pairs with their ids; of those with the same id, the second is named ``ID#2``."""
    met: Counter[str] = Counter()
    for holding in find_rows([path], "pairs"):
        for pair in read_pairs(holding.path):
            met[pair.pair_id] += 1
            times = met[pair.pair_id]
            yield pair.pair_id if times == 1 else f"{pair.pair_id}#{times}", pair


def _known(pair: ContrastPair, compared: list[str]) -> tuple[bytes, tuple[str, ...]]:
    """A digest of every field, one after the other, and the verdicts."""
    digests = b"".join(
        hashlib.blake2b(repr(_value(pair, name)).encode(), digest_size=_DIGEST).digest()
        for name in compared
    )
    return digests, tuple(_verdict(pair, reading) for reading in READINGS)


def _value(pair: ContrastPair, name: str) -> object:
    outer, _, inner = name.partition(".")
    value = getattr(pair, outer)
    return getattr(value, inner) if inner and value is not None else value


def _verdict(pair: ContrastPair, reading: str) -> str:
    found = pair.verification
    if found is None:
        return "not verified"
    judged = getattr(found, reading)
    return judged.verdict if judged else "not judged"


def _table(counts: Mapping[str, int]) -> list[str]:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [f"  {line}" for line in aligned([(k, f"{n:,}") for k, n in ordered], gap="  ")]
