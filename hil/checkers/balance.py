"""What is asked for is what was sold, and it is served or reported as unserved, in each tick.

From the daemon's own words (journal), against what the bench knows: the AGC values as the TSO sent
them, the capacity sold, the basepoints. Derived anew, tick by tick:

    regulation = AGC in force x capacity sold         REGULATING; within the capacity always
               = that of the tick before              HOLD
               = on its way to zero, never past it    RETURN
               = 0                                    in every other mode
    request    = sum of basepoints + regulation + droop, the droop of a frequency that the TSO sent
                 lately (`DROOP_AGE_S`), and none in modes LOCAL and SAFE
    sum of setpoints + unserved = request             units out of the split as counted there

each to 1 kW. Under policy response_aware the request is what is to be *delivered*, so it is the
outputs that the daemon expects at its look-ahead point that have to add up to it:

    sum of expected outputs + unserved = request

nothing is unserved while a unit that answers by then, by the dead time and lag that the daemon was
told, has room in that direction; and what it expects has to come: against the simulated truth a
look-ahead later, the sum is off by no more than `OFF_MAX_PU` of the capacity sold, and a little, in
half of the ticks; more (`OFF_MAX_FAULTY_PU`) in a run in which devices fail, which nobody expects.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hil.checkers.evidence import F8, Evidence
from hil.checkers.violation import Found, Violation
from hil.faults.fault import NOBODY
from hil.measure.droop import asked_mw as asked
from hil.measure.journal import Ticks
from hil.measure.pairing import agc_to_ticks

NAME = "balance"
TOLERANCE_MW = 1e-3
POLICIES = ("exact", "pro_rata", "merit_order", "response_aware")
BY_RESPONSE = "response_aware"
OFF_MAX_PU = 0.03
OFF_MAX_FAULTY_PU = 0.15  # where devices fail: a few units that lie or stand still are off by that
OFF_MAX_RATED_PU = 1e-4  # small requests: what a plant of that size cannot do better
DROOP_AGE_S = 3.0  # a frequency and the ones before it: on their way, or lost
ANSWERS_PU = 0.2  # of a change has come by the look-ahead point: the unit answers in time
FEWEST = 20  # ticks that say something
AGC_LIMIT_PU = 1.0  # beyond it a value is clipped (docs/config.md, agc_limit_pu)

SUM = "setpoints + unserved off the request, MW"
SERVED = "served off the sum of setpoints, MW"
IDLE = "unserved while a unit had room that answers in time, MW"
NOT_COME = "what was expected has not come, in half of the ticks off by more than, MW"
REQUEST = "request off basepoints + regulation + droop, MW"
REGULATION = "regulation off the AGC in force, MW"
CAPACITY = "regulation beyond the capacity sold, MW"
NEVER_SENT = "AGC value in use that the TSO did not send, pu"

Mask = NDArray[np.bool_]


def check(evidence: Evidence) -> Found:
    """Check every tick of the run."""
    ticks, policy = evidence.ticks, evidence.settings.policy
    if ticks is None:
        return Found(done=False, lost=True, note="the journal could not be read")
    if policy not in POLICIES:
        return Found(done=False, note=f"policy {policy} keeps another balance")
    units = evidence.run.units
    found = Found(checked=int(evidence.inside(ticks.now_s).sum()))
    by_response = policy == BY_RESPONSE
    served_mw = (ticks.expected_mw if by_response else ticks.p_setpoint_mw).sum(axis=1)
    base_mw = float(units.basepoint_mw.sum())
    expected_mw = regulation_mw(ticks, units.regulation_mw)
    beyond_mw = np.abs(ticks.regulation_mw) - units.regulation_mw
    rows: list[tuple[str, F8, F8]] = [
        (SUM, served_mw + ticks.unserved_mw, ticks.request_mw),
        (SERVED, ticks.served_mw, served_mw),
        (REGULATION, ticks.regulation_mw, expected_mw),
        (CAPACITY, np.maximum(beyond_mw, 0.0), np.zeros_like(beyond_mw)),
    ]
    if evidence.settings.droop and evidence.run.grid.droop is None:
        found.note = "requests are not derived anew: the bench does not know the plant's droop"
    else:
        without_mw = base_mw + ticks.regulation_mw
        expected_mw = without_mw + droop_mw(evidence, ticks, ticks.request_mw - without_mw)
        rows.append((REQUEST, ticks.request_mw, expected_mw))
    for what, value_mw, limit_mw in rows:
        _blame(evidence, found, what, value_mw, limit_mw)
    _never_sent(evidence, ticks, found)
    if by_response:
        room = np.where(ticks.unserved_mw[:, None] > 0.0, ticks.rises, ticks.falls)
        idle = (room & in_time(evidence)).any(axis=1)
        idle &= np.array([mode == "REGULATING" for mode in ticks.mode], dtype=bool)
        idle_mw = np.where(idle, ticks.unserved_mw, 0.0)
        _blame(evidence, found, IDLE, idle_mw, np.zeros_like(idle_mw))
        _has_come(evidence, ticks, found)
    return found


def in_time(evidence: Evidence) -> Mask:
    """Which units have answered to a good part by the look-ahead point, shape (n,)."""
    link_s = sum(evidence.fleet.latency_s) / 2.0  # as the daemon was told
    answers = []
    for unit in evidence.fleet.units:
        left_s = evidence.settings.look_ahead_s - unit.dead_time_s - link_s
        lags = left_s / unit.lag_s if unit.lag_s > 0.0 else math.inf
        answers.append(left_s > 0.0 and -math.expm1(-lags) >= ANSWERS_PU)
    return np.array(answers, dtype=bool)


def _has_come(evidence: Evidence, ticks: Ticks, found: Found) -> None:
    """Hold what was expected against the plant, where its power is known a look-ahead later."""
    rows, t0_s = evidence.rows, evidence.run.t0_s
    at_s = ticks.now_s + evidence.settings.look_ahead_s - t0_s
    middle_s = np.asarray(rows.t_s) + 0.5  # rows are means of seconds
    known = np.array([mode == "REGULATING" for mode in ticks.mode], dtype=bool)
    known &= (at_s >= middle_s[0]) & (at_s <= middle_s[-1]) if middle_s.size else False
    if known.sum() < FEWEST:
        return
    plant_mw = np.interp(at_s[known], middle_s, rows.plant_mw)
    off_mw = np.abs(ticks.expected_mw[known].sum(axis=1) - plant_mw)
    units = evidence.run.units
    faulty = any(fault.kind.startswith("device_") for fault in evidence.timed)
    off_max_pu = OFF_MAX_FAULTY_PU if faulty else OFF_MAX_PU
    most_mw = off_max_pu * units.regulation_mw + OFF_MAX_RATED_PU * units.capacity_mw
    half_mw = float(np.median(off_mw))
    if not half_mw <= most_mw:
        last_s = float(ticks.now_s[known][-1])
        found.violations.append(Violation(last_s, NOBODY, NAME, NOT_COME, half_mw, most_mw))


def regulation_mw(ticks: Ticks, capacity_mw: float) -> F8:
    """Regulation that each tick should ask for, MW; within RETURN, the nearest that it may."""
    mode = np.array(ticks.mode, dtype=object)
    rows = np.arange(ticks.now_s.size)
    last_fresh = np.maximum.accumulate(np.where(ticks.fresh, rows, -1))
    agc_pu = np.clip(ticks.agc_pu[last_fresh], -AGC_LIMIT_PU, AGC_LIMIT_PU)
    in_force_mw = np.where(last_fresh >= 0, agc_pu * capacity_mw, np.nan)
    before_mw = np.concatenate(([0.0], ticks.regulation_mw[:-1]))
    on_its_way_mw = np.clip(
        ticks.regulation_mw, np.minimum(before_mw, 0.0), np.maximum(before_mw, 0.0)
    )
    expected_mw = np.zeros(rows.size)
    for name, value_mw in (
        ("REGULATING", in_force_mw),
        ("HOLD", before_mw),
        ("RETURN", on_its_way_mw),
    ):
        expected_mw = np.where(mode == name, value_mw, expected_mw)
    return np.asarray(expected_mw, dtype=np.float64)


def droop_mw(evidence: Evidence, ticks: Ticks, told_mw: F8) -> F8:
    """What the droop may ask for in each tick, MW: that which is nearest to what it did."""
    run = evidence.run
    if run.grid.droop is None:
        return np.zeros_like(told_mw)
    sent_s = run.frequency.t_sent_s
    asked_mw = asked(run.frequency.freq_hz, run.grid.droop, run.grid.source.nominal_hz)
    last = np.searchsorted(sent_s, ticks.now_s, side="right")
    age_s = run.grid.source.interval_s + DROOP_AGE_S
    first = np.searchsorted(sent_s, ticks.now_s - age_s)
    nearest_mw = told_mw.copy()  # with no frequency for so long, nothing is known
    for k in np.flatnonzero(last > first).tolist():
        lately_mw = asked_mw[first[k] : last[k]]
        nearest_mw[k] = min(max(told_mw[k], lately_mw.min()), lately_mw.max())
    without = np.array([mode in ("LOCAL", "SAFE") for mode in ticks.mode], dtype=bool)
    return np.where(without, 0.0, nearest_mw)


def _blame(evidence: Evidence, found: Found, what: str, value_mw: F8, limit_mw: F8) -> None:
    """Note each tick in which two powers differ; a NaN differs from everything."""
    assert evidence.ticks is not None  # noqa: S101  (the caller has them)
    now_s = evidence.ticks.now_s
    wrong = evidence.inside(now_s) & ~(np.abs(value_mw - limit_mw) <= TOLERANCE_MW)
    found.violations += [
        Violation(float(now_s[k]), NOBODY, NAME, what, float(value_mw[k]), float(limit_mw[k]))
        for k in np.flatnonzero(wrong).tolist()
    ]


def _never_sent(evidence: Evidence, ticks: Ticks, found: Found) -> None:
    """Note each fresh value of the journal that the TSO had not sent just before."""
    run = evidence.run
    caused = agc_to_ticks(ticks, run.agc, run.t0_s, evidence.end_s)
    fresh = np.flatnonzero(ticks.fresh & evidence.inside(ticks.now_s))
    for k in np.setdiff1d(fresh, caused.row).tolist():
        found.violations.append(
            Violation(float(ticks.now_s[k]), NOBODY, NAME, NEVER_SENT, float(ticks.agc_pu[k]))
        )
