"""What generated games are about: the task of each, its room, and what is held out from whom.

Nothing is placed here; that is :mod:`act_envs.alfworld.generator`, whose docstring says what the
splits mean.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

from act_envs.alfworld.chance import Chance
from act_envs.alfworld.rooms import ROOM_KINDS, Room, rooms, statistics
from act_envs.errors import UnknownArgument, UnknownSplit, nearest

VERSION = 1
"""Changes whenever a game changes that has the same seed, split and index."""

SPLITS = ("train", "seen", "unseen")
LOOK = "look_at_obj_in_light"

_APPLIANCES = {
    "pick_clean_then_place_in_recep": "SinkBasin",
    "pick_heat_then_place_in_recep": "Microwave",
    "pick_cool_then_place_in_recep": "Fridge",
}
_HELD_OUT_OF = 4  # tasks one is held out
_USUAL = 0.25  # a place with a larger share of the objects of a type is never held out
_SEEN_OF = 6  # rooms with a task, one has it for ``seen`` and the others for ``train``


class Outline(NamedTuple):
    """What a game is about, before anything lies anywhere.

    Attributes:
        kind: one of the six task types.
        thing: type of the object that the task is about.
        target: type of the receptacle it goes to, or of the lamp.
        room: where it is played.
    """

    kind: str
    thing: str
    target: str
    room: Room


def outline(seed: int, split: str, index: int) -> Outline:
    """The task of a game and its room.

    Raises:
        UnknownArgument: seed or index is no whole number of 0 or more.
        UnknownSplit: there is no such split.
    """
    check_number("seed", seed)
    check_number("index", index)
    if split not in SPLITS:
        raise UnknownSplit(f"unknown split {split!r}. {nearest(split, SPLITS)}")
    chance = Chance("task", VERSION, seed, split, index)
    kind = chance.weighted(statistics()["kinds"])
    room_kinds = _room_kinds(split, kind)
    # The room before the task: a task in any room that suits it would favour the large rooms.
    room = chance.pick(_rooms(split, kind, chance.weighted(room_kinds)))
    thing, target = chance.weighted(_tasks(split, kind, room))
    return Outline(kind, thing, target, room)


def check_number(what: str, value: object) -> None:
    """Refuse what cannot name a game.

    Raises:
        UnknownArgument: the value is no whole number of 0 or more.
    """
    if type(value) is not int or not 0 <= value < 10**18:
        raise UnknownArgument(f"{what} must be a whole number of 0 or more, not {value!r:.80}.")


def is_held_out_task(kind: str, thing: str, target: str) -> bool:
    """Whether only ``unseen`` has this task."""
    return (thing, target) in _held_out_tasks(kind)


@functools.cache
def _held_out_tasks(kind: str) -> frozenset[tuple[str, str]]:
    """One of every few tasks (object, target) of a kind: as many frequent ones as rare ones."""
    weights: dict[tuple[str, str], int] = {}
    for room_kind in ROOM_KINDS:
        for task, weight in _official(room_kind, kind).items():
            weights[task] = weights.get(task, 0) + weight
    ordered = sorted(weights, key=lambda task: (-weights[task], task))
    chance = Chance("held-out tasks", VERSION, kind)
    whole = len(ordered) // _HELD_OUT_OF * _HELD_OUT_OF
    groups = (ordered[n : n + _HELD_OUT_OF] for n in range(0, whole, _HELD_OUT_OF))
    return frozenset(chance.pick(group) for group in groups)


def is_held_out_place(otype: str, rtype: str) -> bool:
    """Whether objects of this type start in receptacles of this type in ``unseen`` only."""
    return rtype == _held_out_place(otype)


@functools.cache
def _held_out_place(otype: str) -> str | None:
    """The place that is held out of those where objects of a type start now and then."""
    unusual: dict[str, bool] = {}
    for room_kind in ROOM_KINDS:
        places = _places(room_kind, otype)
        for rtype, weight in places.items():
            rare = weight <= _USUAL * sum(places.values())
            unusual[rtype] = unusual.get(rtype, True) and rare
    rare = sorted(rtype for rtype, always in unusual.items() if always)
    return Chance("held-out place", VERSION, otype).pick(rare) if rare else None


@functools.cache
def _room_kinds(split: str, kind: str) -> dict[str, int]:
    """Where tasks of a kind are played, as often as officially."""
    return {
        room_kind: sum(measured["tasks"][kind].values())
        for room_kind, measured in statistics()["rooms"].items()
        if kind in measured["tasks"] and _rooms(split, kind, room_kind)
    }


@functools.cache
def _rooms(split: str, kind: str, room_kind: str) -> tuple[Room, ...]:
    """The rooms of a split that have a task of the kind."""
    family = rooms("unseen" if split == "unseen" else "train", room_kind)
    return tuple(room for room in family if _tasks(split, kind, room))


@functools.cache
def _tasks(split: str, kind: str, room: Room) -> dict[tuple[str, str], int]:
    """The tasks (object, target) of a kind that a split may have in a room, by weight."""
    return {
        (thing, target): weight
        for (thing, target), weight in _official(room.kind, kind).items()
        if _is_for(split, kind, thing, target, room)
        and _is_possible(split, kind, thing, target, room)
    }


def _official(room_kind: str, kind: str) -> dict[tuple[str, str], int]:
    """How many official games have each task (object, target) in rooms of a kind."""
    tasks = statistics()["rooms"][room_kind]["tasks"].get(kind, {})
    parts = ((task.partition(">"), weight) for task, weight in tasks.items())
    return {(thing, target): weight for (thing, _, target), weight in parts}


def _is_for(split: str, kind: str, thing: str, target: str, room: Room) -> bool:
    """Whether a task in a room falls to a split."""
    if is_held_out_task(kind, thing, target):
        return split == "unseen"
    seens = Chance("seen", VERSION, room.number, kind, thing, target).below(_SEEN_OF) == 0
    return split == ("seen" if seens else "train")


def _is_possible(split: str, kind: str, thing: str, target: str, room: Room) -> bool:
    """Whether a room has what a task needs, and places for it."""
    if kind == LOOK:
        ends = target in room.holds and bool(homes(split, room, target))
    else:
        ends = target in room.by_type
    return ends and thing in room.holds and bool(starts(split, kind, thing, target, room))


def starts(split: str, kind: str, thing: str, target: str, room: Room) -> dict[str, int]:
    """The types of receptacles where the task's own objects may start, by weight.

    They must not start where the task would be done, and officially are in drawers less often
    than others.
    """
    excluded = "" if kind == LOOK else _APPLIANCES.get(kind, target)
    preferred = statistics()["preferred"][kind]
    return {
        rtype: weight * preferred.get(rtype, 100)
        for rtype, weight in homes(split, room, thing).items()
        if rtype != excluded
    }


def homes(split: str, room: Room, otype: str) -> dict[str, int]:
    """The types of receptacles in a room where objects of a type may start, by weight."""
    return {
        rtype: weight
        for rtype, weight in _places(room.kind, otype).items()
        if rtype in room.by_type and (split == "unseen" or not is_held_out_place(otype, rtype))
    }


def _places(room_kind: str, otype: str) -> Mapping[str, int]:
    found = statistics()["rooms"][room_kind]["objects"].get(otype)
    return found["places"] if found else {}
