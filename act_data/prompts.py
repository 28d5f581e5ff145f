"""Prompts and answers: pure functions, and the only place where a prompt is built.

The paper's exact templates are not published (arXiv 2603.08706); these are ours, versioned by
``PROMPT_VERSION`` and held by golden tests. Certain from the paper: the state, the question
which action is better, the candidates as "Action 1: ..." and "Action 2: ...", and an answer
that repeats the chosen action's text inside an action tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from act_data.types import AgentState

PROMPT_VERSION = 1
OPEN_TAG, CLOSE_TAG = "<action>", "</action>"
OPEN_THOUGHT, CLOSE_THOUGHT = "<think>", "</think>"
EQUIVALENT = "equivalent"
"""The answer that no candidate is better, where a critique prompt offers it."""

Message = dict[str, str]

Fault = Literal["no_tag", "malformed", "empty"]
"""Why no action can be read: ``no_tag`` (or the reasoning never ends), ``malformed`` (several tags,
one of the two, or several lines between them), ``empty`` (nothing between them)."""


def render_state(state: AgentState, *, history: int) -> str:
    """Goal, the last ``history`` turns and the current observation, as plain text."""
    past = state.history[-history:] if history else ()
    parts = [f"Task: {state.goal}"]
    if past:
        turns = "\n".join(f"{seen}\n> {done}" for seen, done in past)
        parts.append(f"Earlier:\n{turns}")
    parts.append(f"Now:\n{state.observation}")
    return "\n\n".join(parts)


def action_prompt(state: AgentState, *, history: int) -> list[Message]:
    """The conversation that asks for the next action.

    Args:
        state: what the agent knows.
        history: how many past turns to show.
    """
    ask = f"What is the next action? Answer with {OPEN_TAG}the action{CLOSE_TAG}."
    return [{"role": "user", "content": f"{render_state(state, history=history)}\n\n{ask}"}]


def critique_prompt(
    state: AgentState,
    candidates: Sequence[str],
    *,
    history: int,
    equivalent: bool = False,
    reasoning: bool = True,
) -> list[Message]:
    """The conversation that asks which candidate is better.

    Args:
        state: what the agent knows.
        candidates: the actions to compare, in the order in which they are shown.
        history: how many past turns to show.
        equivalent: offer :data:`EQUIVALENT` as an answer.
        reasoning: False asks for the answer at once. Chat templates that know a thinking block must
            be told besides.
    """
    listed = "\n".join(f"Action {i}: {action}" for i, action in enumerate(candidates, 1))
    better = "better" if len(candidates) == 2 else "best"
    ask = (
        f"Which action is {better} for the task? "
        f"Answer with {OPEN_TAG}the {better} action{CLOSE_TAG}, copied exactly."
    )
    if equivalent:
        ask += f" If they are equally good, answer {render_answer(EQUIVALENT)}."
    if not reasoning:
        ask += " Answer at once, without reasoning."
    body = f"{render_state(state, history=history)}\n\n{listed}\n\n{ask}"
    return [{"role": "user", "content": body}]


def outcome_prompt(state: AgentState, action: str, *, history: int) -> list[Message]:
    """The conversation that asks what an action will give.

    Args:
        state: what the agent knows.
        action: what is done.
        history: how many past turns to show.
    """
    ask = f"What is observed after the action: {action}\n\nAnswer with the text alone."
    return [{"role": "user", "content": f"{render_state(state, history=history)}\n\n{ask}"}]


def reflection_prompt(
    state: AgentState, better: tuple[str, str], other: tuple[str, str], *, history: int
) -> list[Message]:
    """The conversation that asks for the thoughts that lead to an action (Early Experience).

    Args:
        state: what the agent knew.
        better: the action that the thoughts are to end in, and what it gave.
        other: another action, and what that gave.
        history: how many past turns to show.
    """
    tried = "\n\n".join(
        f"{title}: {action}\nIt gave: {outcome}"
        for title, (action, outcome) in (("Action taken", better), ("Another action", other))
    )
    ask = (
        "Write the thoughts of the agent before it acts, in the first person and in one paragraph: "
        "what the task still needs, what each of the two actions would do for it, and why the "
        "action taken is the better one. The agent does not know yet what an action gives: use "
        "what they gave to think well, and never mention it as known. Write no tags, and nothing "
        "but the thoughts."
    )
    return [
        {"role": "user", "content": f"{render_state(state, history=history)}\n\n{tried}\n\n{ask}"}
    ]


def render_answer(action: str) -> str:
    """An action as the answer that the prompts ask for."""
    return f"{OPEN_TAG}{action}{CLOSE_TAG}"


def spoken(text: str) -> str | None:
    """What follows the reasoning, all of it where there is none; None where it never ends."""
    answer = text.rpartition(CLOSE_THOUGHT)[2]
    return None if OPEN_THOUGHT in answer else answer


def begun(prompt: str) -> str:
    """What a prompt has of its answer already: the opening of a thought, as some templates do.

    It belongs before what the model writes, or a thought that never ends would pass for an answer.
    """
    return OPEN_THOUGHT if prompt.rstrip().endswith(OPEN_THOUGHT) else ""


def parse_answer(text: str) -> str | None:
    """The action in an answer, or None when the format is not kept.

    Reasoning up to the last ``</think>`` is ignored, and reasoning that never ends is no answer.
    What follows must hold one opening tag, one closing tag, and one line of text between them.
    """
    return read_answer(text)[0]


def read_answer(text: str) -> tuple[str | None, Fault | None]:
    """The action in an answer, or else what is wrong with the format (see :data:`Fault`)."""
    answer = spoken(text)
    if answer is None or not (OPEN_TAG in answer or CLOSE_TAG in answer):
        return None, "no_tag"
    before, _, rest = answer.partition(OPEN_TAG)
    inside = rest.partition(CLOSE_TAG)[0]
    once = answer.count(OPEN_TAG) == 1 == answer.count(CLOSE_TAG)
    if not once or CLOSE_TAG in before:
        return None, "malformed"
    action = inside.strip()
    if not action:
        return None, "empty"
    return (action, None) if len(action.splitlines()) == 1 else (None, "malformed")
