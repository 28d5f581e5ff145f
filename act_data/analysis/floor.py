"""``act-data floor``: how often the expert's action is told from its words, without the state.

A judge that sees only the two actions of a pair knows nothing of the task. What it gets right all
the same is what any judge gets for free: results of training are to be read above this floor.

The judge is a logistic regression on the difference of the two actions' features (tf-idf of words,
of pairs of words, and of two to four characters), without an intercept: to exchange the actions
changes the sign of its score, so their order carries nothing. It is cross-validated over five
folds of whole tasks: no task is both trained and tested on, nor are two that were made from one
thing (WebShop's of a product), which count as one task here. Two simpler judges stand beside it:
the shorter action, and the action whose verb was the more often the better one in the training
folds. A judge that cannot decide is right by half.

Every judge is measured on the label as it is assumed (the expert's action is better), and on each
reading that was verified, ties and unknowns left out. Intervals hold 95 %, by bootstrap over tasks
(:mod:`act_data.analysis.bootstrap`). scikit-learn (extra ``analysis``) is imported by the function
alone.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from act_data.alternatives import verb
from act_data.analysis.bootstrap import Estimate, estimate, task_weights
from act_data.analysis.noise import READINGS
from act_data.analysis.table import aligned, titled
from act_data.options import check_once
from act_data.policies.base import seed_of
from act_data.splits import made_from
from act_data.storage.files import write_text
from act_data.storage.tables import stream
from act_envs.errors import MissingExtra, UnknownArgument

LABELS = ("assumed", *READINGS)
FOLDS = 5

_SEED = 0
_BATCH = 2_000_000  # numbers at a time; bounds the memory of a bootstrap

_Pair = tuple[str, str]
"""The better action and the worse one."""
_Source = tuple[str, str, str]
"""Environment, expert and policy."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """How often the expert's action is told from the words of the two actions alone.

    Attributes:
        pairs: contrast pairs, verified or not: folders or files.
        limit: take so many pairs of an environment, expert and policy: whole tasks, drawn from
            all, until there are enough.
        json: also write the rows to this file, as a JSON list.
    """

    pairs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    limit: int = 20_000
    json: Path | None = None


@dataclass(frozen=True, slots=True)
class FloorRow:
    """What one judge gets right without the state.

    Attributes:
        env_id: the environment.
        expert: name of the expert.
        policy: name of the policy.
        label: which action is the better one: ``"assumed"``, the expert's; or as a reading says.
        pairs: number of pairs with this label.
        tasks: number of tasks they are from.
        judge: ``"n-grams"``, ``"shorter"`` or ``"verb"``.
        accuracy: how often it names the better action, ties counted half; None with fewer than
            two tasks, of which none could be tested on.
        auroc: chance that a pair shown as (better, worse) scores higher than one shown as
            (worse, better); None likewise.
    """

    env_id: str
    expert: str
    policy: str
    label: str
    pairs: int
    tasks: int
    judge: str
    accuracy: Estimate | None
    auroc: Estimate | None


def floor(config: Floor) -> list[FloorRow]:
    """Measure the judges, and write the file that was asked for.

    Returns:
        Rows by environment, expert and policy, then label (readings of which there are any), then
        judge. The same data give the same rows.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: the pairs cannot be read.
        MissingExtra: scikit-learn is not installed.
        UnknownArgument: an option has a value that cannot be used.
    """
    if not config.pairs:
        raise UnknownArgument("no pairs were named. Give folders of contrast pairs.")
    check_once(config.pairs)
    if config.limit < 1:
        raise UnknownArgument(f"limit must be at least 1, not {config.limit}.")
    check_installed()
    rows = []
    for source, labels in sorted(_read(config).items()):
        for label in LABELS:
            if found := labels.get(label):
                rows += _rows(source, label, found)
    if config.json:
        write_text(config.json, json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return rows


def floor_text(rows: Sequence[FloorRow]) -> str:
    """The rows for a terminal of 100 columns, in percent."""
    lines = [["label", "pairs", "tasks", "judge", "accuracy", "AUROC"]]
    titles: dict[int, list[str]] = {}
    for source, some in groupby(rows, lambda row: (row.env_id, row.expert, row.policy)):
        titles[len(lines)] = ["", "{}: {} against {}".format(*source)]
        for row in some:
            number, tasks = str(row.pairs), str(row.tasks)
            shown = (str(one) if one else "-" for one in (row.accuracy, row.auroc))
            lines.append([row.label, number, tasks, row.judge, *shown])
    legend = "In percent; in brackets 95 % intervals, bootstrap over tasks."
    return "\n".join([legend, "", *titled(aligned(lines), titles)])


# -- data ----------------------------------------------------------------------------------------


def check_installed() -> None:
    """Refuse to begin what could not be finished.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtra(
            'scikit-learn is not installed. Run: pip install "agentic-critical-training[analysis]".'
        )


def margins(
    pairs: Sequence[_Pair], tasks: NDArray[np.intp], others: Sequence[_Pair] = ()
) -> NDArray[np.float64]:
    """How far the judge of n-grams prefers the first action of each pair, on unseen tasks.

    Args:
        pairs: two actions each.
        tasks: the number of each pair's task, from 0 without gaps; shape (pairs,).
        others: of none of these tasks, from which it learns besides.

    Returns:
        Above 0 where it names the first; shape (pairs,).
    """
    return _tested(
        lambda known, unseen: _by_ngrams([*others, *known], unseen), _Labelled(pairs, tasks)
    )


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Pairs whose better action is known, in order of their tasks' names.

    Attributes:
        pairs: each as (better, worse).
        tasks: number of each pair's task, from 0; shape (pairs,).
    """

    pairs: Sequence[_Pair]
    tasks: NDArray[np.intp]


def _read(config: Floor) -> dict[_Source, dict[str, _Labelled]]:
    """The pairs of each source by label."""
    chosen = _chosen(config)
    found: dict[_Source, dict[str, list[tuple[str, _Pair]]]] = {}
    verdicts = (f"verification.{reading}.verdict" for reading in READINGS)
    for source, row in _streamed(config, "expert_action", "alternative_action", *verdicts):
        whole = made_from(row["task_id"], row["origin"])
        if whole not in chosen[source]:
            continue
        pair = (row["expert_action"], row["alternative_action"])
        for label in LABELS:
            verdict = _verdict(row, label)
            if verdict in ("expert_better", "alternative_better"):
                ordered = pair if verdict == "expert_better" else pair[::-1]
                some = found.setdefault(source, {}).setdefault(label, [])
                some.append((whole, ordered))
    return {
        source: {label: _labelled(some) for label, some in labels.items()}
        for source, labels in found.items()
    }


def _chosen(config: Floor) -> dict[_Source, set[str]]:
    """The tasks of each source that are taken."""
    counts: dict[_Source, Counter[str]] = {}
    for source, row in _streamed(config):
        counts.setdefault(source, Counter())[made_from(row["task_id"], row["origin"])] += 1
    chosen: dict[_Source, set[str]] = {}
    for source, tasks in counts.items():
        taken, chosen[source] = 0, set()
        for task in sorted(tasks, key=lambda task: seed_of("floor", task)):
            if taken >= config.limit:
                break
            taken += tasks[task]
            chosen[source].add(task)
    return chosen


def _streamed(config: Floor, *names: str) -> Iterator[tuple[_Source, Mapping[str, Any]]]:
    for path in config.pairs:
        for row in stream(path, "pairs", "env_id", "expert", "policy", "task_id", "origin", *names):
            yield (row["env_id"], row["expert"], row["policy"]), row


def _verdict(row: Mapping[str, Any], label: str) -> str | None:
    if label == "assumed":
        return "expert_better"
    reading = row["verification"] and row["verification"][label]
    return reading and reading["verdict"]


def _labelled(found: Sequence[tuple[str, _Pair]]) -> _Labelled:
    found = sorted(found, key=lambda one: one[0])  # stable: pairs of a task keep their order
    tasks = np.unique([task for task, _ in found], return_inverse=True)[1]
    return _Labelled([pair for _, pair in found], tasks)


# -- judges --------------------------------------------------------------------------------------

_Judge = Callable[[Sequence[_Pair], Sequence[_Pair]], NDArray[np.float64]]
"""Learns from pairs, and scores others: above 0 where it names the better action."""


def _shorter(_: Sequence[_Pair], pairs: Sequence[_Pair]) -> NDArray[np.float64]:
    return np.sign([float(len(worse) - len(better)) for better, worse in pairs])


def _by_verb(known: Sequence[_Pair], pairs: Sequence[_Pair]) -> NDArray[np.float64]:
    won, lost = (Counter(map(verb, actions)) for actions in zip(*known, strict=True))

    def chance(action: str) -> float:
        name = verb(action)
        return (won[name] + 1) / (won[name] + lost[name] + 2)  # a half where it was never seen

    return np.sign([chance(better) - chance(worse) for better, worse in pairs])


def _by_ngrams(known: Sequence[_Pair], pairs: Sequence[_Pair]) -> NDArray[np.float64]:
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union

    texts = sorted({action for pair in known for action in pair})
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]"),
        TfidfVectorizer(ngram_range=(2, 4), analyzer="char_wb"),
    ).fit(texts)
    learnt = _differences(features, known)
    # Each pair both ways round, so that there are two classes; the score is odd all the same.
    model = LogisticRegression(fit_intercept=False, solver="liblinear", max_iter=1000)
    model.fit(vstack([learnt, -learnt]), np.repeat([1, 0], len(known)))
    return np.asarray(_differences(features, pairs) @ model.coef_[0])


def _differences(features: Any, pairs: Sequence[_Pair]) -> Any:
    """Features of the better actions minus those of the worse; sparse (pairs, features)."""
    numbers: dict[str, int] = {}
    at = [[numbers.setdefault(action, len(numbers)) for action in pair] for pair in pairs]
    found = features.transform([*numbers])
    better, worse = np.array(at).T
    return found[better] - found[worse]


_JUDGES: dict[str, _Judge] = {"n-grams": _by_ngrams, "shorter": _shorter, "verb": _by_verb}


# -- measures ------------------------------------------------------------------------------------


def _rows(source: _Source, label: str, data: _Labelled) -> Iterator[FloorRow]:
    tasks = int(data.tasks.max()) + 1
    for name, judge in _JUDGES.items():
        accuracy = auroc = None
        if tasks > 1:
            scores = _tested(judge, data)
            accuracy, auroc = _accuracy(scores, data.tasks), _auroc(scores, data.tasks)
        yield FloorRow(*source, label, len(data.pairs), tasks, name, accuracy, auroc)


def _tested(judge: _Judge, data: _Labelled) -> NDArray[np.float64]:
    """Scores of all pairs, each from a judge that has not seen its task; shape (pairs,)."""
    from sklearn.model_selection import GroupKFold

    scores = np.zeros(len(data.pairs))
    folds = GroupKFold(min(FOLDS, int(data.tasks.max()) + 1))
    for train, test in folds.split(scores, groups=data.tasks):
        known, unseen = ([data.pairs[at] for at in some] for some in (train, test))
        scores[test] = judge(known, unseen)
    return scores


def _accuracy(scores: NDArray[np.float64], tasks: NDArray[np.intp]) -> Estimate:
    right = np.bincount(tasks, (1 + np.sign(scores)) / 2)
    sums = np.stack([right, np.bincount(tasks)], 1)
    weights = task_weights(len(sums), np.random.default_rng(_SEED))
    drawn = np.concatenate([some @ sums for some in weights])
    return estimate(float(right.sum()) / len(scores), drawn[:, 0] / drawn[:, 1], len(sums))


def _auroc(scores: NDArray[np.float64], tasks: NDArray[np.intp]) -> Estimate:
    """Over all pairs of a pair shown rightly and one shown the wrong way round, ties half."""
    order = np.argsort(scores, kind="stable")
    ranked, tasks = scores[order], tasks[order]
    # Of pair i the score is s; of pair j shown the other way it is -t. How many t are below, -s?
    below, upto = (np.searchsorted(ranked, -ranked, side=side) for side in ("left", "right"))

    def area(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape (resamples, pairs) to (resamples,)."""
        sums = np.cumsum(np.pad(weights, ((0, 0), (1, 0))), 1)
        total = sums[:, -1:]
        higher = total - (sums[:, below] + sums[:, upto]) / 2
        return (weights * higher).sum(1) / total[:, 0] ** 2

    number = int(tasks.max()) + 1
    size = max(1, _BATCH // len(tasks))
    drawn = [
        area(some[start : start + size, tasks])
        for some in task_weights(number, np.random.default_rng(_SEED))
        for start in range(0, len(some), size)
    ]
    value = area(np.ones((1, len(tasks))))[0]
    return estimate(float(value), np.concatenate(drawn), number)
