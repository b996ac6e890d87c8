"""A daemon with an API, and a live plant, each for all tests of this room."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_daemon import ApiDaemon, Client
from live_plant import LivePlant
from processes import free_port

PLANT_S = 300.0  # the first start compiles the kernels


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiDaemon]:
    """The installed daemon with an API."""
    with ApiDaemon(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def anybody(daemon: ApiDaemon) -> Client:
    """Who has not logged in."""
    return Client(daemon.port)


@pytest.fixture(scope="session")
def otto(daemon: ApiDaemon) -> Client:
    """An operator."""
    client = Client(daemon.port)
    assert client.log_in("otto").status == 200
    return client


@pytest.fixture(scope="session")
def vera(daemon: ApiDaemon) -> Client:
    """A viewer."""
    client = Client(daemon.port)
    assert client.log_in("vera").status == 200
    return client


@pytest.fixture(scope="session")
def elsa(daemon: ApiDaemon) -> Client:
    """An engineer."""
    client = Client(daemon.port)
    assert client.log_in("elsa").status == 200
    return client


@pytest.fixture(scope="module")  # it takes half a core as long as it runs
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlant]:
    """The bench by the real clock, with a daemon that has a console."""
    out, port = tmp_path_factory.mktemp("plant"), free_port()
    script = Path(__file__).with_name("console_bench.py")
    with (out / "bench.log").open("wb") as log:
        bench = subprocess.Popen(
            [sys.executable, script, out, str(port), "3600"], stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        found = LivePlant(port, out)
        until_s = time.monotonic() + PLANT_S
        while (found.status() or {}).get("mode") != "REGULATING":
            assert bench.poll() is None, (out / "bench.log").read_text()[-3000:]
            assert time.monotonic() < until_s, "the plant does not regulate"
            time.sleep(0.2)
        yield found
    finally:
        bench.send_signal(signal.SIGTERM)
        try:
            bench.wait(30.0)
        except subprocess.TimeoutExpired:
            os.killpg(bench.pid, signal.SIGKILL)
            bench.wait()
