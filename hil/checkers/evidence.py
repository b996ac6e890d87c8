"""All that the checkers read of one run: the simulated truth, and the daemon's own words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hil import fleet
from hil.checkers import settings
from hil.faults import Fault
from hil.faults import fault as faults
from hil.fleet import Fleet
from hil.measure import inputs
from hil.measure.inputs import Recording, Span
from hil.measure.journal import Ticks
from hil.measure.limits import Checked
from hil.measure.plant import Process
from hil.thinning import EXTREMES

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
READING_LATE_S = 2.0  # what a reading grows older by than telemetry_age_max_s: a tick, the links
READING_NOISE = 6.0  # times the noise of a reading, 1 sigma
LYING = ("device_freeze", "device_wrong_scale", "device_wrong_sign")  # readings that seem good
UNREAD = ("UNREACHABLE", "TELEMETRY_AGE")  # why the daemon says again what a unit took last
STANDSTILL = "host_tick_overrun"
CLOCK_JUMP = "host_clock_jump"


class Rows(Protocol):
    """Means of each second of the run, shape (seconds,): `hil.measure.tracking.Seconds`."""

    @property
    def t_s(self) -> F8:
        """Start of the second, since the start of the run."""

    @property
    def request_mw(self) -> F8:
        """As the TSO sent it."""

    @property
    def plant_mw(self) -> F8:
        """Of the simulated physics."""

    @property
    def unserved_mw(self) -> F8:
        """As the daemon told."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Setpoints that devices took, unit by unit and by time; shape (k,)."""

    t_s: F8
    p_mw: F8
    link_s: F8  # time in the link, of that message
    tick: I8  # row of `Ticks`; -1: none fits
    unit: I8
    first: I8  # shape (n + 1,): those of unit u are first[u] to first[u + 1] - 1

    def of(self, unit: int) -> slice:
        """Where those of one unit are."""
        return slice(int(self.first[unit]), int(self.first[unit + 1]))


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run, as the checkers see it."""

    out_dir: Path
    run: Recording
    fleet: Fleet
    processes: list[Process]
    rows: Rows
    ticks: Ticks | None  # None: the journal could not be read
    paired: I8  # row of `ticks` for each row of `run.setpoints`; -1: none fits
    orders: Orders
    limits: Checked
    spans: list[Span]  # faults that lasted, those that are always there too
    timed: tuple[Fault, ...]  # faults of the scenario by time
    settings: settings.Settings

    @property
    def end_s(self) -> float:
        """End of the run."""
        return self.run.t0_s + self.run.duration_s

    @property
    def reading_s(self) -> float:
        """Age of a reading that still counts."""
        return self.settings.telemetry_age_max_s + READING_LATE_S

    def inside(self, t_s: F8) -> NDArray[np.bool_]:
        """Which instants are within the run."""
        return np.asarray((t_s >= self.run.t0_s) & (t_s < self.end_s))

    def lies(self, unit: int, t_s: float) -> bool:
        """Whether a reading of a unit may be false without saying so."""
        return any(
            span.kind in LYING
            and unit in span.units
            and span.since_s <= t_s <= span.until_s + self.reading_s
            for span in self.spans
        )

    def readings_mw(self, unit: int, t_s: float) -> tuple[F8, F8]:
        """True power of a unit over the age of a reading, and the noise on it, MW; shape (k,)."""
        noise_pu = READING_NOISE * self.fleet.faults.telemetry_noise_pct / 100.0
        p_mw = self._lately(unit, t_s, *EXTREMES, "p_mw")  # the newest one last
        return p_mw, noise_pu * np.abs(p_mw)

    def reported_mw(self, unit: int, t_s: float, before_s: float = np.inf) -> tuple[F8, F8]:
        """Lowest and highest power that a unit could give, over the age of a reading, MW.

        `before_s`: the newest reading is from then, if that is earlier.
        """
        low_mw = self._lately(unit, t_s, "p_avail_min_mw", before_s=before_s)
        return low_mw, self._lately(unit, t_s, "p_avail_max_mw", before_s=before_s)

    def had_mw(self, unit: int, t_s: float) -> tuple[float, float]:
        """Lowest and highest power that a unit could give at an instant, MW; NaN: not recorded."""
        for process in self.processes:
            column = np.flatnonzero(process.units == unit)
            row = int(process.before(np.array([t_s]))[0]) if column.size else -1
            if row >= 0 and "p_avail_min_mw" in (process.rows.dtype.names or ()):
                at = process.rows[row]
                c = int(column[0])
                return float(at["p_avail_min_mw"][c]), float(at["p_avail_max_mw"][c])
        return np.nan, np.nan

    def _lately(self, unit: int, t_s: float, *names: str, before_s: float = np.inf) -> F8:
        """Columns of the power trace over the age of a reading; empty where there are none."""
        for process in self.processes:
            column = np.flatnonzero(process.units == unit)
            if column.size:
                since_s = min(t_s, before_s) - self.reading_s - self._set_back_s(t_s)
                first, last = process.before(np.array([since_s, t_s])).tolist()
                last += process.totals is not None  # a row of a thinned trace tells of before it
                rows = process.rows[max(first, 0) : last + 1]
                there = [name for name in names if name in (rows.dtype.names or ())]
                found = [rows[name][:, int(column[0])].astype(np.float64) for name in there]
                return np.concatenate([np.zeros(0), *found])
        return np.zeros(0)

    def _set_back_s(self, t_s: float) -> float:
        """How much fresher a reading may seem, by its device's clock, than it is: of a clock that
        is set back, and for the age of a reading after that, s.
        """
        last_s = t_s - self.run.t0_s
        return sum(
            -fault.size
            for fault in self.timed
            if fault.kind == CLOCK_JUMP
            and fault.size < 0.0
            and fault.at_s <= last_s <= fault.until_s + self.reading_s
        )

    def standstill_s(self, t_s: F8) -> F8:
        """How long the machine stands still in each tick, at each instant; 0: it does not."""
        lasts_s = np.zeros(t_s.size)
        for fault in self.timed:
            if fault.kind == STANDSTILL:
                since_s, until_s = self.run.t0_s + fault.at_s, self.run.t0_s + fault.until_s
                lasts_s[(t_s >= since_s) & (t_s <= until_s + fault.size)] += fault.size
        return lasts_s


def gather(
    out_dir: Path,
    run: Recording,
    processes: list[Process],
    rows: Rows,
    ticks: Ticks | None,
    paired: I8,
    checked: Checked,
) -> Evidence:
    """Gather the evidence of a run. Raises OSError, ValueError or KeyError for a broken record.

    Parameters
    ----------
    paired : ndarray
        As `hil.measure.pairing.writes_to_ticks` gives it.
    checked : Checked
        What `hil.measure.limits` found.
    """
    return Evidence(
        out_dir=out_dir,
        run=run,
        fleet=fleet.read(run.raw_dir / "fleet.json"),
        processes=processes,
        rows=rows,
        ticks=ticks,
        paired=paired,
        orders=taken(run, paired),
        limits=checked,
        spans=inputs.spans(run),
        timed=faults.read(run.raw_dir / "faults.json"),
        settings=settings.read(out_dir / "daemon.yaml", run.run),
    )


def taken(run: Recording, paired: I8) -> Orders:
    """Setpoints of a run that arrived, and were neither refused nor ignored."""
    n = len(run.units.ids)
    rows = run.setpoints
    of_units = inputs.rows_by_unit(rows["unit"], rows["flags"] == 0, n)
    by_unit = np.concatenate(of_units)
    return Orders(  # column by column: a day has millions of rows
        t_s=rows["t_s"][by_unit],
        p_mw=rows["p_mw"][by_unit],
        link_s=rows["link_s"][by_unit].astype(np.float64),
        tick=paired[by_unit],
        unit=rows["unit"][by_unit].astype(np.int64),
        first=np.cumsum([0, *(mine.size for mine in of_units)], dtype=np.int64),
    )


def episodes(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each stretch in which a mask, shape (k,), is true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True))
