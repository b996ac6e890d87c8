"""A meter's CSV as a history: local days of equal intervals, what is not known is NaN.

Columns: `time`, the begin of the interval, ISO; `p_mw`, generation positive, or `load_mw`, usage
positive; for a baseline by nomination also `nominated_mw` (or `nominated_load_mw`) and
`nominated_at`, the instant it was sent. Others are passed over; `.gz` too, `#` comments.
"""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from vppd.market.baseline.record import BaselineError, History
from vppd.runtime.score_csv import CsvError, lines_of

F8 = NDArray[np.float64]
SIGNS = {"p_mw": ("nominated_mw", 1.0), "load_mw": ("nominated_load_mw", -1.0)}


@dataclass(frozen=True, slots=True)
class _Row:
    at: datetime
    at_s: float
    p_mw: float
    nominated_mw: float
    ahead_s: float


def read_history(path: Path, zone: str | None = None) -> History:
    """Read a meter's CSV.

    Without a zone the days are those of the clock as it is written in the file; with one (an IANA
    name) every instant must have an offset, and is turned to that zone's clock.

    Raises
    ------
    CsvError
        Columns that are missing, a cell that cannot be read, or times that do not rise.
    BaselineError
        The intervals are not equal parts of a day.
    OSError
        The file cannot be read.
    """
    lines = lines_of(path)
    table = csv.DictReader(line for line in lines if not line.startswith("#"))
    names = [name.strip() for name in table.fieldnames or ()]
    table.fieldnames = names
    power = [name for name in SIGNS if name in names]
    if "time" not in names or len(power) != 1:
        raise CsvError(f"{path}: wanted are the columns time and p_mw (or load_mw: not both)")
    to_zone = None if zone is None else _zone(zone)
    rows = [_row(path, number, cells, power[0], to_zone) for number, cells in enumerate(table)]
    if len(rows) < 2:
        raise CsvError(f"{path}: {len(rows)} rows: at least 2 are needed")
    return _history(path, rows)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise CsvError(f"no time zone {name!r}") from error


def _row(path: Path, number: int, cells: dict[str, str], power: str, zone: ZoneInfo | None) -> _Row:
    nominated, sign = SIGNS[power]
    try:
        at = _instant(cells["time"], zone)
        ahead_s = _ahead_s(at, cells.get("nominated_at"), zone)
        p_mw, nominated_mw = _number(cells[power]), _number(cells.get(nominated))
        return _Row(at, _seconds(at), sign * p_mw, sign * nominated_mw, ahead_s)
    except (ValueError, TypeError) as error:
        raise CsvError(f"{path}: row {number}, counted from 0 after the header: {error}") from error


def _instant(text: str, zone: ZoneInfo | None) -> datetime:
    at = datetime.fromisoformat(text.strip())
    if zone is None:
        return at
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset, which --zone needs")
    return at.astimezone(zone)


def _seconds(at: datetime) -> float:
    """Time on a line: two instants of one zone would be told apart by its clock, which jumps."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _ahead_s(at: datetime, sent: str | None, zone: ZoneInfo | None) -> float:
    """How long before `at` something was sent; NaN where that is not told."""
    if not sent or not sent.strip():
        return math.nan
    sent_at = _instant(sent, zone)
    if (sent_at.tzinfo is None) != (at.tzinfo is None):
        raise ValueError("time and nominated_at: both with an offset, or none")
    return _seconds(at) - _seconds(sent_at)


def _number(text: str | None) -> float:
    """A number; an empty cell is not known."""
    return float(text) if text and text.strip() else math.nan


def _history(path: Path, rows: Sequence[_Row]) -> History:
    steps_s = [b.at_s - a.at_s for a, b in pairwise(rows)]
    if min(steps_s) <= 0.0:
        back = rows[steps_s.index(min(steps_s)) + 1].at
        raise CsvError(f"{path}: time does not rise at {back.isoformat()}")
    step_s = Counter(steps_s).most_common(1)[0][0]
    if step_s != int(step_s) or 86400 % int(step_s):
        raise BaselineError(f"{path}: intervals of {step_s:g} s are no whole part of a day")
    first = rows[0].at.date()
    per_day = 86400 // int(step_s)
    shape = ((rows[-1].at.date() - first).days + 1, per_day)
    columns = [np.full(shape, math.nan) for _ in range(3)]
    seen: set[tuple[int, int]] = set()
    for row in rows:
        at = _place(path, row.at, first, int(step_s))
        cells = (row.p_mw, row.nominated_mw, row.ahead_s)
        for column, value in zip(columns, cells, strict=True):
            column[at] = math.nan if at in seen else value  # twice in autumn: which is it?
        seen.add(at)
    return History(first, *columns)


def _place(path: Path, at: datetime, first: date, step_s: int) -> tuple[int, int]:
    """Day and interval of an instant, by its own clock."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    into = at.replace(tzinfo=None) - midnight
    index = into / timedelta(seconds=step_s)
    if index != int(index):
        raise CsvError(f"{path}: {at.isoformat()} is not on the grid of {step_s} s from midnight")
    return (at.date() - first).days, int(index)
