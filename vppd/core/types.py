"""Frozen records of the core: what goes into a tick, and what comes out.

Units stand last in every name. Power is in MW, generation positive. Instants are seconds of
one monotonic clock; NaN means *never* or *not reported*, and is never turned into 0.0.
Arrays have shape (n,), one entry a resource, in the order of the configuration.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vppd.core.fixed import Fixed, fixed

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]
NAN = float("nan")


class Quality(IntEnum):
    """Quality of a value, by the flags of DNP3 (IEEE 1815-2012, 11.6), for every protocol."""

    ONLINE = 0
    RESTART = 1  # not read since the start
    COMM_LOST = 2
    REMOTE_FORCED = 3
    LOCAL_FORCED = 4
    OVER_RANGE = 5
    REFERENCE_ERR = 6


class Mode(IntEnum):
    """Mode of the site, as told to the TSO."""

    STARTING = 0
    BASEPOINT = 1
    REGULATING = 2
    HOLD = 3  # the signal is stale: the last accepted value is held
    RETURN = 4  # the signal stays away: regulation ramps to zero
    SAFE = 5  # every unit goes to its safe value
    LOCAL = 6  # the operator has taken the plant out of regulation


class Order(IntEnum):
    """What the operator wants of the site."""

    AUTO = 0
    LOCAL = 1
    SAFE = 2


class Trigger(IntEnum):
    """What started a tick."""

    GRID = 0
    AGC = 1
    FREQUENCY = 2


class Verdict(IntEnum):
    """What the guard on the signal said about the newest AGC value."""

    NONE = 0  # no value was ever received
    FRESH = 1  # new, good, in use from this tick on
    UNCHANGED = 2  # the accepted value is still young enough
    STALE = 3
    BAD_QUALITY = 4
    NOT_FINITE = 5
    OUT_OF_RANGE = 6
    RATE = 7  # moved faster than the guard allows
    REPEATED = 8  # sequence number not newer than the last one
    OLD = 9  # its own time tag was too old, or in the future, when it came


class WriteResult(IntEnum):
    """Answer to the last setpoint write of a unit. Three values, and 'none yet'."""

    NONE = 0
    ACCEPTED = 1
    REFUSED = 2
    UNKNOWN = 3  # no answer within the deadline: it may or may not have arrived


class Gate(IntEnum):
    """The three gates a setpoint passes."""

    NONE = 0
    PHYSICS = 1
    MARKET = 2
    OPERATIONS = 3


class Reason(IntEnum):
    """Which limit bounds a unit. The number is part of the journal's layout: append only."""

    NONE = 0
    RATING = 1
    RAMP = 2
    SOC = 3
    AVAILABLE = 4  # what weather, cars or the process leave
    TELEMETRY_AGE = 5  # no good reading for too long: counted by its prediction
    UNREACHABLE = 6  # the link is down: counted by its prediction
    FALLBACK = 7  # the watchdog of the unit has run out: counted by its fallback
    OPERATOR = 8
    CROSSED = 9  # its limits contradict each other: held at its last setpoint
    DEAD_BAND = 10  # the step is too small for the unit, or to move it: its last setpoint stands
    GUARD = 11  # dropped by the second guard
    CAPACITY = 12  # the market's limit: no more than what was sold
    LOCAL_CONTROL = 13  # the unit itself reports that it takes no orders: counted as measured
    REFUSED = 14  # it refused its last setpoint: counted by the last one it accepted
    GROUP = 15  # a limit of several units together: site, feeder, transformer
    BAND = 16  # its exclusion band: it cannot stand beyond, and the other side is not better
    MIN_TIME = 17  # its exclusion band, which it crossed too short a time ago to go back
    CYCLES = 18  # its exclusion band, which it crossed as often as it may
    MODEL = 19  # it does not quite do what its model says: less of its range is used
    BENCHED = 20  # it does not do what its model says: out of the split, counted as measured


GATE_OF: dict[Reason, Gate] = {
    Reason.NONE: Gate.NONE,
    Reason.RATING: Gate.PHYSICS,
    Reason.RAMP: Gate.PHYSICS,
    Reason.SOC: Gate.PHYSICS,
    Reason.AVAILABLE: Gate.PHYSICS,
    Reason.TELEMETRY_AGE: Gate.PHYSICS,
    Reason.UNREACHABLE: Gate.OPERATIONS,
    Reason.FALLBACK: Gate.OPERATIONS,
    Reason.OPERATOR: Gate.OPERATIONS,
    Reason.CROSSED: Gate.PHYSICS,
    Reason.DEAD_BAND: Gate.PHYSICS,
    Reason.GUARD: Gate.OPERATIONS,
    Reason.CAPACITY: Gate.MARKET,
    Reason.LOCAL_CONTROL: Gate.OPERATIONS,
    Reason.REFUSED: Gate.OPERATIONS,
    Reason.GROUP: Gate.PHYSICS,
    Reason.BAND: Gate.PHYSICS,
    Reason.MIN_TIME: Gate.PHYSICS,
    Reason.CYCLES: Gate.OPERATIONS,
    Reason.MODEL: Gate.OPERATIONS,
    Reason.BENCHED: Gate.OPERATIONS,
}


class Policy(IntEnum):
    """How a request is split."""

    EXACT = 0
    PRO_RATA = 1
    MERIT_ORDER = 2
    RESPONSE_AWARE = 3


class AwardGuard(IntEnum):
    """What is done while more regulation was sold than can be promised."""

    NONE = 0
    ALARM = 1
    CLAMP = 2  # an alarm, and the TSO is told of no more than what can be promised


class EventCode(IntEnum):
    """What changed in a tick. The number is part of the journal's layout: append only."""

    MODE = 1  # value: the new mode
    UNIT_LOST = 2  # index: the unit; value: the reason
    UNIT_BACK = 3
    UNIT_FALLBACK = 4  # its watchdog has run out
    SIGNAL_VERDICT = 5  # value: the new verdict
    UNSERVED = 6  # value: MW, when it begins, and 0.0 when it ends
    GUARD_DROPPED = 7  # index: the unit; value: the setpoint that was refused, MW
    ALLOCATION_REFUSED = 8  # value: status of the kernel
    AWARD_ABOVE_HEADROOM = 9  # value: MW missing of what was sold, when it begins; 0.0 at its end


def late(value: float | tuple[()]) -> Any:
    """Field that was appended later: its value where an older journal does not have it."""
    return field(metadata={"missing": value})


class _Derived:
    """Room for what follows from a record alone. No field: no journal keeps it, and no copy."""

    __slots__ = ("_fixed",)
    _fixed: Fixed


@dataclass(frozen=True, slots=True)
class Params(_Derived):
    """What the configuration says; constant between two reloads. Arrays of shape (n,)."""

    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    p_min_mw: F8
    p_max_mw: F8
    ramp_up_mw_per_s: F8  # > 0
    ramp_down_mw_per_s: F8  # > 0
    cost: F8  # > 0: weight of leaving the basepoint (d_i of the split), dimensionless
    energy_mwh: F8  # usable size of the store; NaN for a unit without one
    soc_min_pu: F8
    soc_max_pu: F8
    efficiency_charge_pu: F8
    efficiency_discharge_pu: F8
    step_min_mw: F8  # smallest change that the unit acts on; 0 where there is none
    resolution_mw: F8  # grid of the values that the unit takes; 0 where continuous
    telemetry_age_max_s: F8
    watchdog_s: F8  # the unit goes to its fallback that long after the last setpoint
    fallback_mw: F8
    safe_mw: F8  # last setpoint before a stop, and the setpoint of mode SAFE
    policy: int  # Policy
    tick_s: float
    soc_horizon_s: float  # SoC limits look that far ahead
    agc_limit_pu: float  # |AGC| is clipped here
    agc_tolerance_pu: float  # up to limit + tolerance is clipped, beyond is refused
    agc_rate_max_pu_per_s: float  # inf where the market allows steps
    agc_stale_after_s: float
    agc_transit_max_s: float  # age by its own time tag at which a value is refused
    hold_s: float  # time in HOLD before RETURN
    return_rate_pu_per_s: float
    droop_enabled: bool
    droop_pu: float  # pu frequency per pu power
    droop_deadband_hz: float  # half width
    droop_power_mw: float  # MW that 1 pu stands for
    freq_nominal_hz: float
    freq_stale_after_s: float
    setpoint_age_max_s: float
    dead_time_s: F8 = late(0.0)  # from the tick to the first change of the output
    lag_s: F8 = late(0.0)  # time constant of the first-order lag behind it
    participation: F8 = late(1.0)  # >= 0: share in the slow part of the request, over range
    unit_group: I8 = late(-1)  # lowest group of each unit, -1: none
    group_ids: tuple[str, ...] = late(())
    group_parent: I8 = late(-1)  # shape (g,), each above its parts; -1: none
    group_lower_mw: F8 = late(0.0)  # shape (g,), limits of the sum of a group's units
    group_upper_mw: F8 = late(0.0)
    look_ahead_s: float = late(1.0)  # the delivered power is to be right that long after a tick
    settle_s: float = late(8.0)  # medium units take over from fast ones until then
    slow_s: float = late(3.0)  # time constant of the slow part of the request
    soc_recovery_s: float = late(7200.0)  # a store is brought back to the middle of its band in
    firm_pu: F8 = late(1.0)  # 0...1: share of the room around the basepoint that is firm
    soc_error_pu: float = late(0.02)  # error of the SoC that firm promises allow for
    award_guard: int = late(AwardGuard.NONE)
    quiet_pu: float = late(0.0)  # of its range: nearer targets move no unit that is not fast
    band_lower_mw: F8 = late(NAN)  # exclusion band, an open interval; NaN: none
    band_upper_mw: F8 = late(NAN)
    stay_below_s: F8 = late(0.0)  # the unit stays at least so long below its band, and above it
    stay_above_s: F8 = late(0.0)
    switch_mw: F8 = late(0.0)  # crossing it costs as much as standing that far from the target
    switches_per_day: F8 = late(float("inf"))  # how often it may be crossed
    trust_error_pu: float = late(0.0)  # of its range: a unit off by more is benched; 0: none is
    steps_per_mw: F8 = late(0.0)  # grid of setpoints and readings, k / steps_per_mw; 0: none

    @property
    def fixed(self) -> Fixed:
        """What follows from them alone, computed at the first call."""
        try:
            return self._fixed
        except AttributeError:
            object.__setattr__(self, "_fixed", fixed(self))
            return self._fixed


@dataclass(frozen=True, slots=True)
class Image:
    """Every input of one tick, copied at one instant. Nothing reads a live value after this."""

    tick: int
    now_s: float
    trigger: int  # Trigger
    agc_pu: float  # raw, as received, pu of regulation capacity; NaN: never
    agc_received_s: float
    agc_sequence: int  # -1 where the protocol has none
    agc_transit_s: float  # age by its own time tag when it came; NaN where it has none
    agc_quality: int  # Quality
    freq_hz: float
    freq_received_s: float
    freq_quality: int
    order: int  # Order of the operator
    regulation_capacity_up_mw: float
    regulation_capacity_down_mw: float
    basepoint_mw: F8
    p_meas_mw: F8  # NaN: never read
    measured_at_s: F8
    quality: U1  # Quality of p_meas_mw
    soc_pu: F8  # NaN: not reported
    p_avail_min_mw: F8  # what the unit says it can do now; NaN: not reported
    p_avail_max_mw: F8
    accepted_mw: F8  # last setpoint that the unit accepted; NaN: none yet
    accepted_at_s: F8
    write_result: U1  # WriteResult of the newest write that ended
    remote: U1  # 1: the unit takes orders, 0: it reports local control
    connected: U1  # 1: its link is up
    locked: U1  # 1: the operator holds the unit at operator_mw
    operator_mw: F8
    pardon: int = late(-1)  # unit whose doubt the operator clears in this tick; -1: none
    energy_mwh: F8 = late(NAN)  # by the unit's meter, injected less absorbed; NaN: not reported
    energy_at_s: F8 = late(NAN)  # when the meter was read: now and then


@dataclass(frozen=True, slots=True)
class State:
    """What one tick hands to the next."""

    now_s: float
    mode: int  # Mode
    mode_since_s: float
    agc_pu: float  # last accepted value
    agc_accepted_s: float  # when it was received; NaN: never
    agc_seen_s: float  # reception of the newest value that was judged; NaN: none
    agc_sequence: int
    regulation_pu: float  # in force, after hold and return
    verdict: int
    lam: float  # multiplier of the last split, the next one's first guess
    unserved: int  # sign of what was unserved: -1, 0, 1
    p_setpoint_mw: F8  # last setpoint, or prediction of a unit that cannot be reached
    out_reason: U1  # Reason why a unit takes no part; NONE if it does
    slow_mw: float = late(0.0)  # slow part of what is asked on top of the basepoints
    p_model_mw: F8 = late(NAN)  # output by the response model, at now_s; NaN: not known
    p_offset_mw: F8 = late(0.0)  # what the unit delivers beyond its model, settled
    p_seen_s: F8 = late(NAN)  # instant of the newest measurement that the model was held against
    past_mw: F8 = late(0.0)  # past setpoints, unit after unit (see kernels.response.foresee)
    ahead_price: F8 = late(0.0)  # multipliers of the look-ahead points, the next first guess
    when_s: F8 = late(0.0)  # when those of the last ticks left, oldest first
    award_short: int = late(0)  # 1: more was sold than can be promised, and that was told
    sent: U1 = late(1)  # 1: p_setpoint_mw went to the unit; 0: it was only counted with it
    told_mw: F8 = late(NAN)  # last setpoint that went to the unit; NaN: none
    side: U1 = late(0)  # of its exclusion band: 1 below, 2 above, 0 none or not known
    side_since_s: F8 = late(NAN)
    switches_left: F8 = late(NAN)  # of its budget; NaN: not known, all of it
    recovery_mw: F8 = late(NAN)  # what a store begins beside its plan by; NaN: not known
    doubt: F8 = late(NAN)  # mean difference to the model, in parts of the range; NaN: none yet
    benched_s: F8 = late(NAN)  # since when a benched unit behaves; NaN: not benched
    bench_wait_s: F8 = late(NAN)  # for how long it has to, the next time


@dataclass(frozen=True, slots=True)
class Decision:
    """Every output of one tick."""

    tick: int
    mode: int
    verdict: int
    regulation_pu: float
    regulation_mw: float
    droop_mw: float
    basepoint_sum_mw: float
    request_mw: float  # basepoints + regulation + droop
    held_mw: float  # part of it that units out of the split are counted with
    served_mw: float  # sum of all setpoints and predictions; response-aware: expected sum
    unserved_mw: float  # request - served
    headroom_mw: float  # room to rise within this tick's limits, >= 0
    footroom_mw: float
    range_up_mw: float  # room to rise within all limits but the ramp, >= 0
    range_down_mw: float
    lam: float
    kkt_mw: float  # largest violation of the optimality conditions
    status: int  # of the kernel
    p_setpoint_mw: F8
    send: U1  # 1: the setpoint goes to the unit
    lower_mw: F8
    upper_mw: F8
    lower_reason: U1  # Reason
    upper_reason: U1
    held_by: U1  # Reason that bound the unit in the split; NONE: it was free
    event_code: U1  # shape (k,), EventCode
    event_index: NDArray[np.int64]  # shape (k,); -1 where no unit is meant
    event_value: F8  # shape (k,)
    target_mw: F8 = late(NAN)  # where the unit would be without transients; NaN: not used
    expected_mw: F8 = late(NAN)  # output at the first look-ahead point; else the setpoint
    ahead_s: F8 = late(0.0)  # look-ahead points, shape (a,)
    ahead_wanted_mw: F8 = late(0.0)  # request there
    ahead_expected_mw: F8 = late(0.0)  # what is expected there
    ahead_price: F8 = late(0.0)  # multipliers
    group_price: F8 = late(0.0)  # shape (g,), multiplier of each group's limit, less its parent's
    group_missed_mw: F8 = late(0.0)  # limit - sum where the units cannot keep it, else 0
    promise_s: F8 = late(0.0)  # horizons, shape (4,); see core.headroom
    promise_up_mw: F8 = late(0.0)  # above the basepoints, reached by then and held till then
    promise_down_mw: F8 = late(0.0)
    promise_firm_up_mw: F8 = late(0.0)  # the same with errors, and one unit lost
    promise_firm_down_mw: F8 = late(0.0)
