"""The status socket with real clients, honest and not."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from pathlib import Path

import pytest
import uvloop
from helpers import run_async, until
from ops_builders import status

from vppd.ops import status_socket
from vppd.ops.status import Benched, StatusError, to_json
from vppd.ops.status_socket import StatusServer, read_document, read_status

LOST = Benched("ev-07", "ev_hub", "UNREACHABLE", 1.0, "prediction", 0.0, "x" * 500)
LARGE = status(benched=(LOST,) * 1000)  # 0.6 MB: more than a socket's buffer


def serving(path, scenario, source=status, new_loop=asyncio.new_event_loop):
    """Run `scenario(server)` beside a server."""

    async def main():
        server = StatusServer(path, source)
        await server.start()
        try:
            async with asyncio.timeout(20.0):
                return await scenario(server)
        finally:
            await server.stop()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("record", [status(), LARGE], ids=["small", "large"])
def test_each_client_gets_one_document(tmp_path, new_loop, record):
    path = tmp_path / "status.sock"

    async def scenario(server):
        return [await asyncio.to_thread(read_document, path) for _ in range(3)]

    documents = serving(path, scenario, lambda: record, new_loop)
    assert documents == [to_json(record) + "\n"] * 3


def test_the_client_sees_the_newest_status(tmp_path):
    ticks = iter([1, 2])

    async def scenario(server):
        return [(await asyncio.to_thread(read_status, server.path)).tick for _ in range(2)]

    source = lambda: status(tick=next(ticks))  # noqa: E731
    assert serving(tmp_path / "status.sock", scenario, source) == [1, 2]


def test_only_owner_and_group_may_ask(tmp_path):
    async def scenario(server):
        mode = server.path.stat().st_mode
        return stat.S_ISSOCK(mode), stat.S_IMODE(mode)

    assert serving(tmp_path / "status.sock", scenario) == (True, 0o660)


def test_the_socket_is_gone_after_the_stop(tmp_path):
    async def scenario(server):
        return [entry.name for entry in tmp_path.iterdir()]

    assert serving(tmp_path / "status.sock", scenario) == ["status.sock"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_behind_is_replaced(tmp_path):
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(StatusError, match="nobody listens: the daemon has crashed"):
        read_document(path)

    async def scenario(server):
        return (await asyncio.to_thread(read_status, path)).pid

    assert serving(path, scenario) == 4711


def test_no_socket_is_said_so(tmp_path):
    with pytest.raises(StatusError, match=r"status.sock: no such socket: does the daemon run\?"):
        read_document(tmp_path / "status.sock")


def test_before_the_first_tick_is_said_so(tmp_path):
    async def scenario(server):
        with pytest.raises(StatusError, match="has not finished its first tick"):
            await asyncio.to_thread(read_document, server.path)
        return True

    assert serving(tmp_path / "status.sock", scenario, lambda: None)


def test_a_daemon_that_hangs_is_said_so(tmp_path):
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(path))
        hanging.listen()
        with pytest.raises(StatusError, match=r"no answer within 0.05 s: the daemon hangs"):
            read_document(path, timeout_s=0.05)


def test_an_answer_without_end_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(status_socket, "DOCUMENT_MAX", 1000)

    async def scenario(server):
        with pytest.raises(StatusError, match="answer of more than 1000 bytes"):
            await asyncio.to_thread(read_document, server.path)
        return True

    assert serving(tmp_path / "status.sock", scenario, lambda: LARGE)


def test_a_path_longer_than_a_socket_address_works(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()

    async def scenario(server):
        return (await asyncio.to_thread(read_status, server.path)).pid

    assert len(os.fsencode(folder)) > 107
    assert serving(folder / "status.sock", scenario) == 4711
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_missing_is_an_os_error(tmp_path):
    async def scenario():
        await StatusServer(tmp_path / "missing" / "status.sock", status).start()

    with pytest.raises(OSError, match="No such file"):
        run_async(scenario())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_client_that_never_reads_is_cut_off(tmp_path, monkeypatch, new_loop):
    monkeypatch.setattr(status_socket, "CLIENT_TIME_S", 0.05)

    async def scenario(server):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.path))
            await until(lambda: server._clients)
            await until(lambda: not server._clients)
            client.settimeout(5.0)
            received = 0
            while part := client.recv(65536):
                received += len(part)
        return received

    received = serving(tmp_path / "status.sock", scenario, lambda: LARGE, new_loop)
    assert received < len(to_json(LARGE))


def refused(client):
    """True for a connection that was closed without a word."""
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_only_so_many_clients_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(status_socket, "CLIENT_TIME_S", 60.0)  # none is cut off before all are here
    clients = [socket.socket(socket.AF_UNIX) for _ in range(12)]

    async def scenario(server):
        for client in clients:
            # In a thread: with the backlog full, connecting waits for the event loop.
            await asyncio.to_thread(client.connect, str(server.path))
        await until(lambda: sum(map(refused, clients)) == 4)
        most = len(server._clients)
        for client in clients:
            client.close()
        await until(lambda: not server._clients)
        return most, (await asyncio.to_thread(read_status, server.path)).pid

    with contextlib.ExitStack() as open_clients:
        for client in clients:
            open_clients.enter_context(client)
        most, pid = serving(tmp_path / "status.sock", scenario, lambda: LARGE)
    assert most == status_socket.CLIENTS_MAX
    assert pid == 4711


def send_all_that_fits(client):
    """Bytes that the peer's side takes before it would block."""
    sent = 0
    try:
        while True:
            sent += client.send(b"GET /setpoint?p_mw=1e9 HTTP/1.1\r\n" * 100)
    except BlockingIOError:
        return sent


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_a_client_says_is_not_read(tmp_path, new_loop):
    async def scenario(server):
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, str(server.path))
            await until(lambda: server._clients)  # it is being served, and does not read
            sent = [send_all_that_fits(client)]
            await asyncio.sleep(0.05)
            sent.append(send_all_that_fits(client))
        return sent, (await asyncio.to_thread(read_status, server.path)).tick

    sent, tick = serving(tmp_path / "status.sock", scenario, lambda: LARGE, new_loop)
    assert sent[0] > 0
    assert sent[1] == 0
    assert tick == 90061


def test_a_client_that_talks_gets_its_document_all_the_same(tmp_path):
    async def scenario(server):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            await loop.sock_connect(client, str(server.path))
            client.send(b"hello")
            return await loop.sock_recv(client, 65536)

    assert json.loads(serving(tmp_path / "status.sock", scenario))["schema"] == 1


def test_a_client_that_hangs_up_at_once_is_no_error(tmp_path, caplog):
    async def scenario(server):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(server.path))
            await asyncio.sleep(0)
        return (await asyncio.to_thread(read_status, server.path)).pid

    assert serving(tmp_path / "status.sock", scenario, lambda: LARGE) == 4711
    assert caplog.records == []


def test_stop_before_start_and_twice(tmp_path):
    async def scenario():
        server = StatusServer(tmp_path / "status.sock", status)
        await server.stop()
        await server.start()
        await server.stop()
        await server.stop()
        return server.path

    assert run_async(scenario()) == tmp_path / "status.sock"
    assert list(Path(tmp_path).iterdir()) == []
