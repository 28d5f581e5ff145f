"""Writing one game in the official format, ``game.tw-pddl``: what TextWorld reads, and our engine.

Rules and texts are those of ALFWorld 0.4.2 (MIT License, Copyright (c) 2020 Mohit Shridhar and
others), in ``domain.pddl`` and ``grammar.twl2``. Nothing is decided here; :mod:`generator
<act_envs.alfworld.generator>` decides what a game is about and where things lie.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from act_envs.alfworld.rooms import Receptacle, statistics


def _placed(*conditions: str) -> str:
    return (
        "(:goal (and (exists (?r - receptacle) (exists (?o - object) (and "
        f"{' '.join(conditions)} )))))"
    )


_TYPES = "(objectType ?o {thing}Type)", "(receptacleType ?r {target}Type)"
_IN = "(inReceptacle ?o ?r)"
# ALFRED's goals, as its goal library words them.
_GOALS = {
    "pick_and_place_simple": _placed(_IN, *_TYPES),
    "pick_clean_then_place_in_recep": _placed("(cleanable ?o)", *_TYPES, "(isClean ?o)", _IN),
    "pick_heat_then_place_in_recep": _placed("(heatable ?o)", *_TYPES, "(isHot ?o)", _IN),
    "pick_cool_then_place_in_recep": _placed("(coolable ?o)", *_TYPES, "(isCool ?o)", _IN),
    "pick_two_obj_and_place": (
        "(:goal (and (exists (?r - receptacle) (exists (?o1 - object) (and "
        "(objectType ?o1 {thing}Type) (receptacleType ?r {target}Type) (inReceptacle ?o1 ?r) "
        "(exists (?o2 - object) (and (not (= ?o1 ?o2)) (objectType ?o2 {thing}Type) "
        "(receptacleType ?r {target}Type) (inReceptacle ?o2 ?r) )) )))))"
    ),
    "look_at_obj_in_light": (
        "(:goal (and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and "
        "(objectType ?ot {target}Type) (toggleable ?ot) (isToggled ?ot) "
        "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r) )) "
        "(exists (?o - object ?a - agent) (and (objectType ?o {thing}Type) (holds ?a ?o) ))))"
    ),
}
SENTENCES = {
    "pick_and_place_simple": ("put a {thing} in {target}", "put some {thing} on {target}"),
    "pick_two_obj_and_place": (
        "put two {thing} in {target}",
        "find two {thing} and put them in {target}",
    ),
    "look_at_obj_in_light": (
        "look at {thing} under the {target}",
        "examine the {thing} with the {target}",
    ),
    "pick_clean_then_place_in_recep": (
        "put a clean {thing} in {target}",
        "clean some {thing} and put it in {target}",
    ),
    "pick_heat_then_place_in_recep": (
        "put a hot {thing} in {target}",
        "heat some {thing} and put it in {target}",
    ),
    "pick_cool_then_place_in_recep": (
        "put a cool {thing} in {target}",
        "cool some {thing} and put it in {target}",
    ),
}
"""The official task sentences, two of each kind, as likely as each other."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a game.

    Attributes:
        name: PDDL name.
        type: its type (``"Apple"``).
        location: PDDL name of where it lies.
        receptacles: those it is in or on: none, one, or two that reach into each other.
        cool: whether it is cold at first.
        inside: PDDL name of the bowl, pot and the like that it is in, ``""`` for none.
    """

    name: str
    type: str
    location: str
    receptacles: tuple[Receptacle, ...]
    cool: bool = False
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a game file says.

    Attributes:
        trial: names the problem.
        kind: one of the six task types.
        thing: type of the object that the task is about.
        target: type of the receptacle it goes to, or of the lamp.
        sentence: the task in words, without full stop.
        start: location of the agent at first, where no receptacle is.
        receptacles: the furniture of the room.
        things: all objects.
    """

    trial: str
    kind: str
    thing: str
    target: str
    sentence: str
    start: str
    receptacles: Sequence[Receptacle]
    things: Sequence[Thing]


def domain() -> str:
    """The rules, in PDDL."""
    return _packaged("domain.pddl")


def grammar(sentence: str) -> str:
    """The texts, in TextWorld's grammar, with a task sentence."""
    return _packaged("grammar.twl2").replace("UNKNOWN GOAL", sentence)


def problem(scene: Scene) -> str:
    """The PDDL problem of a scene: what there is, how it is at first, and the goal."""
    goal = _GOALS[scene.kind].format(thing=scene.thing, target=scene.target)
    return "\n".join(
        (
            f"\n(define (problem plan_{scene.trial})",
            "(:domain alfred)",
            "(:objects",
            *(f"        {name} - {kind}" for name, kind in _declared(scene)),
            "        )",
            "(:init",
            *(f"        ({' '.join(fact)})" for fact in _facts(scene)),
            "        )",
            f"{goal}",
            ")\n",
        )
    )


@functools.cache
def _packaged(name: str) -> str:
    """A packaged text, without the lines that say where it comes from."""
    text = resources.files("act_envs.alfworld").joinpath(name).read_text("utf-8")
    return "".join(line for line in text.splitlines(True) if not line.startswith("//"))


def _declared(scene: Scene) -> Iterator[tuple[str, str]]:
    """Every name and its PDDL type."""
    yield "agent1", "agent"
    yield from _types()
    yield from ((thing.name, "object") for thing in scene.things)
    yield from ((receptacle.name, "receptacle") for receptacle in scene.receptacles)
    locations = {scene.start: None} | {r.location: None for r in scene.receptacles}
    locations |= {thing.location: None for thing in scene.things}
    yield from ((location, "location") for location in locations)


@functools.cache
def _types() -> tuple[tuple[str, str], ...]:
    """The types of all things in all rooms, so those that the domain names too."""
    rooms = statistics()["rooms"].values()
    otypes = sorted({t for room in rooms for t in (*room["objects"], *room["loose"])})
    rtypes = sorted({t for room in rooms for t in room["receptacles"]})
    return *((f"{t}Type", "otype") for t in otypes), *((f"{t}Type", "rtype") for t in rtypes)


def _facts(scene: Scene) -> Iterator[tuple[str, ...]]:
    yield "atLocation", "agent1", scene.start
    for receptacle in scene.receptacles:
        yield "receptacleType", receptacle.name, f"{receptacle.type}Type"
        yield "receptacleAtLocation", receptacle.name, receptacle.location
        if receptacle.openable:
            yield "openable", receptacle.name
    abilities = statistics()["abilities"]
    for thing in scene.things:
        yield "objectType", thing.name, f"{thing.type}Type"
        yield "objectAtLocation", thing.name, thing.location
        yield from (("inReceptacle", thing.name, r.name) for r in thing.receptacles)
        yield from ((able, thing.name) for able, types in abilities.items() if thing.type in types)
        if thing.cool:
            yield "isCool", thing.name
        if thing.inside:
            yield "inReceptacleObject", thing.name, thing.inside
    present = sorted({thing.type for thing in scene.things})
    for rtype in sorted({receptacle.type for receptacle in scene.receptacles}):
        fits = statistics()["fits"].get(rtype, ())
        yield from (("canContain", f"{rtype}Type", f"{t}Type") for t in present if t in fits)
