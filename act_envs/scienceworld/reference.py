"""ScienceWorld through its own simulator, unchanged: correct before fast.

This module says what an action means (:class:`ReferenceSimulator`); the Java process is
:mod:`act_envs.scienceworld.java`'s and the names of tasks are the catalogue's. It takes the calls
that upstream's Python wrapper takes, in the same order, and differs from it on purpose in this:

- A question changes nothing. Upstream draws random numbers to name its valid actions, and its
  wrapper asks for them at every step; so there the world depends on whether it is asked.
- Time never ends an episode. Upstream counts moves; the limit here is ``TextEnv``'s.
- What upstream reports as a failed episode after an exception of its own is an error here.
"""

from __future__ import annotations

import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from act_envs.errors import SimulatorError, UnknownArgument, UnknownTask, nearest
from act_envs.scienceworld import catalogue, panels
from act_envs.scienceworld.java import Machine, simulator_folder
from act_envs.types import Outcome, Task

SIMPLIFICATIONS = (
    "teleportAction",
    "selfWateringFlowerPots",
    "openContainers",
    "openDoors",
    "noElectricalAction",
    "easy",
)
REFUSAL = "No known action matches that input."
QUESTION = "Ambiguous request:"
STOP_WORDS = frozenset(("a", "an", "the"))
COMMANDS = frozenset(("help", "objects", "task"))  # read before the parser, to the letter

_gold: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()
_GOLD_KEPT = 256


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to get to a state again, and how to know that one is there.

    Attributes:
        actions: what the simulator was given, in order.
        digest: the digest of the state.
    """

    actions: tuple[str, ...]
    digest: str


def check_simplifications(names: str | Sequence[str]) -> tuple[str, ...]:
    """The simplifications in upstream's order, each once.

    Args:
        names: upstream's names, as a sequence or separated by commas.

    Raises:
        UnknownArgument: there is no such simplification, or ``easy`` is not alone.
    """
    if isinstance(names, bytes) or not isinstance(names, Sequence):
        raise UnknownArgument(
            f"simplifications must be a string or a sequence of strings, not {names!r:.80}."
        )
    given = names.split(",") if isinstance(names, str) else names
    wanted = {str(name).strip() for name in given} - {""}
    for name in sorted(wanted):
        if name not in SIMPLIFICATIONS:
            raise UnknownArgument(
                f"unknown simplification {name!r}. {nearest(name, SIMPLIFICATIONS)}"
            )
    if "easy" in wanted and len(wanted) > 1:
        raise UnknownArgument(
            "the simplification 'easy' stands alone: upstream's simulator fails on 'easy' with "
            f"{', '.join(repr(name) for name in sorted(wanted - {'easy'}))}. Name what 'easy' "
            "stands for: 'teleportAction', 'openDoors', 'selfWateringFlowerPots', and, except in "
            "electrical tasks, 'noElectricalAction'."
        )
    return tuple(name for name in SIMPLIFICATIONS if name in wanted)


class ReferenceSimulator:
    """Implements :class:`act_envs.base.Simulator` on upstream's Java simulator.

    The Java process starts at the first ``start`` or ``restore``, and anew when it has died.

    Args:
        simplifications: upstream's names, see :func:`check_simplifications`.

    Raises:
        UnknownArgument: a simplification is unknown.
        MissingExtra: the ``scienceworld`` package is not installed.
    """

    splits: tuple[str, ...] = catalogue.SPLITS
    refusal: str = REFUSAL

    def __init__(self, simplifications: str | Sequence[str] = ()) -> None:
        self._simplifications = ",".join(check_simplifications(simplifications))
        simulator_folder()  # fail here, not at the first reset
        self.name = f"scienceworld/reference({self._simplifications})"
        self.panels = tuple(panels.panels())
        self._left_out: tuple[str, ...] = ()
        if "noElectricalAction" in self._simplifications:
            kinds = catalogue.kinds().values()
            self._left_out = tuple(kind.name for kind in kinds if kind.electrical)
        self._machine: Machine | None = None
        self._loaded: str | None = None  # task that the process loaded last
        self._actions: list[str] = []
        self._choices = 0  # answers that a pending question offers
        self._goal = ""
        self._known_digest = ""  # of this state, "" before anybody asked

    # -- tasks ---------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a split or panel, without those that a simplification makes unsolvable."""
        return panels.tasks(split, self._left_out)

    def task(self, task_id: str) -> Task:
        """The task of that name.

        Raises:
            UnknownTask: there is none, or a simplification makes it unsolvable.
        """
        task = catalogue.task(task_id)
        if task.kind in self._left_out:
            raise UnknownTask(
                f"task {task_id!r} needs the electrical actions that the simplification "
                "'noElectricalAction' removes. Leave the simplification out, or use 'easy', "
                "which keeps them in electrical tasks."
            )
        return task

    # -- an episode ----------------------------------------------------------------------------

    def start(self, task: Task) -> Outcome:
        """Load the task and look around, as upstream's ``reset`` does."""
        self._load(task)
        # The look is the beginning of every episode, not a part of anybody's history. In some
        # tasks the starting state already fulfils a small subgoal. Rewards are what actions earn
        # and sum to the score, so that subgoal is paid with the first action.
        return replace(self._step("look around"), score=0.0)

    def goal(self) -> str:
        """Upstream's task description, its runs of blanks made one."""
        return self._goal

    def act(self, action: str) -> Outcome:
        """Take one action. Blanks around it do not matter (upstream: not even around answers)."""
        action = action.strip()
        self._actions.append(action)  # first: an interrupt may come as soon as Java has answered
        return self._step(action)

    def canonical(self, action: str) -> str:
        """Lower case, single blanks, no articles: as upstream's parser reads it.

        Answers to a question and the commands that upstream reads before its parser (``help``,
        ``objects``, ``task``) keep their articles, which there make a difference.
        """
        words = action.lower().split()
        plain = " ".join(word for word in words if word not in STOP_WORDS)
        return " ".join(words) if plain in COMMANDS or _integer(plain) is not None else plain

    def admissible_actions(self) -> list[str]:
        """Upstream's valid actions, each once, in the order of their characters.

        While a question is pending these are the numbers that answer it.
        """
        packed = self._ask(lambda machine: machine.bridge.admissible(machine.server))
        actions = set(zlib.decompress(packed).decode().split("\n")) - {""}
        if self._choices:
            return sorted(actions, key=int)
        return sorted(actions)

    def expert_action(self) -> str | None:
        """The next action of upstream's gold path, as long as the episode has followed it."""
        path = self._gold_path()
        done = len(self._actions)
        if done >= len(path):
            return None
        followed = zip(self._actions, path, strict=False)
        if any(self.canonical(mine) != self.canonical(theirs) for mine, theirs in followed):
            return None
        return path[done]

    # -- states --------------------------------------------------------------------------------

    def snapshot(self) -> Recipe:
        """The actions that lead here; a replay of them is exact."""
        return Recipe(tuple(self._actions), self._digest())

    def restore(self, task: Task, state: object) -> None:
        """Replay what is missing, and make sure that it led to the same state.

        Raises:
            SimulatorError: it did not.
        """
        if not isinstance(state, Recipe):
            raise SimulatorError(
                f"a state of {self.name} is a Recipe, not {type(state).__name__}. "
                "Restore what snapshot() returned."
            )
        here = tuple(self._actions) if self._alive and self._loaded == task.task_id else None
        if here == state.actions:
            return
        if here is None or here != state.actions[: len(here)]:
            self.start(task)
            here = ()
        for action in state.actions[len(here) :]:
            self.act(action)
        if self._digest() != state.digest:
            self._fail(
                f"a replay of {len(state.actions)} actions of {task.task_id!r} led to another "
                "state than before. Was the snapshot taken with another version of scienceworld?"
            )

    def twin(self) -> ReferenceSimulator:
        """A new simulator, which starts a Java process of its own."""
        return type(self)(self._simplifications)

    def fingerprint(self) -> bytes:
        """Digest of the simulator's object graph; what is left out is in ``StateDigest.java``."""
        return bytes.fromhex(self._digest())

    def close(self) -> None:
        """End the Java process. May be called twice."""
        if self._machine is not None:
            self._machine.close()
        self._machine = None
        self._loaded = None

    # -- inside --------------------------------------------------------------------------------

    @property
    def _alive(self) -> bool:
        return self._machine is not None and self._machine.alive

    def _load(self, task: Task) -> None:
        kind, variation = catalogue.parse(self.task(task.task_id).task_id)
        if not self._alive:
            self.close()
            self._machine = Machine()
        before, self._loaded = self._loaded, None
        # Upstream builds the flower pots with the simplifications of the load before, and so
        # loads everything twice itself. Without simplifications there is nothing to leave behind.
        for _ in range(2 if self._simplifications and before != task.task_id else 1):
            self._ask(
                lambda machine: machine.server.load(
                    kind.name, variation, self._simplifications, False
                )
            )
        self._goal = " ".join(
            str(self._ask(lambda machine: machine.server.getTaskDescription())).split()
        )
        self._loaded = task.task_id
        self._actions = []
        self._choices = 0

    def _step(self, action: str) -> Outcome:
        self._known_digest = ""

        def take(machine: Machine) -> tuple[str, float, bool, str]:
            server = machine.server
            text = server.step(action)
            return text, server.getScore(), server.getCompleted(), machine.bridge.trouble(server)

        text, progress, completed, trouble = self._ask(take)
        if trouble:
            self._fail(f"ScienceWorld failed on {action!r} in {self._loaded!r}: {trouble}.")
        valid = self._is_valid(action, text)
        self._choices = self._count_choices(action, text)
        raw = round(100 * progress)
        won = completed and raw == 100
        # A task of many subgoals could round up to 100 before its last one.
        score = 1.0 if won else min(max(raw, 0), 99) / 100
        return Outcome(
            observation=text,
            raw_score=raw,
            score=score,
            won=won,
            failed=not won and (completed or raw < 0),
            action_valid=valid,
        )

    def _is_valid(self, action: str, text: str) -> bool:
        """Whether the parser knew the text: as an action, as a command, or as an answer."""
        if action.lower() in COMMANDS:
            return True
        if self._choices:
            answer = _integer(action)
            return answer is not None and 0 <= answer < self._choices
        return text != REFUSAL

    def _count_choices(self, action: str, text: str) -> int:
        """How many answers are offered after a step: a command leaves a question open."""
        if self._choices and action.lower() in COMMANDS:
            return self._choices
        if self._choices or not text.startswith(QUESTION):
            return 0
        return self._ask(
            lambda machine: (
                machine.server.agentInterface().get().inputParser().getNumAmbiguousMatches()
            )
        )

    def _digest(self) -> str:
        if not self._known_digest:
            self._known_digest = self._ask(lambda machine: machine.bridge.digest(machine.server))
        return self._known_digest

    def _gold_path(self) -> tuple[str, ...]:
        """The expert's path of the current task, found once per process and configuration."""
        assert self._loaded is not None
        key = (self._loaded, self._simplifications)
        if key not in _gold:
            kind, variation = catalogue.parse(self._loaded)
            text = self._ask(
                lambda machine: machine.bridge.gold(kind.name, variation, self._simplifications)
            )
            _gold[key] = tuple(text.split("\n")) if text else ()
            if len(_gold) > _GOLD_KEPT:
                _gold.popitem(last=False)
        _gold.move_to_end(key)
        return _gold[key]

    def _ask(self, call: Callable[[Machine], Any]) -> Any:
        """Call into Java; whatever goes wrong there ends the process and is one kind of error."""
        from py4j.protocol import Py4JError, Py4JJavaError

        machine = self._machine
        if machine is None or not machine.alive:
            self._fail("the Java process of ScienceWorld has died.")
        try:
            return call(machine)
        except (Py4JError, OSError) as error:
            state = "failed" if isinstance(error, Py4JJavaError) else "died or stopped answering"
            first = " ".join(str(error).split("\n\tat ")[0].split())
            self._fail(f"the Java process of ScienceWorld {state} ({first}).", error)
        except BaseException:
            # An interrupt: nobody knows how far Java has got, so nothing may rest on it.
            self.close()
            raise

    def _fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        self.close()
        raise SimulatorError(
            f"{what} Call reset() or restore(): either starts a new process."
        ) from cause


def _integer(text: str) -> int | None:
    """The number that Java's Integer.parseInt reads, or None."""
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text) else None
