"""What the choices of a judge add up to.

A pair is asked in both orders: the expert's action shown first, then second. The choice is the
likelier answer; a tie counts half for either side. Of all pairs:

- ``accuracy``: share of prompts (two per pair) where the expert's action is chosen;
- ``swap_consistent``: share of pairs where it is in *both* orders (chance: 0.25);
- ``choose_first``: share of prompts where the first candidate is chosen, ``probability_first`` the
  mean probability of that, and ``position_bias``, pair by pair, the accuracy with the expert's
  action first less that with it second (0 is unbiased, 1 is a judge that looks at nothing else);
- ``ece`` and ``reliability``: see :mod:`act_train.judging.calibration`; ``brier``, the mean square
  of what the probability of the expert's action lacks to 1 (0.25: half and half, every time);
- ``admissible_accuracy``: the accuracy on the ``admissible_pairs`` whose alternative the simulator
  offers; the rest may be told apart by that alone (None where there are none);
- ``no_state_...``: all of these with goal, history and observation blank: what the same judge makes
  of the look of the actions alone;
- ``text_accuracy``: of a classifier of the two texts (``n-grams`` of
  :mod:`act_data.analysis.floor`), tested on the tasks of each of five folds of these pairs, trained
  on those of the others and on ``text_others`` pairs of other tasks, which are those that a judge
  of held-out pairs was trained on (None with fewer than two tasks). ``above_no_state`` and
  ``above_text`` are the differences of accuracies, pair by pair, and ``above_floor`` whether both
  intervals lie above 0, on tasks that are ``ENOUGH`` for intervals
  (:mod:`act_data.analysis.bootstrap`): only then has the judge shown that it judges;
- ``verdicts``, ``no_state_verdicts`` and ``text_verdicts``: of each pair its id, its task and how
  right the judge is (in either order; of the texts 1, 0 or, in a tie, 0.5), for whoever compares;
- ``verified``: against what a verification found, each reading by itself. ``auroc`` is the chance
  that a pair whose expert's action *is* better gets higher log-odds of naming it (the mean of both
  orders; probabilities would tie at 1.0) than one where it is not (the alternative is better, or as
  good); and ``decided_accuracy`` the accuracy, by the verified label, where one of the two is
  better;
- ``groups``: the accuracies of the pairs of one kind of task, policy, step and regret. Where a
  regret is below 0, the expert's action is the worse one, and a good judge is below a half.

Every ``..._95`` is a 95 % interval by bootstrap over tasks (:mod:`act_train.judging.resampling`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from act_data.analysis.bootstrap import ENOUGH
from act_data.analysis.noise import READINGS
from act_train.judging.calibration import calibration_error, reliability
from act_train.judging.choices import Choices, Line, tasks_of, with_interval
from act_train.judging.groups import groups
from act_train.judging.rationales import INTERVENTIONS
from act_train.judging.resampling import Array, Tasks
from act_train.judging.verified import against


def summary(lines: Sequence[Line], margins: Array | None) -> dict[str, Any]:
    """What the module tells of the lines of one result.

    Args:
        lines: of the pairs, at least one.
        margins: of the classifier of texts, above 0 where it names the expert's action; shape
            (pairs,). None where it could not be tested.
    """
    tasks = tasks_of(lines)
    state, blank = Choices(lines, "state"), Choices(lines, "no_state")
    accuracies = {"": state.accuracy, "no_state_": blank.accuracy}
    scores = {"": state.gap.mean(1), "no_state_": blank.gap.mean(1)}
    if margins is not None:
        accuracies["text_"], scores["text_"] = (1 + np.sign(margins)) / 2, margins
    result: dict[str, Any] = {"pairs": len(lines), "tasks": tasks.count}
    for prefix, choices in (("", state), ("no_state_", blank)):
        found = {
            **_rates(choices, tasks),
            **_admissible(lines, choices),
            "reliability": reliability(choices.right, choices.confidence, tasks),
            "verdicts": _rows(lines, choices.right),
        }
        result |= {f"{prefix}{name}": value for name, value in found.items()}
    return {
        **result,
        **_floors(accuracies, tasks),
        "text_verdicts": _rows(lines, accuracies["text_"][:, None])
        if "text_" in accuracies
        else [],
        "verified": [
            row for reading in READINGS if (row := against(lines, reading, accuracies, scores))
        ],
        "groups": groups(lines, accuracies),
        "rationales": _rationales([line for line in lines if "free" in line["choices"]]),
    }


def _rates(choices: Choices, tasks: Tasks) -> dict[str, Any]:
    first, second = choices.right.T
    chance_first, chance_second = choices.probability.T
    return {
        **with_interval("accuracy", tasks.ratio(choices.accuracy)),
        **with_interval("swap_consistent", tasks.ratio(choices.consistent)),
        **with_interval("choose_first", tasks.ratio((first + 1 - second) / 2)),
        **with_interval("position_bias", tasks.difference(first - second)),
        "probability_first": float((chance_first + 1 - chance_second).mean() / 2),
        **with_interval("ece", calibration_error(choices.right, choices.confidence, tasks)),
        **with_interval("brier", tasks.ratio(((1 - choices.probability) ** 2).mean(1))),
    }


def _admissible(lines: Sequence[Line], choices: Choices) -> dict[str, Any]:
    offered = np.array([line["admissible"] for line in lines])
    return {
        "admissible_accuracy": float(choices.accuracy[offered].mean()) if offered.any() else None,
        "admissible_pairs": int(offered.sum()),
    }


def _rows(lines: Sequence[Line], rights: Array) -> list[list[Any]]:
    """What can be paired with another judge's: pair, task, and how right each time."""
    return [
        [line["pair_id"], line["task_id"], *right]
        for line, right in zip(lines, rights.tolist(), strict=True)
    ]


def _floors(accuracies: Mapping[str, Array], tasks: Tasks) -> dict[str, Any]:
    """The accuracy of the texts alone, and how far the judge is above each floor."""
    result: dict[str, Any] = {}
    above = []
    for name in ("no_state", "text"):
        floor = accuracies.get(f"{name}_")
        if floor is None:
            result |= {f"above_{name}": None, f"above_{name}_95": None}
            continue
        found = tasks.difference(accuracies[""] - floor)
        above.append(found.low > 0)
        result |= with_interval(f"above_{name}", found)
    result |= {"text_accuracy": None, "text_accuracy_95": None}
    if "text_" in accuracies:
        result |= with_interval("text_accuracy", tasks.ratio(accuracies["text_"]))
    return {**result, "above_floor": tasks.count >= ENOUGH and all(above)}


def _rationales(lines: Sequence[Line]) -> dict[str, Any] | None:
    """Accuracy after each intervention, and how far it is from the free one, pair by pair."""
    if not lines:
        return None
    tasks = tasks_of(lines)
    choices = {name: Choices(lines, name) for name in INTERVENTIONS}
    result: dict[str, Any] = {
        "pairs": len(lines),
        "tasks": tasks.count,
        "written": float(np.mean([bool(text) for line in lines for text in line["rationales"]])),
    }
    for name, found in choices.items():
        result |= with_interval(f"{name}_accuracy", tasks.ratio(found.accuracy))
        result |= with_interval(f"{name}_swap_consistent", tasks.ratio(found.consistent))
        if name != "free":
            change = tasks.difference(found.accuracy - choices["free"].accuracy)
            result |= with_interval(f"{name}_effect", change)
    return result
