"""Meter before, meter after: the power just before the call holds through the event.

Baseline
    Mean of the meter over `before_s` that ends `skip_s` before the event begins; the same value for
    every interval of it. The readings during the event are the "after". [K]
Source
    NAESB WEQ-015, Measurement and Verification of Wholesale Electricity Demand Response, "Meter
    Before / Meter After". Used for reserves and regulation, where an event is short.
Confidence
    [K]: the length of the window is a contract matter, and a parameter.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market.baseline.days import check_window, known, window_before
from vppd.market.baseline.record import Baseline, Calendar, Event, History, Method
from vppd.market.record import Confidence


@dataclass(frozen=True, slots=True)
class Rules:
    """The window before; 0 for `before_s` stands for one interval of the history."""

    before_s: float = 0.0
    skip_s: float = 0.0


def compute(history: History, calendar: Calendar, event: Event, rules: Rules) -> Baseline:
    """Baseline of one event. Raises BaselineError."""
    before_s = rules.before_s or float(history.step_s)
    first, count = window_before(history, event, rules.skip_s, before_s)
    check_window(history, calendar, event, first, count)
    level_mw = math.fsum(known(history, event.day, first, count)) / count
    held_mw = np.full(event.count, level_mw)
    return Baseline(held_mw, held_mw)


METHOD = Method(
    name="meter-before-after",
    title="Meter before, meter after",
    formula="mean of the meter just before the event, held through it",
    source="NAESB WEQ-015, Meter Before / Meter After",
    confidence=Confidence.KNOWN,
    rules=Rules,
    compute=compute,
)
