"""``README.md`` of a dataset: what was measured in its rows, and what its users must know.

A stranger should see at once what a row is, how to load it, and how far to trust the labels. Every
number is counted from the files (:mod:`act_data.publish.measures`) or stands in the request of
the build; what was not measured is said to be so.

Sections: how far to trust the labels (:mod:`act_data.publish.trust`), what is in it
(:mod:`act_data.publish.holdings`), licences and limits (:mod:`act_data.publish.caveats`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from act_data.analysis.noise import READINGS
from act_data.analysis.table import as_is, markdown_table
from act_data.publish.caveats import limits, sources
from act_data.publish.contents import CARD
from act_data.publish.croissant import CROISSANT, croissant
from act_data.publish.head import head
from act_data.publish.holdings import content
from act_data.publish.licences import spdx_ids
from act_data.publish.markdown import code, fenced, listed, short
from act_data.publish.measures import Measures, measure
from act_data.publish.pictures import PICTURES, pictures
from act_data.publish.plan import SPLITS, layout
from act_data.publish.trust import accuracy, floor_section, glance, labels
from act_data.storage.files import replacing, write_json
from act_data.storage.schema import SCHEMA_VERSION

PAPER = "https://arxiv.org/abs/2603.08706"

_FIGURES = "figures"
DESCRIPTION = (CARD, CROISSANT, *(f"{_FIGURES}/{name}" for name in PICTURES))
"""Paths within a dataset of what describes it; a figure of what was not measured is not there."""

_HOLDS = {
    "critique": "prompts of TRL: which of two actions? Two rows a pair, one for each order",
    "preference": "prompts of TRL, chosen the expert's action, rejected the alternative, whatever "
    "the verdict",
    "sft": "prompts of TRL with the expert's action as the completion: each step of `trajectories`",
    "trajectories": "episodes that an expert won, action by action",
}


def describe(folder: Path, request: Mapping[str, Any]) -> None:
    """Write all of ``DESCRIPTION``, the card last.

    Args:
        folder: a built one, with all files of ``data/``.
        request: of the build, see :func:`card`.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun, MissingExtra: as :func:`card`.
    """
    write_json(folder / CROISSANT, croissant(folder, request["name"]))
    text = card(folder, request)
    with replacing(folder / CARD) as file:
        file.write(text.encode())


def card(folder: Path, request: Mapping[str, Any]) -> str:
    """Measure a built folder, draw its figures into it, and write its card.

    Equal files and requests give equal bytes of all of them.

    Args:
        folder: with all files of ``data/``.
        request: of the build. Read are ``name``, ``shares``, ``history`` and ``versions``; and,
            where they are there, ``command_line``, the text of the command that makes it, and
            ``mining``, what :func:`act_data.publish.mined.mining` tells of the runs that the
            pairs are from.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: the folder is not what act-data
            build leaves.
        MissingExtra: datasets, huggingface_hub or matplotlib is not installed.
    """
    found = measure(folder)
    pairs = sum(one.total for one in found.environments.values())
    licences = spdx_ids(found.played)
    first = head(folder, request["name"], layout(folder), pairs, licences)
    drawn = pictures(found)
    (folder / _FIGURES).mkdir(exist_ok=True)
    for name, (data, _) in drawn.items():
        with replacing(folder / _FIGURES / name) as file:
            file.write(data)
    images = {name: f"![{as_is(text)}]({_FIGURES}/{name})" for name, (_, text) in drawn.items()}
    sections = [
        _summary(request["name"], found),
        _loading(found),
        _row(found.example),
        labels(found, images),
        content(found, images),
        floor_section(found),
        accuracy(found, request.get("mining", ())),
        _making(found, request),
        sources(found),
        limits(found),
        _citation(),
    ]
    return f"---\n{first}\n---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


# -- at a glance ---------------------------------------------------------------------------------


def _summary(name: str, found: Measures) -> str:
    verified = sum(one.verified for one in found.environments.values())
    pairs = sum(one.total for one in found.environments.values())
    tasks = sum(len(names) for one in found.environments.values() for names in one.tasks.values())
    decided = sum(one.decided for one in found.environments.values())
    if not verified:
        done = "Neither was executed: that the expert's action is the better one is an assumption."
    else:
        both = "Both" if verified == pairs else f"In {verified:,} of the pairs both"
        some = "" if decided == verified else f", in {decided:,} of them,"
        done = (
            f"{both} were executed from that very state; rows say what each gave and{some} how "
            "they compare."
        )
    lines = [
        f"# {as_is(name)}",
        f"**{pairs:,} pairs from {tasks:,} tasks of {listed(map(short, found.environments))}.** A "
        "row is one state of a text environment with **two actions: an expert's, and an "
        f"alternative** that a policy proposed there. {done} For training agents to judge "
        f"actions ([Agentic Critical Training]({PAPER})), by preferences, or by imitation.",
    ]
    if found.noise:
        lines.append(glance(found))
    return "\n\n".join(lines)


def _loading(found: Measures) -> str:
    config, splits = next(iter(found.rows.items()))
    split = next(iter(splits))
    everywhere = [
        reading
        for reading in reversed(READINGS)
        if all(one.judged(reading) for one in found.environments.values())
    ]
    block = (
        "from datasets import load_dataset\n\n"
        f'pairs = load_dataset("org/name", "{config}", split="{split}")\n'
        'print(pairs[0]["expert_action"], "or", pairs[0]["alternative_action"])'
    )
    ready = f'rows = load_dataset("org/name", "critique", split="{split}")'
    if everywhere:
        keep = f'row["{everywhere[0]}_verdict"] == "expert_better"'
        ready += f"\n# Only labels that were found to hold:\nrows = rows.filter(lambda row: {keep})"
    lines = [
        [
            code(config),
            _HOLDS.get(config, "pairs"),
            *(f"{splits.get(split, 0):,}" for split in SPLITS),
            _megabytes(found.sizes[config]),
        ]
        for config, splits in found.rows.items()
    ]
    configs = markdown_table(["config", "what a row is", *SPLITS, "MB"], lines, numbers=2)
    return (
        f"## Load it\n\n```python\n{block}\n```\n\n"
        "`org/name` is this repository, or a folder that it was copied to. Ready for "
        f"training with TRL:\n\n```python\n{ready}\n```\n\n{configs}\n\n"
        "Splits are by task: all that is made of a task is in one split, in every config; so are "
        "tasks that are made from one thing, such as a product (column `origin`)."
    )


def _row(row: Mapping[str, Any]) -> str:
    """A pair as it is."""
    verified = row["verification"]
    lines = [
        ("goal", row["state"]["goal"]),
        ("observation", row["state"]["observation"]),
        ("expert_action", row["expert_action"]),
        *([("  gave", verified["expert"]["observation"])] if verified else ()),
        ("alternative_action", row["alternative_action"]),
        *([("  gave", verified["alternative"]["observation"])] if verified else ()),
    ]
    for reading in READINGS:
        if said := verified and verified[reading]:
            costs = [f"{said[f'{who}_cost']:g}" for who in ("expert", "alternative")]
            lines.append(
                (reading, f"{said['verdict']} (actions to the win: {costs[0]} after the expert's, "
                          f"{costs[1]} after the alternative; by {said['method']})")
            )  # fmt: skip
    width = max(len(name) for name, _ in lines) + 2
    text = "\n".join(
        textwrap.fill(
            f"{name:<{width}}{textwrap.shorten(value, 400, placeholder=' ...')}",
            100,
            subsequent_indent=" " * width,
        )
        for name, value in lines
    )
    return (
        f"## A row\n\n{fenced(text)}\n\nBesides: the full history of turns, all admissible "
        "actions, hashes of the states, and where the pair is from (task, environment and its "
        "arguments, expert, policy, its weights and sampling, seed, commit). `croissant.json` "
        "describes every column."
    )


def _making(found: Measures, request: Mapping[str, Any]) -> str:
    lines = ["## How it was made"]
    if command := request.get("command_line"):
        lines.append(fenced(command, "bash"))
    program = f"act-data {request['versions']['act-data']}"
    others = [code(other) for other in found.programs if other != program]
    commit = " (the part after `+g` is the commit)" if "+g" in program else ""
    before = f"; pairs were made or verified by {listed(others)}" if others else ""
    lines.append(
        f"Made by {code(program)}{before}{commit}. "
        f"Schema version {SCHEMA_VERSION}. Shares of the tasks in train, validation and test: "
        f"{', '.join(f'{share:g}' for share in request['shares'])}. Prompts show "
        f"{request['history']} past turns."
    )
    rows = [
        [short(one.env_id), as_is(one.expert),
         as_is(one.policy + (f"@{one.revision}" if one.revision else "")), code(one.sampling),
         str(one.seed), f"{one.states:,}", f"{one.pairs:,}"]
        for one in found.proposals
    ]  # fmt: skip
    head = ["environment", "expert", "policy", "sampling", "seed", "states", "pairs"]
    lines.append(markdown_table(head, rows, numbers=4))
    lines.append(
        "`build.json` names the inputs by their content, `MANIFEST.json` every file by its sha256. "
        "The same command at the same commit gives the same bytes."
    )
    return "\n\n".join(lines)


def _citation() -> str:
    return (
        "## Citation\n\n```bibtex\n"
        "@article{liu2026agentic,\n"
        "  title   = {Agentic Critical Training},\n"
        "  author  = {Liu, Weize and Liu, Minghui and Ho, Sy-Tuyen and Chakraborty, Souradip and "
        "Wang, Xiyao and Huang, Furong},\n"
        "  journal = {arXiv preprint arXiv:2603.08706},\n"
        "  year    = {2026}\n}\n\n"
        "@software{act2026,\n"
        "  title   = {ACT: environments, contrast data and training for Agentic Critical "
        "Training},\n"
        "  author  = {{The ACT maintainers}},\n"
        "  year    = {2026}\n}\n```"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}" if size >= 5e4 else "< 0.1"
