"""Exclusion bands of units: where each stands, which side is open to it, and its limits there.

A band is an open interval in which a unit cannot stay: between standing still and the slowest that
it runs, or around a resonance of a turbine. It has a side below (at most `band_lower_mw`) and one
above (at least `band_upper_mw`), generation positive. A unit may be bound to stay on a side for a
time, and has a budget of switches a day, which fills up evenly (a token bucket).

Where the ramp does not take a unit over its band within one tick it goes through, as fast as it
may: that it is on its way is the only reason to be inside.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, IN_U1, OUT, OUT_U1, U1, f8, i8, kernel

# Numbers of `vppd.core.types.Reason`, typed again: kernels import nothing from above.
IN_SPLIT = np.uint8(0)
BAND, MIN_TIME, CYCLES = np.uint8(16), np.uint8(17), np.uint8(18)

NOWHERE, BELOW, ABOVE = np.uint8(0), np.uint8(1), np.uint8(2)  # also bits of `open_sides`
BOTH = np.uint8(3)
S_PER_DAY = 86400.0


@kernel(
    i8(
        f8, f8, IN, IN, IN, IN, IN, IN, IN, IN, IN_U1, IN_U1, IN_U1, IN, IN,
        OUT_U1, OUT_U1, OUT_U1, OUT, OUT,
    )
)  # fmt: skip
def find_sides(
    now_s: float,
    dt_s: float,
    band_lower_mw: F8,
    band_upper_mw: F8,
    stay_below_s: F8,
    stay_above_s: F8,
    switches_per_day: F8,
    last_mw: F8,
    range_lower_mw: F8,
    range_upper_mw: F8,
    out_reason: U1,
    was_out: U1,
    was_side: U1,
    was_since_s: F8,
    was_left: F8,
    side: U1,
    open_sides: U1,
    why: U1,
    since_s: F8,
    left: F8,
) -> int:
    """Where each of n units stands, and which sides it may take.

    Parameters
    ----------
    now_s, dt_s : float
        Instant of the tick, and how long ago the last one was.
    band_lower_mw, band_upper_mw, stay_below_s, stay_above_s, switches_per_day : shape (n,)
        Band (NaN: none); times that a unit stays on a side at least; budget (inf: no limit).
    last_mw, range_lower_mw, range_upper_mw : shape (n,)
        Last setpoint; limits without the ramp.
    out_reason, was_out : shape (n,)
        Why a unit takes no part, now and in the last tick; IN_SPLIT: it does.
    was_side, was_since_s, was_left : shape (n,)
        Of the last tick; NOWHERE and NaN: not known. A side that is not known may have been taken
        just now: the unit stays there for its time.
    side, open_sides, why, since_s, left : shape (n,), written
        Side of now (BELOW where there is no band); bits of the sides it may take; why the other is
        not open (BAND: its limits do not reach there, or it is); since when; switches left.

    Returns
    -------
    int
        Number of units with a band that take part.
    """
    count = 0
    for i in range(band_lower_mw.shape[0]):
        why[i], since_s[i], left[i] = BAND, np.nan, was_left[i]
        side[i], open_sides[i] = BELOW, BELOW
        if np.isnan(band_lower_mw[i]):
            continue
        now = BELOW if last_mw[i] <= 0.5 * (band_lower_mw[i] + band_upper_mw[i]) else ABOVE
        under_way = band_lower_mw[i] < last_mw[i] < band_upper_mw[i]  # whoever has it
        stays_in = out_reason[i] == IN_SPLIT and was_out[i] == IN_SPLIT
        if was_side[i] != NOWHERE and (under_way or stays_in):
            now = was_side[i]  # on its way over the band it is still at the near edge
        since_s[i] = was_since_s[i] if now == was_side[i] else now_s
        left[i] = was_left[i] + switches_per_day[i] * (dt_s / S_PER_DAY)
        if not left[i] <= switches_per_day[i]:
            left[i] = switches_per_day[i]
        side[i], open_sides[i] = now, now
        if out_reason[i] != IN_SPLIT:
            continue
        count += 1
        reach = BELOW if range_lower_mw[i] <= band_lower_mw[i] else NOWHERE
        if range_upper_mw[i] >= band_upper_mw[i]:
            reach |= ABOVE
        stay_s = stay_below_s[i] if now == BELOW else stay_above_s[i]
        if reach & now == NOWHERE:  # physics leave the other side alone, or neither
            open_sides[i] = now if reach == NOWHERE else reach
        elif reach == BOTH and now_s - since_s[i] < stay_s:
            why[i] = MIN_TIME
        elif reach == BOTH and left[i] < 1.0:
            why[i] = CYCLES
        else:
            open_sides[i] = reach
    return count


@kernel()
def _within(low: float, high: float, chosen: int, band_low: float, band_high: float) -> tuple[
    float, float
]:  # fmt: skip
    """An interval cut to a side of a band; where it does not reach there, its nearest point."""
    if chosen == 1:
        if high > band_low:
            high = band_low if low <= band_low else low
    elif low < band_high:
        low = band_high if high >= band_high else high
    return low, high


@kernel(
    i8(
        IN, IN, IN_U1, IN_U1, IN_U1, IN_U1, OUT, OUT, OUT_U1, OUT_U1, OUT, OUT, OUT, OUT,
    )
)  # fmt: skip
def keep_to_sides(
    band_lower_mw: F8,
    band_upper_mw: F8,
    out_reason: U1,
    chosen: U1,
    open_sides: U1,
    why: U1,
    lower_mw: F8,
    upper_mw: F8,
    lower_reason: U1,
    upper_reason: U1,
    range_lower_mw: F8,
    range_upper_mw: F8,
    lasting_lower_mw: F8,
    lasting_upper_mw: F8,
) -> int:
    """Cut the limits of n units to the sides that were chosen.

    Parameters
    ----------
    band_lower_mw, band_upper_mw, out_reason, chosen, open_sides, why : shape (n,)
        As in `find_sides`.
    lower_mw, upper_mw, lower_reason, upper_reason : shape (n,), changed
        Box of this tick, and the reasons of its sides. A unit on its way keeps those of its ramp.
    range_lower_mw, range_upper_mw : shape (n,), changed
        Range of what can be promised: both sides, where both are open.
    lasting_lower_mw, lasting_upper_mw : shape (n,), written
        Range on the chosen side.

    Returns
    -------
    int
        Number of units on their way over a band.
    """
    crossing = 0
    for i in range(band_lower_mw.shape[0]):
        lasting_lower_mw[i], lasting_upper_mw[i] = range_lower_mw[i], range_upper_mw[i]
        if np.isnan(band_lower_mw[i]) or out_reason[i] != IN_SPLIT:
            continue
        band_low, band_high = band_lower_mw[i], band_upper_mw[i]
        lasting_lower_mw[i], lasting_upper_mw[i] = _within(
            range_lower_mw[i], range_upper_mw[i], chosen[i], band_low, band_high
        )
        if open_sides[i] != BOTH:
            range_lower_mw[i], range_upper_mw[i] = lasting_lower_mw[i], lasting_upper_mw[i]
        low, high = _within(lower_mw[i], upper_mw[i], chosen[i], band_low, band_high)
        inside = band_low < low < band_high or band_low < high < band_high
        crossing += 1 if inside else 0
        cut = not inside and (low != lower_mw[i] or high != upper_mw[i])
        if cut and (low != lower_mw[i] or low == high):
            lower_reason[i] = why[i]
        if cut and (high != upper_mw[i] or low == high):
            upper_reason[i] = why[i]
        if inside and low != lower_mw[i]:
            lower_reason[i] = upper_reason[i]
        if inside and high != upper_mw[i]:
            upper_reason[i] = lower_reason[i]
        lower_mw[i], upper_mw[i] = low, high
    return crossing


@kernel(i8(f8, IN, IN_U1, IN_U1, OUT_U1, OUT, OUT))
def remember_sides(
    now_s: float, band_lower_mw: F8, chosen: U1, out_reason: U1, side: U1, since_s: F8, left: F8
) -> int:
    """Turn the sides of now into those of the next tick; how many units have switched.

    Shapes (n,). `side`, `since_s` and `left` are changed; a unit without a band is NOWHERE.
    """
    switched = 0
    for i in range(band_lower_mw.shape[0]):
        if np.isnan(band_lower_mw[i]):
            side[i] = NOWHERE
        elif out_reason[i] == IN_SPLIT and chosen[i] != side[i]:
            side[i], since_s[i] = chosen[i], now_s
            left[i] -= 1.0
            switched += 1
    return switched
