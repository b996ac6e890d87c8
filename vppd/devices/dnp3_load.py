"""Loads behind a DNP3 outstation: one driver, a point table for each maker.

Setpoint, mode, watchdog and fallback are analog outputs; power, range, state and control are
analog inputs (`docs/points.md`). The sign is turned in the table and nowhere else.

An accepted mode is not yet one that is in force, and may be lost without a word. A device that
tells mode, watchdog and fallback as analog inputs, too, is held against them with each poll; one
that does not tell the mode is told it again twice in each watchdog time.
"""

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from vppd.config.fields import text
from vppd.config.schema import DeviceConfig, UnitConfig
from vppd.core.types import Quality
from vppd.devices.base import NAN, Reading, full_reading
from vppd.devices.meter import Meter
from vppd.links.base import Answer, LinkError, PointLink, RefusedError
from vppd.points.dnp3_table import ONLINE as FLAG_ONLINE
from vppd.points.dnp3_table import TOLD, Dnp3Table, load_table, quality_of
from vppd.points.shared import loaded_once

TABLES = Path(__file__).parent / "tables"
BUILT_IN = ("industrial", "hvac")

_table = loaded_once(load_table)

FOLLOW_SETPOINT = 1.0  # mode
READY = 1.0  # state
REMOTE = 1.0  # control
ONLINE = int(Quality.ONLINE)
DEAD_MAN = ("watchdog", "fallback")
ASSERT_PU = 0.5  # of the watchdog time: a mode that is not told is asserted again after that
VITAL = ("p_meas", "state", "control")  # whose quality is that of the reading
STATES = {0.0: "off", 2.0: "fault"}


@dataclass(frozen=True, slots=True)
class Dnp3LoadConfig(DeviceConfig):
    """A load with a DNP3 outstation."""

    DRIVER = "dnp3_load"
    LINK_TYPES: ClassVar[tuple[str, ...]] = ("dnp3_tcp",)

    table: str = field(
        default="industrial",
        metadata=text("point table: industrial, hvac, or the path of a YAML file of one's own"),
    )

    def address_key(self) -> Hashable:
        """Two devices on one outstation need different points."""
        return self.table


class Dnp3Load:
    """Driver of one load."""

    def __init__(
        self,
        table: Dnp3Table,
        unit: UnitConfig,
        link: PointLink,
        clock: Callable[[], float],
        utc: Callable[[], float] = time.time,
    ) -> None:
        inputs = [(n, p.index, p.factor) for n, p in table.inputs.items()]
        self._inputs = [each for each in inputs if each[0] not in TOLD]
        self._tellable = [each for each in inputs if each[0] in TOLD]
        self._outputs = table.outputs
        counters = [(p.index, p.factor) for p in table.counters.values()]
        self._counters = counters if hasattr(link, "read_counters") else []  # an older link
        self._meter = Meter(unit, utc)
        self._counts = False  # it is started, and has them, for all that is known
        self._link = link
        self._clock = clock
        fallback_mw = unit.basepoint_mw if unit.fallback_mw is None else unit.fallback_mw
        self._dead_man = {"watchdog": unit.watchdog_s, "fallback": fallback_mw}
        self._wanted = {"mode": FOLLOW_SETPOINT, **self._dead_man}
        self._told: dict[str, float] = {}  # of those, what the device told in its last answer
        self._raw_told: list[tuple[float, int] | None] | None = None  # the same, as it came
        self._in_force = True
        self._assert_mode = True  # with the next setpoint
        self._asserted_s = -math.inf

    async def start(self, read_only: bool = False) -> None:
        """Check that the points are there, and arm the watchdog. Raises LinkError.

        The mode goes out with the first setpoint: before it, the device would follow an old one.
        """
        self._counts = False
        await self.read()
        self._assert_mode = True
        self._counts = bool(self._counters)
        if read_only:
            return
        answer = await self._operate(self._dead_man)
        if answer is not Answer.ACCEPTED:
            raise LinkError(f"watchdog not armed: {answer.name.lower()}")
        if any(name in self._told for name in DEAD_MAN):
            await self.read()
            wrong = [name for name in DEAD_MAN if not self._is_in_force(name)]
            if wrong:
                told, wanted = self._told[wrong[0]], self._wanted[wrong[0]]
                raise LinkError(f"dead man not armed: {wrong[0]} is {told:g}, wanted {wanted:g}")

    async def write(self, p_setpoint_mw: float, before_s: float = math.inf) -> Answer:
        """Send one setpoint, once; with the mode, until both were accepted."""
        values = {"p_setpoint": p_setpoint_mw}
        if self._assert_mode:
            values["mode"] = FOLLOW_SETPOINT
        elif "mode" not in self._told and self._clock() >= self._assert_again_s():
            values |= self._wanted
        answer = await self._operate(values, before_s)
        if "mode" in values:
            self._assert_mode = answer is not Answer.ACCEPTED
            self._asserted_s = self._clock()
        return answer

    async def read(self) -> Reading:
        """Ask for telemetry. Raises LinkError."""
        asked_s = self._clock()
        raw = await self._link.read_analog_inputs()
        measured_at_s = 0.5 * (asked_s + self._clock())
        value, bad = self._decoded(raw)
        if self._counts and self._meter.is_due():
            await self._read_meter()
        reason = _reason(value)
        raw_told = [raw.get(index) for _, index, _ in self._tellable]
        if raw_told != self._raw_told:  # they seldom change
            self._raw_told, self._told = raw_told, _told(raw, self._tellable)
            self._in_force = all(map(self._is_in_force, TOLD))
        return full_reading(
            (
                value["p_meas"],
                measured_at_s,
                NAN,
                NAN if "p_avail_min" in bad else value["p_avail_min"],
                NAN if "p_avail_max" in bad else value["p_avail_max"],
                not reason,
                int(next((bad[n] for n in VITAL if n in bad), ONLINE)) if bad else ONLINE,
                bool(reason) or self._assert_mode or self._in_force,
                reason,
                self._meter.energy_mwh,
                self._meter.at_s,
            )
        )

    async def _read_meter(self) -> None:
        """Read the counters, when they are due; without an answer, the next will do."""
        asked_s = self._clock()
        try:
            raw = await self._link.read_counters()
        except RefusedError:  # of older firmware: it is not asked again on this connection
            self._counts, raw = False, {}
        except LinkError:
            raw = {}
        at_s = 0.5 * (asked_s + self._clock())
        self._meter.take(_energy_mwh(raw, self._counters), at_s)

    def _is_in_force(self, name: str) -> bool:
        """False if the device tells another value than the one that it was told."""
        told, wanted = self._told.get(name), self._wanted[name]
        # a float32 of the wire, which may have gone through a device's own arithmetic
        return told is None or math.isclose(told, wanted, rel_tol=1e-6, abs_tol=1e-9)

    def _assert_again_s(self) -> float:
        return self._asserted_s + ASSERT_PU * self._dead_man["watchdog"]

    def _decoded(
        self, raw: dict[int, tuple[float, int]]
    ) -> tuple[dict[str, float], dict[str, Quality]]:
        """Values by our names, and the quality of those that are not good. Raises LinkError."""
        value: dict[str, float] = {}
        bad: dict[str, Quality] = {}
        try:
            for name, index, factor in self._inputs:
                number, flags = raw[index]
                if math.isfinite(number):
                    value[name] = number * factor
                    if flags != FLAG_ONLINE and quality_of(flags) is not Quality.ONLINE:
                        bad[name] = quality_of(flags)
                else:
                    value[name], bad[name] = NAN, Quality.REFERENCE_ERR
        except KeyError as error:
            missing = (str(index) for _, index, _ in self._inputs if index not in raw)
            raise LinkError(f"outstation has no analog input {', '.join(missing)}") from error
        return value, bad

    async def _operate(self, values: dict[str, float], before_s: float = math.inf) -> Answer:
        points = self._outputs
        try:
            outputs = {points[name].index: points[name].encode(v) for name, v in values.items()}
            return await self._link.operate(outputs, before_s=before_s)
        except ValueError as error:  # not finite: nothing was sent
            raise LinkError(str(error)) from error


def _told(
    raw: dict[int, tuple[float, int]], tellable: list[tuple[str, int, float]]
) -> dict[str, float]:
    """What the device tells of mode, watchdog and fallback in force, by our names."""
    told = {}
    for name, index, factor in tellable:
        number, flags = raw.get(index, (NAN, FLAG_ONLINE))
        if math.isfinite(number) and flags == FLAG_ONLINE:
            told[name] = number * factor
    return told


def _energy_mwh(raw: dict[int, tuple[float, int]], counters: list[tuple[int, float]]) -> float:
    """Sum of the counters, each in its direction; NaN if one is not there, or not good."""
    energy_mwh = 0.0
    for index, factor in counters:
        number, flags = raw.get(index, (NAN, FLAG_ONLINE))
        energy_mwh += number * factor if flags == FLAG_ONLINE else NAN
    return energy_mwh


def _reason(value: dict[str, float]) -> str:
    """Say why the device takes no orders; empty if it does."""
    if value["state"] != READY:
        return STATES.get(value["state"], f"unknown state {value['state']:g}")
    return "" if value["control"] == REMOTE else "local control"


def create(
    config: Dnp3LoadConfig,
    unit: UnitConfig,
    link: PointLink,
    clock: Callable[[], float],
    *,
    utc: Callable[[], float] = time.time,
    base_dir: Path = Path(),
) -> Dnp3Load:
    """Create the driver of a configuration record. Raises ValueError, OSError: a bad table."""
    path = TABLES / f"dnp3_{config.table}.yaml" if config.table in BUILT_IN else None
    return Dnp3Load(_table(path or base_dir / config.table), unit, link, clock, utc)
