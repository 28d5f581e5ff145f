"""``act-train env-rl``: learn from whole episodes that the model plays itself (multi-turn GRPO).

Algorithm: for a task, play G episodes; reward each with what it came to (its score, full success,
an answer without an action, actions that are not admissible); subtract the mean of the group and
divide by its deviation; raise the likelihood of all that the model said in the episodes above it,
and of nothing that the environment said. It is ``trl.GRPOTrainer`` with an ``environment_factory``
(:mod:`act_train.environment`); everything about optimisation is ``GRPOConfig``. Not part of arXiv
2603.08706, whose RL sees single states: that is ``act-train act-rl``.

A turn of the user is the prompt of one state, a turn of the model its answer in an action tag
(:mod:`act_train.turns`). An episode ends when the environment ends it, with an answer that holds no
action (``act-train evaluate`` plays that as a step that nothing comes of), or when the next prompt
has no room: ``max_completion_length`` is the budget of the *whole* episode. The last token is the
model's in all these cases. TRL knows no end of an episode and would have the model answer once
more, for which it would be praised or blamed as for the rest. But it drops a result that does not
fit into the budget; so the result of an ended episode is made not to fit, in the one method that is
overridden, ``_get_tool_suffix_ids``, which a test pins (``tests/train/test_env_rl.py``).

Before and after training the model plays some of the tasks. If it never acts, TRL would train on
nothing without an error: that is refused.

Left out: credit for single steps, tasks drawn by difficulty, a prompt of bounded length in every
turn (TRL trains one row for an episode), and prompts that are computed once
(:mod:`act_train.shared_prefix`): the answers of a group are whole episodes, far longer than what
they share.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

from datasets import Dataset
from transformers import AutoTokenizer
from transformers.integrations import is_fsdp_enabled  # pyright: ignore[reportPrivateImportUsage]
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from trl import GRPOConfig  # pyright: ignore[reportPrivateImportUsage]

from act_data.prompts import render_answer
from act_train.arguments.training import EnvRlArguments, ModelArguments
from act_train.base import adapters, init_kwargs, template_options, weights_of
from act_train.data import spread
from act_train.environment import OVER, REWARDS, Place, open_places, tasks_of
from act_train.errors import NothingToLearn, RecipeError
from act_train.manifest import checkpoint, finish, write_run
from act_train.progress import show_progress
from act_train.reinforce import at_a_time, refuse_batches
from act_train.resuming import ResumingGRPOTrainer
from act_train.rows import Row
from act_train.turns import conversing, length_of_turn

logger = logging.getLogger(__name__)

ZERO3 = "DeepSpeed ZeRO-3"
_PLAY = "Teach it to play first: act-train imitate; or start from an instruct model."
_MEASURES = ("rewards/", "reward", "frac_reward_zero_std", "tools/", "episodes/", "completions/")


class PlayingTrainer(ResumingGRPOTrainer):
    """``trl.GRPOTrainer`` whose episodes end.

    Args:
        tokenizer: is saved with the model. The one that plays reads answers as calls, which would
            hide them from other stages.
    """

    def __init__(self, *args: Any, tokenizer: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():  # that it may change is why a test pins it
            warnings.filterwarnings("ignore", "You are using 'environment_factory'", UserWarning)
            super().__init__(*args, **kwargs)
        self._saved_tokenizer = tokenizer

    def _get_tool_suffix_ids(self, tool_messages: Any) -> list[int]:
        """TRL's: the tokens of what comes back. After the end of an episode more than fit."""
        if tool_messages[-1]["content"] == OVER:
            budget = cast(GRPOConfig, self.args).max_completion_length or 0
            return [0] * (budget + 1)
        return super()._get_tool_suffix_ids(tool_messages)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Transformers', with the tokenizer that the model came with."""
        playing, self.processing_class = self.processing_class, self._saved_tokenizer
        try:
            super().save_model(output_dir, _internal_call)
        finally:
            self.processing_class = playing


def run(model: ModelArguments, data: EnvRlArguments, training: GRPOConfig) -> dict[str, float]:
    """Train on the tasks.

    Returns:
        What ``metrics.json`` holds: numbers on the tasks to measure on, ``before_`` and ``after_``
        (``rewards/won/mean`` is the success rate), and TRL's own on the whole run.

    Raises:
        ForbiddenSplit: tasks are kept for evaluation.
        NothingToLearn: the model never acts, or keeps the format too rarely.
        RecipeError: the configuration cannot be run, or the chat template holds no episodes.
        SimulatorError: a simulator failed.
        UnknownTask: ``tasks`` names nothing in the split.
    """
    _refuse(training)
    weights = weights_of(model, training)
    tokenizer = AutoTokenizer.from_pretrained(
        model.source, revision=model.revision or "main", padding_side="left", truncation_side="left"
    )
    playing = conversing(tokenizer, template_options(training))
    options = tasks_of(data)
    with open_places(options, data.history) as opened:
        first = opened()
        rows = _rows([task.task_id for task in options.chosen(first.env)], training)
        _check_budget(first, rows[0]["task_id"], playing, training)
        held = spread(rows, data.gate_prompts)
        told = {"train": rows, "gate": held}
        write_run("env-rl", training, [model, data], weights=weights, rows=told)
        training.reward_weights = [
            data.reward_score, data.reward_won, data.reward_format, data.reward_inadmissible,
        ]  # fmt: skip
        training.model_init_kwargs = init_kwargs(model, training)
        trainer = PlayingTrainer(
            model.source,
            reward_funcs=list(REWARDS),
            args=training,
            train_dataset=Dataset.from_list(rows),
            eval_dataset=Dataset.from_list(held),
            processing_class=playing,
            peft_config=adapters(model, training),
            environment_factory=opened,
            tokenizer=tokenizer,
        )
        return _train(trainer, data, training, held)


def _train(
    trainer: PlayingTrainer, data: EnvRlArguments, training: GRPOConfig, held: Sequence[Row]
) -> dict[str, float]:
    """Measure, refuse, train, measure, save."""
    show_progress(trainer)
    before = _measure(trainer)
    open_play_gate(before, len(held), data.min_format_rate)
    result = trainer.train(resume_from_checkpoint=checkpoint(training))
    metrics = dict(result.metrics)
    for moment, found in (("before", before), ("after", _measure(trainer))):
        metrics |= {f"{moment}_{name}": value for name, value in found.items()}
    finish(trainer, metrics)
    return metrics


def _measure(trainer: PlayingTrainer) -> dict[str, float]:
    """Play the tasks to measure on, sampled and rewarded as in training."""
    found = {n.removeprefix("eval_"): value for n, value in trainer.evaluate().items()}
    return {name: value for name, value in found.items() if name.startswith(_MEASURES)}


def open_play_gate(rates: Mapping[str, float], tasks: int, least: float) -> None:
    """Refuse a model that cannot learn because it does not act; warn where it hardly can.

    Args:
        rates: what was measured.
        tasks: on how many tasks.
        least: share of the episodes that must not end with an answer without an action.

    Raises:
        NothingToLearn: no action was taken, or the format is kept too rarely.
    """
    if not rates["episodes/actions"]:
        raise NothingToLearn(
            f"nothing was played: in no episode of {tasks} tasks an answer holds an action "
            f"(tools/call_frequency is {rates['tools/call_frequency']:.2g}), so that training "
            f"would see no environment. {_PLAY}"
        )
    kept = 1 - rates["rewards/format_failure/mean"]
    constant, success = rates["frac_reward_zero_std"], rates["rewards/won/mean"]
    finding = (
        f"on {tasks} tasks {success:.1%} of the episodes are won, {kept:.1%} keep the answer "
        f"format to their end, and {constant:.0%} of the groups have one reward for all episodes"
    )
    if kept < least:
        raise NothingToLearn(f"{finding}. {_PLAY} (min_format_rate: 0 goes on regardless.)")
    if constant > 0.9:
        logger.warning(
            "%s: expect little. %s Or take tasks that are neither too easy nor too hard (tasks), "
            "and pay for parts of a task (reward_score).", finding, _PLAY,
        )  # fmt: skip
    else:
        logger.info("%s", finding)
    cut = rates["episodes/cut_short"] + rates["completions/clipped_ratio"]
    if cut > 0.05:
        logger.warning(
            "%.0f%% of the episodes were cut off: by max_completion_length, which all their turns "
            "share, by the context of the model, or within an answer by max_new_tokens. Raise "
            "max_completion_length (and max_new_tokens in generation_kwargs, if that is set), or "
            "set a lower step_limit.", 100 * cut,
        )  # fmt: skip


def _rows(task_ids: Sequence[str], training: GRPOConfig) -> list[Row]:
    """One for each task. What is asked comes from the environment, when an episode begins."""
    rows = [{"prompt": [{"role": "user", "content": ""}], "task_id": name} for name in task_ids]
    batch = at_a_time(training)
    if len(rows) < batch:
        raise RecipeError(
            f"there are {len(rows)} tasks, and {batch} are played at a time. Name more (tasks), or "
            "set a lower per_device_train_batch_size or gradient_accumulation_steps, or a higher "
            "num_generations."
        )
    return rows


def _check_budget(place: Place, task_id: str, tokenizer: Any, training: GRPOConfig) -> None:
    """Warn where the tokens of an episode do not last for its turns; judged by its first turn."""
    options = template_options(training)
    seen = place.reset(task_id)
    limit = place.env.step_limit
    if limit is None:
        raise RecipeError(
            "step_limit is not set, and the environment has none of its own: an episode may never "
            "end. Set step_limit: NUMBER in the recipe, or --step_limit NUMBER."
        )
    answer = render_answer(max(place.env.admissible_actions(), key=len, default=""))
    turn = length_of_turn(tokenizer, seen, answer, options)
    needed, budget = limit * turn, training.max_completion_length or 0
    if budget < needed:
        logger.warning(
            "max_completion_length=%d is the budget of a whole episode, and holds some %d of its "
            "%d turns (of about %d tokens): episodes will be cut off. Set max_completion_length: "
            "%d, or a lower step_limit.", budget, budget // turn, limit, turn, needed,
        )  # fmt: skip


def _refuse(training: GRPOConfig) -> None:
    """Refuse what cannot work, before anything is loaded.

    Raises:
        RecipeError: batches do not hold whole groups, weights are given twice, or processes would
            wait for each other for ever.
    """
    if training.reward_weights is not None:
        raise RecipeError(
            "reward_weights is set. Set reward_score, reward_won, reward_format and "
            "reward_inadmissible."
        )
    refuse_batches(training)
    together = {
        ZERO3: is_deepspeed_zero3_enabled(),
        "FSDP": is_fsdp_enabled() or bool(training.fsdp),
        "vllm_mode: server": training.use_vllm and training.vllm_mode == "server",
        "vllm_tensor_parallel_size above 1": training.use_vllm
        and training.vllm_tensor_parallel_size > 1,
    }
    found = next((name for name, is_used in together.items() if is_used), None)
    if found and training.world_size > 1:
        raise RecipeError(waiting(found, training.world_size))


def waiting(found: str, processes: int) -> str:
    """Why processes cannot play together."""
    return (
        f"with {found}, {processes} processes must generate together, but their "
        "episodes differ in their turns: they would wait for each other for ever. Take ZeRO-2 "
        "(accelerate/zero2.yaml), and vllm_mode: colocate with vllm_tensor_parallel_size: 1."
    )
