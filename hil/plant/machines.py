"""Loads of several machines: one that modulates, and stages that are on or off.

Machine 0 has a variable-speed drive and modulates over `span_mw`; each stage adds `stage_mw`. As
the span is longer than a stage, the load is continuous over the whole range while every stage is
free. A stage is started when the load passes what the running machines can give, stopped when it
falls below what they must draw; machine 0 makes up for it.

Times that spare the machines (anti-short-cycle timers of 3 to 5 minutes and at most six to twelve
starts an hour are what makers of compressors ask, as in ASHRAE Guideline 36, 5.20 for chillers):

* a stage runs for at least `min_on_s` and stands for at least `min_off_s`;
* it is locked out until `lockout_s` after its last start.

So the range that can be reached shrinks after a start or a stop, and the unit says so.
"""

from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant.body import BODY, column
from hil.plant.jit import F8, I8, Fields, Records, f8, kernel, law, matrix_f8, records

STAGES = {"hvac": 2, "industrial": 3}
STAGE_SHARE = {"hvac": 0.2, "industrial": 0.15}  # of the range, each
LONG_AGO_S = -1e9

FIELDS: Fields = [
    ("unit", "i8"),  # index in the array of bodies
    ("stages", "i8"),
    ("least_mw", "f8"),  # load of machine 0 alone, at its slowest
    ("span_mw", "f8"),
    ("stage_mw", "f8"),
    ("min_on_s", "f8"),
    ("min_off_s", "f8"),
    ("lockout_s", "f8"),
    ("low_mw", "f8"),  # what the machines can do now, generation positive
    ("high_mw", "f8"),
]
SITE = np.dtype(FIELDS)


class Machines:
    """Machines of all sites of a plant that have some."""

    def __init__(self, units: Sequence[Unit], index: I8, body: Records) -> None:
        members = [units[i] for i in index.tolist()]
        self.sites = _sites(members, index)
        most = max(STAGES.values())
        self.started_s = np.full((len(members), most), LONG_AGO_S - 1.0)
        self.stopped_s = np.full((len(members), most), LONG_AGO_S)
        body["switches"][index] = 0.0
        self._body = body
        self._start(-body["p_mw"][index])

    def step(self, end_s: float) -> None:
        """Start and stop stages for the load of now."""
        step(end_s, self.sites, self.started_s, self.stopped_s, self._body)

    def _start(self, load_mw: F8) -> None:
        """Let so many stages run from the start that machine 0 is near the middle of its span."""
        sites = self.sites
        above_mw = load_mw - sites["least_mw"] - 0.5 * sites["span_mw"]
        running = np.clip(np.round(above_mw / sites["stage_mw"]), 0, sites["stages"])
        for k, count in enumerate(running.astype(int).tolist()):
            self.started_s[k, :count] = LONG_AGO_S + 1.0
        sites["low_mw"] = -(sites["least_mw"] + sites["span_mw"])
        sites["low_mw"] -= sites["stages"] * sites["stage_mw"]
        sites["high_mw"] = -sites["least_mw"]


def _sites(units: Sequence[Unit], index: I8) -> Records:
    """Constants of these units."""
    sites = np.zeros(len(units), dtype=SITE)
    sites["unit"] = index
    for name in ("min_on_s", "min_off_s", "lockout_s"):
        sites[name] = column(units, name)
    range_mw = column(units, "p_max_mw") - column(units, "p_min_mw")
    share = np.array([STAGE_SHARE[unit.kind] for unit in units])
    sites["stages"] = [STAGES[unit.kind] for unit in units]
    sites["least_mw"] = -column(units, "p_max_mw")
    sites["stage_mw"] = share * range_mw
    sites["span_mw"] = (1.0 - sites["stages"] * share) * range_mw
    return sites


@law
def may_start(
    now_s: float, started_s: float, stopped_s: float, off_s: float, lock_s: float
) -> bool:
    """Say whether a stage that stands may start: rested long enough, and not locked out."""
    return now_s - stopped_s >= off_s and now_s - started_s >= lock_s


@kernel(f8, records(SITE), matrix_f8, matrix_f8, records(BODY))
def step(end_s: float, sites: Records, started_s: F8, stopped_s: F8, body: Records) -> None:
    """Start or stop a stage where the load asks for it; then the range that can be reached."""
    for k in range(sites.size):
        u = sites[k]
        n, stage_mw = u["stages"], u["stage_mw"]
        load_mw = -body[u["unit"]]["ordered_mw"]
        running, oldest, rested = 0, -1, -1
        for s in range(n):
            if started_s[k, s] > stopped_s[k, s]:
                running += 1
                if oldest < 0 or started_s[k, s] < started_s[k, oldest]:
                    oldest = s
            elif rested < 0 or stopped_s[k, s] < stopped_s[k, rested]:
                rested = s
        least_mw = u["least_mw"] + running * stage_mw
        if rested >= 0 and load_mw > least_mw + u["span_mw"]:
            if may_start(
                end_s, started_s[k, rested], stopped_s[k, rested], u["min_off_s"], u["lockout_s"]
            ):
                started_s[k, rested] = end_s
                body[u["unit"]]["switches"] += 1.0
        elif oldest >= 0 and load_mw < least_mw and end_s - started_s[k, oldest] >= u["min_on_s"]:
            stopped_s[k, oldest] = end_s
            body[u["unit"]]["switches"] += 1.0
        held, able = 0, 0  # stages that must go on running, and that run or may start
        for s in range(n):
            if started_s[k, s] > stopped_s[k, s]:
                able += 1
                held += end_s - started_s[k, s] < u["min_on_s"]
            else:
                able += may_start(
                    end_s, started_s[k, s], stopped_s[k, s], u["min_off_s"], u["lockout_s"]
                )
        u["low_mw"] = -(u["least_mw"] + u["span_mw"] + able * stage_mw)
        u["high_mw"] = -(u["least_mw"] + held * stage_mw)
