"""What the demo's report says: reads the folders that the demo's steps wrote, computes nothing new.

The words here are chosen so that a stranger does not take a demonstration for evidence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from act_data.prompts import critique_prompt
from act_data.storage.tables import read_pairs, read_trajectories
from act_data.types import ContrastPair
from act_envs import __version__
from act_train.data import split_by_task
from act_train.evaluate import read_results, summary
from act_train.reporting import figures, page
from act_train.statistics import mean_interval

HELD_OUT, HISTORY = 0.25, 1  # of every step: share of the tasks, past turns in the prompt
_PLAYERS = {
    "random": "random admissible action",
    "policy": "tiny model, first policy",
    "imitate": "tiny model, imitation",
    "act-imitate": "tiny model, critique then imitation",
    "expert": "expert (gold path)",
}

CAVEATS = (
    "What this shows: every part of the toolkit at work on a real benchmark, from the simulator to "
    "the judge, with nothing downloaded and nothing prepared.",
    "What it cannot show: that the method works. The model has half a million weights that were "
    "random numbers a few minutes ago; it cannot read English, and it sees five of thirty kinds of "
    "task. A model of this size names an action it has memorised, not one it has read in the "
    "question, and some alternatives give themselves away by their look alone: the grey bars show "
    "how far that goes, and only what lies above them is judgment. With so few held-out and test "
    "tasks, differences whose intervals overlap are chance, whichever way they point. The paper's "
    "numbers are for models of 4 to 8 billion weights.",
)


def write_report(out: Path, seconds: Mapping[str, float]) -> Path:
    """Write ``report.html`` from the folders of a finished demo.

    Args:
        out: the demo's folder.
        seconds: duration of each command.

    Returns:
        The path of the report.
    """
    collected, mined = _json(out / "trajectories/summary.json"), _json(out / "pairs/summary.json")
    pairs = list(read_pairs(out / "pairs"))
    train, held = split_by_task(pairs, HELD_OUT)
    judged = {name: _json(out / f"judge/{name}.json") for name in ("warm-start", "critique")}
    played = {name: read_results(out / f"evaluation/{name}.jsonl") for name in _PLAYERS}
    results = {name: summary(lines) for name, lines in played.items()}
    base, gate = _json(out / "base/config.json"), _json(out / "critique/metrics.json")
    recipe = _json(out / "critique/run.json")["arguments"]
    states = sum(len(t.transitions) for t in read_trajectories(out / "trajectories"))
    before, after = judged["warm-start"], judged["critique"]
    reward = _history(out / "critique", "reward")
    minutes = sum(seconds.values()) / 60
    values = {
        "title": "ACT demo: judging actions in ScienceWorld",
        "lead": (
            f"{collected['rows']} expert trajectories, {len(pairs):,} contrast pairs, one model of "
            f"{_weights(out)} weights made on the spot, {minutes:.1f} minutes on this machine."
        ),
        "cards": [
            _card(
                f"{gate['before_judge/names_candidate']:.2f} → "
                f"{gate['after_judge/names_candidate']:.2f}",
                "of the answers name one of the two candidates, before → after the critique stage; "
                f"of these {_figure(gate.get('before_judge/expert_share_of_named'))} → "
                f"{_figure(gate.get('after_judge/expert_share_of_named'))} name the expert's "
                f"({recipe['gate_prompts']} held-out prompts)",
            ),
            _card(
                f"{before['accuracy']:.2f} → {after['accuracy']:.2f}",
                "judge accuracy on held-out pairs (guessing: 0.50; without the state: "
                f"{after['no_state_accuracy']:.2f})",
            ),
            _card(
                f"{results['act-imitate']['mean_score']:.2f}",
                "mean score on test tasks after critique and imitation "
                f"(imitation alone: {results['imitate']['mean_score']:.2f})",
            ),
            _card(
                f"{results['random']['mean_score']:.2f} … {results['expert']['mean_score']:.2f}",
                "the same for random actions and for the expert",
            ),
        ],
        "caveats": CAVEATS,
        "data_text": (
            "The environment's own expert played every chosen training task once. Only winning "
            "trajectories are kept; the rest are counted."
        ),
        "pairs_text": (
            f"At {mined['counts']['states']} of the {states} states of these trajectories the "
            "model proposed four times what it would have done; what equals the expert's action is "
            f"dropped. Of the {len(pairs)} alternatives {mined['counts']['inadmissible']} are not "
            "even admissible: so little can the model do yet."
        ),
        "judge_text": (
            f"{before['pairs']} pairs of {len({p.task_id for p in held})} tasks were held out. The "
            "model is asked about each pair in both orders; it names the answer it finds likelier. "
            "Guessing gives 0.50. It does not start from there: the first policy has imitated the "
            "expert for a moment, as the paper's starts from an instruct model. The warm start "
            "teaches the answer's format with a fair coin. "
            f"{_verdict(before, after)}"
        ),
        "tables": {
            "trajectories": page.table(
                ("kind of task", "played", "won"), _kinds(collected["by_kind"])
            ),
            "mining": page.table(("at the expert's states", "count"), _mining(mined["counts"])),
            "judge": _judge_table(judged),
            "evaluation": _evaluation_table(results),
            "timing": page.table(
                ("step", "seconds"), [(_short(line), f"{s:.0f}") for line, s in seconds.items()]
            ),
        },
        "figures": {
            "kinds": _pair_counts(train, held),
            "judge": figures.bars(
                "judge",
                ["before the critique stage", "after it"],
                {
                    "state and candidates": [_interval(j, "") for j in (before, after)],
                    "candidates only": [_interval(j, "no_state_") for j in (before, after)],
                },
                colours=(figures.ACCENT, figures.GREY),
                chance=0.5,
            ),
            "reward": figures.curves("reward", {"reward": reward}, ylabel="reward"),
            "variance": figures.curves(
                "variance",
                {"share": _history(out / "critique", "frac_reward_zero_std")},
                ylabel="share of groups",
            ),
            "imitation": figures.curves(
                "imitation",
                {
                    "imitation": _history(out / "imitate", "loss"),
                    "critique, then imitation": _history(out / "act-imitate", "loss"),
                },
                ylabel="loss",
            ),
            "scores": figures.bars(
                "scores",
                list(_PLAYERS.values()),
                {"score": [_score(results[name]) for name in _PLAYERS]},
            ),
        },
        "pairs": [_shown(pair) for pair in _one_a_kind(held)],
        "transcripts": _transcripts(played),
        "commands": list(seconds),
        "footer": (
            f"agentic-critical-training {__version__}, trl {version('trl')}, "
            f"transformers {version('transformers')}, torch {version('torch')}. Model: Qwen3 "
            f"architecture, width {base['hidden_size']}, {base['num_hidden_layers']} layers, "
            f"vocabulary {base['vocab_size']:,}. Method: arXiv 2603.08706."
        ),
    }
    path = out / "report.html"
    path.write_text(page.render("demo.html", values), encoding="utf-8")
    return path


def _verdict(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """One sentence on what the critique stage changed, pair by pair, as it really went."""
    changes = [
        (task, sum(new) - sum(old))
        for (_, task, *old), (_, _, *new) in zip(before["verdicts"], after["verdicts"], strict=True)
    ]
    change, (low, high) = mean_interval(
        [difference / 2 for _, difference in changes], [task for task, _ in changes], least=-1
    )
    if low <= 0 <= high:
        found = "In this run the critique stage changed the accuracy by no more than chance does"
    else:
        found = f"In this run the critique stage {'raised' if low > 0 else 'lowered'} the accuracy"
    return f"{found} ({change:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}, paired by task)."


def _kinds(by_kind: Mapping[str, Mapping[str, int]]) -> list[tuple[object, ...]]:
    return [(kind, sum(counts.values()), counts["won"]) for kind, counts in by_kind.items()]


def _mining(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    words = {
        "states": "states of expert trajectories",
        "samples": "actions sampled from the policy",
        "no_tag": "without an action tag (dropped)",
        "malformed": "with several tags, half of one, or several lines (dropped)",
        "empty": "with nothing between the tags (dropped)",
        "overlong": "with an action that is too long (dropped)",
        "unprintable": "with characters that cannot be printed (dropped)",
        "as_expert": "equal to the expert's action (dropped)",
        "duplicates": "drawn twice in one state (merged)",
        "pairs": "contrast pairs",
        "inadmissible": "of these, not admissible in their state",
    }
    return [(text, f"{counts[name]:,}") for name, text in words.items()]


def _judge_table(judged: Mapping[str, Mapping[str, Any]]) -> Any:
    names = {"warm-start": "before the critique stage", "critique": "after it"}
    measures = ("accuracy", "admissible_accuracy", "swap_consistent", "choose_first",
                "no_state_accuracy")  # fmt: skip
    rows = [
        (names[name], *(_figure(result[measure]) for measure in measures))
        for name, result in judged.items()
    ]
    return page.table(
        (
            "model",
            "accuracy",
            f"admissible alternatives ({judged['critique']['admissible_pairs']} pairs)",
            "right in both orders",
            "names the first",
            "without the state",
        ),
        rows,
    )


def _evaluation_table(results: Mapping[str, Mapping[str, Any]]) -> Any:
    rows = [
        (
            _PLAYERS[name],
            result["episodes"],
            f"{result['mean_score']:.3f}",
            "{:.3f} to {:.3f}".format(*result["mean_score_95"]),
            f"{result['success']:.2f}",
            f"{result['mean_steps']:.1f}",
            f"{result['invalid_share']:.0%}",
            f"{result['format_failure_share']:.0%}",
        )
        for name, result in results.items()
    ]
    header = ("player", "tasks", "score", "95 %", "won", "steps", "not a command", "no action tag")
    return page.table(header, rows)


def _pair_counts(train: Sequence[ContrastPair], held: Sequence[ContrastPair]) -> Any:
    counted = [Counter(pair.kind for pair in part) for part in (train, held)]
    kinds = sorted(counted[0] | counted[1])
    series = {
        "training": [counted[0][kind] for kind in kinds],
        "held out": [counted[1][kind] for kind in kinds],
    }
    return figures.stacked("kinds", kinds, series)


def _one_a_kind(pairs: Sequence[ContrastPair], count: int = 3) -> list[ContrastPair]:
    """From the middle of each of the first kinds, so that the state has a history."""
    kinds: dict[str, list[ContrastPair]] = {}
    for pair in pairs:
        kinds.setdefault(pair.kind, []).append(pair)
    return [found[len(found) // 2] for found in list(kinds.values())[:count]]


def _shown(pair: ContrastPair) -> dict[str, str]:
    prompt = critique_prompt(
        pair.state, (pair.expert_action, pair.alternative_action), history=HISTORY
    )
    return {
        "title": f"{pair.task_id}, step {pair.step}: “{pair.expert_action}” (expert) against "
        f"“{pair.alternative_action}”",
        "text": prompt[0]["content"],
    }


def _transcripts(played: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One task, the one on which the trained model scored best, as each player played it."""
    lines = played["act-imitate"]
    best = max(range(len(lines)), key=lambda n: (lines[n]["score"], -n))
    shown = []
    for name in ("expert", "act-imitate", "imitate", "random"):
        line = played[name][best]
        rows: list[dict[str, str]] = [{"style": "", "text": f"{line['goal']}\n"}]
        for turn in line["turns"]:
            if "action" in turn:
                style = "act" if turn["valid"] else "bad"
                rows.append({"style": style, "text": f"> {turn['action']}"})
            rows.append({"style": "", "text": _cut(turn["observation"])})
        end = f"score {line['score']:.2f} after {line['steps']} steps"
        title = f"{_PLAYERS[name]}: {line['task_id']}, {end}"
        shown.append({"title": title, "lines": rows})
    return shown


def _cut(text: str, limit: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit].rstrip()} …"


def _interval(judged: Mapping[str, Any], prefix: str) -> tuple[float, float, float]:
    low, high = judged[f"{prefix}accuracy_95"]
    return judged[f"{prefix}accuracy"], low, high


def _score(result: Mapping[str, Any]) -> tuple[float, float, float]:
    low, high = result["mean_score_95"]
    return result["mean_score"], low, high


def _history(folder: Path, key: str) -> list[tuple[float, float]]:
    lines = map(json.loads, (folder / "log_history.jsonl").read_text().splitlines())
    return [(line["step"], line[key]) for line in lines if key in line]


def _weights(out: Path) -> str:
    size = (out / "base/model.safetensors").stat().st_size / 4  # float32, and nothing but weights
    return f"{size / 1e6:.1f} million"


def _short(line: str) -> str:
    words = line.split()
    return " ".join(words[:2]) + (f" ({Path(words[-1]).stem})" if words[1] != "collect" else "")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _card(value: str, label: str) -> dict[str, str]:
    return {"value": value, "label": label}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
