"""A plan in words: a table of what it says, of what it assumes, and of what it cannot say."""

from __future__ import annotations

from collections.abc import Iterator

from act_train.planning.arguments import PlanArguments
from act_train.planning.batches import rows_of_a_step
from act_train.planning.findings import Plan
from act_train.planning.lengths import SAMPLE, quantile
from act_train.planning.memory import Memory

_WIDTH = 12


def table(plan: Plan, arguments: PlanArguments) -> list[str]:
    """The lines of a table, with a name before each."""
    return [f"{name:<{_WIDTH}}{text}" for name, text in _lines(plan, arguments)]


def _lines(plan: Plan, arguments: PlanArguments) -> Iterator[tuple[str, str]]:
    yield "stage", f"act-train {plan.planned.stage}"
    yield "machine", _machine(plan)
    yield from _model(plan, arguments)
    yield from _data(plan)
    yield from _batches(plan)
    if plan.memory:
        yield from _memory(plan, plan.memory)
    yield from _tokens(plan, arguments)
    if plan.seconds:
        yield from _hours(plan, plan.seconds, arguments)
    if plan.saves:
        count, size = plan.saves
        yield "disk", f"{_gb(size)}: the model, and up to {count} checkpoints side by side"
    for name, said in (("note", plan.notes), ("not known", plan.unknown), ("wrong", plan.wrong)):
        yield from ((name, text) for text in said)


def _machine(plan: Plan) -> str:
    launch = plan.launch
    how = "plain" if not launch.deepspeed else f"ZeRO-{launch.zero}"
    if launch.offload:
        how += ", states of the optimizer in the memory of the machine"
    name = f" ({launch.name})" if launch.name else ""
    each = f"{plan.gpu.name}, {_gb(plan.gpu.memory)} each"
    return f"{launch.processes} process(es) on {each}; {how}{name}"


def _model(plan: Plan, arguments: PlanArguments) -> Iterator[tuple[str, str]]:
    shape = plan.shape
    if shape is None:
        return
    trained = "all of them trained"
    if shape.trainable < shape.parameters:
        share = shape.trainable / shape.parameters
        trained = f"{_many(shape.trainable)} of them trained ({share:.2%})"
    like = f", as {arguments.config_of}" if arguments.config_of else ""
    context = f"; made for {shape.context:,} tokens" if shape.context else ""
    name = f"{plan.planned.origin}{like}"
    yield "model", f"{name}: {_many(shape.parameters)} parameters, {trained}{context}"


def _data(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.rows:
        yield "data", f"{plan.rows[0]:,} rows to train on, {plan.rows[1]:,} to measure on"
    if not plan.lengths:
        return
    of = f" (of {SAMPLE:,} rows, evenly spread)" if len(plan.lengths) == SAMPLE else ""
    prompts = [one.prompt for one in plan.lengths]
    yield "prompts", f"{_spread(prompts)} tokens{of}"
    if not plan.generates:
        yield "rows", f"{_spread([one.whole for one in plan.lengths])} tokens with their answers"
    if plan.limit is not None:
        share = plan.long / len(plan.lengths)
        what = "prompts" if plan.generates else "rows"
        yield "limit", f"{plan.limit:,} tokens, which {share:.1%} of the {what} do not keep"


def _batches(plan: Plan) -> Iterator[tuple[str, str]]:
    training = plan.training
    rows = rows_of_a_step(training)
    said = f"{rows:,} rows in a step"
    if plan.generates:
        group = training.num_generations
        said = f"{rows:,} answers to {rows / group:g} prompts in a step, {group} to each"
    yield "batch", said
    if plan.steps:
        each = f"{plan.steps.each_epoch:,} in an epoch, " if plan.rows else ""
        yield "steps", f"{each}{plan.steps.total:,} in all"


def _memory(plan: Plan, memory: Memory) -> Iterator[tuple[str, str]]:
    yield "memory", f"{_gb(memory.peak)} of {_gb(plan.gpu.memory)} {plan.gpu.each} at the peak"
    held = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
        "reference model": memory.reference,
        "engine": memory.reserved,
    }
    yield "", f"always {_gb(memory.held)}: {_parts(held)}"
    kept = "activations, one layer at a time" if plan.checkpointing else "activations"
    learning = {
        kept: memory.activations, "logits": memory.logits,
        "gathered weights": memory.gathered[0],
    }  # fmt: skip
    yield "", f"and while it learns: {_parts(learning)}"
    if memory.cache:
        answering = {"cache": memory.cache, "gathered weights": memory.gathered[1]}
        yield "", f"and while it answers: {_parts(answering)}"


def _tokens(plan: Plan, arguments: PlanArguments) -> Iterator[tuple[str, str]]:
    work = plan.work
    if not work.learnt:
        return
    one = "" if plan.steps else ", in one step"
    said = [f"{_many(work.learnt)} learnt from", f"{_many(work.forwarded)} only computed"]
    if plan.generates:
        said.append(f"{_many(work.generated)} generated")
    yield "tokens", f"{', '.join(said)}{one}"
    if plan.shares:
        saved = plan.plain.learnt / work.learnt
        yield "", (
            f"{_many(plan.plain.learnt)} with prompts computed anew for every answer, {saved:.1f} "
            "times as many"
        )  # fmt: skip
    if plan.group:
        given = "" if arguments.answer_tokens else ", the longest there can be"
        yield "assumed", f"{plan.group.answer:,.0f} tokens in an answer{given} (--answer_tokens)"
    if not plan.lengths:
        what = "prompt" if plan.generates else "row"
        longest = plan.training.max_length if not plan.generates else None
        most = f", {longest:,} in the longest" if longest else ""
        yield "assumed", f"{arguments.prompt_tokens:,} tokens in a {what} (--prompt_tokens){most}"


def _hours(
    plan: Plan, seconds: tuple[float, float], arguments: PlanArguments
) -> Iterator[tuple[str, str]]:
    one = "" if plan.steps else " for one step"
    total = sum(seconds)
    parts = f"{time(seconds[0])} to compute"
    if plan.generates:
        parts += f", at least {time(seconds[1])} to generate"
    yield f"{plan.gpu.unit} time", f"about {time(total)}{one}: {parts}"
    yield "", f"on {plan.launch.processes} at once {time(total / plan.launch.processes)}"
    yield "assumed", f"{arguments.utilisation:.0%} of the peak is reached (--utilisation)"
    yield (
        "",
        "6 N operations for a token learnt from, 2 N for one only computed, 2 N for activations",
    )
    yield "", "computed again; weights and cache read once for a token of all answers of a batch"


def _parts(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {_gb(size)}" for name, size in parts.items() if size)


def _spread(values: list[int]) -> str:
    return (
        f"median {quantile(values, 0.5):,}, 99 of 100 within {quantile(values, 0.99):,}, longest "
        f"{max(values):,}"
    )


def _many(count: float) -> str:
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count:,.0f}"


def _gb(size: float) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 1e3:.3g} kB"


def time(seconds: float) -> str:
    """Seconds in words."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:,.3g} {name}"
    return f"{seconds:.2g} s"
