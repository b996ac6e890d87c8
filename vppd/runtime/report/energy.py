"""Energy of a stretch by kind of unit, as `vppd settle` counts it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vppd.market.settlement.energy import EnergyError, interval_energy
from vppd.market.settlement.record import Plant


@dataclass(frozen=True, slots=True)
class KindEnergy:
    """One kind, MWh. `counted_pct`: of its units' time that rests on energy counters."""

    kind: str
    units: int
    given_mwh: float  # sum of the units that gave more than they took
    taken_mwh: float  # of the others, a positive number
    counted_pct: float
    unknown: int  # units without a reading at the begin: not in the sums


def by_kind(
    plant: Plant, kinds: Mapping[str, str], since_s: float, until_s: float
) -> list[KindEnergy]:
    """Energy of the units of each kind between two instants, UTC; `kinds` by unit."""
    edges_s = np.asarray([since_s, until_s])
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in sorted(set(kinds.values()))}
    unknown = dict.fromkeys(found, 0)
    for unit in plant.units:
        kind = kinds[unit.id]
        try:
            metered = interval_energy(unit.readings, edges_s)
        except EnergyError:
            unknown[kind] += 1
            continue
        found[kind].append((float(metered.energy_mwh[0]), float(metered.counted_s[0])))
    lasts_s = until_s - since_s
    return [
        KindEnergy(
            kind, len(rows) + unknown[kind], sum(max(0.0, e) for e, _ in rows),
            sum(max(0.0, -e) for e, _ in rows),
            100.0 * sum(s for _, s in rows) / (lasts_s * max(1, len(rows))), unknown[kind],
        )
        for kind, rows in found.items()
    ]  # fmt: skip
