"""Ticks and statuses for the tests of ops: every field has a plain value."""

import dataclasses

import numpy as np

from vppd.core.types import Decision, Image, Mode, Verdict
from vppd.ops.status import PlanStatus, Realtime, Status, TimingStatus

N = 3


def filled(kind, **changes):
    """A record with 0 in every field, or arrays of 0 of shape (3,)."""
    values = {
        field.name: 0 if field.type is int else 0.0 if field.type is float else np.zeros(N)
        for field in dataclasses.fields(kind)
    }
    return kind(**(values | changes))


def image(**changes):
    return filled(Image, **changes)


def decision(*events, **changes):
    """A quiet tick; `events` are rows of (code, index, value)."""
    columns = {
        "event_code": np.array([row[0] for row in events], dtype=np.uint8),
        "event_index": np.array([row[1] for row in events], dtype=np.int64),
        "event_value": np.array([row[2] for row in events], dtype=np.float64),
    }
    quiet = {"mode": Mode.REGULATING, "verdict": Verdict.FRESH}
    return filled(Decision, **(quiet | columns | changes))


def status(**changes):
    """A daemon that has just begun."""
    base = Status(
        site="zhejiang",
        version="0.1.0",
        pid=4711,
        utc="2026-11-22T10:00:00Z",
        uptime_s=90061.0,
        shadow=False,
        mode="REGULATING",
        mode_since_s=61.0,
        order="AUTO",
        tick=90061,
        units_online=210,
        units_total=210,
        plan=PlanStatus(80.0, 80.0, -27.5),
        timing=TimingStatus(tick_s=1.0, timer="timerfd"),
        realtime=Realtime("SCHED_FIFO 40", "locked as used", "100000 objects frozen"),
    )
    return dataclasses.replace(base, **changes)
