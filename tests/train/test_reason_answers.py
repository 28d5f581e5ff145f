"""Answers in what models say: read strictly and leniently, brought into one notation, compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("sympy")

from act_train.reasoning.algebra import Algebra
from act_train.reasoning.equality import same_answer
from act_train.reasoning.extraction import read_formula, read_letter
from act_train.reasoning.notation import normal


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        (r"so \boxed{5}.", "5", "5"),
        (r"\boxed{1} and finally \boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}", None),
        (r"\boxed{\{1, \{2\}\}}", r"\{1, \{2\}\}", None),
        (r"\boxed{\left\{ x \right.} it is", r"\left\{ x \right.", None),
        (r"\fbox{ 7 }", "7", None),
        (r"\boxed{3} and, cut off, \boxed{\frac{1", "3", None),
        (r"\boxed{} is empty, the answer is $4$.", None, "4"),
        (r"<think>\boxed{1}</think>\boxed{2}", "2", None),
        (r"<think>perhaps \boxed{9}, or 10", None, "9"),  # never ends
        (r"<think>\boxed{9}</think>I do not know", None, "9"),
        (r"we get \boxed 6.", None, "6"),
        ("The answer is 3.5. That was hard.", None, "3.5"),
        ("**Answer:** 12", None, "12"),
        ("The final answer is $x^2 + 1$, of course.", None, "x^2 + 1"),
        (r"hence \[ y = 7 \]", None, "y = 7"),
        ("it costs 1,250 in all", None, "1,250"),
        ("I do not know", None, None),
        ("", None, None),
    ],
)
def test_the_last_formula_that_was_boxed_or_said(
    text: str, strict: str | None, lenient: str | None
) -> None:
    assert read_formula(text) == (strict, lenient if lenient is not None else strict)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("I think so.\nAnswer: B", "B", "B"),
        ("Answer: A\nNo, wait.\nAnswer: C\n", "C", "C"),
        ("<think>Answer: A</think>\n  Answer: D  ", "D", "D"),
        ("Answer: **B**", None, "B"),
        ("The answer is (C).", None, "C"),
        (r"\boxed{D}", None, "D"),
        (r"\boxed{\text{B}}", None, "B"),
        ("The correct option is B, since A boils.", None, "B"),
        ("A good question. A gas expands.", None, None),  # articles
        ("(A)", None, "A"),
        ("answer: c", None, None),  # no option goes by that name
        ("<think>The answer is A", None, "A"),
        ("Answer: E", None, None),
        ("", None, None),
    ],
)
def test_the_last_letter_that_was_given(text: str, strict: str | None, lenient: str | None) -> None:
    assert read_letter(text) == (strict, lenient)


@pytest.fixture(scope="module")
def algebra() -> Iterator[Algebra]:
    with Algebra() as one:
        yield one


SAME = [
    (r"\frac12", "0.5"), (r"\dfrac{1}{2}", "1/2"), (r"\frac{1}2", r"\tfrac{2}{4}"),
    (r"1\frac{1}{2}", r"\frac32"), (r"-\frac{1}{3}", r"\frac{-1}{3}"), (".5", "0.50"),
    (r"50\%", "50"), (r"5\text{ cm}^2", "5"), ("12 square inches", "12"), (r"\$18.90", "18.9"),
    ("1,000", "1000"), ("1{,}000", "1000"), (r"10,\!080", "10080"), (r"30^{\circ}", "30"),
    ("120°", r"120 \text{ degrees}"), (r"\text{Evelyn}", "evelyn"), (r"\text{(C)}", "C"),
    ("x = 5", "5"), ("f(x)=2x", "2x"), (r"x \in [-2,7]", "[-2,7]"), ("x+y=1", "y = 1 - x"),
    (r"3 \pm \sqrt2", r"3-\sqrt{2}, 3+\sqrt{2}"), ("1 +- 2", "3, -1"), (r"1\text{ or }2", "2,1"),
    (r"\left( 1, 2 \right)", "(1,2)"), (r"\left(3,\frac{\pi}{2}\right)", r"(3, \pi/2)"),
    (r"\{1,2\}", r"\{2,1\}"), (r"(-\infty,2]\cup[3,5)", r"[3,5) \cup (-\infty, 2]"),
    (r"2\sqrt{3}", r"\sqrt{12}"), (r"\sqrt[3]{8}", "2"), ("(x+1)^2", "x^2+2x+1"),
    (r"\sin^2 x + \cos^2 x", "1"), (r"\cot x", r"\cot{x}"), ("2^{10}", "1024"), ("5!", "120"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\\frac{4}{2}\end{pmatrix}"),
    ("52_8", "52_{8}"), (r"\left|x\right|", "|x|"), (r"\overline{AB}", r"\overline{AB}"),
]  # fmt: skip
DIFFERENT = [
    ("5", "-5"), ("x", "y"), ("0.33", r"\frac13"), (r"50\%", "0.5"), ("3m", "3"), ("A", "B"),
    ("(1,2]", "(1,2)"), ("(1,2)", "(2,1)"), ("(3,4)", "3,4"), ("1,2", "1,2,3"), ("3", "3,3"),
    ("[1,2]", r"\{1,2\}"), ("x=5", "x=6"), ("x+y=1", "x+y=2"), ("x+1", "x+1=0"),
    ("52_8", "52_9"), ("", "5"), (r"\frac{", "2"), ("1/0", "5"), ("__import__('os')", "5"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_means_the_same_is_the_same(one: str, other: str, algebra: Algebra) -> None:
    assert same_answer(one, other, algebra.equal)
    assert same_answer(other, one, algebra.equal)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_means_something_else_is_not(one: str, other: str, algebra: Algebra) -> None:
    assert not same_answer(one, other, algebra.equal)
    assert not same_answer(other, one, algebra.equal)


@pytest.mark.parametrize("formula", sorted({x for pair in SAME + DIFFERENT for x in pair}))
def test_normal_notation_is_stable(formula: str) -> None:
    assert normal(normal(formula)) == normal(formula)


def test_what_no_machine_finishes_is_given_up_and_the_next_one_is_compared() -> None:
    with Algebra(limit=0.5) as impatient:
        assert not impatient.equal("9^{9^{9^9}}", "7")
        assert impatient.equal("2/4", "1/2")
        process = impatient._process
    assert process is not None
    assert process.poll() is not None  # nothing is left behind


def test_without_sympy_only_texts_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with Algebra() as none:
        assert not same_answer("0.5", r"\frac12", none.equal)
        assert same_answer(r"\dfrac12", r"\frac{1}{2}", none.equal)
        assert none._process is None
