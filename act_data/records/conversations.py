r"""Conversations as ETO (arXiv 2403.02502) and many after it store expert episodes.

A record is an object with a list ``conversations`` (or ``messages``) of turns, each with who
speaks (``from`` or ``role``: human or user, gpt or assistant) and what (``value`` or
``content``). First come instructions, which the agent acknowledges ("OK"); then the first
observation; then answers "Thought: ...\nAction: ..." and observations in turn. What stands before
the observation that the first action answers is not read.

ETO names the task by the game's path (``game_file``, ALFWorld) or by the numbers of the task and
the variation (``id`` "7_3", ScienceWorld). Its number of a session of WebShop names nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from act_data.records.record import NotUnderstood, Record, Seen

SOURCE = "eto"

_TURNS = ("conversations", "messages")
_NAMES = ("task_id", "game_file", "gamefile", "id", "item_id")
_AGENT, _OTHERS = ("gpt", "assistant"), ("human", "user")
_MARK = "Action:"
_PREFIX = re.compile(r"\s*(?:Observation:|Task Description:)")
_GAME = "/game.tw-pddl"  # the file that lies in the folder that names a game
_PARTS = 3  # of a path that can be a name

# What ETO calls task N: by its eval_agent/data/sciworld/taskname2id.json, in which 5 is left out.
_NUMBERED = (
    "boil", "change-the-state-of-matter-of", "freeze", "melt",
    "measure-melting-point-known-substance", "measure-melting-point-unknown-substance",
    "use-thermometer", "power-component", "power-component-renewable-vs-nonrenewable-energy",
    "test-conductivity", "test-conductivity-of-unknown-substances", "find-animal",
    "find-living-thing", "find-non-living-thing", "find-plant", "grow-fruit", "grow-plant",
    "chemistry-mix", "chemistry-mix-paint-secondary-color", "chemistry-mix-paint-tertiary-color",
    "lifespan-longest-lived", "lifespan-longest-lived-then-shortest-lived",
    "lifespan-shortest-lived", "identify-life-stages-1", "identify-life-stages-2",
    "inclined-plane-determine-angle", "inclined-plane-friction-named-surfaces",
    "inclined-plane-friction-unnamed-surfaces", "mendelian-genetics-known-plant",
    "mendelian-genetics-unknown-plant",
)  # fmt: skip
_NUMBERS = re.compile(r"(\d{1,2})_(\d{1,4})")


def read_conversation(value: object, place: str) -> Record:
    """The record in a JSON value; one with a fault where the value is no conversation."""
    try:
        if not isinstance(value, Mapping):
            raise NotUnderstood(f"a record is an object, not {value!r:.80}")
        seen, actions = _steps([*_turns(value)])
        statement = seen[0].text or ""
        return Record(place, SOURCE, tuple(_names(value)), statement, tuple(seen), tuple(actions))
    except NotUnderstood as error:
        return Record(place, fault=str(error))


def _turns(value: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """Whether the agent speaks, and what is said."""
    turns = next((value[key] for key in _TURNS if key in value), None)
    if not isinstance(turns, list):
        raise NotUnderstood(f"no list {_TURNS[0]!r} among {sorted(map(str, value))!r:.200}")
    for number, turn in enumerate(turns, 1):
        turn = turn if isinstance(turn, Mapping) else {}
        speaker = turn.get("from", turn.get("role"))
        said = turn.get("value", turn.get("content"))
        if speaker == "system":
            continue
        if speaker not in (*_AGENT, *_OTHERS) or not isinstance(said, str):
            raise NotUnderstood(f"turn {number} is by {speaker!r:.40} and says {said!r:.80}")
        yield speaker in _AGENT, said


def _steps(turns: list[tuple[bool, str]]) -> tuple[list[Seen], list[str]]:
    first = next((i for i, (agent, said) in enumerate(turns) if agent and _MARK in said), 0)
    if first == 0:
        raise NotUnderstood(f'no answer with "{_MARK}" that follows an observation')
    seen: list[Seen] = []
    actions: list[str] = []
    for number, (agent, said) in enumerate(turns[first - 1 :], first):
        if agent == (len(seen) == len(actions)):
            raise NotUnderstood(f"turn {number} (without the system's) is out of turn")
        if agent:
            actions.append(_action(said, number))
        else:
            seen.append(Seen(text=_PREFIX.sub("", said, count=1)))
    return seen, actions


def _action(said: str, number: int) -> str:
    action = said.rpartition(_MARK)[2].strip()
    if _MARK not in said or len(action.splitlines()) != 1:
        raise NotUnderstood(f'turn {number} does not end with "{_MARK}" and one line')
    return action


def _names(value: Mapping[str, Any]) -> Iterator[str]:
    """What may be the name of the task: paths also without the folders that they begin with."""
    for key in _NAMES:
        name = value.get(key)
        if not isinstance(name, str | int) or not str(name).isprintable():
            continue
        parts = str(name).removesuffix(_GAME).split("/")
        for count in range(min(_PARTS, len(parts)), 0, -1):
            yield "/".join(parts[-count:])
        if numbers := _NUMBERS.fullmatch(str(name)):
            kind, variation = map(int, numbers.groups())
            if kind < len(_NUMBERED):
                yield f"{_NUMBERED[kind]}/{variation}"
