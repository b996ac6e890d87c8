"""An order as it comes from outside, a JSON object, checked against the plant it is for.

    {"kind": "hold", "units": ["bat001"], "p_mw": 1.5, "expires_in_s": 600}
    {"kind": "hold", "groups": ["site_a"]}                   where they stand now
    {"kind": "lock_out" | "bench" | "unbench" | "release", "units": [...], "groups": [...]}
    {"kind": "mode", "mode": "AUTO" | "LOCAL" | "SAFE"}
    {"kind": "capacity", "up_mw": 60.0, "down_mw": 70.0}
    {"kind": "accept_plan", "plan": 3}
    {"kind": "emergency_stop"}
    {"kind": "cancel", "number": 12}

Who hands it on has checked who gives it; here only its meaning counts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vppd.core.orders import Hold
from vppd.core.types import Order, Params

ABOUT_UNITS: Final = ("hold", "lock_out", "bench", "unbench", "release")
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "hold": ("units", "groups", "p_mw", "expires_in_s"),
    "lock_out": ("units", "groups", "expires_in_s"),
    "bench": ("units", "groups", "expires_in_s"),
    "unbench": ("units", "groups"),
    "release": ("units", "groups"),
    "mode": ("mode", "expires_in_s"),
    "capacity": ("up_mw", "down_mw", "expires_in_s"),
    "accept_plan": ("plan", "expires_in_s"),
    "emergency_stop": (),
    "cancel": ("number",),
}
HOLDS: Final = {"hold": Hold.SETPOINT, "lock_out": Hold.LOCK_OUT, "bench": Hold.BENCH}
CAPACITY_MAX_MW: Final = 1e6
EXPIRY_MAX_S: Final = 366 * 86400.0


class OrderError(Exception):
    """An order that cannot be given; the text says what to do, for people."""


@dataclass(frozen=True, slots=True)
class Form:
    """An order that makes sense for the plant. Of the fields below `kind`, those of its kind."""

    kind: str
    units: tuple[int, ...] = ()
    p_mw: float | None = None  # sum of the units; None: where they stand
    expires_in_s: float | None = None
    mode: Order = Order.AUTO
    up_mw: float = math.nan
    down_mw: float = math.nan
    number: int = 0  # of a plan or an order


def parse(data: object, params: Params) -> Form:
    """Check an order. Raises OrderError."""
    if not isinstance(data, Mapping):
        raise OrderError("an order is an object with a kind")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KEYS:
        raise OrderError(f"kind must be one of {', '.join(KEYS)}")
    _only_known(kind, data)
    expires_in_s = _expiry_s(data)
    if kind in ABOUT_UNITS:
        units = _units(data, params)
        p_mw = _number(data, "p_mw", least=-CAPACITY_MAX_MW) if _has(data, "p_mw") else None
        return Form(kind, units, p_mw, expires_in_s)
    if kind == "mode":
        return Form(kind, mode=_mode(data), expires_in_s=expires_in_s)
    if kind == "capacity":
        up_mw, down_mw = _number(data, "up_mw", least=0.0), _number(data, "down_mw", least=0.0)
        return Form(kind, up_mw=up_mw, down_mw=down_mw, expires_in_s=expires_in_s)
    if kind in ("accept_plan", "cancel"):
        number = _whole(data, "plan" if kind == "accept_plan" else "number")
        return Form(kind, number=number, expires_in_s=expires_in_s)
    return Form(kind)


def members(group: int, params: Params) -> tuple[int, ...]:
    """Units of a group and of the groups within it."""
    within = {group}
    for g, parent in enumerate(params.group_parent.tolist()):  # parents stand above their parts
        if parent in within:
            within.add(g)
    return tuple(i for i, g in enumerate(params.unit_group.tolist()) if g in within)


def _only_known(kind: str, data: Mapping[Any, Any]) -> None:
    unknown = [key for key in data if key != "kind" and key not in KEYS[kind]]
    if unknown:
        allowed = ", ".join(KEYS[kind]) or "nothing more"
        raise OrderError(f"{kind} has no {unknown[0]!r}; it takes {allowed}")


def _has(data: Mapping[Any, Any], key: str) -> bool:
    return data.get(key) is not None


def _units(data: Mapping[Any, Any], params: Params) -> tuple[int, ...]:
    unit_at = {name: i for i, name in enumerate(params.ids)}
    group_at = {name: g for g, name in enumerate(params.group_ids)}
    found: set[int] = set()
    for name in _names(data, "units"):
        if name not in unit_at:
            raise OrderError(f"there is no unit {name!r}")
        found.add(unit_at[name])
    for name in _names(data, "groups"):
        if name not in group_at:
            raise OrderError(f"there is no group {name!r}")
        units = members(group_at[name], params)
        if not units:
            raise OrderError(f"group {name!r} has no units")
        found.update(units)
    if not found:
        raise OrderError("name at least one unit or group")
    return tuple(sorted(found))


def _names(data: Mapping[Any, Any], key: str) -> Sequence[str]:
    names = data.get(key)
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise OrderError(f"{key} must be a list of names")
    return names


def _number(data: Mapping[Any, Any], key: str, *, least: float) -> float:
    value = data.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise OrderError(f"{key} must be a number")
    if not least <= value <= CAPACITY_MAX_MW:  # NaN is not, either
        raise OrderError(f"{key} must be within {least:g} and {CAPACITY_MAX_MW:g}")
    return float(value)


def _whole(data: Mapping[Any, Any], key: str) -> int:
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise OrderError(f"{key} must be a whole number")
    return value


def _expiry_s(data: Mapping[Any, Any]) -> float | None:
    if not _has(data, "expires_in_s"):
        return None
    value = _number(data, "expires_in_s", least=1.0)
    if value > EXPIRY_MAX_S:
        raise OrderError("expires_in_s must be at most a year; leave it out for no end")
    return value


def _mode(data: Mapping[Any, Any]) -> Order:
    name = data.get("mode")
    if not isinstance(name, str) or name not in Order.__members__:
        raise OrderError(f"mode must be one of {', '.join(Order.__members__)}")
    return Order[name]
