"""What every unit has, whatever its kind: one record each, in one array for the whole plant.

The kernels of the kinds work on these records in place. Power is in MW, generation positive.
"""

from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.jit import F8, Fields, Records

MOTION: Fields = [
    ("target_mw", "f8"),  # the setpoint in force, after the dead time
    ("mean_mw", "f8"),  # its mean over the step
    ("low_mw", "f8"),  # what the unit can give now: the devices report it
    ("high_mw", "f8"),
    ("bare_low_mw", "f8"),  # what it could without its own protection of store, room and cars
    ("bare_high_mw", "f8"),
    ("unguarded", "f8"),  # 1: that protection has failed
    ("reach_mw", "f8"),  # ramp times step
    ("lag_steps", "f8"),  # lag over step
    ("lag_decay", "f8"),  # exp(-step / lag)
    ("grid_mw", "f8"),  # smallest change of the reference; 0: none
    ("floor_mw", "f8"),  # smallest load but none
    ("held_mw", "f8"),  # where the power is stuck; nan: it is free
    ("reference_mw", "f8"),  # after the ramp
    ("ordered_mw", "f8"),  # after the lag: what the setpoints have brought about
    ("droop_mw", "f8"),  # what the frequency adds
    ("permit_pu", "f8"),  # share of the rated power that protection leaves
    ("p_mw", "f8"),  # at the terminals
    ("metered_mw", "f8"),  # there, when its meter was moved on
    ("injected_mwh", "f8"),  # registers of the meter, since the start; both only rise
    ("absorbed_mwh", "f8"),
]
TRUTH: Fields = [  # nan where it does not apply
    ("soc_pu", "f8"),
    ("temperature_c", "f8"),  # of the battery's cells
    ("room_k", "f8"),  # above the set point
    ("comfort_k", "f8"),  # half width of the comfort band
    ("owed_mwh", "f8"),  # to the cars that are there
    ("departure_missed_mwh", "f8"),  # with which cars have left, all together
    ("switches", "f8"),  # starts and stops since the start: of machines, or of the hub's load
]
BODY = np.dtype(MOTION + TRUTH)
SHORTEST_LAG_S = 1e-6  # against a division by zero; without lag the power is the reference


def column(units: Sequence[Unit], name: str) -> F8:
    """One attribute of all units, shape (n,); nan where a unit has none."""
    return np.array([getattr(unit, name) for unit in units], dtype=np.float64)


def bodies(units: Sequence[Unit], step_s: float) -> Records:
    """Records of units at rest at their basepoints, shape (n,)."""
    body = np.zeros(len(units), dtype=BODY)
    for name, _ in TRUTH:
        body[name] = np.nan
    lag_s = column(units, "lag_true_s")
    body["reach_mw"] = column(units, "ramp_mw_per_s") * step_s
    body["lag_steps"] = lag_s / step_s
    body["lag_decay"] = np.exp(-step_s / np.maximum(lag_s, SHORTEST_LAG_S))
    body["low_mw"] = column(units, "p_min_mw")
    body["high_mw"] = column(units, "p_max_mw")
    body["bare_low_mw"], body["bare_high_mw"] = body["low_mw"], body["high_mw"]
    body["held_mw"] = np.nan
    body["permit_pu"] = 1.0
    rest(body, column(units, "basepoint_mw"))
    return body


def rest(body: Records, p_mw: F8) -> None:
    """Put all units at rest at these powers, MW."""
    for name in ("target_mw", "mean_mw", "reference_mw", "ordered_mw", "p_mw", "metered_mw"):
        body[name] = p_mw
    body["droop_mw"] = 0.0
