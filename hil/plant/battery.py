"""Battery with inverter: state of charge, one-way efficiencies, power limits near empty and full.

    dE/dt = -p / eta_d  while discharging (p > 0),   dE/dt = -p eta_c  while charging

E in MWh, p in MW at the terminals, generation positive. Beyond the limits of the contract
(`soc_min`, `soc_max`) the battery's own management takes power away in a straight line, down to
nothing `RESERVE_PU` further on, as battery management systems do near empty and full.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.fleet import Unit
from hil.plant import actuator
from hil.plant.actuator import F8, Actuator, Motion, clip, column

RESERVE_PU = 0.05


@dataclass(frozen=True, slots=True)
class Params:
    """Constants, shape (n,) each."""

    actuator: Actuator
    rated_mw: F8
    energy_mwh: F8
    efficiency_charge_pu: F8
    efficiency_discharge_pu: F8
    soc_min_pu: F8
    soc_max_pu: F8


@dataclass(frozen=True, slots=True)
class State:
    """State, shape (n,) each."""

    motion: Motion
    soc_pu: F8


def params(units: Sequence[Unit]) -> Params:
    """Constants of these units."""
    return Params(
        actuator=actuator.of(units),
        rated_mw=column(units, "rated_mw"),
        energy_mwh=column(units, "energy_mwh"),
        efficiency_charge_pu=column(units, "efficiency_charge_pu"),
        efficiency_discharge_pu=column(units, "efficiency_discharge_pu"),
        soc_min_pu=column(units, "soc_min_pu"),
        soc_max_pu=column(units, "soc_max_pu"),
    )


def start(p_mw: F8, soc_pu: F8) -> State:
    """State at rest at a power, MW, and a state of charge."""
    return State(Motion(p_mw.copy(), p_mw.copy()), soc_pu.copy())


def limits_mw(p: Params, state: State) -> tuple[F8, F8]:
    """Lowest and highest power that the battery's management allows now."""
    discharge = clip((state.soc_pu - p.soc_min_pu) / RESERVE_PU + 1.0, 0.0, 1.0)
    charge = clip((p.soc_max_pu - state.soc_pu) / RESERVE_PU + 1.0, 0.0, 1.0)
    return -p.rated_mw * charge, p.rated_mw * discharge


def step(dt_s: float, p: Params, state: State, target_mw: F8) -> State:
    """Move on by `dt_s` seconds towards `target_mw`, shape (n,), MW, generation positive."""
    low_mw, high_mw = limits_mw(p, state)
    target_mw = clip(target_mw, low_mw, high_mw)
    motion = actuator.step(dt_s, p.actuator, state.motion, target_mw)
    # a lag's tail must not carry the power past what is left in the store
    motion = Motion(motion.reference_mw, clip(motion.p_mw, low_mw, high_mw))
    mean_mw = 0.5 * (state.motion.p_mw + motion.p_mw)
    drawn_mwh = np.where(
        mean_mw > 0.0, mean_mw / p.efficiency_discharge_pu, mean_mw * p.efficiency_charge_pu
    ) * (dt_s / 3600.0)
    soc_pu = clip(state.soc_pu - drawn_mwh / p.energy_mwh, 0.0, 1.0)
    return State(motion, soc_pu)
