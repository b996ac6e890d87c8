"""Fold every limit of a unit into one box, and remember who drew each side.

    rating -> what is available -> state of charge   = the range
    range  -> ramp from the last setpoint            = the box of this tick

The box never crosses. Physics beats ramp: where the ramp's window lies beyond the range, the box
is the point of the range next to it. Limits of the range that contradict each other pin the unit
at its last setpoint, as far as the rating allows, with CROSSED.

A store whose state of charge is not known may be full or empty, so neither direction can be
assumed: it stays at its last setpoint, with TELEMETRY_AGE, until the value comes back.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, IN_U1, OUT, OUT_U1, U1, f8, i8, kernel

# Numbers of `vppd.core.types.Reason`, typed again: kernels import nothing from above.
# tests/kernels/test_kernels_limits.py compares them.
NONE = np.uint8(0)
RATING = np.uint8(1)
RAMP = np.uint8(2)
SOC = np.uint8(3)
AVAILABLE = np.uint8(4)
TELEMETRY_AGE = np.uint8(5)
CROSSED = np.uint8(9)

S_PER_H = 3600.0


@kernel()
def _clip(x: float, lower: float, upper: float) -> float:
    x = x if x > lower else lower
    return x if x < upper else upper


@kernel()
def _store_limits_mw(
    soc_pu: float,
    energy_mwh: float,
    soc_min_pu: float,
    soc_max_pu: float,
    efficiency_charge_pu: float,
    efficiency_discharge_pu: float,
    horizon_s: float,
) -> tuple[float, float]:
    """Power that a store can take and give for `horizon_s` within its band, MW, <= 0 and >= 0.

    Power is that at the terminals: discharging drains p / efficiency, charging stores
    p * efficiency. Outside its band a store may move back into it, and never further out.
    """
    room_pu = soc_max_pu - soc_pu
    stock_pu = soc_pu - soc_min_pu
    room_pu = 0.0 if room_pu < 0.0 else room_pu
    stock_pu = 0.0 if stock_pu < 0.0 else stock_pu
    per_h = S_PER_H / horizon_s
    charge_mw = room_pu * energy_mwh / efficiency_charge_pu * per_h
    discharge_mw = stock_pu * energy_mwh * efficiency_discharge_pu * per_h
    return -charge_mw, discharge_mw


@kernel()
def _ramp_window_mw(
    last_mw: float, ramp_up_mw_per_s: float, ramp_down_mw_per_s: float, dt_s: float
) -> tuple[float, float]:
    """Where the ramp can take a unit in `dt_s`; nowhere if no time has passed, or NaN has."""
    if not dt_s > 0.0:
        return last_mw, last_mw
    return last_mw - ramp_down_mw_per_s * dt_s, last_mw + ramp_up_mw_per_s * dt_s


@kernel(
    i8(
        IN, IN, IN, IN, IN, f8, IN, IN, IN, IN, IN, IN, f8, IN, IN, IN_U1, IN,
        OUT, OUT, OUT_U1, OUT_U1, OUT, OUT,
    )
)  # fmt: skip
def fold_limits(
    p_min_mw: F8,
    p_max_mw: F8,
    last_mw: F8,
    ramp_up_mw_per_s: F8,
    ramp_down_mw_per_s: F8,
    dt_s: float,
    soc_pu: F8,
    energy_mwh: F8,
    soc_min_pu: F8,
    soc_max_pu: F8,
    efficiency_charge_pu: F8,
    efficiency_discharge_pu: F8,
    soc_horizon_s: float,
    p_avail_min_mw: F8,
    p_avail_max_mw: F8,
    out_reason: U1,
    pinned_mw: F8,
    lower_mw: F8,
    upper_mw: F8,
    lower_reason: U1,
    upper_reason: U1,
    range_lower_mw: F8,
    range_upper_mw: F8,
) -> int:
    """Fold the limits of n units into lower and upper, MW, generation positive.

    Parameters
    ----------
    p_min_mw, p_max_mw : shape (n,)
        Rating.
    last_mw, ramp_up_mw_per_s, ramp_down_mw_per_s : shape (n,)
        Last setpoint, from which the ramp starts, and its rates (> 0).
    dt_s : float
        Time since the last tick.
    soc_pu, energy_mwh, soc_min_pu, soc_max_pu : shape (n,)
        State of charge (NaN: not reported), usable size (NaN: no store), band to stay in.
    efficiency_charge_pu, efficiency_discharge_pu : shape (n,)
        0...1 each.
    soc_horizon_s : float
        The band must hold for that long (> 0).
    p_avail_min_mw, p_avail_max_mw : shape (n,)
        What the unit says it can do now; NaN: not reported, no limit.
    out_reason, pinned_mw : shape (n,)
        A unit with a reason takes no part: both sides are its `pinned_mw`, with that reason.
    lower_mw, upper_mw, lower_reason, upper_reason : shape (n,), written
        The box and the reason of each side (`Reason`; never NONE).
    range_lower_mw, range_upper_mw : shape (n,), written
        The box without the ramp, for headroom.

    Returns
    -------
    int
        Number of units pinned with CROSSED.

    Notes
    -----
    Where two limits are equal, the one that is named first above keeps the reason. A NaN in
    rating or ramp holds the unit at its last setpoint, with CROSSED; a NaN in the last setpoint
    gives a NaN in the box, and the split refuses that.
    """
    crossed = 0
    for i in range(p_min_mw.shape[0]):
        numbers = p_min_mw[i] + p_max_mw[i] + ramp_up_mw_per_s[i] + ramp_down_mw_per_s[i]
        if out_reason[i] != NONE or np.isnan(numbers):
            pin = pinned_mw[i] if out_reason[i] != NONE else last_mw[i]
            pin_reason = out_reason[i] if out_reason[i] != NONE else CROSSED
            lower_mw[i] = upper_mw[i] = range_lower_mw[i] = range_upper_mw[i] = pin
            lower_reason[i] = upper_reason[i] = pin_reason
            crossed += 1 if out_reason[i] == NONE else 0
            continue
        low = p_min_mw[i]
        high = p_max_mw[i]
        low_reason = RATING
        high_reason = RATING
        if p_avail_min_mw[i] > low:
            low = p_avail_min_mw[i]
            low_reason = AVAILABLE
        if p_avail_max_mw[i] < high:
            high = p_avail_max_mw[i]
            high_reason = AVAILABLE
        if not np.isnan(energy_mwh[i]):
            charge_mw, discharge_mw = _store_limits_mw(
                soc_pu[i],
                energy_mwh[i],
                soc_min_pu[i],
                soc_max_pu[i],
                efficiency_charge_pu[i],
                efficiency_discharge_pu[i],
                soc_horizon_s,
            )
            if np.isnan(charge_mw + discharge_mw) and low <= high:
                low = high = _clip(last_mw[i], low, high)
                low_reason = high_reason = TELEMETRY_AGE
            if charge_mw > low:
                low = charge_mw
                low_reason = SOC
            if discharge_mw < high:
                high = discharge_mw
                high_reason = SOC
        if low > high:
            low = high = _clip(last_mw[i], p_min_mw[i], p_max_mw[i])
            low_reason = high_reason = CROSSED
            crossed += 1
        range_lower_mw[i] = low
        range_upper_mw[i] = high

        ramp_low, ramp_high = _ramp_window_mw(
            last_mw[i], ramp_up_mw_per_s[i], ramp_down_mw_per_s[i], dt_s
        )
        if ramp_low > high:  # the range has moved away below the ramp's window: follow it
            low = high
            low_reason = high_reason
        elif ramp_high < low:
            high = low
            high_reason = low_reason
        else:
            if not ramp_low <= low:  # this way round, a NaN in the last setpoint gets through
                low = ramp_low
                low_reason = RAMP
            if not ramp_high >= high:
                high = ramp_high
                high_reason = RAMP
        lower_mw[i] = low
        upper_mw[i] = high
        lower_reason[i] = low_reason
        upper_reason[i] = high_reason
    return crossed


@kernel(i8(IN, IN, IN, IN_U1, IN_U1, OUT_U1))
def find_holders(
    p_mw: F8, lower_mw: F8, upper_mw: F8, lower_reason: U1, upper_reason: U1, held: U1
) -> int:
    """Write which limit holds each of n units at its setpoint; NONE if it is free.

    The upper one where both do. All arrays: shape (n,). Returns how many are held.
    """
    count = 0
    for i in range(p_mw.shape[0]):
        held[i] = NONE
        if p_mw[i] <= lower_mw[i]:
            held[i] = lower_reason[i]
        if p_mw[i] >= upper_mw[i]:
            held[i] = upper_reason[i]
        count += 1 if held[i] != NONE else 0
    return count


@kernel(i8(IN, IN))
def count_stiff(resolution_mw: F8, step_min_mw: F8) -> int:
    """Count the units of n that cannot take any number. Shapes (n,)."""
    count = 0
    for i in range(resolution_mw.shape[0]):
        count += 1 if resolution_mw[i] > 0.0 or step_min_mw[i] > 0.0 else 0
    return count
