"""Energy of a stretch by kind of unit, as `vppd settle` counts it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import numpy as np

from vppd.journal.reader import Record, SegmentStart, TickRecord
from vppd.market.settlement.energy import UnitSeries, interval_energy
from vppd.market.settlement.record import Plant
from vppd.runtime.settle_journal import SettleLog


@dataclass(frozen=True, slots=True)
class KindEnergy:
    """One kind, MWh; NaN where no unit of it is known.

    `counted_pct`: of its units' time that rests on energy counters.
    """

    kind: str
    units: int
    given_mwh: float  # sum of the units that gave more than they took
    taken_mwh: float  # of the others, a positive number
    counted_pct: float
    unknown: int  # units without a reading: not in the sums


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a journal in which the units were the same; instants are UTC, s."""

    plant: Plant
    since_s: float
    until_s: float


class EnergyLog:
    """What is settled of each tick, by stretches of the same units: a reload may change them."""

    def __init__(self) -> None:
        self._logs: list[tuple[float, SettleLog]] = []  # each since its first tick
        self._log = SettleLog()
        self._ids: tuple[str, ...] = ()
        self._start: SegmentStart | None = None

    def add(self, record: Record) -> None:
        """Take in one record."""
        if isinstance(record, SegmentStart):
            self._start = record
        elif isinstance(record, TickRecord):
            if self._start is not None:
                self._enter(self._start, record.meta.utc_s)
            self._log.add(record)

    def _enter(self, start: SegmentStart, utc_s: float) -> None:
        """Begin anew where the units of this segment, which has ticks, are others."""
        ids = start.header.params.ids
        if not self._logs or ids != self._ids:
            self._log, self._ids = SettleLog(), ids
            self._logs.append((utc_s, self._log))
        self._log.add(start)
        self._start = None

    def parts(self, since_s: float, until_s: float) -> list[Part]:
        """Give the stretches between two instants, UTC."""
        ends = [at_s for at_s, _ in self._logs[1:]] + [math.inf]
        found = [
            (log, max(since_s, begin_s), min(until_s, end_s))
            for (begin_s, log), end_s in zip(self._logs, ends, strict=True)
        ]
        return [Part(log.plant(), begin_s, end_s) for log, begin_s, end_s in found
                if begin_s < end_s]  # fmt: skip


def by_kind(parts: Sequence[Part], kinds: Mapping[str, str]) -> list[KindEnergy]:
    """Energy of the units of each kind; `kinds` by unit.

    That of a unit that is first read later counts from there on: a daemon that starts has to read
    its units first.
    """
    units: dict[str, list[_Unit]] = {}
    for part in parts:
        for unit in part.plant.units:
            found = _of(unit.readings, part.since_s, part.until_s)
            units.setdefault(unit.id, []).extend([] if found is None else [found])
    by: dict[str, list[_Unit | None]] = {kind: [] for kind in sorted({kinds[u] for u in units})}
    for unit_id, found_of in units.items():
        by[kinds[unit_id]].append(_together(found_of))
    return [_sum(kind, of_kind) for kind, of_kind in by.items()]


class _Unit(NamedTuple):
    energy_mwh: float
    counted_s: float
    lasts_s: float


def _together(found: Sequence[_Unit]) -> _Unit | None:
    """One unit over all its stretches; None: it was never read."""
    return _Unit(*map(sum, zip(*found, strict=True))) if found else None


def _of(readings: UnitSeries, since_s: float, until_s: float) -> _Unit | None:
    """Energy of one unit; None: it was never read."""
    if not readings.t_s.size or readings.t_s[0] >= until_s:
        return None
    from_s = max(since_s, float(readings.t_s[0]))
    metered = interval_energy(readings, np.asarray([from_s, until_s]))
    return _Unit(float(metered.energy_mwh[0]), float(metered.counted_s[0]), until_s - from_s)


def _sum(kind: str, units: Sequence[_Unit | None]) -> KindEnergy:
    known = [unit for unit in units if unit is not None]
    unknown = len(units) - len(known)
    if not known:
        return KindEnergy(kind, len(units), nan, nan, nan, unknown)
    return KindEnergy(
        kind, len(units),
        sum(max(0.0, unit.energy_mwh) for unit in known),
        sum(max(0.0, -unit.energy_mwh) for unit in known),
        100.0 * sum(unit.counted_s for unit in known) / sum(unit.lasts_s for unit in known),
        unknown,
    )  # fmt: skip
