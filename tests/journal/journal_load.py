"""A process that writes ticks and events as fast as it can, and says what is acknowledged."""

import json
import os
import random
import select
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from journal_plant import UTC_S, Daemon

from vppd.journal.frames import Kind
from vppd.journal.items import Limits
from vppd.journal.keys import KeySigner
from vppd.journal.scan import SegmentScan

LAST_ANSWER_S = 20.0
EVENT_EVERY = 5  # ticks
UNITS = 40
SIGNER = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def daemon_of(folder: Path, *, sync: bool = True, inline: bool = False) -> Daemon:
    """A writer as `vppd run` has it, with short segments and many signatures."""
    limits = Limits(segment_s=7.0, sign_every_s=3.0, reserve_bytes=100_000)
    return Daemon(
        folder, UNITS, inline=inline, sync=sync, limits=limits, signer=SIGNER, with_events=True
    )


def events_of(folder: Path) -> set[int]:
    """Numbers of the events in the log."""
    found = set()
    for path in (folder / "events").glob("*.vppj"):
        with SegmentScan(path) as scan:
            events = [json.loads(f.payload) for f in scan if f.kind == Kind.EVENT]
        found |= {event["number"] for event in events if event["event"] == "load"}
    return found


def write_for_ever(folder: Path, first: int, pipe: int, *, sync: bool) -> None:
    """One tick after the other, each handed over when the one before is in the file."""
    daemon = daemon_of(folder, sync=sync)
    number = first
    while True:
        os.write(pipe, f"put {number}\n".encode())
        if number % EVENT_EVERY == 0:
            daemon.writer.put_event(UTC_S + number, "load", number=number)
        daemon.tick(number)
        if not daemon.writer.drain(LAST_ANSWER_S) or daemon.writer.status().error:
            os._exit(3)
        os.write(pipe, f"ack {number}\n".encode())
        number += 1


@dataclass
class Load:
    """The writer as its killer sees it. `put`, `acked`: the last numbers that it told."""

    pid: int
    pipe: int
    put: int
    acked: int
    _rest: bytes = field(default=b"")
    over: bool = False

    def take(self, timeout_s: float) -> None:
        """Take in what it says, once."""
        if self.over or not select.select([self.pipe], [], [], max(timeout_s, 0.0))[0]:
            return
        data = os.read(self.pipe, 1 << 16)
        self.over = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, number = line.split()
            if word == b"put":
                self.put = int(number)
            else:
                self.acked = int(number)

    def run(self, for_s: float, *, ticks: int = 1) -> None:
        """Let it write until `ticks` are acknowledged, and then for some time more."""
        at_least, give_up_s = self.acked + ticks, time.monotonic() + LAST_ANSWER_S
        while self.acked < at_least:
            if self.over or time.monotonic() > give_up_s:
                raise AssertionError("the writer did not start, or writes nothing")
            self.take(0.1)
        until_s = time.monotonic() + for_s
        while (left_s := until_s - time.monotonic()) > 0.0 and not self.over:
            self.take(left_s)
        self.take(0.0)

    def kill(self) -> None:
        """SIGKILL, and then what it had still said."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        while not self.over:
            self.take(1.0)
        os.close(self.pipe)


def start(folder: Path, first: int, *, sync: bool = True) -> Load:
    """Fork a writer whose first tick is number `first`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write_for_ever(folder, first, writing, sync=sync)
        finally:
            os._exit(4)
    os.close(writing)
    return Load(child, reading, first - 1, first - 1)


def spin(rng: random.Random, longest_s: float) -> None:
    """Wait for a random time, to the microsecond."""
    until_s = time.perf_counter() + rng.random() * longest_s
    while time.perf_counter() < until_s:
        pass
