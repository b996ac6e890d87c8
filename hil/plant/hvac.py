"""Cooling of a building: an electric load behind a room of two heat capacities.

    C_a dT_a/dt = Q - U T_a - H (T_a - T_m),    C_m dT_m/dt = H (T_a - T_m)

T_a, T_m: air and building mass above the set point, K; Q: cooling that is missing, against the
load that holds the set point; U: to the outside, H: between air and mass. This is the equivalent
thermal parameter model (Sonderegger, LBL-8416, 1978; GridLAB-D: Taylor, Gowri & Katipamula,
PNNL-17615, 2008), solved exactly for each step, in which Q is constant.

Q / U = `ROOM_GAIN_K` times the missing share of the rated load. Of the building's capacity, U tau,
the air and what stands in it have a small part. Close to an edge of the comfort band the freedom
ends in a straight line, at the edge it is gone. Chillers have their own times: `machines.py`.
"""

from collections.abc import Sequence

import numpy as np

from hil.fleet import ROOM_GAIN_K, Unit
from hil.plant.body import BODY, column
from hil.plant.jit import F8, I8, Fields, Records, kernel, law, records
from hil.plant.machines import SITE, Machines

EDGE_SHARE = 0.2  # of the band, over which the freedom ends
AIR_SHARE = 0.08  # of the building's heat capacity
COUPLING = 8.0  # H / U

FIELDS: Fields = [
    ("unit", "i8"),  # index in the array of bodies
    ("base_mw", "f8"),
    ("p_min_mw", "f8"),
    ("p_max_mw", "f8"),
    ("k_per_mw", "f8"),  # Q / (U p)
    ("mass_k", "f8"),
    ("air_air", "f8"),  # how air and mass go on, one step later
    ("air_mass", "f8"),
    ("mass_air", "f8"),
    ("mass_mass", "f8"),
]
ROOM = np.dtype(FIELDS)


class Rooms:
    """All buildings of a plant, with their chillers."""

    def __init__(self, units: Sequence[Unit], index: I8, body: Records, step_s: float) -> None:
        members = [units[i] for i in index.tolist()]
        self._own = rooms(members, index, step_s)
        self._body = body
        self.machines = Machines(units, index, body)
        body["room_k"][index] = self._own["mass_k"]
        body["comfort_k"][index] = column(members, "comfort_k")

    def step(self, end_s: float) -> None:
        """Move on by one step."""
        self.machines.step(end_s)
        step(self._own, self.machines.sites, self._body)


def rooms(units: Sequence[Unit], index: I8, step_s: float) -> Records:
    """Constants and state of these units, with air and mass equally warm."""
    own = np.zeros(len(units), dtype=ROOM)
    own["unit"] = index
    own["base_mw"] = column(units, "basepoint_mw")
    own["p_min_mw"], own["p_max_mw"] = column(units, "p_min_mw"), column(units, "p_max_mw")
    own["k_per_mw"] = ROOM_GAIN_K / column(units, "rated_mw")
    own["mass_k"] = column(units, "room_start_k")
    memory = transition(column(units, "room_tau_s"), step_s)
    for name, row in zip(("air_air", "air_mass", "mass_air", "mass_mass"), memory, strict=True):
        own[name] = row
    return own


def transition(room_tau_s: F8, step_s: float) -> F8:
    """exp(A t) of the free room, rows [aa, am, ma, mm], by Sylvester's formula; shape (4, n)."""
    air_tau_s, mass_tau_s = AIR_SHARE * room_tau_s, (1.0 - AIR_SHARE) * room_tau_s
    aa, am = -(1.0 + COUPLING) / air_tau_s, COUPLING / air_tau_s
    ma, mm = COUPLING / mass_tau_s, -COUPLING / mass_tau_s
    middle, half = 0.5 * (aa + mm), np.sqrt(0.25 * (aa - mm) ** 2 + am * ma)
    fast, slow = np.exp((middle - half) * step_s), np.exp((middle + half) * step_s)
    tilt = (slow - fast) / (2.0 * half)
    mean = 0.5 * (slow + fast) - middle * tilt
    return np.stack([mean + aa * tilt, am * tilt, ma * tilt, mean + mm * tilt])


@law
def freedom(room_k: float, comfort_k: float) -> float:
    """Share of the range in which the room may still be let go towards the edge at `comfort_k`."""
    return min(max((comfort_k - room_k) / (EDGE_SHARE * comfort_k), 0.0), 1.0)


@kernel(records(ROOM), records(SITE), records(BODY))
def step(own: Records, sites: Records, body: Records) -> None:
    """Move all rooms on by the step that their constants are for."""
    for k in range(own.size):
        u = own[k]
        b = body[u["unit"]]
        mean_mw = 0.5 * (b["p_mw"] + b["ordered_mw"])
        b["p_mw"] = b["ordered_mw"]
        settled_k = u["k_per_mw"] * (mean_mw - u["base_mw"])
        air_k, mass_k = b["room_k"] - settled_k, u["mass_k"] - settled_k
        b["room_k"] = settled_k + u["air_air"] * air_k + u["air_mass"] * mass_k
        u["mass_k"] = settled_k + u["mass_air"] * air_k + u["mass_mass"] * mass_k
        warmer = freedom(b["room_k"], b["comfort_k"])
        colder = freedom(-b["room_k"], b["comfort_k"])
        low_mw = u["base_mw"] + (u["p_min_mw"] - u["base_mw"]) * colder
        high_mw = u["base_mw"] + (u["p_max_mw"] - u["base_mw"]) * warmer
        b["bare_low_mw"], b["bare_high_mw"] = sites[k]["low_mw"], sites[k]["high_mw"]
        # what the chillers cannot do comes last: comfort may not start a machine that is locked
        b["high_mw"] = max(min(high_mw, sites[k]["high_mw"]), sites[k]["low_mw"])
        b["low_mw"] = min(max(low_mw, sites[k]["low_mw"]), b["high_mw"])
