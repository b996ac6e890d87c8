"""One recorded tick, explained: records in, a frozen Explanation out.

The words for it are in `runtime/explain_text.py`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np

from vppd.core.explain import Slack, Why
from vppd.core.types import (
    F8,
    GATE_OF,
    U1,
    Gate,
    Mode,
    Order,
    Policy,
    Quality,
    Reason,
    Trigger,
    Verdict,
    WriteResult,
)
from vppd.journal.explain_groups import Group, binding, groups
from vppd.journal.find import Found
from vppd.kernels import status
from vppd.kernels.sums import sum_in_order

SCHEMA: Final = 1
GATES: Final = (Gate.PHYSICS, Gate.MARKET, Gate.OPERATIONS)
SLACK: Final = frozenset(int(code) for code in Slack)
REASONS: Final = frozenset(int(code) for code in Reason)

Columns = dict[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class TickAbout:
    """Which tick it is."""

    site: str
    segment: str
    number: int
    utc_s: float
    since_start_s: float  # since the journal's first tick
    dt_s: float  # since the tick before, as the ramps count it
    age_s: float  # at the instant that was asked for
    trigger: str
    mode: str
    order: str
    policy: str
    shadow: bool | None  # nothing was written to devices; None: the journal does not say


@dataclass(frozen=True, slots=True)
class Signal:
    """The AGC signal."""

    agc_pu: float  # as received
    age_s: float
    quality: str
    verdict: str
    used_pu: float  # last accepted value
    in_force_pu: float  # after hold and return
    capacity_up_mw: float
    capacity_down_mw: float
    freq_hz: float


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: request = basepoints + regulation + droop."""

    basepoint_sum_mw: float
    regulation_mw: float
    droop_mw: float
    request_mw: float


@dataclass(frozen=True, slots=True)
class Point:
    """One look-ahead point."""

    ahead_s: float
    wanted_mw: float
    expected_mw: float
    price: float  # as recorded
    used_price: float  # as far as it moves any unit: shares are told at this one


@dataclass(frozen=True, slots=True)
class Served:
    """What was decided, and what is expected of it."""

    served_mw: float  # of the request: sum of setpoints; response-aware: expected at points[0]
    unserved_mw: float  # request - served; > 0: more was wanted
    counted_mw: float  # part of the setpoints that units out of the split are counted with
    setpoints_mw: float
    beyond_ratings_mw: float  # of unserved: more than the ratings of all that answer in time
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """How well the split was solved, and whether it is the same today."""

    status: str
    lam: float
    kkt_mw: float  # largest violation of the optimality conditions
    unexplained_mw: float  # largest difference to its share of a unit that nothing held
    bit_exact: bool
    difference: str | None


@dataclass(frozen=True, slots=True)
class HeldBy:
    """All units that one reason held."""

    reason: str
    gate: str
    units: int
    kept_up_mw: float  # sum of what they would have got more
    kept_down_mw: float  # <= 0: sum of what they would have got less
    unserved_mw: float  # their part of what was not served
    room_mw: float  # behind the limit
    on_its_way_mw: float  # setpoints - what they deliver at the first look-ahead point


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a box."""

    limit_mw: float
    reason: str
    gate: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit; the fields of `core.explain.Why` have its words for them."""

    id: str
    kind: str
    measured_mw: float
    measured_age_s: float
    quality: str
    connected: bool
    remote: bool
    operator_mw: float  # NaN: the operator does not hold it
    model_mw: float  # what its model says that it delivers now
    soc_pu: float
    last_mw: float  # last setpoint, from which its ramp starts
    accepted_mw: float
    accepted_age_s: float
    write_result: str
    basepoint_mw: float
    target_mw: float
    weight: float
    gain_pu: tuple[float, ...]  # at each look-ahead point
    lower: Side
    upper: Side
    would_mw: float
    setpoint_mw: float
    kept_mw: float
    held_by: str
    gate: str
    bound_by: tuple[str, ...]  # groups whose limits bind it, the nearest first
    room_mw: float
    unserved_mw: float  # its part of what was not served
    expected_mw: float  # at the first look-ahead point
    sent: bool  # the setpoint goes to the unit (not in a shadow)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why each unit got its setpoint."""

    schema: int
    tick: TickAbout
    signal: Signal
    request: Request
    served: Served
    certificate: Certificate
    gates: tuple[HeldBy, ...]  # physics, market, operations: all reasons of each
    reasons: tuple[HeldBy, ...]  # those that hold most first
    groups: tuple[Group, ...]  # limits of several units together
    units: tuple[Unit, ...]  # in the order of the configuration


def explanation(found: Found, why: Why) -> Explanation:
    """Put together what a tick recorded and what `core.explain` says of it."""
    together = groups(found.header.params, found.decision)
    units = _units(found, why, together)
    reasons = [_held_by(some[0].gate, name, some) for name, some in _grouped(units, "held_by")]
    by_gate = dict(_grouped(units, "gate"))
    return Explanation(
        schema=SCHEMA,
        tick=_about(found, why),
        signal=_signal(found, why),
        request=_request(found),
        served=_served(found, why),
        certificate=_certificate(found, units),
        gates=tuple(_held_by(_word(g), "ALL", by_gate.get(_word(g), [])) for g in GATES),
        reasons=tuple(sorted(reasons, key=lambda reason: _rank(reason.unserved_mw, reason))),
        groups=together,
        units=units,
    )


def _grouped(units: Iterable[Unit], name: str) -> Iterable[tuple[str, list[Unit]]]:
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(getattr(unit, name), []).append(unit)
    return groups.items()


def _held_by(gate: str, reason: str, units: list[Unit]) -> HeldBy:
    known = [unit.kept_mw for unit in units if not math.isnan(unit.kept_mw)]
    return HeldBy(
        reason=reason,
        gate=gate,
        units=len(units),
        kept_up_mw=sum((kept for kept in known if kept > 0.0), 0.0),
        kept_down_mw=sum((kept for kept in known if kept < 0.0), 0.0),
        unserved_mw=sum((unit.unserved_mw for unit in units), 0.0),
        room_mw=sum((unit.room_mw for unit in units), 0.0),
        on_its_way_mw=sum((unit.setpoint_mw - unit.expected_mw for unit in units), 0.0),
    )


def _rank(unserved_mw: float, reason: HeldBy) -> tuple[bool, float, float]:
    kept_mw = reason.kept_up_mw - reason.kept_down_mw
    return reason.reason == "NONE", -abs(unserved_mw), -kept_mw


def _about(found: Found, why: Why) -> TickAbout:
    record = found.record
    return TickAbout(
        site=found.header.about.site,
        segment=found.segment,
        number=record.image.tick,
        utc_s=record.meta.utc_s,
        since_start_s=record.meta.utc_s - found.first_s,
        dt_s=why.dt_s,
        age_s=found.age_s,
        trigger=_name(Trigger, record.image.trigger),
        mode=_name(Mode, found.decision.mode),
        order=_name(Order, record.image.order),
        policy=_word(Policy(found.header.params.policy)),
        shadow=found.shadow,
    )


def _signal(found: Found, why: Why) -> Signal:
    image, decision = found.record.image, found.decision
    return Signal(
        agc_pu=image.agc_pu,
        age_s=image.now_s - image.agc_received_s,
        quality=_name(Quality, image.agc_quality),
        verdict=_name(Verdict, decision.verdict),
        used_pu=why.agc_pu,
        in_force_pu=decision.regulation_pu,
        capacity_up_mw=image.regulation_capacity_up_mw,
        capacity_down_mw=image.regulation_capacity_down_mw,
        freq_hz=image.freq_hz,
    )


def _request(found: Found) -> Request:
    decision = found.decision
    return Request(
        decision.basepoint_sum_mw, decision.regulation_mw, decision.droop_mw, decision.request_mw
    )


def _served(found: Found, why: Why) -> Served:
    decision = found.decision
    columns = (
        decision.ahead_s, decision.ahead_wanted_mw, decision.ahead_expected_mw,
        decision.ahead_price, why.price,
    )  # fmt: skip
    points = zip(*map(_floats, columns), strict=False)  # exact has a price, and no such point
    return Served(
        served_mw=decision.served_mw,
        unserved_mw=decision.unserved_mw,
        counted_mw=decision.held_mw,
        setpoints_mw=sum_in_order(decision.p_setpoint_mw),
        beyond_ratings_mw=why.beyond_mw,
        points=tuple(Point(*values) for values in points),
    )


def _certificate(found: Found, units: tuple[Unit, ...]) -> Certificate:
    decision, difference = found.decision, found.difference
    free_mw = (abs(unit.kept_mw) for unit in units if unit.held_by == "NONE")
    return Certificate(
        status=status.NAMES.get(decision.status, str(decision.status)),
        lam=decision.lam,
        kkt_mw=decision.kkt_mw,
        unexplained_mw=max(free_mw, default=0.0),
        bit_exact=difference is None,
        difference=None if difference is None else str(difference),
    )


def _units(found: Found, why: Why, together: tuple[Group, ...]) -> tuple[Unit, ...]:
    """Every unit, from columns of Python's own numbers: an array's element is 10 times slower."""
    columns = _known(found, why) | _decided(found, why)
    columns["bound_by"] = binding(found.header.params, together)
    rows = zip(*columns.values(), strict=True)
    return tuple(Unit(**dict(zip(columns, row, strict=True))) for row in rows)


def _known(found: Found, why: Why) -> Columns:
    """What was known of each unit when the tick began."""
    image, params = found.record.image, found.header.params
    operator_mw = np.where(np.isnan(image.operator_mw), why.last_mw, image.operator_mw)
    return {
        "id": params.ids,
        "kind": params.kinds,
        "measured_mw": _floats(image.p_meas_mw),
        "measured_age_s": _floats(image.now_s - image.measured_at_s),
        "quality": [_name(Quality, value) for value in image.quality.tolist()],
        "connected": _flags(image.connected),
        "remote": _flags(image.remote),
        "operator_mw": _floats(np.where(image.locked != 0, operator_mw, np.nan)),
        "model_mw": _floats(why.model_mw),
        "soc_pu": _floats(image.soc_pu),
        "last_mw": _floats(why.last_mw),
        "accepted_mw": _floats(image.accepted_mw),
        "accepted_age_s": _floats(image.now_s - image.accepted_at_s),
        "write_result": [_name(WriteResult, value) for value in image.write_result.tolist()],
        "basepoint_mw": _floats(image.basepoint_mw),
    }


def _decided(found: Found, why: Why) -> Columns:
    """What each unit got, and why."""
    decision = found.decision
    return {
        "target_mw": _floats(why.target_mw),
        "weight": _floats(why.weight),
        "gain_pu": [tuple(row) for row in why.gain_pu.T.tolist()],
        "lower": _sides(decision.lower_mw, decision.lower_reason),
        "upper": _sides(decision.upper_mw, decision.upper_reason),
        "would_mw": _floats(why.would_mw),
        "setpoint_mw": _floats(decision.p_setpoint_mw),
        "kept_mw": _floats(why.kept_mw),
        "held_by": [_cause(value) for value in why.cause.tolist()],
        "gate": [_gate(value) for value in why.cause.tolist()],
        "room_mw": _floats(why.room_mw),
        "unserved_mw": _floats(why.missing_mw),
        "expected_mw": _floats(decision.expected_mw),
        "sent": _flags(decision.send),
    }


def _sides(limit_mw: F8, reason: U1) -> list[Side]:
    return [
        Side(limit, _cause(code), _gate(code))
        for limit, code in zip(limit_mw.tolist(), reason.tolist(), strict=True)
    ]


def _cause(code: int) -> str:
    return _name(Slack if code in SLACK else Reason, code)


def _gate(code: int) -> str:
    """Gate of a reason; what a unit's own steps and dead time do is physics."""
    if code in SLACK:
        return _word(Gate.PHYSICS)
    return _word(GATE_OF.get(Reason(code), Gate.NONE)) if code in REASONS else _word(Gate.NONE)


def _floats(values: F8) -> list[float]:
    plain: list[float] = values.tolist()
    return plain


def _flags(values: U1) -> list[bool]:
    return [value != 0 for value in values.tolist()]


def _name(kind: type[IntEnum], value: int) -> str:
    """Name of a number; the number itself where a later version has added one."""
    return kind(value).name if value in kind._value2member_map_ else str(value)


def _word(member: IntEnum) -> str:
    return member.name.lower()
