"""What became of all samples of a run of ``act-data mine``, which its pairs alone cannot tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from act_data.alternatives import FAULTS
from act_data.errors import DataNotFound
from act_data.runs.run import REQUEST, SUMMARY
from act_data.storage.tables import stream


def mining(run: Path) -> dict[str, Any]:
    """What became of all samples of an ``act-data mine`` run.

    Returns:
        As JSON can hold it, for the request of a build: ``env_ids``; ``policy``, ``revision`` and
        ``k``, the samples per state; and how many ``states`` were mined, with how many
        ``samples``, of which ``as_expert`` were the expert's action and ``faulty`` no action.

    Raises:
        DataNotFound, DataCorrupt, SchemaMismatch, UnfinishedRun: its pairs cannot be read, or it
            is no folder of such a run that has ended.
    """
    try:
        request, summary = (
            json.loads((run / name).read_text(encoding="utf-8")) for name in (REQUEST, SUMMARY)
        )
        if request["command"] != "mine":
            raise ValueError(f"a run of {request['command']}")
    except (OSError, ValueError, KeyError) as error:
        raise DataNotFound(
            f"{run} is no finished run of act-data mine ({error}). Give --mined such a folder."
        ) from error
    counts, policy = summary["counts"], request["policy"]
    return {
        "env_ids": sorted({row["env_id"] for row in stream(run, "pairs", "env_id")}),
        "policy": policy["name"],
        "revision": policy["revision"],
        "k": request["k"],
        "states": counts.get("states", 0),
        "samples": counts.get("samples", 0),
        "as_expert": counts.get("as_expert", 0),
        "faulty": sum(counts.get(name, 0) for name in FAULTS),
    }
