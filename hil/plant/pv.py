"""Photovoltaic plant: gives the smaller of its limit and what the sun leaves.

Clouds are a first-order Gauss-Markov process (Ornstein-Uhlenbeck) around the mean available power,
exact for any step:  x' = x exp(-dt/T) + sigma sqrt(1 - exp(-2 dt/T)) z,  z standard normal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.fleet import Unit
from hil.plant import actuator
from hil.plant.actuator import F8, Actuator, Motion, clip, column

CLOUD_TAU_S = 120.0


@dataclass(frozen=True, slots=True)
class Params:
    """Constants, shape (n,) each."""

    actuator: Actuator
    rated_mw: F8
    available_mw: F8  # mean
    sun_sigma_mw: F8


@dataclass(frozen=True, slots=True)
class State:
    """State, shape (n,) each."""

    motion: Motion
    cloud_mw: F8  # what the clouds add to the mean


def params(units: Sequence[Unit]) -> Params:
    """Constants of these units."""
    return Params(
        actuator=actuator.of(units),
        rated_mw=column(units, "rated_mw"),
        available_mw=column(units, "available_mw"),
        sun_sigma_mw=column(units, "sun_sigma_mw"),
    )


def start(p: Params, p_mw: F8) -> State:
    """State at rest at a power, MW, under the mean sun."""
    p_mw = np.minimum(p_mw, p.available_mw)
    return State(Motion(p_mw.copy(), p_mw.copy()), np.zeros_like(p_mw))


def available_mw(p: Params, state: State) -> F8:
    """What the sun leaves now."""
    return clip(p.available_mw + state.cloud_mw, 0.0, p.rated_mw)


def limits_mw(p: Params, state: State) -> tuple[F8, F8]:
    """Lowest and highest power now."""
    return np.zeros_like(p.rated_mw), available_mw(p, state)


def step(dt_s: float, p: Params, state: State, target_mw: F8, shock: F8) -> State:
    """Move on by `dt_s` seconds; `target_mw`: the limit; `shock`: standard normal, shape (n,)."""
    decay = np.exp(-dt_s / CLOUD_TAU_S)
    cloud_mw = state.cloud_mw * decay + p.sun_sigma_mw * np.sqrt(1.0 - decay * decay) * shock
    sun_mw = clip(p.available_mw + cloud_mw, 0.0, p.rated_mw)
    motion = actuator.step(dt_s, p.actuator, state.motion, clip(target_mw, 0.0, sun_mw))
    return State(Motion(motion.reference_mw, np.minimum(motion.p_mw, sun_mw)), cloud_mw)
