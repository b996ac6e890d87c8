"""One simulated device behind its protocol: what it reports, whom it obeys, what it records."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hil.faults import stream
from hil.fleet import Fleet, Unit
from hil.plant.plant import Plant
from hil.recording import LinkChange, SetpointFlag, UnitState, Writer

OVERLOAD = 1.001  # a setpoint beyond nameplate is refused; rounding of a register is not
STATE_READY = 1


class Fate(Enum):
    """What becomes of a write."""

    DONE = 0
    REFUSED = 1
    LOST = 2  # nobody answers


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device measures, generation positive."""

    p_mw: float
    low_mw: float
    high_mw: float
    soc_pu: float  # nan: no store


class Device:
    """A unit's controller: the same behind every protocol.

    `dark` is set during a silent outage: then nothing that arrives has any effect but a line in
    the record, and no answer leaves.
    """

    def __init__(
        self,
        unit: Unit,
        slot: int,
        fleet: Fleet,
        plant: Plant,
        writer: Writer,
        clock: Callable[[], float],
    ) -> None:
        self.unit = unit
        self.dark = False
        self.following = False
        self.setpoint_mw = unit.basepoint_mw
        self.clock = clock
        self.link_s = 0.0  # time in the link of the request that is being handled
        self._slot = slot
        self._plant = plant
        self._writer = writer
        self._loss = fleet.faults.write_loss_pct / 100.0
        self._noise = fleet.faults.telemetry_noise_pct / 100.0
        self._loss_rng = stream(fleet.seed, unit.index, "loss")
        self._noise_rng = stream(fleet.seed, unit.index, "noise")
        self._most_mw = unit.rated_mw * OVERLOAD

    def reading(self) -> Reading:
        """Measure: the power with noise of the reading, the limits as they are."""
        slot, plant = self._slot, self._plant
        p_mw = float(plant.p_mw[slot])
        if self._noise:
            p_mw *= 1.0 + self._noise * self._noise_rng.gauss(0.0, 1.0)
        return Reading(
            p_mw, float(plant.low_mw[slot]), float(plant.high_mw[slot]), float(plant.soc_pu[slot])
        )

    def swallow(self, p_mw: float | None) -> bool:
        """Say whether a write is lost, and record that; to be asked before it has any effect.

        `p_mw`: the setpoint in it, MW; None: it carries none (those are lost in outages only).
        """
        flags = SetpointFlag(0) if p_mw is not None else SetpointFlag.KEEP_ALIVE
        if self.dark:
            flags |= SetpointFlag.OFFLINE
        elif p_mw is not None and self._loss and self._loss_rng.random() < self._loss:
            flags |= SetpointFlag.LOST
        lost = bool(flags & (SetpointFlag.OFFLINE | SetpointFlag.LOST))
        if lost or p_mw is None:
            shown_mw = self.setpoint_mw if p_mw is None else p_mw
            self._writer.setpoint(self.clock(), self.unit.index, shown_mw, flags, self.link_s)
        if flags & SetpointFlag.LOST:
            self._writer.event(self.clock(), self.unit.index, "write_lost")
        return lost

    def setpoint(self, p_mw: float) -> Fate:
        """Take a setpoint that was not lost, MW, generation positive."""
        now_s = self.clock()
        self._writer.setpoint(now_s, self.unit.index, p_mw, 0, self.link_s)
        if not abs(p_mw) <= self._most_mw:
            return Fate.REFUSED
        self.setpoint_mw = p_mw
        if self.following:
            self._plant.order(self._slot, p_mw, now_s)
        return Fate.DONE

    def linked(self, change: LinkChange) -> None:
        """Record what became of the link."""
        self._writer.link(self.clock(), self.unit.index, change)

    def follow(self, *, on: bool) -> None:
        """Follow setpoints, or go back to the own schedule."""
        if not on and self.following:
            self._plant.release(self._slot, self.clock())
        self.following = on

    def arm(self, *, watchdog_s: float | None = None, fallback_mw: float | None = None) -> None:
        """Set time and fallback of the watchdog."""
        self._plant.arm(self._slot, watchdog_s=watchdog_s, fallback_mw=fallback_mw)

    def watchdog(self) -> tuple[float, float]:
        """Time, s, and fallback, MW, of the watchdog."""
        return self._plant.watchdog(self._slot)

    def watchdog_left_s(self) -> float:
        """Seconds until the watchdog runs out."""
        return self._plant.watchdog_left_s(self._slot, self.clock())

    @property
    def in_fallback(self) -> bool:
        """True after its watchdog has run out."""
        return bool(self._plant.state[self._slot] == UnitState.FALLBACK)
