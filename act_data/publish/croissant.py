"""``croissant.json``: the dataset as MLCommons Croissant 1.0 describes datasets, for machines.

Every parquet file is named with its sha256, every config is a record set with a description of its
columns, which for pairs and trajectories are the docstrings of their dataclasses. Paths are
relative to this file, and so it holds wherever the folder lies.

The format: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docstring_parser

from act_data.publish.derived import DERIVED
from act_data.publish.licences import OTHER, spdx_ids
from act_data.publish.manifest import entry
from act_data.publish.plan import TRAJECTORIES, layout
from act_data.storage.schema import arrow, parquet
from act_data.storage.tables import stream
from act_data.types import (
    AgentState,
    Consequence,
    ContrastPair,
    Reading,
    Trajectory,
    Transition,
    Verification,
)

CROISSANT = "croissant.json"

_PAPER = "https://arxiv.org/abs/2603.08706"
_SPDX = {"mit": "MIT", "apache-2.0": "Apache-2.0"}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_RECORDS: Mapping[str, type] = {
    "state": AgentState,
    "verification": Verification,
    "expert": Consequence,
    "alternative": Consequence,
    "hindsight": Reading,
    "informed": Reading,
    "transitions": Transition,
}  # by the name of the column that holds one


def croissant(folder: Path, name: str) -> dict[str, Any]:
    """The description of a built folder.

    Args:
        folder: with all files of ``data/``.
        name: of the dataset, for people.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: the folder is not what act-data
            build leaves.
    """
    files = layout(folder)
    env_ids: set[str] = set()
    for config in files:
        if config not in DERIVED:
            kind = "trajectories" if config == TRAJECTORIES else "pairs"
            for split in files[config]:
                rows = stream(folder / "data" / config / split, kind, "env_id")
                env_ids.update(row["env_id"] for row in rows)
    ids = (licence for licence in spdx_ids(env_ids) if licence != OTHER)
    distribution, records = [], []
    for config, splits in files.items():
        paths = [path for found in splits.values() for path in found]
        distribution += [_file(folder, path) for path in paths]
        distribution.append(_file_set(config))
        records.append(_record_set(config, parquet().read_schema(paths[0])))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": re.sub(r"[^\w-]+", "-", name).strip("-"),
        "alternateName": name,
        "description": "Contrast pairs for training language agents: an expert's action and an "
        "alternative to it in one state of a text environment.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "inLanguage": "en",
        "citeAs": f"Liu et al.: Agentic Critical Training, 2026. {_PAPER}",
        "url": _PAPER,
        "license": [f"https://spdx.org/licenses/{_SPDX[one]}.html" for one in ids],
        "distribution": distribution,
        "recordSet": records,
    }


def _file(folder: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    with path.open("rb") as file:
        found = entry(file)
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{found.size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": found.sha256,
    }


def _file_set(config: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{config}-files",
        "name": f"{config}-files",
        "encodingFormat": "application/x-parquet",
        "includes": f"data/{config}/*/*.parquet",
    }


def _record_set(config: str, schema: Any) -> dict[str, Any]:
    kind = Trajectory if config == TRAJECTORIES else ContrastPair
    told = {**_told(kind), "schema_version": "version of the schema, as an integer."}
    fields = [_field(config, column, told.get(column.name, "")) for column in schema]
    split = {
        "@type": "cr:Field",
        **_named(f"{config}/dataset_split", "part of this dataset that the row is in."),
        "dataType": "sc:Text",
        "source": {
            **_of(config),
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": f"data/{re.escape(config)}/([^/]+)/.*"},
        },
    }
    return {"@type": "cr:RecordSet", **_named(config), "field": [split, *fields]}


def _field(config: str, column: Any, told: str) -> dict[str, Any]:
    """A column; the parts of a record, however deep, become its sub-fields."""
    name = f"{config}/{column.name}"
    found = {"@type": "cr:Field", **_named(name, told)}
    leaves = [*_leaves(column.type, ())]
    if leaves == [()]:
        return {**found, **_typed(config, column.name, column.type, ())}
    parts = [
        {
            "@type": "cr:Field",
            **_named(f"{name}/{'/'.join(path)}", _about(column.name, path)),
            **_typed(config, column.name, column.type, path),
        }
        for path in leaves
    ]
    repeated = {"repeated": True} if _is_list(column.type) else {}
    return {**found, **repeated, "subField": parts}


def _typed(config: str, column: str, kind: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """Where a value is found, and of what type it is."""
    repeated = _is_list(kind)
    for part in path:
        kind = _inner(kind).field(part).type
        repeated = repeated or _is_list(kind)
    steps = [{"jsonPath": part} for part in path]
    transform = {"transform": steps[0] if len(steps) == 1 else steps} if steps else {}
    return {
        "dataType": _data_type(_inner(kind)),
        **({"repeated": True} if repeated else {}),
        "source": {**_of(config), "extract": {"column": column}, **transform},
    }


def _leaves(kind: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    inner = _inner(kind)
    if not _is_record(inner):
        yield path
        return
    for part in inner:
        yield from _leaves(part.type, (*path, part.name))


def _inner(kind: Any) -> Any:
    return kind.value_type if _is_list(kind) else kind


def _is_list(kind: Any) -> bool:
    return arrow().types.is_list(kind)


def _is_record(kind: Any) -> bool:
    return arrow().types.is_struct(kind)


def _data_type(kind: Any) -> str:
    types = arrow().types
    for fits, name in (
        (types.is_boolean, "sc:Boolean"),
        (types.is_integer, "sc:Integer"),
        (types.is_floating, "sc:Float"),
    ):
        if fits(kind):
            return name
    return "sc:Text"


def _named(name: str, told: str = "") -> dict[str, Any]:
    said = {"description": told} if told else {}
    return {"@id": name, "name": name.replace("/", "."), **said}


def _of(config: str) -> dict[str, Any]:
    return {"fileSet": {"@id": f"{config}-files"}}


# -- what columns mean ---------------------------------------------------------------------------


def _about(column: str, path: tuple[str, ...]) -> str:
    """What a part of a record is, as its dataclass says."""
    *outer, name = (column, *path)
    holder = next((_RECORDS[part] for part in reversed(outer) if part in _RECORDS), None)
    return _told(holder).get(name, "") if holder else ""


def _told(kind: type) -> dict[str, str]:
    """What each attribute of a dataclass is, from its docstring without its markup."""
    params = docstring_parser.parse(kind.__doc__ or "").params
    return {
        one.arg_name: re.sub(
            r":\w+:`~?([^`]+)`|``([^`]+)``",
            lambda found: found[1] or found[2],
            " ".join((one.description or "").split()),
        )
        for one in params
    }
