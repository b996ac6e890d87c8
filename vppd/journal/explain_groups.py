"""Limits of several units together, in one recorded tick: where each sum stood, what was bound."""

from dataclasses import dataclass

import numpy as np

from vppd.core.types import F8, Decision, Params

UPPER, LOWER, FREE = "upper", "lower", "free"


@dataclass(frozen=True, slots=True)
class Group:
    """One group: a site, a feeder, a transformer."""

    id: str
    parent: str  # empty: none
    units: int  # its own, and those of the groups below it
    lower_mw: float
    upper_mw: float
    sum_mw: float  # of its units' setpoints
    side: str  # the limit that binds it: upper, lower, or free
    price: float  # what its limit adds to its units' price; 0 where it is free
    missed_mw: float  # limit - sum where its units cannot keep it; 0 where they do


def groups(params: Params, decision: Decision) -> tuple[Group, ...]:
    """Every group, in the order of the configuration.

    A journal whose tick had no prices of groups (another policy) tells limits and sums alone.
    """
    count = params.group_parent.size
    price, missed_mw = (
        each if each.size == count else np.zeros(count)
        for each in (decision.group_price, decision.group_missed_mw)
    )
    units, sum_mw = _within(params, decision.p_setpoint_mw)
    return tuple(
        _group(params, g, int(units[g]), float(sum_mw[g]), float(price[g]), float(missed_mw[g]))
        for g in range(count)
    )


def _group(
    params: Params, g: int, units: int, sum_mw: float, price: float, missed_mw: float
) -> Group:
    parent = int(params.group_parent[g])
    lower_mw, upper_mw = float(params.group_lower_mw[g]), float(params.group_upper_mw[g])
    bound = price != 0.0 or missed_mw != 0.0
    return Group(
        id=params.group_ids[g],
        parent=params.group_ids[parent] if parent >= 0 else "",
        units=units,
        lower_mw=lower_mw,
        upper_mw=upper_mw,
        sum_mw=sum_mw,
        side=_side(lower_mw, upper_mw, sum_mw) if bound else FREE,
        price=price,
        missed_mw=missed_mw,
    )


def binding(params: Params, found: tuple[Group, ...]) -> list[tuple[str, ...]]:
    """Groups that bind each unit, the nearest first; shape (n,)."""
    above: list[tuple[str, ...]] = []  # of each group: itself and those above it
    for group, parent in zip(found, params.group_parent.tolist(), strict=True):
        own = () if group.side == FREE else (group.id,)
        above.append(own + (above[parent] if parent >= 0 else ()))
    return [above[g] if g >= 0 else () for g in params.unit_group.tolist()]


def _within(params: Params, p_mw: F8) -> tuple[F8, F8]:
    """Units in each group, and the sum of their setpoints, MW."""
    count = params.group_parent.size
    units, sum_mw = np.zeros(count), np.zeros(count)
    for g, unit_mw in zip(params.unit_group.tolist(), p_mw.tolist(), strict=True):
        if g >= 0:
            units[g] += 1
            sum_mw[g] += unit_mw
    for g in range(count - 1, -1, -1):  # each stands above its parts
        parent = int(params.group_parent[g])
        if parent >= 0:
            units[parent] += units[g]
            sum_mw[parent] += sum_mw[g]
    return units, sum_mw


def _side(lower_mw: float, upper_mw: float, sum_mw: float) -> str:
    """The limit that binds is the one at which the sum stands, or which it cannot keep."""
    return UPPER if abs(sum_mw - upper_mw) <= abs(sum_mw - lower_mw) else LOWER
