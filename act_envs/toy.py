"""``ACT/Toy-v0``: a four-room house without dependencies, for documentation and fast tests.

It has what the real benchmarks have and tests must cover: near-miss actions, wasted steps, a way
to fail, partial credit, and a creature that moves by chance. It measures no ability.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from act_envs.base import TextEnv
from act_envs.errors import SnapshotMismatch, UnknownTask, nearest
from act_envs.protocol import one_by_one
from act_envs.types import Expert, Outcome, Task

_REFUSAL = "Nothing happens."
_HALL = "hall"
_ROOMS = (_HALL, "kitchen", "garden", "cellar")
_ITEMS = ("apple", "carrot", "fish", "bread", "cheese", "pear")
_KINDS = ("fetch", "feed")
_SPLITS = {"train": range(100), "dev": range(100, 150), "test": range(150, 200)}


@dataclass(frozen=True, slots=True)
class _House:
    """The whole state of an episode; immutable, so it is its own snapshot."""

    item: str  # what the task is about
    target: str  # the room to bring it to, "" when it goes to the cat
    room: str
    carrying: str
    places: tuple[tuple[str, str], ...]  # (item, room) of everything that lies about, sorted
    cat: str
    chance: int  # state of the 64-bit congruential generator that moves the cat
    credited: bool = False  # the half point for picking the item up has been given
    won: bool = False
    failed: bool = False


class ToySimulator:
    """The house, one pure transition function, and an expert that knows where everything is."""

    name = "toy"
    splits = tuple(_SPLITS)
    panels: tuple[str, ...] = ()
    experts = (Expert("scripted", "all"),)
    refusal: str | None = _REFUSAL

    def __init__(self) -> None:
        self._house = _build("fetch/0")

    def tasks(self, split: str) -> Sequence[Task]:
        return [Task(f"{kind}/{n}", split, kind) for kind in _KINDS for n in _SPLITS[split]]

    def task(self, task_id: str) -> Task:
        known = {task.task_id: task for split in _SPLITS for task in self.tasks(split)}
        if task_id not in known:
            raise UnknownTask(f"unknown task {task_id!r}. {nearest(task_id, known)}")
        return known[task_id]

    def start(self, task: Task) -> Outcome:
        self._house = _build(task.task_id)
        return self._outcome(_describe(self._house))

    def goal(self) -> str:
        house = self._house
        if house.target:
            return f"Bring the {house.item} to the {house.target}."
        return f"Give the {house.item} to the cat."

    def act(self, action: str) -> Outcome:
        action = self.canonical(action)
        if action not in self.admissible_actions():
            return self._outcome(_REFUSAL, valid=False)
        said, house = _transition(self._house, action)
        if action != "look":
            house = _move_cat(house)
        self._house = house
        return self._outcome(f"{said}{_describe(house)}")

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        return one_by_one(self, task, actions)

    def canonical(self, action: str) -> str:
        return " ".join(action.lower().split())

    def admissible_actions(self) -> list[str]:
        house = self._house
        actions = ["look", "wait", *(f"go to {room}" for room in _exits(house.room))]
        if house.carrying:
            actions += [f"drop {house.carrying}", f"eat {house.carrying}"]
            if house.cat == house.room:
                actions.append(f"give {house.carrying} to cat")
        else:
            actions += [f"take {item}" for item, room in house.places if room == house.room]
        return actions

    def expert_action(self, expert: str) -> str | None:
        house = self._house
        holds = house.carrying == house.item
        if house.carrying and not holds:
            return f"drop {house.carrying}"
        wanted = (house.target or house.cat) if holds else dict(house.places)[house.item]
        if wanted != house.room:
            return f"go to {wanted if _HALL in (wanted, house.room) else _HALL}"
        if not holds:
            return f"take {house.item}"
        return f"drop {house.item}" if house.target else f"give {house.item} to cat"

    def cost_to_go(self) -> float | None:
        return None

    def sample_world(self, seed: int) -> object | None:
        return None

    def snapshot(self) -> object:
        return self._house

    def restore(self, task: Task, state: object) -> None:
        if not isinstance(state, _House):
            raise SnapshotMismatch(
                f"{type(state).__name__} is no state of the toy house. "
                "Restore what snapshot() of such an environment gave."
            )
        self._house = state

    def twin(self) -> ToySimulator:
        return type(self)()

    def fingerprint(self) -> bytes:
        return repr(self._house).encode()

    def close(self) -> None:
        """Nothing to release."""

    def _outcome(self, observation: str, *, valid: bool = True) -> Outcome:
        house = self._house
        score = 1.0 if house.won else 0.0 if house.failed else 0.5 * house.credited
        return Outcome(observation, 2 * score, score, house.won, house.failed, valid)


class ToyEnv(TextEnv):
    """Carry a thing through a four-room house, to a room or to a cat that will not sit still.

    ## Description
    A hall with a kitchen, a garden and a cellar around it, three things lying about, and a cat
    that moves to a neighbouring room now and then. Needs no dependencies and no data; a step
    costs microseconds. It is there for documentation and fast tests and measures no ability.

    ## Action Space
    ``FreeText``: ``look``, ``wait``, ``go to R``, ``take I``, ``drop I``, ``eat I``,
    ``give I to cat``. Letter case and extra blanks do not matter. Anything else gives
    "Nothing happens." and leaves the house as it was.

    ## Observation Space
    ``FreeText``: what happened, then the room, its things and exits, and what is carried.

    ## Starting State
    Rooms of agent, cat and three things follow from the task id alone.

    ## Rewards
    0.5 for first picking up the right thing, 0.5 for bringing it where it belongs. Eating it
    takes back what was given.

    ## Episode End
    Terminated when the thing has arrived (won) or was eaten, or given to the cat without being
    asked (failed). Truncated after ``step_limit`` actions.

    ## Information
    The keys of :class:`act_envs.types.StepInfo`. ``raw_score`` is 0, 1 or 2. Kinds: ``fetch``
    (to a room) and ``feed`` (to the cat).

    ## Arguments
    - ``split``: ``train`` (200 tasks), ``dev`` (100) or ``test`` (100).
    - ``step_limit``: 20 by default, None for no limit; also a mapping of kinds to numbers.
    - ``admissible``: put the admissible actions into ``info``.
    - ``render_mode``: ``"ansi"`` or None.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        step_limit: int | Mapping[str, int] | None = 20,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            ToySimulator(),
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            unknown=unknown,
        )


def _build(task_id: str) -> _House:
    """The house at the start of a task, from a hash of its name: the same on every machine."""
    seed = int.from_bytes(hashlib.blake2b(task_id.encode(), digest_size=8).digest(), "big")

    def draw(n: int) -> int:
        nonlocal seed
        seed = _advance(seed)
        return (seed >> 33) % n

    items: list[str] = []
    while len(items) < 3:
        item = _ITEMS[draw(len(_ITEMS))]
        if item not in items:
            items.append(item)
    places = tuple(sorted((item, _ROOMS[draw(4)]) for item in items))
    elsewhere = [room for room in _ROOMS if room != dict(places)[items[0]]]
    target = elsewhere[draw(3)] if task_id.startswith("fetch/") else ""
    room, cat = _ROOMS[draw(4)], _ROOMS[draw(4)]
    return _House(items[0], target, room, "", places, cat, seed)


def _transition(house: _House, action: str) -> tuple[str, _House]:
    """What an admissible action says and does, the cat's own move aside."""
    verb, _, rest = action.partition(" ")
    match verb:
        case "go":
            return "", replace(house, room=rest.removeprefix("to "))
        case "take":
            places = tuple(place for place in house.places if place[0] != rest)
            credited = house.credited or rest == house.item
            taken = replace(house, carrying=rest, places=places, credited=credited)
            return f"You take the {rest}. ", taken
        case "drop":
            places = tuple(sorted((*house.places, (rest, house.room))))
            won = rest == house.item and house.room == house.target
            return f"You drop the {rest}. ", replace(house, carrying="", places=places, won=won)
        case "eat":
            lost = replace(house, carrying="", failed=rest == house.item)
            return f"You eat the {rest}. ", lost
        case "give":
            thing = house.carrying
            right = thing == house.item
            done = replace(
                house,
                carrying="",
                won=right and not house.target,
                failed=right and bool(house.target),
            )
            return f"The cat eats the {thing}. ", done
        case _:
            return "", house


def _exits(room: str) -> tuple[str, ...]:
    return _ROOMS[1:] if room == _HALL else (_HALL,)


def _advance(seed: int) -> int:
    """Knuth's MMIX linear congruential generator (The Art of Computer Programming, vol. 2)."""
    return (seed * 6364136223846793005 + 1442695040888963407) % 2**64


def _move_cat(house: _House) -> _House:
    """One time in four the cat walks to a neighbouring room."""
    chance = _advance(house.chance)
    if (chance >> 33) % 4:
        return replace(house, chance=chance)
    exits = _exits(house.cat)
    return replace(house, chance=chance, cat=exits[(chance >> 40) % len(exits)])


def _describe(house: _House) -> str:
    seen = [f"{_article(item)} {item}" for item, room in house.places if room == house.room]
    if house.cat == house.room:
        seen.append("the cat")
    carrying = f"{_article(house.carrying)} {house.carrying}" if house.carrying else "nothing"
    return (
        f"You are in the {house.room}. You see {_join(seen)}. "
        f"You carry {carrying}. Exits: {', '.join(_exits(house.room))}."
    )


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _join(nouns: list[str]) -> str:
    *head, last = nouns or ["nothing"]
    return f"{', '.join(head)} and {last}" if head else last
