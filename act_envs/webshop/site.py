"""The shop as a web site for people and browsers, over the engine and pages of the environment.

No scripts, nothing from other machines unless images are asked for, and no product text unescaped.
An address carries the whole visit (see ``links``), so going back and opening tabs just work; all
that the site remembers of a session is its errand and what was bought first.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from importlib import resources

from act_envs.errors import MissingExtra
from act_envs.webshop import links, pages
from act_envs.webshop.engine import Engine, Errand
from act_envs.webshop.goals import Goals
from act_envs.webshop.html import document, render
from act_envs.webshop.pages import Visit

try:
    from flask import Flask, Response, redirect, request
    from werkzeug.exceptions import HTTPException, NotFound
except ImportError as error:
    raise MissingExtra(
        'WebShop\'s site needs Flask. Run: pip install "agentic-critical-training[webshop]"'
    ) from error

_SESSIONS = 1000
_DRAWN = 6  # errands on the first page
_POLICY = (
    "default-src 'none'; script-src 'none'; style-src 'self'; img-src {images}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Session:
    """One errand. ``bought`` is the visit that ended it, the reward included."""

    errand: Errand
    bought: Visit | None = None


class Sessions:
    """Sessions by names that cannot be guessed. Those that were not used for longest go first.

    Args:
        limit: how many there are at the most.
    """

    def __init__(self, limit: int = _SESSIONS) -> None:
        self._limit = limit
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, errand: Errand, bought: Visit | None = None) -> str:
        """A new session; its name."""
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._sessions[name] = Session(errand, bought)
            while len(self._sessions) > self._limit:
                self._sessions.popitem(last=False)
        return name

    def find(self, name: str) -> Session | None:
        """The session of that name, None where there is none."""
        with self._lock:
            if name in self._sessions:
                self._sessions.move_to_end(name)
            return self._sessions.get(name)

    def buy(self, name: str, visit: Visit) -> Visit | None:
        """End a session with a purchase: this one, or the one it has ended with already."""
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                return None
            if session.bought is None:
                session = self._sessions[name] = replace(session, bought=visit)
            return session.bought


def create_app(
    engine: Engine,
    goals: Goals,
    *,
    sessions: Sessions | None = None,
    images: bool = False,
    person: bool = True,
) -> Flask:
    """The site.

    Args:
        engine: the shop and its rules; only read.
        goals: whose errands the first page offers; only read.
        sessions: where they are kept, for somebody who begins some himself.
        images: pages name pictures on other machines, which browsers then load.
        person: see :func:`act_envs.webshop.html.document`.
    """
    app = Flask(__name__, static_folder=None, template_folder=None)
    kept = Sessions() if sessions is None else sessions
    style = resources.files("act_envs.webshop").joinpath("templates/shop.css").read_bytes()

    @app.get("/")
    def welcome() -> str:
        drawn = random.Random().sample(range(len(goals)), min(_DRAWN, len(goals)))
        return render(
            "welcome.html",
            page="welcome",
            person=True,
            goals=[goals[place] for place in drawn],
            count=len(goals),
            source=goals.source,
            products=len(engine.shop.products),
        )

    @app.post("/")
    def begin():
        wanted = request.form.get("goal", "")
        goal = goals.find(wanted)
        if goal is None:
            raise NotFound(f"There is no errand {wanted!r:.60}. Draw another.")
        name = kept.begin(Errand(goal, {}, goal.goal_id.replace("/", "-")))
        return redirect(f"/shop/{name}/", 303)

    @app.get("/shop/<name>/")
    def shop(name: str):
        session = _session(kept, name)
        visit = links.read(engine, session.errand, request.query_string.decode("latin-1"))
        if visit.page == pages.DONE:
            if session.bought is None or session.bought._replace(reward=None) != visit:
                raise NotFound("This was not bought. Open the product and buy it there.")
            visit = session.bought
        return document(
            engine, session.errand, visit, images=images, person=person, bought=session.bought
        )

    @app.post("/shop/<name>/")
    def buy(name: str):
        session = _session(kept, name)
        visit = links.read(engine, session.errand, request.query_string.decode("latin-1"))
        if visit.page != pages.ITEM:
            raise links.BadAddress("Only a product can be bought.")
        after = engine.click(session.errand, visit, pages.BUY.lower())
        assert after is not None
        bought = kept.buy(name, after)
        if bought is None:
            raise _no_session()
        return redirect(f"/shop/{name}/{links.write(engine, bought)}", 303)

    @app.get("/shop.css")
    def stylesheet() -> Response:
        return Response(style, mimetype="text/css", headers={"Cache-Control": "max-age=600"})

    _guard(app, images)
    return app


def _guard(app: Flask, images: bool) -> None:
    """What holds for every answer: failures are pages, too, and nothing foreign is loaded."""
    policy = _POLICY.format(images="data: https: http:" if images else "data:")

    @app.errorhandler(links.BadAddress)
    def bad_address(error: links.BadAddress) -> tuple[str, int]:
        return _failure("This address leads nowhere", str(error)), error.status

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException):
        response = error.get_response()  # with the headers of its own, such as Allow
        response.data = _failure(error.name, error.description or "")
        response.content_type = "text/html; charset=utf-8"
        return response

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        for header, value in _HEADERS.items():
            response.headers.setdefault(header, value)
        return response


def _session(kept: Sessions, name: str) -> Session:
    session = kept.find(name)
    if session is None:
        raise _no_session()
    return session


def _no_session() -> NotFound:
    return NotFound("This errand is not known: it is long over, or the site was started anew.")


def _failure(name: str, message: str) -> str:
    return render("error.html", page="error", person=True, name=name, message=message)
