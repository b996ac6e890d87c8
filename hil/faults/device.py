"""Faults of one device, as they are now. Pure: `hil.wire.device.Device` asks and acts."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from hil.faults.fault import Fault


class Reading(NamedTuple):
    """What a device measures, generation positive."""

    p_mw: float
    low_mw: float
    high_mw: float
    soc_pu: float  # nan: no store


@dataclass(slots=True)
class DeviceFaults:
    """All neutral by default; look at `active` before anything else."""

    active: bool = False  # False: nothing below applies
    tripped: bool = False
    stuck_mw: float | None = None  # where its power stands still
    unguarded: bool = False  # does what it is told, beyond the range that it says
    refuses: bool = False  # every write, a tripped one too
    ignores: bool = False  # takes writes, and does nothing
    absent: bool = False  # readings are not there
    scale: float = 1.0  # of the power that is shown: wrong scale, wrong sign
    clock_step_s: float = 0.0  # of its own time tags
    frozen: Reading | None = None  # what it shows for ever
    _drift: list[tuple[float, Fault]] = field(default_factory=list)  # begun at, fault
    _faults: list[Fault] = field(default_factory=list)

    def begin(self, fault: Fault, now_s: float, p_mw: float, reading: Reading) -> None:
        """Have one more fault. `p_mw`, `reading`: what the device does and measures just now."""
        self._faults.append(fault)
        if fault.kind == "device_drift":
            self._drift.append((now_s, fault))
        if fault.kind == "device_freeze" and self.frozen is None:
            self.frozen = reading
        if fault.kind == "device_stuck" and self.stuck_mw is None:
            self.stuck_mw = p_mw
        self._sum_up()

    def end(self, fault: Fault) -> None:
        """Be rid of a fault; one that never began is ignored."""
        if fault in self._faults:
            self._faults.remove(fault)
        self._drift = [(at_s, each) for at_s, each in self._drift if each != fault]
        self._sum_up()

    def shown(self, reading: Reading) -> Reading:
        """What the device shows instead of what it measures; to be asked only while `active`."""
        if self.frozen is not None:
            reading = self.frozen
        if self.absent:
            return Reading(math.nan, math.nan, math.nan, math.nan)
        return Reading(reading.p_mw * self.scale, reading.low_mw, reading.high_mw, reading.soc_pu)

    def gain_pu(self, now_s: float) -> float:
        """Gain of its response off the basepoint: 1, or on its way to where it drifts."""
        gain = 1.0
        for at_s, fault in self._drift:
            over = (now_s - at_s) / fault.duration_s if fault.duration_s > 0.0 else 1.0
            gain *= 1.0 + (fault.size - 1.0) * min(max(over, 0.0), 1.0)
        return gain

    def _sum_up(self) -> None:
        kinds = {fault.kind for fault in self._faults}
        self.active = bool(kinds)
        self.tripped = "device_trip" in kinds
        self.refuses = self.tripped or "device_refuse_writes" in kinds
        self.ignores = "device_ignore_writes" in kinds
        self.absent = "device_nan" in kinds
        self.unguarded = "device_unguarded" in kinds
        if "device_freeze" not in kinds:
            self.frozen = None
        if "device_stuck" not in kinds:
            self.stuck_mw = None
        self.scale, self.clock_step_s = 1.0, 0.0
        for fault in self._faults:
            if fault.kind == "device_wrong_scale":
                self.scale *= fault.size
            elif fault.kind == "device_wrong_sign":
                self.scale = -self.scale
            elif fault.kind == "device_clock_step":
                self.clock_step_s += fault.size
