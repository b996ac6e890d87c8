"""What each unit will deliver: a dead time, then a first-order lag, moved by its measurements.

A unit's output follows the setpoint that left `dead_time` ago with a first-order lag,

    tau dy/dt = u(t - dead_time) - y,        output = y + offset,

which is solved exactly from one change of u to the next. Past setpoints are known, so a measurement
is held against the model *at the instant it was taken*, however old it is by now, and a part of
the difference corrects the model there (a Luenberger observer with a slow offset). Then the model
goes on to now, and on to each look-ahead point with the last setpoint standing: the free response.

Sources: K. J. Åström and T. Hägglund, "PID Controllers", 2nd ed. 1995, ch. 2 (first order plus
dead time); D. G. Luenberger, IEEE Trans. Military Electronics 8(2), 1964 (observer).
"""

import numpy as np

from vppd.kernels.jit import F8, I8, IN, IN_I8, OUT, f8, i8, kernel

DECAYED = 40.0  # exp(-40) is 4e-18: nothing is left
HALVED_TO = 0.125


@kernel()
def _decay(x: float) -> float:
    """exp(-x) for x >= 0, to 1e-13, by + - * / alone: the same bits on every machine.

    Padé approximant [3/3] of an argument halved below 1/8, squared up again.
    """
    if not x > 0.0:
        return 1.0
    if x > DECAYED:
        return 0.0
    squarings = 0
    while x > HALVED_TO:
        x *= 0.5
        squarings += 1
    even = 120.0 + 12.0 * x * x
    odd = 60.0 * x + x * x * x
    y = (even - odd) / (even + odd)
    for _ in range(squarings):
        y *= y
    return y


@kernel(f8(f8))
def decay(x: float) -> float:
    """exp(-x) as the kernels of this file have it, for x >= 0."""
    return _decay(x)


@kernel()
def _moved(
    y: float, start_s: float, end_s: float, dead_s: float, lag_s: float, unit: int, told_mw: float,
    rows: F8, width: int, count: int,
) -> float:  # fmt: skip
    """Model output after `start_s` to `end_s`, from y. Setpoints never recorded are `told_mw`."""
    row = count - 1
    while row > 0 and rows[row * width] + dead_s > start_s:
        row -= 1
    at_s = start_s
    while True:
        until_s = end_s
        if row < count - 1:
            next_s = rows[(row + 1) * width] + dead_s
            until_s = next_s if next_s < end_s else end_s
        if until_s > at_s:
            u = rows[row * width + 1 + unit]
            u = told_mw if np.isnan(u) else u
            # of a unit without a lag nothing is left of y at once
            y = u + (y - u) * _decay((until_s - at_s) / lag_s) if lag_s > 0.0 else u
            at_s = until_s
        if row == count - 1 or until_s >= end_s:
            return y
        row += 1


@kernel(
    i8(
        f8, f8, IN, IN, IN, IN, IN, IN, IN, f8, f8, IN, IN, IN, IN_I8, IN,
        OUT, OUT, OUT, OUT, OUT,
    )
)  # fmt: skip
def foresee(
    before_s: float,
    now_s: float,
    model_mw: F8,
    offset_mw: F8,
    seen_s: F8,
    p_meas_mw: F8,
    measured_at_s: F8,
    dead_time_s: F8,
    lag_s: F8,
    correction: float,
    offset_correction: float,
    snap_mw: F8,
    told_mw: F8,
    rows: F8,
    shape: I8,
    ahead_s: F8,
    model_after_mw: F8,
    offset_after_mw: F8,
    seen_after_s: F8,
    free_mw: F8,
    gain_pu: F8,
) -> int:
    """Free response and response gains of n units at K look-ahead points.

    Parameters
    ----------
    before_s, now_s : float
        Instants of the last tick (NaN: there was none) and of this one.
    model_mw, offset_mw, seen_s : shape (n,)
        Model as of the last tick, MW (NaN: not known yet); settled difference to it, MW; instant
        of the newest measurement that it has taken in.
    p_meas_mw, measured_at_s : shape (n,)
        Newest measurement; NaN: never.
    dead_time_s, lag_s : shape (n,)
        Response of each unit; >= 0.
    correction, offset_correction : float
        Parts of the difference that a new measurement takes from the model and puts on the offset.
    snap_mw : shape (n,)
        A difference beyond that is no noise: the model begins anew at the measurement.
    told_mw : shape (n,)
        What a unit follows as far as `rows` does not know.
    rows : shape (count * (1 + n),)
        Past setpoints, oldest first: instant, then MW for each unit.
    shape : shape (1,)
        Number of rows.
    ahead_s : shape (K,)
        Look-ahead points, s from now, rising.
    model_after_mw, offset_after_mw, seen_after_s : shape (n,), written
        The same for the next tick.
    free_mw, gain_pu : shape (K * n,), written
        Predicted output if the last setpoints stand, and the part of a setpoint's change that has
        arrived by then.

    Returns
    -------
    int
        Number of units whose model began anew.
    """
    n = model_mw.shape[0]
    width = n + 1
    count = shape[0]
    begun = 0
    for i in range(n):
        y, offset, at_s = model_mw[i], offset_mw[i], before_s
        new = measured_at_s[i] > seen_s[i] or np.isnan(seen_s[i])
        new = new and abs(p_meas_mw[i]) < np.inf and measured_at_s[i] <= now_s
        seen_after_s[i] = measured_at_s[i] if new else seen_s[i]
        if new:
            weight = 1.0
            if measured_at_s[i] > at_s:
                y = _moved(
                    y, at_s, measured_at_s[i], dead_time_s[i], lag_s[i], i, told_mw[i],
                    rows, width, count,
                )  # fmt: skip
                at_s = measured_at_s[i]
            elif lag_s[i] > 0.0:  # from before the last tick: what it says has faded since
                weight = _decay((at_s - measured_at_s[i]) / lag_s[i])
            else:
                weight = 0.0
            off = p_meas_mw[i] - y - offset
            if not (abs(off) <= snap_mw[i] and not np.isnan(at_s)):
                y, offset, at_s = p_meas_mw[i], 0.0, measured_at_s[i]
                begun += 1
            else:
                y += correction * weight * off
                offset += offset_correction * weight * off
        if np.isnan(y):  # never measured: as it was told
            y, at_s = told_mw[i], now_s
        y = _moved(
            y, at_s, now_s, dead_time_s[i], lag_s[i], i, told_mw[i], rows, width, count
        )  # fmt: skip
        model_after_mw[i] = y
        offset_after_mw[i] = offset
        at_s = now_s
        for k in range(ahead_s.shape[0]):
            until_s = now_s + ahead_s[k]
            y = _moved(
                y, at_s, until_s, dead_time_s[i], lag_s[i], i, told_mw[i], rows, width, count
            )  # fmt: skip
            at_s = until_s
            free_mw[k * n + i] = y + offset
            left_s = ahead_s[k] - dead_time_s[i]
            gain = 0.0
            if left_s > 0.0:
                gain = 1.0 - _decay(left_s / lag_s[i]) if lag_s[i] > 0.0 else 1.0
            gain_pu[k * n + i] = gain
    return begun
