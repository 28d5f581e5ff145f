"""``act-data``: the command line over ``collect`` and ``mine``. It computes nothing itself."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import gymnasium as gym
import tyro
from tyro.conf import subcommand

from act_data.collect import Collect, collect
from act_data.mining import Mine, mine
from act_envs.errors import ActError

_Command = Annotated[Collect, subcommand("collect")] | Annotated[Mine, subcommand("mine")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments, those of the process by default.

    Returns:
        0; 2 after an error of the user's or of the data, told in one line; 130 after Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a locale without Unicode is no reason to fail
    config = tyro.cli(  # pyright: ignore[reportCallIssue]
        _Command,  # pyright: ignore[reportArgumentType]
        prog="act-data",
        description="Expert trajectories and contrast pairs for training language agents.",
        args=None if argv is None else list(argv),
    )
    try:
        summary = collect(config) if isinstance(config, Collect) else mine(config)
    except (ActError, gym.error.Error, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here.", file=sys.stderr)
        return 130
    counts = json.dumps(summary["counts"]).strip("{}").replace('"', "")
    try:  # around this alone: a pipe that breaks during the work is a failure of the work
        print(f"{summary['rows']} rows in {config.out} ({counts})", flush=True)
    except BrokenPipeError:
        # The reader (head, less) has gone; what is still to be flushed or printed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
