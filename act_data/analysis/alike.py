"""Which pairs read alike: the one meaning of a duplicate for the card, ``stats`` and ``filter``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

WORDING = ("state.goal", "state.observation", "expert_action", "alternative_action")
"""The columns that :func:`wording` reads."""

_DIGITS = re.compile(r"\d+")


def wording(pair: Mapping[str, Any]) -> int:
    """64 bits that two pairs share where they read alike.

    They do where goal, observation and both actions are the same but for numbers and upper case.
    The history may differ, and so may task and environment.

    Args:
        pair: a row with the fields of ``WORDING``.
    """
    state = pair["state"]
    texts = (
        state["goal"], state["observation"], pair["expert_action"], pair["alternative_action"]
    )  # fmt: skip
    plain = "\0".join(_DIGITS.sub("", text).lower() for text in texts)
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest())
