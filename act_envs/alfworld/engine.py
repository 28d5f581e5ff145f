"""The rules of ALFWorld: text, admissible commands and goals as stock TextWorld gives them.

An interpreter of one PDDL domain and one text grammar, those of ALFRED in TextWorld, written out by
hand. What looks odd here is what the original does (see the comments); the parity tests compare
every text with it.
"""

from __future__ import annotations

from act_envs.alfworld.game import Game, State, bits

DIALECTS = ("modern", "classic")
REFUSAL = "Nothing happens."

_HELP = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


class Engine:
    """Plays one game. Assigning ``state`` goes back (or elsewhere); reading it is a snapshot.

    Args:
        game: the game.
        dialect: ``"modern"`` (``move X to Y``, since ALFWorld 0.4.0) or ``"classic"`` (``put X
            in/on Y``, arrivals at ``loc N``, no ``help``).
    """

    def __init__(self, game: Game, dialect: str = "modern") -> None:
        self.game = game
        self.state = game.start
        self._classic = dialect == "classic"
        self._listed: dict[int, str] = {}

    def intro(self) -> str:
        """The first observation: welcome, the room, the task."""
        here = self.game.here[self.state.at]
        room = self._look() if here else self._room(range(len(self.game.receptacles)))
        return f"-= Welcome to TextWorld, ALFRED! =-\n\n{room}\n\nYour task is to: {self.game.goal}"

    def step(self, command: str) -> tuple[str, bool]:
        """Take one command.

        Args:
            command: any text; blanks around it do not matter, everything else does.

        Returns:
            What the game answers, and whether the command was admissible.
        """
        verb, _, rest = command.strip().partition(" ")
        act = _VERBS.get(verb)
        feedback = None if act is None else act(self, rest)
        return (REFUSAL, False) if feedback is None else (feedback, True)

    def admissible(self) -> list[str]:
        """Every command that the game would take now, sorted."""
        game, state = self.game, self.state
        commands = list(game.standing_commands(state.at))
        if self._classic:
            commands.remove("help")
        held = state.held
        if held >= 0:
            self._add_with_held(commands, held)
        for r in game.here[state.at]:
            name, inside = game.receptacles[r], state.inside[r]
            if game.openable >> r & 1:
                is_open = state.opened >> r & 1
                commands.append(f"close {name}" if is_open else f"open {name}")
            else:
                is_open = 1
            if held < 0 and is_open:
                commands += [
                    f"take {game.objects[o]} from {name}" for o in bits(inside & game.pickupable)
                ]
            # Also in what is closed; a lamp on two things at once is offered once.
            for o in bits(inside & game.toggleable):
                use = f"use {game.objects[o]}"
                if use not in commands:
                    commands.append(use)
        commands.sort()
        return commands

    def won(self) -> bool:
        """Whether the goal holds."""
        game, state = self.game, self.state
        if game.kind == "look_at_obj_in_light":
            return self._holds_target() and self._lamp_here()
        if game.kind == "pick_two_obj_and_place":
            return any(
                (state.inside[r] & game.targets).bit_count() > 1
                for r in bits(game.goal_receptacles)
            )
        wanted = game.targets & self._changed()
        return bool(wanted) and any(state.inside[r] & wanted for r in bits(game.goal_receptacles))

    def conditions(self) -> tuple[int, int]:
        """How many conditions of the goal hold, and how many there are.

        As ALFRED counts them (Shridhar et al. 2020, goal-condition success; ``env/tasks.py``):
        placed; placed, changed, and both at once; the best count of two; held, and lamp on.
        """
        game, state = self.game, self.state
        placed = [state.inside[r] & game.targets for r in bits(game.goal_receptacles)]
        if game.kind == "look_at_obj_in_light":
            return self._holds_target() + self._lamp_here(), 2
        if game.kind == "pick_two_obj_and_place":
            return min(2, max((mask.bit_count() for mask in placed), default=0)), 2
        if game.kind == "pick_and_place_simple":
            return int(any(placed)), 1
        wanted = game.targets & self._changed()
        return any(placed) + bool(wanted) + any(mask & wanted for mask in placed), 3

    # -- goals -------------------------------------------------------------------------------

    def _changed(self) -> int:
        """Objects in the condition that the goal asks for."""
        state = self.state
        match self.game.kind:
            case "pick_clean_then_place_in_recep":
                return state.clean
            case "pick_heat_then_place_in_recep":
                return state.hot
            case "pick_cool_then_place_in_recep":
                return state.cool
            case _:
                return -1

    def _holds_target(self) -> bool:
        held = self.state.held
        return held >= 0 and bool(self.game.targets >> held & 1)

    def _lamp_here(self) -> bool:
        """A lamp that was used stands where the agent stands."""
        state = self.state
        on = self.game.lamps & state.toggled
        return bool(on) and any(state.inside[r] & on for r in self.game.here[state.at])

    # -- commands: each returns what the game answers, or None where it is not admissible ----

    def _go(self, rest: str) -> str | None:
        if not rest.startswith("to "):
            return None
        game, state = self.game, self.state
        r = game.receptacle_of.get(rest[3:])
        # Going to where one is has no effect, and stock drops operators without effect.
        if r is None or game.place[r] == state.at:
            return None
        self.state = State(game.place[r], *state[1:])
        name = game.locations[game.place[r]] if self._classic else game.receptacles[r]
        return f"You arrive at {name}. {self._contents(r)}"

    def _open(self, rest: str) -> str | None:
        r = self._near(rest)
        state = self.state
        if r is None or not self.game.openable & ~state.opened & 1 << r:
            return None
        self.state = State(*state[:2], state.opened | 1 << r, *state[3:])
        return f"You open the {rest}. {self._contents(r)}"

    def _close(self, rest: str) -> str | None:
        r = self._near(rest)
        state = self.state
        if r is None or not self.game.openable & state.opened & 1 << r:
            return None
        self.state = State(*state[:2], state.opened & ~(1 << r), *state[3:])
        return f"You close the {rest}."

    def _take(self, rest: str) -> str | None:
        game, state = self.game, self.state
        thing, _, source = rest.partition(" from ")
        o, r = game.object_of.get(thing), self._near(source)
        if o is None or r is None or state.held >= 0 or not self._accessible(r):
            return None
        bit = 1 << o
        if not state.inside[r] & game.pickupable & bit:
            return None
        # An object that is also listed in another receptacle stays listed there.
        self.state = state._replace(
            held=o,
            inside=_with(state.inside, r, state.inside[r] & ~bit),
            lying=_with(state.lying, state.at, state.lying[state.at] & ~bit),
            left=_with(state.left, r, state.left[r] | bit),
        )
        return f"You pick up the {thing} from the {source}."

    def _move(self, rest: str) -> str | None:
        return None if self._classic else self._put_down(rest, " to ")

    def _put(self, rest: str) -> str | None:
        return self._put_down(rest, " in/on ") if self._classic else None

    def _put_down(self, rest: str, where: str) -> str | None:
        game, state = self.game, self.state
        thing, _, target = rest.partition(where)
        o, r = self._in_hand(thing), self._near(target)
        if o is None or r is None or not game.fits[r] >> o & 1 or not self._accessible(r):
            return None
        bit = 1 << o
        self.state = state._replace(
            held=-1,
            inside=_with(state.inside, r, state.inside[r] | bit),
            lying=_with(state.lying, state.at, state.lying[state.at] | bit),
            left=_with(state.left, r, state.left[r] & ~bit),
        )
        verb = "put" if self._classic else "move"
        return f"You {verb} the {thing}{where}the {target}."

    def _clean(self, rest: str) -> str | None:
        pair = self._in_hand_with(rest, self.game.cleanable, self.game.sinks)
        if pair is None:
            return None
        self.state = self.state._replace(clean=self.state.clean | 1 << pair[0])
        return f"You clean the {pair[1]} using the {pair[2]}."

    def _heat(self, rest: str) -> str | None:
        pair = self._in_hand_with(rest, self.game.heatable, self.game.microwaves)
        if pair is None:
            return None
        state, bit = self.state, 1 << pair[0]
        self.state = state._replace(hot=state.hot | bit, cool=state.cool & ~bit)
        return f"You heat the {pair[1]} using the {pair[2]}."

    def _cool(self, rest: str) -> str | None:
        pair = self._in_hand_with(rest, self.game.coolable, self.game.fridges)
        if pair is None:
            return None
        state, bit = self.state, 1 << pair[0]
        self.state = state._replace(cool=state.cool | bit, hot=state.hot & ~bit)
        return f"You cool the {pair[1]} using the {pair[2]}."

    def _use(self, rest: str) -> str | None:
        game, state = self.game, self.state
        o = game.object_of.get(rest)
        if o is None or not game.toggleable >> o & 1:
            return None
        if not any(state.inside[r] >> o & 1 for r in game.here[state.at]):
            return None
        self.state = state._replace(toggled=state.toggled | 1 << o)
        return f"You turn on the {rest}."  # every time: "toggled" is never taken back

    def _slice(self, rest: str) -> str | None:
        game, state = self.game, self.state
        thing, _, knife = rest.partition(" with ")
        o, k = game.object_of.get(thing), self._in_hand(knife)
        if o is None or k is None or not game.knives >> k & 1:
            return None
        # Whatever lies at the location can be sliced, in a closed fridge too.
        if not game.sliceable & state.lying[state.at] & 1 << o:
            return None
        self.state = state._replace(sliced=state.sliced | 1 << o)
        return f"You sliced the {thing} with the {knife}."

    def _examine(self, rest: str) -> str | None:
        r = self._near(rest)
        if r is not None:
            return self._contents(r)
        # Only what is held: the domain's other clause has a comma in it and never applies.
        o = self._in_hand(rest)
        return None if o is None else self._describe(o)

    def _look_around(self, rest: str) -> str | None:
        return None if rest else self._look()

    def _inventory(self, rest: str) -> str | None:
        if rest:
            return None
        held = self.state.held
        if held < 0:
            return "You are not carrying anything."
        return f"You are carrying: a {self.game.objects[held]}."

    def _help(self, rest: str) -> str | None:
        return None if rest or self._classic else _HELP

    # -- what the commands share -------------------------------------------------------------

    def _near(self, name: str) -> int | None:
        """The receptacle of that name, if the agent stands at it."""
        r = self.game.receptacle_of.get(name)
        return r if r is not None and self.game.place[r] == self.state.at else None

    def _in_hand(self, name: str) -> int | None:
        held = self.state.held
        return held if held >= 0 and self.game.objects[held] == name else None

    def _accessible(self, r: int) -> bool:
        return bool((~self.game.openable | self.state.opened) >> r & 1)

    def _in_hand_with(self, rest: str, able: int, tools: int) -> tuple[int, str, str] | None:
        """The held object and the tool of ``X with Y``, where the one may be used on the other."""
        thing, _, tool = rest.partition(" with ")
        o, r = self._in_hand(thing), self._near(tool)
        if o is None or r is None or not able >> o & 1 or not tools >> r & 1:
            return None
        return o, thing, tool

    def _add_with_held(self, commands: list[str], held: int) -> None:
        game, state = self.game, self.state
        thing = game.objects[held]
        commands.append(f"examine {thing}")
        for r in game.here[state.at]:
            name = game.receptacles[r]
            if game.fits[r] >> held & 1 and self._accessible(r):
                commands.append(
                    f"put {thing} in/on {name}" if self._classic else f"move {thing} to {name}"
                )
            if game.cleanable >> held & game.sinks >> r & 1:
                commands.append(f"clean {thing} with {name}")
            if game.heatable >> held & game.microwaves >> r & 1:
                commands.append(f"heat {thing} with {name}")
            if game.coolable >> held & game.fridges >> r & 1:
                commands.append(f"cool {thing} with {name}")
        if game.knives >> held & 1:
            commands += [
                f"slice {game.objects[o]} with {thing}"
                for o in bits(game.sliceable & state.lying[state.at])
            ]

    # -- texts -------------------------------------------------------------------------------

    def _contents(self, r: int) -> str:
        game, state = self.game, self.state
        name = game.receptacles[r]
        if game.openable >> r & 1:
            if not state.opened >> r & 1:
                return f"The {name} is closed."
            return f"The {name} is open. In it, you see {self._things(state.inside[r])}."
        return f"On the {name}, you see {self._things(state.inside[r])}."

    def _things(self, mask: int) -> str:
        if (listed := self._listed.get(mask)) is None:
            objects = self.game.objects
            listed = self._listed[mask] = _join([f"a {objects[o]}" for o in bits(mask)])
        return listed

    def _look(self) -> str:
        game, state = self.game, self.state
        here = game.here[state.at]
        if not here:
            return self._room(here)
        # Listed as on the floor: what lies here and was once taken out of a receptacle here,
        # once for each such receptacle, wherever it has been put since.
        floor = [
            f"a {game.objects[o]}"
            for o in bits(state.lying[state.at])
            for r in here
            if state.left[r] >> o & 1
        ]
        facing = _join([game.receptacles[r] for r in here])
        return f"You are facing the {facing}. Next to it, you see {_join(floor)}."

    def _room(self, receptacles: range | tuple[int, ...]) -> str:
        seen = _join([f"a {self.game.receptacles[r]}" for r in receptacles])
        return f"You are in the middle of a room. Looking quickly around you, you see {seen}."

    def _describe(self, o: int) -> str:
        game, state = self.game, self.state
        name = game.objects[o]
        if game.containers >> o & 1:
            return f"This is a normal {name}. In it, you see {self._things(game.nested[o])}."
        clean, hot, cool, sliced = (
            mask >> o & 1 for mask in (state.clean, state.hot, state.cool, state.sliced)
        )
        words = []
        if hot or cool:
            # "cool" beside another word, "cold" alone; hot and cool exclude each other.
            words.append("hot" if hot else "cool" if clean or sliced else "cold")
        if clean:
            words.append("clean")
        if words:
            return f"This is a {' and '.join(words)}{' sliced' if sliced else ''} {name}."
        if game.toggleable & state.toggled & 1 << o:
            return f"This {name} is on."
        if game.sliceable >> o & sliced:
            return f"This is a sliced {name}."
        return f"There's nothing special about {name}."


_VERBS = {
    "go": Engine._go,
    "open": Engine._open,
    "close": Engine._close,
    "take": Engine._take,
    "move": Engine._move,
    "put": Engine._put,
    "clean": Engine._clean,
    "heat": Engine._heat,
    "cool": Engine._cool,
    "use": Engine._use,
    "slice": Engine._slice,
    "examine": Engine._examine,
    "look": Engine._look_around,
    "inventory": Engine._inventory,
    "help": Engine._help,
}


def _with(masks: tuple[int, ...], index: int, mask: int) -> tuple[int, ...]:
    return (*masks[:index], mask, *masks[index + 1 :])


def _join(things: list[str]) -> str:
    """``nothing``, ``a``, ``a, and b``, ``a, b, and c``."""
    if len(things) < 2:
        return things[0] if things else "nothing"
    return f"{', '.join(things[:-1])}, and {things[-1]}"
