"""Options as fields of dataclasses, and checks of what they are set to.

All checks raise :class:`act_train.errors.RecipeError`, with the remedy.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from act_train.errors import RecipeError


def option(default: Any, text: str) -> Any:
    """A field with its help."""
    return field(default=default, metadata={"help": text})


def need(value: str, name: str) -> None:
    """Refuse what is not set."""
    if not value:
        raise RecipeError(f"{name} is not set. Set {name}: VALUE in the recipe, or --{name} VALUE.")


def at_least(least: int, **values: int) -> None:
    """Refuse numbers below ``least``."""
    for name, value in values.items():
        if value < least:
            raise RecipeError(f"{name}={value} must be at least {least}.")


def check_limit(limit: int) -> None:
    """Refuse a number of records that leaves none."""
    if limit < 1:
        raise RecipeError(f"a limit of {limit} leaves no data. Leave it out for all of them.")


def check_shown(history: int, share: float, limit: int | None) -> None:
    """Refuse turns, a held-out share and a number of records that cannot be."""
    if history < 0:
        raise RecipeError(f"history={history} must not be negative.")
    if not 0 <= share < 1:
        raise RecipeError(f"validation_share={share} must lie in [0, 1).")
    if limit is not None:
        check_limit(limit)


def check_subset(split: str | None, subset: str | None) -> None:
    """Refuse a part of a dataset where files are meant."""
    if split is None and subset is not None:
        raise RecipeError(f"subset={subset!r} is for a dataset. Set split as well.")


def check_size(vocabulary: int, hidden: int) -> None:
    """Refuse sizes that no model from scratch can have."""
    at_least(261, vocabulary=vocabulary)  # 256 bytes, 3 special tokens, 2 tags
    if hidden < 64 or hidden % 64:  # heads of 32, two for each key-value head
        raise RecipeError(f"hidden={hidden} must be a multiple of 64, such as 128.")
