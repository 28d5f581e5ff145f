"""What somebody who takes a dataset should know: its sources and their terms, and its limits.

Nothing is said of what the dataset does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from act_data.analysis.noise import READINGS
from act_data.analysis.table import as_is, markdown_table
from act_data.policies.base import RandomAdmissible
from act_data.policies.hard_negative import HardNegative
from act_data.publish.counts import Found
from act_data.publish.licences import OTHER, Licence, terms
from act_data.publish.markdown import code, listed, short
from act_data.publish.measures import Measures

_FEW_TASKS = 30
_SCRIPTED = (HardNegative.name, RandomAdmissible.name)


def sources(found: Measures) -> str:
    """The section on what the rows are made of, and under which terms."""
    lines, remarks = [], []
    for env_id in found.played:
        known = terms(env_id)
        if known is None:
            lines.append([code(env_id), "not known to this project", "ask its authors"])
            continue
        shown = "; ".join(_licence(licence) for licence in known.licences)
        lines.append([code(env_id), as_is(known.holds), shown])
        if known.redistribution and known.redistribution not in remarks:
            remarks.append(known.redistribution)
    head = ["environment", "its rows hold", "licences of the sources"]
    own = "What this project adds (pairs, verdicts, splits, prompts) is under MIT."
    return "\n\n".join(
        ["## Sources and licences", markdown_table(head, lines, numbers=3), own, *remarks]
    )


def _licence(one: Licence) -> str:
    name = f"[{one.what}]({one.url})" if one.url else one.what
    return f"{name}: {'no licence of their own' if one.spdx == OTHER else one.spdx}"


def limits(found: Measures) -> str:
    """The section on what the rows cannot do."""
    said = [*_of_labels(found.environments), *_of_content(found)]
    return "\n".join(["## Known limits", "", *(f"- {one}" for one in said)])


def _of_labels(environments: Mapping[str, Found]) -> Iterator[str]:
    def where(methods: str, reading: str) -> list[str]:
        return [
            env_id
            for env_id, one in environments.items()
            if {method.partition(":")[0] for method in one.methods[reading]} & {*methods.split()}
        ]

    if any(one.verified < one.total for one in environments.values()):
        yield (
            "Pairs without `verification` carry a label that nobody has checked: the expert's "
            "action is taken for the better one."
        )
    for env_id, one in environments.items():
        for reading in READINGS:
            if 0 < (judged := one.judged(reading)) < one.verified:
                yield (
                    f"{short(env_id)}: of {one.verified:,} pairs, {judged:,} were judged "
                    f"({reading}), drawn from all kinds of task; in the others that reading is "
                    "null."
                )
    if some := where("continuation path", "hindsight"):
        yield (
            f"{_names(some)}, in hindsight: costs are those of an expert that goes on from where "
            "each action led, and so upper bounds. A shorter way may exist; what the expert does "
            "not win is unknown, not lost, unless the action itself ended the episode."
        )
    if some := where("worlds", "informed"):
        drawn = [
            int(method.split(":")[1])
            for env_id in some
            for method in environments[env_id].methods["informed"]
            if method.startswith("worlds:")
        ]
        number = f"{min(drawn)}" if min(drawn) == max(drawn) else f"{min(drawn)} to {max(drawn)}"
        yield (
            f"{_names(some)}, informed: costs are means over {number} drawn worlds, by an expert "
            "that is no perfect player. `confidence` says how sure a verdict is."
        )
    if some := where("rollouts", "informed"):
        yield f"{_names(some)}, informed: costs are those of a policy's own rollouts, good or bad."
    if some := [
        env_id
        for env_id, one in environments.items()
        if one.verified and not one.judged("informed")
    ]:
        yield (
            f"{_names(some)}: not judged by what the agent had observed. The expert's action can "
            "be the better one for reasons that an agent cannot know."
        )
    if some := [env_id for env_id, one in environments.items() if one.refused]:
        yield (
            f"{_names(some)}: the simulator refused some of the expert's own actions; the expert "
            "errs, too (`verification.expert.action_valid`)."
        )


def _of_content(found: Measures) -> Iterator[str]:
    for env_id in found.played:
        known = terms(env_id)
        if known and known.like:
            yield (
                f"{short(env_id)} is generated: it plays by {known.like}'s rules, but its worlds "
                f"and tasks are others. Results on it are not results on {known.like}."
            )
    if scripted := sorted({one.policy for one in found.proposals} & {*_SCRIPTED}):
        yield (
            f"No language model proposed the alternatives of {listed(map(code, scripted))}: they "
            "are not the mistakes that models make."
        )
    policies = {(one.env_id, one.policy) for one in found.proposals}
    if len(policies) > len(found.environments):
        yield (
            "An alternative that several policies proposed in a state is one pair, under the "
            "policy that was named first in the build (of those whose pairs were verified, where "
            "some were); rows of the others lack it."
        )
    if few := {
        env_id: number
        for env_id, one in found.environments.items()
        if (number := sum(map(len, one.tasks.values()))) < _FEW_TASKS
    }:
        counts = listed(f"{short(env_id)} ({number})" for env_id, number in few.items())
        yield f"Few tasks: {counts}. Intervals over so few are rough."
    if found.repeats.in_train:
        yield (
            f"{found.repeats.in_train:,} pairs outside of train read like one in train, though "
            "they are from other tasks: tasks of one kind are alike. For results that are "
            "reported, take the environments' own test splits; none of their tasks is in here."
        )
    yield "Goals, observations and actions are in English, most of them from templates."


def _names(env_ids: Iterable[str]) -> str:
    return listed(map(short, env_ids))
