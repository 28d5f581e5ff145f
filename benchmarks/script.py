"""How a script of this folder is called. What a user can mend is told in a line."""

from __future__ import annotations

from collections.abc import Callable

import tyro

from act_data import terminal
from act_envs.errors import ActError


def call(config: Callable[..., Callable[[], int]], description: str | None = None) -> int:
    """Read the options of the command line and do it.

    Args:
        config: a dataclass of the options, whose objects are called.
        description: above the options in ``--help``; what its docstring says by default.

    Returns:
        The exit status: its own, 2 after an error of the user's, 130 after Ctrl-C.
    """
    asked = tyro.cli(config, description=description)
    try:
        return asked()
    except ActError as error:
        return terminal.failed(error)
    except KeyboardInterrupt:
        return 130
