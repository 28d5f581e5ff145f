"""The stage that plays: what it reads, how its episodes end, what it refuses, that it learns."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores are 15 times slower

import gymnasium as gym
import pytest

pytest.importorskip("trl")

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer, chat_template_utils

from act_data.errors import ForbiddenSplit
from act_data.options import TaskOptions
from act_data.prompts import action_prompt, render_answer
from act_data.types import AgentState, Trajectory
from act_envs import TextEnv
from act_envs.errors import EpisodeNotRunning, SimulatorError, UnknownArgument, UnknownTask
from act_envs.toy import ToySimulator
from act_train import env_rl
from act_train.arguments.training import EnvRlArguments, ModelArguments
from act_train.environment import OVER, Episode, Place, open_places
from act_train.errors import NothingToLearn, RecipeError
from act_train.manifest import checkpoint
from act_train.scratch import make_model, make_tokenizer
from act_train.turns import conversing, length_of_turn
from tests.train.conftest import toy_trajectories

TOY = "ACT/Toy-v0"
TASKS = ("fetch/2", "fetch/3", "fetch/7", "fetch/10")  # three or four actions of the expert


def asked(state: AgentState) -> str:
    return action_prompt(state, history=0)[0]["content"]


@pytest.fixture(scope="module")
def episodes() -> list[Trajectory]:
    return [one for one in toy_trajectories(200) if one.task_id in TASKS]


def tokens(tokenizer: Any, episode: Trajectory) -> tuple[torch.Tensor, torch.Tensor]:
    """An episode as a conversation, and as labels: what the model is to say. (1, T) each."""
    talk: list[dict[str, str]] = []
    ids: list[int] = []
    labels: list[int] = []
    for step, transition in enumerate(episode.transitions):
        talk.append({"role": "user", "content": asked(episode.state(step))})
        prompt = tokenizer.apply_chat_template(
            talk, tokenize=True, add_generation_prompt=True, return_dict=False
        )
        said = render_answer(transition.action)
        answer = tokenizer(said + tokenizer.eos_token)["input_ids"]
        labels += [-100] * (len(prompt) - len(ids)) + answer
        ids = [*prompt, *answer]
        talk.append({"role": "assistant", "content": said})
    return torch.tensor([ids]), torch.tensor([labels])


@pytest.fixture(scope="module")
def tokenizer(episodes: list[Trajectory]) -> Any:
    texts = [asked(one.state(step)) for one in episodes for step in range(len(one.transitions))]
    return make_tokenizer([*texts, "<think> </think>"], 480)


def save(folder: Path, model: Any, tokenizer: Any) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def beginner(
    tokenizer: Any, episodes: list[Trajectory], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model that has imitated for a moment: it wins now and then."""
    model = make_model(tokenizer, hidden=64, layers=2, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    batch = [tokens(tokenizer, one) for one in episodes]
    for _ in range(60):  # longer, and it would win nearly always
        for ids, labels in batch:
            loss: Any = model(input_ids=ids, labels=labels).loss / len(batch)
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return save(tmp_path_factory.mktemp("models") / "beginner", model, tokenizer)


def grpo(out: Path, **changes: Any) -> GRPOConfig:
    chosen = {
        "per_device_train_batch_size": 8, "per_device_eval_batch_size": 32, "num_generations": 4,
        "max_completion_length": 500, "generation_kwargs": {"max_new_tokens": 12},
        "learning_rate": 0.2, "optim": "sgd", "loss_type": "grpo", "bf16": False,
        "activation_checkpointing": False, "use_cpu": True, "save_strategy": "no",
        "report_to": "none", "logging_steps": 1, "disable_tqdm": True, **changes,
    }  # fmt: skip
    return GRPOConfig(output_dir=str(out), **chosen)


def play(model: Path, training: GRPOConfig, **changes: Any) -> dict[str, float]:
    chosen = {"env": TOY, "tasks": list(TASKS), "step_limit": 6, "gate_prompts": 4, **changes}
    return env_rl.run(ModelArguments(model=str(model)), EnvRlArguments(**chosen), training)


def log_of(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log_history.jsonl").open()]
    return [line for line in lines if "loss" in line]


def same(one: Path, two: Path) -> bool:
    left, right = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    return all(torch.equal(left[name], right[name]) for name in left)


# What a model says, and what is read of it ----------------------------------------------------

TEMPLATES = {
    "ours": None,
    "Qwen3": chat_template_utils.qwen3_chat_template,
    "Qwen3-2507": chat_template_utils.qwen3_instruct_2507_chat_template,
    "Qwen2.5": chat_template_utils.qwen2_5_chat_template,
}


def with_template(tokenizer: Any, name: str) -> Any:
    made = make_tokenizer(["look around", "<think> </think>"], 300)
    made.chat_template = TEMPLATES[name] or tokenizer.chat_template
    return made


def read(tokenizer: Any, said: str, options: dict[str, Any]) -> dict[str, Any]:
    """As TRL reads an answer."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "x"}], add_generation_prompt=True, return_dict=False, **options
    )
    ids = tokenizer(said + tokenizer.eos_token)["input_ids"]
    return chat_template_utils.parse_response(tokenizer, ids, prefix=prompt)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("thinking", [True, False])
def test_an_answer_with_a_tag_is_a_call_of_the_whole_answer(
    tokenizer: Any, name: str, thinking: bool
) -> None:
    options = {"enable_thinking": thinking}
    made = conversing(with_template(tokenizer, name), options)
    begun = "<think>\n\n</think>\n\n" if name == "Qwen3" and not thinking else ""
    for said in (
        "<action>go to hall</action>",
        "<think>\nthe hall\n</think>\n\n<action>go to hall</action>",
        "<action>look</action> or <action>wait</action>",
        "<think>never ends <action>look</action>",
        "look</action>",
    ):
        (call,) = read(made, said, options)["tool_calls"]
        assert call["function"] == {"name": "act", "arguments": {"answer": begun + said}}
    for said in ("look", "", "<think>I look</think>"):
        assert "tool_calls" not in read(made, said, options)


@pytest.mark.parametrize("name", TEMPLATES)
def test_turns_are_those_of_the_models_own_template(tokenizer: Any, name: str) -> None:
    plain = with_template(tokenizer, name)
    made = conversing(plain, {})
    call = {"name": "act", "arguments": {"answer": "<action>look</action>"}}
    first = {"role": "user", "content": "seen"}
    episode = [
        first,
        {"role": "assistant", "content": "", "tool_calls": [{"function": call}]},
        {"role": "tool", "name": "act", "content": "seen again"},
    ]
    tools: Any = [{"type": "function", "function": {"name": "act", "parameters": {}}}]
    render = {"tokenize": False, "add_generation_prompt": True}
    text = made.apply_chat_template(episode, tools=tools, **render)
    # What the template says of tools is of no use to a model that answers in tags.
    assert made.apply_chat_template([first], tools=tools, **render) == plain.apply_chat_template(
        [first], **render
    )
    assert text.startswith(plain.apply_chat_template([first], **render))
    assert text.endswith(
        "<action>look</action><|im_end|>\n<|im_start|>user\nseen again<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert plain.response_template is None


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (chat_template_utils.phi3_chat_template, "in another way once another one follows"),
        (chat_template_utils.gemma_chat_template, "does not end with eos_token"),
        ("{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}", "adds nothing"),
        ("{{ raise_exception('no roles') }}", "cannot be rendered"),
    ],
    ids=["changing", "ending", "unasked", "broken"],
)
def test_a_template_that_holds_no_episode_is_refused(
    tokenizer: Any, template: str, told: str
) -> None:
    made = with_template(tokenizer, "ours")
    made.chat_template = template
    with pytest.raises(RecipeError, match=f"{told}.*Take a model"):
        conversing(made, {})


# Places to play in ----------------------------------------------------------------------------


@pytest.fixture
def place() -> Place:
    return Place(gym.make(TOY, step_limit=5), history=0)


def test_an_episode_asks_what_imitation_teaches(place: Place, episodes: list[Trajectory]) -> None:
    (episode,) = (one for one in episodes if one.task_id == "fetch/7")
    said = place.reset("fetch/7", prompt="")
    for step, transition in enumerate(episode.transitions):
        assert said == asked(episode.state(step))
        said = place.act(f"I think that {render_answer(transition.action)} will do")
    assert said == OVER
    assert place.episode.over
    assert (place.episode.won, place.episode.score, place.episode.actions) == (True, 1.0, 3)
    assert place.reset("fetch/3") != OVER  # and the next one begins
    assert place.episode.actions == 0


def test_an_answer_without_an_action_ends_an_episode_unplayed(place: Place) -> None:
    place.reset("fetch/7")
    assert place.act("<action>look</action><action>wait</action>") == OVER
    assert place.episode.unreadable
    assert not place.episode.over
    assert place.episode.actions == 0


def test_what_the_simulator_does_not_take_is_counted_and_the_step_limit_ends(place: Place) -> None:
    place.reset("fetch/7")
    said = [place.act("<action>dance</action>") for _ in range(5)]
    assert [text == OVER for text in said] == [False] * 4 + [True]
    assert (place.episode.refused, place.episode.actions) == (5, 5)
    assert place.episode.over
    assert not place.episode.won


def test_environments_are_those_of_the_options_and_closed_in_the_end() -> None:
    options = TaskOptions(env=TOY, step_limit=7)
    with open_places(options, history=1) as opened:
        one, two = opened(), opened()
        assert one.env is not two.env
        assert (one.env.split, one.env.step_limit) == ("train", 7)
        one.reset("fetch/7")
        assert "Earlier:" in one.act("<action>look</action>")  # as many past turns as asked for
    for place in (one, two):
        with pytest.raises(EpisodeNotRunning, match="closed"):
            place.reset("fetch/7")


# What is refused, and what is warned of -------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "changes", "error", "told"),
    [
        ({"num_generations": 3, "per_device_train_batch_size": 6}, {}, RecipeError, "per_device_e"),
        ({"reward_weights": [1.0]}, {}, RecipeError, "reward_score"),
        ({"per_device_train_batch_size": 32}, {}, RecipeError, "4 tasks, and 8 are played"),
        ({}, {"split": "test", "tasks": []}, ForbiddenSplit, "never enter training"),
        ({}, {"split": "dev", "tasks": []}, ForbiddenSplit, "spoils"),
        ({}, {"tasks": ["fetsh"]}, UnknownTask, "'fetch'"),
        ({}, {"env": "ACT/Toi-v0"}, gym.error.Error, "Toy"),
        ({}, {"env_kwargs": '{"step_limit": 9}'}, UnknownArgument, "an option of its own"),
    ],
    ids=["groups", "weights", "tasks", "test", "dev", "kind", "env", "kwargs"],
)
def test_mistakes_are_told_before_a_model_is_loaded(
    options: dict[str, Any], changes: dict[str, Any], error: type[Exception], told: str,
    beginner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(env_rl, "PlayingTrainer", loaded)
    with pytest.raises(error, match=told):
        play(beginner, grpo(tmp_path, **options), **changes)


def test_processes_that_would_wait_for_each_other_are_refused(
    beginner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env_rl, "is_deepspeed_zero3_enabled", lambda: True)
    monkeypatch.setattr(GRPOConfig, "world_size", 2)
    with pytest.raises(RecipeError, match=r"with DeepSpeed ZeRO-3, 2 processes must.*ZeRO-2"):
        play(beginner, grpo(tmp_path))


def test_a_model_that_never_acts_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    silent = save(tmp_path / "m", make_model(tokenizer, hidden=64, layers=1, seed=0), tokenizer)
    training = grpo(tmp_path / "run", max_steps=1)
    with pytest.raises(NothingToLearn, match=r"nothing was played.*act-train imitate"):
        play(silent, training)


RATES = {
    "tools/call_frequency": 2.0, "episodes/actions": 1.5, "rewards/format_failure/mean": 0.1,
    "rewards/won/mean": 0.3, "frac_reward_zero_std": 0.2, "episodes/cut_short": 0.0,
    "completions/clipped_ratio": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ({}, ""),
        ({"frac_reward_zero_std": 1.0}, "expect little. Teach it to play first"),
        ({"episodes/cut_short": 0.5}, "50% of the episodes were cut off"),
    ],
    ids=["fine", "constant", "short"],
)
def test_what_will_hardly_learn_is_warned_of(
    rates: dict[str, float], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    env_rl.open_play_gate({**RATES, **rates}, 2, least=0.5)
    assert told in caplog.text
    assert bool(told) == bool(caplog.text)


def test_a_model_that_loses_the_format_is_refused() -> None:
    with pytest.raises(NothingToLearn, match=r"10\.0% keep the answer format"):
        env_rl.open_play_gate({**RATES, "rewards/format_failure/mean": 0.9}, 2, least=0.2)


def test_a_budget_that_does_not_last_is_warned_of(
    tokenizer: Any, place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    turn = length_of_turn(tokenizer, place.reset("fetch/7"), "<action>go to kitchen</action>", {})
    env_rl._check_budget(
        place, "fetch/7", tokenizer, grpo(tmp_path, max_completion_length=5 * turn)
    )
    assert not caplog.text
    env_rl._check_budget(
        place, "fetch/7", tokenizer, grpo(tmp_path, max_completion_length=2 * turn)
    )
    assert f"holds some 2 of its 5 turns (of about {turn} tokens)" in caplog.text
    assert f"Set max_completion_length: {5 * turn}" in caplog.text
    endless = Place(gym.make(TOY, step_limit=None), history=0)
    with pytest.raises(RecipeError, match="Set step_limit: NUMBER"):
        env_rl._check_budget(endless, "fetch/7", tokenizer, grpo(tmp_path))


# What is trained ------------------------------------------------------------------------------


def test_the_methods_that_are_overridden_are_still_there() -> None:
    inspect.signature(GRPOTrainer._get_tool_suffix_ids).bind(None, [])
    loop = inspect.getsource(GRPOTrainer._tool_call_loop)
    inspect.signature(GRPOTrainer._get_train_sampler).bind(None, None)
    assert "suffix_ids = self._get_tool_suffix_ids(tool_messages)" in loop
    assert "len(pct) - len(prompt_ids[i]) > self.max_completion_length" in loop


class Recorder(env_rl.PlayingTrainer):
    """Keeps what was played."""

    batches: list[tuple[list[Place], list[Episode], dict[str, Any]]]

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        found = super()._generate_and_score_completions(inputs)
        assert self.environments is not None
        played = [place.episode for place in self.environments]  # places are used again
        self.batches.append((self.environments, played, found))
        return found


def test_episodes_end_on_tokens_of_the_model_and_of_these_alone_it_learns(
    beginner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env_rl, "PlayingTrainer", Recorder)
    Recorder.batches = []
    metrics = play(beginner, grpo(tmp_path, max_steps=1))
    assert metrics["before_tools/call_frequency"] > 0
    tokenizer = AutoTokenizer.from_pretrained(beginner)
    whole = 0
    for places, played, batch in Recorder.batches:
        assert len({id(place.env) for place in places}) == len(places)
        for row, episode in enumerate(played):
            kept = batch["completion_mask"][row].bool()
            ids, own = batch["completion_ids"][row][kept], batch["tool_mask"][row][kept].bool()
            assert own[-1]
            said = tokenizer.decode(ids[own])
            assert "Task:" not in said
            turns = tokenizer.decode(ids).count("Task:")
            # One observation after each action, but for the last one.
            assert turns == episode.actions - episode.over
            whole += episode.over
    assert whole


def test_a_simulator_that_fails_ends_the_run_with_its_own_words(
    beginner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: ToySimulator, action: str) -> None:
        raise SimulatorError("the house is on fire. Call the fire brigade.")

    monkeypatch.setattr(ToySimulator, "act", dies)
    closed: list[TextEnv] = []
    monkeypatch.setattr(TextEnv, "close", lambda env: closed.append(env))
    with pytest.raises(SimulatorError, match="on fire"):
        play(beginner, grpo(tmp_path, max_steps=1))
    assert closed


def test_it_resumes_exactly_and_follows_from_its_seed(beginner: Path, tmp_path: Path) -> None:
    saving = {
        "max_steps": 3, "save_strategy": "steps", "save_steps": 1, "optim": "adamw_torch",
        "learning_rate": 1e-3, "num_generations": 4,  # two steps an epoch
    }  # fmt: skip
    straight, other = tmp_path / "straight", tmp_path / "other"
    play(beginner, grpo(straight, **saving))
    for step in (1, 2):  # within an epoch, and after one
        resumed = tmp_path / f"resumed-{step}"
        resumed.mkdir()
        (straight / f"checkpoint-{step}").rename(resumed / f"checkpoint-{step}")
        training = grpo(resumed, **saving, resume_from_checkpoint="last")
        assert checkpoint(training) is not None
        play(beginner, training)
        assert same(straight, resumed)
    play(beginner, grpo(other, **{**saving, "save_strategy": "no"}, seed=1))
    assert not same(straight, other)
    # Another stage reads answers as they are, and in the template of the model.
    was, now = (AutoTokenizer.from_pretrained(folder) for folder in (beginner, straight))
    assert now.chat_template == was.chat_template
    assert now.response_template is None
    assert AutoTokenizer.from_pretrained(straight / "checkpoint-3").response_template is None
    assert AutoModelForCausalLM.from_pretrained(straight) is not None


def test_it_learns_to_win(beginner: Path, tmp_path: Path) -> None:
    training = grpo(
        tmp_path, max_steps=45, per_device_train_batch_size=32, num_generations=8,
        learning_rate=0.15, seed=0,
    )  # fmt: skip
    metrics = play(beginner, training, reward_won=1.0)
    lines = log_of(tmp_path)
    assert all(line["tools/call_frequency"] > 1 for line in lines)
    successes = [line["rewards/won/mean"] for line in lines]
    early, late = sum(successes[:10]) / 10, sum(successes[-10:]) / 10  # of 320 episodes each
    assert late > max(0.3, 2 * early)
    assert metrics["after_rewards/won/mean"] > metrics["before_rewards/won/mean"]
    assert metrics["after_reward"] > metrics["before_reward"] + 0.3
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["stage"], run["arguments"]["env"]) == ("env-rl", TOY)
    assert run["data"]["train"]["rows"] == 4
