"""Was every setpoint that a device received one that it may receive? Checked without the daemon.

Rating, ramp, state of charge (and availability where it was recorded), at the instant of
reception and against the simulated physics. A step is at fault only if it is more than the ramp
allows over the longer of the time between the two receptions and the time between the two ticks
that sent them, plus `RAMP_SLACK_S`; the links' latency moves receptions towards each other.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hil.measure.inputs import Recording, Units, rows_by_unit
from hil.measure.journal import Ticks
from hil.measure.pairing import value_slack_mw
from hil.measure.plant import Process
from hil.recording import SetpointFlag, UnitState

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
RAMP_SLACK_S = 0.1  # jitter of links of 20 to 80 ms, and of their simulation
SOC_SLACK_PU = 0.002
AVAILABLE_SLACK = 0.02  # of rated power
TELEMETRY_S = 3.0  # so old may be what the daemon knows of a unit's range
LOOK_EACH_S = 0.5  # ranges move slowly
NOT_RECEIVED = SetpointFlag.LOST | SetpointFlag.OFFLINE | SetpointFlag.KEEP_ALIVE


@dataclass(frozen=True, slots=True)
class Violation:
    """One setpoint that broke one limit."""

    t_s: float
    unit: int
    kind: str
    p_mw: float
    limit_mw: float


@dataclass
class Checked:
    """What the check found."""

    checked: int = 0
    ramps: int = 0  # setpoints that had one before them to be compared with
    bunched: int = 0  # steps that only the ticks' clock allows: writes that came close together
    soc: int = 0
    at_edge: int = 0  # of those, to a store that was empty or full
    available: int = 0
    violations: list[Violation] = field(default_factory=list)

    @property
    def by_kind(self) -> dict[str, int]:
        """Count violations."""
        return dict(Counter(v.kind for v in self.violations))


def check(
    run: Recording, processes: list[Process], setpoints: NDArray[np.void], tick_s: F8
) -> Checked:
    """Check every received setpoint.

    Parameters
    ----------
    setpoints : rows of recording.SETPOINT
        All writes of the run; those that were lost, offline or carry no setpoint are left out.
    tick_s : ndarray, shape as setpoints
        Start of the tick that sent each, s; NaN where unknown.
    """
    out = Checked()
    received = (setpoints["flags"] & int(NOT_RECEIVED)) == 0
    out.checked = int(received.sum())
    slack_mw = value_slack_mw(run.units)
    of_unit = rows_by_unit(setpoints["unit"], received, len(run.units.ids))
    for process in processes:
        for column, u in enumerate(process.units.tolist()):
            mine = of_unit[u]
            if mine.size:
                unit = _Unit(run.units, u, float(slack_mw[u]), process, column)
                unit.check(setpoints[mine], tick_s[mine], out)
    return out


def tick_instants(ticks: Ticks | None, paired: I8) -> F8:
    """Start of the tick of each write, s; NaN where unknown."""
    if ticks is None or ticks.now_s.size == 0:
        return np.full(paired.size, np.nan)
    return np.where(paired >= 0, ticks.now_s[paired], np.nan)


class _Unit:
    """Limits of one unit, and its simulated physics."""

    def __init__(
        self, units: Units, u: int, slack_mw: float, process: Process, column: int
    ) -> None:
        self.u, self.units, self.slack_mw = u, units, slack_mw
        self.process, self.column = process, column

    def check(self, rows: NDArray[np.void], tick_s: F8, out: Checked) -> None:
        """Check all setpoints of the unit, by time."""
        t_s, p_mw = rows["t_s"], rows["p_mw"]
        lower, upper = self.units.p_min_mw[self.u], self.units.p_max_mw[self.u]
        # Written so that a NaN is at fault.
        over = ~(p_mw <= upper + self.slack_mw)
        under = ~(p_mw >= lower - self.slack_mw)
        self._blame(rows, over, "rating", upper, out)
        self._blame(rows, under & ~over, "rating", lower, out)
        row = self.process.before(t_s)
        self._ramps(rows, tick_s, row, out)
        if row.size and self.process.rows.size:
            at = np.maximum(row, 0)
            known = (row >= 0) & (t_s - self.process.rows["t_s"][at] <= self.process.gap_max_s)
            self._soc(rows, at, known, out)
            self._available(rows, known, out)

    def _soc(self, rows: NDArray[np.void], at: I8, known: NDArray[np.bool_], out: Checked) -> None:
        if not np.isfinite(self.units.energy_mwh[self.u]):
            return
        soc, p_mw = self.process.rows["soc"][at, self.column], rows["p_mw"]
        known = known & np.isfinite(soc)
        out.soc += int(known.sum())
        empty = soc <= self.units.soc_min_pu[self.u] - SOC_SLACK_PU
        full = soc >= self.units.soc_max_pu[self.u] + SOC_SLACK_PU
        out.at_edge += int((known & (empty | full)).sum())
        wrong = (empty & (p_mw > self.slack_mw)) | (full & (p_mw < -self.slack_mw))
        self._blame(rows, known & wrong, "soc", 0.0, out)

    def _available(self, rows: NDArray[np.void], known: NDArray[np.bool_], out: Checked) -> None:
        """Range that the unit itself had to give, the widest of what telemetry may have told.

        The upper end of PV is no limit: its setpoint is a curtailment, the sun does the rest.
        """
        names = self.process.rows.dtype.names or ()
        slack_mw = self.slack_mw + AVAILABLE_SLACK * self.units.p_rated_mw[self.u]
        ends: list[tuple[str, np.ufunc, float]] = [("p_avail_min_mw", np.minimum, -1.0)]
        if self.units.kinds[self.u] != "pv":
            ends.append(("p_avail_max_mw", np.maximum, 1.0))
        ends = [end for end in ends if end[0] in names]
        told = self.process.lately(rows["t_s"], TELEMETRY_S, LOOK_EACH_S) if ends else []
        for name, widest, sign in ends:
            column = self.process.rows[name][:, self.column]
            limit = widest.reduce([column[at] for at in told])
            measured = known & np.isfinite(limit)
            out.available += int(measured.sum())
            wrong = sign * (rows["p_mw"] - limit) > slack_mw
            self._blame(rows, measured & wrong, "available", float("nan"), out)

    def _ramps(self, rows: NDArray[np.void], tick_s: F8, row: I8, out: Checked) -> None:
        """Each step against the setpoint in force before it."""
        ramp = self.units.ramp_mw_per_s[self.u]
        t_s, p_mw = rows["t_s"], rows["p_mw"]
        out.ramps += max(0, t_s.size - 1)
        received_s = np.diff(t_s)
        decided_s = np.diff(tick_s)
        longer_s = np.fmax(received_s, decided_s)

        def excess_mw(before_mw: F8, time_s: F8) -> F8:
            return np.asarray(np.abs(p_mw[1:] - before_mw) - ramp * (time_s + RAMP_SLACK_S))

        over_mw = excess_mw(p_mw[:-1], longer_s)
        out.bunched += int(
            ((over_mw <= self.slack_mw) & (excess_mw(p_mw[:-1], received_s) > self.slack_mw)).sum()
        )
        for k in np.flatnonzero(~(over_mw <= self.slack_mw)).tolist():
            time_s = float(longer_s[k])
            others = self._others_in_force(float(t_s[k]), float(t_s[k + 1]), int(row[k + 1]))
            excess = [float(excess_mw(np.full(t_s.size - 1, b), longer_s)[k]) for b in others]
            if not any(e <= self.slack_mw for e in excess):
                step_mw = np.copysign(ramp * time_s, p_mw[k + 1] - p_mw[k])
                self._add(rows[k + 1], "ramp", float(p_mw[k] + step_mw), out)

    def _others_in_force(self, before_s: float, now_s: float, row: int) -> list[float]:
        """What the unit may have had in force instead of its last setpoint.

        Its fallback if the watchdog ran out, its basepoint if it was not yet taken (also after a
        restart of its simulator, which leaves a gap in the record).
        """
        others = []
        watchdog_s = float(self.units.watchdog_s[self.u])
        states = self.process.rows["state"][:, self.column]
        if now_s - before_s >= watchdog_s - RAMP_SLACK_S or (
            row >= 0 and states[row] == UnitState.FALLBACK
        ):
            others.append(float(self.units.fallback_mw[self.u]))
        if row >= 0 and states[row] == UnitState.AUTONOMOUS:
            others.append(float(self.units.basepoint_mw[self.u]))
        return others

    def _blame(
        self,
        rows: NDArray[np.void],
        wrong: NDArray[np.bool_],
        kind: str,
        limit_mw: float,
        out: Checked,
    ) -> None:
        for row in rows[wrong]:
            self._add(row, kind, limit_mw, out)

    def _add(self, row: np.void, kind: str, limit_mw: float, out: Checked) -> None:
        out.violations.append(
            Violation(float(row["t_s"]), self.u, kind, float(row["p_mw"]), limit_mw)
        )
