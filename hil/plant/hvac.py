"""Cooling of a building: an electric load behind a first-order room, with a comfort band.

    tau d(theta)/dt = GAIN (p - p_base) / rated - theta

theta: room temperature above its set point, K; p: power, a load negative, so that less cooling
warms the room; p_base: the load that holds the set point. The room's time constant is one to two
hours. Close to an edge of the comfort band the freedom ends in a straight line, at the edge it is
gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.fleet import ROOM_GAIN_K, Unit
from hil.plant import actuator
from hil.plant.actuator import F8, Actuator, Motion, clip, column

EDGE_SHARE = 0.2  # of the band, over which the freedom ends
SET_POINT_C = 24.0


@dataclass(frozen=True, slots=True)
class Params:
    """Constants, shape (n,) each."""

    actuator: Actuator
    rated_mw: F8
    base_mw: F8
    p_min_mw: F8
    p_max_mw: F8
    room_tau_s: F8
    comfort_k: F8


@dataclass(frozen=True, slots=True)
class State:
    """State, shape (n,) each."""

    motion: Motion
    room_k: F8  # above the set point


def params(units: Sequence[Unit]) -> Params:
    """Constants of these units."""
    return Params(
        actuator=actuator.of(units),
        rated_mw=column(units, "rated_mw"),
        base_mw=column(units, "basepoint_mw"),
        p_min_mw=column(units, "p_min_mw"),
        p_max_mw=column(units, "p_max_mw"),
        room_tau_s=column(units, "room_tau_s"),
        comfort_k=column(units, "comfort_k"),
    )


def start(p_mw: F8) -> State:
    """State at rest at a power, MW, with the room at its set point."""
    return State(Motion(p_mw.copy(), p_mw.copy()), np.zeros_like(p_mw))


def limits_mw(p: Params, state: State) -> tuple[F8, F8]:
    """Lowest and highest power now; a load is negative."""
    edge_k = EDGE_SHARE * p.comfort_k
    may_warm = clip((p.comfort_k - state.room_k) / edge_k, 0.0, 1.0)
    may_cool = clip((p.comfort_k + state.room_k) / edge_k, 0.0, 1.0)
    return (
        p.base_mw + (p.p_min_mw - p.base_mw) * may_cool,
        p.base_mw + (p.p_max_mw - p.base_mw) * may_warm,
    )


def step(dt_s: float, p: Params, state: State, target_mw: F8) -> State:
    """Move on by `dt_s` seconds towards `target_mw`, shape (n,), MW, a load negative."""
    low_mw, high_mw = limits_mw(p, state)
    motion = actuator.step(dt_s, p.actuator, state.motion, clip(target_mw, low_mw, high_mw))
    mean_mw = 0.5 * (state.motion.p_mw + motion.p_mw)
    settled_k = ROOM_GAIN_K * (mean_mw - p.base_mw) / p.rated_mw
    decay = np.exp(-dt_s / p.room_tau_s)
    return State(motion, settled_k + (state.room_k - settled_k) * decay)
