"""Compiling a game: from the named facts of its file to numbers and bit masks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.game import KINDS, Game, State, modern
from act_envs.alfworld.problem import Problem, read_problem
from act_envs.errors import GameFileError

MAX_THINGS = 1000
"""More than any room holds (the official ones: 250); masks grow with them."""

_KNIVES = ("knifetype", "butterknifetype")


def read_game(data: bytes, name: str) -> Game:
    """Read and compile a game file.

    Args:
        data: bytes of a ``game.tw-pddl``.
        name: what errors call it.

    Raises:
        GameFileError: the file is damaged, or not a game that the native engine can play exactly.
    """
    game = _Compiler(read_problem(data, name), name).game()
    if Engine(game).won():
        raise GameFileError(f"{name}: the task is fulfilled before the first action.")
    return game


class _Compiler:
    """Turns named facts into numbers and masks."""

    def __init__(self, problem: Problem, name: str) -> None:
        self._problem, self._name = problem, name
        facts = self._facts = problem.facts
        receptacles = {r for r, _ in facts["receptacleatlocation"]}
        mentioned = {r for r, _ in facts["receptacletype"]} | {r for _, r in facts["inreceptacle"]}
        for flag in ("openable", "opened"):
            mentioned.update(r for (r,) in facts[flag])
        if stray := mentioned - receptacles:
            raise self._refuse(f"receptacle {min(stray)!r:.80} is at no location")
        objects = {o for predicate in _ABOUT_OBJECTS for o in self._column(predicate, 0)}
        objects.update(self._column("inreceptacleobject", 1))
        places = {place for _, place in facts["receptacleatlocation"]}
        places.update(self._column("atlocation", 1), self._column("objectatlocation", 1))
        if len(receptacles) + len(objects) + len(places) > MAX_THINGS:
            raise self._refuse(f"it has more than {MAX_THINGS} receptacles, objects and locations")
        self._receptacles, self._objects = sorted(receptacles), sorted(objects)
        self._places = sorted(places)
        self._r = {name: n for n, name in enumerate(self._receptacles)}
        self._o = {name: n for n, name in enumerate(self._objects)}
        self._l = {name: n for n, name in enumerate(self._places)}

    def game(self) -> Game:
        problem = self._problem
        names = _names({argument for fs in self._facts.values() for f in fs for argument in f})
        place = self._single("receptacleatlocation", self._receptacles)
        rtypes = self._single("receptacletype", self._receptacles, default="")
        otypes = self._single("objecttype", self._objects, default="")
        fits = self._fits(rtypes, otypes)
        cleans = ("sinkbasintype", "sinktype") if problem.sink_cleans else ("sinkbasintype",)
        kind, targets, goal_receptacles, lamps = self._goal(rtypes, otypes)
        return Game(
            kind=kind,
            goal=problem.sentence,
            walkthrough=tuple(map(modern, problem.walkthrough)),
            receptacles=tuple(names[r] for r in self._receptacles),
            receptacle_types=tuple(t.removesuffix("type") for t in rtypes),
            place=tuple(self._l[location] for location in place),
            locations=tuple(names[location] for location in self._places),
            objects=tuple(names[o] for o in self._objects),
            object_types=tuple(t.removesuffix("type") for t in otypes),
            openable=self._flag("openable", self._r),
            sinks=_of_type(rtypes, *cleans),
            microwaves=_of_type(rtypes, "microwavetype"),
            fridges=_of_type(rtypes, "fridgetype"),
            pickupable=self._flag("pickupable", self._o),
            cleanable=self._flag("cleanable", self._o),
            heatable=self._flag("heatable", self._o),
            coolable=self._flag("coolable", self._o),
            sliceable=self._flag("sliceable", self._o),
            toggleable=self._flag("toggleable", self._o),
            containers=self._flag("isreceptacleobject", self._o),
            knives=_of_type(otypes, *_KNIVES),
            fits=tuple(fits),
            nested=self._masks("inreceptacleobject", self._o, 1),
            targets=targets,
            goal_receptacles=goal_receptacles,
            lamps=lamps,
            content=problem.content,
            start=self._start(),
        )

    def _start(self) -> State:
        agents = self._facts["atlocation"]
        if len(agents) != 1:
            raise self._refuse(f"the agent is at {len(agents)} locations")
        return State(
            at=self._l[agents[0][1]],
            held=-1,
            opened=self._flag("opened", self._r),
            inside=self._masks("inreceptacle", self._r, 1),
            lying=self._masks("objectatlocation", self._l, 1),
            clean=self._flag("isclean", self._o),
            hot=self._flag("ishot", self._o),
            cool=self._flag("iscool", self._o),
            sliced=self._flag("issliced", self._o),
            toggled=self._flag("istoggled", self._o),
            left=(0,) * len(self._receptacles),
        )

    def _goal(self, rtypes: Sequence[str], otypes: Sequence[str]) -> tuple[str, int, int, int]:
        """Kind, objects, receptacles and lamps of the goal."""
        for kind, pattern in _GOALS.items():
            found = pattern.fullmatch(self._problem.goal)
            if found is None:
                continue
            named = found.groupdict()
            objects = _of_type(otypes, named["object"])
            if kind == "look_at_obj_in_light":
                lamps = _of_type(otypes, named["lamp"]) & self._flag("toggleable", self._o)
                return kind, objects, 0, lamps
            if able := named.get("able"):
                objects &= self._flag(able, self._o)
            return kind, objects, _of_type(rtypes, named["receptacle"]), 0
        raise self._refuse(
            f"the goal is none of the six official ones: {self._problem.goal!r:.200}"
        )

    def _fits(self, rtypes: Sequence[str], otypes: Sequence[str]) -> list[int]:
        of_type: dict[str, int] = {}
        for o, otype in enumerate(otypes):
            of_type[otype] = of_type.get(otype, 0) | 1 << o
        holds: dict[str, int] = {}
        for rtype, otype in self._facts["cancontain"]:
            holds[rtype] = holds.get(rtype, 0) | of_type.get(otype, 0)
        return [holds.get(rtype, 0) for rtype in rtypes]

    def _single(
        self, predicate: str, things: Sequence[str], default: str | None = None
    ) -> list[str]:
        """The one value that a fact gives to each thing."""
        found: dict[str, str] = {}
        for thing, value in self._facts[predicate]:
            if found.setdefault(thing, value) != value:
                raise self._refuse(f"two facts {predicate} about {thing!r:.80}")
        return [found[thing] if default is None else found.get(thing, default) for thing in things]

    def _flag(self, predicate: str, numbers: Mapping[str, int]) -> int:
        mask = 0
        for (thing,) in self._facts[predicate]:
            mask |= 1 << numbers[thing]
        return mask

    def _masks(self, predicate: str, owners: Mapping[str, int], column: int) -> tuple[int, ...]:
        masks = [0] * len(owners)
        for fact in self._facts[predicate]:
            masks[owners[fact[column]]] |= 1 << self._o[fact[0]]
        return tuple(masks)

    def _column(self, predicate: str, column: int) -> set[str]:
        return {fact[column] for fact in self._facts[predicate]}

    def _refuse(self, what: str) -> GameFileError:
        return GameFileError(
            f"{self._name}: {what}. The native engine plays official games; for others there is "
            'backend="reference".'
        )


_ABOUT_OBJECTS = (
    "objectatlocation", "inreceptacle", "isreceptacleobject", "inreceptacleobject", "objecttype",
    "isclean", "cleanable", "ishot", "heatable", "iscool", "coolable", "pickupable", "toggleable",
    "istoggled", "sliceable", "issliced",
)  # fmt: skip


def _goal_pattern(text: str) -> re.Pattern[str]:
    tokens = re.findall(r"<[a-z]+(?:=[a-z|]+)?>|[()]|[^\s()<>]+", text)
    parts = []
    for token in tokens:
        if token.startswith("<"):
            name, _, choice = token[1:-1].partition("=")
            # A name that stands twice must mean the same both times.
            seen = any(part.startswith(f"(?P<{name}>") for part in parts)
            parts.append(f"(?P={name})" if seen else f"(?P<{name}>{choice or '[^ ()]+'})")
        else:
            parts.append(re.escape(token))
    return re.compile(" ".join(parts))


def _changed(able: str, done: str) -> str:
    return f"""(:goal (and (exists (?r - receptacle) (exists (?o - object) (and
        (<able={able}> ?o) (objecttype ?o <object>) (receptacletype ?r <receptacle>)
        ({done} ?o) (inreceptacle ?o ?r)))))))"""


_GOALS = {
    kind: _goal_pattern(text)
    for kind, text in zip(
        KINDS,
        (
            """(:goal (and (exists (?r - receptacle) (exists (?o - object) (and
                (inreceptacle ?o ?r) (objecttype ?o <object>) (receptacletype ?r <receptacle>)
            )))))) """,
            """(:goal (and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and
                (objecttype ?ot <lamp>) (toggleable ?ot) (istoggled ?ot)
                (receptacleatlocation ?r ?l) (atlocation ?a ?l) (inreceptacle ?ot ?r)))
                (exists (?o - object ?a - agent) (and
                (objecttype ?o <object>) (holds ?a ?o))))))""",
            _changed("cleanable", "isclean"),
            _changed("heatable", "ishot"),
            _changed("coolable", "iscool"),
            """(:goal (and (exists (?r - receptacle) (exists (?o1 - object) (and
                (objecttype ?o1 <object>) (receptacletype ?r <receptacle>) (inreceptacle ?o1 ?r)
                (exists (?o2 - object) (and (not (= ?o1 ?o2)) (objecttype ?o2 <object>)
                (receptacletype ?r <receptacle>) (inreceptacle ?o2 ?r))))))))) """,
        ),
        strict=True,
    )
}
"""The goal of each kind as ALFRED's goal library writes it; the last bracket ends the problem."""


def _of_type(types: Sequence[str], *wanted: str) -> int:
    return sum(1 << n for n, name in enumerate(types) if name in wanted)


_SIGNS = (("_minus_", "-"), ("_plus_", "+"), ("_dot_", "."), ("_comma_", ","))


def _names(ids: Iterable[str]) -> dict[str, str]:
    """The names that the agent reads, by PDDL name, as upstream's Demangler gives them.

    Things of one type are numbered against their order: the first of three is number 3.
    """
    bases: dict[str, str] = {}
    counts: Counter[str] = Counter()
    plain: dict[str, str] = {}
    for thing in sorted(ids):
        base, bar, _ = thing.partition("_bar_")
        if not bar:
            for mangled, sign in _SIGNS:
                base = base.replace(mangled, sign)
            plain[thing] = f"{base} "  # upstream leaves the place of the missing number blank
            continue
        base += "basin" if "basin" in thing else ""
        bases[thing] = base
        counts[base] += 1
    for thing, base in bases.items():
        plain[thing] = f"{base} {counts[base]}"
        counts[base] -= 1
    return plain
