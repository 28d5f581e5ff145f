"""What can go wrong with the Hub, each told in one line with its remedy.

What may pass (no connection, 5xx, 429, an upload that did not arrive whole) is ``HubUnreachable``,
which is worth another try, longer and longer apart, and not for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from act_data.errors import HubMismatch, HubRefused, HubUnreachable

TRIES = 5
DELAY = 1.0  # seconds after the first try; each wait is twice the one before
_PASSING = (408, 409, 412, 425, 429)
_AGAIN = "Run the same command again later: it goes on from what is there."


def shown(text: object) -> str:
    """A text with URLs in it, but no name and password that these hold."""
    return re.sub(r"://[^/\s]*@", "://", str(text))


class Moved(Exception):
    """Somebody else made a commit in between."""


class Unseen(HubUnreachable):
    """What was just committed is not to be seen yet."""


def http_error() -> type[Exception]:
    """What the Hub's client raises besides its own errors: its HTTP library has changed before."""
    from huggingface_hub.errors import (
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]  # httpx's, or httpx2's
    )

    return HTTPError


def waits() -> Iterable[float | None]:
    """Seconds to wait after each try, None after the last one."""
    return [*(DELAY * 2**n for n in range(TRIES - 1)), None]


class Told:
    """A context that raises errors of the Hub's client as ours.

    Args:
        repo: the repository.
        endpoint: where the Hub is.
        doing: what is done with it (``"push to"``).
        fresh: a commit was made a moment ago, and not every server may know of it.
        remedy: a sentence on what to do where the Hub cannot be reached.

    Raises:
        Moved: by the call that makes a commit, and by no other.
        HubRefused, HubUnreachable, HubMismatch: see there.
    """

    def __init__(
        self, repo: str, endpoint: str, doing: str, fresh: bool = False, remedy: str = _AGAIN
    ) -> None:
        self._what = f"cannot {doing} {repo} on {endpoint}"
        self._endpoint = endpoint
        self._commit = f"/{repo}/commit/"
        self._fresh = fresh
        self._remedy = remedy

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
        )

        uploading = isinstance(error, RuntimeError)  # what its threads raise
        if uploading and error.__cause__:
            error = error.__cause__
        if isinstance(error, OfflineModeIsEnabled):
            raise HubRefused(
                f"{self._what}: HF_HUB_OFFLINE forbids any connection. Unset it."
            ) from error
        unreached = isinstance(error, LocalEntryNotFoundError)  # neither there nor in the cache
        missing = not unreached and isinstance(error, EntryNotFoundError | FileNotFoundError)
        if self._fresh and (
            missing or (isinstance(error, HfHubHTTPError) and error.response.status_code == 404)
        ):
            raise Unseen(
                f"{self._what}: it was committed, and is not to be seen yet. Run the same command "
                "again later: it goes on from what is there."
            ) from error
        if missing:
            raise HubMismatch(f"{self._what}: it is not there any more.") from error
        if isinstance(error, HfHubHTTPError) and not unreached:
            self._refused(error.response.status_code, error, uploading)
        elif isinstance(error, (ConnectionError, http_error())) or unreached or uploading:
            raise HubUnreachable(
                f"{self._what}: {_line(error)}. Check the network and HF_ENDPOINT. {self._remedy}"
            ) from error
        elif isinstance(error, ValueError) and isinstance(error.__cause__, HfHubHTTPError):
            raise HubRefused(f"{self._what}: {_line(error)}. Make the folder again.") from error
        elif isinstance(error, ValueError | TypeError | LookupError | AttributeError):
            # The client takes answers apart without a look at what they are.
            raise HubUnreachable(
                f"{self._what}: it does not answer as a Hub does ({type(error).__name__}: "
                f"{_line(error)}). Check HF_ENDPOINT and any proxy, and run the same command again."
            ) from error

    def _refused(self, status: int, error: Any, uploading: bool) -> None:
        said = _line(error.server_message or error)
        if status == 412 and self._commit in str(error.response.url):
            raise Moved from error
        if status in (401, 403, 404):
            raise HubRefused(
                f"{self._what} ({status}: {said}). The token does not allow it, or there is no "
                "such organisation. Take one with write access from "
                f"{self._endpoint}/settings/tokens and set it as HF_TOKEN, or: hf auth login"
            ) from error
        if status >= 500 or status in _PASSING or uploading:
            raise HubUnreachable(f"{self._what} ({status}: {said}). {self._remedy}") from error
        raise HubRefused(
            f"{self._what} ({status}: {said}). It does not take it as it is."
        ) from error


def _line(said: object) -> str:
    """The first line that says something."""
    lines = [line.strip() for line in shown(said).splitlines()]
    return next(filter(None, lines), type(said).__name__).rstrip(".")
