"""Many tasks played at once in a vector environment, and handed out in their order.

An answer that only the lenient reader can read parts an episode in two: the strict one, in which
it is a step that nothing comes of, and the lenient one, in which it is played as it was meant.
The second is played only where there is such an answer, with the same answers up to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from act_data.policies.base import Policy, Query, Sample, played, seed_of
from act_data.prompts import read_answer
from act_data.types import AgentState
from act_envs.errors import SimulatorError
from act_envs.types import Expert, Task
from act_envs.vector import TextVectorEnv
from act_train.evaluation.answers import read_leniently
from act_train.evaluation.players import Player

_NOTHING = ""  # a blank line: it counts as a step and never reaches the simulator


@dataclass(slots=True)
class Attempt:
    """One task as it was played with one reader of answers.

    Attributes:
        number: of the task among those to be played; None where an environment only waits.
        task_id: the task.
        lenient: whether answers are read leniently.
        given: answers that are known already.
        goal: the instruction.
        cap: actions after which the environment cuts it off.
        seen: observations, the first one before any action.
        turns: the actions, each with what it gave.
        samples: the answers behind them.
        score: after the last action, in [0, 1].
        max_score: the highest so far.
        won: full success.
        ended: how: ``won``, ``failed``, ``truncated`` or ``gave_up``; ``""`` while it goes on.
    """

    number: int | None
    task_id: str
    lenient: bool = False
    given: Sequence[Sample] = ()
    goal: str = ""
    cap: int = 0
    seen: list[str] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    score: float = 0.0
    max_score: float = 0.0
    won: bool = False
    ended: str = ""

    @property
    def state(self) -> AgentState:
        """What the agent knows now."""
        done = (turn["action"] for turn in self.turns)
        *before, now = self.seen
        return AgentState(self.goal, now, tuple(zip(before, done, strict=True)))

    def read(self, sample: Sample) -> str:
        """What an answer does: nothing, where its reader finds no action in it."""
        action = read_leniently(sample.text) if self.lenient else sample.action
        return _NOTHING if action is None else played(Sample(sample.text, action, sample.fault))

    def outcome(self) -> dict[str, Any]:
        """How it went; the first turn is what was seen at the start."""
        return {
            "score": self.score,
            "max_score": self.max_score,
            "won": self.won,
            "ended": self.ended,
            "steps": len(self.turns),
            "invalid_actions": sum(not turn["valid"] for turn in self.turns),
            "format_failures": sum(bool(turn.get("fault")) for turn in self.turns),
            "turns": [{"observation": self.seen[0]}, *self.turns],
        }

    def other_reading(self) -> Attempt | None:
        """The same task with the lenient reader, where that makes a difference."""
        if not self.lenient:
            for place, sample in enumerate(self.samples):
                if sample.action is None and read_leniently(sample.text) is not None:
                    given = self.samples[: place + 1]
                    return Attempt(self.number, self.task_id, lenient=True, given=given)
        return None


@dataclass(frozen=True, slots=True)
class Played:
    """One task, played to its end.

    Attributes:
        task: the task.
        strict: with the strict reader of answers.
        lenient: with the lenient one, None where it is the same.
    """

    task: Task
    strict: Attempt
    lenient: Attempt | None

    def line(self) -> dict[str, Any]:
        """What a result file says of it."""
        return {
            "task_id": self.task.task_id,
            "kind": self.task.kind,
            "goal": self.strict.goal,
            "cap": self.strict.cap,
            **self.strict.outcome(),
            "lenient": None if self.lenient is None else self.lenient.outcome(),
        }


def play_all(
    pool: TextVectorEnv, player: Player, tasks: Sequence[Task], *, env_id: str, seed: int
) -> Iterator[Played]:
    """Play every task once, several at the same time.

    What is played does not depend on how many environments there are: each query carries its own
    seed, and a policy answers it the same whatever is asked beside it.

    Args:
        pool: of any number of environments, with autoreset disabled and a step limit.
        player: who acts.
        tasks: what is played, in this order.
        env_id: registered id, a part of the seeds.
        seed: seed of the run.

    Yields:
        The tasks in their order, each as soon as those before it have ended.

    Raises:
        SimulatorError: an environment failed repeatedly on one action.
    """
    waiting = deque(Attempt(number, task.task_id) for number, task in enumerate(tasks))
    # As if all had waited: there may be fewer tasks than places.
    running = [Attempt(None, task.task_id, ended="truncated") for task in tasks[:1]]
    running *= pool.num_envs
    strict: dict[int, Attempt] = {}
    done: dict[int, Played] = {}
    for number in range(len(tasks)):
        while number not in done:
            running = _begin(pool, running, waiting)
            actions = _choose(pool, running, player, env_id, seed)
            if not any(attempt.ended for attempt in running):  # nobody has given up
                _step(pool, running, actions)
            for attempt in running:
                if not attempt.ended or attempt.number is None:
                    continue
                if other := attempt.other_reading():
                    strict[attempt.number] = attempt
                    waiting.appendleft(other)
                else:
                    first = strict.pop(attempt.number, attempt)
                    second = attempt if attempt.lenient else None
                    done[attempt.number] = Played(tasks[attempt.number], first, second)
        yield done.pop(number)


def _begin(
    pool: TextVectorEnv, places: Sequence[Attempt], waiting: deque[Attempt]
) -> list[Attempt]:
    """Start the next attempt in every place where none goes on.

    Where nothing is left, the last task is started again, to wait in: the environments of a pool
    take their steps together.
    """
    running = []
    for attempt in places:
        if attempt.ended:
            attempt = waiting.popleft() if waiting else Attempt(None, attempt.task_id)
        running.append(attempt)
    fresh = [not attempt.seen for attempt in running]
    if not any(fresh):
        return running
    names = [attempt.task_id for attempt in running]
    texts, infos = pool.reset(options={"task_id": names, "reset_mask": fresh})
    caps = pool.call("step_limit")
    for place, attempt in enumerate(running):
        if fresh[place]:
            attempt.seen.append(texts[place])
            attempt.goal = infos["goal"][place]
            attempt.cap = caps[place]
    return running


def _choose(
    pool: TextVectorEnv, running: Sequence[Attempt], player: Player, env_id: str, seed: int
) -> list[str]:
    """An action for every place. An expert that knows none ends its attempt."""
    if isinstance(player, Expert):
        known = pool.call("expert_action", player.name)
        for attempt, action in zip(running, known, strict=True):
            if action is None and attempt.number is not None:
                attempt.ended = "gave_up"
        return [
            _NOTHING if action is None or attempt.number is None else action
            for attempt, action in zip(running, known, strict=True)
        ]
    _ask(pool, running, player, env_id, seed)
    return [
        _NOTHING if attempt.number is None else attempt.read(attempt.samples[-1])
        for attempt in running
    ]


def _ask(
    pool: TextVectorEnv, running: Sequence[Attempt], policy: Policy, env_id: str, seed: int
) -> None:
    """Give every attempt its next answer, those that are known from before included."""
    asking = []
    for place, attempt in enumerate(running):
        if len(attempt.samples) < len(attempt.given):
            attempt.samples.append(attempt.given[len(attempt.samples)])
        elif attempt.number is not None:
            asking.append(place)
    if not asking:
        return
    offered = pool.call("admissible_actions") if policy.needs_admissible else ()
    queries = [
        Query(
            running[place].state,
            tuple(offered[place]) if offered else (),
            seed_of(seed, env_id, running[place].task_id, len(running[place].turns)),
        )
        for place in asking
    ]
    for place, [sample] in zip(asking, policy.sample(queries, 1), strict=True):
        running[place].samples.append(sample)


def _step(pool: TextVectorEnv, running: Sequence[Attempt], actions: Sequence[str]) -> None:
    texts, rewards, terminated, truncated, infos = pool.step(actions)
    failed = infos.get("_fault", [False] * len(running))
    for place, attempt in enumerate(running):
        if attempt.number is not None and failed[place]:
            raise SimulatorError(
                f"{attempt.task_id} cannot be played on: {infos['fault'][place]}. What was "
                "finished is kept; the same command goes on from there."
            )
        turn: dict[str, Any] = {
            "action": actions[place],
            "valid": bool(infos["action_valid"][place]),
            "reward": float(rewards[place]),
            "observation": texts[place],
        }
        if attempt.samples:
            sample = attempt.samples[-1]
            turn["answer"] = sample.text
            turn["fault"] = sample.fault or read_answer(sample.text)[1]
        attempt.turns.append(turn)
        attempt.seen.append(texts[place])
        attempt.score = float(infos["score"][place])
        attempt.max_score = float(infos["max_score"][place])
        attempt.won = bool(infos["won"][place])
        if terminated[place]:
            attempt.ended = "won" if attempt.won else "failed"
        elif truncated[place]:
            attempt.ended = "truncated"
