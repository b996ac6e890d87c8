"""Where each unit should be, and who meets the request at which look-ahead point.

What the request asks for longer is shared by range (`economy`), after what stores need for their
own recovery (`recover`). Units that are not worth moving stay (`find_still`), and the others are
put before the look-ahead points by how soon they answer (`aim`).
"""

import numpy as np

from vppd.kernels.jit import (
    F8,
    IN,
    IN_2D,
    IN_U1,
    OUT,
    OUT_2D,
    OUT_U1,
    U1,
    f8,
    i8,
    kernel,
    several,
)

S_PER_H = 3600.0
SHARE_MIN = 1e-6  # of a unit that takes no part in the slow request, or has no room: last of all

# Numbers of `vppd.core.types.Reason`, typed again: kernels import nothing from above.
FREE, RAMP, DEAD_BAND = np.uint8(0), np.uint8(2), np.uint8(10)


@kernel()
def _clipped(x: float, low: float, high: float) -> float:
    """Nearest number within the limits; NaN stays NaN."""
    x = low if x < low else x
    return high if x > high else x


@kernel()
def _two_sum(total: float, error: float, term: float) -> tuple[float, float]:
    """Add a term to a sum that carries its rounding error along (TAOCP vol. 2, 4.2.2)."""
    after = total + term
    shift = after - total
    return after, error + ((total - (after - shift)) + (term - shift))


@kernel()
def _share(
    participation: float, base_mw: float, lower_mw: float, upper_mw: float, rises: bool
) -> float:
    """Weight of a unit in what is asked for longer: participation x range in that direction."""
    room_mw = upper_mw - base_mw if rises else base_mw - lower_mw
    share = participation if participation > SHARE_MIN else SHARE_MIN
    return share * (room_mw if room_mw > SHARE_MIN else SHARE_MIN)


@kernel(i8(IN, IN, IN, IN, f8, f8, IN, IN, f8, IN, OUT))
def recover(
    soc_pu: F8,
    energy_mwh: F8,
    soc_min_pu: F8,
    soc_max_pu: F8,
    recovery_s: float,
    recovery_max_pu: float,
    p_min_mw: F8,
    p_max_mw: F8,
    quiet_pu: float,
    held_mw: F8,
    recovery_mw: F8,
) -> int:
    """What brings each of n stores to the middle of its band in `recovery_s`, MW.

    At most `recovery_max_pu` of its range. The figure of the last tick stands while it is off by
    less than `quiet_pu` of the range and has the right sign: as a store comes nearer to the middle
    its figure shrinks with every report of its charge, and that is no reason to move.

    Parameters
    ----------
    soc_pu, energy_mwh, soc_min_pu, soc_max_pu, p_min_mw, p_max_mw : shape (n,)
        Charge (NaN: not reported) and size (NaN: no store); band; rating.
    held_mw : shape (n,)
        Of the last tick; NaN: none.
    recovery_mw : shape (n,), written
        0 of a unit without a store, and of one whose charge is not known.

    Returns
    -------
    int
        Number of stores whose figure stands.
    """
    stand = 0
    for i in range(soc_pu.shape[0]):
        back_mw = (soc_pu[i] - 0.5 * (soc_min_pu[i] + soc_max_pu[i])) * energy_mwh[i]
        back_mw = back_mw * S_PER_H / recovery_s
        range_mw = p_max_mw[i] - p_min_mw[i]
        most_mw = recovery_max_pu * range_mw
        back_mw = 0.0 if np.isnan(back_mw) else _clipped(back_mw, -most_mw, most_mw)
        stands = abs(back_mw - held_mw[i]) < quiet_pu * range_mw and back_mw * held_mw[i] > 0.0
        recovery_mw[i] = held_mw[i] if stands else back_mw
        stand += 1 if stands else 0
    return stand


@kernel(f8(f8, IN, IN, IN, IN, IN, OUT, OUT))
def economy(
    slow_mw: float,
    plan_mw: F8,
    recovery_mw: F8,
    participation: F8,
    lower_mw: F8,
    upper_mw: F8,
    base_mw: F8,
    weight: F8,
) -> float:
    """Where n units begin, and how they share what the request asks for longer. Shapes (n,).

    A store begins beside its plan by its recovery (see `recover`); the others carry that. The
    weights are participation x the range that is left in the direction of the request.

    Parameters
    ----------
    slow_mw : float
        Slow part of the request, on top of the plan.
    lower_mw, upper_mw : shape (n,)
        Ranges, without ramps.
    base_mw, weight : shape (n,), written

    Returns
    -------
    float
        What the units are to give together, MW.
    """
    plan = plan_e = base = base_e = 0.0
    for i in range(plan_mw.shape[0]):
        base_mw[i] = _clipped(plan_mw[i] + recovery_mw[i], lower_mw[i], upper_mw[i])
        plan, plan_e = _two_sum(plan, plan_e, plan_mw[i])
        base, base_e = _two_sum(base, base_e, base_mw[i])
    request_mw = (plan + plan_e) + slow_mw
    rises = request_mw >= base + base_e
    for i in range(plan_mw.shape[0]):
        weight[i] = _share(participation[i], base_mw[i], lower_mw[i], upper_mw[i], rises)
    return request_mw


@kernel(i8(f8, IN, IN, IN, IN, IN, IN, IN, OUT_U1))
def find_still(
    quiet_pu: float, gain_pu: F8, target_mw: F8, last_mw: F8, p_min_mw: F8, p_max_mw: F8,
    lower_mw: F8, upper_mw: F8, still: U1,
) -> int:  # fmt: skip
    """Mark the units of n that keep their last setpoint: it is not worth moving them.

    One that does not answer by the first look-ahead point (`gain_pu` there is 0) stays while its
    target is nearer than `quiet_pu` of its rating's range, within the limits of this tick. What
    that leaves is met by those that answer at once. Returns how many stay.
    """
    count = 0
    for i in range(last_mw.shape[0]):
        last = last_mw[i]
        near = abs(target_mw[i] - last) < quiet_pu * (p_max_mw[i] - p_min_mw[i])
        may = lower_mw[i] <= last <= upper_mw[i] and lower_mw[i] < upper_mw[i]
        stays = near and may and not gain_pu[i] > 0.0
        still[i] = stays
        count += 1 if stays else 0
    return count


@kernel(several(i8, f8)(f8, IN, IN, IN, IN, IN, IN, IN_U1, OUT_U1))
def find_far(
    quiet_pu: float, p_mw: F8, last_mw: F8, p_min_mw: F8, p_max_mw: F8, lower_mw: F8,
    upper_mw: F8, still: U1, held: U1,
) -> tuple[int, float]:  # fmt: skip
    """Count the units of n that are to move by `quiet_pu` of their range or more, or that must.

    One that its ramp holds is on its way, and counts. Of `held`, the reasons that hold units, those
    of units that are free, but `still` (see `find_still`), are written.
    Second value: sum of the ranges, MW.
    """
    far = 0
    total = error = 0.0
    for i in range(p_mw.shape[0]):
        range_mw = p_max_mw[i] - p_min_mw[i]
        total, error = _two_sum(total, error, range_mw)
        may = lower_mw[i] <= last_mw[i] <= upper_mw[i]
        near = p_mw[i] == last_mw[i] or abs(p_mw[i] - last_mw[i]) < quiet_pu * range_mw
        far += 0 if may and near and held[i] != RAMP else 1
        if held[i] == FREE and still[i] != 0:
            held[i] = DEAD_BAND
    return far, total + error


@kernel(
    i8(
        IN, IN_2D, IN_2D, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN_U1, f8,
        OUT, OUT_2D, OUT_2D,
    )
)  # fmt: skip
def aim(
    request_mw: F8,
    free_mw: F8,
    gain_pu: F8,
    told_mw: F8,
    target_mw: F8,
    base_mw: F8,
    participation: F8,
    cost: F8,
    range_lower_mw: F8,
    range_upper_mw: F8,
    lower_mw: F8,
    upper_mw: F8,
    last_mw: F8,
    still: U1,
    able_pu: float,
    wanted_mw: F8,
    aim_gain_pu: F8,
    fleet: F8,
) -> int:
    """Put n units before two look-ahead points: who is to meet the request at which of them.

    Setpoints are given anew at every tick, so a unit that answers by the first point will be told
    something else long before the second. What it holds now says nothing of the second point; there
    all of those together are one unit of their own, number n, that may stand anywhere in their
    range, and would best stand where they begin. The units are of three kinds:

    fast    answer by the first point: they meet the request there, around their target, at their
            cost; at the second they are unit n.
    medium  answer by the second (gain at least `able_pu`): with unit n they meet there what the
            slow ones will not have delivered, by range x participation.
    slow    take their target.

    So medium units move ahead of what fast ones cannot hold for long, and those keep their room.

    Parameters
    ----------
    request_mw : shape (2,)
        Request at the points.
    free_mw, gain_pu : shape (2, n)
        Free response and gains (see `foresee`).
    told_mw, target_mw, base_mw, participation, cost : shape (n,)
        Last setpoint; economic target; where the unit begins; share; cost > 0 of leaving its
        target.
    range_lower_mw, range_upper_mw, lower_mw, upper_mw : shape (n,)
        Limits without and with the ramp.
    last_mw, still : shape (n,)
        Where units are held that are still (see `find_still`).
    wanted_mw : shape (2,), written
        What the setpoints x gains are to add up to.
    aim_gain_pu : shape (2, n + 1), written
    fleet : shape (5, n + 1), written
        Targets, weights (1 / cost), lower and upper limits of the split; and the weights again,
        with 1 of a unit that is held at one value: it moves at no price, and its weight would only
        say how far prices are tried.

    Returns
    -------
    int
        Number of fast units.
    """
    n = told_mw.shape[0]
    aim_mw, weight, aim_lower_mw, aim_upper_mw = fleet[0], fleet[1], fleet[2], fleet[3]
    pull = fleet[4]
    stays = stays_e = late = late_e = begin = begin_e = low = low_e = high = high_e = 0.0
    base = base_e = 0.0
    fast = 0
    for i in range(n):
        quick = gain_pu[0, i] > 0.0
        able = quick or gain_pu[1, i] >= able_pu
        stays, stays_e = _two_sum(stays, stays_e, free_mw[0, i] - gain_pu[0, i] * told_mw[i])
        if able:
            begin, begin_e = _two_sum(begin, begin_e, base_mw[i])
        else:
            late, late_e = _two_sum(late, late_e, free_mw[1, i])
        if quick:
            fast += 1
            base, base_e = _two_sum(base, base_e, base_mw[i])
            low, low_e = _two_sum(low, low_e, range_lower_mw[i])
            high, high_e = _two_sum(high, high_e, range_upper_mw[i])
        aim_gain_pu[0, i] = gain_pu[0, i]
        aim_gain_pu[1, i] = 1.0 if able and not quick else 0.0
    wanted_mw[0] = request_mw[0] - (stays + stays_e)
    wanted_mw[1] = request_mw[1] - (late + late_e)
    rises = wanted_mw[1] >= begin + begin_e
    together = together_e = 0.0
    for i in range(n):
        share = _share(participation[i], base_mw[i], range_lower_mw[i], range_upper_mw[i], rises)
        medium = aim_gain_pu[1, i] > 0.0
        aim_mw[i] = base_mw[i] if medium else target_mw[i]
        weight[i] = share if medium else 1.0 / cost[i]
        low_mw, high_mw = lower_mw[i], upper_mw[i]
        if still[i] != 0:
            low_mw = high_mw = last_mw[i]
        aim_lower_mw[i], aim_upper_mw[i] = low_mw, high_mw
        pull[i] = weight[i] if low_mw < high_mw else 1.0
        if gain_pu[0, i] > 0.0:
            together, together_e = _two_sum(together, together_e, share)
    aim_gain_pu[0, n], aim_gain_pu[1, n] = 0.0, 1.0
    aim_mw[n] = base + base_e
    weight[n] = together + together_e + SHARE_MIN
    aim_lower_mw[n], aim_upper_mw[n] = low + low_e, high + high_e
    pull[n] = weight[n] if aim_lower_mw[n] < aim_upper_mw[n] else 1.0
    return fast
