"""What the rows took: updates, prompts, tokens and processor time, from the records of steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from act_data.models import NANO_BASE
from act_train.errors import ResultMismatch
from act_train.reporting.sections import Section, Table
from benchmarks.paper_table.naming import title
from benchmarks.paper_table.paired import Line

Records = Mapping[str, Any]  # of ``steps.json``


def check_recorded(found: Mapping[str, Iterable[Line]], records: Records) -> None:
    """Refuse lines of steps that nothing is known of.

    Raises:
        ResultMismatch: there are some.
    """
    for name, lines in found.items():
        made = {line[key] for line in lines for key in ("step", "model")} - {NANO_BASE}
        if missing := sorted(made - records.keys()):
            raise ResultMismatch(
                f"steps.json tells nothing of {len(missing)} steps of {name}, such as "
                f"{missing[0]}. Take it from where the other results are from."
            )


def hours(lines: Iterable[Line], records: Records, *, by_clock: bool = False) -> float:
    """Of all steps that these lines came of; where no CPU time was noted, by the clock.

    Args:
        lines: of the results.
        records: of the steps.
        by_clock: of these steps alone.
    """
    steps: dict[str, Any] = {}
    for step, model in {(line["step"], line["model"]) for line in lines}:
        steps |= {step: records.get(step, {})} | stages_of(model, records)
    return (
        sum(
            one.get("cpu_seconds") or one.get("seconds", 0)
            for one in steps.values()
            if not (by_clock and one.get("cpu_seconds"))
        )
        / 3600
    )


def costs(
    name: str, rows: Iterable[str], lines: Sequence[Line], records: Records
) -> Iterator[Section]:
    """A table of what training the rows of a world took, if any of it is known."""
    processors = sorted(
        {
            _processor(one)
            for model in {line["model"] for line in lines}
            for one in stages_of(model, records).values()
        }
        - {""}
    )
    if cells := list(_cells(rows, lines, records, processors)):
        header = ("row", "updates", "prompts", "epochs, by stage", "tokens, millions", *processors)
        table = Table(
            "Of all stages of a row", header, cells,
            groups=(("", 5), ("core-minutes:", len(processors))) if processors else (),
        )  # fmt: skip
        yield Section(
            f"{name}: what training a row took",
            (
                "The row's stages together; means over seeds (core-minutes: over those of the "
                "processor). Epochs are of what the stage trains on, from the first stage to the "
                "last; of a seed, every imitation takes the same prompts in the same order, and so "
                "does every RL stage. A prompt of critique and act-rl is "
                "counted in tokens once for each of its eight answers, though it is computed once "
                "for all. A prompt of multi-turn RL is a task, played eight times; its tokens are "
                "not told, for what the model reads within an episode is not counted. "
                "Core-minutes are of the whole processes, with start-up and measurements, where "
                "they were noted of every stage.",
            ),
            (table,),
        )


def _cells(
    rows: Iterable[str], lines: Sequence[Line], records: Records, processors: Sequence[str]
) -> Iterator[list[str]]:
    for row in rows:
        models = sorted({line["model"] for line in lines if line["row"] == row})
        of_seeds = [made for model in models if (made := [*stages_of(model, records).values()])]
        if not of_seeds:  # a model that no stage made
            continue
        first = [one["options"] for one in of_seeds[0]]  # the same in all seeds
        tokens = _sums(of_seeds, _tokens)
        spent: dict[str, list[float]] = defaultdict(list)
        for made in of_seeds:
            (processor, *others) = {_processor(one) for one in made}
            if not others:
                spent[processor] += _sums([made], lambda one: one.get("cpu_seconds"))
        yield [
            title(row), f"{sum(told['max_steps'] for told in first)}",
            f"{sum(map(_prompts, first)):,}", _epochs(of_seeds[0]),
            f"{fmean(tokens) / 1e6:.2f}" if tokens else "–",
            *(f"{fmean(spent[one]) / 60:.0f}" if spent[one] else "–" for one in processors),
        ]  # fmt: skip


def _epochs(stages: Iterable[Any]) -> str:
    """Of the stages, the last of which is named first."""
    found = [one["metrics"].get("epoch") for one in stages]
    return ", ".join("–" if one is None else f"{one:.2f}" for one in reversed(found))


def made_by(lines: Iterable[Line], records: Records) -> str:
    """Which processor computed which seeds, as far as that was noted."""
    found: dict[str, set[int]] = defaultdict(set)
    for seed, step, model in {(line["seed"], line["step"], line["model"]) for line in lines}:
        for record in (records.get(step, {}), *stages_of(model, records).values()):
            if seed is not None and (processor := _processor(record)):
                found[processor].add(seed)
    return "; ".join(
        f"{processor} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, sorted(seeds)))})"
        for processor, seeds in sorted(found.items())
    )


def stages_of(model: str, records: Records) -> dict[str, Any]:
    """The records of the stages that made a model, the last one first."""
    found = {}
    while model in records:
        found[model] = records[model]
        model = records[model]["inputs"]["model"]
    return found


def _processor(record: Any) -> str:
    return record.get("hardware", {}).get("processor", "")


def _sums(of_seeds: Iterable[Sequence[Any]], value: Callable[[Any], float | None]) -> list[float]:
    """Of the stages of each seed, without seeds in which it is not known of all of them."""
    found = ([value(one) for one in stages] for stages in of_seeds)
    return [sum(filter(None, values)) for values in found if None not in values]


def _tokens(record: Any) -> float | None:
    """TRL counts of an episode the first prompt and what the model writes."""
    return None if record["stage"] == "env-rl" else record["metrics"].get("num_tokens")


def _prompts(options: Mapping[str, Any]) -> int:
    answers = options["per_device_train_batch_size"] * options.get("gradient_accumulation_steps", 1)
    return options["max_steps"] * answers // options.get("num_generations", 1)
