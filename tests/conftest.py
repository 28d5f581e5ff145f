"""What may be skipped: parity tests without their original, and under REFERENCE=1 nothing.

A simulator that stopped working would otherwise take its tests with it, silently. Only tests that
wait for what the project never installs (files in ``ACT_DATA_DIR``, a javac) may skip everywhere.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
from typing import TypeVar

import pytest

from act_envs.errors import ActError
from act_envs.scienceworld import jre

Report = TypeVar("Report", pytest.CollectReport, pytest.TestReport)
REQUIRED = os.environ.get("REFERENCE", "") not in ("", "0")


def pytest_configure() -> None:
    """Let tests interrupt what they start, also in a job that a shell runs in the background.

    Such a job ignores SIGINT, and so would all that it starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here: see ``markers`` in ``pyproject.toml``."""
    for item in items:
        if item.get_closest_marker("scienceworld") and (reason := _no_scienceworld()):
            item.add_marker(pytest.mark.skip(reason=reason))
        mark = item.get_closest_marker("reference")
        if mark is None or REQUIRED:
            continue
        (package,) = mark.args
        if importlib.util.find_spec(package) is None:
            reason = f"needs the original simulator {package}. Run: make test REFERENCE=1"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """Under REFERENCE=1 a module that skips itself has failed."""
    return _forbid((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Under REFERENCE=1 a test that skips has failed."""
    return _forbid((yield))


@functools.cache
def _no_scienceworld() -> str:
    """Why ScienceWorld's simulator cannot run here, "" where it can."""
    try:
        jre.simulator_folder()
        jre.find_java()
    except ActError as error:
        return str(error)
    return ""


def _forbid(report: Report) -> Report:
    waits_for_user = any(name in str(report.longrepr) for name in ("ACT_DATA_DIR", "javac"))
    if REQUIRED and report.skipped and not waits_for_user:
        report.outcome = "failed"
        report.longrepr = f"REFERENCE=1 forbids skipping: {report.longrepr}"
    return report
