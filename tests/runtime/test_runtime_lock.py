"""The lock on the state folder, between real processes."""

import os
import signal
import subprocess
import sys

import pytest

from vppd.runtime.lock import StateLock, StateLockedError

HOLD = """
import sys
from pathlib import Path
from vppd.runtime.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder `tmp_path / "state"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "state")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_folder_is_made_for_the_owner_and_the_group_only(tmp_path):
    os.umask(os.umask(0o022))
    with StateLock(tmp_path / "a" / "state") as lock:
        assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o750
        assert lock.path.stat().st_mode & 0o777 == 0o640
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_second_daemon_is_told_who_holds_the_folder(tmp_path, holder):
    with pytest.raises(StateLockedError, match=rf"state: another vppd \(pid {holder.pid}\) runs"):
        StateLock(tmp_path / "state")


def test_a_killed_daemon_leaves_no_lock(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(10.0)
    with StateLock(tmp_path / "state") as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_released_is_free_again(tmp_path):
    first = StateLock(tmp_path)
    with pytest.raises(StateLockedError):
        StateLock(tmp_path)
    first.release()
    first.release()
    with StateLock(tmp_path) as second:
        assert second.path.exists()


def test_a_shorter_pid_leaves_nothing_of_a_longer_one(tmp_path):
    (tmp_path / "lock").write_text("99999999999\n")
    with StateLock(tmp_path) as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="lock"):
        StateLock(tmp_path)
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        StateLock(tmp_path / "file" / "state")
