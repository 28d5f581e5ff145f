"""Of what the rows of an environment are made, and under which terms: ``licences.yaml``."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("licences.yaml")
OTHER = "other"
"""Stands for no licence that has a name."""


@dataclass(frozen=True, slots=True)
class Licence:
    """The terms of one source.

    Attributes:
        what: the source.
        spdx: SPDX id, or ``OTHER``.
        url: where it is from, ``""`` for this project's own.
    """

    what: str
    spdx: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the rows of an environment are made of.

    Attributes:
        holds: what is in them.
        licences: of the sources.
        like: what the worlds are generated after, ``""`` where they are not.
        redistribution: what somebody who passes rows on should know, ``""`` for nothing.
    """

    holds: str
    licences: tuple[Licence, ...]
    like: str = ""
    redistribution: str = ""


def terms(env_id: str) -> Terms | None:
    """The terms of an environment, None where nobody has written them down."""
    found = _all().get(env_id)
    if found is None:
        return None
    return Terms(**{**found, "licences": tuple(Licence(**one) for one in found["licences"])})


def spdx_ids(env_ids: Iterable[str]) -> list[str]:
    """The licences of some environments as the Hub names them, ``OTHER`` where one is not known."""
    known = [terms(env_id) for env_id in env_ids]
    ids = {one.spdx.lower() for found in known if found for one in found.licences}
    return sorted(ids | ({OTHER} if None in known else set()))


@functools.cache
def _all() -> dict[str, Any]:
    import yaml

    return yaml.safe_load(_FILE.read_text(encoding="utf-8"))
