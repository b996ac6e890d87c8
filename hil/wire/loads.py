"""Register maps of the load controllers of makers A and B (docs/points.md), typed by hand.

Load positive, as the makers count; the sign is turned here.
"""

import struct
from typing import NamedTuple

from hil.wire.device import Device, Fate
from hil.wire.modbus import Code, RefusalError

REMOTE = 1


class Layout(NamedTuple):
    """What differs between the two makers."""

    first: int  # address of the type code
    type_code: int
    words: int  # registers from there on
    unit_kw: float  # of one count of a power
    floating: bool  # float32 with the low word first; else int32, big endian
    load: int  # offsets from `first`; the limits follow the load
    extra: int
    control: int  # setpoint (2 words), mode, watchdog, load after the watchdog (2 words)


MAKER_A = Layout(0, 0x4556, 106, 0.1, floating=False, load=10, extra=16, control=100)
MAKER_B = Layout(200, 0x4843, 106, 1.0, floating=True, load=10, extra=16, control=100)
CONTROL_WORDS = 6
KW_PER_CAR = 11.0
ROOM_C = 24.0


class LoadRegisters:
    """Holding registers of one load."""

    def __init__(self, device: Device, layout: Layout) -> None:
        self._device = device
        self._layout = layout
        extra = round(ROOM_C * 10.0)
        if not layout.floating:
            extra = round(device.unit.rated_mw * 1000.0 / KW_PER_CAR)
        self._extra = extra

    def read(self, address: int, count: int) -> list[int]:
        """Words from an address on. Raises RefusalError."""
        layout = self._layout
        start = address - layout.first
        if start < 0 or start + count > layout.words:
            raise RefusalError(Code.ADDRESS)
        memory = [0] * layout.words
        reading = self._device.reading()
        memory[0:3] = (layout.type_code, self._device.state, REMOTE)
        memory[layout.load : layout.load + 6] = (
            *self._encode(reading.p_mw),
            *self._encode(reading.high_mw),  # the highest power is the lowest load
            *self._encode(reading.low_mw),
        )
        memory[layout.extra] = self._extra
        memory[layout.control : layout.control + CONTROL_WORDS] = self._control()
        return memory[start : start + count]

    def write(self, address: int, words: list[int]) -> Fate:
        """Write whole points of the control block. Raises RefusalError."""
        start = address - self._layout.first - self._layout.control
        end = start + len(words)
        # 0-1 setpoint, 2 mode, 3 watchdog, 4-5 load after it: no half of a number
        if start < 0 or end > CONTROL_WORDS or start in (1, 5) or end in (1, 5):
            raise RefusalError(Code.ADDRESS)
        block = [0] * start + words + [0] * (CONTROL_WORDS - end)
        if start <= 2 < end and block[2] > 1:
            raise RefusalError(Code.VALUE)
        device = self._device
        p_mw = self._decode(block[0:2]) if start == 0 else None
        if (denied := device.admit(p_mw)) is not None:
            return denied
        if end == CONTROL_WORDS:
            device.arm(fallback_mw=self._decode(block[4:6]))
        if start <= 3 < end:
            device.arm(watchdog_s=float(block[3]))
        if start <= 2 < end:
            device.follow(on=block[2] == 1)
        return Fate.DONE if p_mw is None else device.setpoint(p_mw)

    def _control(self) -> list[int]:
        watchdog_s, fallback_mw = self._device.watchdog()
        return [
            *self._encode(self._device.setpoint_mw),
            int(self._device.following),
            round(watchdog_s),
            *self._encode(fallback_mw),
        ]

    def _encode(self, p_mw: float) -> tuple[int, int]:
        count = -p_mw * 1000.0 / self._layout.unit_kw
        if self._layout.floating:
            high, low = struct.unpack(">HH", struct.pack(">f", count))
            return low, high
        high, low = struct.unpack(">HH", struct.pack(">i", round(count)))
        return high, low

    def _decode(self, words: list[int]) -> float:
        if self._layout.floating:
            (count,) = struct.unpack(">f", struct.pack(">HH", words[1], words[0]))
        else:
            (count,) = struct.unpack(">i", struct.pack(">HH", words[0], words[1]))
        return float(-count * self._layout.unit_kw / 1000.0)
