"""A model behind an endpoint, against a small server that does all that servers do."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import email.utils
import json
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("httpx2")

from act_data.errors import EndpointError, ModelNotFound
from act_data.policies import completions
from act_data.policies.base import Query, Sample, Sampling, make_policy, seed_of
from act_data.policies.endpoint import Endpoint
from act_data.prompts import action_prompt
from act_data.types import AgentState
from act_envs.errors import MissingExtra, UnknownArgument

Body = dict[str, Any]


def _completion(body: Body, n: int | None = None) -> Body:
    """Answers that name the seed, as a server gives that draws with seed, seed + 1, ..."""
    seeds = range(body.get("seed", 0), body.get("seed", 0) + (n or body.get("n", 1)))
    texts = [f"<action>take {seed}</action>" for seed in seeds]
    return {"choices": [{"message": {"role": "assistant", "content": text}} for text in texts]}


@dataclasses.dataclass
class Reply:
    """What the server does with one request; ``do`` replaces all of it."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    do: Callable[[BaseHTTPRequestHandler, Body], None] | None = None


class Server(ThreadingHTTPServer):
    """Replies in turn, the last one for ever; without any, as a good server does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Reply] = []
        self.asked: list[Body] = []
        self.keys: list[str | None] = []
        self.lock, self.over = threading.Lock(), threading.Event()
        self.busy = self.busiest = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        found = self.path == "/v1/models"
        self.reply(200 if found else 404, {"data": [{"id": "tiny"}, {"id": "large"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.asked.append(body)
            server.keys.append(self.headers["Authorization"])
            replies = server.replies
            now = replies.pop(0) if len(replies) > 1 else replies[0] if replies else Reply()
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        try:
            if now.do:
                now.do(self, body)
            elif self.path != "/v1/chat/completions":
                self.reply(404, {"detail": "Not Found"})
            else:
                content = _completion(body) if now.content is None else now.content
                self.reply(now.status, content, now.headers)
        finally:
            with server.lock:
                server.busy -= 1

    def reply(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(completions, "DELAY", 0.001)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.over.set()
        running.shutdown()


def _policy(server: Server, **options: Any) -> Endpoint:
    sampling = Sampling(temperature=options.pop("temperature", 1.0))
    options = {"base_url": server.url, "timeout": 10.0, "retries": 3, **options}
    return Endpoint("tiny", sampling, **options)


def _queries(count: int) -> list[Query]:
    return [Query(AgentState("goal", f"room {n}"), (), seed_of("q", n)) for n in range(count)]


def _first_seed(query: Query) -> int:
    return query.seed[0] % 2**31


def _expected(queries: list[Query], k: int) -> list[list[str]]:
    return [[f"take {_first_seed(q) + i}" for i in range(k)] for q in queries]


def _actions(policy: Endpoint, queries: list[Query], k: int) -> list[list[str | None]]:
    return [[sample.action for sample in some] for some in policy.sample(queries, k)]


def test_what_is_asked_and_what_is_answered(server: Server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " secret\n")
    policy = make_policy(
        "openai:tiny", base_url=f"{server.url}/", temperature=0.5, top_p=0.9, max_new_tokens=7
    )
    [query] = _queries(1)
    query = dataclasses.replace(query, expert_action="rob the bank")
    [samples] = policy.sample([query], 3)
    assert [sample.action for sample in samples] == _expected([query], 3)[0]
    assert samples[0].text == f"<action>{samples[0].action}</action>"
    assert server.asked == [
        {
            "model": "tiny",
            "messages": action_prompt(query.state, history=2),
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 7,
            "seed": _first_seed(query),
            "n": 3,
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]
    assert "rob the bank" not in json.dumps(server.asked)
    assert server.keys == ["Bearer secret"]
    assert (policy.name, policy.revision) == ("openai:tiny", "")
    assert "secret" not in str(policy.sampling) + str(vars(policy))
    assert server.url not in str(policy.sampling)
    assert policy.engine == {"base_url": server.url}


def test_a_record_of_the_address_tells_no_secret() -> None:
    policy = make_policy("openai:tiny", base_url="http://me:secret@host:8000/v1?key=secret")
    assert policy.engine == {"base_url": "http://host:8000/v1"}


def test_a_prompt_of_its_own_takes_the_place_of_the_state(server: Server) -> None:
    asked = ({"role": "user", "content": "What is 1 + 1?"},)
    [query] = _queries(1)
    _policy(server).sample([dataclasses.replace(query, prompt=asked)], 1)
    assert server.asked[0]["messages"] == list(asked)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (r'"go \ud800 x"', "go \ufffd x"),
        (r'"go \udc00\ud800"', "go \ufffd\ufffd"),
        (r'"go \ud83d\ude00"', "go \U0001f600"),
        ('"go 😀\ufeff"', "go 😀\ufeff"),
    ],
)
def test_half_a_character_goes_no_further(server: Server, said: str, text: str) -> None:
    server.replies = [
        Reply(content=f'{{"choices": [{{"message": {{"content": {said}}}}}]}}'.encode())
    ]
    [[sample]] = _policy(server).sample(_queries(1), 1)
    assert sample.text == text
    assert sample.text.encode().decode() == text


def test_answers_do_not_depend_on_the_batch(server: Server) -> None:
    queries = _queries(20)
    together = _policy(server).sample(queries, 2)
    assert together == [_policy(server).sample([query], 2)[0] for query in queries]
    assert server.keys == [None] * 40
    assert _policy(server).sample([], 2) == []


def test_a_server_without_n_is_asked_once_for_each(server: Server) -> None:
    server.replies = [Reply(do=lambda to, body: to.reply(200, _completion(body, n=1)))]  # type: ignore[attr-defined]
    queries, policy = _queries(2), _policy(server, concurrency=1)
    assert _actions(policy, queries, 3) == _expected(queries, 3)
    assert _actions(policy, queries, 3) == _expected(queries, 3)
    assert sum("n" in body for body in server.asked) <= 2, "it was not remembered"


def test_a_server_that_refuses_n(server: Server) -> None:
    def refuse(to: Any, body: Body) -> None:
        to.reply(400, {"error": {"message": "too many"}}) if "n" in body else to.reply(
            200, _completion(body)
        )

    server.replies = [Reply(do=refuse)]
    queries = _queries(2)
    assert _actions(_policy(server), queries, 3) == _expected(queries, 3)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("seed", None), ("chat_template_kwargs", None), ("max_tokens", "max_completion_tokens")],
)
def test_what_an_endpoint_does_not_know_is_left_out(
    server: Server, name: str, instead: str | None
) -> None:
    def refuse(to: Any, body: Body) -> None:
        if name in body:
            to.reply(400, {"error": {"message": f"Unsupported parameter: '{name}'."}})
        else:
            to.reply(200, _completion(body))

    server.replies = [Reply(do=refuse)]
    policy = _policy(server)
    assert len(_actions(policy, _queries(1), 2)[0]) == 2
    assert name not in server.asked[-1]
    assert instead is None or instead in server.asked[-1]
    asked = len(server.asked)
    policy.sample(_queries(1), 2)
    assert len(server.asked) == asked + 1, "it was not remembered"


def test_temperature_zero_asks_once(server: Server) -> None:
    queries = _queries(2)
    answers = _actions(_policy(server, temperature=0.0), queries, 3)
    assert answers == [[f"take {_first_seed(query)}"] * 3 for query in queries]
    assert len(server.asked) == 2


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_at_once_than_allowed(server: Server, concurrency: int) -> None:
    def wait_for_others(to: Any, body: Body) -> None:
        deadline = time.monotonic() + 10  # all that are allowed do come
        while server.busiest < concurrency and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.03)  # time for one too many to come
        to.reply(200, _completion(body))

    server.replies = [Reply(do=wait_for_others)]
    _policy(server, concurrency=concurrency).sample(_queries(9), 1)
    assert server.busiest == concurrency


def _hang_up(to: Any, body: Body) -> None:
    to.connection.shutdown(socket.SHUT_RDWR)
    to.close_connection = True


def _hang(to: Any, body: Body) -> None:
    to.server.over.wait(10)


def _half(to: Any, body: Body) -> None:
    to.send_response(200)
    to.send_header("Content-Length", "1000")
    to.end_headers()
    to.wfile.write(b'{"choices": [')
    to.close_connection = True


TRANSIENT = [
    Reply(429, {"error": {"message": "slow down"}}),
    Reply(500, b""),
    Reply(503, b"<html>busy</html>"),
    Reply(200, b"<html>welcome</html>"),
    Reply(200, b'{"choices": [{"message"'),
    Reply(200, b"[" * 100_000),
    Reply(200, b"\xff\xfe"),
    Reply(200, []),
    Reply(200, {"choices": []}),
    Reply(200, {"choices": None}),
    Reply(200, {"choices": [{"message": None}]}),
    Reply(200, {"choices": [{"message": {"content": 5}}]}),
    Reply(200, b"no gzip at all", {"Content-Encoding": "gzip"}),
    Reply(do=_hang_up),
    Reply(do=_half),
]


@pytest.mark.parametrize("reply", TRANSIENT)
def test_what_may_pass_is_tried_again(server: Server, reply: Reply) -> None:
    server.replies = [reply, reply, Reply()]
    queries = _queries(1)
    assert _actions(_policy(server), queries, 2) == _expected(queries, 2)
    assert len(server.asked) == 3


@pytest.mark.parametrize("reply", TRANSIENT)
def test_but_not_for_ever(server: Server, reply: Reply) -> None:
    server.replies = [reply]
    with pytest.raises(EndpointError, match=rf"{server.url} .*tried 3 times.*goes on"):
        _policy(server, retries=2).sample(_queries(1), 2)
    assert len(server.asked) == 3


def test_a_server_that_hangs(server: Server) -> None:
    server.replies = [Reply(do=_hang), Reply()]
    queries = _queries(1)
    assert _actions(_policy(server, timeout=0.2), queries, 1) == _expected(queries, 1)


def test_a_server_that_trickles(server: Server) -> None:
    def trickle(to: Any, body: Body) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "1000")
        to.end_headers()
        while not server.over.wait(0.02):
            to.wfile.write(b" ")
            to.wfile.flush()

    server.replies = [Reply(do=trickle)]
    with pytest.raises(EndpointError, match=r"no answer within 0\.2 s"):
        _policy(server, timeout=0.2, retries=0).sample(_queries(1), 1)


def test_nobody_there(server: Server, caplog) -> None:
    gone = Server()
    url = gone.url
    gone.server_close()
    with pytest.raises(EndpointError, match=r"cannot be reached.*tried 2 times"):
        _policy(server, base_url=url, retries=1).sample(_queries(3), 2)
    assert len([one for one in caplog.records if one.name == "act_data.policies.completions"]) == 1


def _pauses(server: Server, monkeypatch, **options: Any) -> list[float]:
    """How long the client would have waited."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    patched = type("Patched", (), {**vars(asyncio), "sleep": staticmethod(sleep)})
    monkeypatch.setattr(completions, "asyncio", patched)
    with contextlib.suppress(EndpointError):
        _policy(server, **options).sample(_queries(1), 1)
    return pauses


def test_pauses_grow_and_differ(server: Server, monkeypatch) -> None:
    server.replies = [Reply(500)]
    monkeypatch.setattr(completions, "DELAY", 1.0)
    pauses = _pauses(server, monkeypatch, retries=8)
    assert len(pauses) == len(set(pauses)) == 8
    for index, pause in enumerate(pauses):
        assert min(2**index, 30) / 2 <= pause <= min(2**index, 30)


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [("7", 7, 7), ("0", 0, 0), ("-3", 0, 1), ("nan", 0, 1), ("soon", 0, 1), ("61.5", 61.5, 61.5),
     (+90, 20, 91), (-90, 0, 0)],  # seconds from now, as a date
)  # fmt: skip
def test_retry_after_is_kept(server: Server, monkeypatch, told, least, most) -> None:
    if isinstance(told, int):
        told = email.utils.formatdate(time.time() + told, usegmt=True)
    server.replies = [Reply(429, {}, {"Retry-After": told}), Reply()]
    [pause] = _pauses(server, monkeypatch)
    assert least <= pause <= most


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (Reply(401, {"error": {"message": "bad key"}}), EndpointError, "401: bad key.*API_KEY"),
        (Reply(403, b""), EndpointError, "403: nothing said.*API_KEY"),
        (Reply(400, {"message": "no such token"}), EndpointError, "no such token.*--history"),
        (Reply(301, b"", {"Location": "/"}), EndpointError, "301.*--base-url"),
        (Reply(405, b"no"), EndpointError, "405: no.*--base-url"),
        (Reply(429, {"error": {"code": "insufficient_quota"}}), EndpointError, "Come back later"),
        (Reply(503, b"", {"Retry-After": "86400"}), EndpointError, "Come back later"),
    ],
)  # fmt: skip
def test_what_will_not_pass_is_not_tried_again(server: Server, reply, error, message) -> None:
    server.replies = [reply]
    with pytest.raises(error, match=rf"{server.url} refuses.*{message}"):
        _policy(server).sample(_queries(1), 1)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": "Too long.", "code": "context_length_exceeded"}},
        {"message": "'max_tokens' is too large: 9. This model's maximum context length is 8."},
        {"error": {"message": "the model's context length is only 1024 tokens", "param": "n"}},
        {"message": "The decoder prompt (length 9) is longer than the maximum model length of 8."},
        {"error": {"message": "the request exceeds the available context size", "code": 400}},
    ],
)
def test_a_prompt_that_is_too_long_is_a_fault_of_its_answers(
    server: Server, said: Any, caplog
) -> None:
    def refuse(to: Any, body: Body) -> None:
        long = "room 1" in body["messages"][0]["content"]
        to.reply(400, said) if long else to.reply(200, _completion(body))

    server.replies = [Reply(do=refuse)]
    policy = _policy(server, concurrency=1)
    policy.name = f"openai:{said}"  # it is told once of each policy
    queries = _queries(3)
    expected = _expected(queries, 2)
    for _ in range(2):
        first, second, third = policy.sample(queries, 2)
        assert [s.action for s in first] + [s.action for s in third] == expected[0] + expected[2]
        assert second == [Sample("", None, "too_long")] * 2
    assert len(server.asked) == 6, "neither n nor anything else is to blame"
    assert all("n" in body and "max_tokens" in body for body in server.asked)
    assert sum("--history" in record.getMessage() for record in caplog.records) == 1


def test_an_unknown_model_is_told_from_a_wrong_address(server: Server) -> None:
    server.replies = [Reply(404, {"error": {"message": "no such model"}})]
    policy = Endpoint("tini", Sampling(), base_url=server.url)
    with pytest.raises(ModelNotFound, match=r"no model 'tini'\. Did you mean 'tiny'"):
        policy.sample(_queries(4), 2)
    wrong = server.url.removesuffix("/v1")
    with pytest.raises(EndpointError, match=r"404.*--base-url"):
        _policy(server, base_url=wrong).sample(_queries(1), 1)


@pytest.mark.parametrize("content", [None, ""])
def test_an_answer_without_text_is_data(server: Server, content: str | None) -> None:
    server.replies = [Reply(200, {"choices": [{"message": {"content": content}}]})]
    [[sample]] = _policy(server).sample(_queries(1), 1)
    assert (sample.text, sample.action) == ("", None)


def test_ctrl_c_leaves_at_once(server: Server) -> None:
    def interrupt(to: Any, body: Body) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        server.over.wait(30)

    server.replies = [Reply(do=interrupt)]
    with pytest.raises(KeyboardInterrupt):
        _policy(server, concurrency=1, timeout=60).sample(_queries(5), 2)
    assert not server.over.is_set()
    assert len(server.asked) == 1


def test_it_works_where_a_loop_is_running(server: Server) -> None:
    queries = _queries(1)

    async def notebook() -> list[list[str | None]]:
        return _actions(_policy(server), queries, 2)

    assert asyncio.run(notebook()) == _expected(queries, 2)


def test_it_goes_to_other_processes(server: Server) -> None:
    queries, policy = _queries(1), _policy(server)
    assert pickle.loads(pickle.dumps(policy)).sample(queries, 2) == policy.sample(queries, 2)
    error = completions.RequestRefused("refused", "why")
    assert str(pickle.loads(pickle.dumps(error))) == "refused"


@pytest.mark.parametrize(
    "url", ["", "localhost:8000/v1", "ftp://a/v1", "http://", "http://[::1/v1"]
)
def test_no_address(url: str) -> None:
    with pytest.raises(UnknownArgument, match=r"is no address\. Give one like http://localhost"):
        make_policy("openai:tiny", base_url=url)


def test_other_options_out_of_range(monkeypatch) -> None:
    with pytest.raises(UnknownArgument, match="concurrency=0"):
        make_policy("openai:tiny", concurrency=0)
    with pytest.raises(UnknownArgument, match="base_url='http://a/v1' is of no use"):
        make_policy("random-admissible", base_url="http://a/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "schlüssel")
    with pytest.raises(EndpointError, match="OPENAI_API_KEY holds characters") as error:
        make_policy("openai:tiny", base_url="http://127.0.0.1:9/v1").sample(_queries(1), 1)
    assert "schl" not in str(error.value)


def test_missing_httpx_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtra, match=r'pip install "agentic-critical-training\[openai\]"'):
        make_policy("openai:tiny")
