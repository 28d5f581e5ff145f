"""The progress bar of a training stage: one line that a person can follow.

The trainer's own bar prints every logged dictionary; these are in ``log_history.jsonl`` anyway.
"""

from __future__ import annotations

from typing import Any

from transformers import ProgressCallback, Trainer

_SHOWN = ("loss", "reward", "frac_reward_zero_std", "mean_token_accuracy")


class _Bar(ProgressCallback):
    def on_log(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
    ) -> None:
        """Show the figures that say whether anything is learnt, beside the bar."""
        if self.training_bar is not None and logs:
            found = {name: f"{float(logs[name]):.3f}" for name in _SHOWN if name in logs}
            if found:
                self.training_bar.set_postfix(found, refresh=False)


def show_progress(trainer: Trainer) -> None:
    """Give the trainer this bar, unless bars are switched off (``disable_tqdm``)."""
    if not trainer.args.disable_tqdm:
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(_Bar())
