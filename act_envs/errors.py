"""The one family of errors that ``act_envs`` raises on purpose.

Every message says what was wrong, the value, and the remedy. Nothing here wraps an error of
Gymnasium or Python: those reach the caller as they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ActError(Exception):
    """Base of every error that ACT raises on purpose."""


class InvalidAction(ActError):
    """The action is not a string. (A malformed *string* is data, never an error.)"""


class UnknownTask(ActError):
    """No task of this environment has that id."""


class UnknownSplit(ActError):
    """The environment has no split of that name."""


class UnknownArgument(ActError):
    """An argument or option has a name or a value that the environment does not know."""


class EpisodeNotRunning(ActError):
    """``step`` was called before ``reset``, after the end of the episode, or after ``close``."""


class SnapshotMismatch(ActError):
    """The snapshot was taken from an environment of another kind or configuration."""


class AssetsNotFound(ActError):
    """Data that the environment needs are not on this machine."""


class DownloadError(ActError):
    """A file could not be fetched, or what came is not what was asked for."""


class GameFileError(ActError):
    """A game file or an archive of them is damaged, hostile, or of a kind that is not played."""


class CatalogueError(ActError):
    """A file of a catalogue of products is damaged, or is no such file."""


class MissingExtra(ActError):
    """An optional dependency is not installed."""


class SimulatorError(ActError):
    """The simulator died or answered with something that it should never answer."""


class ContractViolation(ActError):
    """An environment breaks the contract that :func:`act_envs.testing.check_text_env` checks."""


def nearest(value: object, known: Iterable[str]) -> str:
    """A sentence fragment naming the known values closest to ``value``.

    Args:
        value: what the caller gave.
        known: every accepted value.

    Returns:
        ``"Did you mean 'a', 'b'?"``, or a list of the first known values when none is close.
    """
    names = [str(name) for name in known]
    close = difflib.get_close_matches(str(value), names, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {', '.join(map(repr, close))}?"
    shown = ", ".join(map(repr, names[:8]))
    return f"Known: {shown}{', ...' if len(names) > 8 else ''}."
