"""Reading one ``game.tw-pddl``: its JSON, the rules it carries, the facts of its PDDL problem.

This is no PDDL planner and no grammar interpreter. The rules are built into
:mod:`act_envs.alfworld.engine`; a file is played only if it carries exactly those rules
(compared by hash, comments and blanks aside), and refused otherwise.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from act_envs.errors import GameFileError

MAX_BYTES = 4_000_000
"""Size that no game file exceeds (the official ones have 60 to 130 kB)."""

# Hashes of the rules that the engine implements, as `_rules_hash` computes them. The two grammars
# of each dialect differ in how they write the same texts. The flag says whether a receptacle of
# type Sink cleans: the released games say so, the domain in the alfworld package does not.
_DOMAINS: dict[str, bool] = {
    "e733dcfa5154f9d5": True,
    "915e118f4f32b4d8": False,
    "b0b8259a4e11c9f4": False,
}
_GRAMMARS = frozenset({"442d1f4d5b50d987", "56608cb77f438c90", "ab7832e463c5eea8"})

_SENTENCE = re.compile(r'"Your task is to: ([^"#{}\[\]|\\\x00-\x1f\x7f]{1,500})"')
_BLANKS = str.maketrans("\t\r\n", "   ")
_COMMENT = re.compile(r";[^\n]*")
_FACT = re.compile(r"\(\s*([^\s()]+)(?:\s+([^\s()]+))?(?:\s+([^\s()]+))?\s*\)")
_TOKEN = re.compile(r"[()]|[^\s()]+")

# Types of the arguments of every predicate that an initial state may hold.
_RECEPTACLE, _OBJECT, _LOCATION = "receptacle", "object", "location"
_RTYPE, _OTYPE = "rtype", "otype"
_PREDICATES: dict[str, tuple[str, ...]] = {
    "atlocation": ("agent", _LOCATION),
    "receptacleatlocation": (_RECEPTACLE, _LOCATION),
    "objectatlocation": (_OBJECT, _LOCATION),
    "openable": (_RECEPTACLE,),
    "opened": (_RECEPTACLE,),
    "inreceptacle": (_OBJECT, _RECEPTACLE),
    "isreceptacleobject": (_OBJECT,),
    "inreceptacleobject": (_OBJECT, _OBJECT),
    "receptacletype": (_RECEPTACLE, _RTYPE),
    "cancontain": (_RTYPE, _OTYPE),
    "objecttype": (_OBJECT, _OTYPE),
    "isclean": (_OBJECT,),
    "cleanable": (_OBJECT,),
    "ishot": (_OBJECT,),
    "heatable": (_OBJECT,),
    "iscool": (_OBJECT,),
    "coolable": (_OBJECT,),
    "pickupable": (_OBJECT,),
    "toggleable": (_OBJECT,),
    "istoggled": (_OBJECT,),
    "sliceable": (_OBJECT,),
    "issliced": (_OBJECT,),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What one game file says, checked but not yet compiled.

    Attributes:
        sentence: the task as the game words it, full stop included.
        goal: tokens of the goal, lower case, joined by single blanks.
        facts: arguments of the facts of the initial state, by predicate, lower case.
        content: the first 16 digits of the SHA-256 of the PDDL problem, a NUL and the sentence.
        sink_cleans: whether a receptacle of type Sink cleans, or a SinkBasin only.
        walkthrough: the stored solution; empty where the file has none.
    """

    sentence: str
    goal: str
    facts: Mapping[str, list[tuple[str, ...]]]
    content: str
    sink_cleans: bool
    walkthrough: tuple[str, ...]


def read_problem(data: bytes, name: str) -> Problem:
    """Read and check the bytes of a game file.

    Args:
        data: the file, JSON with ``pddl_domain``, ``pddl_problem``, ``grammar``, ``walkthrough``.
        name: what errors call it.

    Raises:
        GameFileError: the file is damaged, not of this format, or carries other rules.
    """
    game = _load(data, name)
    sink_cleans = _check_domain(_text(game, "pddl_domain", name), name)
    sentence = _check_grammar(_text(game, "grammar", name), name)
    text = _COMMENT.sub("", _text(game, "pddl_problem", name)).lower()
    starts = [text.find(mark) for mark in ("(:objects", "(:init", "(:goal")]
    if not 0 <= starts[0] < starts[1] < starts[2]:
        raise GameFileError(f"{name}: the problem has not objects, init and goal in that order.")
    objects, init, goal = starts
    declared = _declared(text[objects:init], name)
    walkthrough = game.get("walkthrough", [])
    if not isinstance(walkthrough, list) or not all(isinstance(w, str) for w in walkthrough):
        raise GameFileError(f"{name}: the walkthrough is not a list of commands.")
    return Problem(
        sentence=sentence,
        goal=" ".join(_TOKEN.findall(text[goal:])),
        facts=_facts(text[init:goal], declared, name),
        content=hashlib.sha256(f"{game['pddl_problem']}\0{sentence}".encode()).hexdigest()[:16],
        sink_cleans=sink_cleans,
        walkthrough=tuple(walkthrough),
    )


def _rules_hash(text: str) -> str:
    """Hash of rules, blind to indentation and blank lines."""
    lines = (line.strip() for line in text.splitlines())
    said = "\n".join(filter(None, lines))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _load(data: bytes, name: str) -> dict[str, Any]:
    if not data.strip():
        raise GameFileError(f"{name}: the file is empty. Fetch the games again.")
    if len(data) > MAX_BYTES:
        raise GameFileError(f"{name}: {len(data):,} bytes; no game has more than {MAX_BYTES:,}.")
    try:
        game = json.loads(data)
    except RecursionError:
        raise GameFileError(f"{name}: the JSON is nested too deeply for a game file.") from None
    except ValueError as error:
        raise GameFileError(
            f"{name}: damaged or truncated, no JSON ({error!s:.120}). Fetch the games again."
        ) from error
    if not isinstance(game, dict):
        raise GameFileError(f"{name}: holds a JSON {type(game).__name__}, not an object.")
    return game


def _text(game: Mapping[str, Any], key: str, name: str) -> str:
    value = game.get(key)
    if not isinstance(value, str):
        found = "is missing" if value is None else f"is a {type(value).__name__}, not a text"
        raise GameFileError(f"{name}: {key!r} {found}.")
    # Names and sentences reach the terminal: nothing that it would act on may be among them.
    if not value.translate(_BLANKS).isprintable():
        raise GameFileError(f"{name}: {key!r} holds characters that are not printable.")
    return value


@functools.lru_cache(maxsize=8)  # all games of a release carry the same text
def _known_domain(text: str) -> bool | None:
    tokens = " ".join(_TOKEN.findall(_COMMENT.sub("", text).lower()))
    return _DOMAINS.get(_rules_hash(tokens))


@functools.lru_cache(maxsize=8)
def _known_grammar(text: str) -> bool:
    return _rules_hash(text) in _GRAMMARS


def _check_domain(text: str, name: str) -> bool:
    sink_cleans = _known_domain(text)
    if sink_cleans is None:
        raise GameFileError(
            f"{name}: its PDDL domain is not ALFRED's as the native engine implements it. "
            'Play it with backend="reference".'
        )
    return sink_cleans


def _check_grammar(text: str, name: str) -> str:
    found = _SENTENCE.search(text)
    if found is None:
        raise GameFileError(f"{name}: its grammar holds no readable task sentence.")
    if not _known_grammar(text[: found.start(1)] + text[found.end(1) :]):
        raise GameFileError(
            f"{name}: its text grammar is not ALFWorld's as the native engine implements it. "
            'Play it with backend="reference".'
        )
    return found.group(1)


def _declared(text: str, name: str) -> dict[str, set[str]]:
    """The declared names of each type: ``(:objects a b - object c - location ...)``."""
    declared: dict[str, set[str]] = {}
    first, *rest = text.removeprefix("(:objects").strip().removesuffix(")").split(" - ")
    names = first.split()
    for chunk in rest:
        kind, *following = chunk.split() or [""]
        declared.setdefault(kind, set()).update(names)
        names = following
    if names or "(" in text[1:] or "" in declared:
        raise GameFileError(f"{name}: the objects of the problem cannot be read.")
    return declared


def _facts(
    text: str, declared: Mapping[str, set[str]], name: str
) -> dict[str, list[tuple[str, ...]]]:
    rest = _FACT.sub("", text).removeprefix("(:init").strip()
    if rest != ")":
        raise GameFileError(f"{name}: the initial state holds more than plain facts: {rest!r:.80}")
    facts: dict[str, list[tuple[str, ...]]] = {predicate: [] for predicate in _PREDICATES}
    for predicate, *arguments in _FACT.findall(text):
        if predicate not in facts:
            raise GameFileError(
                f"{name}: the initial state holds the fact {predicate!r:.80}, which official games "
                'never do. Play it with backend="reference".'
            )
        facts[predicate].append(tuple(filter(None, arguments)))
    for predicate, kinds in _PREDICATES.items():
        if any(len(fact) != len(kinds) for fact in facts[predicate]):
            raise GameFileError(f"{name}: {predicate} takes {len(kinds)} arguments.")
        for column, kind in enumerate(kinds):
            stray = {fact[column] for fact in facts[predicate]} - declared.get(kind, set())
            if stray:
                raise GameFileError(f"{name}: {min(stray)!r:.80} is not declared as a {kind}.")
    return facts
