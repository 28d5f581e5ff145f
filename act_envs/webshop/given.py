"""Goals and prices that ``reset`` was given, in place of those of the catalogue.

Upstream draws prices and limits anew in every process. What was seen in one of them, a recorded
episode or somebody's log, is played again by giving its goal and its prices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from act_envs.errors import UnknownArgument, nearest
from act_envs.types import Task
from act_envs.webshop.catalogue import LONGEST_ASIN, Product
from act_envs.webshop.goals import NO_LIMIT, Goal, split_of

OPTIONS = ("goal", "prices")
"""Options of ``reset``."""

MAX_OPTIONS = 50  # of a goal; real ones have up to five or so
_DEAREST = 1e9  # dollars
_TEXTS = {"category": "category", "query": "query", "name": "title",
          "product_category": "product_category"}  # fmt: skip
"""What is taken from the product where a goal does not say it."""

_KEYS = ("asin", "instruction_text", "attributes", "goal_options", "price_upper", "weight", *_TEXTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTask(Task):
    """A task whose goal or prices were given with ``reset``. It carries them: no name would do.

    Attributes:
        goal: what is wanted.
        prices: dollars by asin, sorted; all other products cost what they always do.
    """

    goal: Goal
    prices: tuple[tuple[str, float], ...]


def given_task(
    options: Mapping[str, Any], named: Goal | None, find: Callable[[str], Product | None]
) -> GivenTask:
    """The task that options of ``reset`` describe.

    Args:
        options: ``"goal"`` (see :func:`read_goal`), ``"prices"`` (dollars by asin), or both.
        named: the goal where none is given.
        find: the product of a name, if there is one.

    Raises:
        UnknownArgument: they are not understood.
    """
    prices = read_prices(options.get("prices", {}))
    goal = read_goal(options["goal"], find) if "goal" in options else named
    assert goal is not None
    digest = hashlib.blake2b(repr((goal, prices)).encode(), digest_size=8).hexdigest()
    product = find(goal.asin)
    split = split_of(goal.asin, goal.category if product is None else product.category)
    if prices and not any(find(asin) for asin, _ in prices):
        raise UnknownArgument(
            f"no product of these prices is in this catalogue: {prices[0]!r:.80}. "
            "Leave them out, or load the catalogue that they are of."
        )
    task_id = f"given/{goal.asin}/{digest}"
    return GivenTask(
        task_id=task_id, split=split, kind=goal.category, origin=goal.asin, goal=goal, prices=prices
    )


def read_goal(given: object, find: Callable[[str], Product | None]) -> Goal:
    """A goal from a mapping with upstream's keys.

    ``asin``, ``instruction_text`` and ``attributes`` are needed. ``goal_options`` are values (a
    list, as human goals have them) or values by name (a mapping, as synthetic ones do); without
    ``price_upper`` any price will do. ``category``, ``query``, ``name`` and ``product_category``
    are those of the product where they are left out. ``weight`` means nothing here.

    Raises:
        UnknownArgument: a key is missing, unknown, or has a value of the wrong kind.
    """
    if not isinstance(given, Mapping):
        raise UnknownArgument(f"a goal is a mapping with upstream's keys, not {given!r:.120}.")
    for key in given:
        if key not in _KEYS:
            raise UnknownArgument(f"a goal has no {key!r:.80}. {nearest(key, _KEYS)}")
    asin, told = _string(given, "asin"), _string(given, "instruction_text")
    if not asin.isprintable() or not 0 < len(asin) <= LONGEST_ASIN:
        raise UnknownArgument(f"an asin has up to {LONGEST_ASIN} characters, not {asin!r:.120}.")
    product = find(asin)
    texts = {}
    for key, field in _TEXTS.items():
        if key not in given and product is None:
            raise UnknownArgument(
                f"a goal for {asin!r}, which is not in this catalogue, needs {key!r}."
            )
        texts[key] = _string(given, key) if key in given else getattr(product, field)
    options = given.get("goal_options", ())
    if isinstance(options, Mapping):
        pairs = tuple(options.items())
        _check_strings("goal_options", [text for pair in pairs for text in pair])
    else:
        pairs = _strings("goal_options", options)
    limit = given.get("price_upper", NO_LIMIT)
    if not _is_price(limit):
        raise UnknownArgument(
            f"price_upper is a number of dollars, not {limit!r:.80}. "
            f"{NO_LIMIT} stands for no limit."
        )
    if len(pairs) > MAX_OPTIONS:
        raise UnknownArgument(f"a goal has at most {MAX_OPTIONS} goal_options, not {len(pairs)}.")
    return Goal(
        asin=asin,
        instruction=told,
        attributes=_strings("attributes", given.get("attributes")),
        options=pairs,
        price_upper=limit,
        source="human" if not isinstance(options, Mapping) else "synthetic",
        **texts,
    )


def read_prices(given: object) -> tuple[tuple[str, float], ...]:
    """Prices in dollars by asin, sorted.

    Raises:
        UnknownArgument: they are no such mapping.
    """
    if not isinstance(given, Mapping):
        raise UnknownArgument(
            f"prices are dollars by asin ({{'B00EXAMPLE': 9.5}}), not {given!r:.120}."
        )
    for asin, price in given.items():
        if not isinstance(asin, str) or not _is_price(price):
            raise UnknownArgument(
                f"a price is dollars by asin ({{'B00EXAMPLE': 9.5}}), not {asin!r:.40}: "
                f"{price!r:.40}."
            )
    return tuple(sorted((asin, float(price)) for asin, price in given.items()))


def _is_price(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number of dollars that anything could cost."""
    return isinstance(value, int | float) and type(value) is not bool and 0 <= value <= _DEAREST


def _string(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str):
        raise UnknownArgument(f"a goal needs {key!r}, a text, not {value!r:.80}.")
    return value


def _strings(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise UnknownArgument(f"a goal needs {key!r}, a list of texts, not {value!r:.80}.")
    _check_strings(key, value)
    return tuple(value)


def _check_strings(key: str, values: Sequence[object]) -> None:
    for value in values:
        if not isinstance(value, str):
            raise UnknownArgument(f"{key!r} holds texts, not {value!r:.80}.")
