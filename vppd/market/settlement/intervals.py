"""The intervals of a settlement, what is paid in each, and the energies in them."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from vppd.market.record import F8, Form, Scored
from vppd.market.series import hold_means
from vppd.market.settlement.counters import SECONDS_PER_HOUR
from vppd.market.settlement.energy import EnergyError, Metered, interval_energy
from vppd.market.settlement.record import Energies, Plant, SettlementError, Steps, Unit

COMMANDS_BY_S: Final = 900.0  # of markets that score by commands, which are no intervals of time


def scored_by_time(scored: Scored) -> bool:
    """Whether a market's intervals are of time: commands have an outcome each."""
    return bool(scored.intervals) and not any(row.outcome for row in scored.intervals)


def edges_of(scored: Scored, since_s: float, until_s: float) -> F8:
    """Edges of the intervals: the market's own, else quarter hours from the first instant on.

    What the market leaves over at the end is an interval, too: its energy has flowed.
    """
    if scored_by_time(scored):
        starts = [row.since_s for row in scored.intervals]
        starts.append(min(scored.intervals[-1].until_s, until_s))
    else:
        starts = np.arange(since_s, until_s, COMMANDS_BY_S).tolist()
    edges = [since_s, *starts, until_s]
    return np.asarray(sorted({edge for edge in edges if since_s <= edge <= until_s}))


def energies_of(plant: Plant, edges_s: F8, form: Form) -> Energies:
    """Energy of every unit in every interval, by product.

    What a unit gives beside its baseline is regulation and droop. The market scores one of them;
    the other is taken as it was decided, as `vppd score` takes it, and shared over the units by
    their ranges; what is left is the one that is scored. So products sum up to what was metered, in
    every row.

    Raises
    ------
    SettlementError
        A unit without a reading at the begin, or without a plan.
    """
    metered, baseline = [], []
    for unit in plant.units:
        metered.append(_metered(unit, edges_s))
        baseline.append(_held_mwh(unit.basepoint_mw, edges_s, f"basepoint of {unit.id}"))
    metered_mwh = np.asarray([each.energy_mwh for each in metered])
    baseline_mwh = np.asarray(baseline)
    other = plant.regulation_mw if form is Form.FREQUENCY else plant.droop_mw
    other_mwh = np.outer(_shares(plant), _held_mwh(other, edges_s, "decision"))
    scored_mwh = metered_mwh - baseline_mwh - other_mwh
    regulation, droop = (
        (other_mwh, scored_mwh) if form is Form.FREQUENCY else (scored_mwh, other_mwh)
    )
    return Energies(
        edges_s,
        metered_mwh,
        baseline_mwh,
        regulation,
        droop,
        np.asarray([each.counted_s for each in metered]),
        np.asarray([each.estimated_s for each in metered]),
        np.asarray([each.readings_mwh for each in metered]),
        form,
    )


def _metered(unit: Unit, edges_s: F8) -> Metered:
    try:
        return interval_energy(unit.readings, edges_s)
    except EnergyError as error:
        raise SettlementError(f"{unit.id}: {error}") from error


def _shares(plant: Plant) -> F8:
    """Part of each unit in what belongs to the plant: by range; even where nobody has one."""
    ranges_mw = np.asarray([unit.range_mw for unit in plant.units])
    total_mw = math.fsum(ranges_mw)
    if not total_mw > 0.0:
        return np.full(ranges_mw.size, 1.0 / ranges_mw.size)
    return ranges_mw / total_mw


def _held_mwh(steps: Steps, edges_s: F8, what: str) -> F8:
    """Energy of a held power by interval, MWh; refused where it is not known."""
    energy_mwh = held_means(steps, edges_s) * np.diff(edges_s) / SECONDS_PER_HOUR
    if not np.isfinite(energy_mwh).all():
        raise SettlementError(f"the {what} is not known throughout")
    return energy_mwh


def held_means(steps: Steps, edges_s: F8) -> F8:
    """Mean of a held value by interval; NaN where it is not known throughout."""
    if steps.t_s.size == 1 and steps.t_s[0] <= edges_s[0]:
        return np.full(edges_s.size - 1, steps.value[0])
    return hold_means(steps.t_s, steps.value, edges_s)


def requested_mwh(plant: Plant, edges_s: F8, form: Form) -> F8:
    """What the product asked for, MWh by interval."""
    asked = plant.droop_mw if form is Form.FREQUENCY else plant.signal_mw
    return held_means(asked, edges_s) * np.diff(edges_s) / SECONDS_PER_HOUR


def mileage_mw(signal_mw: Steps, edges_s: F8) -> F8:
    """Sum of the changes of the signal that came in each interval, its begin included, MW.

    NaN where the signal, or what a change began from, is not known.
    """
    changes_mw = np.abs(np.diff(signal_mw.value))
    at = np.searchsorted(edges_s, signal_mw.t_s[1:], side="right") - 1
    inside = (at >= 0) & (at < edges_s.size - 1)
    sums = np.bincount(at[inside], weights=changes_mw[inside], minlength=edges_s.size - 1)
    if not signal_mw.t_s.size:
        return np.full(edges_s.size - 1, np.nan)
    return np.where(edges_s[:-1] < signal_mw.t_s[0], np.nan, sums)


def sums(rows: Sequence[F8]) -> F8:
    """Sum over units, interval by interval: correctly rounded, in whatever order."""
    return np.asarray([math.fsum(column) for column in np.asarray(rows).T])
