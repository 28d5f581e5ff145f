"""Parity tests compare with the original simulators; REFERENCE=1 forbids skipping them."""

from __future__ import annotations

import importlib.util
import os

import pytest

REQUIRED = os.environ.get("REFERENCE", "") not in ("", "0")
REASON = "parity tests need the original simulators (extra `reference`). Run: make test REFERENCE=1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip parity tests where the originals are not asked for."""
    installed = importlib.util.find_spec("textworld") is not None
    for item in items:
        if item.get_closest_marker("reference") and not (REQUIRED or installed):
            item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Under REFERENCE=1 a parity test that skips has failed."""
    report = yield
    if REQUIRED and report.skipped and item.get_closest_marker("reference"):
        report.outcome = "failed"
        report.longrepr = f"REFERENCE=1 forbids skipping: {report.longrepr}"
    return report
