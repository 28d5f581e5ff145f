"""What is told to what runs several stages: the demo and pipelines."""

from __future__ import annotations

from dataclasses import dataclass, field

from act_train.arguments.fields import option
from act_train.errors import RecipeError


@dataclass
class DemoArguments:
    """Where the demo works."""

    out: str = option("runs/demo", "Folder for all that the demo makes; an old one is continued.")


@dataclass
class PipelineArguments:
    """Which pipelines are run, and where."""

    pipelines: list[str] = field(
        default_factory=list,
        metadata={"help": "YAML files, or names of pipelines of the package; they share stages."},
    )
    out: str | None = option(None, "Folder of all stages, instead of the one that the file names.")
    set: list[str] = field(
        default_factory=list,
        metadata={"help": "NAME=VALUE, of what the file sets, such as benchmark=webshop."},
    )
    dry_run: bool = option(False, "Check all options and list the steps, but run none.")

    def __post_init__(self) -> None:
        if not self.pipelines:
            raise RecipeError("no pipeline is given. Name one: act-train pipeline FILE.yaml.")
