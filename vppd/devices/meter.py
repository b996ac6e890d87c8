"""The energy counter of a unit, as the journal keeps it: the oftener, the faster the unit moves.

Between two values the readings say how the energy is shared out in time. That is as good as they
are as long as the unit hardly moves meanwhile: a battery that goes from end to end in two seconds
is counted with each reading, an industrial process every half a minute. A value of each unit and
second would be the largest part of a journal and say no more. The instants are the first readings
in each period of the wall clock: there the intervals of markets end.
"""

import math
from collections.abc import Callable

from vppd.config.schema import UnitConfig
from vppd.devices.base import NAN

WAY_EVERY_S = ((5.0, 0.0), (30.0, 10.0), (math.inf, 30.0))  # time from end to end, period


class Meter:
    """Newest counted energy: injected less absorbed, MWh; and when it was read, monotonic s.

    Parameters
    ----------
    unit : UnitConfig
        Says how fast it moves.
    utc : callable
        Wall clock, s.
    """

    __slots__ = ("_every_s", "_period", "_utc", "at_s", "energy_mwh")

    def __init__(self, unit: UnitConfig, utc: Callable[[], float]) -> None:
        slowest_mw_per_s = min(unit.ramp_up_mw_per_s, unit.ramp_down_mw_per_s)
        way_s = (unit.p_max_mw - unit.p_min_mw) / slowest_mw_per_s + (unit.lag_s or 0.0)
        self._every_s = next(every_s for most_s, every_s in WAY_EVERY_S if way_s < most_s)
        self.energy_mwh = NAN  # never read, or the device has none
        self.at_s = NAN
        self._utc = utc
        self._period: float | None = None

    def is_due(self) -> bool:
        """Say whether this period has no value yet, by a clock that may be set back."""
        return not self._every_s or self._utc() // self._every_s != self._period

    def take(self, energy_mwh: float, at_s: float) -> None:
        """Take what was read. NaN: the device does not say; what it said last stands.

        0 is no value either: many devices read 0 where they have no such register.
        """
        if self._every_s:
            self._period = self._utc() // self._every_s
        if math.isfinite(energy_mwh) and energy_mwh != 0.0:
            self.energy_mwh, self.at_s = energy_mwh, at_s
