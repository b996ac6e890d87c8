"""The rules of who takes part for a State, an Image and Params: each kernel by itself."""

import numpy as np

from vppd.core.types import F8, U1, Image, Mode, Params, State
from vppd.kernels import participation


def who_takes_part(state: State, seen: Image, p: Params) -> tuple[U1, U1, F8]:
    """Reasons, who is adrift, and setpoints in force, MW (`take_part`)."""
    n = len(p.ids)
    reason, adrift, last_mw = np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty(n)
    participation.take_part(
        seen.now_s, state.now_s, state.p_setpoint_mw, state.sent, state.told_mw,
        state.out_reason, seen.p_meas_mw, seen.measured_at_s, seen.accepted_mw,
        seen.accepted_at_s, seen.quality, seen.write_result, seen.remote, seen.connected,
        seen.locked, p.telemetry_age_max_s, p.watchdog_s, p.fallback_mw, p.p_min_mw, p.p_max_mw,
        reason, adrift, last_mw,
    )  # fmt: skip
    return reason, adrift, last_mw


def counted_mw(reason: U1, last_mw: F8, seen: Image, p: Params) -> F8:
    """What units outside the split are counted with, MW (`counted`)."""
    out_mw = np.empty(len(p.ids))
    participation.counted(
        reason, last_mw, seen.accepted_mw, seen.p_meas_mw, p.fallback_mw, out_mw
    )  # fmt: skip
    return out_mw


def within_ramp_mw(wanted_mw: F8, last_mw: F8, seen: Image, p: Params, dt_s: float) -> F8:
    """Where units come on their way, MW (`within_ramp`)."""
    out_mw = np.empty(len(p.ids))
    participation.within_ramp(
        wanted_mw, last_mw, p.ramp_up_mw_per_s, p.ramp_down_mw_per_s, dt_s,
        p.p_min_mw, p.p_max_mw, seen.p_avail_min_mw, seen.p_avail_max_mw, out_mw,
    )  # fmt: skip
    return out_mw


def pinned_mw(
    mode: Mode, reason: U1, adrift: U1, last_mw: F8, seen: Image, p: Params, dt_s: float
) -> tuple[F8, U1]:
    """What units outside the split are told or counted with, MW, and who can be told (`pinned`)."""
    out_mw, takes = np.empty(last_mw.size), np.empty(last_mw.size, np.uint8)
    participation.pinned(
        mode is Mode.SAFE, reason, last_mw, seen.connected, adrift, seen.accepted_mw,
        seen.accepted_at_s, seen.p_meas_mw, seen.operator_mw, p.fallback_mw,
        p.safe_mw, seen.basepoint_mw, p.ramp_up_mw_per_s, p.ramp_down_mw_per_s,
        dt_s, p.p_min_mw, p.p_max_mw, seen.p_avail_min_mw, seen.p_avail_max_mw, out_mw, takes,
    )  # fmt: skip
    return out_mw, takes
