"""What the figures of a card show, and the texts that say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping

from act_data.analysis.noise import READINGS
from act_data.publish import figures
from act_data.publish.counts import NEVER, quantiles
from act_data.publish.markdown import READ, short
from act_data.publish.measures import Measures

PICTURES = ("verdicts.png", "regret.png", "steps.png", "lengths.png")

_REGRETS = (-math.inf, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 5.5, 10.5, math.inf)
_REGRET_NAMES = ("≤ −2", "−1", "0", "1", "2", "3", "4-5", "6-10", "> 10", "∞")


def pictures(found: Measures) -> dict[str, tuple[bytes, str]]:
    """The figures with a text that says what is in them."""
    drawn: dict[str, tuple[bytes, str]] = {}
    verdicts = _verdicts(found)
    if verdicts:
        said = "; ".join(
            f"{title}, {label}: {shares['expert_better']:.0%} expert better, "
            f"{shares['equivalent']:.0%} equivalent, {shares['alternative_better']:.0%} "
            f"alternative better, {shares['unknown']:.0%} unknown"
            for title, bars in verdicts.items()
            for label, shares in bars.items()
        )
        drawn["verdicts.png"] = figures.stacked(verdicts), f"Verdicts. {said}."
    regrets = {
        short(env_id): {
            READ[reading]: _binned(one.regrets[reading])
            for reading in READINGS
            if one.regrets[reading]
        }
        for env_id, one in found.environments.items()
        if any(one.regrets.values())
    }
    if regrets:
        label = "actions to the win after the alternative, minus after the expert's (∞: no win)"
        said = "; ".join(
            f"{title}, {name}: {sum(shares[:2]):.0%} below 0, {shares[2]:.0%} about 0, "
            f"{sum(shares[3:-1]):.0%} above"
            + (f", {shares[-1]:.0%} never win" if name == READ["hindsight"] else "")
            for title, series in regrets.items()
            for name, shares in series.items()
        )
        picture = figures.bins(regrets, _REGRET_NAMES, label)
        drawn["regret.png"] = picture, f"Regret of the alternative in actions. {said}."
    steps = {short(env_id): {"pairs": one.steps} for env_id, one in found.environments.items()}
    said = "; ".join(f"{title}: {quantiles(one['pairs'])}" for title, one in steps.items())
    drawn["steps.png"] = (
        figures.histograms(steps, "step of the episode, from 0 (share of the pairs)"),
        f"Pairs by step of the episode; median, 90th percentile, maximum. {said}.",
    )
    lengths = {short(env_id): one.lengths for env_id, one in found.environments.items()}
    said = "; ".join(
        f"{title}: {', '.join(f'{name} {quantiles(one[name])}' for name in one)}"
        for title, one in lengths.items()
    )
    drawn["lengths.png"] = (
        figures.histograms(lengths, "characters of an action (share of the actions)"),
        f"Lengths of actions in characters; median, 90th percentile, maximum. {said}.",
    )
    return drawn


def _verdicts(measured: Measures) -> dict[str, dict[str, dict[str, float]]]:
    """Shares of the verdicts, by environment and then by policy and reading."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in measured.noise:
        if row.judged and row.kind is None and row.alternatives == "all":
            shares = {name: share.value for name, share in row.shares.items()}
            policy = measured.proposer(row.env_id, row.expert, row.policy)
            label = f"{policy}, {READ[row.reading]}"
            found.setdefault(short(row.env_id), {})[label] = shares
    return found


def _binned(regrets: Mapping[float, int]) -> list[float]:
    """Shares of the regrets in the bins of ``_REGRETS``, and of those without a win."""
    counts = [0] * len(_REGRET_NAMES)
    for regret, count in regrets.items():
        if regret == NEVER:
            counts[-1] += count
        else:
            at = next(at for at, end in enumerate(_REGRETS[1:]) if regret < end)
            counts[at] += count
    total = sum(counts)
    return [count / total for count in counts]
