"""TRL's GRPO, which goes on from a checkpoint with the very prompts that would have come next.

TRL draws the order of each epoch from a generator that only runs on: whoever resumes in the third
epoch gets the order of the first. Here the order of an epoch follows from the seed and its number.

Overridden, and pinned by a test (``tests/train/test_env_rl.py``): ``_get_train_sampler``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import Sampler
from trl import GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]


class ResumingGRPOTrainer(GRPOTrainer):
    """``trl.GRPOTrainer`` with the same arguments, and an order of its own for each epoch."""

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        """TRL's; in the first epoch the order is TRL's as well."""
        sampler: Any = super()._get_train_sampler(dataset)
        if not self.shuffle_dataset:
            return sampler
        return _ByEpoch(sampler, lambda: self.args.seed + int(self.state.epoch or 0))


class _ByEpoch(Sampler[int]):
    """A sampler whose generator is seeded whenever it begins."""

    def __init__(self, sampler: Any, seed: Callable[[], int]) -> None:
        self._sampler, self._seed = sampler, seed

    def __iter__(self) -> Iterator[int]:
        self._sampler.generator.manual_seed(self._seed())
        return iter(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler)
