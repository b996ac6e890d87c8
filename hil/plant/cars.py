"""Who comes to a charging hub and leaves it: arrivals, departures, energy owed.

A charger is taken for a stay, drawn evenly from half to one and a half of the hub's mean, and
stays empty for a few minutes after it. A hub has more chargers than its connection could feed at
once, as hubs with load management do. Unless a scenario says otherwise, the cars need together
what the hub's basepoint gives them, and the hub means to have each ready half an hour early.

Chargers: three phases, 16 A, 230 V, which is 11.04 kW.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.jit import F8, Fields, Records

CAR_MW = 3.0 * 230.0 * 16.0 / 1e6
SOCKETS_PER_RATED = 1.4  # power of all chargers over that of the connection
EMPTY_S = (300.0, 900.0)  # from a departure to the next arrival
STAY_SPREAD = 0.5  # of the mean
NEED_SPREAD = 0.2
MOST_NEED_PU = 0.85  # of a car's even share of the connection: what can be promised
AHEAD_S, AHEAD_SHARE = 1800.0, 0.15  # so early should a car be ready; of its stay at most
CYCLE_STEPS = 10  # of the hub's controller: a second
FORGIVEN_MWH = (
    CAR_MW / 3600.0
)  # what a charger gives in a second: the hub's controller sees no less

FIELDS: Fields = [
    ("leaves_s", "f8"),  # inf: nobody is there
    ("owed_mwh", "f8"),
    ("ahead_h", "f8"),  # it should be ready that long before it leaves
    ("must_pu", "f8"),  # what cannot wait, of its even share of the connection
    ("need_mw", "f8"),  # mean power until it should be ready
    ("given_mwh", "f8"),  # in this second
]
CAR = np.dtype(FIELDS)


def sockets(rated_mw: float) -> int:
    """Number of chargers of a hub."""
    return int(np.ceil(SOCKETS_PER_RATED * rated_mw / CAR_MW))


def need_pu(unit: Unit) -> float:
    """Mean need of a car, of its even share of the hub's connection during its stay."""
    if unit.need_pu is not None:
        return unit.need_pu
    if unit.departure_s <= 0.0:
        return 0.0  # nobody stays
    taken_pu = unit.departure_s / (unit.departure_s + 0.5 * sum(EMPTY_S))
    return min(max(-unit.basepoint_mw, 0.0) / (unit.rated_mw * taken_pu), MOST_NEED_PU)


class Traffic:
    """Cars of all hubs, in one array; those of a hub stand by their departure."""

    def __init__(
        self, units: Sequence[Unit], hubs: Records, body: Records, start_s: float, step_s: float,
        seed: int,
    ) -> None:  # fmt: skip
        self.cars = np.zeros(int(hubs["last"][-1]), dtype=CAR)
        self._units, self._hubs, self._body = units, hubs, body
        self._start_s, self._step_s = start_s, step_s
        self._rng = [np.random.default_rng([seed, unit.index, 3]) for unit in units]
        self._need_pu = [need_pu(unit) for unit in units]
        self._agenda: list[tuple[int, int, bool]] = []  # heap: step, hub, whether a car leaves
        for k in range(len(units)):
            self._fill(k)
        heapq.heapify(self._agenda)

    def owed_mwh(self) -> F8:
        """Energy owed by each hub, shape (hubs,)."""
        return np.add.reduceat(self.cars["owed_mwh"], self._hubs["first"])

    def run_due(self, count: int) -> None:
        """Let all cars leave and come whose time it is after `count` steps."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= count:
            due, k, leaves = heapq.heappop(agenda)
            if leaves:
                self._leave(k, due)
            else:
                self._come(k, due)

    def _fill(self, k: int) -> None:
        """Cars that are there at the start, somewhere within their stays."""
        unit, rng, mine = self._units[k], self._rng[k], self._mine(k)
        n = mine.size
        first_s, last_s = unit.leave_first_s, unit.leave_last_s
        if first_s is not None and last_s is not None:
            stay_s = left_s = rng.uniform(first_s, last_s, n)
            ahead_s = np.zeros(n)
        else:
            stay_s = unit.departure_s * rng.uniform(1.0 - STAY_SPREAD, 1.0 + STAY_SPREAD, n)
            left_s, ahead_s = stay_s * rng.uniform(0.0, 1.0, n), _ahead_s(stay_s)
        done = np.clip((stay_s - left_s) / np.maximum(stay_s - ahead_s, 1.0), 0.0, 1.0)
        mine["owed_mwh"] = self._owed(k, stay_s) * (1.0 - done)
        mine["leaves_s"] = self._start_s + left_s
        mine["ahead_h"] = ahead_s / 3600.0
        _sort(mine)
        self._agenda += [(self._turn(k, s), k, True) for s in np.sort(left_s).tolist()]

    def _leave(self, k: int, due: int) -> None:
        """Let the first car leave with what it has; its charger is empty for a while."""
        mine, unit, rng = self._mine(k), int(self._hubs["unit"][k]), self._rng[k]
        owed_mwh = float(mine["owed_mwh"][0])
        if owed_mwh > FORGIVEN_MWH:
            self._body["departure_missed_mwh"][unit] += owed_mwh
        mine[:-1] = mine[1:].copy()
        mine[-1] = np.zeros((), dtype=CAR)
        mine["leaves_s"][-1] = np.inf
        again = self._turn(k, due * self._step_s + rng.uniform(*EMPTY_S))
        heapq.heappush(self._agenda, (again, k, False))

    def _come(self, k: int, due: int) -> None:
        """Let a car come."""
        mine, rng = self._mine(k), self._rng[k]
        mean_s = self._units[k].departure_s
        stay_s = mean_s * rng.uniform(1.0 - STAY_SPREAD, 1.0 + STAY_SPREAD, 1)
        leave = self._turn(k, due * self._step_s + float(stay_s[0]))
        mine["leaves_s"][-1] = self._start_s + leave * self._step_s
        mine["owed_mwh"][-1:] = self._owed(k, stay_s)
        mine["ahead_h"][-1:] = _ahead_s(stay_s) / 3600.0
        _sort(mine)
        heapq.heappush(self._agenda, (leave, k, True))

    def _owed(self, k: int, stay_s: F8) -> F8:
        """What cars need that come for these times, MWh."""
        spread = self._rng[k].uniform(1.0 - NEED_SPREAD, 1.0 + NEED_SPREAD, stay_s.size)
        share = np.minimum(self._need_pu[k] * spread, MOST_NEED_PU)
        share_mw = self._units[k].rated_mw / self._mine(k).size
        return np.asarray(share * share_mw * stay_s / 3600.0)

    def _mine(self, k: int) -> Records:
        """Cars of a hub."""
        return self.cars[self._hubs["first"][k] : self._hubs["last"][k]]

    def _turn(self, k: int, after_s: float) -> int:
        """Count of the step, some time after the start, at which hub k has just booked energy."""
        steps = int(np.ceil(after_s / self._step_s))
        return steps + (int(self._hubs["turn"][k]) - steps) % CYCLE_STEPS


def _ahead_s(stay_s: F8) -> F8:
    """How long before they leave should cars be ready that come for these times."""
    return np.minimum(AHEAD_S, AHEAD_SHARE * stay_s)


def _sort(cars: Records) -> None:
    """Put cars in the order of their departures, in place."""
    cars[:] = cars[np.argsort(cars["leaves_s"], kind="stable")]
