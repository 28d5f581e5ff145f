"""The model that a stage starts from: its exact name, and whether the stage can begin with it.

Looked at are its small files alone. What is found here is found in seconds; the same mistakes would
else show after the weights were fetched and loaded, or at the first checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from peft import LoraConfig
from transformers import TrainingArguments
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from transformers.trainer_utils import SaveStrategy

from act_data.models import check_files, content_hash
from act_data.publish.failures import http_error
from act_train.arguments.training import ModelArguments
from act_train.errors import RecipeError

_SMALL = ("config.json", "tokenizer_config.json", "chat_template*", "*.index.json")
_WEIGHTS = (".safetensors", ".bin")
_GENERATES = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}  # of a parameter


def weights_of(model: ModelArguments, training: TrainingArguments) -> str:
    """Name of the exact weights a stage starts from: a hash of a folder, or a commit on the Hub.

    Args:
        model: where to start.
        training: says where checkpoints go, and in which numbers the model is loaded.

    Raises:
        ModelNotFound: the folder holds no tokenizer, or weights that are cut short.
        RecipeError: there is no such model, it writes no text, its tokenizer has no chat template,
            or the disk has no room for what the run saves. Nothing large has been read or fetched
            by then.
    """
    folder = Path(model.source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise RecipeError(
                f"{folder} holds no model: config.json is missing. "
                "Give the folder that save_pretrained() wrote."
            )
        check_files(folder)
        found, name = folder, content_hash(folder)
    else:
        found = _fetched(model)
        name = found.name
    refuse_silent(model.source, _json(found / "config.json").get("architectures") or [])
    _refuse_untalkative(model.source, found)
    _refuse_full_disk(_size(model, found), found, training, whole=not model.lora_rank)
    return name


def init_kwargs(model: ModelArguments, training: Any) -> dict[str, Any] | None:
    """``model_init_kwargs`` of a configuration of TRL, with the revision of the model."""
    given = training.model_init_kwargs
    if not model.revision:
        return given
    return {**(given if isinstance(given, dict) else {}), "revision": model.revision}


def template_options(training: Any) -> dict[str, Any]:
    """``chat_template_kwargs`` of a configuration of TRL; {} where there are none."""
    given = getattr(training, "chat_template_kwargs", None)
    return given if isinstance(given, dict) else {}


def adapters(model: ModelArguments, training: TrainingArguments) -> LoraConfig | None:
    """What is trained in place of all weights (LoRA, arXiv 2106.09685), if anything.

    Raises:
        RecipeError: no process would hold the whole weights that adapters are added to.
    """
    if not model.lora_rank:
        return None
    found = "ZeRO stage 3" if is_deepspeed_zero3_enabled() else "FSDP" if training.fsdp else ""
    refuse_shared_out(model, found)
    return LoraConfig(
        r=model.lora_rank,
        lora_alpha=model.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _fetched(model: ModelArguments) -> Path:
    try:
        found = snapshot_download(model.source, revision=model.revision, allow_patterns=[*_SMALL])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise RecipeError(
            f"model {model.model!r} is no folder here and cannot be had from the Hub. "
            "Check the path, or make a small model: act-train tiny."
        ) from error
    return Path(found)


def refuse_shared_out(model: ModelArguments, found: str) -> None:
    """Refuse adapters where no process holds the whole weights that they are added to at the end.

    Args:
        model: may have adapters.
        found: what shares weights out, if anything.

    Raises:
        RecipeError: it does.
    """
    if model.lora_rank and found:
        raise RecipeError(
            f"lora_rank={model.lora_rank} and {found}: adapters could not be added to weights that "
            "are shared out. Launch with zero2.yaml, or without any."
        )


def refuse_silent(name: str, kinds: Sequence[str]) -> None:
    """Refuse a model that writes no text: some can be made as one that does, with a random head.

    Args:
        name: of the model.
        kinds: ``architectures`` of its configuration.

    Raises:
        RecipeError: none of them generates.
    """
    if kinds and not any(kind.endswith(_GENERATES) for kind in kinds):
        raise RecipeError(
            f"model {name!r} is {kinds[0]}, which writes no text. Take a causal language model, "
            "such as Qwen/Qwen3-8B."
        )


def _refuse_untalkative(name: str, folder: Path) -> None:
    beside = any(folder.glob("chat_template*"))
    if not (beside or _json(folder / "tokenizer_config.json").get("chat_template")):
        raise RecipeError(
            f"the tokenizer of {name!r} has no chat template. Take an instruction-tuned model, or "
            "save the tokenizer with a template."
        )


def _refuse_full_disk(size: int, folder: Path, training: TrainingArguments, *, whole: bool) -> None:
    """Refuse where the model that is saved at the end, and the checkpoints before, do not fit.

    A checkpoint holds the weights and two moments of Adam; with DeepSpeed the weights in the
    precision of products, and both moments and the weights once more in float32. What adapters take
    is small. Buffers, and weights that ZeRO below 3 stores twice, come on top, so this is the least
    that is needed (:func:`act_train.planning.disk.saved` knows the model and counts all).
    """
    config = _json(folder / "config.json")
    stored = config.get("dtype") or config.get("torch_dtype")  # before transformers 5
    given: Any = getattr(training, "model_init_kwargs", None)
    wanted = given.get("dtype", "float32") if isinstance(given, dict) else "float32"  # as TRL
    wanted = stored if wanted == "auto" else wanted
    parameters = size // BYTES.get(str(stored), 4)
    sharded = training.deepspeed_plugin is not None
    half = sharded and (training.bf16 or training.fp16)
    model = parameters * (2 if half else BYTES.get(str(wanted), 4))
    states = 12 * parameters if sharded else 2 * model
    saves = whole and training.save_strategy != SaveStrategy.NO
    each = model if training.save_only_model else model + states
    # A new checkpoint is written before the oldest is deleted.
    kept = (training.save_total_limit or 0) + 1 if saves else 0
    needed = model + kept * each
    place, room = free(str(training.output_dir))
    if room < needed:
        raise RecipeError(
            f"{place} has {room / 1e9:.1f} GB free, and this run saves at least "
            f"{needed / 1e9:.1f} GB: the model ({model / 1e9:.1f}) and {kept} checkpoints. Free "
            "some, or choose another output_dir"
            + (", or set save_total_limit: 1 or save_only_model: true." if kept else ".")
        )


def free(output_dir: str) -> tuple[Path, int]:
    """The folder that is there already, of those that lead to a folder, and its free bytes."""
    place = Path(output_dir).expanduser().resolve()
    while not place.is_dir():
        place = place.parent
    return place, shutil.disk_usage(place).free


def _size(model: ModelArguments, folder: Path) -> int:
    """Bytes of the weights, 0 where nobody can tell."""
    for suffix in _WEIGHTS:  # a folder may hold them twice
        if here := sum(path.stat().st_size for path in folder.glob(f"*{suffix}")):
            return here
    if folder == Path(model.source):
        return 0
    try:
        about = HfApi().model_info(model.source, revision=folder.name, files_metadata=True)
    except (HfHubHTTPError, OSError, http_error()):
        return 0
    files = about.siblings or []
    kinds = {Path(file.rfilename).suffix for file in files}
    suffix = next((one for one in _WEIGHTS if one in kinds), "")
    return sum(file.size or 0 for file in files if file.rfilename.endswith(suffix or "\0"))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
