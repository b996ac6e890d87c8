"""DNP3 outstation of one load (IEEE 1815-2012): points of docs/points.md, typed by hand.

py1815's `Session` is the protocol, octets in and octets out; the socket is ours, so that octets
can be late or lost on their way.
"""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from py1815 import Session, UnknownObject
from py1815.application import ObjectHeader
from py1815.control import AnalogOutput, CommandStatus
from py1815.objects import (
    AnalogPoint,
    AnalogVariation,
    CounterPoint,
    analog_range,
    counter_range,
)
from py1815.session import Control

from hil.recording import LinkChange
from hil.wire.device import Device, Fate
from hil.wire.line import Line, reset

ONLINE, RESTART = 0x01, 0x02
REMOTE = 1
OUTSTATION_ADDRESS, MASTER_ADDRESS = 1024, 1
CLASS_OBJECTS, CLASS_0 = 60, 1
ANALOG_INPUT, ANALOG_OUTPUT_COMMAND, COUNTER = 30, 41, 20
COUNTER_WITH_FLAG = 1  # 32 bits
ANY_VARIATION, FLOAT32 = 0, 5


@dataclass(frozen=True, slots=True)
class PointMap:
    """Points of one maker: outputs from `first_ao` on (setpoint, mode, watchdog, fallback).

    One counter, with the index of the first input: energy drawn, Wh.
    """

    first_ao: int
    first_ai: int  # power, two limits, state, control; mode, watchdog, fallback in force
    per_mw: float  # of one point count; negative where a load is positive
    limits_swapped: bool  # the maker's lowest is our highest


INDUSTRIAL = PointMap(0, 0, -1e3, limits_swapped=True)
HVAC = PointMap(10, 10, 1e6, limits_swapped=False)
N_INPUTS, N_OUTPUTS = 8, 4
FLAGS = (ONLINE,) * N_INPUTS
COUNTS = 1 << 32  # a counter begins anew after these


class LoadPoints:
    """What the outstation of a load reads out and takes in."""

    def __init__(self, device: Device, points: PointMap) -> None:
        self.swallowed = False  # the request just handled must not be answered
        self._device = device
        self._map = points
        self._indices = range(points.first_ai, points.first_ai + N_INPUTS)

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        """Encode the analog inputs that a request names. Raises UnknownObject."""
        return b"".join(self._block(header) for header in headers)

    def _block(self, header: ObjectHeader) -> bytes:
        if header.group == CLASS_OBJECTS:
            # there are no events: classes 1 to 3 are empty
            if header.variation != CLASS_0:
                return b""
            return self._counters() + self._inputs(0, N_INPUTS)
        if header.group == COUNTER and header.variation in (ANY_VARIATION, COUNTER_WITH_FLAG):
            return self._counters()
        if header.group != ANALOG_INPUT or header.variation not in (ANY_VARIATION, FLOAT32):
            raise UnknownObject(f"group {header.group} variation {header.variation}")
        first = self._map.first_ai
        start = 0 if header.start is None else max(header.start - first, 0)
        stop = N_INPUTS if header.stop is None else min(header.stop - first + 1, N_INPUTS)
        return self._inputs(start, stop)

    def _inputs(self, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        values = self.measured()[start:stop]
        return analog_range(
            self._map.first_ai + start,
            [AnalogPoint(value, ONLINE) for value in values],
            variation=AnalogVariation.FLOAT32_WITH_FLAG,
        )

    def _counters(self) -> bytes:
        """Its one counter, whatever range of them is asked for."""
        ((index, (value, flags)),) = self.counted().items()
        return counter_range(index, [CounterPoint(int(value), flags)])

    def counted(self) -> dict[int, tuple[float, int]]:
        """Counters as they are now, with their flags, by index."""
        _, absorbed_mwh = self._device.energy_mwh()
        if math.isnan(absorbed_mwh):
            return {self._map.first_ai: (0.0, RESTART)}
        return {self._map.first_ai: (float(int(absorbed_mwh * 1e6) % COUNTS), ONLINE)}

    def measured(self) -> list[float]:
        """Analog inputs as they are now."""
        device, per_mw = self._device, self._map.per_mw
        p_mw, low_mw, high_mw, _ = device.reading()
        if self._map.limits_swapped:
            low_mw, high_mw = high_mw, low_mw
        watchdog_s, fallback_mw = device.watchdog()
        return [
            p_mw * per_mw, low_mw * per_mw, high_mw * per_mw, device.state, REMOTE,
            int(device.following), watchdog_s, fallback_mw * per_mw,
        ]  # fmt: skip

    def flagged(self) -> dict[int, tuple[float, int]]:
        """Analog inputs as they are now, with their flags, by index."""
        return dict(zip(self._indices, zip(self.measured(), FLAGS, strict=True), strict=True))

    def select(self, controls: Sequence[Control]) -> list[CommandStatus]:
        """Say which controls could be operated."""
        return [
            CommandStatus.SUCCESS if self._is_known(control) else CommandStatus.NOT_SUPPORTED
            for control in controls
        ]

    def operate(self, controls: Sequence[Control]) -> list[CommandStatus]:
        """Carry out controls."""
        outputs = {
            control.index: self._value(control) for control in controls if self._is_known(control)
        }
        status = dict(zip(outputs, self.command(outputs), strict=True))
        return [status.get(control.index, CommandStatus.NOT_SUPPORTED) for control in controls]

    def command(self, outputs: dict[int, float]) -> list[CommandStatus]:
        """Write outputs, by index; the setpoint last, after mode and watchdog of one request."""
        self.swallowed = False
        values = {index - self._map.first_ao: value for index, value in outputs.items()}
        count = values.get(0)
        p_mw = None if count is None else count / self._map.per_mw
        denied = self._device.admit(p_mw)
        if denied is not None:
            self.swallowed = denied is Fate.LOST
            return [CommandStatus.HARDWARE_ERROR] * len(outputs)
        if 2 in values:
            self._device.arm(watchdog_s=values[2])
        if 3 in values:
            self._device.arm(fallback_mw=values[3] / self._map.per_mw)
        if 1 in values:
            self._device.follow(on=values[1] == 1.0)
        fate = Fate.DONE if p_mw is None else self._device.setpoint(p_mw)
        refused = CommandStatus.OUT_OF_RANGE if fate is Fate.REFUSED else CommandStatus.SUCCESS
        return [refused if place == 0 else CommandStatus.SUCCESS for place in values]

    def _is_known(self, control: Control) -> bool:
        """Say whether there is such an output."""
        place = control.index - self._map.first_ao
        return control.group == ANALOG_OUTPUT_COMMAND and 0 <= place < N_OUTPUTS

    @staticmethod
    def _value(control: Control) -> float:
        return cast("AnalogOutput", control.command).value


def garbled(octets: bytes, rng: random.Random) -> bytes:
    """Spoil one octet of an answer: a CRC does not hold."""
    place = rng.randrange(len(octets))
    return octets[:place] + bytes((octets[place] ^ 0xFF,)) + octets[place + 1 :]


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
        self.session = self._session()
        device.on_boot(self._boot)
        self.rng = rng
        self.latency_s = latency_s
        self.on_end = on_end
        self.current: Dnp3Connection | None = None

    def _session(self) -> Session:
        return Session(
            self.points,
            control_provider=self.points,
            outstation_address=OUTSTATION_ADDRESS,
            master_address=MASTER_ADDRESS,
            clock=self.device.clock,
        )

    def _boot(self) -> None:
        """Begin anew: sequence numbers are forgotten, the restart bit is set."""
        self.session = self._session()


class Dnp3Connection(asyncio.Protocol):
    """One connection to one outstation."""

    def __init__(self, outstation: Outstation) -> None:
        loop = asyncio.get_running_loop()
        rng, latency_s, clock = outstation.rng, outstation.latency_s, outstation.device.clock
        self._outstation = outstation
        link = outstation.device.link
        self._inbound = Line(loop, rng, latency_s, self._handle, clock, faults=link)
        self._outbound = Line(loop, rng, latency_s, self._send, clock, faults=link, garble=garbled)
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
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            reset(self._transport)

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
