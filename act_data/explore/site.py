"""The pages, over an index of each kind of rows. Nothing in them comes from another machine.

Texts come from models and simulators, and whatever is in them is shown as text: Jinja escapes it,
and a browser is told to run and to load nothing but the two files of this package.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np

from act_data.analysis.noise import READINGS
from act_data.errors import DataCorrupt
from act_data.explore.figures import amount, signed, words
from act_data.explore.index import FACETS, SORTS, Index, Selection
from act_data.explore.query import Query, number_text, parse
from act_data.explore.reading import UNJUDGED
from act_data.storage.holdings import Holding, HoldingKind
from act_data.types import ContrastPair
from act_envs.errors import MissingExtra, UnknownArgument

try:
    from flask import Flask, Response, render_template, request
    from werkzeug.exceptions import HTTPException, NotFound
except ImportError as error:
    raise MissingExtra(
        'Flask is not installed. Run: pip install "agentic-critical-training[explore]".'
    ) from error

PAGE = 50  # rows
_LISTED = 200  # values of a facet
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
KINDS: Mapping[HoldingKind, str] = {
    "pairs": "pair",
    "trajectories": "trajectory",
    "episodes": "episode",
}
"""The kinds of rows, and what one of them is called."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is in the list that it was reached from.

    Attributes:
        number: of the row in the list, from 1; None where the filter leaves it out.
        total: length of the list.
        before: address of the row before it, "" where there is none.
        after: address of the row after it, likewise.
        up: address of the page of the list that has it.
    """

    number: int | None
    total: int
    before: str
    after: str
    up: str


def create_app(holdings: Sequence[Holding], left_out: Sequence[str], title: str) -> Flask:
    """The site.

    Args:
        holdings: what there is to see; read once and at the start, but for what a page shows.
        left_out: what was there, too, and why it cannot be shown.
        title: name of the data.

    Returns:
        The site. Its ``config`` holds ``TOTALS``, how many rows of each kind it shows, and
        ``LEFT_OUT``: what was given, and what cannot be read after all.
    """
    app = Flask(__name__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        amount=amount, plain=number_text, question=_question, signed=signed, words=words
    )
    app.jinja_env.globals.update(kinds=KINDS, site_title=title)
    every = {kind: Index(kind, holdings) for kind in KINDS}
    totals = {kind: index.count for kind, index in every.items()}
    damaged = [one for index in every.values() for one in index.damaged]
    shown = [one for one in holdings if all(one is not other for other, _ in damaged)]
    told = [*left_out, *(why for _, why in damaged)]
    app.config.update(TOTALS=totals, LEFT_OUT=told)
    app.jinja_env.globals["totals"] = totals

    @app.get("/")
    def home() -> str:
        return render_template("home.html", holdings=shown, left_out=told)

    def listed(kind: HoldingKind) -> str:
        index = every[kind]
        query = parse(request.args.to_dict(), [*FACETS[kind]], SORTS[kind])
        selection = index.select(query)
        last = max(1, math.ceil(len(selection.rows) / PAGE))
        page = min(query.page, last)
        rows = selection.rows[(page - 1) * PAGE : page * PAGE].tolist()
        return render_template(
            "list.html",
            kind=kind,
            query=query,
            address=lambda **changes: _to(kind, query.arguments(**{"page": 1, **changes})),
            facets=[*_facets(kind, query, selection)],
            rows=[index.shown(row) | {"href": _address(index, row, query)} for row in rows],
            total=len(selection.rows),
            first=(page - 1) * PAGE,
            page=page,
            last=last,
            sorts=SORTS[kind],
            readings=READINGS,
        )

    for kind in KINDS:
        app.add_url_rule(f"/{kind}", kind, listed, defaults={"kind": kind})

    @app.get("/pair")
    def pair() -> str:
        index = every["pairs"]
        own, query = _own("pairs", "id", "number")
        rows = _known(index.find(pair_id=own["id"]), f"pair {own['id']!r}")
        if number := own["number"]:
            (row,) = _known(rows[_natural(number) - 1 :][:1], f"{number}. pair of this id")
        else:  # of those that are the same, one that says the most
            row = min(rows, key=lambda row: index.texts["hindsight"][row] == UNJUDGED)
        found = index.pair(row)
        return render_template(
            "pair.html",
            pair=found,
            place=_place(index, row, query),
            here=_source(index, row),
            also=[_source(index, other) for other in rows if other != row],
            origin=_origin(every["trajectories"], found),
            sampling=_sampling(found),
        )

    @app.get("/trajectory")
    def trajectory() -> str:
        index = every["trajectories"]
        own, query = _own("trajectories", "of", "task", "number")
        rows = _known(index.find(env=own["of"], task=own["task"]), f"task {own['task']!r}")
        number = _natural(own["number"] or "1")
        return _transcript(
            index, _known(rows[number - 1 :][:1], f"{number}. trajectory of this task")[0], query
        )

    @app.get("/episode")
    def episode() -> str:
        index = every["episodes"]
        own, query = _own("episodes", "file", "line")
        rows = _known(index.find(source=own["file"]), f"file {own['file']!r}")
        line = _natural(own["line"])
        at = bisect_left(rows, line, key=lambda row: _line(index, row))
        here = [row for row in rows[at : at + 1] if _line(index, row) == line]
        (row,) = _known(here, f"episode in line {line}")
        return _transcript(index, row, query)

    def _transcript(index: Index, row: int, query: Query) -> str:
        found = index.episode(row)
        task = {"env": found.env_id, "q": found.task_id}
        pairs = every["pairs"].find(env=found.env_id, task=found.task_id)
        return render_template(
            "transcript.html",
            kind=index.kind,
            episode=found,
            place=_place(index, row, query),
            here=_source(index, row),
            pairs=len(pairs),
            pairs_href=_to("pairs", task),
        )

    _guard(app)
    return app


def _guard(app: Flask) -> None:
    """What holds for every answer: failures are pages, too, and nothing foreign is loaded."""

    @app.errorhandler(UnknownArgument)
    def bad_address(error: UnknownArgument) -> tuple[str, int]:
        return _failure("This address says nothing that can be shown", str(error)), 400

    @app.errorhandler(DataCorrupt)
    def unreadable(error: DataCorrupt) -> tuple[str, int]:
        return _failure("This cannot be read any more", str(error)), 500

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Any:
        response = error.get_response()
        response.data = _failure(error.name, error.description or "")
        response.content_type = "text/html; charset=utf-8"
        return response

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response


def _failure(name: str, message: str) -> str:
    return render_template("error.html", name=name, message=message)


# -- addresses -----------------------------------------------------------------------------------


def _own(kind: HoldingKind, *names: str) -> tuple[dict[str, str], Query]:
    """The arguments that name a row, and the query of the list that it was reached from."""
    given = request.args.to_dict()
    own = {name: given.pop(name, "") for name in names}
    return own, parse(given, [*FACETS[kind]], SORTS[kind])


def _known(rows: list[int], what: str) -> list[int]:
    if not rows:
        raise NotFound(f"There is no {what} here. Look for it in the list.")
    return rows


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise UnknownArgument(f"{text!r} is no number of a row. The first is 1.")
    return int(text)


def _address(index: Index, row: int, query: Query) -> str:
    """The address of a row that is reached from a list; its first arguments name it for good."""
    if index.kind == "episodes":
        name = {"file": index.texts["source"][row], "line": str(_line(index, row))}
    else:
        if index.kind == "pairs":
            name = {"id": index.texts["pair_id"][row]}
        else:
            name = {"of": index.texts["env"][row], "task": index.texts["task"][row]}
        if index.alike[row] > 1:
            name["number"] = str(index.ordinals[row])
    return _to(KINDS[index.kind], name | query.arguments(page=1))


def _to(page: str, arguments: Mapping[str, str], anchor: str = "") -> str:
    return f"/{page}{_question(arguments)}{f'#{anchor}' if anchor else ''}"


def _question(arguments: Mapping[str, str]) -> str:
    return f"?{urlencode(arguments)}" if arguments else ""


def _line(index: Index, row: int) -> int:
    holding, number = index.place(row)
    return holding.rows.lines[number]  # pyright: ignore[reportAttributeAccessIssue]


def _place(index: Index, row: int, query: Query) -> Place:
    rows = index.select(query).rows
    found = np.flatnonzero(rows == row)
    if not len(found):
        return Place(None, len(rows), "", "", _to(index.kind, query.arguments(page=1)))
    at = int(found[0])
    near = [_address(index, int(r), query) for r in rows[max(0, at - 1) : at + 2]]
    up = _to(index.kind, query.arguments(page=at // PAGE + 1), f"row-{row}")
    return Place(
        at + 1,
        len(rows),
        near[0] if at else "",
        near[-1] if at + 1 < len(rows) else "",
        up,
    )


# -- what the templates are given ----------------------------------------------------------------


def _facets(kind: HoldingKind, query: Query, selection: Selection) -> Iterator[dict[str, Any]]:
    chosen = dict(query.chosen)
    for name, counts in selection.counts.items():
        value = chosen.get(name, "")
        shown = dict([*counts.items()][:_LISTED])
        if value:
            shown.setdefault(value, counts.get(value, 0))
        yield {
            "name": name,
            "label": FACETS[kind][name],
            "words": name in READINGS,
            "chosen": value,
            "counts": shown,
            "more": len(counts.keys() - shown.keys()),
        }


def _source(index: Index, row: int) -> dict[str, Any]:
    holding, number = index.place(row)
    return {
        "name": holding.name,
        "number": number + 1,
        "verdict": index.texts["hindsight"][row] if index.kind == "pairs" else "",
        "href": _address(index, row, Query()),
    }


def _origin(trajectories: Index, pair: ContrastPair) -> str:
    """The address of the step that a pair was mined from, "" where its trajectory is not here."""
    for row in trajectories.find(env=pair.env_id, task=pair.task_id, policy=pair.expert):
        turns = trajectories.episode(row).turns
        if pair.step < len(turns) and turns[pair.step].action == pair.expert_action:
            return f"{_address(trajectories, row, Query())}#turn-{pair.step}"
    return ""


def _sampling(pair: ContrastPair) -> str:
    try:
        return ", ".join(f"{name}={value}" for name, value in json.loads(pair.sampling).items())
    except (ValueError, AttributeError):
        return pair.sampling
