"""What viewers get each tick: scalars of the plant, and columns of the units, as bytes.

    "VPF1" | n u4 | scalars f8, by `SCALARS` | setpoint f4 (n) | measured f4 (n)
           | soc u1 (n) | reason u1 (n) | held u1 (n) | flags u1 (n)          little endian

n is 0 where the columns are left out. A browser makes typed arrays of it without a copy. SoC is
in 1/250; 255: not reported. What is not known of the others is NaN. 12 bytes a unit.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vppd.core.types import Decision, Image, Quality, State

MAGIC: Final = b"VPF1"
HORIZONS: Final = 4
_PROMISES: Final = tuple(
    f"promise_{name}_mw_{k}"
    for name in ("up", "down", "firm_up", "firm_down")
    for k in range(HORIZONS)
)
SCALARS: Final = (
    "tick", "utc_s", "mode", "order", "verdict", "agc_pu", "agc_age_s", "freq_hz", "request_mw",
    "served_mw", "measured_mw", "unserved_mw", "basepoint_mw", "regulation_mw", "droop_mw",
    "up_mw", "down_mw", "range_up_mw", "range_down_mw", "capacity_up_mw", "capacity_down_mw",
    "tick_us", "late_ms", "missed_ticks", "units_online", "award_short", *_PROMISES,
)  # fmt: skip
HEAD: Final = struct.Struct(f"<4sI{len(SCALARS)}d")
ROW_BYTES: Final = 12
SOC_STEPS: Final = 250
SOC_UNKNOWN: Final = 255
CONNECTED, REMOTE, SENT, LOCKED, ONLINE = 1, 2, 4, 8, 16  # flags


@dataclass(frozen=True, slots=True)
class Beside:
    """What a tick's records do not say."""

    utc_s: float
    measured_mw: float
    tick_us: float
    late_ms: float
    missed_ticks: int
    units_online: int


def encode(image: Image, after: State, decision: Decision, beside: Beside, *, units: bool) -> bytes:
    """One frame; with the columns of the units, or without."""
    promises: list[float] = []
    for column in (
        decision.promise_up_mw, decision.promise_down_mw,
        decision.promise_firm_up_mw, decision.promise_firm_down_mw,
    ):  # fmt: skip
        promises += (column.tolist() + [float("nan")] * HORIZONS)[:HORIZONS]
    n = len(image.p_meas_mw) if units else 0
    head = HEAD.pack(
        MAGIC, n, decision.tick, beside.utc_s, decision.mode, image.order, decision.verdict,
        after.agc_pu, image.now_s - after.agc_accepted_s, image.freq_hz, decision.request_mw,
        decision.served_mw, beside.measured_mw, decision.unserved_mw, decision.basepoint_sum_mw,
        decision.regulation_mw, decision.droop_mw, decision.headroom_mw, decision.footroom_mw,
        decision.range_up_mw, decision.range_down_mw, image.regulation_capacity_up_mw,
        image.regulation_capacity_down_mw, beside.tick_us, beside.late_ms, beside.missed_ticks,
        beside.units_online, after.award_short, *promises,
    )  # fmt: skip
    return head + (_columns(image, after, decision) if units else b"")


def _columns(image: Image, after: State, decision: Decision) -> bytes:
    known = ~np.isnan(image.soc_pu)
    steps = np.clip(np.where(known, image.soc_pu, 0.0), 0.0, 1.0) * SOC_STEPS
    soc = np.where(known, np.rint(steps), SOC_UNKNOWN)
    flags = (
        CONNECTED * image.connected + REMOTE * image.remote + SENT * decision.send
        + LOCKED * image.locked + ONLINE * (image.quality == Quality.ONLINE)
    )  # fmt: skip
    return b"".join(
        (
            decision.p_setpoint_mw.astype("<f4").tobytes(),
            image.p_meas_mw.astype("<f4").tobytes(),
            soc.astype(np.uint8).tobytes(),
            after.out_reason.tobytes(),
            decision.held_by.tobytes(),
            flags.astype(np.uint8).tobytes(),
        )
    )


def scalars(frame: bytes) -> dict[str, float]:
    """Scalars of a frame, by name."""
    values = HEAD.unpack_from(frame)
    return dict(zip(SCALARS, values[2:], strict=True))


def without_units(frame: bytes) -> bytes:
    """The frame for a viewer who does not look at units."""
    return MAGIC + struct.pack("<I", 0) + frame[8 : HEAD.size]


def columns(frame: bytes) -> dict[str, Any]:
    """Columns of a frame, by name; empty arrays where it has none."""
    n = HEAD.unpack_from(frame)[1]
    out: dict[str, Any] = {}
    at = HEAD.size
    for name, code in (
        ("setpoint_mw", "<f4"), ("measured_mw", "<f4"),
        ("soc", "u1"), ("reason", "u1"), ("held", "u1"), ("flags", "u1"),
    ):  # fmt: skip
        out[name] = np.frombuffer(frame, code, n, at)
        at += n * np.dtype(code).itemsize
    return out
