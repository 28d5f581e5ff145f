"""``act-train evaluate``: play every task once, in a fixed order, and write one line per episode.

Tasks are enumerated, never sampled from resets. Each line repeats all that is needed to compare
or repeat it (task list, step limit, history, prompt, weights, seed, versions) and holds no time, so
that equal runs give equal bytes. A line is on the disk before the next episode begins: after a
kill, the same command drops a torn last line and goes on. A file of another request is refused,
and so is one that another process is writing.

Left out: batching over episodes, which would make the answers depend on their neighbours; and
comparing two files, which is a matter of paired intervals over equal task lists.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from act_data.errors import RunLocked
from act_data.options import select
from act_data.policies.base import Policy, Query, Sample, check_seed, make_policy
from act_data.prompts import PROMPT_VERSION
from act_data.provenance import versions
from act_data.rollout import make_env, play, play_expert, text_env
from act_data.runs.run import digest
from act_data.types import Trajectory
from act_envs.types import Task
from act_train.errors import RecipeError, ResultMismatch
from act_train.recipe import EvaluateArguments
from act_train.statistics import mean_interval

Line = dict[str, Any]

EXPERT = "expert"  # instead of a policy: the usual expert of the environment


class _Counted:
    """A policy that counts its answers without a readable action."""

    needs_effects = False  # who must know what the expert does cannot act

    def __init__(self, policy: Policy) -> None:
        self.name, self.revision = policy.name, policy.revision
        self.sampling, self.needs_admissible = policy.sampling, policy.needs_admissible
        self._policy = policy
        self.format_failures = 0

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        answers = self._policy.sample(queries, k)
        self.format_failures += sum(one.action is None for many in answers for one in many)
        return answers


def run(arguments: EvaluateArguments) -> dict[str, Any]:
    """Evaluate, or go on evaluating.

    Returns:
        Episodes, mean score and success rate with their 95 % intervals, and mean counts.

    Raises:
        ResultMismatch: the file holds the episodes of another request.
        RunLocked: another process writes to the file.
        UnknownTask: ``tasks`` names nothing in the split.
    """
    check_seed(arguments.seed)
    env = make_env(
        arguments.env,
        {
            **arguments.make_arguments(),
            "split": arguments.split,
            "step_limit": arguments.step_limit,
        },
    )
    try:
        tasks = select(text_env(env).tasks(), arguments.tasks)[: arguments.limit]
        if not tasks:
            raise RecipeError("there is no task to evaluate. Choose another split, tasks or limit.")
        policy = None if arguments.policy == EXPERT else _Counted(_policy(arguments))
        request = _request(arguments, text_env(env).configuration, policy, tasks)
        path = Path(arguments.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(path) as file:
            lines = _resume(path, file, request, tasks)
            for task in tasks[len(lines) :]:
                failures = policy.format_failures if policy else 0
                if policy is None:
                    episode = play_expert(env, task.task_id, arguments.seed)
                else:
                    episode = play(env, policy, task.task_id, seed=arguments.seed)
                    failures = policy.format_failures - failures
                lines.append({**request, **_result(episode, failures)})
                file.write(_encode(lines[-1]))
                file.flush()
                os.fsync(file.fileno())
    finally:
        env.close()
    return summary(lines)


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """What a table shows of the lines of one file; intervals resample episodes."""
    score, score_ci = mean_interval([line["score"] for line in lines])
    won, won_ci = mean_interval([line["won"] for line in lines])
    steps = sum(line["steps"] for line in lines)
    return {
        "policy": lines[0]["policy"],
        "tasks": f"{lines[0]['env']} {lines[0]['split']} ({lines[0]['task_list']})",
        "episodes": len(lines),
        "mean_score": score,
        "mean_score_95": score_ci,
        "success": won,
        "success_95": won_ci,
        "mean_steps": steps / len(lines),
        "invalid_share": sum(line["invalid_actions"] for line in lines) / max(1, steps),
        "format_failure_share": sum(line["format_failures"] for line in lines) / max(1, steps),
    }


def read_results(path: Path) -> list[Line]:
    """The complete lines of a result file, in order."""
    return list(_complete(path, path.read_bytes()))


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading and for appending, and to this process alone."""
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel drops it at the end
        except BlockingIOError as error:
            raise RunLocked(
                f"another process is writing to {path}. Wait for it, or choose another output."
            ) from error
        yield file


def _policy(arguments: EvaluateArguments) -> Policy:
    return make_policy(
        arguments.policy,
        history=arguments.history,
        temperature=arguments.temperature,
        max_new_tokens=arguments.max_new_tokens,
        thinking=arguments.thinking,
        also=(EXPERT,),
    )


def _request(
    arguments: EvaluateArguments,
    configuration: str,
    policy: _Counted | None,
    tasks: Sequence[Task],
) -> Line:
    """The part of a line that all lines of a file share."""
    revision = policy.revision if policy else ""
    return {
        "env": arguments.env,
        "env_kwargs": arguments.make_arguments(),
        "configuration": configuration,
        "split": arguments.split,
        "task_list": digest([task.task_id for task in tasks]),
        "step_limit": arguments.step_limit,
        "history": arguments.history,
        "policy": policy.name if policy else EXPERT,
        "revision": revision,
        "sampling": policy.sampling if policy else {},
        "prompt_version": PROMPT_VERSION,
        "seed": arguments.seed,
        "versions": versions("numpy", *(("torch", "transformers") if revision else ())),
    }


def _result(episode: Trajectory, format_failures: int) -> Line:
    """The part of a line that is about its episode."""
    return {
        "task_id": episode.task_id,
        "kind": episode.kind,
        "score": episode.score,
        "won": episode.won,
        "steps": len(episode.transitions),
        "goal": episode.goal,
        "turns": _turns(episode),
        "invalid_actions": sum(not step.action_valid for step in episode.transitions),
        "format_failures": format_failures,
    }


def _turns(episode: Trajectory) -> list[Line]:
    """What was done and what came back, in order; the first entry is what was seen at the start."""
    steps = episode.transitions
    seen = [*(step.observation for step in steps), episode.final_observation]
    turns: list[Line] = [{"observation": seen[0]}]
    for step, answer in zip(steps, seen[1:], strict=True):
        turns.append({"action": step.action, "valid": step.action_valid, "observation": answer})
    return turns


def _resume(path: Path, file: BinaryIO, request: Line, tasks: Sequence[Task]) -> list[Line]:
    """Finished episodes of this request; cuts a torn last line off the file."""
    file.seek(0)
    raw = file.read()
    lines = list(_complete(path, raw))
    for line, task in zip(lines, tasks, strict=False):
        here = {**request, "task_id": task.task_id}
        other = [key for key, value in here.items() if line.get(key) != value]
        if other:
            raise ResultMismatch(
                f"{path} holds another evaluation: {other[0]} is {line.get(other[0])!r} there and "
                f"{here[other[0]]!r} here. Choose another output, or delete the file."
            )
    if len(lines) > len(tasks):
        raise ResultMismatch(
            f"{path} holds {len(lines)} episodes, and {len(tasks)} are asked for. "
            "Choose another output, or delete the file."
        )
    file.truncate(raw.rfind(b"\n") + 1)
    return lines


def _complete(path: Path, raw: bytes) -> Iterator[Line]:
    """Lines up to the first one that a kill has torn."""
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ResultMismatch(
                f"line {number} of {path} is no JSON object: {line[:40]!r}. "
                "Is that a result file? Choose another output, or delete the file."
            )
        yield value


def _encode(line: Line) -> bytes:
    return f"{json.dumps(line, sort_keys=True, ensure_ascii=False)}\n".encode()
