"""The plant's answer to a frequency event, beside a coal unit's, and beside nobody's.

In the closed loop each of the three has the frequency of its own run of one and the same grid: the
plant's is recorded, the others are worked out here, step by step with the same physics. In the
open loop all of them have the recorded one. Each is held against what the droop asks for at that
frequency, at the instant itself: sampling and links of the plant's way are its own delay.
"""

import csv
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.measure.droop import asked_mw
from hil.measure.inputs import Recording
from hil.measure.plant import STEP_S, Traces
from hil.measure.response import EVENT_S, Response, measure
from hil.plant import coal, losses
from hil.scenario import FrequencySource, PlantDroopConfig
from hil.scenario.frequency import EVENT
from hil.tso import frequency as tso_frequency
from vppd.market.series import hold

F8 = NDArray[np.float64]
TIMES = ("response_50_s", "response_90_s")
OFF = ("overshoot_pct", "recovery_off_pct")
ROWS = (*TIMES, "share_10s_pct", "share_30s_pct", *OFF, "nadir_hz")
BEFORE_S = 10.0  # the answer counts from the mean power of so long before the event
FEWER_IS_BETTER = (*TIMES, *OFF)


@dataclass(frozen=True, slots=True)
class Case:
    """One of those who answer. Arrays of shape (steps,), at the end of each step."""

    freq_hz: F8
    required_mw: F8
    delivered_mw: F8  # beyond schedule and AGC, and beyond what was there before the event
    response: Response
    nadir_hz: float  # NaN in the open loop, where nobody moves the frequency


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `t_s`: since the start of the run, shape (steps,)."""

    source: FrequencySource
    droop: PlantDroopConfig
    event_s: float  # NaN: the frequency never leaves the dead band
    t_s: F8
    coal_unit: coal.Params
    vpp: Case
    coal: Case
    neither: Case


def compute(run: Recording, plant: Traces) -> Event | None:
    """Work out the three cases of a run; None where the plant has no droop."""
    source, droop = run.grid.source, run.grid.droop
    if droop is None or not droop.power_mw > 0.0:
        return None
    t_s = STEP_S * np.arange(1.0, round(run.duration_s / STEP_S) + 1.0)
    freq_hz = _recorded_hz(run, source, t_s)
    unit = _coal_unit(source, droop, run.units.capacity_mw)
    load_mw = unit.rated_mw * source.coal.loading_pct / 100.0
    if source.closed_loop:
        area = losses.area_of(source)
        event = (area, source.grid.losses)
        with_coal = losses.coal_in_area(*event, unit, load_mw, STEP_S, t_s.size)
        alone = losses.area_alone(*event, STEP_S, t_s.size)
    else:
        with_coal = losses.coal_at(freq_hz, unit, load_mw, STEP_S)
        alone = losses.Course(freq_hz, np.zeros_like(freq_hz))
    event_s = _event_s(source, t_s, asked_mw(freq_hz, droop, source.nominal_hz))

    def case(course: losses.Course) -> Case:
        required_mw = asked_mw(course.freq_hz, droop, source.nominal_hz)
        delivered_mw = course.delivered_mw - _before_mw(t_s - event_s, course.delivered_mw)
        answer = measure(t_s - event_s, required_mw, delivered_mw)
        nadir_hz = _nadir_hz(source, course.freq_hz[t_s >= event_s])
        return Case(course.freq_hz, required_mw, delivered_mw, answer, nadir_hz)

    own = losses.Course(freq_hz, _delivered_mw(run, plant, t_s))
    return Event(source, droop, event_s, t_s, unit, case(own), case(with_coal), case(alone))


def _recorded_hz(run: Recording, source: FrequencySource, t_s: F8) -> F8:
    """Frequency at the plant's terminals at the end of each step."""
    if not source.closed_loop:
        at = tso_frequency.source(source, 0.0)
        assert at is not None  # noqa: S101  (a droop has a frequency)
        return np.array([at(each) for each in t_s.tolist()])
    with (run.raw_dir / "grid.csv").open(newline="") as file:
        rows = [(float(row["t_s"]), float(row["freq_hz"])) for row in csv.DictReader(file)]
    recorded_s, freq_hz = np.array(rows).reshape(-1, 2).T
    return hold(recorded_s, freq_hz, run.t0_s + t_s + 0.5 * STEP_S)


def _delivered_mw(run: Recording, plant: Traces, t_s: F8) -> F8:
    """Power of the plant beyond its basepoints and what AGC asked for."""
    at = np.searchsorted(plant.t_s, run.t0_s + t_s - 0.5 * STEP_S)
    beyond_mw = plant.total_mw[np.minimum(at, plant.t_s.size - 1)] - run.units.basepoint_mw.sum()
    if not run.agc.t_sent_s.size:
        return np.asarray(beyond_mw)
    agc_pu = hold(run.agc.t_sent_s, run.agc.pu, run.t0_s + t_s)
    return np.asarray(beyond_mw - np.nan_to_num(agc_pu, nan=0.0) * run.units.regulation_mw)


def _before_mw(since_s: F8, delivered_mw: F8) -> float:
    """Mean power just before the event; nothing where the run does not know it."""
    before = (since_s >= -BEFORE_S) & (since_s <= 0.0) & np.isfinite(delivered_mw)
    return float(delivered_mw[before].mean()) if before.any() else 0.0


def _coal_unit(source: FrequencySource, droop: PlantDroopConfig, capacity_mw: float) -> coal.Params:
    """A coal unit with the same reserve, dead band, and MW for each Hz."""
    rated_mw = source.coal.rated_mw or capacity_mw
    return coal.Params(
        rated_mw=rated_mw,
        nominal_hz=source.nominal_hz,
        droop_pu=droop.droop_pu * rated_mw / droop.power_mw,
        deadband_hz=droop.deadband_hz,
        primary_limit_pu=droop.power_mw / rated_mw,
    )


def _event_s(source: FrequencySource, t_s: F8, required_mw: F8) -> float:
    """When the event begins: the first loss, or where the frequency leaves the dead band for good.

    Of a record, that is the last instant without any requirement before half of the greatest one.
    """
    if source.closed_loop:
        return min(at_s for at_s, _ in source.grid.losses)
    if source.kind == EVENT:
        return source.event.at_s
    size_mw = np.abs(required_mw)
    if not size_mw.any():
        return float("nan")
    half = int(np.argmax(size_mw >= 0.5 * size_mw.max()))
    quiet = np.flatnonzero(size_mw[:half] == 0.0)
    return float(t_s[quiet[-1]]) if quiet.size else 0.0


def _nadir_hz(source: FrequencySource, freq_hz: F8) -> float:
    """Frequency that is farthest from the nominal one; NaN in the open loop."""
    if not source.closed_loop or not freq_hz.size:
        return float("nan")
    return float(freq_hz[np.argmax(np.abs(freq_hz - source.nominal_hz))])


def figures(event: Event) -> dict[str, Any]:
    """Give `frequency_event` of the result."""
    unit = event.coal_unit
    return {
        "kind": event.source.kind,
        "closed_loop": event.source.closed_loop,
        "event_s": event.event_s,
        "reserve_mw": event.droop.power_mw,
        "vpp": _of(event.vpp),
        "coal": {
            **_of(event.coal),
            "rated_mw": unit.rated_mw,
            "loading_pct": event.source.coal.loading_pct,
            "droop_pct": 100.0 * unit.droop_pu,
            "reserve_pct": 100.0 * unit.primary_limit_pu,
        },
        "neither": {"nadir_hz": event.neither.nadir_hz},
        "ahead": ahead(event),
    }


def _of(case: Case) -> dict[str, float]:
    return {**asdict(case.response), "nadir_hz": case.nadir_hz}


def ahead(event: Event) -> dict[str, float]:
    """How far the plant is ahead of the coal unit, row by row; negative: it is behind.

    A share that is never reached counts as reached at the end of the run, at the best. Beyond 100 %
    a share is not better: that is overshoot.
    """
    vpp, unit = _of(event.vpp), _of(event.coal)
    left_s = float(event.t_s[-1]) - event.event_s
    nominal_hz = event.source.nominal_hz
    for each in (vpp, unit):
        each["nadir_hz"] = -abs(each["nadir_hz"] - nominal_hz)
        for key in TIMES:
            each[key] = left_s if np.isnan(each[key]) else each[key]
        for key in ("share_10s_pct", "share_30s_pct"):
            each[key] = min(each[key], 100.0)
    return {key: _less(vpp[key], unit[key], fewer=key in FEWER_IS_BETTER) for key in ROWS}


def _less(own: float, other: float, *, fewer: bool) -> float:
    return other - own if fewer else own - other


def notes(told: dict[str, Any]) -> dict[str, str]:
    """Reasons for what is null in the cleaned figures."""
    if told["event_s"] is None:
        return {"frequency_event": "the frequency never leaves the dead band of the droop"}
    found = {}
    for name in ("vpp", "coal"):
        for key in TIMES:
            if told[name][key] is None:
                share = key.removeprefix("response_").removesuffix("_s")
                found[f"frequency_event.{name}.{key}"] = f"{share} % is never reached in this run"
        for key in ("share_10s_pct", "share_30s_pct"):
            if told[name][key] is None:
                reason = "nothing is required at that time, or the run is over"
                found[f"frequency_event.{name}.{key}"] = reason
    for key in OFF:
        if told["ahead"][key] is None:
            reason = f"the run ends before {EVENT_S:g} s after the event"
            for name in ("vpp", "coal", "ahead"):
                found[f"frequency_event.{name}.{key}"] = reason
    if not told["closed_loop"]:
        reason = "open loop: nobody moves a recorded frequency"
        for name in ("vpp", "coal", "neither", "ahead"):
            found[f"frequency_event.{name}.nadir_hz"] = reason
    return found
