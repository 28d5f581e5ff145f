"""Other worlds: they agree with all that was read, and are as different as they can be else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import pytest

import act_envs  # noqa: F401 - registers the ids
from act_envs.alfworld.engine import Engine
from act_envs.alfworld.game import State, bits
from act_envs.alfworld.simulator import turns
from act_envs.types import Snapshot


@pytest.fixture(params=["modern", "classic"])
def env(request: pytest.FixtureRequest) -> Iterator[Any]:
    with gym.make("ACT/ALFWorldGen-v0", dialect=request.param, step_limit=None) as made:
        yield made.unwrapped


def moments(env: Any, count: int) -> Iterator[random.Random]:
    """States on walks, half after the explorer and half at random."""
    rng = random.Random(count)
    for task in rng.sample(env.tasks("train"), count):
        env.reset(options={"task_id": task.task_id})
        for _ in range(rng.randrange(10)):
            expert, offered = env.expert_action("explorer"), env.admissible_actions()
            env.step(expert if expert and rng.random() < 0.5 else rng.choice(offered))
            if env.terminated:
                break
        else:
            yield rng


def game_of(env: Any) -> Any:
    return env._simulator._engine.game


def state_of(world: Snapshot) -> State:
    assert isinstance(world.state, tuple)
    return world.state[1]


def test_what_was_read_would_be_read_there_too(env: Any) -> None:
    checked = 0
    for _ in moments(env, 60):
        game, here = game_of(env), env.snapshot()
        said = turns(here.state[2], 0)
        true = Engine(game, env._simulator._dialect)
        viewed = env._simulator._informed().viewed
        for seed in range(4):
            world = state_of(env.sample_world(seed))
            # Go back to where that world began: what moved since moves in both.
            start = [
                now if name not in viewed else first
                for name, now, first in zip(
                    game.receptacles, world.inside, game.start.inside, strict=True
                )
            ]
            lying = [0] * len(game.locations)
            for r, mask in enumerate(start):
                lying[game.place[r]] |= mask
            true.state = game.start._replace(inside=tuple(start), lying=tuple(lying))
            assert [true.step(action)[0] for action, _ in said] == [text for _, text in said]
            checked += world.inside != here.state[1].inside
    assert checked > 50


def test_objects_are_moved_and_nothing_else(env: Any) -> None:
    for _ in moments(env, 30):
        game, true = game_of(env), state_of(env.snapshot())
        viewed = env._simulator._informed().viewed
        for seed in range(4):
            world = state_of(env.sample_world(seed))
            assert world._replace(inside=true.inside, lying=true.lying) == true
            for r, name in enumerate(game.receptacles):
                assert name not in viewed or world.inside[r] == true.inside[r]
                moved = world.inside[r] & ~true.inside[r]
                assert not moved & ~game.fits[r]
                assert not moved & ~game.pickupable
            for masks, others in ((world.inside, true.inside), (world.lying, true.lying)):
                there, here = (
                    Counter(o for m in each for o in bits(m)) for each in (masks, others)
                )
                assert there == here


def test_the_task_can_be_done_there_and_is_not_done(env: Any) -> None:
    for _ in moments(env, 30):
        env.restore(env.sample_world(0))
        assert not env.terminated
        cost = env.cost_to_go()
        assert cost is not None
        assert 0 < cost < 100


def test_the_lamp_that_was_not_seen_may_stand_elsewhere(env: Any) -> None:
    tasks = [task for task in env.tasks("train") if task.kind == "look_at_obj_in_light"]
    moved = 0
    for task in tasks[:20]:
        env.reset(options={"task_id": task.task_id})
        lamps, true = game_of(env).lamps, state_of(env.snapshot()).inside
        worlds = [state_of(env.sample_world(seed)).inside for seed in range(10)]
        moved += any([m & lamps for m in w] != [m & lamps for m in true] for w in worlds)
    assert moved > 10


def test_what_was_taken_unseen_was_there() -> None:
    """Taken from a receptacle that shares the agent's place, and was never looked into."""
    with gym.make("ACT/ALFWorldGen-v0", step_limit=None) as made:
        env: Any = made.unwrapped
        found = 0
        for task in env.tasks("train")[:200]:
            env.reset(options={"task_id": task.task_id})
            game = game_of(env)
            true = [(o, r) for r, mask in enumerate(game.start.inside) for o in bits(mask)]
            for o, r in true:
                beside = [x for x in game.here[game.place[r]] if x != r]
                if not game.pickupable >> o & 1 or game.openable >> r & 1 or not beside:
                    continue
                env.reset(options={"task_id": task.task_id})
                env.step(f"go to {game.receptacles[beside[0]]}")
                env.step(f"take {game.objects[o]} from {game.receptacles[r]}")
                here = state_of(env.snapshot())
                if here.held != o or env.terminated:
                    continue
                found += 1
                worlds = {state_of(env.sample_world(seed)).inside for seed in range(8)}
                assert worlds != {here.inside}, "all is where it truly is"
                break
        assert found > 3


def test_seeds_give_worlds_and_leave_no_trace(env: Any) -> None:
    for _ in moments(env, 10):
        before, advice = env.state_hash(), env.expert_action("explorer")
        worlds = [state_of(env.sample_world(seed)) for seed in (1, 1, 2, 3, 4)]
        assert worlds[0] == worlds[1]
        assert (env.state_hash(), env.expert_action("explorer")) == (before, advice)


def test_what_is_all_known_stays(env: Any) -> None:
    env.reset(options={"task_id": env.tasks("train")[0].task_id})
    for name in game_of(env).receptacles:
        env.step(f"go to {name}")
        env.step(f"examine {name}")  # where it shares the place of another
        env.step(f"open {name}")
        if env.terminated:
            pytest.skip("won on the way")
    here = state_of(env.snapshot())
    assert env._simulator._informed().viewed == {*game_of(env).receptacles}
    assert {state_of(env.sample_world(seed)) for seed in range(5)} == {here}


def test_places_are_as_likely_as_the_explorer_thinks(env: Any) -> None:
    env.reset(options={"task_id": env.tasks("train")[3].task_id})
    game, explorer = game_of(env), env._simulator._informed()
    loose = [
        o
        for o in bits(game.pickupable & ~game.targets)
        if sum(mask >> o & 1 for mask in game.start.inside) == 1
    ]
    o = max(loose, key=lambda o: sum(mask >> o & 1 for mask in game.fits))
    places = [r for r, mask in enumerate(game.fits) if mask >> o & 1]
    weights = [explorer.likely(game.receptacle_types[r], game.object_types[o]) for r in places]
    found: Counter[int] = Counter()
    draws = 600
    for seed in range(draws):
        inside = state_of(env.sample_world(seed)).inside
        found.update(r for r in places if inside[r] >> o & 1)
    assert len(places) > 3
    chi = sum(
        (found[r] - draws * w / sum(weights)) ** 2 / (draws * w / sum(weights))
        for r, w in zip(places, weights, strict=True)
        if draws * w / sum(weights) > 5
    )
    assert chi < 3 * len(places) + 10


def test_nobody_knows_without_what_the_agent_has_read() -> None:
    with gym.make("ACT/ALFWorldGen-v0", expert="clairvoyant") as made:
        env: Any = made.unwrapped
        env.reset(seed=0)
        assert env.sample_world(0) is None
    with gym.make("ACT/Toy-v0") as made:
        env = made.unwrapped
        env.reset(seed=0)
        assert env.sample_world(0) is None
