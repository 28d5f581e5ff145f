"""Learning curves: what training stages logged, one figure a quantity and stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count

from act_train.reporting.figures import curves, running_mean
from act_train.reporting.sections import Figure, Table
from act_train.reporting.trainings import Training

_QUANTITIES = {
    "reward": "mean reward",
    "judge/names_expert": "answers that name the expert's action",
    "frac_reward_zero_std": "groups that teach nothing",
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "eval_loss": "loss on held-out tasks",
    "eval_reward": "mean reward where it is measured",
}


def learning_curves(found: Sequence[Training]) -> list[Figure]:
    """The quantities that were logged at two steps or more, in a fixed order."""
    stages = list(dict.fromkeys(one.stage for one in found))
    drawn = []
    for stage in stages:
        own = [one for one in found if one.stage == stage]
        for key, title in _QUANTITIES.items():
            series = {label: one.curve(key) for label, one in zip(_labels(own), own, strict=True)}
            series = {label: points for label, points in series.items() if len(points) > 1}
            if series:
                drawn.append(_figure(f"{stage}: {title}", f"curve-{len(drawn)}", series))
    return drawn


def _labels(found: Sequence[Training]) -> list[str]:
    """A label of each, numbered where several have one, such as seeds of a row."""
    labels = Counter(one.label for one in found)
    given: list[str] = []
    for one in found:
        names = (f"{one.label} ({number})" for number in count(1))
        taken = {*labels, *given}  # a run may have been called "a (1)" by hand
        given.append(
            one.label if labels[one.label] == 1 else next(n for n in names if n not in taken)
        )
    return given


def _figure(caption: str, name: str, series: dict[str, list[tuple[float, float]]]) -> Figure:
    rows = []
    for label, points in series.items():
        smooth = running_mean([value for _, value in points])
        rows.append(
            (label, f"{points[-1][0]:g}", *(f"{v:.4g}" for v in (points[0][1], smooth[-1])))
        )
    header = ("run", "steps", "first value", "mean of the last eighth")
    drawing = curves(name, series)
    return Figure(caption, drawing, Table(caption, header, rows), small=True)
