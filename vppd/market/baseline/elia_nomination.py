"""Elia: the baseline is what the provider has announced, in time, for each interval.

Baseline
    The newest value that was sent for an interval at least `lead_s` before it began. One that is
    missing, or came later, is no baseline: it is refused. [K] (That Elia's aFRR takes its baseline
    from the provider, and controls it by its error: [S].)
Control
    Its error against the meter while nothing is activated: `vppd baseline` without `--day`.
Source
    Elia, T&C BSP aFRR, Baseline and baseline control; elia.be, study on baseline methodologies.
Confidence
    [K] for the lead of 60 s, which is a parameter.
"""

from dataclasses import dataclass

import numpy as np

from vppd.market.baseline.days import check_window, instant
from vppd.market.baseline.record import Baseline, BaselineError, Calendar, Event, History, Method
from vppd.market.record import Confidence


@dataclass(frozen=True, slots=True)
class Rules:
    """How long before an interval its baseline must have been sent."""

    lead_s: float = 60.0


def compute(history: History, calendar: Calendar, event: Event, rules: Rules) -> Baseline:
    """Baseline of one event. Raises BaselineError."""
    check_window(history, calendar, event, event.first, event.count)
    p_mw, ahead_s = history.nominated(event.day, event.first, event.count)
    in_time = np.isfinite(p_mw) & (ahead_s >= rules.lead_s)
    bad = np.flatnonzero(~in_time)
    if bad.size:
        k = int(bad[0])
        what = "was sent too late" if np.isfinite(p_mw[k]) else "is missing"
        raise BaselineError(
            f"the nomination for {instant(history, event.day, event.first + k)} {what}"
            f" ({bad.size} of {event.count} intervals): {rules.lead_s:g} s ahead are needed"
        )
    return Baseline(p_mw, p_mw)


METHOD = Method(
    name="elia-nomination",
    title="Elia, baseline by nomination",
    formula="what was announced at least 60 s ahead",
    source="Elia, T&C BSP aFRR; study on baseline methodologies",
    confidence=Confidence.KNOWN,
    rules=Rules,
    compute=compute,
)
