"""A product that runs: its score so far, and what its interval ends with if nothing changes.

Both are the market's own score, over what there is of the interval, and over the same with the last
signal and the last answer held until its end.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vppd.market.grid import SeriesError
from vppd.market.parameters import rules_from, with_capacity
from vppd.market.record import AnyMarket, Form, Series
from vppd.market.registry import market as market_of

STEP_S: Final = 1.0  # of what a plant is scored by while it runs
TRIAL_S: Final = 4500.0  # long enough for one interval of any market
LEAST_ROWS: Final = 2


class NotLiveError(ValueError):
    """A market that cannot score a plant second by second."""


@dataclass(frozen=True, slots=True)
class Product:
    """A market with its parameters."""

    market: AnyMarket
    rules: Any


@dataclass(frozen=True, slots=True)
class Outlook:
    """Figures of an interval, by name. A figure that there is none of is NaN."""

    so_far: Mapping[str, float]
    ends_with: Mapping[str, float]
    rows: int  # seconds that were scored
    error: str = ""  # why the market does not score what there is


def product(name: str, words: Sequence[str], capacity_mw: float) -> Product:
    """Check a product; `capacity_mw` is what was sold up and down alike, NaN: it was not.

    Raises
    ------
    UnknownMarketError
        No such market.
    ParameterError
        As `rules_from`.
    NotLiveError
        The market has no use for values a second apart.
    """
    market = market_of(name)
    rules = rules_from(market, with_capacity(market, words, capacity_mw))
    try:
        market.score(_trial(market.form), rules)
    except SeriesError as error:
        raise NotLiveError(str(error)) from error
    return Product(market, rules)


def _trial(form: Form) -> Series:
    """A series at 1 s that any market can score that takes such a step."""
    t_s = np.arange(0.0, TRIAL_S, STEP_S)
    steps = np.floor(t_s / 300.0) % 2.0  # of 5 min, reached in one: commands that can be rated
    reached = np.convolve(steps, np.full(60, 1.0 / 60.0))[: t_s.size]
    if form is Form.FREQUENCY:
        return Series(t_s, reached, frequency_hz=50.0 - 0.1 * steps)
    return Series(t_s, 1e3 * reached, signal_mw=1e3 * steps)


def outlook(running: Product, series: Series, end_s: float) -> Outlook:
    """Score an interval that ends at `end_s`, on the clock of the series, at most a second a row.

    Seconds before one that is not known are not scored: the series is what is known since.
    """
    known = _since_known(series)
    rows = known.t_s.size
    if rows < LEAST_ROWS:
        return Outlook({}, {}, rows, "nothing is known yet")
    try:
        so_far = _figures(running, known)
    except ValueError as error:  # too short for the market, as yet
        return Outlook({}, _or_nothing(running, _held(known, end_s)), rows, str(error))
    return Outlook(so_far, _or_nothing(running, _held(known, end_s)), rows)


def _since_known(series: Series) -> Series:
    """The last stretch in which every value is finite."""
    unknown = np.zeros(series.t_s.size, dtype=bool)
    for column in series.columns().values():
        unknown |= ~np.isfinite(column)
    first = int(np.flatnonzero(unknown)[-1]) + 1 if unknown.any() else 0
    return _each(series, lambda column: np.ascontiguousarray(column[first:]))


def _held(series: Series, end_s: float) -> Series:
    """The same up to the end of the interval, with its last values held."""
    more = max(0, math.ceil(end_s - series.t_s[-1] - STEP_S - 1e-6))
    after_s = series.t_s[-1] + STEP_S * np.arange(1.0, more + 1.0)
    held = _each(series, lambda column: np.append(column, np.full(more, column[-1])))
    return dataclasses.replace(held, t_s=np.append(series.t_s, after_s))


def _each(series: Series, change: Any) -> Series:
    named: dict[str, Any] = {name: change(column) for name, column in series.columns().items()}
    return dataclasses.replace(series, **named)


def _figures(running: Product, series: Series) -> dict[str, float]:
    """Score what there is; what begins late is no whole interval even at its end."""
    return dict(
        running.market.score(dataclasses.replace(series, unfinished=True), running.rules).score
    )


def _or_nothing(running: Product, series: Series) -> dict[str, float]:
    """What the market says of it, nothing where it refuses."""
    try:
        return _figures(running, series)
    except ValueError:
        return {}
