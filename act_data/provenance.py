"""Which program makes data: its version, and its commit or what its files hold.

Both stand in every row and in the request of every run. They are asked for where a run begins, and
sent to whoever works on it: bytes must not depend on where that is.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from act_data.storage.schema import SCHEMA_VERSION
from act_envs import __version__

_DISTRIBUTION = "agentic-critical-training"
_DIGITS = 12  # of a commit
_CHANGED = 8  # digits that name a change
_PACKAGE = Path(__file__).parent
_PACKAGES = ("act_envs", "act_data", "act_train")  # what a program consists of


def program() -> str:
    """This program as rows name it: ``act-data 0.1.0+g0123456789ab``."""
    return f"act-data {version()}"


@functools.cache
def version() -> str:
    """``0.1.0+g0123456789ab``: the version, and the commit that this program is from.

    A git checkout whose packages were changed since its commit adds ``.dirty`` and a name of what
    they hold now, as in ``0.1.0+g0123456789ab.dirty.89abcdef``: another change is another program.
    Where nobody knows the commit, as installed from a folder or from PyPI, a name of what the
    packages' programs hold takes its place: ``0.1.0+files.89abcdef``.
    """
    if commit := _checked_out(_PACKAGE) or _installed(_PACKAGE):
        return f"{__version__}+g{commit}"
    root = _PACKAGE.parent
    names = sorted(
        path.relative_to(root).as_posix()
        for name in _PACKAGES
        for path in (root / name).rglob("*.py")
    )
    return f"{__version__}+files.{_content(root, names)}"


def versions(*distributions: str) -> dict[str, object]:
    """Versions that can change the bytes of a run: this program's, its schema's, and others'."""
    found: dict[str, object] = {"act-data": version(), "schema": SCHEMA_VERSION}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _checked_out(package: Path) -> str:
    """The commit of the git checkout whose root holds the package, ``""`` where there is none.

    It is followed by what :func:`version` says of a change.
    """
    root = package.parent
    if not (root / ".git").exists():  # another one further up is not this project's
        return ""
    try:
        commit = _git(root, "describe", "--always", "--exclude=*", f"--abbrev={_DIGITS}").strip()
        changed = _git(root, "diff", "HEAD", "--name-only", "--no-renames", "-z", "--", *_PACKAGES)
        new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *_PACKAGES)
    except (OSError, subprocess.CalledProcessError):  # no git, or nothing was committed
        return ""
    # Of what git does not know, notes and data are no part of the program.
    names = [*changed.split("\0"), *(name for name in new.split("\0") if name.endswith(".py"))]
    names = sorted(filter(None, names))
    return f"{commit}.dirty.{_content(root, names)}" if names else commit


def _git(root: Path, *command: str) -> str:
    """What git prints of the checkout in ``root``."""
    return subprocess.run(
        [
            # Named, for a git hook that runs us names its own; without locks, for the user's
            # own git must not fail because we look.
            "git", "--git-dir", root / ".git", "--work-tree", root, "--no-optional-locks",
            *command,
        ],
        cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        errors="surrogateescape",
    ).stdout  # fmt: skip


def _content(root: Path, names: Sequence[str]) -> str:
    """A name of what some files hold; those that are no longer there hold nothing."""
    total = hashlib.sha256()
    for name in names:
        path = root / name
        held = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "-"
        total.update(f"{name}\0{held}\n".encode(errors="surrogateescape"))
    return total.hexdigest()[:_CHANGED]


def _installed(package: Path) -> str:
    """The commit that pip installed the package from (PEP 610), ``""`` where it was another way."""
    try:
        distribution = metadata.distribution(_DISTRIBUTION)
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
        ours = Path(str(distribution.locate_file(package.name))).resolve() == package.resolve()
        return told["vcs_info"]["commit_id"][:_DIGITS] if ours else ""
    except (metadata.PackageNotFoundError, ValueError, LookupError, TypeError):
        return ""
