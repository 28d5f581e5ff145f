"""A command as one would type it, made from its dataclass: the same text on every machine."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro

_ASIDE = ("progress", "workers", "ray")  # options that change no byte of what is made


def command_line(name: str, config: Any) -> str:
    """What a command is called with, for others to repeat it.

    Of paths the last part alone is shown: where a file lies is of no use to anybody else. Options
    that have their default value, or that make no difference to what is made, are left out.

    Args:
        name: of the command (``"build"``).
        config: its dataclass.
    """
    hints = get_type_hints(type(config), include_extras=True)
    words, options = [], []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in _ASIDE or value == field.default:
            continue
        hint = hints[field.name]
        if get_origin(hint) is Annotated and tyro.conf.Positional in get_args(hint):
            words += _words(value)
        elif isinstance(value, bool):
            options.append(f"--{'' if value else 'no-'}{field.name.replace('_', '-')}")
        else:
            options += [f"--{field.name.replace('_', '-')}", *_words(value)]
    return shlex.join(["act-data", name, *words, *options])


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for one in value:
            yield from _words(one)
    else:
        yield value.resolve().name if isinstance(value, Path) else str(value)
