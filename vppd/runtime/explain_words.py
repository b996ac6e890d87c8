"""Words and numbers of an explanation."""

import math
from typing import Final

ID_WIDTH: Final = 20  # of a unit or group in a table

# What each name means, for a reader without the code.
IN_WORDS: Final = {
    "NONE": "free: it got its share",
    "RATING": "its nameplate",
    "RAMP": "as far as its ramp takes it in one tick",
    "SOC": "what its store holds or has room for",
    "AVAILABLE": "what weather, cars, cells or process leave",
    "TELEMETRY_AGE": "no young reading: counted by its last accepted setpoint",
    "UNREACHABLE": "link down: counted by its last accepted setpoint",
    "FALLBACK": "its watchdog has run out: counted by its fallback",
    "OPERATOR": "held by the operator",
    "CROSSED": "its limits contradict each other: it stays where it was",
    "DEAD_BAND": "too small a step for it, or to move it for: its last setpoint stands",
    "GUARD": "refused by the second guard: its last setpoint stands",
    "CAPACITY": "no more than what was sold",
    "LOCAL_CONTROL": "takes no orders: counted as measured",
    "REFUSED": "refused its last setpoint: counted by the last accepted one",
    "GROUP": "a limit of several units together",
    "BAND": "cannot stand in its band, and the side it is on is the better one",
    "MIN_TIME": "cannot stand in its band, and has not been long enough on this side of it",
    "MODEL": "less of its range is used: it does not quite do what its model says",
    "BENCHED": "benched, counted as measured: it does not do what its model says",
    "CYCLES": "cannot stand in its band, and has crossed it as often as it may",
    "LATE": "too slow for the look-ahead: it takes its economic target",
    "FITTED": "fitted to its steps; the others take the rest",
}


def mw(value: float) -> str:
    """Give MW to the kilowatt."""
    return amount(value, "z.3f")


def amount(value: float, form: str) -> str:
    """Give a number; - where there is none. z: what rounds to nothing has no minus."""
    return "-" if math.isnan(value) else format(value, form)


def since(age_s: float) -> str:
    """Say how long ago."""
    return "never" if math.isnan(age_s) else f"{age_s:.2f} s ago"


def line(name: str, text: str) -> str:
    """One line of a heading."""
    return f"{name:10} {text}"


def listed(parts: list[str]) -> str:
    """Join in words."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
