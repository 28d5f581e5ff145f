"""``act-data noise``: how often the expert's action is not the better one, as was verified.

A table over verified pairs: per environment, expert and policy, and for each reading by itself,
the shares of the verdicts and the label noise that follows from them. It judges nothing itself.

Pairs that were not verified are counted and left out.

Intervals are those of :mod:`act_data.analysis.bootstrap`, over tasks. Those that were made from one
thing (WebShop's of a product) count as one task, for they are alike.

Where only some pairs were judged, shares are estimated for each kind of task and weighted by the
kinds' shares of all pairs, and tasks are drawn within kinds. Kinds with a single judged task are
taken together; kinds with none are left out, which ``covered`` tells. A kind whose judged pairs all
agree adds nothing to the width of an interval: with few tasks of many kinds it is too narrow.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from act_data.analysis.bootstrap import RESAMPLES, Estimate, estimate, task_weights
from act_data.analysis.table import aligned, as_is, markdown_table, titled
from act_data.errors import SchemaMismatch
from act_data.options import check_once
from act_data.splits import made_from
from act_data.storage.files import write_text
from act_data.storage.tables import stream
from act_envs.errors import UnknownArgument

READINGS = ("hindsight", "informed")
OUTCOMES = (
    "expert_better",
    "same_state",
    "commute",
    "equal_cost",
    "alternative_better",
    "unknown",
)  # what can come of a judged pair; the three in the middle are equivalent

_CELLS = (len(READINGS), 2, 1 + len(OUTCOMES))
_SEED = 0
_SUBSETS = ("all", "admissible")
_NAMES = ("env_id", "expert", "policy", "task_id", "origin", "kind")
_FACTS = ("admissible", "commute", "expert.state_hash", "alternative.state_hash")
_JUDGED = [f"{reading}.{name}" for reading in READINGS for name in ("method", "verdict")]


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How often the expert's action is not the better one, in verified pairs.

    Attributes:
        pairs: what act-data verify wrote: folders or files.
        by_kind: tell the kinds of task apart as well.
        json: also write the rows to this file, as a JSON list.
        markdown: also write them to this file, as a Markdown table.
    """

    pairs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    by_kind: bool = False
    json: Path | None = None
    markdown: Path | None = None


@dataclass(frozen=True, slots=True)
class NoiseRow:
    """One reading of the pairs of one environment, expert and policy.

    Attributes:
        env_id: the environment.
        expert: name of the expert.
        policy: name of the policy.
        kind: the kind of task, None for all of them.
        pairs: number of pairs that were verified, judged or not.
        unverified: number of pairs besides these, of which nothing else here tells.
        tasks: number of tasks that the verified ones are from.
        admissible: share of them whose alternative the simulator offers, None where there are none.
        reading: ``"hindsight"`` or ``"informed"``.
        alternatives: ``"admissible"`` where the rest of the row is about these alone.
        judged: number of pairs with this reading.
        covered: share of the pairs that are of a kind of which some were judged.
        complete: all were judged; else the row estimates from a sample.
        methods: how costs were found, without numbers, see :mod:`act_data.verification.readings`.
        shares: of the judged pairs, by name: ``OUTCOMES`` and ``equivalent``; and of those with
            another verdict than unknown, ``noise`` (the expert's action is not strictly better)
            and ``wrong`` (it is worse). Empty where nothing was judged; without the last two
            where all is unknown. ``commute`` is tried where hindsight finds the pair equivalent;
            the informed reading counts others as ``equal_cost``.
    """

    env_id: str
    expert: str
    policy: str
    kind: str | None
    pairs: int
    unverified: int
    tasks: int
    admissible: float | None
    reading: str
    alternatives: Literal["all", "admissible"]
    judged: int
    covered: float
    complete: bool
    methods: tuple[str, ...]
    shares: Mapping[str, Estimate]


@dataclass(slots=True)
class _Source:
    """What is counted of one environment, expert and policy.

    Attributes:
        cells: for each (kind, task), verified pairs by reading, inadmissible or admissible, and
            outcome; shape (2, 2, 1 + outcomes), the first outcome being "not judged".
        methods: of each (kind, reading).
        unverified: pairs of each kind that were not verified.
    """

    cells: dict[tuple[str, str], NDArray[np.int64]] = field(default_factory=dict)
    methods: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    unverified: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, Any]) -> None:
        found, kind = row["verification"], row["kind"]
        if found is None:
            self.unverified[kind] += 1
            return
        name = (kind, made_from(row["task_id"], row["origin"]))
        if name not in self.cells:
            self.cells[name] = np.zeros(_CELLS, np.int64)
        for at, reading in enumerate(READINGS):
            outcome = 0
            if judged := found[reading]:
                outcome = 1 + OUTCOMES.index(_outcome(judged["verdict"], found))
                self.methods.setdefault((kind, reading), set()).add(_bare(judged["method"]))
            self.cells[name][at, int(found["admissible"]), outcome] += 1


def noise(config: Noise) -> list[NoiseRow]:
    """Count the verdicts, and write the files that were asked for.

    Returns:
        Rows by environment, expert, policy and kind (all kinds first), then reading, then all
        alternatives before the admissible ones.

    Raises:
        DataNotFound, DataCorrupt, UnfinishedRun: the pairs cannot be read.
        SchemaMismatch: they are not pairs, or none was verified.
        UnknownArgument: none were named, or some twice.
    """
    if not config.pairs:
        raise UnknownArgument("no pairs were named. Give folders that act-data verify wrote.")
    check_once(config.pairs)
    sources: dict[tuple[str, str, str], _Source] = {}
    columns = (*_NAMES, *(f"verification.{name}" for name in (*_FACTS, *_JUDGED)))
    for path in config.pairs:
        for row in stream(path, "pairs", *columns):
            name = (row["env_id"], row["expert"], row["policy"])
            sources.setdefault(name, _Source()).add(row)
    if not any(source.cells for source in sources.values()):
        raise SchemaMismatch(
            f"{', '.join(map(str, config.pairs))}: no pair was verified. Run act-data verify first."
        )
    rows: list[NoiseRow] = []
    for name, source in sorted(sources.items()):
        kinds = sorted({kind for kind, _ in source.cells} | {*source.unverified})
        for kind in (None, *(kinds if config.by_kind else ())):
            rows += _rows(name, source, kind)
    if config.json:
        write_text(config.json, json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if config.markdown:
        write_text(config.markdown, noise_markdown(rows))
    return rows


# -- rows ----------------------------------------------------------------------------------------


def _rows(name: tuple[str, str, str], source: _Source, kind: str | None) -> Iterator[NoiseRow]:
    chosen = sorted(key for key in source.cells if kind is None or key[0] == kind)
    cells = np.array([source.cells[key] for key in chosen], np.int64)
    cells = cells.reshape(-1, *_CELLS)  # (tasks, readings, 2, 1 + outcomes), tasks may be none
    names = np.unique([key[0] for key in chosen], return_inverse=True)[1]
    pairs = int(cells[:, 0].sum())
    unverified = source.unverified.total() if kind is None else source.unverified[kind]
    for at, reading in enumerate(READINGS):
        found = (source.methods.get((key, reading), ()) for key in {key[0] for key in chosen})
        methods = tuple(sorted({method for some in found for method in some}))
        for subset, counts in zip(
            _SUBSETS, (cells[:, at].sum(1), cells[:, at, 1]), strict=True
        ):  # each (tasks, 1 + outcomes)
            judged = int(counts[:, 1:].sum())
            shares, covered = _shares(counts, names) if judged else ({}, 0.0)
            yield NoiseRow(
                *name,
                kind=kind,
                pairs=pairs,
                unverified=unverified,
                tasks=len(chosen),
                admissible=int(cells[:, 0, 1].sum()) / pairs if pairs else None,
                reading=reading,
                alternatives="all" if subset == "all" else "admissible",
                judged=judged,
                covered=covered,
                complete=judged == int(counts.sum()),
                methods=methods,
                shares=shares,
            )


def _shares(
    counts: NDArray[np.int64], kinds: NDArray[np.intp]
) -> tuple[dict[str, Estimate], float]:
    """Estimates from the counts of each task, and which share of the pairs they speak for.

    Args:
        counts: shape (tasks, 1 + outcomes), "not judged" first.
        kinds: number of each task's kind, shape (tasks,).
    """
    rng = np.random.default_rng(_SEED)
    judged = counts[:, 1:].astype(np.float64)
    some = judged.sum(1) > 0
    strata = np.zeros_like(kinds)  # one of all: every pair speaks for itself
    covered = 1.0
    if counts[:, 0].any():
        strata = _strata(kinds, some)
        covered = float(counts[strata >= 0].sum() / counts.sum())
    total = counts[strata >= 0].sum()
    value = np.zeros(len(OUTCOMES))
    resampled = np.zeros((RESAMPLES, len(OUTCOMES)))
    for stratum in np.unique(strata[strata >= 0]):
        within = strata == stratum
        weight = counts[within].sum() / total
        tasks = judged[within & some]
        value += weight * _normed(tasks.sum(0))
        if len(tasks) > 1:
            drawn = np.concatenate([w @ tasks for w in task_weights(len(tasks), rng)])
            resampled += weight * _normed(drawn)
    number = int(some.sum())
    derived, drawn = _derived(value), _derived(resampled)
    return {
        name: estimate(float(share), drawn[name], number)
        for name, share in derived.items()
        if not np.isnan(share)
    }, covered


def _strata(kinds: NDArray[np.intp], some: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The kinds, those with a single judged task as one, and -1 for those with none.

    A single task cannot say how much tasks vary. Where only one kind has a single one, it goes
    with the kind that has fewest besides.

    Args:
        kinds: number of each task's kind, shape (tasks,).
        some: pairs of the task were judged.
    """
    tasks = np.bincount(kinds, some).astype(int)
    order = [kind for kind in np.argsort(tasks, kind="stable") if tasks[kind]]
    lonely = [kind for kind in order if tasks[kind] == 1]
    names = np.where(tasks > 0, np.arange(len(tasks)), -1)
    if len(lonely) == 1:
        lonely = order[:2]
    if lonely:
        names[lonely] = lonely[0]
    return names[kinds]


def _normed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts / counts.sum(-1, keepdims=True)


def _derived(shares: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The shares by name, with those that follow; shape (..., outcomes) to (...)."""
    named = {name: shares[..., at] for at, name in enumerate(OUTCOMES)}
    equal = named["same_state"] + named["commute"] + named["equal_cost"]
    wrong = named["alternative_better"]
    known = equal + wrong + named["expert_better"]
    known = np.where(known > 1e-9, known, np.nan)  # all unknown: there is no noise to speak of
    return {**named, "equivalent": equal, "noise": (equal + wrong) / known, "wrong": wrong / known}


def _outcome(verdict: str, found: Mapping[str, Any]) -> str:
    if verdict != "equivalent":
        return verdict
    if found["expert"]["state_hash"] == found["alternative"]["state_hash"]:
        return "same_state"
    return "commute" if found["commute"] else "equal_cost"


def _bare(method: str) -> str:
    """The method without its numbers: ``"worlds:32:explorer"`` is ``"worlds:explorer"``."""
    return ":".join(part for part in method.split(":") if not part.isdecimal())


# -- tables --------------------------------------------------------------------------------------

_SHOWN = (*OUTCOMES[:1], "equivalent", *OUTCOMES[1:])
_LEGEND = "Shares in percent of the judged pairs; in brackets 95 % intervals, bootstrap over tasks."
_HEAD = (
    ("", "", "expert", "equiva-", "same", "com-", "equal", "altern.", "un-",
     "not better,", "worse,"),
    ("in %", "judged", "better", "lent", "state", "mute", "cost", "better", "known",
     "of known", "of known"),
)  # fmt: skip


def noise_text(rows: Sequence[NoiseRow]) -> str:
    """The rows for a terminal of 100 columns, in percent; nothing twice where all is admissible."""
    lines: list[Sequence[str]] = [*_HEAD]
    titles: dict[int, list[str]] = {}  # before which line
    for row in rows:
        if row.alternatives == "all":
            title = titles.setdefault(len(lines), [])
            if row.reading == READINGS[0]:
                kind = f", {row.kind}" if row.kind is not None else ""
                title += ["", f"{row.env_id}{kind}: {row.expert} against {row.policy}"]
                title.append(_counted(row))
            title.append(f"{row.reading}: {_how(row)}")
        if row.judged and (row.alternatives == "all" or row.admissible != 1):
            lines.append(_cells(row, "all" if row.alternatives == "all" else "admissible"))
    return "\n".join([_LEGEND, "", *titled(aligned(lines), titles)])


def noise_markdown(rows: Sequence[NoiseRow]) -> str:
    """The rows as a table in Markdown, in percent, with the intervals of the last two columns."""
    head = ["environment", "expert", "policy", "kind", "pairs", "not verified", "tasks"]
    head += [
        "admissible",
        "reading",
        "alternatives",
        "judged",
        *(name.replace("_", " ") for name in _SHOWN),
    ]
    head += ["noise (95 %)", "wrong (95 %)"]
    lines = []
    for row in rows:
        named = [row.env_id, row.expert, row.policy, row.kind if row.kind is not None else "all"]
        named += [str(row.pairs), str(row.unverified), str(row.tasks)]
        named.append("-" if row.admissible is None else f"{100 * row.admissible:.1f}")
        lines.append([*named, f"{row.reading}: {_how(row)}", *_cells(row, row.alternatives)])
    return markdown_table(head, [[*map(as_is, line)] for line in lines]) + "\n"


def _cells(row: NoiseRow, name: str) -> list[str]:
    shown = [row.shares.get(share) for share in _SHOWN]
    ends = [row.shares.get(share) for share in ("noise", "wrong")]
    return [
        name,
        str(row.judged),
        *("-" if share is None else f"{100 * share.value:.1f}" for share in shown),
        *("-" if share is None else str(share) for share in ends),
    ]


def _counted(row: NoiseRow) -> str:
    found = [f"{row.pairs} pairs", f"{row.tasks} tasks"]
    if row.admissible is not None:
        found.append(f"{row.admissible:.1%} admissible")
    if row.unverified:
        found.append(f"{row.unverified} more not verified")
    return ", ".join(found)


def _how(row: NoiseRow) -> str:
    if not row.judged:
        return "not judged"
    covered = "" if row.covered == 1 else f" for {row.covered:.1%} of the pairs"
    sample = "" if row.complete else f", sample of {row.judged}{covered}"
    return f"{', '.join(row.methods)}{sample}"
