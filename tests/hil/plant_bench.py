"""One kind of units without the rest of the plant: bodies, and a way to drive them."""

from collections.abc import Callable, Sequence

import numpy as np

from hil.fleet import Unit
from hil.plant import actuator
from hil.plant.body import bodies
from hil.plant.jit import I8, Records
from hil.plant.plant import Kind

DT_S = 0.1


def law(function):
    """The Python under a compiled formula."""
    return getattr(function, "py_func", function)


class Drive:
    """Units of one kind, all given the same target; time starts at 0."""

    def __init__(
        self, units: Sequence[Unit], make: Callable[[Sequence[Unit], I8, Records], Kind]
    ) -> None:
        self.body = bodies(units, DT_S)
        self.kind = make(units, np.arange(len(units)), self.body)
        self.steps = 0

    @property
    def now_s(self) -> float:
        return self.steps * DT_S

    def run(self, seconds: float, p_mw: float | np.ndarray) -> None:
        self.body["mean_mw"] = p_mw
        for _ in range(round(seconds / DT_S)):
            self.step()

    def step(self) -> None:
        self.steps += 1
        actuator.move(self.body)
        self.kind.step(self.now_s)
