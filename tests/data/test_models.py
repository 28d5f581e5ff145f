"""Language models as policies: a record of the sampling that holds, whatever else is sampled."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from act_data import models
from act_data.errors import ModelNotFound
from act_data.models import load_model
from act_data.policies.base import Policy, Query, Sampling, make_policy, seed_of
from act_data.policies.language import LanguageModel
from act_data.prompts import action_prompt
from act_data.types import AgentState
from act_envs.errors import MissingExtra, UnknownArgument

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module")
def policy(model_folder: Path) -> LanguageModel:
    return LanguageModel(str(model_folder), Sampling(max_new_tokens=8))


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


def _prompt(policy: LanguageModel, query: Query) -> Any:
    return policy._tokenizer.apply_chat_template(
        action_prompt(query.state, history=2),
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )["input_ids"]


def _lively(model_folder: Path, sampling: Sampling) -> LanguageModel:
    """A model whose answers depend on every token: small random weights hardly tell them apart."""
    policy = LanguageModel(str(model_folder), sampling)
    with torch.no_grad():
        for weight in policy._model.parameters():
            weight.mul_(6)
    return policy


def test_greedy_answers_are_those_of_the_whole_prompt(model_folder: Path, state) -> None:
    policy = _lively(model_folder, Sampling(temperature=0, max_new_tokens=8))
    for query in _queries(state, 3):
        prompt = _prompt(policy, query)
        tokens = policy._model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt))
        expected = policy._read(tokens[0, prompt.shape[1] :].tolist())
        assert policy.sample([query], 2) == [[expected] * 2]


def test_first_tokens_have_the_distribution_of_the_model(model_folder: Path, state) -> None:
    policy = _lively(model_folder, Sampling(max_new_tokens=1))
    [query] = _queries(state, 1)
    with torch.inference_mode():
        expected = policy._model(_prompt(policy, query)).logits[0, -1].softmax(-1)
    [samples] = policy.sample([query], 4000)
    seen = Counter(sample.text for sample in samples)
    drawn = {policy._read([token]).text: 0.0 for token in range(len(expected))}
    for token, share in enumerate(expected.tolist()):
        drawn[policy._read([token]).text] += share
    assert set(seen) <= set(drawn)
    for text, share in drawn.items():  # five standard deviations
        assert abs(seen[text] / 4000 - share) < 5 * (share * (1 - share) / 4000) ** 0.5, text


def test_the_prompt_is_computed_once(policy: LanguageModel, state) -> None:
    [query] = _queries(state, 1)
    computed: list[tuple[int, ...]] = []
    hook = policy._model.get_input_embeddings().register_forward_hook(
        lambda _module, given, _output: computed.append(given[0].shape)
    )
    try:
        policy.sample([query], 6)
    finally:
        hook.remove()
    length = _prompt(policy, query).shape[1]
    assert computed[0] == (1, length - 1)
    assert set(computed[1:]) == {(6, 1)}


def test_no_prompt_holds_the_expert_action(policy: LanguageModel, state, monkeypatch) -> None:
    asked: list[Any] = []
    template = policy._tokenizer.apply_chat_template

    def recording(messages: Any, **options: Any) -> Any:
        asked.append(messages)
        return template(messages, **options)

    monkeypatch.setattr(policy._tokenizer, "apply_chat_template", recording)
    [query] = _queries(state, 1)
    policy.sample([dataclasses.replace(query, expert_action="rob the bank")], 1)
    assert asked == [action_prompt(query.state, history=2)]
    assert "rob the bank" not in str(asked)


def test_a_policy_goes_to_other_processes(
    model_folder: Path, tmp_path: Path, state, monkeypatch
) -> None:
    shutil.copytree(model_folder, tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    policy = LanguageModel("tiny", Sampling(max_new_tokens=4, top_p=0.9))
    pickled = pickle.dumps(policy)
    assert len(pickled) < 1000, "weights do not belong into a pickle"
    monkeypatch.chdir("/")
    copy = pickle.loads(pickled)
    described = [(p.name, p.revision, p.sampling) for p in (policy, copy)]
    assert described[0] == described[1]
    queries = _queries(state, 2)
    assert copy.sample(queries, 3) == policy.sample(queries, 3)
    config = tmp_path / "tiny" / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(ModelNotFound, match=r"tiny has changed: it was sha256:"):
        pickle.loads(pickled)


def test_a_pickled_hub_model_is_asked_for_by_its_commit(
    model_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    asked = _fake_hub(model_folder, tmp_path, monkeypatch)
    pickle.loads(pickle.dumps(make_policy("transformers:someone/tiny@v1")))
    assert asked == [("someone/tiny", "v1"), ("someone/tiny", COMMIT)]


def test_a_record_names_a_folder_without_its_place(
    model_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    shutil.copytree(model_folder, tmp_path / "tiny")
    monkeypatch.chdir(tmp_path / "tiny")
    for target in (str(tmp_path / "tiny"), "../tiny", "."):
        policy = make_policy(f"transformers:{target}")
        assert policy.name == "transformers:tiny"
        assert policy.engine == {"device": DEVICE, "dtype": "float32", "attention": "sdpa"}


def test_a_prompt_of_its_own_takes_the_place_of_the_state(policy: LanguageModel, state) -> None:
    [query] = _queries(state, 1)
    given = tuple(action_prompt(query.state, history=2))
    other = dataclasses.replace(query, state=AgentState("nothing", "here"), prompt=given)
    assert policy.sample([other], 2) == policy.sample([query], 2)


def test_a_thought_that_the_template_opens_and_nobody_ends_is_no_answer(
    model_folder: Path, fake_vllm, tmp_path: Path, state, monkeypatch
) -> None:
    shutil.copytree(model_folder, tmp_path / "thinker")
    template = tmp_path / "thinker" / "chat_template.jinja"
    opens = "{% if enable_thinking %}<think>\n{% endif %}"
    template.write_text(template.read_text() + opens)
    for scheme in ("transformers", "vllm"):
        for thinking, action in ((True, None), (False, "look")):
            policy: Any = make_policy(f"{scheme}:{tmp_path / 'thinker'}", thinking=thinking)
            said = "<action>look</action>"
            if scheme == "transformers":
                monkeypatch.setattr(policy._tokenizer, "decode", lambda *_, said=said, **__: said)
            else:
                one = SimpleNamespace(outputs=[SimpleNamespace(text=said)])
                policy._engine.chat = lambda *_, one=one, **__: [one]
            [[sample]] = policy.sample(_queries(state, 1), 1)
            assert sample.text == ("<think>" if thinking else "") + said
            assert sample.action == action


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


def test_a_prompt_that_does_not_fit_is_a_fault_of_its_answers(
    model_folder: Path, tmp_path: Path, state
) -> None:
    """The answer has to fit, too."""
    policy = LanguageModel(str(model_folder), Sampling(max_new_tokens=4))
    short = dataclasses.replace(_queries(state, 1)[0], state=AgentState("go", "hall"))
    encoded = policy._tokenizer.apply_chat_template(
        action_prompt(short.state, history=2), add_generation_prompt=True, return_dict=True
    )
    room = len(encoded["input_ids"]) + 4
    shutil.copytree(model_folder, tmp_path / "small")
    for number, fits in ((room, True), (room - 1, False)):
        config = json.loads((model_folder / "config.json").read_text())
        config["max_position_embeddings"] = number
        (tmp_path / "small" / "config.json").write_text(json.dumps(config))
        policy = LanguageModel(str(tmp_path / "small"), Sampling(max_new_tokens=4))
        long = dataclasses.replace(short, state=AgentState("go " * 50, "hall"))
        first, second = policy.sample([long, short], 3)
        assert [sample.fault for sample in first] == ["too_long"] * 3
        assert [sample.fault for sample in second] == [None if fits else "too_long"] * 3


def test_the_answer_ends_at_the_first_end_token(policy: LanguageModel) -> None:
    encode = policy._tokenizer.convert_tokens_to_ids
    tokens = encode(["<action>", "look", "</action>", "<|im_end|>", "take", "<|im_end|>"])
    sample = policy._read(tokens)
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


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _fake_hub(model_folder: Path, tmp_path: Path, monkeypatch) -> list[tuple[str, str | None]]:
    """A Hub with one model; what is asked of it."""
    shutil.copytree(model_folder, tmp_path / COMMIT)
    asked: list[tuple[str, str | None]] = []

    def snapshot_download(repo: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repo, revision))
        return str(tmp_path / COMMIT)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return asked


def test_a_hub_model_is_named_by_its_commit(
    model_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    asked = _fake_hub(model_folder, tmp_path, monkeypatch)
    policy = make_policy("transformers:someone/tiny@v1")
    assert policy.revision == COMMIT
    assert policy.name == "transformers:someone/tiny"
    assert asked == [("someone/tiny", "v1")]


def test_a_commit_is_told_before_weights_are_fetched(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[list[str]] = []

    def snapshot_download(repo: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        wanted.append(allow_patterns)
        return f"/somewhere/{COMMIT}"

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert models.model_revision("someone/tiny", "v1") == COMMIT
    assert wanted == [["config.json"]]
    assert models.model_revision(str(model_folder), None) == models.find_model(
        str(model_folder), None
    )[1]  # fmt: skip


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


class FakeEngine:
    """What is used of ``vllm.LLM``: its answers name what they were asked."""

    def __init__(self, *, model: str) -> None:
        if not (Path(model) / "config.json").is_file():
            raise ValueError("no config")
        self.model, self.asked = model, []
        config = SimpleNamespace(dtype=torch.bfloat16, max_model_len=40960)
        self.llm_engine = SimpleNamespace(model_config=config)

    def get_tokenizer(self) -> Any:
        return transformers.AutoTokenizer.from_pretrained(self.model)

    def chat(
        self, messages: list[Any], params: list[Any], *, use_tqdm: bool, chat_template_kwargs: Any
    ) -> list[Any]:
        self.asked.append((messages, params, chat_template_kwargs))
        assert len(messages) == len(params)
        return [
            SimpleNamespace(
                outputs=[
                    SimpleNamespace(text=f"<action>take {one.seed + i}</action>")
                    for i in range(one.n)
                ]
            )
            for one in params
        ]


@pytest.fixture
def fake_vllm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    fake: Any = ModuleType("vllm")
    fake.LLM, fake.SamplingParams, fake.__version__ = FakeEngine, SimpleNamespace, "0.0"
    monkeypatch.setitem(sys.modules, "vllm", fake)
    return fake


def test_vllm(model_folder: Path, fake_vllm, state) -> None:
    policy: Any = make_policy(
        f"vllm:{model_folder}", temperature=0.7, top_p=0.9, max_new_tokens=5, thinking=True
    )
    assert policy.revision == load_model(model_folder)[2]
    assert policy._engine.model == str(model_folder)
    assert policy.engine == {
        "dtype": "bfloat16", "max_model_len": 40960, "batch_invariant": False,
    }  # fmt: skip
    queries = [dataclasses.replace(q, expert_action="rob the bank") for q in _queries(state, 3)]
    answers = policy.sample(queries, 2)
    seeds = [query.seed[0] % 2**31 for query in queries]
    assert [[s.action for s in some] for some in answers] == [
        [f"take {seed}", f"take {seed + 1}"] for seed in seeds
    ]
    [(messages, params, template)] = policy._engine.asked
    assert messages == [action_prompt(query.state, history=2) for query in queries]
    assert template == {"enable_thinking": True}
    assert {name: value for name, value in vars(params[0]).items() if name != "seed"} == {
        "n": 2, "temperature": 0.7, "top_p": 0.9, "max_tokens": 5,
        "skip_special_tokens": False, "spaces_between_special_tokens": False,
    }  # fmt: skip
    assert policy.sample([], 2) == []
    assert pickle.loads(pickle.dumps(policy)).sample(queries, 2) == answers


def test_vllm_at_temperature_zero_asks_for_one(model_folder: Path, fake_vllm, state) -> None:
    policy: Any = make_policy(f"vllm:{model_folder}", temperature=0)
    [samples] = policy.sample(_queries(state, 1), 3)
    assert len(samples) == 3
    assert len(set(samples)) == 1
    assert policy._engine.asked[0][1][0].n == 1, "vLLM refuses more"


def test_vllm_and_a_prompt_that_is_too_long(model_folder: Path, fake_vllm, state) -> None:
    """One refuses the batch that it is in."""
    policy: Any = make_policy(f"vllm:{model_folder}")
    queries = _queries(state, 7)
    expected, chat = policy.sample(queries, 2), policy._engine.chat
    queries[4] = dataclasses.replace(queries[4], state=AgentState("too long", "hall"))

    def strict(messages: list[Any], *rest: Any, **options: Any) -> list[Any]:
        if any("too long" in message[0]["content"] for message in messages):
            raise ValueError("The prompt (length 9) is longer than the maximum model length of 8.")
        return chat(messages, *rest, **options)

    policy._engine.chat = strict
    answers = policy.sample(queries, 2)
    assert [sample.fault for sample in answers.pop(4)] == ["too_long"] * 2
    del expected[4]
    assert answers == expected

    def broken(*_: Any, **__: Any) -> list[Any]:
        raise ValueError("something else")

    policy._engine.chat = broken
    with pytest.raises(ValueError, match="something else"):
        policy.sample(queries, 2)


def test_vllm_that_is_missing_or_cannot_load(
    model_folder: Path, fake_vllm, tmp_path: Path, monkeypatch
) -> None:
    def refuse(*, model: str) -> None:
        raise ValueError("architecture unknown")

    fake_vllm.LLM = refuse
    with pytest.raises(ModelNotFound, match=r"vLLM 0\.0 can load: architecture unknown"):
        make_policy(f"vllm:{model_folder}")
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra, match=r'pip install "agentic-critical-training\[vllm\]"'):
        make_policy(f"vllm:{model_folder}")
