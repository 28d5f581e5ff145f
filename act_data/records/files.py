"""Files of recorded episodes, read into records.

Three formats are known, and told apart by what stands in them: conversations
(:mod:`act_data.records.conversations`) and exported trajectories (:mod:`act_data.records.rows`),
as a JSON list or as lines, and logs of WebShop's site (:mod:`act_data.records.webshop_logs`), a
file each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from act_data.errors import DataCorrupt, DataNotFound
from act_data.records.conversations import read_conversation
from act_data.records.record import NotUnderstood, Record
from act_data.records.rows import is_row, read_row
from act_data.records.webshop_logs import is_log, read_log


def read_records(path: Path) -> list[Record]:
    """The records of a file, or of every ``.json`` and ``.jsonl`` file of a folder, by name.

    Raises:
        DataNotFound: there is no such file, or the folder holds none.
        DataCorrupt: there is no record in it that is understood.
    """
    found = [record for file in _files(path) for record in _records(file)]
    if all(record.fault for record in found):
        why = "".join(f" ({record.place}: {record.fault})" for record in found[:1])
        raise DataCorrupt(
            f"{path} holds no records{why}. Give conversations, exported rows or logs, as JSON."
        )
    return found


def records_digest(path: Path) -> str:
    """A name of the files by their own names and bytes, wherever they lie."""
    total = hashlib.sha256()
    for file in _files(path):
        data = file.read_bytes()
        total.update(f"{len(file.name)}:{file.name}:{len(data)}:".encode() + data)
    return f"sha256:{total.hexdigest()[:40]}"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = [f for f in path.glob("*") if f.suffix in (".json", ".jsonl")] if path.is_dir() else []
    if not files:
        raise DataNotFound(f"{path} is no file, and no folder of .json or .jsonl files.")
    return sorted(files)


def _records(file: Path) -> Iterator[Record]:
    # Bytes that are no UTF-8 become marks that no observation holds: the record will not replay.
    values = list(_values(file.read_text(encoding="utf-8", errors="replace")))
    if any(map(is_log, values)):
        yield read_log(values, file.name)
        return
    for number, value in enumerate(values, 1):
        place = f"{file.name}:{number}"
        if isinstance(value, NotUnderstood):
            yield Record(place, fault=str(value))
        elif is_row(value):
            yield read_row(value, place)
        else:
            yield read_conversation(value, place)


def _values(text: str) -> Iterator[Any]:
    """The JSON values of a list, of lines, or of a whole file; what is none, as what is wrong."""
    text = text.removeprefix("\ufeff").strip()
    try:
        whole = json.loads(text) if text else []
    except (ValueError, RecursionError):
        yield from _elements(text) if text.startswith("[") else map(_line, text.splitlines())
    else:
        yield from whole if isinstance(whole, list) else [whole]


def _elements(text: str) -> Iterator[Any]:
    """The elements of a damaged list, as far as it can be read."""
    decoder, at = json.JSONDecoder(), 1
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield NotUnderstood(f"the list cannot be read from here on ({error})")
            return
        yield value


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return NotUnderstood(f"the line is no JSON ({error})")
