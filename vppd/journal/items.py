"""What is handed to the writer of a journal, and what it says it has written."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.header import About
from vppd.journal.schema import Meta

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is turned over, signed, removed; and when a disk is tried again."""

    segment_s: float = 3600.0  # by the clock of the ticks
    segment_bytes: int = 256 << 20
    retry_s: float = 10.0
    sign_every_s: float = 60.0  # by the clock of the ticks; and at the close of each segment
    reserve_bytes: int = 0  # kept free for the end of a segment and events on a full disk
    keep_s: float = math.inf  # segments that ended longer ago are removed
    keep_bytes: float = math.inf  # the oldest are removed beyond it


@dataclass(frozen=True, slots=True)
class TickItem:
    """One tick on its way to the file. `gap`: records dropped just before it."""

    meta: Meta
    state: State
    image: Image
    decision: Decision
    gap: int = 0


@dataclass(frozen=True, slots=True)
class EventItem:
    """One low-rate event on its way to the file."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class ParamsItem:
    """Other Params from the next tick on: a segment of its own."""

    params: Params
    about: About
    utc_s: float


Item = TickItem | EventItem | ParamsItem


@dataclass(frozen=True, slots=True)
class Written:
    """What has been written so far."""

    ticks: int = 0
    others: int = 0  # records that are no ticks
    bytes: int = 0
    segments: int = 0
    lost: int = 0  # records lost by errors of the disk, or that did not fit the layout
    last_tick: int = -1  # number of the last tick that is in the file, and synced if asked
    error: str = ""  # why nothing can be written now; empty when all is well
    path: Path | None = None
    events: int = 0  # in the log of events
    events_lost: int = 0
    events_error: str = ""  # why the log of events cannot be written
    reserve: bool = True  # the reserve for a full disk is there, or none is asked for
    removed: int = 0  # segments removed by age or size
    held: str = ""  # the oldest that would go, and is still needed
    signed_utc_s: float = math.nan  # when a head was signed last


def event_payload(utc_s: float, name: str, fields: Mapping[str, Scalar]) -> bytes:
    """JSON of an event; a number that is not finite becomes null."""
    data: dict[str, Scalar] = {"utc_s": utc_s, "event": name, **fields}
    for key, value in data.items():
        if isinstance(value, float) and not math.isfinite(value):
            data[key] = None
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
