"""One simulated device behind its protocol: what it reports, whom it obeys, what it records."""

import math
import random
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain

from hil.faults import Fault, stream
from hil.faults.device import DeviceFaults, Reading
from hil.faults.link import LinkState
from hil.fleet import Fleet, Unit
from hil.plant.plant import Plant
from hil.recording import LinkChange, SetpointFlag, UnitState, Writer

OVERLOAD = 1.001  # a setpoint beyond nameplate is refused; rounding of a register is not
LOST, OFFLINE = int(SetpointFlag.LOST), int(SetpointFlag.OFFLINE)
KEEP_ALIVE, VOID = int(SetpointFlag.KEEP_ALIVE), int(SetpointFlag.VOID)
STATE_READY, STATE_FAULT = 1, 2
# What the meters of a new run show: as if the units had run for long, each as long as it likes.
METER_MWH, METER_MORE_MWH = 1000.0, 37.0
SECONDS_PER_HOUR = 3600.0


def normal(rng: random.Random) -> Iterator[float]:
    """Standard normal numbers, those of `rng.gauss(0, 1)` at a third of the cost.

    Source: Box & Muller, Ann. Math. Stat. 29 (1958), p. 610.
    """
    return chain.from_iterable(_pairs(rng.random))


def _pairs(uniform: Callable[[], float]) -> Iterator[tuple[float, float]]:
    while True:
        angle_rad = uniform() * math.tau
        length = math.sqrt(-2.0 * math.log(1.0 - uniform()))
        yield math.cos(angle_rad) * length, math.sin(angle_rad) * length


class Fate(Enum):
    """What becomes of a write."""

    DONE = 0
    REFUSED = 1
    LOST = 2  # nobody answers


DONE = Fate.DONE


class Device:
    """A unit's controller: the same behind every protocol, on sockets and in memory.

    `dark` is set during a silent outage: then nothing that arrives has any effect but a line in
    the record, and no answer leaves. A write asks `admit` first, and then calls `arm`, `follow`
    and `setpoint` with what is in it.
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
        self.link = LinkState(fleet.seed, unit.index)
        self.faults = DeviceFaults()
        self._slot = slot
        self._index = unit.index
        self._plant = plant
        self._writer = writer
        self._loss = fleet.faults.write_loss_pct / 100.0
        self._noise = fleet.faults.telemetry_noise_pct / 100.0
        self._loss_rng = stream(fleet.seed, unit.index, "loss")
        self._next_noise = normal(stream(fleet.seed, unit.index, "noise")).__next__
        # of the slot; the arrays change with every step, and stay where they are
        self._p_mw, self._soc_pu = plant.p_mw.item, plant.soc_pu.item
        self._low_mw, self._high_mw = plant.low_mw.item, plant.high_mw.item
        self._injected_mwh = plant.injected_mwh.item
        self._absorbed_mwh = plant.absorbed_mwh.item
        self._meter_mwh = METER_MWH + METER_MORE_MWH * unit.index
        self._stopped_mwh: tuple[float, float] | None = None  # registers while frozen
        self._most_mw = unit.rated_mw * OVERLOAD
        self._on_boot: list[Callable[[], None]] = []
        self._armed = plant.watchdog(slot)
        # Says what is measured, as its faults let it; replaced as they come and go, for whole
        # fleets are read every second.
        self.reading: Callable[[], Reading] = self._measured

    @property
    def state(self) -> int:
        """What its state register says."""
        return STATE_FAULT if self.faults.tripped else STATE_READY

    def _shown(self) -> Reading:
        """What it says is measured while it has a fault."""
        return self.faults.shown(self._measured())

    def _measured(self) -> Reading:
        """Measure: the power with noise of the reading, the limits as they are."""
        slot = self._slot
        p_mw = self._p_mw(slot)
        if self._noise:
            p_mw *= 1.0 + self._noise * self._next_noise()
        low_mw, high_mw, soc_pu = self._low_mw, self._high_mw, self._soc_pu
        # past the constructor, which is Python
        return tuple.__new__(Reading, (p_mw, low_mw(slot), high_mw(slot), soc_pu(slot)))

    def energy_mwh(self) -> tuple[float, float]:
        """Registers of its meter now, injected and absorbed, MWh. NaN: they are not there.

        The meter has no noise: it counts what the power is, not what is shown of it.
        """
        if self.faults.absent:
            return math.nan, math.nan
        return self._stopped_mwh or self._counted_mwh()

    def _counted_mwh(self) -> tuple[float, float]:
        """What the meter has counted, up to this instant: since the last step at its power."""
        slot, since_s = self._slot, self.clock() - self._plant.now_s
        more_mwh = self._p_mw(slot) * since_s / SECONDS_PER_HOUR
        injected_mwh = self._meter_mwh + self._injected_mwh(slot)
        absorbed_mwh = self._meter_mwh + self._absorbed_mwh(slot)
        if more_mwh > 0.0:
            return injected_mwh + more_mwh, absorbed_mwh
        return injected_mwh, absorbed_mwh - more_mwh

    def admit(self, p_mw: float | None) -> Fate | None:
        """Say what becomes of a write before it has any effect; None: it may have it.

        `p_mw`: the setpoint in it, MW; None: it carries none.
        """
        if self.swallow(p_mw):
            return Fate.LOST
        if not self.faults.refuses:
            return None
        if p_mw is not None:
            self._note(p_mw, VOID)
        return Fate.REFUSED

    def swallow(self, p_mw: float | None) -> bool:
        """Say whether a write is lost, and record that; to be asked before it has any effect.

        `p_mw`: the setpoint in it, MW; None: it carries none (those are lost in outages only).
        """
        if p_mw is None:
            self._note(None, KEEP_ALIVE | OFFLINE if self.dark else KEEP_ALIVE)
            return self.dark
        if self.dark:
            self._note(p_mw, OFFLINE)
            return True
        if self._loss and self._loss_rng.random() < self._loss:
            self._note(p_mw, LOST)
            self._writer.event(self.clock(), self.unit.index, "write_lost")
            return True
        return False

    def setpoint(self, p_mw: float) -> Fate:
        """Take a setpoint that was admitted, MW, generation positive."""
        if not abs(p_mw) <= self._most_mw:
            self._note(p_mw, VOID)
            return Fate.REFUSED
        self.setpoint_mw = p_mw
        if self.faults.ignores:
            self._note(p_mw, VOID)
            return DONE
        clock = self.clock
        now_s = clock()
        self._writer.setpoint(now_s, self._index, p_mw, 0, self.link_s)
        if self.following:
            if self.faults.active:
                self._order(p_mw, now_s)
            else:
                self._plant.order(self._slot, p_mw, now_s)
        return DONE

    def linked(self, change: LinkChange) -> None:
        """Record what became of the link."""
        self._writer.link(self.clock(), self.unit.index, change)

    def follow(self, *, on: bool) -> None:
        """Follow setpoints, or go back to the own schedule."""
        if self.faults.ignores:
            return
        if not on and self.following:
            self._plant.release(self._slot, self.clock())
        self.following = on

    def arm(self, *, watchdog_s: float | None = None, fallback_mw: float | None = None) -> None:
        """Set time and fallback of the watchdog."""
        if not self.faults.ignores:
            self._plant.arm(self._slot, watchdog_s=watchdog_s, fallback_mw=fallback_mw)
            self._armed = self._plant.watchdog(self._slot)

    def watchdog(self) -> tuple[float, float]:
        """Time, s, and fallback, MW, of the watchdog."""
        return self._armed

    def watchdog_left_s(self) -> float:
        """Seconds until the watchdog runs out."""
        return self._plant.watchdog_left_s(self._slot, self.clock())

    @property
    def in_fallback(self) -> bool:
        """True after its watchdog has run out."""
        return bool(self._plant.state[self._slot] == UnitState.FALLBACK)

    def on_boot(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when the device has booted: what it keeps is as from the factory."""
        self._on_boot.append(listener)

    def begin(self, fault: Fault) -> None:
        """Have a fault (`device_…`), from now on."""
        p_mw = float(self._plant.p_mw[self._slot])
        self.faults.begin(fault, self.clock(), p_mw, self._measured())
        if self.faults.frozen is not None and self._stopped_mwh is None:
            self._stopped_mwh = self._counted_mwh()
        if fault.kind == "device_reboot":
            self._boot()
        self._hold()

    def end(self, fault: Fault) -> None:
        """Be rid of it."""
        self.faults.end(fault)
        if self.faults.frozen is None:
            self._stopped_mwh = None
        if fault.kind == "device_old_setpoint" and self.following:
            self._order(self.setpoint_mw, self.clock())  # nobody told it to
        self._hold()

    def _boot(self) -> None:
        """Forget mode, setpoint and dead man."""
        self.following = False
        self.setpoint_mw = self.unit.basepoint_mw
        self._plant.release(self._slot, self.clock())
        self._plant.disarm(self._slot)
        self._armed = self._plant.watchdog(self._slot)
        for listener in self._on_boot:
            listener()

    def _order(self, p_mw: float, now_s: float) -> None:
        """Order the plant, which does it with the gain that it has now."""
        base_mw = self.unit.basepoint_mw
        p_mw = base_mw + (p_mw - base_mw) * self.faults.gain_pu(now_s)
        self._plant.order(self._slot, p_mw, now_s)

    def _hold(self) -> None:
        """Pin the power where a fault holds it, or let it go; with or without own protection."""
        self.reading = self._shown if self.faults.active else self._measured
        self._plant.hold(self._slot, 0.0 if self.faults.tripped else self.faults.stuck_mw)
        self._plant.unguard(self._slot, on=self.faults.unguarded)

    def _note(self, p_mw: float | None, flags: int) -> None:
        """Record a write; without a setpoint, the one before it is shown."""
        shown_mw = self.setpoint_mw if p_mw is None else p_mw
        self._writer.setpoint(self.clock(), self.unit.index, shown_mw, flags, self.link_s)
