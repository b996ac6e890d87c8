"""Industrial load: slow to begin, slow to move, free within its range.

The process takes 10 to 30 s until an order shows (dead time, in `plant.Plant`), and settles with
a lag of 40 s: pumps, mills and furnaces as aggregators describe them for secondary reserve.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hil.fleet import Unit
from hil.plant import actuator
from hil.plant.actuator import F8, Actuator, Motion, clip, column


@dataclass(frozen=True, slots=True)
class Params:
    """Constants, shape (n,) each."""

    actuator: Actuator
    p_min_mw: F8
    p_max_mw: F8


@dataclass(frozen=True, slots=True)
class State:
    """State, shape (n,) each."""

    motion: Motion


def params(units: Sequence[Unit]) -> Params:
    """Constants of these units."""
    return Params(
        actuator=actuator.of(units),
        p_min_mw=column(units, "p_min_mw"),
        p_max_mw=column(units, "p_max_mw"),
    )


def start(p_mw: F8) -> State:
    """State at rest at a power, MW."""
    return State(Motion(p_mw.copy(), p_mw.copy()))


def limits_mw(p: Params, state: State) -> tuple[F8, F8]:
    """Lowest and highest power now; a load is negative."""
    del state
    return p.p_min_mw, p.p_max_mw


def step(dt_s: float, p: Params, state: State, target_mw: F8) -> State:
    """Move on by `dt_s` seconds towards `target_mw`, shape (n,), MW, a load negative."""
    target_mw = clip(target_mw, p.p_min_mw, p.p_max_mw)
    return State(actuator.step(dt_s, p.actuator, state.motion, target_mw))
