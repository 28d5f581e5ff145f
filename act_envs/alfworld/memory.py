"""``Memory``: what a transcript of ALFWorld says about the room, folded in turn by turn.

It records what was read: who stands where, what is closed, what lies in what, what was done to
what. It knows no game and decides nothing; :mod:`act_envs.alfworld.explorer` does.

Receptacles often share a location, and modern text does not say which. "go to" another one at the
agent's own location fails, and that failure is how one learns of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

REFUSAL = "Nothing happens."
PUT = {"modern": "move {} to {}", "classic": "put {} in/on {}"}
"""How each dialect puts an object down."""

_NAME = r"(\w+ \d+)"
_NAMES = re.compile(rf"\ban? {_NAME}")
_ARRIVED = re.compile(rf"You arrive at {_NAME}\. ")
_VIEW = re.compile(rf"(?:On the|The) {_NAME}(?: is closed\.|(?: is open\. In it)?, you see (.*)\.)")
_FACING = re.compile(r"You are facing the (.*)\. Next to it, you see")
_CLOSED = re.compile(rf"You close the {_NAME}\.")
_TAKEN = re.compile(rf"You pick up the {_NAME} from the {_NAME}\.")
_PLACED = re.compile(rf"You (?:move|put) the {_NAME} (?:to|in/on) the {_NAME}\.")
_TREATED = re.compile(rf"You (clean|heat|cool) the {_NAME} using the {_NAME}\.")
_CARRIED = re.compile(rf"You are (?:carrying: an? {_NAME}|not carrying anything)\.")
_GO = re.compile(rf"go to {_NAME}")
_OPEN = re.compile(rf"open {_NAME}")
_TAKE = re.compile(rf"take {_NAME} from {_NAME}")


def kind_of(name: str) -> str:
    """The type in a name: ``"apple"`` of ``"apple 1"``."""
    return name.partition(" ")[0]


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list such as "a desk 1, and a bed 1", in their order."""
    return tuple(_NAMES.findall(text))


class Memory:
    """What is known so far.

    Args:
        receptacles: the names that the intro lists.
        dialect: which refusals of putting down to believe: the other dialect's are of the words.

    Attributes:
        held: object in the hand, ``""`` when it is empty.
        shut: whether a receptacle is closed, where that is known.
        inside: objects known to be in or on a receptacle, in the order in which they were listed.
        viewed: the receptacles about whose whole content ``inside`` knows.
        treated: the objects that are clean, hot (under ``"heat"``) and cool.
        unfit: pairs (type of object, type of receptacle) that were refused.
        refused: actions that failed since anything last changed.
    """

    def __init__(self, receptacles: Sequence[str], dialect: str) -> None:
        self.held = ""
        self.shut: dict[str, bool] = {}
        self.inside: dict[str, list[str]] = {}
        self.viewed: set[str] = set()
        self.treated: dict[str, set[str]] = {"clean": set(), "heat": set(), "cool": set()}
        self.unfit: set[tuple[str, str]] = set()
        self.refused: set[str] = set()
        self._put = re.compile(PUT[dialect].format(_NAME, _NAME))
        # Every name has a location of its own until the text says that two are the same.
        self._place = {name: number for number, name in enumerate(receptacles)}
        self._at = -1

    def is_here(self, receptacle: str) -> bool:
        """Whether the agent is known to stand at the receptacle."""
        return self._place.get(receptacle) == self._at

    def seen(self, kind: str) -> Iterator[tuple[str, str]]:
        """Every (object, receptacle) known, of the objects of one type."""
        for receptacle, objects in self.inside.items():
            for name in objects:
                if kind_of(name) == kind:
                    yield name, receptacle

    def fold(self, action: str, observation: str) -> None:
        """Take in one turn."""
        action, text = action.strip(), observation.strip()
        if text == REFUSAL:
            self._fold_refusal(action)
            self.refused.add(action)
        elif self._fold_change(text) or self._fold_view(text):
            self.refused.clear()

    def _fold_change(self, text: str) -> bool:
        """What an answer says that the action did to the world; False where it says nothing."""
        if found := _TAKEN.match(text):
            self._stand_at(found[2])
            self.shut[found[2]] = False
            self._forget(found[1], found[2])
            self.held = found[1]
        elif found := _PLACED.match(text):
            self._stand_at(found[2])
            self.shut[found[2]] = False
            self._forget(found[1], found[2])
            self.inside.setdefault(found[2], []).append(found[1])
            self.held = ""
        elif found := _TREATED.match(text):
            self._stand_at(found[3])
            if found[1] != "clean":
                self.treated["cool"].discard(found[2])
                self.treated["heat"].discard(found[2])
            self.treated[found[1]].add(found[2])
        elif found := _CLOSED.match(text):
            self._stand_at(found[1])
            self.shut[found[1]] = True
        return found is not None

    def _fold_view(self, text: str) -> bool:
        """What an answer shows; False where the agent moved nothing, itself included."""
        arrived = _ARRIVED.match(text)
        if found := _VIEW.search(text):
            name, listed = found.groups()
            if arrived:
                # In classic text this is the name of the location, in modern text `name`.
                self._at = self._place.setdefault(arrived[1], len(self._place))
            self._stand_at(name)
            self.shut[name] = listed is None
            if listed is not None:
                self.inside[name] = list(names_in(listed))
                self.viewed.add(name)
        elif found := _FACING.match(text):
            for name in re.findall(_NAME, found[1]):
                self._stand_at(name)
        elif found := _CARRIED.match(text):
            self.held = found[1] or ""
        return arrived is not None or text.startswith("You open ")

    def _fold_refusal(self, action: str) -> None:
        """What can be wrong about a well-formed action, other than its words."""
        if found := _GO.fullmatch(action):
            if found[1] in self._place:
                self._stand_at(found[1])
        elif found := _OPEN.fullmatch(action):
            if self.is_here(found[1]):
                self.shut[found[1]] = False  # open already, or it never closes
        elif found := _TAKE.fullmatch(action):
            if not self.held and self._accessible(found[2]):
                self._forget(found[1], found[2])
        elif (
            (found := self._put.fullmatch(action))
            and self.held == found[1]
            and self._accessible(found[2])
        ):
            self.unfit.add((kind_of(found[1]), kind_of(found[2])))

    def _accessible(self, name: str) -> bool:
        return self.is_here(name) and self.shut.get(name) is False

    def _stand_at(self, name: str) -> None:
        """The agent is at that receptacle; so is all that shares either's location."""
        place = self._place.setdefault(name, len(self._place))
        if self._at < 0:
            self._at = place
        elif place != self._at:
            for other, where in self._place.items():
                if where == place:
                    self._place[other] = self._at

    def _forget(self, name: str, receptacle: str) -> None:
        objects = self.inside.get(receptacle, [])
        if name in objects:
            objects.remove(name)
