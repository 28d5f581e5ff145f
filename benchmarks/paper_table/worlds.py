"""The worlds of the plan: where their data come from, how rows are evaluated, what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HELD_OUT = 0.25  # of the tasks, in all recipes
ROWS = ("il", "act+il", "il+rl", "act+il+rl")
"""Of the paper's rows those that are run in every world; the base is evaluated besides."""
UNJUDGED = ("il+env-rl", "act+il+env-rl")
"""Rows whose models have played all tasks, those held out for judges among them."""

EXPLORED = ("format", "format+il", "format+il+il", "format+act", "format+act+il")
"""Rows that are not the plan's, and are run where they are named."""


@dataclass(frozen=True)
class World:
    """One world.

    Attributes:
        env: registered environment.
        trajectories: of the environment's first expert, on tasks of the split train, as many of
            each kind.
        states: of theirs at which the base is asked.
        splits: evaluated ones, and how many tasks of each (None: all).
        step_limit: actions at most.
        shown: what stands in the report: split, measure (``won`` or ``score``), and which column of
            the paper's table is put beside it.
        seeds: how many are run.
        rows: those that are run; all of the plan if empty.
        env_kwargs: further arguments of the environment, in training and evaluation, as JSON.
        max_length: tokens of a row of supervised training.
        share: of the steps of each recipe that is trained.
        judged: on how many of the held-out pairs; None: all; 0 where rows are not judged, for the
            base has read all tasks of the split train.
        min_format_rate: below which critique is refused; as in its recipe if None.
        caution: what a reader of its numbers must know.
    """

    env: str
    trajectories: int
    states: int
    splits: Mapping[str, int | None]
    step_limit: int
    shown: tuple[tuple[str, str, str], ...]
    seeds: int = 3
    rows: tuple[str, ...] = ROWS
    env_kwargs: str = "{}"
    max_length: int = 1024
    share: float = 1.0
    judged: int | None = None
    min_format_rate: float | None = None
    caution: str = ""

    def played(self) -> list[dict[str, Any]]:
        """How a row is evaluated by play, as a pipeline takes it."""
        return [
            {
                "config": "nano_evaluate.yaml", "policy": "scored:{model}", "env": self.env,
                "env_kwargs": self.env_kwargs, "split": split, "limit": tasks,
                "step_limit": self.step_limit,
            }
            for split, tasks in self.splits.items()
        ]  # fmt: skip

    def judging(self) -> list[dict[str, Any]]:
        """How it is evaluated as a judge, if it is."""
        if self.judged == 0:
            return []
        return [{
            "stage": "judge", "pairs": "{data}/pairs", "history": 2,
            "validation_share": HELD_OUT,
            **({"max_pairs": self.judged} if self.judged else {}),
        }]  # fmt: skip


_ALFWORLD = ("alfworld-ood", "alfworld-id")
WORLDS: Mapping[str, World] = {
    "houses": World(
        "ACT/ALFWorldGen-v0", 800, 1600, {"unseen": 100, "seen": 50}, 30,
        (("unseen", "won", _ALFWORLD[0]), ("seen", "won", _ALFWORLD[1])),
        seeds=5, rows=(), env_kwargs='{"seed_of_games": 7}',  # houses that no pilot was run in
        caution="Unseen houses share rooms, two on average, and intervals draw houses: of other "
        "rooms they say less than it seems.",
    ),
    "alfworld": World(
        "ACT/ALFWorld-v0", 800, 1600, {"valid_unseen": None, "valid_seen": None}, 50,
        (("valid_unseen", "won", _ALFWORLD[0]), ("valid_seen", "won", _ALFWORLD[1])),
        caution="The unseen games are in four rooms, and intervals draw games: of other rooms they "
        "do not speak.",
    ),
    "webshop": World(
        "ACT/WebShop-v0", 800, 1600, {"test": 100}, 15,
        (("test", "score", ""), ("test", "won", "webshop")), max_length=3072,
        share=1 / 3, judged=300,  # prompts are six times as long as elsewhere
        caution="Tasks that are made from one product are alike, so that intervals draw products "
        "here, and not tasks.",
    ),
    "scienceworld": World(
        "ACT/ScienceWorld-v0", 400, 800, {"test": 60}, 30, (("test", "score", "scienceworld"),),
        max_length=2048, judged=0, min_format_rate=0.0,  # the base keeps it in 0.5 to 2 %
        caution="The gate before the ACT stage, which refuses a base that hardly ever keeps the "
        "format of the answers, is off here; intervals draw tasks, of which many are of one kind.",
    ),
}  # fmt: skip


def unit(task_id: str) -> str:
    """What tasks are drawn by: of WebShop's the product that they are made from, else each alone.

    Args:
        task_id: of the results; WebShop's are ``synthetic/PRODUCT/NUMBER``.
    """
    first, *rest = task_id.split("/")
    return rest[0] if first == "synthetic" else task_id
