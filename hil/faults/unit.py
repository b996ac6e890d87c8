"""Faults of one unit: which part of it has each, and what becomes of its connection."""

from typing import Protocol

from hil.faults.fault import Fault
from hil.faults.link import MESSAGE_KINDS, LinkState

AWAY = ("link_outage", "link_reset", "device_reboot", "device_old_setpoint")  # closed and refused
MUTE = ("link_half_open",)  # nothing passes, nobody is told


class Plug(Protocol):
    """The connection of one unit, on a socket or in memory."""

    def pull(self) -> None:
        """Reset it, and refuse new ones."""

    def push(self) -> None:
        """Let new ones come."""

    def reset(self) -> None:
        """Reset it; a new one may come at once."""


class FaultyDevice(Protocol):
    """What this file needs of `hil.wire.device.Device`."""

    dark: bool  # nothing that arrives has any effect, nothing leaves
    link: LinkState

    def begin(self, fault: Fault) -> None:
        """Have a fault of its own."""

    def end(self, fault: Fault) -> None:
        """Be rid of it."""


class UnitFaults:
    """Hands each fault of a unit to its link, its device or its plug.

    Outages may overlap: the connection is away until the last of them is over, and silent only
    while none of them closes it.
    """

    def __init__(self, device: FaultyDevice, plug: Plug) -> None:
        self._device = device
        self._plug = plug
        self._away: list[Fault] = []
        self._mute: list[Fault] = []

    @property
    def away(self) -> bool:
        """True while the connection is closed and refused."""
        return bool(self._away)

    def begin(self, fault: Fault, now_s: float) -> None:
        """Have a fault, from now on."""
        del now_s
        device = self._device
        if fault.kind.startswith("device_"):
            device.begin(fault)
        elif fault.kind in MESSAGE_KINDS:
            device.link.begin(fault)
        if is_mute(fault):
            self._mute.append(fault)
            device.dark = True
        elif fault.kind in AWAY:
            self._away.append(fault)
            if len(self._away) == 1:
                self._plug.pull()

    def end(self, fault: Fault, now_s: float) -> None:
        """Be rid of it."""
        del now_s
        device = self._device
        if fault in self._mute:
            self._mute.remove(fault)
            device.dark = bool(self._mute)
            if fault.kind == "link_half_open" and not self._away:
                self._plug.reset()  # the peer knows nothing of the old connection
        elif fault in self._away:
            self._away.remove(fault)
            if not self._away:
                self._plug.push()
        if fault.kind.startswith("device_"):
            device.end(fault)
        elif fault.kind in MESSAGE_KINDS:
            device.link.end(fault)


def is_mute(fault: Fault) -> bool:
    """Say whether a fault leaves the connection and lets nothing pass."""
    return fault.kind in MUTE or (fault.kind == "link_outage" and fault.how == "silent")
