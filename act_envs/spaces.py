"""A text space for natural language: any Unicode string up to a length.

``gymnasium.spaces.Text`` rejects a space character by default, takes seconds to build over all
of Unicode and milliseconds to check one long observation. ``FreeText`` checks type and length.
"""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from gymnasium.error import CustomSpaceError
from gymnasium.vector.utils import create_shared_memory

MAX_LENGTH = 2**20  # characters; far above any page or room that a simulator describes


class FreeText(spaces.Text):
    """Every string of at most ``max_length`` characters.

    Args:
        max_length: longest string contained, in characters.
        seed: seed of the space's own generator, used by ``sample``.
    """

    def __init__(self, max_length: int = MAX_LENGTH, *, seed: int | None = None) -> None:
        super().__init__(max_length, min_length=0, seed=seed)

    def contains(self, x: Any) -> bool:
        """Whether ``x`` is a string that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A short string of letters and digits (a text space has no useful uniform sample).

        Args:
            mask: as for ``gymnasium.spaces.Text``; without one, 1 to 16 characters are drawn.
            probability: as for ``gymnasium.spaces.Text``.
        """
        if mask is None and probability is None:
            mask = (int(self.np_random.integers(1, 17)), None)
        return super().sample(mask=mask, probability=probability)

    def __repr__(self) -> str:
        return f"FreeText({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FreeText) and other.max_length == self.max_length


@create_shared_memory.register(FreeText)
def _no_shared_memory(space: FreeText, n: int = 1, ctx: Any = None) -> Any:
    """Refuse what would silently turn every observation into filler characters."""
    raise CustomSpaceError(
        f"{space} cannot live in shared memory (text of any length). "
        "Use gym.make_vec(id, num_envs=n) without further arguments, "
        "or AsyncVectorEnv(..., shared_memory=False)."
    )
