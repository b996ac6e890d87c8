"""Loads with a register table: EV depots, buildings, and whatever a user has a table for.

The maker's numbers, signs and word orders stand in the table (`tables/*.yaml`) and nowhere else.
"""

import math
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vppd.config.fields import number, text
from vppd.config.schema import DeviceConfig, UnitConfig
from vppd.core.types import Quality
from vppd.devices.base import NAN, Driver, Reading, full_reading
from vppd.devices.meter import Meter
from vppd.links.base import Answer, ExpiredError, LinkError, RefusedError, RegisterLink
from vppd.points.decoder import Decoder, joined, picker
from vppd.points.encoder import Encoder
from vppd.points.register import Register, Span, join_writes, plan_reads, widest_gap
from vppd.points.shared import loaded_once
from vppd.points.table import RegisterTable, TableError, load_table

TABLES = Path(__file__).parent / "tables"
BUILT_IN = ("ev_hub", "hvac")
REQUIRED = ("p_meas", "p_setpoint")
DEAD_MAN = ("watchdog", "fallback")
POLLED = ("p_meas", "p_avail_min", "p_avail_max")
POWERS = ("p_meas", "p_avail_min", "p_avail_max", "p_setpoint", "fallback")
ENERGIES = ("energy_injected", "energy_absorbed")  # what there is of them
UNITS_OF = {False: "W, kW or MW", True: "Wh, kWh or MWh"}
ONLINE, REFERENCE_ERR = int(Quality.ONLINE), int(Quality.REFERENCE_ERR)
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
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._unit_id = config.unit_id
        self._table = table
        self._unit = unit
        self._link = link
        self._clock = clock
        self._gap_max = table.gap_max
        self._powers = table.get(*POLLED)
        self._energies = table.get(*ENERGIES)
        self._meter = Meter(unit, utc)
        self._states = table.get("state", "control", "mode", *DEAD_MAN)
        self._judged_by: Any = None  # words of the states; they seldom change
        self._plan_polls()
        self._assert_mode = True  # the mode goes out with the next setpoint
        self._setpoint = table.registers["p_setpoint"]
        self._encoder = Encoder(self._setpoint, lower=unit.p_min_mw, upper=unit.p_max_mw)
        self._dead_man = self._dead_man_words()
        self._wanted = [
            (register, register.decode(words))
            for register, words in ((table.registers[n], w) for n, w in self._dead_man.items())
        ]
        self._ready = table.code("state", "ready")  # None: the table has no word on it
        self._remote = table.code("control", "remote")
        self._follow = table.code("mode", "follow")
        self._reason, self._armed = "", False  # as of the last read
        for p_mw in (unit.p_min_mw, unit.p_max_mw):  # a table that leaves no room shows at once
            self._encoder.encode(p_mw)

    async def start(self, read_only: bool = False) -> None:
        """Check who answers, and arm the watchdog. Raises LinkError.

        The mode waits for the first setpoint: before it, the device would follow an old one.
        """
        self._assert_mode = True
        await self._check_type()
        await self._try_gaps()
        if not read_only and self._dead_man:
            await self._arm()

    def write(
        self, p_setpoint_mw: float, before_s: float = math.inf
    ) -> Coroutine[Any, Any, Answer]:
        """Send one setpoint, once; together with the mode, until that was accepted."""
        try:
            words = self._encoder.encode(p_setpoint_mw)
        except ValueError as error:
            raise LinkError(str(error)) from error
        if not self._assert_mode or self._follow is None:
            address = self._setpoint.address
            return self._link.write_registers(self._unit_id, address, words, before_s)
        return self._write_with_mode(words, float(self._follow), before_s)

    async def _write_with_mode(self, words: list[int], follow: float, before_s: float) -> Answer:
        mode = self._table.registers["mode"].encode(follow)
        answer = await self._write({"p_setpoint": words, "mode": mode}, before_s)
        self._assert_mode = answer is not Answer.ACCEPTED
        return answer

    async def read(self) -> Reading:
        """Ask for telemetry. Raises LinkError."""
        clock, pick_states, decode_powers = self._clock, self._pick_states, self._decode_powers
        plan, link, unit_id = self._plan, self._link, self._unit_id
        asked_s = clock()
        if len(plan) == 1:  # as most are: without a coroutine more
            (span,) = plan
            words = joined([], span, await link.read_registers(unit_id, span.address, span.count))
        else:
            words = await self._read_spans(plan)
        measured_at_s = 0.5 * (asked_s + clock())
        states = pick_states(words)
        if states != self._judged_by:
            self._judge(words)
            self._judged_by = states
        powers_mw = decode_powers(words)
        powers_mw.append(NAN)  # for those that the table has not got
        at_meas, at_min, at_max = self._power_at
        meter = self._meter
        if self._energies and meter.is_due():
            meter.take(sum(self._decode_energies(words)), measured_at_s)
        p_meas_mw, reason = powers_mw[at_meas], self._reason
        return full_reading(
            (
                p_meas_mw,
                measured_at_s,
                NAN,
                powers_mw[at_min],
                powers_mw[at_max],
                not reason,
                ONLINE if math.isfinite(p_meas_mw) else REFERENCE_ERR,
                bool(reason) or self._assert_mode or self._armed,
                reason,
                meter.energy_mwh,
                meter.at_s,
            )
        )

    def _judge(self, words: Sequence[int]) -> None:
        """Make out whether it takes orders, and whether mode and dead man are as we left them."""
        names = (register.name for register in self._states)
        value = dict(zip(names, self._decode_states(words), strict=True))
        self._reason = self._why_idle(value)
        self._armed = self._is_armed(value)

    def _why_idle(self, value: dict[str, float]) -> str:
        """Why the device takes no orders, in words; empty if it does."""
        if self._ready is not None and value["state"] != self._ready:
            return self._table.meaning("state", value["state"])
        if self._remote is not None and value["control"] != self._remote:
            return "local control"
        return ""

    async def _check_type(self) -> None:
        expected = self._table.code("type_code", "expected")
        if expected is None:
            return
        register = self._table.registers["type_code"]
        (found,) = await self._read([register])
        if found != expected:
            raise LinkError(f"type code {int(found):#06x}, the table is for {expected:#06x}")

    async def _try_gaps(self) -> None:
        """Read as few spans as the device allows: some refuse addresses that they have not got.

        Each refusal costs the widest gap; it remembers which. A device that refuses even without
        gaps may have no meter; one that refuses then has other reasons.
        """
        self._energies = self._table.get(*ENERGIES)
        while True:
            try:
                await self._read_spans(self._plan)
            except RefusedError:
                widest = widest_gap(self._polled, self._plan)
                self._gap_max = widest - 1 if widest else self._table.gap_max
                if not widest and not self._energies:
                    self._plan_polls()
                    raise
                if not widest:
                    self._energies = []
                self._plan_polls()
            else:
                return

    def _plan_polls(self) -> None:
        """Join the reads as far as the device allows, and prepare what becomes of the answers."""
        self._polled = (*self._powers, *self._energies, *self._states)
        plan = plan_reads(self._polled, gap_max=self._gap_max)
        self._plan = plan
        names = [register.name for register in self._powers]
        self._power_at = [names.index(name) if name in names else -1 for name in POLLED]
        self._decode_powers = Decoder(self._powers, plan).decode
        self._decode_energies = Decoder(self._energies, plan).decode
        self._decode_states = Decoder(self._states, plan).decode
        self._pick_states, _ = picker(self._states, plan)
        self._judged_by = None

    async def _arm(self) -> None:
        """Set watchdog and fallback, and read them back. Raises LinkError if they are not there."""
        await self._write(self._dead_man)  # what became of it, the device itself tells
        found = await self._read([register for register, _ in self._wanted])
        for (register, wanted), value in zip(self._wanted, found, strict=True):
            if not _same(register, value, wanted):
                raise LinkError(
                    f"dead man not armed: {register.name} is {value:g}"
                    f" {register.unit}, wanted {wanted:g}"
                )

    def _is_armed(self, value: dict[str, float]) -> bool:
        """True while mode and dead man are as we left them."""
        if self._follow is not None and value["mode"] != self._follow:
            return False
        for register, wanted in self._wanted:
            if not _same(register, value[register.name], wanted):
                return False
        return True

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

    async def _read(self, registers: Sequence[Register]) -> list[float]:
        """Read a few registers, once. Raises LinkError."""
        plan = plan_reads(registers, gap_max=self._gap_max)
        return Decoder(registers, plan).decode(await self._read_spans(plan))

    async def _read_spans(self, plan: Sequence[Span]) -> list[int]:
        """All words of a plan. Raises LinkError."""
        words: list[int] = []
        for span in plan:
            answer = await self._link.read_registers(self._unit_id, span.address, span.count)
            words = joined(words, span, answer)
        return words

    async def _write(self, words: Words16, before_s: float = math.inf) -> Answer:
        """Write named registers, neighbours in one transaction; stop at the first not accepted.

        UNKNOWN, too: a part of it left, and the rest could not before `before_s`.
        """
        answer, left = Answer.ACCEPTED, False
        for address, raw in join_writes((self._table.registers[n], w) for n, w in words.items()):
            try:
                answer = await self._link.write_registers(self._unit_id, address, raw, before_s)
            except ExpiredError:
                if not left:
                    raise
                return Answer.UNKNOWN
            if answer is not Answer.ACCEPTED:
                break
            left = True
        return answer


def _same(register: Register, found: float, wanted: float) -> bool:
    """Equal counts; floats may have gone through a device's own arithmetic."""
    if found == wanted:
        return True
    tolerance = 1e-6 if register.format == "float32" else 1e-9
    return math.isclose(found, wanted, rel_tol=tolerance, abs_tol=1e-9)


def create(
    config: ModbusLoadConfig,
    unit: UnitConfig,
    link: RegisterLink,
    clock: Callable[[], float],
    *,
    utc: Callable[[], float] = time.time,
    base_dir: Path = Path(),
) -> Driver:
    """Create the driver of a unit. Raises ValueError: a bad table, or one that does not fit."""
    built_in = config.table in BUILT_IN
    path = TABLES / f"{config.table}.yaml" if built_in else base_dir / config.table
    return ModbusLoad(config, _table(path), unit, link, clock, utc)


@loaded_once
def _table(path: Path) -> RegisterTable:
    table = load_table(path, REQUIRED)
    bare = [register.name for register in table.get(*POWERS) if register.unit != "MW"]
    bare += [register.name for register in table.get(*ENERGIES) if register.unit != "MWh"]
    if bare:
        raise TableError(
            [f"{path}: registers.{n}.unit: must be {UNITS_OF[n in ENERGIES]}" for n in bare]
        )
    return table
