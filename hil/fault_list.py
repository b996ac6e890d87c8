"""Kinds of faults for people: `vppd-hil faults`."""

from rich.table import Table

from hil.scenario.fault_kinds import BOTH, FAULT_KINDS, Kind

WHOM = {"unit": "units", "tso": "the TSO", "host": "machine", "daemon": "vppd", "bench": "bench"}


def table() -> Table:
    """All kinds, whom they meet, and the number that goes with each."""
    made = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("kind", "meets", "what happens", "number, default", "clock"):
        made.add_column(name, no_wrap=name in ("kind", "number, default"))
    for name, kind in FAULT_KINDS.items():
        made.add_row(name, _whom(kind), kind.what, _number(kind), _clock(kind))
    return made


def _whom(kind: Kind) -> str:
    """Whom a kind meets, in words."""
    return WHOM[kind.meets] + (" (some)" if kind.makers else "")


def _number(kind: Kind) -> str:
    """Key of its number, with its default; empty if it has none."""
    own = kind.parameter
    return "" if own is None else f"{own.key}: {own.default:g}"


def _clock(kind: Kind) -> str:
    """Which clock can have it; empty: both."""
    return "" if kind.clocks == BOTH else f"{kind.clocks[0]} only"
