"""The pages as HTML and the web site: they say what the page model says, and nothing more."""

from __future__ import annotations

import html
import html.parser
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("flask", reason="needs the extra webshop")
pytest.importorskip("rapidfuzz", reason="needs the extra webshop")

from flask.testing import FlaskClient

from act_envs.errors import UnknownArgument
from act_envs.listening import listen
from act_envs.webshop import links, pages
from act_envs.webshop.engine import Engine, Errand
from act_envs.webshop.html import document
from act_envs.webshop.pages import Piece, Visit
from act_envs.webshop.serve import Serve
from act_envs.webshop.site import Sessions, create_app
from tests.envs.webshop_hostile import MARKUP, engine_of, errand_of, every_page, hostile_shop, walk

VOID = {"meta", "link", "input", "img"}


class Reader(html.parser.HTMLParser):
    """Collects what a document says in elements with ``data-act``, and all of its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pieces: list[Piece] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[bool] = []  # whether elements that are open are pieces
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        assert not any(self._open), "an element in a piece"
        if tag not in VOID:
            self._open.append("data-act" in given)
        if "data-act" in given:
            exact = given.get("data-text")
            self.pieces.append(Piece(given["data-act"] or "", ""))
            self._exact = None if exact is None else json.loads(exact)

    def handle_data(self, data: str) -> None:
        if any(self._open):
            kind, text = self.pieces[-1]
            self.pieces[-1] = Piece(kind, text + data)

    def handle_endtag(self, tag: str) -> None:
        if self._open.pop() and self._exact is not None:
            self.pieces[-1] = self.pieces[-1]._replace(text=self._exact)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return engine_of(hostile_shop(tmp_path_factory.mktemp("hostile")))


@pytest.fixture
def errand(engine: Engine) -> Errand:
    return errand_of(engine.shop.goals("synthetic")[0])


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def client(engine: Engine, sessions: Sessions) -> FlaskClient:
    return create_app(engine, engine.shop.goals("human"), sessions=sessions).test_client()


@pytest.mark.parametrize("quirks", [False, True])
def test_a_document_holds_the_pieces_and_no_script(engine: Engine, quirks: bool) -> None:
    engine = engine_of(engine.shop, quirks=quirks)
    met = set()
    for place, goal in enumerate(engine.shop.goals("synthetic")):
        errand = errand_of(goal)
        every = () if place else every_page(engine, errand)
        for visit in (*walk(engine, errand, place, 50), *every):
            met.add(visit.page)
            text = document(engine, errand, visit, images=True, person=True)
            assert not re.search("[\0\r\ud800-\udfff]", text)  # a browser would change them
            read = Reader(text)
            assert read.pieces == engine.pieces(errand, visit)
            for tag, attributes in read.tags:
                assert tag not in ("script", "style", "svg", "iframe", "object", "base")
                assert not any(name.startswith(("on", "style")) for name in attributes)
                assert re.match(r"/|\?|data:,$", attributes.get("href") or "/")
                assert re.match(r"https?://", attributes.get("src") or "https://")
    assert met == {pages.INDEX, pages.RESULTS, pages.ITEM, pages.SUB_PAGE, pages.DONE}


def test_nothing_is_loaded_from_elsewhere_unless_asked(engine: Engine, errand: Errand) -> None:
    visit = Visit(pages.RESULTS, ("lamp",), 1)
    assert "example.org" not in document(engine, errand, visit)
    assert "example.org" in document(engine, errand, visit, images=True)


def test_what_was_right_is_for_people_alone(engine: Engine, errand: Errand) -> None:
    visit = engine.act(errand, Visit(pages.ITEM, ("tea",), 1, "B000TEA002"), "click[buy now]")
    assert visit is not None
    assert errand.goal.asin not in document(engine, errand, visit)
    assert errand.goal.asin in document(engine, errand, visit, person=True)


@pytest.mark.parametrize("quirks", [False, True])
def test_addresses_say_the_visit(engine: Engine, quirks: bool) -> None:
    engine = engine_of(engine.shop, quirks=quirks)
    errand = errand_of(engine.shop.goals("synthetic")[0])
    for visit in walk(engine, errand, 5, 300):
        address = links.write(engine, visit)
        assert address.isascii()
        assert links.read(engine, errand, address[1:]) == visit._replace(reward=None)


@pytest.mark.parametrize(
    ("query", "status", "named"),
    [
        ("page=nowhere", 404, "nowhere"),
        ("page=results", 400, "words"),
        ("page=results&words=", 400, "words"),
        (f"page=results&words={'x' * 5000}", 400, "words"),
        ("page=results&words=a&number=-1", 400, "-1"),
        ("page=results&words=a&number=1e3", 400, "1e3"),
        ("page=results&words=a&number=²", 400, "number"),
        ("page=results&words=a&words=b", 400, "words"),
        ("page=results&words=a&asin=B000LAMP01", 400, "asin"),
        ("page=results&words=a&seen=B0NONE", 404, "B0NONE"),
        ("page=results&words=%ff", 400, "address"),
        ("page=results&words", 400, "address"),
        ("page=item&words=a", 400, "asin"),
        ("page=item&words=a&asin=B0NONE", 404, "B0NONE"),
        ("page=item&words=a&asin=B000LAMP01&option=9.0", 400, "9.0"),
        ("page=item&words=a&asin=B000LAMP01&option=0.-1", 400, "0.-1"),
        ("page=item&words=a&asin=B000LAMP01&option={'a':1}", 400, "option"),
        ("page=sub_page&words=a&asin=B000LAMP01&sub_page=Attributes", 404, "Attributes"),
        ("page=done&words=a&asin=B000LAMP01", 404, "bought"),
        ("<script>=1", 400, "script"),
    ],
)
def test_a_bad_address_is_told_what_is_bad(
    client: FlaskClient, sessions: Sessions, errand: Errand, query: str, status: int, named: str
) -> None:
    answer = client.get(f"/shop/{sessions.begin(errand)}/?{query}")
    assert answer.status_code == status
    assert named in answer.text
    assert "<script" not in answer.text
    assert Reader(answer.text).pieces == []


def test_somebody_shops(client: FlaskClient) -> None:
    offered = [a["value"] for tag, a in Reader(client.get("/").text).tags if "value" in a]
    assert sorted(map(str, offered)) == ["human/B000CABLE4/0", "human/B000LAMP01/1"]
    entered = client.post("/", data={"goal": "human/B000LAMP01/1"})
    assert entered.status_code == 303
    shop = entered.location
    assert "i want a large lamp" in client.get(shop).text
    found = client.get(f"{shop}?page=results&number=1&words=Brass+Arm+LAMP").text
    page = found
    for text in ("B000LAMP01", "large", "black | gold"):
        page = client.get(shop + href_of(page, text)).text
    assert pages.Piece(pages.CHOSEN, "large") in Reader(page).pieces
    (buy,) = [a["action"] for tag, a in Reader(page).tags if a.get("method") == "post"]
    bought = client.post(f"{shop}{buy}")
    receipt = client.get(bought.location)
    assert ": times 1.0" in receipt.text
    assert Piece(pages.TEXT, "1.0") in Reader(receipt.text).pieces
    # The first purchase counts, whatever is bought after it, and going back says so.
    again = client.post(f"{shop}?page=item&words=tea&asin=B000TEA002")
    assert again.location == bought.location
    left = client.get(f"{shop}?page=results&number=1&words=Brass+Arm+LAMP").text
    before, notice, after = left.partition('<p class="over">')
    told, _, rest = after.partition("</p>\n")
    assert notice
    assert bought.location.removeprefix(shop) in html.unescape(told)
    assert before + rest == found


def href_of(page: str, text: str) -> str:
    """Where the link of a text leads."""
    read = Reader(page)
    with_kind = [attributes for _, attributes in read.tags if "data-act" in attributes]
    hrefs = [a["href"] for a, p in zip(with_kind, read.pieces, strict=True) if p.text == text]
    assert hrefs[0] is not None
    return hrefs[0]


def test_only_products_are_bought_and_only_errands_are_run(
    client: FlaskClient, sessions: Sessions, errand: Errand
) -> None:
    name = sessions.begin(errand)
    assert client.post(f"/shop/{name}/?page=results&words=a").status_code == 400
    assert client.post("/shop/nobody/?page=item&words=a&asin=B000LAMP01").status_code == 404
    assert client.get("/shop/nobody/").status_code == 404
    assert client.post("/", data={"goal": MARKUP}).status_code == 404
    assert client.get("/../../etc/passwd").status_code == 404
    refused = client.put("/")
    assert (refused.status_code, "POST" in refused.headers["Allow"]) == (405, True)


def test_every_answer_forbids_scripts(client: FlaskClient) -> None:
    for path in ("/", "/shop/nobody/", "/shop.css", "/nothing"):
        policy = client.get(path).headers["Content-Security-Policy"]
        assert "script-src 'none'" in policy
        assert "default-src 'none'" in policy
        assert "http" not in policy


def test_sessions_are_bounded_and_the_oldest_goes_first(errand: Errand) -> None:
    sessions = Sessions(limit=3)
    first, second = sessions.begin(errand), sessions.begin(errand)
    sessions.begin(errand)
    assert sessions.find(first)
    sessions.begin(errand)
    assert sessions.find(second) is None
    assert sessions.find(first)
    assert len(first) >= 16
    assert first != second


def test_many_shoppers_at_once(engine: Engine) -> None:
    sessions, failures = Sessions(limit=8), []
    goals = engine.shop.goals("synthetic")
    server = listen(create_app(engine, goals, sessions=sessions), "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def shop(place: int) -> None:
        errand = errand_of(goals[place % len(goals)])
        name = sessions.begin(errand)
        for visit in walk(engine, errand, place, 25):
            if visit.page != pages.DONE:
                url = f"http://127.0.0.1:{server.port}/shop/{name}/{links.write(engine, visit)}"
                with urllib.request.urlopen(url, timeout=60) as answer:
                    text = answer.read().decode()
                if Reader(text).pieces != engine.pieces(errand, visit):
                    failures.append(visit)

    threads = [threading.Thread(target=shop, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.shutdown()
    assert not failures


def test_a_port_in_use_is_said_in_one_line(engine: Engine) -> None:
    app = create_app(engine, engine.shop.goals("human"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UnknownArgument, match=f"port {port} of '127.0.0.1'.*another port"):
            listen(app, "127.0.0.1", port)
    with pytest.raises(UnknownArgument, match="70000"):
        listen(app, "127.0.0.1", 70000)
    with pytest.raises(UnknownArgument, match=r"no\.such"):
        listen(app, "no.such.host.invalid", 0)


def test_serving_ends_at_an_interrupt() -> None:
    code = (
        "from act_envs.webshop.serve import Serve; raise SystemExit(Serve(generated=30, port=0)())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("30 products, ")
        url = process.stdout.readline().split()[0]
        assert urlsplit(url).hostname == "127.0.0.1"
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert "Run an errand" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        said, logged = process.communicate(timeout=60)
    assert (process.returncode, said, logged) == (0, "\n", "")


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownArgument, match="products=0"):
        Serve(generated=0)()
    with pytest.raises(UnknownArgument, match="--generated alone"):
        Serve(generated=5, data_dir=tmp_path)()
