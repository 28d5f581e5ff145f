"""``act-train reflections``: write the thoughts that two executed actions give rise to.

The first half of self-reflection (Early Experience, arXiv 2510.08558), which ``act-train reflect``
learns from. Both actions of every verified pair were executed. A language model, by rights the one
that is to learn, is shown the state, both actions and what each gave, and writes the thoughts that
lead to the expert's. One line per pair is on the disk before the next is asked for; after a kill
the same command goes on.

Left out: several alternatives in one reflection, and processes beside each other: an endpoint or
vLLM answers many requests at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from act_data.errors import DataNotFound
from act_data.policies.base import PACKAGES, Policy, Query, seed_of
from act_data.prompts import CLOSE_TAG, OPEN_TAG, PROMPT_VERSION, reflection_prompt, spoken
from act_data.provenance import versions
from act_data.runs.run import digest
from act_data.types import ContrastPair
from act_envs.types import Task
from act_train.arguments.training import PairArguments, ReflectionsArguments
from act_train.data import executed_parts
from act_train.errors import ResultMismatch
from act_train.evaluation.results import Line, complete_lines, opened
from act_train.reasoning.models import at_once, find_model

_ENDS = (".", "!", "?", '"', "\u201d", ")", "\u3002")  # of a text that was not cut off


def run(data: PairArguments, arguments: ReflectionsArguments) -> dict[str, Any]:
    """Write, or go on writing, about the pairs that ``reflect`` learns from and measures on.

    Returns:
        How many ``texts`` there are, and how many are ``of_use``.

    Raises:
        ModelNotFound, UnknownArgument: there is no such writer.
        ResultMismatch: the file holds texts of another writer or about other pairs.
        RunLocked: another process writes to the file.
        TrainingData: no pair was executed.
    """
    train, held = executed_parts(data)
    pairs = [*train, *held]
    writer = find_model(
        arguments.writer,
        temperature=arguments.temperature,
        top_p=1.0,
        max_new_tokens=arguments.max_new_tokens,
        thinking=arguments.thinking,
        base_url=arguments.base_url,
    )
    named = [Task(pair.pair_id, pair.split, pair.kind) for pair in pairs]
    request = _request(writer, pairs, data.history, arguments.seed)
    with opened(Path(arguments.output), request, named) as file:
        bar = tqdm(total=len(pairs), initial=len(file.lines), unit="pair", mininterval=2)
        while rest := pairs[len(file.lines) :]:
            some = rest[: at_once(writer)]
            queries = [_query(pair, data.history, arguments.seed) for pair in some]
            for pair, [sample] in zip(some, writer.sample(queries, 1), strict=True):
                thoughts = "" if sample.fault else _thoughts(sample.text)
                file.add({"task_id": pair.pair_id, "thoughts": thoughts, "text": sample.text})
                bar.update()
        bar.close()
        of_use = sum(bool(line["thoughts"]) for line in file.lines)
        return {"output": arguments.output, "texts": len(file.lines), "of_use": of_use}


def words(report: Mapping[str, Any]) -> str:
    """What is printed."""
    said = f"{report['output']}: {report['of_use']} of {report['texts']} texts can be learnt"
    if report["of_use"] == report["texts"]:
        return said
    return (
        f"{said}; the others are empty, cut off or hold action tags. If most were cut off, write "
        "anew into another file with a larger max_new_tokens."
    )


def read_thoughts(path: str) -> dict[str, str]:
    """Thoughts that can be learnt, by the ``pair_id`` that they are about.

    Raises:
        DataNotFound: there is no such file.
        ResultMismatch: it is none of reflections.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFound(f"{path} does not exist. Write it first: act-train reflections.")
    lines = list(complete_lines(file, file.read_bytes()))
    if any("thoughts" not in line for line in lines):
        raise ResultMismatch(f"{path} holds no reflections. Write them: act-train reflections.")
    return {line["task_id"]: line["thoughts"] for line in lines if line["thoughts"]}


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
