"""A journal as JSON lines, one a tick, for people and for other programs.

Numbers that are not finite become null; enumerations are written by name.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, TextIO

from vppd.core.types import (
    EventCode,
    Mode,
    Order,
    Quality,
    Reason,
    Trigger,
    Verdict,
    WriteResult,
)
from vppd.journal.errors import DamageError
from vppd.journal.reader import SegmentEnd, SegmentStart, read
from vppd.journal.rerun import Tick, WholeTick, rerun
from vppd.journal.scan import Ending, Progress

Row = dict[str, Any]
IMAGE_NUMBERS: Final = (
    "basepoint_mw",
    "p_meas_mw",
    "measured_at_s",
    "soc_pu",
    "accepted_mw",
    "accepted_at_s",
    "connected",
)
PROMISES: Final = (
    "promise_s", "promise_up_mw", "promise_down_mw", "promise_firm_up_mw", "promise_firm_down_mw",
)  # fmt: skip
DECISION_NUMBERS: Final = ("p_setpoint_mw", "send")
COMPUTED_NUMBERS: Final = ("lower_mw", "upper_mw", "expected_mw")


def rows(
    path: Path,
    tick: Tick,
    *,
    arrays: bool = False,
    skip_damaged: bool = False,
    progress: Progress | None = None,
    tell_damage: Callable[[DamageError], None] = lambda _error: None,
) -> Iterator[Row]:
    """One dictionary a tick; with `arrays` also lists over the units, and the events.

    What the journal does not hold of a decision comes from the core, `tick`, and is null where that
    gives other bits than were recorded.

    The first row of a segment then has the ids of the units under `units`. `tell_damage` is told
    where a segment is damaged and read no further.

    Raises
    ------
    JournalError
        As `read`.
    """
    ids: Sequence[str] | None = None
    records = read(path, skip_damaged=skip_damaged, progress=progress)
    for record in rerun(records, tick):
        if isinstance(record, SegmentStart):
            ids = units = record.header.params.ids
        elif isinstance(record, WholeTick):
            row = tick_row(record)
            if arrays:
                if ids is not None:
                    row["units"], ids = list(ids), None
                row |= array_row(record, units)
            yield row
        elif isinstance(record, SegmentEnd) and record.tail.ending is Ending.DAMAGED:
            tail = record.tail
            tell_damage(DamageError(record.path, tail.seq, tail.offset, tail.what))


def export(
    path: Path,
    out: TextIO,
    tick: Tick,
    *,
    arrays: bool = False,
    skip_damaged: bool = False,
    progress: Progress | None = None,
    tell_damage: Callable[[DamageError], None] = lambda _error: None,
) -> int:
    """Write one line a tick to `out`; return their number. Errors as `rows`."""
    n = 0
    for row in rows(
        path,
        tick,
        arrays=arrays,
        skip_damaged=skip_damaged,
        progress=progress,
        tell_damage=tell_damage,
    ):
        out.write(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n")
        n += 1
    return n


def tick_row(step: WholeTick) -> Row:
    """Single values of a tick."""
    meta, image, decision = step.record.meta, step.record.image, step.record.decision
    rest = _rest(step)
    row = {
        "tick": image.tick,
        "now_s": image.now_s,
        "utc_s": meta.utc_s,
        "trigger": _name(Trigger, image.trigger),
        "verdict": _name(Verdict, decision.verdict),
        "mode": _name(Mode, decision.mode),
        "order": _name(Order, image.order),
        "agc_pu": image.agc_pu,
        "agc_received_s": image.agc_received_s,
        "agc_quality": _name(Quality, image.agc_quality),
        "freq_hz": image.freq_hz,
        "regulation_mw": decision.regulation_mw,
        "droop_mw": decision.droop_mw,
        "basepoint_sum_mw": decision.basepoint_sum_mw,
        "request_mw": decision.request_mw,
        "held_mw": rest("held_mw"),
        "served_mw": decision.served_mw,
        "unserved_mw": decision.unserved_mw,
        "headroom_mw": rest("headroom_mw"),
        "footroom_mw": rest("footroom_mw"),
        "late_s": meta.late_s,
        "freeze_us": meta.freeze_us,
        "tick_us": meta.tick_us,
        "missed_ticks": meta.missed_ticks,
    }
    row = {key: _finite(value) for key, value in row.items()}
    return row | {name: _numbers(rest(name)) for name in PROMISES}


def _rest(step: WholeTick) -> Callable[[str], Any]:
    """Give columns that the journal does not hold: None where the core gives other bits now."""
    if step.difference is not None:
        return lambda _name: None
    return lambda name: getattr(step.computed, name)


def array_row(step: WholeTick, ids: Sequence[str]) -> Row:
    """Values over the units, and the events of a tick."""
    image, decision, rest = step.record.image, step.record.decision, _rest(step)
    row: Row = {name: _numbers(getattr(image, name)) for name in IMAGE_NUMBERS}
    row |= {name: _numbers(getattr(decision, name)) for name in DECISION_NUMBERS}
    row |= {name: _numbers(rest(name)) for name in COMPUTED_NUMBERS}
    row["quality"] = _names(Quality, image.quality)
    row["write_result"] = _names(WriteResult, image.write_result)
    row["lower_reason"] = _names(Reason, decision.lower_reason)
    row["upper_reason"] = _names(Reason, decision.upper_reason)
    row["held_by"] = _names(Reason, decision.held_by)
    row["events"] = [
        {
            "event": _name(EventCode, code),
            "unit": ids[index] if 0 <= index < len(ids) else None,
            "value": _finite(value),
        }
        for code, index, value in zip(
            decision.event_code.tolist(),
            decision.event_index.tolist(),
            decision.event_value.tolist(),
            strict=True,
        )
    ]
    return row


def _name(kind: type[IntEnum], value: int) -> str:
    """Name of a number; the number itself where a later version has added one."""
    return kind(value).name if value in kind._value2member_map_ else str(value)


def _names(kind: type[IntEnum], values: Any) -> list[str]:
    names = {value: _name(kind, value) for value in set(values.tolist())}
    return [names[value] for value in values.tolist()]


def _numbers(values: Any) -> list[Any] | None:
    return None if values is None else [_finite(value) for value in values.tolist()]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
