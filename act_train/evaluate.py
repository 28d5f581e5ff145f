"""``act-train evaluate``: every task once, in a fixed order, one line for each.

Tasks are enumerated, never sampled from resets. With ``metric: episodes`` each is played to its
end, ``envs`` of them at once; with ``metric: next-action`` the player is asked at every state of an
expert's episode, see :mod:`act_train.evaluation.next_action`. A line holds all that was said and
done, and repeats what is needed to compare or repeat it (task list and how many tasks the split
has, step limit, history, prompt, weights, engine, seed, versions). It holds no time, and neither
the number of environments nor an interruption shows in it: equal requests give equal bytes, as far
as the policy answers equally (what servers cannot promise is told in
:mod:`act_data.policies.endpoint`). A line is on the disk before the next one; after a kill, the
same command drops a torn last line and goes on.

Two files are compared by ``act-train compare``.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import gymnasium as gym

from act_data.options import select
from act_data.policies.base import Policy, check_seed
from act_data.prompts import PROMPT_VERSION
from act_data.rollout import make_env, text_env
from act_data.runs.run import bar, digest
from act_data.storage.tables import content, read_trajectories
from act_data.types import Trajectory
from act_envs import TextEnv
from act_envs.types import Expert, Task
from act_envs.vector import TextVectorEnv
from act_train.arguments.measuring import EvaluateArguments
from act_train.data import spread
from act_train.errors import RecipeError
from act_train.evaluation import next_action
from act_train.evaluation.episodes import play_all
from act_train.evaluation.measures import EPISODES, check_line
from act_train.evaluation.players import Player, described, find_player
from act_train.evaluation.results import Line, opened, read_results
from act_train.evaluation.summary import summary
from act_train.evaluation.summary import words as summary_words

__all__ = ["read_results", "run", "summary", "words"]


def run(arguments: EvaluateArguments) -> dict[str, Any]:
    """Evaluate, or go on evaluating.

    Returns:
        What :func:`act_train.evaluation.summary.summary` says of the lines, or with
        ``metric: next-action`` :func:`act_train.evaluation.next_action.summary`.

    Raises:
        ModelNotFound: there is no such model.
        MissingExtra: the policy needs a package that is not installed.
        RecipeError: an option has a value that cannot be used, or no step limit is set.
        ReplayMismatch: a stored trajectory does not play as it did.
        ResultMismatch: the file holds the results of another request.
        RunLocked: another process writes to the file.
        SimulatorError: an environment failed repeatedly on one action.
        UnknownTask: ``tasks`` names nothing in the split.
    """
    check_seed(arguments.seed)
    stored = _stored(arguments)
    with closing(_env(arguments, stored)) as env:
        inner = text_env(env)
        if inner.step_limit is None and arguments.metric == EPISODES:
            raise RecipeError(
                f"step_limit is not set, and {arguments.env} has none of its own: a policy may "
                "never finish. Set step_limit: NUMBER in the recipe, or --step_limit NUMBER."
            )
        listed = inner.tasks() if stored is None else _tasks_of(stored, inner)
        playable = [task for task in listed if stored is None or task.task_id in stored]
        tasks = part(select(playable, arguments.tasks), arguments.limit)
        if not tasks:
            raise RecipeError("there is no task to evaluate. Choose another split or other tasks.")
        player = find_player(arguments, inner)
        if arguments.metric == EPISODES:
            play = partial(_episodes, arguments, env, player)
        else:
            policy, seed = _policy(player), arguments.seed
            if arguments.states is not None:
                stored = next_action.drawn(env, tasks, arguments.states, stored=stored, seed=seed)
                tasks = [task for task in tasks if task.task_id in stored]
            play = partial(next_action.results, env, policy, stored=stored, seed=seed)
        request = {
            **_request(arguments, env, player, tasks),
            "tasks_in_split": len(listed),
            "tasks_without_episode": len(listed) - len(playable),
        }
        with opened(Path(arguments.output), request, tasks, check_line) as file:
            results = play(tasks[len(file.lines) :])
            with closing(results), bar(len(tasks), arguments.progress) as advance:
                advance(len(file.lines), worked=False)
                for result in results:
                    file.add(result)
                    advance(1, worked=True)
            lines = file.lines
    if arguments.metric == EPISODES:
        return summary(lines)
    return next_action.summary(lines)


def words(report: Mapping[str, Any]) -> str:
    """What is printed in the end."""
    return next_action.words(report) if "accuracy" in report else summary_words(report)


def _env(
    arguments: EvaluateArguments, stored: Mapping[str, Trajectory] | None
) -> gym.Env[str, str]:
    """Of the split that is played, with the step limit; or that of stored trajectories."""
    if stored is not None:
        one = next(iter(stored.values()))
        return make_env(one.env_id, json.loads(one.env_kwargs))
    limit = {} if arguments.step_limit is None else {"step_limit": arguments.step_limit}
    return make_env(
        arguments.env, {**arguments.make_arguments(), "split": arguments.split or "test", **limit}
    )


def _stored(arguments: EvaluateArguments) -> dict[str, Trajectory] | None:
    """The trajectories that are given, by task; None where there are none."""
    if not arguments.trajectories:
        return None
    stored: dict[str, Trajectory] = {}
    for trajectory in read_trajectories(arguments.trajectories):
        one = next(iter(stored.values()), trajectory)
        if trajectory.task_id in stored or (trajectory.env_id, trajectory.env_kwargs) != (
            one.env_id,
            one.env_kwargs,
        ):
            raise RecipeError(
                f"{arguments.trajectories} holds {trajectory.task_id} twice, or tasks of several "
                "environments. Give the trajectories of one act-data collect."
            )
        stored[trajectory.task_id] = trajectory
    if not stored:
        raise RecipeError(
            f"{arguments.trajectories} holds no trajectory. Make some: act-data collect."
        )
    return stored


def _tasks_of(stored: Mapping[str, Trajectory], env: TextEnv) -> list[Task]:
    """All tasks of the split that trajectories were played on, or else of those that they name.

    They come in the order of the split, which files need not have.
    """
    tasks = env.tasks()
    if not stored.keys() <= {task.task_id for task in tasks}:
        splits = sorted({trajectory.split for trajectory in stored.values()})
        tasks = [task for split in splits for task in env.tasks(split)]
    if lost := stored.keys() - {task.task_id for task in tasks}:
        raise RecipeError(
            f"the trajectories hold {min(lost)}, which is no task of this environment. "
            "Collect them again with this version of it."
        )
    return list(tasks)


def part(tasks: Sequence[Task], limit: int | None) -> list[Task]:
    """So many of the tasks, every kind by its share, in their order; all if ``limit`` is None."""
    kept = spread(sorted(tasks, key=lambda task: task.kind), limit)
    names = {task.task_id for task in kept}
    return [task for task in tasks if task.task_id in names]


def _policy(player: Player) -> Policy:
    if isinstance(player, Expert):
        raise RecipeError(
            f"the expert {player.name} is who metric: next-action compares with. Choose a policy."
        )
    return player


def _request(
    arguments: EvaluateArguments, env: gym.Env[str, str], player: Player, tasks: Sequence[Task]
) -> Line:
    """The part of a line that all lines of a file share."""
    assert env.spec is not None
    kwargs = {name: v for name, v in env.spec.kwargs.items() if name not in ("split", "step_limit")}
    return {
        "metric": arguments.metric,
        "benchmark": arguments.benchmark,
        "env": env.spec.id,
        "env_kwargs": kwargs,
        "configuration": text_env(env).configuration,
        "split": text_env(env).split,
        "task_list": digest([task.task_id for task in tasks]),
        "tasks": len(tasks),
        "step_limit": "default" if arguments.step_limit is None else arguments.step_limit,
        "history": arguments.history,
        "prompt_version": PROMPT_VERSION,
        "seed": arguments.seed,
        "trajectories": content(Path(stored)) if (stored := arguments.trajectories) else "",
        **described(player),
    }


def _episodes(
    arguments: EvaluateArguments, env: gym.Env[str, str], player: Player, tasks: Sequence[Task]
) -> Generator[Line]:
    """What the lines say of the tasks that are left, in their order."""
    if not tasks:
        return
    assert env.spec is not None
    module, colon, _ = arguments.env.rpartition(":")  # worker processes import it as well
    pool = gym.make_vec(
        f"{module}{colon}{env.spec.id}",
        num_envs=min(arguments.envs, len(tasks)),
        autoreset_mode="Disabled",
        **env.spec.kwargs,
    )
    with closing(pool):
        playing = play_all(
            cast(TextVectorEnv, pool), player, tasks, env_id=env.spec.id, seed=arguments.seed
        )
        yield from (played.line() for played in playing)
