"""The head of a dataset's card: what ``datasets`` and the Hub read, as YAML.

It names every config with its files, columns and sizes, so that ``load_dataset`` and the Hub's
viewer need no code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from act_data.publish.contents import hub_clients
from act_data.storage.schema import parquet

Files = Mapping[str, Mapping[str, Sequence[Path]]]
"""Of each config, of each of its splits, the files in order."""

_TAGS = ("agents", "agentic-critical-training", "contrast-pairs", "preference", "text-games", "trl")
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M")


def head(folder: Path, name: str, files: Files, pairs: int, licences: Sequence[str]) -> str:
    """The YAML, without the lines that mark where it begins and ends.

    Args:
        folder: the dataset's.
        name: of the dataset, for people.
        files: of every config. The first is what ``load_dataset`` takes when none is named.
        pairs: how many pairs there are.
        licences: SPDX ids of the sources, in small letters; ``"other"`` where there is none.

    Raises:
        MissingExtra: datasets or huggingface_hub is not installed.
    """
    hub_clients()
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    first = next(iter(files))
    data = DatasetCardData(
        pretty_name=name,
        language=["en"],
        license=licences[0] if len(licences) == 1 else [*licences],
        annotations_creators=["machine-generated"],
        task_categories=["text-generation", "reinforcement-learning"],
        size_categories=[_SIZES[min(len(str(pairs // 1000)) if pairs >= 1000 else 0, 5)]],
        tags=[*_TAGS],
        configs=[
            {
                "config_name": config,
                **({"default": True} if config == first else {}),
                "data_files": [
                    {
                        "split": split,
                        "path": f"{paths[0].parent.relative_to(folder).as_posix()}/*.parquet",
                    }
                    for split, paths in splits.items()
                ],
            }
            for config, splits in files.items()
        ],
    )
    infos = {config: _info(splits) for config, splits in files.items()}
    DatasetInfosDict(infos).to_dataset_card_data(data)  # pyright: ignore[reportArgumentType]
    return str(data)


def _info(splits: Mapping[str, Sequence[Path]]) -> Any:
    """``datasets.DatasetInfo`` of a config: columns, rows, and bytes of tables and of files."""
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo

    found, size = SplitDict(), 0
    for split, paths in splits.items():
        footers = [parquet().read_metadata(path) for path in paths]
        groups = [footer.row_group(at) for footer in footers for at in range(footer.num_row_groups)]
        bytes_ = sum(group.total_byte_size for group in groups)
        rows = sum(footer.num_rows for footer in footers)
        found.add(SplitInfo(name=split, num_bytes=bytes_, num_examples=rows))
        size += bytes_
    paths = [path for paths in splits.values() for path in paths]
    return DatasetInfo(
        features=Features.from_arrow_schema(parquet().read_schema(paths[0])),
        splits=found,
        download_size=sum(path.stat().st_size for path in paths),
        dataset_size=size,
    )
