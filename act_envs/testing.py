"""The contract as a test that any implementation can run: ``check_text_env(make)``.

Each check makes its own environments, breaks with a :class:`ContractViolation` that names the
check and says what was seen, and leaves nothing behind. Nothing here knows a simulator.

The checks walk a few episodes; they sample the contract and prove nothing. Some of it no test can
see from outside, and an adapter must test it against its own simulator: that the admissible
actions are complete, that the expert's knowledge stays out of observations, that splits are the
official ones, that scores and goals mean what upstream means, that a task is not of another split
under another name, that ``action_valid`` tells a refused action from a fruitless one, that a hash
leaves history out, and that it holds what matters only off the paths sampled here.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NotRequired, get_origin, get_type_hints

import gymnasium as gym
import numpy as np

from act_envs.base import TextEnv
from act_envs.errors import (
    ActError,
    AssetsNotFound,
    ContractViolation,
    EpisodeNotRunning,
    InvalidAction,
    MissingExtra,
    SnapshotMismatch,
    UnknownArgument,
    UnknownSplit,
    UnknownTask,
)
from act_envs.spaces import FreeText
from act_envs.types import Snapshot, StepInfo

Make = Callable[..., gym.Env[str, str]]
Check = Callable[[Make], None]

MALFORMED = (
    "", " ", "\n", "look\nlook", "x" * 4096, "x" * 10_000, "\u00e9t\u00e9 \u2603", "\x00", "\t",
    "\ud800", "xyzzy plugh", "<action>look</action>", "%s %d {}", "'; drop table",
    "\U0001f600" * 50,
)  # fmt: skip
"""Strings that no simulator has a command for."""

_TYPES: dict[str, type] = {
    "task_id": str, "split": str, "kind": str, "goal": str, "step": int, "score": float,
    "max_score": float, "raw_score": float, "won": bool, "failed": bool, "action_valid": bool,
    "last_action": str,
}  # fmt: skip

_OPTIONAL = {
    key
    for key, hint in get_type_hints(StepInfo, include_extras=True).items()
    if get_origin(hint) is NotRequired and key != "admissible_actions"
}


def check_text_env(make: Make) -> None:
    """Check that an environment keeps the whole contract of :class:`act_envs.TextEnv`.

    Args:
        make: makes a fresh environment; must pass its keyword arguments on (``split``,
            ``step_limit``, ``admissible``, ``render_mode``), as
            ``functools.partial(gym.make, "ACT/Toy-v0")`` does. Where it does not pickle (a
            lambda, say), the comparison with another process is left out.

    Raises:
        ContractViolation: the first breach found, by the name of its check.
        MissingExtra: a package that the environment needs is not installed.
        AssetsNotFound: data that the environment needs are not here.
    """
    for check in CHECKS:
        run_check(check, make)


def run_check(check: Check, make: Make) -> None:
    """Run one of ``CHECKS``; whatever else the environment raises is a breach as well.

    Raises:
        ContractViolation: the environment breaks the check, or raised what it should not.
        MissingExtra: a package that the environment needs is not installed.
        AssetsNotFound: data that the environment needs are not here.
    """
    try:
        check(make)
    except (ContractViolation, MissingExtra, AssetsNotFound):
        raise
    except Exception as error:
        name = check.__name__.removeprefix("check_")
        raise ContractViolation(f"{name}: {type(error).__name__}: {error!s:.500}") from error


def check_spaces(make: Make) -> None:
    """Spaces are ``FreeText``; the unwrapped environment is a ``TextEnv`` with splits."""
    with _made(make) as env:
        _must("spaces", isinstance(env.observation_space, FreeText), env.observation_space)
        _must("spaces", isinstance(env.action_space, FreeText), env.action_space)
        _must("spaces", len(_inner(env).splits) > 0, "no splits")


def check_tasks(make: Make) -> None:
    """Tasks come in a fixed order, under unique names, each in the split it says.

    A panel lists such tasks, each once and as it is in its split, and makes an environment.
    """
    with _made(make) as env, _made(make) as other:
        u, seen, known = _inner(env), set(), set()
        for split in u.splits:
            tasks = u.tasks(split)
            _must("tasks", bool(tasks), f"split {split!r} is empty")
            _must("tasks", tasks == _inner(other).tasks(split), f"order of {split!r} changes")
            for task in tasks:
                _must("tasks", task.task_id not in seen, f"{task.task_id!r} appears twice")
                _must("tasks", task.split == split, task)
                seen.add(task.task_id)
            known.update(tasks)
        for panel in u.panels:
            tasks = u.tasks(panel)
            _must("tasks", panel not in u.splits, f"panel {panel!r} is called like a split")
            _must("tasks", bool(tasks), f"panel {panel!r} is empty")
            _must("tasks", tasks == _inner(other).tasks(panel), f"order of {panel!r} changes")
            _must("tasks", len(set(tasks)) == len(tasks), f"panel {panel!r} has a task twice")
            for task in tasks:
                _must("tasks", task in known, f"{task} of panel {panel!r} is in no split")
                _must("tasks", u._simulator.task(task.task_id) == task, f"{task} is another by id")
            with _made(make, split=panel) as chosen:
                _must("tasks", _inner(chosen).tasks() == tasks, f"split={panel!r} has other tasks")


def check_info(make: Make) -> None:
    """``info`` has the documented keys, types and meaning at ``reset`` and at every step."""
    with _made(make, admissible=True) as env:
        u = _inner(env)
        observation, info = env.reset(seed=1)
        total = best = 0.0
        keys = set(info)
        _must_info(info, step=0, action="", total=total)
        _must("info", info["won"] is info["failed"] is False and info["action_valid"], info)
        for step, action in enumerate(_walk(u, 12), 1):
            observation, reward, terminated, truncated, info = env.step(action)
            total += float(reward)
            _must("info", env.observation_space.contains(observation), repr(observation))
            _must_info(info, step=step, action=action, total=total)
            best = max(best, info["score"])
            _must("info", info["max_score"] == best, f"{info['max_score']}, the highest was {best}")
            _must("info", set(info) == keys, f"keys {sorted(set(info) ^ keys)} come and go")
            _must("info", terminated == (info["won"] or info["failed"]), (terminated, info))
            _must("info", not (info["won"] and info["failed"]), info)
            _must("info", not (terminated and truncated), "terminated and truncated at once")
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
        for bad in ("no such task", "", str, 7, []):
            _must_raise("errors", UnknownTask, lambda bad=bad: u.reset(options={"task_id": bad}))
        _must_raise("errors", UnknownArgument, lambda: u.reset(options={"taskid": "x"}))
        for bad in ("task_id", ["task_id"], [], 7):
            _must_raise("errors", UnknownArgument, lambda bad=bad: u.reset(options=bad))  # type: ignore[arg-type]
        _must_raise("errors", SnapshotMismatch, lambda: u.restore(b""))  # type: ignore[arg-type]
    _must_raise("errors", UnknownSplit, lambda: make(split="no such split"))
    _must_raise("errors", UnknownArgument, lambda: make(step_limit=0))
    _must_raise("errors", UnknownArgument, lambda: make(admissible="False"))
    _must_raise("errors", UnknownArgument, lambda: make(spilt="x"))


def check_malformed_actions(make: Make) -> None:
    """Strings that are no command are data: an answer, ``action_valid`` False, nothing changed."""
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        env.reset(seed=2)
        before = u.state_hash()
        for step, action in enumerate(MALFORMED, 1):
            observation, reward, *_, info = u.step(action)
            where = f"after {action!r:.60}"
            _must("malformed_actions", isinstance(observation, str) and observation, where)
            _must("malformed_actions", info["action_valid"] is False, f"valid {where}")
            _must("malformed_actions", info["last_action"] == action, f"{info} {where}")
            _must("malformed_actions", type(reward) is float, f"reward {reward!r} {where}")
            _must("malformed_actions", reward == 0 and info["step"] == step, f"{info} {where}")
            _must("malformed_actions", u.state_hash() == before, f"the state changed {where}")
        not_text: tuple[Any, ...] = (None, 3, b"look", ["look"])
        for bad in not_text:
            _must_raise("malformed_actions", InvalidAction, lambda bad=bad: u.step(bad))


def check_step_limit(make: Make) -> None:
    """``step_limit`` truncates, counting invalid actions; a step after the end is refused.

    It is one number, or one for every kind of task.
    """
    with _made(make, step_limit=3) as env:
        u = _inner(env)
        env.reset(seed=3)
        ends = [env.step("xyzzy plugh")[2:4] for _ in range(3)]
        _must("step_limit", ends == [(False, False), (False, False), (False, True)], ends)
        _must_raise("step_limit", EpisodeNotRunning, lambda: u.step("look"))
        named = {task.kind: task.task_id for split in u.splits for task in u.tasks(split)}
    kinds = sorted(named)
    limits = {**dict.fromkeys(kinds, 2), kinds[0]: 1}
    with _made(make, step_limit=limits) as env:
        for kind in {kinds[0], kinds[-1]}:
            env.reset(options={"task_id": named[kind]})
            ends = [env.step("xyzzy plugh")[3] for _ in range(limits[kind])]
            _must("step_limit", ends == [False, True][-limits[kind] :], f"{kind!r}: {ends}")
            _must("step_limit", _inner(env).step_limit == limits[kind], f"not that of {kind!r}")
    _must_raise("step_limit", UnknownArgument, lambda: make(step_limit={**limits, kinds[0]: 0}))
    _must_raise("step_limit", UnknownArgument, lambda: make(step_limit={"no such kind": 1}))


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


def check_canonical(make: Make) -> None:
    """The canonical action is a fixed text that means the same; letter case may matter."""
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        env.reset(seed=4)
        start, offered = u.snapshot(), list(_spread(u.admissible_actions(), 40))
        for action in (a for o in offered for a in (o, o.upper(), o.title(), f"  {o} ")):
            said = u.canonical(action)
            _must("canonical", type(said) is str, f"{said!r} of {action!r}")
            _must("canonical", u.canonical(action) == said, f"{action!r} has several")
            _must("canonical", u.canonical(said) == said, f"{said!r} is not its own")
        for action in _spread(offered, 4):
            two = f"{action}\n"  # is refused, so it is not the same action
            _must("canonical", u.canonical(two) != u.canonical(action), f"{two!r} counts as valid")
        different = {u.canonical(action) for action in offered}
        _must("canonical", len(different) > 1 or len(offered) < 2, "all actions are one")
        for action in _spread(offered, 4):
            said = u.canonical(action)
            as_given, as_read = (_future(u, start, [text]) for text in (action, said))
            _must("canonical", as_given == as_read, f"{action!r} and {said!r} do different things")


def check_snapshots(make: Make) -> None:
    """A restored episode goes on as the one that was left, from wherever it is restored."""
    with _made(make, step_limit=40) as env, _made(make, step_limit=40) as other:
        u, v = _inner(env), _inner(other)
        shown, held = _to_first_reward(u, seed=5), u.state_hash()
        snapshot = u.snapshot()
        _must("snapshots", u.state_hash() == held, "taking a snapshot changed the state")
        left = _play(u, _walk(u, 5))
        actions, end = [action for action, *_ in left], u.state_hash()

        def must_go_on(w: TextEnv, taken: Snapshot, where: str) -> None:
            back = w.restore(taken)
            _must("snapshots", back == shown, f"{where}: {back}, but it was {shown}")
            _must("snapshots", w.state_hash() == held, f"{where}: another state_hash")
            _must("snapshots", _play(w, actions) == left, f"{where}: another future")
            _must("snapshots", w.state_hash() == end, f"{where}: another state_hash at the end")

        must_go_on(u, snapshot, "restored")
        must_go_on(u, snapshot, "restored again")
        while not (u.terminated or u.truncated):
            u.step("xyzzy plugh")
        must_go_on(u, snapshot, "restored after the end of the episode")
        u.restore(snapshot)
        while not (u.terminated or u.truncated):
            u.step(u.expert_action() or "xyzzy plugh")
        must_go_on(u, snapshot, "restored after the expert's end")
        task = next((t for t in u.tasks() if t != snapshot.task), snapshot.task)
        u.reset(options={"task_id": task.task_id})
        _play(u, _walk(u, 1))
        must_go_on(u, snapshot, "restored while another task was played")
        must_go_on(v, pickle.loads(pickle.dumps(snapshot)), "pickled, in another instance")


def check_fork(make: Make) -> None:
    """A fork goes on as its original would, and neither moves the other."""
    with _made(make, step_limit=40) as env:
        u = _inner(env)
        _to_first_reward(u, seed=5)
        held, fork = u.state_hash(), u.fork()
        try:
            _must("fork", fork.step_limit == 40 and fork.splits == u.splits, "another environment")
            _must("fork", fork.state_hash() == held, "another state_hash")
            played = _play(fork, _walk(fork, 5))
            actions = [action for action, *_ in played]
            _must("fork", u.state_hash() == held, "playing the fork moved the original")
            _must("fork", _play(u, actions) == played, "the original goes on in another way")
            drawn = [[e.np_random.random() for _ in range(3)] for e in (fork, u)]
            _must("fork", drawn[0] == drawn[1], f"random numbers differ: {drawn}")
            _must("fork", fork.action_space is not u.action_space, "the spaces are shared")
            u.reset(seed=5)
            fork.close()
            u.step("xyzzy plugh")
        finally:
            fork.close()


def check_restart(make: Make) -> None:
    """A task starts and goes on in one way, whatever was played before it and whatever the seed."""
    with _made(make) as env:
        u = _inner(env)
        observation, info = env.reset(seed=11)
        first = (observation, info, u.state_hash())
        task_id, left = info["task_id"], _play(u, _walk(u, 5))
        for seed in (None, 12):
            again = (*env.reset(seed=seed, options={"task_id": task_id}), u.state_hash())
            _must("restart", again == first, f"{again}, but it was {first}")
            played = _play(u, [action for action, *_ in left])
            _must("restart", played == left, f"{task_id!r} goes on in another way")
            u.reset(seed=13)  # most likely another task
            _play(u, _walk(u, 1))


def check_other_process(make: Make) -> None:
    """Tasks, starts, snapshots and hashes are the same in another process.

    One child with another ``PYTHONHASHSEED`` restores a pickled snapshot and plays on. Left out
    where ``make`` does not pickle, or cannot be imported in a fresh interpreter.
    """
    try:
        pickled = pickle.dumps(make)
    except (pickle.PicklingError, AttributeError, TypeError):
        return
    with _made(make, step_limit=40) as env:
        u = _inner(env)
        _to_first_reward(u, seed=14)
        snapshot = u.snapshot()
        actions = [action for action, *_ in _play(u, _walk(u, 5))]
        here = _transcript(u, snapshot, actions)
    there = _elsewhere(pickled, pickle.dumps(snapshot), actions)
    if there is None:
        return
    for what, seen in here.items():
        _must("other_process", there[what] == seen, f"{what}: {there[what]} and here {seen}")


def check_state_hash(make: Make) -> None:
    """The hash follows the state, and nothing but the state."""
    with _made(make, step_limit=None) as env, _made(make, step_limit=7) as other:
        u, v = _inner(env), _inner(other)
        _, info = env.reset(seed=6)
        other.reset(options={"task_id": info["task_id"]})
        hashes = [u.state_hash()]
        _must("state_hash", u.state_hash() == hashes[0], "asking twice gives two hashes")
        _must("state_hash", v.state_hash() == hashes[0], "two instances differ at the start")
        v.step("xyzzy plugh")
        _must("state_hash", v.state_hash() == hashes[0], "a step counter is in the hash")
        for action in _walk(u, 5):
            u.step(action)
            v.step(action)
            hashes.append(u.state_hash())
            _must("state_hash", v.state_hash() == hashes[-1], f"instances differ at {action!r}")
        _must("state_hash", any(a != b for a, b in pairwise(hashes)), "the hash never changes")


def check_equal_hashes(make: Make) -> None:
    """Moments of one hash have one future: those of a walk, and those one action beside it.

    Of what an action gives, everything but the reward is compared: it is the increment of the
    score, and the score before belongs to the past.
    """
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        env.reset(seed=6)
        moments = {u.state_hash(): [u.snapshot()]}
        for action in _walk(u, 8):
            here = u.snapshot()
            for taken in (*_spread(u.admissible_actions(), 8), action):
                u.restore(here)
                u.step(taken)
                moments.setdefault(u.state_hash(), []).append(u.snapshot())
        for first, *others in (alike for alike in moments.values() if len(alike) > 1):
            u.restore(first)
            actions = [action for action, *_ in _play(u, _walk(u, 4))]
            future = _future(u, first, actions)
            for other in others[:4]:
                seen = _future(u, other, actions)
                _must("equal_hashes", seen == future, f"{seen} and {future} after one hash")


def check_sample_world(make: Make) -> None:
    """Other worlds are asked for without a trace, and look the same until something is done."""
    with _made(make, admissible=False) as env:
        u = _inner(env)
        _, now = env.reset(seed=9)
        here, before = u.snapshot(), u.state_hash()
        world, again = u.sample_world(1), u.sample_world(1)
        _must("sample_world", u.state_hash() == before, "asking for a world changed this one")
        _must("sample_world", (world is None) == (again is None), "there, and not there")
        if world is None or again is None:
            return
        found = []
        for one in (world, again):
            _, info = u.restore(one)
            _must("sample_world", info == now, info)
            found.append(u.state_hash())
        _must("sample_world", found[0] == found[1], "one seed gave two worlds")
        u.restore(here)
        _must("sample_world", u.state_hash() == before, "there was no way back")


def check_consequences(make: Make) -> None:
    """What actions would give is what they give, and asking leaves no trace."""
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        env.reset(seed=4)
        for action in (*_walk(u, 3), None):
            here, held = u.snapshot(), u.state_hash()
            texts = [*_spread(u.admissible_actions(), 6), *MALFORMED[:2], "xyzzy plugh"]
            told = u.consequences(texts)
            _must("consequences", u.state_hash() == held, "asking changed the state")
            _must("consequences", len(told) == len(texts), f"{len(told)} for {len(texts)} actions")
            _must("consequences", u.consequences([]) == [], "something follows from nothing")
            for text, consequence in zip(texts, told, strict=True):
                u.restore(here)
                observation, *_, info = u.step(text)
                given = [info[key] for key in ("score", "won", "failed", "action_valid")]
                seen = (observation, u.state_hash(), *given)
                _must("consequences", consequence == seen, f"{consequence}, then {seen}, {text!r}")
            u.restore(here)
            if action is not None:
                u.step(action)
        _must_raise("consequences", InvalidAction, lambda: u.consequences([None]))  # pyright: ignore


def check_expert(make: Make) -> None:
    """Where an expert begins, it wins by valid actions, and then says None."""
    with _made(make) as env:
        u = _inner(env)
        env.reset(seed=7)
        _must_raise("expert", UnknownArgument, lambda: u.expert_action("nobody"))
        names = [expert.name for expert in u.experts]
        _must("expert", len({*names}) == len(names), f"two experts of one name: {names}")
    for name in names:
        _check_expert(make, name)


def _check_expert(make: Make, name: str) -> None:
    path: list[str] = []
    with _made(make, step_limit=None) as env:
        u = _inner(env)
        _, info = env.reset(seed=7)
        before, cost = u.state_hash(), u.cost_to_go()
        action = u.expert_action(name)
        _must("expert", u.expert_action(name) == action, "asking twice gives two answers")
        _must("expert", u.state_hash() == before, "asking the expert changed the state")
        if action is None:
            return
        while action is not None and not u.terminated and len(path) < 1000:
            *_, info = u.step(action)
            _must("expert", info["action_valid"], f"{action!r} was refused")
            path.append(action)
            action = u.expert_action(name)
            left = u.cost_to_go()
            if cost is not None and left is not None:
                _must("expert", cost <= left + 1, f"cost_to_go {left} after {cost}, {path[-1]!r}")
            cost = left
        _must("expert", info["won"] and info["score"] == 1.0, f"the expert ended with {info}")
        _must("expert", action is None, f"{action!r} after the end")
        _must("expert", u.admissible_actions() == [], "actions offered after the end")
        _must_raise("expert", EpisodeNotRunning, lambda: u.step("look"))
    with _made(make, step_limit=len(path)) as env:
        env.reset(options={"task_id": info["task_id"]})
        ends = [env.step(action)[2:4] for action in path]
        _must("expert", ends[-1] == (True, False), f"won with the last step allowed: {ends[-1]}")


def check_determinism(make: Make) -> None:
    """Two environments, one seed: all that they give is equal, whatever one of them is asked."""
    with _made(make) as env, _made(make) as other:
        u, v = _inner(env), _inner(other)
        first = env.reset(seed=8)
        _must("determinism", first == other.reset(seed=8), "the first observations differ")
        for action in _walk(u, 25):  # asks for the expert's action and the admissible ones
            for ask in (u.snapshot, u.state_hash, u.render):
                ask()
            a, b = env.step(action), other.step(action)
            _must("determinism", a == b, f"at {action!r}: {a} and {b}")
            if a[2] or a[3]:
                break
        _must("determinism", u.state_hash() == v.state_hash(), "the states differ at the end")
        _must("determinism", u.admissible_actions() == v.admissible_actions(), "offers differ")


def check_render(make: Make) -> None:
    """``render_mode="ansi"`` gives text with the observation, None gives None; others are wrong."""
    with _made(make, render_mode="ansi") as env:
        u = _inner(env)
        observation, _ = env.reset(seed=9)
        for action in (*u.admissible_actions()[:1], "xyzzy plugh", ""):
            shown = env.render()
            _must("render", isinstance(shown, str) and observation in shown, repr(shown))
            if action and not u.terminated:
                observation, *_ = env.step(action)
    with _made(make) as env:
        env.reset(seed=9)
        _must("render", env.unwrapped.render() is None, "text without being asked")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gym.make warns before the environment refuses
        _must_raise("render", UnknownArgument, lambda: make(render_mode="no such mode"))


def check_close(make: Make) -> None:
    """``close`` may come twice, ends the environment, and leaves no process behind."""
    before = _children()
    closed = make()
    closed.reset(seed=10)
    closed.close()
    closed.close()
    _must_raise("close", EpisodeNotRunning, lambda: closed.unwrapped.step("look"))
    _must_raise("close", EpisodeNotRunning, closed.unwrapped.reset)
    _must("close", _children() <= before, "a process is left after close()")
    make().close()  # before any reset
    dropped = make()
    dropped.reset(seed=10)
    del dropped
    gc.collect()
    _must("close", _children() <= before, "a process is left after garbage collection")


CHECKS: tuple[Check, ...] = (
    check_spaces,
    check_tasks,
    check_info,
    check_task_choice,
    check_errors,
    check_malformed_actions,
    check_step_limit,
    check_admissible_actions,
    check_canonical,
    check_snapshots,
    check_fork,
    check_restart,
    check_other_process,
    check_state_hash,
    check_equal_hashes,
    check_sample_world,
    check_consequences,
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
    keys = set(get_type_hints(StepInfo)) - (_OPTIONAL - set(info))
    _must("info", set(info) == keys, f"keys {sorted(set(info) ^ keys)} missing or unknown")
    for key, kind in _TYPES.items():
        _must("info", type(info[key]) is kind, f"{key} is {info[key]!r}, not {kind.__name__}")
    _must("info", info["goal"].strip(), "the goal is empty")
    _must("info", info["step"] == step and info["last_action"] == action, info)
    _must("info", 0.0 <= info["score"] <= 1.0, f"score {info['score']}")
    _must("info", info["score"] <= info["max_score"] <= 1.0, f"max_score {info['max_score']}")
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


def _to_first_reward(u: TextEnv, seed: int) -> tuple[str, StepInfo]:
    """Reset, follow the expert to its first reward short of the end, else walk three steps.

    Returns:
        The observation and ``info`` of the last step.
    """
    observation, info = u.reset(seed=seed)
    for _ in range(20):
        action = u.expert_action()
        if action is None or info["score"] > 0:
            break
        observation, *_, info = u.step(action)
    if info["score"] == 0 or u.terminated:
        observation, info = u.reset(seed=seed)
        for action in _walk(u, 3):
            observation, *_, info = u.step(action)
    return observation, info


_Turn = tuple[str, tuple[str, float, bool, bool, StepInfo], list[str], str]


def _play(u: TextEnv, actions: Iterable[str]) -> list[_Turn]:
    """Take the actions until the episode ends: action, what it gave, what is offered, hash."""
    seen: list[_Turn] = []
    for action in actions:
        if u.terminated or u.truncated:
            break
        seen.append((action, u.step(action), u.admissible_actions(), u.state_hash()))
    return seen


def _future(u: TextEnv, snapshot: Snapshot, actions: list[str]) -> list[object]:
    """What is offered at a moment, and what follows from the actions there."""
    u.restore(snapshot)
    future: list[object] = [u.admissible_actions()]
    for _, (observation, _, terminated, truncated, info), offered, held in _play(u, actions):
        told = [info[key] for key in ("score", "raw_score", "won", "failed", "action_valid")]
        future.append((observation, terminated, truncated, told, offered, held))
    return future


def _transcript(u: TextEnv, snapshot: Snapshot, actions: list[str]) -> dict[str, object]:
    return {
        "tasks": u.tasks()[:1000],
        "reset": u.reset(seed=15),
        "the offer": u.admissible_actions(),
        "state_hash at the start": u.state_hash(),
        "restore": u.restore(snapshot),
        "state_hash after restore": u.state_hash(),
        "the offer after restore": u.admissible_actions(),
        "the future": _play(u, actions),
        "the offer after it": u.admissible_actions(),
    }


def _elsewhere(make: bytes, snapshot: bytes, actions: list[str]) -> dict[str, object] | None:
    """``_transcript`` in a child, or None where ``make`` is not to be found there.

    Not ``multiprocessing``: that would run an unguarded script again, and keep the hash seed.
    """
    code = (
        "import pickle, sys; from pathlib import Path; "
        "sys.path[:], *given = pickle.loads(Path(sys.argv[1]).read_bytes()); "
        "from act_envs import testing; "
        "Path(sys.argv[2]).write_bytes(pickle.dumps(testing._in_child(*given)))"
    )
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    with tempfile.TemporaryDirectory(prefix="act-envs-") as folder:
        asked, answer = Path(folder, "asked"), Path(folder, "answer")
        asked.write_bytes(pickle.dumps((sys.path, make, snapshot, actions)))
        child = subprocess.run(
            [sys.executable, "-c", code, str(asked), str(answer)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=600,
        )
        _must("other_process", child.returncode == 0, f"failed: {child.stderr[-400:]}")
        return pickle.loads(answer.read_bytes())


def _in_child(make: bytes, snapshot: bytes, actions: list[str]) -> dict[str, object] | None:
    try:
        found: Make = pickle.loads(make)
    except (ImportError, AttributeError):
        return None
    with _made(found, step_limit=40) as env:
        return _transcript(_inner(env), pickle.loads(snapshot), actions)


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
