"""A kitchen small enough to know by heart, and where the real ALFWorld games are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from act_envs.alfworld.gamefile import grammar

OBJECTS = {
    "Apple_bar__plus_01": "Fridge_bar__plus_01 @ loc_bar__fridge",
    "Apple_bar__plus_02": "CounterTop_bar__plus_01 @ loc_bar__counter",
    "Knife_bar__plus_01": "CounterTop_bar__plus_01 @ loc_bar__counter",
    "Mug_bar__plus_01": "Cabinet_bar__plus_01 @ loc_bar__counter",
    "DeskLamp_bar__plus_01": "CounterTop_bar__plus_01 @ loc_bar__counter",
}
RECEPTACLES = {
    "Cabinet_bar__plus_01": "loc_bar__counter",
    "Cabinet_bar__plus_02": "loc_bar__counter",
    "CounterTop_bar__plus_01": "loc_bar__counter",
    "Fridge_bar__plus_01": "loc_bar__fridge",
    "Microwave_bar__plus_01": "loc_bar__microwave",
    "Sink_bar__plus_01_bar_SinkBasin": "loc_bar__sink",
}
ABLE = {
    "Apple": "pickupable cleanable heatable coolable sliceable",
    "Knife": "pickupable cleanable",
    "Mug": "pickupable cleanable heatable coolable isReceptacleObject",
    "DeskLamp": "toggleable",
}
PLACED = """(exists (?r - receptacle) (exists (?o - object) (and (inReceptacle ?o ?r)
    (objectType ?o AppleType) (receptacleType ?r CabinetType))))"""


def rtype(name: str) -> str:
    return ("SinkBasin" if "Basin" in name else name.partition("_")[0]) + "Type"


def otype(name: str) -> str:
    return name.partition("_")[0] + "Type"


def kitchen(goal: str = PLACED, sentence: str = "put some apple on cabinet.") -> dict[str, object]:
    """A game in the official format: two apples, a knife, a mug and a lamp in six receptacles."""
    package = resources.files("act_envs.alfworld")
    facts = ["atLocation agent1 loc_bar__middle"]
    for name, location in RECEPTACLES.items():
        facts += [f"receptacleAtLocation {name} {location}", f"receptacleType {name} {rtype(name)}"]
        if name.startswith(("Cabinet", "Fridge", "Microwave")):
            facts.append(f"openable {name}")
    for name, where in OBJECTS.items():
        receptacle, location = where.split(" @ ")
        facts += [f"inReceptacle {name} {receptacle}", f"objectAtLocation {name} {location}"]
        facts.append(f"objectType {name} {otype(name)}")
        facts += [f"{able} {name}" for able in ABLE[name.partition("_")[0]].split()]
    rtypes = sorted({*map(rtype, RECEPTACLES), "SinkType"})
    otypes = sorted({*map(otype, OBJECTS), "ButterKnifeType"})
    facts += [f"canContain {r} {o}" for r in rtypes for o in otypes if o != "MugType"]
    facts += ["canContain CounterTopType MugType", "isCool Apple_bar__plus_02"]
    places = sorted({*RECEPTACLES.values(), "loc_bar__middle"})
    declared = [
        *(f"{name} - receptacle" for name in RECEPTACLES),
        *(f"{name} - object" for name in OBJECTS),
        *(f"{name} - location" for name in places),
        *(f"{name} - rtype" for name in rtypes),
        *(f"{name} - otype" for name in otypes),
    ]
    lines = "\n".join(declared)
    init = "\n".join(f"({fact})" for fact in facts)
    problem = f"""(define (problem p) (:domain alfred) (:objects agent1 - agent\n{lines})
        (:init {init}) (:goal (and {goal})))"""
    return {
        "pddl_domain": package.joinpath("domain.pddl").read_text(),
        "grammar": grammar(sentence.removesuffix(".")),
        "pddl_problem": problem,
        "solvable": True,
        "walkthrough": [
            "go to countertop 1",
            "take apple 1 from countertop 1",
            "open cabinet 1",
            "put apple 1 in/on cabinet 1",
        ],
    }


@pytest.fixture
def make_kitchen() -> Callable[..., dict[str, object]]:
    return kitchen


@pytest.fixture
def kitchen_bytes() -> bytes:
    return json.dumps(kitchen()).encode()


@pytest.fixture(scope="session")
def alfworld_data() -> Path:
    """Where the user keeps the real games; skips where nowhere."""
    root = os.environ.get("ACT_DATA_DIR")
    if not root:
        pytest.skip("needs the real ALFWorld games: set ACT_DATA_DIR")
    return Path(root)
