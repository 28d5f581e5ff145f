"""``Simulator``: what an environment must be able to do for ``TextEnv`` to speak Gymnasium for it.

A simulator only translates: it never counts steps, never knows a split it was not asked for, and
never sees an action that is not one line of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from act_envs.types import Expert, Outcome, Task

MAX_ACTION = 4096  # characters; a longer action is refused without asking the simulator


def part_of(name: str, splits: Sequence[str]) -> tuple[str | None, str]:
    """What a list of tasks is for, and in which protocol: its name says it.

    Args:
        name: of a panel, or of an official split.
        splits: the official ones.

    Returns:
        The split whose part it plays, None for a panel that promises nothing, and its protocol:
        ``("test", "eto")`` of ``"eto-test"``, ``("test", "")`` of ``"test"``.
    """
    words = name.split("-")
    part = next((word for word in words if word in splits), None)
    return part, "-".join(word for word in words if word != part)


class Simulator(Protocol):
    """What an environment must be able to do. One instance plays one episode at a time.

    Attributes:
        name: kind and configuration, equal for two simulators that can exchange snapshots.
        splits: names of the official splits, in their documented order.
        panels: names of further lists of its tasks, mostly those of papers; may be empty. Their
            tasks keep their official split. What they are for, see :func:`part_of`.
        experts: those that it has, the usual one first; may be empty.
        refusal: what the simulator answers to text that it does not understand; None where it
            shows again what it showed before.
    """

    name: str
    splits: tuple[str, ...]
    panels: tuple[str, ...]
    experts: tuple[Expert, ...]
    refusal: str | None

    def tasks(self, split: str) -> Sequence[Task]:
        """Every task of a known split or panel, in a fixed order."""
        ...

    def task(self, task_id: str) -> Task:
        """The task of that name, of whatever split.

        Raises:
            UnknownTask: there is none.
        """
        ...

    def start(self, task: Task) -> Outcome:
        """Begin the task from its start, abandoning the one before."""
        ...

    def goal(self) -> str:
        """The instruction of the current task."""
        ...

    def act(self, action: str) -> Outcome:
        """Take one action: a non-blank, printable line of at most ``MAX_ACTION`` characters."""
        ...

    def consequences(self, task: Task, actions: Sequence[str]) -> Sequence[tuple[Outcome, bytes]]:
        """For each action what ``act`` would give, and the ``fingerprint`` after it.

        The state is the same afterwards. See :func:`one_by_one`, for those who do it no faster.
        """
        ...

    def canonical(self, action: str) -> str:
        """The action as the simulator reads it: equal results mean the same action."""
        ...

    def admissible_actions(self) -> list[str]:
        """Every action that the simulator offers in this state, in a fixed order."""
        ...

    def expert_action(self, expert: str) -> str | None:
        """The next action of one of its experts from this state, or None where it knows none."""
        ...

    def cost_to_go(self) -> float | None:
        """How many actions the shortest way from this state to a win takes.

        Infinity where no way leads there; None where the simulator cannot tell.
        """
        ...

    def sample_world(self, seed: int) -> object | None:
        """A state, for ``restore``, of a world that would have shown the agent all the same so far.

        The seed draws what the agent has not observed, as likely as the agent must think it. None
        where the simulator cannot tell what that is.
        """
        ...

    def snapshot(self) -> object:
        """The simulator's exact state, its randomness included; picklable and immutable."""
        ...

    def restore(self, task: Task, state: object) -> None:
        """Go back to a state that ``snapshot`` returned in an episode of ``task``."""
        ...

    def twin(self) -> Simulator:
        """Another simulator of the same configuration, without an episode; may share data."""
        ...

    def fingerprint(self) -> bytes:
        """Bytes of everything that can affect the future of the episode, and of nothing else."""
        ...

    def close(self) -> None:
        """Release processes and files. May be called twice."""
        ...


def one_by_one(
    simulator: Simulator, task: Task, actions: Sequence[str]
) -> list[tuple[Outcome, bytes]]:
    """What a simulator's ``consequences`` gives, by what every simulator can do.

    Args:
        simulator: stands in a state of ``task``, and does so again afterwards.
        task: what it plays.
        actions: each of them a line that ``act`` takes.
    """
    here, given = simulator.snapshot(), []
    for action in actions:
        outcome = simulator.act(action)
        given.append((outcome, simulator.fingerprint()))
        simulator.restore(task, here)
    return given
