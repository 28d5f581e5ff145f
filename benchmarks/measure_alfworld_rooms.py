"""Counts what rooms of ALFWorld hold, over the official train games, into ``rooms.json``.

The generator of :mod:`act_envs.alfworld.generator` draws its rooms from these counts. They are
sums over many rooms: a type of receptacle or object that one room only has is left out, and no
layout, position, id or game can be told from them. Run again with the same games it writes the
same bytes::

    python -m benchmarks.measure_alfworld_rooms GAMES [--out act_envs/alfworld/rooms.json]

where GAMES is the folder or the ``.tar.xz`` archive ``json_2.1.1``.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.script import call

ROOM_KINDS = {0: "kitchen", 2: "livingroom", 3: "bedroom", 4: "bathroom"}
ABILITIES = (
    "pickupable",
    "cleanable",
    "heatable",
    "coolable",
    "sliceable",
    "toggleable",
    "isReceptacleObject",
)
# Where the task's objects do not start: there it would be done. Elsewhere it is the target.
EXCLUDED = {
    "look_at_obj_in_light": "",
    "pick_clean_then_place_in_recep": "SinkBasin",
    "pick_heat_then_place_in_recep": "Microwave",
    "pick_cool_then_place_in_recep": "Fridge",
}
FEWEST_ROOMS = 2  # what fewer rooms have is theirs alone and is left out
SMALLEST_SHARE = 0.005  # of an object's placements; rarer ones are slips of the simulator
_FACT = re.compile(r"\(([A-Za-z]+) ([^()]+)\)")
_NAMED = re.compile(r"(?:.*/)?train/(?P<dir>[^/]+)/[^/]+/game\.tw-pddl")


class Official:
    """One official game: types, places and contents by id."""

    def __init__(self, folder: str, text: str) -> None:
        self.kind, self.target, _, parent, scene = folder.split("-")
        self.parent, self.scene = parent, int(scene)
        self.room_kind = ROOM_KINDS[self.scene // 100]
        problem = json.loads(text)["pddl_problem"]
        init = problem[problem.index("(:init") : problem.index("(:goal")]
        self.facts: dict[str, list[Any]] = defaultdict(list)  # tuples of names
        for predicate, arguments in _FACT.findall(init):
            self.facts[predicate].append(tuple(arguments.split()))
        self.receptacles = {r: _bare(t) for r, t in self.facts["receptacleType"]}
        self.objects = {o: _bare(t) for o, t in self.facts["objectType"]}
        self.location: dict[str, str] = dict(self.facts["receptacleAtLocation"])
        self.lying: dict[str, str] = dict(self.facts["objectAtLocation"])
        self.inside: dict[str, list[str]] = defaultdict(list)
        for o, r in self.facts["inReceptacle"]:
            if o in self.objects:
                self.inside[o].append(r)


@dataclass(frozen=True)
class Measure:
    """Measure the train games and write the counts."""

    games: tyro.conf.Positional[Path]
    """Folder or .tar.xz archive json_2.1.1."""

    out: Path = Path("act_envs/alfworld/rooms.json")
    """File to write."""

    def __call__(self) -> int:
        games = [Official(*found) for found in sorted(_read(self.games))]
        measured = measure(games)
        self.out.write_text(_compact(measured) + "\n", encoding="utf-8")
        print(f"{len(games):,} games -> {self.out} ({self.out.stat().st_size:,} bytes)")
        return 0


def measure(games: list[Official]) -> dict[str, Any]:
    """All counts, ready for JSON."""
    if not games:
        raise SystemExit("no games found: expected json_2.1.1/train/*/*/game.tw-pddl.")
    rooms = {game.scene: game for game in games}  # receptacles of a room never change
    kinds = {
        kind: _room_kind([game for game in games if game.room_kind == kind])
        for kind in ROOM_KINDS.values()
    }
    return {
        "source": f"sums over {len(games)} train games in {len(rooms)} rooms of ALFWorld 2.1.1",
        "kinds": _ordered(Counter(game.kind for game in games)),
        "instances": _instances(games),
        "abilities": _abilities(games),
        "fits": _fits(games),
        "openable": _openable(rooms.values()),
        "joins": _joins(rooms.values()),
        "overlaps": _overlaps(games),
        "nested": _nested(games),
        "preferred": _preferred(games, kinds),
        "rooms": kinds,
    }


def _room_kind(games: list[Official]) -> dict[str, Any]:
    rooms = {game.scene: game for game in games}
    tasks: dict[str, Counter[str]] = defaultdict(Counter)
    for game in games:
        tasks[game.kind][f"{game.target}>{game.parent}"] += 1
    by_type: dict[str, Counter[str]] = defaultdict(Counter)
    for room in rooms.values():
        for rtype, count in Counter(room.receptacles.values()).items():
            by_type[rtype][str(count)] += 1
    common = {t: c for t, c in by_type.items() if c.total() >= FEWEST_ROOMS}
    objects, loose = _objects(games, set(common)), _loose(games)
    spare = sum(len(_spare(game)) for game in games)
    lying = sum(o in game.lying for game in games for o in game.objects if o not in game.inside)
    return {
        "rooms": len(rooms),
        "tasks": {kind: _ordered(tasks[kind]) for kind in sorted(tasks)},
        "receptacles": {t: _ordered(common[t], int) for t in sorted(common)},
        "objects": objects,
        "loose": loose,
        "apart": round(spare / lying, 3),
    }


def _objects(games: list[Official], rtypes: set[str]) -> dict[str, Any]:
    """Of each object type: rooms that have it, how many a game has, and where they lie.

    A place counts by how many of the objects lie there in a thousand games of rooms that have it.
    """
    rooms: dict[str, set[int]] = defaultdict(set)
    for game in games:
        for o in game.inside:
            rooms[game.objects[o]].add(game.scene)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    places: dict[str, Counter[str]] = defaultdict(Counter)
    chances: dict[str, Counter[str]] = defaultdict(Counter)
    for game in games:
        present = Counter(game.objects[o] for o in game.inside)
        for otype, scenes in rooms.items():
            # Objects of the target's type have distributions of their own.
            if game.scene in scenes and otype != game.target:
                counts[otype][str(present[otype])] += 1
                chances[otype].update(set(game.receptacles.values()))
        for o, receptacles in game.inside.items():
            if game.objects[o] != game.target:
                places[game.objects[o]][game.receptacles[receptacles[0]]] += 1
    found = {}
    for otype in sorted(rooms):
        total = places[otype].total()
        usual = {
            r: max(1, round(1000 * n / chances[otype][r]))
            for r, n in places[otype].items()
            if r in rtypes and n >= SMALLEST_SHARE * total
        }
        if len(rooms[otype]) >= FEWEST_ROOMS and usual and counts[otype]:
            found[otype] = {
                "rooms": len(rooms[otype]),
                "counts": _ordered(counts[otype], int),
                "places": _ordered(Counter(usual)),
            }
    return found


def _preferred(games: list[Official], rooms: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Per cent of what one would expect of the places where objects of the target's type lie.

    ALFRED put them less often where its robot had trouble reaching, in drawers above all.
    """
    actual: dict[str, Counter[str]] = defaultdict(Counter)
    expected: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for game in games:
        excluded = EXCLUDED.get(game.kind, game.parent)
        places = rooms[game.room_kind]["objects"].get(game.target, {"places": {}})["places"]
        rtypes = set(game.receptacles.values()) - {excluded}
        weights = {rtype: n for rtype, n in places.items() if rtype in rtypes}
        for o, receptacles in game.inside.items():
            if game.objects[o] == game.target and weights:
                actual[game.kind][game.receptacles[receptacles[0]]] += 1
                for rtype, n in weights.items():
                    expected[game.kind][rtype] += n / sum(weights.values())
    return {
        kind: {
            rtype: round(100 * actual[kind][rtype] / number)
            for rtype, number in sorted(expected[kind].items())
            if number >= 30
        }
        for kind in sorted(expected)
    }


def _loose(games: list[Official]) -> dict[str, list[float]]:
    """Objects in no receptacle: in how many rooms, and how many a game there has."""
    rooms: dict[str, set[int]] = defaultdict(set)
    total: Counter[str] = Counter()
    for game in games:
        for o, otype in game.objects.items():
            if o not in game.inside:
                rooms[otype].add(game.scene)
                total[otype] += 1
    played = Counter(game.scene for game in games)
    return {
        otype: [len(scenes), round(total[otype] / sum(played[s] for s in scenes), 2)]
        for otype, scenes in sorted(rooms.items())
        if len(scenes) >= FEWEST_ROOMS
    }


def _spare(game: Official) -> set[str]:
    """Locations with objects but without receptacles."""
    return set(game.lying.values()) - set(game.location.values())


def _instances(games: list[Official]) -> dict[str, Any]:
    """How many objects of the target's type lie in receptacles, by task type."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for game in games:
        found[game.kind][str(sum(game.objects[o] == game.target for o in game.inside))] += 1
    return {
        kind: {n: c for n, c in _ordered(found[kind], int).items() if c >= 10}
        for kind in sorted(found)
    }


def _abilities(games: list[Official]) -> dict[str, list[str]]:
    """Object types that can be picked up, cleaned and so on: those of which all can."""
    able: dict[str, set[str]] = {ability: set() for ability in ABILITIES}
    unable: dict[str, set[str]] = {ability: set() for ability in ABILITIES}
    for game in games:
        for ability in ABILITIES:
            holders = {o for (o,) in game.facts[ability]}
            for o, otype in game.objects.items():
                (able if o in holders else unable)[ability].add(otype)
    return {ability: sorted(able[ability] - unable[ability]) for ability in ABILITIES}


def _fits(games: list[Official]) -> dict[str, list[str]]:
    """What may be put where: the same in every room that has both types."""
    pairs = {(_bare(r), _bare(o)) for game in games for r, o in game.facts["canContain"]}
    return {r: sorted(o for s, o in pairs if s == r) for r in sorted({r for r, _ in pairs})}


def _openable(rooms: Iterable[Official]) -> dict[str, float]:
    """Share of the receptacles of a type that open."""
    total, able = Counter[str](), Counter[str]()
    for room in rooms:
        total.update(room.receptacles.values())
        able.update(room.receptacles[r] for (r,) in room.facts["openable"])
    return {t: round(able[t] / total[t], 3) for t in sorted(able)}


def _joins(rooms: Iterable[Official]) -> dict[str, dict[str, float]]:
    """Chance that a receptacle, taken in order of types, is reached where an earlier one is."""
    total: Counter[str] = Counter()
    joined: dict[str, Counter[str]] = defaultdict(Counter)
    for room in rooms:
        there: dict[str, str] = {}
        for r, rtype in sorted(room.receptacles.items(), key=lambda item: item[::-1]):
            total[rtype] += 1
            if before := there.get(room.location[r]):
                joined[rtype][before] += 1
            there[room.location[r]] = rtype
    return {t: _rates(joined[t], total[t]) for t in sorted(joined)}


def _overlaps(games: list[Official]) -> dict[str, dict[str, dict[str, float]]]:
    """Of objects of a type in receptacles of a type: the share that is in a second one as well."""
    total: Counter[tuple[str, str]] = Counter()
    both: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    rooms: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for game in games:
        for o, receptacles in game.inside.items():
            first, *others = (game.receptacles[r] for r in receptacles)
            key = game.objects[o], first
            total[key] += 1
            for second in others[:1]:
                both[key][second] += 1
                rooms[(*key, second)].add(game.scene)
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for otype, first in sorted(both):
        seconds = {
            second: round(n / total[otype, first], 3)
            for second, n in sorted(both[otype, first].items())
            if len(rooms[otype, first, second]) >= FEWEST_ROOMS and n >= 10
        }
        if seconds:
            found[otype][first] = seconds
    return found


def _nested(games: list[Official]) -> float:
    """Chance that an object in a receptacle is in a bowl, a pot and the like there."""
    nested = sum(o in game.inside for game in games for o, _ in game.facts["inReceptacleObject"])
    return round(nested / sum(len(game.inside) for game in games), 4)


def _rates(counts: Counter[str], total: int) -> dict[str, float]:
    return {t: round(n / total, 4) for t, n in sorted(counts.items()) if n >= 0.001 * total}


def _ordered(counts: Counter[str], key: Any = str) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts, key=key)}


def _bare(name: str) -> str:
    return name.removesuffix("Type")


def _read(games: Path) -> Iterator[tuple[str, str]]:
    """Task folder and text of every train game."""
    if games.is_dir():
        for path in games.glob("train/*/*/game.tw-pddl"):
            yield path.parent.parent.name, path.read_text(encoding="utf-8")
        return
    with tarfile.open(games, "r|xz") as archive:
        for member in archive:
            found = _NAMED.fullmatch(member.name)
            stream = archive.extractfile(member) if found else None
            if found and stream is not None:
                yield found["dir"], stream.read().decode("utf-8")


def _compact(value: dict[str, Any]) -> str:
    """JSON with the innermost mappings and lists on one line each."""
    text = json.dumps(value, indent=1, ensure_ascii=True)
    return re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda found: re.sub(r"\n\s*", "", found[0]), text)


if __name__ == "__main__":
    sys.exit(call(Measure))
