"""Descriptors from the manager, in a process that was really handed some."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from vppd.runtime.notify import Notifier

CHILD = """
import json, os, sys
from vppd.runtime import handed
handed.take_handed()
found = {}
for name in sys.argv[1:]:
    sockets = handed.listening_sockets(name)
    found[name] = [s.getsockname() for s in sockets]
    found[name + " again"] = len(handed.listening_sockets(name))
    found[name + " inherited"] = [s.get_inheritable() for s in sockets]
found["left"] = [k for k in os.environ if k.startswith("LISTEN_")]
handed.close_rest()
print(json.dumps(found))
"""


def child(fds, names, *ask, pid="$$"):
    """Run a process with descriptors from 3 on; what it finds."""
    redirect = "".join(f" {3 + i}<&{fd}" for i, fd in enumerate(fds))
    command = f'export LISTEN_PID={pid}; exec "$@"{redirect}'
    environ = os.environ | {"LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names}
    done = subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, "-c", CHILD, *ask],
        capture_output=True, env=environ, pass_fds=fds, check=True, timeout=30.0,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.fixture
def listening():
    """A listening TCP socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_listening_socket_goes_by_its_name_once(listening):
    found = child([listening.fileno()], "api", "api")
    assert found["api"] == [list(listening.getsockname())]
    assert found["api again"] == 0
    assert found["api inherited"] == [False]
    assert found["left"] == []


def test_names_may_come_twice_and_mixed(listening):
    with socket.create_server(("127.0.0.1", 0)) as other:
        fds = [listening.fileno(), other.fileno(), listening.fileno()]
        found = child(fds, "api:status:api", "status", "api")
    assert len(found["api"]) == 2
    assert len(found["status"]) == 1


def test_what_does_not_listen_is_no_listening_socket(listening):
    with socket.socket() as idle, Path(os.devnull).open() as file:
        found = child([idle.fileno(), file.fileno(), listening.fileno()], "api:api:api", "api")
    assert len(found["api"]) == 1


def test_what_was_meant_for_another_process_is_left_alone(listening):
    assert child([listening.fileno()], "api", "api", pid="1")["api"] == []


def test_what_is_kept_comes_with_its_name(tmp_path, listening):
    address = tmp_path / "manager"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(5.0)
        notifier = Notifier({"NOTIFY_SOCKET": str(address)})
        assert notifier.keep("api", listening.fileno())
        data, fds, _, _ = socket.recv_fds(manager, 1024, 4)
        notifier.forget("api")
        forgotten = manager.recv(1024)
        notifier.close()
    assert data == b"FDSTORE=1\nFDNAME=api"
    assert forgotten == b"FDSTOREREMOVE=1\nFDNAME=api"
    with socket.socket(fileno=fds[0]) as kept:
        assert kept.getsockname() == listening.getsockname()


def test_without_a_manager_nothing_is_kept(listening):
    assert not Notifier({}).keep("api", listening.fileno())
