"""The plan of the paper's comparison: its rows, its budgets, and what is kept of its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from act_train import evaluate
from act_train.arguments.measuring import EvaluateArguments
from act_train.pipelines.reading import read
from act_train.pipelines.running import check
from act_train.pipelines.steps import Step, steps
from act_train.reporting.published import paper
from benchmarks.paper_table.__main__ import GAMES, HERE, KEPT, data_commands, keep

PROMPTS = 1920  # of a stage


@pytest.fixture
def planned(tmp_path: Path) -> list[Step]:
    for kind in ("pairs", "trajectories", "verified"):
        (tmp_path / kind).write_bytes(b"what lies there is not read yet")
    return steps([read(str(HERE / "houses.yaml"), [f"data={tmp_path}"])])


def test_the_plan_can_be_run_and_holds_every_row(planned: list[Step], tmp_path: Path) -> None:
    check(planned, tmp_path)
    rows = {step.row for step in planned if step.row}
    assert {*paper().methods} - rows == {
        "prompt", "prompt-thinking", "sand", "agent-r", "rl", "act+rl", "early-experience",
    }  # fmt: skip
    trained = [step for step in planned if not step.row]
    assert len(trained) == 18 * 5
    assert {step.options["seed"] for step in trained} == {*range(5)}
    played = [step for step in planned if step.stage == "evaluate"]
    assert {step.options["env_kwargs"] for step in played} == {GAMES}
    collect, *_ = data_commands(tmp_path)
    assert collect[collect.index("--env-kwargs") + 1] == GAMES


def test_every_stage_sees_as_many_prompts(planned: list[Step]) -> None:
    for step in planned:
        if step.row:
            continue
        told: Any = step.options
        answers = told.get("num_generations", 1)
        prompts = told["max_steps"] * told["per_device_train_batch_size"] // answers
        assert prompts == PROMPTS, step.title
        assert told["history"] == 2


def test_results_of_several_calls_are_kept_together(tmp_path: Path) -> None:
    def finished(seed: int) -> list[Step]:
        out = tmp_path / f"{seed}.jsonl"
        asked = EvaluateArguments(
            policy="random-admissible", env="ACT/Toy-v0", split="test", limit=2, seed=seed,
            output=str(out),
        )  # fmt: skip
        evaluate.run(asked)
        names = (f"imitate-{seed}", f"evaluate-{seed}")
        trained = Step(names[0], "", "imitate", {"seed": seed}, {}, tmp_path, ())
        return [trained, Step(names[1], "", "evaluate", {}, {}, out, (names[0],), row="il")]

    first, second = finished(0), finished(1)
    for done in (first, second, first):
        keep(done, tmp_path, tmp_path / "results")
    found = [json.loads(one) for one in (tmp_path / "results/houses.jsonl").open()]
    assert [(one["seed"], one["row"]) for one in found] == [(0, "il")] * 2 + [(1, "il")] * 2
    assert found[0].keys() == {"row", "seed", "model", "step", "split", *KEPT}
    assert len(json.loads((tmp_path / "results/steps.json").read_text())) == 4
