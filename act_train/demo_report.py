"""What the demo's report says, from the folders that the demo's steps wrote.

Results, judges, learning curves and episodes are shown as ``act-train report`` shows them. The
words here are chosen so that a stranger does not take a demonstration for evidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from act_data.models import NANO_BASE
from act_data.storage.files import write_text
from act_data.storage.tables import read_pairs
from act_data.types import ContrastPair
from act_envs import __version__
from act_train.evaluation.pairing import difference
from act_train.evaluation.results import read_results
from act_train.report import sections_of
from act_train.reporting.experiments import experiments
from act_train.reporting.page import render
from act_train.reporting.runs import find
from act_train.reporting.sections import Section, Table, Value
from act_train.statistics import mean_interval

HISTORY = 2  # past turns in the prompt, of every step
PLAYERS = {
    "base": NANO_BASE,
    "critique": "ACT",
    "imitate": "imitation",
    "act-imitate": "ACT, then imitation",
}
"""What the report calls the models of the demo."""

CAVEATS = (
    "What this shows: the method of Agentic Critical Training from end to end, with nothing "
    "downloaded. An expert plays generated houses. A base model says what it would have done in "
    "the expert's place. Both actions are executed from the same state, and pairs whose label does "
    "not hold are left out. By reinforcement the model then learns to name the better of two "
    "actions; judged and played are tasks that it was never trained on.",
    "What it cannot show: that the method is worth its cost. The model has 1.3 million weights and "
    "knows little but such houses; it was trained once, for minutes, with one seed, and seeds "
    "differ; its learning rate and temperature were chosen on pairs of these very tasks, among "
    "three. Differences whose intervals overlap are chance, whichever way they point. The paper's "
    "numbers are for models of 4 to 8 billion weights.",
)


def write_report(out: Path, seconds: float, durations: Mapping[str, float]) -> Path:
    """Write ``report.html`` from the folders of a finished demo.

    Args:
        out: the demo's folder.
        seconds: in which anything was run.
        durations: seconds of each command.

    Returns:
        The path of the report.
    """
    judged = {name: _json(out / f"judge/{name}.json") for name in ("base", "critique")}
    mined, (noise, *_) = _json(out / "mined/summary.json")["counts"], _json(out / "noise.json")
    runs = [
        *(f"{label}={out}/judge/{name}.json" for name, label in list(PLAYERS.items())[:2]),
        *(f"{label}={out}/{name}" for name, label in list(PLAYERS.items())[1:]),
        *(
            f"{label}={path}"
            for name, label in PLAYERS.items()
            for path in sorted(out.glob(f"evaluation/*/{name}.jsonl"))
        ),
    ]
    found = find(runs, ())
    verified = list(read_pairs(out / "verified"))
    values = {
        "title": "ACT demo: learning to judge actions",
        "lead": (
            f"{mined['states']:,} states of expert play, {mined['pairs']:,} alternatives, each "
            f"executed beside the expert's action, one model of 1.3 million weights, "
            f"{seconds / 60:.1f} minutes on this machine."
        ),
        "cards": [
            *_judge_cards(judged),
            _card(
                _percent(noise["shares"]["noise"]["value"]),
                "of the pairs do not hold what the paper assumes, that the expert's action is "
                "better: both were executed, and the alternative is as good or better",
            ),
            _card(
                _both(out, "imitate", "act-imitate"),
                "houses won, choosing among the admissible actions, in rooms never seen in "
                "training: imitation alone, and after ACT",
            ),
        ],
        "caveats": CAVEATS,
        "sections": [
            _pairs(mined, noise, verified),
            Section("What it learnt", (_verdict(judged), _played(out)), ()),
            *sections_of(found, experiments(found.results), examples=1),
            _again(durations),
        ],
        "footer": (
            f"agentic-critical-training {__version__}, trl {version('trl')}, "
            f"transformers {version('transformers')}, torch {version('torch')}. "
            "Method: arXiv 2603.08706."
        ),
    }
    path = out / "report.html"
    write_text(path, render("demo.html", values))
    return path


def _judge_cards(judged: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    before, after = judged["base"], judged["critique"]
    floor = max(after["no_state_accuracy"], after["text_accuracy"])
    return [
        _card(
            f"{before['accuracy']:.2f} → {after['accuracy']:.2f}",
            f"accuracy as a judge, before and after the critique stage, on {after['pairs']} pairs "
            f"of {after['tasks']} tasks that it was not trained on",
        ),
        _card(
            f"{floor:.2f}",
            "is what can be had without reading the state; guessing gives 0.50",
        ),
    ]


def _verdict(judged: Mapping[str, Mapping[str, Any]]) -> str:
    """What the critique stage changed, pair by pair, as it really went."""
    before, after = judged["base"], judged["critique"]
    changes = [
        (task, (sum(new) - sum(old)) / 2)
        for (_, task, *old), (_, _, *new) in zip(before["verdicts"], after["verdicts"], strict=True)
    ]
    change, (low, high) = mean_interval(
        [change for _, change in changes], [task for task, _ in changes], least=-1
    )
    if low <= 0 <= high:
        found = "In this run the critique stage changed the accuracy by no more than chance does"
    else:
        found = f"In this run the critique stage {'raised' if low > 0 else 'lowered'} the accuracy"
    above = "above" if after["above_floor"] else "not clearly above"
    return (
        f"Each pair is asked in both orders; the answer that the model finds likelier counts. "
        f"{found}: {change:+.3f} (95 % interval {low:+.3f} to {high:+.3f}, paired, by task). "
        f"Afterwards it is {above} what the texts of the actions give away."
    )


def _played(out: Path) -> str:
    """What ACT changed of the imitation after it, in rooms never seen."""
    lines = [
        read_results(out / f"evaluation/unseen/{name}.jsonl") for name in ("imitate", "act-imitate")
    ]
    found = difference([lines[0]], [lines[1]], "success")
    return (
        "And to act, choosing among the admissible actions? In rooms never seen, "
        f"{_percent(found.a)} of the houses are won after imitation alone and "
        f"{_percent(found.b)} after ACT and imitation, a difference of "
        f"{100 * found.change:+.0f} points (95 % interval {100 * found.low:+.0f} to "
        f"{100 * found.high:+.0f}, paired by task): with so few tasks and one seed this is told, "
        "not claimed."
    )


def _both(out: Path, *names: str) -> str:
    shares = []
    for name in names:
        lines = read_results(out / f"evaluation/unseen/{name}.jsonl")
        shares.append(_percent(sum(line["won"] for line in lines) / len(lines)))
    return " → ".join(shares)


def _pairs(
    mined: Mapping[str, int], noise: Mapping[str, Any], verified: Sequence[ContrastPair]
) -> Section:
    shares = {name: _share(found) for name, found in noise["shares"].items()}
    return Section(
        "Pairs, and what their labels are worth",
        (
            f"At {mined['states']:,} states of the expert's play the base was asked four times for "
            f"the next action. {mined['as_expert']:,} of {mined['samples']:,} answers are the "
            f"expert's own; the others make {mined['pairs']:,} pairs, "
            f"in {mined['inadmissible']:,} of which the simulator refuses the alternative. The "
            "paper labels the expert's action better without looking. Here both were executed, and "
            "an exact planner says what each then costs: only pairs in which the expert's is "
            "better are trained on.",
        ),
        (
            Table(
                "What executing both actions says of the label “the expert's is better”",
                ("of the pairs", "share [95 %, bootstrap over tasks]"),
                [
                    ("it holds", shares["expert_better"]),
                    ("the alternative leads to the same state", shares["same_state"]),
                    ("the two actions commute", shares["commute"]),
                    ("both cost the same", shares["equal_cost"]),
                    ("the alternative is better", shares["alternative_better"]),
                ],
            ),
            Table(
                "Some of them",
                ("task", "last observation", "the expert's action", "the base's", "verdict"),
                [_example(pair) for pair in _one_a_verdict(verified)],
            ),
        ),
    )


def _one_a_verdict(pairs: Sequence[ContrastPair]) -> list[ContrastPair]:
    """Two of each verdict, from the middle of the episodes, so that something has happened."""
    verdicts: dict[str, list[ContrastPair]] = {}
    for pair in pairs:
        if pair.step > 1 and pair.verification and pair.verification.hindsight:
            verdicts.setdefault(pair.verification.hindsight.verdict, []).append(pair)
    return [pair for name in sorted(verdicts) for pair in verdicts[name][:2]]


def _example(pair: ContrastPair) -> tuple[str, ...]:
    assert pair.verification is not None
    reading = pair.verification.hindsight
    assert reading is not None
    costs = (reading.expert_cost, reading.alternative_cost)
    steps = " or ".join("never" if cost == float("inf") else f"{cost:.0f}" for cost in costs)
    verdict = reading.verdict.replace("_", " ")
    if not pair.verification.admissible:
        verdict += ", alternative refused"
    return (
        pair.state.goal,
        " ".join(pair.state.observation.split()),
        pair.expert_action,
        pair.alternative_action,
        f"{verdict}: {steps} steps to go",
    )


def _again(durations: Mapping[str, float]) -> Section:
    rows = [(line, f"{taken:.0f}") for line, taken in durations.items()]
    return Section(
        "Run it again",
        (
            "Every step is a command; what is cut short goes on where it stopped. Where there are "
            "two cores, the last ones run at the same time as those before them.",
        ),
        (Table("Commands, in their order", ("command", "seconds"), rows),),
    )


def _share(found: Mapping[str, float]) -> Value:
    value, low, high = (f"{100 * found[name]:.1f}" for name in ("value", "low", "high"))
    return Value(f"{value} %", f"[{low}, {high}]")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _card(value: str, label: str) -> dict[str, str]:
    return {"value": value, "label": label}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
