"""How far units are trusted to do what their model says, and who is put on the bench.

*Doubt* is the mean difference between a unit's readings and what its model foretold for them, as a
part of its range, forgotten exponentially. It is counted by readings: none, no news. A reading says
little while nothing is asked of the unit, and doubt then falls towards what noise makes of it.

    doubt below half the limit      trusted: its whole range
    from there up to the limit      its range around the basepoint shrinks to a half
    beyond                          benched: out of the split, told its basepoint

Less than a half would hide what is wrong: who is asked nothing does nothing wrong. A benched unit
comes back when its readings have been where it was told to be for a time, with three quarters of
its range; each time that it has to go again, that time is twice as long, up to `WAIT_MAX_S`. A unit
that is good for long has its past forgotten.

The model follows the readings (`response.foresee`), so that a constant error or a slow drift is
learned and costs no trust; what is not learned are errors that come with every order.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, IN_U1, OUT, OUT_U1, U1, f8, i8, kernel

# Numbers of `vppd.core.types`, typed again: kernels import nothing from above.
IN_SPLIT = np.uint8(0)
MODEL, BENCHED = np.uint8(19), np.uint8(20)

HALF = 0.5
LEAST = 0.5  # part of the range that is left at the limit
BACK = 0.75  # doubt of a unit that has come back, as a part of the limit
WAIT_FIRST_S = 60.0
WAIT_MAX_S = 1920.0
FORGET = 0.1  # of the time in which a unit was good is taken off its next wait
MOST = 4.0
GOOD = 0.25  # doubt below that part of the limit is none


@kernel()
def _clipped(x: float, low: float, high: float) -> float:
    x = low if x < low else x
    return high if x > high else x


@kernel(i8(f8, f8, f8, IN, IN, IN, IN, IN, IN, IN, IN_U1, OUT_U1, OUT, OUT, OUT))
def judge(
    now_s: float,
    dt_s: float,
    limit_pu: float,
    p_min_mw: F8,
    p_max_mw: F8,
    p_meas_mw: F8,
    told_mw: F8,
    was_doubt: F8,
    was_benched_s: F8,
    was_wait_s: F8,
    was_out: U1,
    reason: U1,
    doubt: F8,
    benched_s: F8,
    wait_s: F8,
) -> int:
    """Put units that are beyond the limit on the bench, and take back those that have behaved.

    Parameters
    ----------
    now_s, dt_s, limit_pu : float
        Instant; time since the last tick; doubt, in parts of the range, that benches a unit.
    p_min_mw, p_max_mw, p_meas_mw, told_mw : shape (n,)
        Rating; last reading; last setpoint.
    was_doubt, was_benched_s, was_wait_s : shape (n,)
        Of the last tick. `benched_s`: since when its readings have been where it was told to be,
        on the bench; NaN: not benched. `wait_s`: for how long they have to be, the next time.
    was_out : shape (n,)
        Reasons of the last tick.
    reason : shape (n,), changed
        Reasons of this tick: BENCHED in place of IN_SPLIT.
    doubt, benched_s, wait_s : shape (n,), written

    Returns
    -------
    int
        Number of benched units.
    """
    count = 0
    for i in range(p_min_mw.shape[0]):
        range_mw = p_max_mw[i] - p_min_mw[i]
        doubt[i] = 0.0 if np.isnan(was_doubt[i]) else was_doubt[i]
        benched_s[i] = was_benched_s[i]
        wait_s[i] = 0.0 if np.isnan(was_wait_s[i]) else was_wait_s[i]
        if reason[i] != IN_SPLIT:
            continue
        if np.isnan(benched_s[i]):
            if doubt[i] <= limit_pu:
                good_s = dt_s if doubt[i] <= GOOD * limit_pu else 0.0
                wait_s[i] = max(0.0, wait_s[i] - FORGET * good_s)
                continue
            wait_s[i] = min(max(WAIT_FIRST_S, 2.0 * wait_s[i]), WAIT_MAX_S)
            benched_s[i] = now_s
        there = abs(p_meas_mw[i] - told_mw[i]) <= limit_pu * range_mw
        if not there or was_out[i] != BENCHED:
            benched_s[i] = now_s
        if now_s - benched_s[i] >= wait_s[i]:
            benched_s[i] = np.nan
            doubt[i] = BACK * limit_pu
            continue
        reason[i] = BENCHED
        count += 1
    return count


@kernel(i8(f8, IN, IN_U1, IN, OUT, OUT, OUT_U1, OUT_U1, OUT, OUT))
def shrink(
    limit_pu: float,
    doubt: F8,
    out_reason: U1,
    base_mw: F8,
    lower_mw: F8,
    upper_mw: F8,
    lower_reason: U1,
    upper_reason: U1,
    range_lower_mw: F8,
    range_upper_mw: F8,
) -> int:
    """Shrink the limits of doubtful units towards their basepoints; how many they are.

    Shapes (n,). Box and range are changed, the reason is MODEL. A unit beyond its new range comes
    back to it as fast as its box lets it.
    """
    count = 0
    for i in range(doubt.shape[0]):
        if out_reason[i] != IN_SPLIT or not doubt[i] > HALF * limit_pu:
            continue
        count += 1
        trusted = _clipped((limit_pu - doubt[i]) / (HALF * limit_pu), 0.0, 1.0)
        part = LEAST + (1.0 - LEAST) * trusted
        base = _clipped(base_mw[i], range_lower_mw[i], range_upper_mw[i])
        low = base + part * (range_lower_mw[i] - base)
        high = base + part * (range_upper_mw[i] - base)
        range_lower_mw[i], range_upper_mw[i] = low, high
        if low > lower_mw[i]:
            lower_mw[i] = min(low, upper_mw[i])
            lower_reason[i] = MODEL
        if high < upper_mw[i]:
            upper_mw[i] = max(high, lower_mw[i])
            upper_reason[i] = MODEL
    return count


@kernel(i8(f8, f8, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN_U1, IN_U1, OUT))
def count_doubt(
    limit_pu: float,
    forget_s: float,
    off_mw: F8,
    p_meas_mw: F8,
    before_s: F8,
    seen_s: F8,
    p_min_mw: F8,
    p_max_mw: F8,
    p_avail_min_mw: F8,
    p_avail_max_mw: F8,
    doubt: F8,
    was_out: U1,
    out_reason: U1,
    after: F8,
) -> int:
    """Let new readings change the doubt of the units that take part; how many there were.

    Parameters
    ----------
    limit_pu, forget_s : float
        A reading counts with no more than `MOST` times the limit; time in which 63 % is forgotten.
    off_mw, p_meas_mw : shape (n,)
        Reading less what was foretold (NaN: no new reading, or no model), and the reading.
    before_s, seen_s : shape (n,)
        Instants of the reading before and of this one.
    p_min_mw, p_max_mw, p_avail_min_mw, p_avail_max_mw : shape (n,)
        Rating; what the unit says that it can do (NaN: not reported): what was foretold beyond
        that is no fault of its.
    doubt, was_out, out_reason : shape (n,)
        Reasons of the last tick and of this one.
    after : shape (n,), written
    """
    count = 0
    for i in range(off_mw.shape[0]):
        after[i] = doubt[i]
        age_s = seen_s[i] - before_s[i]
        takes_part = out_reason[i] == IN_SPLIT and was_out[i] == IN_SPLIT
        range_mw = p_max_mw[i] - p_min_mw[i]
        if (
            not takes_part
            or np.isnan(off_mw[i] + p_meas_mw[i])
            or not age_s > 0.0
            or not range_mw > 0.0
        ):
            continue
        foretold_mw = _clipped(p_meas_mw[i] - off_mw[i], p_avail_min_mw[i], p_avail_max_mw[i])
        off = min(abs(p_meas_mw[i] - foretold_mw) / range_mw, MOST * limit_pu)
        weight = age_s / (forget_s + age_s)
        after[i] = doubt[i] + weight * (off - doubt[i])
        count += 1
    return count
