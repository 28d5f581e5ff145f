"""A compiled game: names, bit masks and the start state, ready to be played or cached.

Things are numbered in the order of their PDDL names, which is the order in which the game lists
them. A set of things is an integer with one bit for each: bit ``i`` of a mask over objects stands
for object ``i``.
"""

from __future__ import annotations

import functools
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from act_envs.errors import GameFileError

FORMAT = 2
"""Raised whenever compiled games change, so that caches of older ones are made anew."""

KINDS = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""The official task types."""

_CLASSIC_PUT = re.compile(r"put (.+) in/on (.+)")


class State(NamedTuple):
    """Everything that changes during an episode. Immutable: it is its own snapshot.

    Attributes:
        at: location of the agent.
        held: object in the agent's hand, -1 when it is empty.
        opened: mask of open receptacles.
        inside: for each receptacle the mask of objects in or on it.
        lying: for each location the mask of objects that count as lying there.
        clean: mask of objects that were cleaned; likewise ``hot``, ``cool``, ``sliced``,
            ``toggled``.
        left: for each receptacle the mask of objects taken out of it and not put back. Only what
            ``look`` says depends on it.
    """

    at: int
    held: int
    opened: int
    inside: tuple[int, ...]
    lying: tuple[int, ...]
    clean: int
    hot: int
    cool: int
    sliced: int
    toggled: int
    left: tuple[int, ...]


@dataclass(frozen=True)
class Game:
    """One game, compiled. :func:`act_envs.alfworld.compiler.read_game` makes it.

    Attributes:
        kind: one of ``KINDS``.
        goal: the task sentence, full stop included.
        walkthrough: the stored solution in modern wording; empty where there is none.
        receptacles: names (``"cabinet 1"``).
        receptacle_types: lower-case type of each (``"cabinet"``).
        place: location of each receptacle.
        locations: names of the locations in the classic dialect (``"loc 12"``).
        objects: names (``"apple 1"``).
        object_types: lower-case type of each, ``""`` where the game states none.
        openable: mask over receptacles; likewise ``sinks``, ``microwaves``, ``fridges``.
        pickupable: mask over objects; likewise ``cleanable``, ``heatable``, ``coolable``,
            ``sliceable``, ``toggleable``, ``containers`` and ``knives``.
        fits: for each receptacle the mask of objects that may be put there.
        nested: for each object the mask of objects that are in it for good.
        targets: mask of the objects that the goal is about.
        goal_receptacles: mask of the receptacles that the goal is about.
        lamps: mask of the lamps that the goal is about.
        content: hash of what the file says about the task and its room.
        start: the state in which an episode begins.
    """

    kind: str
    goal: str
    walkthrough: tuple[str, ...]
    receptacles: tuple[str, ...]
    receptacle_types: tuple[str, ...]
    place: tuple[int, ...]
    locations: tuple[str, ...]
    objects: tuple[str, ...]
    object_types: tuple[str, ...]
    openable: int
    sinks: int
    microwaves: int
    fridges: int
    pickupable: int
    cleanable: int
    heatable: int
    coolable: int
    sliceable: int
    toggleable: int
    containers: int
    knives: int
    fits: tuple[int, ...]
    nested: tuple[int, ...]
    targets: int
    goal_receptacles: int
    lamps: int
    content: str
    start: State

    @functools.cached_property
    def receptacle_of(self) -> dict[str, int]:
        """Receptacle by name."""
        return {name: r for r, name in enumerate(self.receptacles)}

    @functools.cached_property
    def object_of(self) -> dict[str, int]:
        """Object by name."""
        return {name: o for o, name in enumerate(self.objects)}

    @functools.cached_property
    def here(self) -> tuple[tuple[int, ...], ...]:
        """The receptacles of each location."""
        found: list[list[int]] = [[] for _ in self.locations]
        for r, location in enumerate(self.place):
            found[location].append(r)
        return tuple(map(tuple, found))

    @functools.cached_property
    def _go_commands(self) -> list[tuple[str, int]]:
        return sorted((f"go to {name}", r) for r, name in enumerate(self.receptacles))

    @functools.cached_property
    def _standing(self) -> dict[int, list[str]]:
        return {}

    def standing_commands(self, location: int) -> list[str]:
        """What is admissible at a location in every state, sorted; not to be changed."""
        commands = self._standing.get(location)
        if commands is None:
            commands = sorted(f"examine {self.receptacles[r]}" for r in self.here[location])
            commands += [go for go, r in self._go_commands if self.place[r] != location]
            commands += ["help", "inventory", "look"]
            self._standing[location] = commands
        return commands

    def pack(self) -> bytes:
        """The game as compressed JSON, for a cache."""
        values = [getattr(self, field.name) for field in fields(self)]
        return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)

    @classmethod
    def unpack(cls, packed: bytes) -> Game:
        """The game that ``pack`` packed.

        Raises:
            GameFileError: the bytes are not what ``pack`` wrote.
        """
        try:
            *values, start = json.loads(zlib.decompress(packed))
            values = [*_tuples(values), State(*_tuples(start))]
            return cls(**{f.name: value for f, value in zip(fields(cls), values, strict=True)})
        except (ValueError, TypeError, zlib.error) as error:
            raise GameFileError(f"a packed game is damaged ({error}). Delete the cache.") from error


def bits(mask: int) -> Iterable[int]:
    """The numbers in a mask, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def modern(command: str) -> str:
    """A command of either dialect in modern wording."""
    found = _CLASSIC_PUT.fullmatch(command)
    return f"move {found[1]} to {found[2]}" if found else command


def classic(command: str) -> str:
    """A command of either dialect in classic wording."""
    if command.startswith("move "):
        thing, to, receptacle = command[5:].partition(" to ")
        if to:
            return f"put {thing} in/on {receptacle}"
    return command


def _tuples(values: list[Any]) -> list[Any]:
    return [tuple(value) if isinstance(value, list) else value for value in values]
