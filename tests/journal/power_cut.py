"""Power cuts under a running writer: no tick that was acknowledged may be lost.

Needs root, loop devices, mkfs.xfs and mkfs.ext4: `why_not` says what is missing.

kill -9 proves nothing about durability, for the page cache outlives a process. Here the journal
lies on ext4 in a file on XFS. `cp --reflink=always` of that file, under the running writer, is the
disk as a power cut leaves it: what only ext4's page cache knew is gone. The copy takes the place of
the disk, is mounted (which replays the file system's own journal), and a new writer starts on it:
so cuts add up on one journal. Models a drive that honours FLUSH.
"""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import journal_load
from journal_plant import fake_tick, tick_numbers

from vppd.journal.replay import replay
from vppd.journal.verify import verify

DISK_MB = 192
HOST_MB = 640
LOAD_MAX_S = 0.6  # longest time from the first acknowledgement to the cut


class RigError(Exception):
    """The rig cannot be built here; the text says why."""


@dataclass
class Found:
    """What came of all cycles."""

    cycles: int = 0
    acknowledged: int = 0  # ticks, before a cut
    events: int = 0  # among them
    unclosed: int = 0  # cuts that left a segment without its end
    cut_bytes: int = 0  # of torn tails
    failures: list[str] = field(default_factory=list)


def why_not() -> str:
    """Say why there can be no rig here; empty if there can."""
    if os.geteuid() != 0:
        return "power cuts need root, to mount"
    for tool in ("mkfs.xfs", "mkfs.ext4", "losetup"):
        if shutil.which(tool) is None:
            return f"power cuts need {tool} (apt-get install xfsprogs e2fsprogs)"
    if not Path("/dev/loop-control").exists():
        return "power cuts need loop devices"
    try:
        with tempfile.TemporaryDirectory() as folder, Rig(Path(folder)):
            return ""
    except RigError as error:
        return str(error)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RigError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


class Rig:
    """A disk (ext4) in a file on another (XFS), whose power can be cut."""

    def __init__(self, work: Path) -> None:
        self.host, self.mounted = work / "host", work / "disk"
        self.image, self.cut_image = self.host / "disk.img", self.host / "cut.img"
        self._work = work

    def __enter__(self) -> "Rig":
        backing = self._work / "host.img"
        self.host.mkdir()
        self.mounted.mkdir()
        with backing.open("wb") as file:
            file.truncate(HOST_MB << 20)
        try:
            _run("mkfs.xfs", "-q", "-m", "reflink=1", str(backing))
            _run("mount", "-o", "loop", str(backing), str(self.host))
            with self.image.open("wb") as file:
                file.truncate(DISK_MB << 20)
            _run("mkfs.ext4", "-q", str(self.image))
            self.power_on()
        except RigError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for folder in (self.mounted, self.host):
            if folder.is_mount():
                _run("umount", str(folder))

    def power_on(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.mounted))

    def cut(self) -> None:
        """Keep what is on the disk at this instant, whatever its file system has not written."""
        _run("cp", "--reflink=always", str(self.image), str(self.cut_image))

    def swap(self) -> None:
        """Put the copy in the place of the disk."""
        _run("umount", str(self.mounted))
        self.cut_image.replace(self.image)
        self.power_on()


def cycle(rig: Rig, first: int, rng: random.Random, found: Found, *, sync: bool) -> int:
    """Write, cut the power, start again; returns the first number that was not handed over."""
    journal = rig.mounted / "journal"
    load = journal_load.start(journal, first, sync=sync)
    try:
        load.run(rng.random() * LOAD_MAX_S)
        acked = load.acked
        rig.cut()
    finally:
        load.kill()
    rig.swap()
    found.cycles += 1
    found.acknowledged += acked - first + 1
    recovered(journal, range(first, acked + 1), found)
    return load.put + 1


def recovered(journal: Path, acked: range, found: Found) -> None:
    """Start on what is left, and compare it with what was acknowledged before the cut."""
    daemon = journal_load.daemon_of(journal, inline=True)
    status = daemon.writer.status()
    daemon.writer.close()
    if status.error or status.recovery is None:
        found.failures.append(f"cycle {found.cycles}: no start: {status.error}")
        return
    found.unclosed += bool(status.recovery.segment)
    found.cut_bytes += status.recovery.cut_bytes
    missing = set(acked).difference(tick_numbers(journal, skip_damaged=True))
    if missing:
        found.failures.append(f"cycle {found.cycles}: ticks lost: {sorted(missing)}")
    events = {n for n in acked if n % journal_load.EVENT_EVERY == 0}
    found.events += len(events)
    if lost := events - journal_load.events_of(journal):
        found.failures.append(f"cycle {found.cycles}: events lost: {sorted(lost)}")
    report = verify(journal, keys=[journal_load.SIGNER.public_key])
    if not report.ok:
        found.failures.append(f"cycle {found.cycles}: does not hold: {report.fault}")


def cut_often(
    work: Path,
    cycles: int,
    seed: int,
    tell: Callable[[Found], None] = lambda _: None,
    *,
    sync: bool = True,
) -> Found:
    """Cut the power `cycles` times on one journal. Raises RigError."""
    found, rng, first = Found(), random.Random(seed), 0
    with Rig(work) as rig:
        for _ in range(cycles):
            first = cycle(rig, first, rng, found, sync=sync)
            tell(found)
        report = replay(rig.mounted / "journal", fake_tick, skip_damaged=True)
        if not report.bit_exact or report.torn:
            found.failures.append(f"replay: {report.first_difference}, {report.torn} torn")
    return found
