"""``act_data.load``: a thin door to ``datasets.load_dataset`` for what ``act-data build`` makes.

``load_dataset`` opens these datasets as well. This adds checks: names with the nearest known ones,
a revision that is the one asked for (``load_dataset`` takes any that lies in the cache where it
cannot find the one that was named), rows of the version that this program knows, and errors that
say what to do.

It is no module ``load``, for importing that would hide the function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from act_data.errors import DataCorrupt, DataNotFound, SchemaMismatch, UnfinishedRun
from act_data.publish.contents import hub_clients
from act_data.publish.failures import Told, http_error, shown
from act_data.publish.manifest import MANIFEST
from act_data.storage.files import FULL
from act_data.storage.schema import DECODERS, SCHEMA_VERSION, VERSION_COLUMN, arrow_schema
from act_data.types import ContrastPair
from act_envs.errors import MissingExtra, UnknownArgument, nearest

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parent / "builtin"


@overload
def load(
    name: str | Path,
    config: str | None = None,
    *,
    revision: str | None = None,
    split: None = None,
    streaming: Literal[False] = False,
) -> DatasetDict: ...
@overload
def load(
    name: str | Path,
    config: str | None = None,
    *,
    revision: str | None = None,
    split: str,
    streaming: Literal[False] = False,
) -> Dataset: ...
@overload
def load(
    name: str | Path,
    config: str | None = None,
    *,
    revision: str | None = None,
    split: None = None,
    streaming: Literal[True],
) -> IterableDatasetDict: ...
@overload
def load(
    name: str | Path,
    config: str | None = None,
    *,
    revision: str | None = None,
    split: str,
    streaming: Literal[True],
) -> IterableDataset: ...
def load(
    name: str | Path,
    config: str | None = None,
    *,
    revision: str | None = None,
    split: str | None = None,
    streaming: bool = False,
) -> Any:
    """A dataset that ``act-data build`` made.

    Args:
        name: ``"org/name"`` on the Hugging Face Hub, a folder, or ``"builtin"``: a small verified
            set from generated worlds that comes with the package, for examples and tests.
        config: an environment's pairs (``"alfworld"``), ``"trajectories"``, or rows for TRL
            (``"critique"``, ``"preference"``, ``"sft"``); by default the first environment's.
        revision: tag, branch or commit on the Hub; by default the newest.
        split: ``"train"``, ``"validation"`` or ``"test"``, or a slice such as ``"train[:100]"``;
            by default all.
        streaming: read rows as they are asked for, instead of all now.

    Returns:
        What ``datasets.load_dataset`` gives: a dataset, or a dictionary of them by split.

    Raises:
        DataNotFound: there is no such dataset or revision, or none that the token can see.
        DataCorrupt: a file cannot be read.
        UnfinishedRun: the folder holds no dataset that was finished.
        HubUnreachable: the Hub cannot be reached.
        HubRefused: the token does not suffice, or HF_HUB_OFFLINE is set.
        HubMismatch: a file is not there any more.
        SchemaMismatch: the rows are of another version, or are not from ``act-data build``.
        UnknownArgument: there is no such config or split.
        MissingExtra: ``datasets`` or ``huggingface_hub`` is not installed.
        OSError: the disk that the rows are unpacked to is full.
    """
    path, commit = _place(name, revision)
    with _told(str(name), path, commit, config, split):
        builder = _datasets().load_dataset_builder(path, config, revision=commit)
        if commit is not None and builder.hash != commit:
            raise ConnectionError(f"only another revision is in the cache, {builder.hash}")
        if streaming:
            found = builder.as_streaming_dataset(split=split)
        else:
            builder.download_and_prepare()
            found = builder.as_dataset(split=split)
        for part in found.values() if isinstance(found, dict) else (found,):
            _check_version(str(name), part)
    return found


def pairs(rows: Iterable[Mapping[str, Any]]) -> Iterator[ContrastPair]:
    """The rows of an environment's config as :class:`act_data.types.ContrastPair`.

    Args:
        rows: a split of such a config, streamed or not.

    Raises:
        SchemaMismatch: a row is no pair, or of another version.
    """
    columns = {*arrow_schema("pairs").names}
    for row in rows:
        if row.keys() != columns:
            strange = ", ".join(sorted(columns ^ row.keys())[:3])
            raise SchemaMismatch(
                f"a row is no pair of schema version {SCHEMA_VERSION} (it lacks, or has beside its "
                f"columns: {strange}). Load the config of an environment, such as 'alfworld'."
            )
        if row[VERSION_COLUMN] != SCHEMA_VERSION:
            raise _other_version("a row", row[VERSION_COLUMN])
        found = row["verification"]
        yield DECODERS["pairs"]({**row, "verification": found and dict(found)})


def _place(name: str | Path, revision: str | None) -> tuple[str, str | None]:
    """Where a dataset is, for ``load_dataset``: its path and its commit."""
    folder = BUILTIN_FOLDER if name == BUILTIN else Path(name).expanduser()
    if name != BUILTIN and not folder.is_dir():
        if isinstance(name, Path) or name.startswith((".", "/", "~")):
            raise _no_folder(name)
        if name.count("/") != 1:
            raise DataNotFound(
                f"{name!r} is no folder and no name on the Hub. Give a folder that act-data build "
                f"made, org/name, or {BUILTIN!r}."
            )
        return name, commit_of(name, revision)
    if revision is not None:
        raise UnknownArgument(
            f"revision={revision!r} is for datasets on the Hub, and {name} is a folder. Leave it."
        )
    if not (folder / MANIFEST).is_file():
        raise UnfinishedRun(
            f"{folder} has no {MANIFEST}: it is not finished, or holds no dataset. "
            "Make one of pairs with: act-data build."
        )
    return str(folder), None


def commit_of(name: str, revision: str | None) -> str:
    """The commit that a revision of a dataset on the Hub names; the newest of none.

    Raises:
        DataNotFound: there is no such dataset, or no such revision.
        HubUnreachable: the Hub does not answer.
    """
    api = hub_clients().HfApi(library_name="act-data")
    from huggingface_hub.errors import (
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    with _hub(name):
        try:
            commit = api.dataset_info(name, revision=revision).sha
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise DataNotFound(
                f"there is no dataset {name!r} on {shown(api.endpoint)}, or this token cannot see "
                "it, and no such folder here. Check the name; for one that is private: hf auth "
                "login, or set HF_TOKEN."
            ) from error
        except RevisionNotFoundError as error:
            refs = api.list_repo_refs(name, repo_type="dataset")
            known = [ref.name for ref in (*refs.tags, *refs.branches)]
            raise DataNotFound(
                f"{name} has no revision {revision!r}. {nearest(revision, known)}"
            ) from error
    assert commit is not None  # the Hub's client leaves it out of lists only
    return commit


@contextmanager
def _told(
    name: str, path: str, commit: str | None, config: str | None, split: str | None
) -> Iterator[None]:
    """Errors of ``datasets`` as ours, with what is nearest to names that are not there."""
    datasets = _datasets()
    broken = datasets.exceptions
    empty = (datasets.data_files.EmptyDatasetError, broken.DataFilesNotFoundError)
    try:
        yield
    except (*empty, ValueError) as error:
        configs = datasets.get_dataset_config_names(path, revision=commit)
        if config is not None and config not in configs:
            raise UnknownArgument(
                f"{name} has no config {config!r}. {nearest(config, configs)}"
            ) from error
        asked = (split or "").partition("[")[0]
        splits = datasets.get_dataset_split_names(path, config, revision=commit)
        if asked and asked not in splits:
            raise UnknownArgument(
                f"{name} has no split {split!r} here. {nearest(asked, splits)}"
            ) from error
        if asked and asked != split:
            raise UnknownArgument(
                f"split={split!r} cannot be taken ({error}). A slice has numbers or shares, as in "
                "train[:100] or train[:10%], and a stream has none."
            ) from error
        raise SchemaMismatch(
            f"{name} cannot be loaded ({error}). Is it a dataset that act-data build made?"
        ) from error
    except broken.DatasetGenerationError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in FULL:
            cache = str(datasets.config.HF_DATASETS_CACHE)
            raise OSError(cause.errno, cause.strerror, cache) from error
        raise DataCorrupt(
            f"{name} cannot be read ({error.__cause__ or error}). Make it again with act-data "
            "build, or download it again."
        ) from error
    except (ConnectionError, FileNotFoundError, http_error()) as error:
        if commit is None:
            raise _no_folder(path) from error
        with _hub(name):
            raise


def _check_version(name: str, rows: Any) -> None:
    """Refuse rows of another version.

    Raises:
        SchemaMismatch: with the version that they are of.
    """
    if VERSION_COLUMN not in (rows.column_names or ()):
        raise SchemaMismatch(
            f"{name} has no column {VERSION_COLUMN!r}: act-data build did not make it. "
            "Load it with datasets.load_dataset."
        )
    if isinstance(rows, _datasets().Dataset):
        versions = set(rows.unique(VERSION_COLUMN))
    else:  # all that can be known of a stream that is still to come
        versions = {row[VERSION_COLUMN] for row in rows.take(1)}
    for version in versions - {SCHEMA_VERSION}:
        raise _other_version(name, version)


def _other_version(what: str, version: object) -> SchemaMismatch:
    return SchemaMismatch(
        f"{what} has schema version {version}, this program reads {SCHEMA_VERSION}. Load a "
        "revision of that version, or install the version of this package that made it: see the "
        "rows' column 'generator'."
    )


def _no_folder(path: str | Path) -> DataNotFound:
    return DataNotFound(
        f"there is no folder {path}. Give one that act-data build made, org/name on the Hub, or "
        f"{BUILTIN!r}."
    )


def _hub(name: str) -> Told:
    """A context in which the Hub is asked for a dataset."""
    endpoint = shown(hub_clients().HfApi().endpoint)
    folder = f"'hf download {name} --repo-type dataset --local-dir FOLDER'"
    remedy = f"Load it again, or give a folder that is here, such as one made before by {folder}."
    return Told(name, endpoint, "load", remedy=remedy)


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra(
            'datasets is not installed. Run: pip install "agentic-critical-training[data]".'
        ) from error
    return datasets
