"""Depot of electric cars: a load that can wait, until the cars must leave with their energy.

The hub owes its cars energy until they depart. While there is time, it draws anything between
nothing and its rated power; when the energy owed just fits into the time left, it must draw in
full; when nothing is owed, it draws nothing. At the departure the next cars come, with the same
stay and the same need.

    dE/dt = p (p < 0: the debt falls),     must charge when  E >= SLACK * rated * time left
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.fleet import Unit
from hil.plant import actuator
from hil.plant.actuator import F8, Actuator, Motion, clip, column

SLACK = 0.95  # share of the rated power that a plan may count on


@dataclass(frozen=True, slots=True)
class Params:
    """Constants, shape (n,) each."""

    actuator: Actuator
    rated_mw: F8
    p_min_mw: F8
    p_max_mw: F8
    stay_s: F8
    need_mwh: F8


@dataclass(frozen=True, slots=True)
class State:
    """State, shape (n,) each."""

    motion: Motion
    owed_mwh: F8
    left_s: F8  # until the departure


def params(units: Sequence[Unit]) -> Params:
    """Constants of these units: cars need what the basepoint gives them during their stay."""
    stay_s = column(units, "departure_s")
    return Params(
        actuator=actuator.of(units),
        rated_mw=column(units, "rated_mw"),
        p_min_mw=column(units, "p_min_mw"),
        p_max_mw=column(units, "p_max_mw"),
        stay_s=stay_s,
        need_mwh=-column(units, "basepoint_mw") * stay_s / 3600.0,
    )


def start(p: Params, p_mw: F8) -> State:
    """State at rest at a power, MW, with the cars just arrived."""
    return State(Motion(p_mw.copy(), p_mw.copy()), p.need_mwh.copy(), p.stay_s.copy())


def limits_mw(p: Params, state: State) -> tuple[F8, F8]:
    """Lowest and highest power now; a load is negative."""
    must = state.owed_mwh * 3600.0 >= SLACK * p.rated_mw * state.left_s
    return (
        np.where(state.owed_mwh > 0.0, p.p_min_mw, p.p_max_mw),
        np.where(must & (state.owed_mwh > 0.0), p.p_min_mw, p.p_max_mw),
    )


def step(dt_s: float, p: Params, state: State, target_mw: F8) -> State:
    """Move on by `dt_s` seconds towards `target_mw`, shape (n,), MW, a load negative."""
    low_mw, high_mw = limits_mw(p, state)
    motion = actuator.step(dt_s, p.actuator, state.motion, clip(target_mw, low_mw, high_mw))
    mean_mw = 0.5 * (state.motion.p_mw + motion.p_mw)
    owed_mwh = np.maximum(state.owed_mwh + mean_mw * (dt_s / 3600.0), 0.0)
    left_s = state.left_s - dt_s
    gone = left_s <= 0.0
    return State(motion, np.where(gone, p.need_mwh, owed_mwh), np.where(gone, p.stay_s, left_s))
