"""How much units are moved for what is asked: mileage of setpoints, and switches of machines.

*Mileage* of a series is the sum of the magnitudes of its changes (FERC Order 755 pays regulation
by it). A plant that meets a request with no unit moving against another has the request's own
mileage; what is beyond that wears contactors, compressors and cells for nothing.

Setpoints are those of the daemon's ticks, and switches those of the simulated machines; both from
where tracking is measured on.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.measure.inputs import Recording
from hil.measure.journal import Ticks
from hil.measure.plant import Process
from hil.measure.tracking import skipped_s

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
MOVED_MW = 1e-6  # 1 W: less is rounding


def figures(
    run: Recording, processes: list[Process], ticks: Ticks | None, notes: dict[str, str]
) -> dict[str, Any]:
    """Section `movement` of the result; None where the journal could not be read."""
    since_s = run.t0_s + skipped_s(run.duration_s)
    until_s = run.t0_s + run.duration_s
    kinds = np.array(run.units.kinds)
    names = list(dict.fromkeys(run.units.kinds))
    switched = switches(processes, len(kinds), since_s, until_s)
    by_kind: dict[str, dict[str, Any]] = {
        name: {
            "mileage_mw": None,
            "setpoint_changes": None,
            "switches": _sum(switched, kinds, name),
        }
        for name in names
    }
    whole: dict[str, Any] = dict.fromkeys(("mileage_mw", "request_mileage_mw", "mileage_ratio"))
    if ticks is None:
        notes["movement.mileage_mw"] = "the journal could not be read"
        return {**whole, "by_kind": by_kind}
    scored = (ticks.now_s >= since_s) & (ticks.now_s < until_s)
    setpoints_mw, request_mw = ticks.p_setpoint_mw[scored], ticks.request_mw[scored]
    for name in names:
        own_mw = setpoints_mw[:, kinds == name]
        by_kind[name]["mileage_mw"] = mileage_mw(own_mw)
        by_kind[name]["setpoint_changes"] = changes(own_mw)
    whole["mileage_mw"] = mileage_mw(setpoints_mw)
    whole["request_mileage_mw"] = mileage_mw(request_mw[:, None])
    if whole["request_mileage_mw"] > MOVED_MW:
        whole["mileage_ratio"] = whole["mileage_mw"] / whole["request_mileage_mw"]
    else:
        notes["movement.mileage_ratio"] = "the request did not move"
    return {**whole, "by_kind": by_kind}


def mileage_mw(series_mw: F8) -> float:
    """Sum of the magnitudes of all changes from row to row, MW; shape (k, n), NaN: no number."""
    return float(np.nansum(np.abs(np.diff(series_mw, axis=0))))


def changes(series_mw: F8) -> int:
    """Number of changes from row to row; shape (k, n)."""
    return int((np.abs(np.diff(series_mw, axis=0)) > MOVED_MW).sum())


def switches(processes: list[Process], units: int, since_s: float, until_s: float) -> F8:
    """Starts and stops of each unit's machines in a time, shape (units,); NaN: has none.

    The record counts from the start, and from 0 again where a simulator was restarted.
    """
    found = np.full(units, np.nan)
    for process in processes:
        if "switches" not in (process.rows.dtype.names or ()):
            continue
        inside = (process.t_s >= since_s) & (process.t_s < until_s)
        count = np.asarray(process.rows["switches"][inside], dtype=np.float64)
        if len(count):
            rises = np.maximum(np.diff(count, axis=0), 0.0).sum(axis=0)
            found[process.units] = np.where(np.isnan(count[-1]), np.nan, rises)
    return found


def _sum(switched: F8, kinds: NDArray[np.str_], name: str) -> int | None:
    """Of all units of a kind; None if it has no machines."""
    own = switched[kinds == name]
    return None if np.isnan(own).all() else int(np.nansum(own))
