"""Which units take part in the split, and what the others are counted with.

A unit that cannot be reached is not zero: it does what it was last told until its watchdog runs
out, then it goes to its fallback. So it is counted by that prediction, and the others carry the
rest. One dead unit costs the others nothing but its share.
"""

import numpy as np
from numpy.typing import NDArray

from vppd.core.types import F8, U1, Image, Mode, Params, Quality, Reason, State, WriteResult

Mask = NDArray[np.bool_]

MEASURED_MAX_MW = 1e5  # no unit is larger (config.schema): such a number is a broken register

# Plain numbers: looking members up in their enums would cost a tenth of the tick.
STARTING = int(Mode.STARTING)
IN_SPLIT = int(Reason.NONE)
ONLINE = int(Quality.ONLINE)
REFUSED_WRITE = int(WriteResult.REFUSED)
UNKNOWN_WRITE = int(WriteResult.UNKNOWN)
TELEMETRY_AGE = int(Reason.TELEMETRY_AGE)
UNREACHABLE = int(Reason.UNREACHABLE)
FALLBACK = int(Reason.FALLBACK)
OPERATOR = int(Reason.OPERATOR)
LOCAL_CONTROL = int(Reason.LOCAL_CONTROL)
REFUSED = int(Reason.REFUSED)


def out_of_split(image: Image, params: Params) -> U1:
    """Reason why each unit takes no part, shape (n,); NONE if it does.

    Later lines win: what the unit says outranks what is guessed, silence outranks both, and the
    operator whatever he can still change.
    """
    reason = np.zeros(len(params.ids), dtype=np.uint8)
    since_s = image.now_s - image.accepted_at_s
    refused = image.write_result == REFUSED_WRITE
    reason[refused] = REFUSED
    # Good readings prove no setpoint: a unit that accepts none goes to its fallback all the same.
    unheard = refused | (image.write_result == UNKNOWN_WRITE)
    reason[unheard & (since_s > params.watchdog_s)] = FALLBACK
    reason[image.remote == 0] = LOCAL_CONTROL
    lost = (image.connected == 0) | (image.quality != ONLINE)
    silent = lost | ~_has_young_reading(image, params)
    reason[silent] = TELEMETRY_AGE
    reason[lost] = UNREACHABLE
    # Written positively: false for NaN, a unit that never accepted a setpoint.
    reason[silent & ~(since_s <= params.watchdog_s)] = FALLBACK
    reason[(image.locked != 0) & ~silent & (reason != LOCAL_CONTROL)] = OPERATOR
    return reason


def has_good_reading(image: Image, params: Params) -> Mask:
    """Units that are known to be where they are measured, shape (n,)."""
    online = (image.connected != 0) & (image.quality == ONLINE)
    good: Mask = online & _has_young_reading(image, params)
    return good


def _has_young_reading(image: Image, params: Params) -> Mask:
    # Written positively: the comparisons are false for NaN, a unit that was never read.
    age_s = image.now_s - image.measured_at_s
    young: Mask = age_s <= params.telemetry_age_max_s
    young &= np.abs(image.p_meas_mw) <= MEASURED_MAX_MW
    return young


def is_adrift(image: Image, params: Params) -> Mask:
    """Units that are read, but accepted no setpoint for longer than their watchdog, shape (n,)."""
    late: Mask = image.now_s - image.accepted_at_s > params.watchdog_s
    return late & has_good_reading(image, params) if late.any() else late


def last_setpoints_mw(state: State, image: Image, params: Params, reason: U1, adrift: Mask) -> F8:
    """Where each unit's ramp starts from, MW: its setpoint in force, shape (n,).

    That is the last one sent. One that refused the last stands at the last that it accepted, unless
    its watchdog has ended that one, and so does one that was counted by a prediction and has
    accepted a setpoint since. A unit that never accepted one, or none for too long, starts from
    where it is measured to be; but a reading from before the last tick says nothing of the setpoint
    that was sent in it.
    """
    measured_mw = np.where(np.isnan(image.p_meas_mw), params.fallback_mw, image.p_meas_mw)
    never = _never_accepted(image)
    refused = image.write_result == REFUSED_WRITE
    in_force = image.now_s - image.accepted_at_s <= params.watchdog_s
    # After a reconnect the newest setpoint is said again, and the last tick knew nothing of it.
    told_since = (state.out_reason != IN_SPLIT) & (image.accepted_at_s > state.now_s)
    unsent = np.isnan(state.p_setpoint_mw) | (state.mode == STARTING)
    read_since = image.measured_at_s > state.now_s
    # Over a slow link a reading comes late: the first one after a silence counts all the same.
    is_back = (state.out_reason == FALLBACK) & (reason != FALLBACK)
    from_reading = (never | adrift) & (unsent | refused | read_since | is_back)
    last_mw = np.where(np.isnan(state.p_setpoint_mw), measured_mw, state.p_setpoint_mw)
    last_mw = np.where(((refused & in_force) | told_since) & ~never, image.accepted_mw, last_mw)
    # Its watchdog ran out while nobody could reach it: it went to its fallback by itself.
    gone = (state.out_reason == UNREACHABLE) & (reason == FALLBACK) & ~told_since
    last_mw = np.where(gone, params.fallback_mw, last_mw)
    last_mw = np.where(from_reading, measured_mw, last_mw)
    return np.minimum(np.maximum(last_mw, params.p_min_mw), params.p_max_mw)


def _never_accepted(image: Image) -> Mask:
    never: Mask = np.isnan(image.accepted_at_s) | np.isnan(image.accepted_mw)
    return never


def counted_mw(reason: U1, last_mw: F8, image: Image, params: Params) -> F8:
    """What a unit outside the split is counted with, MW, shape (n,); last_mw for the others."""
    held_mw = np.where(np.isnan(image.accepted_mw), last_mw, image.accepted_mw)
    out_mw = last_mw.copy()
    for code in (UNREACHABLE, TELEMETRY_AGE, REFUSED):
        out_mw = np.where(reason == code, held_mw, out_mw)
    out_mw = np.where(reason == FALLBACK, params.fallback_mw, out_mw)
    measured_mw = np.where(np.isnan(image.p_meas_mw), last_mw, image.p_meas_mw)
    return np.where(reason == LOCAL_CONTROL, measured_mw, out_mw)


def within_ramp_mw(wanted_mw: F8, last_mw: F8, image: Image, params: Params, dt_s: float) -> F8:
    """Where units come on their way to `wanted_mw`, MW, shape (n,).

    Within ramp, and within the rating and what is available, which beat the ramp. Limits that
    contradict each other leave the rating.
    """
    reached_mw = np.minimum(wanted_mw, last_mw + params.ramp_up_mw_per_s * dt_s)
    reached_mw = np.maximum(reached_mw, last_mw - params.ramp_down_mw_per_s * dt_s)
    low_mw = np.fmax(params.p_min_mw, image.p_avail_min_mw)  # NaN, not reported: no limit
    high_mw = np.fmin(params.p_max_mw, image.p_avail_max_mw)
    crossed = low_mw > high_mw
    low_mw = np.where(crossed, params.p_min_mw, low_mw)
    high_mw = np.where(crossed, params.p_max_mw, high_mw)
    return np.minimum(np.maximum(reached_mw, low_mw), high_mw)


def pinned_mw(mode: Mode, reason: U1, last_mw: F8, image: Image, params: Params, dt_s: float) -> F8:
    """What each unit outside the split is told, or counted with, MW, shape (n,).

    The operator's value, at a stop the safe value, and of a unit that can be told its fallback, or
    what it accepted before it refused, are approached within the ramp. A unit that the operator
    holds stays there in mode SAFE too.
    """
    held = reason == OPERATOR
    takes = takes_setpoints(reason, image) != 0
    wanted_mw = counted_mw(reason, last_mw, image, params)
    wanted_mw = np.where(held & ~np.isnan(image.operator_mw), image.operator_mw, wanted_mw)
    moves = held | (takes & ((reason == FALLBACK) | (reason == REFUSED)))
    if mode is Mode.SAFE:
        told = takes & ~held
        wanted_mw = np.where(told, params.safe_mw, wanted_mw)
        moves |= told
    if not moves.any():
        return wanted_mw
    return np.where(moves, within_ramp_mw(wanted_mw, last_mw, image, params, dt_s), wanted_mw)


def takes_setpoints(reason: U1, image: Image) -> U1:
    """1 for each unit that a setpoint is sent to, shape (n,).

    Not to a unit whose link is down or that its own staff controls, nor to one that neither
    accepted a setpoint nor was read: nobody knows where its ramp would begin. A unit with old
    telemetry and one that refused get their setpoint again, so that they can come back.
    """
    barred = (reason == LOCAL_CONTROL) | (image.connected == 0)
    barred |= _never_accepted(image) & np.isnan(image.p_meas_mw)
    sent: U1 = (~barred).astype(np.uint8)
    return sent
