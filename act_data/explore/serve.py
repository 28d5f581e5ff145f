"""``act-data explore``: look at data in a browser on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from act_data.analysis.table import printable
from act_data.errors import DataNotFound
from act_data.storage.holdings import find_holdings
from act_envs.listening import address, listen

if TYPE_CHECKING:
    from flask import Flask

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HERE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Explore:
    """Look at pairs, trajectories and evaluation episodes in a browser. Ctrl-C ends it.

    Nothing leaves this machine, and nobody else reaches the pages unless --host says so.

    Attributes:
        dir: what act-data wrote, a dataset or runs, and what act-train evaluate or a
            TranscriptRecorder wrote, as .jsonl: a folder, with all folders in it, or a file.
        host: address to listen at. 0.0.0.0 lets everybody in who can reach this machine.
        port: port to listen at; 0 takes a free one.
    """

    dir: Annotated[Path, tyro.conf.Positional]
    host: str = "127.0.0.1"
    port: int = 8000


def explore(config: Explore, say: Callable[[str], object]) -> None:
    """Serve the pages until Ctrl-C.

    Args:
        config: what to show, and where.
        say: is told what was found and left out, and the address.

    Raises:
        DataNotFound: there is nothing to show.
        MissingExtra: Flask or pyarrow is not installed.
        UnknownArgument: nothing can listen there.
    """
    from act_data.explore.site import create_app  # Flask is no part of the extra `data`

    found, left_out = find_holdings(config.dir)
    app = create_app(found, left_out, config.dir.resolve().name)
    totals, left_out = app.config["TOTALS"], app.config["LEFT_OUT"]
    if not any(totals.values()):
        raise DataNotFound(
            f"{config.dir} holds no pairs, trajectories or episodes. "
            f"{left_out[0] if left_out else 'Make data with: act-data collect, act-data mine.'}"
        )
    if config.host in _LOOPBACK:
        only_here(app)
    with listen(app, config.host, config.port) as server:
        say(", ".join(f"{count:,} {kind}" for kind, count in totals.items() if count))
        for one in left_out:
            say(f"left out: {printable(one)}")
        say(f"{address(config.host, server.port)} (Ctrl-C ends it)")
        server.serve_forever()  # returns at Ctrl-C


def only_here(app: Flask) -> None:
    """Refuse who does not ask for this machine by a name that it has for itself.

    Else a page of another site could read all by a name that leads here (DNS rebinding). Werkzeug's
    own list of trusted hosts knows no IPv6.
    """
    from werkzeug.exceptions import BadRequest

    @app.before_request
    def known() -> None:
        from flask import request

        if not _HERE.fullmatch(request.headers.get("Host", "")):
            raise BadRequest("These pages are for this machine. Open the address that was printed.")
