"""The original behind our contract: upstream's Python package, unchanged.

What the native simulator is measured against; nobody needs it to play. Each step costs what it
costs upstream, where it lists the valid actions. That draws random numbers of the episode, so here
also an action that does nothing moves the state. One Java process for each simulator, launched
by upstream with one difference: it starts with the options that make upstream repeatable.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from act_envs.errors import SimulatorError, SnapshotMismatch
from act_envs.protocol import one_by_one
from act_envs.scienceworld import catalogue, panels, rules
from act_envs.scienceworld.gold import GoldPaths
from act_envs.scienceworld.jre import HELPER_JAR, find_java, simulator_folder, simulator_jar
from act_envs.types import Expert, Outcome, Task

OPTIONS = (
    "-XX:+UseSerialGC -Xmx512m -Duser.language=en -Duser.country=US "
    # Sets are ordered by identity hash, which by default is a random number.
    "-XX:+UnlockExperimentalVMOptions -XX:hashCode=2"
)
NO_LIMIT = 10**6  # upstream ends an episode after so many of its moves
_gold = GoldPaths()
_launching = threading.Lock()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to get to a state again, and how to know that one is there.

    Attributes:
        actions: what upstream was given since the start, in order.
        told: digest of everything that upstream has said on the way.
    """

    actions: tuple[str, ...]
    told: bytes


class ReferenceSimulator:
    """Implements :class:`act_envs.protocol.Simulator` on ``scienceworld.ScienceWorldEnv``.

    Its Java process starts at the first ``start`` or ``restore``, and anew after any failure.

    Args:
        simplifications: upstream's names, see :func:`rules.check_simplifications`.

    Raises:
        UnknownArgument: a simplification is unknown.
        MissingExtra: the ``scienceworld`` package is not installed.
    """

    splits: tuple[str, ...] = catalogue.SPLITS
    experts = (Expert("gold", "all"),)
    refusal: str | None = rules.REFUSAL

    def __init__(self, simplifications: str | Sequence[str] = ()) -> None:
        self._simplifications = rules.check_simplifications(simplifications)
        simulator_folder()  # fail here, not at the first reset
        self.name = f"scienceworld/reference({self._simplifications})"
        self.panels = tuple(panels.panels())
        self._left_out = rules.unsolvable(self._simplifications)
        self._env: Any = None  # upstream's
        self._end: Callable[[], object] = lambda: None
        self._task: Task | None = None  # what is played; None when nobody knows the state
        self._goal = ""
        self._actions: list[str] = []
        self._told = b""
        self._question: tuple[str, ...] = ()
        self._valid: list[str] = []

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a split or panel, without those that a simplification makes unsolvable."""
        return panels.tasks(split, self._left_out)

    def task(self, task_id: str) -> Task:
        """The task of that name, or UnknownTask."""
        return rules.task(task_id, self._left_out)

    def start(self, task: Task) -> Outcome:
        """Load the task and reset; what the start is worth is paid with the first action."""
        return self._begin(self.task(task.task_id))._replace(score=0.0)

    def goal(self) -> str:
        """Upstream's task description, its runs of blanks made one."""
        return self._goal

    def act(self, action: str) -> Outcome:
        """Take one action. Blanks around it do not matter (upstream: not even around answers)."""
        action = action.strip()
        self._actions.append(action)
        return self._take(action, lambda env: env.step(action))

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        """See :func:`act_envs.protocol.one_by_one`."""
        return one_by_one(self, task, actions)

    def canonical(self, action: str) -> str:
        """The action as upstream's parser reads it, see :func:`rules.canonical`."""
        return rules.canonical(action)

    def admissible_actions(self) -> list[str]:
        """What the last step listed as valid, each once, sorted; or the answers to a question."""
        if self._question:
            return [str(number) for number in range(len(self._question))]
        return sorted(set(self._valid))

    def expert_action(self, expert: str) -> str | None:
        """The next action of upstream's gold path, as long as the episode has followed it."""
        path, done = self._gold_path(), len(self._actions)
        mine, theirs = ([*map(self.canonical, way)] for way in (self._actions, path[:done]))
        return path[done] if done < len(path) and mine == theirs else None

    def cost_to_go(self) -> float | None:
        """Nobody can tell."""
        return None

    def sample_world(self, seed: int) -> object | None:
        """Nobody can tell."""
        return None

    def snapshot(self) -> Recipe:
        """The actions that lead here, and what to know the place by."""
        return Recipe(tuple(self._actions), self._told)

    def restore(self, task: Task, state: object) -> None:
        """Replay what is missing, and make sure that upstream said the same.

        Raises:
            SimulatorError: the replay led elsewhere.
            SnapshotMismatch: it is no state of this simulator.
        """
        if not isinstance(state, Recipe):
            raise SnapshotMismatch(
                f"a state of {self.name} is a Recipe, not {type(state).__name__}. "
                "Restore what snapshot() returned."
            )
        done = len(self._actions)
        if self._task != task or tuple(self._actions) != state.actions[:done]:
            self._begin(task)
            done = 0
        for action in state.actions[done:]:
            self.act(action)
        if self._told != state.told:
            self._task = None
            raise SimulatorError(
                f"a replay of {len(state.actions)} actions of {task.task_id!r} led to another "
                "state than before. Was the snapshot taken with another version of scienceworld? "
                "Call reset() or restore() to go on."
            )

    def twin(self) -> ReferenceSimulator:
        """A new simulator, with a Java process of its own."""
        return type(self)(self._simplifications)

    def fingerprint(self) -> bytes:
        """Digest of the simulator's object graph; what is left out is in ``StateDigest.java``."""
        return bytes.fromhex(
            self._ask(lambda env: env._gateway.jvm.actenvs.scienceworld.Bridge.digest(env.server))
        )

    def close(self) -> None:
        """End the Java process. May be called twice."""
        self._env = self._task = None
        self._end()

    def _begin(self, task: Task) -> Outcome:
        """Load a task and look around."""
        kind, variation = catalogue.parse(task.task_id)

        def load(env: Any) -> tuple[str, float, bool, dict[str, Any]]:
            env.load(kind.name, variation, self._simplifications)
            text, info = env.reset()
            self._goal = " ".join(env.get_task_description().split())
            return text, 0.0, False, info

        if self._env is None or self._env._gateway.java_process.poll() is not None:
            self.close()
            self._env = _launch()
            self._end = weakref.finalize(self, _end, self._env)
        self._task, self._actions, self._told, self._question = task, [], b"", ()
        return self._take("look around", load)

    def _take(self, action: str, call: Callable[[Any], Any]) -> Outcome:
        """Make upstream act and note what it says. An interrupt leaves no task: nobody knows."""
        task, self._task = self._task, None
        text, _, completed, info = self._ask(call)
        if info["score"] < 0 and (trouble := self._ask(_trouble)):
            self._fail(f"ScienceWorld failed on {action!r}: {trouble}.")
        valid = rules.is_valid(action, text, self._question)
        self._question = rules.question_after(action, text, self._question)
        self._valid = info["valid"]
        extra = {"look": info["look"], "inventory": info["inv"], "moves": info["moves"]}
        extra["question"] = self._question
        outcome = rules.outcome(text, info["score"] / 100, completed, valid, extra)
        said = repr((outcome, self._valid)).encode()
        self._told = hashlib.sha256(self._told + said).digest()
        self._task = task
        return outcome

    def _gold_path(self) -> tuple[str, ...]:
        """The expert's path of the current task, found once per process and configuration."""
        task = self._task
        assert task is not None

        def search() -> tuple[str, ...]:
            here, self._task = self.snapshot(), None
            path = self._ask(lambda env: _search(env, task, self._simplifications))
            self.restore(task, here)
            return path

        return _gold.find(task.task_id, self._simplifications, search)

    def _ask(self, call: Callable[[Any], Any]) -> Any:
        """Call upstream. When that fails or is interrupted, its process is of no further use."""
        from py4j.protocol import Py4JError

        if self._env is None:
            self._fail("no episode of ScienceWorld is running.")
        try:
            return call(self._env)
        except (Py4JError, OSError) as error:
            why = " ".join(str(error).split("\n\tat ")[0].split())
            self._fail(f"upstream's ScienceWorld failed or died: {why}.", error)
        except BaseException as error:
            self.close()
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None  # py4j 0.10.9.9 hides it: an AttributeError
            raise

    def _fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        self.close()
        raise SimulatorError(f"{what} Call reset() or restore() to go on.") from cause


def _launch() -> Any:
    """Upstream's environment, with our jar beside its own and our options in its Java.

    Upstream leaves no other way to options than the process's environment, and starts what PATH
    calls java.
    """
    from scienceworld import ScienceWorldEnv

    jars = f"{simulator_jar()}{os.pathsep}{HELPER_JAR}"
    path = f"{Path(find_java()).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    ours = {"JAVA_TOOL_OPTIONS": OPTIONS, "PATH": path}
    with _launching:
        before = {name: os.environ[name] for name in ours if name in os.environ}
        os.environ.update(ours)
        try:
            return ScienceWorldEnv(serverPath=jars, envStepLimit=NO_LIMIT)
        except ValueError as error:  # where the number of a port should be
            raise SimulatorError(f"Java does not start with {OPTIONS}: {error}.") from error
        finally:
            for name in ours:
                del os.environ[name]
            os.environ.update(before)


def _end(env: Any) -> None:
    """End Java first: upstream's ``close`` asks it to end, leaves a pipe open and a connection."""
    gateway = env._gateway
    gateway.java_process.kill()
    gateway.java_process.wait()
    gateway.java_process.stdin.close()
    gateway.close(keep_callback_server=True)
    gateway._gateway_client.is_connected = False  # else each object of Java's would try to reach it
    env.close()
    env._obj_tree_tempdir.cleanup()


def _trouble(env: Any) -> str:
    """What upstream reports as a failed episode although it is an exception of its own."""
    world = env.server.agentInterface().get()
    return str(world.getErrorStateMessage() or "unknown") if world.isInErrorState() else ""


def _search(env: Any, task: Task, simplifications: str) -> tuple[str, ...]:
    """Upstream's gold path; the world of the episode is lost."""
    kind, variation = catalogue.parse(task.task_id)
    env._gateway.jvm.actenvs.scienceworld.Bridge.forgetWalks()
    env.load(kind.name, variation, simplifications, generateGoldPath=True)
    path = tuple(env.get_gold_action_sequence())
    # Upstream never clears this flag, and with it every reset would search again.
    getattr(env.server, "goldPathGenerationEnabled_$eq")(False)
    return path
