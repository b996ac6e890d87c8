"""The configuration as the core wants it: numbers in arrays, in the order of the fleet."""

from collections.abc import Iterable

import numpy as np

from vppd.config.schema import Config, UnitConfig
from vppd.config.sections import DroopConfig
from vppd.core.types import F8, I8, AwardGuard, Params, Policy

_POLICIES = {
    "exact": Policy.EXACT,
    "pro_rata": Policy.PRO_RATA,
    "merit_order": Policy.MERIT_ORDER,
    "response_aware": Policy.RESPONSE_AWARE,
}
_AWARD_GUARDS = {
    "none": AwardGuard.NONE,
    "alarm": AwardGuard.ALARM,
    "clamp": AwardGuard.CLAMP,
}
STEPS_MIN = 2000.0
STEPS_PER_MW_MIN, STEPS_PER_MW_MAX = 1e4, 1e9
# Zero power for any frequency: the core multiplies by it even where droop is off.
_NO_DROOP = DroopConfig(droop_pu=1.0, power_mw=0.0)


def build_params(config: Config) -> Params:
    """Give what the tick needs of a configuration. Arrays are read-only, shape (n,)."""
    fleet, guards = config.fleet, config.guards
    places: dict[str | None, int] = {group.id: g for g, group in enumerate(config.groups)}
    droop = config.droop or _NO_DROOP

    def column(key: str) -> F8:
        return _frozen(getattr(unit, key) for unit in fleet)

    def column_or_basepoint(key: str) -> F8:
        values = ((getattr(unit, key), unit.basepoint_mw) for unit in fleet)
        return _frozen(basepoint if value is None else value for value, basepoint in values)

    return Params(
        ids=tuple(unit.id for unit in fleet),
        kinds=tuple(unit.kind for unit in fleet),
        p_min_mw=column("p_min_mw"),
        p_max_mw=column("p_max_mw"),
        ramp_up_mw_per_s=column("ramp_up_mw_per_s"),
        ramp_down_mw_per_s=column("ramp_down_mw_per_s"),
        cost=column("cost"),
        energy_mwh=_frozen(np.nan if u.energy_mwh is None else u.energy_mwh for u in fleet),
        soc_min_pu=column("soc_min_pu"),
        soc_max_pu=column("soc_max_pu"),
        efficiency_charge_pu=column("efficiency_charge_pu"),
        efficiency_discharge_pu=column("efficiency_discharge_pu"),
        step_min_mw=column("step_min_mw"),
        resolution_mw=column("resolution_mw"),
        telemetry_age_max_s=column("telemetry_age_max_s"),
        watchdog_s=column("watchdog_s"),
        fallback_mw=column_or_basepoint("fallback_mw"),
        safe_mw=column_or_basepoint("stop_mw"),
        policy=_POLICIES[config.policy.allocation],
        tick_s=config.site.tick_s,
        soc_horizon_s=config.policy.soc_horizon_s,
        agc_limit_pu=guards.agc_limit_pu,
        agc_tolerance_pu=guards.agc_tolerance_pu,
        agc_rate_max_pu_per_s=guards.agc_rate_max_pu_per_s,
        agc_stale_after_s=guards.agc_stale_after_s,
        agc_transit_max_s=guards.agc_transit_max_s,
        hold_s=guards.hold_s,
        return_rate_pu_per_s=guards.return_rate_pu_per_s,
        droop_enabled=config.droop is not None,
        droop_pu=droop.droop_pu,
        droop_deadband_hz=droop.deadband_hz,
        droop_power_mw=droop.power_mw,
        freq_nominal_hz=droop.freq_nominal_hz,
        freq_stale_after_s=droop.stale_after_s,
        setpoint_age_max_s=config.site.setpoint_age_max_s,
        dead_time_s=column("dead_time_s"),
        lag_s=column("lag_s"),
        participation=column("participation"),
        unit_group=_indices(places.get(unit.group, -1) for unit in fleet),
        group_ids=tuple(group.id for group in config.groups),
        group_parent=_indices(places.get(group.parent, -1) for group in config.groups),
        group_lower_mw=_frozen(_or(g.p_min_mw, -np.inf) for g in config.groups),
        group_upper_mw=_frozen(_or(g.p_max_mw, np.inf) for g in config.groups),
        look_ahead_s=config.policy.look_ahead_s,
        settle_s=config.policy.settle_s,
        slow_s=config.policy.slow_s,
        soc_recovery_s=config.policy.soc_recovery_s,
        quiet_pu=config.policy.quiet_pu,
        band_lower_mw=_frozen(_or(u.band_lower_mw, np.nan) for u in fleet),
        band_upper_mw=_frozen(_or(u.band_upper_mw, np.nan) for u in fleet),
        stay_below_s=_frozen(u.min_off_s if _is_off_below(u) else u.min_on_s for u in fleet),
        stay_above_s=_frozen(u.min_off_s if _is_off_above(u) else u.min_on_s for u in fleet),
        trust_error_pu=config.policy.trust_error_pu,
        switch_mw=column("switch_mw"),
        switches_per_day=_frozen(_or(u.switches_per_day, np.inf) for u in fleet),
        firm_pu=column("firm_pu"),
        soc_error_pu=config.policy.soc_error_pu,
        award_guard=_AWARD_GUARDS[config.plan.award_guard],
        steps_per_mw=_frozen(steps_per_mw(u.p_max_mw - u.p_min_mw, u.resolution_mw) for u in fleet),
    )


def basepoints_mw(config: Config) -> F8:
    """Give the scheduled output of each unit, MW, shape (n,), read-only."""
    return _frozen(unit.basepoint_mw for unit in config.fleet)


def steps_per_mw(range_mw: float, resolution_mw: float) -> float:
    """Grid that setpoints and readings of a unit are rounded to: its steps in 1 MW.

    A power of ten: 100 W or less, and at least `STEPS_MIN` steps over the range of the unit, far
    below what a meter of class 0.5 can tell. A unit that takes a grid only (`resolution_mw`) gets
    one that holds it. 0: none does.
    """
    steps = STEPS_PER_MW_MIN
    while steps < STEPS_PER_MW_MAX and steps * range_mw < STEPS_MIN:
        steps *= 10.0
    while not _holds(steps, resolution_mw):
        steps *= 10.0
        if steps > STEPS_PER_MW_MAX:
            return 0.0
    return steps


def _holds(steps: float, resolution_mw: float) -> bool:
    whole = steps * resolution_mw
    return abs(whole - round(whole)) <= 1e-6


def _is_off_below(unit: UnitConfig) -> bool:
    """Whether a unit counts as off below its band: there it draws or gives less than above."""
    low_mw, high_mw = unit.band_lower_mw, unit.band_upper_mw
    return low_mw is not None and high_mw is not None and abs(low_mw) < abs(high_mw)


def _is_off_above(unit: UnitConfig) -> bool:
    """Whether a unit counts as off above its band, as a load does."""
    low_mw, high_mw = unit.band_lower_mw, unit.band_upper_mw
    return low_mw is not None and high_mw is not None and abs(high_mw) < abs(low_mw)


def _frozen(values: Iterable[float]) -> F8:
    array = np.fromiter(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _indices(values: Iterable[int]) -> I8:
    array = np.fromiter(values, dtype=np.int64)
    array.setflags(write=False)
    return array


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
