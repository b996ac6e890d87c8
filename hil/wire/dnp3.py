"""DNP3 outstation of one load (IEEE 1815-2012): points of docs/points.md, typed by hand.

py1815's `Session` is the protocol, octets in and octets out; the socket is ours, so that octets
can be late or lost on their way.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from py1815 import Session, UnknownObject
from py1815.application import ObjectHeader
from py1815.control import AnalogOutput, CommandStatus
from py1815.objects import AnalogPoint, AnalogVariation, analog_range
from py1815.session import Control

from hil.recording import LinkChange
from hil.wire.device import STATE_READY, Device, Fate
from hil.wire.line import Line

ONLINE = 0x01
REMOTE = 1
OUTSTATION_ADDRESS, MASTER_ADDRESS = 1024, 1
CLASS_OBJECTS, CLASS_0 = 60, 1
ANALOG_INPUT, ANALOG_OUTPUT_COMMAND = 30, 41
ANY_VARIATION, FLOAT32 = 0, 5


@dataclass(frozen=True, slots=True)
class PointMap:
    """Points of one maker: outputs from `first_ao` on (setpoint, mode, watchdog, fallback)."""

    first_ao: int
    first_ai: int  # power, two limits, state, control
    per_mw: float  # of one point count; negative where a load is positive
    limits_swapped: bool  # the maker's lowest is our highest


INDUSTRIAL = PointMap(0, 0, -1e3, limits_swapped=True)
HVAC = PointMap(10, 10, 1e6, limits_swapped=False)
N_INPUTS = 5


class LoadPoints:
    """What the outstation of a load reads out and takes in."""

    def __init__(self, device: Device, points: PointMap) -> None:
        self.swallowed = False  # the request just handled must not be answered
        self._device = device
        self._map = points

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        """Encode the analog inputs that a request names. Raises UnknownObject."""
        return b"".join(self._block(header) for header in headers)

    def _block(self, header: ObjectHeader) -> bytes:
        if header.group == CLASS_OBJECTS:
            # there are no events: classes 1 to 3 are empty
            return self._inputs(0, N_INPUTS) if header.variation == CLASS_0 else b""
        if header.group != ANALOG_INPUT or header.variation not in (ANY_VARIATION, FLOAT32):
            raise UnknownObject(f"group {header.group} variation {header.variation}")
        first = self._map.first_ai
        start = 0 if header.start is None else max(header.start - first, 0)
        stop = N_INPUTS if header.stop is None else min(header.stop - first + 1, N_INPUTS)
        return self._inputs(start, stop)

    def _inputs(self, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        reading, per_mw = self._device.reading(), self._map.per_mw
        limits = [reading.low_mw * per_mw, reading.high_mw * per_mw]
        if self._map.limits_swapped:
            limits.reverse()
        values = [reading.p_mw * per_mw, *limits, STATE_READY, REMOTE][start:stop]
        return analog_range(
            self._map.first_ai + start,
            [AnalogPoint(value, ONLINE) for value in values],
            variation=AnalogVariation.FLOAT32_WITH_FLAG,
        )

    def select(self, controls: Sequence[Control]) -> list[CommandStatus]:
        """Say which controls could be operated."""
        return [
            CommandStatus.SUCCESS
            if self._output(control) is not None
            else CommandStatus.NOT_SUPPORTED
            for control in controls
        ]

    def operate(self, controls: Sequence[Control]) -> list[CommandStatus]:
        """Carry out controls; the setpoint last, after mode and watchdog of the same request."""
        values = {self._output(control): self._value(control) for control in controls}
        count = values.get(0)
        p_mw = None if count is None else count / self._map.per_mw
        if self._device.swallow(p_mw):
            self.swallowed = True
            return [CommandStatus.SUCCESS] * len(controls)
        if 2 in values:
            self._device.arm(watchdog_s=values[2])
        if 3 in values:
            self._device.arm(fallback_mw=values[3] / self._map.per_mw)
        if 1 in values:
            self._device.follow(on=values[1] == 1.0)
        fate = Fate.DONE if p_mw is None else self._device.setpoint(p_mw)
        return [self._status(control, fate) for control in controls]

    def _status(self, control: Control, fate: Fate) -> CommandStatus:
        output = self._output(control)
        if output is None:
            return CommandStatus.NOT_SUPPORTED
        if output == 0 and fate is Fate.REFUSED:
            return CommandStatus.OUT_OF_RANGE
        return CommandStatus.SUCCESS

    def _output(self, control: Control) -> int | None:
        """Which of the four outputs a control is for; None: there is no such point."""
        output = control.index - self._map.first_ao
        known = control.group == ANALOG_OUTPUT_COMMAND and 0 <= output < 4
        return output if known else None

    @staticmethod
    def _value(control: Control) -> float:
        return cast("AnalogOutput", control.command).value


class Outstation:
    """One outstation: its session lives through connections, a new connection ends the last."""

    def __init__(
        self,
        device: Device,
        points: PointMap,
        rng: random.Random,
        latency_s: tuple[float, float],
        on_end: Callable[[asyncio.Protocol], None],
    ) -> None:
        self.device = device
        self.points = LoadPoints(device, points)
        self.session = Session(
            self.points,
            control_provider=self.points,
            outstation_address=OUTSTATION_ADDRESS,
            master_address=MASTER_ADDRESS,
            clock=device.clock,
        )
        self.rng = rng
        self.latency_s = latency_s
        self.on_end = on_end
        self.current: Dnp3Connection | None = None


class Dnp3Connection(asyncio.Protocol):
    """One connection to one outstation."""

    def __init__(self, outstation: Outstation) -> None:
        loop = asyncio.get_running_loop()
        rng, latency_s, clock = outstation.rng, outstation.latency_s, outstation.device.clock
        self._outstation = outstation
        self._inbound: Line[bytes] = Line(loop, rng, latency_s, self._handle, clock)
        self._outbound: Line[bytes] = Line(loop, rng, latency_s, self._send, clock)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the place of the last connection."""
        self._transport = cast("asyncio.Transport", transport)
        if self._outstation.current is not None:
            self._outstation.current.abort()
        self._outstation.current = self
        self._outstation.session.connection_reset()
        self._outstation.device.linked(LinkChange.CONNECTED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lose what was under way."""
        del exc
        self._transport = None
        self._outstation.device.linked(LinkChange.LOST)
        self._inbound.cut()
        self._outbound.cut()
        if self._outstation.current is self:
            self._outstation.current = None
        self._outstation.on_end(self)

    def abort(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Send octets into the line."""
        self._inbound.put(data)

    def _handle(self, data: bytes) -> None:
        points = self._outstation.points
        points.swallowed = False
        self._outstation.device.link_s = self._inbound.took_s
        answer = self._outstation.session.receive(data)
        if answer and not points.swallowed:
            self._outbound.put(answer)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._outstation.device.dark:
            self._transport.write(data)
