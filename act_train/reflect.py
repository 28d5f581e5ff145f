"""``act-train reflect``: imitate with the thoughts that two executed actions give rise to.

A rival of arXiv 2603.08706: self-reflection, the second way of Early Experience (arXiv 2510.08558).

Algorithm: both actions of every verified pair were executed. A language model, by default the one
that is trained, is shown the state, both actions and what each gave, and writes the thoughts that
lead to the expert's. Then the likelihood of thoughts and action is maximised after the prompt of
the state, which shows neither alternative nor outcome. It is ``trl.SFTTrainer`` on rows of
:func:`act_train.rows.reflection_rows`; everything about optimisation is ``SFTConfig``.

Thoughts are written one after the other into ``reflections.jsonl`` of the run; after a kill the
same command goes on, and the file can be read before it is learnt from. Several processes wait
while the first one writes: raise ``ddp_timeout``, or write with one process and go on with several.

Left out: several alternatives in one reflection, and mixing in steps of the expert that nothing was
compared with (``imitate`` before or after).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm
from trl import SFTConfig  # pyright: ignore[reportPrivateImportUsage]

from act_data.policies.base import PACKAGES, Policy, Query, seed_of
from act_data.prompts import CLOSE_TAG, OPEN_TAG, PROMPT_VERSION, reflection_prompt, spoken
from act_data.provenance import versions
from act_data.runs.run import digest
from act_data.types import ContrastPair
from act_envs.types import Task
from act_train.arguments.training import ModelArguments, PairArguments, ReflectArguments
from act_train.base import weights_of
from act_train.data import load_executed, split_by_task, spread
from act_train.errors import TrainingData
from act_train.evaluation.results import Line, complete_lines, opened
from act_train.imitate import fit
from act_train.reasoning.models import at_once, find_model
from act_train.rows import reflection_rows

REFLECTIONS = "reflections.jsonl"
_ENDS = (".", "!", "?", '"', "\u201d", ")", "\u3002")  # of a text that was not cut off

logger = logging.getLogger(__name__)


def run(
    model: ModelArguments, data: PairArguments, reflect: ReflectArguments, training: SFTConfig
) -> dict[str, float]:
    """Write thoughts where there are none yet, and learn them.

    Returns:
        What ``metrics.json`` holds: TRL's numbers, ``eval_`` ones on the held-out tasks.

    Raises:
        ModelNotFound, UnknownArgument: there is no such writer.
        ResultMismatch: the run holds thoughts of another writer or about other pairs.
        TrainingData: no pair was executed, or nothing that was written is of use.
    """
    pairs = load_executed(data.pairs, data.allow_split, split=data.split, subset=data.subset)
    train, held = split_by_task(pairs, data.validation_share)
    train = spread(train, data.max_pairs)
    weights_of(model, training)  # that cannot be trained is better known before hours of writing
    path = Path(str(training.output_dir)) / REFLECTIONS
    with training.main_process_first(desc="writing thoughts"):
        if training.process_index == 0:
            _write(path, [*train, *held], model, data.history, reflect, training.seed)
        lines = list(complete_lines(path, path.read_bytes()))
    thoughts = of_use(lines)
    rows = reflection_rows(train, thoughts, history=data.history)
    if not rows:
        raise TrainingData(
            f"of {len(lines)} texts in {path} none can be learnt: they are empty, cut off or hold "
            "action tags. Take another writer, or raise writer_tokens."
        )
    if len(thoughts) < len(lines):
        logger.warning(
            "%d of %d texts in %s are left out: they are empty, cut off or hold action tags. Raise "
            "writer_tokens if most were cut off.", len(lines) - len(thoughts), len(lines), path,
        )  # fmt: skip
    measured = reflection_rows(held, thoughts, history=data.history)
    return fit("reflect", model, training, [model, data, reflect], rows, measured)


def of_use(lines: Iterable[Line]) -> dict[str, str]:
    """Thoughts that can be learnt, by the pair that they are about."""
    return {line["task_id"]: line["thoughts"] for line in lines if line["thoughts"]}


def _write(
    path: Path,
    pairs: Sequence[ContrastPair],
    model: ModelArguments,
    history: int,
    reflect: ReflectArguments,
    seed: int,
) -> None:
    """Ask the writer about the pairs that the file does not hold yet."""
    at = f"@{model.revision}" if model.revision else ""
    writer = find_model(
        reflect.writer or f"transformers:{model.model}{at}",
        temperature=reflect.writer_temperature,
        top_p=1.0,
        max_new_tokens=reflect.writer_tokens,
        thinking=reflect.writer_thinking,
        base_url=reflect.base_url,
    )
    named = [Task(pair.pair_id, pair.split, pair.kind) for pair in pairs]
    with opened(path, _request(writer, pairs, history, seed), named) as file:
        bar = tqdm(total=len(pairs), initial=len(file.lines), unit="pair", mininterval=2)
        while rest := pairs[len(file.lines) :]:
            some = rest[: at_once(writer)]
            queries = [_query(pair, history, seed) for pair in some]
            for pair, [sample] in zip(some, writer.sample(queries, 1), strict=True):
                thoughts = "" if sample.fault else _thoughts(sample.text)
                file.add({"task_id": pair.pair_id, "thoughts": thoughts, "text": sample.text})
                bar.update()
        bar.close()


def _query(pair: ContrastPair, history: int, seed: int) -> Query:
    done = pair.verification
    assert done is not None
    prompt = reflection_prompt(
        pair.state,
        (pair.expert_action, done.expert.observation),
        (pair.alternative_action, done.alternative.observation),
        history=history,
    )
    return Query(pair.state, (), seed_of(seed, "reflect", pair.pair_id), prompt=tuple(prompt))


def _thoughts(text: str) -> str:
    """What can be learnt of an answer: whole sentences without an action, or nothing."""
    said = (spoken(text) or "").strip()
    return said if said.endswith(_ENDS) and not (OPEN_TAG in said or CLOSE_TAG in said) else ""


def _request(writer: Policy, pairs: Sequence[ContrastPair], history: int, seed: int) -> Line:
    return {
        "metric": "reflection",
        "pairs": digest([pair.pair_id for pair in pairs]),
        "policy": writer.name,
        "revision": writer.revision,
        "sampling": {k: v for k, v in writer.sampling.items() if k != "history"},
        "engine": writer.engine,
        "history": history,
        "prompt_version": PROMPT_VERSION,
        "seed": seed,
        "versions": versions(*PACKAGES.get(writer.name.partition(":")[0], ())),
    }
