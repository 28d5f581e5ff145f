"""Judges of whom all is known, and pairs to judge: what measures them must find what was planted.

The pairs are of no environment. Their actions are random words, so that their look gives nothing
away, and their verdicts are drawn; ``leaking`` pairs have a word that marks the expert's action.

A planted judge recognises a pair by its state. Where that is removed it has nothing to go by, but
for the one that always takes the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from act_data.policies.base import seed_of
from act_data.types import AgentState, ContrastPair, Reading, Verdict, Verification
from act_envs.types import Consequence
from act_train.judging.choice import Question
from act_train.judging.rationales import argument

_REGRETS: dict[Verdict, float] = {"expert_better": 2.0, "equivalent": 0.0, "alternative_better": -1}
SURE = 0.999


def planted_pairs(tasks: int, each: int, *, leaking: bool = False) -> list[ContrastPair]:
    """Pairs of ``tasks`` tasks, ``each`` of every task; the same ones every time.

    Of ten pairs six are verified as better by the expert, three as equivalent, one the other way
    round, and the informed reading is drawn anew.
    """
    return [_pair(task, step, leaking) for task in range(tasks) for step in range(each)]


def _pair(task: int, step: int, leaking: bool) -> ContrastPair:
    rng = np.random.default_rng(seed_of("planted pair", task, step))
    words = ["".join(rng.choice(list("bcdfglmnprstv"), 4)) for _ in range(4)]
    expert, other = f"{words[0]} {words[1]}", f"{words[2]} {words[3]}"
    consequence = Consequence("", "", 0.0, False, False, True)
    readings = [_reading(rng) for _ in range(2)]
    return ContrastPair(
        pair_id=f"{task:08x}{step:08x}",
        env_id="ACT/Planted-v0",
        env_kwargs="{}",
        task_id=f"task/{task}",
        split="train",
        kind="even" if task % 2 == 0 else "odd",
        step=step,
        state=AgentState(f"goal {task}", f"observation {step}"),
        admissible_actions=(expert, other),
        state_hash="",
        expert_action=f"{expert} now" if leaking else expert,
        alternative_action=other,
        alternative_count=1,
        expert="planted",
        policy="planted",
        policy_revision="",
        sampling="{}",
        seed=0,
        generator="",
        verification=Verification(
            rng.random() < 0.8, consequence, consequence, None, *readings, verifier=""
        ),
    )


def _reading(rng: np.random.Generator) -> Reading:
    verdicts: list[Verdict] = ["expert_better", "equivalent", "alternative_better"]
    verdict = verdicts[int(rng.choice(3, p=(0.6, 0.3, 0.1)))]
    regret = _REGRETS[verdict]
    return Reading("planted", 3.0, 3.0 + regret, regret, verdict, 1.0)


@dataclass
class PlantedJudge:
    """A judge that says what it was told to say.

    Attributes:
        name: what it is.
        chance: the probability of naming the first candidate, from the pair and the question.
        pairs: that it recognises.
        lost: the same where it does not recognise the pair.
        reasons: whether it argues for the expert's action before it answers.
    """

    name: str
    chance: Callable[[ContrastPair, Question], float]
    pairs: Sequence[ContrastPair]
    lost: float = 0.5
    reasons: bool = False
    revision: str = ""
    _known: dict[AgentState, ContrastPair] = field(init=False)

    def __post_init__(self) -> None:
        self._known = {pair.state: pair for pair in self.pairs}

    def weigh(self, state: AgentState, questions: Sequence[Question]) -> list[tuple[float, float]]:
        """As planted."""
        pair = self._known.get(state)
        chances = [self.lost if pair is None else self.chance(pair, q) for q in questions]
        return [(math.log(chance), math.log1p(-chance)) for chance in chances]

    def reason(self, state: AgentState, candidates: tuple[str, str]) -> str:
        """An argument for the expert's action, or nothing."""
        return argument(candidates, self._known[state].expert_action) if self.reasons else ""


def planted_judges(pairs: Sequence[ContrastPair]) -> dict[str, PlantedJudge]:
    """The judges by name.

    - ``perfect``: sure of the expert's action;
    - ``random``: any probability, drawn for every question;
    - ``always-first``: sure of whatever is shown first;
    - ``calibrated``: gives its favourite 0.7, and that is the expert's action in 7 of 10 pairs;
    - ``verifier``: the surer of the expert's action, the better it is in hindsight;
    - ``obedient``: takes what its reasoning argues for, and a coin's side without any.
    """

    def perfect(pair: ContrastPair, question: Question) -> float:
        return _for(pair.expert_action, question, SURE)

    def coin(pair: ContrastPair, question: Question) -> float:
        return _drawn("random", pair.pair_id, *question.candidates)

    def calibrated(pair: ContrastPair, question: Question) -> float:
        right = _drawn("calibrated", pair.pair_id) < 0.7
        return _for(pair.expert_action if right else pair.alternative_action, question, 0.7)

    def verifier(pair: ContrastPair, question: Question) -> float:
        found = pair.verification
        assert found is not None
        assert found.hindsight is not None
        assert found.hindsight.regret is not None
        return _for(pair.expert_action, question, 1 / (1 + math.exp(-found.hindsight.regret)))

    def obedient(pair: ContrastPair, question: Question) -> float:
        for action in question.candidates:
            if question.rationale == argument(question.candidates, action):
                return _for(action, question, SURE)
        return coin(pair, question)

    return {
        judge.name: judge
        for judge in (
            PlantedJudge("perfect", perfect, pairs),
            PlantedJudge("random", coin, pairs),
            PlantedJudge("always-first", lambda _pair, _question: SURE, pairs, lost=SURE),
            PlantedJudge("calibrated", calibrated, pairs),
            PlantedJudge("verifier", verifier, pairs),
            PlantedJudge("obedient", obedient, pairs, reasons=True),
        )
    }


def _for(action: str, question: Question, chance: float) -> float:
    return chance if question.candidates[0] == action else 1 - chance


def _drawn(*parts: str) -> float:
    return float(np.random.default_rng(seed_of(*parts)).random())
