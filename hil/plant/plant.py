"""All units of one process: setpoints, watchdogs, and the step of the physics.

A step is: setpoints whose dead time is over (`orders.py`), what the frequency asks of inverters
(`ieee1547.py`), ramp and lag (`actuator.py`), then what each kind makes of it. A unit whose
watchdog runs out goes to its fallback by itself, through the same dead time.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hil.fleet import Unit
from hil.plant import actuator, meter
from hil.plant.battery import Batteries
from hil.plant.body import bodies, column, rest
from hil.plant.ev_hub import Hubs
from hil.plant.hvac import Rooms
from hil.plant.ieee1547 import Inverters
from hil.plant.industrial import Processes
from hil.plant.jit import F8, I8
from hil.plant.orders import Orders
from hil.plant.pv import PvPlants
from hil.recording import UnitState

U1 = NDArray[np.uint8]
NOMINAL_HZ = 50.0
FACTORY_WATCHDOG_S = 900.0  # of a watchdog that nobody has armed
WITH_DROOP = ("battery", "pv")
AUTONOMOUS, FOLLOW, FALLBACK = (
    int(state) for state in (UnitState.AUTONOMOUS, UnitState.FOLLOW, UnitState.FALLBACK)
)


class Kind(Protocol):
    """All units of one kind."""

    def step(self, end_s: float) -> None:
        """Move on by one step, to `end_s`."""


class Plant:
    """Simulated units, in the order given. Instants are of the monotonic clock.

    All arrays have shape (n,); nan where a figure does not apply.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        step_s: float,
        start_s: float,
        seed: int,
        nominal_hz: float = NOMINAL_HZ,
    ) -> None:
        n = len(units)
        self.units = tuple(units)
        self._step_s = step_s
        self._steps = round(start_s / step_s)  # counted, so that instants stay on the grid
        self._start_s, self._seed, self._nominal_hz = self.now_s, seed, nominal_hz
        self._body = bodies(units, step_s)
        self._body["soc_pu"] = np.where(
            np.isnan(column(units, "energy_mwh")), np.nan, column(units, "soc_start_pu")
        )
        # views, which change with every step
        self.p_mw: F8 = self._body["p_mw"]  # at the terminals, generation positive
        self.low_mw: F8 = self._body["low_mw"]  # what each unit could give now
        self.high_mw: F8 = self._body["high_mw"]
        self.soc_pu: F8 = self._body["soc_pu"]
        self.temperature_c: F8 = self._body["temperature_c"]  # cells of batteries
        self.room_k: F8 = self._body["room_k"]  # above the set point
        self.comfort_k: F8 = self._body["comfort_k"]  # half width of the band for it
        self.owed_mwh: F8 = self._body["owed_mwh"]  # by hubs to the cars that are there
        self.departure_missed_mwh: F8 = self._body["departure_missed_mwh"]  # since the start
        self.switches: F8 = self._body["switches"]  # starts and stops, since the start
        self.injected_mwh: F8 = self._body["injected_mwh"]  # by its meter, since the start
        self.absorbed_mwh: F8 = self._body["absorbed_mwh"]
        self.state: U1 = np.full(n, AUTONOMOUS, dtype=np.uint8)
        self._orders = Orders(n)
        self._dead_s = [unit.dead_time_true_s for unit in units]
        self._watchdog_at_s = np.full(n, np.inf)
        self._next_expiry_s = math.inf  # no watchdog runs out before
        self._watchdog_s = [FACTORY_WATCHDOG_S] * n
        self._fallback_mw = [0.0] * n
        for i in range(n):
            self.disarm(i)
        self._inverters = self._with_droop()
        self._kinds = self._build()

    @property
    def now_s(self) -> float:
        """Instant of the last step."""
        return self._steps * self._step_s

    @property
    def states(self) -> tuple[F8, ...]:
        """Inner states, in the order of `recording.STATE_COLUMNS`."""
        return self.room_k, self.temperature_c, self.departure_missed_mwh, self.switches

    def restore(self, p_mw: F8, soc_pu: F8) -> None:
        """Go on from a recorded row: at rest at these powers, obeying nobody yet."""
        rest(self._body, p_mw)
        self._body["soc_pu"] = soc_pu
        self._orders.clear()
        self._start_s = self.now_s
        self._kinds = self._build()

    def set_frequency(self, freq_hz: float) -> None:
        """What every unit measures from now on."""
        self._inverters.freq_dev_hz = round(freq_hz - self._nominal_hz, 9)  # 51.2 is 50 + 1.2

    def order(self, i: int, p_mw: float, at_s: float) -> None:
        """Unit i follows a setpoint that it got at `at_s`; feeds its watchdog."""
        self.state[i] = FOLLOW
        expires_s = at_s + self._watchdog_s[i]
        self._watchdog_at_s[i] = expires_s
        if expires_s < self._next_expiry_s:
            self._next_expiry_s = expires_s
        self._orders.put(i, at_s + self._dead_s[i], self._where_it_stands_mw(i, p_mw))

    def _where_it_stands_mw(self, i: int, p_mw: float) -> float:
        """The nearer end of its band for a setpoint inside."""
        low_mw, high_mw = self.units[i].band_lower_mw, self.units[i].band_upper_mw
        if low_mw is None or high_mw is None or not low_mw < p_mw < high_mw:
            return p_mw
        return low_mw if p_mw - low_mw <= high_mw - p_mw else high_mw

    def release(self, i: int, at_s: float) -> None:
        """Unit i goes back to its own schedule."""
        self.state[i] = AUTONOMOUS
        self._watchdog_at_s[i] = np.inf
        self._orders.put(i, at_s + self._dead_s[i], self.units[i].basepoint_mw)

    def arm(
        self, i: int, *, watchdog_s: float | None = None, fallback_mw: float | None = None
    ) -> None:
        """Set time or fallback of a unit's watchdog; counts from the next setpoint on."""
        if watchdog_s is not None:
            self._watchdog_s[i] = watchdog_s
        if fallback_mw is not None:
            self._fallback_mw[i] = fallback_mw

    def disarm(self, i: int) -> None:
        """Time and fallback of a unit's watchdog as from the factory, which suit no plant.

        A unit that nobody arms shows it: it takes very long, and goes to 0 MW or next to it.
        """
        unit = self.units[i]
        self._watchdog_s[i] = FACTORY_WATCHDOG_S
        self._fallback_mw[i] = min(max(0.0, unit.p_min_mw), unit.p_max_mw)

    def hold(self, i: int, p_mw: float | None) -> None:
        """Unit i stays at a power, MW, whatever it is told (0: tripped); None: it obeys again.

        Held anywhere but at 0, it still is within what its own protection allows.
        """
        self._body["held_mw"][i] = np.nan if p_mw is None else p_mw

    def unguard(self, i: int, *, on: bool) -> None:
        """Unit i protects its store, room or cars no longer, though it still says their range."""
        self._body["unguarded"][i] = 1.0 if on else 0.0

    def watchdog(self, i: int) -> tuple[float, float]:
        """Time, s, and fallback, MW, of a unit's watchdog as armed."""
        return self._watchdog_s[i], self._fallback_mw[i]

    def watchdog_left_s(self, i: int, now_s: float) -> float:
        """Seconds until the watchdog runs out; 0 when it has, or nobody armed it."""
        left_s = float(self._watchdog_at_s[i]) - now_s
        return max(left_s, 0.0) if math.isfinite(left_s) else 0.0

    def step(self) -> None:
        """Move on by one step."""
        end_s = (self._steps + 1) * self._step_s
        self._expire(end_s)
        self._orders.take(end_s, self._step_s, self._body)
        self._inverters.step(end_s)
        actuator.move(self._body)
        for kind in self._kinds:
            kind.step(end_s)
        meter.turn(self._body, self._step_s)
        self._steps += 1

    def _expire(self, until_s: float) -> None:
        """Send units to their fallback whose watchdog runs out before `until_s`."""
        if self._next_expiry_s >= until_s:
            return
        for i in np.flatnonzero(self._watchdog_at_s < until_s).tolist():
            self.state[i] = FALLBACK
            at_s = float(self._watchdog_at_s[i])
            self._orders.put(i, at_s + self._dead_s[i], self._fallback_mw[i])
            self._watchdog_at_s[i] = np.inf
        self._next_expiry_s = float(self._watchdog_at_s.min(initial=math.inf))

    def _with_droop(self) -> Inverters:
        """Protection and droop of the units that have them."""
        index = [
            i
            for i, unit in enumerate(self.units)
            if unit.droop_pu is not None and unit.kind in WITH_DROOP
        ]
        return Inverters(
            self.units, np.array(index, dtype=np.int64), self._body, self._step_s, self._nominal_hz
        )

    def _build(self) -> list[Kind]:
        """Models of the kinds that there are."""
        kinds = {unit.kind for unit in self.units}
        return [self._kind(kind, self._index(kind)) for kind in sorted(kinds)]

    def _index(self, kind: str) -> I8:
        """Where the units of a kind stand."""
        return np.flatnonzero([unit.kind == kind for unit in self.units]).astype(np.int64)

    def _kind(self, kind: str, index: I8) -> Kind:
        """Model of one kind."""
        units, body, step_s = self.units, self._body, self._step_s
        if kind == "battery":
            return Batteries(units, index, body, step_s)
        if kind == "ev_hub":
            return Hubs(units, index, body, step_s, self._start_s, self._seed)
        if kind == "hvac":
            return Rooms(units, index, body, step_s)
        if kind == "industrial":
            return Processes(units, index, body, self._start_s)
        return PvPlants(units, index, body, step_s, self._start_s, self._seed)
