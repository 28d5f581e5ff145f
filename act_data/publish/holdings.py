"""The section of a card on what the dataset holds: kinds of task, steps, lengths, duplicates."""

from __future__ import annotations

from collections.abc import Mapping

from act_data.analysis.table import as_is, markdown_table
from act_data.publish.counts import quantiles
from act_data.publish.markdown import folded, short
from act_data.publish.measures import Measures
from act_data.publish.trust import noise_table

_MANY = 8  # lines of a table that are shown unasked


def content(found: Measures, images: Mapping[str, str]) -> str:
    """The section, with its figures."""
    lines = []
    for env_id, one in found.environments.items():
        for kind, count in sorted(one.kinds.items()):
            line = [short(env_id), as_is(kind), f"{len(one.tasks[kind]):,}", f"{count:,}"]
            lines.append(line)
    head = ["environment", "kind of task", "tasks", "pairs"]
    kinds = markdown_table(head, lines, numbers=2)
    rows = [row for row in found.noise if row.kind is not None and row.alternatives == "all"]
    by_kind = noise_table(found, rows, "Verdicts by kind of task") if rows else ""
    lengths = []
    for env_id, one in found.environments.items():
        steps = quantiles(one.steps)
        of = [quantiles(counts[who]) for counts in (one.lengths, one.words) for who in counts]
        lengths.append([short(env_id), steps, *of])
    head = ["environment", "step", "characters: expert", "alternative", "words: expert",
            "alternative"]  # fmt: skip
    repeats = found.repeats
    alike = (
        f"{repeats.pairs:,} pairs read like an earlier one (same goal, observation and actions but "
        "for numbers and upper case)"
    )
    if repeats.held_out:
        alike += (
            f"; of the {repeats.held_out:,} outside of train, {repeats.in_train:,} "
            f"({repeats.in_train / repeats.held_out:.1%}) read like one in train, though from "
            "another task"
        )
    return "\n\n".join(
        [
            "## What is in it",
            kinds if len(lines) <= _MANY else folded("Pairs by kind of task", kinds),
            *([by_kind] if by_kind else ()),
            images["steps.png"],
            images["lengths.png"],
            "Median, 90th percentile and maximum:",
            markdown_table(head, lengths, numbers=1),
            f"Duplicates: no two pairs have the same `pair_id`. {alike}.",
            _episodes(found),
        ]
    )


def _episodes(found: Measures) -> str:
    if not found.episodes:
        return "There are no trajectories, and so no config `sft`."
    lines = [
        [short(env_id), as_is(policy), f"{count:,}", f"{found.steps[env_id, policy]:,}",
         f"{found.steps[env_id, policy] / count:.1f}"]
        for (env_id, policy), count in found.episodes.items()
    ]  # fmt: skip
    head = ["environment", "expert", "trajectories", "steps", "steps each"]
    return markdown_table(head, lines, numbers=2)
