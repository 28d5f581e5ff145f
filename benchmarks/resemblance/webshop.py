"""How much a generated catalogue resembles the real one: the same measures of both.

Words are counted as search sees them: terms of the indexed text, stop words gone, stems kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, linear_regression

from act_envs.webshop.analysis import terms
from act_envs.webshop.catalogue import Product, contents
from act_envs.webshop.goals import NO_LIMIT, Goal, Goals
from act_envs.webshop.search import Index
from benchmarks.resemblance import Compared

DEPARTMENTS = ("beauty", "electronics", "fashion", "garden", "grocery")
DEPTH = 50  # of a list of results, as upstream shows it
_SLOPE = (10, 1000)  # ranks between which Zipf's slope is taken: before and after it, it bends


def resemblance(real: Iterable[Product], generated: Iterable[Product]) -> list[Compared]:
    """Compare two catalogues, measure by measure. They should be of one size."""
    ours, theirs = measure(real), measure(generated)
    return [Compared(name, ours[name], theirs[name]) for name in ours]


def measure(products: Iterable[Product]) -> dict[str, float]:
    """The measures of a catalogue: its words, texts, options, prices, and how hard its goals are.

    Goals are synthetic ones. Where a goal is measured, it is one of each product that has any, so
    that a product with hundreds of combinations of options counts no more than others.
    """
    listed = list(products)
    goals = Goals(listed, "synthetic")
    one_each: dict[str, Goal] = {}
    for goal in goals:
        one_each.setdefault(goal.asin, goal)
    chosen = list(one_each.values())
    return {
        **_departments(listed),
        **_words([terms(contents(product)) for product in listed]),
        **_texts(listed),
        **_options(listed),
        "goals per product": len(goals) / len(listed),
        "share with a synthetic goal": len(chosen) / len(listed),
        **_prices(listed),
        **_wishes(listed, chosen),
        **_difficulty(listed, chosen),
    }


def _departments(products: Sequence[Product]) -> dict[str, float]:
    counts = Counter(product.category for product in products)
    return {
        **{f"share of {name}": counts[name] / len(products) for name in DEPARTMENTS},
        "queries": len({product.query for product in products}),
        "paths in the shop": len({product.product_category for product in products}),
    }


def _words(documents: Sequence[Sequence[str]]) -> dict[str, float]:
    counts = Counter(term for document in documents for term in document)
    frequencies = sorted(counts.values(), reverse=True)
    total = sum(frequencies)
    lengths = [len(document) for document in documents]
    first, last = _SLOPE
    ranks = range(first, min(last, len(frequencies)) + 1)
    slope = linear_regression(
        [math.log(rank) for rank in ranks], [math.log(frequencies[rank - 1]) for rank in ranks]
    ).slope
    return {
        "distinct terms": len(frequencies),
        **{
            f"share of the {top:,} most frequent terms": sum(frequencies[:top]) / total
            for top in (10, 100, 1000)
        },
        "Zipf slope": slope,
        "share of terms met once": frequencies.count(1) / len(frequencies),
        "terms per product, mean": fmean(lengths),
        "terms per product, median": _quantile(lengths, 0.5),
        "terms per product, 90 %": _quantile(lengths, 0.9),
        "distinct terms per product": fmean(len(set(document)) for document in documents),
    }


def _texts(products: Sequence[Product]) -> dict[str, float]:
    titles = [len(product.title.split()) for product in products]
    described = [len(product.description.split()) for product in products if product.description]
    return {
        "words of a title, median": _quantile(titles, 0.5),
        "words of a title, 90 %": _quantile(titles, 0.9),
        "share with a description": len(described) / len(products),
        "words of a description, median": _quantile(described, 0.5),
        "bullet points": fmean(len(product.bullet_points) for product in products),
        "words of all bullet points": fmean(
            sum(len(point.split()) for point in product.bullet_points) for product in products
        ),
    }


def _options(products: Sequence[Product]) -> dict[str, float]:
    chosen = [product.options for product in products if product.options]
    values = [len(values) for options in chosen for values in options.values()]
    return {
        "share with options": len(chosen) / len(products),
        "options of those": _mean(map(len, chosen)),
        "values per option, mean": _mean(values),
        "values per option, median": _quantile(values, 0.5),
        "values per option, 90 %": _quantile(values, 0.9),
        "combinations of those with options, median": _quantile(
            [math.prod(map(len, options.values())) for options in chosen], 0.5
        ),
    }


def _prices(products: Sequence[Product]) -> dict[str, float]:
    prices = [product.pricing[0] for product in products if len(product.pricing) == 1]
    return {
        "share with a range of prices": 1 - len(prices) / len(products),
        "share at 100 dollars": prices.count(100.0) / len(products),  # or without a price
        "price, 10 %": _quantile(prices, 0.1),
        "price, median": _quantile(prices, 0.5),
        "price, 90 %": _quantile(prices, 0.9),
    }


def _wishes(products: Sequence[Product], goals: Sequence[Goal]) -> dict[str, float]:
    limits = [goal.price_upper for goal in goals if goal.price_upper != NO_LIMIT]
    texts = [product.instruction.text for product in products if product.instruction]
    return {
        "attributes per product": fmean(len(product.attributes) for product in products),
        "attributes per goal": _mean(len(goal.attributes) for goal in goals),
        "distinct attributes of goals": len({name for goal in goals for name in goal.attributes}),
        "words of an instruction": _mean(len(text.split()) for text in texts),
        "share of goals with a limit": len(limits) / len(goals) if goals else math.nan,
        "limit, median": _quantile(limits, 0.5),
    }


def _difficulty(products: Sequence[Product], goals: Sequence[Goal]) -> dict[str, float]:
    """Where a search for the whole instruction lists the product that is wanted."""
    index = Index.build((product.asin, contents(product)) for product in products)
    places = []
    for goal in goals:
        found = [asin for asin, _ in index.search(goal.instruction, DEPTH)]
        places.append(found.index(goal.asin) + 1 if goal.asin in found else math.inf)
    return {
        f"goals found among the first {top}": _mean(place <= top for place in places)
        for top in (1, 10, DEPTH)
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return fmean(listed) if listed else math.nan


def _quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else math.nan
