"""Which units take part in the split, and what the others are counted with.

A unit that cannot be reached is not zero: it does what it was last told until its watchdog runs
out, then it goes to its fallback. So it is counted by that prediction, and the others carry the
rest. One dead unit costs the others nothing but its share.
"""

import numpy as np

from vppd.core.types import F8, U1, Image, Mode, Params, State
from vppd.kernels import participation as kernel
from vppd.kernels.jit import entry

_counted = entry(kernel.counted)
_good_readings = entry(kernel.good_readings)
_pinned = entry(kernel.pinned)
_take_part = entry(kernel.take_part)
_within_ramp = entry(kernel.within_ramp)


def who_takes_part(state: State, image: Image, params: Params) -> tuple[U1, U1, F8]:
    """Reason why each unit takes no part, NONE if it does; who is adrift; setpoints in force, MW.

    Each of shape (n,). What the unit says outranks what is guessed, silence outranks both, and the
    operator whatever he can still change.

    Adrift (1) is a unit that is read, but accepted no setpoint for longer than its watchdog.

    Ramps start from the setpoint in force. That is the last one sent, and stays it while the unit
    is out of reach and counted by an earlier one that it accepted: it may have taken the later ones
    without an answer. One that refused the last stands at the last that it accepted, and so does
    one that was counted by a prediction and has accepted a setpoint since. A unit that never
    accepted one, or none for too long, starts from where it is measured to be; but a reading from
    before the last tick says nothing of a setpoint that was sent in it.
    """
    n = len(params.ids)
    reason, adrift, last_mw = np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty(n)
    _take_part(
        image.now_s, state.now_s, state.p_setpoint_mw, state.sent, state.told_mw,
        state.out_reason, image.p_meas_mw, image.measured_at_s, image.accepted_mw,
        image.accepted_at_s, image.quality, image.write_result, image.remote, image.connected,
        image.locked, params.telemetry_age_max_s, params.watchdog_s, params.fallback_mw,
        params.p_min_mw, params.p_max_mw, reason, adrift, last_mw,
    )  # fmt: skip
    return reason, adrift, last_mw


def has_good_reading(image: Image, params: Params) -> U1:
    """1 for each unit that is known to be where it is measured, shape (n,)."""
    good = np.empty(len(params.ids), np.uint8)
    _good_readings(
        image.now_s, image.p_meas_mw, image.measured_at_s, params.telemetry_age_max_s,
        image.quality, image.connected, good,
    )  # fmt: skip
    return good


def counted_mw(reason: U1, last_mw: F8, image: Image, params: Params) -> F8:
    """What a unit outside the split is counted with, MW, shape (n,); last_mw for the others."""
    out_mw = np.empty(len(params.ids))
    _counted(
        reason, last_mw, image.accepted_mw, image.p_meas_mw, params.fallback_mw, out_mw
    )  # fmt: skip
    return out_mw


def within_ramp_mw(wanted_mw: F8, last_mw: F8, image: Image, params: Params, dt_s: float) -> F8:
    """Where units come on their way to `wanted_mw`, MW, shape (n,).

    Within ramp, and within the rating and what is available, which beat the ramp. Limits that
    contradict each other leave the rating.
    """
    out_mw = np.empty(len(params.ids))
    _within_ramp(
        wanted_mw, last_mw, params.ramp_up_mw_per_s, params.ramp_down_mw_per_s, dt_s,
        params.p_min_mw, params.p_max_mw, image.p_avail_min_mw, image.p_avail_max_mw, out_mw,
    )  # fmt: skip
    return out_mw


def pinned_mw(
    mode: Mode, reason: U1, adrift: U1, last_mw: F8, image: Image, params: Params, dt_s: float
) -> tuple[F8, U1]:
    """What each unit outside the split is told, or counted with, MW; 1 for each that can be told.

    Both of shape (n,); the second is of the units in the split, too. No setpoint is sent to a unit
    whose link is down or that its own staff controls, nor to one of which nobody knows where its
    ramp would begin: that neither accepted a setpoint nor was read, or accepted none within its
    watchdog and cannot be read. A unit with old telemetry and one that refused get their setpoint
    again, so that they can come back.

    A unit that is counted by what it accepted last, and can be told, is told that again; from what
    it was sent since, it is brought back to it within the ramp. The operator's value, at a stop the
    safe value, of a benched unit its basepoint, and of a unit that can be told its fallback, or
    what it accepted before it refused, are approached within the ramp, too. A unit that the
    operator holds stays there in mode SAFE.
    """
    out_mw, takes = np.empty(last_mw.size), np.empty(last_mw.size, np.uint8)
    _pinned(
        mode is Mode.SAFE, reason, last_mw, image.connected, adrift, image.accepted_mw,
        image.accepted_at_s, image.p_meas_mw, image.operator_mw, params.fallback_mw,
        params.safe_mw, image.basepoint_mw, params.ramp_up_mw_per_s, params.ramp_down_mw_per_s,
        dt_s, params.p_min_mw, params.p_max_mw, image.p_avail_min_mw, image.p_avail_max_mw, out_mw,
        takes,
    )  # fmt: skip
    return out_mw, takes
