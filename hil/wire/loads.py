"""Register maps of the load controllers of makers A and B (docs/points.md), typed by hand.

Load positive, as the makers count; the sign is turned here.
"""

import math
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
    energy: int  # energy drawn, 2 words, in `ENERGY_KWH`
    control: int  # setpoint (2 words), mode, watchdog, load after the watchdog (2 words)


MAKER_A = Layout(0, 0x4556, 106, 0.1, floating=False, load=10, extra=16, energy=20, control=100)
MAKER_B = Layout(200, 0x4843, 106, 1.0, floating=True, load=10, extra=16, energy=20, control=100)
CONTROL_WORDS = 6
KW_PER_CAR = 11.0
ENERGY_KWH = 0.01  # of one count
NO_ENERGY = 0xFFFFFFFF
ROOM_C = 24.0


class LoadRegisters:
    """Holding registers of one load."""

    def __init__(self, device: Device, layout: Layout) -> None:
        self._device = device
        self._memory = [0] * layout.words
        self._memory[0:3] = layout.type_code, device.state, REMOTE
        extra = round(ROOM_C * 10.0)
        if not layout.floating:
            extra = round(device.unit.rated_mw * 1000.0 / KW_PER_CAR)
        self._memory[layout.extra] = extra
        # little endian throughout: the low word comes first
        order, kind = ("<", "f") if layout.floating else (">", "i")
        self._first, self._words = layout.first, layout.words
        self._load, self._at = layout.load, layout.control
        self._unit_kw, self._floating = layout.unit_kw, layout.floating
        self._powers = (
            struct.Struct(f"{order}4{kind}").pack, struct.Struct(f"{order}8H").unpack
        )  # fmt: skip
        self._power = struct.Struct(f"{order}{kind}"), struct.Struct(f"{order}2H")
        self._count = struct.Struct(f"{order}I").pack, struct.Struct(f"{order}2H").unpack
        self._energy = layout.energy
        self._dead_man: tuple[float, float] | None = None  # as in the memory

    def read(self, address: int, count: int) -> list[int]:
        """Words from an address on. Raises RefusalError."""
        memory, device = self._memory, self._device
        first, control = self._load, self._at
        start = address - self._first
        if start < 0 or start + count > self._words:
            raise RefusalError(Code.ADDRESS)
        p_mw, low_mw, high_mw, _ = device.reading()
        unit_kw = self._unit_kw
        # the highest power is the lowest load
        load, lowest = -p_mw * 1000.0 / unit_kw, -high_mw * 1000.0 / unit_kw
        highest, told = -low_mw * 1000.0 / unit_kw, -device.setpoint_mw * 1000.0 / unit_kw
        pack, unpack = self._powers
        if self._floating:
            words = unpack(pack(load, lowest, highest, told))
        else:
            words = unpack(pack(round(load), round(lowest), round(highest), round(told)))
        memory[1] = device.state
        memory[first : first + 6] = words[:6]
        memory[self._energy : self._energy + 2] = self._energy_words()
        memory[control : control + 2] = words[6:]
        memory[control + 2] = int(device.following)
        if (dead_man := device.watchdog()) is not self._dead_man:
            self._dead_man = dead_man
            memory[control + 3 : control + CONTROL_WORDS] = self._dead_man_words(*dead_man)
        return memory[start : start + count]

    def _energy_words(self) -> tuple[int, ...]:
        """Whole counts of energy drawn; after the last one comes 0."""
        _, absorbed_mwh = self._device.energy_mwh()
        pack, unpack = self._count
        if math.isnan(absorbed_mwh):
            return unpack(pack(NO_ENERGY))
        return unpack(pack(int(absorbed_mwh * 1000.0 / ENERGY_KWH) % NO_ENERGY))

    def _dead_man_words(self, watchdog_s: float, fallback_mw: float) -> tuple[int, ...]:
        power, words = self._power
        after = -fallback_mw * 1000.0 / self._unit_kw
        packed = power.pack(after if self._floating else round(after))
        return round(watchdog_s), *words.unpack(packed)

    def write(self, address: int, words: list[int]) -> Fate:
        """Write whole points of the control block. Raises RefusalError."""
        start = address - self._first - self._at
        end = start + len(words)
        if start == 0 and end == 2:  # the setpoint alone, as in almost every write
            p_mw = self._decode(words)
            denied = self._device.admit(p_mw)
            return self._device.setpoint(p_mw) if denied is None else denied
        # 0-1 setpoint, 2 mode, 3 watchdog, 4-5 load after it: no half of a number
        if start < 0 or end > CONTROL_WORDS or start in (1, 5) or end in (1, 5):
            raise RefusalError(Code.ADDRESS)
        block = [0] * start + words + [0] * (CONTROL_WORDS - end)
        if start <= 2 < end and block[2] > 1:
            raise RefusalError(Code.VALUE)
        device = self._device
        order_mw = self._decode(block[0:2]) if start == 0 else None
        if (denied := device.admit(order_mw)) is not None:
            return denied
        if end == CONTROL_WORDS:
            device.arm(fallback_mw=self._decode(block[4:6]))
        if start <= 3 < end:
            device.arm(watchdog_s=float(block[3]))
        if start <= 2 < end:
            device.follow(on=block[2] == 1)
        return Fate.DONE if order_mw is None else device.setpoint(order_mw)

    def _decode(self, words: list[int]) -> float:
        power, two_words = self._power
        (count,) = power.unpack(two_words.pack(*words))
        return float(-count * self._unit_kw / 1000.0)
