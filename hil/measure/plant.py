"""Power of the simulated plant: sums over the processes that ran it, never over what is missing."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil import recording
from hil.measure.inputs import Recording
from hil.thinning import EXTREMES

F8 = NDArray[np.float64]
STEP_S = recording.PHYSICS_STEP_S
EDGE_S = 1e-6  # of instants that are sums of steps
GAP_MAX_S = 0.5  # rows that far apart are joined by a line: a late step of the bench, not a loss


@dataclass(frozen=True, slots=True)
class Traces:
    """The plant on a grid of 0.1 s, shape (m,) or (m, …). NaN where a process left no record."""

    t_s: F8  # on the monotonic clock
    total_mw: F8
    kind_mw: dict[str, F8]  # power of a kind less its basepoints
    soc_pu: F8  # shape (seconds, stores), at the start of each second
    holes: dict[int, int]  # process -> grid points without record


@dataclass(frozen=True, slots=True)
class Process:
    """Power trace of one process: rows of `recording.power_dtype`, and where its units are."""

    number: int
    units: NDArray[np.int64]
    rows: NDArray[np.void]
    step_s: float = STEP_S  # from row to row, at most; a thinned trace has the totals, too
    kinds: tuple[str, ...] = ()
    totals: NDArray[np.void] | None = None
    t_s: F8 = field(init=False)  # of `rows`, side by side: it is searched again and again

    def __post_init__(self) -> None:
        object.__setattr__(self, "t_s", np.ascontiguousarray(self.rows["t_s"]))

    @property
    def gap_max_s(self) -> float:
        """Rows that far apart are a late step of the bench, not a loss."""
        return GAP_MAX_S + self.step_s - STEP_S

    @property
    def low_mw(self) -> NDArray[np.floating[Any]]:
        """Least power of each unit since the row before, shape (rows, units)."""
        return np.asarray(self.rows["p_mw" if self.totals is None else EXTREMES[0]])

    @property
    def high_mw(self) -> NDArray[np.floating[Any]]:
        """Greatest power of each unit since the row before, shape (rows, units)."""
        return np.asarray(self.rows["p_mw" if self.totals is None else EXTREMES[1]])

    @property
    def stands_s(self) -> F8:
        """Time that each row stands for, up to its instant: one step, or more where thinned."""
        since_s = np.diff(self.rows["t_s"], prepend=self.rows["t_s"][:1] - STEP_S)
        steps_s = STEP_S * np.rint(since_s / STEP_S)
        return np.where(since_s > self.gap_max_s, STEP_S, steps_s)

    def lately(self, t_s: F8, back_s: float, each_s: float = STEP_S) -> list[NDArray[np.int64]]:
        """Rows that tell of a time before each instant, the newest first; never one before all."""
        each_s = max(each_s, self.step_s)
        back_s += self.step_s - STEP_S
        return [
            np.maximum(self.before(t_s - each_s * k), 0)
            for k in range(int(back_s / each_s + 1e-6) + 1)
        ]

    def before(self, t_s: F8) -> NDArray[np.int64]:
        """Index of the newest row at or before each instant; -1 before the first."""
        return np.searchsorted(self.t_s, t_s, side="right").astype(np.int64) - 1

    def gaps(self) -> list[tuple[float, float]]:
        """Times in which the process was gone, s."""
        t_s = self.t_s
        ends = np.flatnonzero(np.diff(t_s) > self.gap_max_s)
        return [(float(t_s[k]), float(t_s[k + 1])) for k in ends]


def read_processes(run: Recording) -> list[Process]:
    """Power traces of all processes."""
    found = []
    for number in recording.processes(run.raw_dir):
        trace = recording.read_trace(run.raw_dir, number)
        units = np.array(trace.units, dtype=np.int64)
        found.append(Process(number, units, trace.rows, trace.step_s, trace.kinds, trace.totals))
    return found


def traces(run: Recording, processes: list[Process]) -> Traces:
    """Sum up what the processes recorded. A unit that nobody recorded makes the total NaN."""
    first = int(np.floor(run.t0_s / STEP_S))
    count = int(np.ceil(run.duration_s / STEP_S)) + 2
    t_s = np.asarray((first + np.arange(count)) * STEP_S, dtype=np.float64)
    total = np.zeros(count)
    kinds = {kind: np.zeros(count) for kind in run.units.by("kinds")}
    missing = np.ones(len(run.units.ids), dtype=bool)
    holes: dict[int, int] = {}
    for process in processes:
        missing[process.units] = False
        of_kind = np.array([run.units.kinds[u] for u in process.units])
        columns = [("", np.ones(len(of_kind), dtype=bool))]
        columns += [(kind, of_kind == kind) for kind in kinds if (of_kind == kind).any()]
        for kind, mask in columns:
            power = _on_grid(*_summed(process, kind, mask, first, count), first, count)
            if kind:
                kinds[kind] += power
            else:
                total += power
                holes[process.number] = int(np.isnan(power).sum())
    for u in np.flatnonzero(missing):
        kinds[run.units.kinds[u]][:] = np.nan
        total[:] = np.nan
    for kind, power in kinds.items():
        power -= run.units.basepoint_mw[np.array(run.units.kinds) == kind].sum()
    return Traces(t_s, total, kinds, _soc(run, processes), {k: n for k, n in holes.items() if n})


def second_means(run: Recording, t_s: F8, value: F8) -> F8:
    """Mean of a trace of 0.1 s, straight between its rows, over each second of the run.

    NaN where it has a hole of more than the piece to the next row. The mean of the rows in a second
    would be that of a time half a row earlier: 0.05 s of 100 MW of movement are 1.4 kWh.
    """
    known, lasts_s = np.isfinite(value[:-1] + value[1:]), np.diff(t_s)
    parts = np.where(known, 0.5 * (value[:-1] + value[1:]) * lasts_s, 0.0)
    sums = np.concatenate(([0.0], np.cumsum(parts)))
    known_s = np.concatenate(([0.0], np.cumsum(np.where(known, lasts_s, 0.0))))
    edges_s = run.edges_s
    k = np.clip(np.searchsorted(t_s, edges_s, side="right") - 1, 0, t_s.size - 2)
    into_s = edges_s - t_s[k]
    slope = np.where(known[k], (value[k + 1] - value[k]) / lasts_s[k], 0.0)
    at_edge = np.where(known[k], value[k] + 0.5 * slope * into_s, 0.0) * into_s
    known_s = np.diff(np.interp(edges_s, t_s, known_s))
    whole = known_s > 1.0 - STEP_S - EDGE_S
    return np.where(whole, np.diff(sums[k] + at_edge), np.nan) / np.where(whole, known_s, 1.0)


def _summed(
    process: Process, kind: str, mask: NDArray[np.bool_], first: int, count: int
) -> tuple[F8, F8]:
    """Instants and power of one kind ("": of all) of a process, of the time that is asked for."""
    rows = process.rows if process.totals is None else process.totals
    since_s, until_s = (first - 0.5) * STEP_S, (first + count - 0.5) * STEP_S
    inside = slice(*np.searchsorted(rows["t_s"], [since_s, until_s]).tolist())
    t_s = rows["t_s"][inside]
    if process.totals is None:
        return t_s, rows["p_mw"][inside][:, mask].sum(axis=1)
    if kind:
        return t_s, rows["kind_mw"][inside, process.kinds.index(kind)]
    return t_s, rows["p_mw"][inside]


def _on_grid(t_s: F8, p_mw: F8, first: int, count: int) -> F8:
    """Power on the grid; short gaps by a line, long ones NaN."""
    power = np.full(count, np.nan)
    power[np.rint(t_s / STEP_S).astype(np.int64) - first] = p_mw
    known = np.flatnonzero(np.isfinite(power))
    apart = np.diff(known)
    for k in np.flatnonzero((apart > 1) & (apart <= round(GAP_MAX_S / STEP_S))).tolist():
        left, right = int(known[k]), int(known[k + 1])
        power[left : right + 1] = np.linspace(power[left], power[right], right - left + 1)
    return power


def _soc(run: Recording, processes: list[Process]) -> F8:
    """State of charge of each store at the start of each second; shape (seconds, stores)."""
    columns = []
    starts_s = run.edges_s[:-1]
    for process in processes:
        if process.rows.size == 0:
            continue
        row = process.before(starts_s)
        at = np.maximum(row, 0)
        old = (row < 0) | (starts_s - process.rows["t_s"][at] > process.gap_max_s)
        for j, u in enumerate(process.units):
            if np.isfinite(run.units.energy_mwh[u]):
                columns.append(np.where(old, np.nan, process.rows["soc"][at, j]))
    return np.array(columns).T.reshape(run.seconds, -1)
