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
        after_refusal: whether the action before was refused.
    """

    fork: int
    prompt: str
    answer: str
    after_refusal: bool = False


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
    """A step of an episode: what was seen, what was done, and what the expert would have done.

    ``refused`` says that the environment found no sense in what was done.
    """

    observation: str
    action: str
    wanted: str
    refused: bool = False


class Episode(NamedTuple):
    """An episode: the instruction, the steps, and the text that came last."""

    goal: str
    turns: tuple[Turn, ...]
    last: str


class Telling:
    """A transcript that is told step by step, and asked along the way.

    Args:
        goal: the instruction.

    Attributes:
        told: the text so far.
    """

    def __init__(self, goal: str) -> None:
        self.told = f"Task: {goal}\n"
        self._goal, self._past = goal, list[tuple[str, str]]()

    def question(self, observation: str) -> str:
        """What a prompt says after the text so far, where this is observed."""
        state = AgentState(self._goal, observation, tuple(self._past))
        asked = action_prompt(state, history=len(self._past))[0]["content"]
        assert asked.startswith(self.told), "the past is not told as act_data.prompts tells it"
        return asked[len(self.told) :]

    def tell(self, observation: str, action: str) -> tuple[str, str]:
        """Go on by a step: what the text says of the observation, and of what was done."""
        lead = "" if self._past else "\nEarlier:\n"
        seen, done = f"{lead}{observation}\n>", f" {action}\n"
        self._past.append((observation, action))
        self.told += seen + done
        return seen, done


def transcript(source: str, task_id: str, episode: Episode, first: int = 0) -> Document:
    """An episode from the step ``first`` on, with a branch at every step.

    At a step where something else was done than the expert would have, the trunk tells what was
    done, as context, and the branch is answered by the expert all the same.
    """
    telling = Telling(episode.goal)
    trunk = [Span(telling.told, "context")]
    branches: list[Branch] = []
    refused = False
    for turn in episode.turns[first:]:
        asked, answer = telling.question(turn.observation), render_answer(turn.wanted)
        branches.append(Branch(len(trunk), asked, answer, refused))
        seen, done = telling.tell(turn.observation, turn.action)
        right = turn.action == turn.wanted
        trunk += [Span(seen, "text"), Span(done, "target" if right else "context")]
        refused = turn.refused
    trunk.append(Span(episode.last, "text"))
    return Document(source, task_id, tuple(trunk), tuple(branches))
