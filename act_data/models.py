"""Loading a causal language model, from the Hub or from a folder, and naming its exact weights.

torch and transformers (extra ``train``) are imported when a model is asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from act_data.errors import ModelNotFound
from act_envs.errors import MissingExtra, UnknownArgument

# What determines a model's answers. A training folder also holds optimizer states, logs and
# arguments with paths in them, which must not change the name of the weights.
_CONTENT = (
    "config.json",
    "generation_config.json",
    "chat_template*",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "*.model",
    "model*.safetensors*",
    "pytorch_model*.bin*",
    "adapter_config.json",
    "adapter_model*",
)
PACKAGED = NANO, NANO_BASE = "act-nano", "act-nano-base"
"""Names of the small models that come with the package: an agent, and what it was before its own
play was corrected."""

_WEIGHTS = Path(__file__).parent / "weights"
_TOKENIZER = ("tokenizer*", "vocab*", "*.model")
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def load_model(path: str | Path, revision: str | None = None) -> tuple[Any, Any, str]:
    """Load a model for inference, in the checkpoint's own precision, on the GPU if there is one.

    Args:
        path: a folder that ``save_pretrained`` wrote, or the id of a model on the Hub.
        revision: branch, tag or commit on the Hub; a folder has none.

    Returns:
        The model, its tokenizer, and the revision: the commit of a model from the Hub, a hash of
        weights, configuration and tokenizer of a folder.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelNotFound: there is no model there, or it cannot be had.
        UnknownArgument: a folder was given with a revision.
    """
    try:
        import safetensors
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(
            f'{error.name} is not installed. Run: pip install "agentic-critical-training[train]".'
        ) from error
    folder, name = find_model(str(path), revision)
    try:
        # A folder, never a Hub id: what is loaded is exactly what the revision names.
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ModelNotFound(
            f"{path} holds no causal language model that transformers "
            f"{transformers.__version__} can load: {error}"
        ) from error
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, name


def model_name(path: str) -> str:
    """What records call a model: its id on the Hub, or the last name of its folder.

    Where a folder lies changes no answer; which model it holds tells the revision.
    """
    folder = Path(path).expanduser()
    return folder.resolve().name if folder.is_dir() else path


def engine_of(model: Any) -> dict[str, str]:
    """How a model is computed: other answers may come of the same weights with another of these."""
    return {
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
    }


def split_revision(target: str) -> tuple[str, str | None]:
    """Path or Hub id and revision in ``PATH_OR_HUB_ID[@REVISION]``; a folder may hold an ``@``."""
    path, _, revision = (target, "", "") if packaged(target).is_dir() else target.partition("@")
    return path, revision or None


def find_model(path: str, revision: str | None) -> tuple[Path, str]:
    """Where the files of a model are on this machine, and the name of their content.

    Args:
        path: a folder that ``save_pretrained`` wrote, the id of one on the Hub, or one of
            ``act-nano`` and ``act-nano-base``, which come with the package.
        revision: branch, tag or commit on the Hub; a folder has none.

    Returns:
        The folder, and the revision as :func:`load_model` gives it.

    Raises:
        ModelNotFound: there is no model there, or it cannot be had.
        UnknownArgument: a folder was given with a revision.
    """
    return _found(path, revision, _CONTENT)


def model_revision(path: str, revision: str | None) -> str:
    """The name of a model's content, as :func:`find_model` gives it; no weights are fetched.

    Args:
        path: as there.
        revision: as there.

    Raises:
        ModelNotFound, UnknownArgument: as there.
    """
    return _found(path, revision, ("config.json",))[1]


def _found(path: str, revision: str | None, patterns: Sequence[str]) -> tuple[Path, str]:
    folder = packaged(path)
    if folder.is_dir():
        if revision is not None:
            raise UnknownArgument(
                f"{path} is a folder and has no revision {revision!r}. Leave out @{revision}."
            )
        if not any((folder / f).is_file() for f in ("config.json", "adapter_config.json")):
            raise ModelNotFound(
                f"{path} holds no model: config.json is missing. "
                "Give the folder that save_pretrained() wrote."
            )
        check_files(folder)
        return folder, content_hash(folder)
    if folder.exists() or not _HUB_ID.fullmatch(path):
        raise ModelNotFound(
            f"{path} is neither a folder nor the id of a model on the Hub (owner/name)."
        )
    return _download(path, revision, patterns)


def packaged(path: str) -> Path:
    """A path, or the folder of a model that comes with the package where that is meant.

    Raises:
        UnknownArgument: both may be meant.
    """
    folder = Path(path).expanduser()
    if path not in PACKAGED:
        return folder
    if folder.is_dir():
        raise UnknownArgument(
            f"{path} is a folder here and a model that comes with the package. Give ./{path} for "
            "the folder; rename it, or work elsewhere, for the other."
        )
    return _WEIGHTS / path


def check_files(folder: Path) -> None:
    """Refuse a model that would fail late, or in words that do not name what is missing.

    Raises:
        ModelNotFound: the folder holds no tokenizer, or weights that are cut short.
    """
    import safetensors

    if not any(path for pattern in _TOKENIZER for path in folder.glob(pattern)):
        raise ModelNotFound(
            f"{folder} holds no tokenizer: tokenizer.json is missing. "
            "Save the tokenizer there as well: tokenizer.save_pretrained(folder)."
        )
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safetensors.safe_open(path, framework="pt"):  # reads the header alone
                pass
        except safetensors.SafetensorError as error:
            raise ModelNotFound(
                f"{path} is damaged or cut short ({error}). Copy or train the model again."
            ) from error


def content_hash(folder: Path) -> str:
    """A name of the weights, configuration and tokenizer in a folder, wherever it lies."""
    files = sorted({f for pattern in _CONTENT for f in folder.glob(pattern) if f.is_file()})
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"{file.name} {content}\n".encode())
    return f"sha256:{total.hexdigest()[:40]}"


def _download(repo: str, revision: str | None, patterns: Sequence[str]) -> tuple[Path, str]:
    """The snapshot of a model on the Hub; its folder is named by the commit."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                repo, revision=revision, allow_patterns=list(patterns)
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        at = f" at {revision!r}" if revision else ""
        raise ModelNotFound(
            f"there is no folder {repo!r}, and the Hub gives no model of that name{at}: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error
    return folder, folder.name
