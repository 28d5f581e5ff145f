"""``ACT/ScienceWorld-v0``. The docstring of the class is the documentation page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from act_envs.base import TextEnv
from act_envs.errors import UnknownArgument, nearest
from act_envs.protocol import Simulator
from act_envs.scienceworld import panels
from act_envs.scienceworld.reference import ReferenceSimulator
from act_envs.scienceworld.simulator import NativeSimulator

BACKENDS = ("native", "reference")


class ScienceWorldEnv(TextEnv):
    """Elementary-science experiments in a simulated house.

    ## Description

    The agent stands in a house of ten places (kitchen, workshop, greenhouse, outside, ...) with
    about 200 kinds of objects, and physics to go with them: heat, states of matter, electricity,
    plants, animals, genetics, friction, chemistry. It is given one of 30 tasks of an elementary
    school's curriculum, each in 10 to 1,386 variations: boil a substance, find out whether
    something conducts, grow a fruit, mix a colour.

    From Wang et al., *ScienceWorld: Is your Agent Smarter than a 5th Grader?* (EMNLP 2022,
    https://arxiv.org/abs/2203.07540). This environment plays upstream's own simulator (package
    ``scienceworld`` 1.2.3, Apache-2.0) in a Java process that starts at the first ``reset``, and
    that all environments of a Python process share, each with a world of its own in it. Upstream's
    Python package is only needed for its jar; it stays reachable as ``backend="reference"``.

    Snapshots, and the starts of tasks, are saved in that process: the 128 that were used last.
    What was not kept, or was taken in another process, is restored by replay, some milliseconds
    for each action. Either way the same future follows.

    A task is named by upstream's task name and variation: ``"boil/21"``. The splits are the
    official ones: ``"train"`` (3,592 tasks), ``"dev"`` (1,796) and ``"test"`` (1,819).

    *Panels* are the lists of tasks that papers train and report on, by name and with their caps.
    Their tasks keep their official split, also where the paper mixes splits:
    ``act-envs tasks scienceworld --check-leaks`` reports what should be disjoint and is not.

    | panel           | tasks | steps     | simplifications | metric                | from         |
    |-----------------|-------|-----------|-----------------|-----------------------|--------------|
    | ``"eto-train"`` | 1,483 | 10 to 120 | ``easy``        |                       | ETO          |
    | ``"eto-dev"``   | 194   | 10 to 120 | ``easy``        | mean of ``max_score`` | ETO          |
    | ``"eto-test"``  | 211   | 10 to 120 | ``easy``        | mean of ``max_score`` | ETO          |
    | ``"agentgym"``  | 4,639 | 30        | none            | mean of ``raw_score`` | AgentGym     |
    | ``"test-10"``   | 271   | 100       |                 |                       | SwiftSage    |
    | ``"ood-train"`` | 2,684 | 100       |                 |                       | this project |
    | ``"ood-test"``  | 56    | 100       |                 |                       | this project |

    - ETO (https://arxiv.org/abs/2403.02502): 24 kinds of task, each with its own cap. 54 tasks are
      both in its train and its dev list, and 357 of its train list are of the official dev split.
      It also ended an episode after 200 of upstream's moves, which nothing does here.
    - AgentGym (https://arxiv.org/abs/2406.04151): the pool of all variations of 23 kinds that its
      server draws from, test split included, in the order of its numbers (with upstream 1.2.3):
      item ``sciworld_N`` is ``tasks("agentgym")[N]``. It also ended an episode after 100 of
      upstream's moves. Which 2,120 it trains on and which 200 it
      tests on is published with its data and not listed here.
    - ``test-10`` (https://arxiv.org/abs/2305.17390 and others): the first ten test variations of
      every kind, or all where there are fewer.
    - ``ood-train``, ``ood-test``: the train split without chemistry and inclined planes, and the
      first ten test variations of every kind of these two. They share the house and its commands
      with the others, and nothing that is to be made or found; materials of planes (lead,
      chocolate) are substances elsewhere.

    ## Action Space

    Any line of text. Upstream's parser knows 26 forms (``open OBJ``, ``go to LOC``, ``pick up
    OBJ``, ``move OBJ to OBJ``, ``pour OBJ in OBJ``, ``connect OBJ to OBJ``, ``use OBJ on OBJ``,
    ``focus on OBJ``, ``look around``, ``wait``, ...), and ``teleport to LOC`` with that
    simplification. Case, runs of blanks and the articles a, an and the do not matter. The command
    ``help`` lists the forms, ``objects`` the things that can be named here, ``task`` the goal;
    none of the three takes time in the simulated world. All count as steps.

    *Questions.* When a text fits several things, the simulator asks: ``Ambiguous request: Please
    enter the number for the action you intended ...``. Then the admissible actions are the numbers
    ``0``, ``1``, ...; any other text (except the three commands) cancels the question, is itself
    lost, and time passes. A blank line never reaches the simulator and leaves the question open.

    ``focus on OBJ`` declares the thing that the task is about; on a wrong thing it ends the
    episode. ``reset task`` undoes the focus and the progress, not the world: the score falls back
    to what the bare state is worth, with a negative reward, so that rewards sum to the score.

    ## Observation Space

    Upstream's text, unchanged: what the action did, or what is seen. At ``reset``: what ``look
    around`` shows in the first room. Texts that the parser does not know are answered
    ``No known action matches that input.``

    ## Starting State

    The house of the variation, the same at every ``reset``; plants, animals and random names
    follow from the variation too, and from the actions, never from the seed of the environment.
    The seed only decides which task ``reset`` draws.

    ## Rewards

    The increment of ``score``, which is upstream's score (0 to 100, or -100 after a wrong focus)
    divided by 100 and clipped to [0, 1]. Upstream scores the subgoals of a task. What the starting
    state of some tasks is worth already (0.01 or so) is paid with the first action: at ``reset``
    the score is 0, and ``raw_score`` is upstream's.

    ## Episode End

    Terminated when the task is done (``won``), or failed by a wrong focus (``failed``, score 0,
    ``raw_score`` -100). Truncated after ``step_limit`` steps. Upstream's own count of moves
    ends nothing.

    ## Information

    The keys of :class:`act_envs.types.StepInfo`. Of these, here:

    - ``goal``: upstream's task description, runs of blanks made one.
    - ``raw_score``: upstream's score, 0 to 100, or -100.
    - ``score`` and ``max_score``: the score now, and the highest so far. The literature reports
      either: a wrong focus loses the first, not the second.
    - ``look`` and ``inventory``: what the commands ``look around`` and ``inventory`` would show,
      as upstream's package reports it.
    - ``question``: the choices that the simulator asks to choose from, ``()`` when it asks nothing;
      choice 2 is taken by the action ``"2"``.
    - ``moves``: upstream's own count, in which one ``wait`` is ten moves or more, and looking,
      being asked back and garbage are none. ``step`` counts every action.
    - ``action_valid``: the parser knew the text: as an action (also one that could not be done,
      like opening what is locked), as a request that it asked back about, as one of the three
      commands, or as an answer that it had offered.
    - ``admissible_actions`` (with ``admissible=True``): upstream's valid actions, each once, in the
      order of their characters; 400 to 4,000 of them. Upstream names some things (cups of paint,
      bees, the sewer) in ways that its own parser does not know, so some of these are refused
      (``action_valid`` False): nothing to about half of a random walk, depending on the room.
      They cost more than the step itself, and contain ``reset task``. Asking for them changes
      nothing; in upstream's Python package it moves the random numbers of the episode (the bees
      outside fly elsewhere).

    The expert (``expert_action``) is upstream's gold path, known only while the episode has
    followed it from the start. Finding it takes seconds at the first question for a task. It does
    not always win: of 270 that were played here and by upstream, one did not, in either
    (``freeze/11`` with ``easy``).

    ## Arguments

    - ``split`` (``"train"``): the split or panel that ``reset`` draws from.
    - ``backend`` (``"native"``): or ``"reference"``, upstream's Python package, unchanged:
      slower, a Java process for each environment, snapshots restored by replay. There each
      step lists the valid actions, which draws random numbers.
    - ``simplifications`` (none): upstream's names, as a sequence or separated by commas:
      ``teleportAction``, ``selfWateringFlowerPots``, ``openContainers``, ``openDoors``,
      ``noElectricalAction``, or ``easy`` alone. ``easy`` stands for teleportAction, openDoors,
      selfWateringFlowerPots and, except in electrical tasks, noElectricalAction; not for
      openContainers. With ``noElectricalAction`` named, the electrical tasks
      (``power-component...``, ``test-conductivity...``) cannot be solved: they are not among
      ``tasks()``, and naming one is an ``UnknownTask``.
    - ``step_limit`` (``"panel"``): steps after which an episode is truncated. ``"panel"`` stands
      for the caps of the panel that ``split`` names, and for 100 with an official split and for
      kinds of task that are not in the panel; else a number, a mapping that has one for every
      kind of task, or None for no limit.
    - ``java_options`` (none): further options of Java, as a sequence or separated by blanks, such
      as ``-Xmx512m``; a larger heap than ours (256 MB, for 128 saved states) keeps more states in
      memory. Environments share a process where these are equal.
    - ``own_process`` (False): a Java process for this environment alone, so that environments in
      several threads run at the same time.
    - ``admissible`` (False): put ``admissible_actions`` into every ``info``.
    - ``render_mode`` (None): ``"ansi"`` or None.

    ## Version History

    - v0: first version; upstream 1.2.3.

    Raises:
        UnknownArgument: the backend, a simplification or an argument is unknown.
        UnknownSplit: there is no such split or panel.
        MissingExtra: the ``scienceworld`` package is not installed.
    """

    slow = True

    def __init__(
        self,
        split: str = "train",
        *,
        backend: str = "native",
        simplifications: str | Sequence[str] = (),
        step_limit: int | Mapping[str, int] | Literal["panel"] | None = "panel",
        java_options: str | Sequence[str] = (),
        own_process: bool = False,
        admissible: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            _simulator(backend, simplifications, java_options, own_process),
            split=split,
            step_limit=panels.step_limits(split)
            if isinstance(step_limit, str) and step_limit == "panel"
            else step_limit,
            admissible=admissible,
            render_mode=render_mode,
            unknown=unknown,
        )


def _simulator(
    backend: str,
    simplifications: str | Sequence[str],
    java_options: str | Sequence[str],
    own_process: bool,
) -> Simulator:
    if backend not in BACKENDS:
        raise UnknownArgument(f"unknown backend {backend!r}. {nearest(backend, BACKENDS)}")
    if not isinstance(own_process, bool):
        raise UnknownArgument(f"own_process must be True or False, not {own_process!r}.")
    options = java_options.split() if isinstance(java_options, str) else java_options
    if not isinstance(options, Sequence) or not all(
        isinstance(option, str) and option.startswith("-") for option in options
    ):
        raise UnknownArgument(
            f"java_options are options of the java command, such as '-Xmx512m', not {options!r}."
        )
    if backend == "native":
        return NativeSimulator(simplifications, java_options=options, own_process=own_process)
    if options or own_process:
        raise UnknownArgument("the original has no java_options and no own_process.")
    return ReferenceSimulator(simplifications)
