"""Parts of a run on a Ray cluster (extra ``ray``): any number of machines, no shared files.

Each part is a task. Its bytes come back to the process that runs ``act-data``, which writes them;
a node that is lost costs the parts it was doing, which Ray gives to others. The nodes need the same
versions of act_data, of its extra ``data`` and of what the environment needs, importable by Ray.
"""

from __future__ import annotations

import atexit
import functools
import pickle
import socket
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack
from types import ModuleType
from typing import Any

from act_data import provenance
from act_data.errors import NoCluster
from act_data.prompts import PROMPT_VERSION
from act_data.runs.work import Advance, Done, Job, Part, Result, done, packed
from act_envs.errors import MissingExtra
from act_envs.vector.lifeline import portable

_RETRIES = 3  # of a part whose process or node is lost
_PATIENCE = 10.0  # seconds that a cluster has to take a connection
_AHEAD = 2  # parts in flight per processor: one that is done, one that waits


def done_on_ray(
    job: Job[Any],
    parts: Iterable[Part],
    advance: Advance,
    address: str,
    versions: Mapping[str, object],
) -> Generator[Done, None, None]:
    """Do parts on a Ray cluster, one on each of its processors at a time.

    Args:
        job: what is done with each item. A process of the cluster opens it once.
        parts: taken from only as processors become free; nodes may come and go.
        advance: told of progress, part by part.
        address: what ``ray.init`` takes, such as ``"auto"`` or ``"127.0.0.1:6379"``; not looked at
            where this process is on a cluster already.
        versions: what the request of the run names; nodes must have the same.

    Yields:
        The parts in the order in which they get done.

    Raises:
        MissingExtra: Ray is not installed.
        NoCluster: there is no cluster, its nodes have other versions, or were lost repeatedly.
        UnknownArgument: the job cannot be sent.
        Exception: what the job raises.
    """
    request, ray, parts = packed(job), _ray(), iter(parts)
    ours = not ray.is_initialized()  # else the caller has chosen a cluster, and keeps it
    try:
        if ours:
            _look_for(address)
            ray.init(address=address, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise NoCluster(
            f"there is no Ray cluster at {address!r} ({error}). Start one with: ray start --head"
        ) from error
    try:
        stored = ray.put(request)
        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_task)
        flying: dict[Any, int] = {}
        while True:
            room = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
            while len(flying) < room and (part := next(parts, None)) is not None:
                flying[task.remote(stored, part, dict(versions))] = part.index
            if not flying:
                return
            [ready], _ = ray.wait([*flying], num_returns=1)
            index = flying.pop(ready)
            try:
                answer = ray.get(ready)
            except ray.exceptions.RayError as error:
                raise NoCluster(
                    f"the cluster at {address!r} has lost part {index}, and again in {_RETRIES} "
                    f"retries ({error}). If it was short of memory, take a smaller --shard-size. "
                    "Finished parts are kept: the same command goes on from here."
                ) from error
            if isinstance(answer, Exception):
                raise answer
            del ready  # the cluster need not keep it while it is written
            advance(answer.notes["items"])
            yield answer
    finally:
        if ours:
            ray.shutdown()


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra(
            'ray is not installed. Run: pip install "agentic-critical-training[ray]".'
        ) from error
    return ray


def _look_for(address: str) -> None:
    """Find in seconds that nobody listens there: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


# -- on the nodes --------------------------------------------------------------------------------


def _task(request: bytes, part: Part, versions: dict[str, object]) -> Done | Exception:
    """A part, or what went wrong: Ray would dress an exception up."""
    try:
        _check(versions)
        return done(_opened(request), part, lambda _count: None)
    except Exception as error:  # noqa: BLE001 - the process that asked raises it
        return portable(error)


def _check(versions: Mapping[str, object]) -> None:
    """Refuse to work where the bytes of a part could be others.

    Raises:
        NoCluster: something here has another version.
    """
    own = ("act-data", "schema", "prompt")
    here = provenance.versions(*(name for name in versions if name not in own))
    here["prompt"] = PROMPT_VERSION
    wanted = dict(versions)
    if "act-data" in wanted and "+" not in str(here["act-data"]):
        # It was copied without its commit, which nobody can compare.
        wanted["act-data"] = str(wanted["act-data"]).partition("+")[0]
    other = sorted(name for name in wanted if here[name] != wanted[name])
    if other:
        told = "; ".join(f"{name} is {here[name]}, not {wanted[name]}" for name in other)
        raise NoCluster(
            f"a node of the cluster has other versions than the process that asks it: {told}. "
            "Install the same versions on all nodes."
        )


@functools.lru_cache(maxsize=1)
def _opened(request: bytes) -> Callable[[Any], Result]:
    """The work of a job. Ray ends a process with the run that it works for, not before."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(pickle.loads(request).open())
