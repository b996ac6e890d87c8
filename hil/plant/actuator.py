"""What every unit's power goes through: ramp, then first-order lag. (Dead time: `plant.Plant`.)

A controller moves its reference towards the target no faster than the unit may ramp, and the
power follows the reference with a first-order lag: tau dp/dt = r - p. Within a step the reference
moves in a straight line, for which the lag is solved exactly (first-order hold):

    p(t) = r(t) - s tau + (p0 - r0 + s tau) exp(-t/tau),    s = slope of the reference

Source: Åström & Hägglund, "PID Controllers", 2nd ed. 1995, ch. 2 (first order plus dead time).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.fleet import Unit

F8 = NDArray[np.float64]
SHORTEST_LAG_S = 1e-6  # against a division by zero; without lag the power is the reference


@dataclass(frozen=True, slots=True)
class Actuator:
    """Constants, shape (n,) each."""

    ramp_mw_per_s: F8
    lag_s: F8


@dataclass(frozen=True, slots=True)
class Motion:
    """State, shape (n,) each."""

    reference_mw: F8
    p_mw: F8


def column(units: Sequence[Unit], name: str) -> F8:
    """One attribute of all units, shape (n,); nan where a unit has none."""
    return np.array([getattr(unit, name) for unit in units], dtype=np.float64)


def clip(value: F8, low: F8 | float, high: F8 | float) -> F8:
    """`np.clip` without its overhead, which is most of a step of a few dozen units."""
    return np.minimum(np.maximum(value, low), high)


def of(units: Sequence[Unit]) -> Actuator:
    """Actuators with the true lags of these units."""
    return Actuator(column(units, "ramp_mw_per_s"), column(units, "lag_true_s"))


def step(dt_s: float, actuator: Actuator, motion: Motion, target_mw: F8) -> Motion:
    """Move on by `dt_s` seconds towards `target_mw`, shape (n,), MW."""
    reach_mw = actuator.ramp_mw_per_s * dt_s
    move_mw = clip(target_mw - motion.reference_mw, -reach_mw, reach_mw)
    behind_mw = move_mw * (actuator.lag_s / dt_s)
    reference_mw = motion.reference_mw + move_mw
    decay = np.exp(-dt_s / np.maximum(actuator.lag_s, SHORTEST_LAG_S))
    p_mw = reference_mw - behind_mw + (motion.p_mw - motion.reference_mw + behind_mw) * decay
    return Motion(reference_mw, p_mw)
