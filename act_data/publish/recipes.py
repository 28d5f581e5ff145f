"""Recipes of datasets: which commands make one, with which options. Data, in ``act_data/recipes``.

A recipe is a YAML file::

    name: Contrast pairs of generated worlds  # of the dataset, for people
    sources:
      - collect: {env: ACT/ALFWorldGen-v0, limit: 100, state_hashes: true}
        mine:
          - {policy: random-admissible, k: 2}
          - {policy: hard-negative, k: 2}
        verify: {worlds: 8}
    build: {history: 2}

The options are those of ``act-data collect``, ``mine``, ``verify`` and ``build``, with ``_`` for
``-``. ``include: [alfworld, webshop]`` takes the sources of other recipes first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from act_data.collect import Collect
from act_data.mining import Mine
from act_data.publish.build import Build
from act_data.verify import Verify
from act_envs.errors import MissingExtra, UnknownArgument, nearest

RECIPES = Path(__file__).parent.parent / "recipes"

_COMMANDS = {"collect": Collect, "mine": Mine, "verify": Verify, "build": Build}
_GIVEN = {"out", "pairs", "trajectories", "mined", "workers", "ray", "progress"}
"""Options that no recipe sets: where things lie, and who does the work."""

_SAID = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number", NoneType: "null"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mining:
    """What a policy is asked, and how its pairs are verified.

    Attributes:
        mine: options of ``act-data mine``.
        verify: options of ``act-data verify``.
    """

    mine: Mapping[str, Any]
    verify: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ingredient:
    """What comes from one environment.

    Attributes:
        collect: options of ``act-data collect``.
        minings: of its trajectories, in the order in which the build takes them.
    """

    collect: Mapping[str, Any]
    minings: Sequence[Mining]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a dataset is made.

    Attributes:
        name: of the recipe.
        ingredients: in the order in which they are made.
        build: options of ``act-data build``, the name of the dataset among them.
    """

    name: str
    ingredients: Sequence[Ingredient]
    build: Mapping[str, Any]


def recipes() -> list[str]:
    """Names of the recipes that come with this package."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_recipe(name: str, within: Sequence[str] = ()) -> Recipe:
    """A recipe that comes with this package, or one's own.

    Args:
        name: its name, or the path of a YAML file.
        within: the recipes that include it.

    Raises:
        UnknownArgument: there is none, or it holds what no recipe can.
        MissingExtra: PyYAML is not installed.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else RECIPES / f"{name}.yaml"
    if not path.is_file():
        known = nearest(name, recipes())
        raise UnknownArgument(f"there is no recipe {name!r}. {known} A file of one's own: X.yaml.")
    if name in within:
        raise UnknownArgument(f"recipe {name!r} includes itself: {' > '.join((*within, name))}.")
    found = _loaded(path)
    _only(found, ("name", "include", "sources", "build"), path)
    ingredients = [
        one
        for other in _listed(found.get("include", []), path)
        for one in read_recipe(other, (*within, name)).ingredients
    ]
    for number, source in enumerate(_listed(found.get("sources", []), path)):
        where = f"{path}, sources[{number}]"
        _only(source, ("collect", "mine", "verify"), where)
        collect, verify = (
            _options(kind, source.get(kind) or {}, where) for kind in ("collect", "verify")
        )
        minings = [
            Mining(_options("mine", one, where), verify)
            for one in _listed(source.get("mine", []), where)
        ]
        if "env" not in collect or not minings:
            raise UnknownArgument(f"{where}: names no environment (collect: env), or no mine.")
        ingredients.append(Ingredient(collect, minings))
    if not ingredients:
        raise UnknownArgument(f"{path} has no sources. Name some, or include a recipe.")
    if found.get("name") is None:
        raise UnknownArgument(f"{path} gives the dataset no name. Add a line: name: ...")
    build = _options("build", {**(found.get("build") or {}), "name": found["name"]}, path)
    return Recipe(path.stem, ingredients, build)


def _loaded(path: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(
            'PyYAML is not installed. Run: pip install "agentic-critical-training[data]".'
        ) from error
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnknownArgument(
            f"{path} is no YAML ({' '.join(str(error).split())}). Mend that line."
        ) from error
    if not isinstance(found, dict):
        raise UnknownArgument(f"{path} holds no recipe: it must be a mapping with sources.")
    return found


def _options(command: str, given: Any, where: object) -> dict[str, Any]:
    """Options of a command as its dataclass takes them."""
    where = f"{where}, {command}"
    kinds = get_type_hints(_COMMANDS[command])
    _only(given, sorted({*kinds} - _GIVEN), where)
    found = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    if isinstance(found.get("env_kwargs"), dict):
        found["env_kwargs"] = json.dumps(found["env_kwargs"], sort_keys=True)
    for name, value in found.items():
        if not _fits(value, kinds[name]):
            raise UnknownArgument(
                f"{where}: {name} is {given[name]!r}, and must be {_said(kinds[name])}."
            )
    return found


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value from YAML can stand for an option of a type."""
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if get_origin(kind) is Literal:
        return value in parts
    if get_origin(kind) is tuple:
        each = parts[:1] * len(value) if parts[1:] == (...,) else parts
        return isinstance(value, tuple) and len(value) == len(each) and all(map(_fits, value, each))
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def _said(kind: Any) -> str:
    """What an option of a type must be, for people."""
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(map(_said, parts))
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, parts))
    if get_origin(kind) is tuple:
        count = "" if parts[1:] == (...,) else f" of {len(parts)}"
        return f"a list{count}, each {_said(parts[0])}"
    return _SAID[kind]


def _only(given: Any, known: Sequence[str], where: object) -> None:
    """Refuse what is no mapping of known names.

    Raises:
        UnknownArgument: with the nearest known name.
    """
    if not isinstance(given, dict):
        raise UnknownArgument(f"{where}: {given!r} must be a mapping with {', '.join(known)}.")
    for name in given:
        if name not in known:
            raise UnknownArgument(f"{where}: there is no {name!r}. {nearest(name, known)}")


def _listed(given: Any, where: object) -> list[Any]:
    if not isinstance(given, list):
        raise UnknownArgument(f"{where}: {given!r} must be a list.")
    return given
