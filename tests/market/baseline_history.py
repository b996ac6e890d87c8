"""Histories for the tests of the baselines: hourly loads made by hand."""

from datetime import date, timedelta

import numpy as np

from vppd.market.baseline.record import Baseline, Calendar, Event, History
from vppd.market.baseline.registry import method
from vppd.market.parameters import rules_from

MONDAY = date(2026, 6, 1)
NOBODY = Calendar()


def on(offset: int) -> date:
    """A day, counted from Monday, 1 June 2026."""
    return MONDAY + timedelta(days=offset)


def flat(*load_mw: float) -> np.ndarray:
    """Days of 24 h of one load each; generation positive, so below 0."""
    return -np.repeat(np.array(load_mw)[:, None], 24, axis=1)


def history(p_mw: np.ndarray, first: date = MONDAY, **more: np.ndarray) -> History:
    return History(first, p_mw, **more)


def baseline(
    name: str, given: History, event: Event, calendar: Calendar = NOBODY, **parameters: object
) -> Baseline:
    rules = rules_from(method(name), [f"{k}={v}" for k, v in parameters.items()])
    return method(name).compute(given, calendar, event, rules)
