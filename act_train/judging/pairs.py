"""Which pairs are judged: those that the model has not been trained on, unless it is asked else.

The others of the same data are what a classifier of the two texts learns from
(:mod:`act_train.judging.floor`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from act_data.loading import load
from act_data.loading import pairs as as_pairs
from act_data.models import split_revision
from act_data.publish.manifest import MANIFEST
from act_data.splits import check_split, made_from
from act_data.types import ContrastPair
from act_train.arguments.measuring import JudgedPairArguments
from act_train.data import load_pairs, split_by_task
from act_train.errors import RecipeError, TrainingData
from act_train.judging.lineage import Stage, played, read


def chosen_pairs(
    data: JudgedPairArguments, stages: Sequence[Stage], part: str, share: float
) -> tuple[list[ContrastPair], list[ContrastPair]]:
    """Pairs of a file or folder, or of a split of a dataset, and others of the same data.

    Args:
        data: where they are.
        stages: what the model was trained by.
        part: ``"held-out"``, ``"train"`` or ``"all"``. Of files, it chooses tasks by their names,
            as training does; a split of a dataset is judged as a whole, or refused.
        share: of the tasks of files that is held out.

    Returns:
        Those that are judged, and those of other tasks: of a dataset those of its split ``train``.

    Raises:
        ForbiddenSplit: a pair belongs to an official split that results are reported on.
        RecipeError: files were asked for as a dataset, or the other way round.
        TrainingData: there are no such pairs, or the model was trained on their tasks.
    """
    if data.split is not None:
        return _of_dataset(data, stages, part)
    if not (path := Path(data.pairs)).exists() or (path / MANIFEST).is_file():
        raise RecipeError(
            f"{data.pairs} is no file or folder of pairs. Give what act-data mine or verify wrote; "
            "or, for a dataset (builtin, org/name, what act-data build made), set split: test."
        )
    known = pairs = load_pairs(data.pairs, data.allow_split)
    if part != "all":
        train, held = split_by_task(pairs, share)
        seen = played(stages, held)
        pairs = train if part == "train" else [p for p in held if p.task_id not in seen]
        if held and not pairs:
            raise TrainingData(
                f"the model has played all tasks of the {len(held)} pairs that "
                f"validation_share={share} holds out, in its training. Judge pairs of other tasks, "
                "or set part: all to judge these all the same."
            )
    if not pairs:
        raise TrainingData(
            f"validation_share={share} leaves no pair in part {part!r}. "
            "Set part: all, or judge a model that was trained with a larger share."
        )
    return pairs, _others(known, pairs)


def _others(known: Iterable[ContrastPair], judged: Iterable[ContrastPair]) -> list[ContrastPair]:
    judged_on = {made_from(pair.task_id, pair.origin) for pair in judged}
    return [pair for pair in known if made_from(pair.task_id, pair.origin) not in judged_on]


def _of_dataset(
    data: JudgedPairArguments, stages: Sequence[Stage], part: str
) -> tuple[list[ContrastPair], list[ContrastPair]]:
    if part == "train":
        raise RecipeError("part: train is for files. For a dataset, set split: train.")
    name, revision = split_revision(data.pairs)
    rows: Any = load(name, data.subset, revision=revision, split=data.split)
    pairs = list(as_pairs(rows))
    for pair in pairs:
        check_split(pair.split, data.allow_split)
    if not pairs:
        raise TrainingData(f"split {data.split!r} of {data.pairs} holds no pairs. Choose another.")
    seen = (read(stages) | played(stages, pairs)) if part == "held-out" else set()
    if known := sorted(seen & {pair.task_id for pair in pairs}):
        raise TrainingData(
            f"the model was trained on {len(known)} of the tasks in split {data.split!r} of "
            f"{data.pairs}, {known[0]} among them. Choose another split, or set part: all to judge "
            "them all the same."
        )
    everything: Any = load(name, data.subset, revision=revision)
    return pairs, _others(as_pairs(everything["train"]) if "train" in everything else (), pairs)
