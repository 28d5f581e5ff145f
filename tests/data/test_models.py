"""Language models as policies: a record of the sampling that holds, whatever else is sampled."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from act_data import models
from act_data.errors import ModelNotFound
from act_data.policies import Policy, Query, load_model, make_policy, seed_of
from act_data.types import AgentState
from act_envs.errors import UnknownArgument

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def policy(model_folder: Path) -> Policy:
    return make_policy(f"transformers:{model_folder}", max_new_tokens=8)


def _queries(state: AgentState, count: int) -> list[Query]:
    return [
        Query(dataclasses.replace(state, goal=f"take {'fish ' * n}"), (), seed_of("q", n))
        for n in range(count)
    ]


def test_samples_do_not_depend_on_the_batch_or_on_global_seeds(policy: Policy, state) -> None:
    queries = _queries(state, 4)
    torch.manual_seed(1)
    together = policy.sample(queries, 3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    backwards = policy.sample(queries[::-1], 3)[::-1]
    assert torch.equal(before, torch.get_rng_state()), "the caller's random numbers moved"
    assert together == backwards
    assert together == [policy.sample([query], 3)[0] for query in queries]


def test_samples_depend_on_the_seed_and_are_not_all_alike(policy: Policy, state) -> None:
    query = _queries(state, 1)[0]
    first = policy.sample([query], 8)[0]
    other = policy.sample([dataclasses.replace(query, seed=seed_of("other"))], 8)[0]
    assert first != other
    assert len({sample.text for sample in first}) > 4, "the checkpoint's top_k=1 leaked in"


def test_temperature_zero_gives_one_answer_k_times(model_folder: Path, state) -> None:
    policy = make_policy(f"transformers:{model_folder}", temperature=0, max_new_tokens=6)
    queries = _queries(state, 2)
    answers = policy.sample(queries, 3)
    assert [len(set(samples)) for samples in answers] == [1, 1]
    reseeded = [dataclasses.replace(query, seed=seed_of("other")) for query in queries]
    assert policy.sample(reseeded, 3) == answers


def test_action_tags_survive_even_as_special_tokens(policy: Policy, state) -> None:
    texts = [sample.text for sample in policy.sample(_queries(state, 1), 64)[0]]
    assert any("<action>" in text for text in texts)
    assert not any("<|im_end|>" in text for text in texts), "an answer ends before its end token"


def test_the_answer_ends_at_the_first_end_token(policy: Policy) -> None:
    encode = policy._tokenizer.convert_tokens_to_ids  # type: ignore[attr-defined]
    tokens = encode(["<action>", "look", "</action>", "<|im_end|>", "take", "<|im_end|>"])
    sample = policy._read(tokens)  # type: ignore[attr-defined]
    assert sample.action == "look"
    assert "take" not in sample.text


def test_the_revision_names_the_content_not_the_place(model_folder: Path, tmp_path: Path) -> None:
    _, _, revision = load_model(model_folder)
    copy = tmp_path / "copy"
    shutil.copytree(model_folder, copy)
    (copy / "optimizer.pt").write_bytes(b"state")
    assert models.content_hash(copy) == revision
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert models.content_hash(copy) != revision


def test_a_hub_model_is_named_by_its_commit(
    model_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(model_folder, tmp_path / commit)
    asked = []

    def snapshot_download(repo: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repo, revision))
        return str(tmp_path / commit)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    policy = make_policy("transformers:someone/tiny@v1")
    assert policy.revision == commit
    assert policy.name == "transformers:someone/tiny"
    assert asked == [("someone/tiny", "v1")]


def test_a_hub_model_that_cannot_be_had(monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match=r"no folder 'someone/nothing'.*at 'v1'"):
        make_policy("transformers:someone/nothing@v1")


@pytest.mark.parametrize("spec", ["./nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_path_that_is_not_there(spec: str) -> None:
    with pytest.raises(ModelNotFound, match="neither a folder nor"):
        make_policy(f"transformers:{spec}")


def test_a_folder_without_a_model(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"config\.json is missing"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFound, match=r"no tokenizer: tokenizer\.json is missing"):
        load_model(tmp_path)
    for path in model_folder.glob("tokenizer*"):
        shutil.copy(path, tmp_path)
    with pytest.raises(ModelNotFound, match="no causal language model"):
        load_model(tmp_path)


def test_weights_that_are_cut_short(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelNotFound, match=r"model\.safetensors is damaged or cut short"):
        load_model(tmp_path / "cut")


def test_a_folder_has_no_revision(model_folder: Path) -> None:
    with pytest.raises(UnknownArgument, match="has no revision 'v1'"):
        load_model(model_folder, "v1")


def test_a_folder_may_have_an_at_sign_in_its_name(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "tiny@home")
    assert make_policy(f"transformers:{tmp_path}/tiny@home").revision.startswith("sha256:")


def test_a_tokenizer_without_a_chat_template(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    with pytest.raises(ModelNotFound, match="no chat template"):
        make_policy(f"transformers:{tmp_path / 'base'}")
