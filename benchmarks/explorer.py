"""How long pages of ``act-data explore`` take: ``python -m benchmarks.explorer [--quick]``.

A hundred thousand pairs: verified ones of generated ALFWorld games, repeated with ids of their own
and with alternatives made all different, as a model's free text might be (equal texts are searched
once, and would flatter the search). They are built as ``act-data build`` stores them, in one config
and parts of 8,192 pairs, and asked for over HTTP by the clock, as a browser does.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from act_data.collect import Collect, collect
from act_data.explore.site import create_app
from act_data.mining import Mine, mine
from act_data.storage.holdings import find_holdings
from act_data.storage.tables import part_name, read_pairs, write_parquet
from act_data.types import ContrastPair
from act_data.verify import Verify, verify
from act_envs.listening import listen
from benchmarks.script import call
from benchmarks.table import Row, publish

PAIRS, PART = 100_000, 8_192
TIMES = 20
PAGES = {
    "no filter": "/pairs",
    "filtered by verdict and kind": "/pairs?hindsight=expert_better&kind=pick_two_obj_and_place",
    "filtered by regret": "/pairs?regret_min=2&regret_max=5",
    "with a text in a quarter": "/pairs?q=drawer",
    "with a text in none": "/pairs?q=zeppelin",
    "sorted by regret": "/pairs?sort=-regret",
    "sorted, filtered, with a text, page 20": (
        "/pairs?sort=-regret&reading=informed&hindsight=expert_better&q=go+to&page=20"
    ),
    "filtered by a facet with no row": "/pairs?informed=unknown",
}
BAR = "<= 0.1"  # seconds


@dataclass(frozen=True)
class Explorer:
    """Seconds that pages of the explorer take."""

    quick: bool = False
    """A tenth of the pairs, and no bar."""

    json: Path | None = None
    """Write the rows to this file too."""

    def __call__(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            data, count = Path(folder) / "set", PAIRS // 10 if self.quick else PAIRS
            write_pairs(data, count, games=30 if self.quick else 300)
            rows = [*explorer_rows(data, "" if self.quick else BAR)]
        return publish(f"Pages of act-data explore, {count:,} pairs", rows, self.json)


def write_pairs(data: Path, count: int, games: int) -> None:
    """Write so many pairs as a dataset has them.

    Args:
        data: folder for the dataset.
        count: number of pairs.
        games: of how many games they are, before they are repeated.
    """
    with tempfile.TemporaryDirectory() as folder:
        collected, mined, verified = (Path(folder) / name for name in ("c", "m", "v"))
        collect(Collect(env="ACT/ALFWorldGen-v0", out=collected, limit=games))
        mine(Mine(trajectories=collected, out=mined, k=4))
        verify(Verify(pairs=mined, out=verified))
        pairs = [*read_pairs(verified)]
    place = data / "data" / "alfworld" / "train"
    place.mkdir(parents=True)
    rows, parts = _repeated(pairs, count), -(-count // PART)
    for part in range(parts):
        write_parquet(place / part_name(part, parts), itertools.islice(rows, PART), "pairs")


def _repeated(pairs: list[ContrastPair], count: int) -> Iterator[ContrastPair]:
    for number, pair in enumerate(itertools.islice(itertools.cycle(pairs), count)):
        action = f"{pair.alternative_action} {number}"
        yield dataclasses.replace(pair, pair_id=f"{number:016x}", alternative_action=action)


def explorer_rows(data: Path, bar: str = BAR) -> Iterator[Row]:
    """Seconds until the explorer is ready, and median and worst of each kind of page.

    Args:
        data: folder of a dataset, with pairs of ALFWorld.
        bar: for pages of a list.
    """
    begun = time.perf_counter()
    app = create_app(*find_holdings(data), "explorer")
    yield Row("ready after", time.perf_counter() - begun, "s")
    server = listen(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site = f"http://127.0.0.1:{server.port}"
    first = next(read_pairs(data / "data" / "alfworld" / "train"))
    try:
        for name, page in PAGES.items():
            yield from _timed(name, site + page, bar)
        yield from _timed("one pair", f"{site}/pair?id={first.pair_id}", "")
    finally:
        server.shutdown()
        thread.join()


def _timed(name: str, address: str, bar: str) -> Iterator[Row]:
    seconds = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        with urllib.request.urlopen(address) as answer:
            answer.read()
        seconds.append(time.perf_counter() - begun)
    yield Row(f"{name}: median of {TIMES}", statistics.median(seconds), "s", bar)
    yield Row(f"{name}: worst", max(seconds), "s")


if __name__ == "__main__":
    sys.exit(call(Explorer, description=__doc__))
