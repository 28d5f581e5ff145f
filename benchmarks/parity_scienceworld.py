"""Whether the native ScienceWorld says what upstream's Python package says.

Both take the same actions (:mod:`benchmarks.beside_scienceworld`): gold paths, and walks of
:class:`benchmarks.restless.Restless`, which listens to upstream. Compared after every action is
all that upstream tells: see ``THINGS``.

Upstream's wrapper asks for the valid actions at every step, and naming them draws random numbers
of the episode; the native simulator's questions change nothing. So the upstream compared with is
polite (:mod:`benchmarks.upstream_scienceworld`): its random generator is put back after each list.
How often that matters is measured too: one more round of gold paths beside an upstream that is not
polite. What differs there differs by those random numbers (things are named otherwise in the
lists, bees fly elsewhere), which is documented and has no target.

A step of upstream costs some 0.1 s and the longest search for a gold path half a minute, so a full
run takes most of an hour on one core.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

from act_envs.progress import Progress
from act_envs.scienceworld import catalogue
from act_envs.scienceworld.simulator import NativeSimulator
from act_envs.types import Task
from benchmarks.beside_scienceworld import THINGS, Tally, play_both
from benchmarks.restless import Restless
from benchmarks.table import Row
from benchmarks.upstream_scienceworld import Upstream

PATHS = {"": 2, "easy": 1}  # gold paths of each kind of task and split, by simplifications
WALKS = {"": 2, "easy": 1}  # walks of each kind of task
WALK = 80  # actions of a walk
QUICK_KINDS = ("use-thermometer", "find-plant", "power-component", "lifespan-longest-lived")
QUESTIONS = 200  # to be answered in a full run


def rows(quick: bool) -> list[Row]:
    """Every figure.

    Args:
        quick: four kinds of task, one variation of each.
    """
    tally, untouched = Tally(), Tally(shown=0)
    won = Counter[bool]()
    natives = {names: NativeSimulator(names) for names in PATHS}
    with closing(Upstream(polite=True)) as upstream:
        with Progress("walks beside upstream", len(list(_walks(quick)))) as progress:
            for task, names, seed in _walks(quick):
                choose = walk(seed, 15 if quick else WALK)
                play_both(tally, upstream, natives[names], task, names, choose)
                progress.advance()
        with Progress("gold paths beside upstream", len(list(_paths(quick)))) as progress:
            for task, names in _paths(quick):
                won[play_gold(tally, upstream, natives[names], task, names)] += 1
                progress.advance()
        upstream.polite = False
        with Progress("gold paths beside upstream, impolite", len(_kinds(quick))) as progress:
            for kind in _kinds(quick):
                task = catalogue.task(f"{kind}/0")
                play_gold(untouched, upstream, natives[""], task, "")
                progress.advance()
    for native in natives.values():
        native.close()
    paths = won.total()
    return [
        Row("kinds of task", len(_kinds(quick)), ""),
        Row("episodes", tally.counts["episodes"], ""),
        Row("steps beside upstream", tally.counts["steps"], "steps", "" if quick else ">= 10000"),
        Row("differences", sum(tally.differing[thing] for thing in THINGS), "", "<= 0"),
        *(
            Row(f"{thing}: differences, of {count:,}", tally.differing[thing], "", "<= 0")
            for thing, count in tally.compared.items()
        ),
        # Both play the same path, so this says how good upstream's paths are, not ours.
        Row(f"gold paths of {paths} that win upstream", won[True], ""),
        Row(
            "answers to questions",
            tally.counts["answers"],
            "",
            "" if quick else f">= {QUESTIONS}",
        ),
        Row("episodes ended by a wrong focus", tally.counts["wrong focus"], ""),
        Row("episodes ended by an exception of upstream's", tally.counts["exceptions"], ""),
        Row("resets of a task", tally.counts["resets"], ""),
        Row("states saved, left and restored on the way", tally.counts["copies"], ""),
        Row("impolite upstream: steps", untouched.counts["steps"], "steps"),
        Row(
            "impolite upstream: other valid actions", untouched.differing["valid actions"], "steps"
        ),
        Row(
            "impolite upstream: other texts, scores or ends", untouched.differing["texts"], "steps"
        ),
        Row(
            f"impolite upstream: episodes that differ, of {untouched.counts['episodes']}",
            untouched.differing["episodes"],
            "",
        ),
    ]


def play_gold(
    tally: Tally, upstream: Upstream, native: NativeSimulator, task: Task, simplifications: str
) -> bool:
    """Play the expert's path of a task on both sides; whether it wins."""
    native.start(task)
    path = []
    while (action := native.expert_action("gold")) is not None:
        path.append(action)
        native.act(action)
    actions = iter(path)
    return play_both(
        tally, upstream, native, task, simplifications, lambda offered: next(actions, None)
    )


def walk(seed: str, steps: int) -> Callable[[list[str]], str | None]:
    """Chooses that many actions of a walk."""
    player, left = Restless(seed), iter(range(steps))
    return lambda offered: None if next(left, None) is None else player.choose(offered)


def _kinds(quick: bool) -> tuple[str, ...]:
    return QUICK_KINDS if quick else tuple(catalogue.kinds())


def _paths(quick: bool) -> Iterator[tuple[Task, str]]:
    """Tasks whose gold path is played, with the simplifications: some of each kind and split."""
    for names, count in PATHS.items():
        for kind in _kinds(quick):
            rng = random.Random(f"{kind} {names}")
            for split in ("test",) if quick else catalogue.SPLITS:
                numbers = catalogue.kinds()[kind].ranges[split]
                for number in rng.sample(numbers, 1 if quick else count):
                    yield catalogue.task(f"{kind}/{number}"), names


def _walks(quick: bool) -> Iterator[tuple[Task, str, str]]:
    """Tasks, simplifications and seeds of the walks."""
    for names, count in WALKS.items():
        for kind in _kinds(quick):
            for number in range(1 if quick else count):
                seed = f"{kind} {names} {number}"
                variation = random.Random(seed).randrange(catalogue.kinds()[kind].variations)
                yield catalogue.task(f"{kind}/{variation}"), names, seed
