"""Second phase of a tick: what is under way, and where each unit should be without transients.

It calls, in this order: `response.shift_rows`, `response.foresee`, `headroom.lasting`,
`aims.recover`, `aims.economy`, `exact.split_exact`, `aims.find_still`.
"""

from vppd.kernels import aims, exact, headroom, response, rows
from vppd.kernels.jit import (
    F8,
    I8,
    IN,
    IN_2D,
    IN_I8,
    IN_U1,
    OUT,
    OUT_2D,
    OUT_U1,
    U1,
    f8,
    kernel,
    void,
)

CORRECTION = 0.1  # of the difference to a measurement; telemetry is noisy, the model is not
OFFSET_CORRECTION = 0.02
LASTS_S = 1800.0  # a store is not asked for longer what it cannot hold that long
RECOVERY_MAX_PU = 0.1  # of a store's range goes into its own recovery, at most


@kernel(
    void(
        f8, f8, f8, f8, f8, f8, f8, IN_2D, IN, IN_I8, IN, IN_2D,
        IN, IN, IN, IN, IN, IN, IN_U1,
        IN, IN, IN, IN, IN, IN_U1, IN_U1,
        IN, IN, IN, IN, IN, IN, OUT, OUT, OUT_2D, OUT_2D, OUT_U1,
    )
)  # fmt: skip
def look_ahead(
    now_s: float, before_s: float, tick_s: float, soc_horizon_s: float, recovery_s: float,
    quiet_pu: float, slow_mw: float, units: F8, snap_mw: F8, past_end: I8, ahead_s: F8,
    gain_pu: F8,
    model_mw: F8, offset_mw: F8, seen_s: F8, recovery_mw: F8, was_past_mw: F8, was_when_s: F8,
    was_out: U1,
    p_meas_mw: F8, measured_at_s: F8, accepted_mw: F8, accepted_at_s: F8, soc_pu: F8,
    quality: U1, write_result: U1,
    plan_mw: F8, last_mw: F8, range_lower_mw: F8, range_upper_mw: F8, lower_mw: F8, upper_mw: F8,
    past_mw: F8, when_s: F8, free_mw: F8, foreseen: F8, still: U1,
) -> None:  # fmt: skip
    """Predict the output of n units at K look-ahead points, and say where each should be.

    Parameters
    ----------
    now_s, before_s, tick_s, soc_horizon_s, recovery_s, quiet_pu : float
        Instants of this tick and of the last one (NaN: there was none); as in `Params`.
    slow_mw : float
        Slow part of the request, on top of the plan.
    units : shape (len(rows.UNIT_FIELDS), n)
    snap_mw, past_end, ahead_s, gain_pu : shapes (n,), (n,), (K,), (K, n)
        As in `response.foresee` and `response.find_gains`.
    model_mw ... was_out : shapes (n,), those of the past as in `response.shift_rows`
        Of the last tick, as in `State`.
    p_meas_mw ... write_result : shape (n,)
        Of `Image`.
    plan_mw, last_mw, range_lower_mw, range_upper_mw, lower_mw, upper_mw : shape (n,)
        Basepoints in force, last setpoints, ranges without ramps, limits of this tick.
    past_mw, when_s, free_mw : as the first two before, and (K, n), written
    foreseen : shape (rows.FORESEEN_ROWS, n), written
    still : shape (n,), written
        See `aims.find_still`.
    """
    base_mw, target_mw = foreseen[rows.BASE], foreseen[rows.TARGET]
    lasts_lower_mw, lasts_upper_mw = foreseen[rows.LASTS_LOWER], foreseen[rows.LASTS_UPPER]
    back_mw, weight = foreseen[rows.RECOVERY], foreseen[rows.WEIGHT]
    model_after_mw, offset_after_mw = foreseen[rows.MODEL], foreseen[rows.OFFSET]
    output_mw = foreseen[rows.OUTPUT]
    energy_mwh = units[rows.ENERGY]
    soc_min_pu, soc_max_pu = units[rows.SOC_MIN], units[rows.SOC_MAX]
    response.shift_rows(
        now_s, tick_s, was_when_s, past_end, was_past_mw, accepted_mw, accepted_at_s,
        write_result, was_out, last_mw, past_mw, when_s, foreseen[rows.STANDS],
    )  # fmt: skip
    response.foresee(
        before_s, now_s, model_mw, offset_mw, seen_s, p_meas_mw, measured_at_s, quality,
        units[rows.DEAD], units[rows.LAG], past_end, CORRECTION, OFFSET_CORRECTION, snap_mw,
        last_mw, past_mw, when_s, ahead_s, model_after_mw, offset_after_mw,
        foreseen[rows.SEEN], foreseen[rows.OFF], free_mw,
    )  # fmt: skip
    headroom.lasting(
        soc_pu, energy_mwh, soc_min_pu, soc_max_pu, units[rows.CHARGE], units[rows.DISCHARGE],
        LASTS_S + soc_horizon_s, range_lower_mw, range_upper_mw, lasts_lower_mw,
        lasts_upper_mw,
    )  # fmt: skip
    aims.recover(
        soc_pu, energy_mwh, soc_min_pu, soc_max_pu, recovery_s, RECOVERY_MAX_PU,
        units[rows.P_MIN], units[rows.P_MAX], quiet_pu, recovery_mw, back_mw,
    )  # fmt: skip
    request_mw = aims.economy(
        slow_mw, plan_mw, back_mw, units[rows.PARTICIPATION], lasts_lower_mw, lasts_upper_mw,
        base_mw, weight,
    )  # fmt: skip
    for i in range(base_mw.shape[0]):
        target_mw[i] = base_mw[i]  # where the split has bad numbers
        output_mw[i] = model_after_mw[i] + offset_after_mw[i]
    exact.split_exact(request_mw, base_mw, weight, lasts_lower_mw, lasts_upper_mw, 0.0, target_mw)
    aims.find_still(
        quiet_pu, gain_pu[0], target_mw, last_mw, units[rows.P_MIN], units[rows.P_MAX],
        lower_mw, upper_mw, still,
    )  # fmt: skip
