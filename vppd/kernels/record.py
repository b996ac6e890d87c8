"""Last phase of a tick: what stays of it for the next one, and what a decision tells in sums."""

from vppd.kernels import response, rows, tally, trust
from vppd.kernels.jit import (
    F8,
    I8,
    IN,
    IN_2D,
    IN_I8,
    IN_U1,
    OUT,
    OUT_U1,
    U1,
    f8,
    kernel,
    several,
)

FORGET_S = 30.0  # time in which 63 % of what a reading said is forgotten


@kernel(
    several(f8, f8, f8, f8, f8)(IN_U1, IN, IN, IN_U1, IN, IN, IN, IN, OUT, OUT_U1)
)  # fmt: skip
def record(
    send: U1, p_mw: F8, was_told_mw: F8, out: U1, lower_mw: F8, upper_mw: F8,
    range_lower_mw: F8, range_upper_mw: F8, told_mw: F8, held: U1,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """Keep what n units were told last, and sum up their setpoints. All arrays: shape (n,).

    `send`, `p_mw`, `was_told_mw`, `told_mw` (written) as in `response.remember`; reasons `out`,
    limits and `held` (changed) as in `tally.tally`, whose sums are returned.
    """
    response.remember(send, p_mw, was_told_mw, told_mw)
    return tally.tally(p_mw, lower_mw, upper_mw, range_lower_mw, range_upper_mw, out, held)


@kernel(
    f8(
        f8, IN_U1, IN, IN_I8, IN_2D, IN_2D, IN_2D, IN_2D, IN_2D, IN, IN, IN, IN, IN_U1, IN_U1,
        OUT, OUT, OUT, OUT,
    )
)  # fmt: skip
def record_ahead(
    doubt_max_pu: float, send: U1, p_mw: F8, past_end: I8, units: F8, able: F8, foreseen: F8,
    free_mw: F8, gain_pu: F8, p_meas_mw: F8, was_seen_s: F8, p_avail_min_mw: F8,
    p_avail_max_mw: F8, was_out: U1, out: U1,
    past_mw: F8, expected_mw: F8, sum_mw: F8, doubt: F8,
) -> float:  # fmt: skip
    """Keep setpoints and doubt for the next prediction, and say what is expected of n units, MW.

    `units`, `able`, `foreseen`: blocks of n columns, see `rows`; the others as in `response.keep`,
    `response.expect` and `trust.count_doubt`, which are called. `doubt` is not written where nobody
    is doubted (`doubt_max_pu` is 0). Returns what is expected together.
    """
    response.keep(past_end, send, p_mw, able[rows.LAST], past_mw)
    if doubt_max_pu > 0.0:
        trust.count_doubt(
            doubt_max_pu, FORGET_S, foreseen[rows.OFF], p_meas_mw, was_seen_s,
            foreseen[rows.SEEN], units[rows.P_MIN], units[rows.P_MAX], p_avail_min_mw,
            p_avail_max_mw, able[rows.DOUBT], was_out, out, doubt,
        )  # fmt: skip
    return response.expect(free_mw, gain_pu, foreseen[rows.STANDS], p_mw, expected_mw, sum_mw)
