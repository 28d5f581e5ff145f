"""``act-data export``: rows in the forms that other programs read.

- ``jsonl``: a JSON object per line, with the fields of the row. JSON knows no infinity: where a
  cost is infinite, or a regret, there is null.
- ``eto``: trajectories as conversations, as ETO stores them (arXiv 2403.02502); ``act-data import``
  reads back those whose actions the environment took. The last observation is not recorded.
- ``minari``: trajectories as a Minari dataset (extra ``minari``), observations and actions as text.
"""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
import tyro

from act_data.errors import RunConflict, SchemaMismatch
from act_data.records.conversations import read_conversation
from act_data.storage.files import replacing
from act_data.storage.schema import SCHEMA_VERSION, VERSION_COLUMN, Kind, encoded
from act_data.storage.tables import Table, read_pairs, read_trajectories
from act_data.types import ContrastPair, Trajectory
from act_envs.errors import MissingExtra, UnknownArgument

_INSTRUCTION = (
    "Interact with a text environment to solve a task. At each turn you read what you see. "
    'Answer with "Action: " and the next action.'
)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write pairs or trajectories for other programs.

    Attributes:
        data: pairs or trajectories: a folder or a file, such as DATASET/data/trajectories/train.
        to: jsonl (a row a line), eto (trajectories as conversations, which act-data import reads)
            or minari (trajectories as a Minari dataset).
        out: file to write, which does not exist; for minari a folder, whose name is the id of the
            dataset, such as ~/.minari/datasets/alfworld-v0.
    """

    data: Annotated[Path, tyro.conf.Positional]
    to: Literal["jsonl", "eto", "minari"]
    out: Path


def export(config: Export) -> dict[str, Any]:
    """Write the rows to ``config.out``, which appears under its name only when complete.

    Returns:
        ``rows``: how many, and ``counts``: of what kind.

    Raises:
        DataNotFound, DataCorrupt, UnfinishedRun: the rows cannot be read.
        SchemaMismatch: likewise, or these rows have no such form.
        MissingExtra: Minari is not installed.
        RunConflict: something is there already.
        UnknownArgument: an action has no such form, or the folder's name is no id.
    """
    if config.out.exists():
        raise RunConflict(f"{config.out} is there already. Nothing was changed. Choose another.")
    kind: Kind = "trajectories"
    if config.to == "jsonl":
        kind = _kind(config.data)
    rows = Table(config.data, kind).count
    config.out.parent.mkdir(parents=True, exist_ok=True)
    _WRITE[config.to](config.data, kind, config.out)
    return {"rows": rows, "counts": {kind: rows}}


def _kind(path: Path) -> Kind:
    try:
        Table(path, "pairs")
    except SchemaMismatch:
        return "trajectories"  # which reading refuses if that is wrong, too
    return "pairs"


# -- lines ---------------------------------------------------------------------------------------


def _write_lines(data: Path, kind: Kind, out: Path) -> None:
    rows = read_pairs(data) if kind == "pairs" else read_trajectories(data)
    with replacing(out) as file:
        file.writelines(f"{_line(row)}\n".encode() for row in rows)


def _line(row: ContrastPair | Trajectory) -> str:
    plain = _finite({**encoded(row), VERSION_COLUMN: SCHEMA_VERSION})
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


# -- conversations -------------------------------------------------------------------------------


def _write_conversations(data: Path, _kind: Kind, out: Path) -> None:
    with replacing(out) as file:
        before = b"["
        for trajectory in read_trajectories(data):
            text = json.dumps(conversation(trajectory), ensure_ascii=False)
            file.write(before + f"\n{text}".encode())
            before = b","
        file.write(b"\n]\n")


def conversation(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory as ETO stores one: instructions, then observations and actions in turn.

    Raises:
        UnknownArgument: an action cannot be told from the words around it.
    """
    said = [("human", _INSTRUCTION), ("gpt", "OK")]
    for step, transition in enumerate(trajectory.transitions):
        said.append(("human", f"{'Observation: ' if step else ''}{transition.observation}"))
        said.append(("gpt", f"Action: {transition.action}"))
    turns = [{"from": speaker, "value": text} for speaker, text in said]
    found = {"id": trajectory.task_id, "game_file": trajectory.task_id, "conversations": turns}
    actions = tuple(transition.action for transition in trajectory.transitions)
    read = read_conversation(found, trajectory.task_id)
    if read.actions != actions:
        wrong = read.fault or f"{set(actions) - set(read.actions)!r:.200}"
        raise UnknownArgument(
            f"the trajectory of {trajectory.task_id} is no conversation of this form ({wrong}). "
            "Export it with --to jsonl."
        )
    return found


# -- Minari --------------------------------------------------------------------------------------


def _write_minari(data: Path, _kind: Kind, out: Path) -> None:
    minari, storage, buffer = _minari()
    try:
        minari.dataset.minari_dataset.parse_dataset_id(out.name)
    except (ValueError, TypeError) as error:  # the latter where it has no version
        raise UnknownArgument(
            f"{out.name!r} is no id of a Minari dataset. Give --out one such as "
            "~/.minari/datasets/alfworld-v0."
        ) from error
    spec = _spec(data)
    folder = out.absolute().with_name(f".{out.name}.partial")  # Minari joins relative ones twice
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    seen, done = _spaces(data)
    stored = storage.new(
        folder / "data", observation_space=seen, action_space=done, env_spec=spec,
        data_format="hdf5",
    )  # fmt: skip
    policies = sorted({*Table(data, "trajectories").columns("policy")[0]})
    stored.update_metadata(
        {
            "dataset_id": out.name,
            "minari_version": minari.__version__,
            "algorithm_name": ", ".join(policies),
            "description": f"Trajectories of {spec.id}. Observations and actions are text.",
        }
    )
    stored.update_episodes(_episode(buffer, row) for row in read_trajectories(data))
    stored.update_episode_metadata(map(_told, read_trajectories(data)))
    folder.rename(out)


def _episode(buffer: Callable[..., Any], row: Trajectory) -> Any:
    steps = row.transitions
    ends = [False] * (len(steps) - 1)
    return buffer(
        options={"task_id": row.task_id},
        observations=[*(step.observation for step in steps), row.final_observation],
        actions=[step.action for step in steps],
        rewards=[step.reward for step in steps],
        terminations=[*ends, not row.truncated],
        truncations=[*ends, row.truncated],
    )


def _told(row: Trajectory) -> dict[str, Any]:
    """What an episode's metadata say besides."""
    names = ("task_id", "split", "kind", "goal", "policy", "seed", "score", "won", "generator")
    return {name: getattr(row, name) for name in names}


def _spec(data: Path) -> Any:
    """The spec of the one environment that all of the trajectories are from."""
    made = {*zip(*Table(data, "trajectories").columns("env_id", "env_kwargs"), strict=True)}
    if len(made) != 1:
        names = ", ".join(f"{env_id} {kwargs}" for env_id, kwargs in sorted(made)[:3])
        raise SchemaMismatch(
            f"{data} holds trajectories of {len(made)} environments ({names}), and a Minari "
            "dataset those of one. Export what was collected in each on its own."
        )
    ((env_id, kwargs),) = made
    spec = copy.deepcopy(gym.spec(env_id))
    spec.kwargs.update(json.loads(kwargs))
    return spec


def _spaces(data: Path) -> tuple[gym.Space, gym.Space]:
    """Spaces that hold the observations and the actions of all trajectories."""

    def space(texts: Iterable[str]) -> gym.Space:
        longest, charset = 0, set[str]()
        for text in texts:
            longest = max(longest, len(text))
            charset.update(text)
        return gym.spaces.Text(longest, min_length=0, charset="".join(sorted(charset)))

    def observations() -> Iterator[str]:
        for row in read_trajectories(data):
            yield from (step.observation for step in row.transitions)
            yield row.final_observation

    rows = read_trajectories(data)
    actions = (step.action for step in chain.from_iterable(row.transitions for row in rows))
    return space(observations()), space(actions)


def _minari() -> tuple[Any, Any, Any]:
    """Minari, its storage, and its buffer for an episode."""
    try:
        import h5py  # noqa: F401  (its format needs both, and it says so only when it writes)
        import minari
        import PIL  # noqa: F401
        from minari.data_collector.episode_buffer import EpisodeBuffer
        from minari.dataset.minari_storage import MinariStorage
    except ImportError as error:
        raise MissingExtra(
            f'{error.name} is not installed. Run: pip install "agentic-critical-training[minari]".'
        ) from error
    return minari, MinariStorage, EpisodeBuffer


_WRITE: dict[str, Callable[[Path, Kind, Path], None]] = {
    "jsonl": _write_lines,
    "eto": _write_conversations,
    "minari": _write_minari,
}
