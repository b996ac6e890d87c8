"""sd_notify against real unix datagram sockets, named and abstract."""

import os
import socket
import time

import pytest

from vppd.runtime.notify import Notifier, watchdog_period_s


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """The service manager's end: (socket, what it puts into NOTIFY_SOCKET)."""
    name = f"@vppd-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name[1:] if name.startswith("@") else name)
        receiver.settimeout(5.0)
        yield receiver, name


def heard(receiver):
    """The next message, as a dict."""
    lines = receiver.recv(4096).decode().split("\n")
    return dict(line.split("=", 1) for line in lines)


def test_life_of_a_daemon(manager):
    receiver, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.status("compiling kernels")
    notifier.ready("BASEPOINT, 210 units")
    notifier.watchdog()
    notifier.watchdog("tick 7")
    notifier.stopping("ramping down")
    assert heard(receiver) == {"STATUS": "compiling kernels"}
    assert heard(receiver) == {"READY": "1", "STATUS": "BASEPOINT, 210 units"}
    assert heard(receiver) == {"WATCHDOG": "1"}
    assert heard(receiver) == {"WATCHDOG": "1", "STATUS": "tick 7"}
    assert heard(receiver) == {"STOPPING": "1", "STATUS": "ramping down"}
    assert notifier.enabled
    assert notifier.failed == 0
    notifier.close()


def test_a_reload_carries_its_time(manager):
    receiver, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    before_us = time.monotonic_ns() // 1000
    notifier.reloading()
    message = heard(receiver)
    assert message["RELOADING"] == "1"
    assert before_us <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.close()


def test_a_status_cannot_smuggle_in_another_key(manager):
    receiver, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.status("battery\nMAINPID=1\r\nREADY=1")
    assert heard(receiver) == {"STATUS": "battery MAINPID=1 READY=1"}
    notifier.close()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nothing_happens(environ):
    notifier = Notifier(environ)
    notifier.ready("ready")
    notifier.watchdog()
    notifier.close()
    assert not notifier.enabled
    assert notifier.failed == 0


def test_a_manager_that_has_gone_is_counted_not_raised(tmp_path):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    notifier.ready("ready")
    notifier.watchdog()
    assert notifier.failed == 2
    notifier.close()
    notifier.watchdog()
    assert notifier.failed == 2


def test_a_manager_that_does_not_read_never_blocks_the_tick(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(2000):
            notifier.watchdog()
        assert 0 < notifier.failed < 2000
        notifier.close()


@pytest.mark.parametrize(
    ("environ", "period_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "5000000"}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "42"}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
    ],
)
def test_watchdog_period(environ, period_s):
    assert watchdog_period_s(environ, pid=42) == period_s
