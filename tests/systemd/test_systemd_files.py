"""The unit without a service manager: well formed, and as closed as it claims to be."""

import os
import re
import shutil
import subprocess

import pytest
from container import REPO

UNIT = REPO / "systemd" / "vppd.service"
EXPOSURE_MAX = 1.3

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*arguments):
    environ = os.environ | {"SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8"}
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environ
    )


def settings(text):
    """All `Key=value` lines: key -> values."""
    found = {}
    for key, value in re.findall(r"^([A-Za-z]+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@needs_analyze
def test_verify_finds_nothing(tmp_path):
    unit = tmp_path / "vppd.service"
    text = UNIT.read_text()
    command = settings(text)["ExecStart"][0]
    unit.write_text(text.replace(command.split()[0], "/bin/true"))  # is not installed here
    done = analyze("verify", unit)
    about_us = [line for line in done.stderr.splitlines() if "vppd" in line]
    assert about_us == []


@needs_analyze
def test_verify_would_find_a_mistake(tmp_path):
    unit = tmp_path / "vppd.service"
    unit.write_text(UNIT.read_text().replace("ProtectClock=yes", "ProtectClocks=yes"))
    assert "ProtectClocks" in analyze("verify", unit).stderr


@needs_analyze
def test_exposure():
    done = analyze("security", "--offline=true", "--no-pager", "--threshold=13", UNIT)
    exposure = re.search(r"Overall exposure level for vppd.service: ([0-9.]+)", done.stdout)
    assert exposure is not None, done.stderr + done.stdout
    assert float(exposure[1]) <= EXPOSURE_MAX
    assert done.returncode == 0


def test_the_daemon_stops_before_it_is_killed():
    """TimeoutStopSec is above the default of stop_timeout_s, and the watchdog above 3 ticks."""
    from vppd.config.schema import SiteConfig

    found = settings(UNIT.read_text())
    assert float(found["TimeoutStopSec"][0]) > 2.0 * SiteConfig("x", "y").stop_timeout_s
    assert float(found["WatchdogSec"][0]) > 3.0 * SiteConfig("x", "y").tick_s


def test_the_priority_given_is_the_one_the_daemon_asks_for():
    from vppd.config.schema import SiteConfig

    given = settings(UNIT.read_text())["CPUSchedulingPriority"]
    assert given == [str(SiteConfig("x", "y").realtime_priority)]


def test_numba_can_compile():
    assert "MemoryDenyWriteExecute" not in settings(UNIT.read_text())


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd is not installed")
def test_sysusers_makes_the_user(tmp_path):
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(REPO / "systemd/vppd.sysusers.conf")]
    if os.getuid() != 0:
        command.insert(1, "--dry-run")
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    if os.getuid() == 0:
        assert re.search(
            r"^vppd:x:\d+:\d+:Virtual power plant daemon:/var/lib/vppd:",
            (tmp_path / "etc/passwd").read_text(),
            re.MULTILINE,
        )


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give folders to root")
def test_tmpfiles_makes_the_folders(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\nvppd:x:995:\n")
    rules = str(REPO / "systemd/vppd.tmpfiles.conf")
    command = ["systemd-tmpfiles", f"--root={tmp_path}", "--create", rules]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    folder = (tmp_path / "etc/vppd").stat()
    assert (folder.st_mode & 0o777, folder.st_uid, folder.st_gid) == (0o750, 0, 995)
    assert (tmp_path / "etc/vppd/credentials").stat().st_mode & 0o777 == 0o700
