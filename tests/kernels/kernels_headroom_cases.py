"""Units for the tests of `promise`, and a second way to its figures: the units simulated."""

import math

import numpy as np
from kernels_blocks import units_block

from vppd.kernels.headroom import GROUP_ROWS, find_left, lasting, promise

NAN = float("nan")
HORIZONS_S = (1.0, 300.0, 900.0, 1800.0)
NAMES = ("up", "down", "firm_up", "firm_down")

# A unit of 10 MW at rest on its basepoint of 0 that answers at once.
REST = {
    "out_reason": 0,
    "base_mw": 0.0,
    "told_mw": 0.0,
    "output_mw": 0.0,
    "range_lower_mw": -10.0,
    "range_upper_mw": 10.0,
    "ramp_up_mw_per_s": 100.0,
    "ramp_down_mw_per_s": 100.0,
    "dead_time_s": 0.0,
    "lag_s": 0.0,
    "soc_pu": NAN,
    "energy_mwh": NAN,
    "soc_min_pu": 0.1,
    "soc_max_pu": 0.9,
    "efficiency_charge_pu": 1.0,
    "efficiency_discharge_pu": 1.0,
    "firm_pu": 1.0,
}


def unit(**changes):
    """REST with changes."""
    assert not set(changes) - set(REST)
    return REST | changes


NO_GROUPS = {"member": None, "parent": (), "lower_mw": (), "upper_mw": ()}


def promised(*units, **options):
    """Sums by name, each of shape (K,)."""
    return counted(*units, **options)[1]


def counted(*units, soc_error_pu=0.02, soc_horizon_s=60.0, horizons_s=HORIZONS_S, groups=NO_GROUPS):
    """How many units have room, and sums by name, each of shape (K,).

    `groups`: lowest group of each unit, and the groups.
    """
    columns = {
        key: np.array([each[key] for each in units], "u1" if key == "out_reason" else "f8")
        for key in REST
    }
    sums = np.full((4, len(horizons_s)), NAN)
    member = [-1] * len(units) if groups["member"] is None else groups["member"]
    tree = [np.array(each, dtype=np.int64) for each in (member, groups["parent"])]
    limits = [np.array(groups[key], dtype=np.float64) for key in ("lower_mw", "upper_mw")]
    room = np.full((GROUP_ROWS, len(groups["parent"])), NAN)
    left_pu = np.full((len(horizons_s), len(units)), NAN)
    find_left(columns["dead_time_s"], columns["lag_s"], np.array(horizons_s), left_pu)
    here = ("out_reason", "base_mw", "told_mw", "output_mw", "range_lower_mw", "range_upper_mw")
    count = promise(
        *(columns[key] for key in (*here, "soc_pu")), units_block(columns, len(units)), left_pu,
        soc_error_pu, soc_horizon_s, *tree, *limits, room, np.array(horizons_s), sums,
    )  # fmt: skip
    return count, dict(zip(NAMES, sums, strict=True))


def lasts(*units, hold_s=900.0):
    """Bounds of what units can hold for so long, and how many are bounded."""
    keys = (
        *("soc_pu", "energy_mwh", "soc_min_pu", "soc_max_pu"),
        *("efficiency_charge_pu", "efficiency_discharge_pu"),
    )
    columns = [np.array([each[key] for each in units]) for key in keys]
    keys = ("range_lower_mw", "range_upper_mw")
    ranges = [np.array([each[key] for each in units]) for key in keys]
    out = np.full((2, len(units)), NAN)
    return out, lasting(*columns, hold_s, *ranges, *out)


def random_unit(rng):
    """A unit of any kind, anywhere."""
    low, high = np.sort(rng.uniform(-10.0, 10.0, 2))
    base, told, output = rng.uniform(low, high, 3)
    out_reason = int(rng.choice((0, 0, 0, 0, 6)))
    soc = float(rng.choice((NAN, rng.uniform(0.0, 1.0)), p=(0.1, 0.9)))
    energy = float(rng.choice((NAN, 10.0 ** rng.uniform(-1.0, 1.5))))
    if out_reason or (np.isnan(soc) and not np.isnan(energy)):
        low = high = told
    return unit(
        out_reason=out_reason,
        base_mw=base, told_mw=told, output_mw=output, range_lower_mw=low, range_upper_mw=high,
        ramp_up_mw_per_s=10.0 ** rng.uniform(-2.0, 2.0),
        ramp_down_mw_per_s=10.0 ** rng.uniform(-2.0, 2.0),
        dead_time_s=float(rng.choice((0.0, rng.uniform(0.0, 30.0), 400.0))),
        lag_s=float(rng.choice((0.0, 10.0 ** rng.uniform(-2.0, 3.0)))),
        soc_pu=soc,
        energy_mwh=energy,
        efficiency_charge_pu=rng.uniform(0.8, 1.0),
        efficiency_discharge_pu=rng.uniform(0.8, 1.0),
        firm_pu=rng.uniform(0.0, 1.0),
    )  # fmt: skip


def simulated_up_mw(one, horizon_s, step_s=0.002):
    """Room upwards of one unit in the split, by small steps in time."""
    limit_mw = one["range_upper_mw"]
    if not math.isnan(one["energy_mwh"]):
        stock_mwh = max(0.0, one["soc_pu"] - one["soc_min_pu"]) * one["energy_mwh"]
        given_mwh = stock_mwh * one["efficiency_discharge_pu"]
        limit_mw = min(limit_mw, given_mwh / ((horizon_s + 60.0) / 3600.0))
    u_mw, y_mw, t_s = one["told_mw"], one["output_mw"], one["dead_time_s"]
    while t_s < horizon_s - 0.5 * step_s:
        u_mw = max(u_mw, min(limit_mw, u_mw + one["ramp_up_mw_per_s"] * step_s))
        part = step_s / one["lag_s"] if one["lag_s"] > step_s else 1.0
        y_mw += (u_mw - y_mw) * part
        t_s += step_s
    return min(limit_mw, y_mw) - one["base_mw"]
