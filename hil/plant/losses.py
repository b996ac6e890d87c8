"""A control area after a loss of generation: alone, and with a coal unit in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.plant import coal, grid
from hil.plant.jit import F8
from hil.scenario import FrequencySource

SOON_S = 1e-6  # instants are sums of steps, and not exact


@dataclass(frozen=True, slots=True)
class Course:
    """What came of an event: frequency, and power beyond the schedule, at the end of each step."""

    freq_hz: F8
    delivered_mw: F8


def area_of(source: FrequencySource) -> grid.Area:
    """Control area of a scenario."""
    given = source.grid
    return grid.Area(
        size_mw=given.size_mw,
        nominal_hz=source.nominal_hz,
        inertia_s=given.inertia_s,
        damping_pu=given.damping_pu,
        governed_mw=given.governed_mw,
        primary_limit_pu=given.primary_limit_pu,
        agc_limit_mw=given.agc_limit_mw,
        secondary_ramp_mw_per_s=given.secondary_ramp_mw_per_s,
    )


def lost_mw(losses: Sequence[tuple[float, float]], t_s: float) -> float:
    """Generation that is missing in the step that begins at `t_s`."""
    return sum(mw for at_s, mw in losses if at_s <= t_s + SOON_S)


def area_alone(
    area: grid.Area, losses: Sequence[tuple[float, float]], step_s: float, steps: int
) -> Course:
    """Nobody helps but the area's own units."""
    state, freq_hz = grid.start(area), np.empty(steps)
    for k in range(steps):
        state = grid.step(step_s, area, state, 0.0, lost_mw(losses, k * step_s))
        freq_hz[k] = state.freq_hz
    return Course(freq_hz, np.zeros(steps))


def coal_in_area(
    area: grid.Area,
    losses: Sequence[tuple[float, float]],
    unit: coal.Params,
    load_mw: float,
    step_s: float,
    steps: int,
) -> Course:
    """A coal unit answers the frequency with its governor, and moves it."""
    state, machine = grid.start(area), coal.start(unit, load_mw)
    freq_hz, delivered_mw = np.empty((2, steps))
    for k in range(steps):
        machine = coal.step(step_s, unit, machine, load_mw, state.freq_hz)
        delivered_mw[k] = machine.p_mw(unit) - load_mw
        missing_mw = lost_mw(losses, k * step_s)
        state = grid.step(step_s, area, state, float(delivered_mw[k]), missing_mw)
        freq_hz[k] = state.freq_hz
    return Course(freq_hz, delivered_mw)


def coal_at(freq_hz: F8, unit: coal.Params, load_mw: float, step_s: float) -> Course:
    """A coal unit answers a frequency that it does not move."""
    machine, delivered_mw = coal.start(unit, load_mw), np.empty_like(freq_hz)
    for k, hz in enumerate(freq_hz.tolist()):
        machine = coal.step(step_s, unit, machine, load_mw, hz)
        delivered_mw[k] = machine.p_mw(unit) - load_mw
    return Course(freq_hz, delivered_mw)
