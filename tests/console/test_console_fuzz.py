"""Nonsense at the door: by the OpenAPI document, by the WebSocket, and in the pipe."""

import asyncio
import random
import string

import pytest
import schemathesis
from api_daemon import ApiDaemon, Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

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
@pytest.mark.parametrize("signed_in", [True, False], ids=["engineer", "anybody"])
def test_no_request_finds_more_than_the_document_says(daemon, elsa, schema, signed_in):
    """Statuses, types and bodies of answers are those of the document; nothing is a 500."""
    base = f"http://127.0.0.1:{daemon.port}"
    headers = {"cookie": elsa.cookie} if signed_in else {}
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
