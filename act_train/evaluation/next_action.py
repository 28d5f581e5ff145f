"""``metric: next-action``: how often a policy does what the expert does, at the expert's states.

The ScienceWorld metric of arXiv 2603.08706v1. The expert's episode of each task is played, or
played again from stored trajectories, and the policy is asked at each of its states, with the
expert's history; nothing that it answers is played. An answer is right when the environment reads
it as the expert's action (``TextEnv.canonical``), and exact when it is that action letter by
letter, as the paper compares: another action that is as good counts as wrong.

Episodes that the expert did not win count like others, and tasks of which there is none are told:
those that are missing among stored trajectories, and those where the expert does nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import gymnasium as gym

from act_data.policies.base import Policy, Query, Sample, seed_of
from act_data.prompts import read_answer
from act_data.rollout import play_expert, replay, text_env
from act_data.types import Trajectory
from act_envs.types import Task
from act_train.errors import RecipeError, ResultMismatch
from act_train.evaluation.answers import read_leniently
from act_train.evaluation.results import Line
from act_train.evaluation.summary import headline, interval, opening
from act_train.statistics import mean_interval

_WITHOUT = {
    "tasks_without_episode": "of the split have no stored episode, and are left out",
    "tasks_without_state": "hold no state: the expert does nothing there",
}


def drawn(
    env: gym.Env[str, str],
    tasks: Sequence[Task],
    states: int,
    *,
    stored: Mapping[str, Trajectory] | None,
    seed: int,
) -> dict[str, Trajectory]:
    """Expert episodes of some tasks, whole ones, until they have so many states.

    Tasks are drawn by a hash of their names: the same ones for every seed, and those of a smaller
    number are among those of a larger.

    Args:
        env: the environment.
        tasks: to draw from.
        states: how many states at least.
        stored: as in :func:`results`.
        seed: seed of the run, which the episodes hold.

    Returns:
        The episodes by task.

    Raises:
        RecipeError: all tasks together have fewer states.
    """
    found: dict[str, Trajectory] = {}
    count = 0
    for task in sorted(tasks, key=lambda task: (seed_of("states", task.task_id), task.task_id)):
        found[task.task_id] = _episode(env, task, stored, seed)
        count += len(found[task.task_id].transitions)
        if count >= states:
            return found
    raise RecipeError(
        f"states={states} are asked for, and the {len(tasks)} tasks have {count}. "
        "Take more tasks, or leave states out."
    )


def results(
    env: gym.Env[str, str],
    policy: Policy,
    tasks: Sequence[Task],
    *,
    stored: Mapping[str, Trajectory] | None,
    seed: int,
) -> Generator[Line]:
    """Ask the policy about every task, all states of one together.

    Args:
        env: the environment.
        policy: who is asked.
        tasks: whose expert episodes are taken, in this order.
        stored: these episodes by task; None lets the usual expert of the environment play.
        seed: seed of the run.

    Yields:
        For every task the part of its line that is about it.

    Raises:
        ReplayMismatch: an episode does not happen again.
    """
    inner = text_env(env)
    for task in tasks:
        expert = _episode(env, task, stored, seed)
        queries = []
        for step in replay(env, expert):
            offered = tuple(inner.admissible_actions()) if policy.needs_admissible else ()
            drawn = seed_of(seed, expert.env_id, task.task_id, step)
            queries.append(Query(expert.state(step), offered, drawn))
        samples = [sample for [sample] in policy.sample(queries, 1)] if queries else []
        answers = [
            _answer(inner, sample, transition.action)
            for sample, transition in zip(samples, expert.transitions, strict=True)
        ]
        yield {
            "task_id": task.task_id,
            "kind": task.kind,
            "goal": expert.goal,
            "expert": expert.policy,
            "expert_won": expert.won,
            "states": len(answers),
            "right": sum(answer["right"] for answer in answers),
            "exact": sum(answer["exact"] for answer in answers),
            "lenient_right": sum(answer["lenient_right"] for answer in answers),
            "answers": answers,
        }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Accuracies over states, with intervals that resample tasks; by kind of task and by step.

    Raises:
        ResultMismatch: there is no state.
    """
    if not any(line["answers"] for line in lines):
        raise ResultMismatch(
            f"the expert does nothing in any of the {len(lines)} tasks, so that there is no state "
            "to ask at. Choose other tasks."
        )
    report: dict[str, Any] = {
        **headline(lines),
        "states": sum(line["states"] for line in lines),
        "expert_won_share": sum(line["expert_won"] for line in lines) / len(lines),
        "tasks_without_episode": lines[0]["tasks_without_episode"],
        "tasks_without_state": sum(not line["answers"] for line in lines),
    }
    each = [(line, answer) for line in lines for answer in line["answers"]]
    for name, key in (
        ("accuracy", "right"),
        ("exact_accuracy", "exact"),
        ("lenient_accuracy", "lenient_right"),
    ):
        report[name], report[f"{name}_95"] = mean_interval(
            [answer[key] for _, answer in each], [line["task_id"] for line, _ in each]
        )
    faults = Counter(answer["fault"] for _, answer in each if answer["fault"])
    report["format_failure_share"] = faults.total() / len(each)
    kinds: dict[str, list[bool]] = {}
    steps: dict[int, list[bool]] = {}
    for line in lines:
        for step, answer in enumerate(line["answers"]):
            kinds.setdefault(line["kind"], []).append(answer["right"])
            steps.setdefault(step, []).append(answer["right"])
    report["by_kind"] = {kind: _share(right) for kind, right in sorted(kinds.items())}
    report["by_step"] = [_share(right) for _, right in sorted(steps.items())]
    return report


def words(report: Mapping[str, Any]) -> str:
    """A summary for people."""
    width = max(map(len, report["by_kind"]))
    halves = [report["by_step"][:5], report["by_step"][5:]]
    return "\n".join(
        [
            *opening(report),
            "",
            f"The expert's next action, at {report['states']} of its states:",
            f"  answers read strictly  {interval(report, 'accuracy')}",
            f"  letter by letter       {interval(report, 'exact_accuracy')}",
            f"  read leniently         {interval(report, 'lenient_accuracy')}",
            f"  no action to be read   {report['format_failure_share']:.1%} of the answers",
            f"  tasks that the expert won: {report['expert_won_share']:.1%}",
            *(f"  {report[name]} tasks {what}" for name, what in _WITHOUT.items() if report[name]),
            f"At the first steps: {', '.join(f'{share:.2f}' for share in halves[0])}"
            f"{', ...' if halves[1] else ''}",
            "",
            *(f"  {kind:<{width}}  {share:.3f}" for kind, share in report["by_kind"].items()),
        ]
    )


def _answer(env: Any, sample: Sample, expert: str) -> Line:
    wanted, meant = env.canonical(expert), read_leniently(sample.text)
    return {
        "expert": expert,
        "answer": sample.text,
        "fault": sample.fault or read_answer(sample.text)[1],
        "right": sample.action is not None and env.canonical(sample.action) == wanted,
        "exact": sample.action == expert,
        "lenient_right": meant is not None and env.canonical(meant) == wanted,
    }


def _episode(
    env: gym.Env[str, str], task: Task, stored: Mapping[str, Trajectory] | None, seed: int
) -> Trajectory:
    return play_expert(env, task.task_id, seed) if stored is None else stored[task.task_id]


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)
