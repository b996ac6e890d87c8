"""Battery with inverter: state of charge, losses, cell temperature, power limits.

    dE/dt = -(p + loss),   loss = P (k0 + k1 x + (k2 + kc) x^2),   x = |p| / P

E in MWh, p in MW at the terminals, generation positive, P the rated power. k0, k1, k2 are the
inverter's: the quadratic form of Schmidt & Sauer (Sonnenenergie 4/1996, p. 43), fitted to the
curve that the California Energy Commission lists for a 3.2 MW central inverter (Power Electronics
FS3000CU15, 690 V, nominal DC voltage; Sandia model, King et al., SAND2007-5036), within 0.001 %
of rated power. k0 flows always: the standby loss. kc is the resistance of cells, cables and
transformer: what the unit's one-way efficiency at rated power leaves beside the inverter.

Cells are warmed by the share kc and cooled towards the ambient temperature (first order). The
battery's own management takes power away in straight lines: over `RESERVE_PU` beyond the limits
of the contract (`soc_min`, `soc_max`), and by temperature, as makers of lithium iron phosphate
cells ask (full power from 10 to 45 degrees for charging, from -10 to 45 for discharging, where the
highest is 55).
"""

from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.body import BODY, column
from hil.plant.jit import F8, I8, Fields, Records, f8, kernel, law, records

INVERTER = (0.00357, 0.00582, 0.01050)  # k0, k1, k2; pu of rated power
RESERVE_PU = 0.05  # of the store, over which the power goes away
HEAT_CAPACITY_H_PER_K = 0.0018  # MWh/K for each MWh of store: 1.05 kJ/(kg K), 160 Wh/kg
COOLING_TAU_S = 5400.0  # of cells in a cooled container
HOT_SPAN_K = 10.0  # below the cells' highest temperature, over which the power goes away
COLD_CHARGE_C = (0.0, 10.0)  # none below the first, full power above the second
COLD_DISCHARGE_C = (-20.0, -10.0)

FIELDS: Fields = [
    ("unit", "i8"),  # index in the array of bodies
    ("rated_mw", "f8"),
    ("energy_mwh", "f8"),
    ("soc_min_pu", "f8"),
    ("soc_max_pu", "f8"),
    ("standby_pu", "f8"),  # k0
    ("linear_charge_pu", "f8"),  # k1
    ("linear_discharge_pu", "f8"),
    ("square_charge_pu", "f8"),  # k2
    ("square_discharge_pu", "f8"),
    ("cells_charge_pu", "f8"),  # kc
    ("cells_discharge_pu", "f8"),
    ("ambient_c", "f8"),
    ("cell_max_c", "f8"),
    ("kelvin_per_mw", "f8"),  # of the cells above ambient, settled
]
BATTERY = np.dtype(FIELDS)


class Batteries:
    """All batteries of a plant."""

    def __init__(self, units: Sequence[Unit], index: I8, body: Records, step_s: float) -> None:
        self._own = batteries([units[i] for i in index.tolist()], index)
        self._body = body
        self._step_h = step_s / 3600.0
        self._decay = float(np.exp(-step_s / COOLING_TAU_S))
        body["temperature_c"][index] = self._own["ambient_c"]
        step(0.0, 1.0, self._own, body)  # so that the limits are those of the start

    def step(self, end_s: float) -> None:
        """Move on by one step."""
        del end_s
        step(self._step_h, self._decay, self._own, self._body)


def batteries(units: Sequence[Unit], index: I8) -> Records:
    """Constants of these units, which stand at `index` in the array of bodies."""
    own = np.zeros(len(units), dtype=BATTERY)
    own["unit"] = index
    limits = ("soc_min_pu", "soc_max_pu", "ambient_c", "cell_max_c")
    for name in ("rated_mw", "energy_mwh", *limits):
        own[name] = column(units, name)
    lost = {
        "charge": 1.0 - column(units, "efficiency_charge_pu"),
        "discharge": 1.0 / column(units, "efficiency_discharge_pu") - 1.0,
    }
    own["standby_pu"] = np.minimum(INVERTER[0], np.minimum(lost["charge"], lost["discharge"]))
    for way, lost_pu in lost.items():
        linear, square, cells = coefficients(lost_pu - own["standby_pu"])
        own[f"linear_{way}_pu"], own[f"square_{way}_pu"] = linear, square
        own[f"cells_{way}_pu"] = cells
    capacity_mwh_per_k = HEAT_CAPACITY_H_PER_K * own["energy_mwh"]
    own["kelvin_per_mw"] = COOLING_TAU_S / 3600.0 / capacity_mwh_per_k
    return own


def coefficients(lost_pu: F8) -> tuple[F8, F8, F8]:
    """k1, k2 and kc of units that lose `lost_pu` at rated power beside the standby loss.

    Where that is less than the inverter's own, the inverter is a better one of the same kind.
    """
    _, k1, k2 = INVERTER
    share = np.minimum(1.0, lost_pu / (k1 + k2))
    return k1 * share, k2 * share, np.maximum(lost_pu - k1 - k2, 0.0)


@law
def loss_pu(load_pu: float, standby_pu: float, linear_pu: float, square_pu: float) -> float:
    """What inverter and cells lose at a load, both in pu of rated power."""
    return standby_pu + load_pu * (linear_pu + load_pu * square_pu)


@law
def between(value: float, none: float, full: float) -> float:
    """0 at `none` and beyond, 1 at `full` and beyond, a straight line between them."""
    return min(max((value - none) / (full - none), 0.0), 1.0)


@law
def charge_pu(soc_pu: float, soc_max_pu: float, cells_c: float, cell_max_c: float) -> float:
    """Share of the rated power that may be charged."""
    full = between(soc_pu, soc_max_pu + RESERVE_PU, soc_max_pu)
    hot = between(cells_c, cell_max_c, cell_max_c - HOT_SPAN_K)
    cold = between(cells_c, COLD_CHARGE_C[0], COLD_CHARGE_C[1])
    return min(full, hot, cold)


@law
def discharge_pu(soc_pu: float, soc_min_pu: float, cells_c: float, cell_max_c: float) -> float:
    """Share of the rated power that may be discharged."""
    empty = between(soc_pu, soc_min_pu - RESERVE_PU, soc_min_pu)
    hot = between(cells_c, cell_max_c, cell_max_c - HOT_SPAN_K)
    cold = between(cells_c, COLD_DISCHARGE_C[0], COLD_DISCHARGE_C[1])
    return min(empty, hot, cold)


@kernel(f8, f8, records(BATTERY), records(BODY))
def step(step_h: float, decay: float, own: Records, body: Records) -> None:
    """Move all batteries on by `step_h` hours; `decay`: of the cells' warmth in that time."""
    for k in range(own.size):
        u = own[k]
        b = body[u["unit"]]
        rated_mw = u["rated_mw"]
        most_mw = rated_mw * b["permit_pu"]
        # a lag's tail must not carry the power past what the store can give or take
        low_mw, high_mw = b["low_mw"], b["high_mw"]
        if b["unguarded"] != 0.0:
            low_mw, high_mw = b["bare_low_mw"], b["bare_high_mw"]
        low_mw, high_mw = max(low_mw, -most_mw), min(high_mw, most_mw)
        b["ordered_mw"] = min(max(b["ordered_mw"], low_mw), high_mw)
        p_mw = min(max(b["ordered_mw"] + b["droop_mw"], low_mw), high_mw)
        mean_mw = 0.5 * (b["p_mw"] + p_mw)
        load_pu = abs(mean_mw) / rated_mw
        charging = mean_mw < 0.0
        linear_pu = u["linear_charge_pu"] if charging else u["linear_discharge_pu"]
        square_pu = u["square_charge_pu"] if charging else u["square_discharge_pu"]
        cells_pu = u["cells_charge_pu"] if charging else u["cells_discharge_pu"]
        lost_mw = rated_mw * loss_pu(load_pu, u["standby_pu"], linear_pu, square_pu + cells_pu)
        soc_pu = b["soc_pu"] - (mean_mw + lost_mw) * step_h / u["energy_mwh"]
        b["soc_pu"] = min(max(soc_pu, 0.0), 1.0)
        heat_mw = rated_mw * cells_pu * load_pu * load_pu
        settled_c = u["ambient_c"] + heat_mw * u["kelvin_per_mw"]
        b["temperature_c"] = settled_c + (b["temperature_c"] - settled_c) * decay
        b["p_mw"] = p_mw
        soc_pu, cells_c, max_c = b["soc_pu"], b["temperature_c"], u["cell_max_c"]
        b["low_mw"] = -most_mw * charge_pu(soc_pu, u["soc_max_pu"], cells_c, max_c)
        b["high_mw"] = most_mw * discharge_pu(soc_pu, u["soc_min_pu"], cells_c, max_c)
        b["bare_low_mw"] = -most_mw if soc_pu < 1.0 else 0.0
        b["bare_high_mw"] = most_mw if soc_pu > 0.0 else 0.0
