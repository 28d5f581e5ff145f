"""Expert trajectories and contrast pairs: collecting, mining, storing. Knows no trainer."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from act_data.loading import load, pairs

__all__ = ["load", "pairs"]


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for: the commands need none of it."""
    if name in __all__:
        from act_data import loading

        return getattr(loading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
