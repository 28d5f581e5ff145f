"""``act-data build``: a dataset from pairs and trajectories, as a folder that is ready to publish.

The folder holds ``data/<config>/<split>/part-*.parquet``: one config per family of environments
(``alfworld``, ``webshop``, ``scienceworld``; one schema for all), ``trajectories``, and the
configs of :mod:`act_data.publish.derived`. ``README.md`` says so in the form that
``datasets.load_dataset`` reads, and ``MANIFEST.json``, written last, names every file with its
checksum. The same inputs and options give the same bytes, whenever and however often it is
interrupted.

Train, validation and test are parts of what may be trained on, by task; tasks that are made from
one thing (a product) stay together. Tasks of splits that results are reported on are refused;
those of a paper's panel were left out when tasks were chosen (:func:`act_data.splits.withheld`).
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from act_data.errors import DataCorrupt, DataNotFound, RunConflict
from act_data.options import check_once
from act_data.prompts import PROMPT_VERSION
from act_data.provenance import versions
from act_data.publish.card import DESCRIPTION, describe
from act_data.publish.command import command_line
from act_data.publish.derived import DERIVED, derived_schema, from_pairs, from_trajectories
from act_data.publish.manifest import MANIFEST, read_manifest, write_manifest
from act_data.publish.mined import mining
from act_data.publish.plan import SPLITS, Shard, plan
from act_data.runs.run import bar, claimed
from act_data.storage.files import leftovers, replacing
from act_data.storage.schema import Kind, arrow, parquet
from act_data.storage.sources import Source
from act_data.storage.tables import content, parquet_bytes
from act_envs.errors import UnknownArgument

REQUEST = "build.json"
_DERIVE = {"pairs": from_pairs, "trajectories": from_trajectories}


@dataclass(frozen=True, kw_only=True)
class Build:
    """Make a dataset of pairs and trajectories: configs, splits by task, rows ready for TRL.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        pairs: what act-data mine, contrast, verify or filter wrote: folders or files. Of pairs
            with the same id one that was verified is taken, else the first.
        out: folder for the dataset; new, or begun by the same command.
        trajectories: what act-data collect or import wrote; without any there is no config sft.
        mined: the runs of act-data mine that the pairs are from, for the card to tell how often
            the policy did as the expert; it says that this is not known without them.
        name: of the dataset, for people.
        shares: of the tasks that are in train, validation and test.
        history: past turns in the prompts.
        allow_split: official splits besides train whose tasks may be in the dataset; never a test
            split.
        shard_size: pairs per file; what an interruption can cost.
        progress: show a progress bar even when stderr is not a terminal.
    """

    pairs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    out: Path
    trajectories: tuple[Path, ...] = ()
    mined: tuple[Path, ...] = ()
    name: str = "Contrast pairs for language agents"
    shares: tuple[float, float, float] = (0.9, 0.05, 0.05)
    history: int = 2
    allow_split: tuple[str, ...] = ()
    shard_size: int = 8192
    progress: bool = False


def build(config: Build, *, command: str | None = None) -> dict[str, Any]:
    """Build the dataset in ``config.out``.

    Args:
        config: what of, and how.
        command: what the card shows as the command that makes the dataset; this build by default.

    Returns:
        ``pairs`` and ``trajectories`` (how many), ``duplicates`` (pairs left out, for another
        has their id), ``repeated`` (trajectories left out, for an earlier one is the same), and
        ``rows``: by config and split.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: an input cannot be read.
        ForbiddenSplit: a task is kept for evaluation.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
    """
    _check(config)
    sources = {
        "pairs": Source(config.pairs, "pairs"),
        "trajectories": Source(config.trajectories, "trajectories"),
    }
    if not sources["pairs"].count:
        raise DataNotFound(
            f"{', '.join(map(str, config.pairs))}: no pairs at all. Mine some: act-data mine."
        )
    planned = plan(
        sources["pairs"],
        sources["trajectories"],
        shares=config.shares,
        allow_split=config.allow_split,
        shard_size=config.shard_size,
    )
    files = planned.files()
    paths = [path for splits in files.values() for found in splits.values() for path in found]
    rows = planned.pairs + planned.trajectories
    request = _request(config, command)
    with (
        claimed(config.out, request, REQUEST),
        bar(rows, config.progress) as advance,
    ):
        whole = [*paths, *map(Path, DESCRIPTION)]
        _only_ours(config.out, whole)
        finished = _clean(config.out, whole)
        for shard in planned.shards:
            wanted = {name: config.out / path for name, path in shard.files.items()}
            todo = {name: path for name, path in wanted.items() if not path.exists()}
            if not todo:
                advance(len(shard.rows), worked=False)
                continue
            for count in _write(todo, shard, sources[shard.kind], config.history):
                advance(count, worked=True)
        if not finished:
            describe(config.out, request)
            _only_ours(config.out, whole)  # the manifest takes what is there
            write_manifest(config.out)
    return {
        "pairs": planned.pairs,
        "duplicates": planned.duplicates,
        "trajectories": planned.trajectories,
        "repeated": planned.repeated,
        "rows": {
            name: {split: _rows_in(config.out, found) for split, found in splits.items()}
            for name, splits in files.items()
        },
    }


def build_text(summary: Mapping[str, Any]) -> str:
    """What a build came to, for people."""
    lines = [
        f"{config}: {', '.join(f'{count} {split}' for split, count in splits.items())}"
        for config, splits in summary["rows"].items()
    ]
    if summary["duplicates"]:
        lines.append(f"{summary['duplicates']} pairs left out: others have their ids")
    if summary["repeated"]:
        lines.append(f"{summary['repeated']} trajectories left out: earlier ones are the same")
    if not summary["trajectories"]:
        lines.append("no configs sft and trajectories: no --trajectories were given")
    return "\n".join(lines)


def _check(config: Build) -> None:
    """Refuse what cannot be built, before anything is read.

    Raises:
        UnknownArgument: an option has a value that cannot be used.
    """
    if not config.pairs:
        raise UnknownArgument("no pairs were named. Give what act-data mine or verify wrote.")
    shares = config.shares
    three = len(shares) == len(SPLITS) and min(shares) >= 0 and shares[0] > 0
    if not (three and math.isclose(sum(shares), 1)):
        raise UnknownArgument(
            f"shares={shares}: the shares of train (above 0), validation and test must sum to 1."
        )
    for name, value, least in (
        ("history", config.history, 0),
        ("shard_size", config.shard_size, 1),
    ):
        if value < least:
            raise UnknownArgument(f"{name}={value} must be at least {least}.")
    for paths in (config.pairs, config.trajectories, config.mined):
        check_once(paths)


def _rows_in(folder: Path, paths: Sequence[Path]) -> int:
    return sum(parquet().read_metadata(folder / path).num_rows for path in paths)


def _renamed(config: Build, name: Callable[[Path], str]) -> Build:
    """The same with inputs that are called by their content.

    Wherever they lie, and whatever they are called: the same inputs give the same card.

    Args:
        config: what to build.
        name: gives the name of an input's content.
    """

    def names(what: str) -> tuple[Path, ...]:
        found = (name(path).rpartition(":")[2][:8] for path in getattr(config, what))
        return tuple(Path(f"{what}-{its}") for its in found)

    return replace(
        config,
        pairs=names("pairs"),
        trajectories=names("trajectories"),
        mined=names("mined"),
        out=Path("dataset"),
    )


def _request(config: Build, command: str | None) -> dict[str, Any]:
    name = functools.cache(content)  # which reads all of an input
    return {
        "command": "build",
        "command_line": command or command_line("build", _renamed(config, name)),
        "mining": [*map(mining, config.mined)],
        "pairs": [*map(name, config.pairs)],
        "trajectories": [*map(name, config.trajectories)],
        "name": config.name,
        "shares": [*config.shares],
        "history": config.history,
        "allow_split": sorted(config.allow_split),
        "shard_size": config.shard_size,
        "versions": {
            "prompt": PROMPT_VERSION,
            **versions("datasets", "matplotlib", "pyarrow", "scikit-learn"),
        },
    }


def _clean(out: Path, files: Sequence[Path]) -> bool:
    """Leave only what can be kept: whole files and, in a dataset that was finished, unharmed ones.

    Args:
        out: the folder.
        files: all files of the dataset but for the manifest.

    Returns:
        Whether it was finished, and all of it is unharmed.
    """
    for folder in {out / path.parent for path in files}:
        for path in leftovers(folder):
            path.unlink()
    if not (out / MANIFEST).exists():
        for path in files:
            if path.suffix == ".parquet" and not _readable(out / path):
                (out / path).unlink(missing_ok=True)
        return False
    try:
        read_manifest(out)
    except DataCorrupt:
        for path in (*files, Path(MANIFEST)):
            (out / path).unlink(missing_ok=True)
        return False
    return True


def _only_ours(out: Path, files: Sequence[Path]) -> None:
    """Refuse files that are none of the dataset's: its manifest would name them, push send them.

    Raises:
        RunConflict: with their names.
    """
    ours = {out / path for path in (*files, Path(REQUEST), Path(MANIFEST))}
    links = [path for path in out.rglob("*") if path.is_symlink()]
    strange = sorted(
        path.relative_to(out).as_posix()
        for path in {*links, *(path for path in out.rglob("*") if path.is_file())}
        if (path not in ours or path.is_symlink())
        and not any(part.startswith(".") for part in path.relative_to(out).parts)
    )
    if strange:
        raise RunConflict(
            f"{out} holds what is none of the dataset's ({', '.join(strange[:3])}). Nothing was "
            "changed. Move it elsewhere, or choose another --out."
        )


def _readable(path: Path) -> bool:
    """Whether a file of an unfinished build can be kept: whole, by its own checksums."""
    if not path.exists():
        return False
    try:
        with parquet().ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)
    except (arrow().ArrowException, OSError):
        return False
    return True


def _write(todo: Mapping[str, Path], shard: Shard, source: Source, history: int) -> Iterator[int]:
    """Make files of a shard, by config; yield how many of its rows more are done."""
    derive = _DERIVE[shard.kind]
    with ExitStack() as stack:
        writers = {}
        for name, path in todo.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(replacing(path))
            schema = derived_schema(name) if name in DERIVED else _schema(shard.kind)
            writers[name] = stack.enter_context(
                parquet().ParquetWriter(
                    file,
                    schema,
                    compression="zstd",
                    compression_level=3,
                    write_page_checksum=True,
                )
            )
        for rows in source.take(shard.rows):
            tables = derive(rows, history=history)
            for name, writer in writers.items():
                writer.write_table(tables.get(name, rows))
            yield len(rows)


def _schema(kind: Kind) -> Any:
    """The schema of a kind of rows as its files have it, with what they say of themselves."""
    return parquet().read_schema(io.BytesIO(parquet_bytes([], kind)))
