"""The command line as users meet it: real processes, killed and interrupted."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from act_data.cli import main
from act_data.storage.tables import read_pairs

SLOW = [sys.executable, str(Path(__file__).with_name("slow_cli.py"))]


def _start(command: list[str]) -> subprocess.Popen[str]:
    """A process that has done its imports and begins to work."""
    process = subprocess.Popen(
        [*SLOW, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _parts(out: Path) -> int:
    return len(list(out.glob("*.parquet")))


def _finish(command: list[str]) -> None:
    """Run undisturbed."""
    process = _start(command)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], Path]]:
    """Per command: its arguments but --out, and an undisturbed result."""
    root = tmp_path_factory.mktemp("slow")
    tasks = ["--tasks", "fetch:20", "feed:20", "--shard-size", "1"]
    commands = {
        "collect": ["collect", "--env", "Slow/Toy-v0", *tasks],
        "mine": ["mine", "--trajectories", str(root / "collect"), "--shard-size", "1"],
        "verify": ["verify", str(root / "mine"), "--shard-size", "1"],
    }
    found = {}
    for name, command in commands.items():
        _finish([*command, "--out", str(root / name)])
        found[name] = (command, root / name)
    return found


@pytest.mark.parametrize("name", ["collect", "mine", "verify"])
def test_killed_at_random_moments_and_run_again(slow, tmp_path: Path, name: str, digests) -> None:
    command, undisturbed = slow[name]
    command = [*command, "--out", str(tmp_path / "out")]
    moments = random.Random(name)
    done = [0]
    while done[-1] < 25:
        process = _start(command)
        enough = done[-1] + moments.randrange(10)  # a slow machine, too, gets on in every life
        while process.poll() is None and _parts(tmp_path / "out") < enough:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        done.append(_parts(tmp_path / "out"))
    assert len(set(done)) > 3, "the kills did not come while it worked"
    _finish(command)
    assert digests(tmp_path / "out") == digests(undisturbed)


def test_what_begins_again_does_not_promise_to_go_on(
    slow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("act_data.cli.stats", interrupted)
    assert main(["stats", str(slow["mine"][1])]) == 130
    assert capsys.readouterr().err == "interrupted: the same command begins again.\n"


def test_a_file_that_cannot_be_written_is_told_in_words(
    slow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nope" / "stats.json"
    assert main(["stats", str(slow["mine"][1]), "--json", str(path)]) == 2
    said = f"error: {path.parent} does not exist. Give the path of what is there.\n"
    assert capsys.readouterr().err == said
    path.parent.write_text("")
    assert main(["stats", str(slow["mine"][1]), "--json", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path.parent} leads through a file")


def test_ctrl_c_says_how_to_go_on(slow, tmp_path: Path, digests) -> None:
    command, undisturbed = slow["collect"]
    command = [*command, "--out", str(tmp_path / "out")]
    process = _start(command)
    while process.poll() is None and _parts(tmp_path / "out") < 1:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, errors) == ("", "interrupted: the same command goes on from here.\n")
    assert 0 < _parts(tmp_path / "out") < 40
    _finish(command)
    assert digests(tmp_path / "out") == digests(undisturbed)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("collect --env ACT/Toi-v0 --out {}", "Did you mean: `Toy`?"),
        ("collect --env toy --out {}", "Did you mean 'ACT/Toy-v0'?"),
        ("collect --env ACT/Toy-v0 --out {} --split test", "never enter training data"),
        ("collect --env ACT/Toy-v0 --out {} --split tset", "Did you mean 'test'?"),
        ("collect --env ACT/Toy-v0 --out {} --split dev", "--allow-split dev"),
        ("collect --env ACT/Toy-v0 --out {} --seed 99999999999999999999", "must lie between"),
        ("collect --env CartPole-v1 --out {}", "is no text environment"),
        ("collect --env ACT/Toy-v0 --out {} --tasks fetsh", "Did you mean 'fetch'"),
        ("collect --env ACT/Toy-v0 --out {}/a/b.txt --tasks fetch:1", "is a file"),
        ("mine --trajectories {}/nowhere --out {}/x", "does not exist"),
        ("mine --trajectories {}/nowhere --out {}/x --policy rnadom", "Known: 'random-adm"),
        ("verify {}/nowhere --out {}/x", "does not exist"),
        ("verify {}/nowhere --out {}/x --worlds 1", "worlds=1 must be at least 2"),
        ("filter {}/nowhere --out {}/x --keep all", "does not exist"),
        ("filter {}/nowhere --out {}/x --drop noise", "'noise'"),
        ("noise {}/nowhere", "does not exist"),
        ("build {}/nowhere --out {}/x", "does not exist"),
        ("build --out {}/x", "no pairs were named"),
        ("push {}/nowhere --repo org/name", "Make one with act-data build"),
        ("release nothing --out {}/x", "nothing"),
        ("export {}/nowhere --to jsonl --out {}/x", "does not exist"),
        ("stats {}/nowhere", "does not exist"),
        ("stats", "no data were named"),
        ("show {}/nowhere", "does not exist"),
        ("diff {}/nowhere {}/x", "does not exist"),
        ("explore {}/nowhere", "does not exist"),
        ("noise", "no pairs were named"),
        ("floor", "no pairs were named"),
        ("floor {}/nowhere --limit 0", "limit must be at least 1"),
        ("import {}/nowhere --env ACT/Toy-v0 --out {}/x", "nowhere"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, capsys, command: str, message: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("")
    assert main([word.format(tmp_path) for word in command.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


def test_what_is_done_is_told_in_one_line(tmp_path: Path, capsys) -> None:
    command = ["collect", "--env", "ACT/Toy-v0", "--tasks", "fetch:2", "--out", str(tmp_path)]
    assert main(command) == 0
    assert capsys.readouterr().out == (
        f"2 rows in {tmp_path} (failed: 0, gave_up: 0, truncated: 0, won: 2)\n"
    )


def test_from_trajectories_to_tables(slow, tmp_path: Path, capsys) -> None:
    pytest.importorskip("sklearn")
    _, pairs = slow["mine"]
    _, verified = slow["verify"]
    assert main(["noise", str(pairs)]) == 2
    assert "act-data verify" in capsys.readouterr().err
    assert main(["noise", str(verified), "--json", str(tmp_path / "noise.json")]) == 0
    assert "random-admissible" in capsys.readouterr().out
    assert json.loads((tmp_path / "noise.json").read_text())
    assert main(["floor", str(verified)]) == 0
    assert "n-grams" in capsys.readouterr().out
    drop = ["--drop", "inadmissible,equivalent,alternative_better,unknown"]
    assert main(["filter", str(verified), "--out", str(tmp_path / "clean"), *drop]) == 0
    assert "rows in" in capsys.readouterr().out
    kept = list(read_pairs(tmp_path / "clean"))
    assert kept
    for pair in kept:
        assert pair.verification is not None
        assert pair.verification.hindsight is not None
        assert pair.verification.hindsight.verdict == "expert_better"
    assert len(kept) < len(list(read_pairs(verified)))


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m act_data.cli collect --env ACT/Toy-v0 --tasks fetch:1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} --out {tmp_path} | true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "code",
    [
        "import act_data",
        "import act_data.storage.tables, act_data.policies.base, act_data.rollout, act_data.mining",
        "from act_data.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from act_data.cli import main\ntry: main(['mine', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_imports_are_cheap(code: str) -> None:
    heavy = "{'torch', 'transformers', 'pyarrow', 'datasets', 'tqdm', 'huggingface_hub'}"
    code += f"\nimport sys\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_missing_pyarrow_names_the_extra(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    command = ["collect", "--env", "ACT/Toy-v0", "--tasks", "fetch:1", "--out", str(tmp_path)]
    assert main(command) == 2
    assert 'pip install "agentic-critical-training[data]"' in capsys.readouterr().err
