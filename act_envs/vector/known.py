"""What is known of many environments: enough to bring each back. Values alone; it asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from act_envs.types import Snapshot
from act_envs.vector.row import Began, Reset

_SPARE = 32  # rounds that are kept though nobody needs them, for their removal costs time


class Episode(NamedTuple):
    """Where the episode of an environment began.

    Attributes:
        origin: options of ``reset`` or a snapshot; None where there is no episode.
        numbers: the state of the environment's random numbers, None where it has none yet.
        first: the observation and the score there.
        since: how many rounds there had been.
    """

    origin: Mapping[str, Any] | Snapshot | None
    numbers: Mapping[str, Any] | None
    first: tuple[str, float]
    since: int


class Round(NamedTuple):
    """A step of all environments.

    Attributes:
        actions: those that were taken, None for none.
        observations: what they gave.
        rewards: likewise.
    """

    actions: Sequence[str | None]
    observations: Sequence[str]
    rewards: Sequence[float]


class Known(NamedTuple):
    """What is known of all environments, by their places.

    Attributes:
        episodes: those that they are in.
        rounds: since the oldest of these began; what follows the first ``count`` does not count.
        count: see there.
        observations: the last ones.
        infos: likewise; {} before the first.
        idle: places without an episode that goes on.
        sent: how many moves the crew had been sent to when all this was clear.
    """

    episodes: Sequence[Episode]
    rounds: list[Round]
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]
    observations: tuple[str, ...]
    infos: Sequence[Any]
    idle: frozenset[int]
    sent: int = 0

    def stepped(self, done: Round, infos: Sequence[Any], ended: Collection[int]) -> Known:
        """After a step.

        Args:
            done: the step.
            infos: all that it gave.
            ended: places of the episodes that it has ended.
        """
        self.rounds[self.count :] = (done,)
        observations, idle = tuple(done.observations), self.idle.union(ended)
        return Known(self.episodes, self.rounds, self.count + 1, observations, infos, idle)

    def begun(self, begun: Mapping[int, tuple[Reset, Began]]) -> Known:
        """After resets. Tasks that were drawn are named from now on."""
        back = {}
        for place, (reset, began) in begun.items():
            options = {n: v for n, v in (reset.options or {}).items() if v is not None}
            origin = options or {"task_id": began.info["task_id"]}
            first = began.observation, began.info["score"]
            episode = Episode(origin, began.numbers, first, self.count)
            back[place] = episode, began.observation, began.info, False
        return self._at_the_start_of(back)

    def restored(self, restored: Mapping[int, tuple[Snapshot, tuple[Any, ...]]]) -> Known:
        """After snapshots were restored: what for each ``Row.carry_out`` says."""
        back = {}
        for place, (snapshot, (observation, info, over)) in restored.items():
            first = observation, info["score"]
            episode = Episode(snapshot, self.episodes[place].numbers, first, self.count)
            back[place] = episode, observation, info, over
        return self._at_the_start_of(back)

    def _at_the_start_of(self, back: Mapping[int, tuple[Episode, str, Any, bool]]) -> Known:
        if not back:
            return self
        episodes, infos = [*self.episodes], [*self.infos]
        observations, idle = [*self.observations], {*self.idle}
        for place, (episode, observation, info, over) in back.items():
            episodes[place], observations[place], infos[place] = episode, observation, info
            (idle.add if over else idle.discard)(place)
        oldest = min(episode.since for episode in episodes)
        rounds, count = self.rounds, self.count
        if oldest >= _SPARE:  # what was before will not be needed any more
            rounds, count = rounds[oldest:count], count - oldest
            episodes = [one._replace(since=one.since - oldest) for one in episodes]
        return Known(episodes, rounds, count, tuple(observations), infos, frozenset(idle))

    def turns(self, place: int) -> list[tuple[str, str, float]]:
        """The actions of an episode, each with the observation and the reward that it gave."""
        mine = self.rounds[self.episodes[place].since : self.count]
        turns = [(r.actions[place], r.observations[place], r.rewards[place]) for r in mine]
        return [(action, text, reward) for action, text, reward in turns if action is not None]
