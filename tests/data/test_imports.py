"""``act-data import``: what replays and wins is kept, all else is told with its reason."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from act_data.cli import main
from act_data.collect import Collect, collect
from act_data.errors import DataCorrupt, DataNotFound, RunConflict
from act_data.exports import Export, export
from act_data.imports import REJECTED, Import, import_records
from act_data.rollout import make_env, replay, text_env
from act_data.splits import TRAIN
from act_data.storage.tables import read_trajectories
from act_data.types import Trajectory
from act_envs.toy import ToySimulator

HOUSE = {"env": "ACT/ALFWorldGen-v0", "env_kwargs": '{"dialect": "classic", "games": 6}'}
SHOP = {"env": "ACT/WebShopGen-v0", "env_kwargs": '{"products": 60}'}
TOY = {"env": "ACT/Toy-v0"}
ENVS = {"house": HOUSE, "shop": SHOP, "toy": TOY}


def _conversation(env: Any, task_id: str, expert: str | None) -> dict[str, Any]:
    """An episode of an expert, as ETO writes one down: the last observation is not recorded."""
    turns = [
        {"from": "human", "value": "You are given a task. Answer with Thought and Action."},
        {"from": "gpt", "value": "OK"},
    ]
    observation, _ = env.reset(options={"task_id": task_id})
    observation = observation.removeprefix("-= Welcome to TextWorld, ALFRED! =-\n\n")
    while (action := env.expert_action(expert)) is not None:
        turns.append({"from": "human", "value": observation})
        turns.append({"from": "gpt", "value": f"Thought: Well.\nAction: {action}"})
        after, _, terminated, _, _ = env.step(action)
        if after.startswith("You arrive at loc "):
            after = after.partition(". ")[2]
        observation = f"Observation: {after}"
        if terminated:
            break
    return {"id": f"x_{task_id}", "game_file": f"data/{task_id}", "conversations": turns}


@pytest.fixture(scope="module")
def house() -> list[dict[str, Any]]:
    """Three won episodes of the train split of generated ALFWorld."""
    env = text_env(make_env(HOUSE["env"], json.loads(HOUSE["env_kwargs"])))
    return [_conversation(env, t.task_id, "clairvoyant") for t in env.tasks("train")[:3]]


@pytest.fixture(scope="module")
def shop() -> list[dict[str, Any]]:
    """Two purchases, whose tasks are named by their words alone."""
    env = text_env(make_env(SHOP["env"], json.loads(SHOP["env_kwargs"])))
    found = [_conversation(env, t.task_id, None) for t in env.tasks("train")[:2]]
    for number, record in enumerate(found):
        del record["game_file"]
        record["id"] = 4116 + number  # of a session of somebody else's
    return found


@pytest.fixture(scope="module")
def toy() -> list[dict[str, Any]]:
    env = text_env(make_env("ACT/Toy-v0", {}))
    return [_conversation(env, f"fetch/{number}", None) for number in range(5)]


def _run(path: Path, out: Path, **options: Any) -> tuple[list[Trajectory], dict[str, Any]]:
    summary = import_records(Import(file=path, out=out, **options))
    return list(read_trajectories(out)), summary


def _rejected(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / REJECTED).read_text().splitlines()]


@pytest.mark.parametrize("which", ["house", "shop", "toy"])
@pytest.mark.parametrize("lines", [False, True])
def test_what_replays_is_a_trajectory(
    which: str, lines: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    records = request.getfixturevalue(which)
    path = tmp_path / "records.json"
    path.write_text("\n".join(map(json.dumps, records)) if lines else json.dumps(records))
    rows, summary = _run(path, tmp_path / "out", **ENVS[which])
    assert summary["counts"]["imported"] == summary["rows"] == len(rows) == len(records)
    assert _rejected(tmp_path / "out") == []
    for row, record in zip(rows, records, strict=True):
        assert row.won
        assert (row.policy, row.split, row.seed) == ("eto", "train", 0)
        assert len(row.transitions) == len(record["conversations"]) // 2 - 1
        assert record["id"] in (f"x_{row.task_id}", 4116, 4117)
        env = make_env(row.env_id, json.loads(row.env_kwargs))
        [task] = [one for one in text_env(env).tasks() if one.task_id == row.task_id]
        assert row.origin == task.origin
        assert bool(row.origin) == (which == "shop")
        assert len(list(replay(env, row))) == len(row.transitions)


def test_other_names_for_the_same_fields(tmp_path: Path, toy: list[dict[str, Any]]) -> None:
    turns = toy[3]["conversations"]
    roles = {"human": "user", "gpt": "assistant"}
    record = {
        "task_id": f"/data/{toy[3]['game_file']}/game.tw-pddl",
        "messages": [
            {"role": "system", "content": "Be helpful."},
            *({"role": roles[turn["from"]], "content": turn["value"]} for turn in turns),
        ],
    }
    (tmp_path / "one.json").write_text(json.dumps(record, indent=2))
    rows, _ = _run(tmp_path / "one.json", tmp_path / "out", source="gpt-4", **TOY)
    assert [(row.task_id, row.policy) for row in rows] == [("fetch/3", "gpt-4")]


def test_spelling_tells_nothing(tmp_path: Path, shop: list[dict[str, Any]]) -> None:
    """A recorded click is written as the environment offers it."""
    record = copy.deepcopy(shop[0])
    last = record["conversations"][-1]
    assert "click[buy now]" in last["value"]
    last["value"] = last["value"].replace("buy now", "Buy Now")
    (tmp_path / "one.json").write_text(json.dumps([record]))
    [row], _ = _run(tmp_path / "one.json", tmp_path / "out", **SHOP)
    assert row.transitions[-1].action == "click[buy now]"


def _turn(number: int, old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        turn = record["conversations"][number]
        assert old in turn["value"]
        turn["value"] = turn["value"].replace(old, new)

    return change


def _cut(first: int, end: int | None) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["conversations"].__delitem__(slice(first, end))


def _more(record: dict[str, Any]) -> None:
    record["conversations"] += [
        {"from": "human", "value": "Observation: Done."},
        {"from": "gpt", "value": "Thought: Again.\nAction: look"},
    ]


@pytest.mark.parametrize(
    ("fault", "reason", "step"),
    [
        (_turn(4, "Observation:", "Observation: Oh."), "other_observation", 1),
        (_turn(2, "Exits", "exits"), "other_observation", 0),
        (_turn(3, "Action: ", "Action: please "), "inadmissible", 0),
        (_cut(3, 5), "other_observation", 1),
        (_cut(3, 4), "other_observation", 0),  # what is before the first action answers nothing
        (_cut(4, 5), "not_understood", None),
        (_cut(5, 6), "not_understood", None),
        (_cut(-2, None), "not_won", 2),
        (_cut(2, None), "not_understood", None),
        (_turn(3, "Action:", "I do"), "other_observation", 0),
        (_turn(5, "Action:", "I do"), "not_understood", None),
        (_turn(3, "Action: ", "Action:\nwait\n"), "not_understood", None),
        (_more, "ended_early", 3),
        (lambda r: r["conversations"][3].update({"from": "narrator"}), "not_understood", None),
        (lambda r: r["conversations"][3].update(value=7), "not_understood", None),
        (lambda r: r.update(conversations="none"), "not_understood", None),
        (lambda r: r.pop("conversations"), "not_understood", None),
        (lambda r: r.update(game_file="data/fetch/1"), "other_observation", 0),
        (lambda r: r.update(game_file="data/fetch/160"), "forbidden_split", None),
        (lambda r: r.update(game_file="data/fetch/110"), "forbidden_split", None),
    ],
)
def test_what_does_not_is_told(
    tmp_path: Path,
    toy: list[dict[str, Any]],
    fault: Callable[[dict[str, Any]], Any],
    reason: str,
    step: int | None,
) -> None:
    """One fault in the middle record of three; its neighbours are not touched."""
    records = copy.deepcopy(toy[2:5])
    assert len(records[1]["conversations"]) == 8, "the steps below count on three actions"
    fault(records[1])
    (tmp_path / "records.json").write_text(json.dumps(records))
    rows, summary = _run(tmp_path / "records.json", tmp_path / "out", **TOY)
    assert [row.task_id for row in rows] == ["fetch/2", "fetch/4"]
    [why] = _rejected(tmp_path / "out")
    assert (why["record"], why["reason"], why["step"]) == ("records.json:2", reason, step)
    assert summary["counts"] == {**dict.fromkeys(summary["counts"], 0), "imported": 2, reason: 1}
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary


def test_allowed_splits_are_taken_but_never_test(tmp_path: Path) -> None:
    env = text_env(make_env("ACT/Toy-v0", {}))
    records = [_conversation(env, f"fetch/{number}", None) for number in (110, 160)]
    (tmp_path / "records.json").write_text(json.dumps(records))
    options = {**TOY, "allow_split": ("dev", "test")}
    rows, _ = _run(tmp_path / "records.json", tmp_path / "out", **options)
    assert [row.task_id for row in rows] == ["fetch/110"]
    assert [why["reason"] for why in _rejected(tmp_path / "out")] == ["forbidden_split"]


def test_what_a_paper_reports_on_is_not_taken(
    tmp_path: Path, toy: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ToySimulator.tasks

    def tasks(simulator: ToySimulator, split: str) -> Any:
        return plain(simulator, "train")[:1] if split == "paper-test" else plain(simulator, split)

    monkeypatch.setattr(ToySimulator, "panels", ("paper-test",))
    monkeypatch.setattr(ToySimulator, "tasks", tasks)
    (tmp_path / "records.json").write_text(json.dumps(toy[:2]))
    rows, _ = _run(tmp_path / "records.json", tmp_path / "out", **TOY)
    assert [row.task_id for row in rows] == ["fetch/1"]
    [why] = _rejected(tmp_path / "out")
    assert (why["task_id"], why["reason"]) == ("fetch/0", "forbidden_split")


@pytest.mark.parametrize(("more", "kept"), [("", 1), (" And a dog.", 0)])
def test_a_last_observation_is_compared_too(
    tmp_path: Path, toy: list[dict[str, Any]], more: str, kept: int
) -> None:
    record = copy.deepcopy(toy[3])
    env = text_env(make_env("ACT/Toy-v0", {}))
    env.reset(options={"task_id": "fetch/3"})
    for turn in record["conversations"][3::2]:
        last = env.step(turn["value"].partition("Action: ")[2])[0]
    record["conversations"].append({"from": "human", "value": f"Observation: {last}{more}"})
    (tmp_path / "one.json").write_text(json.dumps([record]))
    rows, _ = _run(tmp_path / "one.json", tmp_path / "out", **TOY)
    assert len(rows) == kept
    assert [why["step"] for why in _rejected(tmp_path / "out")] == [3] * (1 - kept)


def test_words_of_a_test_task(tmp_path: Path) -> None:
    """The words are looked for in all splits: a test task is found, and refused."""
    env = text_env(make_env(SHOP["env"], json.loads(SHOP["env_kwargs"])))
    record = _conversation(env, env.tasks("test")[0].task_id, None)
    del record["game_file"], record["id"]
    (tmp_path / "one.json").write_text(json.dumps([record]))
    assert _run(tmp_path / "one.json", tmp_path / "out", **SHOP)[0] == []
    assert [why["reason"] for why in _rejected(tmp_path / "out")] == ["forbidden_split"]


def test_words_that_name_no_task_or_several(tmp_path: Path, toy: list[dict[str, Any]]) -> None:
    """The words of the task are the last resort, and must name one."""
    none, several = copy.deepcopy(toy[:2])
    for record in (none, several):
        del record["id"], record["game_file"]
    none["conversations"][2]["value"] = "Bring me the moon."
    several["conversations"][2]["value"] = "Give the apple to the cat."
    (tmp_path / "records.json").write_text(json.dumps([none, several]))
    _run(tmp_path / "records.json", tmp_path / "out", **TOY)
    assert [why["reason"] for why in _rejected(tmp_path / "out")] == [
        "unknown_task", "ambiguous_task",
    ]  # fmt: skip


# -- damaged files ---------------------------------------------------------------------------------


def test_a_list_is_read_up_to_its_damage(tmp_path: Path, toy: list[dict[str, Any]]) -> None:
    text = json.dumps(toy)
    (tmp_path / "cut.json").write_text(text[: text.index('"x_fetch/3"')])
    rows, summary = _run(tmp_path / "cut.json", tmp_path / "out", **TOY)
    assert [row.task_id for row in rows] == ["fetch/0", "fetch/1", "fetch/2"]
    assert summary["items"] == 4
    [why] = _rejected(tmp_path / "out")
    assert (why["record"], why["reason"]) == ("cut.json:4", "not_understood")


def test_garbage_lines_are_told_one_by_one(tmp_path: Path, toy: list[dict[str, Any]]) -> None:
    good = json.dumps(toy[0]).encode()
    garbage = [b"\xff\xfe\x00", b"{", b"[1, 2", b"7", b"null", b'"x"', b"[" * 100_000, b"{}"]
    (tmp_path / "lines.jsonl").write_bytes(b"\n".join([good, *garbage, good]))
    rows, summary = _run(tmp_path / "lines.jsonl", tmp_path / "out", **TOY)
    assert len(rows) == 2
    assert summary["counts"]["not_understood"] == len(garbage)
    places = [why["record"] for why in _rejected(tmp_path / "out")]
    assert places == [f"lines.jsonl:{number}" for number in range(2, 2 + len(garbage))]


@pytest.mark.parametrize("text", ["", "  \n", "[]", "[7, null]", "PAR1\0"])
def test_what_holds_no_record_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty.json").write_text(text)
    with pytest.raises(DataCorrupt, match="holds no records"):
        _run(tmp_path / "empty.json", tmp_path / "out", **TOY)
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataNotFound, match="is no file, and no folder"):
            _run(path, tmp_path / "out", **TOY)


# -- runs ------------------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, toy: list[dict[str, Any]], digests: Callable[[Path], dict[str, str]]
) -> None:
    records = copy.deepcopy(toy)
    records[1]["conversations"].pop()
    records[4]["game_file"] = "fetch/160"
    (tmp_path / "records.json").write_text(json.dumps(records))
    options = {**TOY, "shard_size": 2}
    _run(tmp_path / "records.json", tmp_path / "out", **options)
    whole = digests(tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "again")
    for name in ("part-00001-of-00003.parquet", "summary.json", REJECTED):
        (tmp_path / "again" / name).unlink()
    _run(tmp_path / "records.json", tmp_path / "again", **options)
    assert digests(tmp_path / "again") == whole
    assert len(_rejected(tmp_path / "out")) == 2
    _run(tmp_path / "records.json", tmp_path / "two", **options, workers=2)
    assert digests(tmp_path / "two") == whole
    with pytest.raises(RunConflict, match="allow_split"):
        _run(tmp_path / "records.json", tmp_path / "out", **options, allow_split=("dev",))


def test_the_command_line(tmp_path: Path, toy: list[dict[str, Any]], capsys) -> None:
    (tmp_path / "records.json").write_text(json.dumps(toy))
    options = ["--env", "ACT/Toy-v0", "--out", str(tmp_path / "out")]
    assert main(["import", str(tmp_path / "records.json"), *options]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"5 rows in {tmp_path / 'out'} (")
    assert "left out" not in told

    toy[0]["conversations"].pop()
    (tmp_path / "records.json").write_text(json.dumps(toy[:1]))
    options[-1] = str(tmp_path / "other")
    assert main(["import", str(tmp_path / "records.json"), *options]) == 1
    told = capsys.readouterr().out
    assert f"{tmp_path / 'other' / 'rejected.jsonl'} says what was left out" in told


@pytest.mark.scienceworld
def test_numbers_of_scienceworld(tmp_path: Path) -> None:
    """ETO names a task by its own number and the variation, and begins with the goal."""
    pytest.importorskip("scienceworld", reason="needs the extra scienceworld")
    options = {"env": "ACT/ScienceWorld-v0", "env_kwargs": '{"simplifications": "easy"}'}
    goal = "Your task is to find a(n) animal. First, focus on the thing. Then, move it to the red "
    record = {
        "id": "11_0",
        "conversations": [
            {"from": "human", "value": goal + "box in the kitchen."},
            {"from": "gpt", "value": "Thought: Animals live outside.\nAction: teleport to outside"},
            {"from": "human", "value": "Observation: You teleport to the outside."},
            {"from": "gpt", "value": "Thought: Hm.\nAction: look around"},
        ],
    }
    (tmp_path / "one.json").write_text(json.dumps([record]))
    _run(tmp_path / "one.json", tmp_path / "out", **options)
    [why] = _rejected(tmp_path / "out")
    assert (why["task_id"], why["reason"], why["step"]) == ("find-animal/0", "not_won", 2)


# -- WebShop's logs --------------------------------------------------------------------------------

_KINDS = {"results": "search_results", "item": "item_page", "sub_page": "item_sub_page"}


def _line(env: Any, goal: str) -> dict[str, Any]:
    """What WebShop's site logs of a page."""
    visit, content = env.snapshot().state, {}
    page, options = _KINDS.get(visit.page, visit.page), dict(visit.options)
    if visit.page in _KINDS:
        content = {"keywords": list(visit.keywords), "page": visit.number}
    if visit.page == "results":
        clicks = [a[6:-1].upper() for a in env.admissible_actions()]
        content["search_result_asins"] = [
            asin for asin in clicks if asin[0] == "B" and asin[1:2].isdigit()
        ]
    elif visit.page != "index":
        content |= {"asin": visit.asin, "options": options}
    url = f"http://localhost:3000/{page}/abc/{visit.asin}/1/{visit.sub_page}/{options}"
    line = {"page": page, "url": url, "goal": {"instruction_text": goal}, "content": content}
    return line if visit.page != "done" else {**line, "reward": visit.reward.total}


@pytest.fixture(scope="module")
def log() -> list[dict[str, Any]]:
    """A visit that looks around before it buys the right thing."""
    env = text_env(make_env(SHOP["env"], json.loads(SHOP["env_kwargs"])))
    for task in env.tasks("train"):
        _, info = env.reset(options={"task_id": task.task_id})
        search, opening = env.expert_action(), None
        env.step(str(search))
        opening = str(env.expert_action())
        env.step(opening)
        chosen = str(env.expert_action())
        if chosen != "click[buy now]":
            break
    wandering = [
        search, "click[next >]", "click[< prev]", opening, "click[description]", "click[< prev]",
        chosen, "click[back to search]", search, opening, "click[< prev]", opening,
    ]  # fmt: skip
    env.reset(options={"task_id": task.task_id})
    lines = [_line(env, info["goal"])]
    for action in wandering:
        _, _, _, _, after = env.step(str(action))
        assert after["action_valid"], action
        lines.append(_line(env, info["goal"]))
    while not env.terminated:
        env.step(str(env.expert_action()))
        lines.append(_line(env, info["goal"]))
    assert lines[-1]["reward"] == 1.0
    return lines


def _write(path: Path, lines: list[Any]) -> None:
    path.write_text("\n".join(map(json.dumps, lines)))


def test_a_log_of_pages_is_a_trajectory(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    (tmp_path / "logs").mkdir()
    _write(tmp_path / "logs" / "a.jsonl", log)
    _write(tmp_path / "logs" / "b.jsonl", [log[0], *log])  # the first page was loaded twice
    rows, _ = _run(tmp_path / "logs", tmp_path / "out", **SHOP)
    assert _rejected(tmp_path / "out") == []
    assert rows[0] == rows[1]
    assert rows[0].policy == "human"
    assert len(rows[0].transitions) == len(log) - 1
    done = [transition.action for transition in rows[0].transitions]
    assert {"click[next >]", "click[< prev]", "click[description]", "click[back to search]"} <= {
        *done
    }


def _at(number: int, **changes: Any) -> Callable[[list[Any]], None]:
    return lambda lines: lines[number]["content"].update(changes)


@pytest.mark.parametrize(
    ("fault", "reason", "step"),
    [
        (_at(1, search_result_asins=["B000000000"]), "other_observation", 1),
        (_at(1, page=2), "not_understood", None),
        (_at(4, asin="B000000000"), "not_understood", None),
        (lambda lines: lines.pop(4), "not_understood", None),
        (lambda lines: lines.pop(0), "not_understood", None),
        (lambda lines: lines.insert(3, "garbage"), "not_understood", None),
        (lambda lines: lines[5].update(page="checkout"), "not_understood", None),
        (lambda lines: lines[5].pop("content"), "not_understood", None),
        (lambda lines: lines[-1].update(reward=0.5), "other_score", -1),
        (lambda lines: lines[0]["goal"].update(instruction_text="Find joy."), "unknown_task", None),
        (lambda lines: lines.pop(), "not_won", -1),
    ],
)
def test_a_log_that_does_not_replay_is_told(
    tmp_path: Path,
    log: list[dict[str, Any]],
    fault: Callable[[list[Any]], Any],
    reason: str,
    step: int | None,
) -> None:
    lines: list[Any] = copy.deepcopy(log)
    fault(lines)
    (tmp_path / "logs").mkdir()
    _write(tmp_path / "logs" / "log.jsonl", lines)
    _write(tmp_path / "logs" / "whole.jsonl", log)
    rows, _ = _run(tmp_path / "logs", tmp_path / "out", **SHOP)
    assert len(rows) == 1
    [why] = _rejected(tmp_path / "out")
    step = len(lines) - 1 if step == -1 else step
    assert (why["record"], why["reason"], why["step"]) == ("log.jsonl", reason, step)


def test_exported_rows_come_back(tmp_path: Path) -> None:
    collect(Collect(env="ACT/Toy-v0", out=tmp_path / "collected", limit=3))
    lines = tmp_path / "rows.jsonl"
    export(Export(data=tmp_path / "collected", to="jsonl", out=lines))
    rows, _ = _run(lines, tmp_path / "out", **TOY)
    known = [*read_trajectories(tmp_path / "collected")]
    assert [(row.task_id, row.policy, row.score) for row in rows] == [
        (row.task_id, row.policy, row.score) for row in known
    ]
    assert [row.transitions for row in rows] == [row.transitions for row in known]

    asked = [json.loads(line) for line in lines.read_text().splitlines()]
    first = asked[1]["transitions"][0]
    refused = {**first, "action": "dance", "action_valid": False}
    env = make_env("ACT/Toy-v0", {"split": TRAIN, "step_limit": None})
    env.reset(options={"task_id": asked[1]["task_id"]})
    first["observation"] = env.step("dance")[0]
    asked[1]["transitions"].insert(0, refused)
    asked[2]["transitions"][0]["action_valid"] = False
    (tmp_path / "asked.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in asked))
    rows, _ = _run(tmp_path / "asked.jsonl", tmp_path / "asked", **TOY)
    assert [row.task_id for row in rows] == [row.task_id for row in known[:2]]
    assert [step.action_valid for step in rows[1].transitions][:2] == [False, True]
    [why] = _rejected(tmp_path / "asked")
    assert (why["reason"], why["step"]) == ("inadmissible", 0)

    asked[1]["policy"] = "\ud800"  # no text that can be stored
    asked[2]["score"] = 10**400
    (tmp_path / "odd.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in asked))
    rows, _ = _run(tmp_path / "odd.jsonl", tmp_path / "odd", **TOY)
    assert len(rows) == 1
    assert [why["reason"] for why in _rejected(tmp_path / "odd")] == ["not_understood"] * 2

    broken = [json.loads(line) for line in lines.read_text().splitlines()]
    del broken[0]["final_observation"]
    broken[1]["transitions"][0]["action"] = 7
    broken[2]["transitions"][0]["observation"] = "Nothing is here."
    lines.write_text("".join(f"{json.dumps(row)}\n" for row in broken))
    rows, _ = _run(lines, tmp_path / "other", **TOY)
    told = _rejected(tmp_path / "other")
    assert rows == []
    assert "final_observation" in told[0]["detail"]
    assert "action is 7" in told[1]["detail"]
    assert told[2]["reason"] == "other_observation"
