"""Small plants for the tests of the core: every field has a plain default."""

import dataclasses
from typing import Any

import numpy as np

from vppd.core.orders import Standing
from vppd.core.types import AwardGuard, Image, Order, Params, Policy, Quality, Trigger

NAN = float("nan")


def params(n: int = 3, **changes: Any) -> Params:
    """n units of -10 … 10 MW, ramp 5 MW/s, no store."""

    def each(value: float) -> np.ndarray:
        return np.full(n, value)

    base = Params(
        ids=tuple(f"u{i}" for i in range(n)),
        kinds=("other",) * n,
        p_min_mw=each(-10.0),
        p_max_mw=each(10.0),
        ramp_up_mw_per_s=each(5.0),
        ramp_down_mw_per_s=each(5.0),
        cost=each(1.0),
        energy_mwh=each(NAN),
        soc_min_pu=each(0.1),
        soc_max_pu=each(0.9),
        efficiency_charge_pu=each(1.0),
        efficiency_discharge_pu=each(1.0),
        step_min_mw=each(0.0),
        resolution_mw=each(0.0),
        telemetry_age_max_s=each(5.0),
        watchdog_s=each(10.0),
        fallback_mw=each(0.0),
        safe_mw=each(0.0),
        policy=Policy.EXACT,
        tick_s=1.0,
        soc_horizon_s=60.0,
        agc_limit_pu=1.0,
        agc_tolerance_pu=0.05,
        agc_rate_max_pu_per_s=float("inf"),
        agc_stale_after_s=6.0,
        agc_transit_max_s=6.0,
        hold_s=10.0,
        return_rate_pu_per_s=0.1,
        droop_enabled=False,
        droop_pu=0.05,
        droop_deadband_hz=0.036,
        droop_power_mw=30.0,
        freq_nominal_hz=50.0,
        freq_stale_after_s=3.0,
        setpoint_age_max_s=2.0,
        unit_group=np.full(n, -1),
        group_ids=(),
        group_parent=np.empty(0, dtype=np.int64),
        group_lower_mw=np.empty(0),
        group_upper_mw=np.empty(0),
        dead_time_s=each(0.0),
        lag_s=each(0.0),
        participation=each(1.0),
        look_ahead_s=1.0,
        settle_s=8.0,
        slow_s=3.0,
        quiet_pu=0.0,
        band_lower_mw=each(NAN),
        band_upper_mw=each(NAN),
        stay_below_s=each(0.0),
        stay_above_s=each(0.0),
        switch_mw=each(0.0),
        switches_per_day=each(float("inf")),
        trust_error_pu=0.0,
        steps_per_mw=each(0.0),
        soc_recovery_s=7200.0,
        firm_pu=each(1.0),
        soc_error_pu=0.02,
        award_guard=AwardGuard.NONE,
    )
    return dataclasses.replace(base, **changes)


def image(n: int = 3, tick: int = 0, now_s: float = 100.0, **changes: Any) -> Image:
    """n healthy units at 0 MW, read just now, that accepted 0 MW; a fresh AGC value of 0."""

    def each(value: float) -> np.ndarray:
        return np.full(n, value)

    def flags(value: int) -> np.ndarray:
        return np.full(n, value, dtype=np.uint8)

    base = Image(
        tick=tick,
        now_s=now_s,
        trigger=Trigger.GRID,
        agc_pu=0.0,
        agc_received_s=now_s,
        agc_sequence=-1,
        agc_transit_s=NAN,
        agc_quality=Quality.ONLINE,
        freq_hz=NAN,
        freq_received_s=NAN,
        freq_quality=Quality.RESTART,
        order=Order.AUTO,
        regulation_capacity_up_mw=20.0,
        regulation_capacity_down_mw=20.0,
        basepoint_mw=each(0.0),
        p_meas_mw=each(0.0),
        measured_at_s=each(now_s),
        quality=flags(Quality.ONLINE),
        soc_pu=each(NAN),
        p_avail_min_mw=each(NAN),
        p_avail_max_mw=each(NAN),
        accepted_mw=each(0.0),
        accepted_at_s=each(now_s),
        write_result=flags(1),
        remote=flags(1),
        connected=flags(1),
        locked=flags(0),
        operator_mw=each(NAN),
        pardon=-1,
        energy_mwh=each(NAN),
        energy_at_s=each(NAN),
    )
    return dataclasses.replace(base, **changes)


def standing(n: int = 3, **changes: Any) -> Standing:
    """What a plant of n units has standing by its configuration: a plan of 0 MW, no orders."""
    base = Standing(
        order=Order.AUTO,
        regulation_capacity_up_mw=20.0,
        regulation_capacity_down_mw=20.0,
        basepoint_mw=np.zeros(n),
        locked=np.zeros(n, dtype=np.uint8),
        operator_mw=np.full(n, NAN),
    )
    return dataclasses.replace(base, **changes)


def at(values: np.ndarray, index: int, value: float) -> np.ndarray:
    """A copy of an array with one entry changed."""
    copy = values.copy()
    copy[index] = value
    return copy
