"""``act-data collect``: the environment's own expert plays every task once; wins are kept.

It mends nothing and prefers nothing: a task that the expert does not win is counted and left
out, and whether the expert's way is a good one is a question for ``act_data.verify``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym

from act_data.policies.base import check_seed
from act_data.rollout import make_env, play_expert, text_env
from act_data.runs.run import Result, Run, digest, versions
from act_data.splits import TRAIN, check_split
from act_envs.errors import UnknownArgument, UnknownTask, nearest
from act_envs.types import Task

_ENDS = ("won", "failed", "truncated", "gave_up")
_OWN = ("split", "step_limit")  # arguments of the environment with options of their own


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Let an environment's expert play its tasks, and keep the trajectories that win.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        env: id of the environment, such as ACT/ScienceWorld-v0.
        out: folder for the trajectories; new, or begun by the same command.
        expert: who plays: the name of one of the environment's experts; the usual one by default.
        split: split to play; see --allow-split for others than train.
        tasks: kinds, task ids, or KIND:N for the first N tasks of a kind; all by default.
        limit: play only the first so many of these.
        step_limit: give up a task after so many actions; no limit by default.
        seed: seed of the run, recorded with every trajectory.
        state_hashes: record the hash of every state, for mining to check its replay by; this can
            cost more than the play itself.
        env_kwargs: further arguments of the environment, as a JSON object.
        shard_size: tasks per part; what an interruption can cost.
        allow_split: splits besides train that may be played; never a test split.
        workers: how many processes work, each with environments of its own.
        ray: address of a Ray cluster that works instead, such as auto or 127.0.0.1:6379.
        progress: show a progress bar even when stderr is not a terminal.
    """

    env: str
    out: Path
    expert: str | None = None
    split: str = TRAIN
    tasks: tuple[str, ...] = ()
    limit: int | None = None
    step_limit: int | None = None
    seed: int = 0
    state_hashes: bool = False
    env_kwargs: str = "{}"
    shard_size: int = 8
    allow_split: tuple[str, ...] = ()
    workers: int = 1
    ray: str | None = None
    progress: bool = False


@dataclass(frozen=True)
class _Play:
    """The work: let an expert play a task."""

    env: str
    env_kwargs: dict[str, Any]
    expert: str
    seed: int
    hashes: bool

    @contextmanager
    def open(self) -> Iterator[Callable[[Task], Result]]:
        with closing(make_env(self.env, self.env_kwargs)) as env:
            yield partial(self._play, env)

    def _play(self, env: gym.Env[str, str], task: Task) -> Result:
        trajectory = play_expert(
            env, task.task_id, self.seed, expert=self.expert, hashes=self.hashes
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
    check_seed(config.seed)
    kwargs = {**json_object(config.env_kwargs), "split": config.split}
    kwargs["step_limit"] = config.step_limit
    with closing(make_env(config.env, kwargs)) as env:
        # After the environment, which knows better what is wrong with a split that it has not.
        inner = text_env(env)
        expert = inner.expert(config.expert).name
        tasks = select(inner.tasks(), config.tasks)[: positive(config.limit)]
        for split in sorted({task.split for task in tasks}):  # a panel mixes official splits
            check_split(split, config.allow_split)

    request = {
        "command": "collect",
        "env": config.env,
        "env_kwargs": kwargs,
        "expert": expert,
        "seed": config.seed,
        "state_hashes": config.state_hashes,
        "tasks": f"{len(tasks)}, named {digest([asdict(task) for task in tasks])}",
        "versions": versions("pyarrow"),
    }
    run = Run(config.out, request, tasks, "trajectories", config.shard_size)
    job = _Play(config.env, kwargs, expert, config.seed, config.state_hashes)
    return run.execute(job, workers=config.workers, ray=config.ray, progress=config.progress)


def select(tasks: Sequence[Task], wanted: Sequence[str]) -> list[Task]:
    """The tasks that are named, each once and in the order of the split.

    Args:
        tasks: every task of the split.
        wanted: task ids, kinds, or ``KIND:N`` for the first N tasks of a kind; all when empty.

    Raises:
        UnknownTask: a name fits nothing.
    """
    if not wanted:
        return list(tasks)
    kinds: dict[str, list[Task]] = {}
    for task in tasks:
        kinds.setdefault(task.kind, []).append(task)
    ids = {task.task_id: task for task in tasks}
    chosen: set[str] = set()
    for name in wanted:
        kind, _, count = name.rpartition(":")
        if name in ids:
            found = [ids[name]]
        elif name in kinds:
            found = kinds[name]
        elif kind in kinds and count.isdecimal() and int(count) > 0:
            found = kinds[kind][: int(count)]
        else:
            raise UnknownTask(
                f"the split has no kind, task or KIND:N {name!r}. {nearest(name, [*kinds, *ids])}"
            )
        chosen.update(task.task_id for task in found)
    return [task for task in tasks if task.task_id in chosen]


def positive(limit: int | None) -> int | None:
    """Refuse a limit that is none.

    Raises:
        UnknownArgument: it is not at least 1.
    """
    if limit is not None and limit < 1:
        raise UnknownArgument(f"limit must be at least 1, not {limit}.")
    return limit


def json_object(text: str) -> dict[str, Any]:
    """The arguments of an environment, which JSON gives.

    Raises:
        UnknownArgument: that is no JSON object, or holds what is an option of its own.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnknownArgument(f"env_kwargs is not JSON: {text!r} ({error}).") from error
    if not isinstance(value, dict):
        raise UnknownArgument(f'env_kwargs must be a JSON object such as {{"a": 1}}, not {text!r}.')
    for name in _OWN:
        if name in value:
            raise UnknownArgument(f"env_kwargs holds {name!r}. Give it as an option of its own.")
    return value
