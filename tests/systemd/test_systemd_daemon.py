"""The daemon itself as a service: configs/minimal.yaml in a booted container, to READY and back."""

import json
import re

import pytest
from container import REPO, Container, condition, why_not

from vppd.kernels import warm
from vppd.ops.status import StatusError
from vppd.ops.status_socket import read_status

SKIP = why_not()
pytestmark = pytest.mark.skipif(SKIP is not None, reason=SKIP or "")

COMMAND = (
    "import sys\nfrom vppd.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
)
CONFIG = "/etc/vppd/vppd.yaml"
# The interpreter's library (see container.py), and the kernels that the service has compiled.
ENVIRON = ("LD_LIBRARY_PATH=/opt/vppd/python/lib", "NUMBA_CACHE_DIR=/var/cache/vppd/numba")

LEFT = "sums"  # kernels that the service has to compile: the smallest module
COMPILED = set(warm.MODULES)  # each has a kernel with a signature


def minimal_config():
    """configs/minimal.yaml with the state folder of the unit."""
    text = (REPO / "configs/minimal.yaml").read_text()
    changed, count = re.subn(r"\bstate_dir: *\S+", "state_dir: /var/lib/vppd", text)
    assert count == 1
    return changed


@pytest.fixture(scope="module")
def container(tmp_path_factory, request):
    """A booted system with the unit and the program, as docs/install.md says.

    The first start compiles one module of kernels; with an empty cache, in `make accept`, all.
    """
    container = Container(tmp_path_factory.mktemp("daemon"))
    container.install_unit()
    container.install_program(COMMAND)
    container.write(CONFIG, minimal_config())
    if not request.config.getoption("accept"):
        container.install_kernels(but=LEFT)
    try:
        container.boot()
        container.run("systemctl", "start", "vppd")  # returns at READY=1
        container.cached_at_ready = cached(container)
        yield container
    finally:
        container.halt()


def cached(container):
    """Names of the files of compiled kernels that the unit has."""
    found = container.run("find", "/var/cache/vppd/numba", "-name", "*.nbc", "-printf", "%f\\n")
    return set(found.splitlines())


def vppd(container, *arguments, check=True):
    """Run the command as an operator does."""
    return container.run("env", *ENVIRON, "/opt/vppd/venv/bin/vppd", *arguments, check=check)


def refusal(container, *arguments):
    """Run a command that must fail: (what it says, exit code)."""
    command = " ".join(["env", *ENVIRON, "/opt/vppd/venv/bin/vppd", *arguments])
    *said, code = container.run("sh", "-c", f"{command} 2>&1; echo $?").splitlines()
    return "\n".join(said), int(code)


def status(container):
    """Ask the daemon in the container, from outside; None while there is no answer."""
    try:
        return read_status(container.path("/var/lib/vppd/vppd.sock"))
    except StatusError:
        return None


def ticking(container):
    """Wait for the second tick of the daemon that runs now, and give its status."""

    def second_tick():
        told = status(container)
        return told if told is not None and told.tick >= 1 and told.journal.ticks else None

    return condition(second_tick, 10.0, "the second tick")


def test_ready_ticking_and_told_to_the_manager(container):
    assert ticking(container).units_total == 1
    shown = container.show("ActiveState", "StatusText", "NRestarts")
    assert shown["ActiveState"] == "active"
    assert "of 1 unit" in shown["StatusText"]
    assert shown["NRestarts"] == "0"


def test_an_operator_sees_the_status(container):
    ticking(container)
    assert re.search(r"^minimal .* units 0/1$", vppd(container, "status"), re.MULTILINE)


def test_what_the_service_gives_is_what_the_daemon_has(container):
    told = ticking(container)
    assert told.realtime.scheduler == "SCHED_FIFO 40, given by the service manager"
    assert told.timing.timer == "timerfd"
    assert told.pid == container.pid()
    assert told.journal.error == ""


@pytest.mark.accept
def test_ready_means_that_no_tick_has_to_wait(container):
    """The cache was empty at this start: a kernel left for the first tick takes it a second."""
    assert ticking(container).timing.tick_us.max < 250_000.0


def test_every_kernel_is_in_the_cache_of_the_unit_at_ready(container):
    """So the service can compile there, and no tick has to."""
    assert {name.partition(".")[0] for name in container.cached_at_ready} >= COMPILED
    ticking(container)
    assert cached(container) == container.cached_at_ready


def test_a_second_daemon_on_the_same_state_is_refused(container):
    said, code = refusal(container, "run", CONFIG)
    assert f"pid {container.pid()}" in said
    assert code == 3


def test_killed_it_comes_back_and_its_journal_replays(container):
    before = container.pid()
    container.run("kill", "-KILL", str(before))
    condition(lambda: container.pid() not in (0, before), 20.0, "restart")
    condition(lambda: container.show("ActiveState")["ActiveState"] == "active", 20.0, "READY")
    assert ticking(container).pid != before
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
    said, code = refusal(container, "status")
    assert "no such socket" in said
    assert code == 3


def test_a_bad_configuration_is_refused_once_with_its_line(container):
    container.run("systemctl", "stop", "vppd")
    container.run("sed", "-i", "s/tick_s:.*/tick_s: 99/; s/^site:/site:\\n  tick_s: 99/", CONFIG)
    container.run("systemctl", "start", "vppd", check=False)
    shown = container.show("ActiveState", "ExecMainStatus", "NRestarts")
    assert shown == {"ActiveState": "failed", "ExecMainStatus": "2", "NRestarts": "0"}
    assert re.search(r"vppd.yaml:\d+: site.tick_s: must be", container.journal())
