"""``act-train judge``: how well a model tells the expert's action from the alternative.

For each pair and each order of the candidates, the model chooses the likelier of the two answers,
and the softmax of their log-probabilities says how sure it is (:mod:`act_train.judging.choice`).
The same is asked with the state removed. What that adds up to, and above which floors it is
judgment, tells :mod:`act_train.judging.verdicts`; what the model's reasoning does to its choices,
on some of the pairs, :mod:`act_train.judging.rationales`.

Two files are written. ``OUTPUT.jsonl`` holds one line per pair, on the disk before the next pair is
judged: after a kill, the same command goes on, and equal requests give equal bytes. ``OUTPUT.json``
is made from it when it is complete.

A model that was trained to choose without reasoning is asked as it was trained, to answer at once;
``reasoning`` of the result says so.

Tasks are held out as they were from the model, and from those that it was made from, as far as
their ``run.json`` tell (:mod:`act_train.judging.lineage`). A share larger than that would call
tasks held out that it was trained on, and is refused; so is a split of a dataset that holds any.

Left out: sampling of answers, and batches over pairs, which would make a choice depend on its
neighbours. The choice of a model that needs to think is underrated, but for ``rationales``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from act_data.analysis.floor import check_installed
from act_data.analysis.noise import READINGS
from act_data.policies.base import PACKAGES
from act_data.prompts import PROMPT_VERSION
from act_data.provenance import versions
from act_data.runs.run import bar, digest
from act_data.storage.files import write_json
from act_data.types import AgentState, ContrastPair
from act_envs.types import Task
from act_train.arguments.measuring import JudgeArguments, JudgedPairArguments
from act_train.arguments.training import JudgedModelArguments, PairArguments
from act_train.data import spread
from act_train.errors import RecipeError
from act_train.evaluation.results import opened
from act_train.judging.choice import Judge, ModelJudge, Question
from act_train.judging.floor import text_margins
from act_train.judging.lineage import Stage, held_out_share, lineage, reasons
from act_train.judging.pairs import chosen_pairs
from act_train.judging.part import may_be_known
from act_train.judging.rationales import interventions
from act_train.judging.room import check_room
from act_train.judging.verdicts import summary
from act_train.judging.words import words

__all__ = ["measure", "run", "words"]

logger = logging.getLogger(__name__)

_BLANK = AgentState("", "")


def run(
    model: JudgedModelArguments, data: JudgedPairArguments, arguments: JudgeArguments
) -> dict[str, Any]:
    """Judge the pairs, or go on with it, and write the result.

    Returns:
        What ``output`` holds.

    Raises:
        MissingExtra: scikit-learn is not installed.
        RecipeError: the share of held-out tasks is larger than the model's own.
        ResultMismatch: the lines beside ``output`` are of another request.
        RunLocked: another process writes to them.
        TrainingData: there is no pair to judge, the model was trained on it, or it is too long.
    """
    check_installed()
    stages = lineage(model.source)
    history, share = _as_trained(stages, data, arguments.part)
    chosen, others = chosen_pairs(data, stages, arguments.part, share)
    pairs = spread(chosen, data.max_pairs)
    judge = ModelJudge(
        model.source,
        model.revision,
        history=history,
        reasoning=(reasoning := reasons(stages)),
        rationale_tokens=arguments.rationale_tokens,
    )
    reasoned = spread(pairs, arguments.rationale_pairs)
    check_room(judge, pairs, reasoned, arguments.rationale_tokens)
    request = {
        "part": arguments.part,
        "split": data.split,
        "subset": data.subset,
        "history": history,
        "reasoning": reasoning,
        "validation_share": None if data.split or arguments.part == "all" else share,
        "prompt_version": PROMPT_VERSION,
        "rationale_tokens": arguments.rationale_tokens,
        "engine": judge.engine,
        "versions": versions(*PACKAGES["transformers"]),
    }
    return measure(judge, pairs, request, arguments, others)


def measure(
    judge: Judge,
    pairs: Sequence[ContrastPair],
    request: Mapping[str, Any],
    arguments: JudgeArguments,
    others: Sequence[ContrastPair] = (),
) -> dict[str, Any]:
    """Judge these pairs, whoever does it, and write both files.

    Args:
        judge: is asked.
        pairs: at least one.
        request: what else determines the choices, as JSON can hold it.
        arguments: where the files go, and on how many pairs reasoning is looked at.
        others: of other tasks, from which the classifier of texts learns besides.

    Returns:
        What ``output`` holds: the request, and what :mod:`act_train.judging.verdicts` tells.
    """
    path = Path(arguments.output)
    facts = [_facts(pair) for pair in pairs]
    request = {
        "model": judge.name,
        "revision": judge.revision,
        "pair_list": digest(facts),
        "rationale_pairs": min(arguments.rationale_pairs, len(pairs)),
        **request,
    }
    reasoned = {pair.pair_id for pair in spread(pairs, arguments.rationale_pairs)}
    tasks = [Task(pair.task_id, pair.split, pair.kind) for pair in pairs]
    with (
        opened(path.with_suffix(".jsonl"), request, tasks) as file,
        bar(len(pairs), False) as advance,
    ):
        advance(len(file.lines), worked=False)
        done = len(file.lines)
        for pair, known in zip(pairs[done:], facts[done:], strict=True):
            file.add({**known, **_judged(judge, pair, reasoned=pair.pair_id in reasoned)})
            advance(1, worked=True)
        texts = [(pair.expert_action, pair.alternative_action) for pair in others]
        result = {**request, **summary(file.lines, text_margins(file.lines, texts))}
        result["text_others"] = len(texts)
    if may_be_known(result):
        result["above_floor"] = None  # nothing is claimed
    write_json(path, result)
    return result


def _facts(pair: ContrastPair) -> dict[str, Any]:
    """What a line says of its pair, whoever judges it."""
    found = pair.verification
    readings = {name: found and getattr(found, name) for name in READINGS}
    return {
        "pair_id": pair.pair_id,
        "task_id": pair.task_id,
        "origin": pair.origin,
        "env_id": pair.env_id,
        "kind": pair.kind,
        "step": pair.step,
        "policy": pair.policy,
        "expert_action": pair.expert_action,
        "alternative_action": pair.alternative_action,
        "admissible": (
            found.admissible if found else pair.alternative_action in pair.admissible_actions
        ),
        "verdicts": {name: reading and reading.verdict for name, reading in readings.items()},
        "regrets": {
            name: reading and _number(reading.regret) for name, reading in readings.items()
        },
    }


def _judged(judge: Judge, pair: ContrastPair, *, reasoned: bool) -> dict[str, Any]:
    """What a line says of the choices: of each order, expert's action first, then second.

    Each holds the log-probability of naming the expert's action, and of naming the alternative.
    """
    actions = (pair.expert_action, pair.alternative_action)
    shown = [actions, actions[::-1]]
    questions = [Question(candidates) for candidates in shown]
    found = {
        "state": judge.weigh(pair.state, questions),
        "no_state": judge.weigh(_BLANK, questions),
    }
    line: dict[str, Any] = {}
    if reasoned:
        changed, line["rationales"] = interventions(
            judge, pair.state, shown, pair.alternative_action
        )
        found |= changed
    line["choices"] = {
        name: [list(first), list(second[::-1])] for name, (first, second) in found.items()
    }
    return line


def _number(regret: float | None) -> float | str | None:
    """A regret as JSON can hold it: infinity is a word there."""
    return str(regret) if regret in (float("inf"), float("-inf")) else regret


def _as_trained(stages: Sequence[Stage], data: JudgedPairArguments, part: str) -> tuple[int, float]:
    """History and share of held-out tasks: as asked, else the model's own, else the defaults."""
    history, share = data.history, data.validation_share
    # Of env-rl's prompts 0 says that the turns before stand in the conversation.
    shown = [stage for stage in stages if stage.get("stage") != "env-rl"]
    own_history = shown[0].get("history") if shown else None
    own_share = held_out_share(stages)
    if history is None:
        history = PairArguments.history if own_history is None else own_history
    elif own_history is not None and own_history != history:
        logger.warning(
            "the model was trained with history=%s and is judged with history=%s: it meets prompts "
            "that it does not know. Leave history out to take the model's own.",
            own_history, history,
        )  # fmt: skip
    if share is None:
        share = PairArguments.validation_share if own_share is None else own_share
    elif part == "held-out" and own_share is not None and own_share < share:
        raise RecipeError(
            f"validation_share={share} is larger than the {own_share} of the model's training: "
            "tasks that it was trained on would count as held out. Leave validation_share out, or "
            "set part: all."
        )
    return history, share
