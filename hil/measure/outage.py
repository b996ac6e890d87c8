"""Units that trip together in mid-run: what their loss costs, once the others have taken over.

The cost is the tracking accuracy before the outage minus that from SETTLED_S after it on. The two
can be compared where the signal is the same in both (`signal.repeat_s` of the scenario).
"""

from typing import Any

import numpy as np

from hil.measure.inputs import Recording, Span, spans
from hil.measure.tracking import Seconds, skipped_s
from vppd.market.tracking import accuracy_pct

KIND = "device_trip"
TOGETHER = 2  # units: one that trips by itself is a fault as any other
SETTLED_S = 60.0
Notes = dict[str, str]


def figures(run: Recording, rows: Seconds, notes: Notes, where: str) -> list[dict[str, Any]]:
    """Give one entry for each outage, by time; `where`: key of the list in the result."""
    found: list[dict[str, Any]] = []
    for together in outages(run):
        key = f"{where}.{len(found)}"
        found.append(_figures(run, rows, together, notes, key))
    return found


def outages(run: Recording) -> list[list[Span]]:
    """Trips that begin at one instant, if they are more than one."""
    by_instant: dict[float, list[Span]] = {}
    for span in spans(run):
        if span.kind == KIND:
            by_instant.setdefault(round(span.since_s - run.t0_s, 1), []).append(span)
    return [trips for _, trips in sorted(by_instant.items()) if len(trips) >= TOGETHER]


def _figures(
    run: Recording, rows: Seconds, trips: list[Span], notes: Notes, key: str
) -> dict[str, Any]:
    units = sorted({unit for trip in trips for unit in trip.units})
    at_s = trips[0].since_s - run.t0_s
    until_s = min(trip.until_s for trip in trips) - run.t0_s
    before = _accuracy(run, rows, skipped_s(run.duration_s), at_s)
    after = _accuracy(run, rows, at_s + SETTLED_S, until_s)
    if before is None or after is None:
        notes[key] = f"not a second measured before it, or from {SETTLED_S:g} s after it on"
    return {
        "at_s": at_s,
        "duration_s": until_s - at_s,
        "units": len(units),
        "share_pct": 100.0 * len(units) / len(run.units.ids),
        "rated_mw": float(run.units.p_rated_mw[units].sum()),
        "accuracy_before_pct": before,
        "accuracy_after_pct": after,
        "settled_s": SETTLED_S,
        "cost_pct": None if before is None or after is None else before - after,
    }


def _accuracy(run: Recording, rows: Seconds, since_s: float, until_s: float) -> float | None:
    """Accuracy over the measured seconds of a window; None if there is none."""
    inside = (rows.t_s >= since_s) & (rows.t_s + 1.0 <= until_s)
    inside &= np.isfinite(rows.request_mw) & np.isfinite(rows.plant_mw)
    if not inside.any() or not run.units.regulation_mw > 0.0:
        return None
    basis_mw = run.units.regulation_mw
    return accuracy_pct(rows.request_mw[inside], rows.plant_mw[inside], basis_mw)
