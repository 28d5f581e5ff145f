"""What a table shows of a result file, and the same in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from act_train.evaluation.anatomy import anatomy
from act_train.evaluation.results import Line
from act_train.statistics import mean_interval

_FAULT_WORDS = {
    "no_tag": "without an action tag",
    "malformed": "with several tags, half a pair, or several lines",
    "empty": "with nothing between the tags",
    "too_long": "missing, for the prompt was too long for the model",
}


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """The figures of one file of episodes; intervals are of 95 %, Wilson's or over resampled tasks.

    Returns:
        Who played what, ``episodes`` (of ``tasks``), success and score with the strict reader of
        answers, and with the lenient one (``lenient_...``), and the figures of
        :func:`act_train.evaluation.anatomy.anatomy` under the strict one.
    """
    meant = [line["lenient"] or line for line in lines]
    figures: dict[str, Any] = {}
    for name, of in (
        ("mean_score", [line["score"] for line in lines]),
        ("success", [line["won"] for line in lines]),
        ("lenient_mean_score", [line["score"] for line in meant]),
        ("lenient_success", [line["won"] for line in meant]),
    ):
        figures[name], figures[f"{name}_95"] = mean_interval(of)
    return {
        **headline(lines),
        **figures,
        "mean_max_score": fmean(line["max_score"] for line in lines),
        "mean_steps": fmean(line["steps"] for line in lines),
        "read_otherwise": sum(line["lenient"] is not None for line in lines),
        "cut_off_share": fmean(line["ended"] == "truncated" for line in lines),
        "gave_up_share": fmean(line["ended"] == "gave_up" for line in lines),
        **anatomy([(line["turns"], line["won"]) for line in lines]),
    }


def headline(lines: Sequence[Line]) -> dict[str, Any]:
    """Who was evaluated, on what, and how."""
    first = lines[0]
    return {
        "policy": first["policy"],
        "revision": first["revision"],
        "benchmark": first["benchmark"],
        "tasks": f"{first['env']} {first['split']} ({first['task_list']})",
        "episodes": len(lines),
        "asked": first["tasks"],
        "tasks_in_split": first.get("tasks_in_split"),
        "set_up": _set_up(lines),
    }


def words(report: Mapping[str, Any]) -> str:
    """A summary for people."""
    lines = [*opening(report), ""]
    if report["answers"]:
        lines += [
            _row("", "answers read strictly     read leniently"),
            _both("success", report, "success", "lenient_success"),
            _both("mean score", report, "mean_score", "lenient_mean_score"),
        ]
    else:  # an expert acts, and says nothing that could be read in two ways
        lines += [
            _row("success", interval(report, "success")),
            _row("mean score", interval(report, "mean_score")),
        ]
    if report["read_otherwise"]:
        lines.append(
            f"{report['read_otherwise']} of {report['episodes']} episodes were played twice: they "
            "hold an answer that only the lenient reader can read"
        )
    lines += [
        "",
        _row("actions an episode", f"{report['mean_steps']:.1f}"),
        _row("actions to a success", _number(report["steps_to_success"])),
        _row("cut off by the limit", _percent(report["cut_off_share"]), "of the episodes"),
    ]
    if report["gave_up_share"]:
        lines.append(_row("given up", _percent(report["gave_up_share"]), "of the episodes"))
    lines += [
        _row("end in a loop", _percent(report["loop_share"]), "of the episodes"),
        _row("repeated in vain", _percent(report["repeated_share"]), "of the actions"),
        _row("refused", _percent(report["invalid_share"]), "of the actions"),
    ]
    if report["recovery_share"] is not None:
        share = _percent(report["recovery_share"])
        lines.append(_row("  next one accepted", share, "of the refused"))
    if report["answers"]:
        share = _percent(report["format_failure_share"])
        lines.append(_row("no action to be read", share, "of the answers"))
    lines += [
        _row("", _percent(share), _FAULT_WORDS[name]) for name, share in report["faults"].items()
    ]
    return "\n".join(lines)


def opening(report: Mapping[str, Any]) -> list[str]:
    """The first lines: who, on what, how much of it, and how."""
    name = f"{report['benchmark']}, " if report["benchmark"] else ""
    whole = "" if report["episodes"] == report["asked"] else f" of {report['asked']}"
    lines = [
        f"{report['policy']} on {name}{report['tasks']}",
        f"{report['episodes']}{whole} tasks, each once; {report['set_up']}",
    ]
    if report["asked"] < (report["tasks_in_split"] or 0):
        lines.append(f"a part: the split has {report['tasks_in_split']} tasks")
    return lines


def _set_up(lines: Sequence[Line]) -> str:
    first = lines[0]
    caps = sorted({line["cap"] for line in lines if "cap" in line})
    parts = [f"at most {caps[0]}{f' to {caps[-1]}' * (len(caps) > 1)} actions"] if caps else []
    if sampling := first["sampling"]:
        parts += [f"history {first['history']}", f"prompt version {first['prompt_version']}"]
        if (temperature := sampling.get("temperature")) is not None:
            parts.append(f"temperature {temperature:g}" if temperature else "greedy")
        if sampling.get("thinking"):
            parts.append("with thinking")
        if "repeat_penalty" in sampling:
            parts.append(f"repeat penalty {sampling['repeat_penalty']:g}")
    return ", ".join([*parts, f"seed {first['seed']}"])


def _both(label: str, report: Mapping[str, Any], strict: str, lenient: str) -> str:
    return f"{label:<24}{interval(report, strict):<26}{interval(report, lenient)}"


def interval(report: Mapping[str, Any], name: str) -> str:
    """A figure and its bounds."""
    low, high = report[f"{name}_95"]
    return f"{report[name]:.3f} ({low:.3f} to {high:.3f})"


def _row(label: str, value: str, of: str = "") -> str:
    return f"{label:<24}{value} {of}".rstrip()


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
