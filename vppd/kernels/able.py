"""First phase of a tick: who takes part, and every limit of each unit folded into one box.

It calls, in this order: `participation.take_part`, `trust.judge`, `participation.pinned`,
`limits.fold_limits`, `trust.shrink`.
"""

from vppd.kernels import limits, participation, rows, trust
from vppd.kernels.jit import (
    F8,
    IN,
    IN_2D,
    IN_U1,
    OUT_2D,
    OUT_U1_2D,
    U1,
    b1,
    f8,
    i8,
    kernel,
    void,
)


@kernel(void(OUT_U1_2D))
def mark_crossed(flags: U1) -> None:
    """Take the units out whose limits contradict each other (rows of `rows`)."""
    for i in range(flags.shape[1]):
        if flags[rows.LOWER_WHY, i] == limits.CROSSED:
            flags[rows.OUT, i] = limits.CROSSED


@kernel(
    i8(
        f8, f8, f8, b1, f8, f8, IN_2D, IN, IN, IN, IN, IN, IN_U1, IN_U1,
        IN, IN, IN, IN, IN, IN, IN, IN, IN, IN_U1, IN_U1, IN_U1, IN_U1, IN_U1,
        OUT_2D, OUT_U1_2D,
    )
)  # fmt: skip
def find_able(
    now_s: float, before_s: float, dt_s: float, safe: bool, doubt_max_pu: float,
    soc_horizon_s: float, units: F8,
    p_setpoint_mw: F8, told_mw: F8, doubt: F8, benched_s: F8, bench_wait_s: F8, sent: U1,
    was_out: U1,
    p_meas_mw: F8, measured_at_s: F8, accepted_mw: F8, accepted_at_s: F8, operator_mw: F8,
    basepoint_mw: F8, soc_pu: F8, p_avail_min_mw: F8, p_avail_max_mw: F8,
    quality: U1, write_result: U1, remote: U1, connected: U1, locked: U1,
    able: F8, flags: U1,
) -> int:  # fmt: skip
    """Say what each of n units can do in this tick.

    Parameters
    ----------
    now_s, before_s, dt_s : float
        Instants of this tick and of the last one (NaN: there was none), and the time since it.
    safe : bool
        Mode SAFE.
    doubt_max_pu : float
        Doubt that benches a unit, in parts of its range; 0: nobody is doubted.
    soc_horizon_s : float
        SoC limits look that far ahead.
    units : shape (len(rows.UNIT_FIELDS), n)
    p_setpoint_mw ... was_out : shape (n,)
        Of the last tick, as in `State` (`was_out`: its `out_reason`).
    p_meas_mw ... locked : shape (n,)
        Of `Image`.
    able, flags : shapes (rows.ABLE_ROWS, n), (rows.FLAG_ROWS, n), written
        Rows of trust are not, where nobody is doubted.

    Returns
    -------
    int
        Number of benched units.
    """
    p_min_mw, p_max_mw = units[rows.P_MIN], units[rows.P_MAX]
    ramp_up, ramp_down = units[rows.RAMP_UP], units[rows.RAMP_DOWN]
    last_mw, pin_mw = able[rows.LAST], able[rows.PIN]
    out, adrift, takes = flags[rows.OUT], flags[rows.ADRIFT], flags[rows.TAKES]
    participation.take_part(
        now_s, before_s, p_setpoint_mw, sent, told_mw, was_out, p_meas_mw, measured_at_s,
        accepted_mw, accepted_at_s, quality, write_result, remote, connected, locked,
        units[rows.AGE_MAX], units[rows.WATCHDOG], units[rows.FALLBACK], p_min_mw, p_max_mw,
        out, adrift, last_mw,
    )  # fmt: skip
    benched = 0
    if doubt_max_pu > 0.0:
        benched = trust.judge(
            now_s, dt_s, doubt_max_pu, p_min_mw, p_max_mw, p_meas_mw, last_mw, doubt, benched_s,
            bench_wait_s, was_out, out, able[rows.DOUBT], able[rows.BENCHED_S],
            able[rows.BENCH_WAIT_S],
        )  # fmt: skip
    participation.pinned(
        safe, out, last_mw, connected, adrift, accepted_mw, accepted_at_s, p_meas_mw, operator_mw,
        units[rows.FALLBACK], units[rows.SAFE], basepoint_mw, ramp_up, ramp_down, dt_s,
        p_min_mw, p_max_mw, p_avail_min_mw, p_avail_max_mw, pin_mw, takes,
    )  # fmt: skip
    crossed = limits.fold_limits(
        p_min_mw, p_max_mw, last_mw, ramp_up, ramp_down, dt_s,
        soc_pu, units[rows.ENERGY], units[rows.SOC_MIN], units[rows.SOC_MAX],
        units[rows.CHARGE], units[rows.DISCHARGE], soc_horizon_s,
        p_avail_min_mw, p_avail_max_mw, out, pin_mw,
        able[rows.LOWER], able[rows.UPPER], flags[rows.LOWER_WHY], flags[rows.UPPER_WHY],
        able[rows.RANGE_LOWER], able[rows.RANGE_UPPER],
    )  # fmt: skip
    if crossed > 0:
        mark_crossed(flags)
    if doubt_max_pu > 0.0:
        trust.shrink(
            doubt_max_pu, able[rows.DOUBT], out, basepoint_mw, able[rows.LOWER],
            able[rows.UPPER], flags[rows.LOWER_WHY], flags[rows.UPPER_WHY],
            able[rows.RANGE_LOWER], able[rows.RANGE_UPPER],
        )  # fmt: skip
    return benched
