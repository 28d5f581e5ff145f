"""Reads chosen entries of a zip or tar.xz archive into memory, whoever made the archive.

Nothing is extracted, no link followed and no header believed: what is read is bounded by what
comes, an entry by ``MAX_ENTRY``, the whole by ``MAX_TOTAL``. Entries that nobody wants cost no
memory, and in a zip no time either.
"""

from __future__ import annotations

import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from act_envs.errors import GameFileError

MAX_ENTRY = 4 << 20  # bytes of one entry, uncompressed
MAX_ENTRIES = 100_000
MAX_TOTAL = 4 << 30  # bytes to uncompress in all; the official games are 0.34e9
_MAX_READ = 32 << 20  # bytes at once: the directory of a zip with MAX_ENTRIES entries
_MAX_MEMORY = 256 << 20  # bytes that decompressing may take; `xz -9` needs 65e6
_CHUNK = 1 << 20

# What tarfile, zipfile, lzma and zlib raise on damaged input, apart from their own errors.
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    ValueError, LookupError, ArithmeticError, RuntimeError, MemoryError,
)  # fmt: skip

Naming = Callable[[str], str | None]
"""What an entry is called here: a key, or None for one that is not wanted. May raise
``GameFileError``."""


def read_archive(path: Path, naming: Naming) -> Iterator[tuple[str, bytes | GameFileError]]:
    """The wanted entries: key and content, or what is wrong with this one entry.

    Args:
        path: a zip or tar.xz file, by its first bytes.
        naming: picks and names the entries.

    Yields:
        Entries of a zip sorted by key; of a tar as they come, since it can only be read through.

    Raises:
        GameFileError: it is no such archive, it is damaged beyond one entry, or has two entries of
            one key.
    """
    with _damage(str(path)), path.open("rb") as file:
        first = file.read(6)
    if first.startswith(b"PK"):
        yield from _read_zip(path, naming)
    elif first == b"\xfd7zXZ\0":
        yield from _read_tar(path, naming)
    else:
        raise GameFileError(
            f"{path} is no zip or tar.xz archive (it begins with {first!r}). Download it again."
        )


def _read_zip(path: Path, naming: Naming) -> Iterator[tuple[str, bytes | GameFileError]]:
    with _damage(str(path)):
        archive = zipfile.ZipFile(_Bounded(io.FileIO(path)))
    with archive:
        entries: dict[str, zipfile.ZipInfo] = {}
        _check_count(path, len(archive.infolist()))
        for entry in archive.infolist():
            if (key := naming(entry.filename)) is not None:
                _check_new(path, key, entries)
                entries[key] = entry
        total = 0
        for key in sorted(entries):
            where = f"{path}: {entries[key].filename}"
            try:
                content = _read_zipped(archive, entries[key], where)
                total += len(content)
            except GameFileError as error:
                content = error
                total += MAX_ENTRY  # at most that was read
            _check_total(path, total)
            yield key, content


def _read_zipped(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> bytes:
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise GameFileError(f"{where} is a link or a device. {_REMEDY}")
    # zipfile bounds what it uncompresses at once for these two methods only.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise GameFileError(f"{where} is compressed by method {entry.compress_type}. {_REMEDY}")
    with _damage(where), archive.open(entry) as file:
        content = file.read(MAX_ENTRY + 1)
    return check_size(content, where)


def _read_tar(path: Path, naming: Naming) -> Iterator[tuple[str, bytes | GameFileError]]:
    with path.open("rb") as file, _damage(str(path)):
        stream = _Unpacked(file, path)
        seen: set[str] = set()
        archive = tarfile.TarFile(fileobj=stream, mode="r")  # pyright: ignore[reportArgumentType]
        for count, member in enumerate(archive, 1):
            _check_count(path, count)
            if (key := naming(member.name)) is None or member.isdir():
                continue
            _check_new(path, key, seen)
            seen.add(key)
            where = f"{path}: {member.name}"
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                yield key, GameFileError(f"{where} is a link or a device. {_REMEDY}")
            elif member.size > MAX_ENTRY:
                yield key, _too_large(where)
            else:
                stream.seek(member.offset_data)
                content = stream.read(member.size)
                if len(content) < member.size:
                    raise EOFError(f"{member.name} is cut off")
                yield key, content
        # tarfile takes a damaged header for the end; behind a true end there are zeros only.
        while rest := stream.read(_CHUNK):
            if rest.strip(b"\0"):
                raise tarfile.ReadError("an entry has a damaged header")


class _Bounded(io.BufferedReader):
    """A file that is never read into memory as a whole, whatever the header of a zip says."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = os.fstat(self.fileno()).st_size - self.tell()
        size = left if size is None or size < 0 else min(size, left)
        if size > _MAX_READ:
            raise zipfile.BadZipFile(f"its directory is larger than {_MAX_READ:,} bytes")
        return super().read(size)


class _Unpacked:
    """What an xz stream uncompresses to, read forwards (tarfile steps back by one byte)."""

    def __init__(self, file: io.BufferedReader, path: Path) -> None:
        self._file, self._path = file, path
        self._xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_MEMORY)
        self._chunk, self._at = b"", 0  # the current piece, and how much of it was read
        self._end = 0  # bytes uncompressed so far: where the current piece ends

    def tell(self) -> int:
        return self._end - len(self._chunk) + self._at

    def seek(self, position: int) -> None:
        """Go to a position; past the end, to the end."""
        distance = position - self.tell()
        if distance < -1:
            raise tarfile.ReadError("an entry begins before the end of the one before it")
        while distance > len(self._chunk) - self._at:
            distance -= len(self._chunk) - self._at
            self._at = len(self._chunk)
            if not self._more():
                return
        self._at += distance

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        if not 0 <= size <= MAX_ENTRY + 512:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        pieces = []
        while size and (self._at < len(self._chunk) or self._more()):
            pieces.append(self._chunk[self._at : self._at + size])
            self._at += len(pieces[-1])
            size -= len(pieces[-1])
        return b"".join(pieces)

    def _more(self) -> bool:
        """Uncompress another piece; False at the end."""
        piece = b""
        while not piece and not self._xz.eof:
            packed = self._file.read(_CHUNK) if self._xz.needs_input else b""
            if self._xz.needs_input and not packed:
                raise EOFError("it is cut off")
            piece = self._xz.decompress(packed, _CHUNK)
        if not piece and (self._xz.unused_data.strip(b"\0") or self._file.read(1).strip(b"\0")):
            raise lzma.LZMAError("something follows the end of its data")
        self._end += len(piece)
        _check_total(self._path, self._end)
        last = self._chunk[-1:]  # where tarfile may step back to
        self._chunk, self._at = last + piece, len(last)
        return bool(piece)


_REMEDY = "Such games are not read. Download the official archive."


def check_size(content: bytes, where: str) -> bytes:
    """The content, unless it is larger than any game.

    Raises:
        GameFileError: it is.
    """
    if len(content) > MAX_ENTRY:
        raise _too_large(where)
    return content


def _too_large(where: str) -> GameFileError:
    return GameFileError(f"{where} has more than {MAX_ENTRY:,} bytes. {_REMEDY}")


def _check_count(path: Path, count: int) -> None:
    if count > MAX_ENTRIES:
        raise GameFileError(f"{path} has more than {MAX_ENTRIES:,} entries. {_REMEDY}")


def _check_total(path: Path, total: int) -> None:
    if total > MAX_TOTAL:
        raise GameFileError(f"{path} uncompresses to more than {MAX_TOTAL:,} bytes. {_REMEDY}")


def _check_new(path: Path, key: str, seen: dict[str, zipfile.ZipInfo] | set[str]) -> None:
    if key in seen:
        raise GameFileError(f"{path} has two entries for {key!r}. {_REMEDY}")


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Whatever the libraries raise on damaged input, as the one error that a caller expects."""
    try:
        yield
    except _DAMAGE as error:
        raise GameFileError(
            f"cannot read {where}: {error or type(error).__name__}. Download it again."
        ) from error
