"""Which segments of ticks may go: those that ended too long ago, and the oldest beyond a size.

Never the one that is written. Each removal is an event before it happens, with the chain that the
segment ended with: so that `verify` can tell it from tampering.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vppd.journal.errors import JournalError
from vppd.journal.header import RawHeader, read_header
from vppd.journal.scan import segments

REMOVED = "journal_removed"
Keep = Callable[[Path], bool]  # whether a segment is still needed for something else


@dataclass(frozen=True, slots=True)
class Removal:
    """A segment to be removed."""

    path: Path
    size: int  # bytes
    seq: int  # of the record after its last one
    chain: bytes  # of its last record
    why: str
    needed: bool = False  # it would go, but must stay for something else

    def fields(self) -> dict[str, str | int]:
        """Fields of the event that tells of it."""
        return {
            "segment": self.path.name,
            "bytes": self.size,
            "next_seq": self.seq,
            "chain": self.chain.hex(),
            "why": self.why,
        }


def removable(
    folder: Path, utc_s: float, keep_s: float, keep_bytes: float, keep: Keep
) -> Iterator[Removal]:
    """Give the segments to be removed, oldest first; the first that must stay is the last.

    A segment ends when the one after it begins, which is where its end and its chain are read.
    """
    if math.isinf(keep_s) and math.isinf(keep_bytes):
        return
    paths = segments(folder)
    left = sum(path.stat().st_size for path in paths)
    for path, following in pairwise(paths):
        header = _header_of(following)
        if header is None:
            return
        size = path.stat().st_size
        if utc_s - _created_utc_s(header) > keep_s:
            why = "age"
        elif left > keep_bytes:
            why = "size"
        else:
            return
        left -= size
        needed = keep(path)
        yield Removal(path, size, header.first_seq, header.previous, why, needed)
        if needed:
            return


def _header_of(path: Path) -> RawHeader | None:
    """Give the header of a segment; None where it does not hold: damage is evidence, and stays."""
    try:
        with path.open("rb") as file:
            return read_header(file, path.stat().st_size)
    except JournalError:
        return None


def _created_utc_s(header: RawHeader) -> float:
    """When a segment was begun; NaN where that is not known: then it has no age."""
    try:
        data = json.loads(header.text)
    except (ValueError, RecursionError):
        return math.nan
    utc_s = data.get("created_utc_s") if isinstance(data, dict) else None
    return float(utc_s) if isinstance(utc_s, int | float) else math.nan
