"""One flipped bit in a closed journal: both verifiers find it, and a start loses nothing.

`run` flips every bit of a small journal (12 records of ticks, and its events), and random ones and
every field of the headers of a large one; the test suite does with a sample of that.
"""

import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import journal_load
from journal_plant import UTC_S, Daemon

from vppd.journal.frames import HEAD_SIZE
from vppd.journal.items import Limits
from vppd.journal.recover import recover
from vppd.journal.scan import SegmentScan
from vppd.journal.verify import verify

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import verify_journal as script

KEY = journal_load.SIGNER.public_key
FIXED_HEADER = 76
LARGE_FLIPS = 400


@dataclass(frozen=True, slots=True)
class Bit:
    """One bit of a file."""

    path: Path
    at: int
    bit: int


@dataclass
class Found:
    """What came of all flips."""

    flips: int = 0
    undetected: list[str] = field(default_factory=list)
    mis_recovered: list[str] = field(default_factory=list)


def closed(folder: Path, ticks: int, n: int, segment_s: float = 1e9) -> None:
    """A signed journal with an event, closed in order."""
    limits = Limits(segment_s=segment_s, sign_every_s=1e9)
    daemon = Daemon(folder, n, limits=limits, signer=journal_load.SIGNER, with_events=True)
    daemon.run(0, ticks)
    daemon.writer.put_event(UTC_S, "load", number=0)
    assert daemon.writer.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.vppj"))


def every_bit(folder: Path) -> Iterator[Bit]:
    for path in files(folder):
        for at in range(path.stat().st_size):
            for bit in range(8):
                yield Bit(path, at, bit)


def sampled(folder: Path, rng: random.Random, count: int) -> list[Bit]:
    """Each byte of each fixed header and of one record's head a file, and random bits."""
    bits = []
    for path in files(folder):
        with SegmentScan(path) as scan:
            record = rng.choice(list(scan)).offset
        places = [*range(FIXED_HEADER), *range(record, record + HEAD_SIZE)]
        bits += [Bit(path, at, rng.randrange(8)) for at in places]
    sizes = [path.stat().st_size for path in files(folder)]
    for path in rng.choices(files(folder), sizes, k=count):
        bits.append(Bit(path, rng.randrange(path.stat().st_size), rng.randrange(8)))
    return bits


class Flipped:
    """A file with one bit turned, for as long as the context lasts."""

    def __init__(self, bit: Bit) -> None:
        self._bit = bit

    def __enter__(self) -> None:
        self._turn()

    def __exit__(self, *_: object) -> None:
        self._turn()

    def _turn(self) -> None:
        with self._bit.path.open("r+b", buffering=0) as file:
            file.seek(self._bit.at)
            (byte,) = file.read(1)
            file.seek(self._bit.at)
            file.write(bytes([byte ^ 1 << self._bit.bit]))


def found_by_script(folder: Path, key: object) -> bool:
    """Whether the independent script finds it, here and not in a process of its own."""
    try:
        script.check(folder, key)
        script.check(folder / "events", key)
    except SystemExit:
        return True
    return False


def flip(folder: Path, bits: Iterable[Bit], found: Found, tell=lambda _: None) -> None:
    """Turn each bit, one after the other, and look whether both verifiers see it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(KEY)
    for bit in bits:
        where = f"{bit.path.relative_to(folder)} byte {bit.at} bit {bit.bit}"
        with Flipped(bit):
            if verify(folder, keys=[KEY]).ok:
                found.undetected.append(f"vppd verify: {where}")
            if not found_by_script(folder, public):
                found.undetected.append(f"script: {where}")
        found.flips += 1
        tell(found.flips)


def frames(path: Path) -> list[tuple[int, bytes]]:
    with SegmentScan(path) as scan:
        return [(f.seq, f.payload) for f in scan]


def recover_each(
    source: Path, work: Path, bits: Iterable[Bit], found: Found, tell=lambda _: None
) -> None:
    """Start on a segment with one bit turned: no record that holds by itself is lost."""
    data, whole = source.read_bytes(), frames(source)
    with SegmentScan(source) as scan:
        ends = [f.offset + HEAD_SIZE + len(f.payload) for f in scan]
        begin = scan.header.size
    path = work / source.name
    for done, bit in enumerate(bits, 1):
        tell(done)
        turned = bytearray(data)
        turned[bit.at] ^= 1 << bit.bit
        path.write_bytes(turned)
        recover(work)
        is_last = bit.at >= ends[-2]
        right = bytes(turned[: ends[-2]] if is_last else turned)
        left = path.read_bytes() if path.exists() else b""
        good = left == right if bit.at >= begin else left == bytes(turned)
        if good and bit.at >= begin:
            good = frames(path) == whole[: sum(end <= bit.at for end in ends)]
        if not good:
            found.mis_recovered.append(f"byte {bit.at} bit {bit.bit}")


def truncate_each(source: Path, work: Path, sizes: Iterable[int], found: Found) -> None:
    """Start on a segment cut to each size: every whole record is still there."""
    data, whole = source.read_bytes(), frames(source)
    with SegmentScan(source) as scan:
        ends = [f.offset + HEAD_SIZE + len(f.payload) for f in scan]
        begin = scan.header.size
    path = work / source.name
    for size in sizes:
        path.write_bytes(data[:size])
        recovery = recover(work)
        if size < begin:
            good = not path.exists()
        else:
            count = sum(end <= size for end in ends)
            good = frames(path) == whole[:count] and recovery.seq == count
        if not good:
            found.mis_recovered.append(f"cut to {size} bytes")


def small(folder: Path) -> Path:
    """12 records: a state, eight ticks, a head, an event, an end; and a head at the end."""
    closed(folder, 8, 1)
    (path,) = folder.glob("*.vppj")
    return path


def run(work: Path, seed: int, tell=lambda *_: None) -> dict[str, Found]:
    """All of it, exhaustively over the small journal. `tell(what, done, total)` hears of it."""
    rng, out = random.Random(seed), {"small": Found(), "large": Found(), "cuts": Found()}
    source = small(work / "small")
    bits = list(every_bit(work / "small"))
    flip(work / "small", bits, out["small"], lambda n: tell("small", n, len(bits)))
    (work / "copy").mkdir()
    bits = [b for b in bits if b.path == source]
    recover_each(source, work / "copy", bits, out["small"], lambda n: tell("starts", n, len(bits)))
    size = source.stat().st_size
    out["cuts"].flips = size
    truncate_each(source, work / "copy", range(size), out["cuts"])
    closed(work / "large", 300, 200, segment_s=100.0)
    bits = sampled(work / "large", rng, LARGE_FLIPS)
    flip(work / "large", bits, out["large"], lambda n: tell("large", n, len(bits)))
    return out
