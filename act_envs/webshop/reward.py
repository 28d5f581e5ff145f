"""Upstream's reward of a purchase, exactly, its quirks included: they are what papers report.

Follows ``get_reward`` of princeton-nlp/WebShop at 64fa2a5 with thefuzz 0.22.
Some consequences: a bought option may satisfy several of the goal's; "large" satisfies "x-large";
"standard" counts as the colour tan; a title that says a noun twice scores less against itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from act_envs.errors import MissingExtra
from act_envs.webshop.catalogue import Product
from act_envs.webshop.goals import Goal
from act_envs.webshop.nouns import Nouns

try:
    from rapidfuzz.fuzz import token_set_ratio
    from rapidfuzz.utils import default_process
except ImportError as error:
    raise MissingExtra(
        'WebShop\'s reward needs rapidfuzz. Run: pip install "agentic-critical-training[webshop]"'
    ) from error

_COLOUR_NAMES = """
    alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown
    burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee
    cognac copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold
    granite grape graphite grass gray green grey heather indigo ivory ivy khaki lavender lemon
    leopard light lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom
    mustard natural navy nude olive orange peach pewter pink plum purple rainbow red rose royal
    rust sand sapphire seashell silver skull slate steel stone stonewash sunflower tan taupe teal
    tiger turquoise violet walnut wheat white wine yellow
"""
_COLOURS = _COLOUR_NAMES.split()
_LATIN1 = dict.fromkeys(range(0x80, 0x100))  # thefuzz drops these before it compares


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward of a purchase and what it is made of. Names are upstream's.

    Attributes:
        total: (matched attributes + matched options + r_price) / (all of them + 1) * r_type.
        r_type: 1, 0.5, 0.1 or 0: whether it is the kind of thing that was wanted.
        r_att: share of the goal's attributes that the product has.
        r_option: share of its options that were chosen; None where it has none.
        r_price: whether the price is within the limit.
        query_match: both products come from the same query.
        category_match: their paths in the shop share two parts or more.
        title_score: nouns in common, as a share of those of the goal's title.
        w_att: weight of r_att in the total; those of r_option and r_price follow.
    """

    total: float
    r_type: float
    r_att: float
    r_option: float | None
    r_price: bool
    query_match: bool
    category_match: bool
    title_score: float
    w_att: float
    w_option: float
    w_price: float


def reward(
    product: Product, goal: Goal, price: float, options: Mapping[str, str], nouns: Nouns
) -> Reward:
    """What buying a product is worth.

    Args:
        product: what was bought.
        goal: what was wanted.
        price: what was paid, in dollars.
        options: the value chosen for each option that was clicked.
        nouns: the nouns of titles.
    """
    query_match = product.query == goal.query
    category_match = len(_parts(product.product_category) & _parts(goal.product_category)) >= 2
    title_score = _title_score(product.title, goal.name, nouns)
    kind = 1.0 if query_match or category_match or title_score > 0.2 else 0.5
    if title_score < 0.1:
        kind = 0.1 if title_score else 0.0
    unlike = _unlike(product.attributes, goal.attributes)
    if unlike:
        texts = _texts(product.title, product.bullet_points, product.description)
        unlike = [wanted for wanted in unlike if not any(wanted in text for text in texts)]
    attributes = len(goal.attributes) - len(unlike)
    chosen = _chosen(tuple(options.values()), goal.options)
    affordable = price <= goal.price_upper
    parts = len(goal.attributes) + len(goal.options) + 1
    return Reward(
        total=(attributes + chosen + affordable) / parts * kind,
        r_type=kind,
        r_att=attributes / len(goal.attributes),
        r_option=chosen / len(goal.options) if goal.options else None,
        r_price=affordable,
        query_match=query_match,
        category_match=category_match,
        title_score=title_score,
        w_att=len(goal.attributes) / parts,
        w_option=len(goal.options) / parts,
        w_price=1 / parts,
    )


def _title_score(bought: str, wanted: str, nouns: Nouns) -> float:
    """Distinct nouns in common over all nouns of the goal, repeated ones too; 0.2 without any."""
    listed, distinct = nouns(wanted)
    return len(nouns(bought)[1] & distinct) / len(listed) if listed else 0.2


@lru_cache(maxsize=1 << 14)
def _unlike(own: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The attributes of a goal that are like none of a product's."""
    return tuple(one for one in wanted if not any(_alike(other, one) for other in own))


@lru_cache(maxsize=1 << 10)
def _texts(title: str, bullet_points: tuple[str, ...], description: str) -> tuple[str, str, str]:
    """Where else an attribute may stand, word for word."""
    return title.lower(), " ".join(bullet_points).lower(), description.lower()


def fulfils(value: str, option: str | tuple[str, str]) -> bool:
    """Whether choosing a value counts as choosing an option of a goal."""
    return _alike(_colour(value), _wanted(option))


@lru_cache(maxsize=1 << 14)
def _chosen(bought: tuple[str, ...], wanted: tuple[str, ...] | tuple[tuple[str, str], ...]) -> int:
    """How many options of a goal are like one that was chosen."""
    return sum(any(fulfils(value, one) for value in bought) for one in wanted)


@lru_cache(maxsize=1 << 12)
def _parts(category: str) -> frozenset[str]:
    return frozenset(part.strip() for part in category.split("›"))


@lru_cache(maxsize=1 << 14)
def _colour(value: str) -> str:
    """The first colour, in the order of the alphabet, whose name is part of a value; else it."""
    return next((colour for colour in _COLOURS if colour in value), value)


def _wanted(option: str | tuple[str, str]) -> str:
    """An option of a goal as it is compared.

    Of a pair, upstream asks whether a colour is one of its two elements, not part of one, and
    compares the pair as Python prints it: the option's name is among the words.
    """
    if isinstance(option, str):
        return _colour(option)
    return next((colour for colour in _COLOURS if colour in option), str(option))


@lru_cache(maxsize=1 << 16)
def _alike(first: str, second: str) -> bool:
    """Whether thefuzz rounds the similarity of two texts to more than 85."""
    return token_set_ratio(_plain(first), _plain(second)) >= 85.5


@lru_cache(maxsize=1 << 14)
def _plain(text: str) -> str:
    return default_process(text if text.isascii() else text.translate(_LATIN1))
