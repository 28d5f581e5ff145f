"""``act-data``: the command line over what makes and keeps data. It computes nothing itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import gymnasium as gym
import tyro
from tyro.conf import subcommand

from act_data import terminal
from act_data.analysis.floor import Floor, floor, floor_text
from act_data.analysis.noise import Noise, noise, noise_text
from act_data.collect import Collect, collect
from act_data.contrast import Contrast, contrast
from act_data.diff import Diff, diff, diff_text
from act_data.explore.serve import Explore, explore
from act_data.exports import Export, export
from act_data.filters import Filter, filter_pairs
from act_data.imports import REJECTED, Import, import_records
from act_data.mining import Mine, mine
from act_data.publish.build import Build, build, build_text
from act_data.publish.push import Push, push, push_text
from act_data.publish.release import Release, release, release_text
from act_data.show import Show, show, show_text
from act_data.stats import Stats, stats, stats_text
from act_data.verify import Verify, verify
from act_envs.errors import ActError

_Command = (
    Annotated[Collect, subcommand("collect")]
    | Annotated[Import, subcommand("import")]
    | Annotated[Mine, subcommand("mine")]
    | Annotated[Contrast, subcommand("contrast")]
    | Annotated[Verify, subcommand("verify")]
    | Annotated[Filter, subcommand("filter")]
    | Annotated[Noise, subcommand("noise")]
    | Annotated[Floor, subcommand("floor")]
    | Annotated[Stats, subcommand("stats")]
    | Annotated[Show, subcommand("show")]
    | Annotated[Diff, subcommand("diff")]
    | Annotated[Explore, subcommand("explore")]
    | Annotated[Build, subcommand("build")]
    | Annotated[Push, subcommand("push")]
    | Annotated[Release, subcommand("release")]
    | Annotated[Export, subcommand("export")]
)
_RUN: dict[type, Callable[[Any], dict[str, Any]]] = {
    Collect: collect,
    Import: import_records,
    Mine: mine,
    Contrast: contrast,
    Verify: verify,
    Filter: filter_pairs,
    Export: export,
}
_RESUMES = (Collect, Import, Mine, Contrast, Verify, Filter, Build, Push, Release)
_TELL: dict[type, Callable[[Any], str]] = {
    Noise: lambda config: noise_text(noise(config)),
    Floor: lambda config: floor_text(floor(config)),
    Stats: lambda config: stats_text(stats(config)),
    Show: lambda config: show_text(show(config)),
    Build: lambda config: build_text(build(config)),
    Push: lambda config: push_text(push(config)),
    Release: lambda config: release_text(release(config, say=partial(print, file=sys.stderr))),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments, those of the process by default.

    Returns:
        0; 1 where ``diff`` found differences, or ``import`` kept nothing; 2 after an error of the
        user's or of the data, told in one line; 130 after Ctrl-C.
    """
    terminal.prepare()
    config = tyro.cli(  # pyright: ignore[reportCallIssue]
        _Command,  # pyright: ignore[reportArgumentType]
        prog="act-data",
        description="Expert trajectories and contrast pairs for training language agents.",
        args=None if argv is None else list(argv),
    )
    try:
        text, status = _told(config)
    except (ActError, gym.error.Error, OSError) as error:
        return terminal.failed(error)
    except KeyboardInterrupt:
        goes_on = isinstance(config, _RESUMES)
        print(
            "interrupted: the same command "
            + ("goes on from here." if goes_on else "begins again."),
            file=sys.stderr,
        )
        return 130
    return terminal.answer(f"{text}\n") or status


def _told(config: Any) -> tuple[str, int]:
    """Run the command; what is said about it, and the exit status."""
    if isinstance(config, Diff):
        found = diff(config)
        return diff_text(found), found.status
    if isinstance(config, Explore):
        explore(config, partial(print, flush=True))
        return "", 0
    if tell := _TELL.get(type(config)):
        return tell(config), 0
    summary = _RUN[type(config)](config)
    counts = json.dumps(summary["counts"]).strip("{}").replace('"', "")
    told = f"{summary['rows']} rows in {config.out} ({counts})"
    if isinstance(config, Import) and summary["rows"] < summary["items"]:
        told += f"\n{config.out / REJECTED} says what was left out, and why"
    return told, int(isinstance(config, Import) and not summary["rows"])


if __name__ == "__main__":
    sys.exit(main())
