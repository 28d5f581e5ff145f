"""ScienceWorld at the cost of the simulator itself, with saved states.

What a line of text means (:mod:`act_envs.scienceworld.rules`), what is said to Java
(:mod:`act_envs.scienceworld.wire`) and how (:mod:`act_envs.scienceworld.machine`) is written
elsewhere; here is what an episode is: a task and the actions since, of which everything else
follows. It differs from upstream's Python package on purpose in this:

- A question changes nothing. Upstream draws random numbers to name its valid actions, and its
  wrapper asks for them at every step; so there the world depends on whether it is asked.
- Time never ends an episode. Upstream counts moves; the limit here is ``TextEnv``'s.
- What upstream reports as a failed episode after an exception of its own is an error here.
"""

from __future__ import annotations

import hashlib
import logging
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from act_envs.errors import SimulatorError
from act_envs.scienceworld import catalogue, machine, panels, rules, wire
from act_envs.scienceworld.jre import simulator_folder
from act_envs.types import Outcome, Task

logger = logging.getLogger(__name__)

EXPERT_TIMEOUT = 900.0  # seconds; the longest search takes 30 of CPU
_EXPERT_HEAP = "-Xmx1g"  # for a search that does not fit into the usual one
_gold: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()
_GOLD_KEPT = 256
_warned = False  # that states cannot be copied: once is enough


@dataclass(frozen=True, slots=True)
class Path:
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
    """Implements :class:`act_envs.base.Simulator` on upstream's simulator in a Java process.

    The process starts at the first ``start`` or ``restore``. It is shared with all simulators of
    this process that have the same ``java_options``; each has a world of its own in it. When it
    dies, every simulator gets back to its state by itself: in a new process, by replay.

    Args:
        simplifications: upstream's names, see :func:`rules.check_simplifications`.
        java_options: further options of Java, such as ``-Xmx512m``; they win over ours.
        own_process: share the process with nobody.

    Raises:
        UnknownArgument: a simplification is unknown.
        MissingExtra: the ``scienceworld`` package is not installed.
    """

    splits: tuple[str, ...] = catalogue.SPLITS
    refusal: str = rules.REFUSAL

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
        self._task: Task | None = None  # what is played; None when nobody knows the state
        self._goal = ""
        self._actions: list[str] = []
        self._key = self._told = b""
        self._question: tuple[str, ...] = ()
        self._fingerprint = b""  # of this state, b"" before anybody asked

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
        # In some tasks the starting state already fulfils a small subgoal. Rewards are what
        # actions earn and sum to the score, so that subgoal is paid with the first action.
        return replace(self._begin(task), score=0.0)

    def goal(self) -> str:
        """Upstream's task description, its runs of blanks made one."""
        return self._goal

    def act(self, action: str) -> Outcome:
        """Take one action. Blanks around it do not matter (upstream: not even around answers)."""
        action = action.strip()
        answer = self._ask(lambda: wire.step(self._episode, action))
        return self._took(action, answer)

    def canonical(self, action: str) -> str:
        """The action as upstream's parser reads it, see :func:`rules.canonical`."""
        return rules.canonical(action)

    def admissible_actions(self) -> list[str]:
        """Upstream's valid actions, each once, in the order of their characters.

        While a question is pending these are the numbers that answer it.
        """
        if self._question:
            return [str(number) for number in range(len(self._question))]
        answer = self._ask(lambda: wire.admissible(self._episode))
        return sorted(set(answer.text().split("\n")) - {""})

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

    def snapshot(self) -> Path:
        """The way to this state, which is also saved in the Java process as it is."""
        key = self._key
        self._ask(lambda: wire.save(self._episode, key))
        return Path(tuple(self._actions), key, self._told, self._question)

    def restore(self, task: Task, state: object) -> None:
        """Go back to a saved state; where it was not kept, go the way again and compare.

        Raises:
            SimulatorError: the way leads to another state than before.
        """
        if not isinstance(state, Path):
            raise SimulatorError(
                f"a state of {self.name} is a Path, not {type(state).__name__}. "
                "Restore what snapshot() returned."
            )
        if self._task is None or self._task.task_id != task.task_id:
            self._begin(task)  # for the goal; from a saved state, if there is one
        if self._ask(lambda: wire.restore(self._episode, state.key)).flag():
            self._actions = list(state.actions)
            self._key, self._told, self._question = state.key, state.told, state.question
            self._fingerprint = b""
        else:
            self._begin(task)
            self._walk(state.actions, state.told)

    def twin(self) -> NativeSimulator:
        """A new simulator, in the same process unless it wants its own."""
        return type(self)(
            self._simplifications, java_options=self._java_options, own_process=self._own_process
        )

    def fingerprint(self) -> bytes:
        """Digest of the simulator's object graph; what is left out is in ``StateDigest.java``."""
        if not self._fingerprint:
            self._fingerprint = self._ask(lambda: wire.digest(self._episode)).digest()
        return self._fingerprint

    def close(self) -> None:
        """Leave the Java process, which ends with its last user. May be called twice."""
        self._machine, self._task = None, None
        self._leave()

    # -- inside --------------------------------------------------------------------------------

    def _begin(self, task: Task) -> Outcome:
        """Make the world of a task and forget the one before."""
        global _warned
        self._task = None
        kind, variation = catalogue.parse(task.task_id)
        key = _digest(self._simplifications.encode(), task.task_id.encode())
        answer = self._ask(
            lambda: wire.start(self._episode, key, kind.name, variation, self._simplifications)
        )
        self._goal = " ".join(answer.text().split())
        self._actions, self._key, self._told, self._question = [], key, b"", ()
        outcome = self._hear("look around", answer.told())
        if not answer.flag() and not _warned:
            _warned = True
            logger.warning(
                "This Java cannot copy the states of ScienceWorld: snapshots are restored by "
                "replay, which is exact but takes milliseconds for each action."
            )
        self._task = task
        return outcome

    def _took(self, action: str, answer: wire.Reader) -> Outcome:
        """Note an action and what came of it."""
        self._actions.append(action)
        self._key = _digest(self._key, action.encode())
        return self._hear(action, answer.told())

    def _hear(self, action: str, told: wire.Told) -> Outcome:
        valid = rules.is_valid(action, told.text, self._question)
        self._question = rules.question_after(action, told.text, self._question)
        self._told = _digest(self._told, repr(told).encode())
        self._fingerprint = b""
        if len(self._question) != told.choices:
            self._fail(f"ScienceWorld offers {told.choices} answers in {told.text!r}.")
        extra = {
            "look": told.look,
            "inventory": told.inventory,
            "question": self._question,
            "moves": told.moves,
        }
        return rules.outcome(told.text, told.progress, told.completed, valid, extra)

    def _walk(self, actions: Sequence[str], told: bytes) -> None:
        """Take the actions of a known way from its start, all in one request."""
        task = self._task
        assert task is not None
        if actions:
            answer = self._ask(lambda: b"".join(wire.step(self._episode, a) for a in actions))
            self._took(actions[0], answer)
            for action in actions[1:]:
                self._check(answer)
                self._took(action, answer)
        if self._told != told:
            self._fail(
                f"a replay of {len(actions)} actions of {task.task_id!r} led to another state "
                "than before. Was the snapshot taken with another version of scienceworld?"
            )

    def _gold_path(self) -> tuple[str, ...]:
        """The expert's path of the current task, found once per process and configuration."""
        assert self._task is not None
        key = (self._task.task_id, self._simplifications)
        if key not in _gold:
            _gold[key] = self._search(self._task)
            if len(_gold) > _GOLD_KEPT:
                _gold.popitem(last=False)
        _gold.move_to_end(key)
        return _gold[key]

    def _search(self, task: Task) -> tuple[str, ...]:
        kind, variation = catalogue.parse(task.task_id)
        request = wire.expert(kind.name, variation, self._simplifications)
        try:
            answer = wire.Reader(self._ready().ask(request, EXPERT_TIMEOUT))
        except machine.MachineDied as error:
            logger.info("%s Searching again with %s.", error, _EXPERT_HEAP)
            larger = machine.Machine((*self._java_options, _EXPERT_HEAP))
            try:
                answer = wire.Reader(larger.ask(request, EXPERT_TIMEOUT))
            finally:
                larger.close()
        self._check(answer)
        path = answer.text()
        return tuple(path.split("\n")) if path else ()

    def _ask(self, request: Callable[[], bytes]) -> wire.Reader:
        """Ask the process. When it has died, go to this state in another one and ask again."""
        try:
            answer = self._ready().ask(request())
        except machine.MachineDied as error:
            logger.warning("%s Going on in another one.", error)
            try:
                answer = self._ready().ask(request())
            except machine.MachineDied as again:
                self._fail(f"twice in a row, {again}", again)
        reader = wire.Reader(answer)
        self._check(reader)
        return reader

    def _check(self, answer: wire.Reader) -> None:
        """Begin to read what the next operation gave."""
        try:
            answer.check()
        except wire.OperationFailed as error:
            where = f" in {self._task.task_id!r}" if self._task else ""
            self._fail(f"ScienceWorld failed{where}: {error}.", error)

    def _ready(self) -> machine.Machine:
        """The process, a new one when there is none; with this episode in it, if there is one."""
        if self._machine is None or not self._machine.alive:
            self._leave()
            self._machine = machine.lease(self._java_options, own=self._own_process)
            self._episode = next(self._machine.numbers)
            self._leave = weakref.finalize(self, _leave, self._machine, self._episode)
            if self._task is not None:
                actions, told = tuple(self._actions), self._told
                self._begin(self._task)
                self._walk(actions, told)
        return self._machine

    def _fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        self._task = None
        raise SimulatorError(f"{what} Call reset() or restore() to go on.") from cause


def _leave(shared: machine.Machine, episode: int) -> None:
    shared.before_next(wire.end(episode))  # now could be in the middle of a request
    machine.release(shared)


def _digest(*parts: bytes) -> bytes:
    """16 bytes that name a sequence of byte strings."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
