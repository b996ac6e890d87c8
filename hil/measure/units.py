"""What became of each unit: writes, losses, and the time in which it did not follow."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hil.measure.inputs import Recording, rows_by_unit, spans
from hil.measure.journal import Ticks
from hil.measure.plant import STEP_S, Process
from hil.recording import SetpointFlag, UnitState


@dataclass
class UnitRecord:
    """One unit over the run, as the bench saw it."""

    index: int
    received: int = 0  # setpoints that it got
    lost: int = 0  # swallowed by the scenario
    offline: int = 0  # arrived during an outage
    longest_silence_s: float = 0.0  # without a setpoint
    fallback_s: float = 0.0
    autonomous_s: float = 0.0
    unrecorded_s: float = 0.0  # its simulator was gone
    violations: int = 0
    faults: list[tuple[str, float]] = field(default_factory=list)  # kind, length in s
    daemon: dict[str, int] = field(default_factory=dict)  # ticks out of the split, by its reason

    @property
    def away_s(self) -> float:
        """Time in which it did not follow, s."""
        return self.fallback_s + self.autonomous_s + self.unrecorded_s

    def reason(self) -> str:
        """Why it did not follow, in words: as the bench knows it, then as the daemon saw it."""
        away = (
            ("simulator gone", self.unrecorded_s),
            ("in fallback", self.fallback_s),
            ("autonomous", self.autonomous_s),
        )
        parts = [f"{kind.replace('_', ' ')} {length_s:.0f} s" for kind, length_s in self.faults]
        parts += [f"{text} {length_s:.0f} s" for text, length_s in away if length_s >= 0.5]
        if self.daemon:
            told = ", ".join(f"{n} {r.lower().replace('_', ' ')}" for r, n in self.daemon.items())
            parts.append(f"ticks out of vppd's split: {told}")
        return "; ".join(parts)


def unit_records(
    run: Recording, processes: list[Process], ticks: Ticks | None, violations: list[int]
) -> list[UnitRecord]:
    """One record a unit, the worst first. `violations`: unit of each violation found."""
    records = [UnitRecord(u) for u in range(len(run.units.ids))]
    flags, unit = run.setpoints["flags"], run.setpoints["unit"]
    carries = (flags & SetpointFlag.KEEP_ALIVE) == 0
    lost = carries & ((flags & SetpointFlag.LOST) != 0)
    offline = carries & ((flags & SetpointFlag.OFFLINE) != 0) & ~lost
    received = carries & ~lost & ~offline
    got = [run.setpoints["t_s"][mine] for mine in rows_by_unit(unit, received, len(records))]
    lost_of = np.bincount(unit[lost], minlength=len(records)).tolist()
    offline_of = np.bincount(unit[offline], minlength=len(records)).tolist()
    blamed = Counter(violations)
    for record, t_s in zip(records, got, strict=True):
        record.received = t_s.size
        record.lost = lost_of[record.index]
        record.offline = offline_of[record.index]
        record.longest_silence_s = _silence_s(run, t_s)
        record.violations = blamed[record.index]
    _states(run, processes, records)
    for span in spans(run):
        for u in span.units:
            records[u].faults.append((span.kind, span.until_s - span.since_s))
    if ticks is not None:
        inside = (ticks.now_s >= run.t0_s) & (ticks.now_s < run.t0_s + run.duration_s)
        for row, u, why in ticks.out:
            if inside[row]:
                records[u].daemon[why] = records[u].daemon.get(why, 0) + 1
    return sorted(records, key=_badness)


def _badness(record: UnitRecord) -> tuple[float, ...]:
    """Sorts the worst first."""
    return (-record.violations, -record.away_s, -record.longest_silence_s, record.index)


def _silence_s(run: Recording, t_s: NDArray[np.float64]) -> float:
    """Longest time without a setpoint within the run."""
    end_s = run.t0_s + run.duration_s
    return float(np.diff(np.concatenate(([run.t0_s], t_s, [end_s]))).max())


def _states(run: Recording, processes: list[Process], records: list[UnitRecord]) -> None:
    """Time in each state, from the physics' rows."""
    steps = round(run.duration_s / STEP_S)
    for record in records:
        record.unrecorded_s = run.duration_s
    for process in processes:
        t_s = process.rows["t_s"]
        inside = (t_s >= run.t0_s - 1e-6) & (t_s < run.t0_s + run.duration_s - 1e-6)
        states = process.rows["state"][inside]
        stands_s = process.stands_s[inside]
        missing = max(0, steps - round(float(stands_s.sum()) / STEP_S))
        # One late step is the bench's jitter, not a simulator that was gone.
        gone_s = missing * STEP_S if missing > round(1.0 / STEP_S) else 0.0
        fallback_s = stands_s @ (states == int(UnitState.FALLBACK))
        autonomous_s = stands_s @ (states == int(UnitState.AUTONOMOUS))
        for column, u in enumerate(process.units.tolist()):
            records[u].fallback_s = float(fallback_s[column])
            records[u].autonomous_s = float(autonomous_s[column])
            records[u].unrecorded_s = gone_s
