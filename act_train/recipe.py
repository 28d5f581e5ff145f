"""Recipes: YAML files that say what a stage is told, and options that say it on a command line.

What can be told are the fields of dataclasses (:mod:`act_train.arguments`, and TRL's own).
Importing this module imports neither torch nor TRL; :func:`read` imports TRL's parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn, cast, get_origin, get_type_hints

from act_envs.errors import nearest
from act_train.errors import RecipeError


def read(argv: Sequence[str], *types: type, stage: str | None = None) -> tuple[Any, ...]:
    """Fill dataclasses from ``--config FILE`` and options; an option beats the file.

    Args:
        argv: command line without program and stage.
        types: dataclasses with distinct fields.
        stage: whose they are. A recipe may say so (``stage: critique``), and is refused by others.

    Returns:
        One instance per type.

    Raises:
        RecipeError: the file is missing or no YAML mapping, or of another stage, a key or an option
            is unknown, or a value is not accepted.
    """
    from trl import TrlParser  # pyright: ignore[reportPrivateImportUsage]

    class Parser(TrlParser):
        def error(self, message: str) -> NoReturn:  # argparse would print its usage and exit
            raise RecipeError(f"{message}.")

    path, options = _take_config(argv)
    known = {
        f.name: hints[f.name]
        for type_ in types
        for hints in [get_type_hints(type_)]
        for f in fields(type_)
        if f.init
    }
    config = {} if path is None else load(path)
    meant = config.pop("stage", stage)
    if stage is not None and meant != stage:
        raise RecipeError(f"{path} is a recipe of the stage {meant!r}, not of {stage!r}.")
    for key in config:
        if key not in known:
            raise RecipeError(f"{path}: unknown key {key!r}. {nearest(key, known)}")
    # Before parsing: a mistyped option would else be reported as one that is not set.
    _check_options(options, known)
    parser = Parser(cast(Any, types), allow_abbrev=False)
    # As text, values of the file pass the same conversions as options: 1e-6 is no float in YAML.
    parser.set_defaults_with_config(**{k: _as_option(v, known[k]) for k, v in config.items()})
    try:
        *found, rest = parser.parse_args_into_dataclasses(options, return_remaining_strings=True)
    except (TypeError, ValueError, ImportError) as error:  # how TRL's dataclasses refuse values
        raise RecipeError(f"{path or 'options'}: {error}") from error
    if rest:
        raise _unknown_option(rest[0], known)
    return tuple(found)


def _check_options(options: Sequence[str], known: Mapping[str, Any]) -> None:
    for option in options:
        name = option.removeprefix("--").partition("=")[0].replace("-", "_")
        # argparse gives a switch that is on by default a --no_NAME as well.
        if option.startswith("--") and not {name, name.removeprefix("no_")} & known.keys():
            raise _unknown_option(option, known)


def _unknown_option(option: str, known: Iterable[str]) -> RecipeError:
    flags = [f"--{name}" for name in known]
    return RecipeError(f"unknown option {option!r}. {nearest(option.partition('=')[0], flags)}")


def _as_option(value: Any, type_: Any) -> Any:
    """A value of the file in the form that the command line gives it."""
    if isinstance(value, int | float):
        value = str(value)
    if get_origin(type_) is list and isinstance(value, str):
        return [value]
    if type_ is str and isinstance(value, dict):
        return json.dumps(value)
    return value


def packaged() -> list[str]:
    """Names of the recipes that ship with the package, which ``--config`` takes like paths."""
    recipes = files("act_train").joinpath("recipes").iterdir()
    return sorted(entry.name for entry in recipes if entry.name.endswith(".yaml"))


def find(name: str) -> Path:
    """The file of a recipe, which is a path or the name of one that ships with the package.

    Raises:
        RecipeError: there is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(f"recipe {name!r} is a folder. Give the name of a file in it.")
    if name not in packaged():
        known = "Give the path of a file." if path.is_absolute() else nearest(name, packaged())
        raise RecipeError(f"recipe {name!r} does not exist. {known}")
    return Path(str(files("act_train").joinpath("recipes", name)))


def _take_config(argv: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The file behind ``--config FILE`` or ``--config=FILE``, and the other options."""
    options = [part for arg in argv for part in _separate(arg)]
    if "--config" not in options:
        return None, options
    at = options.index("--config")
    if at + 1 == len(options):
        raise RecipeError(
            "--config names no file. Give a path, or a recipe of the package: act-train --help."
        )
    return find(options[at + 1]), options[:at] + options[at + 2 :]


def _separate(arg: str) -> list[str]:
    return ["--config", arg.partition("=")[2]] if arg.startswith("--config=") else [arg]


def load(path: Path) -> dict[str, Any]:
    """What a recipe says, unchecked.

    Raises:
        RecipeError: it is no YAML mapping.
    """
    import yaml

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no YAML: {error}. Mend that line.") from error
    if not isinstance(config, dict):
        raise RecipeError(f"{path} must hold a YAML mapping of options, not {config!r:.60}.")
    return {str(key): value for key, value in config.items()}
