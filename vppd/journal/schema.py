"""Schema of a journal: the columns of its five records, as written into every segment."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.errors import LayoutError
from vppd.journal.layout import KNOWN, Column, columns_of

COLUMNS_MAX: Final = 1024
PREDICTED_MAX: Final = 16
# The last accepted setpoint of a unit is nearly always the setpoint of the tick before: its
# column is delta coded against that one, which saves about 6 bytes a unit and tick.
PREDICTED: Final = (("accepted_mw", "p_setpoint_mw"),)


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
class Schema:
    """Columns of each record, and which column of the image is predicted by the decision."""

    params: tuple[Column, ...]
    state: tuple[Column, ...]
    meta: tuple[Column, ...]
    image: tuple[Column, ...]
    decision: tuple[Column, ...]
    predicted: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, list[list[str]]]:
        """Return lists of [name, code, per] by record, and the pairs of `predicted`."""
        records = {name: getattr(self, name) for name in RECORDS}
        columns = {k: [[c.name, c.code, c.per] for c in v] for k, v in records.items()}
        return {**columns, "predicted": [list(pair) for pair in self.predicted]}

    def layout_hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the schema."""
        text = json.dumps(self.as_json(), separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


RECORDS: Final = ("params", "state", "meta", "image", "decision")
SCHEMA: Final = Schema(
    columns_of(Params),
    columns_of(State),
    columns_of(Meta),
    columns_of(Image),
    columns_of(Decision),
    PREDICTED,
)


def schema_from_json(data: object) -> Schema:
    """Check and return the schema of a file.

    Raises
    ------
    LayoutError
        Not a schema: a record is missing, a column twice, or of an unknown type.
    """
    if not isinstance(data, dict) or set(data) != {*RECORDS, "predicted"}:
        raise LayoutError("the header holds no schema")
    columns = {name: _columns(name, data[name]) for name in RECORDS}
    pairs = _strings("predicted", data["predicted"], 2)
    wide = {
        name: {c.name for c in columns[name] if c.per == "n" and c.code == "f8"}
        for name in ("image", "decision")
    }
    if len(pairs) > PREDICTED_MAX or any(
        a not in wide["image"] or b not in wide["decision"] for a, b in pairs
    ):
        raise LayoutError("schema: predicted names no column")
    return Schema(**columns, predicted=tuple((a, b) for a, b in pairs))


def _columns(name: str, data: object) -> tuple[Column, ...]:
    columns = tuple(Column(*row) for row in _strings(name, data, 3))
    if len({c.name for c in columns}) != len(columns):
        raise LayoutError(f"schema: {name} has a column twice")
    for c in columns:
        if (c.code, c.per) not in KNOWN or (c.code == "text" and name != "params"):
            raise LayoutError(f"schema: {name}.{c.name}: unknown type {c.code}[{c.per}]")
    return columns


def _strings(name: str, data: object, width: int) -> Sequence[Sequence[str]]:
    if not isinstance(data, list) or len(data) > COLUMNS_MAX:
        raise LayoutError(f"schema: {name} is not a list of columns")
    for row in data:
        fits = isinstance(row, list) and len(row) == width
        if not fits or not all(isinstance(v, str) for v in row):
            raise LayoutError(f"schema: {name} is not a list of columns")
    return data
