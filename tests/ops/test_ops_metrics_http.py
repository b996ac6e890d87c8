"""The listener: one request, one answer, bounded in everything, and not in a tick's way."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

import pytest
from certificates import OPENSSL, make_certificates
from helpers import run_async, until

from vppd.config.sections import MetricsConfig
from vppd.links.tls import client_context, server_context
from vppd.ops.metrics_http import CLIENTS_MAX, NEEDED_S, REQUEST_MAX, MetricsServer

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n"


class Source:
    def __init__(self):
        self.asked = []
        self.slack_s = 1.0
        self.body = b"# EOF\n"

    def __call__(self, accept):
        self.asked.append(accept)
        return None if self.body is None else (self.body, "text/plain; version=0.0.4")


@asynccontextmanager
async def served(source, tls=None):
    server = MetricsServer("127.0.0.1", 0, source, lambda: source.slack_s, tls)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def ask(server, request, *, parts=1):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    size = -(-len(request) // parts)
    for start in range(0, len(request), size):
        writer.write(request[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)
    answer = await reader.read()
    writer.close()
    return answer


def answers(*requests, source=None, **options):
    source = source or Source()

    async def main():
        async with served(source) as server:
            return [await ask(server, request, **options) for request in requests], server

    found, server = run_async(main())
    return found, source, server


def test_a_scrape_is_answered_with_type_and_length():
    (answer,), source, _ = answers(GET)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: text/plain; version=0.0.4" in head
    assert b"Content-Length: 6" in head
    assert body == b"# EOF\n"
    assert source.asked == ["application/openmetrics-text"]


def test_a_request_may_come_in_pieces_and_head_has_no_body():
    (answer,), _, _ = answers(GET.replace(b"GET", b"HEAD"), parts=20)
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 6" in answer


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metricsx HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"x" * REQUEST_MAX, b"431"),
    ],
)
def test_another_request_is_refused_counted_and_asks_nothing(request_, code):
    (answer,), source, server = answers(request_)
    assert answer.split()[1] == code
    assert source.asked == []
    assert server.refused == 1


def test_before_the_first_tick_there_is_nothing_to_tell():
    source = Source()
    source.body = None
    (answer,), _, _ = answers(GET, source=source)
    assert answer.startswith(b"HTTP/1.1 503")


def test_a_scrape_shortly_before_a_tick_is_answered_after_it():
    async def main():
        source = Source()
        source.slack_s = NEEDED_S / 2
        async with served(source) as server:
            waiting = asyncio.create_task(ask(server, GET))
            await until(lambda: any(client.waits for client in server._clients))
            assert source.asked == []
            server.after_tick()
            assert (await waiting).startswith(b"HTTP/1.1 200")
            assert len(source.asked) == 1

    run_async(main())


def test_more_clients_than_there_is_room_for_are_turned_away_and_the_others_served():
    async def main():
        async with served(Source()) as server:
            idle = [
                await asyncio.open_connection("127.0.0.1", server.port) for _ in range(CLIENTS_MAX)
            ]
            await until(lambda: len(server._clients) == CLIENTS_MAX)
            with socket.create_connection(("127.0.0.1", server.port)):
                await until(lambda: server.refused == 1)
            for _, writer in idle:
                writer.close()
            await until(lambda: not server._clients)
            assert (await ask(server, GET)).startswith(b"HTTP/1.1 200")

    run_async(main())


def test_a_port_in_use_is_named():
    async def main():
        async with served(Source()) as server:
            other = MetricsServer("127.0.0.1", server.port, Source(), lambda: 1.0)
            with pytest.raises(OSError, match=f"metrics: 127.0.0.1:{server.port} cannot"):
                await other.start()

    run_async(main())


@pytest.mark.skipif(OPENSSL is None, reason="no openssl command")
def test_with_tls_only_who_has_a_certificate_is_answered(tmp_path):
    make_certificates(tmp_path, "vppd", "prometheus")
    config = MetricsConfig(ca_file="ca.pem", cert_file="vppd.pem", key_file="vppd.key", port=1)
    tls = server_context(tmp_path, "ca.pem", "vppd.pem", "vppd.key")
    assert config.cross_checks() == []

    async def main():
        source = Source()
        async with served(source, tls) as server:
            known = client_context(tmp_path, "ca.pem", "prometheus.pem", "prometheus.key")
            assert (await asked(server.port, known)).startswith(b"HTTP/1.1 200")
            for stranger in (client_context(tmp_path, "ca.pem", None, None), None):
                with suppress(OSError):  # cut off, by TLS 1.2 at once and by 1.3 at the first read
                    assert b"200" not in await asked(server.port, stranger)
            assert len(source.asked) == 1

    run_async(main())


async def asked(port, context):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(GET)
    answer = await reader.read()
    writer.close()
    return answer
