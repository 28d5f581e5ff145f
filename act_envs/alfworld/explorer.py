"""``Explorer``: an expert for ALFWorld that knows what the agent has read and nothing else.

It reads the intro and the transcript, remembers what they say, and looks for the object where
objects of its kind usually lie, the likeliest place per step first. No admissible list, no
walkthrough and no hidden state enters its choice, so an agent that imitates its trajectories
learns something that it can do: every action follows from text above it. The clairvoyant expert
walks straight to an object that nobody has seen yet; imitating that teaches guessing.

Where objects usually lie comes from ``priors.json``, counts over the training games alone, made
by ``benchmarks/learn_alfworld_priors.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterator, Mapping, Set
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple, TypedDict

from act_envs.alfworld.memory import PUT, Memory, kind_of, names_in
from act_envs.errors import GameFileError, UnknownArgument, nearest

_TASKS = tuple(
    re.compile(rf"Your task is to: {sentence}\.")
    for sentence in (
        r"(?:look at|examine the) (?P<thing>\w+) (?:under|with) the (?P<lamp>\w+)",
        r"put a (?P<how>clean|hot|cool) (?P<thing>\w+) in (?P<place>\w+)",
        r"(?P<how>clean|heat|cool) some (?P<thing>\w+) and put it in (?P<place>\w+)",
        r"(?:put|find) two (?P<thing>\w+) (?:and put them )?in (?P<place>\w+)",
        r"put (?:a|some) (?P<thing>\w+) (?:in|on) (?P<place>\w+)",
    )
)
_APPLIANCES = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}
# A type of receptacle that only rooms of one kind have; a living room has none of them.
_LANDMARKS = (("toilet", "bathroom"), ("fridge", "kitchen"), ("bed", "bedroom"))


def room_kind(receptacle_types: Container[str]) -> str:
    """The kind of room that has receptacles of these types."""
    return next((room for mark, room in _LANDMARKS if mark in receptacle_types), "living room")


class Goal(NamedTuple):
    """The task sentence, taken apart.

    Attributes:
        thing: type of the object it is about.
        place: type of the receptacle it goes to, ``""`` where it is to be looked at.
        lamp: type of the lamp to look at it under, ``""`` elsewhere.
        how: ``clean``, ``heat``, ``cool`` or ``""``.

    That two are wanted need not be known: the explorer brings them together one after another
    until the game is over.
    """

    thing: str
    place: str
    lamp: str
    how: str


def read_goal(intro: str) -> Goal:
    """The goal in the words of either template of the six official tasks.

    Raises:
        GameFileError: no sentence of the text is one of them.
    """
    for pattern in _TASKS:
        if found := pattern.search(intro):
            said = {key: text or "" for key, text in found.groupdict().items()}
            how = said.get("how", "").replace("hot", "heat")
            place, lamp = said.get("place", ""), said.get("lamp", "")
            return Goal(said["thing"], place, lamp, how)
    raise GameFileError(
        f"no task of ALFWorld in {intro[-120:]!r}. Give the whole intro, "
        "'Your task is to: ...' included."
    )


class Explorer:
    """Plays from text alone, and can take over from any transcript.

    Args:
        intro: what the game says first: the receptacles and the task.
        dialect: ``modern`` (``move X to Y``) or ``classic`` (``put X in/on Y``), for the
            actions it gives; it reads both.

    Raises:
        UnknownArgument: there is no such dialect.
        GameFileError: the intro states no task of ALFWorld.
    """

    def __init__(self, intro: str, dialect: str = "modern") -> None:
        if dialect not in PUT:
            raise UnknownArgument(f"unknown dialect {dialect!r}. {nearest(dialect, PUT)}")
        self.goal = read_goal(intro)
        self._put = PUT[dialect]
        # Lower numbers first where nothing else decides: high ones hold less in crowded rooms.
        self._receptacles = sorted(names_in(intro), key=_by_number)
        self._memory = Memory(self._receptacles, dialect)
        self._odds = _odds(frozenset(map(kind_of, self._receptacles)), self.goal)

    def observe(self, action: str, observation: str) -> None:
        """Fold in one turn, whoever chose the action."""
        self._memory.fold(action, observation)

    def act(self) -> str | None:
        """The next action, or None with nothing left to try. Changes nothing."""
        refused = self._memory.refused
        return next((action for action in self._wishes() if action not in refused), None)

    @property
    def viewed(self) -> Set[str]:
        """The receptacles whose content it has read."""
        return self._memory.viewed

    def likely(self, receptacle: str, thing: str) -> float:
        """How likely a type of receptacle holds a type of object at the start, in this room."""
        return self._odds.holds(receptacle, thing)

    def _wishes(self) -> Iterator[str]:
        """Actions, the most wanted first."""
        held = self._memory.held
        if kind_of(held) == self.goal.thing:
            yield from self._bring(held)
        else:
            known = list(self._fetch())
            if held:
                yield from self._put_away(held, anywhere=bool(known))
            else:
                yield from known
        yield from self._search()
        if held:
            yield from self._put_away(held, anywhere=True)

    def _bring(self, held: str) -> Iterator[str]:
        """What to do with the right object in the hand."""
        goal, memory = self.goal, self._memory
        if goal.lamp:
            for lamp, holder in memory.seen(goal.lamp):
                yield f"use {lamp}" if memory.is_here(holder) else f"go to {holder}"
        elif goal.how and held not in memory.treated[goal.how]:
            for appliance in self._nearest(_APPLIANCES[goal.how]):
                here = memory.is_here(appliance)
                yield f"{goal.how} {held} with {appliance}" if here else f"go to {appliance}"
        else:
            for target in self._targets():
                yield self._approach(target) or self._put.format(held, target)

    def _put_away(self, held: str, *, anywhere: bool) -> Iterator[str]:
        """Ways to empty the hand of what is not wanted: here, or wherever else it fits."""
        nearest = self._nearest()
        fitting = [name for name in nearest if self._odds.fits(kind_of(held), kind_of(name))]
        if anywhere:
            doubtful = [name for name in nearest if name not in fitting]
        else:
            fitting, doubtful = [name for name in fitting if not self._cost(name)], []
        for name in fitting + doubtful:
            if (kind_of(held), kind_of(name)) not in self._memory.unfit:
                yield self._approach(name) or self._put.format(held, name)

    def _fetch(self) -> Iterator[str]:
        """Ways to the known objects of the right type that are not where they should be."""
        goal, memory = self.goal, self._memory
        settled = next(iter(self._targets()), "") if goal.place and not goal.how else ""
        kept = memory.inside.get(settled, ())
        treated = memory.treated.get(goal.how, ())
        choices = sorted(
            (2 * (name not in treated) + self._cost(holder), name, holder)
            for name, holder in memory.seen(goal.thing)
            if name not in kept
        )
        for _, name, holder in choices:
            yield self._approach(holder) or f"take {name} from {holder}"

    def _search(self) -> Iterator[str]:
        """Ways into what was not seen yet, by the chance of a find per step."""
        goal, memory = self.goal, self._memory
        thing = kind_of(memory.held) != goal.thing
        lamp = bool(goal.lamp) and not any(memory.seen(goal.lamp))

        def worth(name: str) -> float:
            return -self._odds.find(kind_of(name), thing, lamp) / max(1, self._cost(name))

        unseen = (name for name in self._receptacles if name not in memory.viewed)
        for name in sorted(unseen, key=worth):
            yield self._approach(name) or f"examine {name}"

    def _targets(self) -> list[str]:
        """Where the object belongs: beside the first of two, or else the nearest."""

        def missing(receptacle: str) -> int:
            inside = self._memory.inside.get(receptacle, ())
            return -sum(kind_of(name) == self.goal.thing for name in inside)

        return sorted(self._nearest(self.goal.place), key=missing)

    def _nearest(self, kind: str = "") -> list[str]:
        """Receptacles (of one type) by the steps that reaching into them takes."""
        names = (name for name in self._receptacles if not kind or kind_of(name) == kind)
        return sorted(names, key=self._cost)

    def _cost(self, receptacle: str) -> float:
        """Steps until one can reach into a receptacle, as far as one can tell."""
        shut = self._memory.shut.get(receptacle, self._odds.closed(kind_of(receptacle)))
        return shut + (not self._memory.is_here(receptacle))

    def _approach(self, receptacle: str) -> str | None:
        """The next step towards reaching into a receptacle, None when one can."""
        if not self._memory.is_here(receptacle):
            return f"go to {receptacle}"
        shut = self._memory.shut.get(receptacle, self._odds.closed(kind_of(receptacle)) > 0.5)
        return f"open {receptacle}" if shut else None


def _by_number(name: str) -> int:
    return int(name.rpartition(" ")[2])


class _Counts(TypedDict):
    """Receptacles of one type in rooms of one kind, over the training games at their start.

    Attributes:
        instances: how many there were.
        closed: how many of them were closed.
        holding: for each type of object, how many of them held one.
    """

    instances: int
    closed: int
    holding: dict[str, int]


class _Odds:
    """What the training games teach about one room and one goal.

    Args:
        present: types of the receptacles in the room.
        goal: what is looked for.
    """

    def __init__(self, present: frozenset[str], goal: Goal) -> None:
        self._room = room_kind(present)
        # Where an object counts as delivered none lies at the start, or the game would be over.
        spent = "" if goal.how else goal.place
        self._things = {k: 0.0 if k == spent else self.holds(k, goal.thing) for k in present}
        self._lamps = {k: self.holds(k, goal.lamp) for k in present}
        self._closed = {k: self._share(k, lambda counts: counts["closed"]) for k in present}

    def find(self, kind: str, thing: bool, lamp: bool) -> float:
        """How likely a receptacle of that type holds what is still to be found."""
        return thing * self._things[kind] + lamp * self._lamps[kind]

    def closed(self, kind: str) -> float:
        """How likely a receptacle of that type is closed at the start."""
        return self._closed.get(kind, 0.0)

    def fits(self, thing: str, kind: str) -> bool:
        """Whether an object of the type was ever seen in a receptacle of the other."""
        return any(thing in room[kind]["holding"] for room in _priors().values() if kind in room)

    def holds(self, kind: str, thing: str) -> float:
        """How likely a receptacle of a type holds an object of the other type at the start."""
        return self._share(kind, lambda counts: counts["holding"].get(thing, 0))

    def _share(self, kind: str, event: Callable[[_Counts], int]) -> float:
        """How often something holds of a type of receptacle, here and, where unknown, anywhere."""
        anywhere = [room[kind] for room in _priors().values() if kind in room]
        instances = sum(counts["instances"] for counts in anywhere)
        share = (sum(map(event, anywhere)) + 0.01) / (instances + 1)
        here = _priors()[self._room].get(kind)
        return share if here is None else (event(here) + share) / (here["instances"] + 1)


_odds = lru_cache(256)(_Odds)  # the games of one room ask for much the same


@cache
def _priors() -> Mapping[str, Mapping[str, _Counts]]:
    """Counts by kind of room and type of receptacle."""
    return json.loads(resources.files("act_envs.alfworld").joinpath("priors.json").read_text())
