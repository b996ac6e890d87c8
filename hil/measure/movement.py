"""How much units are moved for what is asked: mileage of setpoints, and switches of machines.

*Mileage* of a series is the sum of the magnitudes of its changes (FERC Order 755 pays regulation
by it). A plant that meets a request with no unit moving against another has the request's own
mileage; what is beyond that wears contactors, compressors and cells for nothing.

Setpoints are those that the daemon sent, by its ticks, and switches those of the simulated
machines; both from where tracking is measured on.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.measure.inputs import Recording
from hil.measure.journal import Ticks
from hil.measure.plant import Process
from hil.measure.tracking import skipped_s

F8 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Notes = dict[str, str]
MOVED_MW = 1e-6  # 1 W: less is rounding
THAT_SWITCH = ("ev_hub", "hvac", "industrial")
OF_A_CHANGE = 2  # a series of fewer has no change


def figures(
    run: Recording, processes: list[Process], ticks: Ticks | None, notes: Notes
) -> dict[str, Any]:
    """Section `movement` of the result.

    `notes` gets the reason of what is null though it could have been measured, by its key.
    """
    since_s, until_s = run.t0_s + skipped_s(run.duration_s), run.t0_s + run.duration_s
    kinds = np.array(run.units.kinds)
    switched = switches(processes, len(kinds), since_s, until_s)
    scored = _scored(ticks, since_s, until_s, notes)
    by_kind = {
        name: {
            **_mileage_of(ticks, scored, kinds == name),
            **_switches_of(name, switched[kinds == name], notes),
        }
        for name in dict.fromkeys(run.units.kinds)
    }
    return {**_whole(ticks, scored, by_kind, notes), "by_kind": by_kind}


def told_mw(ticks: Ticks, chosen: Mask) -> F8:
    """Last setpoint sent to each chosen unit as of each tick, MW, shape (ticks, units).

    NaN: none yet. What a unit out of reach is counted with is a prediction, and moves nobody.
    """
    p_mw = ticks.p_setpoint_mw[:, chosen]
    return _last(p_mw, ticks.send[:, chosen] & np.isfinite(p_mw))


def mileage_mw(series_mw: F8) -> float:
    """Sum of the magnitudes of all changes from row to row, MW; shape (k, n).

    A series that begins with NaN counts from its first number on.
    """
    return float(np.nansum(np.abs(np.diff(series_mw, axis=0))))


def changes(series_mw: F8) -> int:
    """Number of changes from row to row; shape (k, n)."""
    return int((np.abs(np.diff(series_mw, axis=0)) > MOVED_MW).sum())


def switches(processes: list[Process], units: int, since_s: float, until_s: float) -> F8:
    """Starts and stops of each unit in a time, shape (units,); NaN: it has none, or no record.

    The record counts from the start, and from 0 again where a simulator was started anew.
    """
    found = np.full(units, np.nan)
    for process in processes:
        if "switches" not in (process.rows.dtype.names or ()):
            continue
        inside = slice(*np.searchsorted(process.t_s, [since_s, until_s]).tolist())
        count = np.asarray(process.rows["switches"][inside], dtype=np.float64)
        if len(count) >= OF_A_CHANGE:
            rise = np.diff(count, axis=0)
            found[process.units] = np.where(rise < 0.0, count[1:], rise).sum(axis=0)
    return found


def _scored(ticks: Ticks | None, since_s: float, until_s: float, notes: Notes) -> Mask | None:
    """Ticks that are measured, shape (ticks,); None where there are not enough."""
    if ticks is not None:
        scored: Mask = (ticks.now_s >= since_s) & (ticks.now_s < until_s)
        if scored.sum() >= OF_A_CHANGE:
            return scored
    notes["movement"] = notes.get("journal.export", "the journal has too few ticks")
    return None


def _mileage_of(ticks: Ticks | None, scored: Mask | None, chosen: Mask) -> dict[str, Any]:
    """Mileage and changes of the setpoints of the chosen units."""
    if ticks is None or scored is None:
        return {"mileage_mw": None, "setpoint_changes": None}
    own_mw = told_mw(ticks, chosen)[scored]
    return {"mileage_mw": mileage_mw(own_mw), "setpoint_changes": changes(own_mw)}


def _switches_of(name: str, switched: F8, notes: Notes) -> dict[str, int | None]:
    """Switches of all units of a kind: none of a kind that has no machines."""
    if not np.isnan(switched).any():
        return {"switches": int(switched.sum())}
    if name not in THAT_SWITCH:
        return {}
    notes[f"movement.by_kind.{name}.switches"] = "not recorded of every unit"
    return {"switches": None}


def _whole(
    ticks: Ticks | None, scored: Mask | None, by_kind: dict[str, dict[str, Any]], notes: Notes
) -> dict[str, Any]:
    """Mileage of all units, of the request, and the first over the second."""
    if ticks is None or scored is None:
        return dict.fromkeys(("mileage_mw", "request_mileage_mw", "mileage_ratio"))
    request_mw = ticks.request_mw[:, None]
    asked_mw = mileage_mw(_last(request_mw, np.isfinite(request_mw))[scored])
    moved_mw = math.fsum(own["mileage_mw"] for own in by_kind.values())
    if not asked_mw > MOVED_MW:
        notes["movement.mileage_ratio"] = "the request did not move"
    return {
        "mileage_mw": moved_mw,
        "request_mileage_mw": asked_mw,
        "mileage_ratio": moved_mw / asked_mw if asked_mw > MOVED_MW else None,
    }


def _last(values: F8, chosen: Mask) -> F8:
    """Last chosen value of each column as of each row, shape (k, n); NaN before the first."""
    row = np.where(chosen, np.arange(len(values))[:, None], -1)
    np.maximum.accumulate(row, axis=0, out=row)
    return np.where(row < 0, np.nan, np.take_along_axis(values, np.maximum(row, 0), axis=0))
