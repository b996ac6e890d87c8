"""The tables into which a closed segment is rolled for reading: names, types, meaning.

One place says what is taken from a record, and whence. `docs/reading.md` has the same lists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Final

import numpy as np

from vppd.core.types import Mode, Order, Quality, Reason, Trigger, Verdict, WriteResult
from vppd.journal.rerun import WholeTick
from vppd.kernels.sums import sum_in_order

Get = Callable[[WholeTick], Any]


class Kind(Enum):
    """Type of a column."""

    INSTANT = "timestamp, UTC"
    NUMBER = "number"
    WHOLE = "whole number"
    FLAG = "true, false"
    WORD = "word"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. `words`: what its numbers stand for; `get` is asked of each tick."""

    name: str
    kind: Kind
    about: str
    get: Get | None = None
    words: type[IntEnum] | None = None


def _meta(name: str) -> Get:
    return lambda step: getattr(step.record.meta, name)


def _image(name: str) -> Get:
    return lambda step: getattr(step.record.image, name)


def _decision(name: str) -> Get:
    return lambda step: getattr(step.decision, name)


def _age(name: str) -> Get:
    return lambda step: step.record.image.now_s - getattr(step.record.image, name)


def _sum_mw(step: WholeTick) -> float:
    return sum_in_order(step.record.image.p_meas_mw)


def _setpoints_mw(step: WholeTick) -> float:
    return sum_in_order(step.record.decision.p_setpoint_mw)


def _connected(step: WholeTick) -> int:
    return int(np.count_nonzero(step.record.image.connected))


N, W, F, T = Kind.NUMBER, Kind.WHOLE, Kind.FLAG, Kind.WORD
AT: Final = Column("utc", Kind.INSTANT, "wall clock at the tick", _meta("utc_s"))
TICK: Final = Column("tick", W, "number of the tick since the daemon's start", _image("tick"))

TICKS: Final = (
    AT,
    TICK,
    Column("now_s", N, "monotonic clock", _image("now_s")),
    Column("trigger", T, "what started it", _image("trigger"), Trigger),
    Column("mode", T, "mode of the site", _decision("mode"), Mode),
    Column("operator_order", T, "what the operator wants of the site", _image("order"), Order),
    Column("verdict", T, "what the guard said about the newest AGC value", _decision("verdict"),
           Verdict),
    Column("agc_pu", N, "AGC as received, of the capacity sold", _image("agc_pu")),
    Column("agc_age_s", N, "since it was received", _age("agc_received_s")),
    Column("agc_quality", T, "as it came", _image("agc_quality"), Quality),
    Column("freq_hz", N, "frequency as received", _image("freq_hz")),
    Column("capacity_up_mw", N, "regulation sold, upward", _image("regulation_capacity_up_mw")),
    Column("capacity_down_mw", N, "downward", _image("regulation_capacity_down_mw")),
    Column("basepoint_mw", N, "sum of the plans", _decision("basepoint_sum_mw")),
    Column("regulation_mw", N, "asked by AGC", _decision("regulation_mw")),
    Column("droop_mw", N, "asked by the frequency", _decision("droop_mw")),
    Column("request_mw", N, "sum of the three", _decision("request_mw")),
    Column("served_mw", N, "of it, what is expected to be delivered", _decision("served_mw")),
    Column("unserved_mw", N, "request - served", _decision("unserved_mw")),
    Column("setpoints_mw", N, "sum of the setpoints", _setpoints_mw),
    Column("measured_mw", N, "sum of the newest readings; null: a unit was never read", _sum_mw),
    Column("headroom_mw", N, "room to rise within this tick's limits", _decision("headroom_mw")),
    Column("footroom_mw", N, "room to fall", _decision("footroom_mw")),
    Column("connected_units", W, "units whose link is up", _connected),
    Column("late_s", N, "tick against its deadline", _meta("late_s")),
    Column("tick_us", N, "time of the pure tick", _meta("tick_us")),
    Column("missed_ticks", W, "since the start", _meta("missed_ticks")),
    Column("writes_accepted", W, "since the start", _meta("writes_accepted")),
    Column("writes_refused", W, "since the start", _meta("writes_refused")),
    Column("writes_unknown", W, "since the start: no answer in time", _meta("writes_unknown")),
    Column("reconnects", W, "since the start", _meta("reconnects")),
)  # fmt: skip

UNITS: Final = (
    Column("unit", T, "its id; the table is sorted by unit, then by instant"),
    AT,
    TICK,
    Column("kind", T, "battery, ev_hub, hvac, industrial, pv, other"),
    Column("basepoint_mw", N, "its plan", _image("basepoint_mw")),
    Column("p_meas_mw", N, "newest reading, generation positive", _image("p_meas_mw")),
    Column("measured_age_s", N, "since it was measured", _age("measured_at_s")),
    Column("quality", T, "of the reading", _image("quality"), Quality),
    Column("soc_pu", N, "state of charge", _image("soc_pu")),
    Column("p_avail_min_mw", N, "lowest power that it says is possible", _image("p_avail_min_mw")),
    Column("p_avail_max_mw", N, "highest", _image("p_avail_max_mw")),
    Column("energy_mwh", N, "its energy counter: injected - absorbed", _image("energy_mwh")),
    Column("energy_age_s", N, "since the counter was read", _age("energy_at_s")),
    Column("p_setpoint_mw", N, "setpoint of this tick, or what the unit is counted with",
           _decision("p_setpoint_mw")),
    Column("sent", F, "the setpoint goes to the unit", _decision("send")),
    Column("accepted_mw", N, "last setpoint that it accepted", _image("accepted_mw")),
    Column("accepted_age_s", N, "since that was sent", _age("accepted_at_s")),
    Column("write_result", T, "answer to the newest write that ended", _image("write_result"),
           WriteResult),
    Column("connected", F, "its link is up", _image("connected")),
    Column("remote", F, "it takes orders", _image("remote")),
    Column("locked", F, "the operator holds it", _image("locked")),
    Column("operator_mw", N, "where", _image("operator_mw")),
    Column("lower_mw", N, "lowest setpoint possible in this tick", _decision("lower_mw")),
    Column("upper_mw", N, "highest", _decision("upper_mw")),
    Column("lower_reason", T, "which limit that is", _decision("lower_reason"), Reason),
    Column("upper_reason", T, "likewise", _decision("upper_reason"), Reason),
    Column("held_by", T, "which limit bound it in the split; NONE: it was free",
           _decision("held_by"), Reason),
    Column("expected_mw", N, "output expected at the first look-ahead point",
           _decision("expected_mw")),
)  # fmt: skip

EVENTS: Final = (
    Column("utc", Kind.INSTANT, "wall clock; null: it was not known"),
    Column("seq", W, "record of the journal"),
    Column("source", T, "core: of a tick; daemon: of the shell"),
    Column("event", T, "what happened"),
    Column("unit", T, "to which unit; null: to the site"),
    Column("value", N, "as the event has it (`core.types.EventCode`); null: none"),
    Column("word", T, "what the value stands for: a mode, a verdict, a reason"),
    Column("fields", Kind.JSON, "all other fields of an event of the daemon"),
)

SEGMENTS: Final = (
    Column("segment", T, "name of its file"),
    Column("number", W, "its place among the segments"),
    Column("site", T, "name of the plant"),
    Column("since", Kind.INSTANT, "its first tick; null: it has none"),
    Column("until", Kind.INSTANT, "its last tick"),
    Column("ticks", W, "how many"),
    Column("units", W, "how many"),
    Column("policy", T, "how requests were split"),
    Column("tick_s", N, "period of the ticks"),
    Column("config_hash", T, "of the configuration in force"),
    Column("software", Kind.JSON, "versions"),
    Column("ending", T, "how its file ends: closed, open, torn, damaged"),
)

TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "ticks": TICKS, "units": UNITS, "events": EVENTS, "segments": SEGMENTS,
}  # fmt: skip
ABOUT: Final = {
    "ticks": "one row a tick",
    "units": "one row a unit and tick, sorted by unit",
    "events": "one row an event",
    "segments": "one row a segment of the journal",
}


def word_of(words: type[IntEnum], value: int) -> str:
    """Name of a number; the number itself where a later version has added one."""
    return words(value).name if value in words._value2member_map_ else str(value)
