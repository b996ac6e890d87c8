"""A day under the rules of every market: 86,400 seconds, or as many values as the market wants.

CPU time of the process. Markets that want more than a value a second get half an hour at their own
step, and the note says what that makes of a day.
"""

import time

import numpy as np

from benchmarks.timing import Row, row
from vppd.market.grid import SeriesError
from vppd.market.parameters import rules_from
from vppd.market.record import AnyMarket, Form, Series
from vppd.market.registry import MARKETS

DAY_S = 86_400.0
FINE_S = 1800.0  # of a market that wants values more often than once a second
STEPS_S = (1.0, 0.1, 0.05)
CAPACITY_MW = 80.0
RUNS = 5
WHO = "vppd score"
LIMIT_US = 1e6
SEED = 1


def measure() -> list[Row]:
    """One row a market."""
    return [_row(market) for market in MARKETS.values()]


def _row(market: AnyMarket) -> Row:
    words = [f"{name}={CAPACITY_MW:g}" for name in market.needs]
    rules = rules_from(market, words)
    for step_s in STEPS_S:
        lasts_s = DAY_S if step_s == 1.0 else FINE_S
        series = _series(market.form, np.arange(0.0, lasts_s, step_s))
        try:
            market.score(series, rules)
        except SeriesError:
            continue
        times_ns = [float(_spent_ns(market, series, rules)) for _ in range(RUNS)]
        day_us = float(np.median(times_ns)) / 1e3 * DAY_S / lasts_s
        note = f"CPU; at most {LIMIT_US / 1e6:g} s a day"
        if step_s != 1.0:
            note = f"half an hour at {step_s:g} s; a day {day_us / 1e6:.2f} s"
        return row(
            WHO, f"{market.name}, {lasts_s / 3600:g} h", series.t_s.size, times_ns, note=note
        )
    return Row(WHO, market.name, 0, note="takes no series of this benchmark")


def _spent_ns(market: AnyMarket, series: Series, rules: object) -> int:
    begin_ns = time.process_time_ns()
    market.score(series, rules)
    return time.process_time_ns() - begin_ns


def _series(form: Form, t_s: np.ndarray) -> Series:
    """Commands of five minutes with a wander on top, followed three seconds later."""
    rng = np.random.default_rng(SEED)
    steps = np.floor(t_s / 300.0) % 2.0
    wander = np.interp(t_s, np.arange(0.0, DAY_S + 4.0, 4.0), rng.normal(0.0, 0.1, 21_601))
    late = max(1, round(3.0 / (t_s[1] - t_s[0])))
    if form is Form.FREQUENCY:
        hz = 50.0 - 0.1 * steps - 0.02 * wander
        return Series(t_s, -CAPACITY_MW * np.roll(hz - 50.0, late), frequency_hz=hz)
    signal = CAPACITY_MW * np.clip(steps + (0.0 if form is Form.OUTPUT else wander), -1.0, 1.0)
    return Series(t_s, np.roll(signal, late), signal_mw=signal)
