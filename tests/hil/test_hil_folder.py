"""The folder of a run: what is never emptied, and what is."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hil import folder
from hil.plumbing import CouldNotRunError

LOCKED = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(lock, b"4711\\n")
print("locked", flush=True)
sys.stdin.read()
"""


def earlier(out: Path) -> Path:
    """A folder that an earlier run left; returns a file of its journal."""
    os.close(folder.take(out))
    (out / "journal").mkdir()
    (out / "journal" / "1.vj").write_text("ticks")
    (out / "raw" / "run.json").write_text("{}")
    (out / "daemon.yaml").write_text("site:\n")
    return out / "journal" / "1.vj"


def test_a_folder_of_the_bench_is_emptied(tmp_path):
    earlier(tmp_path / "a" / "out")
    os.close(folder.take(tmp_path / "a" / "out"))
    names = sorted(path.name for path in (tmp_path / "a" / "out").iterdir())
    assert names == [folder.MARKER, "daemon.yaml", "raw"]
    assert not list((tmp_path / "a" / "out" / "raw").iterdir())


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    journal = tmp_path / "journal" / "1.vj"
    journal.parent.mkdir()
    journal.write_text("ticks")
    with pytest.raises(CouldNotRunError, match=r"did not make it .*; name another --out"):
        folder.take(tmp_path)
    assert journal.read_text() == "ticks"
    assert not (tmp_path / folder.MARKER).exists()


def test_a_folder_that_a_daemon_runs_on_is_left_alone(tmp_path):
    journal = earlier(tmp_path)
    argv = [sys.executable, "-c", LOCKED, str(tmp_path / "lock")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"locked\n"
        with pytest.raises(CouldNotRunError, match=r"a vppd \(pid 4711\) runs on this folder"):
            folder.take(tmp_path)
        assert journal.read_text() == "ticks"
        daemon.communicate()
    os.close(folder.take(tmp_path))  # its lock is free, though the file is there
    assert not journal.exists()


def test_a_second_run_in_the_same_folder(tmp_path):
    held = folder.take(tmp_path)
    (tmp_path / "raw" / "fleet.json").write_text("{}")
    with pytest.raises(CouldNotRunError, match="another vppd-hil runs in this folder"):
        folder.take(tmp_path)
    assert (tmp_path / "raw" / "fleet.json").exists()
    os.close(held)
    os.close(folder.take(tmp_path))


def test_a_folder_that_could_be_emptied_only_in_part_is_left_alone(tmp_path, monkeypatch):
    journal = earlier(tmp_path)
    allowed = os.access
    protected = tmp_path / "raw"  # may the tests run as root: permission is what the kernel says
    monkeypatch.setattr(os, "access", lambda path, mode: path != protected and allowed(path, mode))
    with pytest.raises(CouldNotRunError, match="raw: no permission to write"):
        folder.take(tmp_path)
    assert journal.exists()
    marker = os.open(tmp_path / folder.MARKER, os.O_RDWR)
    fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any more
    os.close(marker)


@pytest.mark.parametrize("name", ["/proc/nope", "/dev/null", "/dev/null/out"])
def test_what_cannot_be_a_folder_is_told_in_one_line(name):
    with pytest.raises(CouldNotRunError, match=f"^{name}: .*; name another --out$"):
        folder.take(Path(name))
