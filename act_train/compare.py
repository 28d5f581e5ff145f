"""``act-train compare A B``: two evaluations of the same tasks, task by task.

Both were played on the same tasks, so that what makes a task hard is in both, and pairs tell more
than two intervals side by side. Reported are the difference of the means with its paired-bootstrap
interval over tasks, and for wins McNemar's exact test. Files of other tasks are refused, and so are
unfinished ones; what else differs in their set-up is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from act_train.errors import ResultMismatch
from act_train.evaluation.results import Line, read_results
from act_train.evaluation.summary import EPISODES, headline
from act_train.recipe import CompareArguments
from act_train.statistics import mcnemar, mean_interval

_SAME = ("metric", "env", "env_kwargs", "configuration", "split", "task_list", "tasks")
_SET_UP = (
    "policy", "revision", "sampling", "history", "prompt_version", "step_limit", "seed",
    "trajectories", "versions",
)  # fmt: skip


def run(arguments: CompareArguments) -> dict[str, Any]:
    """Compare two result files.

    Returns:
        ``a`` and ``b``: who was evaluated; ``differing``: the names of what differs in the set-up;
        ``measures``: for each the means of both, the difference B - A with its interval, and for
        wins how many tasks either alone has won, and the p-value that this is chance.

    Raises:
        ResultMismatch: the files are not about the same tasks, or one is not finished.
    """
    a, b = map(read_results, arguments.results)
    both = " and ".join(arguments.results)
    for name, lines in zip(arguments.results, (a, b), strict=True):
        if len(lines) != lines[0]["tasks"]:
            raise ResultMismatch(
                f"{name} holds {len(lines)} of {lines[0]['tasks']} tasks. Run its act-train "
                "evaluate again, which goes on from there."
            )
    for key in _SAME:
        if a[0][key] != b[0][key]:
            raise ResultMismatch(
                f"{both} cannot be paired: {key} is {a[0][key]!r} in the first "
                f" and {b[0][key]!r} in the second. Evaluate both on the same tasks."
            )
    differing = [key for key in _SET_UP if a[0][key] != b[0][key]]
    if "step_limit" in differing and _caps(a) == _caps(b):
        differing.remove("step_limit")  # one said what the other left to the environment
    return {
        "a": headline(a),
        "b": headline(b),
        "differing": differing,
        "measures": _episodes(a, b) if a[0]["metric"] == EPISODES else _next_actions(a, b),
    }


def words(report: Mapping[str, Any]) -> str:
    """What is printed."""
    a, b = report["a"], report["b"]
    others = [key for key in report["differing"] if key not in ("policy", "revision")]
    lines = [
        f"A: {a['policy']}; {a['set_up']}",
        f"B: {b['policy']}; {b['set_up']}",
        f"{a['episodes']} tasks of {a['tasks']}, paired",
    ]
    if others:
        lines.append(f"not only the policy differs: {', '.join(others)}")
    lines += ["", f"{'':<18}{'A':<8}{'B':<8}B - A (95 %)"]
    for name, found in report["measures"].items():
        low, high = found["difference_95"]
        line = (
            f"{name:<18}{found['a']:<8.3f}{found['b']:<8.3f}{found['difference']:+.3f} "
            f"({low:+.3f} to {high:+.3f})"
        )
        if "p" in found:
            line += (
                f"   won by A alone {found['only_a']}, by B alone {found['only_b']}, "
                f"McNemar p = {found['p']:.2g}"
            )
        lines.append(line)
    return "\n".join(lines)


def _episodes(a: Sequence[Line], b: Sequence[Line]) -> dict[str, Any]:
    found = {}
    for prefix, one, other in (("", a, b), ("lenient ", _meant(a), _meant(b))):
        found[f"{prefix}success"] = _wins([x["won"] for x in one], [x["won"] for x in other])
        found[f"{prefix}score"] = _paired([x["score"] for x in one], [x["score"] for x in other])
    return found


def _meant(lines: Sequence[Line]) -> list[Line]:
    """The outcomes with the lenient reader of answers."""
    return [line["lenient"] or line for line in lines]


def _next_actions(a: Sequence[Line], b: Sequence[Line]) -> dict[str, Any]:
    """States of one task resemble each other: tasks are resampled."""
    tasks = [line["task_id"] for line in a for _ in line["answers"]]
    found = {}
    for label, key in (("accuracy", "right"), ("lenient accuracy", "lenient_right")):
        one, other = ([x[key] for line in lines for x in line["answers"]] for lines in (a, b))
        found[label] = _paired(one, other, tasks)
    return found


def _wins(a: Sequence[bool], b: Sequence[bool]) -> dict[str, Any]:
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    return {**_paired(a, b), "only_a": only_a, "only_b": only_b, "p": mcnemar(only_a, only_b)}


def _paired(
    a: Sequence[float], b: Sequence[float], tasks: Sequence[str] | None = None
) -> dict[str, Any]:
    change, bounds = mean_interval([y - x for x, y in zip(a, b, strict=True)], tasks)
    return {
        "a": sum(a) / len(a),
        "b": sum(b) / len(b),
        "difference": change,
        "difference_95": bounds,
    }


def _caps(lines: Sequence[Line]) -> list[int]:
    return [line.get("cap", 0) for line in lines]
