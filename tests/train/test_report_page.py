"""The parts of pages: escaped, self-contained, the same in every run."""

from __future__ import annotations

import re
from importlib.resources import files

import jinja2
import pytest

from act_train.reporting import figures, page


def test_a_template_misses_nothing_and_escapes_everything() -> None:
    with pytest.raises(jinja2.UndefinedError):
        page.render("demo.html", {"title": "x"})


def test_figures_are_inline_deterministic_and_do_not_share_ids() -> None:
    def draw(name: str) -> str:
        values = {"score": [(0.5, 0.4, 0.7), (0.1, 0.0, 0.2)]}
        return str(figures.bars(name, ["a", "b"], values))

    first, second = draw("one"), draw("two")
    assert first == draw("one")
    assert first.startswith("<svg")
    # Ids that others refer to must not meet another figure's; names of groups may.
    ids = [set(re.findall(r'(?:url\(|href=")#(\w+)', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|http://www.w3.org/\S*', "", first)


def test_curves_and_diagrams_draw_what_they_are_given() -> None:
    lines = str(figures.curves("c", {"a": [(1, 0.5), (2, 0.25)], "b": []}))
    assert "optimiser step" in lines
    points = [(0.6, 0.5, 0.4, 0.7, 30), (0.9, 0.95, 0.9, 1.0, 1200)]
    assert "1,200" in str(figures.reliability("r", points))


def test_figures_take_the_colours_of_their_page() -> None:
    drawn = str(figures.curves("c", {"a": [(1, 0.5), (2, 0.25)]}))
    assert re.search(r"stroke: var\(--series-1, #\w{6}\)", drawn)
    sheet = (files("act_train") / "templates" / "page.html").read_text()
    for name in set(re.findall(r"var\((--[\w-]+)", drawn)):
        assert sheet.count(f"{name}:") == 2  # by day and by night
