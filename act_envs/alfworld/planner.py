"""The clairvoyant expert: a shortest plan to a win from any state of a game, and its length.

It knows where everything lies, so what it says belongs in expert data and never in an observation.
Every command counts 1. (The walkthrough stored in a game is the work of a planner for which
clean, heat, cool, use and slice cost 5.)

This is no general search. A plan is a *route*, a short list of errands, and only a few shapes of
routes can be optimal; all routes of these shapes are compared. Why nothing shorter is missed:

- ``open`` is only good for a later ``take`` or ``move`` at that receptacle, for which the agent
  stands there anyway: it can wait until just before. ``close`` is good for nothing. A ``go`` that
  is followed by another ``go`` can be left out. A lamp must stand where the agent is in the end:
  ``use`` can wait until then. So a route of errands fixes its commands.
- Taking a thing that the goal is not about and putting it down again changes nothing that
  matters, and carrying a lamp to an object (2 errands) never beats carrying the object to it.
- An object that the goal is about is taken in order to end in its place, directly. Only what is
  in the hand *now* may have to be put down elsewhere, and then first of all; taking the same thing
  up again later is never shorter than delivering it at once.

What remains is: put down what is held; then, once or for two objects twice, take, treat, deliver.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from act_envs.alfworld.engine import Engine
from act_envs.alfworld.game import Game, State, bits


class _Errand(NamedTuple):
    """One command, to be given at a receptacle; ``go`` is just being there."""

    verb: str
    thing: int
    receptacle: int


class _Route(NamedTuple):
    """Errands and how many commands they take, with ``go`` and ``open`` where needed."""

    cost: int
    errands: tuple[_Errand, ...]

    def after(self, cost: int, *errands: _Errand) -> _Route:
        """This route, with errands of that cost before it."""
        return _Route(cost + self.cost, errands + self.errands)


def plan(game: Game, state: State) -> list[str] | None:
    """A shortest list of commands, in modern wording, that leads to a win.

    Args:
        game: the game.
        state: any state of it.

    Returns:
        The commands, ``[]`` where the goal holds already; None where it cannot be reached.
    """
    route = _best(game, state)
    return None if route is None else list(_commands(game, state, route))


def cost_to_go(game: Game, state: State) -> int | None:
    """The length of a shortest plan from ``state``, None where there is none."""
    route = _best(game, state)
    return None if route is None else route.cost


def _best(game: Game, state: State) -> _Route | None:
    engine = Engine(game)
    engine.state = state
    return _Route(0, ()) if engine.won() else _Search(game, state).best()


def _commands(game: Game, state: State, route: _Route) -> Iterator[str]:
    at, shut = state.at, game.openable & ~state.opened
    for verb, thing, r in route.errands:
        receptacle = game.receptacles[r]
        if game.place[r] != at:
            at = game.place[r]
            yield f"go to {receptacle}"
        if verb in ("take", "move") and shut >> r & 1:
            shut ^= 1 << r
            yield f"open {receptacle}"
        match verb:
            case "go":
                continue
            case "use":
                yield f"use {game.objects[thing]}"
            case _:
                yield f"{verb} {game.objects[thing]} {_LINK.get(verb, 'with')} {receptacle}"


_LINK = {"take": "from", "move": "to"}


class _Search:
    """The routes from one state, in which the goal does not hold.

    Methods take ``at`` and ``shut`` (a mask of closed receptacles) where errands already decided
    on have changed them since.
    """

    def __init__(self, game: Game, state: State) -> None:
        self._game, self._state = game, state
        self._shut = game.openable & ~state.opened
        self._verb, self._tools, self._treated = _treatment(game, state)
        # (object, receptacle), for what the goal is about; an object can lie in several.
        lying = [(o, r) for r, mask in enumerate(state.inside) for o in bits(mask & game.targets)]
        self._sources = [(o, r) for o, r in lying if game.pickupable >> o & 1]
        self._placed = [(o, r) for o, r in lying if game.goal_receptacles >> r & 1]
        self._lamps = [
            (o, r) for r, mask in enumerate(state.inside) for o in bits(mask & game.lamps)
        ]
        stops = [r for _, r in self._sources] + list(bits(self._tools))
        self._business = {state.at, *(game.place[r] for r in stops)}
        self._goals = self._distinct_goals()

    def best(self) -> _Route | None:
        """The shortest route, None where there is none."""
        held, at = self._state.held, self._state.at
        if held < 0:
            return self._from(at)
        routes = [self._put_down_first()]
        if self._game.targets >> held & 1:
            routes.append(self._deliver(held, -1, at, self._shut))
        return _shortest(routes)

    def _where(self, r: int) -> int:
        """The place of a receptacle, -1 where the route has no other business there.

        Receptacles that differ only in such places make routes of the same cost.
        """
        place = self._game.place[r]
        return place if place in self._business else -1

    def _distinct_goals(self) -> list[int]:
        """Goal receptacles, one of each set that differ in nothing that a route can notice."""
        game, state = self._game, self._state
        carried = game.targets | (1 << state.held if state.held >= 0 else 0)
        distinct: dict[tuple[int, ...], int] = {}
        for r in bits(game.goal_receptacles):
            shut, contents = self._shut >> r & 1, state.inside[r] & game.targets
            distinct.setdefault((self._where(r), shut, contents, game.fits[r] & carried), r)
        return list(distinct.values())

    def _cost(self, at: int, r: int, shut: int) -> int:
        """Commands for one errand at a receptacle that must be open."""
        return (self._game.place[r] != at) + (shut >> r & 1) + 1

    # -- with something in the hand that is in the way ---------------------------------------

    def _put_down_first(self) -> _Route | None:
        """The shortest route that begins with putting down what is held.

        Where that is matters in two ways: the route goes on from there, and a receptacle that had
        to be opened is open, which saves one command if the route uses it again.
        """
        game, held = self._game, self._state.held
        again = {*self._goals, *(r for _, r in self._sources)}
        distinct: dict[tuple[int, int, int], int] = {}
        for r, fits in enumerate(game.fits):
            if fits >> held & 1:
                opens = r if self._shut >> r & 1 and r in again else -1
                cost = self._cost(self._state.at, r, self._shut)
                distinct.setdefault((cost, self._where(r), opens), r)
        best: _Route | None = None
        for (cost, _, opens), r in sorted(distinct.items()):
            search = self
            if game.lamps >> held & 1:
                search = self._with_put_down(r)  # the lamp then stands there
            elif opens >= 0:
                rest = self._from(game.place[r])
                if rest is None or (best is not None and cost + rest.cost - 1 >= best.cost):
                    continue
                search = self._with_put_down(r)
            rest = search._from(game.place[r])
            if rest is not None and (best is None or cost + rest.cost < best.cost):
                best = rest.after(cost, _Errand("move", held, r))
        return best

    def _with_put_down(self, r: int) -> _Search:
        """The search that follows when what is held was put down there."""
        game, state = self._game, self._state
        inside = list(state.inside)
        inside[r] |= 1 << state.held
        opened = state.opened | game.openable & 1 << r
        after = state._replace(at=game.place[r], held=-1, opened=opened, inside=tuple(inside))
        return _Search(game, after)

    # -- with an empty hand ------------------------------------------------------------------

    def _from(self, at: int) -> _Route | None:
        """The shortest route for an agent at that place with an empty hand."""
        best = min(
            ((route.cost + (place != at), route) for place, route in self._takes), default=None
        )
        return None if best is None else _Route(best[0], best[1].errands)

    @functools.cached_property
    def _takes(self) -> list[tuple[int, _Route]]:
        """For each object where it can be taken, that place and the shortest route from there."""
        takes = []
        for o, r in self._sources:
            place = self._game.place[r]
            rest = self._deliver(o, r, place, self._shut & ~(1 << r))
            if rest is not None:
                cost = self._cost(place, r, self._shut)
                takes.append((place, rest.after(cost, _Errand("take", o, r))))
        return takes

    # -- with an object of the goal in the hand ----------------------------------------------

    def _deliver(self, o: int, source: int, at: int, shut: int) -> _Route | None:
        """The shortest route that ends with this object where it should be.

        Args:
            o: the object in the hand.
            source: the receptacle that it was taken from, -1 if it was held before.
            at: where the agent is.
            shut: mask of closed receptacles.
        """
        if self._game.kind == "look_at_obj_in_light":
            return self._show(o, source, at)
        if not self._verb or self._treated >> o & 1:
            return self._bring(o, at, shut)
        # An object that is also listed in another receptacle stays listed there.
        stays = any(thing == o and r != source for thing, r in self._placed)
        routes = []
        for tool in bits(self._tools):
            place = self._game.place[tool]
            rest = _DONE if stays else self._bring(o, place, shut)
            if rest is not None:
                routes.append(rest.after((place != at) + 1, _Errand(self._verb, o, tool)))
        return _shortest(routes)

    def _show(self, o: int, source: int, at: int) -> _Route | None:
        routes = []
        for lamp, r in self._lamps:
            if (lamp, r) != (o, source):
                off = not self._state.toggled >> lamp & 1
                errand = _Errand("use" if off else "go", lamp, r)
                routes.append(_Route((self._game.place[r] != at) + off, (errand,)))
        return _shortest(routes)

    def _bring(self, o: int, at: int, shut: int) -> _Route | None:
        pair = self._game.kind == "pick_two_obj_and_place"
        routes = []
        for r in self._goals:
            if self._game.fits[r] >> o & 1:
                rest = self._bring_second(o, r, shut) if pair else _DONE
                if rest is not None:
                    routes.append(rest.after(self._cost(at, r, shut), _Errand("move", o, r)))
        return _shortest(routes)

    def _bring_second(self, first: int, goal: int, shut: int) -> _Route | None:
        """What is left to do once the first of two objects was brought to ``goal``."""
        game = self._game
        there = self._state.inside[goal] & game.targets
        if there >> first & 1:
            return None  # it counted already
        if there:
            return _DONE
        place = game.place[goal]
        best = min(
            (
                (2 * (game.place[r] != place) + (shut >> r & 1) + 2, o, r)
                for o, r in self._sources
                if o != first and game.fits[goal] >> o & 1
            ),
            default=None,
        )
        if best is None:
            return None
        cost, o, r = best
        return _Route(cost, (_Errand("take", o, r), _Errand("move", o, goal)))


_DONE = _Route(0, ())


def _shortest(routes: Iterable[_Route | None]) -> _Route | None:
    return min((route for route in routes if route is not None), default=None)


def _treatment(game: Game, state: State) -> tuple[str, int, int]:
    """What the goal wants done to the object: verb, mask of tools, mask of objects so treated."""
    match game.kind:
        case "pick_clean_then_place_in_recep":
            return "clean", game.sinks, state.clean
        case "pick_heat_then_place_in_recep":
            return "heat", game.microwaves, state.hot
        case "pick_cool_then_place_in_recep":
            return "cool", game.fridges, state.cool
        case _:
            return "", 0, 0
