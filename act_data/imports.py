"""``act-data import``: episodes that others recorded, played again and kept where all agrees.

Every action of a record is played in our environment, in the task that the record names. Nothing
is mended: a record whose task is not found, whose text differs, or that does not win is left out,
and ``rejected.jsonl`` says at which step and why. What is compared, and how: see
:mod:`act_data.records.replay`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import tyro

from act_data.options import EnvOptions, WorkOptions
from act_data.provenance import program, versions
from act_data.records.files import read_records, records_digest
from act_data.records.record import Record
from act_data.records.replay import REASONS, Rejected, Tasks, replayed
from act_data.rollout import make_env, text_env
from act_data.runs.run import Result, Run
from act_data.splits import TRAIN, withheld
from act_data.storage.files import replacing
from act_envs.types import Task

REJECTED = "rejected.jsonl"


@dataclass(frozen=True, kw_only=True)
class Import(EnvOptions, WorkOptions):
    """Turn episodes that others recorded into trajectories, where they replay and win.

    Reads conversations as ETO stores them (agent-eto/eto-sft-trajectory on the Hub: a JSON list or
    lines), logs of WebShop's site (a file each), and the JSON lines of act-data export. What is
    left out is in rejected.jsonl, with the reason. Interrupt it whenever you like: the same command
    goes on where it stopped.

    Attributes:
        file: the records: a file, or a folder of .json and .jsonl files.
        env: id of the environment to play them in, such as ACT/ALFWorld-v0.
        out: folder for the trajectories; new, or begun by the same command.
        source: who acted, recorded as the trajectories' policy; by default eto for conversations,
            human for logs, and for exported lines the policy that they name.
        env_kwargs: further arguments of the environment, as a JSON object. ETO's ALFWorld needs
            {"dialect": "classic"}; its ScienceWorld, where all containers were open,
            {"simplifications": "teleportAction,openDoors,selfWateringFlowerPots,openContainers"}.
        shard_size: records per part; what an interruption can cost.
        allow_split: splits besides train whose tasks may be kept; never a test split.
    """

    file: Annotated[Path, tyro.conf.Positional]
    source: str | None = None
    shard_size: int = 64


@dataclass(frozen=True)
class _Importer:
    """The work: play a record again."""

    env: str
    env_kwargs: dict[str, Any]
    source: str | None
    allow_split: tuple[str, ...]
    generator: str

    @contextmanager
    def open(self) -> Iterator[Callable[[Record], Result]]:
        with closing(make_env(self.env, self.env_kwargs)) as env:
            is_withheld = withheld(text_env(env), self.allow_split)
            yield partial(self._work, env, Tasks(env), is_withheld)

    def _work(
        self,
        env: gym.Env[str, str],
        tasks: Tasks,
        is_withheld: Callable[[Task], bool],
        record: Record,
    ) -> Result:
        counts: Counter[str] = Counter(dict.fromkeys(("imported", *REASONS), 0))
        task_id, kind = "", "unknown"
        try:
            if record.fault:
                raise Rejected("not_understood", detail=record.fault)
            task_id = tasks.find(record)
            kind = env.reset(options={"task_id": task_id})[1]["kind"]
            trajectory = replayed(
                env, record, task_id, self.source, self.allow_split, is_withheld, self.generator
            )
        except Rejected as why:
            told = {
                "record": record.place,
                "task_id": task_id,
                "step": why.step,
                "reason": why.reason,
                "detail": why.detail,
            }
            counts[why.reason] = 1
            return Result([], kind, counts, [told])
        counts["imported"] = 1
        return Result([trajectory], kind, counts)


def import_records(config: Import) -> dict[str, Any]:
    """Play the records again and store those that win in ``config.out``.

    Returns:
        The content of ``summary.json``: records, rows stored, and per kind of task how many were
        ``imported``, and how many were left out for each
        :data:`act_data.records.replay.Reason`.

    Raises:
        DataCorrupt: there are no records, or none that is understood.
        DataNotFound: there is no such file.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
    """
    kwargs = {**config.env_arguments(), "split": TRAIN, "step_limit": None}
    make_env(config.env, kwargs).close()  # what is wrong with it is told before the folder is taken
    request = {
        "command": "import",
        "env": config.env,
        "env_kwargs": kwargs,
        "source": config.source,
        "allow_split": sorted(config.allow_split),
        "records": records_digest(config.file),
        "versions": versions("pyarrow"),
    }
    run = Run(config.out, request, read_records(config.file), "trajectories", config.shard_size)
    job = _Importer(config.env, kwargs, config.source, config.allow_split, program())
    summary = config.execute(run, job)
    with replacing(run.out / REJECTED) as file:
        file.writelines(f"{json.dumps(told, sort_keys=True)}\n".encode() for told in run.remarks())
    return summary
