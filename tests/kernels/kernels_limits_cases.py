"""Units for the tests of `fold_limits` and `guard_setpoints`."""

from dataclasses import dataclass, fields

import numpy as np
from kernels_blocks import units_block

from vppd.kernels.guard import guard_setpoints
from vppd.kernels.jit import F8, U1
from vppd.kernels.limits import fold_limits

NAN = float("nan")

# One battery of 10 MW and 10 MWh at rest, half full, whose ramp takes 2 MW a tick.
REST = {
    "p_min_mw": -10.0,
    "p_max_mw": 10.0,
    "last_mw": 0.0,
    "ramp_up_mw_per_s": 2.0,
    "ramp_down_mw_per_s": 2.0,
    "soc_pu": 0.5,
    "energy_mwh": 10.0,
    "soc_min_pu": 0.1,
    "soc_max_pu": 0.9,
    "efficiency_charge_pu": 1.0,
    "efficiency_discharge_pu": 1.0,
    "p_avail_min_mw": NAN,
    "p_avail_max_mw": NAN,
    "pinned_mw": 0.0,
    "out_reason": 0,
}


@dataclass
class Box:
    """What `fold_limits` writes."""

    crossed: int
    lower_mw: F8
    upper_mw: F8
    lower_reason: U1
    upper_reason: U1
    range_lower_mw: F8
    range_upper_mw: F8

    @property
    def arrays(self) -> tuple[object, ...]:
        """Everything, for comparison."""
        return tuple(getattr(self, f.name) for f in fields(self))


@dataclass
class Fleet:
    """Inputs of n units."""

    p_min_mw: F8
    p_max_mw: F8
    last_mw: F8
    ramp_up_mw_per_s: F8
    ramp_down_mw_per_s: F8
    soc_pu: F8
    energy_mwh: F8
    soc_min_pu: F8
    soc_max_pu: F8
    efficiency_charge_pu: F8
    efficiency_discharge_pu: F8
    p_avail_min_mw: F8
    p_avail_max_mw: F8
    pinned_mw: F8
    out_reason: U1
    dt_s: float = 1.0
    soc_horizon_s: float = 900.0

    def fold(self) -> Box:
        """Run the kernel."""
        n = self.p_min_mw.size
        lower, upper, range_lower, range_upper = np.full((4, n), NAN)
        lower_reason, upper_reason = np.full((2, n), 255, dtype=np.uint8)
        crossed = fold_limits(
            self.p_min_mw, self.p_max_mw,
            self.last_mw, self.ramp_up_mw_per_s, self.ramp_down_mw_per_s, self.dt_s,
            self.soc_pu, self.energy_mwh, self.soc_min_pu, self.soc_max_pu,
            self.efficiency_charge_pu, self.efficiency_discharge_pu, self.soc_horizon_s,
            self.p_avail_min_mw, self.p_avail_max_mw, self.out_reason, self.pinned_mw,
            lower, upper, lower_reason, upper_reason, range_lower, range_upper,
        )  # fmt: skip
        return Box(crossed, lower, upper, lower_reason, upper_reason, range_lower, range_upper)


def guard(fleet: Fleet, p_setpoint_mw: F8) -> tuple[int, U1]:
    """Run the second guard: number of units that failed, and the mask."""
    failed = np.full(p_setpoint_mw.size, 255, dtype=np.uint8)
    count = guard_setpoints(
        p_setpoint_mw, fleet.last_mw, units_block(vars(fleet), p_setpoint_mw.size), fleet.dt_s,
        fleet.p_avail_min_mw, fleet.p_avail_max_mw, fleet.soc_pu, fleet.soc_horizon_s,
        fleet.out_reason, failed,
    )  # fmt: skip
    return count, failed


def one(dt_s: float = 1.0, soc_horizon_s: float = 900.0, **numbers: float) -> Fleet:
    """A fleet of one unit: `REST` with other numbers."""
    columns = {name: np.array([float(value)]) for name, value in (REST | numbers).items()}
    columns["out_reason"] = columns["out_reason"].astype(np.uint8)
    return Fleet(**columns, dt_s=dt_s, soc_horizon_s=soc_horizon_s)


def random_fleet(rng: np.random.Generator, n: int) -> Fleet:
    """Units of all sorts, a third of them in some trouble."""

    def sometimes(share: float, odd: F8, usual: F8) -> F8:
        return np.where(rng.uniform(size=n) < share, odd, usual)

    p_max = rng.uniform(0.0, 10.0, n)
    p_min = sometimes(0.5, -p_max, rng.uniform(0.0, 1.0, n) * p_max)
    last = p_min + (p_max - p_min) * rng.uniform(size=n)
    none = np.full(n, NAN)
    return Fleet(
        p_min_mw=p_min,
        p_max_mw=p_max,
        last_mw=last,
        ramp_up_mw_per_s=10.0 ** rng.uniform(-2.0, 1.0, n),
        ramp_down_mw_per_s=10.0 ** rng.uniform(-2.0, 1.0, n),
        soc_pu=sometimes(0.1, none, rng.uniform(-0.05, 1.05, n)),
        energy_mwh=sometimes(0.5, none, 10.0 ** rng.uniform(-2.0, 2.0, n)),
        soc_min_pu=np.full(n, 0.1),
        soc_max_pu=np.full(n, 0.9),
        efficiency_charge_pu=rng.uniform(0.8, 1.0, n),
        efficiency_discharge_pu=rng.uniform(0.8, 1.0, n),
        p_avail_min_mw=sometimes(0.7, none, rng.uniform(-12.0, 3.0, n)),
        p_avail_max_mw=sometimes(0.7, none, rng.uniform(-3.0, 12.0, n)),
        pinned_mw=p_min + (p_max - p_min) * rng.uniform(size=n),
        out_reason=np.where(rng.uniform(size=n) < 0.1, rng.integers(5, 8, n), 0).astype(np.uint8),
        dt_s=float(rng.choice([0.0, 0.1, 1.0, 2.0])),
        soc_horizon_s=float(rng.choice([60.0, 900.0, 3600.0])),
    )
