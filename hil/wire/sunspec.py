"""SunSpec register maps of batteries and PV plants (docs/points.md), typed by hand.

Offsets are those of the SunSpec Information Model Reference, from each model's ID register. The
points nobody uses say "not implemented": 0x8000 for int16, 0xFFFF for uint16 and enum16, and so
on by their type; here 0xFFFF, as almost all of them are unsigned, and 0x8000 for `sunssf`.
"""

import math
import struct

from hil.wire import battery_bank
from hil.wire.battery_bank import BatteryBank
from hil.wire.device import Device, Fate
from hil.wire.modbus import Code, RefusalError

BASE = 40000
NONE16 = 0xFFFF
NONE_INT16 = 0x8000
UINT64, UINT64_WORDS = struct.Struct(">Q").pack, struct.Struct(">4H").unpack
WORD = 1 << 16  # divides a 32-bit number into its words
OPERATING, CONNECTED, REMOTE = 1, 1, 0
OFF, DISCONNECTED = 0, 0
AC_DISCONNECT = 1 << 2  # of 701 Alrm
MOST_INT16 = 32767
KW = 3  # scale factor of 701 and 702: powers in kW
WH = 0  # of 701, its energies: in Wh
W100 = 2  # of 704 WSet: 100 W
W_PER_COUNT = 10.0**W100
PCT100 = -2  # of percentages: 0.01 %
VENDOR = 64901
LENGTH = {1: 66, 701: 153, 702: 50, 704: 65, 713: 7, 715: 7, 802: battery_bank.LENGTH, VENDOR: 2}


def signed16(value: int) -> int:
    """Two's complement of an int16."""
    return value & 0xFFFF


def int16(value: float) -> int:
    """Nearest int16, in two's complement; as far as one goes; "not implemented" for nan."""
    if math.isnan(value):
        return NONE_INT16
    return max(-MOST_INT16, min(MOST_INT16, round(value))) & 0xFFFF


def words32(value: int) -> tuple[int, int]:
    """High and low word of a 32-bit number, signed or not."""
    return (value >> 16) & 0xFFFF, value & 0xFFFF


def watt_hours(energy_mwh: float) -> tuple[int, ...]:
    """Whole Wh as uint64; all ones, "not implemented", for nan."""
    if math.isnan(energy_mwh):
        return (NONE16,) * 4
    return UINT64_WORDS(UINT64(int(energy_mwh * 1e6)))


def int32(high: int, low: int) -> int:
    """Signed 32-bit number of two words."""
    value = (high << 16) | low
    return value - (1 << 32) if high & 0x8000 else value


def text_words(text: str, words: int) -> list[int]:
    """Text in registers, filled up with NUL."""
    return list(struct.unpack(f">{words}H", text.encode("ascii").ljust(2 * words, b"\0")))


class SunSpecRegisters:
    """Chain of models: what batteries and PV plants have in common."""

    models: tuple[int, ...] = ()
    model_name = ""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.memory = [*struct.unpack(">HH", b"SunS")]
        self.at: dict[int, int] = {}  # model -> position of its ID register in `memory`
        for model in self.models:
            self.at[model] = len(self.memory)
            self.memory += [model, LENGTH[model], *([NONE16] * LENGTH[model])]
        self.memory += [0xFFFF, 0]
        self._power_at = self.at[701] + 10
        self._energy_at = self.at[701] + 19
        self._shows_trip: bool | None = None  # None: its states are not written yet
        self._describe()
        device.on_boot(self._describe)

    def put(self, model: int, offset: int, *words: int) -> None:
        """Write into the memory."""
        start = self.at[model] + offset
        self.memory[start : start + len(words)] = words

    def get(self, model: int, offset: int, count: int = 1) -> list[int]:
        """Read from the memory."""
        start = self.at[model] + offset
        return self.memory[start : start + count]

    def _describe(self) -> None:
        """Nameplate: model 1, scale factors, ratings, states."""
        unit = self.device.unit
        rated_kw = round(unit.rated_mw * 1000.0)
        self.put(1, 2, *text_words("vppd-hil", 16), *text_words(self.model_name, 16))
        self.put(1, 34, *text_words("", 8), *text_words("1.0", 8), *text_words(unit.id, 16), 1)
        self.show_power(0.0)
        self.put(701, 116, KW)
        self.put(701, 120, WH)
        self.put(702, 2, rated_kw)
        self.put(702, 26, rated_kw)
        self.put(702, 45, KW)
        self.put(715, 2, REMOTE, 0, 0, 0, 0, 0, 0)

    def refresh(self) -> None:
        """Write what is measured now into the memory."""
        raise NotImplementedError

    def show_power(self, p_mw: float) -> None:
        """Write power and state into model 701."""
        self.memory[self._power_at] = int16(p_mw * 1000.0)
        at = self._energy_at
        injected_mwh, absorbed_mwh = self.device.energy_mwh()
        self.memory[at : at + 8] = *watt_hours(injected_mwh), *watt_hours(absorbed_mwh)
        tripped = self.device.faults.tripped
        if tripped is self._shows_trip:
            return
        self._shows_trip = tripped
        if tripped:
            self.put(701, 3, OFF)
            self.put(701, 5, DISCONNECTED, *words32(AC_DISCONNECT))
        else:
            self.put(701, 3, OPERATING)
            self.put(701, 5, CONNECTED, 0, 0)

    def read(self, address: int, count: int) -> list[int]:
        """Words from an address on. Raises RefusalError."""
        start = address - BASE
        if start < 0 or start + count > len(self.memory):
            raise RefusalError(Code.ADDRESS)
        self.refresh()
        return self.memory[start : start + count]

    def write(self, address: int, words: list[int]) -> Fate:
        """Write controls of 704, or the heartbeat of 715. Raises RefusalError."""
        start = address - BASE
        heartbeat = self.at[715] + 5
        if start == heartbeat and len(words) == 2:
            if self.device.dark:
                return Fate.LOST
            if self.device.faults.refuses:
                return Fate.REFUSED
            self.memory[start : start + 2] = words
            return Fate.DONE
        return self.control(start - self.at[704], words)

    def control(self, offset: int, words: list[int]) -> Fate:
        """Write words of model 704. Raises RefusalError."""
        raise NotImplementedError

    def act(
        self, p_mw: float | None, *, enable: bool, watchdog_s: float | None, fallback_mw: float
    ) -> Fate:
        """Arm, enable and set, as one transaction. `watchdog_s` None: reversion is off."""
        device = self.device
        if watchdog_s is not None:
            device.arm(watchdog_s=watchdog_s, fallback_mw=fallback_mw)
        device.follow(on=enable)
        return device.setpoint(p_mw) if enable and p_mw is not None else Fate.DONE


class BatteryRegisters(SunSpecRegisters):
    """Chain 1, 701, 702, 704, 713, 802, 715. Discharging positive: the standard counts export."""

    models = (1, 701, 702, 704, 713, 802, 715)
    model_name = "battery"
    # 704: WSetEna 22, WSetMod 23, WSet 24-25, WSetRvrt 26-27, WSetPct 28, WSetPctRvrt 29,
    # WSetEnaRvrt 30, WSetRvrtTms 31-32, WSetRvrtRem 33-34
    FIRST, WORDS = 22, 11
    BY_POWER = 1

    def __init__(self, device: Device) -> None:
        self._bank = BatteryBank(device.unit)
        super().__init__(device)

    def _describe(self) -> None:
        super()._describe()
        self.put(802, 2, *self._bank.described())
        unit = self.device.unit
        self._soc_at, self._left_at = self.at[713] + 4, self.at[704] + 33
        self._bank_at = self.at[802]
        energy_kwh = round((unit.energy_mwh or 0.0) * 1000.0)
        self.put(704, 22, 0, self.BY_POWER, 0, 0, 0, 0, NONE16, NONE16, 0, 0, 0, 0, 0)
        self.put(704, 55, W100)
        self.put(713, 2, energy_kwh)
        self.put(713, 7, KW, signed16(PCT100))

    def refresh(self) -> None:
        """Write what is measured now into the memory."""
        memory, device = self.memory, self.device
        reading = device.reading()
        self.show_power(reading.p_mw)
        at = self._bank_at
        soc_word, memory[at + 34], *memory[at + 44 : at + 48] = self._bank.measured(reading)
        memory[self._soc_at] = memory[at + 11] = soc_word
        left = self._left_at
        memory[left : left + 2] = divmod(math.ceil(device.watchdog_left_s()), WORD)

    def control(self, offset: int, words: list[int]) -> Fate:
        """Write words of the WSet block; acts when WSet or WSetEna is among them."""
        start, end = offset - self.FIRST, offset - self.FIRST + len(words)
        splits = (3, 5, 10)  # inside WSet, WSetRvrt, WSetRvrtTms: no half of a number
        if start < 0 or end > self.WORDS or start in splits or end in splits:
            raise RefusalError(Code.ADDRESS)
        block = self.get(704, self.FIRST, self.WORDS)
        block[start:end] = words
        if block[0] > 1 or block[8] > 1 or (start <= 1 < end and block[1] != self.BY_POWER):
            raise RefusalError(Code.VALUE)
        p_mw = int32(block[2], block[3]) * W_PER_COUNT / 1e6 if start <= 2 else None
        if (denied := self.device.admit(p_mw)) is not None:
            return denied
        fallback_mw = int32(block[4], block[5]) * W_PER_COUNT / 1e6
        watchdog_s = float((block[9] << 16) | block[10]) if block[8] else None
        fate = self.act(p_mw, enable=block[0] == 1, watchdog_s=watchdog_s, fallback_mw=fallback_mw)
        if fate is Fate.DONE:
            self.put(704, offset, *words)
        return fate


class PvRegisters(SunSpecRegisters):
    """Chain 1, 701, 702, 704, 715, 64901: a limit in % of WMax."""

    models = (1, 701, 702, 704, 715, VENDOR)
    model_name = "pv plant"
    # 704: WMaxLimPctEna 14, WMaxLimPct 15, WMaxLimPctRvrt 16, WMaxLimPctEnaRvrt 17,
    # WMaxLimPctRvrtTms 18-19, WMaxLimPctRvrtRem 20-21
    FIRST, WORDS = 14, 6
    FULL = 10000

    def _describe(self) -> None:
        super()._describe()
        self._left_at, self._available_at = self.at[704] + 20, self.at[VENDOR] + 2
        self.put(704, 14, 0, self.FULL, self.FULL, 0, 0, 0, 0, 0)
        self.put(704, 54, signed16(PCT100))

    def refresh(self) -> None:
        """Write what is measured now into the memory."""
        memory, device = self.memory, self.device
        p_mw, _, high_mw, _ = device.reading()
        self.show_power(p_mw)
        left, available = self._left_at, self._available_at
        memory[left : left + 2] = divmod(math.ceil(device.watchdog_left_s()), WORD)
        watts = divmod(round(high_mw * 1e6), WORD) if math.isfinite(high_mw) else (NONE16, NONE16)
        memory[available : available + 2] = watts

    def control(self, offset: int, words: list[int]) -> Fate:
        """Write words of the WMaxLimPct block; acts when the limit or its enable is among them."""
        start, end = offset - self.FIRST, offset - self.FIRST + len(words)
        if start < 0 or end > self.WORDS or start == 5 or end == 5:
            raise RefusalError(Code.ADDRESS)
        block = self.get(704, self.FIRST, self.WORDS)
        block[start:end] = words
        if block[0] > 1 or block[3] > 1 or max(block[1:3]) > self.FULL:
            raise RefusalError(Code.VALUE)
        rated_mw = self.device.unit.rated_mw
        p_mw = rated_mw * block[1] / self.FULL if start <= 1 else None
        if (denied := self.device.admit(p_mw)) is not None:
            return denied
        fallback_mw = rated_mw * block[2] / self.FULL
        watchdog_s = float((block[4] << 16) | block[5]) if block[3] else None
        fate = self.act(p_mw, enable=block[0] == 1, watchdog_s=watchdog_s, fallback_mw=fallback_mw)
        if fate is Fate.DONE:
            self.put(704, offset, *words)
        return fate
