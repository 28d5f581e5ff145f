"""``act-data verify``: execute both actions of every pair from one snapshot, and judge the label.

Mining takes the expert's action for the better one. Here each pair's state is reached again by its
own history, both actions are executed from it, and what follows is written into the pair's
``verification``: the facts for every pair, and two readings of which action is better
(:mod:`act_data.verification.readings`), for a sample of the pairs where that is dear. No pair is
dropped; that is :mod:`act_data.filters`' business.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from act_data.errors import ReplayMismatch
from act_data.options import PolicyOptions, WorkOptions
from act_data.policies.base import Policy, check_seed, described, seed_of, versions_with
from act_data.provenance import program, versions
from act_data.rollout import OpenEnvs, open_envs, text_env
from act_data.runs.run import Result, Run
from act_data.storage.pairs_by_task import PairsByTask
from act_data.storage.tables import Table, content
from act_data.types import ContrastPair, Verdict, Verification
from act_data.verification.hindsight import Hindsight
from act_data.verification.informed import Informed, Rollouts
from act_envs import TextEnv
from act_envs.errors import UnknownArgument
from act_envs.types import Snapshot

_SCENE = attrgetter("state", "state_hash", "expert_action")
_COUNTS = (
    "pairs", "admissible", "expert_refused", "same_state", "commute",
    *(f"{name}_{verdict}" for name in ("hindsight", "informed") for verdict in get_args(Verdict)),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Verify(PolicyOptions, WorkOptions):
    """Execute both actions of every pair from the same state, and judge which is better.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        pairs: what act-data mine wrote: a folder or a file.
        out: folder for the verified pairs; new, or begun by the same command.
        hindsight: judge with everything known: by exact planning, or by an expert's continuation.
        informed: judge by what the agent had observed, in worlds that are drawn.
        worlds: draw at most so many for a state; fewer where the verdict is clear.
        sample: judge only about so many pairs, drawn from all kinds of task in proportion, at least
            one of each; for all, both actions are executed. Where continuations are dear
            (ScienceWorld) a few hundred do.
        rollouts: judge by so many continuations of a policy instead of by worlds and an expert; for
            environments that have none that sees no more than the agent.
        policy: who continues, named as for act-data mine.
        rollout_steps: actions that a continuation may take.
        seed: seed of the worlds, of the continuations and of the sample.
    """

    pairs: Annotated[Path, tyro.conf.Positional]
    hindsight: bool = True
    informed: bool = True
    worlds: int = 32
    rollouts: int = 0
    rollout_steps: int = 30
    sample: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TaskPairs:
    """Pairs of one task, and the ids of those that are judged."""

    pairs: Sequence[ContrastPair]
    judged: frozenset[str]


def verify(config: Verify) -> dict[str, Any]:
    """Verify the pairs and store them in ``config.out``.

    Returns:
        The content of ``summary.json``: tasks done, rows stored, and per kind of task the number
        of ``pairs``, of those whose alternative is ``admissible``, whose expert's action the
        simulator did not take (``expert_refused``), that lead to the ``same_state`` and that
        ``commute``, and of the verdicts of either reading (``hindsight_equivalent``).

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: the pairs cannot be read.
        ReplayMismatch: a state cannot be reached again.
        NoCluster, WorkerDied: see :meth:`act_data.runs.run.Run.execute`.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
    """
    check_seed(config.seed)
    for name, value, least in (
        ("worlds", config.worlds, 2),
        ("sample", config.sample, 1),
        ("rollouts", config.rollouts, 0),
        ("rollout_steps", config.rollout_steps, 1),
    ):
        if value is not None and value < least:
            raise UnknownArgument(f"{name}={value} must be at least {least}.")
    if config.rollouts and not config.informed:
        raise UnknownArgument(
            "rollouts judge by what the agent had observed, and informed is off. Leave one out."
        )
    asked = (field.name for field in fields(PolicyOptions))
    given = [name for name in asked if getattr(config, name) != getattr(PolicyOptions, name)]
    if given and not config.rollouts:
        raise UnknownArgument(f"{given[0]} is of no use without rollouts. Set rollouts as well.")
    policy = config.make_policy() if config.rollouts else None
    if policy and policy.needs_effects:
        raise UnknownArgument(
            f"{policy.name} proposes beside an expert's action, and in a rollout there is none. "
            "Take another --policy."
        )
    request = {
        "command": "verify",
        "pairs": content(config.pairs),
        "hindsight": config.hindsight,
        "informed": config.informed,
        "worlds": config.worlds,
        "rollouts": policy
        and {
            "number": config.rollouts,
            "steps": config.rollout_steps,
            "policy": described(policy),
        },
        "sample": config.sample,
        "seed": config.seed,
        "versions": versions_with(policy) if policy else versions("numpy", "pyarrow"),
    }
    run = Run(config.out, request, to_verify(config), "pairs", config.shard_size)
    job = Verifier(
        hindsight=config.hindsight,
        informed=config.informed,
        worlds=config.worlds,
        seed=config.seed,
        program=program(),
        rollouts=config.rollouts,
        steps=config.rollout_steps,
        policy=policy,
    )
    return config.execute(run, job)


def to_verify(config: Verify) -> PairsByTask[TaskPairs]:
    """The pairs of each task, in their order, read when they are asked for."""
    table: Table[ContrastPair] = Table(config.pairs, "pairs")
    ids, kinds = table.columns("pair_id", "kind")
    judged = frozenset(_sample(ids, kinds, config))
    return PairsByTask(
        config.pairs,
        lambda pairs, _: TaskPairs(pairs, judged.intersection(pair.pair_id for pair in pairs)),
    )


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
class Verifier:
    """The work: verify the pairs of a task."""

    hindsight: bool
    informed: bool
    worlds: int
    seed: int
    program: str
    rollouts: int = 0
    steps: int = 0
    policy: Policy | None = None

    @contextmanager
    def open(self) -> Iterator[Callable[[TaskPairs], Result]]:
        with open_envs() as envs:
            yield partial(self._verify, envs)

    def _verify(self, envs: OpenEnvs, task: TaskPairs) -> Result:
        first = task.pairs[0]
        kwargs = {**json.loads(first.env_kwargs), "step_limit": None}  # continuations take longer
        env = text_env(envs(first.env_id, json.dumps(kwargs, sort_keys=True)))
        counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        rows = []
        for pairs in _reached(env, task.pairs):
            judged: Set[str] = frozenset()
            if self.hindsight or self.informed:
                judged = task.judged.intersection(pair.pair_id for pair in pairs)
            for pair, facts in zip(pairs, self._facts(env, pairs, judged), strict=True):
                for name in _counted(facts):
                    counts[name] += 1
                rows.append(pair.verified(facts))
        return Result(rows, first.kind, counts)

    def _facts(
        self, env: TextEnv, pairs: Sequence[ContrastPair], judged: Set[str]
    ) -> Iterator[Verification]:
        """What became of pairs of the state that the environment is in, and is in again at last."""
        action = pairs[0].expert_action
        alternatives = [pair.alternative_action for pair in pairs]
        expert, *others = env.consequences([action, *alternatives])
        here = env.snapshot() if judged else None
        hindsight, informed = self._readers(env, pairs[0]) if here else (None, None)
        for pair, alternative, other in zip(pairs, alternatives, others, strict=True):
            known = seen = commute = None
            if here and pair.pair_id in judged:
                known = hindsight and hindsight.read(alternative)
                if (
                    known
                    and known.verdict == "equivalent"
                    and expert.state_hash != other.state_hash
                ):
                    commute = _commute(env, here, action, alternative)
                seen = informed and informed.read(alternative)
            yield Verification(
                _offered(env, pair), expert, other, commute, known, seen, self.program
            )
        if here:
            env.restore(here)

    def _readers(
        self, env: TextEnv, pair: ContrastPair
    ) -> tuple[Hindsight | None, Informed | Rollouts | None]:
        """Who judges the pairs of the state that the environment is in."""
        seed = seed_of(self.seed, pair.env_id, pair.task_id, pair.state_hash)
        action, informed = pair.expert_action, None
        if self.informed and self.rollouts:
            assert self.policy is not None
            informed = Rollouts(
                env, pair.state, action,
                policy=self.policy, number=self.rollouts, steps=self.steps, seed=seed,
            )  # fmt: skip
        elif self.informed:
            informed = Informed(env, action, seed=seed, worlds=self.worlds)
        return Hindsight(env, action) if self.hindsight else None, informed


def _offered(env: TextEnv, pair: ContrastPair) -> bool:
    """Whether the alternative is admissible, however it is written."""
    if pair.alternative_action in pair.admissible_actions:
        return True
    read = env.canonical(pair.alternative_action)
    return any(read == env.canonical(action) for action in pair.admissible_actions)


def _commute(env: TextEnv, here: Snapshot, action: str, alternative: str) -> bool:
    """Whether both orders of two actions lead to the same state."""
    ends = []
    for first, second in ((action, alternative), (alternative, action)):
        env.restore(here)
        env.step(first)
        if env.terminated:
            return False
        env.step(second)
        ends.append(env.state_hash())
    return ends[0] == ends[1]


def _reached(env: TextEnv, pairs: Sequence[ContrastPair]) -> Iterator[list[ContrastPair]]:
    """The pairs of each state and action of an expert, with the environment in that state.

    It must be there again when the next are asked for, which is mostly a step from there.

    Raises:
        ReplayMismatch: a state is no longer reached as it was.
    """
    past: tuple[tuple[str, str], ...] | None = None
    observation = ""
    for (state, expected, _), group in groupby(pairs, _SCENE):
        found = [*group]
        if past is None or state.history[: len(past)] != past:
            observation, _ = env.reset(options={"task_id": found[0].task_id})
            past = ()
        for seen, action in state.history[len(past) :]:
            _same(found[0], "observation", observation, seen)
            observation = env.step(action)[0]
        _same(found[0], "observation", observation, state.observation)
        _same(found[0], "state hash", env.state_hash(), expected)
        past = state.history
        yield found


def _same(pair: ContrastPair, what: str, now: str, then: str) -> None:
    if now != then:
        raise ReplayMismatch(
            f"{pair.env_id} {pair.task_id} does not replay until step {pair.step}: {what} is "
            f"{now!r:.120}, was {then!r:.120}. Mine the pairs again with this version of the "
            "environment."
        )


def _counted(found: Verification) -> Iterator[str]:
    """The counts that a pair adds to."""
    yield "pairs"
    if found.admissible:
        yield "admissible"
    if not found.expert.action_valid:
        yield "expert_refused"
    if found.same_state:
        yield "same_state"
    if found.commute:
        yield "commute"
    if found.hindsight:
        yield f"hindsight_{found.hindsight.verdict}"
    if found.informed:
        yield f"informed_{found.informed.verdict}"
