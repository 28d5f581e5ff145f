"""Readings against costs counted by hand, in small graphs of states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from act_data.policies.base import Query, Sample
from act_data.types import AgentState, Reading
from act_data.verification.hindsight import Hindsight
from act_data.verification.informed import Informed, Rollouts
from act_data.verification.readings import judge
from act_envs import TextEnv
from act_envs.types import Expert, Outcome, Task

TASK = Task("graph/0", "train", "graph")


@dataclass
class Graph:
    """States with the actions that lead on; what is not among them leads nowhere."""

    edges: dict[str, dict[str, str]]
    advice: dict[str, str] = field(default_factory=dict)  # the expert's, by state
    sees: str = "all"
    exact: dict[str, float] = field(default_factory=dict)  # costs to go
    worlds: Sequence[str] = ()  # what may be the state, as far as the agent knows
    state: str = "start"
    name: str = "graph"
    splits: tuple[str, ...] = ("train",)
    panels: tuple[str, ...] = ()
    refusal: str | None = "No."

    @property
    def experts(self) -> tuple[Expert, ...]:
        return (Expert("guide", self.sees),) if self.advice else ()  # pyright: ignore[reportArgumentType]

    def tasks(self, split: str) -> Sequence[Task]:
        return [TASK]

    def task(self, task_id: str) -> Task:
        return TASK

    def start(self, task: Task) -> Outcome:
        self.state = "start"
        return self._outcome(valid=True)

    def goal(self) -> str:
        return "win"

    def act(self, action: str) -> Outcome:
        there = self.edges.get(self.state, {})
        self.state = there.get(action, self.state)
        return self._outcome(valid=action in there)

    def canonical(self, action: str) -> str:
        return action

    def admissible_actions(self) -> list[str]:
        return sorted(self.edges.get(self.state, {}))

    def expert_action(self, expert: str) -> str | None:
        return self.advice.get(self.state)

    def cost_to_go(self) -> float | None:
        return self.exact[self.state] if self.exact else None

    def sample_world(self, seed: int) -> object | None:
        return self.worlds[seed % len(self.worlds)] if self.worlds else None

    def snapshot(self) -> object:
        return self.state

    def restore(self, task: Task, state: object) -> None:
        self.state = str(state)

    def twin(self) -> Graph:
        raise NotImplementedError

    def fingerprint(self) -> bytes:
        return self.state.encode()

    def close(self) -> None:
        pass

    def _outcome(self, *, valid: bool) -> Outcome:
        won, failed = self.state.startswith("won"), self.state == "lost"
        return Outcome(self.state, float(won), float(won), won, failed, valid)


def started(graph: Graph) -> TextEnv:
    env = TextEnv(graph, split="train", step_limit=None, unknown={})
    env.reset()
    return env


def hindsight(graph: Graph, alternative: str, expert: str = "go") -> Reading:
    reading = Hindsight(started(graph), expert).read(alternative)
    assert reading is not None
    return reading


def corridor(**options: Any) -> Graph:
    """start -go-> a -go-> b -go-> won, and some ways to leave it."""
    edges = {
        "start": {"go": "a", "look": "start", "jump": "b", "fall": "lost", "hide": "cave"},
        "a": {"go": "b", "back": "start"},
        "b": {"go": "won"},
        "cave": {"sit": "cave"},
    }
    return Graph(edges, **options)


EXACT = {"start": 3, "a": 2, "b": 1, "cave": math.inf}
ADVICE = {"start": "go", "a": "go", "b": "go"}


@pytest.mark.parametrize("options", [{"exact": EXACT}, {"advice": ADVICE}])
@pytest.mark.parametrize(
    ("alternative", "regret", "verdict"),
    [
        ("look", 1, "expert_better"),
        ("xyzzy", 1, "expert_better"),
        ("go", 0, "equivalent"),
        ("jump", -1, "alternative_better"),
        ("fall", math.inf, "expert_better"),
    ],
)
def test_costs_by_a_planner_or_by_an_expert(
    options: dict[str, Any], alternative: str, regret: float, verdict: str
) -> None:
    reading = hindsight(corridor(**options), alternative)
    assert (reading.expert_cost, reading.regret, reading.verdict) == (3, regret, verdict)
    assert reading.method == ("planner" if "exact" in options else "continuation:guide")
    proven = "exact" in options or alternative in ("go", "fall")
    assert reading.confidence == (1.0 if proven else None)


def test_a_dead_end_is_lost_for_the_planner_and_unknown_to_others() -> None:
    assert hindsight(corridor(exact=EXACT), "hide").regret == math.inf
    reading = hindsight(corridor(advice=ADVICE), "hide")
    assert (reading.verdict, reading.regret, reading.confidence) == ("unknown", None, None)


def test_two_dead_ends_are_not_compared() -> None:
    reading = hindsight(corridor(exact=EXACT), "hide", expert="fall")
    assert (reading.verdict, reading.regret) == ("unknown", None)


def test_nobody_to_ask() -> None:
    assert Hindsight(started(corridor()), "go").read("look") is None
    assert Informed(started(corridor()), "go", seed=(0,), worlds=8).read("look") is None


# -- an expert that knows one path and nothing beside it ------------------------------------------


def errands(**more: dict[str, str]) -> Graph:
    """Two errands, 1 and 2, in any order, then 3; the expert knows 1, 2, 3 and takes a rest."""
    edges = {
        "start": {"1": "1", "2": "2", "step aside": "aside"},
        "1": {"2": "12", "rest": "1'"},
        "1'": {"2": "12"},
        "2": {"1": "12", "rest": "2'"},
        "2'": {"1": "12"},
        "aside": {"step back": "start"},
        "12": {"3": "won"},
        **more,
    }
    return Graph(edges, {"start": "1", "1": "rest", "1'": "2", "12": "3"})


def test_the_experts_own_detours_do_not_count() -> None:
    reading = hindsight(errands(), "2", expert="1")
    # After 1: rest, 2, 3; without the rest, 2, 3. After 2: 1, 3, for the expert's 2 comes first.
    assert (reading.expert_cost, reading.alternative_cost) == (3, 3)
    assert (reading.method, reading.verdict) == ("path:guide", "equivalent")
    assert reading.confidence is None


def test_what_the_path_can_spare_is_spared_on_both_sides() -> None:
    """The expert takes six rests after its action; the other action needs none of them either."""
    rests = {str(n): {"rest": str(n + 1), "finish": "won"} for n in range(6)}
    edges = {"start": {"go": "0", "hop": "b"}, "b": {"finish": "won", "rest": "b"}, **rests}
    edges["6"] = {"finish": "won"}
    advice = {"start": "go", "6": "finish"} | {str(n): "rest" for n in range(6)}
    reading = hindsight(Graph(edges, advice), "hop")
    assert (reading.expert_cost, reading.alternative_cost) == (5, 5)
    assert (reading.method, reading.verdict) == ("path:guide", "equivalent")


def test_the_way_back_is_found() -> None:
    reading = hindsight(errands(), "step aside", expert="1")
    assert (reading.alternative_cost, reading.verdict) == (5, "expert_better")
    blocked = errands(aside={"sit": "aside"})
    assert hindsight(blocked, "step aside", expert="1").verdict == "unknown"


# -- what the agent has observed ------------------------------------------------------------------


def doors(worlds: Sequence[str]) -> Graph:
    """The prize is behind door A or B; the expert opens A first, then B."""
    edges = {
        "A": {"open A": "won", "open B": "A-", "look": "A"},
        "A-": {"open A": "won"},
        "B": {"open A": "B-", "open B": "won", "look": "B"},
        "B-": {"open B": "won"},
        "start": {"open A": "won", "open B": "A-", "look": "start"},
    }
    advice = {"start": "open A", "A": "open A", "B": "open A", "A-": "open A", "B-": "open B"}
    return Graph(edges, advice, "observed", worlds=worlds)


def informed(graph: Graph, alternative: str, worlds: int = 32) -> Reading:
    judge = Informed(started(graph), "open A", seed=(1, 2, 3, 4), worlds=worlds)
    reading = judge.read(alternative)
    assert reading is not None
    assert judge.read(alternative) == reading
    return reading


def test_an_honest_look_behind_the_wrong_door_is_no_error() -> None:
    reading = informed(doors(["A", "B"]), "open B")
    assert reading.verdict == "equivalent"
    assert reading.expert_cost == pytest.approx(1.5, abs=0.4)
    assert reading.method.endswith(":guide")


def test_what_wastes_a_step_in_every_world_is() -> None:
    reading = informed(doors(["A", "B"]), "look")
    assert (reading.regret, reading.verdict) == (1, "expert_better")
    assert reading.confidence is not None
    assert reading.confidence > 0.95
    assert reading.method == "worlds:8:guide"


def test_what_is_known_to_be_wrong_is_an_error() -> None:
    assert informed(doors(["A"]), "open B").verdict == "expert_better"
    assert informed(doors(["B"]), "open B").verdict == "alternative_better"


def test_few_worlds_are_judged_too() -> None:
    reading = informed(doors(["A"]), "look", worlds=3)
    assert (reading.method, reading.verdict) == ("worlds:3:guide", "expert_better")


def test_an_expert_that_gives_up_costs_a_finite_number() -> None:
    graph = doors(["A"])
    graph.edges["A"]["hide"] = "cave"
    reading = informed(graph, "hide")
    assert reading.verdict == "expert_better"
    assert reading.regret is not None
    assert 10 < reading.regret < math.inf


# -- by a policy's continuations ------------------------------------------------------------------


class Coin:
    """Goes on or looks around, by the seed; remembers what it was asked."""

    name, revision, sampling = "coin", "", {}
    needs_admissible = needs_effects = False

    def __init__(self) -> None:
        self.asked: list[Query] = []
        self.batches: list[int] = []

    def sample(self, queries: Sequence[Query], k: int) -> list[list[Sample]]:
        self.asked += queries
        self.batches.append(len(queries))
        heads = [query.seed[0] % 2 for query in queries]
        return [[Sample("", "go" if head else "look")] for head in heads]


def rolled(alternative: str, number: int = 64, policy: Coin | None = None) -> Reading:
    graph = corridor()
    graph.edges["a"]["look"], graph.edges["b"]["look"] = "a", "b"
    known = AgentState("win", "start", (("before", "wait"),))
    judges = Rollouts(
        started(graph), known, "go",
        policy=policy or Coin(), number=number, steps=10, seed=(1, 2),
    )  # fmt: skip
    return judges.read(alternative)


def test_a_policy_goes_on_from_both() -> None:
    reading = rolled("jump")
    # Two ways forward are left of three, at two actions each.
    assert reading.expert_cost == pytest.approx(5, abs=0.7)
    assert reading.alternative_cost == pytest.approx(3, abs=0.5)
    assert (reading.method, reading.verdict) == ("rollouts:64:coin", "alternative_better")
    assert rolled("jump") == reading
    assert rolled("look").verdict == "expert_better"


def test_rollouts_are_asked_for_together() -> None:
    policy = Coin()
    rolled("look", number=16, policy=policy)
    assert max(policy.batches) == 16
    assert len(policy.batches) <= 2 * 9, "nine answers at most follow each of two actions"


def test_a_rollout_that_does_not_win_costs_what_was_allowed() -> None:
    reading = rolled("fall")
    assert (reading.alternative_cost, reading.verdict) == (10, "expert_better")


def test_rollouts_that_never_win_say_nothing() -> None:
    graph = corridor()
    judges = Rollouts(
        started(graph), AgentState("win", "start"), "hide",
        policy=Coin(), number=4, steps=5, seed=(1,),
    )  # fmt: skip
    reading = judges.read("fall")
    assert (reading.verdict, reading.regret, reading.confidence) == ("unknown", None, None)


def test_the_policy_reads_what_an_agent_reads() -> None:
    policy = Coin()
    rolled("look", number=1, policy=policy)
    first = policy.asked[0].state
    assert (first.goal, first.observation) == ("win", "a")
    assert first.history == (("before", "wait"), ("start", "go"))
    assert len({query.seed for query in policy.asked}) > len(policy.asked) // 2
    assert not any(query.admissible_actions or query.expert_action for query in policy.asked)


def test_judging_means() -> None:
    # No squares but those of doubt: a standard error of the root of 4 / (8 * 7).
    assert judge([1] * 8) == ("expert_better", pytest.approx(0.9693, abs=1e-3))
    assert judge([0] * 8) == ("equivalent", pytest.approx(0.9386, abs=1e-3))
    assert judge([-1] * 8) == ("alternative_better", pytest.approx(0.9693, abs=1e-3))
    # A mean of 0.5 is just as likely within the margin as beyond it.
    assert judge([0, 1] * 8)[1] == pytest.approx(0.5, abs=1e-3)
    assert judge([1, -1] * 4) == ("equivalent", pytest.approx(0.7199, abs=1e-3))
    assert judge([1, -1] * 32) == ("equivalent", pytest.approx(1, abs=1e-3))
    assert judge([1] * 2)[1] < 0.9, "two equal draws prove little"
    assert judge([9, -9, 8, -8])[1] < 0.5
