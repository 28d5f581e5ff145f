"""The card of a dataset: its numbers are those of the rows, and depend on nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets")
pytest.importorskip("matplotlib")

from datasets import load_dataset
from huggingface_hub import DatasetCard

from act_data.analysis.table import as_is
from act_data.collect import Collect, collect
from act_data.mining import Mine, mine
from act_data.publish import caveats, measures
from act_data.publish.build import Build, build
from act_data.publish.card import card
from act_data.publish.command import command_line
from act_data.publish.croissant import croissant
from act_data.publish.figures import histograms
from act_data.publish.licences import spdx_ids, terms
from act_data.publish.markdown import code, fenced
from act_data.publish.measures import measure
from act_data.publish.mined import mining
from act_data.storage.tables import read_pairs, read_trajectories, write_parquet
from act_data.types import ContrastPair, Reading
from act_data.verify import Verify, verify
from act_envs.errors import MissingExtra

REQUEST = {
    "name": "Toys",
    "shares": [0.6, 0.2, 0.2],
    "history": 2,
    "versions": {"act-data": "0.1.0+gabc"},
    "command_line": "act-data build verified",
}
Change = Callable[[ContrastPair], ContrastPair]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two environments, with two policies for one; a sample of it judged."""
    root = tmp_path_factory.mktemp("runs")
    for env, tasks in (("ACT/Toy-v0", 12), ("ACT/ALFWorldGen-v0", 3)):
        name = root / env[4:7]
        collect(Collect(env=env, out=name / "c", limit=tasks, state_hashes=True))
        for policy in ("random-admissible", "hard-negative"):
            mine(Mine(trajectories=name / "c", out=name / f"m-{policy}", policy=policy, k=2))
            sample = 20 if env == "ACT/Toy-v0" else None
            pairs, out = name / f"m-{policy}", name / f"v-{policy}"
            verify(Verify(pairs=pairs, out=out, worlds=2, sample=sample))
    return root


def built(runs: Path, out: Path, *, verified: bool = True, change: Change | None = None) -> Path:
    """The rows of the runs as a dataset."""
    folders = sorted(runs.glob("*/v-*" if verified else "*/m-*"))
    if change:
        rows = [change(pair) for folder in folders for pair in read_pairs(folder)]
        out.mkdir()
        write_parquet(out / "pairs.parquet", rows, "pairs")
        folders, out = [out / "pairs.parquet"], out / "built"
    shares = (0.6, 0.2, 0.2)
    trajectories = tuple(sorted(runs.glob("*/c")))
    build(Build(pairs=tuple(folders), trajectories=trajectories, out=out, shares=shares))
    return out


@pytest.fixture(scope="module")
def folder(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with its card."""
    out = built(runs, tmp_path_factory.mktemp("built") / "out")
    (out / "README.md").write_text(card(out, REQUEST), encoding="utf-8")
    return out


@pytest.fixture
def no_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the time of the judges, for tests of something else."""
    monkeypatch.setattr(measures, "floor", lambda _config: [])


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """All pairs, as others load them."""
    return [
        row
        for config in ("alfworld", "toy")
        for split in load_dataset(str(folder), config).values()  # pyright: ignore
        for row in split
    ]


def lines(text: str, *cells: str) -> list[list[str]]:
    """The lines of tables that begin with these cells."""
    found = [
        [one.strip() for one in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    return [line for line in found if line[: len(cells)] == [*cells]]


def test_its_numbers_are_those_of_the_rows(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    text, rows = (folder / "README.md").read_text(encoding="utf-8"), rows_of(folder)
    tasks = {(row["env_id"], row["task_id"]) for row in rows}
    assert f"**{len(rows):,} pairs from {len(tasks)} tasks" in text
    toys = [row for row in rows if row["env_id"] == "ACT/Toy-v0"]
    kinds = {row["kind"] for row in toys}
    for kind in kinds:
        some = [row for row in toys if row["kind"] == kind]
        (line,) = lines(text, "Toy-v0", kind)
        assert line[2:] == [str(len({row["task_id"] for row in some})), str(len(some))]
    judged = [row for row in rows if row["verification"]["hindsight"]]
    assert len(judged) < len(rows)
    assert f"in {len(judged):,} of them, how they compare" in text
    hard = [row for row in judged if row["env_id"] != "ACT/Toy-v0"
            and row["policy"] == "hard-negative"]  # fmt: skip
    verdicts = [row["verification"]["hindsight"]["verdict"] for row in hard]
    noise = sum(verdict != "expert_better" for verdict in verdicts) / len(verdicts)
    (line,) = [one for one in lines(text, "ALFWorldGen-v0", "hard-negative") if len(one) == 5]
    assert line[2] == str(sum(row["policy"] == "hard-negative" and row["env_id"] != "ACT/Toy-v0"
                              for row in rows))  # fmt: skip
    assert line[3].startswith(f"**{100 * noise:.1f} (")


def test_it_loads_with_its_metadata(folder: Path) -> None:
    data = DatasetCard.load(folder / "README.md").data.to_dict()
    assert data["license"] == "mit"
    assert data["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in data["configs"]] == [
        "alfworld", "toy", "critique", "preference", "sft", "trajectories",
    ]  # fmt: skip
    infos = {info["config_name"]: info for info in data["dataset_info"]}
    counts = {split["name"]: split["num_examples"] for split in infos["toy"]["splits"]}
    assert counts == measure(folder).rows["toy"]


def test_the_same_rows_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    import matplotlib as mpl

    again = tmp_path / "elsewhere"
    shutil.copytree(folder, again)
    shutil.rmtree(again / "figures")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        text = card(again, REQUEST)
    assert text == (folder / "README.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    names = sorted(path.name for path in (folder / "figures").iterdir())
    assert names == ["lengths.png", "regret.png", "steps.png", "verdicts.png"]
    for name in names:
        assert (again / "figures" / name).read_bytes() == (folder / "figures" / name).read_bytes()
        assert f"(figures/{name})" in text


def test_a_figure_follows_from_its_values() -> None:
    one, other = (histograms({"A": {"pairs": {1: n, 2: 3}}}, "step") for n in (3, 9))
    assert one.startswith(b"\x89PNG")
    assert one != other


@pytest.mark.usefixtures("no_floor")
def test_pairs_that_were_not_verified_get_no_noise(runs: Path, tmp_path: Path) -> None:
    out = built(runs, tmp_path / "out", verified=False)
    text = card(out, REQUEST)
    assert "is an assumption" in text
    assert "Not measured in ALFWorldGen-v0 and Toy-v0" in text
    assert "verdicts.png" not in text
    assert "expert_better" not in text
    assert not (out / "figures" / "verdicts.png").exists()


@pytest.mark.usefixtures("no_floor")
def test_one_pair_that_was_not_verified_is_told(runs: Path, tmp_path: Path) -> None:
    first = next(read_pairs(next(runs.glob("Toy/v-*")))).pair_id

    def change(pair: ContrastPair) -> ContrastPair:
        return dataclasses.replace(pair, verification=None) if pair.pair_id == first else pair

    text = card(built(runs, tmp_path / "out", change=change), REQUEST)
    assert re.search(r"leave out the pairs that were not verified: Toy-v0 \(1 of \d+\)\.", text)
    assert "Not measured in" not in text
    assert not [line for line in lines(text, "Toy-v0") if "not verified" in line]
    assert "Pairs without `verification`" in text


@pytest.mark.usefixtures("no_floor")
def test_a_policy_whose_pairs_were_not_verified_is_told(runs: Path, tmp_path: Path) -> None:
    def change(pair: ContrastPair) -> ContrastPair:
        bare = pair.policy == "hard-negative"
        return dataclasses.replace(pair, verification=None) if bare else pair

    text = card(built(runs, tmp_path / "out", change=change), REQUEST)
    ends = {line[1]: line[-2:] for line in lines(text.partition("## ")[0], "Toy-v0")}
    assert ends["hard-negative"] == ["not verified"] * 2
    assert ends["random-admissible"] != ["not verified"] * 2


def test_without_scikit_learn_the_floor_is_said_to_be_missing(
    folder, tmp_path, monkeypatch
) -> None:
    def missing(_config: object) -> None:
        raise MissingExtra("scikit-learn is not installed.")

    monkeypatch.setattr(measures, "floor", missing)
    shutil.copytree(folder, tmp_path / "out")
    text = card(tmp_path / "out", REQUEST)
    assert "Not measured: scikit-learn was not installed" in text
    assert "n-grams" not in text


@pytest.mark.usefixtures("no_floor")
def test_accuracy_of_the_policy_only_from_runs_that_counted_it(folder: Path, runs: Path) -> None:
    counted = [mining(run) for run in sorted(runs.glob("Toy/m-*"))]
    random = next(one for one in counted if one["policy"] == "random-admissible")
    summary = json.loads((runs / "Toy" / "m-random-admissible" / "summary.json").read_text())
    assert random["as_expert"] == summary["counts"]["as_expert"] > 0
    assert random["samples"] == 2 * random["states"]
    assert json.loads(json.dumps(counted)) == counted
    text = card(folder, {**REQUEST, "mining": counted})
    share = f"{random['as_expert'] / random['samples']:.1%}"
    assert [line[5] for line in lines(text, "Toy-v0", "random-admissible", "2")] == [share]
    assert "`hard-negative` is told the expert's action" in text
    without = (folder / "README.md").read_text(encoding="utf-8")
    assert "Not known: states where all samples" in without


@pytest.mark.usefixtures("no_floor")
def test_texts_that_would_break_the_page_do_not(runs: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> | `x` ```\n# Title [a](b)"

    def change(pair: ContrastPair) -> ContrastPair:
        state = dataclasses.replace(pair.state, goal=evil)
        return dataclasses.replace(pair, state=state, kind=f"k|<b>{pair.kind}", policy="p|<i>")

    text = card(built(runs, tmp_path / "out", change=change), REQUEST)
    assert "\n# Title" not in text
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.S | re.M)
    assert "<script" not in outside
    assert "k&#124;&lt;b&gt;" in outside
    widths = {line.count("|") for line in outside.splitlines() if line.startswith("| Toy-v0 | p")}
    assert widths


@pytest.mark.parametrize("text", ["a|b", "<b>", "*x*", "[a](b)", "a\nb", "`"])
def test_a_cell_stays_a_cell(text: str) -> None:
    assert not re.search(r"(?<!\\)[|<>*\[\]`]|\n", as_is(text))
    assert "\n" not in code(text)
    assert fenced("```\nx").startswith("````")


@pytest.mark.usefixtures("no_floor")
def test_licences_and_limits_are_of_what_is_there(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "amazon" not in text
    assert "Results on it are not results on ALFWorld" in text
    assert "upper bounds" in text
    found = measure(folder)
    assert len(found.environments) == 2
    found.environments["ACT/Toy-v0"].methods["hindsight"].clear()
    assert "upper bounds" not in caveats.limits(found)
    assert spdx_ids(["ACT/WebShop-v0"]) == ["mit", "other"]
    assert spdx_ids(["ACT/ScienceWorld-v0"]) == ["apache-2.0"]
    assert spdx_ids(["Foreign/Env-v0"]) == ["other"]
    webshop = terms("ACT/WebShop-v0")
    assert webshop
    assert "amazon.com" in webshop.redistribution


@pytest.mark.usefixtures("no_floor")
def test_licences_are_those_of_the_trajectories_too(runs: Path, tmp_path: Path) -> None:
    episodes = [
        dataclasses.replace(one, env_id="ACT/WebShop-v0")
        for one in read_trajectories(runs / "Toy" / "c")
    ]
    write_parquet(tmp_path / "t.parquet", episodes, "trajectories")
    pairs, out = sorted(runs.glob("ALF*/v-*")), tmp_path / "out"
    build(Build(pairs=tuple(pairs), trajectories=(tmp_path / "t.parquet",), out=out))
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "amazon.com" in text
    assert "- other" in text.partition("---\n\n")[0]


@pytest.mark.usefixtures("no_floor")
def test_what_no_reading_decides_is_not_said_to_be_known(runs: Path, tmp_path: Path) -> None:
    def undecided(pair: ContrastPair) -> ContrastPair:
        assert pair.verification
        unknown = Reading("path:x", 3.0, 3.0, None, "unknown", None)
        found = dataclasses.replace(pair.verification, hindsight=unknown, informed=None)
        return dataclasses.replace(pair, verification=found)

    text = (built(runs, tmp_path / "out", change=undecided) / "README.md").read_text("utf-8")
    assert "what each gave and, in 0 of them, how they compare" in text


def test_every_environment_has_terms() -> None:
    from act_envs.registration import env_ids

    assert [env_id for env_id in env_ids() if terms(env_id) is None] == []


@pytest.mark.usefixtures("no_floor")
def test_pairs_that_read_alike_are_counted(runs: Path, tmp_path: Path) -> None:
    """Every Toy pair comes again under another task and another id."""
    names = iter(range(10**6))

    def change(pair: ContrastPair) -> ContrastPair:
        state = dataclasses.replace(pair.state, goal="g", observation="o")
        return dataclasses.replace(
            pair, pair_id=f"{next(names):016x}", state=state, expert_action="e",
            alternative_action="a",
        )  # fmt: skip

    repeats = measure(built(runs, tmp_path / "out", change=change)).repeats
    total = next(names)
    assert repeats.pairs == total - 1
    assert 0 < repeats.in_train == repeats.held_out < total


def test_a_command_is_shown_without_the_machine() -> None:
    config = Build(
        pairs=(Path("/home/me/my pairs"), Path("b")), out=Path("/tmp/x/out"), shares=(0.8, 0.1, 0.1)
    )
    expected = "act-data build 'my pairs' b --out out --shares 0.8 0.1 0.1"
    assert command_line("build", config) == expected
    config = Verify(pairs=Path("/a/m"), out=Path("o"), informed=False, workers=4, progress=True)
    assert command_line("verify", config) == "act-data verify m --out o --no-informed"


def test_croissant_names_every_file_and_column(folder: Path) -> None:
    import hashlib

    found = croissant(folder, "Toys of mine!")
    assert found["name"] == "Toys-of-mine"
    files = {one["@id"]: one for one in found["distribution"] if one["@type"] == "cr:FileObject"}
    on_disk = {p.relative_to(folder).as_posix(): p for p in folder.glob("data/*/*/*.parquet")}
    assert files.keys() == on_disk.keys()
    for name, path in on_disk.items():
        assert files[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    records = {one["@id"]: one for one in found["recordSet"]}
    fields = {one["name"]: one for one in records["toy"]["field"]}
    described = {name for name, one in fields.items() if one.get("description")}
    assert described == fields.keys()
    reading = {one["name"]: one for one in fields["toy.verification"]["subField"]}
    assert "hindsight.regret" in {name.removeprefix("toy.verification.") for name in reading}
    assert all(one["description"] for one in reading.values())


def test_croissant_is_valid_and_its_records_load(folder: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install mlcroissant")
    path = folder / "croissant.json"
    path.write_text(json.dumps(croissant(folder, "Toys")))
    try:
        dataset = mlcroissant.Dataset(jsonld=str(path))
        assert not dataset.metadata.issues.errors
        rows = [*dataset.records("toy")]
    finally:
        path.unlink()
    counts = measure(folder).rows["toy"]
    assert len(rows) == sum(counts.values())
    assert {row["toy/dataset_split"].decode() for row in rows} == counts.keys()
    pairs = {
        pair.pair_id: pair
        for split in counts
        for pair in read_pairs(folder / "data" / "toy" / split)
    }
    row = next(row for row in rows if pairs[row["toy/pair_id"].decode()].state.history)
    pair = pairs[row["toy/pair_id"].decode()]
    assert row["toy/state"]["toy/state/goal"].decode() == pair.state.goal
    seen = [one.decode() for one in row["toy/state"]["toy/state/history/observation"]]
    assert seen == [observation for observation, _ in pair.state.history]
