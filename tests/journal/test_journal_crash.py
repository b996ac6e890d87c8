"""kill -9, a full disk, an error of the disk: what is in the file stays, and control goes on."""

import errno
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from journal_plant import Daemon, fake_tick, tick_numbers

from vppd.journal.appender import Limits
from vppd.journal.reader import EventRecord, read
from vppd.journal.replay import replay
from vppd.journal.verify import verify

HERE = Path(__file__).parent
CYCLES = 20


@pytest.mark.timeout(240)
def test_kill_9_loses_at_most_the_tick_on_its_way(tmp_path):
    seed = random.randrange(2**31)
    print("seed", seed)
    run = subprocess.run(
        [sys.executable, str(HERE / "journal_kill_rig.py"), str(tmp_path), str(CYCLES), str(seed)],
        capture_output=True,
        text=True,
        timeout=200,  # each start and tick waits for the disk several times
        check=True,
    )
    Daemon(tmp_path, 40).writer.close()  # the next start cuts what is torn
    there = set(tick_numbers(tmp_path))
    cycles = [tuple(map(int, line.split())) for line in run.stdout.splitlines()]
    assert len(cycles) == CYCLES
    handed = set(range(cycles[-1][0] + 1))
    assert there <= handed
    assert handed - there <= {put for put, acknowledged in cycles if put > acknowledged}
    assert sum(acknowledged for _, acknowledged in cycles) > 0
    assert verify(tmp_path).ok
    report = replay(tmp_path, fake_tick)
    assert (report.ticks, report.bit_exact, report.torn) == (len(there), True, 0)


def check_gap(folder: Path, daemon: Daemon, lost: int) -> None:
    """The journal is whole but for a gap that it tells of."""
    report = verify(folder)
    assert report.fault is None
    assert report.torn == ()
    told = [r for r in read(folder) if isinstance(r, EventRecord) and r.event == "journal_gap"]
    assert sum(int(str(r.fields["lost"])) for r in told) == lost
    replayed = replay(folder, fake_tick)
    assert (replayed.bit_exact, replayed.runs) == (True, 2)
    assert replayed.ticks == daemon.writer.status().ticks


@pytest.fixture
def file_size_limit():
    """Sets a limit on the size of every file; Python ignores SIGXFSZ, so that write fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_grow_is_left_whole_and_the_next_one_is_begun(tmp_path, file_size_limit):
    daemon = Daemon(tmp_path, 40, limits=Limits(retry_s=5.0))
    daemon.run(0, 3)
    file_size_limit(daemon.writer.status().path.stat().st_size + 100)
    daemon.run(3, 6)
    status = daemon.writer.status()
    assert (status.alarm, status.ticks, status.lost) == (True, 3, 3)
    assert "File too large" in status.error
    file_size_limit(resource.RLIM_INFINITY)
    daemon.run(6, 12)
    status = daemon.writer.status()
    # Tick 3 failed; 5 s later it is tried again.
    assert (status.alarm, status.error, status.lost, status.segments) == (False, "", 5, 2)
    daemon.writer.close()
    assert tick_numbers(tmp_path) == [0, 1, 2, 8, 9, 10, 11]
    check_gap(tmp_path, daemon, lost=5)


@pytest.fixture
def full_disk(tmp_path):
    """Folder on a disk of 512 kB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a disk to fill; the limit on file size covers the rest")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_costs_ticks_and_nothing_else(full_disk):
    ballast = full_disk / "ballast"
    daemon = Daemon(full_disk / "journal", 200, limits=Limits(retry_s=3.0))
    number = 0
    while not daemon.writer.status().error:
        assert number < 1000
        daemon.run(number, number + 1)
        if number == 5:
            ballast.write_bytes(bytes(300 << 10))
        number += 1
    assert "No space left" in daemon.writer.status().error
    daemon.run(number, number + 4)  # tried again, still full: no half-made segment stays
    assert daemon.writer.status().segments == 1
    assert len(list((full_disk / "journal").iterdir())) == 1
    ballast.unlink()
    daemon.run(number + 4, number + 12)
    assert not daemon.writer.status().alarm
    lost = daemon.writer.status().lost
    daemon.writer.close()
    assert len(tick_numbers(full_disk / "journal")) == number + 12 - lost
    check_gap(full_disk / "journal", daemon, lost)


def test_a_disk_that_fails_to_sync_is_not_synced_again(tmp_path, monkeypatch):
    synced = []

    def fails_once(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)
        if len(synced) == 4:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails_once)
    daemon = Daemon(tmp_path, sync=True, limits=Limits(retry_s=1.0))
    daemon.run(0, 3)  # the header, then ticks 0, 1 and 2
    status = daemon.writer.status()
    assert (status.last_tick, status.alarm) == (1, True)
    assert "Input/output error" in status.error
    daemon.run(3, 6)
    daemon.writer.close()
    assert daemon.writer.status().last_tick == 5
    assert len(set(synced[:4])) == 1
    assert synced[0] not in synced[4:]
    assert tick_numbers(tmp_path) == [0, 1, 2, 3, 4, 5]  # tick 2 is written; nobody vouches for it
    assert verify(tmp_path).ok
    assert replay(tmp_path, fake_tick).bit_exact


def test_the_name_of_a_segment_is_synced_with_its_folder(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    Daemon(tmp_path, sync=True).writer.close()
    assert synced == [tmp_path.stat().st_ino]


def test_a_folder_that_cannot_be_made_does_not_stop_control(tmp_path):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "journal"
    daemon = Daemon(folder, limits=Limits(retry_s=2.0))
    assert "Not a directory" in daemon.writer.status().error
    daemon.run(0, 2)
    (tmp_path / "file").unlink()
    daemon.run(2, 6)
    daemon.writer.close()
    assert daemon.writer.status().error == ""
    assert tick_numbers(folder) == [2, 3, 4, 5]
