"""One ALFWorld game as upstream plays it: its planner's successor generator, grammar and names.

Nothing of upstream is rewritten here; its modules are imported when the first game starts. A new
game costs seconds and a step tens of milliseconds.

What upstream leaves behind: every ``PddlEnv`` loads its own copy of Fast Downward (34 MB), and a
copy that is unloaded crashes the interpreter at its exit, because the exit handlers that it
registered are gone. So no copy is unloaded; a closed game hands its copy to the next one, and a
process holds as many as it ever had games open at a time.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any

from act_envs.alfworld.engine import DIALECTS
from act_envs.errors import MissingExtra, SimulatorError, UnknownArgument, nearest

INSTALL = 'pip install "agentic-critical-training[reference]"'
# Facts that change and are read: by a precondition, a goal or the grammar. Upstream also keeps
# `checked`, which nothing reads, and the negation of everything it ever took back.
TELLING = frozenset(
    (
        "atlocation",
        "holds",
        "holdsany",
        "inreceptacle",
        "iscool",
        "isclean",
        "ishot",
        "issliced",
        "istoggled",
        "not_inreceptacle",  # `look` lists what lies about by it
        "objectatlocation",
        "opened",
    )
)

_RENAMED = (
    ("You arrive at {r.name}.", "You arrive at {lend.name}."),
    ("You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}."),
    ('"move {o} to {r}"', '"put {o} in/on {r}"'),
)
# Only the end of the block stands in column 0.
_HELP = re.compile(r"\naction help \{\n.*?\n\}\n", re.DOTALL)
_HELP_ACTION = re.compile(r"\n\(:action help\n.*?\n\)\n", re.DOTALL)
_SENTENCE = re.compile(r'(?<="Your task is to: )[^"]*(?=")')

_idle: list[Any] = []  # environments of upstream whose game was closed


def in_dialect(raw: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """The game with the dialect's domain and grammar, its problem untouched.

    Between 0.3.5 and 0.4.0 (pull request 94) upstream changed four things: "You arrive at loc 5."
    became the receptacle's name, "put X in/on Y" became "move X to Y", in the command and in its
    answer, and ``help`` was added. For ``"classic"`` they are undone: from the domain and the
    grammar of the 0.4.2 wheel this makes exactly those of the 0.3.5 wheel, blank lines aside. A
    game that was released in the classic dialect gets the installed package's rules for
    ``"modern"``.

    Args:
        raw: the contents of a ``game.tw-pddl`` of either dialect.
        dialect: ``"modern"`` or ``"classic"``.

    Raises:
        SimulatorError: the game is of neither dialect.
    """
    grammar, domain = str(raw["grammar"]), str(raw["pddl_domain"])
    if (_HELP.search(grammar) is None) == (dialect == "classic"):
        return dict(raw)
    if dialect == "modern":
        return {**raw, **_installed_rules(_sentence(grammar))}
    for modern_text, classic_text in _RENAMED:
        if modern_text not in grammar:
            raise SimulatorError(f"not a grammar of ALFWorld: it has no {modern_text!r}.")
        grammar = grammar.replace(modern_text, classic_text)
    return {
        **raw,
        "grammar": _HELP.sub("", grammar),
        "pddl_domain": _HELP_ACTION.sub("\n", domain),
    }


class Stock:
    """One ALFWorld game played by upstream's own code.

    Args:
        raw: the contents of a ``game.tw-pddl``, as its JSON is read.
        dialect: ``"modern"`` or ``"classic"``, see :func:`in_dialect`.

    Attributes:
        intro: the first text.
        admissible: upstream's admissible commands, sorted.
        won: whether the goal holds now; upstream goes on playing after it.
        score: upstream's, 0 or 1.
        valid: whether upstream knew the last command as one of its own.

    Raises:
        MissingExtra: textworld or alfworld is not installed.
        SimulatorError: upstream cannot run on this Python.
        UnknownArgument: there is no such dialect.
    """

    def __init__(self, raw: Mapping[str, Any], dialect: str = "modern") -> None:
        check_dialect(dialect)
        self._env: Any = _environment()
        with _kept_arguments():
            self._env.load(in_dialect(raw, dialect))
            state = self._env.reset()
        self.intro: str = state["feedback"]
        self._read(state)

    def step(self, command: str) -> str:
        """Take one command, blanks around it aside; upstream's answer."""
        state, _, _ = self._env.step(command)
        self._read(state)
        return state["feedback"]

    def facts(self) -> list[str]:
        """What is true now and can still matter, by upstream's own names, sorted."""
        return sorted(str(fact) for fact in self._facts if fact.name in TELLING)

    def close(self) -> None:
        """Leave upstream's environment to the next game. May be called twice."""
        env, self._env = self._env, None
        if env is not None:
            _idle.append(env)

    def _read(self, state: Any) -> None:
        self.admissible: list[str] = state["admissible_commands"]
        self.won: bool = state["won"]
        self.score: int = state.get("score") or 0  # a game that has just begun has none
        self.valid: bool = state["_last_action"] is not None
        self._facts = state["_facts"]


def check_dialect(dialect: str) -> None:
    """Refuse a dialect that nobody speaks.

    Raises:
        UnknownArgument: it is neither ``"modern"`` nor ``"classic"``.
    """
    if dialect not in DIALECTS:
        raise UnknownArgument(f"unknown dialect {dialect!r}. {nearest(dialect, DIALECTS)}")


def check_upstream() -> None:
    """Refuse to start where upstream cannot run.

    Raises:
        MissingExtra: textworld or alfworld is not installed.
        SimulatorError: this Python is newer than upstream can bear.
    """
    for package in ("textworld", "alfworld"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"the original simulator needs {package!r}. Run: {INSTALL}")
    if sys.version_info >= (3, 13):
        # EvalSymbol.derive writes into locals(), which PEP 667 made a copy.
        raise SimulatorError(
            f"textworld cannot play ALFWorld on Python {sys.version.split()[0]}: its grammar ends "
            "in a NameError. Use Python 3.11 or 3.12, or this project's own engine."
        )


def _environment() -> Any:
    """An environment of upstream without a game: an idle one, or a new one."""
    check_upstream()
    if _idle:
        return _idle.pop()
    data = os.environ.get("ALFWORLD_DATA")
    import textworld
    from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
    from textworld.envs.pddl.pddl import PddlEnv

    if data is None:  # alfworld sets it at import, and our own games would be looked for there
        os.environ.pop("ALFWORLD_DATA", None)
    return AlfredDemangler(PddlEnv(textworld.EnvInfos(won=True, admissible_commands=True)))


@contextmanager
def _kept_arguments() -> Iterator[None]:
    """Put ``sys.argv`` back: the translator of Fast Downward overwrites it."""
    before = sys.argv
    try:
        yield
    finally:
        sys.argv = before


def _sentence(grammar: str) -> str:
    """The task sentence that a grammar holds, full stop included."""
    found = _SENTENCE.search(grammar)
    if found is None:
        raise SimulatorError("not a grammar of ALFWorld: it states no task.")
    return found[0]


def _installed_rules(sentence: str) -> dict[str, str]:
    """Domain and grammar of the installed alfworld, with a task sentence put in."""
    folder = resources.files("alfworld") / "data"
    grammar = (folder / "alfred.twl2").read_text(encoding="utf-8")
    return {
        "pddl_domain": (folder / "alfred.pddl").read_text(encoding="utf-8"),
        "grammar": _SENTENCE.sub(lambda _: sentence, grammar),
    }
