"""``act-envs``: list, check, play and enumerate the environments from a terminal.

Commands about the data of one environment (``act-envs download NAME``) are written beside it and
found through ``registration.COMMANDS``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Union

import gymnasium as gym
import tyro

from act_envs import testing
from act_envs.base import TextEnv
from act_envs.errors import ActError, ContractViolation, UnknownArgument, nearest
from act_envs.protocol import part_of
from act_envs.registration import COMMANDS, env_ids, full_id

_OF_ENVIRONMENTS = {
    "download": ("Download", "Fetch the data of an environment."),
    "check-data": ("CheckData", "Check the data of an environment on this machine."),
    "generate": ("Generate", "Make data for an environment."),
    "compile": ("Compile", "Prepare the data of an environment for fast use."),
    "serve": ("Serve", "Show an environment as a web site."),
}
"""Commands that environments bring: the class in their modules, and what it does."""


@dataclass(frozen=True)
class List:
    """Every environment with its splits and panels, and whether it can run on this machine."""

    def __call__(self) -> int:
        for env_id in env_ids():
            print(env_id, flush=True)
            try:
                env = make(env_id)
                for title, names in (("tasks", env.splits), ("panels", env.panels)):
                    if names:
                        counts = (f"{name} {env.count(name):,}" for name in names)
                        print(f"    {title}: {', '.join(counts)}", flush=True)
                with contextlib.closing(env):
                    env.reset(seed=0)
                print("    ready")
            except ActError as error:
                print(f"    not ready: {error}")
        return 0


@dataclass(frozen=True)
class Check:
    """Run the whole contract over an environment, one line a check."""

    env_id: tyro.conf.Positional[str]
    """Registered id, with or without "ACT/" and version (toy, ScienceWorld-v0)."""

    def __call__(self) -> int:
        env_id, failures = full_id(self.env_id), 0
        with contextlib.closing(make(env_id)) as env:
            env.reset(seed=0)  # what it needs is missing: that is no breach of the contract
        for check in testing.CHECKS:
            name, start = check.__name__.removeprefix("check_"), time.perf_counter()
            print(f"{name:<20}", end="", flush=True)
            try:
                testing.run_check(check, functools.partial(gym.make, env_id))
                verdict = "holds"
            except ContractViolation as error:
                verdict, failures = f"BROKEN  {error}", failures + 1
            print(f"{time.perf_counter() - start:7.2f} s  {verdict}", flush=True)
        held = len(testing.CHECKS) - failures
        print(f"{env_id}: {held} of {len(testing.CHECKS)} checks hold")
        return 1 if failures else 0


@dataclass(frozen=True)
class Tasks:
    """The tasks of a split or panel, one a line: id, official split, kind (separated by tabs)."""

    env_id: tyro.conf.Positional[str]
    """Registered id, with or without "ACT/" and version."""

    split: str | None = None
    """Only this split or panel; every official split otherwise."""

    kind: str | None = None
    """Only this kind of task."""

    count: bool = False
    """Count by split or panel and by kind, instead of listing."""

    check_leaks: bool = False
    """Report the tasks that splits and panels share though their names keep them apart."""

    def __call__(self) -> int:
        env = make(full_id(self.env_id))
        if self.check_leaks:
            if self.count or self.split or self.kind:
                raise UnknownArgument("--check-leaks reports on all lists. Give it alone.")
            return _report_leaks(env)
        further = env.panels if self.count else ()  # would only repeat tasks in a list
        names = (*env.splits, *further) if self.split is None else (self.split,)
        tasks = [(name, task) for name in names for task in env.tasks(name)]
        kinds = sorted({task.kind for _, task in tasks})
        if self.kind is not None and self.kind not in kinds:
            raise UnknownArgument(f"unknown kind {self.kind!r}. {nearest(self.kind, kinds)}")
        tasks = [(name, task) for name, task in tasks if self.kind in (None, task.kind)]
        if self.count:
            for (name, kind), n in Counter((name, task.kind) for name, task in tasks).items():
                print(f"{name}\t{kind}\t{n}")
        else:
            for _, task in tasks:
                print(f"{task.task_id}\t{task.split}\t{task.kind}")
        return 0


def _report_leaks(env: TextEnv) -> int:
    """A table of all pairs of lists that are meant to share no task, and how many they share.

    Returns:
        1 where official splits are not apart, else 0: those of papers are as they are.

    What a list is for is in its name. ``P-train``, ``P-dev`` and ``P-test`` are panels of one
    protocol: apart from each other, and from every official split but their namesake. A panel
    that names no split is a pool and promises nothing. Lists are not apart either where tasks of
    both are made from one thing (``Task.origin``).
    """
    status = 0
    lists = {name: set(env.tasks(name)) for name in (*env.panels, *env.splits)}
    made_from = {name: {task.origin for task in tasks} - {""} for name, tasks in lists.items()}

    print("Lists of tasks that are meant to have none in common, and how many they share:")
    width = max(map(len, lists)) + 2
    print(f"{'list':<{width}}  tasks  {'other list':<{width}} shared")
    for name, other in itertools.combinations(lists, 2):
        (use, protocol), (other_use, other_protocol) = (
            part_of(one, env.splits) for one in (name, other)
        )
        one_protocol = not other_protocol or protocol == other_protocol  # official: no protocol
        if one_protocol and None not in (use, other_use) and use != other_use:
            shared = len(lists[name] & lists[other])
            origins = len(made_from[name] & made_from[other])
            leak = "  leak" if shared or origins else ""
            if leak and {name, other} <= set(env.splits):
                status = 1
            if origins:
                leak += f": {origins:,} of its {len(made_from[name]):,} origins are in both"
            print(f"{name:<{width}}{len(lists[name]):>7,}  {other:<{width}}{shared:>7,}{leak}")
    return status


@dataclass(frozen=True)
class Play:
    """Play a task in the terminal. Type :help there for undo, hints and the rest."""

    env_id: tyro.conf.Positional[str]
    """Registered id, with or without "ACT/" and version."""

    split: str = "train"
    """Split to draw the task from."""

    task: str | None = None
    """Play this task instead of a drawn one."""

    seed: int | None = None
    """Seed of the draw."""

    step_limit: int | None = None
    """Actions until the episode is truncated; none by default."""

    env_kwargs: dict[str, str] = field(default_factory=dict)
    """Further arguments of the environment: NAME VALUE pairs; true, false, integers as such."""

    def __call__(self) -> int:
        from act_envs.play import Game

        for name in self.env_kwargs:
            if name in ("split", "step_limit"):
                option = f"--{name.replace('_', '-')}"
                raise UnknownArgument(f"{name!r} has an option of its own. Give {option}.")
        if self.seed is not None and self.seed < 0:
            raise UnknownArgument(f"a seed is 0 or more, not {self.seed}.")
        further = {name: _value(text) for name, text in self.env_kwargs.items()}
        env = make(full_id(self.env_id), split=self.split, step_limit=self.step_limit, **further)
        try:
            return Game(env, task_id=self.task, seed=self.seed).run()
        finally:
            env.close()


def _value(text: str) -> object:
    """What a word of the command line means: a truth value, a whole number, or itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def make(env_id: str, **kwargs: Any) -> TextEnv:
    """The bare environment behind an id."""
    env = gym.make(env_id, **kwargs).unwrapped
    assert isinstance(env, TextEnv)
    return env


def of_environments() -> dict[str, Callable[..., Any]]:
    """The commands that take the name of an environment first, each with those that have it."""
    modules = {name: vars(importlib.import_module(path)) for name, path in COMMANDS.items()}
    groups = {}
    for command, (class_name, purpose) in _OF_ENVIRONMENTS.items():
        found = {name: names[class_name] for name, names in modules.items() if class_name in names}
        if found:
            groups[command] = _group(found, purpose)
    return groups


def _group(commands: dict[str, Callable[..., Any]], purpose: str) -> Callable[..., Any]:
    """One command with a subcommand for each name."""
    arms = [
        Annotated[Any, tyro.conf.subcommand(name, constructor=command)]
        for name, command in commands.items()
    ]
    # tyro takes a union of two or more for subcommands.
    either = Union[(*arms, Annotated[None, tyro.conf.Suppress])]

    def choose(environment: Any) -> Any:
        return environment

    choose.__annotations__["environment"] = Annotated[either, tyro.conf.arg(name="")]
    choose.__doc__ = purpose
    return choose


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``act-envs``.

    Args:
        argv: arguments without the program's name; the process's own by default.

    Returns:
        The exit status: 0, 1 for a broken contract or data that differ, 2 for a mistake of the
        caller, 130 after an interrupt.
    """
    command = tyro.extras.subcommand_cli_from_dict(
        {"list": List, "check": Check, "tasks": Tasks, "play": Play, **of_environments()},
        prog="act-envs",
        description="Text environments for language agents, one Gymnasium contract.",
        args=sys.argv[1:] if argv is None else list(argv),
    )
    try:
        return command()
    except ActError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except gym.error.Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing is left to say, and nothing more to flush.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
