"""The newest frame to all viewers, encoded once; and what was, for those who come later."""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final, NamedTuple

from vppd.ops.api.frame import HEAD, SCALARS, without_units
from vppd.ops.api.past import Past

EVENTS_MAX: Final = 5000


class Event(NamedTuple):
    """One event, and its words in small letters."""

    row: dict[str, Any]
    words: str


class Viewer:
    """One WebSocket. Holds the newest frame and status, and events; a slow one misses some."""

    def __init__(self) -> None:
        self.units = True
        self.awake = asyncio.Event()
        self.missed = 0
        self._frame: bytes | None = None
        self._status: str | None = None
        self._texts: deque[str] = deque(maxlen=100)

    def offer(self, frame: bytes) -> None:
        """Leave a frame; one that was not taken is replaced."""
        self.missed += self._frame is not None
        self._frame = frame
        self.awake.set()

    def tell_status(self, text: str) -> None:
        """Leave a status; one that was not taken is replaced: it may be large."""
        self._status = text
        self.awake.set()

    def tell(self, text: str) -> None:
        """Leave a text."""
        self._texts.append(text)
        self.awake.set()

    async def next(self) -> tuple[list[str], bytes | None]:
        """Wait, and take all there is."""
        await self.awake.wait()
        self.awake.clear()
        texts, frame = list(self._texts), self._frame
        if self._status is not None:
            texts.insert(0, self._status)
        self._texts.clear()
        self._frame = self._status = None
        return texts, frame


class Hub:
    """What came from the daemon, and who looks at it. `past`: figures of the ticks before."""

    def __init__(self, past: Past | None = None) -> None:
        self.viewers: set[Viewer] = set()
        self.frame: bytes | None = None
        self.frame_units: bytes | None = None  # the newest with units
        self.status: dict[str, Any] = {}
        self.status_text = ""
        self.events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._past = Past() if past is None else past
        self._told: tuple[int, float] = (-1, 0.0)  # what `_history` is of: ticks so far, seconds
        self._history = b""

    @property
    def wants_units(self) -> bool:
        """Whether anybody looks at units."""
        return any(viewer.units for viewer in self.viewers)

    def take_frame(self, frame: bytes) -> None:
        """Hand on a frame."""
        self.frame = frame
        scalars_only = frame
        if len(frame) > HEAD.size:
            self.frame_units = frame
            scalars_only = without_units(frame)
        self._past.add(HEAD.unpack_from(frame)[2:])
        for viewer in self.viewers:
            viewer.offer(frame if viewer.units else scalars_only)

    def take_status(self, data: bytes) -> None:
        """Hand on a status."""
        self.status = json.loads(data)
        self.status_text = '{"type":"status","data":' + data.decode() + "}"
        for viewer in self.viewers:
            viewer.tell_status(self.status_text)

    def take_events(self, data: bytes) -> None:
        """Hand on what happened."""
        rows = json.loads(data)
        self.add_events(rows)
        text = '{"type":"events","data":' + data.decode() + "}"
        for viewer in self.viewers:
            viewer.tell(text)

    def add_events(self, rows: Iterable[dict[str, Any]], *, older: bool = False) -> None:
        """Keep events, and their words to look for; `older`: of before all that are here."""
        found = [Event(row, json.dumps(row, ensure_ascii=False).lower()) for row in rows]
        if older:
            room = EVENTS_MAX - len(self.events)
            self.events.extendleft(reversed(found[-room:] if room else []))
        else:
            self.events.extend(found)

    def find_events(self, word: str, before_utc_s: float, limit: int) -> list[dict[str, Any]]:
        """Events with a word in them, the newest first."""
        wanted = word.lower()
        found = (
            event.row for event in reversed(self.events)
            if wanted in event.words and float(event.row.get("utc_s") or 0.0) < before_utc_s
        )  # fmt: skip
        return list(islice(found, limit))

    def history_json(self, names: list[str], seconds: float) -> bytes:
        """History as JSON; once for all who ask in the same tick, as they do after a restart."""
        if self._told != (self._past.count, seconds):
            self._told = (self._past.count, seconds)
            columns = self.history(names, seconds)
            self._history = json.dumps(columns, allow_nan=False, separators=(",", ":")).encode()
        return self._history

    def history(self, names: list[str], seconds: float) -> dict[str, list[float | None]]:
        """Columns of the last so many seconds, oldest first; what is not known is null."""
        rows = self._past.rows()
        utc_s = rows[:, SCALARS.index("utc_s")]
        if utc_s.size:
            rows = rows[utc_s >= utc_s[-1] - seconds]
        columns = {}
        for name in names:
            column = rows[:, SCALARS.index(name)]
            digits = 3 if name == "utc_s" else 5
            columns[name] = [
                round(value, digits) if value - value == 0.0 else None for value in column.tolist()
            ]
        return columns
