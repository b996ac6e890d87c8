"""A battery that speaks SunSpec (models 701, 702, 704, 713, 715). Discharging is positive.

Model 802, where a device has it, tells what its cells leave of its power now.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vppd.config.schema import UnitConfig
from vppd.core.types import Quality
from vppd.devices.base import NAN, Driver, Reading, full_reading
from vppd.devices.dc_side import DcSide, charging, discharging
from vppd.devices.sunspec import TO_MW, TO_PU
from vppd.devices.sunspec_driver import ENABLED, SunspecConfig, SunspecDriver, Wanted, beat
from vppd.links.base import Answer, RegisterLink
from vppd.points.encoder import Encoder
from vppd.points.register import Words

IN_WATTS = 1  # 704 WSetMod
ONLINE, REFERENCE_ERR = int(Quality.ONLINE), int(Quality.REFERENCE_ERR)
BEATS = 1 << 16


@dataclass(frozen=True, slots=True)
class SunspecBatteryConfig(SunspecConfig):
    """A SunSpec battery."""

    DRIVER = "sunspec_battery"


class SunspecBattery(SunspecDriver):
    """Setpoint in W with the device's own dead man (704), heartbeat (715)."""

    WANTED: ClassVar[Wanted] = {
        "p_meas": (701, "W", TO_MW),
        "state": (701, "St", 0),
        "grid": (701, "ConnSt", 0),
        "nameplate": (702, "WMaxRtg", TO_MW),
        "enabled": (704, "WSetEna", 0),
        "mode": (704, "WSetMod", 0),
        "p_setpoint": (704, "WSet", TO_MW),
        "p_revert": (704, "WSetRvrt", TO_MW),
        "percent": (704, "WSetPct", 0),
        "percent_revert": (704, "WSetPctRvrt", 0),
        "enabled_revert": (704, "WSetEnaRvrt", 0),
        "timer": (704, "WSetRvrtTms", 0),
        "soc": (713, "SoC", TO_PU),
        "control": (715, "LocRemCtl", 0),
        "heartbeat": (715, "ControllerHb", 0),
    }

    OPTIONAL: ClassVar[Wanted] = {
        "dc_v": (802, "V", 0),
        "charge_a": (802, "AChaMax", 0),
        "discharge_a": (802, "ADisChaMax", 0),
        "charge_dc": (802, "WChaRteMax", TO_MW),
        "discharge_dc": (802, "WDisChaRteMax", TO_MW),
    }

    AT_START = ("nameplate", "charge_dc", "discharge_dc")
    LIVE = ("p_meas", "soc", "dc_v", "charge_a", "discharge_a")
    WRITTEN = ("p_setpoint", "p_revert", "heartbeat")
    KEPT = ("percent", "percent_revert")

    _beats = 0
    _beat_due = False
    _dc_sides: tuple[DcSide, DcSide] | None = None  # charging, discharging; None: not reported
    _count_v = NAN  # what one count of the registers stands for
    _count_a = NAN

    def _look(self, words: Words) -> None:
        super()._look(words)
        self._dc_sides = None
        if "dc_v" in self._points:
            charge, discharge = (self._points[n] for n in ("charge_dc", "discharge_dc"))
            count_mw = charge.scale(charge.exponent(words))  # of both: they share it
            lower, upper = max(-self._unit.p_min_mw, 0.0), max(self._unit.p_max_mw, 0.0)
            self._dc_sides = (
                charging(lower, charge.value(words), count_mw),
                discharging(upper, discharge.value(words), count_mw),
            )

    async def write(self, p_setpoint_mw: float, before_s: float = math.inf) -> Answer:
        """Send one setpoint. The heartbeat follows with the next `read`, never before it."""
        answer = await super().write(p_setpoint_mw, before_s)
        self._beat_due = answer is Answer.ACCEPTED
        return answer

    async def read(self) -> Reading:
        """Ask for telemetry; then, if a setpoint was taken since, write the heartbeat."""
        reading = await super().read()
        if self._beat_due:
            self._beat_due = False
            self._beats = (self._beats + 1) % BEATS
            register = self._points["heartbeat"].register
            words = register.encode(float(self._beats))
            await beat(self._link, self._config.unit_id, register.address, words)
        return reading

    def _prepared(self, exponent: int) -> Encoder:
        lower, upper = self._unit.p_min_mw, self._unit.p_max_mw
        setpoint, revert = (self._points[n].scaled(exponent) for n in ("p_setpoint", "p_revert"))
        self._revert_words = revert.encode(self._fallback_mw, lower=lower, upper=upper)
        self._timer_words = self._points["timer"].scaled(0).encode(self._watchdog_s)
        return Encoder(setpoint, lower=lower, upper=upper)

    def _block(self, setpoint: Encoder, p_mw: float) -> list[int]:
        return [
            ENABLED,
            IN_WATTS,
            *setpoint.encode(p_mw),
            *self._revert_words,
            *self._kept,
            ENABLED,
            *self._timer_words,
        ]

    def _note_states(self) -> None:
        super()._note_states()
        if self._dc_sides is not None:
            volts, amperes = self._points["dc_v"], self._points["charge_a"]
            self._count_v = volts.scale(self._polled.exponent(volts))
            self._count_a = amperes.scale(self._polled.exponent(amperes))

    def _range_mw(self) -> tuple[float, float]:
        """What the cells leave, MW, lowest and highest. NaN: not reported."""
        if self._dc_sides is None:
            return NAN, NAN
        charge, discharge = self._dc_sides
        value, count_v, count_a = self._values, self._count_v, self._count_a
        volts = value["dc_v"]
        return (
            0.0 - charge.left_mw(volts, value["charge_a"], count_v, count_a),
            discharge.left_mw(volts, value["discharge_a"], count_v, count_a),
        )

    def _reading(self, measured_at_s: float) -> Reading:
        p_meas_mw, reason = self._values["p_meas"], self._reason
        lowest_mw, highest_mw = self._range_mw()
        return full_reading(
            (
                p_meas_mw,
                measured_at_s,
                self._values["soc"],
                lowest_mw,
                highest_mw,
                not reason,
                REFERENCE_ERR if math.isnan(p_meas_mw) else ONLINE,
                self._is_following(),
                reason,
                self._meter.energy_mwh,
                self._meter.at_s,
            )
        )

    def _has_mode(self) -> bool:
        """True while mode and dead man are as the last accepted write left them."""
        value = self._values
        return (
            value["enabled"] == ENABLED
            and value["mode"] == IN_WATTS
            and value["enabled_revert"] == ENABLED
            and value["timer"] == self._watchdog_s
        )


def create(
    config: SunspecBatteryConfig,
    unit: UnitConfig,
    link: RegisterLink,
    clock: Callable[[], float],
    *,
    utc: Callable[[], float] = time.time,
    base_dir: Path = Path(),  # noqa: ARG001 - every driver is created by the same call
) -> Driver:
    """Create the driver of a unit. Raises ValueError if it cannot be spoken to like this."""
    return SunspecBattery(config, unit, link, clock, utc)
