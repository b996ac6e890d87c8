"""Third phase of a tick: the split at the look-ahead points, and who is held by what.

`share` calls `aims.aim`, `ahead.split_plain` and `response.serve`; `find_held` calls
`limits.find_holders` and `aims.find_far`.
"""

from vppd.kernels import ahead, aims, limits, response, rows
from vppd.kernels.jit import (
    F8,
    IN,
    IN_2D,
    IN_U1,
    OUT,
    OUT_U1,
    U1,
    f8,
    i8,
    kernel,
    several,
)

FLEET_ROWS = 5  # of `fleet` in `aims.aim`


def work_size(units: int, points: int) -> int:
    """How many numbers `share` needs for its work."""
    return ahead.STATE_SIZE + ahead.BLOCK_SIZE + 2 * points + (FLEET_ROWS + points) * (units + 1)


@kernel(
    several(i8, f8, f8)(
        f8, IN, IN, IN_2D, IN_2D, IN_2D, IN_2D, IN, IN, IN, IN_U1, IN, OUT, OUT, OUT,
    )
)  # fmt: skip
def share(
    able_pu: float, softness: F8, request_mw: F8, free_mw: F8, gain_pu: F8, foreseen: F8,
    units: F8, lower_mw: F8, upper_mw: F8, last_mw: F8, still: U1, price_start: F8,
    out_mw: F8, price: F8, work: F8,
) -> tuple[int, float, float]:  # fmt: skip
    """Split what is to be delivered at K points over n units in no groups.

    Arguments as those of `aims.aim` and `ahead.split_plain`; `foreseen` and `units`: blocks of
    `rows`; `work`: shape (work_size(n, K),).

    Returns
    -------
    status, kkt_mw, served_mw
        Of `ahead.split_plain`, and what comes at the first point, MW. All of the split is to be
        done anew, step by step, if the status is `ahead.UNFINISHED`.
    """
    points, n = gain_pu.shape
    at = ahead.STATE_SIZE
    state = work[:at].reshape(ahead.STATE_SHAPE)
    block = work[at : at + ahead.BLOCK_SIZE]
    at += ahead.BLOCK_SIZE
    wanted_mw, missed_mw = work[at : at + points], work[at + points : at + 2 * points]
    at += 2 * points
    end = at + FLEET_ROWS * (n + 1)
    fleet = work[at:end].reshape((FLEET_ROWS, n + 1))
    aim_gain_pu = work[end : end + points * (n + 1)].reshape((points, n + 1))
    aims.aim(
        request_mw, free_mw, gain_pu, foreseen[rows.STANDS], foreseen[rows.TARGET],
        foreseen[rows.BASE], units[rows.PARTICIPATION], units[rows.COST],
        foreseen[rows.LASTS_LOWER], foreseen[rows.LASTS_UPPER], lower_mw, upper_mw, last_mw,
        still, able_pu, wanted_mw, aim_gain_pu, fleet,
    )  # fmt: skip
    code, _, kkt_mw = ahead.split_plain(
        wanted_mw, softness, aim_gain_pu, fleet[0], fleet[4], fleet[2], fleet[3], price_start,
        out_mw, price, missed_mw, state, block,
    )  # fmt: skip
    return code, kkt_mw, response.serve(free_mw, gain_pu, foreseen[rows.STANDS], out_mw[:n])


@kernel(several(i8, f8)(f8, IN, IN, IN_2D, IN, IN, IN_U1, IN_U1, IN_U1, OUT_U1))
def find_held(
    quiet_pu: float, p_mw: F8, last_mw: F8, units: F8, lower_mw: F8, upper_mw: F8,
    lower_reason: U1, upper_reason: U1, still: U1, held: U1,
) -> tuple[int, float]:  # fmt: skip
    """Write into `held` who is held by what, and count who is to move (see `aims.find_far`)."""
    limits.find_holders(p_mw, lower_mw, upper_mw, lower_reason, upper_reason, held)
    return aims.find_far(
        quiet_pu, p_mw, last_mw, units[rows.P_MIN], units[rows.P_MAX], lower_mw, upper_mw, still,
        held,
    )  # fmt: skip
