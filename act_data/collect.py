"""``act-data collect``: the environment's own expert plays every task once; wins are kept.

It mends nothing and prefers nothing: a task that the expert does not win is counted and left
out, and whether the expert's way is a good one is a question for ``act_data.verify``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym

from act_data.options import TaskOptions, WorkOptions, named
from act_data.policies.base import check_seed
from act_data.provenance import program, versions
from act_data.rollout import make_env, play_expert, text_env
from act_data.runs.run import Result, Run
from act_envs.types import Task

_ENDS = ("won", "failed", "truncated", "gave_up")


@dataclass(frozen=True, kw_only=True)
class Collect(TaskOptions, WorkOptions):
    """Let an environment's expert play its tasks, and keep the trajectories that win.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        out: folder for the trajectories; new, or begun by the same command.
        expert: who plays: the name of one of the environment's experts; the usual one by default.
        step_limit: give up a task after so many actions; no limit by default.
        seed: seed of the run, recorded with every trajectory.
        state_hashes: record the hash of every state, for mining to check its replay by; this can
            cost more than the play itself.
    """

    expert: str | None = None
    seed: int = 0
    state_hashes: bool = False


@dataclass(frozen=True)
class _Play:
    """The work: let an expert play a task."""

    env: str
    env_kwargs: dict[str, Any]
    expert: str
    seed: int
    hashes: bool
    generator: str

    @contextmanager
    def open(self) -> Iterator[Callable[[Task], Result]]:
        with closing(make_env(self.env, self.env_kwargs)) as env:
            yield partial(self._play, env)

    def _play(self, env: gym.Env[str, str], task: Task) -> Result:
        trajectory = play_expert(
            env,
            task.task_id,
            self.seed,
            expert=self.expert,
            hashes=self.hashes,
            generator=self.generator,
        )
        if trajectory.won:
            ended = "won"
        elif trajectory.truncated:
            ended = "truncated"
        else:
            ended = "failed" if text_env(env).terminated else "gave_up"
        counts: Counter[str] = Counter(dict.fromkeys(_ENDS, 0))
        counts[ended] = 1
        return Result([trajectory] if trajectory.won else [], task.kind, counts)


def planned(config: Collect) -> tuple[dict[str, Any], str, list[Task]]:
    """Arguments of the environment, the expert's name, and the tasks; nothing is played.

    Raises:
        ForbiddenSplit, UnknownArgument, UnknownSplit, UnknownTask: see :func:`collect`.
    """
    check_seed(config.seed)
    kwargs = {
        **config.env_arguments(), "split": config.split, "step_limit": config.step_limit
    }  # fmt: skip
    with closing(make_env(config.env, kwargs)) as env:
        # After the environment, which knows better what is wrong with a split that it has not.
        inner = text_env(env)
        return kwargs, inner.expert(config.expert).name, config.chosen(inner)


def collect(config: Collect) -> dict[str, Any]:
    """Play the tasks and store the wins in ``config.out``.

    Returns:
        The content of ``summary.json``: tasks played, rows stored, and per kind of task how many
        were ``won``, ``failed``, ``truncated`` by the step limit or ``gave_up`` by the expert.

    Raises:
        ForbiddenSplit: the split is kept for evaluation.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used, such as an unknown expert.
        UnknownSplit: the environment has no such split.
        UnknownTask: ``tasks`` names nothing in this split.
    """
    kwargs, expert, tasks = planned(config)
    request = {
        "command": "collect",
        "env": config.env,
        "env_kwargs": kwargs,
        "expert": expert,
        "seed": config.seed,
        "state_hashes": config.state_hashes,
        "tasks": named(tasks),
        "versions": versions("pyarrow"),
    }
    run = Run(config.out, request, tasks, "trajectories", config.shard_size)
    job = _Play(config.env, kwargs, expert, config.seed, config.state_hashes, program())
    return config.execute(run, job)
