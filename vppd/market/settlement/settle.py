"""A settlement: rows of energy, performance and amounts, from what a journal and prices give.

The market pays by its own rules (`vppd.market.rules`): its module is run with the prices in force,
and an interval takes its amount from the run with its own prices.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from vppd.market.record import F8, AnyMarket, Form, Scored
from vppd.market.settlement.intervals import (
    edges_of,
    energies_of,
    held_means,
    mileage_mw,
    requested_mwh,
    scored_by_time,
    sums,
)
from vppd.market.settlement.record import (
    Energies,
    Plant,
    Prices,
    Row,
    SettlementError,
    known,
)

# The figure of a market that says how well it was done, by the first name that it has.
PERFORMANCE: Final = ("score", "accuracy", "kp", "k", "compliant_pct", "passed_pct", "passed",
                      "pay_factor", "inside_pct")  # fmt: skip
PAID: Final = ("credit_", "payment_")  # figures in money; the currency follows

Scorer = Callable[[Mapping[str, float]], Scored]  # the market over the series, at given prices
Key = tuple[tuple[str, float], ...]  # prices that are in force together


@dataclass(frozen=True, slots=True)
class Settlement:
    """The rows, unit by unit and then the plant, interval by interval; the total is the last."""

    rows: tuple[Row, ...]
    n_intervals: int
    notes: tuple[str, ...]


def settle(
    market: AnyMarket, plant: Plant, score: Scorer, prices: Prices, since_s: float, until_s: float
) -> Settlement:
    """Settle what lies between two instants.

    Raises
    ------
    SettlementError
        Something that is not known, or prices that do not fit the intervals.
    SeriesError
        The market cannot score the series.
    """
    keys: list[Key] = [tuple(sorted(row.items())) for row in prices.rows] or [()]
    runs = {key: score(dict(key)) for key in dict.fromkeys(keys)}
    first = next(iter(runs.values()))
    edges_s = edges_of(first, since_s, until_s)
    at = _prices_at(prices, edges_s)
    energies = energies_of(plant, edges_s, market.form)
    scored = [runs[keys[k]] for k in at]
    rows: list[Row] = []
    plants = _plant_rows(market, plant, energies, scored, prices, at)
    for k in range(edges_s.size - 1):
        rows += _unit_rows(market, plant, energies, prices, at, k)
        rows.append(plants[k])
    rows.append(_total(market, plant, energies, plants, runs))
    notes = (*first.notes, _what_it_rests_on(energies))
    return Settlement(tuple(rows), edges_s.size - 1, notes)


def _what_it_rests_on(energies: Energies) -> str:
    """Say how much of the energy is counted, and by how much the readings alone would be off."""
    units, seconds = energies.counted_s.shape[0], energies.edges_s[-1] - energies.edges_s[0]
    counted_pct = 100.0 * math.fsum(energies.counted_s.ravel()) / (units * float(seconds))
    if counted_pct == 0.0:
        return "no unit has an energy counter: the energy is that of the readings"
    beyond_mwh = math.fsum((energies.metered_mwh - energies.readings_mwh).ravel())
    return (
        f"{counted_pct:.1f} % of the units' time rests on energy counters; by the readings alone"
        f" the plant would have {-beyond_mwh:+.6f} MWh"
    )


def _prices_at(prices: Prices, edges_s: F8) -> list[int]:
    """Which row of the prices is in force in each interval."""
    if not prices.rows:
        return [0] * (edges_s.size - 1)
    at = np.searchsorted(prices.t_s, edges_s[:-1], side="right") - 1
    if at[0] < 0:
        raise SettlementError("the prices begin after the first interval")
    before_end = np.searchsorted(prices.t_s, edges_s[1:], side="left") - 1
    changed = np.flatnonzero(before_end != at)
    if changed.size:
        raise SettlementError(
            "prices change within an interval, at"
            f" {prices.t_s[at[changed[0]] + 1] - edges_s[0]:.10g} s from the begin"
        )
    return [int(k) for k in at]


def _base(market: AnyMarket, energies: Energies, k: int, level: str, unit: str = "") -> Row:
    return {
        "since_utc": float(energies.edges_s[k]),
        "until_utc": float(energies.edges_s[k + 1]),
        "level": level,
        "unit": unit or None,
        "market": market.name,
    }


def _unit_rows(
    market: AnyMarket, plant: Plant, energies: Energies, prices: Prices, at: list[int], k: int
) -> list[Row]:
    rows = []
    for i, unit in enumerate(plant.units):
        row = _base(market, energies, k, "unit", unit.id)
        row |= {name: float(column[k]) for name, column in energies.columns(i).items()}
        rows.append(row | _energy_paid(row, prices, at[k]))
    return rows


def _energy_paid(row: Row, prices: Prices, at: int) -> Row:
    """What energy beside the baseline is worth; nothing is said of it without a price."""
    if not prices.energy or math.isnan(prices.energy[at]):
        return {}
    metered, baseline = row["metered_mwh"], row["baseline_mwh"]
    if not isinstance(metered, float) or not isinstance(baseline, float):
        return {}
    return {
        "energy_amount": (metered - baseline) * prices.energy[at],
        "currency": prices.energy_currency,
    }


def _plant_rows(
    market: AnyMarket, plant: Plant, energies: Energies, scored: list[Scored], prices: Prices,
    at: list[int],
) -> list[Row]:  # fmt: skip
    edges_s = energies.edges_s
    columns = {name: sums(list(rows)) for name, rows in energies.columns(slice(None)).items()}
    columns |= _asked(plant, edges_s, market.form)
    rows = []
    for k in range(edges_s.size - 1):
        row = _base(market, energies, k, "plant")
        row |= {name: known(float(column[k])) for name, column in columns.items()}
        row |= _performed(scored[k], float(edges_s[k]))
        rows.append(_one_currency(row, _energy_paid(row, prices, at[k])))
    return rows


def _asked(plant: Plant, edges_s: F8, form: Form) -> dict[str, F8]:
    return {
        "requested_mwh": requested_mwh(plant, edges_s, form),
        "capacity_up_mw": held_means(plant.capacity_up_mw, edges_s),
        "capacity_down_mw": held_means(plant.capacity_down_mw, edges_s),
        "mileage_mw": mileage_mw(plant.signal_mw, edges_s),
    }


def _performed(scored: Scored, since_s: float) -> Row:
    """Performance, amount and figures of the market's interval that begins here, if one does."""
    if not scored_by_time(scored):
        return {}
    for interval in scored.intervals:
        if interval.since_s == since_s:
            return _figures(interval.values)
    return {}


def _figures(values: Mapping[str, float]) -> Row:
    row: Row = {}
    name = next((name for name in PERFORMANCE if name in values), None)
    if name is not None:
        row |= {"performance_name": name, "performance": known(values[name])}
    paid = next((name for name in values if name.startswith(PAID)), None)
    if paid is not None and math.isfinite(values[paid]):
        row |= {"amount": values[paid], "currency": paid.partition("_")[2].upper()}
    plain = {key: known(round(value, 9)) for key, value in values.items()}
    row["figures"] = json.dumps(plain, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return row


def _one_currency(row: Row, paid: Row) -> Row:
    """A row with both amounts. They are in one currency, or the prices are wrong."""
    if row.get("currency") and paid.get("currency") and row["currency"] != paid["currency"]:
        raise SettlementError(f"two currencies: {row['currency']} and {paid['currency']}")
    return row | paid


def _total(
    market: AnyMarket, plant: Plant, energies: Energies, plants: list[Row],
    runs: Mapping[Key, Scored],
) -> Row:  # fmt: skip
    """The plant over all intervals: sums, the market's own figures, and what it pays in all."""
    edges_s = energies.edges_s
    row = _base(market, energies, 0, "total") | {"until_utc": float(edges_s[-1])}
    for name in ("metered_mwh", "baseline_mwh", "regulation_mwh", "droop_mwh", "counted_unit_s",
                 "estimated_unit_s", "requested_mwh", "mileage_mw"):  # fmt: skip
        row[name] = _sum(plants, name)
    whole_s = np.asarray([edges_s[0], edges_s[-1]])
    row["capacity_up_mw"] = known(float(held_means(plant.capacity_up_mw, whole_s)[0]))
    row["capacity_down_mw"] = known(float(held_means(plant.capacity_down_mw, whole_s)[0]))
    first = next(iter(runs.values()))
    figures = _figures(first.score)
    if len(runs) > 1:
        figures = _at_many_prices(figures, plants)
    row |= figures
    worth = [one for one in plants if "energy_amount" in one]
    if worth:
        paid: Row = {"energy_amount": _sum(plants, "energy_amount")}
        row = _one_currency(row, paid | {"currency": worth[0]["currency"]})
    return row


def _at_many_prices(figures: Row, plants: list[Row]) -> Row:
    """Where prices differ, the amounts of the intervals make up the total."""
    if "amount" not in figures:
        return figures
    amounts = [row["amount"] for row in plants if "amount" in row]
    if not amounts:
        raise SettlementError("this market pays for the whole series: it takes one price for all")
    named = json.loads(str(figures["figures"]))
    left = {key: value for key, value in named.items() if not key.startswith(PAID)}
    text = json.dumps(left, separators=(",", ":"), sort_keys=True, allow_nan=False)
    total = math.fsum(amount for amount in amounts if isinstance(amount, float))
    return figures | {"amount": total, "figures": text}


def _sum(rows: list[Row], name: str) -> float | None:
    """Sum of a column; not known where one of its values is not."""
    values = [row.get(name) for row in rows]
    numbers = [value for value in values if isinstance(value, float)]
    return math.fsum(numbers) if len(numbers) == len(values) else None
