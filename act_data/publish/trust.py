"""The sections of a card that tell how far to trust its labels, and what they are measured by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from act_data.analysis.noise import READINGS, NoiseRow
from act_data.analysis.table import as_is, markdown_table
from act_data.policies.base import RandomAdmissible
from act_data.policies.hard_negative import HardNegative
from act_data.publish.markdown import READ, folded, listed, percent, short
from act_data.publish.measures import Measures

_JUDGES = {"n-grams": "n-grams of both", "shorter": "the shorter one", "verb": "its verb"}


def glance(found: Measures) -> str:
    """How noisy the labels are, in one small table."""
    said: dict[tuple[str, ...], str] = {}
    for row in found.noise:
        if row.kind is None and row.alternatives == "all":
            noise = row.shares.get("noise")
            unsaid = "unknown" if row.judged else "not judged" if row.pairs else "not verified"
            shown = f"**{percent(noise)}**" if noise else unsaid
            said[row.env_id, row.expert, row.policy, row.reading] = shown
    pairs: Counter[tuple[str, str, str]] = Counter()
    for one in found.proposals:
        pairs[one.env_id, one.expert, one.policy] += one.pairs
    lines = []
    for source, count in sorted(pairs.items()):
        shares = (said[*source, reading] for reading in READINGS)
        lines.append([short(source[0]), as_is(found.proposer(*source)), f"{count:,}", *shares])
    head = ["environment", "alternatives by", "pairs", *map(READ.__getitem__, READINGS)]
    return (
        "How often the expert's action is **not** the better one, in percent, with 95 % intervals "
        "([what the readings mean](#how-far-to-trust-the-labels)):\n\n"
        f"{markdown_table(head, lines, numbers=2)}"
    )


def labels(found: Measures, images: Mapping[str, str]) -> str:
    """The section on verdicts, with the figures that are there."""
    lines = ["## How far to trust the labels"]
    left = {env_id: one for env_id, one in found.environments.items() if one.verified < one.total}
    if bare := [short(env_id) for env_id, one in left.items() if not one.verified]:
        lines.append(
            f"Not measured in {listed(bare)}: no pairs of it were verified. There, that the "
            "expert's action is the better one is an assumption."
        )
    if some := [
        f"{short(env_id)} ({one.total - one.verified:,} of {one.total:,})"
        for env_id, one in left.items()
        if one.verified
    ]:
        lines.append(f"Verdicts leave out the pairs that were not verified: {listed(some)}.")
    if not found.noise:
        return "\n\n".join(lines)
    lines.append(
        "Pairs are judged in two ways, which answer different questions. **In hindsight**, "
        "everything is known: which action needs fewer further actions to win, from where it "
        "really led? **Informed**, only what the agent had observed counts: which needs fewer on "
        "average, over worlds that agree with it? To look into the wrong drawer first is a "
        "mistake in hindsight only. Equivalent actions cost the same (informed: within half an "
        "action)."
    )
    if "verdicts.png" in images:
        lines.append(images["verdicts.png"])
    lines.append(noise_table(found, [row for row in found.noise if row.kind is None]))
    if "regret.png" in images:
        lines += [
            "What the alternative costs, in actions more than the expert's:",
            images["regret.png"],
        ]
    facts = []
    for env_id, one in found.environments.items():
        if one.verified:
            shares = (one.same_state, one.verified - one.admissible, one.refused)
            facts.append([short(env_id), f"{one.verified:,}",
                          *(f"{count / one.verified:.1%}" for count in shares)])  # fmt: skip
    head = ["environment", "executed", "both lead to the same state",
            "alternative not admissible", "expert's action refused"]  # fmt: skip
    lines.append(markdown_table(head, facts, numbers=1))
    return "\n\n".join(lines)


def noise_table(
    found: Measures, rows: Sequence[NoiseRow], title: str = "All verdicts in numbers"
) -> str:
    """Verdicts in numbers, behind a line to click on."""
    names = ("noise", "wrong")
    plain = ("expert_better", "equivalent", "alternative_better", "unknown")
    lines = []
    for row in rows:
        if not row.judged or (row.alternatives == "admissible" and row.admissible == 1):
            continue
        admissible = " (its admissible ones)" if row.alternatives == "admissible" else ""
        ends = (row.shares.get(name) for name in names)
        shares = (row.shares.get(name) for name in plain)
        lines.append(
            [
                short(row.env_id) + (f": {as_is(row.kind)}" if row.kind is not None else ""),
                as_is(found.proposer(row.env_id, row.expert, row.policy)) + admissible,
                f"{READ[row.reading]}: {as_is(', '.join(row.methods))}",
                f"{row.judged:,}" if row.complete else f"{row.judged:,} of {row.pairs:,}",
                *("–" if share is None else percent(share) for share in ends),
                *("–" if share is None else f"{100 * share.value:.1f}" for share in shares),
            ]
        )
    head = ["environment", "alternatives by", "reading", "judged", "not better", "worse",
            "expert better", "equivalent", "alternative better", "unknown"]  # fmt: skip
    legend = (
        "In percent of the judged pairs; *not better* and *worse* (of the expert's action) are of "
        "those with a known verdict. In brackets 95 % intervals, by bootstrap over tasks; "
        "where all tasks agree, Wilson's."
    )
    return folded(title, f"{legend}\n\n{markdown_table(head, lines, numbers=3)}")


def floor_section(found: Measures) -> str:
    """The section on what can be told without the state."""
    lines = ["## What the words of the actions give away"]
    if found.floor is None:
        lines.append(
            "Not measured: scikit-learn was not installed where the dataset was built. Measure it "
            "with `act-data floor`."
        )
        return "\n\n".join(lines)
    lines.append(
        "How often the better action is told from the two actions alone, without goal or "
        "observation: in percent, cross-validated over tasks, 50 is chance; of larger numbers of "
        "pairs a sample. Read the accuracy of a judge above this floor."
    )
    rows: dict[tuple[str, ...], list[str]] = {}
    for row in found.floor:
        label = f"the better one, {READ[row.label]}" if row.label in READ else "the expert's"
        who = as_is(found.proposer(row.env_id, row.expert, row.policy))
        name = (row.label, short(row.env_id), who, label, f"{row.pairs:,}")
        rows.setdefault(name, []).append(percent(row.accuracy) if row.accuracy else "–")
    judges = [_JUDGES[name] for name in dict.fromkeys(row.judge for row in found.floor)]
    head = ["environment", "alternatives by", "action to tell", "pairs", *judges]
    assumed, judged = (
        [[*name[1:], *said] for name, said in rows.items() if (name[0] == "assumed") == which]
        for which in (True, False)
    )
    lines.append(markdown_table(head, assumed, numbers=3))
    if judged:
        lines.append(folded("By verified labels", markdown_table(head, judged, numbers=3)))
    return "\n\n".join(lines)


def accuracy(found: Measures, mined: Sequence[Mapping[str, Any]]) -> str:
    """The section on the policy's own choices, from what mining runs counted."""
    lines = ["## Policy accuracy"]
    told = [run for run in mined if run["policy"] != HardNegative.name and run["samples"]]
    if told:
        shown = [
            [as_is(", ".join(map(short, run["env_ids"]))), as_is(_model(run)), str(run["k"]),
             f"{run['states']:,}", f"{run['samples']:,}",
             *(f"{run[name] / run['samples']:.1%}" for name in ("as_expert", "faulty"))]
            for run in told
        ]  # fmt: skip
        head = ["environment", "policy", "K", "states", "samples", "the expert's action",
                "no action at all"]  # fmt: skip
        lines += [
            "How often what the policy proposed was the expert's action, of all samples in mining:",
            markdown_table(head, shown, numbers=2),
        ]
    else:
        lines.append(
            "Not known: states where all samples were the expert's action leave no pair, so the "
            "rows cannot tell, and no summary was given of a mining run whose policy chose freely."
        )
    policies = {one.policy for one in found.proposals}
    if told and RandomAdmissible.name in policies:
        lines.append(f"`{RandomAdmissible.name}` draws blindly: its share is that of chance.")
    if HardNegative.name in policies:
        lines.append(f"`{HardNegative.name}` is told the expert's action and never proposes it.")
    return "\n\n".join(lines)


def _model(run: Mapping[str, Any]) -> str:
    return run["policy"] + (f"@{run['revision']}" if run["revision"] else "")
