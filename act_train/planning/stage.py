"""The plan of one stage: what it would be made of, and what stands in its way.

What cannot be known here (a model that an earlier stage will make, data not collected yet, no way
to the Hub) is named in ``unknown`` and planned around; what cannot work is named in ``wrong``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from act_data.errors import DataNotFound, ModelNotFound
from act_envs.errors import ActError, AssetsNotFound, MissingExtra
from act_train.arguments.training import CritiqueArguments, ModelArguments
from act_train.base import BYTES, free, refuse_shared_out, template_options
from act_train.env_rl import ZERO3, waiting
from act_train.errors import RecipeError
from act_train.planning import work
from act_train.planning.arguments import PlanArguments
from act_train.planning.disk import saved
from act_train.planning.findings import Plan
from act_train.planning.fitting import Setting, advice
from act_train.planning.hardware import GPUS, launch_of
from act_train.planning.lengths import lengths
from act_train.planning.memory import Precision
from act_train.planning.model import Shape, folder_of, shape_of, tokenizer_of, with_adapters
from act_train.planning.reading import Planned, options_of
from act_train.planning.rows import rows_of
from act_train.planning.totals import count
from act_train.preparing import Prepared
from act_train.reinforce import refuse_batches
from act_train.shared_prefix import MASKED


def plan(planned: Planned, arguments: PlanArguments) -> Plan:
    """Plan a stage.

    Raises:
        RecipeError: its options cannot be read, or its batches cannot be made.
    """
    launch = launch_of(arguments.launch or planned.launch, arguments.processes)
    try:
        options = options_of(planned, launch)
    except RecipeError as error:
        raise RecipeError(f"{error} (act-train {planned.stage})") from error
    gpu = GPUS[arguments.gpu or ("cpu" if planned.told.get("use_cpu") else "h100")]
    found = Plan(planned, launch, gpu, options[-1])
    if found.generates:
        refuse_batches(found.training)
        found.shares = _shares(found)
    _look_at_launch(found, options[0])
    tokenizer = _look_at_model(found, options[0], arguments)
    rows = _look_at_data(found, options)
    if rows and tokenizer is not None and "prompt" in rows.train[0]:
        found.lengths = lengths(rows.train, tokenizer, _template(options, found.training))
    _check_lengths(found)
    count(found, options, arguments)
    if found.shape:
        _weigh(found, found.shape, arguments)
    return found


def _look_at_launch(found: Plan, model: ModelArguments) -> None:
    """What cannot be done by processes that share the weights out."""
    zero3 = found.launch.zero == 3
    try:
        refuse_shared_out(model, "ZeRO stage 3" if zero3 else "")
    except RecipeError as error:
        found.wrong.append(str(error))
    if zero3 and found.launch.processes > 1 and found.planned.stage == "env-rl":
        found.wrong.append(waiting(ZERO3, found.launch.processes))


def _look_at_model(found: Plan, model: ModelArguments, arguments: PlanArguments) -> Any:
    """Fill in the shape; the tokenizer, if it is here."""
    name, like = found.planned.origin, arguments.config_of
    try:
        folder = Path(like) if like else folder_of(name, model.revision)
        if folder is None:
            found.unknown.append(
                f"model {name!r} is no folder here and cannot be had from the Hub, so memory, "
                "lengths in tokens and hours are not known. Make it first, or give --config_of "
                "FOLDER of a model like it."
            )
            return None
        shape = shape_of(folder)
        found.shape = with_adapters(shape, model.lora_rank) if model.lora_rank else shape
        if like and not any(folder.glob("tokenizer*")):
            found.unknown.append(f"{folder} holds no tokenizer, so rows are not counted in tokens.")
            return None
        return tokenizer_of(folder)
    except (ModelNotFound, RecipeError) as error:
        found.wrong.append(str(error))
        return None


def _look_at_data(found: Plan, options: Sequence[Any]) -> Prepared | None:
    try:
        rows = rows_of(found.planned.stage, options)
    except (DataNotFound, AssetsNotFound, MissingExtra) as error:
        found.unknown.append(str(error))
        return None
    except ActError as error:
        found.wrong.append(str(error))
        return None
    found.rows = (len(rows.train), len(rows.held))
    return rows


def _check_lengths(found: Plan) -> None:
    """Rows that a stage would refuse, or that go beyond what the model was made for."""
    context = found.shape.context if found.shape else 0
    if found.generates:
        found.limit = context - found.training.max_completion_length if context else None
        over = found.limit
        remedy = "Lower max_completion_length, or show less history."
    else:
        found.limit = found.training.max_length
        # SFT's rows are cut already when they are looked at: one of just this length may have been.
        over = found.limit - 1 if found.limit and not found.preferences else found.limit
        remedy = "Raise max_length, or show less history."
        longest = max((one.whole for one in found.lengths), default=0)
        if context and longest > context:
            found.wrong.append(
                f"the longest row has {longest:,} tokens, and the model was made for {context:,}. "
                "Show less history, or take another model."
            )
    if over is None or not found.lengths:
        return
    found.long = sum(one.whole > over for one in found.lengths)
    if found.long:
        longest = max(one.whole for one in found.lengths)
        share = found.long / len(found.lengths)
        what = "prompts leave no room for an answer" if found.generates else "rows would be cut"
        found.wrong.append(
            f"{share:.1%} of the {what}: they have more than {over:,} tokens, up to {longest:,}. "
            f"{remedy}"
        )


def _weigh(found: Plan, shape: Shape, arguments: PlanArguments) -> None:
    """Fill in memory, time and disk."""
    training = found.training
    precision = Precision(_weights(training, shape), bool(training.bf16 or training.fp16))
    longest = max((one.whole for one in found.lengths), default=0) or _assumed(found, arguments)
    setting = Setting(
        shape=shape,
        launch=found.launch,
        precision=precision,
        checkpointing=found.checkpointing,
        reference=found.reference,
        rows=training.per_device_train_batch_size,
        length=longest,
        answer=training.max_completion_length if found.generates else 0,
        group=training.num_generations if found.generates else 2 if found.preferences else 1,
        pieces=training.steps_per_generation if found.generates and not training.use_vllm else 0,
        shares=found.shares,
        reserved=_reserved(found),
    )
    found.memory = setting.memory()
    if not setting.fits(found.gpu):
        found.wrong.append(advice(setting, found.gpu))
    found.seconds = work.gpu_seconds(
        found.work, found.group, shape, found.launch, precision, found.gpu,
        checkpointing=found.checkpointing, utilisation=arguments.utilisation,
    )  # fmt: skip
    number, size = saved(shape, found.launch, precision, training, found.steps)
    found.saves = (number, size)
    place, room = free(str(training.output_dir))
    if room < size:
        found.wrong.append(
            f"{place} has {room / 1e9:.1f} GB free, and this run saves {size / 1e9:.1f} GB. Free "
            "some, choose another output_dir, or set save_total_limit: 1 or save_only_model: true."
        )


def _shares(found: Plan) -> bool:
    """Whether micro-batches hold whole groups, and attention takes the mask of packed rows."""
    if found.planned.stage == "env-rl":  # answers are episodes, far longer than what they share
        return False
    given = found.training.model_init_kwargs
    attention = given.get("attn_implementation") if isinstance(given, dict) else None
    size, group = found.training.per_device_train_batch_size, found.training.num_generations
    if size % group:
        found.notes.append(
            f"per_device_train_batch_size={size} holds no whole groups of {group} answers, so "
            f"their prompts are computed more than once. Set a multiple of {group}."
        )
    return size % group == 0 and attention in (None, *MASKED)


def _assumed(found: Plan, arguments: PlanArguments) -> int:
    """Tokens of the longest row, where rows cannot be looked at."""
    if found.generates:
        return arguments.prompt_tokens
    return found.training.max_length or 2 * arguments.prompt_tokens


def _reserved(found: Plan) -> float:
    """Memory that vLLM takes for itself, beside the model that is trained."""
    if not found.generates or not found.training.use_vllm:
        return 0.0
    colocated = found.training.vllm_mode == "colocate"
    return found.gpu.memory * found.training.vllm_gpu_memory_utilization if colocated else 0.0


def _weights(training: Any, shape: Shape) -> int:
    """Bytes of a parameter as TRL loads it: in float32, unless it is told otherwise."""
    given = training.model_init_kwargs
    wanted = str(given.get("dtype", "float32")) if isinstance(given, dict) else "float32"
    return shape.stored if wanted == "auto" else BYTES.get(wanted.removeprefix("torch."), 4)


def _template(options: Sequence[Any], training: Any) -> dict[str, Any]:
    silent = any(isinstance(one, CritiqueArguments) and not one.reasoning for one in options)
    return {
        **template_options(training),
        **({"enable_thinking": False} if silent else {}),
    }
