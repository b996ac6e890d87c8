"""Times in which no fault met a unit, or the plant: then nothing excuses the daemon."""

import numpy as np
from numpy.typing import NDArray

from hil.checkers.evidence import F8, Evidence
from hil.measure.inputs import Span

# Messages that a slow link had queued up come one after the other, the new ones behind them: 190
# octets of a depot's telemetry take 38 s, 0.2 s each.
LASTS_S = {"link_slow_drip": 40.0}


def over_s(span: Span) -> float:
    """Instant from which on a fault no longer has an effect."""
    return span.until_s + LASTS_S.get(span.kind, 0.0)


def is_calm(evidence: Evidence, unit: int, t_s: F8) -> NDArray[np.bool_]:
    """Which instants have had no fault for as long as regulation may take to resume; shape (k,).

    Parameters
    ----------
    unit : int
        Its own faults, and those of the plant as a whole; `NOBODY`: those of the plant alone.
    """
    calm = np.ones(t_s.size, dtype=bool)
    for span in evidence.spans:
        if not span.units or unit in span.units:
            again_s = over_s(span) + evidence.settings.resume_within_s
            calm &= (t_s < span.since_s) | (t_s > again_s)
    return calm
