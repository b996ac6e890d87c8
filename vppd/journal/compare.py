"""Compare what was recorded with what the core gives now, bit for bit."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import numpy as np

from vppd.core.types import Decision, State
from vppd.journal.errors import JournalError
from vppd.journal.header import Header
from vppd.journal.kept import Kept, digest_of
from vppd.journal.layout import ONE, PER_UNIT, STRUCT_CODE, Block, Column

NOT_STORED: Final = "a column that is not stored"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replayed tick first differs from the recorded one."""

    segment: str
    tick: int
    field: str  # of Decision, or "state." and a field of State, or NOT_STORED
    unit: str | None  # id; None where the field is no array over the units
    recorded: float | int | bool | None  # None: one of the two has no such event
    computed: float | int | bool | None

    def __str__(self) -> str:
        if self.field == NOT_STORED:
            return f"{self.segment}: tick {self.tick}: {NOT_STORED} differs"
        unit = f" of {self.unit}" if self.unit is not None else ""
        where = f"{self.segment}: tick {self.tick}: {self.field}{unit}"
        return f"{where}: recorded {_exact(self.recorded)}, computed {_exact(self.computed)}"


class Compare:
    """Compares records of one segment, in the columns that the file has."""

    def __init__(self, segment: str, header: Header) -> None:
        self._segment = segment
        self._ids = header.params.ids
        self._decision = Block("Decision", header.schema.decision, header.n)
        self._stored = [c for c in header.schema.kept if c.name != "digest"]
        single = [c for c in self._stored if c.per == ONE]
        self._struct = struct.Struct("<" + "".join(STRUCT_CODE[c.code] for c in single))
        self._one_values = attrgetter(*[c.name for c in single])
        self._arrays = attrgetter(*[c.name for c in self._stored if c.per != ONE])
        self._state = Block("State", header.schema.state, header.n)

    def decision(self, tick: int, recorded: Kept, computed: Decision) -> Difference | None:
        """First difference of two decisions; None where all bits are the same.

        What the file does not hold is known by the digest alone.
        """
        if recorded.digest == digest_of(self._decision, computed) and self._is_kept(
            recorded, computed
        ):
            return None
        found = self._first(self._stored, "", tick, recorded, computed)
        return found or Difference(self._segment, tick, NOT_STORED, None, None, None)

    def _is_kept(self, recorded: Kept, computed: Decision) -> bool:
        a, b = self._one_values(recorded), self._one_values(computed)
        if self._struct.pack(*a) != self._struct.pack(*b):
            return False
        arrays = zip(self._arrays(recorded), self._arrays(computed), strict=True)
        return all(x.tobytes() == y.tobytes() for x, y in arrays)

    def state(self, tick: int, recorded: State, carried: State) -> Difference | None:
        """First difference of two states."""
        if self._state.pack(recorded) == self._state.pack(carried):
            return None
        found = self._first(self._state.columns, "state.", tick, recorded, carried)
        if found is None:
            raise JournalError(f"tick {tick} differs, and no field of it does")
        return found

    def _first(
        self, columns: Sequence[Column], prefix: str, tick: int, recorded: object, computed: object
    ) -> Difference | None:
        for column in columns:
            a, b = getattr(recorded, column.name), getattr(computed, column.name)
            at = _first_difference(column, a, b)
            if at is not None:
                unit = self._ids[at] if column.per == PER_UNIT else None
                values = (_value(column, a, at), _value(column, b, at))
                return Difference(self._segment, tick, prefix + column.name, unit, *values)
        return None


def _first_difference(column: Column, a: Any, b: Any) -> int | None:
    """Index of the first value whose bits differ, 0 for one value; None if all are the same."""
    if column.per == ONE:
        kind = np.dtype("i8" if column.code == "i8" else "f8")
        return None if np.array(a, kind).tobytes() == np.array(b, kind).tobytes() else 0
    size = a.dtype.itemsize
    x, y = a.tobytes(), b.tobytes()
    for i in range(min(len(x), len(y)) // size):
        if x[i * size : (i + 1) * size] != y[i * size : (i + 1) * size]:
            return i
    return None if len(x) == len(y) else min(len(x), len(y)) // size


def _value(column: Column, values: Any, at: int) -> float | int | bool | None:
    if column.per == ONE:
        plain: float | int | bool = {"f8": float, "i8": int, "b1": bool}[column.code](values)
        return plain
    item: float | int | None = values[at].item() if at < len(values) else None
    return item


def _exact(value: float | int | bool | None) -> str:
    """Print a value so that two that differ never look the same."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} (bits {np.array(value).view(np.uint64).item():016x})"
    return repr(value)
