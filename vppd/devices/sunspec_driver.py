"""What SunSpec batteries and PV plants have in common: start, poll, nameplate, dead man.

The dead man (revert value and timer) travels with every setpoint in the same transaction, so a
device that takes our setpoint also knows when to leave it. Nothing is written before that.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from vppd.config.fields import number
from vppd.config.schema import DeviceConfig, UnitConfig
from vppd.devices.base import NAN, Reading
from vppd.devices.meter import Meter
from vppd.devices.sunspec import TO_MWH, PolledPoints, SunspecPoint, scan
from vppd.links.base import Answer, LinkError, RegisterLink
from vppd.points.decoder import joined, picker
from vppd.points.encoder import Encoder
from vppd.points.register import Span, Words, plan_reads

GAP_MAX = 123  # a device serves every register of its chain: gaps cost less than transactions
ON = 1
CONNECTED = 1
REMOTE = 0  # 715 LocRemCtl
ENABLED = 1
Wanted = Mapping[str, tuple[int, str, int]]
ENERGIES: Wanted = {  # optional, both or none
    "injected": (701, "TotWhInj", TO_MWH),
    "absorbed": (701, "TotWhAbs", TO_MWH),
}
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
    """Base of the SunSpec drivers.

    `WANTED`: our name -> model, point, exponent to our unit; `OPTIONAL`: as well, all of them, if
    the device has them all. Of both, `AT_START` are not polled, `LIVE` change all the time,
    `WRITTEN` are only written (their scale factors are polled), and `KEPT` are not ours: they are
    written as they were read.
    """

    WANTED: ClassVar[Wanted]
    OPTIONAL: ClassVar[Wanted] = {}
    AT_START: ClassVar[tuple[str, ...]] = ("nameplate",)
    LIVE: ClassVar[tuple[str, ...]]
    WRITTEN: ClassVar[tuple[str, ...]]  # the setpoint first
    KEPT: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        config: SunspecConfig,
        unit: UnitConfig,
        link: RegisterLink,
        clock: Callable[[], float],
        utc: Callable[[], float] = time.time,
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
        self._energies: dict[str, SunspecPoint] = {}
        self._meter = Meter(unit, utc)
        self._plan: tuple[Span, ...] = ()
        self._polled: PolledPoints
        self._pick_kept: Callable[[Sequence[int]], Sequence[int]]
        # as of the newest answer
        self._values: dict[str, float] = {}
        self._exponent: int | None = None  # scale factor of the setpoint
        self._kept: Sequence[int] = ()  # registers
        self._reason = ""  # why it takes no orders, in words; empty if it does
        self._in_mode = False  # mode and dead man are as the last accepted write left them
        self._setpoint: Encoder | None = None  # in MW or pu; None: to be prepared, with the rest
        self._revert_words: list[int] = []
        self._timer_words: list[int] = []
        self._asserted = False  # a write was accepted since the last start
        self._nameplate_mw = NAN

    async def start(self, read_only: bool = False) -> None:  # noqa: ARG002  (nothing is written)
        """Find the points, check the nameplate, and that every setpoint can be encoded."""
        self._asserted = False
        models = {model for model, _, _ in (*self.WANTED.values(), *self.OPTIONAL.values())}
        chain, words = await scan(
            self._link, self._config.unit_id, self._config.base_address, models
        )
        self._points = points = {n: chain.point(*where) for n, where in self.WANTED.items()}
        points |= chain.all_or_none(self.OPTIONAL)
        self._energies = chain.all_or_none(ENERGIES)
        self._nameplate_mw = points["nameplate"].value(words)
        self._check_nameplate(points["nameplate"].exponent(words))
        self._look(words)
        for p_mw in (self._unit.p_min_mw, self._unit.p_max_mw):
            self._encode(p_mw)
        self._plan_polls()

    def _look(self, words: Words) -> None:
        """Take from the first answers what a setpoint needs."""
        self._exponent = self._points[self.WRITTEN[0]].exponent(words)
        self._setpoint = None
        self._kept = [word for name in self.KEPT for word in self._points[name].raw(words)]

    def _plan_polls(self) -> None:
        points, not_seen = self._points, (*self.AT_START, *self.WRITTEN, *self.KEPT)
        polled = [p for name, p in points.items() if name not in self.AT_START]
        polled += self._energies.values()
        self._plan = plan_reads((r for p in polled for r in p.registers), gap_max=GAP_MAX)
        self._polled = PolledPoints(
            {name: p for name, p in points.items() if name not in not_seen},
            [name for name in self.LIVE if name in points],
            [points[name] for name in self.WRITTEN],
            self._plan,
        )
        self._pick_kept, _ = picker([points[name].register for name in self.KEPT], self._plan)

    async def write(self, p_setpoint_mw: float, before_s: float = math.inf) -> Answer:
        """Send setpoint, enable flag, revert value and revert timer in one transaction."""
        address, words = self._encode(p_setpoint_mw)
        answer = await self._link.write_registers(self._config.unit_id, address, words, before_s)
        if answer is Answer.ACCEPTED:
            self._asserted = True
        return answer

    async def read(self) -> Reading:
        """Ask for telemetry and for what became of the mode."""
        clock, unit_id = self._clock, self._config.unit_id
        words: list[int] = []
        measured_at_s = NAN
        for span in self._plan:
            asked_s = clock()
            answer = await self._link.read_registers(unit_id, span.address, span.count)
            if not words:  # power stands in the first span
                measured_at_s = 0.5 * (asked_s + clock())
            words = joined(words, span, answer)
        self._kept = self._pick_kept(words)
        if self._polled.take_in(words):
            self._note_states()
        if self._energies and self._meter.is_due():
            self._meter.take(self._energy_mwh(words), measured_at_s)
        return self._reading(measured_at_s)

    def _energy_mwh(self, words: Sequence[int]) -> float:
        """Energy injected less absorbed; NaN: not implemented. It stands in the first span, too."""
        answers, at = Words(), 0
        for span in self._plan:
            answers.add(span, words[at : at + span.count])
            at += span.count
        injected, absorbed = (self._energies[name].value(answers) for name in ENERGIES)
        return injected - absorbed

    def _note_states(self) -> None:
        """Judge what seldom changes."""
        self._values = self._polled.values
        self._exponent = self._polled.exponent(self._points[self.WRITTEN[0]])
        self._setpoint = None
        self._reason = self._why_idle()
        self._in_mode = self._has_mode()

    def _encode(self, p_mw: float) -> tuple[int, list[int]]:
        """Address and registers of one setpoint. Raises LinkError if the device cannot take it."""
        try:
            if self._setpoint is None:
                known = _known(self._exponent, self._points, self.WRITTEN[0])
                self._setpoint = self._prepared(known)
            return self._points["enabled"].register.address, self._block(self._setpoint, p_mw)
        except ValueError as error:  # its scale factors leave no room for our numbers
            raise LinkError(f"cannot be told {p_mw:g} MW: {error}") from error

    def _prepared(self, exponent: int) -> Encoder:
        """Encode what stays the same from setpoint to setpoint. Returns what encodes those."""
        raise NotImplementedError

    def _block(self, setpoint: Encoder, p_mw: float) -> list[int]:
        """Registers of a setpoint, from the one that enables it on."""
        raise NotImplementedError

    def _reading(self, measured_at_s: float) -> Reading:
        raise NotImplementedError

    def _has_mode(self) -> bool:
        raise NotImplementedError

    def _is_following(self) -> bool:
        return bool(self._reason) or not self._asserted or self._in_mode

    def _why_idle(self) -> str:
        """Why the device takes no orders, in words; empty if it does."""
        state, grid, control = (self._values[n] for n in ("state", "grid", "control"))
        if not math.isnan(state) and state != ON:
            return f"not on (701 St {state:g})"
        if not math.isnan(grid) and grid != CONNECTED:
            return f"not connected to the grid (701 ConnSt {grid:g})"
        if not math.isnan(control) and control != REMOTE:
            return "local control"
        return ""

    def _check_nameplate(self, exponent: int | None) -> None:
        """The device is as large as the configuration says, or it is another device."""
        unit, tolerance_pu = self._unit, self._config.nameplate_tolerance_pu
        if math.isinf(tolerance_pu):
            return
        expected_mw = self._config.nameplate_mw or max(abs(unit.p_min_mw), abs(unit.p_max_mw))
        reported_mw = self._nameplate_mw
        shift = self._points["nameplate"].shift
        step_mw = 10.0 ** (_known(exponent, self._points, "nameplate") + shift)
        if not abs(reported_mw - expected_mw) <= tolerance_pu * expected_mw + step_mw:
            raise LinkError(
                f"nameplate: the device reports {reported_mw:g} MW, configured {expected_mw:g} MW"
            )


def _known(exponent: int | None, points: Mapping[str, SunspecPoint], name: str) -> int:
    """Scale factor of a point. Raises LinkError if the device does not implement it."""
    if exponent is None:
        raise LinkError(f"{points[name].register.name} has no scale factor")
    return exponent


async def beat(link: RegisterLink, unit_id: int, address: int, words: list[int]) -> None:
    """Write a heartbeat. What becomes of it changes nothing here: the device watches it."""
    with suppress(LinkError):
        await link.write_registers(unit_id, address, words)
