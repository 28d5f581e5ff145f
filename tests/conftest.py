"""Parity tests compare with the original simulators; REFERENCE=1 forbids skipping them."""

from __future__ import annotations

import importlib.util
import os

import pytest

REQUIRED = os.environ.get("REFERENCE", "") not in ("", "0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip parity tests whose original is not installed: ``@pytest.mark.reference(PACKAGE)``."""
    for item in items:
        mark = item.get_closest_marker("reference")
        if mark is None or REQUIRED:
            continue
        (package,) = mark.args
        if importlib.util.find_spec(package) is None:
            reason = f"needs the original simulator {package}. Run: make test REFERENCE=1"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Under REFERENCE=1 a parity test that skips has failed."""
    report = yield
    if REQUIRED and report.skipped and item.get_closest_marker("reference"):
        report.outcome = "failed"
        report.longrepr = f"REFERENCE=1 forbids skipping: {report.longrepr}"
    return report
