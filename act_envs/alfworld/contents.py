"""Where things lie at the start of a generated game, as often as in the official train games."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from act_envs.alfworld.chance import Chance
from act_envs.alfworld.gamefile import Thing
from act_envs.alfworld.outline import LOOK, Outline, homes, starts
from act_envs.alfworld.rooms import Receptacle, Room, new_location, new_name, statistics


def furnish(chance: Chance, split: str, task: Outline, taken: set[str]) -> list[Thing]:
    """The objects of a game.

    Args:
        chance: what decides.
        split: the split of the game: held-out places are for ``unseen`` only.
        task: what the game is about; the task is not done yet, and can be done.
        taken: PDDL names in use; those of the objects and of new locations are added.
    """
    things = list(_nested(chance, list(_placed(chance, split, task, taken))))
    return [*things, *_loose(chance, task.room, task.thing, taken)]


def _placed(chance: Chance, split: str, task: Outline, taken: set[str]) -> Iterator[Thing]:
    """The objects in receptacles."""
    kind, thing, target, room = task
    measured = statistics()["rooms"][room.kind]["objects"]
    for otype in room.holds:
        wanted = otype == thing
        counts = statistics()["instances"][kind] if wanted else measured[otype]["counts"]
        count = max(int(chance.weighted(counts)), kind == LOOK and otype == target)
        places = starts(split, *task) if wanted else homes(split, room, otype)
        for _ in range(count if places else 0):
            first = chance.pick(room.by_type[chance.weighted(places)])
            inside = [r for r in _reaches(chance, room, otype, first) if r.type in places]
            # ALFRED counts the task's own objects as cold when they come out of the fridge.
            cool = wanted and first.type == "Fridge"
            name = new_name(chance, otype, taken)
            yield Thing(name, otype, first.location, tuple(inside), cool)


def _reaches(chance: Chance, room: Room, otype: str, first: Receptacle) -> Iterator[Receptacle]:
    """A receptacle, and now and then a second one that the object counts as being in too."""
    yield first
    luck = chance.number()
    for rtype, rate in statistics()["overlaps"].get(otype, {}).get(first.type, {}).items():
        luck -= rate
        if luck < 0:
            others = [r for r in room.by_type.get(rtype, ()) if r is not first]
            if others:
                yield chance.pick(others)
            return


def _nested(chance: Chance, things: Sequence[Thing]) -> Iterator[Thing]:
    """The same objects, now and then one of them in a bowl or the like beside it."""
    outer = statistics()["abilities"]["isReceptacleObject"]
    for thing in things:
        if not chance.happens(statistics()["nested"]):
            yield thing
            continue
        beside = [
            other.name
            for other in things
            if other.type in outer and other.receptacles == thing.receptacles and other is not thing
        ]
        yield replace(thing, inside=chance.pick(beside)) if beside else thing


def _loose(chance: Chance, room: Room, thing: str, taken: set[str]) -> Iterator[Thing]:
    """The objects in no receptacle: windows, chairs, what has fallen behind something."""
    apart = statistics()["rooms"][room.kind]["apart"]
    for otype, average in room.loose.items():
        for _ in range(int(average + chance.number()) if otype != thing else 0):
            beside = chance.pick(room.receptacles).location
            location = new_location(chance, taken) if chance.happens(apart) else beside
            yield Thing(new_name(chance, otype, taken), otype, location, ())
