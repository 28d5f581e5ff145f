"""``act-train``: one subcommand per stage, each of them ``--config RECIPE.yaml [--key value]``.

Help is printed from the dataclasses of :mod:`act_train.arguments`; torch and TRL are imported when
a stage runs.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym

from act_data import terminal
from act_envs.errors import ActError, nearest
from act_train import recipe
from act_train.stages import STAGES, Stage, missing, types_of

_GO_ON = (["evaluate"], ["pipeline"], ["demo"])  # keep what they have done, whatever is set


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``act-train``.

    Args:
        argv: arguments without the program's name; the process's own by default.

    Returns:
        The exit status: 0, 2 for a mistake of the caller, 130 after an interrupt.
    """
    terminal.prepare()
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        answer = _answer(words)
    except (ActError, gym.error.Error, OSError) as error:
        return terminal.failed(error)
    except KeyboardInterrupt:
        goes_on = ": the same command goes on from here." if words[:1] in _GO_ON else ""
        print(f"\ninterrupted{goes_on}", file=sys.stderr)
        return 130
    return terminal.answer(answer)


def _answer(arguments: Sequence[str]) -> str:
    """What is printed on stdout, after the work."""
    if not arguments or arguments[0] in ("-h", "--help"):
        return f"{_overview()}\n"
    name, *options = arguments
    if name not in STAGES:
        raise recipe.RecipeError(f"unknown stage {name!r}. {nearest(name, STAGES)}")
    if {"-h", "--help"} & set(options):
        return f"{_help(name)}\n"
    report = _run(name, options)
    speaks = int(os.environ.get("RANK", "0")) == 0  # of several processes, one
    return f"{_said(STAGES[name], report)}\n" if speaks else ""


def _run(name: str, options: Sequence[str]) -> Mapping[str, Any]:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    stage = STAGES[name]
    try:
        arguments = recipe.read(_spelled_out(options, stage.operand), *types_of(stage), stage=name)
        module = importlib.import_module(f"act_train.{stage.module}")
    except ModuleNotFoundError as error:
        raise missing(error) from error
    report = module.run(*arguments)
    _leave_the_others()
    return report


def _leave_the_others() -> None:
    """Close what joins this process with others of a launch, while the interpreter lives.

    Threads of gloo that still hold tensors when it ends would abort a process whose work is done:
    see https://github.com/pytorch/pytorch/pull/179291. One that has failed does not come here, for
    the others may be waiting for it, and closing would wait for them.
    """
    distributed = sys.modules.get("torch.distributed")  # loading it for this would take seconds
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _spelled_out(options: Sequence[str], operand: str) -> list[str]:
    """Options with a name for each: ``A B --out C`` as ``--runs A B --out C``."""
    named = next((at for at, word in enumerate(options) if word.startswith("-")), len(options))
    return [f"--{operand}", *options] if operand and named else list(options)


def _overview() -> str:
    stages = "\n".join(f"  {name:<12}{stage.summary}" for name, stage in STAGES.items())
    recipes = "\n".join(f"  {name}" for name in recipe.packaged())
    return (
        "usage: act-train STAGE --config RECIPE.yaml [--key value ...]\n\n"
        f"stages (act-train STAGE --help lists the keys):\n{stages}\n\n"
        f"recipes of the package, which --config takes by name:\n{recipes}"
    )


def _help(name: str) -> str:
    stage = STAGES[name]
    words = f"{stage.operand.upper()} ... " if stage.operand else "--config RECIPE.yaml "
    lines = [f"usage: act-train {name} {words}[--key value ...]", "", stage.summary]
    for type_ in stage.arguments:
        lines += ["", f"{(type_.__doc__ or '').splitlines()[0]}"]
        for field in dataclasses.fields(type_):
            default = "" if field.default in ("", None, dataclasses.MISSING) else field.default
            shown = f" [{default}]" if default != "" else ""
            lines.append(f"  {field.name:<20}{field.metadata['help']}{shown}")
    if stage.trl_config:
        lines += ["", f"Every field of trl.{stage.trl_config} is a key as well."]
    return "\n".join(lines)


def _said(stage: Stage, report: Mapping[str, Any]) -> str:
    if stage.words:
        return importlib.import_module(f"act_train.{stage.module}").words(report)
    return _table(report)


def _table(report: Mapping[str, Any]) -> str:
    numbers = {name: value for name, value in report.items() if not _rows(value)}
    width = max((len(name) for name in numbers), default=0)
    return "\n".join(f"{name:<{width}}  {_shown(value)}" for name, value in numbers.items())


def _rows(value: object) -> bool:
    """A list that only a file has room for."""
    return isinstance(value, list) and (
        len(value) > 8 or any(isinstance(one, list) for one in value)
    )


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)


if __name__ == "__main__":  # accelerate launch -m act_train.cli
    sys.exit(main())
