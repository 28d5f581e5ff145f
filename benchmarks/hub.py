"""A Hugging Face Hub on this machine, for tests and benchmarks: ``python -m benchmarks.hub``.

It speaks the HTTP that ``huggingface_hub`` and ``datasets`` speak, so that the real clients can
push to it and load from it: repositories, atomic commits with parents, large files by their sha256,
tags. Endpoints, status codes and headers are those that ``huggingface_hub`` 2.4 asks for and looks
at. It leaves out Xet, branches, pull requests and quotas. It can be told to fail:
:class:`benchmarks.hub_http.Fault`.

    with Hub(folder) as hub:
        subprocess.run(command, env={**os.environ, **hub.environment(home)})

The clients read the variables of ``environment`` when they are imported: set them before. Requests
are read in :mod:`benchmarks.hub_http`, answered in :mod:`benchmarks.hub_answers`, from what
:mod:`benchmarks.hub_repos` holds.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import tyro

from benchmarks.hub_answers import Answers
from benchmarks.hub_http import Fault
from benchmarks.hub_repos import Repo


class Hub(ThreadingHTTPServer):
    """The server; it runs within ``with``.

    Attributes:
        repos: what it holds, by kind (``"datasets"``) and name (``"org/name"``).
        faults: what goes wrong next; those that are over are taken out.
        asked: the kind of each request so far, in order.
        checks: whether uploads are compared with the sha256 that they were announced with.
        page: entries per page of a listing.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Answers)
        self.objects = folder / "objects"
        self.objects.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos: dict[tuple[str, str], Repo] = {}
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.checks = True
        self.page = 1000
        self.lock = threading.RLock()
        self.uploads = count()

    def __enter__(self) -> Hub:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()

    def environment(self, home: Path, token: str = "hf_write") -> dict[str, str]:
        """The variables with which clients use this Hub, their caches being in ``home``."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
        }

    def clear(self) -> None:
        """Forget everything, what goes wrong included."""
        self.repos.clear()
        self.faults.clear()
        self.asked.clear()
        self.checks, self.page = True, 1000
        for path in self.objects.iterdir():
            path.unlink()

    def dataset(self, repo: str) -> Repo:
        """A dataset's repository."""
        return self.repos["datasets", repo]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed are part of the tests."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def fault(self, route: str) -> Fault:
        """What goes wrong with a request that has come."""
        with self.lock:
            self.asked.append(route)
            for fault in self.faults:
                if fault.route == route:
                    if fault.skip:
                        fault.skip -= 1
                        break
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return Fault(route)


@dataclass(frozen=True)
class Serve:
    """Run the Hub until Ctrl-C, and print what clients need to use it."""

    port: int = 0
    """0 for any that is free."""

    folder: Path | None = None
    """Where large files lie; a new folder that is removed again by default."""

    def __call__(self) -> None:
        folder = self.folder or Path(tempfile.mkdtemp())
        try:
            with Hub(folder, self.port) as hub, suppress(KeyboardInterrupt):
                for name, value in hub.environment(folder / "home").items():
                    print(f"export {name}={value}", flush=True)
                threading.Event().wait()
        finally:
            if self.folder is None:
                shutil.rmtree(folder)


if __name__ == "__main__":
    tyro.cli(Serve)()
