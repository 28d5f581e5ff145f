"""The rooms that generated games take place in: what furniture stands where, and what lives there.

A family of rooms is fixed for good, whatever the seed of the games, so that a room of one family
is never met in another. A family has as many receptacles of each type as the official train rooms
have on average (``rooms.json``, made by ``benchmarks/measure_alfworld_rooms.py``): each type's
counts are dealt to the rooms of the family as a pack of cards is. No official room is in it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from act_envs.alfworld.chance import Chance

ROOM_KINDS = ("kitchen", "livingroom", "bedroom", "bathroom")
FAMILIES = {"train": 54, "unseen": 18}
"""Families, and how many rooms of each kind they have."""

MARK = "_bar_gen"
"""Ends the PDDL name of every thing and location that was generated; no official name has it."""

_VERSION = 1
# Numbers of rooms, as in trial folders and floor plans. The official ones go up to 430.
_THOUSAND = {"train": 1000, "unseen": 2000}
_HUNDRED = {"kitchen": 0, "livingroom": 200, "bedroom": 300, "bathroom": 400}
_BASINS = {"SinkBasin": "Sink", "BathtubBasin": "Bathtub"}


@dataclass(frozen=True, slots=True)
class Receptacle:
    """A piece of furniture.

    Attributes:
        name: PDDL name.
        type: its type (``"Cabinet"``).
        location: PDDL name of the place to stand at to reach it.
        openable: whether it is closed at first.
    """

    name: str
    type: str
    location: str
    openable: bool


@dataclass(frozen=True, eq=False)  # there is one of each, so identity will do
class Room:
    """A room before anything lies in it.

    Attributes:
        number: names the room; unique over all families.
        kind: one of ``ROOM_KINDS``.
        receptacles: its furniture.
        holds: types of objects that lie in its receptacles, in every game in it.
        loose: types of objects outside of receptacles, and how many of each it has on average.
    """

    number: int
    kind: str
    receptacles: tuple[Receptacle, ...]
    holds: tuple[str, ...]
    loose: Mapping[str, float]

    @functools.cached_property
    def by_type(self) -> dict[str, list[Receptacle]]:
        """The receptacles of each type."""
        found: dict[str, list[Receptacle]] = {}
        for receptacle in self.receptacles:
            found.setdefault(receptacle.type, []).append(receptacle)
        return found


@functools.cache
def statistics() -> dict[str, Any]:
    """The counts of ``rooms.json``."""
    return json.loads(
        resources.files("act_envs.alfworld").joinpath("rooms.json").read_text("utf-8")
    )


@functools.cache
def rooms(family: str, kind: str) -> tuple[Room, ...]:
    """The rooms of one kind in a family, always the same."""
    measured, count = statistics()["rooms"][kind], FAMILIES[family]
    chance = Chance("rooms", _VERSION, family, kind)
    furniture = {
        rtype: _deal(chance, numbers, measured["rooms"], count)
        for rtype, numbers in measured["receptacles"].items()
    }
    holds = {
        otype: _deal(chance, {"1": of_type["rooms"]}, measured["rooms"], count)
        for otype, of_type in measured["objects"].items()
    }
    loose = {
        otype: _deal(chance, {"1": have_it}, measured["rooms"], count)
        for otype, (have_it, _) in measured["loose"].items()
    }
    return tuple(
        Room(
            number=_THOUSAND[family] + _HUNDRED[kind] + 1 + n,
            kind=kind,
            receptacles=_furnish(chance, {rtype: dealt[n] for rtype, dealt in furniture.items()}),
            holds=tuple(otype for otype, dealt in holds.items() if dealt[n]),
            loose={t: measured["loose"][t][1] for t, dealt in loose.items() if dealt[n]},
        )
        for n in range(count)
    )


def _deal(
    chance: Chance, rooms_by_count: Mapping[str, int], measured: int, count: int
) -> list[int]:
    """Counts for ``count`` rooms, at even steps through those measured in ``measured`` rooms."""
    pack = [int(number) for number, n in rooms_by_count.items() for _ in range(n)]
    pack = sorted([0] * (measured - len(pack)) + pack)
    return chance.shuffled([pack[(2 * n + 1) * measured // (2 * count)] for n in range(count)])


def _furnish(chance: Chance, furniture: Mapping[str, int]) -> tuple[Receptacle, ...]:
    """Receptacles of the given types, some of them reached from one place."""
    openable, joins = statistics()["openable"], statistics()["joins"]
    taken: set[str] = set()
    placed: dict[str, list[str]] = {}
    receptacles = []
    for rtype, count in furniture.items():
        for _ in range(count):
            location = _shared_location(chance, joins.get(rtype, {}), placed)
            location = location or new_location(chance, taken)
            placed.setdefault(rtype, []).append(location)
            name = new_name(chance, rtype, taken)
            opens = chance.happens(openable.get(rtype, 0.0))
            receptacles.append(Receptacle(name, rtype, location, opens))
    return tuple(receptacles)


def _shared_location(
    chance: Chance, joins: Mapping[str, float], placed: Mapping[str, list[str]]
) -> str | None:
    luck = chance.number()
    for rtype, rate in joins.items():
        luck -= rate
        if luck < 0:
            return chance.pick(placed[rtype]) if rtype in placed else None
    return None


def new_name(chance: Chance, type_name: str, taken: set[str]) -> str:
    """A PDDL name in ALFRED's style, a type and three coordinates, that is not taken yet."""
    while True:
        bar = "_bar_".join(_metres(chance.below(span) + low) for span, low in _SPANS)
        ending = f"_bar_{type_name}" if type_name in _BASINS else ""
        name = f"{_BASINS.get(type_name, type_name)}_bar_{bar}{ending}{MARK}"
        if name not in taken:
            taken.add(name)
            return name


def new_location(chance: Chance, taken: set[str]) -> str:
    """The PDDL name of a location (grid column and row, turn, tilt) that is not taken yet."""
    while True:
        pose = (chance.below(37) - 18, chance.below(37) - 18, chance.below(4), chance.pick(_TILTS))
        bar = "_bar_".join(str(number).replace("-", "_minus_") for number in pose)
        name = f"loc_bar_{bar}{MARK}"
        if name not in taken:
            taken.add(name)
            return name


_SPANS = ((701, -350), (251, 0), (701, -350))  # centimetres: how many, from which on
_TILTS = (-30, 0, 15, 30, 45, 60)


def _metres(centimetres: int) -> str:
    sign = "_minus_" if centimetres < 0 else "_plus_"
    return f"{sign}{abs(centimetres) // 100:02d}_dot_{abs(centimetres) % 100:02d}"
