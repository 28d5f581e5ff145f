"""What a dataset's card promises, compared with what its parquet files hold.

``datasets`` casts rows to the features of the card, so a card that is older than its files breaks
them for everybody who loads them (https://github.com/huggingface/datasets/issues/8608).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from act_data.errors import DataCorrupt, SchemaMismatch
from act_data.publish.manifest import Entry
from act_data.storage.schema import arrow, parquet
from act_envs.errors import MissingExtra

CARD = "README.md"

Rows = dict[str, dict[str, int]]
"""How many rows, by config and split."""


@dataclass(frozen=True, slots=True)
class Footer:
    """What a parquet file says of itself.

    Attributes:
        schema: a ``pyarrow.Schema``.
        rows: how many.
    """

    schema: Any
    rows: int


def footer(file: Path | BinaryIO, name: str) -> Footer:
    """Read the end of a parquet file.

    Args:
        file: the file.
        name: what to call it in an error.

    Raises:
        DataCorrupt: it is no parquet file.
    """
    try:
        with parquet().ParquetFile(file) as opened:
            return Footer(opened.schema_arrow, opened.metadata.num_rows)
    except arrow().ArrowException as error:
        raise DataCorrupt(
            f"{name} is truncated, damaged or no parquet file ({error}). "
            "Make it again with act-data build."
        ) from error


def counted(card: str, footers: Mapping[str, Footer]) -> Rows:
    """Rows of every config and split that the card names.

    Args:
        card: text of the card.
        footers: of all parquet files, by their paths.

    Raises:
        SchemaMismatch: the card cannot be read, or promises other files, features or numbers of
            rows.
    """
    from datasets import Features
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCard

    try:
        data = DatasetCard(card).data
        infos = DatasetInfosDict.from_dataset_card_data(data)  # pyright: ignore[reportArgumentType]
        configs = [
            (config["config_name"], [*_patterns(config)]) for config in data.to_dict()["configs"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _wrong(f"has no metadata that can be used ({error!r})") from error
    rows: Rows = {}
    for config, splits in configs:
        info = infos.get(config)
        if info is None or not info.features:
            raise _wrong(f"names no features for config {config!r}")
        for split, patterns in splits:
            files = [path for path in footers if any(p.fullmatch(path) for p in patterns)]
            if not files:
                raise _wrong(f"names files for {config}/{split} that are not there")
            for path in files:
                found = Features.from_arrow_schema(footers[path].schema)
                if found != info.features:
                    names = {name for name in {**found, **info.features}
                             if found.get(name) != info.features.get(name)}  # fmt: skip
                    raise _wrong(f"promises other features than {path} has: {sorted(names)}")
            count = sum(footers[path].rows for path in files)
            promised = {its.name: its.num_examples for its in (info.splits or {}).values()}.get(
                split
            )
            if count != promised:
                raise _wrong(
                    f"promises {promised} rows for {config}/{split}, the files hold {count}"
                )
            rows.setdefault(config, {})[split] = count
    return rows


def listed(manifest: bytes) -> frozenset[str]:
    """Paths that a manifest lists; none where its form is not that of ``write_manifest``.

    Other programs have files of this name, too.
    """
    try:
        entries = {path: Entry(**values) for path, values in json.loads(manifest)["files"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return frozenset()
    return frozenset(entries)


def only_metadata(card: bytes) -> bool:
    """Whether a card has no text: the Hub makes such a one where it is told a licence."""
    return not re.sub(rb"\A---\r?\n.*?^---[ \t]*\r?$", b"", card, flags=re.S | re.M).strip()


def hub_clients() -> ModuleType:
    """huggingface_hub.

    Raises:
        MissingExtra: it, or datasets, is not installed.
    """
    try:
        import datasets  # noqa: F401
        import huggingface_hub
    except ImportError as error:
        raise MissingExtra(
            "huggingface_hub or datasets is not installed. Run: pip install "
            '"agentic-critical-training[data]".'
        ) from error
    return huggingface_hub


def _patterns(config: Mapping[str, Any]) -> Iterator[tuple[str, list[re.Pattern[str]]]]:
    """For each split of a config what the paths of its files look like."""
    from fsspec.utils import glob_translate

    for part in config["data_files"]:
        paths = [part["path"]] if isinstance(part["path"], str) else part["path"]
        yield part["split"], [re.compile(glob_translate(path)) for path in paths]


def _wrong(what: str) -> SchemaMismatch:
    return SchemaMismatch(f"the dataset card {CARD} {what}. Make it again with act-data build.")
