"""How many MW above and below the plan can be promised: reached in time, and held.

For each horizon T, counted from now, and each direction, unit i gives

    room = min(limit, output at T) - basepoint

* *Held*: `limit` is the unit's range (rating, availability), and of a store what its energy gives
  from now through T: energy between SoC and the band's end, x the efficiency of discharging or
  / that of charging, over T + `soc_horizon_s`. The tick's own limits keep the band that far ahead
  (`kernels/limits.py`), so with less than that left the power would be taken back before T.
* *Reached*: the setpoint moves to `limit` within the ramp, from the one in force; the output
  follows it after the dead time with the first-order lag (`_arrived`), on top of what is left of
  the way to the setpoint in force. A change still in its dead time has not arrived.

A unit that cannot even be at its basepoint has a room below zero: the others must carry that first,
so it counts in full. A unit out of the split, or a store whose SoC is not known, has none, and is
counted where it stands: what it lacks of its basepoint counts, what it has beyond does not, for
nobody promised that it stays. The sums are never below zero.

AGC asks for a step, and slow units come later: until then stores bridge what is missing, with what
they cannot give twice. What bridging needs beyond the energy that stores have to spare is
taken off their part (`_bridged`).

Limits of groups (site, feeder, transformer) hold for the sums of basepoints and rooms of their
units: what a group cannot carry of its units' rooms is taken off, from the lowest group up.

The *firm* sums hold when things go wrong that do go wrong:

* the SoC is off by `soc_error_pu`, against us;
* of each unit's room only `firm_pu` is there: availability that is reported may vanish;
* the largest single unit is lost (n-1): its room, and its basepoint where that is generation (of a
  sum upwards) or load (downwards), for it may trip as well as stop listening.
"""

import numpy as np

from vppd.kernels import rows
from vppd.kernels.jit import F8, I8, IN, IN_2D, IN_I8, IN_U1, OUT, OUT_2D, U1, f8, i8, kernel

NONE = np.uint8(0)  # `vppd.core.types.Reason`, typed again
S_PER_H = 3600.0
BASE, RISE, FALL, FIRM_RISE, FIRM_FALL, GROUP_ROWS = range(6)  # of a group's sums
DECAYED = 40.0  # exp(-40) is 4e-18: nothing is left
LONG_AGO = 41.0  # lags after which that is known without a division, however that is rounded


@kernel()
def _left(x: float) -> float:
    """exp(-x) for x >= 0, never less and at most 3e-5 more: what a lag has not let through yet.

    The series of exp(x / 8) to its fifth term, eight times over. Its slope is never steeper than
    that of exp(-x), so nothing below falls under zero or beyond its end.
    """
    if x > DECAYED:
        return 0.0
    z = x * 0.125
    y = 1.0 / (1.0 + z * (1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0)))))
    y *= y
    y *= y
    return y * y


@kernel()
def _arrived(change: float, ramp: float, since_s: float, lag_s: float, left: float) -> float:
    """Output of a unit at rest whose setpoint began to move by `change` >= 0 at `ramp`.

    `since_s` after its dead time, at which `left` = _left(since_s / lag_s) of a step is missing.
    """
    if not (since_s > 0.0 and change > 0.0):
        return 0.0
    ramp_s = change / ramp
    if since_s <= ramp_s:
        return ramp * (since_s - lag_s * (1.0 - left))
    if not lag_s > 0.0:
        return change
    ended_s = since_s - ramp_s
    missing = 0.0 if ended_s > LONG_AGO * lag_s else _left(ended_s / lag_s)
    return change - ramp * lag_s * (missing - left)


@kernel()
def _room(
    limit: float, base: float, told: float, free: float,
    ramp: float, since_s: float, lag_s: float, left: float,
) -> float:  # fmt: skip
    """Room upwards of a unit whose output would be `free` by then if its setpoint stood."""
    reached = free + _arrived(limit - told, ramp, since_s, lag_s, left)
    return (limit if reached > limit else reached) - base


@kernel()
def _energy(soc_pu: float, end_pu: float, energy_mwh: float) -> float:
    """Energy above the end of the band, MWh; none below."""
    beyond_pu = soc_pu - end_pu
    return beyond_pu * energy_mwh if beyond_pu > 0.0 else 0.0


@kernel()
def _nearer(limit: float, held: float) -> float:
    return held if held < limit else limit


@kernel()
def _late(way: float, horizon_s: float, response_s: float, ramp: float) -> float:
    """Energy that is missing, MWs, until an output has gone its way to where it is promised."""
    if not way > 0.0:
        return 0.0
    late_s = response_s + 0.5 * way / ramp
    return way * (late_s if late_s < horizon_s else horizon_s)


@kernel()
def _bridged(late: float, spare: float, hold_s: float, stores: float) -> float:
    """Power that stores lack later for what they bridge before, MW; never more than theirs."""
    lacks = late / hold_s - spare
    lacks = lacks if lacks < stores else stores
    return lacks if lacks > 0.0 else 0.0


@kernel()
def _not_below(x: float) -> float:
    """No sum is negative; NaN stays."""
    return 0.0 if x < 0.0 else x


@kernel()
def _add(
    groups: F8, g: int, base: float, rise: float, fall: float, firm_rise: float, firm_fall: float
) -> None:
    """Add a unit to its group."""
    groups[BASE, g] += base
    groups[RISE, g] += rise
    groups[FALL, g] += fall
    groups[FIRM_RISE, g] += firm_rise
    groups[FIRM_FALL, g] += firm_fall


@kernel()
def _cut(groups: F8, row: int, g: int, parent: int, room: float) -> float:
    """Leave a group the room that its limit allows; pass that on, and return what was taken off.

    `room`: from its basepoints to the limit, in the direction of the row.
    """
    over = _not_below(groups[row, g] - room)
    if parent >= 0:
        groups[row, parent] += groups[row, g] - over
    return over


@kernel()
def _over(groups: F8, parent: I8, low_mw: F8, high_mw: F8) -> tuple[float, float, float, float]:
    """What groups cannot carry of their units' rooms, MW: rise, fall, firm rise, firm fall."""
    rise = fall = firm_rise = firm_fall = 0.0
    for g in range(parent.shape[0] - 1, -1, -1):  # each group stands above its parts
        up, down = high_mw[g] - groups[BASE, g], groups[BASE, g] - low_mw[g]
        rise += _cut(groups, RISE, g, parent[g], up)
        fall += _cut(groups, FALL, g, parent[g], down)
        firm_rise += _cut(groups, FIRM_RISE, g, parent[g], up)
        firm_fall += _cut(groups, FIRM_FALL, g, parent[g], down)
        if parent[g] >= 0:
            groups[BASE, parent[g]] += groups[BASE, g]
    return rise, fall, firm_rise, firm_fall


@kernel(i8(IN, IN, IN, OUT_2D))
def find_left(dead_time_s: F8, lag_s: F8, horizon_s: F8, left_pu: F8) -> int:
    """Write what is left of a step's way to each of n units' setpoints at K horizons, shape (K, n).

    Returns for how many units and horizons all of it is.
    """
    whole = 0
    for k in range(horizon_s.shape[0]):
        for i in range(dead_time_s.shape[0]):
            since_s = horizon_s[k] - dead_time_s[i]
            left = 0.0 if since_s > 0.0 else 1.0
            if since_s > 0.0 and lag_s[i] > 0.0:
                left = _left(since_s / lag_s[i])
            left_pu[k, i] = left
            whole += 1 if left == 1.0 else 0
    return whole


@kernel(
    i8(
        IN_U1, IN, IN, IN, IN, IN, IN, IN_2D, IN_2D, f8, f8,
        IN_I8, IN_I8, IN, IN, OUT_2D, IN, OUT_2D,
    )
)  # fmt: skip
def promise(
    out_reason: U1,
    base_mw: F8,
    told_mw: F8,
    output_mw: F8,
    range_lower_mw: F8,
    range_upper_mw: F8,
    soc_pu: F8,
    units: F8,
    left_pu: F8,
    soc_error_pu: float,
    soc_horizon_s: float,
    unit_group: I8,
    group_parent: I8,
    group_lower_mw: F8,
    group_upper_mw: F8,
    groups: F8,
    horizon_s: F8,
    sums_mw: F8,
) -> int:
    """Room of n units above and below their basepoints at K horizons.

    Parameters
    ----------
    out_reason : shape (n,)
        `Reason`; a unit with one takes no part.
    base_mw, told_mw, output_mw : shape (n,)
        Basepoint; setpoint in force; output now.
    range_lower_mw, range_upper_mw : shape (n,)
        Range of each unit without its ramp; of one out of the split the value it is counted with.
    soc_pu : shape (n,)
        State of charge; NaN: not reported.
    units : shape (len(rows.UNIT_FIELDS), n)
        Ramps > 0; energy NaN: no store.
    left_pu : shape (K, n)
        What is left of a step at each horizon (`find_left`).
    soc_error_pu, soc_horizon_s : float
        Error of the SoC that the firm sums allow for; how far ahead the tick keeps the band.
    unit_group, group_parent : shapes (n,), (G,)
        Lowest group of each unit, group above each group, -1: none. Each stands above its parts.
    group_lower_mw, group_upper_mw : shape (G,)
        Limits of the sum of a group's units.
    groups : shape (GROUP_ROWS, G)
        Room.
    horizon_s : shape (K,)
        Horizons, s from now.
    sums_mw : shape (4, K), written
        The sums up and down, and the firm ones, >= 0; NaN where a number that they need is.

    Returns
    -------
    int
        Number of units that were counted with their room.
    """
    ramp_up_mw_per_s, ramp_down_mw_per_s = units[rows.RAMP_UP], units[rows.RAMP_DOWN]
    dead_time_s, lag_s, firm_pu = units[rows.DEAD], units[rows.LAG], units[rows.FIRM]
    energy_mwh, soc_min_pu, soc_max_pu = (
        units[rows.ENERGY],
        units[rows.SOC_MIN],
        units[rows.SOC_MAX],
    )
    efficiency_charge_pu, efficiency_discharge_pu = units[rows.CHARGE], units[rows.DISCHARGE]
    counted = 0
    for k in range(horizon_s.shape[0]):
        hold_s = horizon_s[k] + soc_horizon_s
        per_h = S_PER_H / hold_s
        rise = fall = firm_rise = firm_fall = largest_rise = largest_fall = 0.0
        late_up = late_down = give_up = give_down = 0.0
        spare_up = spare_down = firm_spare_up = firm_spare_down = 0.0
        groups[:] = 0.0
        for i in range(base_mw.shape[0]):
            base, group = base_mw[i], unit_group[i]
            is_store = not np.isnan(energy_mwh[i])
            if out_reason[i] != NONE or (is_store and np.isnan(soc_pu[i])):
                beyond = range_upper_mw[i] - base
                up = 0.0 if beyond > 0.0 else beyond
                down = 0.0 if beyond < 0.0 else -beyond
                rise += up
                firm_rise += up
                fall += down
                firm_fall += down
                if group >= 0:
                    _add(groups, group, base, up, down, up, down)
                continue
            counted += 1
            lag = lag_s[i]
            since_s = horizon_s[k] - dead_time_s[i]
            left = left_pu[k, i]
            told = told_mw[i]
            free = told + (output_mw[i] - told) * left
            high = firm_high = range_upper_mw[i]
            low = firm_low = range_lower_mw[i]
            if is_store:
                give = energy_mwh[i] * efficiency_discharge_pu[i] * per_h
                take = energy_mwh[i] / efficiency_charge_pu[i] * per_h
                soc = soc_pu[i]
                held_up = _energy(soc, soc_min_pu[i], give)
                held_down = _energy(-soc, -soc_max_pu[i], take)
                high, low = _nearer(high, held_up), -_nearer(-low, held_down)
                give_up += _not_below(high)
                give_down += _not_below(-low)
                spare_up += held_up - _not_below(high)
                spare_down += held_down - _not_below(-low)
                held_up = _energy(soc - soc_error_pu, soc_min_pu[i], give)
                held_down = _energy(-soc - soc_error_pu, -soc_max_pu[i], take)
                firm_high, firm_low = _nearer(high, held_up), -_nearer(-low, held_down)
                firm_spare_up += held_up - _not_below(firm_high)
                firm_spare_down += held_down - _not_below(-firm_low)
            up_ramp, down_ramp = ramp_up_mw_per_s[i], ramp_down_mw_per_s[i]
            up = _room(high, base, told, free, up_ramp, since_s, lag, left)
            down = _room(-low, -base, -told, -free, down_ramp, since_s, lag, left)
            rise += up
            fall += down
            if not is_store:
                way = base - output_mw[i]
                late_s = dead_time_s[i] + lag
                late_up += _late(up + way, horizon_s[k], late_s, up_ramp)
                late_down += _late(down - way, horizon_s[k], late_s, down_ramp)
            firm_up, firm_down = up, down
            if firm_high != high:
                firm_up = _room(firm_high, base, told, free, up_ramp, since_s, lag, left)
            if firm_low != low:
                firm_down = _room(-firm_low, -base, -told, -free, down_ramp, since_s, lag, left)
            firm_up = firm_up * firm_pu[i] if firm_up > 0.0 else firm_up
            firm_down = firm_down * firm_pu[i] if firm_down > 0.0 else firm_down
            firm_rise += firm_up
            firm_fall += firm_down
            if group >= 0:
                _add(groups, group, base, up, down, firm_up, firm_down)
            lost_up = _not_below(firm_up) + _not_below(base)
            lost_down = _not_below(firm_down) + _not_below(-base)
            largest_rise = lost_up if lost_up > largest_rise else largest_rise
            largest_fall = lost_down if lost_down > largest_fall else largest_fall
        over = _over(groups, group_parent, group_lower_mw, group_upper_mw)
        rise, fall = rise - over[0], fall - over[1]
        firm_rise, firm_fall = firm_rise - over[2], firm_fall - over[3]
        rise -= _bridged(late_up, spare_up, hold_s, give_up)
        fall -= _bridged(late_down, spare_down, hold_s, give_down)
        firm_rise -= _bridged(late_up, firm_spare_up, hold_s, give_up)
        firm_fall -= _bridged(late_down, firm_spare_down, hold_s, give_down)
        sums_mw[0, k] = _not_below(rise)
        sums_mw[1, k] = _not_below(fall)
        sums_mw[2, k] = _not_below(firm_rise - largest_rise)
        sums_mw[3, k] = _not_below(firm_fall - largest_fall)
    return counted // horizon_s.shape[0] if horizon_s.shape[0] else 0


@kernel(i8(IN, IN, IN, IN, IN, IN, f8, IN, IN, OUT, OUT))
def lasting(
    soc_pu: F8,
    energy_mwh: F8,
    soc_min_pu: F8,
    soc_max_pu: F8,
    efficiency_charge_pu: F8,
    efficiency_discharge_pu: F8,
    hold_s: float,
    range_lower_mw: F8,
    range_upper_mw: F8,
    lower_mw: F8,
    upper_mw: F8,
) -> int:
    """Write what each unit can hold for `hold_s` of its range; not a store: all of it.

    Shapes (n,) as in `promise`. The range is never left: where nothing of it can be held, the end
    next to that remains. Returns the number of stores that it bounds.
    """
    bounded = 0
    for i in range(range_lower_mw.shape[0]):
        low, high = range_lower_mw[i], range_upper_mw[i]
        lower_mw[i], upper_mw[i] = low, high
        if np.isnan(energy_mwh[i]) or np.isnan(soc_pu[i]):
            continue
        per_h = S_PER_H / hold_s * energy_mwh[i]
        give = _energy(soc_pu[i], soc_min_pu[i], per_h * efficiency_discharge_pu[i])
        take = _energy(-soc_pu[i], -soc_max_pu[i], per_h / efficiency_charge_pu[i])
        if give < high:
            upper_mw[i] = give if give > low else low
        if -take > low:
            lower_mw[i] = -take if -take < high else high
        bounded += 1 if give < high or -take > low else 0
    return bounded
