"""Killed and started anew by a stand-in for the service manager: for machines without systemd.

`tests/systemd/test_systemd_resume.py` does it with the real one, on a whole plant.
"""

import json
import socket
import sys
import time
from pathlib import Path

import pytest
from daemons import write_config
from helpers import START_S
from managers import Manager, realtime
from processes import free_port

from vppd.core.tick import tick
from vppd.journal.reader import TickRecord, read
from vppd.journal.replay import replay
from vppd.ops.status_socket import read_all

VPPD = Path(sys.executable).with_name("vppd")
ASKED = b"GET /api/history?seconds=600 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A daemon that was killed between two ticks and started anew: (manager, numbers of ticks)."""
    folder = tmp_path_factory.mktemp("killed")
    config, port = write_config(folder), free_port()
    with config.open("a") as file:
        file.write(f"api: {{port: {port}}}\n")
    with Manager(folder, [*realtime(), str(VPPD), "run", str(config)]) as manager:
        manager.start()
        manager.hear("READY=1")
        for _ in range(5):
            manager.hear("WATCHDOG=1")
        while not times_in(ask(port)):
            manager.hear("WATCHDOG=1")
        stored = [name for name, _ in manager.stored]
        killed_utc_s = time.time()
        manager.kill()
        client = asking(port)  # nobody runs now
        manager.start()
        manager.hear("READY=1")
        with client:
            answer = read_all(client)
        for _ in range(5):
            manager.hear("WATCHDOG=1")
        code = manager.stop()
        yield {
            "manager": manager, "stored": stored, "code": code, "folder": folder,
            "answer": answer, "killed_utc_s": killed_utc_s,
        }  # fmt: skip


def asking(port):
    """A client who has asked for the history."""
    client = socket.create_connection(("127.0.0.1", port), timeout=START_S)
    client.sendall(ASKED)
    return client


def ask(port):
    with asking(port) as client:
        return read_all(client)


def times_in(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return json.loads(body)["utc_s"]


def events(killed, name):
    """Lines of the log with that event."""
    lines = (json.loads(line) for line in killed["manager"].log.read_text().splitlines())
    return [line for line in lines if line["event"] == name]


def test_it_keeps_two_files_and_its_sockets(killed):
    assert sorted(killed["stored"]) == ["api", "history", "state", "state", "status"]


def test_a_client_of_the_console_that_came_while_nobody_ran_is_answered(killed):
    times_s = times_in(killed["answer"])
    assert min(times_s) < killed["killed_utc_s"], "what was before the kill is gone"


def test_the_next_one_goes_on(killed):
    (resuming,) = events(killed, "resuming")
    assert resuming["units"] == 1
    assert resuming["same_config"] is True
    assert resuming["attempts"] == 1
    assert resuming["tick"] >= 4


def test_numbers_of_ticks_go_on_and_the_journal_replays(killed):
    journal = killed["folder"] / "state" / "journal"
    numbers = [record.image.tick for record in read(journal) if isinstance(record, TickRecord)]
    assert numbers == sorted(set(numbers))
    (resuming,) = events(killed, "resuming")
    assert max(numbers) > resuming["tick"]
    assert replay(journal, tick).bit_exact


def test_after_a_stop_nothing_is_kept(killed):
    assert killed["code"] == 0
    assert killed["manager"].stored == []
