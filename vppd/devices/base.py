"""What the shell needs of a device driver, and what a driver gives back."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from vppd.links.base import Answer

NAN = float("nan")


class Reading(NamedTuple):
    """One answer of a device. NaN: the device does not report it. Generation positive."""

    p_meas_mw: float
    measured_at_s: float
    soc_pu: float = NAN
    p_avail_min_mw: float = NAN
    p_avail_max_mw: float = NAN
    remote: bool = True  # False: the device reports local control
    quality: int = 0  # core.types.Quality
    following: bool = True  # False: its mode or dead man fell back since it was last asserted
    reason: str = ""  # why it cannot do what it is told, in words; empty if it can
    energy_mwh: float = NAN  # by its meter, injected less absorbed, since whenever
    energy_at_s: float = NAN  # when the meter was read


def full_reading(values: Iterable[Any]) -> Reading:
    """Reading of all its fields in their order, without their names: in a third of the time."""
    return tuple.__new__(Reading, values)


class Driver(Protocol):
    """Meaning of one device. Links set the deadlines.

    A `write` may be called while a `read` is under way; else there is one call at a time. A device
    that speaks by itself may also have `on_news(listener)`: it is read whenever it has spoken.
    """

    async def start(self, read_only: bool = False) -> None:
        """After each (re)connection: check who answers, assert the mode, arm the watchdog.

        `read_only` (--shadow) forbids every write. Never sends a setpoint: a mode that would make
        the device follow an old one must wait for the first `write`. Raises LinkError with the
        reason when the device is not what it should be.
        """

    async def write(self, p_setpoint_mw: float, before_s: float = math.inf) -> Answer:
        """Send one setpoint, once; before that instant, monotonic s, or not at all.

        Raises ExpiredError when it could not leave before. A driver that never lets a setpoint
        wait may leave `before_s` out.
        """

    async def read(self) -> Reading:
        """Ask for telemetry. Raises LinkError."""
