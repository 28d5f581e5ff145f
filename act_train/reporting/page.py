"""One self-contained HTML file from templates and tables: no script, no network.

What is shown is decided by its callers; the look of all pages is ``templates/page.html``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from act_envs.errors import MissingExtra


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of ``act_train/templates``; every value is escaped unless it is Markup.

    Raises:
        MissingExtra: jinja2 is not installed.
        jinja2.UndefinedError: the template names a value that is not given.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtra(
            'reports need jinja2. Run: pip install "agentic-critical-training[train]".'
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(files("act_train").joinpath("templates"))),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)
