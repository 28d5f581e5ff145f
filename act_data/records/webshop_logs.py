"""Logs of WebShop's site, as its authors recorded people (arXiv 2207.01206, ``human_trajs``).

One file per visit, one JSON object per page that was shown (``web_agent_site/app.py``, ``--log``):
``page`` (index, search_results, item_page, item_sub_page or done), ``url``, ``goal`` and
``content``. Actions are not written down; each follows from the page before and after it. Where no
single action leads from one page to the next (the browser's own back button), the record is not
understood. The same page twice in a row was loaded again, and nothing was done.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from act_data.records.record import NotUnderstood, Record, Seen

SOURCE = "human"

_INDEX, _RESULTS, _ITEM, _SUB, _DONE = (
    "index", "search_results", "item_page", "item_sub_page", "done"
)  # fmt: skip
_SUB_PAGE = re.compile(r"/(Description|Features|Reviews|Attributes)/")
_BACK, _NEXT, _PREVIOUS = "click[back to search]", "click[next >]", "click[< prev]"
_BUY = "click[buy now]"


@dataclass(frozen=True, slots=True)
class _Page:
    """What identifies a page, and what it offers."""

    kind: str
    keywords: tuple[str, ...] = ()
    number: int = 0
    asin: str = ""
    options: tuple[tuple[str, str], ...] = ()
    sub_page: str = ""
    results: tuple[str, ...] = ()
    reward: float | None = None


def is_log(value: object) -> bool:
    """Whether a JSON value is a line of such a log."""
    return isinstance(value, Mapping) and "page" in value and "conversations" not in value


def read_log(lines: Sequence[object], place: str) -> Record:
    """The record in the lines of a file; one with a fault where they make none."""
    try:
        pages: list[_Page] = []
        for number, line in enumerate(lines, 1):
            if isinstance(line, NotUnderstood) or not is_log(line):
                raise NotUnderstood(f"line {number}: {line!s:.200}")
            page = _page(line, number)
            if not pages or page != pages[-1]:
                pages.append(page)
        if pages[0].kind != _INDEX:
            raise NotUnderstood(f"the first page is {pages[0].kind!r}, not {_INDEX!r}")
        actions = tuple(itertools.starmap(_action, itertools.pairwise(pages)))
        goal = lines[0]["goal"]  # pyright: ignore[reportIndexIssue]
        return Record(
            place, SOURCE, (), goal["instruction_text"], tuple(map(_seen, pages)), actions
        )
    except NotUnderstood as error:
        return Record(place, fault=str(error))


def _page(line: Any, number: int) -> _Page:
    """A line, checked.

    Raises:
        NotUnderstood: a field is missing or of another kind than upstream's.
    """
    kind, said = line["page"], line.get("content", {})
    try:
        if not isinstance(line["goal"]["instruction_text"], str):
            raise TypeError("the instruction is no text")
        if kind == _INDEX:
            return _Page(kind)
        if kind == _DONE:
            options = _sorted(said["options"])
            return _Page(
                kind, asin=str(said["asin"]), options=options, reward=float(line["reward"])
            )
        words, page = tuple(map(str, said["keywords"])), int(said["page"])
        if kind == _RESULTS:
            results = tuple(map(str.lower, said["search_result_asins"]))
            return _Page(kind, words, page, results=results)
        if kind in (_ITEM, _SUB):
            sub = _SUB_PAGE.findall(line["url"])[-1] if kind == _SUB else ""
            return _Page(kind, words, page, str(said["asin"]), _sorted(said["options"]), sub)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise NotUnderstood(f"line {number}: {type(error).__name__} {error} in {kind!r}") from error
    raise NotUnderstood(f"line {number}: unknown page {kind!r:.80}")


def _action(before: _Page, after: _Page) -> str:
    """The one action that leads from a page to another.

    Raises:
        NotUnderstood: none does.
    """
    there, here = after.kind, before.kind
    same_search = (before.keywords, before.number) == (after.keywords, after.number)
    same_item = same_search and before.asin == after.asin
    if here == _INDEX and there == _RESULTS and after.number == 1:
        return f"search[{' '.join(after.keywords)}]"
    turned = after.number - before.number if before.keywords == after.keywords else 0
    if here == _RESULTS and there == _RESULTS and abs(turned) == 1:
        return _NEXT if turned > 0 else _PREVIOUS
    if here == _RESULTS and there == _ITEM and same_search and not after.options:
        return f"click[{after.asin.lower()}]"
    if here == _ITEM and there == _RESULTS and same_search:
        return _PREVIOUS
    if here == _ITEM and there == _ITEM and same_item:
        chosen = [pair for pair in after.options if pair not in before.options]
        if len(chosen) == 1 and {**dict(before.options), **dict(chosen)} == dict(after.options):
            return f"click[{chosen[0][1]}]"
    if here == _ITEM and there == _SUB and same_item and before.options == after.options:
        return f"click[{after.sub_page.lower()}]"
    if here == _SUB and there == _ITEM and same_item and before.options == after.options:
        return _PREVIOUS
    same_thing = (before.asin, before.options) == (after.asin, after.options)
    if here == _ITEM and there == _DONE and same_thing:
        return _BUY
    if there == _INDEX and here != _DONE:
        return _BACK
    raise NotUnderstood(f"no action leads from {_told(before)} to {_told(after)}")


def _sorted(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Chosen options; the order in which an address names them means nothing."""
    return tuple(sorted(options.items()))


def _seen(page: _Page) -> Seen:
    """What must be so again: the results in their order, and the reward."""
    if page.kind == _INDEX:
        return Seen(offered=("search[...]",), score=0.0)
    if page.kind == _RESULTS:
        buttons = (_BACK, *([_PREVIOUS] if page.number > 1 else []), _NEXT)
        return Seen(offered=(*buttons, *(f"click[{asin}]" for asin in page.results)), score=0.0)
    if page.kind == _SUB:
        return Seen(offered=(_BACK, _PREVIOUS), score=0.0)
    return Seen(score=0.0 if page.reward is None else page.reward)


def _told(page: _Page) -> str:
    parts = [page.kind, " ".join(page.keywords), page.number, page.asin, dict(page.options)]
    return " ".join(str(part) for part in parts if part)
