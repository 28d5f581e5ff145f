"""What a plan of one stage finds out, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from act_train.planning.batches import Steps
from act_train.planning.hardware import Gpu, Launch
from act_train.planning.lengths import Length
from act_train.planning.memory import Memory
from act_train.planning.model import Shape
from act_train.planning.reading import Planned
from act_train.planning.work import Group, Work
from act_train.stages import STAGES


@dataclass
class Plan:
    """What is known of a stage before it runs.

    Attributes:
        planned: the stage.
        launch: how its processes share the model.
        gpu: what each of them runs on.
        training: TRL's configuration.
        shape: of the model.
        rows: to train on and to measure on: how many.
        lengths: of rows to train on.
        limit: tokens that a row may have; what has more would be cut or go beyond the model.
        long: rows of the sample that do.
        steps: of the run.
        group: prompt and answers as they are on average; None where no answers are generated.
        shares: prompts are computed once for all answers of a micro-batch.
        memory: on each GPU.
        plain: tokens of the run with a row for each answer.
        work: tokens of the run as it is.
        seconds: of all GPUs together, to compute and to generate.
        saves: checkpoints side by side, and bytes of all that is saved.
        unknown: what could not be looked at.
        wrong: what cannot work.
        notes: what works and could be better.
    """

    planned: Planned
    launch: Launch
    gpu: Gpu
    training: Any
    shape: Shape | None = None
    rows: tuple[int, int] | None = None
    lengths: list[Length] = field(default_factory=list)
    limit: int | None = None
    long: int = 0
    steps: Steps | None = None
    group: Group | None = None
    shares: bool = False
    memory: Memory | None = None
    plain: Work = field(default_factory=Work)
    work: Work = field(default_factory=Work)
    seconds: tuple[float, float] | None = None
    saves: tuple[int, float] | None = None
    unknown: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def generates(self) -> bool:
        """Whether the stage answers its prompts itself."""
        return STAGES[self.planned.stage].trl_config == "GRPOConfig"

    @property
    def preferences(self) -> bool:
        """Whether a row has two answers."""
        return STAGES[self.planned.stage].trl_config == "DPOConfig"

    @property
    def checkpointing(self) -> bool:
        """Whether activations are computed again."""
        return bool(self.training.activation_checkpointing)

    @property
    def reference(self) -> bool:
        """Whether a second model is asked about every answer."""
        if self.generates:
            return self.training.beta != 0
        return self.preferences and not self.training.precompute_ref_log_probs

    @property
    def looks(self) -> int:
        """How often TRL computes answers of GRPO without learning from them."""
        training = self.training
        kept = training.steps_per_generation * training.num_iterations
        old = training.gradient_accumulation_steps % kept != 0 or (
            training.use_vllm and training.vllm_importance_sampling_correction
        )
        return self.reference + bool(old)
