"""What each of two actions costs in the end, by what one may know: how a ``Reading`` is made.

Two ways of knowing, never mixed. Costs count actions until the win, the compared one included.

- *In hindsight* everything is known. Where the environment can tell the length of a shortest way
  to a win, costs are exact (method ``"planner"``). Else an expert that sees everything goes on
  from where each action led (``"continuation:NAME"``). Where it has nothing to say there
  (``"path:NAME"``), its own way is gone instead: with up to four of its first actions left
  out, without the alternative where that comes later on it, or after going back. These costs are
  upper bounds; what nothing of this wins is unknown, not lost.
- *Informed* is what the agent had observed. What it had not is drawn anew, and in each of these
  worlds an expert that sees no more than the agent goes on after either action
  (``"worlds:N:NAME"``); costs are means over N worlds. To look into the wrong drawer first is no
  mistake by this reading, for in other worlds it is the right one; and of two actions that lead to
  the same state one may tell more. Or a policy goes on, N times in
  the true world (``"rollouts:N:NAME"``); a rollout that does not win costs as much as was allowed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean

from act_data.types import Reading, Verdict
from act_envs import TextEnv

_MARGIN = 0.5  # of an action: a smaller mean difference is none
_DOUBT = 4.0  # squared actions; with 1, verdicts after 8 worlds were wrong three times too often


def take(env: TextEnv, action: str) -> bool:
    """Take an action; whether that won."""
    return env.step(action)[4]["won"]


def judge(differences: Sequence[float]) -> tuple[Verdict, float]:
    """What differences in cost say, alternative minus expert, one for each world.

    The true mean lies around theirs, normally distributed with their standard error; the likeliest
    of less than, within and more than ``_MARGIN`` of an action is the verdict. ``_DOUBT`` is added
    to their squares: a few equal draws do not prove that all are equal.

    Args:
        differences: in actions.

    Returns:
        The verdict, and its probability.
    """
    mean, number = fmean(differences), len(differences)
    squares = _DOUBT + sum((difference - mean) ** 2 for difference in differences)
    spread = NormalDist(mean, math.sqrt(squares / (number * max(1, number - 1))))
    better, worse = 1 - spread.cdf(_MARGIN), spread.cdf(-_MARGIN)
    chances: dict[Verdict, float] = {
        "expert_better": better,
        "equivalent": 1 - better - worse,
        "alternative_better": worse,
    }
    verdict = max(chances, key=lambda name: chances[name])
    return verdict, chances[verdict]


def _sign(regret: float) -> Verdict:
    if regret == 0:
        return "equivalent"
    return "expert_better" if regret > 0 else "alternative_better"


def reading(method: str, expert: float, alternative: float, *, proven: bool) -> Reading:
    """The reading that two costs make; ``proven`` where they are no mere upper bounds."""
    if math.isinf(expert) and math.isinf(alternative):
        return Reading(method, expert, alternative, None, "unknown", None)
    regret = alternative - expert
    return Reading(method, expert, alternative, regret, _sign(regret), 1.0 if proven else None)
