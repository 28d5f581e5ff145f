"""Documents: texts with questions asked along them, the form of everything that is pre-trained on.

A document is a tree. Its *trunk* is a text that grows: the transcript of an episode, in the very
words in which :func:`act_data.prompts.action_prompt` tells the past. Its *branches* are questions
asked on the way: what the prompt says after the past, and the answer. So trunk and branch together
are a prompt exactly as a policy meets it, with all history, and yet an episode of N steps costs
each observation once or twice instead of N times. For generated ALFWorld (12.5 steps on average,
mistakes included) that is 494 tokens for a trunk, 663 with a fifth of the steps asked, 1,340 with
all of them, and 7,337 as separate prompts.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from act_data.prompts import action_prompt, render_answer
from act_data.types import AgentState

Role = Literal["text", "context", "target"]
"""What a part of a trunk is for: ``target`` is to be learnt (what an expert did), ``text`` to be
predicted as well (what came back), ``context`` only to be read (a mistake)."""


class Span(NamedTuple):
    """A part of a trunk, and what it is for."""

    text: str
    role: Role


class Branch(NamedTuple):
    """A question, which is context, and its answer, which is a target.

    Attributes:
        fork: how many spans of the trunk come before.
        prompt: the rest of the user's message.
        answer: all of the assistant's message.
    """

    fork: int
    prompt: str
    answer: str


class Document(NamedTuple):
    """A text with the questions that are asked along it.

    Attributes:
        source: the environment, or ``"reading"``.
        task_id: the task that was played.
        trunk: its text. Spans end before a blank or after a line, so that a tokenizer that
            merges across neither can take them one by one; branches fork off where a line ended.
        branches: in the order of their forks.
    """

    source: str
    task_id: str
    trunk: tuple[Span, ...]
    branches: tuple[Branch, ...]


class Turn(NamedTuple):
    """A step of an episode: what was seen, what was done, and what the expert would have done."""

    observation: str
    action: str
    wanted: str


class Episode(NamedTuple):
    """An episode: the instruction, the steps, and the text that came last."""

    goal: str
    turns: tuple[Turn, ...]
    last: str


def opening(goal: str) -> str:
    """How a transcript begins."""
    return f"Task: {goal}\n"


def lead(first: bool) -> str:
    """What comes before the first observation, and before no other."""
    return "\nEarlier:\n" if first else ""


def transcript(source: str, task_id: str, episode: Episode, first: int = 0) -> Document:
    """An episode from the step ``first`` on, with a branch at every step.

    At a step where something else was done than the expert would have, the trunk tells what was
    done, as context, and the branch is answered by the expert all the same.
    """
    trunk = [Span(opening(episode.goal), "context")]
    branches: list[Branch] = []
    told, past = trunk[0].text, []
    for turn in episode.turns[first:]:
        state = AgentState(episode.goal, turn.observation, tuple(past))
        asked = action_prompt(state, history=len(past))[0]["content"]
        assert asked.startswith(told), "the past is not told as act_data.prompts tells it"
        branches.append(Branch(len(trunk), asked[len(told) :], render_answer(turn.wanted)))
        seen = Span(f"{lead(not past)}{turn.observation}\n>", "text")
        done = Span(f" {turn.action}\n", "target" if turn.action == turn.wanted else "context")
        trunk += [seen, done]
        told += seen.text + done.text
        past.append((turn.observation, turn.action))
    trunk.append(Span(episode.last, "text"))
    return Document(source, task_id, tuple(trunk), tuple(branches))
