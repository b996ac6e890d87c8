"""What stands until somebody changes it: the plan, and what the operator has ordered.

Orders enter a tick by the image alone, as what they come to for each unit, so that a replay has
them. An order outranks everything but physics: a unit that the operator holds is in no split, and
comes to its value within its ramp and its limits.

    plan in force       configuration, then the plan that was accepted, then the capacity ordered
    units               held where the last order about each of them says
    mode                AUTO, LOCAL or SAFE
    emergency stop      mode SAFE, and nobody holds a unit anywhere else
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from vppd.core.types import F8, U1, Order, Params


class Hold(IntEnum):
    """Where the operator holds a unit."""

    SETPOINT = 0  # at a power
    LOCK_OUT = 1  # at its safe value
    BENCH = 2  # at its basepoint by the plan in force


@dataclass(frozen=True, slots=True)
class Standing:
    """Inputs that stand until somebody changes them: the plan and the operator's orders."""

    order: Order
    regulation_capacity_up_mw: float
    regulation_capacity_down_mw: float
    basepoint_mw: F8
    locked: U1
    operator_mw: F8
    pardon: int = -1  # for one tick


@dataclass(frozen=True, slots=True)
class UnitOrder:
    """Units that are taken out of the split. `p_mw`: one value a unit, of SETPOINT alone."""

    hold: Hold
    units: tuple[int, ...]
    p_mw: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ModeOrder:
    """The plant out of regulation, or to its safe values."""

    order: Order


@dataclass(frozen=True, slots=True)
class CapacityOrder:
    """Regulation capacity, MW each way, magnitudes."""

    up_mw: float
    down_mw: float


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """A plan that was accepted."""

    basepoint_mw: tuple[float, ...]
    up_mw: float
    down_mw: float


@dataclass(frozen=True, slots=True)
class StopOrder:
    """Emergency stop: every unit to its safe value, within physics."""


Given = UnitOrder | ModeOrder | CapacityOrder | PlanOrder | StopOrder


def stand(base: Standing, given: Sequence[Given], params: Params) -> Standing:
    """What stands when `given`, oldest first, is in force over what the configuration says."""
    standing = base
    for order in given:
        standing = _of_the_plant(standing, order)
    locked, operator_mw = standing.locked.copy(), standing.operator_mw.copy()
    for order in given:
        if isinstance(order, UnitOrder):
            _hold(order, standing.basepoint_mw, params, locked, operator_mw)
    if any(isinstance(order, StopOrder) for order in given):
        locked[:] = 0
        standing = replace(standing, order=Order.SAFE)
    for array in (locked, operator_mw):
        array.setflags(write=False)
    return replace(standing, locked=locked, operator_mw=operator_mw)


def _of_the_plant(standing: Standing, order: Given) -> Standing:
    if isinstance(order, ModeOrder):
        return replace(standing, order=order.order)
    if isinstance(order, CapacityOrder):
        return replace(
            standing,
            regulation_capacity_up_mw=order.up_mw,
            regulation_capacity_down_mw=order.down_mw,
        )
    if isinstance(order, PlanOrder):
        basepoint_mw = np.array(order.basepoint_mw, dtype=np.float64)
        basepoint_mw.setflags(write=False)
        return replace(
            standing,
            basepoint_mw=basepoint_mw,
            regulation_capacity_up_mw=order.up_mw,
            regulation_capacity_down_mw=order.down_mw,
        )
    return standing


def _hold(order: UnitOrder, basepoint_mw: F8, params: Params, locked: U1, operator_mw: F8) -> None:
    units = list(order.units)
    locked[units] = 1
    if order.hold is Hold.LOCK_OUT:
        operator_mw[units] = params.safe_mw[units]
    elif order.hold is Hold.BENCH:
        operator_mw[units] = basepoint_mw[units]
    else:
        operator_mw[units] = order.p_mw


def spread_mw(sum_mw: float, low_mw: Sequence[float], high_mw: Sequence[float]) -> list[float]:
    """Spread a sum over units, each at the same part of its range, MW.

    Raises ValueError for a sum that they cannot make up.
    """
    lowest_mw, highest_mw = sum(low_mw), sum(high_mw)
    tolerance_mw = 1e-9 * max(1.0, abs(lowest_mw), abs(highest_mw))
    if not lowest_mw - tolerance_mw <= sum_mw <= highest_mw + tolerance_mw:
        raise ValueError(f"not within {lowest_mw:g} to {highest_mw:g} MW")
    if highest_mw <= lowest_mw:
        return list(low_mw)
    part = min(max((sum_mw - lowest_mw) / (highest_mw - lowest_mw), 0.0), 1.0)
    return [low + part * (high - low) for low, high in zip(low_mw, high_mw, strict=True)]
