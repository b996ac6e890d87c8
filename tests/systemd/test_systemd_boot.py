"""The unit under a real service manager: Numba in the sandbox, watchdog, restart, stop."""

import json
from pathlib import Path

import pytest
from container import Container, condition, why_not

SKIP = why_not()
pytestmark = pytest.mark.skipif(SKIP is not None, reason=SKIP or "")

SHORT_WATCHDOG = "[Service]\nWatchdogSec=1\n"


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    """A booted system with the unit, running the stand-in."""
    container = Container(tmp_path_factory.mktemp("container"))
    container.install_unit()
    container.install_program((Path(__file__).parent / "standin.py").read_text())
    container.write("/etc/vppd/vppd.yaml", "good\n")
    container.write("/etc/vppd/credentials/mqtt-password", "secret", 0o600)
    container.write("/etc/systemd/system/vppd.service.d/watchdog.conf", SHORT_WATCHDOG)
    try:
        container.boot()
        yield container
    finally:
        container.halt()


@pytest.fixture(scope="module")
def findings(container):
    """What the stand-in found in the sandbox at its first start."""
    container.run("systemctl", "start", "vppd")  # returns at READY=1
    return read_findings(container)


def read_findings(container):
    return json.loads(container.path("/var/lib/vppd/findings.json").read_text())


def restarted(container, before):
    """Wait until another process than `before` has said READY=1."""
    condition(lambda: container.pid() not in (0, before), 15.0, "restart")
    condition(lambda: container.show("ActiveState")["ActiveState"] == "active", 10.0, "READY")


@pytest.mark.usefixtures("findings")
def test_ready_and_ticking(container):
    shown = container.show("ActiveState", "SubState", "Type", "NRestarts")
    assert shown == {
        "ActiveState": "active",
        "SubState": "running",
        "Type": "notify",
        "NRestarts": "0",
    }

    def ticks():
        return "timer timerfd" in container.show("StatusText")["StatusText"]

    condition(ticks, 10.0, "a tick in the status text")


def test_the_sandbox_is_closed(container, findings):
    assert str(findings["user"]) == container.run("id", "-u", "vppd")
    assert findings["capabilities"] == "0000000000000000"
    assert findings["no_new_privs"] == "1"
    assert findings["seccomp"] == "2"
    assert findings["write_etc"] == "OSError"  # read-only file system
    assert findings["write_program"] == "OSError"
    assert findings["list_home"] == "PermissionError"
    assert findings["read_stored_credentials"] == "PermissionError"
    assert findings["raise_priority"] == "PermissionError"
    assert findings["other_processes"] == 0


def test_credentials_arrive(findings):
    assert findings["credentials"] == {"vppd_mqtt-password": "secret"}


def test_the_loop_is_in_real_time_and_its_threads_are_not(findings):
    assert findings["scheduler"] == "SCHED_FIFO 40, given by the service manager"
    assert findings["thread"] == [0, 0]
    unlimited = findings["memlock_limit"] == -1  # not where the container itself has a limit
    assert (findings["memory"] == "locked as used") == unlimited


def test_state_and_cache_belong_to_the_daemon_and_its_group(container, findings):
    for folder in ("/var/lib/vppd", "/var/cache/vppd"):
        assert container.run("stat", "-c", "%a %U:%G", folder) == "750 vppd:vppd"
    assert findings["user"] != 0


def test_numba_compiles_in_the_sandbox_and_finds_its_cache_again(container, findings):
    assert findings["kernel"] == 42.0
    assert {"standin_kernel.nbc", "standin_kernel.nbi"} <= set(findings["cached"])
    container.run("systemctl", "restart", "vppd")
    again = read_findings(container)
    assert again["kernel"] == 42.0
    assert again["cache_hits"] == 1


@pytest.mark.usefixtures("findings")
def test_killed_it_is_back_at_once(container):
    restarts = int(container.show("NRestarts")["NRestarts"])
    before = container.pid()
    container.run("kill", "-KILL", str(before))
    restarted(container, before)
    assert int(container.show("NRestarts")["NRestarts"]) == restarts + 1


@pytest.mark.usefixtures("findings")
def test_a_hang_is_ended_by_the_watchdog_with_a_stack_and_a_restart(container):
    before = container.pid()
    container.run("kill", "-USR1", str(before))
    restarted(container, before)
    said = container.journal()
    assert "Watchdog timeout" in said
    assert "Fatal Python error: Aborted" in said
    assert "in <lambda>" in said  # the line that hangs


@pytest.mark.usefixtures("findings")
def test_a_stop_is_a_clean_one(container):
    container.run("systemctl", "stop", "vppd")
    shown = container.show("ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}


def test_a_bad_configuration_is_not_tried_again(container):
    container.run("sh", "-c", "systemctl stop vppd; echo bad > /etc/vppd/vppd.yaml")
    container.run("systemctl", "start", "vppd", check=False)
    shown = container.show("ActiveState", "ExecMainStatus", "NRestarts")
    assert shown == {"ActiveState": "failed", "ExecMainStatus": "2", "NRestarts": "0"}
