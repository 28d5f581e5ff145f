"""``act-data contrast``: pairs without an expert, from what a policy's own continuations came to.

The policy plays an episode. At states along it, it is asked for K actions; each distinct one is
executed and continued by the same policy to the end of the episode, M times. An action whose
continuations won, against one of the same state whose continuations all failed, makes a pair. Its
better action stands in ``expert_action``, under the expert ``own``, so that all that takes mined
pairs takes these.

What won is better *by what was seen*: with few continuations of a policy that draws, chance
decides some pairs. No value is estimated here, and a state where all or none won gives nothing.
A proposal that leads to the same next state as an earlier one is dropped: between two names of one
outcome only the luck of the continuations could decide. The earlier one keeps its own count.

Continuations keep no format: an answer without a readable action is played as it is, as by
:func:`act_data.rollout.play`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from act_data.alternatives import COUNTS, Alternative, distinct, pair_id
from act_data.continuations import Moment, Player
from act_data.options import PolicyOptions, TaskOptions, WorkOptions, named
from act_data.policies.base import (
    Policy,
    Query,
    check_samples,
    check_seed,
    described,
    seed_of,
    versions_with,
)
from act_data.provenance import program
from act_data.rollout import make_env, text_env
from act_data.runs.run import Result, Run
from act_data.types import ContrastPair
from act_envs.errors import UnknownArgument
from act_envs.types import Task

EXPERT = "own"

_OTHER = ("as_expert", "pairs")  # of ``COUNTS``: what means nothing, or something else, here


@dataclass(frozen=True, kw_only=True)
class Contrast(TaskOptions, PolicyOptions, WorkOptions):
    """Make contrast pairs without an expert: actions whose continuations won against lost ones.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        out: folder for the pairs; new, or begun by the same command.
        policy: who plays, proposes and continues: random-admissible, or a language model, named as
            for act-data mine.
        k: proposals per state.
        continuations: how often each distinct proposal is continued to the end.
        win_share: share of these that an action must win to be the better one. The worse one wins
            none.
        states: ask at only so many states of an episode, drawn from it; at all by default.
        step_limit: actions of an episode, those before a state included; the environment's own by
            default.
        seed: seed of all sampling.
        allow_split: splits besides train whose tasks may enter the pairs; never a test split.
    """

    k: int = 4
    continuations: int = 1
    win_share: float = 1.0
    states: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class _Contraster:
    """The work on one task: play, propose, continue, compare."""

    policy: Policy
    env: str
    env_kwargs: dict[str, Any]
    k: int
    continuations: int
    win_share: float
    states: int | None
    seed: int
    generator: str

    @contextmanager
    def open(self) -> Iterator[Callable[[Task], Result]]:
        with closing(make_env(self.env, self.env_kwargs)) as env:
            yield partial(self._contrast, Player(text_env(env), self.policy))

    def _contrast(self, player: Player, task: Task) -> Result:
        seed = partial(seed_of, "episode", self.seed, self.env, task.task_id)
        *moments, end = player.episode(task.task_id, seed)
        counts: Counter[str] = Counter({name: 0 for name in COUNTS if name not in _OTHER})
        counts["episodes_won"] = int(end.won)
        rows: list[ContrastPair] = []
        for moment in self._drawn(task, moments):
            rows += self._pairs(player, task, moment, counts)
        counts["pairs"] = len(rows)
        return Result(rows, task.kind, counts)

    def _drawn(self, task: Task, moments: Sequence[Moment]) -> list[Moment]:
        """``states`` of the moments, in order. By hash, so that more of them hold these."""
        key = partial(seed_of, "states", self.seed, self.env, task.task_id)
        chosen = sorted(moments, key=lambda moment: key(moment.step))[: self.states]
        return sorted(chosen, key=lambda moment: moment.step)

    def _pairs(
        self, player: Player, task: Task, moment: Moment, counts: Counter[str]
    ) -> list[ContrastPair]:
        """The pairs of one state."""
        env = player.env
        env.restore(moment.snapshot)
        offered, state_hash = tuple(env.admissible_actions()), env.state_hash()
        seed = seed_of("proposals", self.seed, self.env, task.task_id, moment.step)
        [samples] = self.policy.sample([Query(moment.state, offered, seed)], self.k)
        proposals, found = distinct(env, None, offered, samples)
        outcomes = _outcomes(player, moment, proposals)
        wins = self._wins(player, task, moment, outcomes) if len(outcomes) > 1 else []
        tried = list(zip([one for one, _ in outcomes], wins, strict=False))
        # Not won >= share * m: 0.28 * 25 is more than 7.
        better = [one for one, won in tried if won / self.continuations >= self.win_share]
        worse = [one for one, won in tried if not won]
        counts.update({name: found[name] for name in COUNTS if name not in _OTHER})
        counts["proposals"] += len(proposals)
        counts["same_state"] += len(proposals) - len(outcomes)
        counts["continuations"] += len(wins) * self.continuations
        counts["won"] += sum(wins)
        counts["without_contrast"] += not (better and worse)
        known = (task, moment, offered, state_hash, player.env.spec)
        return [self._pair(*known, win, loss) for win in better for loss in worse]

    def _wins(
        self,
        player: Player,
        task: Task,
        moment: Moment,
        outcomes: Sequence[tuple[Alternative, Moment]],
    ) -> list[int]:
        """How many continuations of each proposal won."""
        m = self.continuations

        def seed(number: int, step: int) -> tuple[int, ...]:
            action = outcomes[number // m][0].action
            told = (self.seed, self.env, task.task_id, moment.step, action)
            return seed_of("continuation", *told, number % m, step)

        ends = player.finish([after for _, after in outcomes for _ in range(m)], seed)
        return [sum(end.won for end in ends[at : at + m]) for at in range(0, len(ends), m)]

    def _pair(
        self,
        task: Task,
        moment: Moment,
        offered: tuple[str, ...],
        state_hash: str,
        spec: Any,
        win: Alternative,
        loss: Alternative,
    ) -> ContrastPair:
        env_kwargs = json.dumps(spec.kwargs, sort_keys=True)
        sampling = {
            **self.policy.sampling,
            "k": self.k,
            "continuations": self.continuations,
            "win_share": self.win_share,
        }
        return ContrastPair(
            pair_id=pair_id(
                spec.id,
                env_kwargs,
                task.task_id,
                moment.state,
                state_hash,
                win.action,
                loss.action,
            ),
            env_id=spec.id,
            env_kwargs=env_kwargs,
            task_id=task.task_id,
            split=task.split,
            kind=task.kind,
            step=moment.step,
            state=moment.state,
            admissible_actions=offered,
            state_hash=state_hash,
            expert_action=win.action,
            alternative_action=loss.action,
            alternative_count=loss.count,
            expert=EXPERT,
            policy=self.policy.name,
            policy_revision=self.policy.revision,
            sampling=json.dumps(sampling, sort_keys=True),
            seed=self.seed,
            generator=self.generator,
            origin=task.origin,
        )


def _outcomes(
    player: Player, moment: Moment, proposals: Sequence[Alternative]
) -> list[tuple[Alternative, Moment]]:
    """What proposals lead to; of those that lead to one state, the first."""
    found: dict[str, tuple[Alternative, Moment]] = {}
    for proposal in proposals:
        after = player.after(moment, proposal.action)
        found.setdefault(player.env.state_hash(), (proposal, after))
    return list(found.values())


def contrast(config: Contrast) -> dict[str, Any]:
    """Play, continue and compare, and store the pairs in ``config.out``.

    Returns:
        The content of ``summary.json``: tasks played, rows stored, and per kind of task
        ``episodes_won``, ``states``, what became of the ``samples`` there (those with a fault, see
        :data:`act_data.alternatives.FAULTS`, ``duplicates``, and ``proposals``, of which
        ``inadmissible`` were not offered and ``same_state`` dropped), the ``continuations`` and how
        many of these were ``won``, states ``without_contrast``, and ``pairs``.

    Raises:
        ForbiddenSplit: the split is kept for evaluation.
        ModelNotFound: the policy's model cannot be loaded.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
        UnknownSplit: the environment has no such split.
        UnknownTask: ``tasks`` names nothing in this split.
    """
    return contrast_with(config.make_policy(), config)


def contrast_with(policy: Policy, config: Contrast) -> dict[str, Any]:
    """:func:`contrast` with a policy object; the options that describe one are unused.

    The run is known by the policy's name, revision and sampling: these must tell two policies
    apart.
    """
    check_seed(config.seed)
    if policy.needs_effects:
        raise UnknownArgument(
            f"{policy.name} proposes beside an expert's action, and there is none here. "
            "Take another --policy, or act-data mine."
        )
    check_samples(config.k)
    if config.k < 2 or config.continuations < 1 or not 0 < config.win_share <= 1:
        raise UnknownArgument(
            f"k={config.k} must be at least 2, continuations={config.continuations} at least 1, "
            f"and win_share={config.win_share} above 0 and at most 1."
        )
    if config.states is not None and config.states < 1:
        raise UnknownArgument(f"states must be at least 1, not {config.states}.")
    kwargs = {**config.env_arguments(), "split": config.split}
    if config.step_limit is not None:
        kwargs["step_limit"] = config.step_limit
    with closing(make_env(config.env, kwargs)) as env:
        inner = text_env(env)
        if inner.step_limit is None:
            raise UnknownArgument("a policy may never finish. Give a --step-limit.")
        tasks = config.chosen(inner)
    request = {
        "command": "contrast",
        "continuations": config.continuations,
        "env": config.env,
        "env_kwargs": kwargs,
        "k": config.k,
        "policy": described(policy),
        "seed": config.seed,
        "states": config.states,
        "tasks": named(tasks),
        "versions": versions_with(policy),
        "win_share": config.win_share,
    }
    run = Run(config.out, request, tasks, "pairs", config.shard_size)
    job = _Contraster(
        policy,
        config.env,
        kwargs,
        config.k,
        config.continuations,
        config.win_share,
        config.states,
        config.seed,
        program(),
    )
    return config.execute(run, job)
