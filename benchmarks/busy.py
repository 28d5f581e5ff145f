"""A player that keeps its hands busy, for comparing two engines where they could differ.

It sees only what is admissible, so that either engine can be the one it listens to. A random walk
hardly ever slices anything; this one goes through moods: it fetches knives and slices all it
meets, carries things to every microwave, fridge and sink, opens and closes, heaps things up and
looks at the heap, and now and then says something that is almost right. It wins games by their
walkthrough only.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

APPLIANCES = ("microwave", "fridge", "sinkbasin")
DOORS = ("cabinet", "drawer", "fridge", "microwave", "safe", "box")
LIT = ("desk", "sidetable", "dresser", "shelf", "coffeetable", "bed")
SLICED = ("apple", "bread", "lettuce", "potato", "tomato")
FOOD = (*SLICED, "egg", "cup", "mug", "plate", "bowl")
KNIVES = ("knife", "butterknife")
NONSENSE = ("xyzzy", "look around", "go to", "go to loc 1", "take all", "examine", "0", "helpme")


class Busy:
    """Chooses commands for one game.

    Args:
        seed: fixes every choice, given what is admissible.
        walkthrough: commands that win the game, as the dialect says them.
        plan_first: begin with the walkthrough instead of coming to it by mood.
    """

    def __init__(self, seed: str, walkthrough: Sequence[str], *, plan_first: bool) -> None:
        self._rng = random.Random(seed)
        self._plan = list(walkthrough)
        self._held = ""
        self._here = ""
        self._from = ""  # where the thing in hand was taken from
        self._seen: dict[str, set[str]] = {"knives": set(), "food": set(), "lamps": set()}
        self._seen["crowds"] = set()  # receptacles that share their place with others
        self._moved = False  # something was just put down to be looked at
        self._known: list[str] = []  # everything that was admissible before, for near misses
        self._done: set[str] = set()  # what was worth doing once and is done
        self._mood = "plan" if plan_first else ""
        self._left = 3 * len(self._plan) if plan_first else 0

    def choose(self, admissible: Sequence[str]) -> str:
        """The next command, possibly not an admissible one."""
        self._note(admissible)
        if self._left <= 0 or (self._mood == "plan" and not self._plan):
            moods = ["chef", "chef", "cook", "cook", "cook", "lamp", "doors", "mess", "wander"]
            moods += ["plan"] * bool(self._plan) + ["lamp"] * bool(self._seen["lamps"])
            self._mood = self._rng.choice(moods)
            self._left = self._rng.randint(8, 18)
        self._left -= 1
        if self._rng.random() < 0.1:
            return self._near_miss(admissible)
        if self._mood == "plan":
            command = self._plan.pop(0)
        else:
            wish = getattr(self, f"_{self._mood}")(admissible)
            command = wish or self._wander(admissible)
        if command in admissible:
            self._remember(command)
        return command

    # -- moods: a command, or "" when there is nothing to do for it here ------------------------

    def _chef(self, offered: Sequence[str]) -> str:
        """Fetch a knife and slice whatever comes along."""
        if fresh := self._fresh(offered, "slice"):
            return self._rng.choice(fresh)
        if self._held.split(" ")[0] in KNIVES:
            return self._go(offered, "food")
        takes = [c for c in _verb(offered, "take") if c.split()[1] in KNIVES]
        if self._held:
            return self._any(_puts(offered)) or self._go(offered)
        return self._any(takes) or self._any(_verb(offered, "open")) or self._go(offered, "knives")

    def _cook(self, offered: Sequence[str]) -> str:
        """Heat, cool and clean whatever can be carried; look at the thing in between."""
        if fresh := self._fresh(offered, "heat", "cool", "clean"):
            return self._rng.choice(fresh)
        if self._held:
            if self._rng.random() < 0.3 and (seen := f"examine {self._held}") in offered:
                return seen
            # One of each kind, or a kitchen with two sinks would never heat anything.
            ways = {c.split()[2]: c for c in _verb(offered, "go") if c.split()[2] in APPLIANCES}
            kinds = [*ways, "microwave"] if "microwave" in ways else [*ways]
            return ways[self._rng.choice(kinds)] if kinds else self._go(offered)
        takes = _verb(offered, "take")
        good = [c for c in takes if c.split()[1] in FOOD]
        return self._any(good or takes) or self._any(_verb(offered, "open")) or self._go(offered)

    def _lamp(self, offered: Sequence[str]) -> str:
        """Switch on every lamp, again and again, with something in hand or not."""
        if self._rng.random() < 0.9 and (lamps := _verb(offered, "use")):
            return self._rng.choice(lamps)
        if not self._held and self._rng.random() < 0.4:
            return self._any(_verb(offered, "take"))
        return self._go(offered, "lamps", *LIT)

    def _doors(self, offered: Sequence[str]) -> str:
        """Open, look inside, close."""
        if closed := _verb(offered, "open"):
            return self._rng.choice(closed)
        if self._rng.random() < 0.4:
            return self._any(_verb(offered, "examine"))
        return self._any(_verb(offered, "close")) or self._go(offered, *DOORS)

    def _mess(self, offered: Sequence[str]) -> str:
        """Move things about where one stands, and look: what lies about depends on the past."""
        if self._moved or self._rng.random() < 0.2:
            self._moved = False
            return "look"
        if self._held:
            puts = _puts(offered)
            elsewhere = [c for c in puts if not c.endswith(f" {self._from}")]
            self._moved = bool(puts)
            return self._any(elsewhere or puts) or self._go(offered, "crowds")
        if self._here in self._seen["crowds"] and self._rng.random() < 0.75:
            return self._any(_verb(offered, "take")) or self._any(_verb(offered, "open"))
        return self._go(offered, "crowds")

    def _wander(self, offered: Sequence[str]) -> str:
        """Any verb that is offered, each as likely as the others."""
        verbs = sorted({command.split()[0] for command in offered})
        return self._rng.choice(_verb(offered, self._rng.choice(verbs)))

    # -- what is said wrongly -------------------------------------------------------------------

    def _near_miss(self, offered: Sequence[str]) -> str:
        """Something that is almost a command, or was one a while ago."""
        rng, command = self._rng, self._rng.choice(offered)
        article = re.sub(r" (\w+ \d+)$", r" the \1", command)
        miss = rng.choice(
            (
                re.sub(r"\d+", lambda n: str(int(n[0]) + rng.choice((-1, 1, 9))), command, count=1),
                re.sub(r"\d+$", "", command),
                rng.choice((command.upper(), command.title())),
                f"{command}  ",
                f" {command}",
                command.replace(" ", "  ", 1),
                f"{command}.",
                article,
                f"go to {self._here or 'nowhere 1'}",
                rng.choice(self._known),
                rng.choice(self._known),
                _other_dialect(self._any(_puts(self._known)) or command),
                rng.choice(NONSENSE),
            )
        )
        if miss.strip() in offered:
            self._remember(miss.strip())
        return miss

    # -- memory ---------------------------------------------------------------------------------

    def _note(self, offered: Sequence[str]) -> None:
        self._known = sorted({*self._known, *offered})
        takes = {c.split()[1] for c in _verb(offered, "take")}
        near = [c for c in _verb(offered, "examine") if c != f"examine {self._held}"]
        for what, seen in (
            ("knives", takes.intersection(KNIVES)),
            ("food", takes.intersection(SLICED)),
            ("lamps", _verb(offered, "use")),
            ("crowds", near[1:]),
        ):
            if seen:
                self._seen[what].add(self._here)

    def _remember(self, command: str) -> None:
        verb, *words = command.split()
        if verb == "go":
            self._here = " ".join(words[1:])
        elif verb == "take":
            self._held, self._from = " ".join(words[:2]), " ".join(words[3:])
        elif verb in ("move", "put"):
            self._held = ""
        elif verb in ("slice", "heat", "cool", "clean"):
            self._done.add(command)

    def _fresh(self, offered: Sequence[str], *verbs: str) -> list[str]:
        """What of these verbs was not done yet; seldom also what was."""
        again = self._rng.random() < (0.15 if "slice" in verbs else 0.6)
        commands = [c for verb in verbs for c in _verb(offered, verb)]
        return [c for c in commands if again or c not in self._done]

    def _go(self, offered: Sequence[str], *kinds: str) -> str:
        """A way to where such things were seen, to such a receptacle, or else to anywhere."""
        ways = _verb(offered, "go")
        seen = {f"go to {place}" for kind in kinds for place in self._seen.get(kind, ())}
        known = [c for c in ways if c in seen]
        near = [c for c in ways if c.split()[2] in kinds]
        return self._any(known or near or ways)

    def _any(self, commands: Sequence[str]) -> str:
        return self._rng.choice(commands) if commands else ""


def _verb(commands: Sequence[str], verb: str) -> list[str]:
    return [command for command in commands if command.split()[0] == verb]


def _puts(commands: Sequence[str]) -> list[str]:
    return _verb(commands, "move") + _verb(commands, "put")


def _other_dialect(command: str) -> str:
    """A command in the words of the other dialect; others are returned as they are."""
    if command.startswith("move "):
        return re.sub(r"^move (.+) to (.+)$", r"put \1 in/on \2", command)
    return re.sub(r"^put (.+) in/on (.+)$", r"move \1 to \2", command)
