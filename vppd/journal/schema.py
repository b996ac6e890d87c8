"""Schema of a journal: the columns of its five records, as written into every segment."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.errors import LayoutError
from vppd.journal.kept import Kept
from vppd.journal.layout import KNOWN, Column, columns_of

COLUMNS_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Meta:
    """What the shell knows of a tick, beside image and decision. Counters run since the start."""

    utc_s: float  # wall clock at the freeze, seconds since 1970
    late_s: float  # against the deadline
    freeze_us: float  # time to copy the image
    tick_us: float  # time of the pure tick
    missed_ticks: int = 0
    writes_accepted: int = 0
    writes_refused: int = 0
    writes_unknown: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class Coding:
    """How a column of a tick is predicted, see docs/journal.md."""

    column: str  # record.column
    how: str
    steps: str = ""  # of its grid in 1; `unit`: of the grid of the unit; empty: no grid
    by: tuple[str, ...] = ()  # columns that the prediction takes


@dataclass(frozen=True, slots=True)
class Schema:
    """Columns of each record, and how those of a tick are predicted."""

    params: tuple[Column, ...]
    state: tuple[Column, ...]
    meta: tuple[Column, ...]
    image: tuple[Column, ...]
    decision: tuple[Column, ...]
    kept: tuple[Column, ...]
    coding: tuple[Coding, ...]

    def as_json(self) -> dict[str, list[list[str]]]:
        """Return lists of [name, code, per] by record; `coding`: [column, how, steps, by…]."""
        records = {name: getattr(self, name) for name in RECORDS}
        columns = {k: [[c.name, c.code, c.per] for c in v] for k, v in records.items()}
        return {**columns, "coding": [[c.column, c.how, c.steps, *c.by] for c in self.coding]}

    def layout_hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the schema."""
        text = json.dumps(self.as_json(), separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


RECORDS: Final = ("params", "state", "meta", "image", "decision", "kept")
_US: Final = "1000000"
# In the order of the file: a prediction takes only what stands before it, or the tick before.
CODING: Final = (
    Coding("image.now_s", "count", _US),
    Coding("image.tick", "count"),
    Coding("meta.utc_s", "shift", _US, ("image.now_s",)),
    Coding("meta.late_s", "hold", _US),
    Coding("meta.freeze_us", "hold", "1"),
    Coding("meta.tick_us", "hold", "1"),
    Coding("image.agc_received_s", "near", _US, ("image.now_s",)),
    Coding("image.freq_received_s", "near", _US, ("image.now_s",)),
    Coding("image.agc_pu", "hold"),
    Coding("image.regulation_capacity_up_mw", "hold"),
    Coding("image.regulation_capacity_down_mw", "hold"),
    Coding("kept.tick", "same", "", ("image.tick",)),
    Coding("kept.regulation_pu", "same", "", ("image.agc_pu",)),
    Coding(
        "kept.regulation_mw", "times", "",
        ("kept.regulation_pu", "image.regulation_capacity_up_mw",
         "image.regulation_capacity_down_mw"),
    ),
    Coding("kept.droop_mw", "hold"),
    Coding("kept.basepoint_sum_mw", "hold"),
    Coding("kept.served_mw", "hold"),
    Coding(
        "kept.request_mw", "sum", "",
        ("kept.basepoint_sum_mw", "kept.regulation_mw", "kept.droop_mw"),
    ),
    Coding("kept.unserved_mw", "less", "", ("kept.request_mw", "kept.served_mw")),
    Coding("kept.digest", "direct"),
    Coding("image.measured_at_s", "since", _US),
    Coding("image.p_meas_mw", "noise", "unit", ("image.measured_at_s",)),
    Coding("image.soc_pu", "hold", "10000"),
    Coding("image.p_avail_min_mw", "hold", "unit"),
    Coding("image.p_avail_max_mw", "hold", "unit"),
    Coding("image.accepted_at_s", "since", _US, ("image.write_result",)),
    Coding("image.accepted_mw", "like", "unit", ("kept.p_setpoint_mw", "image.accepted_at_s")),
    Coding("image.basepoint_mw", "hold", "unit"),
    Coding("image.operator_mw", "hold", "unit"),
    Coding("image.energy_at_s", "since", _US),
    Coding("image.energy_mwh", "hold", "1000000", ("image.energy_at_s",)),
    Coding("kept.p_setpoint_mw", "move", "unit"),
    Coding("kept.held_by", "hold", "", ("kept.p_setpoint_mw",)),
)  # fmt: skip
SCHEMA: Final = Schema(
    columns_of(Params),
    columns_of(State),
    columns_of(Meta),
    columns_of(Image),
    columns_of(Decision),
    columns_of(Kept),
    CODING,
)


def schema_from_json(data: object) -> Schema:
    """Check and return the schema of a file.

    Raises
    ------
    LayoutError
        Not a schema: a record is missing, a column twice, or of an unknown type.
    """
    if not isinstance(data, dict) or set(data) != {*RECORDS, "coding"}:
        raise LayoutError("the header holds no schema")
    columns = {name: _columns(name, data[name]) for name in RECORDS}
    return Schema(**columns, coding=tuple(_coding(row) for row in _rows("coding", data["coding"])))


def _coding(row: Sequence[str]) -> Coding:
    if not 3 <= len(row) <= 6 or not (
        row[2] in ("", "unit") or (row[2].isascii() and row[2].isdecimal() and len(row[2]) <= 9)
    ):
        raise LayoutError("schema: coding is not a list of columns")
    return Coding(row[0], row[1], row[2], tuple(row[3:]))


def _columns(name: str, data: object) -> tuple[Column, ...]:
    columns = tuple(Column(*row) for row in _strings(name, data, 3))
    if len({c.name for c in columns}) != len(columns):
        raise LayoutError(f"schema: {name} has a column twice")
    for c in columns:
        if (c.code, c.per) not in KNOWN or (c.code == "text" and name != "params"):
            raise LayoutError(f"schema: {name}.{c.name}: unknown type {c.code}[{c.per}]")
    return columns


def _strings(name: str, data: object, width: int) -> Sequence[Sequence[str]]:
    rows = _rows(name, data)
    if any(len(row) != width for row in rows):
        raise LayoutError(f"schema: {name} is not a list of columns")
    return rows


def _rows(name: str, data: object) -> Sequence[Sequence[str]]:
    if not isinstance(data, list) or len(data) > COLUMNS_MAX:
        raise LayoutError(f"schema: {name} is not a list of columns")
    for row in data:
        if not isinstance(row, list) or not all(isinstance(v, str) for v in row):
            raise LayoutError(f"schema: {name} is not a list of columns")
    return data
