"""The report's parts: escaped, self-contained, the same in every run."""

from __future__ import annotations

import re

import jinja2
import pytest

from act_train import report


def test_tables_escape_text_and_set_numbers_right() -> None:
    shown = str(report.table(("who", "score"), [("<b>&", "0.25"), ("you", "+1")]))
    assert "&lt;b&gt;&amp;" in shown
    assert '<td class="n">0.25</td>' in shown
    assert '<th class="n">score</th>' in shown
    assert "<th>who</th>" in shown


def test_a_template_misses_nothing_and_escapes_everything() -> None:
    with pytest.raises(jinja2.UndefinedError):
        report.render("report.html", {"title": "x"})


def test_figures_are_inline_deterministic_and_do_not_share_ids() -> None:
    def draw(name: str) -> str:
        values = {"score": [(0.5, 0.4, 0.7), (0.1, 0.0, 0.2)]}
        return str(report.bars(name, ["a", "b"], values, chance=0.5))

    first, second = draw("one"), draw("two")
    assert first == draw("one")
    assert first.startswith("<svg")
    # Ids that others refer to must not meet another figure's; names of groups may.
    ids = [set(re.findall(r'(?:url\(|href=")#(\w+)', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|http://www.w3.org/\S*', "", first)


def test_curves_and_counts_draw_what_they_are_given() -> None:
    lines = str(report.curves("c", {"a": [(1, 0.5), (2, 0.25)], "b": []}, ylabel="loss"))
    assert "loss" in lines
    assert "optimiser step" in lines
    counts = str(report.stacked("s", ["x", "y"], {"in": [1, 2], "out": [3, 4]}))
    assert ">out<" in counts
