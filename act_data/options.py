"""Options that commands have in common, and what follows from these alone.

A command is a dataclass that inherits those it takes. What an option means to one command in
particular stands in that command's docstring.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from act_data.errors import ForbiddenSplit
from act_data.policies.base import Policy, make_policy
from act_data.runs.run import Job, Run, digest
from act_data.splits import TRAIN, WITHHELD, check_split, withheld
from act_envs import TextEnv
from act_envs.errors import UnknownArgument, UnknownTask, nearest
from act_envs.types import Task

logger = logging.getLogger(__name__)

_OWN = ("split", "step_limit")  # arguments of the environment with options of their own


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """A run in a folder.

    Attributes:
        out: folder for what is made; new, or begun by the same command.
        shard_size: tasks per part; what an interruption can cost.
        progress: show a progress bar even when stderr is not a terminal.
    """

    out: Path
    shard_size: int = 8
    progress: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkOptions(RunOptions):
    """A run that others can work on.

    Attributes:
        workers: how many processes work, each with environments of its own and, where one is asked,
            the policy, model included.
        ray: address of a Ray cluster that works instead, such as auto or 127.0.0.1:6379.
    """

    workers: int = 1
    ray: str | None = None

    def execute(self, run: Run[Any], job: Job[Any]) -> dict[str, Any]:
        """Do what is not done yet, see :meth:`act_data.runs.run.Run.execute`."""
        return run.execute(job, workers=self.workers, ray=self.ray, progress=self.progress)


def check_once(paths: Iterable[Path]) -> None:
    """Refuse an input that would count twice.

    Raises:
        UnknownArgument: it was given twice, or with a folder that it lies in.
    """
    counts = Counter(path.resolve() for path in paths)
    for path, count in counts.items():
        if count > 1:
            raise UnknownArgument(f"{path} was given {count} times. Give it once.")
        if around := next((folder for folder in path.parents if folder in counts), None):
            raise UnknownArgument(f"{path} lies in {around}, which was given too. Give only one.")


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    """Who is asked for actions.

    Attributes:
        policy: random-admissible, hard-negative (what comes closest to the expert's action, in
            text and effect), transformers:PATH_OR_HUB_ID[@REVISION],
            vllm:PATH_OR_HUB_ID[@REVISION], or openai:MODEL.
        history: past turns in the policy's prompt.
        temperature: of the sampling; 0 takes the likeliest token.
        top_p: nucleus of the sampling.
        max_new_tokens: budget of one answer.
        thinking: let the policy think first, if its chat template knows enable_thinking.
        base_url: where openai: finds its endpoint, such as http://localhost:8000/v1; OpenAI's own
            by default. A key is taken from the environment variable OPENAI_API_KEY.
        concurrency: how many requests openai: keeps under way, in each of the workers.
    """

    policy: str = "random-admissible"
    history: int = 2
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 32
    thinking: bool = False
    base_url: str | None = None
    concurrency: int = 8

    def make_policy(self) -> Policy:
        """The policy that is asked for.

        Raises:
            MissingExtra: it needs a package that is not installed.
            ModelNotFound: there is no such model.
            UnknownArgument: an option has a value that cannot be used.
        """
        return make_policy(
            self.policy,
            history=self.history,
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            top_p=self.top_p,
            thinking=self.thinking,
            base_url=self.base_url,
            concurrency=self.concurrency,
        )


@dataclass(frozen=True, kw_only=True)
class EnvOptions:
    """An environment whose tasks may be played.

    Attributes:
        env: id of the environment, such as ACT/ALFWorldGen-v0; act-envs list names all.
        env_kwargs: further arguments of the environment, as a JSON object.
        allow_split: splits besides train whose tasks may be taken; never a test split.
    """

    env: str
    env_kwargs: str = "{}"
    allow_split: tuple[str, ...] = ()

    def env_arguments(self) -> dict[str, Any]:
        """The further arguments.

        Raises:
            UnknownArgument: that is no JSON object, or holds what is an option of its own.
        """
        text = self.env_kwargs
        try:
            value = json.loads(text)
        except ValueError as error:
            raise UnknownArgument(
                f'env_kwargs is not JSON: {text!r} ({error}). Give an object such as {{"a": 1}}.'
            ) from error
        if not isinstance(value, dict):
            raise UnknownArgument(
                f'env_kwargs must be a JSON object such as {{"a": 1}}, not {text!r}.'
            )
        for name in _OWN:
            if name in value:
                raise UnknownArgument(
                    f"env_kwargs holds {name!r}. Give it as an option of its own."
                )
        return value


@dataclass(frozen=True, kw_only=True)
class TaskOptions(EnvOptions):
    """Which tasks are played.

    Attributes:
        split: split to play; see --allow-split for others than train.
        tasks: kinds, task ids, or KIND:N for the first N tasks of a kind; all by default.
        limit: play only the first so many of these.
        step_limit: give up a task after so many actions.
    """

    split: str = TRAIN
    tasks: tuple[str, ...] = ()
    limit: int | None = None
    step_limit: int | None = None

    def chosen(self, env: TextEnv) -> list[Task]:
        """The tasks to play, in the order of the split, without those that are withheld.

        Args:
            env: the environment, of this split.

        Raises:
            ForbiddenSplit: one of them is kept for evaluation.
            UnknownArgument: the limit is none.
            UnknownTask: the split has none of a name.
        """
        limit, listed = positive(self.limit), env.tasks()
        found = select(listed, self.tasks)
        self._check_splits(found[:limit])
        is_withheld = withheld(env, self.allow_split)
        if not any(map(is_withheld, found)):
            return found[:limit]
        free = [task for task in listed if not is_withheld(task)]
        named = [t.task_id for t in found if t.task_id in self.tasks and is_withheld(t)]
        none_left = {task.kind for task in found} - {task.kind for task in free}
        named += [f"all of kind {kind}" for kind in sorted(none_left) if self.tasks or not free]
        if named:
            raise ForbiddenSplit(f"{named[0]}: {WITHHELD}. Name others.")
        out = len(listed) - len(free)
        logger.warning("%d of %d tasks are left out: %s.", out, len(listed), WITHHELD)
        tasks = select(free, self.tasks)[:limit]
        self._check_splits(tasks)
        return tasks

    def _check_splits(self, tasks: Sequence[Task]) -> None:
        for split in sorted({task.split for task in tasks}):  # a panel mixes official ones
            check_split(split, self.allow_split)


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


def named(tasks: Sequence[Task]) -> str:
    """Tasks as a request knows them: how many, and a hash of all that they are."""
    return f"{len(tasks)}, named {digest([asdict(task) for task in tasks])}"


def positive(limit: int | None) -> int | None:
    """Refuse a limit that is none.

    Raises:
        UnknownArgument: it is not at least 1.
    """
    if limit is not None and limit < 1:
        raise UnknownArgument(f"limit must be at least 1, not {limit}.")
    return limit
