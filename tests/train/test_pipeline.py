"""Pipelines: what they say, how their steps are named, and that they go on where they stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("trl")

from act_train import tiny
from act_train.arguments.scratch import TinyArguments
from act_train.cli import main
from act_train.errors import RecipeError
from act_train.pipelines.reading import read
from act_train.pipelines.steps import Step, steps
from act_train.reporting.published import paper

BASE = {
    "stage": "tiny",
    "texts": ["{data}/trajectories.parquet"],
    "layers": 1,
    "hidden": 64,
    "vocabulary": 300,
}
LEARN = {
    "stage": "imitate", "model": "{base}", "trajectories": "{data}/trajectories.parquet",
    "history": 0, "max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-3,
    "bf16": False, "use_cpu": True, "report_to": "none", "save_steps": 1, "disable_tqdm": True,
    "activation_checkpointing": False,
}  # fmt: skip
PLAY = {
    "env": "ACT/Toy-v0", "split": "test", "limit": 2, "step_limit": 3, "max_new_tokens": 4,
    "history": 0,
}  # fmt: skip

_COMPARED = ("model.safetensors", "tokenizer.json", "results.jsonl")  # of steps


@pytest.fixture
def told(stored: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "out": str(tmp_path / "runs"),
        "set": {"data": str(stored)},
        "stages": {"base": BASE, "il": LEARN},
        "evaluate": [PLAY],
        "rows": {"il": "il"},
    }


def written(folder: Path, told: dict[str, Any], name: str = "pipeline.yaml") -> str:
    path = folder / name
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return str(path)


def made(folder: Path, told: dict[str, Any], **more: Any) -> list[Step]:
    return steps([read(written(folder, told), **more)])


def test_a_row_is_judged_as_well_as_played(told: dict[str, Any], tmp_path: Path) -> None:
    judge = {"stage": "judge", "pairs": "{data}/pairs.parquet", "history": 0}
    _, trained, played, judged = made(tmp_path, {**told, "evaluate": [PLAY, judge]})
    assert played.options["policy"] == f"transformers:{trained.output}"
    assert judged.options["model"] == str(trained.output)
    assert (judged.stage, judged.row, judged.after) == ("judge", "il", (trained.id,))
    assert "policy" not in judged.options
    assert "seed" not in judged.options


def test_a_step_is_named_by_what_it_is_made_from(told: dict[str, Any], tmp_path: Path) -> None:
    first = made(tmp_path, told)
    assert [step.stage for step in first] == ["tiny", "imitate", "evaluate"]
    assert [step.after for step in first] == [(), (first[0].id,), (first[1].id,)]
    watched = {**LEARN, "save_steps": 7, "logging_steps": 3}
    again = made(tmp_path, {**told, "stages": {"base": BASE, "il": watched}})
    assert [step.id for step in again] == [step.id for step in first]
    moved = made(tmp_path, told, out=str(tmp_path / "elsewhere"))
    assert [step.id for step in moved] == [step.id for step in first]
    launch = tmp_path / "launch.yaml"
    for processes, same in ((1, True), (2, False)):  # two processes make batches twice as large
        launch.write_text(f"distributed_type: MULTI_GPU\nnum_processes: {processes}\n")
        launched = made(tmp_path, {**told, "launch": str(launch)})
        assert (launched[1].id == first[1].id) == same
        assert launched[0].id == first[0].id  # which is not launched


def test_when_models_are_kept_counts_where_the_best_of_them_is_taken(
    told: dict[str, Any], tmp_path: Path
) -> None:
    def named(**options: Any) -> str:
        return made(tmp_path, {**told, "stages": {"base": BASE, "il": {**LEARN, **options}}})[1].id

    best = {"load_best_model_at_end": True}
    assert named(**best) != named()
    assert named(**best, save_steps=7) != named(**best)
    assert named(**best, save_total_limit=7) == named(**best)


def test_a_dataset_on_the_hub_is_taken_at_the_commit_that_names_the_step(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = {"trajectories": "org/data@v1", "split": "train"}
    found = []
    for commit in ("a" * 40, "b" * 40):
        monkeypatch.setattr(
            "act_train.pipelines.steps.commit_of", lambda name, revision, c=commit: c
        )
        [_, learnt, *_] = made(tmp_path, {**told, "stages": {"base": BASE, "il": {**LEARN, **hub}}})
        assert learnt.options["trajectories"] == f"org/data@{commit}"
        found.append(learnt.id)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"il": {**LEARN, "learning_rate": 2e-3}}, 1),
        ({"base": {**BASE, "layers": 2}}, 0),
        ({"base": {**BASE, "seed": 5}}, 0),
    ],
)
def test_what_changes_a_step_changes_all_that_come_of_it(
    told: dict[str, Any], tmp_path: Path, changed: dict[str, Any], same: int
) -> None:
    first = made(tmp_path, told)
    other = made(tmp_path, {**told, "stages": {**told["stages"], **changed}})
    kept = [a.id == b.id for a, b in zip(first, other, strict=True)]
    assert kept == [True] * same + [False] * (3 - same)


def test_other_data_under_the_same_name_make_another_step(
    told: dict[str, Any], tmp_path: Path
) -> None:
    data = tmp_path / "notes.txt"
    data.write_text("one")
    stages = {"base": {**BASE, "texts": [str(data)]}}
    told = {**told, "stages": stages, "rows": {}}
    (first,) = made(tmp_path, told)
    data.write_text("two")
    (second,) = made(tmp_path, told)
    assert first.id != second.id


def test_rows_and_pipelines_share_what_they_have_in_common(
    told: dict[str, Any], tmp_path: Path
) -> None:
    stages = {**told["stages"], "il-il": {**LEARN, "model": "{il}"}}
    longer = {**told, "stages": stages, "rows": {"il-il": "il-il", "again": "il"}}
    short, long = (
        read(written(tmp_path, one, name))
        for one, name in ((told, "short.yaml"), (longer, "long.yaml"))
    )
    both = steps([short, long])
    assert len({step.id for step in both}) == len({step.id for step in steps([long])})
    rows = {step.row: step.id for step in both if step.row}
    assert rows["il"] == rows["again"] != rows["il-il"]


def test_a_row_may_be_a_model_that_no_stage_makes(told: dict[str, Any], tmp_path: Path) -> None:
    found = made(tmp_path, {**told, "seeds": [0, 1], "rows": {"prompt": {"model": "act-nano"}}})
    (prompt,) = [step for step in found if step.row]  # of the first seed alone
    assert prompt.options["policy"] == "transformers:act-nano"
    assert prompt.inputs["policy"].startswith("transformers:sha256:")
    assert prompt.after == ()


def test_seeds_are_runs_of_their_own(told: dict[str, Any], tmp_path: Path) -> None:
    found = made(tmp_path, {**told, "seeds": [0, 1]})
    assert len({step.id for step in found}) == 6
    assert [step.options["seed"] for step in found] == [0] * 3 + [1] * 3
    assert [step.row for step in found] == ["", "", "il"] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stagez": {}}, "Did you mean 'stages'"),
        ({"stage": "imitate"}, "is a recipe of one stage. Run: act-train imitate --config"),
        ({"stages": {}}, "names no stages"),
        ({"stages": {"il": {"config": "x.yaml"}}}, "must be a mapping with its stage"),
        ({"stages": {"base": BASE, "il": {**LEARN, "stage": "imitat"}}}, "mean 'imitate'"),
        ({"stages": {"il": LEARN, "base": BASE}}, "starts from {base}, which is no stage before"),
        ({"stages": {"base": BASE, "il": {**LEARN, "model": "{bas}"}}}, "Did you mean 'base'"),
        ({"stages": {"base": BASE, "il": {**LEARN, "output_dir": "x"}}}, "is the pipeline's"),
        ({"stages": {"base": BASE, "il": {**LEARN, "learning_rat": 1}}}, "'learning_rate'"),
        ({"stages": {"base": BASE, "il": {**LEARN, "num_generations": 2}}}, "unknown key 'num_gen"),
        ({"stages": {"base": BASE, "il": {**LEARN, "trajectories": "no"}}}, "nothing lies at no"),
        ({"rows": {"il": "ill"}}, "Did you mean 'il'"),
        ({"rows": {"il": {"modle": "x"}}}, "{model: PATH_OR_HUB_ID}"),
        ({"rows": {"il": {"model": "{il}"}}}, "il is a stage. Write il: il."),
        ({"seeds": 3}, "must be a list of numbers"),
        ({"out": ""}, "out is not set"),
        ({"launch": "zero9.yaml"}, "Did you mean 'zero3.yaml'"),
        ({"evaluate": [3]}, "evaluate is 3, and must be a mapping with its stage"),
        ({"stages": {"base": BASE, "il": {**LEARN, "config": 3}}}, "config=3 must be the name"),
        ({"backbone": 3}, "the paper has no backbone '3'"),
        ({"backbone": "Qwen3-9B"}, "the paper has no backbone 'Qwen3-9B'"),
    ],
)
def test_a_slip_is_found_before_anything_runs(
    told: dict[str, Any],
    tmp_path: Path,
    change: dict[str, Any],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["pipeline", written(tmp_path, {**told, **change})]) == 2
    assert said in capsys.readouterr().err
    made_folders = [p.name for p in Path(told["out"]).glob("*")] if change != {"out": ""} else []
    assert set(made_folders) <= {"steps"}


@pytest.mark.parametrize(
    ("names", "trained", "rows"),
    [(["act_v1.yaml"], 5, 5), (["act_v2.yaml"], 15, 5), (["act_v2.yaml", "controls.yaml"], 60, 12)],
)
def test_the_pipelines_of_the_package_are_whole(
    names: list[str], trained: int, rows: int, stored: Path, tmp_path: Path
) -> None:
    model = tmp_path / "base"
    tiny.run(TinyArguments(out=str(model), texts=[str(stored / "pairs.parquet")], layers=1))
    data = tmp_path / "data" / "toy"
    data.mkdir(parents=True)
    for kind in ("pairs", "trajectories"):
        (data / kind).write_bytes(b"what lies there is not read yet")
    with contextlib.chdir(tmp_path):
        told = [read(name, [f"base={model}", "benchmark=toy"]) for name in names]
        found = steps(told)
        other = [read(name, ["backbone=Olmo-3-7B-Instruct"]) for name in names]
    assert {one.backbone for one in other} == {"Olmo-3-7B-Instruct"}
    assert {one.out for one in told} == {Path("runs/toy")}
    evaluated = [step for step in found if step.stage == "evaluate"]
    assert len(found) - len(evaluated) == trained
    assert {step.row for step in evaluated} <= {*paper().methods, "world-model+il"}
    assert len({step.row for step in evaluated}) == rows
    runs = 1 if names == ["act_v1.yaml"] else 3
    assert len(evaluated) == rows * runs * 2
    alone = ("evaluate", "reflections")
    assert all(step.launch == "zero3.yaml" for step in found if step.stage not in alone)


def test_options_are_read_as_the_processes_that_train_would_read_them(
    told: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = {**LEARN, "bf16": True, "use_cpu": False}  # there may be no GPU here
    path = written(tmp_path, {**told, "stages": {"base": BASE, "il": half}})
    assert main(["pipeline", path, "--dry_run", "true"]) == 0
    half["learning_rat"] = 1
    path = written(tmp_path, {**told, "stages": {"base": BASE, "il": half}})
    assert main(["pipeline", path, "--dry_run", "true"]) == 2
    assert "il (act-train imitate): " in (said := capsys.readouterr().err)
    assert "unknown key 'learning_rat'" in said


def test_a_report_is_beside_the_numbers_of_one_backbone(
    told: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, told)
    other = written(tmp_path, {**told, "backbone": "Qwen3-4B"}, "other.yaml")
    assert main(["pipeline", path, other]) == 2
    assert "several backbones, Qwen3-4B, Qwen3-8B, and would have one" in capsys.readouterr().err


def test_words_can_be_given(told: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, {**told, "set": {"data": "nowhere"}})
    with pytest.raises(RecipeError, match="nothing lies at nowhere"):
        steps([read(path)])
    assert steps([read(path, [f"data={told['set']['data']}"])])
    with pytest.raises(RecipeError, match="'dat=x' is no NAME=VALUE"):
        read(path, ["dat=x"])


def test_a_killed_pipeline_goes_on_to_the_same_bytes(
    told: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, told)
    command = [sys.executable, "-m", "act_train.cli", "pipeline", path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    once = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    log = Path(told["out"]) / "steps"
    while once.poll() is None and not list(log.glob("imitate-*.json")):
        time.sleep(0.1)
    once.send_signal(signal.SIGKILL)  # the step at work lives on, and holds the folder
    once.wait()
    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert again.returncode == 0, again.stderr
    assert "waiting for the steps that are at work" in again.stderr
    assert "(done before)" in again.stderr
    assert (Path(told["out"]) / "report" / "report.html").is_file()
    elsewhere = tmp_path / "elsewhere"
    assert main(["pipeline", path, "--out", str(elsewhere)]) == 0
    for step in steps([read(path)]):
        known = json.loads((log / f"{step.id}.json").read_text())
        assert known["done"]
        assert known["versions"]["torch"]
        files = [p for name in _COMPARED for p in Path(told["out"], step.id).glob(name)]
        assert files
        for file in files:
            assert file.read_bytes() == (elsewhere / file.relative_to(told["out"])).read_bytes()
