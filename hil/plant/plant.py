"""All units of one process: dead times, watchdogs, and the step of the physics.

A setpoint accepted at t moves the unit's target at t + dead time; within the step of that instant
the target is the mean over the step, so that no setpoint is moved to the grid of the steps. A unit
whose watchdog runs out goes to its fallback by itself, through the same dead time.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hil.fleet import Unit
from hil.plant import battery, ev_hub, hvac, industrial, pv
from hil.plant.actuator import F8, Motion, column
from hil.recording import UnitState

U1 = NDArray[np.uint8]


class KindState(Protocol):
    """What every kind's state has."""

    @property
    def motion(self) -> Motion:
        """Reference and power."""


@dataclass(slots=True)
class Group:
    """Units of one kind: where they stand in the plant's arrays, and their model."""

    index: NDArray[np.intp]
    state: KindState
    limits: Callable[[Any], tuple[F8, F8]]
    step: Callable[[float, Any, F8], KindState]


class Plant:
    """Simulated units, in the order given. Instants are of the monotonic clock."""

    def __init__(self, units: Sequence[Unit], step_s: float, start_s: float, seed: int) -> None:
        n = len(units)
        self.units = tuple(units)
        self._steps = round(start_s / step_s)  # counted, so that instants stay on the grid
        self.p_mw = column(units, "basepoint_mw")
        self.soc_pu = np.where(
            np.isnan(column(units, "energy_mwh")), np.nan, column(units, "soc_start_pu")
        )
        self.low_mw = column(units, "p_min_mw")
        self.high_mw = column(units, "p_max_mw")
        self.state: U1 = np.full(n, int(UnitState.AUTONOMOUS), dtype=np.uint8)
        self._step_s = step_s
        self._target_mw = self.p_mw.copy()
        self._dead_s = [unit.dead_time_true_s for unit in units]
        self._orders: list[tuple[float, int, int, float]] = []  # heap: instant, count, unit, MW
        self._count = 0
        self._watchdog_at_s = np.full(n, np.inf)
        self._watchdog_s = [unit.watchdog_s for unit in units]
        self._fallback_mw = [unit.fallback_mw for unit in units]
        self._rng = np.random.default_rng([seed, 77])
        self._groups = self._build(self.p_mw, self.soc_pu)

    @property
    def now_s(self) -> float:
        """Instant of the last step."""
        return self._steps * self._step_s

    def restore(self, p_mw: F8, soc_pu: F8) -> None:
        """Go on from a recorded row: at rest at these powers, obeying nobody yet."""
        self.p_mw = p_mw.copy()
        self.soc_pu = soc_pu.copy()
        self._target_mw = p_mw.copy()
        self._groups = self._build(self.p_mw, self.soc_pu)

    def order(self, i: int, p_mw: float, at_s: float) -> None:
        """Unit i follows a setpoint that it got at `at_s`; feeds its watchdog."""
        self.state[i] = UnitState.FOLLOW
        self._watchdog_at_s[i] = at_s + self._watchdog_s[i]
        self._move(i, p_mw, at_s)

    def release(self, i: int, at_s: float) -> None:
        """Unit i goes back to its own schedule."""
        self.state[i] = UnitState.AUTONOMOUS
        self._watchdog_at_s[i] = np.inf
        self._move(i, self.units[i].basepoint_mw, at_s)

    def arm(
        self, i: int, *, watchdog_s: float | None = None, fallback_mw: float | None = None
    ) -> None:
        """Set time or fallback of a unit's watchdog; counts from the next setpoint on."""
        if watchdog_s is not None:
            self._watchdog_s[i] = watchdog_s
        if fallback_mw is not None:
            self._fallback_mw[i] = fallback_mw

    def watchdog(self, i: int) -> tuple[float, float]:
        """Time, s, and fallback, MW, of a unit's watchdog as armed."""
        return self._watchdog_s[i], self._fallback_mw[i]

    def watchdog_left_s(self, i: int, now_s: float) -> float:
        """Seconds until the watchdog runs out; 0 when it has, or nobody armed it."""
        left_s = float(self._watchdog_at_s[i]) - now_s
        return max(left_s, 0.0) if np.isfinite(left_s) else 0.0

    def step(self) -> None:
        """Move on by one step."""
        end_s = (self._steps + 1) * self._step_s
        self._expire(end_s)
        mean_mw = self._targets(end_s)
        for group in self._groups:
            group.state = group.step(self._step_s, group.state, mean_mw[group.index])
            self.p_mw[group.index] = group.state.motion.p_mw
            self.low_mw[group.index], self.high_mw[group.index] = group.limits(group.state)
            if isinstance(group.state, battery.State):
                self.soc_pu[group.index] = group.state.soc_pu
        self._steps += 1

    def _move(self, i: int, p_mw: float, at_s: float) -> None:
        self._count += 1  # keeps the order of equal instants
        heapq.heappush(self._orders, (at_s + self._dead_s[i], self._count, i, p_mw))

    def _expire(self, until_s: float) -> None:
        """Send units to their fallback whose watchdog runs out before `until_s`."""
        for i in np.flatnonzero(self._watchdog_at_s < until_s).tolist():
            self.state[i] = UnitState.FALLBACK
            self._move(i, self._fallback_mw[i], float(self._watchdog_at_s[i]))
            self._watchdog_at_s[i] = np.inf

    def _targets(self, end_s: float) -> F8:
        """Mean target of each unit over the step that ends at `end_s`."""
        mean_mw = self._target_mw.copy()
        while self._orders and self._orders[0][0] < end_s:
            at_s, _, i, p_mw = heapq.heappop(self._orders)
            rest = min((end_s - at_s) / self._step_s, 1.0)
            mean_mw[i] += (p_mw - self._target_mw[i]) * rest
            self._target_mw[i] = p_mw
        return mean_mw

    def _build(self, p_mw: F8, soc_pu: F8) -> list[Group]:
        groups = []
        for kind in sorted({unit.kind for unit in self.units}):
            index = np.flatnonzero([unit.kind == kind for unit in self.units])
            members = [self.units[i] for i in index.tolist()]
            groups.append(self._group(kind, index, members, p_mw[index], soc_pu[index]))
        return groups

    def _group(
        self, kind: str, index: NDArray[np.intp], units: list[Unit], p_mw: F8, soc_pu: F8
    ) -> Group:
        """Bind one kind's constants to its functions."""
        if kind == "battery":
            bat = battery.params(units)
            return Group(
                index,
                battery.start(p_mw, soc_pu),
                lambda state: battery.limits_mw(bat, state),
                lambda dt_s, state, target: battery.step(dt_s, bat, state, target),
            )
        if kind == "ev_hub":
            hub = ev_hub.params(units)
            return Group(
                index,
                ev_hub.start(hub, p_mw),
                lambda state: ev_hub.limits_mw(hub, state),
                lambda dt_s, state, target: ev_hub.step(dt_s, hub, state, target),
            )
        if kind == "hvac":
            room = hvac.params(units)
            return Group(
                index,
                hvac.start(p_mw),
                lambda state: hvac.limits_mw(room, state),
                lambda dt_s, state, target: hvac.step(dt_s, room, state, target),
            )
        if kind == "industrial":
            load = industrial.params(units)
            return Group(
                index,
                industrial.start(p_mw),
                lambda state: industrial.limits_mw(load, state),
                lambda dt_s, state, target: industrial.step(dt_s, load, state, target),
            )
        return self._pv_group(index, units, p_mw)

    def _pv_group(self, index: NDArray[np.intp], units: list[Unit], p_mw: F8) -> Group:
        sun = pv.params(units)
        cloudy = bool(np.any(sun.sun_sigma_mw > 0.0))
        calm = np.zeros(len(units))

        def step(dt_s: float, state: pv.State, target_mw: F8) -> pv.State:
            shock = self._rng.standard_normal(len(units)) if cloudy else calm
            return pv.step(dt_s, sun, state, target_mw, shock)

        return Group(index, pv.start(sun, p_mw), lambda state: pv.limits_mw(sun, state), step)
