"""Charging hub: cars at their chargers, each owed its energy at its departure.

The hub follows its setpoint as a whole, in steps of a three-phase charger (1 A), and never below
the 6 A that a charging car draws at least (IEC 61851-1, annex A). Once a second its controller
books the energy to the cars: first what they cannot wait for, then to each in proportion to the
mean power that it needs to be ready some time before it leaves, so that all keep their freedom for
long; what is left, to the earliest departure first (EDF: Liu & Layland, J. ACM 20 (1973); for
charging: Lee et al., "Adaptive Charging Networks", IEEE Trans. Smart Grid 12 (2021)). A car whose
share is below 6 A charges part of the time: over minutes, that is the same. So a *switch* is one
of the hub, from no load to some or back; what its chargers do among themselves is not simulated.

What cannot wait limits the hub. The intensity of a car is the mean power that it needs from now
until a minute before it leaves, of its even share of the hub's connection. As long as no car's is
above 1, all can be served, whatever the others need. From `RELAXED` on the car's freedom goes in a
straight line, at `URGENT` it is gone; the rest is the hub's reserve for rounding and lag.
"""

import math
from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.body import BODY, column
from hil.plant.cars import CAR, CAR_MW, CYCLE_STEPS, Traffic, sockets
from hil.plant.jit import I8, Fields, Records, f8, i8, kernel, law, records

AMPERE_MW = CAR_MW / 16.0
FLOOR_MW = 6.0 * AMPERE_MW
RELAXED, URGENT = 0.80, 0.95
MARGIN_H = 60.0 / 3600.0  # before the departure; who is late should be ready in that time
NOT_SEEN = -1

FIELDS: Fields = [
    ("unit", "i8"),  # index in the array of bodies
    ("first", "i8"),  # its cars, by departure; those of the next hub follow
    ("last", "i8"),
    ("turn", "i8"),  # step of a cycle in which it books energy: its own, whoever else is there
    ("rated_mw", "f8"),
    ("p_min_mw", "f8"),
    ("p_max_mw", "f8"),
    ("drawn_mwh", "f8"),  # and not yet booked
    ("need_mw", "f8"),  # of all its cars, to be ready in time
    ("draws", "i8"),  # 1: some charger is on; 0: none; NOT_SEEN: before the first step
]
HUB = np.dtype(FIELDS)


class Hubs:
    """All hubs of a plant."""

    def __init__(
        self, units: Sequence[Unit], index: I8, body: Records, step_s: float, start_s: float,
        seed: int,
    ) -> None:  # fmt: skip
        members = [units[i] for i in index.tolist()]
        self._own = np.zeros(len(members), dtype=HUB)
        self._own["unit"] = index
        self._own["turn"] = [unit.index % CYCLE_STEPS for unit in members]
        for name in ("rated_mw", "p_min_mw", "p_max_mw"):
            self._own[name] = column(members, name)
        ends = np.cumsum([sockets(unit.rated_mw) for unit in members])
        self._own["first"][1:], self._own["last"] = ends[:-1], ends
        self._body, self._step_s = body, step_s
        self._count = 0
        step_mw = column(members, "charger_step_a") * AMPERE_MW
        body["grid_mw"][index] = step_mw
        body["floor_mw"][index] = np.where(step_mw > 0.0, FLOOR_MW, 0.0)
        body["departure_missed_mwh"][index] = body["switches"][index] = 0.0
        self._own["draws"] = NOT_SEEN
        self.traffic = Traffic(members, self._own, body, start_s, step_s, seed)
        body["owed_mwh"][index] = self.traffic.owed_mwh()

    def step(self, end_s: float) -> None:
        """Move on by one step."""
        self.traffic.run_due(self._count)
        self._count += 1
        step(
            end_s, self._step_s, self._count % CYCLE_STEPS,
            self._own, self.traffic.cars, self._body,
        )  # fmt: skip


@law
def urgency(intensity: float) -> float:
    """Share of its part of the connection that a car of this intensity must have now."""
    return min(max((intensity - RELAXED) / (URGENT - RELAXED), 0.0), 1.0)


@law
def on_steps(load_mw: float, grid_mw: float, floor_mw: float) -> float:
    """Smallest load that a hub can draw and that is at least `load_mw`."""
    if load_mw <= 0.0 or grid_mw <= 0.0:
        return load_mw
    return max(grid_mw * math.ceil(load_mw / grid_mw), floor_mw)


@law
def is_drawn(load_mw: float, floor_mw: float) -> bool:
    """Say whether a hub that is to draw `load_mw` draws anything: it rounds to its floor, or 0."""
    return load_mw > 0.0 and load_mw >= 0.5 * floor_mw


@law
def book(
    drawn_mwh: float, most_mwh: float, cars: Records, a: int, z: int,
    urgent_mwh: float, need_h: float, any_mwh: float,
) -> float:  # fmt: skip
    """Give energy to the cars a to z, in order; what is left, MWh.

    Each wants what of `urgent_mwh` cannot wait, its need of `need_h` hours, and `any_mwh`; in all
    no more than `most_mwh`, which is what a charger can give.
    """
    for c in range(a, z):
        car = cars[c]
        wanted_mwh = urgent_mwh * car["must_pu"] + need_h * car["need_mw"] + any_mwh
        wanted_mwh = min(wanted_mwh, most_mwh - car["given_mwh"], car["owed_mwh"])
        given_mwh = min(drawn_mwh, wanted_mwh)
        car["given_mwh"] += given_mwh
        car["owed_mwh"] -= given_mwh
        drawn_mwh -= given_mwh
    return drawn_mwh


@kernel(f8, f8, i8, records(HUB), records(CAR), records(BODY))
def step(
    end_s: float, step_s: float, turn: int, own: Records, cars: Records, body: Records
) -> None:
    """Move all hubs on by `step_s` seconds; those whose `turn` it is book energy."""
    cycle_h = CYCLE_STEPS * step_s / 3600.0
    most_mwh = CAR_MW * cycle_h
    for k in range(own.size):
        hub = own[k]
        b = body[hub["unit"]]
        hub["drawn_mwh"] -= 0.5 * (b["p_mw"] + b["ordered_mw"]) * step_s / 3600.0
        b["p_mw"] = b["ordered_mw"]
        draws = 1 if is_drawn(-b["reference_mw"], b["floor_mw"]) else 0
        if hub["draws"] == 1 - draws:
            b["switches"] += 1.0
        hub["draws"] = draws
        if hub["turn"] != turn:
            continue
        a, z = hub["first"], hub["last"]
        share_mw = hub["rated_mw"] / (z - a)
        rest_mwh = book(hub["drawn_mwh"], most_mwh, cars, a, z, share_mw * cycle_h, 0.0, 0.0)
        if hub["need_mw"] > 0.0:
            rest_mwh = book(rest_mwh, most_mwh, cars, a, z, 0.0, rest_mwh / hub["need_mw"], 0.0)
        hub["drawn_mwh"] = book(rest_mwh, most_mwh, cars, a, z, 0.0, 0.0, most_mwh)
        owed_mwh = can_mw = must_mw = need_mw = 0.0
        for c in range(a, z):
            car = cars[c]
            car["given_mwh"] = car["must_pu"] = car["need_mw"] = 0.0
            if not car["owed_mwh"] > 0.0:
                continue
            left_h = (car["leaves_s"] - end_s) / 3600.0 - MARGIN_H
            car["need_mw"] = car["owed_mwh"] / max(left_h - car["ahead_h"], MARGIN_H)
            left_h = max(left_h, cycle_h)
            car["must_pu"] = urgency(car["owed_mwh"] / (share_mw * left_h))
            owed_mwh += car["owed_mwh"]
            can_mw += CAR_MW
            must_mw += share_mw * car["must_pu"]
            need_mw += car["need_mw"]
        hub["need_mw"] = need_mw
        must_mw = on_steps(must_mw, b["grid_mw"], b["floor_mw"])
        b["owed_mwh"] = owed_mwh
        b["low_mw"] = max(hub["p_min_mw"], -can_mw)
        b["high_mw"] = max(b["low_mw"], min(hub["p_max_mw"], 0.0 - must_mw))
        b["bare_low_mw"] = b["low_mw"]  # no car, no load
        b["bare_high_mw"] = max(b["low_mw"], hub["p_max_mw"])
