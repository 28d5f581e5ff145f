"""ScienceWorld at the cost of the simulator itself, with saved states.

What a line of text means (:mod:`act_envs.scienceworld.rules`), what is said to Java
(:mod:`act_envs.scienceworld.wire`) and how (:mod:`act_envs.scienceworld.machine`) is written
elsewhere; here is what an episode is: a task and the actions since, of which everything else
follows. Upstream's simulator runs from its own jar, with two parts of ours in place of its own:
random numbers whose state can be read (``Dice.java``) and a parser that does nothing twice
(``Parser.java``). It differs from upstream's Python package on purpose in this:

- A question changes nothing. Upstream draws random numbers to name its valid actions, and its
  wrapper asks for them at every step; so there the world depends on whether it is asked.
- Time never ends an episode. Upstream counts moves; the limit here is ``TextEnv``'s.
- What upstream reports as a failed episode after an exception of its own is an error here.
"""

from __future__ import annotations

import hashlib
import logging
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from typing import NoReturn, TypeVar

from act_envs.errors import SimulatorError, SnapshotMismatch
from act_envs.protocol import one_by_one
from act_envs.scienceworld import catalogue, gold, machine, panels, rules, wire
from act_envs.scienceworld.jre import simulator_folder
from act_envs.types import Expert, Outcome, Task

logger = logging.getLogger(__name__)
T = TypeVar("T")

_AT_ONCE = 200  # actions in one request
_gold = gold.GoldPaths()
_warned = False  # that states cannot be copied: once is enough


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to get to a state again, and how to know that one is there.

    Attributes:
        actions: what the simulator was given since the start, in order.
        key: digest of the configuration, the task and the actions. States are saved under it.
        told: digest of everything that the simulator has said on the way.
        question: the choices that it has asked to choose from.
    """

    actions: tuple[str, ...]
    key: bytes
    told: bytes
    question: tuple[str, ...]


class NativeSimulator:
    """Implements :class:`act_envs.protocol.Simulator` on upstream's simulator in a Java process.

    The process starts at the first ``start`` or ``restore``. It is shared with all simulators of
    this process that have the same ``java_options``; each has a world of its own in it. When it
    dies, every simulator gets back to its state by itself: in a new process, by replay.

    Args:
        simplifications: upstream's names, see :func:`rules.check_simplifications`.
        java_options: further options of Java, such as ``-Xmx512m``; they come after ours, so of two
            that set the same thing theirs counts. Only the hash codes are not theirs to choose.
        own_process: share the process with nobody.

    Raises:
        UnknownArgument: a simplification is unknown.
        MissingExtra: the ``scienceworld`` package is not installed.
    """

    splits: tuple[str, ...] = catalogue.SPLITS
    experts = (Expert("gold", "all"),)
    refusal: str | None = rules.REFUSAL

    def __init__(
        self,
        simplifications: str | Sequence[str] = (),
        *,
        java_options: Sequence[str] = (),
        own_process: bool = False,
    ) -> None:
        self._simplifications = rules.check_simplifications(simplifications)
        simulator_folder()  # fail here, not at the first reset
        self.name = f"scienceworld({self._simplifications})"
        self.panels = tuple(panels.panels())
        self._left_out = rules.unsolvable(self._simplifications)
        self._java_options, self._own_process = tuple(java_options), own_process
        self._machine: machine.Machine | None = None
        self._episode = 0  # its number there
        self._leave: Callable[[], object] = lambda: None
        # What is played, and how one gets there. The world in the process is no more than a copy
        # of that: where it is known to be, or None while it moves. So nothing that interrupts
        # (Ctrl-C, a death, a timeout) can leave a world that is taken for another.
        self._playing: tuple[Task, Recipe] | None = None
        self._at: Recipe | None = None
        self._goal = ""
        self._fingerprint: tuple[Recipe | None, bytes] = None, b""

    # -- tasks ---------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a split or panel, without those that a simplification makes unsolvable."""
        return panels.tasks(split, self._left_out)

    def task(self, task_id: str) -> Task:
        """The task of that name.

        Raises:
            UnknownTask: there is none, or a simplification makes it unsolvable.
        """
        return rules.task(task_id, self._left_out)

    # -- an episode ----------------------------------------------------------------------------

    def start(self, task: Task) -> Outcome:
        """Load the task and look around, as upstream's ``reset`` does."""
        task = self.task(task.task_id)
        self._playing = None
        outcome, here = self._twice(lambda: self._load(self._process(), task))
        self._playing, self._at = (task, here), here
        # In some tasks the starting state already fulfils a small subgoal. Rewards are what
        # actions earn and sum to the score, so that subgoal is paid with the first action.
        return outcome._replace(score=0.0)

    def goal(self) -> str:
        """Upstream's task description, its runs of blanks made one."""
        return self._goal

    def act(self, action: str) -> Outcome:
        """Take one action. Blanks around it do not matter (upstream: not even around answers)."""
        action = action.strip()
        task, here = self._known()
        answer = self._ask(lambda: wire.step(self._episode, action), moves=True)
        outcome, there = self._hear(here, action, answer.told())
        self._playing, self._at = (task, there), there
        return outcome

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        """What actions would give, each taken in a copy of the world."""
        here, given = self._known()[1], []
        for begin in range(0, len(actions), _AT_ONCE):
            lines = [action.strip() for action in actions[begin : begin + _AT_ONCE]]
            answer = self._ask(partial(wire.tries, self._episode, lines))
            for number, line in enumerate(lines):
                if number:
                    self._check(answer)
                if not answer.flag():  # worlds cannot be copied
                    return one_by_one(self, task, actions)
                outcome, _ = self._hear(here, line, answer.told())
                given.append((outcome, answer.digest()))
        return given

    def canonical(self, action: str) -> str:
        """The action as upstream's parser reads it, see :func:`rules.canonical`."""
        return rules.canonical(action)

    def admissible_actions(self) -> list[str]:
        """Upstream's valid actions, each once, in the order of their characters.

        While a question is pending these are the numbers that answer it.
        """
        if question := self._known()[1].question:
            return [str(number) for number in range(len(question))]
        answer = self._ask(lambda: wire.admissible(self._episode))
        return sorted(set(answer.text().split("\n")) - {""})

    def expert_action(self, expert: str) -> str | None:
        """The next action of upstream's gold path, as long as the episode has followed it."""
        task, here = self._known()
        path, done = self._gold_path(task), len(here.actions)
        mine, theirs = ([*map(self.canonical, way)] for way in (here.actions, path[:done]))
        return path[done] if done < len(path) and mine == theirs else None

    def cost_to_go(self) -> float | None:
        """Nobody can tell."""
        return None

    def sample_world(self, seed: int) -> object | None:
        """Nobody can tell."""
        return None

    # -- states --------------------------------------------------------------------------------

    def snapshot(self) -> Recipe:
        """The way to this state, which is also saved in the Java process as it is."""
        here = self._known()[1]
        self._ask(lambda: wire.save(self._episode, here.key))
        return here

    def restore(self, task: Task, state: object) -> None:
        """Go back to a saved state; where it was not kept, go the way again and compare.

        Raises:
            SimulatorError: the way leads to another state than before.
            SnapshotMismatch: it is no state of this simulator.
        """
        if not isinstance(state, Recipe):
            raise SnapshotMismatch(
                f"a state of {self.name} is a Recipe, not {type(state).__name__}. "
                "Restore what snapshot() returned."
            )
        self._playing = None
        answer = self._ask(lambda: wire.restore(self._episode, state.key), moves=True)
        if answer.flag():
            self._goal = _plain(answer.text())
            self._at = state
        self._playing = task, state
        self._twice(self._ready)

    def twin(self) -> NativeSimulator:
        """A new simulator, in the same process unless it wants its own."""
        return type(self)(
            self._simplifications, java_options=self._java_options, own_process=self._own_process
        )

    def fingerprint(self) -> bytes:
        """Digest of the simulator's object graph; what is left out is in ``StateDigest.java``."""
        here = self._known()[1]
        if self._fingerprint[0] is not here:
            answer = self._ask(lambda: wire.digest(self._episode))
            self._fingerprint = here, answer.digest()
        return self._fingerprint[1]

    def close(self) -> None:
        """Leave the Java process, which ends with its last user. May be called twice."""
        self._machine = self._playing = self._at = None
        self._leave()

    # -- inside: what is said ------------------------------------------------------------------

    def _known(self) -> tuple[Task, Recipe]:
        if self._playing is None:
            raise SimulatorError(
                "no episode of ScienceWorld is running. Call reset() or restore()."
            )
        return self._playing

    def _hear(self, here: Recipe, action: str, told: wire.Told) -> tuple[Outcome, Recipe]:
        """What an action gave, and the state that it led to."""
        question = rules.question_after(action, told.text, here.question)
        if len(question) != told.choices:
            self._fail(f"ScienceWorld offers {told.choices} answers in {told.text!r}.")
        extra = {"look": told.look, "inventory": told.inventory, "moves": told.moves}
        outcome = rules.outcome(
            told.text,
            told.progress,
            told.completed,
            rules.is_valid(action, told.text, here.question),
            {**extra, "question": question},
        )
        return outcome, Recipe(
            actions=(*here.actions, action),
            key=_digest(here.key, action.encode()),
            told=_digest(here.told, repr(told).encode()),
            question=question,
        )

    def _load(self, shared: machine.Machine, task: Task) -> tuple[Outcome, Recipe]:
        """Make the world of a task and forget the one before."""
        global _warned
        kind, variation = catalogue.parse(task.task_id)
        parts = (_upstream(), self._simplifications, task.task_id)
        key = _digest(*(part.encode() for part in parts))
        self._at = None
        answer = self._send(
            shared, wire.start(self._episode, key, kind.name, variation, self._simplifications)
        )
        self._goal = _plain(answer.text())
        outcome, here = self._hear(Recipe((), b"", b"", ()), "look around", answer.told())
        if not answer.flag() and not _warned:
            _warned = True
            logger.warning(
                "This Java cannot copy the states of ScienceWorld: snapshots are restored by "
                "replay, which is exact but takes milliseconds for each action."
            )
        return outcome, replace(here, actions=(), key=key)

    def _walk(self, shared: machine.Machine, task: Task, to: Recipe) -> None:
        """Bring the world to a state by the actions that lead there, and compare what is said."""
        _, here = self._load(shared, task)
        for begin in range(0, len(to.actions), _AT_ONCE):
            actions = to.actions[begin : begin + _AT_ONCE]
            request = b"".join(wire.step(self._episode, action) for action in actions)
            answer = self._send(shared, request)
            for number, action in enumerate(actions):
                if number:
                    self._check(answer)
                _, here = self._hear(here, action, answer.told())
        if here.told != to.told:
            self._fail(
                f"a replay of {len(to.actions)} actions of {task.task_id!r} led to another state "
                "than before. Was the snapshot taken with another version of scienceworld?"
            )
        self._at = to

    def _gold_path(self, task: Task) -> tuple[str, ...]:
        """The expert's path of a task, found once per process and configuration."""
        kind, variation = catalogue.parse(task.task_id)
        request = wire.expert(kind.name, variation, self._simplifications)
        return _gold.find(
            task.task_id,
            self._simplifications,
            lambda: gold.search(self._process(), request, self._java_options),
        )

    # -- inside: the process -------------------------------------------------------------------

    def _ask(self, request: Callable[[], bytes], *, moves: bool = False) -> wire.Reader:
        """Ask about the world where it is played, or move it; see ``_twice``."""

        def ask() -> wire.Reader:
            shared = self._ready()
            if moves:
                self._at = None
            return self._send(shared, request())

        return self._twice(ask)

    def _twice(self, work: Callable[[], T]) -> T:
        """Do something in the process; when it dies, once more in another one."""
        try:
            return work()
        except machine.MachineDied as error:
            logger.warning("%s Going on in another one.", error)
        try:
            return work()
        except machine.MachineDied as error:
            memory = "OutOfMemoryError" in str(error)
            remedy = " Give it more memory: java_options='-Xmx512m'." if memory else ""
            self._fail(f"Twice in a row {error}{remedy}", error)

    def _ready(self) -> machine.Machine:
        """The process, with the world in it where it is played."""
        shared = self._process()
        if self._playing is not None and self._at is not self._playing[1]:
            self._walk(shared, *self._playing)
        return shared

    def _process(self) -> machine.Machine:
        """The process, a new one when there is none that runs."""
        if self._machine is None or not self._machine.alive:
            self._machine = self._at = None
            self._leave()
            shared = machine.lease(self._java_options, own=self._own_process)
            self._episode = next(shared.numbers)
            self._leave = weakref.finalize(self, _leave, shared, self._episode)
            self._machine = shared  # last, for interrupts
        return self._machine

    def _send(self, shared: machine.Machine, request: bytes) -> wire.Reader:
        answer = wire.Reader(shared.ask(request))
        self._check(answer)
        return answer

    def _check(self, answer: wire.Reader) -> None:
        """Begin to read what the next operation gave."""
        try:
            answer.check()
        except wire.OperationFailed as error:
            where = f" in {self._playing[0].task_id!r}" if self._playing else ""
            self._fail(f"ScienceWorld failed{where}: {error}.", error)

    def _fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        self._playing = self._at = None
        raise SimulatorError(f"{what} Call reset() or restore() to go on.") from cause


def _leave(shared: machine.Machine, episode: int) -> None:
    shared.before_next(wire.end(episode))  # now could be in the middle of a request
    machine.release(shared)


@cache
def _upstream() -> str:
    return version("scienceworld")


def _digest(*parts: bytes) -> bytes:
    """16 bytes that name a sequence of byte strings."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _plain(text: str) -> str:
    return " ".join(text.split())
