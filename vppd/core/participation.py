"""Which units take part in the split, and what the others are counted with.

A unit that cannot be reached is not zero: it does what it was last told until its watchdog runs
out, then it goes to its fallback. So it is counted by that prediction, and the others carry the
rest. One dead unit costs the others nothing but its share.
"""

import numpy as np

from vppd.core.types import F8, U1, Image, Params, Quality, Reason, State, WriteResult

# Plain numbers: looking members up in their enums would cost a tenth of the tick.
ONLINE = int(Quality.ONLINE)
REFUSED_WRITE = int(WriteResult.REFUSED)
TELEMETRY_AGE = int(Reason.TELEMETRY_AGE)
UNREACHABLE = int(Reason.UNREACHABLE)
FALLBACK = int(Reason.FALLBACK)
OPERATOR = int(Reason.OPERATOR)
LOCAL_CONTROL = int(Reason.LOCAL_CONTROL)
REFUSED = int(Reason.REFUSED)


def out_of_split(image: Image, params: Params) -> U1:
    """Reason why each unit takes no part, shape (n,); NONE if it does.

    Later lines win: what the operator says outranks what the unit says, and that what is guessed.
    """
    reason = np.zeros(len(params.ids), dtype=np.uint8)
    age_s = image.now_s - image.measured_at_s
    reason[image.write_result == REFUSED_WRITE] = REFUSED
    reason[image.remote == 0] = LOCAL_CONTROL
    # Written positively: the comparison is false for NaN, a unit that was never read.
    reason[~(age_s <= params.telemetry_age_max_s)] = TELEMETRY_AGE
    lost = (image.connected == 0) | (image.quality != ONLINE)
    reason[lost] = UNREACHABLE
    silent = (reason == UNREACHABLE) | (reason == TELEMETRY_AGE)
    reason[silent & ~_holds_setpoint(image, params)] = FALLBACK
    reason[(image.locked != 0) & ~silent] = OPERATOR
    return reason


def _holds_setpoint(image: Image, params: Params) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Units whose watchdog still holds the last accepted setpoint, shape (n,)."""
    since_s = image.now_s - image.accepted_at_s
    holds: np.ndarray[tuple[int], np.dtype[np.bool_]] = since_s <= params.watchdog_s
    return holds


def last_setpoints_mw(state: State, image: Image, params: Params) -> F8:
    """Where each unit's ramp starts from, MW: its setpoint in force, shape (n,).

    That is the last one sent. A unit that never accepted one starts from where it is measured
    to be; one that refused the last stands at the last that it accepted.
    """
    measured_mw = np.where(np.isnan(image.p_meas_mw), params.fallback_mw, image.p_meas_mw)
    never = np.isnan(image.accepted_at_s) | np.isnan(image.accepted_mw)
    refused = image.write_result == REFUSED_WRITE
    last_mw = np.where(np.isnan(state.p_setpoint_mw), measured_mw, state.p_setpoint_mw)
    last_mw = np.where(refused, image.accepted_mw, last_mw)
    last_mw = np.where(never, measured_mw, last_mw)
    return np.minimum(np.maximum(last_mw, params.p_min_mw), params.p_max_mw)


def counted_mw(reason: U1, last_mw: F8, image: Image, params: Params) -> F8:
    """What a unit outside the split is counted with, MW, shape (n,); last_mw for the others."""
    held_mw = np.where(np.isnan(image.accepted_mw), last_mw, image.accepted_mw)
    out_mw = last_mw.copy()
    for code in (UNREACHABLE, TELEMETRY_AGE, REFUSED):
        out_mw = np.where(reason == code, held_mw, out_mw)
    out_mw = np.where(reason == FALLBACK, params.fallback_mw, out_mw)
    measured_mw = np.where(np.isnan(image.p_meas_mw), last_mw, image.p_meas_mw)
    return np.where(reason == LOCAL_CONTROL, measured_mw, out_mw)


def takes_setpoints(reason: U1, image: Image) -> U1:
    """1 for each unit that a setpoint is sent to, shape (n,).

    Not to a unit whose link is down or that its own staff controls. A unit with old telemetry
    and one that refused get their setpoint again, so that they can come back.
    """
    barred = (reason == LOCAL_CONTROL) | (image.connected == 0)
    sent: U1 = (~barred).astype(np.uint8)
    return sent
