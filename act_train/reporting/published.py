"""The paper's numbers, as ``published.yaml`` holds them: typed, and never mixed with ours."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from act_envs.errors import MissingExtra, nearest
from act_train.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What a column of the paper is about.

    Attributes:
        title: its name in the paper.
        env: registered environment, ``""`` where it is none.
        splits: which splits stand for the paper's, the closest first.
        tasks: how many the paper has, None where it does not say.
    """

    title: str
    env: str = ""
    splits: tuple[str, ...] = ()
    tasks: int | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A published number as printed, in percent, with its standard deviation if there is one."""

    mean: str
    deviation: str = ""

    def __str__(self) -> str:
        return f"{self.mean} ± {self.deviation}" if self.deviation else self.mean


@dataclass(frozen=True, slots=True)
class Column:
    """A benchmark, and what of it is measured."""

    benchmark: str
    measure: str


@dataclass(frozen=True, slots=True)
class Published:
    """One table of the paper.

    Attributes:
        title: what it is.
        backbone: which model was trained.
        columns: what was measured.
        rows: for each method a number per column.
        names: of methods that this table calls by another name.
    """

    title: str
    backbone: str
    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[Number, ...]]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Paper:
    """All of it.

    Attributes:
        source: where it is from.
        benchmarks: by the names that columns use.
        methods: title of each row by its name.
        published_only: rows that stand for methods of others.
        tables: those of the paper.
        interventions: accuracy by what becomes of the rationale, in percent.
        intervened_pairs: on so many pairs.
        intervened_backbone: of this model.
    """

    source: str
    benchmarks: Mapping[str, Benchmark]
    methods: Mapping[str, str]
    published_only: frozenset[str]
    tables: tuple[Published, ...]
    interventions: Mapping[str, Number]
    intervened_pairs: int
    intervened_backbone: str

    def of(self, backbone: str) -> list[Published]:
        """The tables of one backbone.

        Raises:
            RecipeError: the paper has none for it.
        """
        found = [table for table in self.tables if table.backbone == backbone]
        if not found:
            known = {table.backbone for table in self.tables}
            raise RecipeError(f"the paper has no backbone {backbone!r}. {nearest(backbone, known)}")
        return found


@functools.cache
def paper() -> Paper:
    """The numbers of arXiv 2603.08706, both versions.

    Raises:
        MissingExtra: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(
            'PyYAML is not installed. Run: pip install "agentic-critical-training[train]".'
        ) from error
    text = files("act_train").joinpath("reporting", "published.yaml").read_text(encoding="utf-8")
    raw = yaml.load(text, Loader=yaml.BaseLoader)  # every scalar stays the text that it is
    tables = tuple(
        Published(
            table["title"],
            table["backbone"],
            tuple(Column(**column) for column in table["columns"]),
            {name: tuple(map(_number, row)) for name, row in table["rows"].items()},
            table.get("names", {}),
        )
        for table in raw["tables"]
    )
    interventions = raw["interventions"]
    return Paper(
        source=raw["source"],
        benchmarks={
            name: Benchmark(
                about["title"],
                about.get("env", ""),
                tuple(about.get("splits", ())),
                int(about["tasks"]) if "tasks" in about else None,
            )
            for name, about in raw["benchmarks"].items()
        },
        methods=raw["methods"],
        published_only=frozenset(raw["published_only"]),
        tables=tables,
        interventions={name: Number(value) for name, value in interventions["rows"].items()},
        intervened_pairs=int(interventions["pairs"]),
        intervened_backbone=interventions["backbone"],
    )


def _number(value: str | list[str]) -> Number:
    return Number(*value) if isinstance(value, list) else Number(value)
