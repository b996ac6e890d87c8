"""What the shell needs of a signal: the newest value in, telemetry of the plant out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

NAN = float("nan")
HORIZONS = 4


@dataclass(frozen=True, slots=True)
class AgcValue:
    """One AGC value as it was received."""

    pu: float  # of regulation capacity, generation positive, as sent: not clipped
    received_s: float  # monotonic, when it reached the socket
    sequence: int = -1  # -1: the protocol has none
    transit_s: float = float("nan")  # age by its own time tag when it came; NaN: it has none
    quality: int = 0  # core.types.Quality


@dataclass(frozen=True, slots=True)
class FrequencyValue:
    """One frequency value as it was received."""

    freq_hz: float
    received_s: float
    quality: int = 0


@dataclass(frozen=True, slots=True)
class PromiseReport:
    """Headroom around the plan that the TSO can count on; NaN: not known."""

    capacity_up_mw: float = NAN  # regulation capacity that is there: sold, and promised where told
    capacity_down_mw: float = NAN
    s: tuple[float, ...] = (NAN,) * HORIZONS  # from now: the next seconds, 5, 15, 30 min
    up_mw: tuple[float, ...] = (NAN,) * HORIZONS
    down_mw: tuple[float, ...] = (NAN,) * HORIZONS
    firm_up_mw: tuple[float, ...] = (NAN,) * HORIZONS
    firm_down_mw: tuple[float, ...] = (NAN,) * HORIZONS


@dataclass(frozen=True, slots=True)
class PlantReport:
    """What the TSO is told after each tick."""

    p_meas_mw: float  # NaN: no unit is read
    headroom_mw: float
    footroom_mw: float
    regulation_capacity_up_mw: float  # sold: what AGC = +1 asks
    regulation_capacity_down_mw: float
    mode: int  # core.types.Mode
    quality: int  # core.types.Quality of p_meas_mw and of the signal as seen here
    unserved_mw: float
    agc_pu: float  # accepted value, read back
    units_online: int
    promise: PromiseReport = PromiseReport()


class Signal(Protocol):
    """One way in for AGC or frequency. `run()` is supervised like a device's task."""

    agc: AgcValue | None  # newest; None: this signal never gave one
    frequency: FrequencyValue | None

    def on_agc(self, listener: Callable[[], None]) -> None:
        """Call `listener()` in the event loop when a new AGC value is there (early tick)."""

    def on_frequency(self, listener: Callable[[], None]) -> None:
        """Call `listener()` in the event loop when a new frequency is there."""

    async def bind(self) -> None:
        """Open sockets. Raises OSError with the address in its text."""

    async def run(self) -> None:
        """Serve until cancelled."""

    def publish(self, report: PlantReport) -> None:
        """Tell the TSO. Never blocks."""
