"""Events, a full disk, retention: what must survive survives, and what goes is named."""

import errno
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
from journal_plant import UTC_S, Daemon, fake_tick, tick_numbers

from vppd.journal import event_log
from vppd.journal.frames import Kind
from vppd.journal.items import Limits
from vppd.journal.replay import replay
from vppd.journal.scan import SegmentScan
from vppd.journal.segment import SegmentFile
from vppd.journal.verify import verify


class Disk:
    """A disk with room for so many bytes; the reserve is not counted here."""

    def __init__(self, room: float = float("inf")) -> None:
        self.room = room
        self.error = errno.ENOSPC
        self.only = ""  # part of a path that is hit alone

    def __call__(self, path: Path, header: bytes, *, sync: bool) -> SegmentFile:
        disk = self

        class File(SegmentFile):
            def append(self, data: bytes) -> None:
                if disk.only in str(self.path):
                    if disk.room < len(data):
                        raise OSError(disk.error, os.strerror(disk.error))
                    disk.room -= len(data)
                super().append(data)

        return File(path, header, sync=sync)


def start(folder: Path, disk=SegmentFile, **limits: float) -> Daemon:
    return Daemon(
        folder, limits=Limits(**{"retry_s": 3.0} | limits), with_events=True, open_segment=disk
    )


def events_of(folder: Path) -> list[tuple[str, dict]]:
    """Name and fields of each event of the log."""
    out = []
    for path in sorted((folder / "events").glob("*.vppj")):
        with SegmentScan(path) as scan:
            data = [json.loads(f.payload) for f in scan if f.kind == Kind.EVENT]
        out += [(fields.pop("event"), fields) for fields in data]
    return out


def names(folder: Path) -> list[str]:
    return [name for name, _ in events_of(folder)]


def order(daemon: Daemon, number: int) -> None:
    assert daemon.writer.put_event(UTC_S + number, "order", number=number)


def test_an_event_is_in_its_log_and_among_the_ticks(tmp_path):
    daemon = start(tmp_path)
    daemon.run(0, 2)
    order(daemon, 2)
    assert events_of(tmp_path) == [("order", {"utc_s": UTC_S + 2, "number": 2})]
    daemon.writer.close()
    assert daemon.writer.status().events == 1
    assert verify(tmp_path).events == 1
    assert verify(tmp_path).ok


def test_events_of_a_start_that_failed_are_kept_by_the_next(tmp_path):
    for i in range(3):
        daemon = start(tmp_path)
        order(daemon, i)
    daemon.writer.close()
    told = [fields["number"] for name, fields in events_of(tmp_path) if name == "order"]
    assert told == [0, 1, 2]
    assert len(list((tmp_path / "events").iterdir())) == 3
    assert verify(tmp_path).ok


def test_the_log_turns_over_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr(event_log, "SEGMENT_BYTES", 2000)
    daemon = start(tmp_path)
    for i in range(30):
        order(daemon, i)
    daemon.writer.close()
    paths = sorted((tmp_path / "events").iterdir())
    assert len(paths) > 3
    assert max(p.stat().st_size for p in paths) < 3000
    assert [f["number"] for _, f in events_of(tmp_path)] == list(range(30))
    assert verify(tmp_path).ok


def test_events_wait_for_a_disk_that_takes_nothing(tmp_path):
    disk = Disk()
    daemon = start(tmp_path, disk)
    daemon.run(0, 2)
    disk.room, disk.error, disk.only = 0, errno.EIO, "/events/"
    order(daemon, 2)
    daemon.run(2, 4)
    status = daemon.writer.status()
    assert (status.alarm, status.events, status.lost) == (True, 0, 0)
    assert status.error.startswith("events: ")
    disk.room = float("inf")
    daemon.run(4, 8)
    order(daemon, 8)
    status = daemon.writer.status()
    assert (status.alarm, status.events, status.events_lost) == (False, 2, 0)
    daemon.writer.close()
    assert names(tmp_path) == ["order", "order"]
    assert tick_numbers(tmp_path) == list(range(8))
    assert verify(tmp_path).ok


def test_events_beyond_what_may_wait_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(event_log, "WAITING_MAX", 3)
    disk = Disk()
    daemon = start(tmp_path, disk)
    disk.room, disk.only = 0, "/events/"
    for i in range(5):
        order(daemon, i)
    assert daemon.writer.status().events_lost == 2
    daemon.writer.close()
    assert daemon.writer.status().events_lost == 5


def test_a_disk_that_is_full_for_ticks_still_takes_events(tmp_path):
    disk = Disk()
    daemon = start(tmp_path, disk)
    daemon.run(0, 3)
    disk.room, disk.only = 0, "/0"
    disk.only = f"{tmp_path}/0"
    daemon.run(3, 4)
    order(daemon, 4)
    daemon.run(4, 6)
    status = daemon.writer.status()
    assert (status.alarm, status.lost, status.ticks) == (True, 3, 3)
    assert names(tmp_path) == ["journal_stopped", "order"]
    disk.room = float("inf")
    daemon.run(6, 10)
    daemon.writer.close()
    assert not daemon.writer.status().alarm
    assert names(tmp_path) == ["journal_stopped", "order", "journal_gap"]
    lost = daemon.writer.status().lost
    assert tick_numbers(tmp_path) == [0, 1, 2, *range(3 + lost, 10)]
    assert verify(tmp_path).ok


@pytest.fixture
def small_disk(tmp_path):
    """Folder on a disk of 1 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a disk to fill; a disk in memory covers the rest")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_reserve_gives_a_full_disk_an_end_and_events(small_disk):
    ballast, folder = small_disk / "ballast", small_disk / "journal"
    daemon = Daemon(
        folder, 200, with_events=True,
        limits=Limits(retry_s=3.0, reserve_bytes=100_000),
    )  # fmt: skip
    reserve = folder / "reserve"
    assert reserve.stat().st_blocks * 512 >= 100_000
    daemon.run(0, 5)
    with ballast.open("wb", buffering=0) as file:  # somebody else fills the disk
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    number = 5
    while not daemon.writer.status().error:
        daemon.run(number, number + 1)
        number += 1
        assert number < 50
    status = daemon.writer.status()
    assert "No space left" in status.error
    assert (status.alarm, status.reserve) == (True, False)
    assert not reserve.exists()
    (segment,) = folder.glob("*.vppj")
    with SegmentScan(segment) as scan:
        *_, end, _ = list(scan)
    assert json.loads(end.payload) == {"reason": "disk full"}
    for i in range(20):  # control goes on, and what an operator does is on record
        daemon.run(number, number + 1)
        order(daemon, i)
        number += 1
    assert names(folder).count("order") == 20
    assert daemon.writer.status().events_lost == 0
    assert len(list(folder.glob("*.vppj"))) == 1
    ballast.unlink()
    daemon.run(number, number + 8)
    status = daemon.writer.status()
    assert (status.alarm, status.reserve) == (False, True)  # it has come back by itself
    daemon.writer.close()
    assert "journal_gap" in names(folder)
    there = tick_numbers(folder)
    assert len(there) == number + 8 - status.lost
    report = replay(folder, fake_tick)
    assert (report.bit_exact, report.runs) == (True, 2)
    assert verify(folder).ok


# -- retention ----------------------------------------------------------------------------------


def test_what_is_too_old_goes_and_is_named(tmp_path):
    daemon = start(tmp_path, segment_s=10.0, keep_s=25.0)
    daemon.run(0, 60)
    daemon.writer.close()
    assert tick_numbers(tmp_path) == list(range(20, 60))
    removed = [f for name, f in events_of(tmp_path) if name == "journal_removed"]
    assert [f["segment"][:8] for f in removed] == ["00000001", "00000002"]
    assert {f["why"] for f in removed} == {"age"}
    assert daemon.writer.status().removed == 2
    report = verify(tmp_path)
    assert (report.fault, report.whole, report.removed) == (None, False, 2)
    assert replay(tmp_path, fake_tick).bit_exact


def test_the_oldest_beyond_a_size_go(tmp_path):
    daemon = start(tmp_path, segment_s=10.0, keep_bytes=60_000)
    daemon.run(0, 100)
    assert sum(p.stat().st_size for p in tmp_path.glob("*.vppj")) < 60_000 + 20_000
    daemon.writer.close()
    assert tick_numbers(tmp_path)[-1] == 99
    assert tick_numbers(tmp_path)[0] > 10
    assert "size" in {f["why"] for name, f in events_of(tmp_path) if name == "journal_removed"}
    assert verify(tmp_path).ok


def test_a_segment_that_somebody_else_removed_is_no_retention(tmp_path):
    daemon = start(tmp_path, segment_s=10.0, keep_s=25.0)
    daemon.run(0, 60)
    daemon.writer.close()
    min(tmp_path.glob("*.vppj")).unlink()
    fault = verify(tmp_path).fault
    assert fault.what == "the segments before it are gone, and no event names their removal"


def test_what_is_still_needed_stays_also_on_a_full_disk_and_that_is_told_once(tmp_path):
    disk, needed = Disk(), {"00000003"}
    daemon = Daemon(
        tmp_path, with_events=True, open_segment=disk, keep=lambda path: path.name[:8] in needed,
        limits=Limits(segment_s=10.0, keep_s=25.0, retry_s=3.0),
    )  # fmt: skip
    daemon.run(0, 70)
    assert tick_numbers(tmp_path) == list(range(20, 70))  # and nothing behind it has gone
    assert daemon.writer.status().held[:8] == "00000003"
    disk.room, disk.only = 0, f"{tmp_path}/0"
    daemon.run(70, 71)
    disk.room = float("inf")
    daemon.run(71, 75)
    assert tick_numbers(tmp_path)[0] == 20
    needed.clear()
    daemon.run(75, 90)
    assert daemon.writer.status().held == ""
    daemon.writer.close()
    assert tick_numbers(tmp_path)[0] == 50
    told = [f for name, f in events_of(tmp_path) if name == "journal_not_removed"]
    assert [(f["segment"][:8], f["why"]) for f in told] == [
        ("00000003", "age, but it is not rolled")
    ]
    assert verify(tmp_path).ok


def test_nothing_goes_where_the_event_cannot_be_written(tmp_path):
    disk = Disk()
    daemon = start(tmp_path, disk, segment_s=10.0, keep_s=25.0)
    daemon.run(0, 2)
    disk.room, disk.error, disk.only = 0, errno.EIO, "/events/"
    daemon.run(2, 60)
    assert tick_numbers(tmp_path) == list(range(60))
    disk.room = float("inf")
    daemon.run(60, 75)
    daemon.writer.close()
    assert tick_numbers(tmp_path)[0] > 0
    assert verify(tmp_path).ok


def test_without_a_log_of_events_nothing_is_removed(tmp_path):
    daemon = Daemon(tmp_path, limits=Limits(segment_s=10.0, keep_s=25.0))
    daemon.run(0, 60)
    daemon.writer.close()
    assert tick_numbers(tmp_path) == list(range(60))
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".vppj"] * 6


def test_a_record_that_is_too_long_on_its_way_is_late(tmp_path):
    now, gate = [0.0], threading.Event()
    daemon = Daemon(
        tmp_path, inline=False, clock=lambda: now[0], late_after_s=1.0,
        on_thread_start=lambda: gate.wait(10.0),
    )  # fmt: skip
    daemon.run(0, 2)
    assert not daemon.writer.status().late
    now[0] = 1.5
    status = daemon.writer.status()
    assert (status.late, status.alarm, status.unsynced_age_s) == (True, False, 1.5)
    gate.set()
    assert daemon.writer.drain(10.0)
    assert not daemon.writer.status().late
    assert daemon.writer.close()
