"""A Hub of one's own for a test, and a process that uses it. No test itself.

    pytest_plugins = "tests.data.hub"

    def test_it(hub, client):
        client(push, Push(folder=folder, repo="org/name"))
        rows = client.load("org/name", "alfworld", "main")

``hub`` is a :class:`benchmarks.hub.Hub`: what it holds is in ``hub.dataset("org/name")``, what it
was asked in ``hub.asked``, and what goes wrong next is put in ``hub.faults``. ``client`` calls a
function that can be imported, in a process of its own where ``huggingface_hub`` was imported for
this Hub, and gives what it returns or raises. Waits between tries are skipped there.
``client.kill`` ends it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hub import Hub


class Client:
    """Calls functions in new processes, forks of one that has imported everything."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _import_all)

    def __call__(self, function: Callable[..., Any], *args: Any, **environ: str) -> Any:
        """Call a function, with other variables in the environment (``HF_TOKEN=""``)."""
        return self._pool.submit(_forked, self._home, environ, function, args).result()

    def load(
        self, repo: str, config: str, revision: str, streaming: bool = False
    ) -> list[dict[str, Any]]:
        """The rows of a config's split train, by ``datasets.load_dataset``."""
        return self(_load, repo, config, revision, streaming)

    def kill(self) -> None:
        """SIGKILL to the process of the call that is going on, which raises BrokenProcessPool."""
        os.kill(int((self._home / "pid").read_text()), signal.SIGKILL)

    def close(self) -> None:
        self._pool.shutdown()


def _import_all() -> None:
    import datasets  # noqa: F401

    import act_data.publish.push  # noqa: F401


def _forked(home: Path, environ: dict[str, str], function: Callable[..., Any], args: Any) -> Any:
    with ProcessPoolExecutor(1, get_context("fork"), _prepare, (home, environ)) as pool:
        return pool.submit(function, *args).result()


def _prepare(home: Path, environ: dict[str, str]) -> None:
    (home / "pid").write_text(str(os.getpid()))
    os.environ.update(environ)
    time.sleep = lambda _seconds: None


def _load(repo: str, config: str, revision: str, streaming: bool) -> list[dict[str, Any]]:
    from datasets import load_dataset

    rows = load_dataset(repo, config, split="train", revision=revision, streaming=streaming)
    return [dict(row) for row in rows]  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.fixture(scope="module")
def hub_and_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Client]]:
    folder = tmp_path_factory.mktemp("hub")
    with Hub(folder) as hub, pytest.MonkeyPatch.context() as patch:
        for name, value in hub.environment(folder / "home").items():
            patch.setenv(name, value)
        (folder / "home").mkdir()
        client = Client(folder / "home")
        client(int)  # so that the process starts with these variables
        patch.undo()
        yield hub, client
        client.close()


@pytest.fixture
def hub(hub_and_client: tuple[Hub, Client]) -> Hub:
    """An empty Hub on this machine."""
    hub, _ = hub_and_client
    hub.clear()
    return hub


@pytest.fixture
def client(hub_and_client: tuple[Hub, Client]) -> Client:
    """What calls functions in a process that uses it."""
    return hub_and_client[1]
