"""Photovoltaic plant: gives the smaller of its limit and what the sun leaves.

    available = available in the full sun * sun * (1 - shade),   T d(shade)/dt = cloud - shade

Clouds, sun and the plant's smoothing T: `sky.py`. A plant can be curtailed and nothing else.
"""

from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.body import BODY, column
from hil.plant.jit import F8, I8, Fields, Records, f8, kernel, law, records, vector_f8
from hil.plant.sky import Clouds, plant_tau_s, sun_pu

FIELDS: Fields = [
    ("unit", "i8"),  # index in the array of bodies
    ("available_mw", "f8"),  # in the full sun
    ("shade_pu", "f8"),  # of the whole plant
    ("decay", "f8"),  # of the shade, in a step
]
PLANT = np.dtype(FIELDS)


class PvPlants:
    """All PV plants of a fleet, under one sky."""

    def __init__(
        self, units: Sequence[Unit], index: I8, body: Records, step_s: float, start_s: float,
        seed: int,
    ) -> None:  # fmt: skip
        members = [units[i] for i in index.tolist()]
        self._clouds = Clouds(members, start_s, seed)
        own = np.zeros(len(members), dtype=PLANT)
        own["unit"] = index
        own["available_mw"] = column(members, "available_mw")
        own["shade_pu"] = self._clouds.shade_pu
        tau_s = np.array([plant_tau_s(unit.rated_mw) for unit in members])
        own["decay"] = np.exp(-step_s / tau_s)
        self._own, self._body, self._start_s = own, body, start_s
        # the same sun for all of them
        self._solar_time_h = members[0].solar_time_h
        body["low_mw"][index] = 0.0
        body["high_mw"][index] = own["available_mw"] * (1.0 - own["shade_pu"]) * self._sun(start_s)
        body["p_mw"][index] = np.minimum(body["p_mw"][index], body["high_mw"][index])
        for name in ("reference_mw", "ordered_mw"):
            body[name][index] = body["p_mw"][index]

    def step(self, end_s: float) -> None:
        """Move on by one step."""
        self._clouds.run_due(end_s)
        step(self._sun(end_s), self._clouds.shade_pu, self._own, self._body)

    def _sun(self, now_s: float) -> float:
        """Sun of now, of that which the available power is given for."""
        if self._solar_time_h is None:
            return 1.0
        return sun_pu(self._solar_time_h + (now_s - self._start_s) / 3600.0)


@law
def shaded(shade_pu: float, cloud_pu: float, decay: float) -> float:
    """Shade of the whole plant after a step in which its point had `cloud_pu`."""
    return cloud_pu + (shade_pu - cloud_pu) * decay


@kernel(f8, vector_f8, records(PLANT), records(BODY))
def step(sun: float, cloud_pu: F8, own: Records, body: Records) -> None:
    """Move all plants on by the step that their constants are for."""
    for k in range(own.size):
        u = own[k]
        b = body[u["unit"]]
        u["shade_pu"] = shaded(u["shade_pu"], cloud_pu[k], u["decay"])
        available_mw = u["available_mw"] * sun * (1.0 - u["shade_pu"]) * b["permit_pu"]
        b["ordered_mw"] = min(b["ordered_mw"], available_mw)
        b["p_mw"] = min(max(b["ordered_mw"] + b["droop_mw"], 0.0), available_mw)
        b["low_mw"] = 0.0
        b["high_mw"] = available_mw
