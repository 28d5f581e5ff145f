"""The report of real and of doctored runs: what is found, where it stands, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from act_train import compare, evaluate, report
from act_train.arguments.measuring import CompareArguments, EvaluateArguments, ReportArguments
from act_train.cli import main
from act_train.errors import RecipeError, ResultMismatch
from act_train.evaluation.pairing import difference
from act_train.reporting import comparisons, judges, tables
from act_train.reporting.experiments import Experiment, cell, experiments
from act_train.reporting.published import paper
from act_train.reporting.results import Result
from act_train.reporting.runs import find
from act_train.reporting.sections import Value, markdown
from act_train.stages import STAGES

Line = dict[str, Any]
EPISODES = {
    "policy": "expert", "env": "ACT/Toy-v0", "split": "test", "tasks": ["fetch:4", "feed:3"],
    "step_limit": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an evaluation each of the expert and of a policy that draws at random."""
    folder = tmp_path_factory.mktemp("played")
    for policy in ("random-admissible", "expert"):
        output = str(folder / f"{policy}.jsonl")
        evaluate.run(EvaluateArguments(**{**EPISODES, "policy": policy, "output": output}))  # type: ignore[arg-type]
    return folder


def doctored(path: Path, source: Path, change: Callable[[Line], Mapping[str, Any]]) -> Path:
    """A copy of a result with other values in its lines."""
    lines = [json.loads(line) for line in source.read_text().splitlines()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps({**line, **change(line)})}\n" for line in lines))
    return path


def in_alfworld(line: Line) -> Line:
    return {"env": "ACT/ALFWorld-v0", "split": "valid_seen"}


def written(out: Path, *runs: object, **options: Any) -> tuple[str, str]:
    report.run(ReportArguments(runs=[str(run) for run in runs], out=str(out), **options))
    return (out / "report.html").read_text(), (out / "report.md").read_text()


def row(text: str, *begins: str) -> list[str]:
    """The cells of the first line of a Markdown table that begins so."""
    start = f"| {' | '.join(begins)}"
    [line, *_] = [line for line in text.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_scores_that_say_no_more_than_wins_are_left_out(played: Path, tmp_path: Path) -> None:
    by_chance, expert = played / "random-admissible.jsonl", played / "expert.jsonl"
    _, text = written(tmp_path / "out", by_chance, expert)
    assert len(row(text, "run")) == 6
    assert "| score |" in text
    none = doctored(tmp_path / "a.jsonl", by_chance, lambda line: {"score": float(line["won"])})
    _, text = written(tmp_path / "out", none, expert)
    assert len(row(text, "run")) == 4
    assert "| score |" not in text


def test_ours_stands_beside_the_published_numbers_and_never_in_their_place(
    played: Path, tmp_path: Path
) -> None:
    path = doctored(tmp_path / "a.jsonl", played / "expert.jsonl", in_alfworld)
    _, text = written(tmp_path / "out", f"il={path}")
    first, second = text.split("**v2 ", 1)
    assert row(first, "method")[:3] == ["method", "ALFWorld ID (won) published",
                                        "ALFWorld ID (won) ours"]  # fmt: skip
    name, published, ours, other, missing, *_ = row(first, "IL (il)")
    assert (name, published, other, missing) == ("IL (il)", "85.71", "82.84", "not run")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert ours.startswith("100.0 \\[")
    assert "n = 7 (paper: 140)" in ours
    assert f"list {lines[0]['task_list']}" in ours
    assert row(first, "IL w/ ACT (act+il)")[1] == "91.43"
    assert row(second, "ACT → IL (act+il)")[1] == "89.76 ± 1.88"
    assert row(second, "IL (il)")[1] == "85.71 ± 0.58"
    for others in ("SAND (sand)", "Agent-R (agent-r)"):
        assert row(second, others)[2::2] == ["published only"] * 4
    assert set(row(second, "full ACT (act+il+rl)")[2::2]) == {"not run"}


def test_the_published_numbers_are_those_of_the_paper() -> None:
    known = paper()
    by_title = {table.title: table for table in known.tables}
    assert [len(table.rows) for table in known.tables] == [8, 6, 5, 12, 4]
    v1 = next(table for title, table in by_title.items() if title.startswith("v1 (9"))
    v2 = next(table for title, table in by_title.items() if title.startswith("v2 (8"))
    assert list(map(str, v1.rows["act+rl"])) == ["92.86", "88.06", "33.80", "50.34"]
    assert list(map(str, v2.rows["sand"])) == [
        "85.71 ± 1.16", "83.09 ± 0.93", "20.27 ± 1.36", "29.41 ± 0.46",
    ]  # fmt: skip
    assert [column.measure for column in v1.columns][3] == "next-action"
    assert [column.measure for column in v2.columns][3] == "score"
    for table in known.tables:
        assert table.rows.keys() <= known.methods.keys()
        assert {len(numbers) for numbers in table.rows.values()} == {len(table.columns)}
        assert {column.benchmark for column in table.columns} <= known.benchmarks.keys()
    assert {name: str(number) for name, number in known.interventions.items()} == {
        "free": "86.50", "removed": "80.75", "wrong": "50.75",
    }  # fmt: skip
    assert not known.methods.keys() & STAGES.keys()  # ACT → RL is not what act-train act-rl makes
    reasoning = next(table for title, table in by_title.items() if "reasoning" in title)
    assert list(map(str, reasoning.rows["il"])) == ["87", "44.61"]  # as printed, no digit more
    assert list(map(str, reasoning.rows["prompt"])) == ["78.6", "42.93"]


def test_another_backbone_has_its_own_numbers(played: Path, tmp_path: Path) -> None:
    _, text = written(tmp_path, played, backbone="Olmo-3-7B-Instruct")
    assert row(text, "ACT → IL (act+il)")[1] == "74.52"
    assert "85.71" not in text
    with pytest.raises(RecipeError, match="no backbone 'Olmo'"):
        written(tmp_path, played, backbone="Olmo")


def test_runs_of_one_row_and_protocol_are_one_experiment(played: Path, tmp_path: Path) -> None:
    source = played / "random-admissible.jsonl"
    won = {"fetch/150": 1, "feed/151": 0}

    def seed(number: int) -> Callable[[Line], Line]:
        return lambda line: {
            "seed": number, "won": bool(won.get(line["task_id"], number)), "lenient": None,
        }  # fmt: skip

    paths = [doctored(tmp_path / f"{n}.jsonl", source, seed(n)) for n in (0, 1)]
    other = doctored(tmp_path / "2.jsonl", source, lambda line: {"history": 5})
    found = find([f"il={path}" for path in (*paths, other)], paper().methods)
    same, apart = experiments(found.results)
    assert [len(same.results), len(apart.results)] == [2, 1]
    estimate = same.estimate("success")
    assert estimate.value == pytest.approx((1 / 7 + 6 / 7) / 2)
    assert estimate.deviation == pytest.approx(5 / 7 / 2**0.5)
    runs = [result.lines for result in same.results]
    found = difference(runs, runs[:1], "success")
    assert (found.a, found.b) == pytest.approx((estimate.value, 1 / 7))
    assert found.wins is None  # of means there is no test


def test_paired_differences_and_their_test(played: Path, tmp_path: Path) -> None:
    def luck(line: Line) -> Line:
        return {"won": line["task_id"] == "fetch/150", "score": 0.5}

    path = doctored(tmp_path / "luck.jsonl", played / "random-admissible.jsonl", luck)
    found = find([f"expert={played / 'expert.jsonl'}", f"luck={path}"], ())
    [(a, b)] = comparisons.pairs(experiments(found.results))
    table = comparisons.differences([(a, b)])
    assert table is not None
    success, score = table.rows
    assert success[:3] == ["expert", "luck", "success"]
    assert str(success[4]).startswith("-85.7 [")
    assert success[5:] == ["6", "0", f"{2 / 2**6:.2g}", "–"]
    assert str(success[3]) == "7 test, too few to tell"
    others = 1.96**2 / (7 + 1.96**2)  # where all agree, tasks of another kind may not have come up
    low, high = -0.5 + others * (-1 + 0.5), -0.5 + others * (1 + 0.5)
    assert str(score[4]) == f"-50.0 [{100 * low:+.1f}, {100 * high:+.1f}]"
    assert score[5:] == ["–", "–", "–", "–"]


def test_next_actions_are_paired_by_state_as_compare_does(tmp_path: Path) -> None:
    paths = []
    for seed in (0, 1):
        paths.append(str(tmp_path / f"{seed}.jsonl"))
        evaluate.run(EvaluateArguments(
            env="ACT/Toy-v0", split="test", tasks=["fetch:5", "feed:6"], seed=seed,
            policy="random-admissible", metric="next-action", output=paths[-1],
        ))  # fmt: skip
    told = compare.run(CompareArguments(results=paths))["measures"]["accuracy"]
    found = experiments(find([f"a={paths[0]}", f"b={paths[1]}"], ()).results)
    table = comparisons.differences(comparisons.pairs(found))
    assert table is not None
    [shown] = table.rows
    low, high = (f"{100 * bound:+.1f}" for bound in told["difference_95"])
    assert str(shown[4]) == f"{100 * told['difference']:+.1f} [{low}, {high}]"
    a, _ = found
    assert told["a"] == pytest.approx(a.estimate("next-action").value)
    states = len(a.first.values("next-action"))
    assert str(shown[3]) == f"11 test, {states} states"
    assert shown[-1] == "seed"

    def elsewhere(line: Line) -> Line:
        return {"answers": [{**answer, "expert": "look"} for answer in line["answers"]]}

    other = doctored(tmp_path / "c.jsonl", Path(paths[1]), elsewhere)
    found = experiments(find([f"a={paths[0]}", f"c={other}"], ()).results)
    assert comparisons.pairs(found) == []
    refused = comparisons.unpaired(found)
    assert refused is not None
    assert "is another one" in str(refused.rows[0][2])


def test_other_worlds_are_not_paired_and_other_limits_are_said(
    played: Path, tmp_path: Path
) -> None:
    expert = played / "expert.jsonl"
    world = doctored(tmp_path / "world.jsonl", expert, lambda line: {"env_kwargs": {"rooms": 9}})
    limit = doctored(
        tmp_path / "limit.jsonl", expert, lambda line: {"step_limit": 9, "cap": 9, "history": 4}
    )
    _, text = written(tmp_path / "out", expert, world, limit)
    [line] = [line for line in text.splitlines() if line.startswith("| expert | limit | success")]
    assert line.endswith("| history, step\\_limit |")
    assert "| expert | world |" in text.split("**Not paired**")[1]
    assert "env\\_kwargs is {} in the first and {'rooms': 9} in the second" in text
    assert "(world against" not in text
    assert comparisons.unpaired(experiments(find([str(expert), str(limit)], ()).results)) is None
    default = doctored(tmp_path / "own.jsonl", expert, lambda line: {"step_limit": "default"})
    assert "at most" not in written(tmp_path / "own", default)[1]
    assert "at most 9 actions" in written(tmp_path / "nine", limit)[1]


def test_one_run_is_not_taken_for_two(played: Path, tmp_path: Path) -> None:
    expert = played / "expert.jsonl"
    again = doctored(tmp_path / "again.jsonl", expert, dict)
    for other in (expert, again):
        with pytest.raises(RecipeError, match="one run of 'il': policy, weights and seed"):
            find([f"il={expert}", f"il={other}"], ())
    weights = doctored(tmp_path / "b.jsonl", expert, lambda line: {"revision": "sha256:2"})
    assert len(find([f"il={expert}", f"il={weights}"], ()).results) == 2


def test_runs_of_one_name_are_of_one_player(played: Path, tmp_path: Path) -> None:
    expert, drawing = (played / f"{name}.jsonl" for name in ("expert", "random-admissible"))

    def of(name: str, **sampling: Any) -> Path:
        line = {"policy": name, "revision": name, "sampling": sampling}
        return doctored(tmp_path / f"{name.replace(':', '-')}.jsonl", expert, lambda _: line)

    for one, other in (
        (drawing, expert),
        (expert, of("expert:other")),
        (of("transformers:a", history=2), of("scored:a", history=2)),
        (of("openai:a", history=2), of("openai:b", history=2)),
    ):
        with pytest.raises(RecipeError, match=r"no runs of one experiment 'il'.*NAME="):
            find([f"il={one}", f"il={other}"], ())
        assert len(find([f"il={one}", f"rl={other}"], ()).results) == 2
    seeds = [of(f"transformers:{folder}", history=2) for folder in ("a", "b")]
    assert len(find([f"il={path}" for path in seeds], ()).results) == 2


def test_unfinished_results_are_marked_and_paired_with_nothing(
    played: Path, tmp_path: Path
) -> None:
    whole = (played / "expert.jsonl").read_bytes()
    (tmp_path / "expert.jsonl").write_bytes(whole[:-50])
    found = find([str(tmp_path), f"random={played / 'random-admissible.jsonl'}"], ())
    first, second = experiments(found.results)
    assert (first.tasks, first.whole, second.whole) == (6, False, True)
    assert comparisons.pairs([first, second]) == []
    assert "unfinished" in str(tables.outcomes("x", 0, [first]).numbers.rows[0][0])


def test_two_episodes_side_by_side() -> None:
    def line(won: bool, *actions: str) -> Line:
        turns = [{"action": a, "valid": a != "fly", "observation": f"after {a}"} for a in actions]
        return {"goal": "g", "won": won, "score": float(won),
                "turns": [{"observation": "begin"}, *turns]}  # fmt: skip

    shown = comparisons.side_by_side(
        "t", ("a", line(False, "look", "fly", "look")), ("b", line(True, "look", "take"))
    )
    assert [step.number for step in shown.same] == [1]
    assert [(step.number, step.differs) for step in shown.steps] == [(2, True)]
    assert shown.steps[0].left is not None
    assert not shown.steps[0].left.valid
    assert [(step.number, step.right) for step in shown.alone] == [(3, None)]
    assert shown.names == ("a: not won, score 0.00 after 3 steps", "b: won, score 1.00 after 2 "
                           "steps")  # fmt: skip


def test_wins_and_losses_against_the_first_run(played: Path) -> None:
    runs = [f"{name}={played / name}.jsonl" for name in ("random-admissible", "expert")]
    found = experiments(find(runs, ()).results)
    shown = comparisons.wins_and_losses(found, examples=2)
    assert len(shown) == 2
    assert all("a win (expert against random-admissible)" in one.title for one in shown)
    assert comparisons.wins_and_losses(found, examples=0) == []
    assert all("a loss" in one.title for one in comparisons.wins_and_losses(found[::-1], 2))


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "critique"
    (folder / "checkpoint-3").mkdir(parents=True)
    state = {"log_history": [{"step": n, "reward": n / 4, "loss": 1.0} for n in (1, 2, 3)]}
    (folder / "checkpoint-3" / "trainer_state.json").write_text(json.dumps(state))
    run = {"stage": "critique", "weights": "sha256:1", "arguments": {}, "prompt_version": 1}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    path = tmp_path / "judge.json"
    bins = {"from": 0.5, "to": 0.55, "prompts": 0, "confidence": None, "accuracy": None,
            "accuracy_95": None}  # fmt: skip
    full = {**bins, "prompts": 8, "confidence": 0.52, "accuracy": 0.4, "accuracy_95": [0.2, 0.6]}
    found = {
        "model": "m", "pairs": 9, "accuracy": 0.75, "accuracy_95": [0.5, 0.9],
        "swap_consistent": 0.5, "ece": 0.125, "reliability": [bins, full],
        "rationales": {"pairs": 4, "free_accuracy": 0.8, "free_accuracy_95": [0.7, 0.9],
                       "removed_accuracy": 0.6, "wrong_accuracy": 0.5},
    }  # fmt: skip
    path.write_text(json.dumps(found))
    return path


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"accuracy": "high"}, "accuracy is 'high', not a finite number"),
        ({"accuracy_95": [0.5]}, "accuracy_95 holds 1 items, not 2"),
        ({"reliability": [{"from": 0.5}]}, r"reliability\[0\]\.to is missing"),
        ({"verified": {}}, r"verified is \{\}, not a list"),
        ({"rationales": []}, r"rationales is \[\], not an object"),
    ],
)
def test_damaged_judgements_are_named(change: Line, wrong: str, judged: Path) -> None:
    judged.write_text(json.dumps({**json.loads(judged.read_text()), **change}))
    with pytest.raises(ResultMismatch, match=rf"judge\.json is damaged: {wrong}"):
        find([str(judged)], ())


def test_damaged_files_are_refused_where_they_are_named(judged: Path, trained: Path) -> None:
    judged.write_bytes(judged.read_bytes()[:50])
    with pytest.raises(ResultMismatch, match=r"judge\.json is no JSON: .*line 1"):
        find([str(judged)], ())
    (trained / "run.json").write_text("[]")
    with pytest.raises(ResultMismatch, match=r"run\.json is damaged: it is \[\], not an object"):
        find([str(trained)], ())
    (trained / "run.json").unlink()
    (trained / "log_history.jsonl").write_text('{"step": 1}\n{"step": "two"}\n')
    with pytest.raises(ResultMismatch, match=r"line 2 of .*log_history.*step is 'two'"):
        find([str(trained)], ())


def test_a_judge_on_few_tasks_claims_nothing(judged: Path) -> None:
    cells = []
    for tasks, above in ((9, True), (10, True), (10, False)):
        found = {**json.loads(judged.read_text()), "tasks": tasks, "above_floor": above}
        judged.write_text(json.dumps(found))
        [row] = judges.judged(find([str(judged)], ()).judgements).rows
        cells.append(row[3])
    assert cells == ["too few tasks to tell", "yes", "not shown"]


@pytest.mark.parametrize(
    ("drawn", "said", "claimed"),
    [
        ({"part": "held-out", "split": None}, "part: held-out", "yes"),
        ({"part": "held-out", "split": "test", "subset": "webshop"},
         "part: held-out, split: test, subset: webshop", "yes"),
        ({"part": "train", "split": None}, "part: train", "not held out"),
        ({"part": "all", "split": "train"}, "part: all, split: train", "not held out"),
    ],
)  # fmt: skip
def test_a_judge_of_pairs_that_it_may_know_claims_nothing(
    drawn: Line, said: str, claimed: str, judged: Path
) -> None:
    found = {**json.loads(judged.read_text()), "tasks": 20, "above_floor": True, **drawn}
    judged.write_text(json.dumps(found))
    table = judges.judged(find([str(judged)], ()).judgements)
    assert table.rows[0][2:4] == [said, claimed]
    assert "eld-out" not in table.caption


def test_the_command_takes_runs_without_a_flag(
    played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expert = played / "expert.jsonl"
    assert main(["report", f"act+il={expert}", str(played), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "report.html") in said
    assert re.search(r"results +3\n", said)
    assert re.search(r"rows of the paper +act\+il\n", said)


def test_judges_and_learning_curves(trained: Path, judged: Path, tmp_path: Path) -> None:
    page, text = written(tmp_path / "out", f"act={trained}", judged)
    assert row(text, "judge m")[2:6] == ["–", "–", "75.0 \\[50.0, 90.0\\]", "50.0"]
    assert "12.5" in row(text, "judge m")
    assert row(text, "0.50 to 0.55")[1:] == ["8", "52.0", "40.0 \\[20.0, 60.0\\]"]
    assert row(text, "published, Qwen3-8B")[2:] == ["86.50", "80.75", "50.75"]
    assert row(text, "judge | 4")[2:] == ["80.0 \\[70.0, 90.0\\]", "60.0", "50.0"]
    assert row(text.split("critique: mean reward")[1], "act") == ["act", "3", "0.25", "0.75"]
    assert page.count("<svg") == 3  # a diagram, reward, loss


def test_seeds_of_a_row_have_a_curve_each(trained: Path, tmp_path: Path) -> None:
    others = [shutil.copytree(trained, tmp_path / name) for name in ("other", "third")]
    _, text = written(
        tmp_path / "out", f"act={trained}", f"act={others[0]}", f"act (1)={others[1]}"
    )
    curve = text.split("critique: mean reward")[1]
    for label in ("act (1)", "act (2)", "act (3)"):
        assert row(curve, label)[1:] == ["3", "0.25", "0.75"]


def test_a_judgement_beside_its_model_is_shown_where_it_is_named(
    judged: Path, tmp_path: Path
) -> None:
    (judged.parent / "config.json").write_text("{}")
    assert find([str(judged)], ()).judgements
    with pytest.raises(RecipeError, match="nothing to show"):
        find([str(judged.parent)], ())


class Page(HTMLParser):
    """Tags that are open, and everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        self.fetched += [
            f"{value}" for name, value in attrs if name in ("src", "href", "xlink:href")
        ]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "link", "br"):
            assert self.open.pop() == tag


def test_the_page_is_whole_by_itself_and_the_same_every_time(
    played: Path, trained: Path, judged: Path, tmp_path: Path
) -> None:
    runs = (played, trained, judged)
    page, text = written(tmp_path / "one", *runs)
    assert (page, text) == written(tmp_path / "two", *runs)
    parsed = Page()
    parsed.feed(page)
    assert parsed.open == []
    assert parsed.fetched
    assert all(place.startswith(("#", "data:,")) for place in parsed.fetched)
    assert "<script" not in page
    assert not re.search(r"@import|url\((?!#)", page)
    titles = re.findall(r'<h2 id="[\w-]+">(.*?)</h2>', page)
    assert titles == re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert len(titles) == 7


def test_what_models_say_breaks_neither_the_page_nor_the_tables(
    played: Path, tmp_path: Path
) -> None:
    def hostile(line: Line) -> Line:
        said = "<script>x</script> | **bold**\n\n# head \x1b[31m"
        return {
            "goal": said, "won": False,
            "turns": [{**turn, "observation": said} for turn in line["turns"]],
        }  # fmt: skip

    path = doctored(tmp_path / "a.jsonl", played / "expert.jsonl", hostile)
    page, text = written(tmp_path / "out", played / "expert.jsonl", f"b={path}")
    assert "<script" not in page + text
    assert "&lt;script&gt;" in page
    assert "\x1b" not in text
    assert not re.search(r"^# head", text, re.MULTILINE)
    assert len({line.count("|") for line in text.split("### ")[1].splitlines() if "|" in line}) == 1


def test_what_cannot_be_shown_is_refused(
    played: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RecipeError, match="no run is given"):
        ReportArguments()
    with pytest.raises(RecipeError, match="does not exist"):
        find([str(tmp_path / "none")], ())
    (tmp_path / "notes.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(RecipeError, match="nothing to show"):
        find([str(tmp_path)], ())
    expert = played / "expert.jsonl"
    with pytest.raises(RecipeError, match="Name them: NAME="):
        find([str(expert), str(doctored(tmp_path / "x/expert.jsonl", expert, dict))], ())
    doctored(tmp_path / "y/b.jsonl", expert, dict)
    doctored(tmp_path / "y/c.jsonl", expert, dict)
    with pytest.raises(RecipeError, match="two results of the same tasks"):
        find([f"il={tmp_path / 'y'}"], ())
    damaged = tmp_path / "d.jsonl"
    damaged.write_bytes(expert.read_bytes() + b"no line\n")
    with pytest.raises(ResultMismatch, match=r"line 8 of .* is no JSON object"):
        find([str(damaged)], ())
    find([f"act_il={expert}"], paper().methods)
    assert "Did you mean 'act+il'" in caplog.text


def test_questions_have_a_row_of_their_own(tmp_path: Path) -> None:
    shared = {
        "metric": "reasoning", "benchmark": "math-500", "policy": "p", "revision": "r",
        "task_list": "0123", "tasks": 4, "sampling": {}, "seed": 0, "level": "", "fault": "",
    }  # fmt: skip
    lines = [
        {**shared, "task_id": f"{n}", "subject": "Algebra", "correct": n < 2,
         "lenient_correct": n < 3, "undecided": n == 3}
        for n in range(4)
    ]  # fmt: skip
    path = tmp_path / "m.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    _, text = written(tmp_path / "out", f"il={path}")
    math = row(text.split("**v1, reasoning")[1], "IL (il)")
    assert math[1] == "87"
    assert math[2].startswith("50.0 \\[")
    assert "lenient 75.0" in math[2]
    assert math[4] == "not run"
    assert row(text, "subject: Algebra")[1:] == ["50.0", "4"]
    assert row(text, "not to be graded in time")[1:] == ["counted as wrong", "1"]
    assert "prompt too long" not in text


def test_a_cell_says_which_split_it_is_of() -> None:
    line = {"metric": "next-action", "policy": "p", "task_id": "t", "task_list": "l", "tasks": 1,
            "env": "ACT/ScienceWorld-v0", "split": "eto-test",
            "answers": [{"right": n < 3, "exact": n < 1, "lenient_right": True}
                        for n in range(4)]}  # fmt: skip
    one = Experiment("il", (Result("il", Path("x"), (line,)),))
    benchmark = paper().benchmarks["scienceworld"]
    assert cell([one], "scienceworld", benchmark, "score") == Value("not run")
    shown = cell([one], "scienceworld", benchmark, "next-action")
    assert shown.text == "25.0"  # the paper compares letter by letter
    assert "as the environment reads it 75.0, lenient 100.0, eto-test" in shown.note
    assert markdown("a", "b", []) == "# a\n\nb\n"
