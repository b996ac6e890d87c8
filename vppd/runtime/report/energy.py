"""Energy of a stretch by kind of unit, as `vppd settle` counts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import numpy as np

from vppd.market.settlement.energy import UnitSeries, interval_energy
from vppd.market.settlement.record import Plant


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


def by_kind(
    plant: Plant, kinds: Mapping[str, str], since_s: float, until_s: float
) -> list[KindEnergy]:
    """Energy of the units of each kind between two instants, UTC; `kinds` by unit.

    That of a unit that is first read later counts from there on: a daemon that starts has to read
    its units first.
    """
    found: dict[str, list[_Unit | None]] = {kind: [] for kind in sorted(set(kinds.values()))}
    for unit in plant.units:
        found[kinds[unit.id]].append(_of(unit.readings, since_s, until_s))
    return [_sum(kind, units) for kind, units in found.items()]


class _Unit(NamedTuple):
    energy_mwh: float
    counted_s: float
    lasts_s: float


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
