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

from vppd.kernels.jit import (
    F8,
    I8,
    IN,
    IN_2D,
    IN_I8,
    IN_U1,
    OUT,
    OUT_2D,
    OUT_I8,
    U1,
    f8,
    i8,
    kernel,
)

DECAYED = 40.0  # exp(-40) is 4e-18: nothing is left
HALVED_TO = 0.5
ROWS_SPARE = 5  # of past setpoints: bursts of early ticks, and the tick's own
TICKS_MAX = 2.0  # a period, in the long run: values start ticks between those of the grid

# Numbers of `vppd.core.types`, typed again: kernels import nothing from above.
IN_SPLIT = np.uint8(0)
ACCEPTED = np.uint8(1)
ONLINE = np.uint8(0)
MEASURED_MAX_MW = 1e5  # as in `participation`


@kernel()
def _two_sum(total: float, error: float, term: float) -> tuple[float, float]:
    """Add a term to a sum that carries its rounding error along (TAOCP vol. 2, 4.2.2)."""
    after = total + term
    shift = after - total
    return after, error + ((total - (after - shift)) + (term - shift))


@kernel()
def _decay(x: float) -> float:
    """exp(-x) for x >= 0, to 1e-13, by + - * / alone: the same bits on every machine.

    Padé approximant [5/5] of an argument halved below 1/2, squared up again.
    """
    if not x > 0.0:
        return 1.0
    if x > DECAYED:
        return 0.0
    squarings = 0
    while x > HALVED_TO:
        x *= 0.5
        squarings += 1
    xx = x * x
    even = 30240.0 + xx * (3360.0 + xx * 30.0)
    odd = x * (15120.0 + xx * (420.0 + xx))
    y = (even - odd) / (even + odd)
    for _ in range(squarings):
        y *= y
    return y


@kernel(f8(f8))
def decay(x: float) -> float:
    """exp(-x) as the kernels of this file have it, for x >= 0."""
    return _decay(x)


@kernel()
def _rows_of(dead_s: float, tick_s: float) -> int:
    """Number of past setpoints that a unit's dead time looks back on, with a few to spare."""
    return int(TICKS_MAX * dead_s / tick_s) + ROWS_SPARE


@kernel(i8(IN, f8))
def count_rows(dead_time_s: F8, tick_s: float) -> int:
    """Length of the past setpoints of n units (see `foresee`)."""
    total = 0
    for i in range(dead_time_s.shape[0]):
        total += _rows_of(dead_time_s[i], tick_s)
    return total


@kernel(i8(IN, f8, OUT_I8))
def find_ends(dead_time_s: F8, tick_s: float, past_end: I8) -> int:
    """Write where the past setpoints of each of n units end (see `foresee`); how many there are."""
    total = 0
    for i in range(dead_time_s.shape[0]):
        total += _rows_of(dead_time_s[i], tick_s)
        past_end[i] = total
    return total


@kernel(i8(IN, IN, IN, f8, OUT_2D))
def find_gains(
    dead_time_s: F8, lag_s: F8, ahead_s: F8, gain_min_pu: float, gain_pu: F8
) -> int:  # fmt: skip
    """Write the part of a setpoint's change that has arrived at each look-ahead point.

    Parameters
    ----------
    dead_time_s, lag_s : shape (n,)
        Response of each unit; >= 0.
    ahead_s : shape (K,)
        Look-ahead points, s from now.
    gain_min_pu : float
        Smaller gains are none.
    gain_pu : shape (K, n), written

    Returns
    -------
    int
        Number of gains that are not 0.
    """
    count = 0
    for k in range(ahead_s.shape[0]):
        for i in range(dead_time_s.shape[0]):
            left_s = ahead_s[k] - dead_time_s[i]
            gain = 0.0
            if left_s > 0.0:
                gain = 1.0 - _decay(left_s / lag_s[i]) if lag_s[i] > 0.0 else 1.0
            gain_pu[k, i] = gain if gain >= gain_min_pu else 0.0
            count += 1 if gain_pu[k, i] > 0.0 else 0
    return count


@kernel()
def _row_at(at_s: float, dead_s: float, count: int, when_s: F8) -> int:
    """Which of its last `count` setpoints a unit follows at an instant: the newest that is there.

    The oldest, where none is.
    """
    sent = when_s.shape[0] - count
    row = count - 1
    while row > 0 and when_s[sent + row] + dead_s > at_s:
        row -= 1
    return row


@kernel()
def _moved(
    y: float, row: int, start_s: float, end_s: float, dead_s: float, lag_s: float,
    past_mw: F8, first: int, count: int, when_s: F8,
) -> tuple[float, int]:  # fmt: skip
    """Model output after `start_s` to `end_s`, from y. It stays while no setpoint is recorded.

    The unit's past setpoints are `past_mw[first : first + count]`, sent at the last `count` of
    `when_s`. It follows that of `row` or a later one at `start_s`; second value: `row` at `end_s`.
    """
    sent = when_s.shape[0] - count
    at_s = start_s
    while True:
        until_s = end_s
        if row < count - 1:
            next_s = when_s[sent + row + 1] + dead_s
            until_s = next_s if next_s < end_s else end_s
        if until_s > at_s:
            u = past_mw[first + row]
            u = y if np.isnan(u) else u
            # of a unit without a lag nothing is left of y at once
            y = u + (y - u) * _decay((until_s - at_s) / lag_s) if lag_s > 0.0 else u
            at_s = until_s
        if row == count - 1 or until_s >= end_s:
            return y, row
        row += 1


@kernel(
    i8(
        f8, f8, IN, IN, IN, IN, IN, IN_U1, IN, IN, IN_I8, f8, f8, IN, IN, IN, IN, IN,
        OUT, OUT, OUT, OUT, OUT_2D,
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
    quality: U1,
    dead_time_s: F8,
    lag_s: F8,
    past_end: I8,
    correction: float,
    offset_correction: float,
    snap_mw: F8,
    told_mw: F8,
    past_mw: F8,
    when_s: F8,
    ahead_s: F8,
    model_after_mw: F8,
    offset_after_mw: F8,
    seen_after_s: F8,
    off_mw: F8,
    free_mw: F8,
) -> int:
    """Free response of n units at K look-ahead points.

    Parameters
    ----------
    before_s, now_s : float
        Instants of the last tick (NaN: there was none) and of this one.
    model_mw, offset_mw, seen_s : shape (n,)
        Model as of the last tick, MW (NaN: not known yet); settled difference to it, MW; instant
        of the newest measurement that it has taken in.
    p_meas_mw, measured_at_s, quality : shape (n,)
        Newest measurement, NaN: never. One of bad quality is none, nor is that of a broken
        register.
    dead_time_s, lag_s : shape (n,)
        Response of each unit; >= 0.
    correction, offset_correction : float
        Parts of the difference that a new measurement takes from the model and puts on the offset.
    snap_mw : shape (n,)
        A difference beyond that is no noise: the model begins anew at the measurement.
    told_mw : shape (n,)
        Where a unit is that was never measured.
    past_end : shape (n,)
        Where the past setpoints of each unit end (`find_ends`).
    past_mw : shape (past_end[-1],)
        Past setpoints, unit after unit, each as many as its dead time looks back on, oldest first.
        The last one of each is that of this tick, not yet known, and not used.
    when_s : shape (r,)
        When the setpoints of the last r ticks left, oldest first.
    ahead_s : shape (K,)
        Look-ahead points, s from now, rising.
    model_after_mw, offset_after_mw, seen_after_s : shape (n,), written
        The same for the next tick.
    off_mw : shape (n,), written
        A new measurement less what was foretold for its instant; NaN: there is none.
    free_mw : shape (K, n), written
        Predicted output if the last setpoints stand.

    Returns
    -------
    int
        Number of units whose model began anew.
    """
    n = model_mw.shape[0]
    begun = 0
    first = 0
    sent_s = when_s[:-1]
    for i in range(n):
        rows = past_end[i] - first - 1  # that of this tick is not known yet
        dead_s, tau_s = dead_time_s[i], lag_s[i]
        y, offset, at_s = model_mw[i], offset_mw[i], before_s
        new = measured_at_s[i] > seen_s[i] or np.isnan(seen_s[i])
        new = new and abs(p_meas_mw[i]) <= MEASURED_MAX_MW and measured_at_s[i] <= now_s
        new = new and quality[i] == ONLINE
        row = -1
        seen_after_s[i] = measured_at_s[i] if new else seen_s[i]
        off_mw[i] = np.nan
        if new:
            seen_mw = p_meas_mw[i] - offset
            # The model goes on to it; one from before the last tick goes on to that tick.
            later = measured_at_s[i] > at_s
            from_s, to_s = (at_s, measured_at_s[i]) if later else (measured_at_s[i], at_s)
            row = _row_at(from_s, dead_s, rows, sent_s)
            moved_mw, row = _moved(
                y if later else seen_mw, row, from_s, to_s, dead_s, tau_s, past_mw, first, rows,
                sent_s,
            )  # fmt: skip
            if later:
                y, at_s = moved_mw, measured_at_s[i]
            else:
                seen_mw = moved_mw
            off = seen_mw - y
            off_mw[i] = off if not np.isnan(at_s) else np.nan
            if not (abs(off) <= snap_mw[i] and not np.isnan(at_s)):
                y, offset, at_s, row = p_meas_mw[i], 0.0, measured_at_s[i], -1
                begun += 1
            else:
                y += correction * off
                offset += offset_correction * off
        if np.isnan(y):  # never measured: as it was told
            y, at_s, row = told_mw[i], now_s, -1
        if row < 0:
            row = _row_at(at_s, dead_s, rows, sent_s)
        y, row = _moved(y, row, at_s, now_s, dead_s, tau_s, past_mw, first, rows, sent_s)
        model_after_mw[i] = y
        offset_after_mw[i] = offset
        at_s = now_s
        for k in range(ahead_s.shape[0]):
            until_s = now_s + ahead_s[k]
            y, row = _moved(y, row, at_s, until_s, dead_s, tau_s, past_mw, first, rows, sent_s)
            at_s = until_s
            free_mw[k, i] = y + offset
        first = past_end[i]
    return begun


@kernel(i8(f8, f8, IN, IN_I8, IN, IN, IN, IN_U1, IN_U1, IN, OUT, OUT, OUT))
def shift_rows(
    now_s: float,
    tick_s: float,
    when_s: F8,
    past_end: I8,
    past_mw: F8,
    accepted_mw: F8,
    accepted_at_s: F8,
    write_result: U1,
    was_out: U1,
    told_mw: F8,
    after_mw: F8,
    when_after_s: F8,
    stands_mw: F8,
) -> int:
    """Make room for this tick's setpoints, and correct the newest ones that did not arrive.

    A write that was lost changed nothing: the unit still follows what it accepted last. Within half
    a tick of its leaving the answer may still be under way, and nothing is concluded.

    Parameters
    ----------
    when_s, when_after_s : shape (r,)
        When the setpoints of the last ticks left; -inf: there are none. `when_after_s` is written,
        its last as `now_s`.
    past_end, past_mw, after_mw : shapes (n,), (past_end[-1],)
        Past setpoints as in `foresee`; `after_mw` is written, the last of each unit as `told_mw`.
    accepted_mw, accepted_at_s, write_result, was_out : shape (n,)
        Last accepted setpoint, NaN: none yet; when it left; answer to the last write
        (`WriteResult`); reason of the last tick (`Reason`).
    told_mw, stands_mw : shape (n,)
        Last setpoints; written: the newest one that arrived, from which a change counts.

    Returns
    -------
    int
        Number of setpoints that were lost.
    """
    ticks = when_s.shape[0]
    sent_s = when_s[ticks - 1]
    for j in range(ticks - 1):
        when_after_s[j] = when_s[j + 1]
    when_after_s[ticks - 1] = now_s
    known = now_s - sent_s > 0.5 * tick_s
    for j in range(past_mw.shape[0] - 1):  # of all units at once: the last of each comes below
        after_mw[j] = past_mw[j + 1]
    lost = 0
    for i in range(accepted_mw.shape[0]):
        last = past_end[i] - 1
        after_mw[last] = told_mw[i]
        landed = accepted_at_s[i] >= sent_s or np.isnan(accepted_mw[i])
        if known and not landed and was_out[i] == IN_SPLIT and write_result[i] != ACCEPTED:
            after_mw[last - 1] = accepted_mw[i]
            lost += 1
        stands_mw[i] = told_mw[i] if np.isnan(after_mw[last - 1]) else after_mw[last - 1]
    return lost


@kernel(i8(IN_I8, IN_U1, IN, IN, OUT))
def keep(past_end: I8, send: U1, p_mw: F8, last_mw: F8, past_mw: F8) -> int:
    """Write this tick's setpoints, or what units follow that get none, into the past ones.

    Returns how many are sent.
    """
    sent = 0
    for i in range(p_mw.shape[0]):
        past_mw[past_end[i] - 1] = p_mw[i] if send[i] != 0 else last_mw[i]
        sent += 1 if send[i] != 0 else 0
    return sent


@kernel(i8(IN_U1, IN, IN, OUT))
def remember(send: U1, p_mw: F8, before_mw: F8, told_mw: F8) -> int:
    """Write the last setpoint that each of n units was sent, in this tick or before; how many now.

    All arrays: shape (n,).
    """
    sent = 0
    for i in range(p_mw.shape[0]):
        told_mw[i] = p_mw[i] if send[i] != 0 else before_mw[i]
        sent += 1 if send[i] != 0 else 0
    return sent


@kernel(f8(IN_2D, IN_2D, IN, IN))
def serve(free_mw: F8, gain_pu: F8, told_mw: F8, p_mw: F8) -> float:
    """The first sum of `expect` alone, MW."""
    total = error = 0.0
    for i in range(p_mw.shape[0]):
        unit_mw = free_mw[0, i] + gain_pu[0, i] * (p_mw[i] - told_mw[i])
        total, error = _two_sum(total, error, unit_mw)
    return total + error


@kernel(f8(IN_2D, IN_2D, IN, IN, OUT, OUT))
def expect(
    free_mw: F8, gain_pu: F8, told_mw: F8, p_mw: F8, out_mw: F8, sum_mw: F8
) -> float:  # fmt: skip
    """Output of n units at K look-ahead points if these setpoints stand, MW.

    Parameters
    ----------
    free_mw, gain_pu : shape (K, n)
        Free response and gains (see `foresee`, `find_gains`).
    told_mw, p_mw : shape (n,)
        Where a change begins, and the setpoints.
    out_mw : shape (n,), written
        Output at the first point.
    sum_mw : shape (K,), written
        Sums at each, in index order, with the rounding errors carried along (see `sums.py`).

    Returns
    -------
    float
        The first sum.
    """
    for k in range(sum_mw.shape[0] - 1, -1, -1):  # the first comes last, and stays in `out_mw`
        total = error = 0.0
        for i in range(p_mw.shape[0]):
            out_mw[i] = free_mw[k, i] + gain_pu[k, i] * (p_mw[i] - told_mw[i])
            total, error = _two_sum(total, error, out_mw[i])
        sum_mw[k] = total + error
    first_mw: float = sum_mw[0]
    return first_mw
