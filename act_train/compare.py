"""``act-train compare A B``: two evaluations of the same tasks, task by task.

Reported are the difference of the means with its paired-bootstrap interval over tasks, and for wins
and right answers to questions McNemar's exact test (:mod:`act_train.evaluation.pairing`). Files of
other tasks or states are refused, and so are unfinished ones; what else differs in their set-up is
said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from act_data.analysis.bootstrap import ENOUGH
from act_train.arguments.measuring import CompareArguments
from act_train.errors import ResultMismatch
from act_train.evaluation.measures import MEASURES, READINGS, REASONING
from act_train.evaluation.pairing import Difference, apart, difference, differing
from act_train.evaluation.results import Line, read_results
from act_train.evaluation.summary import headline


def run(arguments: CompareArguments) -> dict[str, Any]:
    """Compare two result files.

    Returns:
        ``a`` and ``b``: who was evaluated; ``differing``: the names of what differs in the set-up;
        ``measures``: for each the means of both, the difference B - A with its interval, and for
        wins how many tasks either alone has won, and the p-value that this is chance.

    Raises:
        ResultMismatch: the files are not about the same tasks, or one is damaged or not finished.
    """
    a, b = map(read_results, arguments.results)
    for name, lines in zip(arguments.results, (a, b), strict=True):
        if len(lines) != lines[0]["tasks"]:
            command = "reason" if lines[0]["metric"] == REASONING else "evaluate"
            raise ResultMismatch(
                f"{name} holds {len(lines)} of {lines[0]['tasks']} tasks. Run its act-train "
                f"{command} again, which goes on from there."
            )
    if reason := apart(a, b):
        raise ResultMismatch(
            f"{' and '.join(arguments.results)} cannot be paired: {reason}. "
            "Evaluate both on the same tasks, and at the same states."
        )
    return {
        "a": _who(a),
        "b": _who(b),
        "differing": differing([a], [b]),
        "measures": {
            f"{prefix}{measure}".replace("next-action", "accuracy"): _entry(
                difference([a], [b], f"{prefix}{measure}")
            )
            for prefix in READINGS[a[0]["metric"]]
            for measure in MEASURES[a[0]["metric"]]
        },
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
    if a["episodes"] < ENOUGH:
        lines.append(f"fewer than {ENOUGH} tasks: too few to tell A and B apart by an interval")
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


def _who(lines: Sequence[Line]) -> dict[str, Any]:
    """Who was evaluated, on what, and how."""
    first = lines[0]
    if first["metric"] != REASONING:
        return headline(lines)
    sampling = [f"{name} {value}" for name, value in first["sampling"].items()]
    return {
        "policy": first["policy"],
        "revision": first["revision"],
        "benchmark": first["benchmark"],
        "tasks": f"{first['benchmark']} ({first['task_list']})",
        "episodes": len(lines),
        "asked": first["tasks"],
        "set_up": ", ".join([*sampling, f"seed {first['seed']}"]),
    }


def _entry(found: Difference) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "a": found.a,
        "b": found.b,
        "difference": found.change,
        "difference_95": [found.low, found.high],
    }
    if found.wins is not None:
        entry |= dict(zip(("only_a", "only_b", "p"), found.wins, strict=True))
    return entry
