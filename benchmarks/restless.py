"""A player that tries everything, for comparing two simulators of ScienceWorld.

Half of what it says is admissible. The rest is almost so, or leaves out which of two things is
meant, or is a command, a wait, a reset, or garbage. Questions it mostly answers. It sees only what
is admissible, so that either simulator can be the one it listens to.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

COMMANDS = ("task", "objects", "help", "HELP", "inventory", "look around", "Look  Around", "Task ")
WAITS = ("wait", "wait1", "wait", "wait1", "wait 3", "Wait")
GARBAGE = ("xyzzy", "open", "0", "-1", "the", "go to the", "look at", "use on", "", "connect to")
GARBAGE += ("move to", "focus on", "café ☕", "open door; close door", "99999999999", "1 0")
ANSWERS = ("99", "-1", "+0", " 0", "0 ", "00", "the 0", "open door", "task", "1.0", "look around")
RARE = ("focus", "reset", "connect")  # offered everywhere, and the end or a nuisance of most walks


class Restless:
    """Chooses actions for one episode.

    Args:
        seed: fixes every choice, given what is admissible.
    """

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self._known = ["look around"]  # some of what was admissible before

    def choose(self, offered: Sequence[str]) -> str:
        """The next action.

        Args:
            offered: what is admissible: actions, or the numbers that answer a question.
        """
        rng = self._rng
        if offered[0] == "0":
            return rng.choice(offered) if rng.random() < 0.8 else rng.choice(ANSWERS)
        action = self._admissible(offered)
        self._known = [*self._known[-50:], action]
        luck = rng.random()
        if luck < 0.5:
            return action
        if luck < 0.75:
            return self._vague(action)
        if luck < 0.85:
            return self._miss(action)
        if luck < 0.865:
            return "reset task"
        return rng.choice(rng.choice((COMMANDS, WAITS, GARBAGE)))

    def _admissible(self, offered: Sequence[str]) -> str:
        """One of any verb, each verb as likely as the others; ways to other places more often."""
        rng = self._rng
        verbs = sorted({action.split()[0] for action in offered})
        if rng.random() > 0.1:
            verbs = [verb for verb in verbs if verb not in RARE] or verbs
        if rng.random() < 0.15:
            verbs = [verb for verb in verbs if verb in ("go", "open", "teleport")] or verbs
        verb = rng.choice(verbs)
        return rng.choice([action for action in offered if action.split()[0] == verb])

    def _vague(self, action: str) -> str:
        """The action without what tells its things from others: mostly asked back about."""
        rng = self._rng
        shorter = [
            re.sub(
                r" (in|on|containing|to|of) .*?(?= to | into | on | in |$)", "", action, count=1
            ),
            re.sub(r" (in|on|containing) [\w ]*$", "", action),
            re.sub(r" to [\w ]*$", "", action),
            re.sub(r"\w+ (substance|organism|plant|tree|door|seed|flower)", r"\1", action),
            re.sub(
                r" (\w+)( in| on| to| into|$)", rng.choice((r" substance\2", r" door\2")), action
            ),
            rng.choice(("open door", "close door", "look at door", "go to door", "pick up seed")),
            rng.choice(("look at substance", "pick up substance", "pour cup into cup", "eat food")),
        ]
        return rng.choice([line for line in shorter if line != action] or [action])

    def _miss(self, action: str) -> str:
        """The action with something wrong about it, or right in another way; or an old one."""
        rng, words = self._rng, action.split()
        at = rng.randrange(len(words))
        return rng.choice(
            (
                action.upper(),
                action.replace(" ", "  ", 1),
                f" {action}\t",
                f"{action}.",
                " the ".join(words),
                " ".join(words[:at] + words[at + 1 :]),
                " ".join([*words[:at], rng.choice(("a", "an", "The")), *words[at:]]),
                " ".join([*words[:at], "purple", *words[at:]]),
                " ".join(words[::-1]),
                rng.choice(self._known),
                rng.choice(self._known),
            )
        )
