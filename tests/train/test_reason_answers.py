"""Answers in what models say: read strictly and leniently, brought into one notation, compared."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("sympy")

from act_envs.errors import MissingExtra
from act_train.errors import GradingFailed
from act_train.reasoning.equality import same_answer
from act_train.reasoning.extraction import read_formula
from act_train.reasoning.grader import Grader
from act_train.reasoning.letters import read_letter
from act_train.reasoning.notation import normal
from act_train.reasoning.questions import LETTERS, gpqa_question


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        (r"so \boxed{5}.", "5", "5"),
        (r"\boxed{1} and finally \boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}", None),
        (r"\boxed{\{1, \{2\}\}}", r"\{1, \{2\}\}", None),
        (r"\boxed{\left\{ x \right.} it is", r"\left\{ x \right.", None),
        (r"\boxed{a \\ b}", r"a \\ b", None),
        (r"} \boxed{1}", "1", None),
        (r"\boxed{\boxed{5}}", "5", None),
        (r"\boxed{3 or \boxed{4}", "4", None),
        (r"\fbox{ 7 }", "7", None),
        (r"\boxed{3} and, cut off, \boxed{\frac{1", None, "3"),
        (r"\boxed{} is empty, the answer is $4$.", None, "4"),
        (r"\boxed{4}, as I put into \boxed{}", "4", None),
        (r"<think>\boxed{1}</think>\boxed{2}", "2", None),
        (r"<think>so \boxed{9}", None, None),  # never ends
        (r"<think>\boxed{9}</think>I do not know", None, "9"),
        (r"we get \boxed 6.", None, "6"),
        (r"we get \boxed6.", None, "6"),
        ("The answer is 3.5. That was hard.", None, "3.5"),
        ("**Answer:** 12", None, "12"),
        ("The final answer is $x^2 + 1$, of course.", None, "x^2 + 1"),
        ("The final answer is therefore 42", None, "42"),
        ("The answer is: thus, 7.", None, "7"),
        (r"hence \[ y = 7 \]", None, "y = 7"),
        ("it costs 1,250 in all", None, "1,250"),
        ("it is \u22125", None, "\u22125"),
        ("I do not know", None, None),
        ("", None, None),
        # Several boxes that are one answer.
        (r"$\boxed{-2}$ and $\boxed{1}$", "-2, 1", None),
        (r"\boxed{1}\boxed{2}", "1, 2", None),
        (r"\[ \boxed{-2} \quad \text{and} \quad \boxed{1}. \]", "-2, 1", None),
        (r"\boxed{1} or \boxed{2}, so \boxed{3}, \boxed{4}", "3, 4", None),
        (r"\boxed{5}, that is, \boxed{5}", "5", None),
        ("\\boxed{5}\n\n\\boxed{6}", "6", None),
    ],
)
def test_the_last_formula_that_was_boxed_or_said(
    text: str, strict: str | None, lenient: str | None
) -> None:
    assert read_formula(text) == (strict, lenient if lenient is not None else strict)


OPTIONS = ("42 kg", "7.0 m/s", "both I and II", "$E = mc^2$")


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("I think so.\nAnswer: B", "B", "B"),
        ("Answer: A\nNo, wait.\nAnswer: C\n", "C", "C"),
        ("<think>Answer: A</think>\n  Answer: D  ", "D", "D"),
        ("Answer: B\r\n", "B", "B"),
        ("Answer: **B**", None, "B"),
        ("**Answer:** B", None, "B"),
        ("Answer: B) 7.0 m/s", None, "B"),
        ("Final answer: D", None, "D"),
        ("The answer is (C).", None, "C"),
        ("the answer is (b)", None, "B"),
        ("The answer is option (D)", None, "D"),
        (r"The answer is $\text{B}$", None, "B"),
        ("answer: c", None, "C"),
        (r"\boxed{D}", None, "D"),
        (r"\boxed{\text{(B)}}", None, "B"),
        (r"$\boxed{B)\ 7.0\text{ m/s}}$", None, "B"),
        ("The correct option is B, since A boils.", None, "B"),
        ("The answer is (C). Option D fails, as it is hot.", None, "C"),
        ("Option B is correct.", None, "B"),
        ("Option B is wrong.", None, None),
        ("The answer is definitely B", None, "B"),
        ("We choose D.", None, "D"),
        ("I pick option (C).", None, "C"),
        ("We choose D = 5 and go on.", None, None),
        ("We do not choose D.", None, None),
        ("We choose A or B.", None, None),
        ("The answer is not B", None, None),
        *[(alone, None, "B") for alone in ("(B)", "B.", "**B**", "**(B)**", "B", "(b)")],
        # Within words, and articles.
        ("A good question. A gas expands.", None, None),
        ("The answer is A gas.", None, None),
        ("The answer is a gas.", None, None),
        ("The answer is A because it is.", None, "A"),
        ("Answer: Carbon", None, None),
        ("Answer: LETTER", None, None),
        ("Answer: E", None, None),
        # Two letters.
        *[(f"Answer: {two}", None, None) for two in ("A or C", "(A) and (B)", "A, C", "A/C")],
        (r"\boxed{A \text{ or } B}", None, None),
        ("A) 42 kg\nB) 7.0 m/s\nC) both\nD) none", None, None),
        # The text of an option.
        ("Answer: 42 kg", None, "A"),
        ("The answer is **7.0 m/s**.", None, "B"),
        ("The answer is both I and II", None, "C"),
        (r"\boxed{E=mc^2}", None, "D"),
        ("Answer: 43 kg", None, None),
        ("<think>The answer is A", None, None),
        ("", None, None),
    ],
)
def test_the_last_letter_that_was_given(text: str, strict: str | None, lenient: str | None) -> None:
    assert read_letter(text, OPTIONS) == (strict, lenient)


def test_the_text_of_two_options_is_no_letter() -> None:
    assert read_letter("Answer: 5", ("5", "5", "6", "7")) == (None, None)
    assert read_letter("Answer: 6", ("5", "5", "6", "7")) == (None, "C")


@pytest.mark.parametrize(
    "part", ["\\boxed{", "\n", "answer ", "\\(", "answer: A or ", "(a) ", "}", "$"]
)
def test_long_nonsense_is_read_in_one_pass(part: str) -> None:
    text = part * (60_000 // len(part))  # a pass for each sign would take minutes
    assert read_formula(text)[0] is None
    assert read_letter(text, OPTIONS)[0] is None


def test_right_letters_are_as_frequent_as_one_another() -> None:
    row = {"Question": "?", "Correct Answer": "0", "High-level domain": "Physics"}
    row |= {f"Incorrect Answer {n}": f"{n}" for n in (1, 2, 3)}
    keys = Counter(
        gpqa_question({**row, "Record ID": f"rec{n}"}, seed).key
        for n in range(198)
        for seed in range(5)
    )
    assert set(keys) == set(LETTERS)
    assert all(abs(count - 990 / 4) < 40 for count in keys.values())  # three deviations


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
    (r"\log_2 8", "3"), (r"\log_{2}{8}", "3"), (r"\log_28", "3"), (r"\log_{10}(100)", "2"),
    (r"\log 1000", "3"), (r"\ln e^2", "2"), (r"\frac{\ln 8}{\ln 2}", r"\log_2 8"),
    (r"\binom{5}{2}", "10"), (r"\dbinom{n}{2}", r"\frac{n(n-1)}{2}"), (r"{5 \choose 2}", "10"),
    (r"\sin 30^\circ", r"\frac12"), (r"\sin(30^\circ)", "0.5"), (r"\tan 45^{\circ}", "1"),
    (r"\cos 20^\circ", r"\sin 70^\circ"), (r"\tan^{-1} 1", r"\frac{\pi}{4}"),
    (r"\arcsin\frac12", r"\frac{\pi}{6}"), (r"0.\overline{3}", r"\frac13"),
    (r"0.1\overline{6}", "1/6"), (r"2.\overline{45}", r"\frac{27}{11}"), (r"-0.\bar{3}", "-1/3"),
    (r".\overline{3}", "1/3"), (r"\overline{AB}", "AB"), (r"\{1,2,3\}", r"\{3,1,2\}"),
    (r"\{1,1,2\}", r"\{2,1\}"), (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5"),
    ("{1,3}", "3,1"), (r"\{5\}", "5"), ("2x+4y=6", "x+2y=3"), ("x+2y-3=0", "3=x+2y"),
    (r"\frac{x}{2}+\frac{y}{3}=1", "3x+2y=6"), ("2x+4y<6", "3>x+2y"), (r"y=\frac12 x+3", "2y=x+6"),
    (r"5 \text{ cm}", "5 cm"), (r"15\mbox{ cm}^2", "15"),
    (r"15\text{ square centimeters}", r"15\text{ cm}^2"), (r"5.4 \text{ cents}", "5.4"),
    (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}"), ("28 percent", r"28\%"), ("28 pct", "28"),
    (r"\$32,\!348", "32348"), ("$1,000.99$", "1000.99"), ("1000€", "1000"),
    (r"\$1{,}000{,}000", "1000000"), (r"11,\! 111,\! 111,\! 100", "11111111100"),
    ("14{,}916", "14916"), ("1 000", "1000"), (r"20\,000", "20000"), ("1 1/2", "3/2"),
    (r"137 \frac{1}{2}", "137.5"), ("-4 4/9", r"-\frac{40}{9}"), ("11 5/6", "71/6"),
    (r"x=1 \text{ or } x=2", "1,2"), ("x = 1, x = 2", "2,1"), ("x=1,2", "2,1"),
    ("n=1, 2, 3", "1,2,3"), ("19, 46, and 82", r"19, 46, \text{ and } 82"),
    (r"A = \pi r^2 = 9\pi", r"9\pi"), (r"2\cdot 3 = 6", "6"),
    (r"12\sqrt2 \approx 16.97", r"12\sqrt{2}"), (r"x \approx 3.14", "3.14"),
    (r"\theta = 30^\circ", "30"), ("AB = 5", "5"), (r"\text{Area} = 5", "5"),
    ("f^{-1}(x) = 2x", "2x"), ("(x,y) = (1,2)", "(1,2)"), ("P(A)=0.5", "1/2"), ("a_{10} = 7", "7"),
    (r"\angle ABC = 40^\circ", "40"), (r"\pm 2021", "2021, -2021"), (r"\mp 1", r"\pm 1"),
    (r"1 \pm 2 \mp 3", "0, 2"), (r"-2 \le x \le 7", "[-2,7]"), ("x<5", r"(-\infty,5)"),
    (r"x \geq 3", r"[3,\infty)"), ("5<x", r"(5,\infty)"),
    (r"x<1 \text{ or } x>3", r"(-\infty,1)\cup(3,\infty)"), ("x > 5", r"x \in (5,\infty)"),
    (r"7 \ge x > 2", "(2,7]"),
    (r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", r"\begin{pmatrix}1&2\\3&4\\\end{pmatrix}"),
    (r"\frac13\begin{pmatrix}3\\6\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"\left(\begin{array}{cc}1&2\\3&4\end{array}\right)", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    (r"\langle 1,2\rangle", "(1,2)"), ("6 - 5i", "-5i+6"), (r"\sqrt{-3}", r"i\sqrt{3}"),
    (r"e^{i\pi}", "-1"), (r"\mathrm{e}", "e"), ("−5", "-5"), ("x²+1", "x^2+1"), ("½", "0.5"),
    ("√3", r"\sqrt{3}"), ("√(12)", r"2\sqrt{3}"), ("sqrt(12)", r"2\sqrt3"),
    ("pi/2", r"\frac{\pi}{2}"), ("3·10³", "3000"), (r"\text{Yes}", "yes"),
    (r"\textbf{Odd}", r"\text{odd}"), (r"\mathbb{R}", r"(-\infty,\infty)"),
    (r"\text{all real numbers}", r"\mathbb{R}"), (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt2"),
    (r"\frac{\sqrt6+\sqrt2}{4}", r"\cos 15^\circ"), ("|AB|=5", "5"), ("016", "16"),
    ("7(x+3)(x-3)", "7x^2-63"), (r"\frac{1}{\frac12}", "2"), (r"\frac 59", "5/9"),
    (r"2 \times 10^{3}", "2000"), ("x^{23}", "x^23"), (r"\emptyset", r"\varnothing"),
    (r"\text{Evelyn}.", "Evelyn"), (r"\frac{1}{3}.", r"\frac13"), ("x=5.", "5"),
    (r"3\sqrt{2}\text{ units}", r"3\sqrt2"), (r"\sqrt12", r"2\sqrt3"),
    (r"\lfloor 2.7 \rfloor", "2"), (r"(\frac{1}{2}, 3)", "(0.5,3)"), ("y - 2x = 3", "y=2x+3"),
    (r"k \in [-4, 0]", "[-4,0]"), (r"5\text{ m}", "5"), (r"x^2\text{ m}", "x^2"),
    (r"90^\circ", "90"), (r"\frac{\pi}{6}\text{ radians}", r"\pi/6"),
    (r"x=\frac{-1\pm\sqrt5}{2}", r"\frac{-1+\sqrt5}2,\frac{-1-\sqrt5}2"),
    (r"(-1,3)\cup(3,\infty)", r"x\in(3,\infty)\cup(-1,3)"), (r"\$5", "5 dollars"),
    (r"2\sin x\cos x", r"\sin 2x"), (r"\sin(x)^2", r"\sin^2 x"), ("2^{-3}", "1/8"),
    (r"10\text{ a.m.}", r"10 \text{ a.m.}"), ("2k+2", "2(k+1)"),
    (r"3x^2 \sqrt{y}", r"3\sqrt{y}x^2"), (r"\lambda=3", "3"), (r"\text{June 20}", "June 20"),
    ("1:2", "1:2"), (r"5\text{ or }-5", r"\pm 5"), (r"x=\pm 5", "5,-5"), ("x = 1,250", "1250"),
    (r"1.0\times 10^5", "100000"), ("5cm", "5"), ("5mm", r"5 \text{ mm}"), (r"5 \mathrm{~cm}", "5"),
    (r"5\,\text{m/s}", "5"), ("$5$ cm", "5"), (r"\text{5 cm}", "5"),
    (r"\frac{3}{4}\pi", r"\frac{3\pi}{4}"), (r"3\frac{1}{3}\%", r"\frac{10}{3}"),
    ("e^{2x}", r"\exp(2x)"), ("cos(x)", r"\cos x"), (r"2^{\frac13}", r"\sqrt[3]{2}"),
    (r"\left\{ -1, 2 \right\}", "2,-1"), (r"0 \le x", r"[0,\infty)"),
    (r"k > -\frac14", r"(-\frac{1}{4}, \infty)"), (r"90^\circ, 45^\circ", "45,90"),
    (r"5,000 \text{ miles}", "5000"), (r"\$1,250.50", "1250.5"),
    (r"\left(\frac{3}{2}, -13\right)", "(1.5,-13)"),
    (r"\begin{pmatrix} 16/49 & 48/49 \\ 24/49 & 72/49 \end{pmatrix}",
     r"\frac{1}{49}\begin{pmatrix}16&48\\24&72\end{pmatrix}"),
    (r"C = \frac{5}{9}(F-32)", r"\frac59(F-32)"), (r"\text{Saturday}", "Saturday"),
    (r"n \ge 2", r"n\geq 2"), (r"x \neq 2", r"x\ne2"), (r"\sqrt{5}\text{ inches}", r"\sqrt5"),
    (r"\dfrac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"), ("p - q", "-q+p"),
    (r"3\log_2 x - 1", r"\log_2\frac{x^3}{2}"), (r"\frac{a^2-b^2}{a+b}", "a-b"),
    (r"\log_{10} 2", r"\log 2"), (r"\tan 75^\circ", r"2+\sqrt3"),
    (r"x^2 + \frac{y^2}{4} = 1", "4x^2+y^2=4"), ("(x-1)^2+(y-2)^2=9", "x^2-2x+y^2-4y-4=0"),
    ("y=-2x+1", "2x+y-1=0"), (r"\frac{2 + \sqrt{3}}{1}", r"2+\sqrt{3}"),
    (r"2\,000\,000", "2000000"), (r"\text{ (C)}", "C"), (r"\text{C}", "(C)"), (r"\mathbf{C}", "C"),
    (r"\textbf{(C)}", "C"), ("12 and 13", r"12\text{ and }13"), ("$12$ and $13$", "12,13"),
    (r"(2,12)\cup(12,102)", r"x\in (2,12)\cup(12,102)"), (r"\lvert x \rvert", "|x|"),
    ("2|x-1|+|y|", "|y|+|2x-2|"), ("||x|-1|", "||x|-1|"), (r"\left|\,|x|-1\right|", "||x|-1|"),
    ("-1<x<1", "1>x>-1"), (r"\frac{x+1}{2}=y", "y=0.5x+0.5"), ("t=-2", "-2"),
    ("m=2,b=3", "b=3, m=2"), (r"\frac{\pi}{2}+k\pi", r"k\pi+\frac{\pi}{2}"), ("5!/(3!2!)", "10"),
    (r"\left(-\infty,-1\right]", r"(-\infty,-1]"), (r"3\text{ R }2", r"3\text{ R }2"),
    ("(x+2)(x-2)", "x^2-4"), (r"2.5\times10^{-3}", "0.0025"),
    (r"10\sqrt{2}\mbox{ cm}", r"10\sqrt{2}"), (r"\frac{1}{3}\text{ of an hour}", "1/3"),
    (r"\{(1,2),(3,4)\}", r"\{(3,4),(1,2)\}"), ("(1,2),(3,4)", "(3,4),(1,2)"),
    (r"8\text{ hours}", "8 hr"), (r"30\text{ degrees}", "30°"), (r"\text{A, B}", "A,B"),
    ("x^3+3x-6", "x(x^2+3)-6"), (r"\theta", "θ"), ("1/2", "½"), ("2^{2005}", r"2\cdot 2^{2004}"),
    (r"\frac{x}{y}", "x/y"), ("1/2x", r"\frac{x}{2}"), (r"\sqrt{x^2+1}", "(x^2+1)^{1/2}"),
    ("i", r"\sqrt{-1}"), (r"\cos^{-1}\frac{1}{2}", r"\frac{\pi}{3}"), ("|{-3}|", "3"),
    ("f(-2)=5", "5"), (r"\frac{pi}{2}", r"\frac{\pi}{2}"), ("1.5e3", "1500"), ("3e^2", "3e^{2}"),
    (r"5\text{ cm}\times 3\text{ cm}", "15"), (r"\text{sin }x", r"\sin x"),
    (r"\sin\theta\cos\theta", r"\frac12\sin2\theta"), (r"x\in\{1,2\}", "1,2"),
    (r"x\in\mathbb{R}", r"\mathbb{R}"), (r"\sqrt{16}", "4"), ("-2^2", "-4"), ("2/3/4", "1/6"),
    (r"\frac{2}{3}/4", "1/6"), ("6/2(1+2)", "9"), ("2--3", "5"), ("|3-5|", "2"), ("|-3|+|4|", "7"),
    ("0/5", "0"), (r"\log(100)", "2"), (r"\ln(e)", "1"), (r"0.\overline{9}", "1"),
    (r"\text{undefined}", "undefined"), (r"5\,", "5"), (r"5\;.", "5"), (r"5\text{, }6", "6,5"),
    # Magnitudes, and units in all their forms.
    (r"4.5\text{ million}", "4500000"), ("4.5 million", r"4.5\text{ million}"),
    (r"\$2 million", "2,000,000 dollars"), (r"3\text{ dozen eggs}", "36"), ("3 dozen", "36"),
    (r"1,250\text{ thousand}", "1250000"), ("1/2 million", r"\frac{1}{2}\text{ million}"),
    (r"7\text{ hundredths}", "0.07"), (r"5\text{ m/s}", r"5\text{ m}/\text{s}"),
    (r"5\text{ m/s}", r"5\text{ meters per second}"), ("60 km/h", r"60\text{ km per hour}"),
    (r"3\text{ mph}", "3 miles per hour"), (r"9\text{ m s}^{-2}", r"9\text{ m/s}^2"),
    (r"9\text{ m/s}^2", r"9\text{ meters per second squared}"), ("5 cm²", "5 square cm"),
    (r"5\text{ sq. ft.}", r"5\text{ ft}^2"), (r"6\text{ boxes}", r"6\text{ box}"),
    (r"5\text{ apples}", "5 apples"), ("5 apples", "5"), (r"10\text{ people}", "10"),
    (r"5\pi\text{ cm}^2", r"5\pi"), (r"30^\circ\text{C}", "30°"), ("x=5°C", "5"),
    ("30°C", r"30\text{ degrees Celsius}"),
    (r"9\text{ more}", "9"), ("24 abcd", "24abcd"),
]  # fmt: skip
DIFFERENT = [
    ("5", "-5"), ("x", "y"), ("0.33", r"\frac13"), (r"50\%", "0.5"), ("3m", "3"), ("A", "B"),
    ("(1,2]", "(1,2)"), ("(1,2)", "(2,1)"), ("(3,4)", "3,4"), ("1,2", "1,2,3"), ("3", "3,3"),
    ("[1,2]", r"\{1,2\}"), ("x=5", "x=6"), ("x+y=1", "x+y=2"), ("x+1", "x+1=0"), ("52_8", "52_9"),
    ("", "5"), (r"\frac{", "2"), ("1/0", "5"), ("__import__('os')", "5"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}"), ("1 1/2", "11/2"),
    ("1 2", "12"), ("32, 349", "32349"), ("52_8", "52"), (r"\log_2 8", "8"), (r"\log_3 8", "3"),
    (r"\ln 10", "1"), ("12:00", "1:00"), (r"\pm 2021", "2021"), ("1, 2, 3, ...", "1,2,3"),
    ("x^2 3", "x^{23}"), ("15 cm", "15 m"), (r"5\text{ feet}", r"5\text{ inches}"),
    (r"50\%", r"50^\circ"), (r"\$5", r"5\text{ cents}"), ("2 hours", "2 minutes"),
    (r"\text{odd}", r"\text{ddo}"), ("north", "thorn"), (r"\text{no}", r"\text{on}"),
    (r"\text{red}", "r e d 5"), ("x=5", "y=5"), ("x=5", "x^2=25"), ("x<5", "x>5"),
    ("x<5", r"x\le 5"), ("x<5", r"(-\infty,5]"), ("2x<6", "-2x<-6"), ("|x|", "x"),
    (r"\sqrt{x^2}", "x"), ("|x-100|", "100-x"), (r"\overline{z}", "z"), ("x-y", "y-x"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"), (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"),
    (r"1-\frac1{\mathrm e}", r"1+\frac{1}{e}"),
    (r"\frac{\sqrt2}{2^{400}}", r"\frac{\sqrt2}{2^{401}}"), (r"0.\overline{3}", "0.3"),
    ("0.333", "1/3"), (r"0.\overline{12}", r"0.1\overline{2}"), ("4", r"4\sqrt{2}"),
    ("2", "2^{10}."), ("(0,1)", "(0,1.5)"), ("19,46,82", "21,36,82"), (r"\{1,2\}", r"\{1,2,3\}"),
    ("(1,2)", r"\{1,2\}"),
    (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    (r"\emptyset", "0"), ("2x=10", "10"), ("x^2=4", "4"), ("0=1", "1=2"), ("2=2", "3"),
    ("x+1=0", "0"), (r"\infty", r"-\infty"), ("AB", "CD"), (r"\sin 30", "0.5"),
    (r"\sin x", r"\cos x"), (r"\sin^{-1}x", r"\frac{1}{\sin x}"), ("1.5,2", "1.5,3"),
    ("x=1,y=2", "x=2,y=1"), ("(1,2),(3,4)", "(1,2),(4,3)"), ("A=1, B=2", "1, 2, 3"),
    ("7", "7 or 8"), ("x", "x,x"), (r"\frac{x^2-1}{x-1}", "x-1"), (r"\text{even}", "5"),
    (r"5\text{ or }6", "5"), ("-", "5"), ("\\", "5"), ("{", "5"), ("}{", "5"), ("=", "5"),
    ("x=", "5"), ("=5", "6"), (r"\boxed", "5"), (r"\$18.90", r"\$18.09"), ("2016", "2,016,000"),
    ("i", "j"), ("10^{100}+1", "10^{100}"), (r"\sqrt{2}+10^{-90}", r"\sqrt2"), ("5,-5", "5"),
    ("2:3", r"\frac23"), (r"x \ne 2", "2"), (r"\{(1,2),(3,4)\}", r"\{(2,1),(3,4)\}"),
    ("1/2x", r"\frac{1}{2x}"), (r"3\text{ R }2", "3"), (r"3\text{ R }2", r"3\text{ R }1"),
    ("10 a.m.", "10 p.m."), (r"10\text{ a.m.}", r"10\text{ p.m.}"), ("A,B", "A,C"), ("yes", "no"),
    (r"\text{True}", r"\text{False}"), ("2.5 million", "2.5"), (r"x\in[0,1]", r"x\in(0,1)"),
    ("[1,2]", "1,2"), (r"30^\circ", "30 cm"), ("5 km", "5 mm"), ("x^2", "2x"), ("(a,b)", "(b,a)"),
    ("|x|-1", "||x|-1|"), ("12", "1,2"), (r"12\text{ and }13", "1213"), ("-1<x<1", r"-1\le x\le 1"),
    ("x<1", "y<1"), (r"\log_2 3", r"\log_3 2"), (r"\binom{5}{2}", r"\frac{5}{2}"),
    ("y=2x", "y=2x+1"), ("y=2x", "2x=y+1"), ("x=0", "y=0"), ("x^2=0", "x=0"), ("3!", "3"),
    ("0.1", "0.01"), ("1e3", "1"), ("x>3, x<1", "(1,3)"), ("8:00", "8"),
    (r"\frac{1}{0}", r"\frac{2}{0}"), (r"5\sqrt{2}\text{ ft}", r"5\sqrt{2}\text{ in}"),
    ("2^{2005}", "2^{2004}"), (r"\text{ellipse}", r"\text{circle}"), ("E", "e"), ("X", "x"),
    ("O", "0"), (r"\sqrt{x}", "x"), ("a+b", "ab"), ("1-", "1"), ("+", "1"), ("()", "1"),
    ("[]", "1"), (r"\{\}", "0"), (",", "1"), (",,", "1,1"), (r"\cup", "1"), (r"\pm", "1"),
    (r"\text{}", "1"), ("3 4", "7"), ("3 4", "12"), ("12 3/4", "123/4"),
    (r"1\frac{1}{2}", r"1\cdot\frac12"), (r"2\frac{x}{y}", r"2+\frac{x}{y}"),
    (r"3\text{ R }2", "32"), (r"2\text{ hours }30\text{ minutes}", "230"), ("1e5", "5e"),
    ("11 7/6", "73/6"), (r"11\frac76", r"\frac{77}{6}"), ("4 4/0", "4"), (r"\sqrt{16}", "-4"),
    ("-2^2", "4"), ("2^3^2", "64"), (r"\tan\frac{\pi}{2}", "5"), ("e", "2.718281828"),
    (r"\pi", "3.14159"), (r"\sqrt2", "1.41421356237"), ("0.99999999999999999999999999999", "1"),
    (r"\lim_{x\to0}x", "0"), (r"\sum_{i=1}^3 i", "6"), (r"\int_0^1 x dx", "1/2"),
    (r"\text{DNE}", "0"), ("undefined", "0"), ("None", "0"),
    # Magnitudes, other units, other powers of them, and words that are none.
    (r"2\text{ billion}", r"2\text{ million}"), (r"5\text{ million}", "5"),
    (r"3\text{ dozen}", "3"), (r"12\text{ trillion}", "12"), (r"10\text{ mL}", r"10\text{ L}"),
    (r"5\text{ m/s}", r"5\text{ km/h}"), (r"3\text{ km per hour}", r"3\text{ mph}"),
    (r"3\text{ m}^2", r"3\text{ m}^3"), (r"3\text{ m^2}", r"3\text{ m^3}"), ("5 cm^2", "5 cm^3"),
    (r"2\text{ m}/\text{s}", r"2\text{ m}"), ("60 miles per hour", "60 km per hour"),
    (r"5\text{ apples}", r"5\text{ oranges}"), (r"9\text{ more}", r"9\text{ less}"),
    (r"5\text{ is wrong}", "5"), (r"5\text{ squared}", "5"), (r"2\text{ half}", "2"),
    ("2 dogs", "2 gods"), ("2 theta", "2"), ("24 abcd", "24"), (r"3\mathrm{i}", "3"),
    ("30°C", "30°F"), (r"5\pi\text{ cm}", r"5\pi\text{ m}"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_means_the_same_is_the_same(one: str, other: str) -> None:
    assert same_answer(one, other)
    assert same_answer(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_means_something_else_is_not(one: str, other: str) -> None:
    assert not same_answer(one, other)
    assert not same_answer(other, one)


def test_normal_notation_is_stable() -> None:
    formulas = {formula for pair in SAME + DIFFERENT for formula in pair} - {"32, 349"}
    once = [normal(formula) for formula in formulas]
    assert [normal(formula) for formula in once] == once


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(seconds=1) as one:
        yield one


@pytest.mark.parametrize(
    "bomb",
    [
        "9^{9^{9^9}}", "(2x)^{10^9}", "(10000!)!", r"\binom{10^9}{5\cdot10^8}", "e^{e^{e^{e^e}}}",
        "(" * 400 + "5" + ")" * 400, "{" * 500, "5" + "!" * 500, r"\sin(\sqrt{2}^{10^{99}})",
    ],
)  # fmt: skip
def test_what_no_machine_finishes_is_undecided_and_the_next_one_is_compared(
    bomb: str, grader: Grader
) -> None:
    assert grader.same(bomb, "x+1") is None
    assert grader.same("2/4", r"\frac12") is True
    assert grader.same("2/4", r"\frac13") is False


@pytest.mark.parametrize(
    "odd",
    [
        "__import__('os').system('false')", "x.__class__", "lambda: 5", r"\input{/etc/passwd}", "",
        "\x00\x01\x02", "\n", "\ud800", "\u0665", r"\boxed{}", "1," * 400, r"\pm" * 300, "|" * 99,
        "a" * 10_000, r"\frac{0}{0}", r"\infty-\infty", r"\sqrt[0]{5}", r"\log_1 5",
    ],
)  # fmt: skip
def test_what_is_no_formula_equals_none(odd: str, grader: Grader) -> None:
    assert grader.same(odd, "5") is False


LIMITS = """
import time
from act_train.reasoning.limits import limited

def computing():
    while True:
        pass

print(
    limited(lambda: time.sleep(1) is None, 0.5), limited(computing, 0.1), limited(lambda: False, 5),
    limited(lambda: bool(bytearray(2**31)), 5), limited(lambda: bool(1 // 0), 5),
)
"""


def test_computing_is_limited_and_memory_and_waiting_is_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "None", "False", "None", "None"]


def test_nothing_is_left_behind_and_a_dead_grader_is_told() -> None:
    with Grader() as one:
        assert one.same("1", "1") is True
        process = one.start()
        process.kill()
        process.wait()
        with pytest.raises(GradingFailed, match="exit code -9 at 'x'"):
            one.same("x", "y")
    with Grader() as other:
        process = other.start()
    assert process.poll() is not None


def test_without_sympy_nothing_is_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with Grader() as none, pytest.raises(MissingExtra, match="pip install sympy"):
        none.same("0.5", r"\frac12")
