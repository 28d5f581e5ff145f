"""The contract as a test that any implementation can run: ``check_text_env(make)``.

Each check makes its own environments, breaks with a :class:`ContractViolation` that names the
check and says what was seen, and leaves nothing behind. Nothing here knows a simulator.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, get_type_hints

import gymnasium as gym
import numpy as np

from act_envs.base import TextEnv
from act_envs.errors import (
    ActError,
    ContractViolation,
    EpisodeNotRunning,
    InvalidAction,
    SnapshotMismatch,
    UnknownArgument,
    UnknownSplit,
    UnknownTask,
)
from act_envs.spaces import FreeText
from act_envs.types import StepInfo

Make = Callable[..., gym.Env[str, str]]

MALFORMED = (
    "", " ", "\n", "look\nlook", "x" * 10_000, "\u00e9t\u00e9 \u2603", "\x00", "\t", "\ud800",
    "xyzzy plugh", "<action>look</action>", "%s %d {}", "'; drop table", "\U0001f600" * 50,
)  # fmt: skip
"""Strings that no simulator has a command for."""

_TYPES: dict[str, type] = {
    "task_id": str, "split": str, "kind": str, "goal": str, "step": int, "score": float,
    "raw_score": float, "won": bool, "failed": bool, "action_valid": bool, "last_action": str,
}  # fmt: skip


def check_text_env(make: Make) -> None:
    """Check that an environment keeps the whole contract of :class:`act_envs.TextEnv`.

    Args:
        make: makes a fresh environment; must pass its keyword arguments on (``split``,
            ``step_limit``, ``admissible``, ``render_mode``), as
            ``functools.partial(gym.make, "ACT/Toy-v0")`` does.

    Raises:
        ContractViolation: the first breach found, by the name of its check.
    """
    for check in CHECKS:
        check(make)


def check_spaces(make: Make) -> None:
    """Spaces are ``FreeText``; the unwrapped environment is a ``TextEnv`` with splits."""
    with _made(make) as env:
        _must("spaces", isinstance(env.observation_space, FreeText), env.observation_space)
        _must("spaces", isinstance(env.action_space, FreeText), env.action_space)
        _must("spaces", len(_inner(env).splits) > 0, "no splits")


def check_tasks(make: Make) -> None:
    """Tasks come in a fixed order, under unique names, each in the split it says."""
    with _made(make) as env, _made(make) as other:
        u, seen = _inner(env), set()
        for split in u.splits:
            tasks = u.tasks(split)
            _must("tasks", bool(tasks), f"split {split!r} is empty")
            _must("tasks", tasks == _inner(other).tasks(split), f"order of {split!r} changes")
            for task in tasks:
                _must("tasks", task.task_id not in seen, f"{task.task_id!r} appears twice")
                _must("tasks", task.split == split, task)
                seen.add(task.task_id)


def check_info(make: Make) -> None:
    """``info`` has the documented keys, types and meaning at ``reset`` and at every step."""
    with _made(make, admissible=True) as env:
        u = _inner(env)
        observation, info = env.reset(seed=1)
        total = 0.0
        _must_info(info, step=0, action="", total=total)
        _must("info", info["won"] is info["failed"] is False and info["action_valid"], info)
        for step, action in enumerate(_walk(u, 12), 1):
            observation, reward, terminated, truncated, info = env.step(action)
            total += float(reward)
            _must("info", env.observation_space.contains(observation), repr(observation))
            _must_info(info, step=step, action=action, total=total)
            _must("info", terminated == (info["won"] or info["failed"]), (terminated, info))
            _must("info", not (info["won"] and info["failed"]), info)
            _must("info", info["won"] == (info["score"] == 1.0), info)
            _must("info", info["admissible_actions"] == u.admissible_actions(), "differs")
            if terminated or truncated:
                break
    with _made(make) as env:
        _, info = env.reset(seed=1)
        _must("info", "admissible_actions" not in info, "admissible actions without being asked")


def check_task_choice(make: Make) -> None:
    """A task can be pinned from any split; seeds draw tasks, equal seeds equal ones."""
    with _made(make) as env:
        u = _inner(env)
        for split in u.splits:
            task = u.tasks(split)[-1]
            _, info = env.reset(options={"task_id": task.task_id})
            got = (info["task_id"], info["split"], info["kind"])
            _must("task_choice", got == (task.task_id, task.split, task.kind), got)
        drawn = [env.reset(seed=seed)[1]["task_id"] for seed in (0, 0, *range(1, 8))]
        _must("task_choice", drawn[0] == drawn[1], "the same seed drew two tasks")
        if len(u.tasks()) > 1:
            _must("task_choice", len(set(drawn)) > 1, "different seeds always draw one task")
        known = {task.task_id for task in u.tasks()}
        _must("task_choice", set(drawn) <= known, "a task of another split was drawn")


def check_errors(make: Make) -> None:
    """What the caller got wrong is refused by the documented error, in words."""
    with _made(make) as env:
        u = _inner(env)
        _must_raise("errors", EpisodeNotRunning, lambda: u.step("look"))
        _must_raise("errors", EpisodeNotRunning, u.snapshot)
        _must_raise("errors", UnknownSplit, lambda: u.tasks("no such split"))
        env.reset(seed=0)
        for bad in ("no such task", "", None.__class__, 7):
            _must_raise("errors", UnknownTask, lambda bad=bad: u.reset(options={"task_id": bad}))
        _must_raise("errors", UnknownArgument, lambda: u.reset(options={"taskid": "x"}))
        _must_raise("errors", SnapshotMismatch, lambda: u.restore(b""))  # type: ignore[arg-type]
    _must_raise("errors", UnknownSplit, lambda: make(split="no such split"))
    _must_raise("errors", UnknownArgument, lambda: make(step_limit=0))
    _must_raise("errors", UnknownArgument, lambda: make(spilt="x"))


def check_malformed_actions(make: Make) -> None:
    """Strings that are no command are data: an answer, ``action_valid`` False, nothing changed."""
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        env.reset(seed=2)
        before = u.state_hash()
        for step, action in enumerate(MALFORMED, 1):
            observation, reward, *_, info = env.step(action)
            where = f"after {action!r:.60}"
            _must("malformed_actions", isinstance(observation, str) and observation, where)
            _must("malformed_actions", info["action_valid"] is False, f"valid {where}")
            _must("malformed_actions", reward == 0 and info["step"] == step, f"{info} {where}")
            _must("malformed_actions", u.state_hash() == before, f"the state changed {where}")
        not_text: tuple[Any, ...] = (None, 3, b"look", ["look"])
        for bad in not_text:
            _must_raise("malformed_actions", InvalidAction, lambda bad=bad: u.step(bad))


def check_step_limit(make: Make) -> None:
    """``step_limit`` truncates, counting invalid actions; a step after the end is refused."""
    with _made(make, step_limit=3) as env:
        u = _inner(env)
        env.reset(seed=3)
        ends = [env.step("xyzzy plugh")[2:4] for _ in range(3)]
        _must("step_limit", ends == [(False, False), (False, False), (False, True)], ends)
        _must_raise("step_limit", EpisodeNotRunning, lambda: u.step("look"))


def check_admissible_actions(make: Make) -> None:
    """What is offered at the start is taken, without repetition and in a fixed order."""
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        env.reset(seed=4)
        start, offered = u.snapshot(), u.admissible_actions()
        _must("admissible_actions", len(set(offered)) == len(offered), "an action twice")
        _must("admissible_actions", offered == u.admissible_actions(), "order changes")
        for action in _spread(offered, 8):
            u.restore(start)
            *_, info = u.step(action)
            _must("admissible_actions", info["action_valid"], f"{action!r} was refused")


def check_snapshots(make: Make) -> None:
    """A restored state has the same future every time, here, elsewhere and after pickling."""
    with _made(make) as env, _made(make) as other:
        u, v = _inner(env), _inner(other)
        env.reset(seed=5)
        for action in _walk(u, 3):
            u.step(action)
        snapshot, held = u.snapshot(), u.state_hash()
        actions: list[str] = []
        for action in _walk(u, 5):
            u.step(action)
            actions.append(action)
        u.restore(snapshot)
        _must("snapshots", u.state_hash() == held, "state_hash differs after restore")
        futures = []
        for w, s in ((u, snapshot), (u, snapshot), (v, pickle.loads(pickle.dumps(snapshot)))):
            futures.append([w.restore(s), w.state_hash(), _play(w, actions), w.state_hash()])
        _must("snapshots", futures[0] == futures[1], "restoring twice gives two futures")
        _must("snapshots", futures[0] == futures[2], "another instance gives another future")
        _must("snapshots", futures[0][0][1]["step"] == snapshot.step, "the step counter is lost")


def check_state_hash(make: Make) -> None:
    """The hash follows the state, and nothing but the state."""
    with _made(make, step_limit=None) as env, _made(make, step_limit=7) as other:
        u, v = _inner(env), _inner(other)
        _, info = env.reset(seed=6)
        other.reset(options={"task_id": info["task_id"]})
        hashes = [u.state_hash()]
        _must("state_hash", v.state_hash() == hashes[0], "two instances differ at the start")
        v.step("xyzzy plugh")
        _must("state_hash", v.state_hash() == hashes[0], "a step counter is in the hash")
        for action in _walk(u, 5):
            u.step(action)
            v.step(action)
            hashes.append(u.state_hash())
            _must("state_hash", v.state_hash() == hashes[-1], f"instances differ at {action!r}")
        _must("state_hash", any(a != b for a, b in pairwise(hashes)), "the hash never changes")


def check_expert(make: Make) -> None:
    """Where the expert begins, it wins, and it says None once nothing is left to do."""
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        env.reset(seed=7)
        if u.expert_action() is None:
            return
        before = u.state_hash()
        _must("expert", u.state_hash() == before, "asking the expert changed the state")
        info: dict[str, Any] = {}
        for _ in range(1000):
            action = u.expert_action()
            if action is None:
                break
            *_, info = env.step(action)
        _must("expert", bool(info) and info["won"], f"the expert ended with {info}")
        _must("expert", u.admissible_actions() == [], "actions offered after the end")


def check_determinism(make: Make) -> None:
    """Two environments, one seed: every observation, reward, flag and info is equal."""
    with _made(make, admissible=True) as env, _made(make, admissible=True) as other:
        first = env.reset(seed=8)
        _must("determinism", first == other.reset(seed=8), "the first observations differ")
        for action in _walk(_inner(env), 25):
            a, b = env.step(action), other.step(action)
            _must("determinism", a == b, f"at {action!r}: {a} and {b}")
            if a[2] or a[3]:
                break


def check_render(make: Make) -> None:
    """``render_mode="ansi"`` gives text."""
    with _made(make, render_mode="ansi") as env:
        observation, _ = env.reset(seed=9)
        shown = env.render()
        _must("render", isinstance(shown, str) and observation in shown, repr(shown))


def check_close(make: Make) -> None:
    """``close`` may come twice, ends the environment, and leaves no process behind."""
    before = _children()
    closed = make()
    closed.reset(seed=10)
    closed.close()
    closed.close()
    _must_raise("close", EpisodeNotRunning, lambda: closed.unwrapped.step("look"))
    _must("close", _children() <= before, "a process is left after close()")
    make().close()  # before any reset
    dropped = make()
    dropped.reset(seed=10)
    del dropped
    gc.collect()
    _must("close", _children() <= before, "a process is left after garbage collection")


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_spaces,
    check_tasks,
    check_info,
    check_task_choice,
    check_errors,
    check_malformed_actions,
    check_step_limit,
    check_admissible_actions,
    check_snapshots,
    check_state_hash,
    check_expert,
    check_determinism,
    check_render,
    check_close,
)
"""Every check, in the order in which ``check_text_env`` runs them."""


def _must(check: str, holds: object, seen: object) -> None:
    if not holds:
        raise ContractViolation(f"{check}: {seen!s:.500}")


def _must_raise(check: str, error: type[ActError], call: Callable[[], object]) -> None:
    try:
        result = call()
    except error as raised:
        _must(check, len(str(raised)) > 10, f"{error.__name__} without an explanation")
        return
    raise ContractViolation(f"{check}: expected {error.__name__}, got {result!r:.200}")


def _must_info(info: dict[str, Any], *, step: int, action: str, total: float) -> None:
    keys = set(get_type_hints(StepInfo))
    _must("info", set(info) == keys, f"keys {sorted(set(info) ^ keys)} missing or unknown")
    for key, kind in _TYPES.items():
        _must("info", type(info[key]) is kind, f"{key} is {info[key]!r}, not {kind.__name__}")
    _must("info", info["step"] == step and info["last_action"] == action, info)
    _must("info", 0.0 <= info["score"] <= 1.0, f"score {info['score']}")
    _must("info", np.isclose(info["score"], total), f"return {total}, score {info['score']}")


@contextmanager
def _made(make: Make, **kwargs: Any) -> Iterator[gym.Env[str, str]]:
    env = make(**kwargs)
    try:
        yield env
    finally:
        env.close()


def _inner(env: gym.Env[str, str]) -> TextEnv:
    inner = env.unwrapped
    if not isinstance(inner, TextEnv):
        raise ContractViolation(f"spaces: {type(inner).__name__} is not a TextEnv")
    return inner


def _walk(u: TextEnv, steps: int) -> Iterator[str]:
    """Actions for a walk: the expert's where it has one, every third one drawn from the offer.

    A generator, so that each action is chosen in the state that the caller has reached.
    """
    rng = np.random.default_rng(0)
    for n in range(steps):
        if u.terminated or u.truncated:
            return
        expert = u.expert_action() if n % 3 else None
        offered = u.admissible_actions()
        yield expert if expert is not None else offered[int(rng.integers(len(offered)))]


def _play(u: TextEnv, actions: list[str]) -> list[object]:
    seen = []
    for action in actions:
        if u.terminated or u.truncated:
            break
        seen.append((u.step(action), u.admissible_actions()))
    return seen


def _spread(items: list[str], count: int) -> Iterator[str]:
    """Up to ``count`` items, evenly from first to last."""
    return islice(items, 0, None, max(1, -(-len(items) // count)))


def _children() -> set[str]:
    """Process ids of this process's children, zombies included; empty where /proc is absent."""
    return {
        pid
        for path in Path("/proc/self/task").glob("*/children")
        for pid in path.read_text().split()
    }
