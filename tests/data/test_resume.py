"""Killed at random moments and run again, as ``benchmarks.resume`` does it by the hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("psutil", reason="needs the extra bench")

from benchmarks.resume import in_peace, killed


def test_killed_with_its_workers_and_run_again(tmp_path: Path) -> None:
    peaceful = in_peace("ACT/Toy-v0", "fetch:12", tmp_path, numbers=[2])
    counts = killed(peaceful["mine"], workers=2, count=4, seed=0)
    assert counts.pop("runs") >= 1
    assert counts == {"kills": 4, "other bytes": 0, "errors": 0, "left over": 0}
