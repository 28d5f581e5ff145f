"""The plan of the paper's comparison: its rows, its budgets, and what is kept of its results."""

from __future__ import annotations

import gzip
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import yaml

pytest.importorskip("trl")

from act_data.errors import DataNotFound
from act_train import evaluate
from act_train.arguments.measuring import EvaluateArguments
from act_train.errors import RecipeError, ResultMismatch
from act_train.pipelines.reading import read
from act_train.pipelines.running import check
from act_train.pipelines.steps import Step, steps
from act_train.reporting.published import paper
from act_train.statistics import mean_interval
from benchmarks.paper_table import overlaps
from benchmarks.paper_table.__main__ import MADE, data_commands, described, planned
from benchmarks.paper_table.actions import Actions, count
from benchmarks.paper_table.judged import of_pairs
from benchmarks.paper_table.overlaps import Overlaps
from benchmarks.paper_table.paired import (
    Changes,
    by_seeds,
    by_seeds_alone,
    crossed,
    holm,
    over_seeds,
    sign_flips,
)
from benchmarks.paper_table.report import Report, report
from benchmarks.paper_table.results import KEPT, compared, counted, keep
from benchmarks.paper_table.worlds import EXPLORED, ROWS, WORLDS
from benchmarks.script import call

PROMPTS = 1920  # of a stage


def steps_of(world: str, folder: Path, *rows: str) -> list[Step]:
    for kind in MADE:
        (folder / kind).write_bytes(b"what lies there is not read yet")
    found = []
    for name, told in planned(WORLDS[world], range(5), rows, 986).items():
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(told, sort_keys=False))
        found.append(read(str(path), [f"data={folder}"], str(folder / "out")))
    return steps(found)


def test_in_houses_every_row_is_run_and_no_pilot_was(tmp_path: Path) -> None:
    found = steps_of("houses", tmp_path)
    check(found, tmp_path)
    rows = {step.row for step in found if step.row}
    assert {*paper().methods} - rows == {
        "prompt-thinking", "sand", "agent-r", "rl", "act+rl", "early-experience",
    }  # fmt: skip
    trained = [step for step in found if not step.row]
    assert len(trained) == 28 * 5
    assert {step.options["seed"] for step in trained} == {*range(5)}
    judged = {step.row for step in found if step.stage == "judge"}
    assert rows - judged == {"il+env-rl", "act+il+env-rl"}  # which have played all tasks
    games = '{"seed_of_games": 7}'
    played = [step for step in found if step.stage in ("evaluate", "env-rl")]
    assert {step.options["env_kwargs"] for step in played} == {games}
    collect, *_ = data_commands(WORLDS["houses"], tmp_path)
    assert collect[collect.index("--env-kwargs") + 1] == games


@pytest.mark.parametrize("world", ["alfworld", "webshop", "scienceworld"])
def test_elsewhere_some_rows_are_run_with_the_stages_that_they_need(
    world: str, tmp_path: Path
) -> None:
    found = steps_of(world, tmp_path)
    check(found, tmp_path)
    assert {step.row for step in found if step.row} == {"prompt", *ROWS}
    trained = [step.title for step in found if not step.row and step.options["seed"] == 0]
    names = ("act", "il", "act-il", "il-rl", "act-il-rl")
    assert trained == [f"{name}, seed 0" for name in names]
    evaluated = [step for step in found if step.row]
    assert {one.options["env"] for one in evaluated if one.stage == "evaluate"} == {
        WORLDS[world].env
    }
    pairs = {one.options.get("max_pairs") for one in evaluated if one.stage == "judge"}
    assert pairs == {"alfworld": {None}, "webshop": {300}, "scienceworld": set()}[world]
    lengths = {one.options["max_length"] for one in found if one.stage == "imitate"}
    assert lengths == {WORLDS[world].max_length}
    (kept,) = {one.options.get("min_format_rate") for one in found if one.stage == "critique"}
    assert (kept == 0) == (world == "scienceworld")  # where the base hardly ever keeps the format


def test_rows_can_be_chosen(tmp_path: Path) -> None:
    found = steps_of("houses", tmp_path, "flip-20+il")
    assert {step.row for step in found} == {"", "prompt", "flip-20+il"}
    assert [step.title for step in found if not step.row][:2] == [
        "flip-20, seed 0", "flip-20-il, seed 0",
    ]  # fmt: skip
    found = steps_of("houses", tmp_path, *EXPLORED)
    assert [step.title for step in found if not step.row][:6] == [
        "format, seed 0", "format-il, seed 0", "format-il-il, seed 0", "format-act, seed 0",
        "format-act-il, seed 0", "format, seed 1",
    ]  # fmt: skip
    with pytest.raises(RecipeError, match=r"no row 'flip-21\+il'.*'flip-20\+il'"):
        planned(WORLDS["houses"], [0], ["flip-21+il"], 986)
    with pytest.raises(RecipeError, match="the base is evaluated with any other row"):
        planned(WORLDS["houses"], [0], ["prompt"], 986)


@pytest.mark.parametrize(("world", "share"), [("houses", 1), ("webshop", 3), ("scienceworld", 1)])
def test_every_stage_sees_as_many_prompts(world: str, share: int, tmp_path: Path) -> None:
    for step in steps_of(world, tmp_path):
        if step.row or step.stage == "env-rl":  # which is paid by episodes: see the plan
            continue
        told: Any = step.options
        answers = told.get("num_generations", 1)
        prompts = told["max_steps"] * told["per_device_train_batch_size"] // answers
        assert prompts == PROMPTS // share, step.title
        assert told["history"] == 2


def kept_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_results_of_several_calls_are_kept_together(tmp_path: Path) -> None:
    def finished(seed: int) -> list[Step]:
        out = tmp_path / f"{seed}.jsonl"
        asked = EvaluateArguments(
            policy="random-admissible", env="ACT/Toy-v0", split="test", limit=2, seed=seed,
            output=str(out),
        )  # fmt: skip
        evaluate.run(asked)
        names = (f"imitate-{seed}", f"evaluate-{seed}")
        model = tmp_path / names[0]
        model.mkdir()
        (model / "metrics.json").write_text('{"after_judge/accuracy": 0.25}')
        (model / "log_history.jsonl").write_text('{"num_tokens": 7}\n{"num_tokens": 9}\n{}\n')
        options = {"seed": seed, "model": "/somewhere", "output_dir": str(model)}
        inputs = {"model": "sha256:0"}
        title = f"il, seed {seed}" if seed else "il"  # of a call for several, and of one
        trained = Step(names[0], title, "imitate", options, inputs, model, ())
        return ended(trained, Step(names[1], "", "evaluate", {}, {}, out, (names[0],), row="il"))

    def ended(*steps: Step) -> list[Step]:
        for step in steps:
            (tmp_path / f"steps/{step.id}.json").write_text(
                json.dumps({
                    "done": True, "command": f"python {tmp_path}", "stage": step.stage,
                    "inputs": step.inputs,
                })
            )  # fmt: skip
        return [*steps]

    (tmp_path / "steps").mkdir()
    first, second = finished(0), finished(1)
    begun = Step("act-rl-0", "", "act-rl", {"seed": 0}, {}, tmp_path / "none", ())
    data = {"pairs": {"request": {}, "summary": {"kept": 3}}}
    for done in (first, second, [*first, begun]):
        keep(done, tmp_path, tmp_path / "results", "houses", data)
    found = kept_lines(tmp_path / "results/houses.jsonl.gz")
    assert [(one["seed"], one["row"]) for one in found] == [(0, "il")] * 2 + [(1, "il")] * 2
    assert found[0].keys() == {"row", "seed", "model", "step", "split", *KEPT}
    records = json.loads((tmp_path / "results/steps.json").read_text())
    assert records.keys() == {"imitate-0", "evaluate-0", "imitate-1", "evaluate-1"}
    assert records["imitate-0"]["metrics"] == {"after_judge/accuracy": 0.25, "num_tokens": 9}
    assert records["imitate-0"]["options"] == {"seed": 0}
    assert [records[f"imitate-{seed}"]["title"] for seed in (0, 1)] == ["il", "il"]
    assert str(tmp_path) not in json.dumps(records)
    with pytest.raises(ResultMismatch, match=r"data\.json tells of other data of 'houses'"):
        keep(first, tmp_path, tmp_path / "results", "houses", {"pairs": {}})
    keep([], tmp_path, tmp_path / "results", "webshop", {"pairs": {}})
    assert json.loads((tmp_path / "results/data.json").read_text())["houses"] == data
    assert compared(second, tmp_path, tmp_path / "results", "houses") == [
        ("il, seed 1, test", 0, 2)
    ]
    whole = second[1].output.read_text()
    second[1].output.write_text(whole.replace('"won": false', '"won": true'))
    assert compared(second, tmp_path, tmp_path / "results", "houses") == [
        ("il, seed 1, test", 2, 2)
    ]
    second[1].output.write_text(whole.splitlines(keepends=True)[0])
    assert compared(second, tmp_path, tmp_path / "results", "houses") == [
        ("il, seed 1, test", 1, 2)
    ]
    second[1].output.write_text(whole)
    with pytest.raises(ResultMismatch, match="holds nothing of il, seed 1, test"):
        compared(second, tmp_path, tmp_path / "results", "webshop")
    (options := first[0].options).update(learning_rate=0.5)  # and seed 1 is as it was
    with pytest.raises(ResultMismatch, match="il, test: seeds 0 and 1 were not trained"):
        keep(first, tmp_path, tmp_path / "results", "houses", data)
    options.pop("learning_rate")
    verdicts = [["pair 1", "task 1", True, False]]
    judged = {"verdicts": verdicts, "no_state_verdicts": verdicts, "text_accuracy": 0.5,
              "text_verdicts": [["pair 1", "task 1", 1.0]], "above_floor": False}  # fmt: skip
    (tmp_path / "judge.json").write_text(json.dumps(judged))
    (tmp_path / "judge.jsonl").write_text('{"pair_id": "pair 1", "admissible": true}')
    again = ended(first[0], replace(first[1], id="evaluate-again"))  # in place of the first
    judge = Step("judge", "", "judge", {}, {}, tmp_path / "judge.json", (), row="prompt")
    of_it = replace(judge, id="judge-0", after=(first[0].id,), row="act")
    keep([*again, *ended(judge, of_it)], tmp_path, tmp_path / "results", "houses", data)
    found = kept_lines(tmp_path / "results/houses.jsonl.gz")
    steps_found = [(one["row"], one["seed"], one["step"]) for one in found]
    assert steps_found[:3] == [("act", 0, "judge-0")] * 3
    assert steps_found[3:7] == [("il", 0, "evaluate-again")] * 2 + [("il", 1, "evaluate-1")] * 2
    assert steps_found[7:] == [("prompt", None, "judge")] * 3
    assert [one.get("right") for one in found[7:]] == [0.5] * 3
    assert [one.get("admissible") for one in found[7:]] == [True, True, None]
    assert [one.get("texts") for one in found] == [None] * 7 + [1.0, None, None]
    assert (found[2]["named"], found[9]["named"]) == (0.25, None)


def test_data_of_an_earlier_call_must_be_whole(tmp_path: Path) -> None:
    for name in MADE:
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text('{"command": "x"}')
        (tmp_path / name / "summary.json").write_text('{"rows": 3}')
    found = described(tmp_path)
    assert found["pairs"] == {"request": {"command": "x"}, "summary": {"rows": 3}}
    folders = {
        Path(c[c.index("--out") + 1]).name for c in data_commands(WORLDS["houses"], tmp_path)
    }
    assert folders == found.keys()
    (tmp_path / "assumed/summary.json").unlink()
    with pytest.raises(DataNotFound, match=r"assumed/summary\.json is missing"):
        described(tmp_path)


def lines_of(row: str, seed: int | None, wins: int, right: float) -> list[dict[str, Any]]:
    """Twenty houses of each split, twice ``wins`` of which are won, and ten judged pairs."""
    named = {"row": row, "seed": seed, "model": row, "step": f"{row}-{seed}"}
    played = [
        {**named, "split": split, "task_id": f"{split} {i}", "won": i < 2 * wins, "score": 0.0}
        for split in ("unseen", "seen")
        for i in range(20)
    ]
    judged = [
        {
            **named,
            "judge": judge,
            "pair": f"{i}",
            "task_id": f"{i}",
            "right": value,
            "admissible": i < 4,
        }
        for i in range(10)
        for judge, value in (("state", right), ("no_state", 0.5))
    ]
    texts = {**named, "judge": "texts", "right": 0.5, "above_floors": right > 0.6}
    return [*played, *judged, texts]


def test_the_report_says_what_the_plan_asks(tmp_path: Path) -> None:
    lines = lines_of("prompt", None, 1, 0.5)
    for seed in range(5):
        lines += lines_of("il", seed, 4, 0.5)
        lines += lines_of("il+il", seed, 4, 0.5)
        lines += lines_of("act", seed, 1, 0.5 if seed == 4 else 1.0)
        lines += lines_of("act+il", seed, 10, 1.0)
        lines += lines_of("il+rl", seed, 5, 1.0)
        lines += lines_of("il+rl+rl", seed, 4, 1.0)
        lines += lines_of("act+il+rl", seed, 5, 1.0)
    text = report({"houses": lines}, {})
    table: dict[str, str] = {}
    for line in text.replace("\\", "").split("## houses: to act")[1].splitlines():
        table.setdefault(line.split(" | ")[0], line)  # of rows with one name the first
    assert "| 1 | 10.0 [" in table["| act-nano-base"]
    assert "| 5 | 100.0 [" in table["| ACT → IL"]
    assert "83.58 ± 3.80 | 89.76 ± 1.88 |" in table["| ACT → IL"]
    assert (
        "+60.0 [+40.0, +80.0] | +60.0, +60.0, +60.0, +60.0, +60.0 | +3.7 ± 2.7 |"
        in table["| ACT → IL vs. IL"]
    )
    assert "as many prompts, and the same before RL: not supported (5 of 5 seeds)" in text
    assert table["| ACT → IL vs. IL"].endswith("| shown |")
    none = "+0.0 [-16.1, +16.1] | +0.0, +0.0, +0.0, +0.0, +0.0"
    assert table["| full ACT vs. IL → RL"].endswith(
        f" | {none} | +0.7 ± 0.5 | {none} | +1.9 ± 1.0 | 1.000 | not shown |"
    )
    assert "On seen, which the question is not asked of: ACT → IL vs. IL +60.0 " in text
    assert table["| IL vs. act-nano-base"].startswith("| IL vs. act-nano-base | +30.0")
    assert table["| IL vs. act-nano-base"].count(" | – |") == 2  # which the paper does not have
    p = float(table["| IL vs. act-nano-base"].split(" | ")[-1].rstrip(" |"))
    assert p == pytest.approx(5 * 2 / 2**6, abs=0.02)  # six tasks more, and one of five differences
    beside = text.replace("\\", "").split("## houses: beside the paper")[1]
    assert beside.startswith(
        "\n\nALFWorld OOD. It does not hold the paper's difference: ACT → IL vs"
    )
    assert "ACT → IL vs. IL +60.0 [+40.0, +80.0], there +3.7 ± 2.7" in beside
    assert "settles nothing: full ACT vs. IL → RL +0.0 [-16.1, +16.1], there +0.7 ± 0.5" in beside
    assert "houses beside ALFWorld ID: of 8, 0 hold the paper's and not zero, 5 hold both" in text
    assert "a better judge: supported. Of 5 seeds it gains 10 points" in text
    assert "in 4, is above both floors in 4, and does both in 4; asked were 4 of 5." in text
    assert "of 4 are smaller than the interval reaches" in text
    assert "40 % are admissible" in text
    assert "would be right in 80.0" in text
    assert "| ACT stage | 0 | 100.0 | 50.0 | 100.0 | 50.0 | +50.0 \\[" in text
    assert "| +50.0, +50.0, +50.0, +50.0, +0.0 |" in text  # of judges


def test_a_report_of_what_there_is_so_far_gives_no_verdict() -> None:
    lines = lines_of("prompt", None, 1, 0.5)
    for seed in range(3):
        lines += lines_of("act", seed, 1, 1.0)
    lines += lines_of("act+il", 0, 5, 1.0) + lines_of("il", 1, 5, 1.0)  # no seed in common
    lines += lines_of("flip-20", 0, 5, 1.0) + lines_of("flip-40", 0, 5, 0.5)
    text = report({"houses": lines}, {})
    assert "a better judge: open. Of 3 seeds" in text
    assert "and does both in 3;" in text
    assert "ACT → IL vs. IL " not in text
    assert "20 %: 1 of 1 (open); 40 %: 0 of 1 (open); with no label flipped: 3 of 3." in text
    assert "alone, which is right in 50.0." in text
    for line in lines:
        if line.get("judge") == "texts":
            line["right"] = None  # too few pairs for a classifier
    assert "alone, which is right in –." in report({"houses": lines}, {})
    assert "to judge" not in report({"houses": lines_of("act", 0, 1, 1.0)}, {})
    elsewhere = [*lines_of("prompt", None, 1, 0.5), *lines_of("act+il", 0, 1, 1.0)]
    text = report({"webshop": elsewhere}, {})  # judged, though question 1 is not asked there
    assert "| ACT → IL | 0 | 100.0 |" in text
    assert "Question 1" not in text
    assert "No row has won" not in text
    lost = [{**line, "won": False} for line in elsewhere if "won" in line]
    text = report({"webshop": lost}, {})
    assert text.count("No row has won a task of webshop, so that nothing is said of wins") == 2
    assert "beside the paper's" not in text  # nothing is won there: it would say nothing


def test_an_exploration_is_told_apart_from_the_plan() -> None:
    lines = lines_of("prompt", None, 1, 0.5)
    for seed, right in ((0, 1.0), (1, 0.5)):
        lines += lines_of("format", seed, 1, 0.2) + lines_of("format+act", seed, 1, right)
        lines += lines_of("format+il", seed, 4, 0.5) + lines_of("format+act+il", seed, 5, right)
    text = report({"houses": lines}, {}).replace("\\", "")
    before, after = text.split("## houses: an exploration")
    assert "| format → ACT → IL vs. " not in before
    said = (
        "Of 2 seeds it gains 10 points over the model that it starts from, with an interval above "
    )
    said += "zero, in 1, is above both floors in 1, and does both in 1"
    assert f"{said} (open, if it were question 1)" in after
    assert "An exploration, not in the plan: the same ACT stage" in before
    assert f"{said}. Right in: format 20.0 [" in before
    assert "| 0 | 20.0 | 100.0 | +80.0 [" in after
    assert "| format → ACT → IL vs. format → IL | +10.0 [" in after
    assert "vs. ACT → IL |" not in after  # which was not run


def test_what_a_row_took_is_of_all_of_its_stages() -> None:
    def stage(model: str, tokens: int, answers: int, **timed: int) -> dict[str, Any]:
        options = {"max_steps": 120, "per_device_train_batch_size": 16}
        if answers > 1:
            options["num_generations"] = answers
        return {
            "stage": "critique" if answers > 1 else "imitate", "inputs": {"model": model},
            "options": options, "metrics": {"num_tokens": tokens}, **timed,
        }  # fmt: skip

    records = {
        "act-0": stage("sha256:0", 3_000_000, 8, cpu_seconds=240),
        "act-1": stage("sha256:0", 5_000_000, 8),
        "il-0": stage("act-0", 250_000, 1, cpu_seconds=120),
        "il-1": stage("act-1", 250_000, 1, cpu_seconds=180),
    }
    lines = lines_of("prompt", None, 1, 0.5)
    for seed in (0, 1):
        lines += [{**line, "model": f"il-{seed}"} for line in lines_of("act+il", seed, 4, 0.5)]
    text = report({"houses": lines}, records)
    assert "| ACT → IL | 240 | 2,160 | –, – | 4.25 |" in text
    for stage_of, epoch in (("act-0", 0.98), ("il-0", 0.444)):
        records[stage_of]["metrics"]["epoch"] = epoch
    records["act-0"]["hardware"] = {"processor": "A"}
    records["act-1"]["hardware"] = {"machine": "not told"}
    records["il-0"]["hardware"] = records["il-1"]["hardware"] = {"processor": "B"}
    text = report({"houses": lines}, records)
    assert "| houses | 2 of 105 | 0.1 | A (seed 0); B (seeds 0, 1) |" in text
    told = "| ACT → IL | 240 | 2,160 | 0.98, 0.44 |"
    assert f"{told} 4.25 | – | – |" in text  # on two processors
    records["act-0"]["hardware"] = {"processor": "B"}
    assert f"{told} 4.25 | 6 |" in report({"houses": lines}, records)
    records["il-0"]["stage"] = records["il-1"]["stage"] = "env-rl"
    assert f"{told} – | 6 |" in report({"houses": lines}, records)
    records["il-0"] |= {"stage": "imitate", "metrics": {}}  # of seeds whose log is missing
    assert "| ACT → IL | 240 | 2,160 | 0.98, – | – | 6 |" in report({"houses": lines}, records)
    assert "what training a row took" not in report({"houses": lines}, {})


def test_a_claim_that_seeds_to_come_cannot_meet_is_settled() -> None:
    lines = []
    for seed, wins in enumerate((2, 4, 9)):  # fewer, as many, more
        for row, won in (("il", 4), ("il+il", 1), ("act+il", wins), ("il+rl", 1),
                         ("il+rl+rl", 1), ("act+il+rl", wins)):  # fmt: skip
            lines += [line for line in lines_of(row, seed, won, 0.5) if "won" in line]
    text = report({"houses": lines}, {}).replace("\\", "")
    assert "before RL: not supported (3 of 5 seeds)" in text
    (one,) = [line for line in text.splitlines() if line.startswith("| ACT → IL vs. IL |")]
    assert one.endswith("| not shown |")
    (other,) = [line for line in text.splitlines() if line.startswith("| full ACT vs. IL → RL |")]
    assert other.endswith("| open |")


def test_judges_stand_beside_what_the_texts_of_each_pair_give_away() -> None:
    lines = lines_of("prompt", None, 1, 0.5) + lines_of("act", 0, 1, 1.0)
    lines += lines_of("act", 1, 1, 0.5)
    for line in lines:
        if line["row"] == "prompt" and line.get("judge") == "state":
            line["texts"] = 1.0 if int(line["pair"]) < 6 else 0.0
    text = report({"houses": lines}, {}).replace("\\", "")
    assert "alone, which is right in 60.0 [" in text
    assert ", and 100.0 [" in text  # of four pairs with an admissible alternative
    (row,) = [line for line in text.splitlines() if line.startswith("| ACT stage | 75.0 [")]
    assert "| 100.0, 50.0 | 50.0 [" in row
    assert "| +15.0 [" in row


def test_the_critique_stage_of_any_row_is_told() -> None:
    sizes = {"max_steps": 1, "per_device_train_batch_size": 8, "gate_prompts": 48}
    said = {
        "before_rewards/format_failure/mean": 0.995, "before_frac_reward_zero_std": 0.96,
        "after_rewards/format_failure/mean": 0.0, "after_frac_reward_zero_std": 0.5,
        "after_judge/names_candidate": 0.5, "after_judge/expert_share_of_named": 0.75,
    }  # fmt: skip
    records = {
        "of-act": {"stage": "critique", "title": "act", "inputs": {"model": ""},
                   "options": {**sizes, "seed": 1}, "metrics": said},
        "act+il": {"stage": "imitate", "title": "act-il", "inputs": {"model": "of-act"},
                   "options": {**sizes, "seed": 1}, "metrics": {}},
    }  # fmt: skip
    text = report({"scienceworld": lines_of("act+il", 1, 1, 0.5)}, records)
    assert "what RL on single steps teaches" not in text
    assert "| ACT stage | 1 | 0.5 → 100.0 | 96.0 → 50.0 | – → 50.0 | 75.0 |" in text


def test_a_seed_that_was_stopped_is_not_taken_for_a_whole_one() -> None:
    lines = [line for seed in (0, 1) for row in ("il", "act+il", "assumed")
             for line in lines_of(row, seed, 4 + seed, 0.5)]  # fmt: skip
    stopped = [line for line in lines if (line["seed"], line.get("split")) != (1, "unseen")]
    text = report({"houses": stopped}, {}).replace("\\", "")
    assert "| houses | 3 of 105 |" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| IL | 2 | ")]
    assert row.startswith("| IL | 2 | 40.0 [")  # of seed 0
    assert "| 45.0 [" in row  # of both
    assert "not supported" not in text
    assert "(1 of 5 seeds)" in text
    unjudged = [line for line in lines if "judge" not in line]
    assert "| houses | 0 of 105 |" in report({"houses": unjudged}, {})


def test_the_exploration_is_no_part_of_the_cap() -> None:
    records = {
        name: {"stage": "evaluate", "inputs": {}, "seconds": 7200} for name in ("one", "two")
    }
    lines = [{**line, "step": "one"} for line in lines_of("il", 0, 4, 0.5)]
    lines += [{**line, "step": "two"} for line in lines_of("format", 0, 4, 0.5)]
    text = report({"houses": lines}, records)
    assert "2.0 core-hours of the 30 that were allowed" in text
    assert "and for 2.0 of them, where it was not noted, time by the clock" in text
    assert "and without 2.0 for the exploration." in text
    for record in records.values():
        record["cpu_seconds"] = 3600
    text = report({"houses": lines}, records)
    assert "1.0 core-hours of the 30 that were allowed" in text
    assert "by the clock" not in text


def test_what_rl_on_single_steps_teaches_is_told_over_seeds() -> None:
    lines, records = [], {}
    for seed, after in ((1, 0.5), (0, 0.7)):
        lines += [{**line, "model": f"rl-{seed}"} for line in lines_of("il+rl", seed, 1, 0.5)]
        options = {
            "max_steps": 1, "per_device_train_batch_size": 8, "seed": seed,
            "reward_accuracy": 1.0, "reward_admissible": 0.1, "gate_prompts": 48,
        }  # fmt: skip
        metrics = {
            f"{when}_{name}": value
            for when, match in (("before", 0.4), ("after", after))
            for name, value in (
                ("rewards/expert_match/mean", match), ("rewards/admissible_other/mean", 0.25),
                ("frac_reward_zero_std", match),
            )
        }  # fmt: skip
        records[f"rl-{seed}"] = {
            "stage": "act-rl", "title": "il-rl", "inputs": {"model": ""}, "options": options,
            "metrics": metrics,
        }  # fmt: skip
    text = report({"scienceworld": lines}, records)
    assert "eight to each of 48 states of held-out" in text
    assert "expert's action (rewarded by 1), those that are another one" in text
    told = "| IL → RL | 2 | 40.0 → 60.0 | +30.0, +10.0 | 25.0 → 25.0 | 40.0 → 60.0 |"
    assert told in text


def test_results_of_other_pairs_or_tasks_are_not_compared() -> None:
    lines = [*lines_of("prompt", None, 1, 0.5), *lines_of("act", 0, 1, 1.0)]
    with pytest.raises(ResultMismatch, match="act, seed 0, was judged on other pairs"):
        report({"houses": [line for line in lines if line.get("pair") != "3"] + [
            {**line, "pair": "other"} for line in lines if line.get("pair") == "3"
            and line["row"] == "act"
        ]}, {})  # fmt: skip
    lines += lines_of("il", None, 1, 0.5)
    with pytest.raises(ResultMismatch, match="il was evaluated on other tasks"):
        report({"houses": [
            line for line in lines
            if not (line["row"] == "il" and line.get("task_id") == "unseen 3")
        ]}, {})  # fmt: skip


def test_what_holds_in_most_tasks_but_not_in_most_seeds_is_not_shown() -> None:
    lines = []
    for seed in range(5):
        wins = 10 if seed < 3 else 4
        for row, won in (("il", 4), ("il+il", 4), ("act+il", wins), ("il+rl", 4),
                         ("il+rl+rl", 4), ("act+il+rl", wins)):  # fmt: skip
            lines += [line for line in lines_of(row, seed, won, 0.5) if "won" in line]
    text = report({"houses": lines}, {}).replace("\\", "")
    assert "+36.0" in text
    assert "| +60.0, +60.0, +60.0, +0.0, +0.0 |" in text
    assert "| shown |" not in text


def test_what_the_paper_has_the_other_way_round_is_said() -> None:
    lines = [*lines_of("choice+il+rl", 0, 1, 0.5), *lines_of("act+il+rl", 0, 10, 0.5)]
    assert "beside the paper" not in report({"houses": lines}, {})  # one training of each
    lines += [*lines_of("choice+il+rl", 1, 1, 0.5), *lines_of("act+il+rl", 1, 10, 0.5)]
    text = report({"houses": lines}, {})
    assert "It does not hold the paper's difference: full ACT (SFT on the choice) vs." in text
    assert "and not zero:" not in text
    assert "of 1, 0 hold the paper's and not zero, 0 hold both, 1 leave out the paper's" in text
    assert "beside the paper" not in report({"houses": lines_of("il", 0, 1, 0.5)}, {})


def test_intervals_speak_of_other_seeds_as_well_as_of_other_tasks() -> None:
    drawn = np.random.default_rng(0)
    held = 0
    for _ in range(100):  # seeds that differ by 0.1 and tasks that differ by 0.3
        values = drawn.normal(0, 0.1, (5, 1)) + drawn.normal(0, 0.3, (1, 60))
        values += drawn.normal(0, 0.1, values.shape)
        mean, low, high = crossed(
            {i: {f"{j}": v for j, v in enumerate(one)} for i, one in enumerate(values)}
        )
        held += low <= 0 <= high
        assert mean == pytest.approx(values.mean())
    assert held >= 85
    one: Changes = {None: {"a": 0.5, "b": -0.5, "c": 0.25, "d": 0.0}}
    mean, (low, high) = mean_interval([*one[None].values()], least=-1.0)
    assert crossed(one) == (mean, low, high)


def test_student_tells_of_seeds_alone() -> None:
    seeds: Changes = {0: {"a": 0.0, "b": 0.2}, 1: {"a": 0.3, "b": 0.5}, 2: {"a": 0.6, "b": 0.2}}
    low, high = by_seeds(seeds)  # of 0.1, 0.4 and 0.4: t 4.303, standard error 0.1
    assert (low, high) == pytest.approx((0.3 - 0.4303, 0.3 + 0.4303), abs=1e-4)
    assert by_seeds_alone(seeds) == "[-13.0, +73.0]"
    assert by_seeds_alone({0: seeds[0]}) == "–"


def test_tasks_of_one_product_are_drawn_together() -> None:
    alike = {f"synthetic/B{i // 10}/{i}": float(i // 10 % 2) for i in range(40)}
    apart = {f"task/B{i // 10}/{i}": value for i, value in enumerate(alike.values())}
    (_, low, high), (_, near, far) = (crossed({0: one, 1: one}) for one in (alike, apart))
    assert (low, high) == (0.0, 1.0)  # of four
    assert 0.3 < near < far < 0.7
    assert len(over_seeds({0: alike, 1: alike})) == 4
    assert sum(over_seeds({0: alike, 1: alike})) == pytest.approx(20)


def test_seeds_of_other_tasks_have_no_mean() -> None:
    with pytest.raises(ResultMismatch, match="one seed tells of other tasks"):
        crossed({0: {"a": 1.0}, 1: {"b": 1.0}})
    one, other = ({(f"task {i}", "pair"): 1.0} for i in (0, 1))
    with pytest.raises(ResultMismatch, match="one seed tells of other tasks"):
        of_pairs({0: one, 1: other})
    turned = crossed({0: {"a": 1.0, "b": 0.0}, 1: {"b": 0.0, "a": 1.0}})
    assert turned == crossed({0: {"a": 1.0, "b": 0.0}, 1: {"a": 1.0, "b": 0.0}})


def test_a_report_needs_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told() -> str:
        assert call(Report) == 2
        return capsys.readouterr().err

    monkeypatch.setattr(sys, "argv", ["report", "--results", str(tmp_path)])
    assert "holds no results. Run python -m benchmarks.paper_table first." in told()
    text = "".join(f"{json.dumps(line)}\n" for line in lines_of("il", 0, 4, 1))
    lines = gzip.compress(text.encode())
    (tmp_path / "houses.jsonl.gz").write_bytes(lines)
    assert "steps.json tells nothing of 2 steps of houses, such as il." in told()
    (tmp_path / "steps.json").write_text("{")
    assert "steps.json cannot be read: Expecting" in told()
    (tmp_path / "houses.jsonl.gz").write_bytes(lines[:-20])
    assert "houses.jsonl.gz cannot be read: " in told()
    assert not (tmp_path / "REPORT.md").exists()


def test_data_are_compared_without_the_commit_that_made_them() -> None:
    def about(commit: str, kept: int) -> dict[str, Any]:
        request = {"pairs": f"sha256:{commit}", "versions": {"act-data": commit}}
        return {"pairs": {"request": request, "summary": {"kept": kept}}}

    assert counted(about("a", 3)) == counted(about("b", 3))
    assert counted(about("a", 3)) != counted(about("a", 4))


def test_actions_are_counted_where_transcripts_are_those_of_the_results(tmp_path: Path) -> None:
    stage = tmp_path / "stages/evaluate-1"
    asked = EvaluateArguments(
        policy="random-admissible", env="ACT/Toy-v0", split="test", limit=3,
        output=str(stage / "results.jsonl"),
    )  # fmt: skip
    evaluate.run(asked)
    played = list(evaluate.read_results(stage / "results.jsonl"))
    named = {"row": "il", "seed": 1, "step": "evaluate-1", "split": "test"}
    lines = [{**named, **{name: one[name] for name in KEPT}} for one in played]

    def kept(lines: list[dict[str, Any]]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (tmp_path / "houses.jsonl.gz").write_bytes(gzip.compress(text.encode()))

    kept(lines)
    assert Actions((stage.parent,), "houses", tmp_path)() == 0
    found = json.loads((tmp_path / "actions.json").read_text())["houses"]["evaluate-1"]
    actions = [turn["action"] for one in played for turn in one["turns"] if "action" in turn]
    assert found["actions"] == len(actions)
    assert found["commonest"] == {action: actions.count(action) for action in found["commonest"]}
    assert sum(found["first"].values()) == found["episodes"] == 3
    counted = {"houses": {"evaluate-1": found}}
    text = report({"houses": lines_of("il", 1, 4, 0.5)}, {}, counted)
    assert f"| IL | 1 | {len(actions) / 3:.1f} | " in text
    kept([{**line, "steps": line["steps"] + 1} for line in lines])
    with pytest.raises(ResultMismatch, match="is not what the results are of"):
        count("houses", [stage.parent], tmp_path)
    with pytest.raises(ResultMismatch, match="no transcript of evaluate-1"):
        count("houses", [], tmp_path)
    with pytest.raises(ResultMismatch, match="holds nothing of 'webshop'"):
        count("webshop", [], tmp_path)


def test_p_values_are_those_of_sign_flips_and_holms() -> None:
    assert sign_flips([1.0] * 5) == pytest.approx(2 / 32, abs=0.01)  # all alike, or none
    assert sign_flips([1.0, -1.0]) == 1.0
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_goals_are_counted_where_rooms_differ(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = replace(WORLDS["houses"], splits={"unseen": 12})
    monkeypatch.setitem(cast(Any, WORLDS), "houses", few)
    assert Overlaps()() == 0
    assert re.fullmatch(r"\d+ of 12 unseen tasks have a goal .*\n", capsys.readouterr().out)
    monkeypatch.setattr(overlaps, "PILOTED", 7)
    Overlaps()()
    assert capsys.readouterr().out.startswith("12 of 12 unseen tasks")
