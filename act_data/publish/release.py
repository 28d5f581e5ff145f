"""``act-data release``: a dataset by recipe, from nothing to the Hub, in one command that resumes.

Collects, mines, verifies, builds and, where a repository is named, pushes, each by the function
behind the command of that name, in a folder of its own below ``out``. Steps that have ended are
found so and not done again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from act_data.collect import Collect, collect, planned
from act_data.mining import Mine, mine
from act_data.policies.base import check_policy
from act_data.publish.build import Build, build, build_text
from act_data.publish.command import command_line
from act_data.publish.names import check_names
from act_data.publish.push import Push, push, push_text
from act_data.publish.recipes import Ingredient, Recipe, read_recipe
from act_data.publish.remote import Remote
from act_data.runs.run import claimed
from act_data.verify import Verify, verify
from act_envs.errors import UnknownArgument

DATASET = "dataset"
"""The folder below ``out`` that is published."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """Make a dataset by recipe, and publish it: collect, mine, verify, build, push.

    Interrupt it whenever you like: the same command goes on where it stopped, to the same bytes.
    Publishing needs a token with write access: in HF_TOKEN, or stored by hf auth login.

    Attributes:
        recipe: builtin, generated, alfworld, webshop, scienceworld, all, or a YAML file.
        out: folder for all that is made; new, or begun by the same command. The dataset is in its
            folder "dataset".
        repo: the dataset on the Hub, org/name; without it nothing is pushed.
        tag: name for the revision there, such as v1.
        private: make the repository private.
        workers: how many processes collect, mine and verify.
        progress: show progress bars even when stderr is not a terminal.
    """

    recipe: Annotated[str, tyro.conf.Positional]
    out: Path
    repo: str | None = None
    tag: str | None = None
    private: bool = False
    workers: int = 1
    progress: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """Something to be done.

    Attributes:
        title: what, for people.
        do: does it; its summary.
        tell: the summary, for people.
    """

    title: str
    do: Callable[[], dict[str, Any]]
    tell: Callable[[Mapping[str, Any]], str]


def release(config: Release, say: Callable[[str], object] = lambda _line: None) -> dict[str, Any]:
    """Make the dataset of a recipe below ``config.out``, and publish it.

    Args:
        config: what to make, and where.
        say: told, in lines for people, which step of how many begins and what came of it.

    Returns:
        ``recipe``; ``dataset``, the folder; ``build``, the summary of :func:`build`; and ``push``,
        that of :func:`push`, None where nothing was pushed.

    Raises:
        UnknownArgument: there is no such recipe, or a name or an option cannot be used.
        HubRefused: a repository is named, and there is no token. Nothing was made.
        RunConflict: the folder holds something else.
        RunLocked: another process works in it.
        ActError: a step failed, see its function.
    """
    recipe = read_recipe(config.recipe)
    if config.repo is not None:  # before hours of work, not after
        check_names(config.repo, config.tag)
        Remote(config.repo)
    elif config.tag is not None or config.private:
        raise UnknownArgument("--tag and --private are of what is pushed. Name a --repo.")
    for ingredient in recipe.ingredients:
        planned(Collect(**ingredient.collect, out=config.out))
        for mining in ingredient.minings:
            check_policy(mining.mine.get("policy", Mine.policy))
            check_policy(mining.verify.get("policy", Verify.policy))
    steps = [*_steps(recipe, config)]
    request = {"command": "release", **asdict(recipe)}
    summaries: list[dict[str, Any]] = []
    with claimed(config.out, request):
        for number, step in enumerate(steps, 1):
            say(f"[{number}/{len(steps)}] {step.title}")
            summaries.append(step.do())
            say(step.tell(summaries[-1]))
    built, pushed = summaries[-2:] if config.repo else (summaries[-1], None)
    dataset = str(config.out / DATASET)
    return {"recipe": recipe.name, "dataset": dataset, "build": built, "push": pushed}


def release_text(summary: Mapping[str, Any]) -> str:
    """What a release came to, for people."""
    built, pushed = summary["build"], summary["push"]
    counts = f"{built['pairs']} pairs and {built['trajectories']} trajectories"
    lines = [f"recipe {summary['recipe']}: {counts} in {summary['dataset']}", build_text(built)]
    if pushed:
        lines.append(push_text(pushed))
    else:
        lines.append(f"not published: act-data push {summary['dataset']} --repo org/name --tag v1")
    return "\n".join(lines)


def _steps(recipe: Recipe, config: Release) -> Iterator[_Step]:
    """All that is to be done, in order.

    Raises:
        UnknownArgument: the recipe gives an option that cannot be used.
    """
    trajectories: list[Path] = []
    pairs: list[Path] = []
    mined: list[Path] = []
    for number, ingredient in enumerate(recipe.ingredients, 1):
        folder = config.out / f"{number}-{_slug(ingredient.collect['env'].rpartition('/')[2])}"
        trajectories.append(folder / "collect")
        for step, made in _of_environment(ingredient, folder, config):
            yield step
            for run, verified in made:
                mined.append(run)
                pairs.append(verified)
    command = command_line("release", Release(recipe=Path(config.recipe).name, out=Path("work")))
    done = Build(
        **recipe.build,
        pairs=tuple(pairs),
        mined=tuple(mined),
        trajectories=tuple(trajectories),
        out=config.out / DATASET,
        progress=config.progress,
    )
    yield _Step(f"build {recipe.build['name']}", partial(build, done, command=command), build_text)
    if config.repo is not None:
        sent = Push(
            folder=config.out / DATASET,
            repo=config.repo,
            tag=config.tag,
            private=config.private,
            progress=config.progress,
        )
        yield _Step(f"push {config.repo}", partial(push, sent), push_text)


def _of_environment(
    ingredient: Ingredient, folder: Path, config: Release
) -> Iterator[tuple[_Step, list[tuple[Path, Path]]]]:
    """Its steps, each with the folders of the pairs that it gives, mined and verified."""
    env = ingredient.collect["env"]
    who: Any = {"workers": config.workers, "progress": config.progress}
    found = Collect(**ingredient.collect, out=folder / "collect", **who)
    yield _Step(f"collect {env}", partial(collect, found), _told), []
    for number, mining in enumerate(ingredient.minings, 1):
        own = Mine(
            **mining.mine,
            trajectories=found.out,
            out=folder / f"mine-{number}",
            **who,
        )
        yield _Step(f"mine {env} with {own.policy}", partial(mine, own), _told), []
        checked = Verify(**mining.verify, pairs=own.out, out=folder / f"verify-{number}", **who)
        step = _Step(f"verify {env} with {own.policy}", partial(verify, checked), _told)
        yield step, [(own.out, checked.out)]


def _told(summary: Mapping[str, Any]) -> str:
    return f"{summary['rows']} rows"


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower())
