"""Faults of the TSO's signal: what is sent instead of a value. Pure, for both clocks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from hil.faults.fault import Fault


@dataclass(frozen=True, slots=True)
class Sent:
    """One value as it leaves the TSO."""

    pu: float
    of_s: float  # instant of the run that it is of: an old one while values are repeated


class SignalState:
    """The signal as it leaves the TSO, a value every `interval_s`.

    `true_pu(t_s)` gives the value that should be sent at an instant of the run; earlier ones are
    asked of it again where a fault repeats them.
    """

    def __init__(self, true_pu: Callable[[float], float], interval_s: float) -> None:
        self._true_pu = true_pu
        self._interval_s = interval_s
        self._faults: list[Fault] = []

    def begin(self, fault: Fault, now_s: float) -> None:
        """Have a fault, from now on."""
        del now_s
        self._faults.append(fault)

    def end(self, fault: Fault, now_s: float) -> None:
        """Be rid of it."""
        del now_s
        if fault in self._faults:
            self._faults.remove(fault)

    def sent(self, t_s: float) -> Sent | None:
        """Value of an instant of the run, s; None: nothing is sent. Faults apply as they began."""
        value = Sent(self._true_pu(t_s), t_s)
        for fault in self._faults:
            if fault.kind == "signal_stale":
                return None
            value = self._changed(fault, value, t_s)
        return value

    def _changed(self, fault: Fault, value: Sent, t_s: float) -> Sent:
        if fault.kind == "signal_frozen":
            return Sent(self._true_pu(self._grid_s(fault.at_s)), t_s)
        if fault.kind == "signal_replayed":
            back = max(1, math.ceil(fault.duration_s / self._interval_s)) * self._interval_s
            of_s = max(t_s - back, 0.0)
            return Sent(self._true_pu(of_s), of_s)
        if fault.kind == "signal_spike":
            return Sent(min(max(value.pu + fault.size, -1.0), 1.0), value.of_s)
        if fault.kind == "signal_jump_opposite":
            return Sent(-1.0 if value.pu >= 0.0 else 1.0, value.of_s)
        return Sent(fault.size, value.of_s)  # out of range

    def _grid_s(self, at_s: float) -> float:
        """Instant of the last value that left before a fault."""
        return max(math.ceil(at_s / self._interval_s) - 1, 0) * self._interval_s
