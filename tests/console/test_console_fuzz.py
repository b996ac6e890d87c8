"""Nonsense at the door: by the OpenAPI document, by the WebSocket, and in the pipe."""

import asyncio
import contextlib
import json
import random
import socket as pysocket
import string

import pytest
import schemathesis
import uvicorn
from api_daemon import ApiDaemon, Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vppd.ops.api import connection
from vppd.ops.api.connection import limited
from vppd.ops.api.hub import Hub, Viewer
from vppd.ops.api.wire import FROM_API_MAX, Kind, Splitter, WireError, message

SEED = 20261128
ROUNDS = 60


@pytest.fixture(scope="module")
def schema(daemon: ApiDaemon, elsa: Client):
    document = elsa("GET", "/api/openapi.json").data
    return schemathesis.openapi.from_dict(document)


def operations(schema):
    return [found.ok() for found in schema.get_all_operations()]


def test_the_document_names_every_route(schema):
    names = {f"{each.method.upper()} {each.path}" for each in operations(schema)}
    assert names == {
        "GET /api/session", "POST /api/session", "DELETE /api/session", "GET /api/site",
        "GET /api/status", "GET /api/history", "GET /api/events", "GET /api/units/{unit}/why",
        "POST /api/orders/preview", "POST /api/orders", "POST /api/plans",
        "POST /api/alarms/{alarm}/{verb}",
    }  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ["anybody", "vera", "otto", "elsa"])
def test_no_request_finds_more_than_the_document_says(daemon, schema, role, request):
    """Statuses, types and bodies of answers are those of the document; nothing is a 500."""
    base = f"http://127.0.0.1:{daemon.port}"
    cookie = "" if role == "anybody" else request.getfixturevalue(role).cookie
    headers = {"cookie": cookie} if cookie else {}
    for operation in operations(schema):
        if operation.path == "/api/session" and operation.method.upper() != "GET":
            continue  # logins are held to one in ten seconds, and a logout ends the session

        @given(case=operation.as_strategy())
        @settings(
            max_examples=15, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
        )  # fmt: skip
        def holds(case):
            case.call_and_validate(base_url=base, headers=headers, timeout=20.0)

        holds()


async def talk(port: int, say: list[str | bytes]) -> None:
    """Open a WebSocket, say all that, and hear until it is closed or a frame came."""
    async with connect(f"ws://127.0.0.1:{port}/api/live", max_size=None) as socket:
        for words in say:
            await socket.send(words)
        async with asyncio.timeout(10.0):
            while True:
                await socket.recv()


def test_nonsense_by_the_websocket_ends_it_and_nothing_else(daemon, anybody):
    rng = random.Random(SEED)
    print(f"seed {SEED}")  # a failure tells where it comes from
    before = anybody("GET", "/api/status").data["status"]["tick"]
    for _ in range(ROUNDS):
        text = "".join(rng.choices(string.printable, k=rng.randrange(0, 400)))
        data = rng.randbytes(rng.randrange(0, 900))
        say = rng.choice([[text], [data], [text, data], ["x" * 5000], ["units", "UNITS"], [""]])
        with pytest.raises(ConnectionClosed):
            asyncio.run(talk(daemon.port, say))
    daemon.wait_for(lambda: anybody("GET", "/api/status").data["status"]["tick"] > before)

    def told() -> bool:
        """Once more: of a flood, as the tests before are one, not each refusal is told."""
        with pytest.raises(ConnectionClosed):
            asyncio.run(talk(daemon.port, ["nonsense"]))
        return daemon.has_event("api_refused", what="WebSocket", why="says what it may not")

    daemon.wait_for(told)


def test_a_websocket_of_another_page_is_refused(daemon):
    async def from_elsewhere() -> None:
        headers = {"origin": "http://evil.example"}
        async with connect(
            f"ws://127.0.0.1:{daemon.port}/api/live", additional_headers=headers
        ) as socket:
            await socket.recv()

    with pytest.raises(InvalidStatus):
        asyncio.run(from_elsewhere())
    assert daemon.has_event("api_refused", why="another page")


# -- what no document describes -----------------------------------------------------------------

ACTS = [
    ("POST", "/api/session", {"name": "otto", "password": "x"}),
    ("DELETE", "/api/session", None),
    ("POST", "/api/orders/preview", {"kind": "emergency_stop"}),
    ("POST", "/api/orders", {"confirmation": "x", "why": "a test"}),
    ("POST", "/api/plans", {"basepoint_mw": {}, "up_mw": 0.0, "down_mw": 0.0, "why": "a test"}),
    ("POST", "/api/alarms/agc_lost/acknowledge", {}),
]
SEEN = ["/api/session", "/api/site", "/api/status", "/api/history", "/api/events",
        "/api/units/battery-1/why", "/api/openapi.json"]  # fmt: skip


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A daemon that shows nothing to who has not logged in."""
    with ApiDaemon(tmp_path_factory.mktemp("strict"), "  anonymous: none\n") as running:
        yield running


@pytest.fixture(scope="module")
def engineer(strict):
    client = Client(strict.port)
    assert client.log_in("elsa").status == 200
    return client


@pytest.mark.parametrize(("method", "path", "body"), ACTS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize(
    ("headers", "code", "why"),
    [
        ({"origin": "http://evil.example"}, 403, "another page"),
        ({"origin": "null"}, 403, "another page"),
        ({"sec-fetch-site": "cross-site"}, 403, "another page"),
        ({"host": "evil.example"}, 421, "evil.example"),
        ({"host": "127.0.0.1.evil.example"}, 421, "evil.example"),
        ({"host": "[::1"}, 421, "called by the name"),
    ],
    ids=["origin", "null-origin", "fetch-site", "host", "host-prefix", "host-broken"],
)
def test_each_act_wants_our_own_page_and_name(strict, engineer, method, path, body, headers,
                                              code, why):  # fmt: skip
    assert engineer(method, path, body, headers=headers).status == code
    assert strict.has_event("api_refused", what=path, why=why)


@pytest.mark.parametrize(("method", "path", "body"), ACTS[2:], ids=lambda value: str(value)[:40])
@pytest.mark.parametrize(
    ("headers", "raw", "code"),
    [
        ({"content-type": "text/plain"}, b"{}", 422),
        ({"content-type": "application/x-www-form-urlencoded"}, b"kind=emergency_stop", 422),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--", 422),
        ({}, b"", 422),
        ({}, b"{", 422),
        ({}, b"\xff\xfe", 400),
        ({}, b"[" * 50_000, 422),
        ({}, b"nan", 422),
    ],
    ids=["text", "form", "multipart", "empty", "half", "no-utf8", "deep", "nan"],
)
def test_a_body_of_another_kind_is_refused_and_told(strict, engineer, method, path, body, headers,
                                                    raw, code):  # fmt: skip
    assert engineer(method, path, raw=raw, headers=headers).status in (code, 400, 422)
    assert strict.has_event("api_refused", who="elsa", what=path, why="no")


@pytest.mark.parametrize("path", [*SEEN, *(path for _, path, _ in ACTS)])
def test_a_method_that_a_path_has_not_is_refused_and_told(strict, engineer, path):
    assert engineer("PATCH", path, {}).status == 405
    assert strict.has_event("api_refused", what=f"PATCH {path}", why="no such method")


COOKIES = ["", "vppd_session=", "vppd_session=" + "A" * 43, "vppd_session=\xff", "=; ;;",
           "a" * 3000]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "cookie"),
    [*((path, "") for path in SEEN[1:]), *(("/api/status", cookie) for cookie in COOKIES[1:])],
    ids=lambda value: value[:24],
)
def test_nothing_is_seen_with_a_session_that_is_none(strict, path, cookie):
    answer = Client(strict.port)("GET", path, headers={"cookie": cookie} if cookie else {})
    assert answer.status == 401
    assert strict.has_event("api_refused", what=path, why="not logged in")


def test_an_order_that_is_replayed_by_another_session_of_the_same_user_is_refused(daemon, otto):
    offer = otto.preview(kind="mode", mode="LOCAL").data
    other = Client(daemon.port)
    other.log_in("otto")
    body = {"confirmation": offer["confirmation"], "why": "a test"}
    assert other("POST", "/api/orders", body).status == 409
    assert daemon.has_event("api_refused", why="somebody else asked for this order")


async def hear(socket) -> None:
    while True:
        await socket.recv()


def test_the_websocket_ends_with_the_session_that_opened_it(strict):
    client = Client(strict.port)
    client.log_in("vera")

    async def look() -> ConnectionClosed:
        url = f"ws://127.0.0.1:{strict.port}/api/live"
        async with connect(url, additional_headers={"cookie": client.cookie}) as socket:
            assert await socket.recv()
            assert (await asyncio.to_thread(client, "DELETE", "/api/session")).status == 204
            async with asyncio.timeout(10.0):
                with pytest.raises(ConnectionClosed) as closed:
                    await hear(socket)
        return closed.value

    assert "the session has ended" in asyncio.run(look()).rcvd.reason


def test_a_login_by_a_name_that_nobody_has_leaves_no_password_in_the_journal(strict):
    """It may be the password, typed into the wrong field."""
    slip = "correct horse battery"
    answer = Client(strict.port)("POST", "/api/session", {"name": slip, "password": slip})
    assert answer.status == 401
    assert slip not in answer.text
    assert strict.has_event("api_refused", why="of nobody known")
    assert slip not in json.dumps(strict.events("api_refused"))
    assert slip not in (strict.folder / "daemon.log").read_text()


def test_a_slip_of_an_operator_raises_no_alarm(tmp_path):
    with ApiDaemon(tmp_path) as daemon:
        client = Client(daemon.port)
        client.log_in("otto")
        assert client.preview(kind="hold", units=["nobody"]).status == 409
        assert daemon.has_event("api_refused", why="there is no unit")
        alarms = client("GET", "/api/status").data["status"]["alarms"]
        assert "peer_refused" not in [alarm["name"] for alarm in alarms]


# -- connections ---------------------------------------------------------------------------------


class Served:
    """A server of one answer behind the limits on connections, in this process."""

    def __init__(self, **limits: float) -> None:
        self.told: list[dict[str, str]] = []
        self.kind = limited(lambda **fields: self.told.append(fields), **limits)
        self.answer = b"x"

    async def __call__(self, scope, receive, send) -> None:
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        length = [(b"content-length", str(len(self.answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": self.answer})

    async def during(self, talk) -> None:
        """Serve while `talk(port)` runs."""
        config = uvicorn.Config(
            self, http=self.kind, lifespan="off", log_config=None, port=0, loop="asyncio"
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None
        listening = pysocket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(20.0):
                await talk(listening.getsockname()[1])
        finally:
            server.should_exit = server.force_exit = True
            await serving

    async def until_told(self, why: str) -> None:
        while not any(why in fields["why"] for fields in self.told):
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def wire(port: int):
    """A connection whose answers are read only as far as they are asked for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HALVES = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n", b"POST / HTTP/1.1\r\nhost: x\r\n"
          b"content-length: 100\r\n\r\nhalf"]  # fmt: skip


@pytest.mark.parametrize("half", HALVES, ids=["nothing", "line", "head", "body"])
def test_half_a_request_is_cut_off_however_it_trickles(half):
    served = Served(request_s=0.3)

    async def talk(port: int) -> None:
        async with wire(port) as (reader, writer):
            writer.write(half)
            trickle = asyncio.create_task(drip(writer))
            assert await read_all(reader) == b""
            trickle.cancel()
            await served.until_told("half a request")

    asyncio.run(served.during(talk))


async def drip(writer: asyncio.StreamWriter) -> None:
    """What a slowloris does: an octet now and then."""
    while True:
        await asyncio.sleep(0.05)
        with contextlib.suppress(OSError):
            writer.write(b"a")


async def read_all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_requests_one_after_the_other_are_not_cut_off():
    served = Served(request_s=0.3)

    async def talk(port: int) -> None:
        async with wire(port) as (reader, writer):
            for _ in range(3):
                writer.write(WHOLE)
                assert b"200" in await reader.readuntil(b"\r\n\r\nx")
                await asyncio.sleep(0.4)
        assert served.told == []

    asyncio.run(served.during(talk))


def test_who_does_not_read_its_answer_is_cut_off():
    served = Served(answer_s=0.3)
    served.answer = bytes(8 << 20)

    async def talk(port: int) -> None:
        async with wire(port) as (_, writer):
            writer.write(WHOLE)
            await served.until_told("does not read")

    asyncio.run(served.during(talk))


def test_no_client_takes_all_connections(monkeypatch):
    monkeypatch.setattr(connection, "PER_CLIENT_MAX", 3)
    served = Served()

    async def talk(port: int) -> None:
        async with wire(port), wire(port):
            async with wire(port), wire(port) as (reader, _):
                assert await read_all(reader) == b""
                await served.until_told("more than 3 connections")
            await asyncio.sleep(0.05)  # room again
            async with wire(port) as (reader, writer):
                writer.write(WHOLE)
                assert b"200" in await reader.readuntil(b"\r\n\r\nx")

    asyncio.run(served.during(talk))


def test_a_viewer_that_never_reads_holds_one_frame_and_one_status():
    """Whatever comes meanwhile replaces what waits, or is dropped: memory stays."""
    hub, slow = Hub(), Viewer()
    hub.viewers.add(slow)
    for k in range(500):
        hub.take_status(json.dumps({"n": k}).encode())
        hub.take_events(json.dumps([{"utc_s": k, "event": "x"}]).encode())
        slow.offer(b"frame %d" % k)
    texts, frame = asyncio.run(slow.next())
    assert frame == b"frame 499"
    assert [text for text in texts if '"status"' in text] == ['{"type":"status","data":{"n": 499}}']
    assert len(texts) <= 101
    assert slow.missed == 499


# -- the pipe -----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=300))), st.data())
def test_messages_come_out_as_they_went_in_however_they_are_cut(messages, data):
    stream = b"".join(message(kind, payload) for kind, payload in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    splitter = Splitter(FROM_API_MAX)
    assert [found for part in parts for found in splitter.feed(part)] == messages


@given(st.binary(min_size=5, max_size=200))
def test_what_is_no_message_is_refused_or_waited_for(data):
    splitter = Splitter(1000)
    try:
        for kind, payload in splitter.feed(data):
            assert kind in list(Kind)
            assert len(payload) < 1000
    except WireError:
        pass
