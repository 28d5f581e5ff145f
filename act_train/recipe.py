"""What a stage is told: dataclasses whose fields are YAML keys and command-line options at once.

The options of a training stage are those below plus every field of TRL's own configuration
(``GRPOConfig``, ``SFTConfig``). Importing this module imports neither torch nor TRL, so that
``--help`` is fast; :func:`read` imports TRL's parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn, cast, get_origin, get_type_hints

from act_data.models import NANO
from act_data.models import packaged as packaged_model
from act_envs.errors import nearest
from act_train.errors import RecipeError

MAX_CANDIDATES = 8


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass
class ModelArguments:
    """Which model a stage starts from."""

    model: str = _option("", "Folder of a model, its id on the Hub, or act-nano.")
    revision: str | None = _option(None, "Branch, tag or commit of a model on the Hub.")

    def __post_init__(self) -> None:
        if not self.model:
            raise RecipeError("no model is given. Set model: PATH, or make one: act-train tiny.")
        if self.model == NANO:
            self.model = str(packaged_model(NANO))


@dataclass
class PairArguments:
    """Which contrast pairs a stage reads, and how it shows them."""

    pairs: str = _option(
        "",
        "Folder or file of contrast pairs (act-data mine); or with split a dataset (act-data "
        "build): a folder, org/name[@REVISION] on the Hub, or builtin.",
    )
    split: str | None = _option(None, "Of a dataset: train.")
    subset: str | None = _option(
        None, "Of a dataset: the environment whose pairs are taken; the first."
    )
    history: int = _option(2, "Past turns in the prompt.")
    validation_share: float = _option(0.1, "Share of the tasks held out; all their pairs are.")
    max_pairs: int | None = _option(None, "Take at most so many training pairs, spread evenly.")
    allow_split: list[str] = field(
        default_factory=list,
        metadata={"help": "Splits besides train that the data may hold; never a test split."},
    )

    def __post_init__(self) -> None:
        _need(self.pairs, "pairs")
        _check_split(self.history, self.validation_share, self.max_pairs)
        _check_subset(self.split, self.subset)


@dataclass
class JudgedPairArguments:
    """Which contrast pairs a model judges, and how they are shown."""

    pairs: str = _option(
        "",
        "Folder or file of contrast pairs (act-data mine); or with split a dataset (act-data "
        "build): a folder, org/name[@REVISION] on the Hub, or builtin.",
    )
    split: str | None = _option(None, "Of a dataset: train, validation or test.")
    subset: str | None = _option(
        None, "Of a dataset: the environment whose pairs are taken; the first."
    )
    history: int | None = _option(None, "Past turns in the prompt; as the model was trained, or 2.")
    validation_share: float | None = _option(
        None, "Share of the tasks held out of files; as the model was trained, or 0.1."
    )
    max_pairs: int | None = _option(None, "Take at most so many pairs, spread evenly.")
    allow_split: list[str] = field(
        default_factory=list,
        metadata={"help": "Splits besides train that the data may hold; never a test split."},
    )

    def __post_init__(self) -> None:
        _need(self.pairs, "pairs")
        _check_split(self.history or 0, self.validation_share or 0.0, self.max_pairs)
        _check_subset(self.split, self.subset)
        if self.split is not None and self.validation_share is not None:
            raise RecipeError(
                f"validation_share={self.validation_share} is for files, and split={self.split!r} "
                "for datasets. Leave one of them out."
            )


@dataclass
class TrajectoryArguments:
    """Which trajectories a stage imitates, and how it shows their states."""

    trajectories: str = _option(
        "",
        "Folder or file of trajectories (act-data collect); or with split a dataset (act-data "
        "build): a folder, org/name[@REVISION] on the Hub, or builtin.",
    )
    split: str | None = _option(None, "Of a dataset: train.")
    subset: str | None = _option(
        None, "Of a dataset: the environment whose trajectories are taken; all."
    )
    history: int = _option(2, "Past turns in the prompt.")
    validation_share: float = _option(0.1, "Share of the tasks held out; all their steps are.")
    max_trajectories: int | None = _option(None, "Take at most so many training trajectories.")
    allow_split: list[str] = field(
        default_factory=list,
        metadata={"help": "Splits besides train that the data may hold; never a test split."},
    )

    def __post_init__(self) -> None:
        _need(self.trajectories, "trajectories")
        _check_split(self.history, self.validation_share, self.max_trajectories)
        _check_subset(self.split, self.subset)


@dataclass
class QuestionArguments:
    """What is asked about the pairs."""

    candidates: int = _option(
        2, "Actions in a question, at most: the expert's and alternatives of the same state."
    )
    equivalent: str | None = _option(
        None,
        "hindsight or informed: offer an answer for pairs that act-data verify found equivalent by "
        "this reading. Without it they are asked like all others.",
    )

    def __post_init__(self) -> None:
        if not 2 <= self.candidates <= MAX_CANDIDATES:
            raise RecipeError(
                f"candidates={self.candidates} must lie between 2 and {MAX_CANDIDATES}."
            )
        if self.equivalent is None:
            return
        if self.equivalent not in (known := ("hindsight", "informed")):
            raise RecipeError(
                f"unknown reading {self.equivalent!r}. {nearest(self.equivalent, known)}"
            )
        if self.candidates != 2:
            raise RecipeError(
                f"equivalent is about two actions, and candidates={self.candidates}. "
                "Leave one of them out."
            )


@dataclass
class LabelArguments:
    """How far the labels of the training data are to be trusted."""

    flip_labels: float = _option(
        0.0, "Share of the training labels made wrong on purpose, drawn by the seed."
    )

    def __post_init__(self) -> None:
        if not 0 <= self.flip_labels <= 1:
            raise RecipeError(f"flip_labels={self.flip_labels} must lie in [0, 1].")


@dataclass
class RewardArguments:
    """Terms of the reward of arXiv 2603.08706.

    Which of them the judgment stage pays is reported in two ways (all three, or accuracy alone),
    so each is set per stage.
    """

    reward_accuracy: float = _option(1.0, "The answer is the expert's action.")
    reward_admissible: float = _option(0.1, "The answer is another admissible action.")
    reward_format: float = _option(-0.5, "The answer has no correct action tag.")


@dataclass
class GateArguments:
    """What a stage asks of a model before it trains it."""

    gate_prompts: int = _option(256, "Prompts on which a model is measured before and after.")
    min_format_rate: float = _option(0.02, "Refuse a model that keeps the format less often.")

    def __post_init__(self) -> None:
        if self.gate_prompts < 1 or not 0 <= self.min_format_rate <= 1:
            raise RecipeError(
                f"gate_prompts={self.gate_prompts} must be at least 1, and "
                f"min_format_rate={self.min_format_rate} must lie in [0, 1]."
            )


@dataclass
class CritiqueArguments(GateArguments):
    """What the critique stage asks of a model before it trains it, and of its answers."""

    above_chance: bool = _option(
        True, "Refuse a model whose choices are not shown to be better than chance."
    )
    reasoning: bool = _option(
        True, "False asks for the action alone, and closes the thinking block of chat templates."
    )
    select: bool = _option(
        False, "Leave out pairs that the model's first answers are always or never right about."
    )


@dataclass
class EnvRlArguments(GateArguments):
    """Which tasks a model plays itself, what an episode is worth, and what is asked before."""

    env: str = _option("", "Registered environment, version included (ACT/Toy-v0).")
    split: str = _option("train", "Split of the tasks.")
    tasks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Only these: kinds, KIND:N (the first N of a kind), task ids; all if none."
        },
    )
    allow_split: list[str] = field(
        default_factory=list,
        metadata={"help": "Splits besides train whose tasks may be played; never a test split."},
    )
    step_limit: int | None = _option(
        None, "Actions after which an episode is cut off; the environment's own by default."
    )
    env_kwargs: str = _option("{}", "Further arguments of gym.make, as a JSON object.")
    history: int = _option(0, "Past turns told again in every prompt; the episode holds them all.")
    reward_score: float = _option(1.0, "Times the score at the end of the episode, in [0, 1].")
    reward_won: float = _option(0.0, "The episode is won.")
    reward_format: float = _option(-0.5, "The episode ended with an answer without an action.")
    reward_inadmissible: float = _option(
        -0.1, "Times the share of the actions that the simulator does not take for its own."
    )
    gate_prompts: int = _option(16, "Tasks on which a model is measured before and after.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _need(self.env, "env")
        _at_least(0, history=self.history)
        if self.step_limit is not None:
            _at_least(1, step_limit=self.step_limit)


@dataclass
class EvaluateArguments:
    """Who is evaluated, on which tasks, and where the episodes are written."""

    policy: str = _option(
        "",
        "random-admissible, expert, an expert's name (explorer), transformers:PATH[@REVISION], "
        "scored:PATH[@REVISION] (the likeliest admissible action), openai:MODEL or vllm:PATH.",
    )
    env: str = _option("", "Registered environment, version included (ACT/Toy-v0).")
    output: str = _option("", "JSONL file; one that exists is continued.")
    benchmark: str = _option("", "What tables call this evaluation, such as ALFWorld ID.")
    metric: str = _option(
        "episodes", "episodes, or next-action: how often the policy does what the expert does."
    )
    trajectories: str = _option(
        "", "Of next-action: expert trajectories (act-data collect) in place of env and split."
    )
    split: str | None = _option(None, "Official split of the tasks, or a panel; test by default.")
    tasks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Only these: kinds, KIND:N (the first N of a kind), task ids; all if none."
        },
    )
    limit: int | None = _option(
        None, "Only so many of these, spread evenly over kinds: a part, which results say."
    )
    states: int | None = _option(
        None,
        "Of next-action: whole tasks, drawn by a hash of their names, until there are so many "
        "states; all by default.",
    )
    step_limit: int | None = _option(
        None, "Actions after which an episode is cut off; the environment's own by default."
    )
    env_kwargs: str = _option("{}", "Further arguments of gym.make, as a JSON object.")
    envs: int = _option(
        1, "Environments that play at once, and requests to openai: under way; no result shows it."
    )
    history: int = _option(
        2, "Past turns in the prompt. From step_limit on, a prompt begins as the one before did."
    )
    temperature: float = _option(0.0, "Of the sampling; 0 is greedy.")
    max_new_tokens: int | None = _option(
        None, "Budget of one answer; 64, or 2048 with thinking, by default."
    )
    thinking: bool = _option(False, "Open a thinking block where the chat template knows one.")
    repeat_penalty: float | None = _option(
        None, "Of scored: nats for each time that an action was taken before; 1 by default."
    )
    base_url: str | None = _option(None, "Address of the endpoint of an openai: policy, to /v1.")
    seed: int = _option(0, "Seed of the sampling; it changes no task.")
    progress: bool = _option(False, "Show a progress bar even when stderr is no terminal.")

    def __post_init__(self) -> None:
        if self.metric not in (known := ("episodes", "next-action")):
            raise RecipeError(f"unknown metric {self.metric!r}. {nearest(self.metric, known)}")
        for name in ("policy", "output", *(() if self.trajectories else ("env",))):
            _need(getattr(self, name), name)
        if self.trajectories and self.metric == "episodes":
            raise RecipeError("trajectories are for metric: next-action alone. Leave them out.")
        theirs = {"env": "", "split": None, "step_limit": None, "env_kwargs": "{}"}
        for name, unset in theirs.items():
            if self.trajectories and (value := getattr(self, name)) != unset:
                raise RecipeError(
                    f"{name}={value!r} is set beside trajectories, which know theirs. Leave it out."
                )
        if self.states is not None and self.metric == "episodes":
            raise RecipeError(
                f"states={self.states} is for metric: next-action alone. Set limit: TASKS instead."
            )
        for name in ("step_limit", "envs", "states"):
            if (number := getattr(self, name)) is not None:
                _at_least(1, **{name: number})
        if self.limit is not None:
            _check_limit(self.limit)
        self.make_arguments()

    def make_arguments(self) -> dict[str, Any]:
        """Further arguments of ``gym.make``."""
        try:
            value = json.loads(self.env_kwargs)
        except ValueError as error:
            raise RecipeError(f"env_kwargs={self.env_kwargs!r} is no JSON: {error}") from error
        if not isinstance(value, dict) or value.keys() & {"split", "step_limit"}:
            raise RecipeError(
                f"env_kwargs={self.env_kwargs!r} must be a JSON object without split and "
                "step_limit, which are options of their own."
            )
        return value


@dataclass
class CompareArguments:
    """Which two evaluations are compared."""

    results: list[str] = field(
        default_factory=list,
        metadata={"help": "Two files that act-train evaluate or reason wrote."},
    )

    def __post_init__(self) -> None:
        if len(self.results) != 2:
            raise RecipeError(
                f"{len(self.results)} result files are given. Give two: act-train compare A B."
            )


@dataclass
class JudgeArguments:
    """Which pairs a model judges."""

    part: str = _option(
        "held-out",
        "held-out, train or all: which side of the split by task. A split of a dataset is refused "
        "by held-out if the model was trained on its tasks.",
    )
    output: str = _option("", "JSON file for the result; the pairs go beside it, as .jsonl.")
    rationale_pairs: int = _option(
        0, "Pairs, spread evenly, on which reasoning is left free, removed, and replaced."
    )
    rationale_tokens: int = _option(256, "Budget of the free reasoning.")

    def __post_init__(self) -> None:
        _need(self.output, "output")
        if Path(self.output).suffix != ".json":
            raise RecipeError(f"output={self.output!r} must end in .json.")
        if Path(self.output).is_dir():
            raise RecipeError(f"output={self.output!r} is a folder. Give the name of a file.")
        _at_least(0, rationale_pairs=self.rationale_pairs)
        _at_least(1, rationale_tokens=self.rationale_tokens)
        if self.part not in (parts := ("held-out", "train", "all")):
            raise RecipeError(f"unknown part {self.part!r}. {nearest(self.part, parts)}")


@dataclass
class ReasonArguments:
    """Who answers which questions, and where the answers are written."""

    policy: str = _option("", "transformers:PATH[@REVISION], vllm:PATH or openai:MODEL.")
    benchmark: str = _option("", "math-500 or gpqa-diamond.")
    output: str = _option("", "JSONL file; one that exists is continued.")
    questions: str | None = _option(
        None, "JSONL file in the schema of the data set on the Hub, instead of the Hub."
    )
    limit: int | None = _option(None, "Only the first so many questions.")
    base_url: str | None = _option(None, "Address of the endpoint of an openai: policy, to /v1.")
    temperature: float = _option(0.0, "Of the sampling; 0 is greedy.")
    top_p: float = _option(1.0, "Nucleus of the sampling; 1 is the whole distribution.")
    max_new_tokens: int = _option(4096, "Budget of one answer, its reasoning included.")
    thinking: bool = _option(False, "Open a thinking block where the chat template knows one.")
    seed: int = _option(0, "Of the sampling, and of the order of the options in gpqa-diamond.")

    def __post_init__(self) -> None:
        for name in ("policy", "benchmark", "output"):
            _need(getattr(self, name), name)
        if self.benchmark not in (known := ("math-500", "gpqa-diamond")):
            raise RecipeError(
                f"unknown benchmark {self.benchmark!r}. {nearest(self.benchmark, known)}"
            )
        if self.limit is not None:
            _check_limit(self.limit)


@dataclass
class ReportArguments:
    """Which runs a report shows, and where it is written."""

    runs: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Folders or result files, each as PATH or as ROW=PATH with a row of the paper: "
            "il, act+il, rl, act+il+rl (every report shows all names in brackets)."
        },
    )
    out: str = _option("report", "Folder for report.md and report.html.")
    backbone: str = _option(
        "Qwen3-8B", "Whose published numbers: Qwen3-8B, Qwen3-4B or Olmo-3-7B-Instruct."
    )
    examples: int = _option(2, "Gains, and losses, shown of each run against the first.")

    def __post_init__(self) -> None:
        if not self.runs:
            raise RecipeError(
                "no run is given. Name folders or result files: act-train report RUN ..."
            )
        _need(self.out, "out")
        _at_least(0, examples=self.examples)


@dataclass
class DemoArguments:
    """Where the demo works."""

    out: str = _option("runs/demo", "Folder for all that the demo makes; an old one is continued.")


@dataclass
class PipelineArguments:
    """Which pipelines are run, and where."""

    pipelines: list[str] = field(
        default_factory=list,
        metadata={"help": "YAML files, or names of pipelines of the package; they share stages."},
    )
    out: str | None = _option(None, "Folder of all stages, instead of the one that the file names.")
    set: list[str] = field(
        default_factory=list,
        metadata={"help": "NAME=VALUE, of what the file sets, such as benchmark=webshop."},
    )
    dry_run: bool = _option(False, "Check all options and list the steps, but run none.")

    def __post_init__(self) -> None:
        if not self.pipelines:
            raise RecipeError("no pipeline is given. Name one: act-train pipeline FILE.yaml.")


@dataclass
class TinyArguments:
    """A model from scratch, small enough to be trained on one CPU core."""

    out: str = _option("", "Folder to save the model in.")
    texts: list[str] = field(
        default_factory=list,
        metadata={"help": "Folders or files of pairs or trajectories: texts for the tokenizer."},
    )
    seed: int = _option(0, "Seed of the weights.")
    vocabulary: int = _option(2048, "Size of the vocabulary.")
    hidden: int = _option(128, "Width, a multiple of 64.")
    layers: int = _option(2, "Depth.")

    def __post_init__(self) -> None:
        _need(self.out, "out")
        if not self.texts:
            raise RecipeError("no texts are given. Set texts: [FOLDER] of pairs or trajectories.")
        _at_least(1, layers=self.layers)
        _check_size(self.vocabulary, self.hidden)


@dataclass
class PretrainArguments:
    """A model from scratch that reads these worlds and acts."""

    out: str = _option("", "Folder of the run; one that exists is continued.")
    worlds: str = _option(
        "{}",
        "Environments that are played, by id, as a JSON object (in a recipe, a mapping): share of "
        "the documents, and further arguments of gym.make.",
    )
    reading: float = _option(0.2, "Share of the documents that ask about text.")
    asked: float = _option(0.2, "Share of the steps that are asked as a prompt of their own.")
    seed: int = _option(0, "Seed of the weights and of all that is played.")
    model: str = _option("", "Model to go on from, a folder or act-nano; else weights are random.")
    led: float = _option(0.0, "Share of the episodes that model itself plays, helped (DAgger).")
    vocabulary: int = _option(1024, "Size of the vocabulary; not used with a model.")
    hidden: int = _option(128, "Width, a multiple of 64; not used with a model.")
    layers: int = _option(5, "Depth; not used with a model.")
    steps: int = _option(1000, "Optimizer steps, one batch each.")
    batch_tokens: int = _option(4096, "Tokens of a batch, at most.")
    max_length: int = _option(2048, "Tokens of a document; what goes beyond is left out.")
    text_weight: float = _option(0.3, "Weight in the loss of what comes back; actions have 1 more.")
    learning_rate: float = _option(5e-3, "Peak, after the warm-up and until the decay.")
    warmup_steps: int = _option(100, "Steps in which the learning rate rises from 0.")
    decay: float = _option(0.4, "Share of the steps, the last ones, in which it falls to 0.")
    weight_decay: float = _option(0.1, "Of matrices.")
    probe_steps: int = _option(100, "Steps between two measurements.")
    save_steps: int = _option(200, "Steps between two checkpoints.")
    workers: int = _option(1, "Processes that make the batches; 0 makes them in this one.")
    bf16: bool = _option(False, "Compute in bfloat16, on a GPU.")

    def __post_init__(self) -> None:
        _need(self.out, "out")
        _at_least(
            1,
            layers=self.layers,
            steps=self.steps,
            warmup_steps=self.warmup_steps,
            probe_steps=self.probe_steps,
            save_steps=self.save_steps,
        )
        _at_least(0, workers=self.workers)
        _at_least(64, max_length=self.max_length)
        _at_least(self.max_length, batch_tokens=self.batch_tokens)
        _check_size(self.vocabulary, self.hidden)
        if self.led and not self.model:
            raise RecipeError(f"led={self.led} needs a model that plays. Set model: FOLDER.")
        for name in ("reading", "asked", "decay", "led"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise RecipeError(f"{name}={value} must lie in [0, 1].")
        self.played()

    def played(self) -> dict[str, dict[str, Any]]:
        """What is played: for each environment its share and arguments of ``gym.make``."""
        try:
            value = json.loads(self.worlds)
        except ValueError as error:
            raise RecipeError(f"worlds={self.worlds!r} is no JSON: {error}") from error
        if not isinstance(value, dict) or not value:
            raise RecipeError(
                'worlds is not set. Set worlds: {ENVIRONMENT: {"share": 1}} in the recipe.'
            )
        for name, about in value.items():
            share = about.get("share") if isinstance(about, dict) else None
            if not isinstance(share, int | float) or share <= 0 or "split" in about:
                raise RecipeError(
                    f"worlds has {about!r:.80} for {name}; it must hold a share above 0 and no "
                    "split: what is played is always of the split train."
                )
        return value


def read(argv: Sequence[str], *types: type, stage: str | None = None) -> tuple[Any, ...]:
    """Fill dataclasses from ``--config FILE`` and options; an option beats the file.

    Args:
        argv: command line without program and stage.
        types: dataclasses with distinct fields.
        stage: whose they are. A recipe may say so (``stage: critique``), and is refused by others.

    Returns:
        One instance per type.

    Raises:
        RecipeError: the file is missing or no YAML mapping, or of another stage, a key or an option
            is unknown, or a value is not accepted.
    """
    from trl import TrlParser  # pyright: ignore[reportPrivateImportUsage]

    class Parser(TrlParser):
        def error(self, message: str) -> NoReturn:  # argparse would print its usage and exit
            raise RecipeError(f"{message}.")

    path, options = _take_config(argv)
    known = {
        f.name: hints[f.name]
        for type_ in types
        for hints in [get_type_hints(type_)]
        for f in fields(type_)
        if f.init
    }
    config = {} if path is None else load(path)
    meant = config.pop("stage", stage)
    if stage is not None and meant != stage:
        raise RecipeError(f"{path} is a recipe of the stage {meant!r}, not of {stage!r}.")
    for key in config:
        if key not in known:
            raise RecipeError(f"{path}: unknown key {key!r}. {nearest(key, known)}")
    # Before parsing: a mistyped option would else be reported as one that is not set.
    _check_options(options, known)
    parser = Parser(cast(Any, types), allow_abbrev=False)
    # As text, values of the file pass the same conversions as options: 1e-6 is no float in YAML.
    parser.set_defaults_with_config(**{k: _as_option(v, known[k]) for k, v in config.items()})
    try:
        *found, rest = parser.parse_args_into_dataclasses(options, return_remaining_strings=True)
    except (TypeError, ValueError, ImportError) as error:  # how TRL's dataclasses refuse values
        raise RecipeError(f"{path or 'options'}: {error}") from error
    if rest:
        raise _unknown_option(rest[0], known)
    return tuple(found)


def _check_options(options: Sequence[str], known: Mapping[str, Any]) -> None:
    for option in options:
        name = option.removeprefix("--").partition("=")[0].replace("-", "_")
        # argparse gives a switch that is on by default a --no_NAME as well.
        if option.startswith("--") and not {name, name.removeprefix("no_")} & known.keys():
            raise _unknown_option(option, known)


def _unknown_option(option: str, known: Iterable[str]) -> RecipeError:
    flags = [f"--{name}" for name in known]
    return RecipeError(f"unknown option {option!r}. {nearest(option.partition('=')[0], flags)}")


def _as_option(value: Any, type_: Any) -> Any:
    """A value of the file in the form that the command line gives it."""
    if isinstance(value, int | float):
        value = str(value)
    if get_origin(type_) is list and isinstance(value, str):
        return [value]
    if type_ is str and isinstance(value, dict):
        return json.dumps(value)
    return value


def packaged() -> list[str]:
    """Names of the recipes that ship with the package, which ``--config`` takes like paths."""
    recipes = files("act_train").joinpath("recipes").iterdir()
    return sorted(entry.name for entry in recipes if entry.name.endswith(".yaml"))


def find(name: str) -> Path:
    """The file of a recipe, which is a path or the name of one that ships with the package.

    Raises:
        RecipeError: there is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name not in packaged():
        raise RecipeError(f"recipe {name!r} does not exist. {nearest(name, packaged())}")
    return Path(str(files("act_train").joinpath("recipes", name)))


def _take_config(argv: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The file behind ``--config FILE`` or ``--config=FILE``, and the other options."""
    options = [part for arg in argv for part in _separate(arg)]
    if "--config" not in options:
        return None, options
    at = options.index("--config")
    if at + 1 == len(options):
        raise RecipeError("--config names no file.")
    return find(options[at + 1]), options[:at] + options[at + 2 :]


def _separate(arg: str) -> list[str]:
    return ["--config", arg.partition("=")[2]] if arg.startswith("--config=") else [arg]


def load(path: Path) -> dict[str, Any]:
    """What a recipe says, unchecked.

    Raises:
        RecipeError: it is no YAML mapping.
    """
    import yaml

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no YAML: {error}") from error
    if not isinstance(config, dict):
        raise RecipeError(f"{path} must hold a YAML mapping of options, not {config!r:.60}.")
    return {str(key): value for key, value in config.items()}


def _need(value: str, name: str) -> None:
    if not value:
        raise RecipeError(f"{name} is not set. Set {name}: VALUE in the recipe, or --{name} VALUE.")


def _check_size(vocabulary: int, hidden: int) -> None:
    _at_least(261, vocabulary=vocabulary)  # 256 bytes, 3 special tokens, 2 tags
    if hidden < 64 or hidden % 64:  # heads of 32, two for each key-value head
        raise RecipeError(f"hidden={hidden} must be a multiple of 64, such as 128.")


def _check_split(history: int, share: float, limit: int | None) -> None:
    if history < 0:
        raise RecipeError(f"history={history} must not be negative.")
    if not 0 <= share < 1:
        raise RecipeError(f"validation_share={share} must lie in [0, 1).")
    if limit is not None:
        _check_limit(limit)


def _check_subset(split: str | None, subset: str | None) -> None:
    if split is None and subset is not None:
        raise RecipeError(f"subset={subset!r} is for a dataset. Set split as well.")


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise RecipeError(f"a limit of {limit} leaves no data. Leave it out for all of them.")


def _at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if value < least:
            raise RecipeError(f"{name}={value} must be at least {least}.")
