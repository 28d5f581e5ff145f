"""A server of web pages on this machine, for the sites of this project."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from act_envs.errors import UnknownArgument

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.serving import BaseWSGIServer


def address(host: str, port: int) -> str:
    """Where a browser finds the site."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def listen(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """A server of a site, a thread a request, that waits for ``serve_forever``.

    Args:
        app: the site.
        host: an address of this machine; the loopback one is reached from nowhere else.
        port: 0 for a free one.

    Raises:
        UnknownArgument: nothing can listen there.
    """
    from werkzeug.serving import make_server

    if not 0 <= port < 1 << 16:
        raise UnknownArgument(f"port {port} is none. Give one up to 65535, or 0 for a free one.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family)
    except OSError as error:
        raise UnknownArgument(
            f"cannot listen at port {port} of {host!r}: {error.strerror or error}. "
            "Give another port (0 takes a free one), or end what listens there."
        ) from error
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line for every request
    with bound:
        return make_server(host, bound.getsockname()[1], app, threaded=True, fd=bound.fileno())
