"""WebShop through a real browser: the pages of ``site`` in Chromium, read and clicked as they are.

Tasks, goals, prices and the expert are those of :class:`NativeSimulator`; observations, admissible
actions, rewards and states are read from what the browser shows. So it is slow (a step takes
tenths of a second), and good for screenshots, and for showing that both are the same shop.
"""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from werkzeug.serving import BaseWSGIServer

from act_envs.errors import SimulatorError, UnknownArgument, nearest
from act_envs.listening import listen
from act_envs.protocol import one_by_one
from act_envs.types import Outcome, Task
from act_envs.webshop import links, pages
from act_envs.webshop.chromium import FAILURES, Chromium
from act_envs.webshop.engine import SEARCH_TEMPLATE, Engine, clicks, parse, typed
from act_envs.webshop.goals import Goals
from act_envs.webshop.pages import Piece, Visit
from act_envs.webshop.reward import Reward
from act_envs.webshop.simulator import NativeSimulator
from act_envs.webshop.site import Sessions, create_app

OBSERVATIONS = ("text", "text_rich")
_LOAD_TIMEOUT = 60.0  # seconds for a page of this machine
_TYPED = 200  # characters; longer words are put into the search bar at once
_READ = """
const texts = [...document.querySelectorAll("[data-act]")].map(
  e => [e.dataset.act, "text" in e.dataset ? JSON.parse(e.dataset.text) : e.textContent]);
const receipt = document.querySelector("[data-reward]");
return {
  loaded: document.readyState === "complete" ? performance.timeOrigin : 0,
  kind: document.body ? document.body.dataset.page : "",
  query: location.search,
  texts: texts,
  reward: receipt && receipt.dataset.reward,
  said: document.querySelector("main")?.innerText.slice(0, 300) ?? "",
};
"""
_CLICK = 'return document.querySelectorAll("[data-act]")[arguments[0]]'


class Page(NamedTuple):
    """What a browser shows.

    Attributes:
        loaded: when it began to load; no two pages of a browser have the same.
        kind: of the page, as the document names it.
        query: the last part of its address.
        pieces: what stands on it.
        reward: what a purchase was worth, None on other pages.
        said: the beginning of its text, for errors.
    """

    loaded: float = 0.0
    kind: str = ""
    query: str = ""
    pieces: Sequence[Piece] = ()
    reward: Reward | None = None
    said: str = ""


class Site:
    """The site on a free port of this machine, until it is closed or collected.

    Attributes:
        sessions: of its shoppers.
        address: of its first page, without a slash at the end.
    """

    def __init__(self, engine: Engine, goals: Goals) -> None:
        self.sessions = Sessions()
        app = create_app(engine, goals, sessions=self.sessions, person=False)
        server = listen(app, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.close = weakref.finalize(self, _stop, server, os.getpid())


class BrowserSimulator(NativeSimulator):
    """The shop in Chromium, which starts with the first episode.

    Args:
        engine: the shop and its rules, which the site serves.
        source: whose goals are the tasks.
        observation: one of ``OBSERVATIONS``.

    Raises:
        UnknownArgument: there is no such observation here, or there are no goals of that source.
    """

    def __init__(
        self, engine: Engine, source: Literal["human", "synthetic"], observation: str
    ) -> None:
        if observation not in OBSERVATIONS:
            raise UnknownArgument(
                f"observation {observation!r} is not read from a browser. "
                f"{nearest(observation, OBSERVATIONS)}"
            )
        super().__init__(engine, source, observation)
        self.name = f"browser:{self.name}"
        self._site: Site | None = None
        self._chromium: Chromium | None = None
        self._page = Page()

    def act(self, action: str) -> Outcome:
        """Type into the search bar, or click. Where the page has nothing of it, stay."""
        name, words = parse(action)
        if name == "search" and words:
            self._search(words)
            return self._outcome(valid=True)
        at = self._find(words) if name == "click" else None
        if at is None:
            return self._outcome(valid=False)
        kind, sub_page = self._page.pieces[at].kind, words.capitalize()
        if kind in (pages.OPTION, pages.CHOSEN) and sub_page in pages.SUB_PAGES:
            # An option of that name, and no such button. Upstream takes one for the other.
            self._open(self._visit._replace(page=pages.SUB_PAGE, sub_page=sub_page))
        else:
            self._follow(lambda browser: browser.driver.execute_script(_CLICK, at).click())
        return self._outcome(valid=True)

    def consequences(self, task: Task, actions: Sequence[str]) -> list[tuple[Outcome, bytes]]:
        """What actions would give, each followed in the browser, and the page opened again."""
        return one_by_one(self, task, actions)

    def admissible_actions(self) -> list[str]:
        """What can be done as the page shows it, in upstream's order."""
        if self._page.kind == pages.INDEX:
            return [SEARCH_TEMPLATE]
        buttons, others = [], []
        for kind, text in self._page.pieces:
            if kind == pages.BUTTON:
                buttons.append(text.lower())
            elif kind != pages.TEXT:
                others.append(text.lower() if kind in (pages.LINK, pages.SEEN) else text)
        return clicks((*buttons, *others))

    def screenshot(self) -> np.ndarray:
        """The page as it looks: (height, width, 3), uint8, red, green, blue."""
        with self._browser() as browser:
            return browser.screenshot()

    def close(self) -> None:
        """End the browser and the site. May be called twice."""
        super().close()
        if self._chromium is not None:
            self._chromium.close()
        if self._site is not None:
            self._site.close()
        self._chromium = self._site = None

    # -- inside --------------------------------------------------------------------------------

    def _begin(self, task: Task, visit: Visit) -> None:
        super()._begin(task, visit)
        self._open(visit)

    def _renderer(self, observation: str) -> Callable[[Visit], str]:
        read = pages.plain if observation == "text" else pages.rich
        return lambda visit: read(self._page.pieces)

    def _open(self, visit: Visit) -> None:
        """Show the page of a visit, in a new session: in the one before something may be bought."""
        if self._site is None:
            self._site = Site(self._engine, self._goals)
        if self._chromium is None or not self._chromium.alive:
            self._chromium, self._page = Chromium(), Page()
        bought = visit if visit.page == pages.DONE else None
        name = self._site.sessions.begin(self._errand, bought)
        address = f"{self._site.address}/shop/{name}/{links.write(self._engine, visit)}"
        self._follow(lambda browser: browser.driver.get(address))

    def _search(self, words: str) -> None:
        if self._page.kind == pages.DONE:  # has no bar, but upstream takes a search there too
            self._open(Visit(pages.RESULTS, tuple(words.split(" ")), 1, seen=self._visit.seen))
            return

        def submit(browser: Chromium) -> None:
            field = browser.driver.find_element(By.ID, "search_input")
            if len(words) <= _TYPED and words.isprintable() and max(words) < "\U00010000":
                field.clear()
                field.send_keys(words)
            else:  # the driver types no characters beyond 16 bits, and takes private ones for keys
                browser.driver.execute_script("arguments[0].value = arguments[1]", field, words)
            field.send_keys(Keys.ENTER)

        self._follow(submit)

    def _find(self, text: str) -> int | None:
        """Which element a click on a text means, as upstream picks it; None for none.

        Buttons go before options; of equal texts the last counts. A value that cannot be typed as
        one line is known by what can be.
        """
        if self._page.kind == pages.INDEX or text == "search":
            return None
        options, as_typed, links_to, buttons = {}, {}, {}, {}
        for at, (kind, shown) in enumerate(self._page.pieces):
            if kind in (pages.OPTION, pages.CHOSEN):
                options[shown] = as_typed[typed(shown)] = at
            elif kind in (pages.LINK, pages.SEEN):
                links_to[typed(shown.lower())] = links_to[shown.lower()] = at
            elif kind == pages.BUTTON:
                buttons[shown.lower()] = at
        return (as_typed | options | links_to | buttons).get(text)

    def _follow(self, lead: Callable[[Chromium], object]) -> None:
        """Do what opens another page, wait for it, and read it."""
        with self._browser() as browser:
            before, deadline = self._page.loaded, time.monotonic() + _LOAD_TIMEOUT
            lead(browser)
            while (shown := browser.driver.execute_script(_READ))["loaded"] in (0, before):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no page came for {_LOAD_TIMEOUT:.0f} seconds")
                time.sleep(0.002)
            self._page = _page(shown)
            try:
                visit = links.read(self._engine, self._errand, self._page.query.removeprefix("?"))
            except links.BadAddress as error:
                raise SimulatorError(f"the browser is lost: {error} {self._page.said}") from error
            if visit.page != self._page.kind:
                raise SimulatorError(f"the browser shows no page of the shop: {self._page.said}")
            self._visit = visit._replace(reward=self._page.reward)

    @contextmanager
    def _browser(self) -> Iterator[Chromium]:
        """The browser, which is ended if it fails or is interrupted while it works."""
        if self._chromium is None or not self._chromium.alive:
            raise SimulatorError("no browser runs here. Call reset() or restore() to start one.")
        try:
            yield self._chromium
        except FAILURES as error:
            self._chromium.close()
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise SimulatorError(
                f"the browser failed: {said}. Call reset() or restore() to go on with another one."
            ) from error
        except BaseException:
            self._chromium.close()
            raise


def _stop(server: BaseWSGIServer, owner: int) -> None:
    if os.getpid() == owner:  # in a fork there is no thread that would answer
        server.shutdown()


def _page(shown: dict[str, Any]) -> Page:
    reward = shown["reward"]
    return Page(
        loaded=shown["loaded"],
        kind=shown["kind"],
        query=shown["query"],
        pieces=[Piece(kind, text) for kind, text in shown["texts"]],
        reward=None if reward is None else Reward(**json.loads(reward)),
        said=shown["said"],
    )
