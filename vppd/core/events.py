"""What changed from one tick to the next. A condition that lasts is one event, not one a tick."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vppd.core.types import F8, U1, EventCode, Mode, Reason, State
from vppd.kernels import status
from vppd.kernels.jit import entry
from vppd.kernels.tally import count_changed

# Setpoints stand on grids, and nobody moves for less than half a kW: what that leaves is no event.
SERVED_MW = 1e-3

_count_changed = entry(count_changed)
Row = tuple[int, int, float]
NONE, FALLBACK = int(Reason.NONE), int(Reason.FALLBACK)  # plain: members are slow to look up
MODE, SIGNAL_VERDICT = int(EventCode.MODE), int(EventCode.SIGNAL_VERDICT)
UNSERVED, ALLOCATION_REFUSED = int(EventCode.UNSERVED), int(EventCode.ALLOCATION_REFUSED)
AWARD_ABOVE_HEADROOM = int(EventCode.AWARD_ABOVE_HEADROOM)
GUARD_DROPPED = int(EventCode.GUARD_DROPPED)
SAFE = Mode.SAFE
REFUSED = (status.BAD_INPUT, status.MISMATCH)
LOST = (int(Reason.UNREACHABLE), int(Reason.TELEMETRY_AGE), FALLBACK)
UNIT_LOST, UNIT_BACK = int(EventCode.UNIT_LOST), int(EventCode.UNIT_BACK)
UNIT_FALLBACK = int(EventCode.UNIT_FALLBACK)


class Events(NamedTuple):
    """Columns of the journal, each of shape (k,)."""

    code: U1
    unit: NDArray[np.int64]  # -1 where none is meant
    value: F8


def unserved_sign(unserved_mw: float) -> int:
    """Which way the request is not served: -1, 0, 1."""
    if abs(unserved_mw) <= SERVED_MW:
        return 0
    return 1 if unserved_mw > 0.0 else -1


def unserved_told(told: int, unserved_mw: float, mode: Mode) -> int:
    """Which way the request is not served, as far as that is news. None is in mode SAFE.

    There every unit is on its way to its safe value, and a plant that takes its time is no alarm.
    """
    return told if mode is SAFE else unserved_sign(unserved_mw)


def changes(
    before: State,
    after: State,
    unserved_mw: float,
    kernel_status: int,
    dropped_mw: dict[int, float],
    award_short_mw: float = 0.0,
) -> Events:
    """Events of one tick, in a fixed order."""
    rows: list[Row] = []
    if after.mode != before.mode:
        rows.append((MODE, -1, float(after.mode)))
    if after.verdict != before.verdict:
        rows.append((SIGNAL_VERDICT, -1, float(after.verdict)))
    if _count_changed(before.out_reason, after.out_reason):
        rows.extend(_unit_changes(before.out_reason, after.out_reason))
    if after.unserved != before.unserved:
        rows.append((UNSERVED, -1, unserved_mw if after.unserved else 0.0))
    if after.award_short != before.award_short:
        value = award_short_mw if after.award_short else 0.0
        rows.append((AWARD_ABOVE_HEADROOM, -1, value))
    if kernel_status in REFUSED:
        rows.append((ALLOCATION_REFUSED, -1, float(kernel_status)))
    if dropped_mw:
        rows.extend((GUARD_DROPPED, i, p_mw) for i, p_mw in dropped_mw.items())
    return _columns(rows)


def _unit_changes(before: U1, after: U1) -> list[Row]:
    rows: list[Row] = []
    changed = np.flatnonzero(before != after)
    for i, was, now in zip(
        changed.tolist(), before[changed].tolist(), after[changed].tolist(), strict=True
    ):
        code = UNIT_LOST
        if now == NONE:
            code = UNIT_BACK
        elif now == FALLBACK and was in LOST:
            code = UNIT_FALLBACK
        rows.append((code, i, float(now)))
    return rows


def _columns(rows: list[Row]) -> Events:
    if not rows:
        return NOTHING
    code, unit = np.empty(len(rows), np.uint8), np.empty(len(rows), np.int64)
    value = np.empty(len(rows))
    for k, row in enumerate(rows):
        code[k], unit[k], value[k] = row
    for column in (code, unit, value):
        column.setflags(False)  # type: ignore[call-arg]  # see `tick.seal`
    return Events(code, unit, value)


NOTHING = Events(
    np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
)
for _column in (NOTHING.code, NOTHING.unit, NOTHING.value):
    _column.setflags(write=False)
