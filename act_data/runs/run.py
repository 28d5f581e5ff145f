"""Long work in a folder, cut into parts that are each done once: kill it and run it again.

A run folder holds ``run.json`` (the request: everything that determines the bytes), one parquet
file per part (a pure function of the request and its slice of the items), ``summary.json`` at
the end, and an empty ``.lock``. Nothing in it depends on time, place, the number of workers or of
interruptions. Others may do the work, but one process writes: no two runs can share a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from act_data.errors import RunConflict
from act_data.runs.cluster import done_on_ray
from act_data.runs.work import Job, Part, Result, done_here
from act_data.runs.workers import done_by_workers
from act_data.storage.files import hold, leftovers, replacing, write_json
from act_data.storage.schema import Kind
from act_data.storage.tables import part_name, read_notes
from act_envs.errors import UnknownArgument

__all__ = ["Job", "Result", "Run", "differences", "digest"]

REQUEST, SUMMARY, LOCK = "run.json", "summary.json", ".lock"

Item = TypeVar("Item")


@dataclass(slots=True)
class Run(Generic[Item]):
    """One run in one folder.

    Attributes:
        out: the folder; made when missing.
        request: everything that determines the bytes, as JSON can hold it.
        items: what is worked on, in order.
        kind: kind of the rows.
        shard_size: items per part.
    """

    out: Path
    request: Mapping[str, Any]
    items: Sequence[Item]
    kind: Kind
    shard_size: int

    def __post_init__(self) -> None:
        if self.shard_size < 1:
            raise UnknownArgument(f"shard_size must be at least 1, not {self.shard_size}.")

    @property
    def parts(self) -> int:
        """How many parts the run has; one, empty, when there is nothing to do."""
        return max(1, -(-len(self.items) // self.shard_size))

    def execute(
        self, job: Job[Item], *, workers: int = 1, ray: str | None = None, progress: bool = False
    ) -> dict[str, Any]:
        """Do the parts that are not done yet. Who does them makes no difference to the bytes.

        Args:
            job: what is done with each item.
            workers: how many processes of this machine do it; 1 is this process.
            ray: address of a Ray cluster that does it instead.
            progress: show a bar on stderr even when that is not a terminal.

        Returns:
            The content of ``summary.json``.

        Raises:
            MissingExtra: Ray is not installed.
            NoCluster: there is no cluster at this address, or other programs are on its nodes.
            RunConflict: the folder holds something else.
            RunLocked: another process works in it.
            UnknownArgument: the number of workers cannot be used, or the job cannot be sent.
            WorkerDied: processes died of a part, repeatedly.
        """
        if workers < 1 or (ray is not None and workers > 1):
            raise UnknownArgument(
                f"workers={workers} must be at least 1, and is for this machine: "
                "give either workers or ray."
            )
        request = {**self.request, "shard_size": self.shard_size}
        with claimed(self.out, request), bar(len(self.items), progress) as advance:
            notes = self._found(advance)
            todo = [part for part in range(self.parts) if part not in notes]
            parts = (Part(index, self.kind, self._items(index)) for index in todo)
            work = partial(advance, worked=True)
            workers = min(workers, len(todo))
            if ray is not None and todo:
                doing = done_on_ray(job, parts, work, ray, self.request.get("versions", {}))
            elif workers > 1:
                doing = done_by_workers(job, parts, work, workers)
            else:
                doing = done_here(job, parts, work)
            with closing(doing):
                for done in doing:
                    with replacing(self._path(done.index)) as file:
                        file.write(done.data)
                    notes[done.index] = done.notes
            summary = _summary([notes[part] for part in range(self.parts)])
            write_json(self.out / SUMMARY, summary)
        return summary

    def remarks(self) -> list[dict[str, Any]]:
        """What a run that has ended says of single items, in their order."""
        notes = self._found(lambda _count, **_: None)
        return [remark for part in range(self.parts) for remark in notes[part]["remarks"]]

    def _items(self, part: int) -> Sequence[Item]:
        return self.items[part * self.shard_size : (part + 1) * self.shard_size]

    def _path(self, part: int) -> Path:
        return self.out / part_name(part, self.parts)

    def _found(self, advance: _Advance) -> dict[int, dict[str, Any]]:
        """The notes of the parts that are there."""
        notes: dict[int, dict[str, Any]] = {}
        for part in range(self.parts):
            if self._path(part).exists():
                notes[part] = read_notes(self._path(part), self.kind)
                advance(len(self._items(part)), worked=False)
        return notes


def digest(value: object) -> str:
    """16 hexadecimal digits naming a JSON value by its content."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.contextmanager
def claimed(out: Path, request: Mapping[str, Any], name: str = REQUEST) -> Iterator[None]:
    """Hold the folder for this request alone, without the leftovers of killed runs.

    A request of the same command that has left no work there, such as one with a mistyped
    argument, gives way.

    Args:
        out: the folder; made when missing.
        request: everything that determines its bytes, as JSON can hold it.
        name: of the file that keeps the request.

    Raises:
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
    """
    _check(out, request, name)  # before anything is written: the folder may be somebody else's
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("w") as lock:
        hold(lock, f"another process is working in {out}. Wait for it, or choose another --out.")
        known = _check(out, request, name)
        for path in leftovers(out):
            path.unlink()
        if not known:
            write_json(out / name, request)
        yield


def _works(out: Path, name: str) -> list[str]:
    """What is in a folder besides what a run begins with."""
    ours = {out / name, out / LOCK, *leftovers(out)}
    return sorted(entry.name for entry in out.iterdir() if entry not in ours)


def _check(out: Path, request: Mapping[str, Any], name: str) -> bool:
    """Refuse a folder that holds another request, or files that are not a run's.

    Returns:
        Whether it holds this request already.
    """
    if out.exists() and not out.is_dir():
        raise RunConflict(f"{out} is a file. Choose another --out.")
    if not out.exists():
        return False
    path = out / name
    if not path.exists():
        if strange := _works(out, name):
            raise RunConflict(
                f"{out} is not empty ({', '.join(strange[:3])}) and holds no {name}. "
                "Nothing was changed. Choose a new folder with --out."
            )
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunConflict(
            f"{path} cannot be read ({error}). Choose a new folder with --out."
        ) from error
    if not isinstance(found, dict):
        raise RunConflict(f"{path} describes no run. Choose a new folder with --out.")
    there, now = found.get("command"), request.get("command")
    if there != now:  # then every other key differs as well, and none of them says more
        raise RunConflict(
            f"{out} holds a run of another command: {there!r} there, {now!r} now. "
            "Nothing was changed. Choose a new folder with --out."
        )
    if (differing := differences(found, request)) and _works(out, name):
        raise RunConflict(
            f"{out} holds another run: {'; '.join(differing)}. Nothing was changed. "
            "Give the same arguments to go on with it, or choose a new folder with --out."
        )
    return not differing


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two requests: the dotted name of each leaf, with both of its values."""
    have, want = _flat(there), _flat(json.loads(json.dumps(now)))
    return [
        f"{key} is {have.get(key)!r} there, {want.get(key)!r} now"
        for key in sorted({*have, *want})
        if have.get(key) != want.get(key)
    ]


def _flat(value: object, name: str = "") -> dict[str, object]:
    """Nested JSON as dotted names, so that a difference can be named."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        path: leaf
        for key, inner in value.items()
        for path, leaf in _flat(inner, f"{name}.{key}" if name else key).items()
    }


def _summary(notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    groups: dict[str, Counter[str]] = {}
    for note in notes:
        for group, counts in note["groups"].items():
            groups.setdefault(group, Counter()).update(counts)
    total: Counter[str] = Counter()
    for counts in groups.values():
        total.update(counts)  # unlike a sum of counters, this keeps the zeros
    return {
        "items": sum(note["items"] for note in notes),
        "rows": sum(note["rows"] for note in notes),
        "counts": dict(sorted(total.items())),
        "by_kind": {group: dict(sorted(groups[group].items())) for group in sorted(groups)},
    }


class _Advance(Protocol):
    """Told how many items more are done, and whether it took work or they were found so."""

    def __call__(self, count: int, /, *, worked: bool) -> None: ...


@contextlib.contextmanager
def bar(total: int, wanted: bool) -> Iterator[_Advance]:
    """A progress bar with the time left, or nothing; found parts do not flatter its speed."""
    if not (wanted or sys.stderr.isatty()):
        yield lambda _count, /, *, worked: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="item", dynamic_ncols=True, file=sys.stderr) as bar:

        def advance(count: int, /, *, worked: bool) -> None:
            if not worked:
                bar.initial += count  # what tqdm leaves out of its rate
            bar.update(count)

        yield advance
