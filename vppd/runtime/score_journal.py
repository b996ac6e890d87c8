"""A journal as a series to be scored: the signal as received, the plant as it was read.

The markets score regulation apart from droop, so each is taken off where the other is scored:

    regulation  signal = AGC x capacity sold            response = power - basepoints - droop
    output      signal = the same + basepoints          response = power - droop
    frequency   the frequency as received               response = power - basepoints - regulation

AGC a little beyond +-1 asks for no more than was sold. Power is the sum of the newest readings at
each tick: what the telemetry is late by is part of the score. A unit that was never read, or an AGC
value that never came, is NaN, and the market refuses the series.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vppd.core.types import Decision, Image
from vppd.journal.errors import NoTickError
from vppd.journal.instant import At, InstantError, SinceStart, TimeOfDay, instant_s, parse, utc_text
from vppd.journal.kept import Kept
from vppd.journal.reader import Record, SegmentStart, TickRecord, read
from vppd.journal.scan import Progress
from vppd.kernels.sums import sum_in_order
from vppd.market.attribution import signal_mw
from vppd.market.grid import SeriesError
from vppd.market.record import Form, Series
from vppd.market.series import hold
from vppd.ops.counted import counted
from vppd.runtime.score import Input

F8 = NDArray[np.float64]
GRID_S: Final = 1.0
GAP_TICKS: Final = 3.0  # longer without a tick is a gap: nobody knows what the plant did


@dataclass(frozen=True, slots=True)
class Ticks:
    """What the ticks of a journal tell, shape (n,). Instants are UTC, s since 1970."""

    utc_s: F8
    signal_utc_s: F8  # when the AGC value in force had been received
    signal_mw: F8  # AGC x capacity sold
    power_mw: F8
    basepoint_mw: F8
    regulation_mw: F8
    droop_mw: F8
    frequency_hz: F8
    stale_units: F8  # units whose reading was older than their telemetry may be
    capacity_mw: float  # sold up and down alike, throughout; NaN: it was not
    tick_s: float


COLUMNS: Final = (
    "utc_s", "signal_utc_s", "signal_mw", "power_mw", "basepoint_mw", "regulation_mw",
    "droop_mw", "frequency_hz", "stale_units",
)  # fmt: skip


def read_journal(
    path: Path, form: Form, since: str | None, until: str | None, progress: Progress | None = None
) -> Input:
    """Read a journal on a grid of whole seconds.

    Raises
    ------
    SeriesError
        A gap, or a clock that was set back.
    InstantError
        `since` or `until` is none.
    JournalError
        As `journal.reader.read`.
    """
    log = TickLog()
    for record in read(path, progress=progress):
        log.add(record)
    return input_of(log.ticks(), form, since, until)


def input_of(ticks: Ticks, form: Form, since: str | None, until: str | None) -> Input:
    """What is scored, on a grid of whole seconds. Raises SeriesError, InstantError."""
    at_s = _grid_s(ticks, since, until)
    _check_clock(ticks, float(at_s[0]), float(at_s[-1]))
    return _input(ticks, form, at_s)


def longest_input(ticks: Ticks, form: Form, since: str | None, until: str | None) -> Input:
    """The longest part of it in which all is known: no gap, no clock set back, no NaN.

    Of parts of the same length the first. Raises InstantError where none has two seconds.
    """
    at_s = _grid_s(ticks, since, until)
    parts = [(run, part_s) for run in _unbroken(ticks) for part_s in _known(run, form, at_s)]
    run, part_s = max(parts, key=lambda each: each[1].size, default=(ticks, at_s[:0]))
    if part_s.size < 2:
        raise InstantError("no two seconds in a row are known")
    return _input(run, form, part_s)


def _grid_s(ticks: Ticks, since: str | None, until: str | None) -> F8:
    """Whole seconds of a stretch, UTC. Raises InstantError."""
    first_s, last_s = float(ticks.utc_s[0]), float(ticks.utc_s[-1])
    since_s = asked_utc_s(since, first_s, last_s, first_s)
    until_s = asked_utc_s(until, first_s, last_s, last_s)
    start_s, stop_s = math.ceil(max(since_s, first_s)), min(until_s, last_s)
    if stop_s - start_s < GRID_S:
        raise InstantError("less than two seconds of the journal lie between --since and --until")
    return start_s + GRID_S * np.arange(math.ceil(stop_s - start_s), dtype=np.float64)


def _input(ticks: Ticks, form: Form, at_s: F8) -> Input:
    return Input(series_of(ticks, form, at_s), True, ticks.capacity_mw, _stale_note(ticks, at_s))


def _unbroken(ticks: Ticks) -> list[Ticks]:
    """The ticks between gaps, and between settings of the clock."""
    steps_s = np.diff(ticks.utc_s)
    breaks = np.flatnonzero((steps_s < 0.0) | (steps_s > _gap_s(ticks))) + 1
    columns = [np.split(getattr(ticks, name), breaks) for name in COLUMNS]
    runs = (dict(zip(COLUMNS, parts, strict=True)) for parts in zip(*columns, strict=True))
    return [Ticks(capacity_mw=ticks.capacity_mw, tick_s=ticks.tick_s, **run) for run in runs]


def _known(run: Ticks, form: Form, at_s: F8) -> list[F8]:
    """Instants in this run of ticks, by stretches in which every column is finite."""
    at_s = at_s[(at_s >= run.utc_s[0]) & (at_s <= run.utc_s[-1])]
    columns = series_of(run, form, at_s).columns().values()
    known = np.isfinite(np.stack(list(columns))).all(axis=0)
    edges = np.flatnonzero(np.diff(known)) + 1
    parts = zip(np.split(at_s, edges), np.split(known, edges), strict=True)
    return [part_s for part_s, is_known in parts if is_known.any()]


def _gap_s(ticks: Ticks) -> float:
    return max(GRID_S, GAP_TICKS * ticks.tick_s)


class TickLog:
    """What is scored of each tick, while a journal is read."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._sold: set[tuple[float, float]] = set()
        self._age_max_s, self._tick_s = np.zeros(0), math.nan

    def add(self, record: Record) -> None:
        """Take in one record."""
        if isinstance(record, SegmentStart):
            self._age_max_s = record.header.params.telemetry_age_max_s
            self._tick_s = record.header.params.tick_s
        elif isinstance(record, TickRecord):
            image = record.image
            self._sold.add((image.regulation_capacity_up_mw, image.regulation_capacity_down_mw))
            self._rows.append(row_of(record.meta.utc_s, image, record.decision, self._age_max_s))

    def ticks(self) -> Ticks:
        """All ticks so far. Raises NoTickError where there is none."""
        if not self._rows:
            raise NoTickError("no whole tick in this journal")
        alike = {up for up, down in self._sold if up == down}
        capacity_mw = alike.pop() if len(self._sold) == 1 and alike else math.nan
        columns = np.ascontiguousarray(np.asarray(self._rows).T)
        named = dict(zip(COLUMNS, columns, strict=True))
        return Ticks(capacity_mw=capacity_mw, tick_s=self._tick_s, **named)


def row_of(
    utc_s: float, image: Image, decision: Decision | Kept, age_max_s: F8
) -> tuple[float, ...]:
    """Values of `COLUMNS` of one tick, in their order; `age_max_s` of each unit, shape (n,)."""
    stale = image.now_s - image.measured_at_s > age_max_s
    return (
        utc_s,
        utc_s - (image.now_s - image.agc_received_s),
        signal_mw(image),
        sum_in_order(image.p_meas_mw),
        decision.basepoint_sum_mw,
        decision.regulation_mw,
        decision.droop_mw,
        image.freq_hz,
        float(np.count_nonzero(stale)),
    )


def asked_utc_s(text: str | None, first_s: float, last_s: float, default_s: float) -> float:
    """Instant of `--since` or `--until`, UTC; the default where none is given.

    Raises InstantError.
    """
    if text is None:
        return default_s
    asked = parse(text)
    if not isinstance(asked, At | SinceStart | TimeOfDay):
        raise InstantError(f"{text!r} is a tick: give an instant here")
    return instant_s(asked, first_s, last_s)


def _check_clock(ticks: Ticks, first_s: float, last_s: float) -> None:
    """Refuse what cannot be put on a grid of time."""
    steps_s = np.diff(ticks.utc_s)
    near = (ticks.utc_s[1:] > first_s) & (ticks.utc_s[:-1] < last_s)
    back = np.flatnonzero(near & (steps_s < 0.0))
    if back.size:
        at = utc_text(float(ticks.utc_s[back[0]]))
        raise SeriesError(f"the wall clock was set back by {-steps_s[back[0]]:.3f} s at {at}")
    gaps = np.flatnonzero(near & (steps_s > _gap_s(ticks)))
    if gaps.size:
        since, until = (utc_text(float(ticks.utc_s[gaps[0] + k])) for k in (0, 1))
        raise SeriesError(f"a gap: no tick from {since} to {until} ({gaps.size} such in all)")


def series_of(ticks: Ticks, form: Form, at_s: F8) -> Series:
    """What a market of this form scores at these instants, UTC."""
    if form is Form.FREQUENCY:
        away_mw = ticks.power_mw - ticks.basepoint_mw - ticks.regulation_mw
        frequency_hz = hold(ticks.utc_s, ticks.frequency_hz, at_s)
        return Series(at_s, hold(ticks.utc_s, away_mw, at_s), frequency_hz=frequency_hz)
    base_mw = np.zeros(1) if form is Form.OUTPUT else ticks.basepoint_mw
    response_mw = hold(ticks.utc_s, ticks.power_mw - ticks.droop_mw - base_mw, at_s)
    signal_mw = _held_signal(ticks, at_s)
    if form is Form.OUTPUT:
        signal_mw = signal_mw + hold(ticks.utc_s, ticks.basepoint_mw, at_s)
    return Series(at_s, response_mw, signal_mw=signal_mw)


def _held_signal(ticks: Ticks, at_s: F8) -> F8:
    """The signal by its own instants: an AGC value counts from when it came, not from its tick."""
    came = np.isfinite(ticks.signal_utc_s)
    order = np.argsort(ticks.signal_utc_s[came], kind="stable")
    if not order.size:
        return np.full(at_s.size, np.nan)
    return hold(ticks.signal_utc_s[came][order], ticks.signal_mw[came][order], at_s)


def _stale_note(ticks: Ticks, at_s: F8) -> tuple[str, ...]:
    stale = hold(ticks.utc_s, ticks.stale_units, at_s)
    seconds = int(np.count_nonzero(stale))
    if not seconds:
        return ()
    return (
        f"in {seconds} of {at_s.size} s readings were older than the telemetry may be,"
        f" of up to {counted(int(stale.max()), 'unit')}: counted as last read",
    )
