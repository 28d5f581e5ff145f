"""What the stages that train are told: which model, which data, what is asked and rewarded."""

from __future__ import annotations

from dataclasses import dataclass, field

from act_data.models import PACKAGED, packaged
from act_envs.errors import nearest
from act_train.arguments.fields import at_least, check_shown, check_subset, need, option
from act_train.arguments.pairs import PairSource
from act_train.errors import RecipeError

MAX_CANDIDATES = 8


@dataclass
class JudgedModelArguments:
    """Which model."""

    model: str = option("", "Folder of a model, its id on the Hub, or act-nano(-base).")
    revision: str | None = option(None, "Branch, tag or commit of a model on the Hub.")

    def __post_init__(self) -> None:
        if not self.model:
            raise RecipeError("no model is given. Set model: PATH, or make one: act-train tiny.")

    @property
    def source(self) -> str:
        """Its folder, or its id on the Hub."""
        return str(packaged(self.model)) if self.model in PACKAGED else self.model


@dataclass
class ModelArguments(JudgedModelArguments):
    """Which model a stage starts from, and what of it is trained."""

    lora_rank: int = option(
        0,
        "Train adapters of this rank on all linear layers (LoRA), and add them to the weights at "
        "the end; 0 trains all weights.",
    )
    lora_alpha: int = option(32, "What adapters give is multiplied by this over the rank.")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, lora_rank=self.lora_rank)
        at_least(1, lora_alpha=self.lora_alpha)


@dataclass
class PairArguments(PairSource):
    """Which contrast pairs a stage reads, and how it shows them."""

    history: int = option(2, "Past turns in the prompt.")
    validation_share: float = option(0.1, "Share of the tasks held out; all their pairs are.")
    max_pairs: int | None = option(
        None,
        "Train on at most so many pairs, spread evenly; of candidates above 2, questions.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shown(self.history, self.validation_share, self.max_pairs)


@dataclass
class TrajectoryArguments:
    """Which trajectories a stage imitates, and how it shows their states."""

    trajectories: str = option(
        "",
        "Folder or file of trajectories (act-data collect); or with split a dataset (act-data "
        "build): a folder, org/name[@REVISION] on the Hub, or builtin.",
    )
    split: str | None = option(None, "Of a dataset: train.")
    subset: str | None = option(
        None, "Of a dataset: the environment whose trajectories are taken; all."
    )
    history: int = option(2, "Past turns in the prompt.")
    validation_share: float = option(0.1, "Share of the tasks held out; all their steps are.")
    max_trajectories: int | None = option(None, "Take at most so many training trajectories.")
    allow_split: list[str] = field(
        default_factory=list,
        metadata={"help": "Splits besides train that the data may hold; never a test split."},
    )

    def __post_init__(self) -> None:
        need(self.trajectories, "trajectories")
        check_shown(self.history, self.validation_share, self.max_trajectories)
        check_subset(self.split, self.subset)


@dataclass
class QuestionArguments:
    """What is asked about the pairs."""

    candidates: int = option(
        2, "Actions in a question, at most: the expert's and alternatives of the same state."
    )
    equivalent: str | None = option(
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

    flip_labels: float = option(
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

    reward_accuracy: float = option(1.0, "The answer is the expert's action.")
    reward_admissible: float = option(0.1, "The answer is another admissible action.")
    reward_format: float = option(-0.5, "The answer has no correct action tag.")


@dataclass
class GateArguments:
    """What a stage asks of a model before it trains it."""

    gate_prompts: int = option(256, "Prompts on which a model is measured before and after.")
    min_format_rate: float = option(0.02, "Refuse a model that keeps the format less often.")

    def __post_init__(self) -> None:
        if self.gate_prompts < 1 or not 0 <= self.min_format_rate <= 1:
            raise RecipeError(
                f"gate_prompts={self.gate_prompts} must be at least 1, and "
                f"min_format_rate={self.min_format_rate} must lie in [0, 1]."
            )


@dataclass
class CritiqueArguments(GateArguments):
    """What the critique stage asks of a model before it trains it, and of its answers."""

    above_chance: bool = option(
        True, "Refuse a model whose choices are not shown to be better than chance."
    )
    reasoning: bool = option(
        True, "False asks for the action alone, and closes the thinking block of chat templates."
    )
    select: bool = option(
        False, "Leave out pairs that the model's first answers are always or never right about."
    )


@dataclass
class ReflectionsArguments:
    """Who writes the thoughts that a model is to learn, and where."""

    output: str = option("", "File of reflections (JSON lines); one that exists is continued.")
    writer: str = option("", "transformers:PATH_OR_HUB_ID, vllm:PATH_OR_HUB_ID or openai:MODEL.")
    max_new_tokens: int = option(512, "Tokens of a reflection, at most.")
    temperature: float = option(1.0, "Of the sampling; 0 takes the likeliest tokens.")
    thinking: bool = option(False, "Let the writer reason first; that is not learnt.")
    base_url: str | None = option(None, "Where an openai: writer is served.")
    seed: int = option(0, "Seed of the sampling.")

    def __post_init__(self) -> None:
        need(self.output, "output")
        need(self.writer, "writer")
        at_least(1, max_new_tokens=self.max_new_tokens)


@dataclass
class ThoughtArguments:
    """Which thoughts are learnt."""

    reflections: str = option("", "File of reflections (act-train reflections).")

    def __post_init__(self) -> None:
        need(self.reflections, "reflections")


@dataclass
class EnvRlArguments(GateArguments):
    """Which tasks a model plays itself, what an episode is worth, and what is asked before."""

    env: str = option("", "Registered environment, version included (ACT/Toy-v0).")
    split: str = option("train", "Split of the tasks.")
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
    step_limit: int | None = option(
        None, "Actions after which an episode is cut off; the environment's own by default."
    )
    env_kwargs: str = option("{}", "Further arguments of gym.make, as a JSON object.")
    history: int = option(0, "Past turns told again in every prompt; the episode holds them all.")
    reward_score: float = option(1.0, "Times the score at the end of the episode, in [0, 1].")
    reward_won: float = option(0.0, "The episode is won.")
    reward_format: float = option(-0.5, "The episode ended with an answer without an action.")
    reward_inadmissible: float = option(
        -0.1,
        "Times the share of the actions that the simulator does not take for its own. In groups "
        "without a win it is all that counts: 0 for a model that seldom wins.",
    )
    gate_prompts: int = option(16, "Tasks on which a model is measured before and after.")

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.env, "env")
        at_least(0, history=self.history)
        if self.step_limit is not None:
            at_least(1, step_limit=self.step_limit)
