"""Units of like dynamics, put together so that one of a cluster can stand for all of it."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.fleet import Unit
from hil.oracle.request import Request
from hil.plant.ev_hub import AMPERE_MW, FLOOR_MW

F8 = NDArray[np.float64]
INDEX = NDArray[np.intp]
SAME = 1e-6  # spread of members that counts as none, MW
LAG_SCALE_S = 5.0  # a reference ahead of the power makes up for shorter lags
RANGE_WEIGHT = 4.0  # unlike ranges cost power all the time, unlike lags only on the way
STANDBY_PU = 0.004  # of rated power: more than any battery of the bench loses at rest
START_S = 60.0  # of standby beyond the limit: nobody can charge before the dead time
SHORTEST_S = 0.1  # of a range over a ramp, or a store over a ramp: below, all are alike


@dataclass(frozen=True, slots=True)
class Traits:
    """What matters of each unit, shape (n,). Energies in MW s.

    `quick_…`: for the relaxed side, where something other than a setpoint may move a unit.
    """

    lag_s: F8
    quick_lag_s: F8
    dead_s: F8
    quick_dead_s: F8
    base_mw: F8
    rise_mw: F8  # above the basepoint
    fall_mw: F8
    ramp_mw_per_s: F8
    quick_mw: F8  # by which the reference may change within a second
    give_mws: F8  # what the store may still lose; inf without a store
    take_mws: F8
    efficiency_out_pu: F8
    efficiency_in_pu: F8
    standby_mw: F8


@dataclass(frozen=True, slots=True)
class Store:
    """Energy of a cluster around its start, MW s."""

    give_mws: float
    take_mws: float
    efficiency_out_pu: float
    efficiency_in_pu: float
    standby_mw: float

    def drawn_mws(self, mean_mw: F8) -> tuple[F8, F8]:
        """Energy that leaves the store in each second, with all losses and without any."""
        out_mw, into_mw = np.maximum(mean_mw, 0.0), np.maximum(-mean_mw, 0.0)
        lost = out_mw / self.efficiency_out_pu - into_mw * self.efficiency_in_pu
        return lost + self.standby_mw, mean_mw


@dataclass(frozen=True, slots=True)
class Cluster:
    """Units as one. Power in MW, generation positive."""

    members: INDEX
    share: F8  # of each member, sums to 1
    lag_s: float
    dead_s: float
    base_mw: float
    low_mw: float
    high_mw: float
    ramp_mw_per_s: float
    store: Store | None  # None: there is none, or it cannot be emptied or filled in this run


def traits(units: Sequence[Unit], *, with_frequency: bool = False) -> Traits:
    """Traits with the true constants. `with_frequency`: it moves the units that have a droop."""

    def column(name: str) -> F8:
        return np.array([getattr(unit, name) for unit in units], dtype=np.float64)

    base_mw, ramp_mw_per_s = column("basepoint_mw"), column("ramp_mw_per_s")
    rise_mw, fall_mw = column("p_max_mw") - base_mw, base_mw - column("p_min_mw")
    moved = np.array([_moved(unit, with_frequency=with_frequency) for unit in units])
    jump_mw = np.array([_jump_mw(unit) for unit in units])
    energy_mws = column("energy_mwh") * 3600.0  # nan without a store
    give_mws, take_mws = (
        np.where(np.isnan(energy_mws), np.inf, np.maximum(room_pu, 0.0) * energy_mws)
        for room_pu in (
            column("soc_start_pu") - column("soc_min_pu"),
            column("soc_max_pu") - column("soc_start_pu"),
        )
    )
    return Traits(
        lag_s=column("lag_true_s"),
        quick_lag_s=np.where(moved, 0.0, column("lag_true_s")),
        dead_s=column("dead_time_true_s"),
        quick_dead_s=np.where(moved, 0.0, column("dead_time_true_s")),
        base_mw=base_mw,
        rise_mw=rise_mw,
        fall_mw=fall_mw,
        ramp_mw_per_s=ramp_mw_per_s,
        quick_mw=np.where(moved, rise_mw + fall_mw, ramp_mw_per_s + jump_mw),
        give_mws=give_mws,
        take_mws=take_mws,
        efficiency_out_pu=column("efficiency_discharge_pu"),
        efficiency_in_pu=column("efficiency_charge_pu"),
        standby_mw=STANDBY_PU * column("rated_mw"),
    )


def _jump_mw(unit: Unit) -> float:
    """Give the most that chargers' steps add to a change of the reference."""
    if unit.kind != "ev_hub" or not unit.charger_step_a > 0.0:
        return 0.0
    return max(unit.charger_step_a * AMPERE_MW, FLOOR_MW)


def _moved(unit: Unit, *, with_frequency: bool) -> bool:
    """Whether clouds, the sun's way or the frequency move a unit, faster than its ramp."""
    sky = unit.cloud_cover_pu > 0.0 or unit.solar_time_h is not None
    return sky or (with_frequency and unit.droop_pu is not None)


def partition(t: Traits, asked: Request, most: int) -> list[INDEX]:
    """Split the fleet where its units differ most, into `most` clusters or fewer if all are alike.

    A split halves the widest of the features of that cluster for which spread x range is largest.
    Units with and without store are never together, nor are stores of unlike basepoints.
    """
    features = _features(t, asked)
    range_mw = t.rise_mw + t.fall_mw
    heap = [
        _entry(features, range_mw, members)
        for members in _apart(t)  # the heap's order: worst first, then by the first member
    ]
    heapq.heapify(heap)
    while len(heap) < most and -heap[0][0] > SAME:
        members, feature = heap[0][2], heap[0][3]
        value = features[members, feature]
        upper = value > 0.5 * (value.min() + value.max())
        heapq.heapreplace(heap, _entry(features, range_mw, members[upper]))
        heapq.heappush(heap, _entry(features, range_mw, members[~upper]))
    return [entry[2] for entry in sorted(heap, key=lambda entry: entry[1])]


def _apart(t: Traits) -> list[INDEX]:
    """Groups that no cluster may join, by their first unit."""
    with_store = np.isfinite(t.give_mws)
    ratio = np.where(with_store, np.round(t.base_mw / t.ramp_mw_per_s, 6), np.inf)
    return [np.flatnonzero(ratio == key) for key in np.unique(ratio)]


def _features(t: Traits, asked: Request) -> F8:
    """Features whose spread costs accuracy, in comparable units, shape (n, 6)."""

    def log_of(amount: F8) -> F8:
        return np.log(np.maximum(amount / t.ramp_mw_per_s, SHORTEST_S))

    stress = _stress(t, asked)
    give, take = (
        RANGE_WEIGHT * stress * log_of(np.where(np.isfinite(amount), amount, 0.0))
        for amount in (t.give_mws, t.take_mws)
    )
    return np.column_stack(
        (
            np.log(t.lag_s + LAG_SCALE_S),
            10.0 * t.dead_s / asked.seconds,  # matters at the start only
            RANGE_WEIGHT * log_of(t.rise_mw),
            RANGE_WEIGHT * log_of(t.fall_mw),
            give,
            take,
        )
    )


def _stress(t: Traits, asked: Request) -> float:
    """How much the stores matter, 0 to 1: swing of the energy asked over what they hold."""
    with_store = np.isfinite(t.give_mws)
    room_mws = float((t.give_mws + t.take_mws)[with_store].sum())
    swing_mws = np.ptp(np.cumsum(asked.mw - t.base_mw[~with_store].sum()))
    return float(min(swing_mws / room_mws, 1.0)) if room_mws > 0.0 else 0.0


def _entry(features: F8, range_mw: F8, members: INDEX) -> tuple[float, int, INDEX, int]:
    spread = np.ptp(features[members], axis=0)
    widest = int(spread.argmax())
    return -float(spread[widest] * range_mw[members].sum()), int(members[0]), members, widest


def relaxed(t: Traits, members: INDEX, seconds: int) -> Cluster:
    """Cluster that can do whatever its members can do together, and more.

    Its store has no losses: at part load a battery loses less than its efficiency says.
    """
    base_mw = float(t.base_mw[members].sum())
    store = Store(
        give_mws=float(t.give_mws[members].sum()),
        take_mws=float(t.take_mws[members].sum()),
        efficiency_out_pu=1.0,
        efficiency_in_pu=1.0,
        standby_mw=0.0,
    )
    low_mw = base_mw - float(t.fall_mw[members].sum())
    high_mw = base_mw + float(t.rise_mw[members].sum())
    return Cluster(
        members=members,
        share=_shares(t, members),
        lag_s=float(t.quick_lag_s[members].min()),
        dead_s=float(t.quick_dead_s[members].min()),
        base_mw=base_mw,
        low_mw=low_mw,
        high_mw=high_mw,
        ramp_mw_per_s=float(t.quick_mw[members].sum()),
        store=_binding(store, low_mw, high_mw, seconds),
    )


def restricted(t: Traits, members: INDEX, seconds: int) -> Cluster:
    """Cluster whose members do all the same, each its share of it, as all of them can.

    A battery loses no more than its efficiency at rated power and its standby loss say.
    """
    share = _shares(t, members)
    base_mw = float(t.base_mw[members].sum())
    store = Store(
        give_mws=float(((t.give_mws + START_S * t.standby_mw)[members] / share).min()),
        take_mws=float((t.take_mws[members] / share).min()),
        efficiency_out_pu=float(t.efficiency_out_pu[members].min()),
        efficiency_in_pu=float(t.efficiency_in_pu[members].min()),
        standby_mw=float((t.standby_mw[members] / share).max()),
    )
    low_mw = base_mw - float((t.fall_mw[members] / share).min())
    high_mw = base_mw + float((t.rise_mw[members] / share).min())
    return Cluster(
        members=members,
        share=share,
        lag_s=float(t.lag_s[members].max()),
        dead_s=float(t.dead_s[members].max()),
        base_mw=base_mw,
        low_mw=low_mw,
        high_mw=high_mw,
        ramp_mw_per_s=float(t.ramp_mw_per_s[members].sum()),
        store=_binding(store, low_mw, high_mw, seconds),
    )


def _shares(t: Traits, members: INDEX) -> F8:
    ramp = t.ramp_mw_per_s[members]
    return np.asarray(ramp / ramp.sum())


def _binding(store: Store, low_mw: float, high_mw: float, seconds: int) -> Store | None:
    """Leave out a store that full power all the time neither empties nor fills."""
    drawn_mws = seconds * (max(high_mw, 0.0) / store.efficiency_out_pu + store.standby_mw)
    loaded_mws = seconds * max(-low_mw, 0.0)
    return store if drawn_mws > store.give_mws or loaded_mws > store.take_mws else None
