"""The shop in a real Chromium: what it shows, takes and pays is what the environment does."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest

pytest.importorskip("flask", reason="needs flask for a site to show in chromium")
pytest.importorskip("PIL", reason="needs Pillow for screenshots of chromium")
pytest.importorskip("selenium", reason="needs selenium to drive chromium")

from act_envs.base import TextEnv
from act_envs.errors import ActError, AssetsNotFound, SimulatorError, UnknownArgument
from act_envs.types import Task
from act_envs.webshop import chromium, pages
from act_envs.webshop.browser import BrowserSimulator
from act_envs.webshop.engine import Engine
from act_envs.webshop.pages import BUY, Visit
from act_envs.webshop.shop import Shop
from act_envs.webshop.simulator import NativeSimulator
from tests.envs.webshop_hostile import HOSTILE, MARKUP, choose, engine_of, every_page, hostile_shop

try:
    chromium.find_chromium()
    chromium.find_driver()
except ActError as missing:
    pytest.skip(f"needs chromium: {missing}", allow_module_level=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return hostile_shop(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def engine(shop: Shop) -> Engine:
    return engine_of(shop)


@pytest.fixture(scope="module")
def browser(engine: Engine) -> Iterator[BrowserSimulator]:
    simulator = BrowserSimulator(engine, "synthetic", "text_rich")
    yield simulator
    simulator.close()


def test_a_fork_shows_its_own_pages_and_outlives_the_other() -> None:
    env = gym.make("ACT/WebShopBrowser-v0", products=50, render_mode="rgb_array").unwrapped
    assert isinstance(env, TextEnv)
    env.reset(seed=0)
    before = env.render()
    fork = env.fork()
    fork.step("search[red]")
    assert before.shape == fork.render().shape
    assert (env.render() != before).mean() < 1e-3  # a cursor blinks in the search bar
    env.close()
    assert (fork.render() != before).mean() > 1e-2
    fork.close()
    with pytest.raises(UnknownArgument, match="Give products alone"):
        gym.make("ACT/WebShopBrowser-v0", products=50, data_dir="nowhere")


class Pair:
    """A browser and the engine, step by step the same or a failed test."""

    def __init__(self, browser: BrowserSimulator, engine: Engine, observation: str) -> None:
        self.browser = browser
        self.native = NativeSimulator(engine, "synthetic", observation)

    def start(self, task: Task) -> None:
        assert self.browser.start(task) == self.native.start(task)
        self._compare()

    def act(self, action: str) -> Visit:
        assert self.browser.act(action) == self.native.act(action), action
        self._compare()
        return self.native.snapshot()

    def _compare(self) -> None:
        assert self.browser.snapshot() == self.native.snapshot()
        assert self.browser.admissible_actions() == self.native.admissible_actions()
        assert self.browser.fingerprint() == self.native.fingerprint()


HOSTILE_ASINS = [product["asin"] for product in HOSTILE[:4]]
TASKS = ("synthetic/B000LAMP01/0", "synthetic/B000LAMP01/3", "synthetic/B000BIDI07/0")


def test_every_page_and_action_of_a_tour(browser: BrowserSimulator, engine: Engine) -> None:
    pair = Pair(browser, engine, "text_rich")
    pair.start(browser.task(TASKS[0]))
    met = set()
    for action in (
        "click[search]",
        "search[]",
        "search[lamp]",
        "click[next >]",
        "click[next >]",
        "click[next >]",
        "click[next >]",
        "click[< prev]",
        f"search[{MARKUP}]",
        "search[ lamp  BRASS ]",
        "click[b000lamp01]",
        "click[description]",
        "click[< prev]",
        "click[Features]",
        "click[< prev]",
        "click[reviews]",
        "search[tea 😀 \ue007 straße]",
        "click[b000tea002]",
        "click[attributes]",
        "click[< prev]",
        "click[back to search]",
        "nonsense",
        "search[" + "long " * 800 + "]",
        "search[desk lamp]",
        "click[b000lamp01]",
        "click[< prev]",
        "click[b000lamp01]",
        "click[large]",
        "click[black | gold]",
        "click[small]",
        "click[small]",
        "click[b000lamp01]",
        "click[buy now]",
    ):
        met.add(pair.act(action).page)
    assert met == {pages.INDEX, pages.RESULTS, pages.ITEM, pages.SUB_PAGE, pages.DONE}
    assert pair.native.snapshot().reward is not None


@pytest.mark.parametrize("quirks", [False, True])
def test_clicking_at_random_among_hostile_products(shop: Shop, quirks: bool) -> None:
    engine = engine_of(shop, quirks=quirks)
    browser = BrowserSimulator(engine, "synthetic", "text")
    pair = Pair(browser, engine, "text")
    draw = random.Random(quirks)
    try:
        for task_id, product in zip(TASKS[1:], ("b000bidi07", "<b>\"'&x;%/"), strict=True):
            pair.start(browser.task(task_id))
            pair.act("search[hostile lamp]")
            pair.act(f"click[{product}]")
            for _ in range(22):
                visit = pair.act(choose(draw, engine, pair.native.snapshot()))
                if visit.page == pages.DONE:
                    break
        assert not _scripts_ran(browser)
    finally:
        browser.close()


def test_every_page_of_a_hostile_product(browser: BrowserSimulator, engine: Engine) -> None:
    native = NativeSimulator(engine, "synthetic", "text_rich")
    task = native.tasks("train")[0]
    native.start(task)
    for visit in every_page(engine, native._errand):
        if visit.asin in HOSTILE_ASINS:
            browser.restore(task, visit)
            native.restore(task, visit)
            assert browser.snapshot() == visit
            assert browser.admissible_actions() == native.admissible_actions()
            assert browser.act("no action") == native.act("no action")
            assert not _scripts_ran(browser)


def _scripts_ran(browser: BrowserSimulator) -> bool:
    driver = browser._chromium.driver  # pyright: ignore[reportOptionalMemberAccess]
    return driver.execute_script("return 'x' in window || document.scripts.length > 0")


def test_the_expert_shops_to_the_end(browser: BrowserSimulator, engine: Engine) -> None:
    pair = Pair(browser, engine, "text_rich")
    for task_id in TASKS[:2]:
        pair.start(browser.task(task_id))
        while (action := browser.expert_action("oracle")) is not None:
            pair.act(action)
        assert browser.act("nothing").won


def test_a_goal_and_prices_are_given(browser: BrowserSimulator, engine: Engine) -> None:
    goal = {"asin": "B000TEA002", "instruction_text": "tea <b>", "attributes": ["caffeine free"]}
    options = {"goal": {**goal, "price_upper": 5}, "prices": {"B000TEA002": 5.01}}
    pair = Pair(browser, engine, "text_rich")
    pair.start(browser.given(options, None))
    for action in ("search[tea]", "click[b000tea002]", "click[buy now]"):
        pair.act(action)
    outcome = browser.act("nothing")
    assert (outcome.score, outcome.failed) == (0.5, True)


def test_states_are_gone_back_to(browser: BrowserSimulator, engine: Engine) -> None:
    pair = Pair(browser, engine, "text_rich")
    pair.start(browser.task(TASKS[0]))
    task = browser.task(TASKS[0])
    kept = [pair.act(a) for a in ("search[lamp tea]", "click[b000tea002]", f"click[{BUY.lower()}]")]
    for visit in (*kept, *reversed(kept)):
        browser.restore(task, visit)
        pair.native.restore(task, visit)
        pair.act("nothing")
        assert pair.browser.snapshot() == visit
    # After a purchase upstream still takes a search, and the next purchase counts for itself.
    pair.browser.restore(task, kept[-1])
    pair.native.restore(task, kept[-1])
    for action in ("search[cable]", "click[b000cable4]", "click[buy now]"):
        visit = pair.act(action)
    assert visit.asin == "B000CABLE4"


def test_a_screenshot_has_colours(browser: BrowserSimulator) -> None:
    browser.start(browser.tasks("train")[0])
    image = browser.screenshot()
    assert image.shape == (chromium.HEIGHT, chromium.WIDTH, 3)
    assert image.dtype == "uint8"
    assert len({tuple(colour) for colour in image[::7, ::7].reshape(-1, 3).tolist()}) > 5
    browser.act("search[lamp]")
    assert (browser.screenshot() != image).any()


def test_other_observations_are_refused(engine: Engine) -> None:
    for observation in ("html", "url", "tex"):
        with pytest.raises(UnknownArgument, match=observation):
            BrowserSimulator(engine, "synthetic", observation)


def test_a_browser_that_died_is_replaced(engine: Engine) -> None:
    browser = BrowserSimulator(engine, "synthetic", "text")
    try:
        task = browser.tasks("train")[0]
        browser.start(task)
        visit, home = browser.snapshot(), _home(browser)
        for process in _processes(home):
            os.kill(process, signal.SIGKILL)
        with pytest.raises(SimulatorError, match=r"reset\(\) or restore\(\)"):
            browser.act("search[lamp]")
        _assert_gone(home)
        with pytest.raises(SimulatorError, match="no browser runs"):
            browser.act("search[lamp]")
        browser.restore(task, visit)
        assert browser.act("search[lamp]").action_valid
        twin = browser.twin()
        assert twin.start(task) == browser.start(task)
        twin.close()
        assert browser.act("search[lamp]").action_valid
    finally:
        browser.close()
        browser.close()


def test_nothing_is_left_when_it_is_closed_or_collected(engine: Engine) -> None:
    for collected in (False, True):
        browser = BrowserSimulator(engine, "synthetic", "text")
        browser.start(browser.tasks("train")[0])
        home = _home(browser)
        assert len(_processes(home)) > 2
        if collected:
            del browser
            gc.collect()
        else:
            browser.close()
        _assert_gone(home)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_process_ends(end: signal.Signals) -> None:
    code = """
from act_envs.webshop.browser import BrowserSimulator
from act_envs.webshop.engine import Engine
from act_envs.webshop.generator import generate
from act_envs.webshop.nouns import Nouns
from act_envs.webshop.shop import Shop
shop = Shop.of(listing.product() for listing in generate(0, 50))
browser = BrowserSimulator(Engine(shop, Nouns()), "synthetic", "text")
browser.start(browser.tasks("train")[0])
print(browser._chromium.home, flush=True)
while True:
    browser.act("search[red]")
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        home = Path(process.stdout.readline().strip())
        assert len(_processes(home)) > 2
        time.sleep(0.5)
        os.killpg(process.pid, end)
        _, logged = process.communicate(timeout=60)
    assert process.returncode in (1, 130, -end), logged
    _assert_gone(home)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMIUM", "/no/chromium")
    with pytest.raises(AssetsNotFound, match=r"/no/chromium.*apt-get install chromium"):
        chromium.find_chromium()
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssetsNotFound, match="apt-get install chromium chromium-driver"):
        chromium.find_chromium()
    with pytest.raises(AssetsNotFound, match="apt-get install chromium chromium-driver"):
        chromium.find_driver()


def test_a_chromium_that_does_not_start_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(broken))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(SimulatorError, match=r"does not start.*one version"):
        chromium.Chromium()
    assert list(tmp_path.iterdir()) == [broken]
    monkeypatch.setattr("tempfile.tempdir", None)


def test_a_driver_that_hangs_is_started_once_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, hangs = tmp_path / "asked", tmp_path / "chromedriver"
    monkeypatch.setattr(chromium, "_START_TIMEOUT", 20.0)
    hangs.write_text(
        f"#!/bin/sh\necho >> {asked}\n[ $(wc -l < {asked}) = 1 ] && exec sleep 1000\n"
        f'exec {chromium.find_driver()} "$@"\n'
    )
    hangs.chmod(0o755)
    monkeypatch.setattr(chromium, "find_driver", lambda: str(hangs))
    browser = chromium.Chromium()
    assert browser.alive
    browser.close()
    assert asked.read_text() == "\n\n"
    asked.unlink()
    hangs.write_text(f"#!/bin/sh\necho >> {asked}\nexec sleep 1000\n")
    monkeypatch.setattr(chromium, "_START_TIMEOUT", 0.5)
    with pytest.raises(SimulatorError, match=r"does not start.*no answer for 0 seconds"):
        chromium.Chromium()
    assert asked.read_text() == "\n\n"


def _home(browser: BrowserSimulator) -> Path:
    assert browser._chromium is not None
    return browser._chromium.home


def _processes(home: Path) -> list[int]:
    """All processes that have something to do with a browser: it is in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command, state = (entry / "cmdline").read_bytes(), (entry / "stat").read_text()
                environment = (entry / "environ").read_bytes()
            except OSError:  # it has just ended
                continue
            is_dead = state.rpartition(")")[2].split()[0] in "ZX"
            if not is_dead and os.fsencode(home) in command + environment:
                found.append(int(entry.name))
    return found


def _assert_gone(home: Path) -> None:
    deadline = time.monotonic() + 10
    while (left := _processes(home)) or home.exists():
        assert time.monotonic() < deadline, (left, home.exists())
        time.sleep(0.05)
