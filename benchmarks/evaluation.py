"""What evaluation costs, and whether it repeats: ``python -m benchmarks.evaluation [--quick]``.

Agents: the processor time of whole ``act-train evaluate`` commands with scripted players, start
included; the share of a model's evaluation that the model itself takes; the cost of scoring
admissible actions over a shared prompt beside separate forward passes, and that of scoring all of
them beside the search for the likeliest; and whether result files are the same with 1 and 8
environments, and after SIGKILL at random moments. But for the search, whose cost hangs on how sure
a model is, the models have random weights and are made on the spot: small ones, so that a larger
one leaves the rest a smaller share.
"""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import gymnasium as gym

from act_envs.alfworld.files import find_source as find_games
from act_envs.errors import AssetsNotFound
from act_envs.vector import TextVectorEnv
from act_envs.webshop.catalogue import find_source as find_products
from benchmarks.script import call
from benchmarks.table import Row, cpu_seconds, publish

KILLS = 2  # of one evaluation; the first half of its time is its start, mostly
HOUSES = "--env ACT/ALFWorldGen-v0 --split unseen"


@dataclass(frozen=True)
class Evaluation:
    """The cost of evaluation, and whether it repeats."""

    quick: bool = False
    """Fewer tasks, states and kills."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for measure in (_scripted, _model_time, _shared_prompt, _search, _repeats):
                for row in measure(Path(folder), self.quick):
                    print(f"measured: {row.name}", file=sys.stderr, flush=True)
                    rows.append(row)
        return publish("Evaluation", rows, self.json)


# -- scripted players ------------------------------------------------------------------------------


def _scripted(folder: Path, quick: bool) -> Iterator[Row]:
    """CPU time of whole commands."""
    games = "--env ACT/ALFWorld-v0 --envs 16 --split"
    goals = "--env ACT/WebShop-v0 --envs 16 --split test --limit 500 --step_limit 15"
    for find, title, count, commands, bar in (
        (
            find_games,
            "games of ALFWorld",
            274,
            (f"{games} valid_seen", f"{games} valid_unseen"),
            15,
        ),
        (find_products, "goals of WebShop, at most 15 actions each", 500, (goals,), 10),
    ):
        try:
            find()
        except AssetsNotFound:
            print(f"left out: {title}. They are not here.", file=sys.stderr)
            continue
        for policy in ("random-admissible", "expert"):
            start, played = cpu_seconds(), 0
            for number, command in enumerate(commands):
                path = folder / f"{title}-{policy}-{number}.jsonl"
                _evaluate(command, policy, path)
                played += path.read_bytes().count(b"\n")
            spent = cpu_seconds() - start
            if played != count:
                raise RuntimeError(f"{played} of {count} {title} were played")
            yield Row(f"{count} {title}, {policy}: CPU", spent, "s", f"<= {bar}")


# -- models ----------------------------------------------------------------------------------------


class _Timed:
    """A policy, and the seconds that its answers took."""

    def __init__(self, policy: Any) -> None:
        self.name, self.revision, self.sampling = policy.name, policy.revision, policy.sampling
        self.engine = policy.engine
        self.needs_admissible, self.needs_effects = policy.needs_admissible, policy.needs_effects
        self._policy = policy
        self.seconds = 0.0

    def sample(self, queries: Sequence[Any], k: int) -> Any:
        start = time.perf_counter()
        answers = self._policy.sample(queries, k)
        self.seconds += time.perf_counter() - start
        return answers


def _model(folder: Path, hidden: int, layers: int) -> Path:
    """A model with random weights, whose tokenizer knows the texts of the houses."""
    from act_train.scratch import make_model, make_tokenizer

    path = folder / f"model-{hidden}-{layers}"
    if not path.exists():
        texts = [state.observation for state, _ in _states(20)]
        texts += [action for _, offered in _states(5) for action in offered]
        tokenizer = make_tokenizer(texts, 1000)
        tokenizer.save_pretrained(path)
        model = make_model(tokenizer, hidden=hidden, layers=layers, seed=0)
        model.model.embed_tokens.weight.data.mul_(20)  # so that candidates differ in likelihood
        model.save_pretrained(path)
    return path


def _states(
    count: int, env_id: str = "ACT/ALFWorldGen-v0", split: str = "unseen"
) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """States on an expert's way, and what can be done there."""
    from act_data.rollout import make_env, play_expert, replay, text_env

    with closing(make_env(env_id, {"split": split, "step_limit": 50})) as env:
        inner = text_env(env)
        for task in inner.tasks()[:count]:
            episode = play_expert(env, task.task_id, 0)
            middle = len(episode.transitions) // 2
            for step in replay(env, episode):
                if step == middle:
                    yield episode.state(step), tuple(inner.admissible_actions())
                    break


def _model_time(folder: Path, quick: bool) -> Iterator[Row]:
    """Wall time of the model over that of the play, with its lines on the disk."""
    from act_data.policies.base import make_policy
    from act_train.evaluation.episodes import play_all
    from act_train.evaluation.results import opened
    from act_train.scoring import LikeliestAdmissible

    model = str(_model(folder, 128, 2))
    generates = make_policy(f"transformers:{model}", temperature=0.0, max_new_tokens=16)
    for title, policy in (
        ("free generation", generates),
        ("scored", LikeliestAdmissible(model, history=2, repeat_penalty=1.0)),
    ):
        timed, number = _Timed(policy), 4 if quick else 16
        env = "ACT/ALFWorldGen-v0"
        pool = gym.make_vec(
            env, num_envs=8, split="unseen", step_limit=20, autoreset_mode="Disabled"
        )
        with closing(pool):
            pool = cast(TextVectorEnv, pool)
            tasks = pool.call("tasks")[0][:number]
            start = time.perf_counter()
            with opened(folder / f"{title}.jsonl", {}, tasks) as file:
                for played in play_all(pool, timed, tasks, env_id=env, seed=0):
                    file.add(played.line())
            wall = time.perf_counter() - start
        share = 100 * timed.seconds / wall
        yield Row(f"model of 0.5 million weights, {title}: share of wall time", share, "%", ">= 90")


def _shared_prompt(folder: Path, quick: bool) -> Iterator[Row]:
    """Scores of the same candidates in the same states, in both ways, in turns."""
    import torch

    from act_data.models import load_model
    from act_data.prompts import action_prompt, render_answer
    from act_data.shared_prefix import answer_log_probabilities

    model, tokenizer, _ = load_model(_model(folder, 256, 4))
    spent = {"shared": 0.0, "apart": 0.0}
    other_order, furthest, candidates, length, states = 0, 0.0, 0, 0, 0

    @torch.inference_mode()
    def apart(prompt: list[int], row: list[int]) -> float:
        tokens = torch.tensor([[*prompt, *row]])
        logits = model(input_ids=tokens, logits_to_keep=len(row) + 1).logits[0, :-1].float()
        picked = logits.log_softmax(-1).gather(-1, tokens[0, -len(row) :, None])
        return float(picked.sum())

    for state, offered in _states(5 if quick else 30):
        messages = action_prompt(state, history=50)
        prompt = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, enable_thinking=False, return_dict=True
        )["input_ids"]
        answers = [f"{render_answer(action)}{tokenizer.eos_token}" for action in offered]
        rows = tokenizer(answers, add_special_tokens=False)["input_ids"]
        start = time.process_time()
        found = answer_log_probabilities(model, [(prompt, row) for row in rows])
        shared = [sum(tokens) for tokens in found]
        middle = time.process_time()
        separate = [apart(prompt, row) for row in rows]
        spent["shared"] += middle - start
        spent["apart"] += time.process_time() - middle
        gap = max(abs(one - two) for one, two in zip(shared, separate, strict=True))
        other_order += _order(shared) != _order(separate)
        furthest = max(furthest, gap)
        candidates, length, states = candidates + len(rows), length + len(prompt), states + 1
    times = spent["apart"] / spent["shared"]
    yield Row("candidates of a state, mean", candidates / states, "")
    yield Row("tokens of a prompt, mean", length / states, "")
    yield Row("separate forward passes, CPU over that with a shared prompt", times, "x", ">= 5")
    yield Row(f"of {states} states, those where the rankings differ", other_order, "", "<= 0")
    yield Row("largest difference of two scores", furthest, "nats")


def _search(folder: Path, quick: bool) -> Iterator[Row]:
    """The likeliest admissible action, by scores of all and by search, in turns."""
    from act_data.models import NANO, load_model
    from act_data.prompts import action_prompt, render_answer
    from act_data.shared_prefix import answer_log_probabilities, likeliest

    model, tokenizer, _ = load_model(NANO)
    for title, env_id, split, states in (
        ("a house", "ACT/ALFWorldGen-v0", "unseen", 30),
        ("ScienceWorld", "ACT/ScienceWorld-v0", "test", 10),
    ):
        spent, candidates = {"all": 0.0, "search": 0.0}, []
        for state, offered in _states(3 if quick else states, env_id, split):
            prompt = tokenizer.apply_chat_template(
                action_prompt(state, history=2),
                add_generation_prompt=True, enable_thinking=False, return_dict=True,
            )["input_ids"]  # fmt: skip
            answers = [f"{render_answer(action)}{tokenizer.eos_token}" for action in offered]
            rows = tokenizer(answers, add_special_tokens=False)["input_ids"]
            start = time.process_time()
            answer_log_probabilities(model, [(prompt, row) for row in rows])
            middle = time.process_time()
            next(likeliest(model, prompt, rows, [0.0] * len(rows)))
            spent["all"] += middle - start
            spent["search"] += time.process_time() - middle
            candidates.append(len(rows))
        times = spent["all"] / spent["search"]
        yield Row(f"candidates of a state of {title}, mean", fmean(candidates), "")
        yield Row(f"search in {title}: CPU per state", spent["search"] / len(candidates), "s")
        yield Row(f"scores of all candidates in {title}, CPU over the search", times, "x")


def _order(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda place: -scores[place])


# -- the same bytes --------------------------------------------------------------------------------


def _repeats(folder: Path, quick: bool) -> Iterator[Row]:
    """Result files with 1 and 8 environments, of killed runs, against those of peaceful ones."""
    model = _model(folder, 128, 2)
    tiny = f"{HOUSES} --step_limit 8 --max_new_tokens 8"
    draw, kills, other, runs = random.Random(0), 0, 0, 0
    for policy, command, tasks in (
        ("random-admissible", HOUSES, 100),
        ("explorer", HOUSES, 100),
        (f"transformers:{model}", tiny, 8),
        (f"scored:{model}", f"{HOUSES} --step_limit 4", 8),
    ):
        peace = folder / f"peace-{runs}.jsonl"
        start = time.perf_counter()
        _evaluate(f"{command} --limit {tasks}", policy, peace)
        seconds = time.perf_counter() - start
        for envs in (1, 8) if quick else (1, 8, 8, 8):
            path = folder / f"again-{runs}.jsonl"
            line = f"{command} --limit {tasks} --envs {envs}"
            for _ in range(KILLS):
                if _done(line, policy, path, seconds * draw.uniform(0.5, 1)):
                    break
                kills += 1
            _evaluate(line, policy, path)
            runs += 1
            if path.read_bytes() != peace.read_bytes():
                other += 1
                print(f"{policy}, {envs} environments: {_difference(peace, path)}", file=sys.stderr)
    yield Row("kills of evaluations", kills, "", ">= 1")
    yield Row(f"of {runs} evaluations with 1 or 8 environments, those of other bytes", other, "",
              "<= 0")  # fmt: skip


def _difference(one: Path, other: Path) -> str:
    """Where two result files part."""
    from act_train.evaluate import read_results

    a, b = read_results(one), read_results(other)
    for x, y in zip(a, b, strict=False):
        for key in x:
            if x[key] != y.get(key):
                if key == "versions":
                    raise RuntimeError("the code has changed while it was measured. Measure again.")
                return f"{x['task_id']}: {key}"
    return f"{len(a)} and {len(b)} lines"


def _done(arguments: str, policy: str, path: Path, seconds: float) -> bool:
    """Whether a command came to its end before it was killed, after so many seconds."""
    with subprocess.Popen(_command(arguments, policy, path), stdout=subprocess.DEVNULL) as process:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return False
    if status:
        raise RuntimeError(f"{arguments} ended with status {status}")
    return True


def _evaluate(arguments: str, policy: str, path: Path) -> None:
    subprocess.run(_command(arguments, policy, path), check=True, stdout=subprocess.DEVNULL)


def _command(arguments: str, policy: str, path: Path) -> list[str]:
    return [
        sys.executable, "-m", "act_train.cli", "evaluate", *shlex.split(arguments),
        "--policy", policy, "--output", str(path),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(call(Evaluation))
