"""``act-data contrast``: pairs without an expert, from what a policy's own continuations came to.

The policy plays an episode. At states along it, it is asked for K actions; each distinct one is
executed and continued by the same policy to the end of the episode, M times. An action whose
continuations won, against one of the same state whose continuations all failed, makes a pair. Its
better action stands in ``expert_action``, under the expert ``own``, so that all that takes mined
pairs takes these.

What won is better *by what was seen*: with few continuations of a policy that draws, chance
decides some pairs. No value is estimated here, and a state where all or none won gives nothing.
Continuations keep no format: an answer without a readable action is played as it is, as by
:func:`act_data.rollout.play`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from act_data.alternatives import COUNTS, Alternative, distinct, pair_id
from act_data.collect import json_object, positive, select
from act_data.continuations import Moment, Player
from act_data.policies.base import PACKAGES, Policy, Query, check_seed, make_policy, seed_of
from act_data.prompts import PROMPT_VERSION
from act_data.rollout import make_env, text_env
from act_data.runs.run import Result, Run, digest, versions
from act_data.splits import TRAIN, check_split
from act_data.types import ContrastPair
from act_envs import __version__
from act_envs.errors import UnknownArgument
from act_envs.types import Task

EXPERT = "own"
GENERATOR = f"act-data {__version__}"

_OTHER = ("as_expert", "pairs")  # of ``COUNTS``: what means nothing, or something else, here


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Make contrast pairs without an expert: actions whose continuations won against lost ones.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.

    Attributes:
        env: id of the environment, such as ACT/ALFWorldGen-v0.
        out: folder for the pairs; new, or begun by the same command.
        policy: who plays, proposes and continues: random-admissible, or a language model, named as
            for act-data mine.
        k: proposals per state.
        continuations: how often each distinct proposal is continued to the end.
        win_share: share of these that an action must win to be the better one. The worse one wins
            none.
        states: ask at only so many states of an episode, drawn from it; at all by default.
        history: past turns in the policy's prompt.
        temperature: of the sampling; 0 takes the likeliest token.
        top_p: nucleus of the sampling.
        max_new_tokens: budget of one answer.
        thinking: let the policy think first, if its chat template knows enable_thinking.
        base_url: where openai:MODEL finds its endpoint; OpenAI's own by default.
        concurrency: how many requests openai:MODEL keeps under way.
        split: split to play; see --allow-split for others than train.
        tasks: kinds, task ids, or KIND:N for the first N tasks of a kind; all by default.
        limit: play only the first so many of these.
        step_limit: actions of an episode, those before a state included; the environment's own by
            default.
        seed: seed of all sampling.
        env_kwargs: further arguments of the environment, as a JSON object.
        shard_size: tasks per part; what an interruption can cost.
        allow_split: splits besides train whose tasks may enter the pairs; never a test split.
        workers: how many processes work, each with an environment of its own and the policy, model
            included.
        ray: address of a Ray cluster that works instead, such as auto or 127.0.0.1:6379.
        progress: show a progress bar even when stderr is not a terminal.
    """

    env: str
    out: Path
    policy: str = "random-admissible"
    k: int = 4
    continuations: int = 1
    win_share: float = 1.0
    states: int | None = None
    history: int = 2
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 32
    thinking: bool = False
    base_url: str | None = None
    concurrency: int = 8
    split: str = TRAIN
    tasks: tuple[str, ...] = ()
    limit: int | None = None
    step_limit: int | None = None
    seed: int = 0
    env_kwargs: str = "{}"
    shard_size: int = 8
    allow_split: tuple[str, ...] = ()
    workers: int = 1
    ray: str | None = None
    progress: bool = False


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

    @contextmanager
    def open(self) -> Iterator[Callable[[Task], Result]]:
        with closing(make_env(self.env, self.env_kwargs)) as env:
            yield partial(self._contrast, Player(env, self.policy))

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
        env = text_env(player.env)
        env.restore(moment.snapshot)
        offered, state_hash = tuple(env.admissible_actions()), env.state_hash()
        seed = seed_of("proposals", self.seed, self.env, task.task_id, moment.step)
        [samples] = self.policy.sample([Query(moment.state, offered, seed)], self.k)
        proposals, found = distinct(env, None, offered, samples)
        wins = self._wins(player, task, moment, proposals) if len(proposals) > 1 else []
        tried = list(zip(proposals, wins, strict=False))
        better = [one for one, won in tried if won >= max(1, self.win_share * self.continuations)]
        worse = [one for one, won in tried if not won]
        counts.update({name: found[name] for name in COUNTS if name not in _OTHER})
        counts["proposals"] += len(proposals)
        counts["continuations"] += len(wins) * self.continuations
        counts["won"] += sum(wins)
        counts["without_contrast"] += not (better and worse)
        known = (task, moment, offered, state_hash, player.env.spec)
        return [self._pair(*known, win, loss) for win in better for loss in worse]

    def _wins(
        self, player: Player, task: Task, moment: Moment, proposals: Sequence[Alternative]
    ) -> list[int]:
        """How many continuations of each proposal won."""
        m = self.continuations

        def seed(number: int, step: int) -> tuple[int, ...]:
            told = (self.seed, self.env, task.task_id, moment.step, proposals[number // m].action)
            return seed_of("continuation", *told, number % m, step)

        begun = [player.after(moment, proposal.action) for proposal in proposals for _ in range(m)]
        won = player.finish(begun, seed)
        return [sum(won[at * m : (at + 1) * m]) for at in range(len(proposals))]

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
            generator=GENERATOR,
        )


def contrast(config: Contrast) -> dict[str, Any]:
    """Play, continue and compare, and store the pairs in ``config.out``.

    Returns:
        The content of ``summary.json``: tasks played, rows stored, and per kind of task
        ``episodes_won``, ``states``, what became of the ``samples`` there (those with a fault, see
        :data:`act_data.alternatives.FAULTS`, ``duplicates``, and ``proposals``, of which
        ``inadmissible`` were not offered), the ``continuations`` and how many of these were
        ``won``, states ``without_contrast``, and ``pairs``.

    Raises:
        ForbiddenSplit: the split is kept for evaluation.
        ModelNotFound: the policy's model cannot be loaded.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        UnknownArgument: an option has a value that cannot be used.
        UnknownSplit: the environment has no such split.
        UnknownTask: ``tasks`` names nothing in this split.
    """
    return contrast_with(
        make_policy(
            config.policy,
            history=config.history,
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
            top_p=config.top_p,
            thinking=config.thinking,
            base_url=config.base_url,
            concurrency=config.concurrency,
        ),
        config,
    )


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
    if config.k < 2 or config.continuations < 1 or not 0 < config.win_share <= 1:
        raise UnknownArgument(
            f"k={config.k} must be at least 2, continuations={config.continuations} at least 1, "
            f"and win_share={config.win_share} above 0 and at most 1."
        )
    if config.states is not None and config.states < 1:
        raise UnknownArgument(f"states must be at least 1, not {config.states}.")
    kwargs = {**json_object(config.env_kwargs), "split": config.split}
    if config.step_limit is not None:
        kwargs["step_limit"] = config.step_limit
    with closing(make_env(config.env, kwargs)) as env:
        inner = text_env(env)
        if inner.step_limit is None:
            raise UnknownArgument("a policy may never finish. Give a --step-limit.")
        tasks = select(inner.tasks(), config.tasks)[: positive(config.limit)]
        for split in sorted({task.split for task in tasks}):  # a panel mixes official splits
            check_split(split, config.allow_split)
    request = {
        "command": "contrast",
        "continuations": config.continuations,
        "env": config.env,
        "env_kwargs": kwargs,
        "k": config.k,
        "policy": {"name": policy.name, "revision": policy.revision, **policy.sampling},
        "seed": config.seed,
        "states": config.states,
        "tasks": f"{len(tasks)}, named {digest([asdict(task) for task in tasks])}",
        "versions": {"prompt": PROMPT_VERSION, **versions("numpy", "pyarrow")},
        "win_share": config.win_share,
    }
    request["versions"] |= versions(*PACKAGES.get(policy.name.partition(":")[0], ()))
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
    )
    return run.execute(job, workers=config.workers, ray=config.ray, progress=config.progress)
