"""Fewer rows of the power trace, of long runs and large fleets, without a loss to the checks.

At 0.1 s the trace of single units would take gigabytes. A thinned one has, of each process,

- a row each `step_s`, in single precision;
- the row before and the row at each change of any unit's state, so states are known to 0.1 s;
- in each row the least and the greatest power of each unit since the row before;

and the power of the process, by kind and in all, at 0.1 s in a file of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PHYSICS_STEP_S = 0.1
EXTREMES = ("p_low_mw", "p_high_mw")
F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Thin:
    """How a power trace is thinned. `kinds`: of each unit of the process, in their order."""

    step_s: float
    kinds: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Kinds that the process has, in order of appearance."""
        return tuple(dict.fromkeys(self.kinds))

    @property
    def totals(self) -> np.dtype[np.void]:
        """Row of the power of the process: instant, all units, each of `names`."""
        columns: list[Any] = [("t_s", "<f8"), ("p_mw", "<f8"), ("kind_mw", "<f8", (self.width,))]
        return np.dtype(columns)

    @property
    def width(self) -> int:
        """Number of kinds."""
        return len(self.names)


def thin(step_s: float, kinds: Sequence[str]) -> Thin | None:
    """How to thin to one row each `step_s`; None where each step has its row."""
    return Thin(step_s, tuple(kinds)) if step_s > 1.5 * PHYSICS_STEP_S else None


class Thinner:
    """Takes a row each step of the physics, and gives those that are to be kept.

    `row`: array of one row, which the caller fills anew each step.
    """

    def __init__(self, how: Thin, row: NDArray[np.void]) -> None:
        self._row = row
        self._each = round(how.step_s / PHYSICS_STEP_S)
        self._kind = np.array([how.names.index(kind) for kind in how.kinds], dtype=np.intp)
        self._total = np.zeros(1, dtype=how.totals)
        self._width = how.width
        self._low_mw = np.full(len(how.kinds), np.inf)
        self._high_mw = -self._low_mw
        self._states = b""
        self._waiting = b""  # row of the step before, if it was not kept

    def total(self, t_s: float, p_mw: F8) -> bytes:
        """Row of the power of the process."""
        row = self._total
        row["t_s"], row["p_mw"] = t_s, p_mw.sum()
        row["kind_mw"][0] = np.bincount(self._kind, weights=p_mw, minlength=self._width)
        return row.tobytes()

    def rows(self, t_s: float, p_mw: F8, state: NDArray[np.uint8]) -> list[bytes]:
        """Rows to keep now that the row holds this step: none, one, or that before it, too."""
        kept = []
        states = state.tobytes()
        changed, self._states = states != self._states, states
        if changed and self._waiting:
            kept.append(self._keep(self._waiting))
        np.minimum(self._low_mw, p_mw, out=self._low_mw)
        np.maximum(self._high_mw, p_mw, out=self._high_mw)
        low, high = EXTREMES
        self._row[low][0], self._row[high][0] = self._low_mw, self._high_mw
        self._waiting = self._row.tobytes()
        if changed or round(t_s / PHYSICS_STEP_S) % self._each == 0:
            kept.append(self._keep(self._waiting))
        return kept

    def last(self) -> list[bytes]:
        """What is left at the end."""
        return [self._keep(self._waiting)] if self._waiting else []

    def _keep(self, row: bytes) -> bytes:
        self._waiting = b""
        self._low_mw[:], self._high_mw[:] = np.inf, -np.inf
        return row
