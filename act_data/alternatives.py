"""What is left of a policy's answers beside the expert's action. All mining goes through here.

Actions are compared as their environment reads them (``TextEnv.canonical``): letter case, blanks
or wordings that make no difference there make none here. What cannot be an action is counted by
what is wrong with it, and dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from act_data.policies.base import Sample
from act_data.policies.too_long import TOO_LONG
from act_data.prompts import read_answer
from act_data.runs.run import digest
from act_data.types import AgentState
from act_envs import TextEnv
from act_envs.base import MAX_ACTION

FAULTS = ("no_tag", "malformed", "empty", "overlong", "unprintable", TOO_LONG)
"""Why an answer holds no action: those of :data:`act_data.prompts.Fault`; an action of more than
``MAX_ACTION`` characters; one that holds characters that cannot be printed; and the prompt was too
long for the model, so that there is no answer."""

COUNTS = ("states", "samples", *FAULTS, "as_expert", "duplicates", "pairs", "inadmissible")
"""What is counted. The samples are those with a fault, those read ``as_expert``, ``duplicates`` of
another, and ``pairs``; of the pairs, ``inadmissible`` hold what the simulator did not offer."""


_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Alternative:
    """A proposal that differs from the expert's action.

    Attributes:
        action: what was proposed.
        count: how often.
    """

    action: str
    count: int = 0


def pair_id(
    env_id: str, env_kwargs: str, task_id: str, state: AgentState, state_hash: str, *actions: str
) -> str:
    """The name of a pair by what it holds.

    What the agent knows is part of it: two episodes of a task can come to one state of the
    simulator by different ways.

    Args:
        env_id: of the environment.
        env_kwargs: its arguments, as JSON.
        task_id: the task.
        state: what the agent knew.
        state_hash: hash of the simulator's state.
        actions: the expert's, and the alternative.
    """
    return digest([env_id, env_kwargs, task_id, asdict(state), state_hash, *actions])


def distinct(
    env: TextEnv, expert: str | None, offered: Sequence[str], samples: Sequence[Sample]
) -> tuple[list[Alternative], Counter[str]]:
    """The distinct proposals that are not the expert's action, in the order of their coming.

    One that the simulator offers is written as it offers it, so that no spelling gives away who
    proposed what; another as it was first proposed.

    Args:
        env: reads actions; it need not stand in the state of the samples.
        expert: what the expert did, None where there is none.
        offered: what the simulator offered.
        samples: what the policy answered.

    Returns:
        The alternatives, and the counts named by ``COUNTS``.
    """
    known = {env.canonical(action): action for action in reversed(offered)}
    own = None if expert is None else env.canonical(expert)
    found: dict[str, Alternative] = {}
    counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    counts.update(states=1, samples=len(samples))
    for sample in samples:
        action, fault = _action(sample)
        if action is None:
            counts[fault] += 1
            continue
        read = env.canonical(action)
        if read == own:
            counts["as_expert"] += 1
            continue
        counts["duplicates"] += read in found
        counts["inadmissible"] += read not in found and read not in known
        found.setdefault(read, Alternative(known.get(read, action))).count += 1
    counts["pairs"] = len(found)
    return list(found.values()), counts


def verb(action: str) -> str:
    """The first word of an action, in lower case; empty where it has none."""
    found = _WORD.search(action)
    return found[0].lower() if found else ""


def _action(sample: Sample) -> tuple[str | None, str]:
    """The action that an answer proposes, or else what is wrong with it."""
    action = sample.action
    if action is None:
        return None, sample.fault or read_answer(sample.text)[1] or "no_tag"
    if len(action) > MAX_ACTION:
        return None, "overlong"
    return (action, "") if action.isprintable() else (None, "unprintable")
