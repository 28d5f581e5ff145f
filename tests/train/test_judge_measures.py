"""Calibration, areas and intervals, by hand and beside scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.metrics import roc_auc_score

from act_data.analysis.bootstrap import Estimate
from act_train.judging.calibration import calibration_error, reliability
from act_train.judging.resampling import Array, Tasks
from act_train.judging.verdicts import summary
from act_train.judging.verified import area


def test_calibration_by_hand() -> None:
    right = np.array([[1.0, 0.0], [1.0, 1.0]])
    confidence = np.array([[0.52, 0.54], [0.97, 1.0]])
    tasks = Tasks(["a", "b"])
    # bin 0.5-0.55: mean confidence 0.53, accuracy 0.5; bin 0.95-1: 0.985 and 1; half each
    found = calibration_error(right, confidence, tasks)
    assert found.value == pytest.approx((0.03 + 0.015) / 2)
    rows = reliability(right, confidence, tasks)
    assert [row["prompts"] for row in rows] == [2, *[0] * 8, 2]
    assert (rows[0]["from"], rows[0]["to"], rows[-1]["to"]) == (0.5, 0.55, 1)
    assert (rows[0]["confidence"], rows[0]["accuracy"]) == (pytest.approx(0.53), 0.5)
    assert rows[1]["confidence"] is rows[1]["accuracy"] is rows[1]["accuracy_95"] is None
    assert calibration_error(1 - right[1:], np.ones((1, 2)), Tasks(["a"])).value == 1


@pytest.mark.parametrize("slope", [1.0, 0.8, 0.0])
def test_the_interval_of_the_calibration_error_holds_the_true_one(slope: float) -> None:
    """Judges as sure as they are often right, or not, in all bins: the data overstate their error.

    ``slope`` is how much more often a judge is right when it is surer.
    """
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(40):
        confidence = 0.5 + 0.5 * rng.random((150, 1))
        right = (rng.random((150, 1)) < 0.5 + slope * (confidence - 0.5)).astype(float)
        tasks = Tasks([str(number // 3) for number in range(150)])
        found = calibration_error(right, confidence, tasks)
        assert found.low <= found.value <= found.high
        held += found.low <= (1 - slope) / 4 <= found.high
    assert held >= 37


def test_what_all_tasks_agree_on_is_not_certain() -> None:
    tasks = Tasks([str(number) for number in range(20)])
    others = 1.96**2 / (20 + 1.96**2)
    sure = calibration_error(np.ones((20, 2)), np.full((20, 2), 0.999), tasks)
    assert (sure.low, sure.high) == (0, pytest.approx(0.001 + others * 0.999))
    same = tasks.difference(np.zeros(20))
    assert (same.low, same.high) == (pytest.approx(-others), pytest.approx(others))


def test_areas_are_those_of_scikit_learn_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 12, 80) / 12
    positive = rng.random(80) < 0.3 + 0.4 * scores
    names = [f"task {number}" for number in rng.integers(0, 20, 80)]
    found = area(scores, positive, Tasks(names))
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(positive, scores))
    assert found.low < found.value < found.high

    weights = rng.integers(1, 4, 80).astype(float)

    class Weighted(Tasks):
        def of_weights(self, statistic: Callable[[Array], Array]) -> Estimate:
            return Estimate(float(statistic(weights[None])[0]), 0, 1)

    weighted = area(scores, positive, Weighted(names))
    assert weighted is not None
    known = roc_auc_score(positive, scores, sample_weight=weights)
    assert weighted.value == pytest.approx(known)
    assert area(scores, np.ones(80, bool), Tasks(names)) is None


def chosen(number: int, better: bool, gap: float) -> dict[str, Any]:
    """What is written of a pair of which a judge is so sure, in nats, that it names the better."""
    both = [[min(gap, 0), min(-gap, 0)]] * 2
    return {
        "pair_id": str(number), "task_id": str(number), "origin": "", "env_id": "", "kind": "",
        "policy": "", "step": 0, "admissible": True, "choices": {"state": both, "no_state": both},
        "verdicts": {"hindsight": "expert_better" if better else "equivalent", "informed": None},
        "regrets": {"hindsight": None, "informed": None},
    }  # fmt: skip


@pytest.mark.parametrize("shift", [-60, 0, 60])
def test_areas_of_sure_judges_have_no_ties(shift: float) -> None:
    rng = np.random.default_rng(1)
    better = rng.random(40) < 0.5
    gaps = shift + rng.normal(0, 3, 40) + 4 * better
    lines = [chosen(i, one, gap) for i, (one, gap) in enumerate(zip(better, gaps, strict=True))]
    [found] = summary(lines, None)["verified"]
    known = roc_auc_score(better, gaps)
    assert 0.6 < known < 1
    assert (found["auroc"], found["no_state_auroc"]) == (pytest.approx(known),) * 2


def test_intervals_are_of_tasks_not_of_pairs() -> None:
    values = np.tile([0.0, 1.0], 200)
    alone = Tasks([str(number) for number in range(400)]).ratio(values)
    alike = np.sort(values)  # twenty to a task, all of which are the same
    together = Tasks([str(number // 20) for number in range(400)]).ratio(alike)
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 3 * (alone.high - alone.low)
    one = Tasks(["a"] * 3).ratio(np.ones(3))
    assert (one.value, one.low, one.high) == (1, 0, 1)
    change = Tasks(["a", "b", "c"]).difference(np.array([-1.0, 0.0, 1.0]))
    assert change.value == pytest.approx(0)
    assert -1 <= change.low < 0 < change.high <= 1


def test_verdicts_are_of_each_pair() -> None:
    lines = [chosen(i, True, gap) for i, gap in enumerate((2.0, -2.0, 0.0))]
    found = summary(lines, np.array([-1.0, 0.0, 3.0]))
    assert found["text_verdicts"] == [["0", "0", 0.0], ["1", "1", 0.5], ["2", "2", 1.0]]
    assert [row[2:] for row in found["verdicts"]] == [[1.0, 1.0], [0.0, 0.0], [0.5, 0.5]]
    assert summary(lines, None)["text_verdicts"] == []
