"""Parts done by several processes: the same bytes, whatever becomes of the processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from act_data.collect import Collect, collect
from act_data.errors import NoCluster, WorkerDied
from act_data.mining import Mine, mine
from act_data.prompts import PROMPT_VERSION
from act_data.runs.cluster import _task, done_on_ray
from act_data.runs.run import Run
from act_data.runs.work import Part, packed
from act_data.runs.workers import done_by_workers
from act_data.storage.schema import SCHEMA_VERSION
from act_data.storage.tables import part_name
from act_envs.errors import MissingExtra, UnknownArgument, UnknownTask


@pytest.fixture
def odd_job(tmp_path: Path, monkeypatch) -> Callable:
    """Makes jobs of a class that worker processes can import, too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import odd_jobs

    (tmp_path / "diary").mkdir()
    return lambda **what: odd_jobs.OddJob(tmp_path / "diary", **what)


def _run(out: Path, items: int = 7) -> Run[int]:
    return Run(out, {"command": "test"}, range(items), "trajectories", 2)


def _parts(count: int) -> list[Part]:
    return [Part(index, "trajectories", [2 * index, 2 * index + 1]) for index in range(count)]


def test_collect_and_mine_give_the_same_bytes(trajectories: Path, tmp_path: Path, digests) -> None:
    for workers in (1, 2):
        out = tmp_path / str(workers)
        tasks = ("fetch:6", "feed:6")
        collect(
            Collect(env="ACT/Toy-v0", out=out / "t", tasks=tasks, shard_size=3, workers=workers)
        )
        mine(Mine(trajectories=trajectories, out=out / "p", shard_size=5, workers=workers))
    for kind in ("t", "p"):
        assert digests(tmp_path / "1" / kind) == digests(tmp_path / "2" / kind)


def test_each_worker_opens_the_job_once_and_closes_it(tmp_path: Path, odd_job) -> None:
    job = odd_job()
    _run(tmp_path / "out", 20).execute(job, workers=2)
    assert len(job.seen("opened")) == 2
    assert job.seen("opened") == job.seen("closed")
    assert os.getpid() not in job.seen("opened")
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("told", ["", "3"])
def test_workers_share_the_cores(
    told: str, tmp_path: Path, odd_job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with threads for all of them would be many times slower."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    job = odd_job()
    _run(tmp_path / "out").execute(job, workers=2)
    found = {path.read_text() for path in job.diary.glob("opened-*")}
    assert found == {told or f"{max(1, len(os.sched_getaffinity(0)) // 2)}"}


def test_a_part_whose_worker_dies_is_done_again(tmp_path: Path, odd_job, digests, capsys) -> None:
    _run(tmp_path / "whole").execute(odd_job())
    job = odd_job(fatal=3, deaths=1)
    _run(tmp_path / "out").execute(job, workers=2, progress=True)
    assert len(job.seen("died")) == 1
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
    assert capsys.readouterr().err.rstrip().split("\r")[-1].count("7/7") == 1


def test_a_part_that_kills_every_worker_is_named(tmp_path: Path, odd_job, digests) -> None:
    with pytest.raises(WorkerDied, match=r"died of part 3, the last one: killed by SIGKILL"):
        _run(tmp_path / "out").execute(odd_job(fatal=6, deaths=9), workers=2)
    assert multiprocessing.active_children() == []
    assert len(list((tmp_path / "out").glob("*.parquet"))) > 0
    _run(tmp_path / "out").execute(odd_job(), workers=2)
    _run(tmp_path / "whole").execute(odd_job())
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_an_error_of_the_work_comes_out_as_itself(tmp_path: Path, odd_job) -> None:
    job = odd_job(wrong=5)
    with pytest.raises(UnknownTask) as error:
        _run(tmp_path / "out").execute(job, workers=2)
    assert str(error.value) == "there is no task 5."
    assert job.seen("opened") == job.seen("closed")
    assert "odd_jobs.py" in "".join(error.value.__notes__)
    assert multiprocessing.active_children() == []


def test_few_parts_are_in_flight(odd_job) -> None:
    taken = 0

    def parts():
        nonlocal taken
        for part in _parts(9):
            taken += 1
            yield part

    with closing(done_by_workers(odd_job(), parts(), lambda _count: None, 2)) as doing:
        for done, _ in enumerate(doing, 1):
            assert taken <= done + 2
    assert done == taken == 9


def test_found_parts_do_not_flatter_the_speed(tmp_path: Path, odd_job, monkeypatch) -> None:
    import tqdm

    bars = []

    class Bar(tqdm.tqdm):
        def close(self) -> None:
            bars.append((self.n, self.initial))
            super().close()

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    _run(tmp_path / "out").execute(odd_job())
    (tmp_path / "out" / part_name(1, 4)).unlink()
    (tmp_path / "out" / part_name(3, 4)).unlink()
    _run(tmp_path / "out").execute(odd_job(), workers=2, progress=True)
    assert bars[-1] == (7, 4)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"workers": 2, "ray": "auto"}])
def test_who_works_is_checked_first(tmp_path: Path, odd_job, wrong: dict) -> None:
    with pytest.raises(UnknownArgument, match="give either workers or ray"):
        _run(tmp_path / "out").execute(odd_job(), **wrong)
    assert not (tmp_path / "out").exists()


def test_work_that_cannot_be_sent(tmp_path: Path, odd_job) -> None:
    with pytest.raises(UnknownArgument, match="cannot be sent to other processes"):
        _run(tmp_path / "out").execute(odd_job(wrong=lambda: 0), workers=2)


def test_a_script_from_stdin_cannot_have_workers(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from act_data.collect import Collect, collect
from act_envs.errors import ActError
out = Path({str(tmp_path / "out")!r})
try:
    collect(Collect(env="ACT/Toy-v0", out=out, tasks=("fetch:2",), shard_size=1, workers=2))
except ActError as error:
    print(error)
print(collect(Collect(env="ACT/Toy-v0", out=out, tasks=("fetch:2",), shard_size=1))["rows"])
"""
    done = subprocess.run(
        [sys.executable], input=code, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stderr == ""
    refused, rows = done.stdout.splitlines()
    assert "<stdin> is no file. Save the script in a file, or take workers=1." in refused
    assert rows == "2"


def test_ctrl_c_reaches_everybody_and_leaves_nobody(tmp_path: Path) -> None:
    """A terminal sends it to all processes of the group at once."""
    command = f"-m act_data.cli collect --env ACT/ALFWorldGen-v0 --out {tmp_path} --shard-size 1"
    process = subprocess.Popen(
        [sys.executable, *command.split(), "--workers", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    while process.poll() is None and not list(tmp_path.glob("*.parquet")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, errors) == ("", "interrupted: the same command goes on from here.\n")
    assert _ends(process.pid)


def test_workers_end_with_their_parent_also_within_a_part(tmp_path: Path, odd_job) -> None:
    job = odd_job(gated=True)
    code = f"""if __name__ == "__main__":
    import sys
    sys.path[:] = {sys.path!r}
    from pathlib import Path
    from act_data.runs.run import Run
    from odd_jobs import OddJob
    run = Run(Path({str(tmp_path / "out")!r}), {{}}, range(9), "trajectories", 2)
    run.execute(OddJob(Path({str(job.diary)!r}), gated=True), workers=2)
"""
    (tmp_path / "parent.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], process_group=0)
    while process.poll() is None and len(job.seen("begun")) < 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert len(job.seen("begun")) == 2
    assert _ends(process.pid)


def _ends(group: int) -> bool:
    """Whether all processes of a group end within seconds."""
    deadline = time.monotonic() + 5
    while _in_group(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _in_group(group)


def _in_group(group: int) -> bool:
    """Whether any process is in a group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# -- Ray -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and another node, on this machine, which can import our jobs."""
    pytest.importorskip("ray", reason="needs the extra ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        cluster.add_node(**node)
        yield cluster
        cluster.shutdown()


def test_an_address_where_nobody_listens(odd_job) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    for address in ("127.0.0.1:1", "nonsense"):
        with pytest.raises(NoCluster, match=f"there is no Ray cluster at '{address}'"):
            next(done_on_ray(odd_job(), _parts(1), lambda _count: None, address, {}))


def _on_a_node(odd_job: Callable, found: dict[str, str], wanted: dict[str, object]) -> Any:
    """What a node makes of a part, which has these versions and is asked for those."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("act_data.provenance.version", lambda: found["act-data"])
        patch.setattr("act_data.provenance.metadata.version", found.__getitem__)
        patch.setattr("act_data.runs.cluster.atexit.register", lambda _: None)  # ours goes on
        return _task(packed(odd_job()), _parts(1)[0], wanted)


def test_a_node_has_what_the_request_names(odd_job) -> None:
    wanted = {"act-data": "0.1.0+gabc", "schema": SCHEMA_VERSION, "prompt": PROMPT_VERSION}
    wanted |= {"numpy": "2", "torch": "3"}
    same = {"act-data": "0.1.0+gabc", "numpy": "2", "torch": "3", "pyarrow": "is not asked for"}
    assert _on_a_node(odd_job, same, wanted).notes["rows"] == 2
    copied = {**same, "act-data": "0.1.0"}  # which does not know of what commit it is
    assert _on_a_node(odd_job, copied, wanted).notes["rows"] == 2
    others = [("act-data", "0.1.0+gabc.dirty"), ("numpy", "1"), ("torch", "4")]
    for name, other in others:
        answer = _on_a_node(odd_job, {**same, name: other}, wanted)
        assert isinstance(answer, NoCluster)
        assert f": {name} is {other}, not {wanted[name]}. Install the same" in str(answer)
    newer = _on_a_node(odd_job, {**same, "act-data": "0.2.0"}, wanted)
    assert "act-data is 0.2.0, not 0.1.0." in str(newer)
    old = _on_a_node(odd_job, same, {**wanted, "prompt": 0, "schema": 0})
    assert f"prompt is {PROMPT_VERSION}, not 0; schema is {SCHEMA_VERSION}, not 0." in str(old)


def test_a_node_is_lost_in_the_middle(tmp_path: Path, odd_job, digests, cluster) -> None:
    _run(tmp_path / "whole", 20).execute(odd_job())
    job = odd_job(gated=True)
    lost = next(iter(cluster.worker_nodes))
    over = Event()

    def begun() -> set[int]:
        return job.seen("begun") - {os.getpid()}

    def lose() -> None:
        while len(begun()) < 2 and not over.wait(0.05):
            pass  # until both nodes are at work
        cluster.remove_node(lost, allow_graceful=False)
        while all(map(_alive, begun())) and not over.wait(0.05):
            pass  # its worker could still finish the part, and often would
        job.unlock()

    with ThreadPoolExecutor(1) as beside:
        losing = beside.submit(lose)
        try:
            _run(tmp_path / "out", 20).execute(job, ray=cluster.address)
        finally:
            over.set()
        losing.result()
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def _alive(pid: int) -> bool:
    """Whether a process runs: it is neither gone nor a zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_errors_cross_the_cluster(tmp_path: Path, odd_job, cluster, monkeypatch) -> None:
    monkeypatch.setattr("act_data.runs.cluster._RETRIES", 0)
    with pytest.raises(UnknownTask) as error:
        _run(tmp_path / "out").execute(odd_job(wrong=5), ray=cluster.address)
    assert str(error.value) == "there is no task 5."
    with pytest.raises(NoCluster, match="has lost part 2,"):
        _run(tmp_path / "out").execute(odd_job(fatal=5, deaths=9), ray=cluster.address)
    assert (tmp_path / "out" / part_name(0, 4)).exists()


def test_missing_ray_names_the_extra(odd_job, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"agentic-critical-training\[ray\]"):
        next(done_on_ray(odd_job(), _parts(1), lambda _count: None, "auto", {}))
