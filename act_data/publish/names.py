"""Names on the Hub: what a repository and a tag can be called."""

from __future__ import annotations

import re

from act_data.publish.contents import hub_clients
from act_envs.errors import UnknownArgument

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


def check_names(repo: str, tag: str | None) -> None:
    """Refuse names that the Hub would not take.

    Raises:
        UnknownArgument: with the form that is asked for.
        MissingExtra: the Hub's client is not installed.
    """
    hub_clients()
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
        fine = repo.count("/") == 1
    except HFValidationError:
        fine = False
    if not fine:
        raise UnknownArgument(
            f"repo={repo!r} is no name of a dataset. Give org/name or user/name, of letters, "
            "digits and single '-', '_' or '.'."
        )
    if tag is None:
        return
    if not _NAME.fullmatch(tag) or ".." in tag or tag.endswith((".", ".lock")) or tag == "main":
        raise UnknownArgument(
            f"tag={tag!r} is no name of a tag. Give one such as v1, of letters, digits, '-', '_' "
            "and '.'."
        )
