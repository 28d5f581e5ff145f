"""The small models that come with the package."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

pytest.importorskip("torch")

from act_data.errors import ModelNotFound
from act_data.models import NANO, NANO_BASE, find_model, model_name, packaged
from act_data.policies.base import Query, make_policy
from act_data.types import AgentState
from act_envs.errors import UnknownArgument

PAST = (
    "You are in the middle of a room. Looking quickly around you, you see a cabinet 1, a fridge 1,"
    " and a sinkbasin 1."
)


@pytest.mark.parametrize("model", [NANO, NANO_BASE])
def test_its_card_names_exactly_these_weights(model: str) -> None:
    folder, name = find_model(model, None)
    assert folder == packaged(model)
    assert name in (folder / "README.md").read_text(encoding="utf-8")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 8e6


def test_both_read_with_the_same_tokens() -> None:
    folders = [find_model(model, None)[0] for model in (NANO, NANO_BASE)]
    for name in ("tokenizer.json", "chat_template.jinja", "config.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1


def test_it_answers_with_an_action_of_the_world_that_it_reads_about() -> None:
    policy = make_policy("transformers:act-nano", temperature=0.0, max_new_tokens=24, history=9)
    assert policy.name == "transformers:act-nano" == f"transformers:{model_name(NANO)}"
    state = AgentState("put a clean mug in cabinet.", PAST)
    ((sample,),) = policy.sample([Query(state, (), (0, 0))], 1)
    assert sample.action is not None
    assert sample.action.startswith("go to ")


def test_a_folder_of_that_name_is_not_taken_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / NANO).mkdir()
    with pytest.raises(UnknownArgument, match=r"Give \./act-nano for the folder"):
        find_model(NANO, None)
    with pytest.raises(ModelNotFound, match="act-nano holds no model"):
        find_model("./act-nano", None)
    assert find_model(NANO_BASE, None)[0].is_dir()


def test_it_has_no_revision() -> None:
    with pytest.raises(UnknownArgument, match="has no revision 'main'"):
        find_model(NANO, "main")


def test_it_is_found_again_by_other_processes() -> None:
    policy = make_policy(f"transformers:{NANO}", temperature=0.0, max_new_tokens=24, history=9)
    other = pickle.loads(pickle.dumps(policy))
    assert (other.name, other.revision) == (policy.name, policy.revision)
