"""Industrial load: slow to begin, slow to move, of several machines, with steps of its batches.

Pumps, mills, compressors and furnaces as aggregators bring them to secondary reserve: 10 to 30 s
until an order shows, a lag of 40 s (`orders.py`, `actuator.py`), one drive that modulates and
stages with minimum times (`machines.py`).

A batch process goes through steps again and again. During the step that must hold (a heat, a
pour) the load may leave its basepoint by a part of its range only. The process knows its schedule:
it narrows its range in a straight line during `NOTICE_S` before, and widens it in the same way.
"""

from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.body import BODY, column
from hil.plant.jit import I8, Fields, Records, f8, kernel, law, records
from hil.plant.machines import SITE, Machines

NOTICE_S = 60.0

FIELDS: Fields = [
    ("unit", "i8"),  # index in the array of bodies
    ("base_mw", "f8"),
    ("p_min_mw", "f8"),
    ("p_max_mw", "f8"),
    ("period_s", "f8"),  # of the batches; 0: the process is a continuous one
    ("phase_s", "f8"),  # of the batch at time 0
    ("hold_s", "f8"),
    ("free_pu", "f8"),  # share of the range that is free during the step that holds
]
PROCESS = np.dtype(FIELDS)


class Processes:
    """All industrial loads of a plant."""

    def __init__(self, units: Sequence[Unit], index: I8, body: Records, start_s: float) -> None:
        members = [units[i] for i in index.tolist()]
        own = np.zeros(len(members), dtype=PROCESS)
        own["unit"] = index
        for name, source in (
            ("base_mw", "basepoint_mw"), ("p_min_mw", "p_min_mw"), ("p_max_mw", "p_max_mw"),
            ("period_s", "batch_s"), ("hold_s", "batch_hold_s"), ("free_pu", "batch_free_pu"),
        ):  # fmt: skip
            own[name] = column(members, source)
        own["phase_s"] = column(members, "batch_phase_s") - start_s
        self._own, self._body = own, body
        self.machines = Machines(units, index, body)

    def step(self, end_s: float) -> None:
        """Move on by one step."""
        self.machines.step(end_s)
        step(end_s, self._own, self.machines.sites, self._body)


@law
def grip(at_s: float, hold_s: float, period_s: float) -> float:
    """How far a batch holds its load: 0 free, 1 in the step that must hold (0 to `hold_s`)."""
    if at_s <= hold_s:
        return 1.0
    since_s, until_s = at_s - hold_s, period_s - at_s
    return max(1.0 - min(since_s, until_s) / NOTICE_S, 0.0)


@kernel(f8, records(PROCESS), records(SITE), records(BODY))
def step(end_s: float, own: Records, sites: Records, body: Records) -> None:
    """Move all loads on to `end_s`."""
    for k in range(own.size):
        u = own[k]
        b = body[u["unit"]]
        b["p_mw"] = b["ordered_mw"]
        free = 1.0
        if u["period_s"] > 0.0:
            at_s = (end_s + u["phase_s"]) % u["period_s"]
            free -= grip(at_s, u["hold_s"], u["period_s"]) * (1.0 - u["free_pu"])
        low_mw = u["base_mw"] + (u["p_min_mw"] - u["base_mw"]) * free
        high_mw = u["base_mw"] + (u["p_max_mw"] - u["base_mw"]) * free
        # what the machines cannot do comes last
        b["high_mw"] = max(min(high_mw, sites[k]["high_mw"]), sites[k]["low_mw"])
        b["low_mw"] = min(max(low_mw, sites[k]["low_mw"]), b["high_mw"])
