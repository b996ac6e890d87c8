"""The rules of participation, written once more with whole arrays, for comparison."""

import numpy as np

from vppd.core.types import Mode, Quality, Reason, WriteResult

MEASURED_MAX_MW = 1e5


def out_of_split(image, params):
    reason = np.zeros(len(params.ids), dtype=np.uint8)
    since_s = image.now_s - image.accepted_at_s
    refused = image.write_result == WriteResult.REFUSED
    reason[refused] = Reason.REFUSED
    unheard = refused | (image.write_result == WriteResult.UNKNOWN)
    reason[unheard & (since_s > params.watchdog_s)] = Reason.FALLBACK
    reason[image.remote == 0] = Reason.LOCAL_CONTROL
    lost = (image.connected == 0) | (image.quality != Quality.ONLINE)
    silent = lost | ~is_young(image, params)
    reason[silent] = Reason.TELEMETRY_AGE
    reason[lost] = Reason.UNREACHABLE
    reason[silent & ~(since_s <= params.watchdog_s)] = Reason.FALLBACK
    operated = (image.locked != 0) & ~silent & (reason != Reason.LOCAL_CONTROL)
    reason[operated] = Reason.OPERATOR
    return reason


def is_young(image, params):
    age_s = image.now_s - image.measured_at_s
    return (age_s <= params.telemetry_age_max_s) & (np.abs(image.p_meas_mw) <= MEASURED_MAX_MW)


def has_good_reading(image, params):
    online = (image.connected != 0) & (image.quality == Quality.ONLINE)
    return online & is_young(image, params)


def is_adrift(image, params):
    late = image.now_s - image.accepted_at_s > params.watchdog_s
    return late & has_good_reading(image, params)


def never_accepted(image):
    return np.isnan(image.accepted_at_s) | np.isnan(image.accepted_mw)


def last_setpoints_mw(state, image, params, reason, adrift):
    measured_mw = np.where(np.isnan(image.p_meas_mw), params.fallback_mw, image.p_meas_mw)
    never = never_accepted(image)
    refused = image.write_result == WriteResult.REFUSED
    told_since = (state.out_reason != Reason.NONE) & (image.accepted_at_s > state.now_s)
    read_since = image.measured_at_s > state.now_s
    from_reading = (never | adrift) & ((state.sent == 0) | refused | read_since)
    away = (state.out_reason == Reason.UNREACHABLE) | (reason == Reason.UNREACHABLE)
    away |= reason == Reason.TELEMETRY_AGE
    away &= (state.sent == 0) & ~np.isnan(state.told_mw)
    told_mw = np.where(away, state.told_mw, state.p_setpoint_mw)
    last_mw = np.where(np.isnan(told_mw), measured_mw, told_mw)
    last_mw = np.where((refused | told_since) & ~never, image.accepted_mw, last_mw)
    last_mw = np.where(from_reading, measured_mw, last_mw)
    return np.minimum(np.maximum(last_mw, params.p_min_mw), params.p_max_mw)


def counted_mw(reason, last_mw, image, params):
    held_mw = np.where(np.isnan(image.accepted_mw), last_mw, image.accepted_mw)
    out_mw = last_mw.copy()
    for code in (Reason.UNREACHABLE, Reason.TELEMETRY_AGE, Reason.REFUSED):
        out_mw = np.where(reason == code, held_mw, out_mw)
    out_mw = np.where(reason == Reason.FALLBACK, params.fallback_mw, out_mw)
    measured_mw = np.where(np.isnan(image.p_meas_mw), last_mw, image.p_meas_mw)
    return np.where(reason == Reason.LOCAL_CONTROL, measured_mw, out_mw)


def within_ramp_mw(wanted_mw, last_mw, image, params, dt_s):
    reached_mw = np.minimum(wanted_mw, last_mw + params.ramp_up_mw_per_s * dt_s)
    reached_mw = np.maximum(reached_mw, last_mw - params.ramp_down_mw_per_s * dt_s)
    low_mw = np.fmax(params.p_min_mw, image.p_avail_min_mw)
    high_mw = np.fmin(params.p_max_mw, image.p_avail_max_mw)
    crossed = low_mw > high_mw
    low_mw = np.where(crossed, params.p_min_mw, low_mw)
    high_mw = np.where(crossed, params.p_max_mw, high_mw)
    return np.minimum(np.maximum(reached_mw, low_mw), high_mw)


def takes_setpoints(reason, adrift, image):
    barred = (reason == Reason.LOCAL_CONTROL) | (image.connected == 0)
    barred |= (reason == Reason.FALLBACK) & ~adrift
    barred |= never_accepted(image) & np.isnan(image.p_meas_mw)
    return (~barred).astype(np.uint8)


def pinned_mw(mode, reason, adrift, last_mw, image, params, dt_s):
    held = reason == Reason.OPERATOR
    takes = takes_setpoints(reason, adrift, image) != 0
    wanted_mw = counted_mw(reason, last_mw, image, params)
    wanted_mw = np.where(held & ~np.isnan(image.operator_mw), image.operator_mw, wanted_mw)
    benched = reason == Reason.BENCHED
    wanted_mw = np.where(benched, image.basepoint_mw, wanted_mw)
    moves = held | (takes & ((reason == Reason.FALLBACK) | (reason == Reason.REFUSED) | benched))
    if mode is Mode.SAFE:
        told = takes & ~held
        wanted_mw = np.where(told, params.safe_mw, wanted_mw)
        moves = moves | told
    again = takes & ~moves
    again &= (reason == Reason.UNREACHABLE) | (reason == Reason.TELEMETRY_AGE)
    nearer_mw = np.minimum(wanted_mw, last_mw + params.ramp_up_mw_per_s * dt_s)
    nearer_mw = np.maximum(nearer_mw, last_mw - params.ramp_down_mw_per_s * dt_s)
    nearer_mw = np.minimum(np.maximum(nearer_mw, params.p_min_mw), params.p_max_mw)
    wanted_mw = np.where(again, nearer_mw, wanted_mw)
    return np.where(moves, within_ramp_mw(wanted_mw, last_mw, image, params, dt_s), wanted_mw)
