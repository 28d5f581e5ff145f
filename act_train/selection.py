"""Which questions teach: those that a group of answers is neither always nor never right about.

An advantage is the distance from the mean of the group: where all are right, or none is, there is
nothing to learn. Here the model answers all training prompts once before it is trained, and
questions without such a prompt are left out. All prompts of a question stay or go together: were
they chosen one by one, a model that likes the first place would leave the right answer in the
second, and place would tell it.

What was chosen is kept beside the checkpoints. A run that goes on takes it from there: answers of a
GPU need not be the same again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trl import GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

from act_data.storage.files import write_json
from act_train.errors import NothingToLearn
from act_train.gate import Answer, Witness, measure
from act_train.manifest import checkpoint
from act_train.rows import Row, fingerprint

_FILE = "selected.json"


def select(trainer: GRPOTrainer, witness: Witness, rows: Sequence[Row]) -> list[Row]:
    """The rows of the questions that teach.

    Args:
        trainer: has the model that will be trained.
        witness: is among its rewards.
        rows: of all questions.

    Raises:
        NothingToLearn: no question teaches.
    """
    name, resumed = fingerprint(rows), checkpoint(trainer.args)
    known = _kept(Path(resumed).parent / _FILE) if resumed else {}
    if known.get("rows") == name:
        chosen = set(known["chosen"])
    else:
        chosen = mixed(measure(trainer, witness, rows)[1])
    if trainer.is_world_process_zero():
        folder = Path(str(trainer.args.output_dir))
        write_json(folder / _FILE, {"rows": name, "chosen": sorted(chosen)})
    found = [row for row in rows if row["pair_id"] in chosen]
    if not found:
        raise NothingToLearn(
            f"of {len(rows)} prompts each is always or never answered rightly, so that none "
            "teaches. Raise num_generations or the temperature, or set select: false."
        )
    return found


def mixed(answers: Iterable[Answer]) -> set[str]:
    """Names of the questions with a prompt whose answers are right and wrong."""
    seen: dict[tuple[str, str], set[bool]] = {}
    for answer in answers:
        seen.setdefault(answer.prompt, set()).add(answer.right)
    return {name for (name, _), found in seen.items() if len(found) == 2}


def _kept(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
