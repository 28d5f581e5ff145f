"""``ACT/ALFWorld-v0`` and ``ACT/ALFWorldGen-v0``. The class docstrings are the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from act_envs.alfworld.files import find_source
from act_envs.alfworld.generator import GeneratedGames
from act_envs.alfworld.reference import ReferenceSimulator
from act_envs.alfworld.simulator import NativeSimulator
from act_envs.alfworld.store import open_store
from act_envs.base import TextEnv
from act_envs.errors import UnknownArgument, nearest

BACKENDS = ("native", "reference")


class ALFWorldEnv(TextEnv):
    """Household tasks in text: find things, clean, heat or cool them, put them where they belong.

    ## Description

    A robot stands in one of 120 rooms (kitchens, living rooms, bedrooms, bathrooms) of the ALFRED
    benchmark, told as text. It is given one of six kinds of task, looks for the objects in
    cabinets, drawers and on shelves, and does what the task asks. From Shridhar et al., *ALFWorld:
    Aligning Text and Embodied Environments for Interactive Learning* (ICLR 2021,
    https://arxiv.org/abs/2010.03768).

    The default backend is an engine of this package: it gives the same text, the same admissible
    commands and the same wins as the original, step by step, at about a thousandth of the cost.
    ``backend="reference"`` plays the original (packages ``textworld`` and ``alfworld``).

    A task is named by its path in the official data:
    ``"valid_seen/pick_and_place_simple-Book-None-SideTable-329/trial_T20190908_050518_595510"``.
    The splits are the official ones: ``"train"`` (3,553 games), ``"valid_seen"`` (140 games in
    rooms of the train split; "ID" in the paper) and ``"valid_unseen"`` (134 games in four rooms
    that no other split has; "OOD").

    ## Action Space

    Any line of text. The game takes ``go to R``, ``open R``, ``close R``, ``take O from R``,
    ``move O to R``, ``examine R``, ``examine O``, ``use O``, ``clean O with R``, ``heat O with
    R``, ``cool O with R``, ``slice O with K``, ``look``, ``inventory`` and ``help``. Letter case
    and blanks inside count; blanks around do not. All else is answered ``Nothing happens.`` and
    costs a step.

    In the classic dialect (ALFWorld before 0.4.0; ReAct, ETO, AgentBench) ``put O in/on R`` stands
    for ``move O to R``, arrivals name a place (``You arrive at loc 12.``), and there is no
    ``help``.

    Some of what the original does surprises, and is kept: what shares a place with the agent
    cannot be gone to; an object can be examined only in the hand; only a sink basin cleans; heating
    and cooling need no open door; some objects are listed in two places at once.

    ## Observation Space

    The text of the game. The first one welcomes, lists the receptacles of the room and states the
    task.

    ## Starting State

    The middle of the room, where nothing stands; what is where follows from the task. The seed
    only decides which task ``reset`` draws.

    ## Rewards

    1 with the action that fulfils the task, else 0.

    ## Episode End

    Terminated when the task is fulfilled (``won``); nothing fails it. Truncated after
    ``step_limit`` actions, invalid ones included.

    ## Information

    The keys of :class:`act_envs.types.StepInfo`. Of these, here:

    - ``kind``: the official task type (``"pick_heat_then_place_in_recep"``).
    - ``goal``: the task sentence.
    - ``raw_score``: 0 or 1, as upstream.
    - ``action_valid``: the command was admissible.
    - ``admissible_actions`` (with ``admissible=True``): upstream's admissible commands, sorted.
    - ``goal_conditions`` (with ``goal_conditions=True``): share of the goal's conditions that hold
      now, counted as ALFRED does.

    ## Arguments

    - ``split``: ``"train"``, ``"valid_seen"`` or ``"valid_unseen"``.
    - ``data_dir``: where the games lie: a folder in the official layout, or the .zip or .tar.xz of
      it, read without unpacking. Without it: ``ALFWORLD_DATA``, then ``ACT_DATA_DIR``, then where
      ``act-envs download alfworld`` puts them.
    - ``backend``: ``"native"`` or ``"reference"``.
    - ``dialect``: ``"modern"`` or ``"classic"``, whatever the files were released with.
    - ``either_dialect``: take ``move`` and ``put`` alike; answers stay in ``dialect``.
    - ``expert``: ``"explorer"`` (the default) chooses by what it has read, like an agent, and is
      what an agent can honestly imitate. ``"clairvoyant"`` follows the stored walkthrough, or an
      optimal plan from where there is none; it knows where everything is. The original has one
      expert: the stored walkthrough.
    - ``goal_conditions``: put ``goal_conditions`` into ``info``.
    - ``step_limit``: 50 by default, as upstream; None for no limit.
    - ``admissible``: put the admissible actions into ``info``.
    - ``render_mode``: ``"ansi"`` or None.

    ## Version History

    - v0: first version.

    Raises:
        AssetsNotFound: no games were found.
        GameFileError: a file or archive is damaged.
        UnknownArgument: an argument has a value that is not listed here.
        UnknownSplit: there is no such split.
        MissingExtra: ``backend="reference"``, and a package it needs is not installed.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        data_dir: str | Path | None = None,
        backend: str = "native",
        dialect: str = "modern",
        either_dialect: bool = False,
        expert: str | None = None,
        goal_conditions: bool = False,
        step_limit: int | None = 50,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        store = open_store(find_source(data_dir))
        if backend == "native":
            simulator = NativeSimulator(
                "alfworld",
                store,
                dialect=dialect,
                either_dialect=either_dialect,
                expert="explorer" if expert is None else expert,
                goal_conditions=goal_conditions,
            )
        elif backend == "reference":
            if either_dialect or goal_conditions or expert is not None:
                raise UnknownArgument(
                    "the original has no either_dialect, no goal_conditions and no choice of "
                    'expert. Leave them out, or take backend="native".'
                )
            simulator = ReferenceSimulator(store, dialect=dialect)
        else:
            raise UnknownArgument(f"unknown backend {backend!r}. {nearest(backend, BACKENDS)}")
        super().__init__(
            simulator,
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            unknown=unknown,
        )


class ALFWorldGenEnv(TextEnv):
    """ALFWorld with generated games: the same rules and text, no download.

    ## Description

    Rooms, receptacles, objects and tasks are made from ``seed_of_games``, with the counts and
    placements of the real games (``python -m benchmarks.parity alfworld`` prints the comparison),
    and played by the engine of ``ACT/ALFWorld-v0``: see there for rules and texts. Meant for
    development, tests and experiments that must run anywhere; results on it are not results on
    ALFWorld.

    Every game can be won. Splits: ``"train"``, ``"seen"`` (the rooms of ``train``, other games)
    and ``"unseen"`` (other rooms, and placements and tasks that ``train`` never has; see
    :mod:`act_envs.alfworld.generator`).

    ## Action Space
    As ``ACT/ALFWorld-v0``.

    ## Observation Space
    As ``ACT/ALFWorld-v0``.

    ## Starting State
    As ``ACT/ALFWorld-v0``.

    ## Rewards
    1 with the action that fulfils the task, else 0.

    ## Episode End
    Terminated when the task is fulfilled. Truncated after ``step_limit`` actions.

    ## Information
    As ``ACT/ALFWorld-v0``.

    ## Arguments
    - ``split``: ``"train"``, ``"seen"`` or ``"unseen"``.
    - ``games``: how many games each split has.
    - ``seed_of_games``: decides which games there are; the seed of ``reset`` only draws among them.
    - ``dialect``, ``either_dialect``, ``expert``, ``goal_conditions``, ``step_limit``,
      ``admissible``, ``render_mode``: as ``ACT/ALFWorld-v0``.

    ## Version History
    - v0: first version.

    Raises:
        UnknownArgument: an argument has a value that is not listed here.
        UnknownSplit: there is no such split.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        games: int = 1000,
        seed_of_games: int = 0,
        dialect: str = "modern",
        either_dialect: bool = False,
        expert: str = "explorer",
        goal_conditions: bool = False,
        step_limit: int | None = 50,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        simulator = NativeSimulator(
            "alfworld-gen",
            GeneratedGames(seed_of_games, games),
            dialect=dialect,
            either_dialect=either_dialect,
            expert=expert,
            goal_conditions=goal_conditions,
        )
        super().__init__(
            simulator,
            split=split,
            step_limit=step_limit,
            admissible=admissible,
            render_mode=render_mode,
            unknown=unknown,
        )
