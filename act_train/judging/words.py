"""A summary for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from act_data.analysis.bootstrap import ENOUGH
from act_train.judging.part import may_be_known, part_of
from act_train.judging.rationales import INTERVENTIONS

_WIDTH = 28


def words(result: Mapping[str, Any]) -> str:
    """What a terminal shows of a summary; intervals are of 95 % and resample tasks."""
    part = f" ({drawn})" if (drawn := part_of(result)) else ""
    lines = [
        f"{result['pairs']} pairs of {result['tasks']} tasks{part}, each in both orders; "
        f"past turns shown: {result['history']}",
        "",
        _line("accuracy", result, "accuracy"),
        _line("without the state", result, "no_state_accuracy"),
        _line("the texts alone", result, "text_accuracy"),
        _finding(result),
        "",
        _line("right in both orders", result, "swap_consistent"),
        _line("position bias", result, "position_bias"),
        _line("calibration error", result, "ece"),
        _line("Brier score", result, "brier"),
    ]
    for row in result["verified"]:
        lines += ["", f"{row['reading']}, {row['pairs']} pairs with a verified verdict"]
        lines += [
            _line("AUROC", row, "auroc"),
            _line("without the state", row, "no_state_auroc"),
            _line("names the better action", row, "decided_accuracy"),
        ]
    if found := result["rationales"]:
        lines += ["", f"accuracy after reasoning, {found['pairs']} pairs"]
        lines += [_line(name, found, f"{name}_accuracy") for name in INTERVENTIONS]
        if found["written"] < 1:
            lines.append(f"reasoning was written in {found['written']:.0%} of the free answers")
    return "\n".join(lines)


def _line(title: str, numbers: Mapping[str, Any], name: str) -> str:
    if numbers[name] is None:
        return f"{title:<{_WIDTH}}-"
    low, high = numbers[f"{name}_95"]
    return f"{title:<{_WIDTH}}{numbers[name]:.3f}  ({low:.3f} to {high:.3f})"


def _finding(result: Mapping[str, Any]) -> str:
    """What the accuracy is worth."""
    if may_be_known(result):
        return "Nothing is claimed: the model may have been trained on these pairs."
    if result["above_floor"]:
        return "The model judges: it is above both floors, pair by pair."
    if result["tasks"] < ENOUGH:
        return f"Too few tasks to tell whether it judges: {result['tasks']}, of at least {ENOUGH}."
    said = {"no_state": "itself without the state", "text": "the texts alone"}
    missed = [said[name] for name in said if result[f"above_{name}_95"][0] <= 0]
    return f"Not shown to judge: not clearly more accurate than {', nor than '.join(missed)}."
