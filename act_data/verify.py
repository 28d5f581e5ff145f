"""``act-data verify``: execute both actions of every pair from one snapshot, and judge the label.

Mining takes the expert's action for the better one. Here each pair's state is reached again by its
own history, both actions are executed from it, and what follows is written into the pair's
``verification``: the facts for every pair, and two readings of which action is better
(:mod:`act_data.readings`), for a sample of the pairs where that is dear. No pair is dropped;
that is :mod:`act_data.filters`' business.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

from act_data.errors import ReplayMismatch
from act_data.policies import check_seed, seed_of
from act_data.readings import Hindsight, Informed
from act_data.rollout import OpenEnvs, open_envs, text_env
from act_data.schema import Table, content
from act_data.shards import Result, Run, versions
from act_data.types import Consequence, ContrastPair, Verdict, Verification
from act_envs import TextEnv, __version__
from act_envs.errors import UnknownArgument
from act_envs.types import Snapshot

VERIFIER = f"act-data {__version__}"


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Execute both actions of every pair from the same state, and judge which is better.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        pairs: what act-data mine wrote: a folder or a file.
        out: folder for the verified pairs; new, or begun by the same command.
        hindsight: judge with everything known: by exact planning, or by an expert's continuation.
        informed: judge by what the agent had observed, in worlds that are drawn.
        worlds: draw at most so many for a state; fewer where the verdict is clear.
        sample: judge only so many pairs, drawn from all kinds of task in proportion; for all, both
            actions are executed. Where continuations are dear (ScienceWorld) a few hundred do.
        seed: seed of the worlds and of the sample.
        shard_size: tasks per part; what an interruption can cost.
        progress: show a progress bar even when stderr is not a terminal.
    """

    pairs: Path
    out: Path
    hindsight: bool = True
    informed: bool = True
    worlds: int = 32
    sample: int | None = None
    seed: int = 0
    shard_size: int = 8
    progress: bool = False


@dataclass(frozen=True, slots=True)
class _Task:
    """Pairs of one task, and the ids of those that are judged."""

    pairs: Sequence[ContrastPair]
    judged: frozenset[str]


def verify(config: Verify) -> dict[str, Any]:
    """Verify the pairs and store them in ``config.out``.

    Returns:
        The content of ``summary.json``: tasks done, rows stored, and per kind of task the number
        of ``pairs``, of those whose alternative is ``admissible``, that lead to the ``same_state``
        and that ``commute``, and of the verdicts of either reading (``hindsight_equivalent``).

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: the pairs cannot be read.
        ReplayMismatch: a state cannot be reached again.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
    """
    check_seed(config.seed)
    for name, value, least in (("worlds", config.worlds, 2), ("sample", config.sample, 1)):
        if value is not None and value < least:
            raise UnknownArgument(f"{name}={value} must be at least {least}.")
    pairs = Table(config.pairs, "pairs")
    request = {
        "command": "verify",
        "pairs": content(config.pairs),
        "hindsight": config.hindsight,
        "informed": config.informed,
        "worlds": config.worlds,
        "sample": config.sample,
        "seed": config.seed,
        "versions": versions("pyarrow"),
    }
    run = Run(config.out, request, _Tasks(pairs, config), "pairs", config.shard_size)
    job = _Verifier(config.hindsight, config.informed, config.worlds, config.seed)
    return run.execute(job, progress=config.progress)


class _Tasks(Sequence[_Task]):
    """The pairs of each task, in their order, read when they are asked for."""

    def __init__(self, pairs: Table[ContrastPair], config: Verify) -> None:
        self._pairs = pairs
        ids, kinds, *named = pairs.columns("pair_id", "kind", "env_id", "env_kwargs", "task_id")
        names = [*zip(*named, strict=True)]
        starts = [at for at, name in enumerate(names) if not at or name != names[at - 1]]
        self._bounds = [*zip(starts, [*starts[1:], len(names)], strict=True)]
        self._judged = frozenset(_sample(ids, kinds, config))

    def __len__(self) -> int:
        return len(self._bounds)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        pairs = self._pairs.rows(*self._bounds[index])
        return _Task(pairs, self._judged.intersection(pair.pair_id for pair in pairs))


def _sample(ids: Sequence[str], kinds: Sequence[str], config: Verify) -> Sequence[str]:
    """Which pairs are judged: of every kind the same share, at least one."""
    if config.sample is None or config.sample >= len(ids):
        return ids
    share = config.sample / len(ids)
    groups: dict[str, list[str]] = {}
    for pair_id, kind in zip(ids, kinds, strict=True):
        groups.setdefault(kind, []).append(pair_id)
    chosen: list[str] = []
    for group in groups.values():
        group.sort(key=lambda pair_id: seed_of("sample", config.seed, pair_id))
        chosen += group[: max(1, round(share * len(group)))]
    return chosen


@dataclass(frozen=True)
class _Verifier:
    """The work: verify the pairs of a task."""

    hindsight: bool
    informed: bool
    worlds: int
    seed: int

    @contextmanager
    def open(self) -> Iterator[Callable[[_Task], Result]]:
        with open_envs() as envs:
            yield partial(self._verify, envs)

    def _verify(self, envs: OpenEnvs, task: _Task) -> Result:
        first = task.pairs[0]
        kwargs = {**json.loads(first.env_kwargs), "step_limit": None}  # continuations take longer
        env = text_env(envs(first.env_id, json.dumps(kwargs, sort_keys=True)))
        counts: Counter[str] = Counter()
        rows = []
        for pairs in _reached(env, task.pairs):
            scene = _Scene(env, pairs[0].expert_action)
            readers = self._readers(env, pairs[0])
            for pair in pairs:
                facts = scene.facts(pair)
                if pair.pair_id in task.judged:
                    facts = scene.judged(facts, pair, *readers)
                counts.update(_counted(facts))
                rows.append(replace(pair, verification=facts))
        return Result(rows, first.kind, counts)

    def _readers(
        self, env: TextEnv, pair: ContrastPair
    ) -> tuple[Hindsight | None, Informed | None]:
        """Who judges the pairs of the state that the environment is in."""
        seed = seed_of(self.seed, pair.env_id, pair.task_id, pair.state_hash)
        action = pair.expert_action
        return (
            Hindsight(env, action) if self.hindsight else None,
            Informed(env, action, seed=seed, worlds=self.worlds) if self.informed else None,
        )


class _Scene:
    """A state, and what the expert's action does in it.

    Args:
        env: stands in the state.
        action: the expert's.
    """

    def __init__(self, env: TextEnv, action: str) -> None:
        self._env, self._action = env, action
        self._here = env.snapshot()
        self._expert = self._consequence(action)
        env.restore(self._here)

    def facts(self, pair: ContrastPair) -> Verification:
        """Execute the alternative of a pair."""
        canonical = self._env.canonical
        read = canonical(pair.alternative_action)
        return Verification(
            admissible=any(read == canonical(one) for one in pair.admissible_actions),
            expert=self._expert,
            alternative=self._consequence(pair.alternative_action),
            commute=None,
            hindsight=None,
            informed=None,
            verifier=VERIFIER,
        )

    def judged(
        self,
        facts: Verification,
        pair: ContrastPair,
        hindsight: Hindsight | None,
        informed: Informed | None,
    ) -> Verification:
        """The facts with the readings of a pair."""
        known = hindsight and hindsight.read(pair.alternative_action)
        commute = None
        if known and known.verdict == "equivalent" and not facts.same_state:
            commute = self._commute(pair.alternative_action)
        seen = informed and informed.read(pair.alternative_action)
        return replace(facts, commute=commute, hindsight=known, informed=seen)

    def _consequence(self, action: str) -> Consequence:
        env = self._env
        env.restore(self._here)
        observation, _, _, _, info = env.step(action)
        return Consequence(
            observation=observation,
            state_hash=env.state_hash(),
            score=info["score"],
            won=info["won"],
            failed=info["failed"],
            action_valid=info["action_valid"],
        )

    def _commute(self, alternative: str) -> bool:
        """Whether both orders of the two actions lead to the same state."""
        env, ends = self._env, []
        for first, second in ((self._action, alternative), (alternative, self._action)):
            env.restore(self._here)
            env.step(first)
            if env.terminated:
                return False
            env.step(second)
            ends.append(env.state_hash())
        return ends[0] == ends[1]


def _reached(env: TextEnv, pairs: Sequence[ContrastPair]) -> Iterator[list[ContrastPair]]:
    """The pairs of each state, with the environment in it.

    Raises:
        ReplayMismatch: it is no longer reached as it was.
    """
    past: tuple[tuple[str, str], ...] | None = None
    here: Snapshot | None = None
    observation = ""
    for (state, expected), group in groupby(pairs, lambda pair: (pair.state, pair.state_hash)):
        found = [*group]
        if here is None or past is None or state.history[: len(past)] != past:
            observation, _ = env.reset(options={"task_id": found[0].task_id})
            past = ()
        else:
            env.restore(here)
        for seen, action in state.history[len(past) :]:
            _same(found[0], "observation", observation, seen)
            observation = env.step(action)[0]
        _same(found[0], "observation", observation, state.observation)
        _same(found[0], "state hash", env.state_hash(), expected)
        past, here = state.history, env.snapshot()
        yield found


def _same(pair: ContrastPair, what: str, now: str, then: str) -> None:
    if now != then:
        raise ReplayMismatch(
            f"{pair.env_id} {pair.task_id} does not replay until step {pair.step}: {what} is "
            f"{now!r:.120}, was {then!r:.120}. Mine the pairs again with this version of the "
            "environment."
        )


def _counted(found: Verification) -> Counter[str]:
    """What is counted of a pair."""
    counts = Counter(
        pairs=1,
        admissible=int(found.admissible),
        same_state=int(found.same_state),
        commute=int(found.commute is True),
    )
    for name, reading in (("hindsight", found.hindsight), ("informed", found.informed)):
        for verdict in get_args(Verdict):
            counts[f"{name}_{verdict}"] = int(reading is not None and reading.verdict == verdict)
    return counts
