"""Loads with a register table: EV depots, buildings, and whatever a user has a table for.

The maker's numbers, signs and word orders stand in the table (`tables/*.yaml`) and nowhere else.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from vppd.config.fields import number, text
from vppd.config.schema import DeviceConfig, UnitConfig
from vppd.core.types import Quality
from vppd.devices.base import NAN, Driver, Reading
from vppd.links.base import Answer, LinkError, RefusedError, RegisterLink
from vppd.points.register import Register, Span, Words, join_writes, plan_reads
from vppd.points.table import RegisterTable, TableError, load_table

TABLES = Path(__file__).parent / "tables"
BUILT_IN = ("ev_hub", "hvac")
REQUIRED = ("p_meas", "p_setpoint")
TELEMETRY = ("state", "control", "p_meas", "p_avail_min", "p_avail_max")
DEAD_MAN = ("watchdog", "fallback")
POWERS = ("p_meas", "p_avail_min", "p_avail_max", "p_setpoint", "fallback")
Words16 = dict[str, list[int]]  # raw registers by our names


@dataclass(frozen=True, slots=True)
class ModbusLoadConfig(DeviceConfig):
    """A load with holding registers."""

    DRIVER = "modbus_load"
    LINK_TYPES: ClassVar[tuple[str, ...]] = ("modbus_tcp",)

    table: str = field(
        metadata=text("register table: ev_hub, hvac, or the path of a YAML file of one's own")
    )
    unit_id: int = field(
        default=1, metadata=number("", "Modbus unit id", minimum=1.0, maximum=247.0)
    )

    def address_key(self) -> int:
        """Two devices of one link must differ in this."""
        return self.unit_id


class ModbusLoad:
    """Driver of one load."""

    def __init__(
        self,
        config: ModbusLoadConfig,
        table: RegisterTable,
        unit: UnitConfig,
        link: RegisterLink,
        clock: Callable[[], float],
    ) -> None:
        self._unit_id = config.unit_id
        self._table = table
        self._unit = unit
        self._link = link
        self._clock = clock
        self._gap_max = table.gap_max
        self._polled = table.get(*TELEMETRY, "mode", *DEAD_MAN)
        self._plan = plan_reads(self._polled, gap_max=table.gap_max)
        self._assert_mode = True  # the mode goes out with the next setpoint
        self._dead_man = self._dead_man_words()
        for p_mw in (unit.p_min_mw, unit.p_max_mw):  # a table that leaves no room shows at once
            self._setpoint_words(p_mw)

    async def start(self, read_only: bool = False) -> None:
        """Check who answers, and arm the watchdog. Raises LinkError.

        The mode waits for the first setpoint: before it, the device would follow an old one.
        """
        self._assert_mode = True
        await self._check_type()
        await self._try_gaps()
        if not read_only and self._dead_man:
            await self._arm()

    async def write(self, p_setpoint_mw: float) -> Answer:
        """Send one setpoint, once; together with the mode, until that was accepted."""
        try:
            words = self._setpoint_words(p_setpoint_mw)
        except ValueError as error:
            raise LinkError(str(error)) from error
        follow = self._table.code("mode", "follow")
        asserting = self._assert_mode and follow is not None
        if asserting:
            words["mode"] = self._table.registers["mode"].encode(float(follow or 0))
        answer = await self._write(words)
        if asserting:
            self._assert_mode = answer is not Answer.ACCEPTED
        return answer

    async def read(self) -> Reading:
        """Ask for telemetry. Raises LinkError."""
        asked_s = self._clock()
        words = await self._read_spans(self._plan)
        measured_at_s = 0.5 * (asked_s + self._clock())
        value = {r.name: words.value(r) for r in self._polled}
        reason, p_meas_mw = self._why_idle(value), value["p_meas"]
        return Reading(
            p_meas_mw=p_meas_mw,
            measured_at_s=measured_at_s,
            p_avail_min_mw=value.get("p_avail_min", NAN),
            p_avail_max_mw=value.get("p_avail_max", NAN),
            remote=not reason,
            quality=Quality.ONLINE if math.isfinite(p_meas_mw) else Quality.REFERENCE_ERR,
            following=bool(reason) or self._assert_mode or self._is_armed(value),
            reason=reason,
        )

    def _why_idle(self, value: dict[str, float]) -> str:
        """Why the device takes no orders, in words; empty if it does."""
        if not self._is("state", "ready", value):
            return self._table.meaning("state", value["state"])
        return "" if self._is("control", "remote", value) else "local control"

    def _is(self, name: str, meaning: str, value: dict[str, float]) -> bool:
        """True if a register says so, or if the table has no word on it."""
        code = self._table.code(name, meaning)
        return code is None or value[name] == code

    async def _check_type(self) -> None:
        expected = self._table.code("type_code", "expected")
        if expected is None:
            return
        register = self._table.registers["type_code"]
        found = (await self._read([register])).value(register)
        if found != expected:
            raise LinkError(f"type code {int(found):#06x}, the table is for {expected:#06x}")

    async def _try_gaps(self) -> None:
        """Read as few spans as the device allows: some refuse addresses that they have not got."""
        try:
            await self._read_spans(self._plan)
        except RefusedError:
            if self._gap_max == 0:
                raise
            self._gap_max = 0
            self._plan = plan_reads(self._polled)
            await self._read_spans(self._plan)

    async def _arm(self) -> None:
        """Set watchdog and fallback, and read them back. Raises LinkError if they are not there."""
        await self._write(self._dead_man)  # what became of it, the device itself tells
        registers = self._table.get(*self._dead_man)
        found = await self._read(registers)
        for register in registers:
            wanted = register.decode(self._dead_man[register.name])
            if not _same(register, found.value(register), wanted):
                raise LinkError(
                    f"dead man not armed: {register.name} is {found.value(register):g}"
                    f" {register.unit}, wanted {wanted:g}"
                )

    def _is_armed(self, value: dict[str, float]) -> bool:
        """True while mode and dead man are as we left them."""
        registers = self._table.registers
        return self._is("mode", "follow", value) and all(
            _same(registers[name], value[name], registers[name].decode(wanted))
            for name, wanted in self._dead_man.items()
        )

    def _dead_man_words(self) -> Words16:
        """Raw watchdog and fallback. Raises ValueError if the device cannot be told exactly."""
        unit = self._unit
        fallback_mw = unit.basepoint_mw if unit.fallback_mw is None else unit.fallback_mw
        words: Words16 = {}
        for register in self._table.get(*DEAD_MAN):
            if register.name == "fallback":
                words["fallback"] = register.encode(
                    fallback_mw, lower=unit.p_min_mw, upper=unit.p_max_mw
                )
                continue
            words["watchdog"] = register.encode(unit.watchdog_s)
            if not math.isclose(register.decode(words["watchdog"]), unit.watchdog_s, rel_tol=1e-6):
                raise ValueError(
                    f"{unit.id}: watchdog_s: the device counts in steps of {register.scale:g} s,"
                    f" is {unit.watchdog_s:g}"
                )
        return words

    def _setpoint_words(self, p_mw: float) -> Words16:
        register, unit = self._table.registers["p_setpoint"], self._unit
        words = register.encode(p_mw, lower=unit.p_min_mw, upper=unit.p_max_mw)
        return {"p_setpoint": words}

    async def _read(self, registers: Sequence[Register]) -> Words:
        return await self._read_spans(plan_reads(registers, gap_max=self._gap_max))

    async def _read_spans(self, plan: Sequence[Span]) -> Words:
        words = Words()
        for span in plan:
            answer = await self._link.read_registers(self._unit_id, span.address, span.count)
            words.add(span, answer)
        return words

    async def _write(self, words: Words16) -> Answer:
        """Write named registers, neighbours in one transaction; stop at the first not accepted."""
        answer = Answer.ACCEPTED
        for address, raw in join_writes((self._table.registers[n], w) for n, w in words.items()):
            answer = await self._link.write_registers(self._unit_id, address, raw)
            if answer is not Answer.ACCEPTED:
                break
        return answer


def _same(register: Register, found: float, wanted: float) -> bool:
    """Equal counts; floats may have gone through a device's own arithmetic."""
    tolerance = 1e-6 if register.format == "float32" else 1e-9
    return math.isclose(found, wanted, rel_tol=tolerance, abs_tol=1e-9)


def create(
    config: ModbusLoadConfig,
    unit: UnitConfig,
    link: RegisterLink,
    clock: Callable[[], float],
    *,
    utc: Callable[[], float] = time.time,  # noqa: ARG001 - every driver is created by the same call
    base_dir: Path = Path(),
) -> Driver:
    """Create the driver of a unit. Raises ValueError: a bad table, or one that does not fit."""
    built_in = config.table in BUILT_IN
    path = TABLES / f"{config.table}.yaml" if built_in else base_dir / config.table
    return ModbusLoad(config, _table(path), unit, link, clock)


def _table(path: Path) -> RegisterTable:
    """Load a table once for all units that share it, and anew when the file has changed."""
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError:
        changed_ns = 0  # load_table says what is wrong
    return _load(path, changed_ns)


@lru_cache(maxsize=64)
def _load(path: Path, changed_ns: int) -> RegisterTable:  # noqa: ARG001 - part of the cache's key
    table = load_table(path, REQUIRED)
    bare = [register.name for register in table.get(*POWERS) if register.unit != "MW"]
    if bare:
        raise TableError([f"{path}: registers.{n}.unit: must be W, kW or MW" for n in bare])
    return table
