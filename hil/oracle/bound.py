"""The bound of a run: two programs, solved with more and more clusters until they agree."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.fleet import Fleet
from hil.oracle import clusters as grouping
from hil.oracle import request, schedule, windows
from hil.oracle.clusters import INDEX, Traits
from hil.oracle.model import Grid
from hil.oracle.request import Request
from hil.oracle.schedule import Schedule
from hil.oracle.windows import Tell, silent
from hil.scenario import Scenario
from hil.scenario.frequency import NONE

F8 = NDArray[np.float64]
Progress = Callable[[float, str], None]
GAP_PCT = 0.2  # points of accuracy; less is not worth another round
CERTAIN_PCT = 0.02  # so near to 100 % that 100 % is bound enough
ROUNDS = (10, 20, 40, 80)  # clusters
CELLS = 150_000  # clusters x seconds of the rounds after the first: some minutes
SCHEMA = 1
METHOD = "HiGHS interior point (HiPO)"


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """What is possible in a run. The truth is between `reachable_pct` and `accuracy_pct`."""

    accuracy_pct: float  # nobody can do better
    reachable_pct: float  # a schedule that reaches this exists
    mae_mw: float  # of `accuracy_pct`
    reachable_mae_mw: float
    basis_mw: float  # regulation capacity
    skipped_s: int
    units: int
    clusters: int
    method: str
    seconds: float  # computing took that long
    t_s: F8  # start of each second of the run
    request_mw: F8
    delivered_mw: F8  # of the schedule that reaches `reachable_pct`

    @property
    def gap_pct(self) -> float:
        """What is not known, in points of accuracy."""
        return self.accuracy_pct - self.reachable_pct

    def describe(self) -> str:
        """Say it to people."""
        return (
            f"possible: {self.accuracy_pct:.3f} % of {self.basis_mw:g} MW"
            f" (no controller can do better); a schedule for {self.reachable_pct:.3f} % is known"
            f" (gap {self.gap_pct:.3f} points)\n"
            f"mean error at least {self.mae_mw:.4f} MW, of the known schedule"
            f" {self.reachable_mae_mw:.4f} MW, over {self.t_s.size - self.skipped_s} s\n"
            f"{self.units} units in {self.clusters} clusters, {self.method},"
            f" {self.seconds:.1f} s"
        )


def bound(
    scenario: Scenario,
    fleet: Fleet,
    *,
    request_mw: F8 | None = None,
    progress: Progress | None = None,
) -> Bound:
    """Work out the bound of a run. The same run gives the same figures.

    Parameters
    ----------
    request_mw : ndarray, shape (seconds,), optional
        What the plant should deliver, as `trace.csv` of the run has it; needed where the request
        follows the frequency (droop) or faults bent the signal. Default: AGC as the scenario says.
    progress : callable, optional
        Is told the share done, 0 to 1, and what is being done.

    Raises OracleError, SignalError.
    """
    began_s = time.perf_counter()
    asked = request.of(scenario, fleet, request_mw)
    with_frequency = scenario.frequency.kind != NONE
    traits = grouping.traits(fleet.units, with_frequency=with_frequency)
    search = _Search(asked, traits, progress)
    search.run()
    reached = search.best
    least_mae_mw = min(search.least_mae_mw, reached.mae_mw)
    return Bound(
        accuracy_pct=asked.accuracy_pct(least_mae_mw),
        reachable_pct=asked.accuracy_pct(reached.mae_mw),
        mae_mw=least_mae_mw,
        reachable_mae_mw=reached.mae_mw,
        basis_mw=asked.regulation_mw,
        skipped_s=asked.skipped,
        units=len(fleet.units),
        clusters=reached.clusters,
        method=METHOD,
        seconds=time.perf_counter() - began_s,
        t_s=np.arange(float(asked.seconds)),
        request_mw=asked.mw,
        delivered_mw=reached.delivered_mw,
    )


def schedule_of(
    asked: Request, traits: Traits, parts: list[INDEX], tell: Tell = silent
) -> Schedule:
    """Best schedule in which the members of each part do the same. Raises OracleError."""
    members = [grouping.restricted(traits, part, asked.seconds) for part in parts]
    wanted_mw = windows.wanted_mw(asked, members, tell)
    return schedule.carry_out(Grid.of(asked), members, wanted_mw)


def least_mae_mw(asked: Request, traits: Traits, parts: list[INDEX], tell: Tell = silent) -> float:
    """Mean error that no schedule is below. Raises OracleError."""
    members = [grouping.relaxed(traits, part, asked.seconds) for part in parts]
    return windows.least_mws(asked, members, tell) / (asked.seconds - asked.skipped)


@dataclass(frozen=True, slots=True)
class _Reached:
    mae_mw: float
    clusters: int
    delivered_mw: F8


class _Search:
    """Both sides, with more clusters from round to round."""

    def __init__(self, asked: Request, traits: Traits, progress: Progress | None) -> None:
        self.request = asked
        self.least_mae_mw = 0.0
        self.best = _Reached(np.inf, 0, asked.mw)
        self._traits = traits
        self._progress = progress
        self._done = 0

    def run(self) -> None:
        """Go on until the sides agree, or more clusters do not fit or do not exist."""
        before = 0
        for most in _rounds(self.request.seconds):
            parts = grouping.partition(self._traits, self.request, most)
            if len(parts) == before:
                break
            before = len(parts)
            self._reach(parts, self._teller(f"a schedule, {before} clusters"))
            if self._gap_pct() <= CERTAIN_PCT:
                break
            tell = self._teller(f"a bound, {before} clusters")
            found = least_mae_mw(self.request, self._traits, parts, tell)
            self.least_mae_mw = max(self.least_mae_mw, found)
            if self._gap_pct() <= GAP_PCT:
                break
        if self._progress:
            self._progress(1.0, "done")

    def _reach(self, parts: list[INDEX], tell: Tell) -> None:
        found = schedule_of(self.request, self._traits, parts, tell)
        delivered_mw = found.delivered_mw(self.request.seconds)
        mae_mw = self.request.mae_mw(delivered_mw)
        if mae_mw < self.best.mae_mw:
            self.best = _Reached(mae_mw, len(parts), delivered_mw)

    def _gap_pct(self) -> float:
        return 100.0 * (self.best.mae_mw - self.least_mae_mw) / self.request.regulation_mw

    def _teller(self, text: str) -> Tell:
        """Tell the share done: each program takes half of what is left, for more may come."""
        done, self._done = self._done, self._done + 1
        known = f"; gap {self._gap_pct():.3f} points" if done else ""

        def tell(share: float) -> None:
            if self._progress:
                self._progress(1.0 - 0.5**done * (1.0 - 0.5 * share), text + known)

        return tell


def _rounds(seconds: int) -> list[int]:
    """Numbers of clusters to try."""
    return [ROUNDS[0], *(most for most in ROUNDS[1:] if most * seconds <= CELLS)]


def to_dict(bound: Bound) -> dict[str, Any]:
    """Figures and series as JSON takes them."""
    series = {"t_s": bound.t_s, "request_mw": bound.request_mw, "delivered_mw": bound.delivered_mw}
    names = [f.name for f in fields(bound) if f.name not in series]
    return {
        "schema": SCHEMA,
        **{name: getattr(bound, name) for name in names},
        "gap_pct": bound.gap_pct,
        "series": {name: np.round(values, 6).tolist() for name, values in series.items()},
    }


def write(bound: Bound, path: Path) -> None:
    """Write as JSON, `oracle.json` by custom."""
    path.write_text(json.dumps(to_dict(bound)) + "\n", encoding="utf-8")


def read(path: Path) -> Bound:
    """Read what `write` wrote."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for name, values in record.pop("series").items():
        record[name] = np.array(values, dtype=np.float64)
    del record["schema"], record["gap_pct"]
    return Bound(**record)
