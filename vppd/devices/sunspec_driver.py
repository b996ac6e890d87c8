"""What SunSpec batteries and PV plants have in common: start, poll, nameplate, dead man.

The dead man (revert value and timer) travels with every setpoint in the same transaction, so a
device that takes our setpoint also knows when to leave it. Nothing is written before that.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from vppd.config.fields import number
from vppd.config.schema import DeviceConfig, UnitConfig
from vppd.devices.base import NAN, Reading
from vppd.devices.sunspec import SunspecPoint, scan
from vppd.links.base import Answer, LinkError, RegisterLink
from vppd.points.register import Span, Words, plan_reads

GAP_MAX = 123  # a device serves every register of its chain: gaps cost less than transactions
ON = 1
CONNECTED = 1
REMOTE = 0  # 715 LocRemCtl
ENABLED = 1
Wanted = Mapping[str, tuple[int, str, int]]
TIMER_MAX_S = 0xFFFFFFFE


@dataclass(frozen=True, slots=True)
class SunspecConfig(DeviceConfig):
    """Keys that all SunSpec devices share."""

    LINK_TYPES = ("modbus_tcp",)

    unit_id: int = field(
        default=1, metadata=number("", "Modbus unit id", minimum=1.0, maximum=247.0)
    )
    base_address: int = field(
        default=40000,
        metadata=number("", "register where SunS stands", minimum=0.0, maximum=65000.0),
    )
    nameplate_mw: float | None = field(
        default=None,
        metadata=number(
            "MW",
            "rating that the device must report (default: the larger of |p_min_mw|, |p_max_mw|)",
            above=0.0,
            maximum=1e5,
        ),
    )
    nameplate_tolerance_pu: float = field(
        default=0.02,
        metadata=number(
            "pu",
            "how far the reported rating may be off; .inf: not checked",
            minimum=0.0,
            allow_inf=True,
        ),
    )

    def address_key(self) -> int:
        """Two devices of one link must differ in this."""
        return self.unit_id


def unit_problems(unit: UnitConfig) -> list[tuple[str, str]]:
    """Rules that a unit must keep to be spoken to in SunSpec: (key, message)."""
    if unit.watchdog_s != math.floor(unit.watchdog_s) or not 1.0 <= unit.watchdog_s <= TIMER_MAX_S:
        return [
            ("watchdog_s", f"must be whole seconds, from 1 s, for SunSpec; is {unit.watchdog_s:g}")
        ]
    return []


class SunspecDriver:
    """Base of the SunSpec drivers. `WANTED`: our name -> model, point, exponent to our unit."""

    WANTED: ClassVar[Wanted]
    AT_START = frozenset({"nameplate"})  # names of WANTED that are not polled

    def __init__(
        self,
        config: SunspecConfig,
        unit: UnitConfig,
        link: RegisterLink,
        clock: Callable[[], float],
    ) -> None:
        problems = unit_problems(unit)
        if problems:
            raise ValueError("; ".join(f"{unit.id}: {key}: {text}" for key, text in problems))
        self._config = config
        self._unit = unit
        self._link = link
        self._clock = clock
        self._fallback_mw = unit.basepoint_mw if unit.fallback_mw is None else unit.fallback_mw
        self._watchdog_s = int(unit.watchdog_s)
        self._points: dict[str, SunspecPoint] = {}
        self._plan: tuple[Span, ...] = ()
        self._words = Words()  # newest answers: scale factors for the next write stand in them
        self._asserted = False  # a write was accepted since the last start
        self._nameplate_mw = NAN

    async def start(self, read_only: bool = False) -> None:  # noqa: ARG002  (nothing is written)
        """Find the points, check the nameplate, and that every setpoint can be encoded."""
        self._asserted = False
        models = {model for model, _, _ in self.WANTED.values()}
        chain, self._words = await scan(
            self._link, self._config.unit_id, self._config.base_address, models
        )
        self._points = {name: chain.point(*where) for name, where in self.WANTED.items()}
        self._nameplate_mw = self._value("nameplate")
        self._check_nameplate()
        for p_mw in (self._unit.p_min_mw, self._unit.p_max_mw):
            self._encode(p_mw)
        polled = (p for name, p in self._points.items() if name not in self.AT_START)
        self._plan = plan_reads((r for p in polled for r in p.registers), gap_max=GAP_MAX)

    async def write(self, p_setpoint_mw: float) -> Answer:
        """Send setpoint, enable flag, revert value and revert timer in one transaction."""
        address, words = self._encode(p_setpoint_mw)
        answer = await self._link.write_registers(self._config.unit_id, address, words)
        if answer is Answer.ACCEPTED:
            self._asserted = True
        return answer

    async def read(self) -> Reading:
        """Ask for telemetry and for what became of the mode."""
        words, measured_at_s = Words(), NAN
        for span in self._plan:
            asked_s = self._clock()
            words.add(
                span,
                await self._link.read_registers(self._config.unit_id, span.address, span.count),
            )
            if math.isnan(measured_at_s):  # power stands in the first span
                measured_at_s = 0.5 * (asked_s + self._clock())
        self._words = words
        return self._reading(measured_at_s)

    def _encode(self, p_mw: float) -> tuple[int, list[int]]:
        """Address and registers of one setpoint. Raises LinkError if the device cannot take it."""
        try:
            return self._setpoint_words(p_mw)
        except ValueError as error:  # its scale factors leave no room for our numbers
            raise LinkError(f"cannot be told {p_mw:g} MW: {error}") from error

    def _setpoint_words(self, p_mw: float) -> tuple[int, list[int]]:
        raise NotImplementedError

    def _reading(self, measured_at_s: float) -> Reading:
        raise NotImplementedError

    def _value(self, name: str) -> float:
        return self._points[name].value(self._words)

    def _exponent(self, name: str) -> int:
        exponent = self._points[name].exponent(self._words)
        if exponent is None:
            raise LinkError(f"{self._points[name].register.name} has no scale factor")
        return exponent

    def _timer_words(self, name: str) -> list[int]:
        return self._points[name].scaled(0).encode(self._watchdog_s)

    def _why_idle(self) -> str:
        """Why the device takes no orders, in words; empty if it does."""
        state, grid, control = (self._value(n) for n in ("state", "grid", "control"))
        if not math.isnan(state) and state != ON:
            return f"not on (701 St {state:g})"
        if not math.isnan(grid) and grid != CONNECTED:
            return f"not connected to the grid (701 ConnSt {grid:g})"
        if not math.isnan(control) and control != REMOTE:
            return "local control"
        return ""

    def _check_nameplate(self) -> None:
        """The device is as large as the configuration says, or it is another device."""
        unit, tolerance_pu = self._unit, self._config.nameplate_tolerance_pu
        if math.isinf(tolerance_pu):
            return
        expected_mw = self._config.nameplate_mw or max(abs(unit.p_min_mw), abs(unit.p_max_mw))
        reported_mw = self._nameplate_mw
        step_mw = 10.0 ** (self._exponent("nameplate") + self._points["nameplate"].shift)
        if not abs(reported_mw - expected_mw) <= tolerance_pu * expected_mw + step_mw:
            raise LinkError(
                f"nameplate: the device reports {reported_mw:g} MW, configured {expected_mw:g} MW"
            )


async def beat(link: RegisterLink, unit_id: int, address: int, words: list[int]) -> None:
    """Write a heartbeat. What becomes of it changes nothing here: the device watches it."""
    with suppress(LinkError):
        await link.write_registers(unit_id, address, words)
