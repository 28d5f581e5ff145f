"""``act-data explore``: what is found, which rows a filter leaves, and what the pages say."""

from __future__ import annotations

import html.parser
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask", reason="needs the extra explore")

from flask.testing import FlaskClient

from act_data.errors import DataCorrupt, DataNotFound
from act_data.explore.index import FACETS, SORTS, Index
from act_data.explore.query import parse
from act_data.explore.serve import Explore, explore, only_here
from act_data.explore.site import PAGE, create_app
from act_data.stats import Stats, stats
from act_data.storage.holdings import Holding, find_holdings
from act_data.storage.tables import part_name, read_pairs, read_trajectories
from act_envs.errors import MissingExtra, UnknownArgument
from tests.data.browsed import EVALUATED, HOSTILE, HOSTILE_ID, furnish


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trajectories: Path) -> Path:
    return furnish(tmp_path_factory.mktemp("browsed"), trajectories)


@pytest.fixture(scope="module")
def holdings(folder: Path) -> list[Holding]:
    return find_holdings(folder)[0]


@pytest.fixture(scope="module")
def client(folder: Path) -> FlaskClient:
    return create_app(*find_holdings(folder), "browsed").test_client()


class Reader(html.parser.HTMLParser):
    """The tags of a document with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.tags if tag == "a"]

    def link(self, **wanted: str | None) -> str:
        """The one link with these attributes, "" where there is none."""
        return next(
            (
                attributes["href"] or ""
                for tag, attributes in self.tags
                if tag == "a" and wanted.items() <= attributes.items()
            ),
            "",
        )


def page(client: FlaskClient, address: str, status: int = 200) -> Reader:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    return Reader(answer.text)


# -- what is found -------------------------------------------------------------------------------


def test_what_a_folder_holds(folder: Path) -> None:
    found, left_out = find_holdings(folder)
    assert {(one.name, one.kind, one.config, one.dataset_split) for one in found} == {
        ("collected", "trajectories", "", ""),
        ("empty", "pairs", "", ""),
        ("evaluated/recorded.jsonl", "episodes", "", ""),
        ("evaluated/results.jsonl", "episodes", "", ""),
        ("evil.parquet", "trajectories", "", ""),
        ("hostile.parquet", "pairs", "", ""),
        ("mined", "pairs", "", ""),
        ("set/data/toy/test", "pairs", "toy", "test"),
        ("set/data/toy/train", "pairs", "toy", "train"),
        ("verified", "pairs", "", ""),
    }
    counts = {one.name: one.rows.count for one in found}
    assert counts["verified"] == counts["mined"] == len([*read_pairs(folder / "mined")])
    assert (counts["collected"], counts["evaluated/results.jsonl"]) == (12, 2)
    reasons = {
        "unfinished": "1 of 2 parts",
        "cut.parquet": "truncated, damaged or no parquet",
        "prompts.parquet": "neither pairs nor trajectories",
        "losses.jsonl": "has the keys loss",
        "results.jsonl was torn off": "Line 3 of",
    }
    assert len(left_out) == len(reasons)
    for name, reason in reasons.items():
        assert any(name in said and reason in said for said in left_out), name


def test_a_file_and_nothing(folder: Path, tmp_path: Path) -> None:
    empty = find_holdings(folder / "empty")
    assert "Nothing here fits" in page(create_app(*empty, "x").test_client(), "/pairs").text
    ((one,), left_out) = find_holdings(folder / "hostile.parquet")
    assert (one.name, one.rows.count, left_out) == ("hostile.parquet", 1, [])
    with pytest.raises(DataNotFound, match="does not exist"):
        find_holdings(tmp_path / "nowhere")
    with pytest.raises(DataNotFound, match=r"holds no pairs, trajectories or episodes\. Make"):
        explore(Explore(dir=tmp_path), print)
    with pytest.raises(DataNotFound, match=r"Line 1 of .*losses\.jsonl is no episode"):
        explore(Explore(dir=folder / "losses.jsonl"), print)


# -- which rows ----------------------------------------------------------------------------------


def _all_pairs(holdings: list[Holding]) -> list[tuple[Holding, Any]]:
    return [(one, pair) for one in holdings if one.kind == "pairs" for pair in read_pairs(one.path)]


def _reading(pair: Any, name: str) -> Any:
    return pair.verification and getattr(pair.verification, name)


def _regret(name: str, low: float, high: float) -> Callable[[Holding, Any], bool]:
    def holds(_: Holding, pair: Any) -> bool:
        reading = _reading(pair, name)
        return bool(reading and reading.regret is not None and low <= reading.regret <= high)

    return holds


def _says(text: str) -> Callable[[Holding, Any], bool]:
    def holds(_: Holding, pair: Any) -> bool:
        said = (pair.state.goal, pair.task_id, pair.expert_action, pair.alternative_action)
        return any(text in one.lower() for one in said) or pair.pair_id == text

    return holds


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({}, lambda holding, pair: True),
        ({"kind": "feed"}, lambda holding, pair: pair.kind == "feed"),
        ({"source": "mined"}, lambda holding, pair: holding.name == "mined"),
        ({"config": "toy"}, lambda holding, pair: holding.config == "toy"),
        ({"config": "(none)"}, lambda holding, pair: not holding.config),
        ({"dataset_split": "test"}, lambda holding, pair: holding.dataset_split == "test"),
        ({"expert": HOSTILE}, lambda holding, pair: pair.pair_id == HOSTILE_ID),
        ({"kind": "feet"}, lambda holding, pair: False),
        (
            {"admissible": "not admissible"},
            lambda holding, pair: bool(pair.verification and not pair.verification.admissible),
        ),
        ({"admissible": "not verified"}, lambda holding, pair: pair.verification is None),
        (
            {"informed": "expert_better", "kind": "fetch"},
            lambda holding, pair: bool(
                (read := _reading(pair, "informed")) and read.verdict == "expert_better"
            ) and pair.kind == "fetch",
        ),
        ({"hindsight": "not judged"}, lambda holding, pair: not _reading(pair, "hindsight")),
        ({"regret_min": "0", "reading": "informed"}, _regret("informed", 0, math.inf)),
        ({"regret_min": "-1", "regret_max": "2"}, _regret("hindsight", -1, 2)),
        ({"regret_min": "inf", "reading": "informed"}, _regret("informed", math.inf, math.inf)),
        ({"q": "KITCHEN"}, _says("kitchen")),
        ({"q": HOSTILE_ID}, _says(HOSTILE_ID)),
        ({"q": "window.pwned"}, _says("window.pwned")),
    ],
)  # fmt: skip
def test_a_filter_leaves_the_rows_it_says(
    holdings: list[Holding], given: dict[str, str], holds: Callable[[Holding, Any], bool]
) -> None:
    index = Index("pairs", holdings)
    rows = _all_pairs(holdings)
    wanted = [at for at, row in enumerate(rows) if holds(*row)]
    found = index.select(parse(given, [*FACETS["pairs"]], SORTS["pairs"]))
    assert found.rows.tolist() == wanted
    assert len(wanted) < len(rows) or not given
    if wanted:
        assert index.pair(wanted[-1]) == rows[wanted[-1]][1]
    for name, counts in found.counts.items():
        for value in index.texts[name].values:
            also = parse({**given, name: value}, [*FACETS["pairs"]], SORTS["pairs"])
            assert len(index.select(also).rows) == counts.get(value, 0), (name, value)


@pytest.mark.parametrize("reading", ["hindsight", "informed"])
def test_sorted_by_regret(holdings: list[Holding], reading: str) -> None:
    """Pairs without a regret come last, and equal ones keep their order."""
    index = Index("pairs", holdings)
    regrets = [
        found.regret if (found := _reading(pair, reading)) else None
        for _, pair in _all_pairs(holdings)
    ]
    known = [at for at, regret in enumerate(regrets) if regret is not None]
    unknown = [at for at, regret in enumerate(regrets) if regret is None]
    assert known
    assert unknown
    for sort, sign in (("regret", 1), ("-regret", -1)):
        given = parse({"sort": sort, "reading": reading}, [], SORTS["pairs"])
        wanted = sorted(known, key=lambda at: sign * float(regrets[at] or 0)) + unknown
        assert index.select(given).rows.tolist() == wanted


def test_trajectories_and_episodes_are_filtered_likewise(holdings: list[Holding]) -> None:
    def left(kind: Any, **given: str) -> list[dict[str, Any]]:
        index = Index(kind, holdings)
        found = index.select(parse(given, [*FACETS[kind]], SORTS[kind]))
        return [index.shown(row) for row in found.rows.tolist()]

    (evil,) = left("trajectories", refusals="some")
    assert (evil["source"], evil["refused_actions"]) == ("evil.parquet", evil["steps"])
    plain = [
        row for one in holdings if one.kind == "trajectories" for row in read_trajectories(one.path)
    ]
    steps = [row["steps"] for row in left("trajectories", sort="-steps")]
    assert steps == sorted((len(row.transitions) for row in plain), reverse=True)
    action = plain[0].transitions[-1].action
    found = left("trajectories", q=action.upper())
    assert len(found) == sum(
        any(action in step.action for step in row.transitions) for row in plain
    )
    assert [row["policy"] for row in left("episodes", q="fly")] == ["tiny-model"] * 2
    assert [row["score"] for row in left("episodes", sort="-score")] == [0.5, 0.5, 0, 0]
    assert len(left("episodes", policy="(none)", outcome="not won", refusals="some")) == 2


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/pairs?kinf=x", "Did you mean 'kind'"),
        ("/pairs?sort=regrets", "Did you mean 'regret'"),
        ("/pairs?regret_min=much", "is no number"),
        ("/pairs?regret_min=nan", "is no number"),
        ("/pairs?page=-1", "is no number of a page"),
        ("/pairs?page=٣", "is no number of a page"),
        ("/trajectories?hindsight=unknown", "nothing can be filtered by 'hindsight'"),
        ("/trajectories?regret_min=1", "nothing can be filtered by 'regret_min'"),
        ("/episode?file=evaluated/results.jsonl&line=x", "is no number of a row"),
    ],
)
def test_an_address_that_means_nothing(client: FlaskClient, address: str, said: str) -> None:
    assert said in page(client, address, 400).text


# -- pages ---------------------------------------------------------------------------------------


def test_every_link_leads_somewhere(client: FlaskClient) -> None:
    """Also: nothing of another machine, and no markup but the site's own, on any page."""
    met, todo = {"/"}, ["/"]
    seen: Counter[str] = Counter()
    while todo:
        address = todo.pop(0)
        answer = client.get(address)
        assert answer.status_code == 200, address
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        read = Reader(answer.text)
        for tag, attributes in read.tags:
            assert tag not in ("img", "style", "iframe", "object", "base", "svg")
            assert tag != "script" or attributes["src"] == "/static/explore.js"
            assert not any(name.startswith(("on", "style")) for name in attributes)
            for name in ("href", "src", "action"):
                assert (attributes.get(name) or "/").startswith(("/", "#", "data:,")), attributes
                assert not (attributes.get(name) or "").startswith("//")
        for link in read.links:
            place = link.partition("#")[0] or address
            kind = place.partition("?")[0]
            if place not in met and seen[kind] < 12:
                seen[kind] += 1
                met.add(place)
                todo.append(place)
    assert min(seen[f"/{kind}"] for kind in ("pair", "trajectory", "episode")) > 3


def test_hostile_texts_are_shown_as_texts(client: FlaskClient) -> None:
    for address in (
        f"/pairs?q={HOSTILE_ID}",
        f"/pair?id={HOSTILE_ID}",
        "/trajectories?source=evil.parquet",
        "/episode?file=evaluated/recorded.jsonl&line=1",
    ):
        read = page(client, address)
        assert HOSTILE in read.text, address
        assert [attributes["src"] for tag, attributes in read.tags if tag == "script"] == [
            "/static/explore.js"
        ]
    page(client, f"/pairs?q={HOSTILE}&kind={HOSTILE}")


def test_a_pair_with_both_outcomes(client: FlaskClient, folder: Path) -> None:
    pair = next(pair for pair in read_pairs(folder / "verified") if pair.state.history)
    found = pair.verification
    assert found is not None
    assert found.hindsight is not None
    read = page(client, f"/pair?id={pair.pair_id}")
    told = " ".join(read.text.split())
    for text in (
        pair.state.goal, pair.expert_action, pair.alternative_action, found.expert.observation,
        found.alternative.observation, found.expert.state_hash, found.alternative.state_hash,
        found.hindsight.method, pair.generator, found.verifier, *pair.admissible_actions,
        *(text for turn in pair.state.history for text in turn),
    ):  # fmt: skip
        assert " ".join(text.split()) in told
    assert "verified, row" in told  # though the first of that id is not
    first = page(client, f"/pair?id={pair.pair_id}&number=1")
    assert "Not executed. Run act-data verify." in first.text
    assert page(client, "/pair?id=0123", 404).text.count("There is no pair '0123' here")
    page(client, f"/pair?id={pair.pair_id}&number=9", 404)


def test_a_pair_leads_to_its_step(client: FlaskClient, folder: Path) -> None:
    pair = next(pair for pair in read_pairs(folder / "verified") if pair.step == 2)
    links = page(client, f"/pair?id={pair.pair_id}").links
    (link,) = (link for link in links if link.startswith("/trajectory?"))
    address, _, anchor = link.partition("#")
    assert anchor == "turn-2"
    turn = client.get(address).text.partition('id="turn-2"')[2].partition("</li>")[0]
    assert pair.expert_action in Reader(turn).text


def test_walking_through_a_list(client: FlaskClient, holdings: list[Holding]) -> None:
    """Next and previous go through all pages of a filtered list, in its order."""
    index = Index("pairs", holdings)
    given = {"sort": "-step", "kind": "fetch"}
    rows = index.select(parse(given, [*FACETS["pairs"]], SORTS["pairs"])).rows.tolist()
    assert len(rows) > PAGE
    address = page(client, "/pairs?sort=-step&kind=fetch").link(**{"class": "cover"})
    met: list[str] = []
    back: list[str] = []
    while address:
        read = page(client, address)
        place = read.link(**{"data-up": None})
        assert f"page={len(met) // PAGE + 1}" in place or len(met) < PAGE
        assert place.endswith(f"#row-{rows[len(met)]}")
        met.append(address)
        back.append(read.link(rel="prev"))
        address = read.link(rel="next")
    assert len(met) == len(rows) == len(set(met))
    assert back == ["", *met[:-1]]
    outside = page(client, f"/pair?id={HOSTILE_ID}&kind=fetch")
    assert f"not among the {len(rows)} of the list" in " ".join(outside.text.split())


def test_pages_of_a_list(client: FlaskClient, holdings: list[Holding]) -> None:
    count = Index("pairs", holdings).count
    rows: list[str] = []
    for number in range(1, math.ceil(count / PAGE) + 1):
        read = page(client, f"/pairs?page={number}")
        here = [link for link in read.links if link.startswith("/pair?")]
        assert len(here) == min(PAGE, count - PAGE * (number - 1))
        rows += here
    assert len({*rows}) == count
    assert page(client, "/pairs?page=99999").links == page(client, f"/pairs?page={number}").links


def test_what_an_episode_shows(client: FlaskClient) -> None:
    read = page(client, "/episode?file=evaluated/results.jsonl&line=2")
    told = " ".join(read.text.split())
    assert told.count("refused") == 2  # in all, and the one
    for text in ("Fetch.", "tiny-model", "score 0.5", "2 steps", "not won", "A hall.", "No."):
        assert text in told
    (mark,) = (attributes for _, attributes in read.tags if attributes.get("class") == "refused")
    assert mark["id"] == "turn-1"
    recorded = page(client, "/episode?file=evaluated/recorded.jsonl&line=2").text
    assert "half a pair \\ud800" in recorded
    page(client, "/episode?file=evaluated/results.jsonl&line=3", 404)


def test_lines_that_are_no_episodes(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    lines = ["no JSON", json.dumps(EVALUATED), json.dumps({**EVALUATED, "turns": [{}]})]
    path.write_text("\n".join([*lines, json.dumps(EVALUATED)]))  # the last without an end
    ((one,), left_out) = find_holdings(path)
    assert one.rows.count == 2
    assert [said.partition(" of ")[0] for said in left_out] == ["Line 1", "Line 3"]
    client = create_app([one], left_out, "x").test_client()
    for line, status in ((2, 200), (3, 404), (4, 200)):
        page(client, f"/episode?file=results.jsonl&line={line}", status)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        (json.dumps({**EVALUATED, "note": 0}).replace(" 0}", "[" * 950 + "]" * 950 + "}"), ""),
        (json.dumps({**EVALUATED, "score": 10**400}), "too large"),
    ],
)
def test_a_hostile_line_is_left_out(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(f"{line}\n{json.dumps(EVALUATED)}\n")
    ((one,), left_out) = find_holdings(path)
    assert one.rows.count == 2 - len(left_out)
    assert all(said.startswith("Line 1 of") and reason in said for said in left_out)
    assert left_out or not reason


def test_one_bad_file_does_not_hide_the_others(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "good").symlink_to(folder / "mined")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.parquet").mkdir()
    (tmp_path / "mixed" / part_name(0, 1)).write_bytes((folder / "hostile.parquet").read_bytes())
    (tmp_path / "dead.parquet").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    os.mkfifo(tmp_path / "waits.parquet")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    odd.mkdir()
    shutil.copy(folder / "hostile.parquet", odd / "x.parquet")
    (odd / "y.jsonl").write_text(json.dumps(EVALUATED))
    ((one,), left_out) = find_holdings(tmp_path)
    assert one.name == "good"
    names = ("a.parquet", "dead.parquet", "loop.jsonl", "waits.parquet", "x.parquet", "y.jsonl")
    assert len(left_out) == len(names)
    assert all(any(name in said for said in left_out) for name in names)
    told = page(create_app([one], left_out, "x").test_client(), "/").text
    assert all(said in told for said in left_out)
    for name in ("dead.parquet", "mixed"):
        with pytest.raises(DataCorrupt, match="is no file"):
            stats(Stats(data=(tmp_path / name,) if name == "mixed" else (tmp_path,)))


def test_a_damaged_page_does_not_hide_the_others(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "hostile.parquet").read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "bad.parquet").write_bytes(data)
    with pytest.raises(DataNotFound, match=r"bad\.parquet is truncated or damaged"):
        explore(Explore(dir=tmp_path, port=0), print)
    shutil.copy(folder / "hostile.parquet", tmp_path / "good.parquet")
    client = create_app(*find_holdings(tmp_path), "x").test_client()
    home = page(client, "/")
    assert "bad.parquet is truncated or damaged" in home.text
    assert [link for link in home.links if "source=" in link] == ["/pairs?source=good.parquet"]
    assert any(link.startswith("/pair?id=") for link in page(client, "/pairs").links)


def test_a_long_facet_is_cut(tmp_path: Path) -> None:
    for number in range(203):
        line = json.dumps({**EVALUATED, "kind": f"kind{number:03}"})
        (tmp_path / f"{number:03}.jsonl").write_text(f"{line}\n")
    client = create_app(*find_holdings(tmp_path), "x").test_client()
    read = page(client, "/episodes")
    assert "/episodes?kind=kind199" in read.links
    assert "/episodes?kind=kind200" not in read.links
    assert read.text.count("and 3 others") == 2  # kinds and sources
    chosen = page(client, "/episodes?kind=kind202")
    assert "and 2 others" in chosen.text
    assert Counter(chosen.links)["/episodes?kind=kind199"] == 1


def test_a_file_that_has_changed_is_said(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes((folder / "evaluated" / "results.jsonl").read_bytes())
    client = create_app(*find_holdings(path), "changed").test_client()
    path.write_text("{}\n")
    told = page(client, "/episode?file=results.jsonl&line=2", 500).text
    assert "Start act-data explore again" in told


@pytest.mark.parametrize("path", ["/pairs", "/static/explore.js", "/nothing"])
@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8000", True),
        ("LocalHost", True),
        ("[::1]:8000", True),
        ("[::1]", True),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("[::1].evil.example", False),
        ("[::2]:8000", False),
        ("", False),
    ],
)
def test_only_this_machine_is_answered(folder: Path, host: str, known: bool, path: str) -> None:
    app = create_app(*find_holdings(folder / "hostile.parquet"), "x")
    only_here(app)
    answer = app.test_client().get(path, headers={"Host": host})
    assert answer.status_code == ((404 if path == "/nothing" else 200) if known else 400)
    assert "Content-Security-Policy" in answer.headers


# -- the command ---------------------------------------------------------------------------------

COMMAND = """
import functools, pathlib, signal, sys
from act_data.explore.serve import Explore, explore
signal.signal(signal.SIGINT, signal.default_int_handler)  # who began the tests may ignore it
explore(Explore(dir=pathlib.Path(sys.argv[1]), port=0), functools.partial(print, flush=True))
"""


def test_serving_until_ctrl_c(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = [process.stdout.readline()]
    while said[-1] and not said[-1].startswith("http"):
        said.append(process.stdout.readline())
    address = said[-1].split()[0]
    assert address.startswith("http://127.0.0.1:")
    assert sum(line.startswith("left out: ") for line in said) == 5
    with urllib.request.urlopen(f"{address}pairs", timeout=30) as answer:
        assert b"/pair?id=" in answer.read()
    elsewhere = urllib.request.Request(f"{address}pairs", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(elsewhere, timeout=30)
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(UnknownArgument, match="cannot listen at port"):
        explore(Explore(dir=folder, port=port), lambda said: None)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out, errors) == (0, "", "")


def test_flask_is_an_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "act_data.explore.site")
    monkeypatch.setitem(sys.modules, "flask", None)
    with pytest.raises(MissingExtra, match=r'pip install "agentic-critical-training\[explore\]"'):
        explore(Explore(dir=folder), print)
