"""The daemon itself as a service: configs/minimal.yaml in a booted container, to READY and back."""

import json
import re

import pytest
from container import REPO, Container, condition, why_not

SKIP = why_not()
pytestmark = pytest.mark.skipif(SKIP is not None, reason=SKIP or "")

COMMAND = "import sys\nfrom vppd.cli import main\nsys.exit(main())\n"
CONFIG = "/etc/vppd/vppd.yaml"


def minimal_config():
    """configs/minimal.yaml with the state folder of the unit."""
    text = (REPO / "configs/minimal.yaml").read_text()
    changed, count = re.subn(r"\bstate_dir: *\S+", "state_dir: /var/lib/vppd", text)
    assert count == 1
    return changed


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    """A booted system with the unit and the program, as docs/install.md says."""
    container = Container(tmp_path_factory.mktemp("daemon"))
    container.install_unit()
    container.install_program(COMMAND)
    container.write(CONFIG, minimal_config())
    try:
        container.boot()
        container.run("systemctl", "start", "vppd")  # returns at READY=1
        yield container
    finally:
        container.halt()


def vppd(container, *arguments, check=True):
    """Run the command as an operator does."""
    library = "LD_LIBRARY_PATH=/opt/vppd/python/lib"
    return container.run("env", library, "/opt/vppd/venv/bin/vppd", *arguments, check=check)


def status(container):
    return json.loads(vppd(container, "status", "--json"))


def test_ready_ticking_and_told_to_the_manager(container):
    first = condition(lambda: vppd(container, "status", "--json", check=False), 10.0, "a status")
    tick = json.loads(first)["tick"]
    assert condition(lambda: status(container)["tick"] > tick, 10.0, "the next tick")
    shown = container.show("ActiveState", "StatusText", "NRestarts")
    assert shown["ActiveState"] == "active"
    assert "units" in shown["StatusText"]
    assert shown["NRestarts"] == "0"


def test_what_the_service_gives_is_what_the_daemon_has(container):
    told = status(container)
    assert told["realtime"]["scheduler"] == "SCHED_FIFO 40, given by the service manager"
    assert told["timing"]["timer"] == "timerfd"
    assert told["pid"] == container.pid()
    assert told["journal"]["error"] == ""
    assert condition(lambda: status(container)["journal"]["ticks"] > 0, 10.0, "a journal record")


def test_the_kernels_are_in_the_cache_of_the_unit(container):
    found = container.run("find", "/var/cache/vppd/numba", "-name", "*.nbc")
    assert found.splitlines() != []


def test_a_second_daemon_on_the_same_state_is_refused(container):
    said = container.run(
        "sh", "-c",
        f"LD_LIBRARY_PATH=/opt/vppd/python/lib /opt/vppd/venv/bin/vppd run {CONFIG} 2>&1; echo $?",
    )  # fmt: skip
    assert f"pid {container.pid()}" in said
    assert said.splitlines()[-1] == "3"


def test_killed_it_comes_back_and_its_journal_replays(container):
    before = container.pid()
    container.run("kill", "-KILL", str(before))
    condition(lambda: container.pid() not in (0, before), 20.0, "restart")
    condition(lambda: container.show("ActiveState")["ActiveState"] == "active", 20.0, "READY")
    condition(lambda: vppd(container, "status", "--json", check=False), 10.0, "a status")
    container.run("systemctl", "stop", "vppd")
    replayed = json.loads(vppd(container, "replay", "/var/lib/vppd/journal", "--json"))
    assert replayed["bit_exact"]
    assert replayed["chain_ok"]


def test_stopped_it_leaves_cleanly(container):
    container.run("systemctl", "start", "vppd")
    container.run("systemctl", "stop", "vppd")
    shown = container.show("ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert container.run("find", "/var/lib/vppd", "-type", "s") == ""
    assert "no such socket" in container.run(
        "sh", "-c",
        "LD_LIBRARY_PATH=/opt/vppd/python/lib /opt/vppd/venv/bin/vppd status 2>&1; true",
    )  # fmt: skip


def test_a_bad_configuration_is_refused_once_with_its_line(container):
    container.run("systemctl", "stop", "vppd")
    container.run("sed", "-i", "s/tick_s:.*/tick_s: 99/; s/^site:/site:\\n  tick_s: 99/", CONFIG)
    container.run("systemctl", "start", "vppd", check=False)
    shown = container.show("ActiveState", "ExecMainStatus", "NRestarts")
    assert shown == {"ActiveState": "failed", "ExecMainStatus": "2", "NRestarts": "0"}
    assert re.search(r"vppd.yaml:\d+: site.tick_s: must be", container.journal())
