"""Invariants of a run, checked from the simulated truth and the daemon's own words.

Always on: each run, under either clock, is held against all of them. Nothing here imports the
daemon. A checker is a pure function of the `Evidence`; one file each, or a small family.
"""

from hil.checkers.evidence import Evidence, gather
from hil.checkers.registry import ALL, Report, figures, run
from hil.checkers.violation import Found, Violation

__all__ = ["ALL", "Evidence", "Found", "Report", "Violation", "figures", "gather", "run"]
