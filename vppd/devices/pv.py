"""A PV plant that speaks SunSpec (701, 702, 704, 715, vendor model 64901).

A setpoint is a limit: the plant gives the smaller of it and of what the sun leaves.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vppd.config.schema import UnitConfig
from vppd.core.types import Quality
from vppd.devices.base import Driver, Reading
from vppd.devices.sunspec import TO_MW, TO_PU
from vppd.devices.sunspec_driver import ENABLED, SunspecConfig, SunspecDriver, Wanted
from vppd.links.base import LinkError, RegisterLink
from vppd.points.encoder import Encoder
from vppd.points.register import Words

ONLINE, REFERENCE_ERR = int(Quality.ONLINE), int(Quality.REFERENCE_ERR)


@dataclass(frozen=True, slots=True)
class SunspecPvConfig(SunspecConfig):
    """A SunSpec PV plant."""

    DRIVER = "sunspec_pv"


class SunspecPv(SunspecDriver):
    """Limit in % of WMax with the device's own dead man (704)."""

    _wmax_mw = math.nan  # as of the last preparation

    WANTED: ClassVar[Wanted] = {
        "p_meas": (701, "W", TO_MW),
        "state": (701, "St", 0),
        "grid": (701, "ConnSt", 0),
        "nameplate": (702, "WMaxRtg", TO_MW),
        "p_wmax": (702, "WMax", TO_MW),
        "enabled": (704, "WMaxLimPctEna", 0),
        "limit": (704, "WMaxLimPct", TO_PU),
        "limit_revert": (704, "WMaxLimPctRvrt", TO_PU),
        "enabled_revert": (704, "WMaxLimPctEnaRvrt", 0),
        "timer": (704, "WMaxLimPctRvrtTms", 0),
        "control": (715, "LocRemCtl", 0),
        "p_avail": (64901, "WAvail", TO_MW),
    }

    LIVE = ("p_meas", "p_avail")
    WRITTEN = ("limit", "limit_revert")

    def _look(self, words: Words) -> None:
        super()._look(words)
        self._values = {"p_wmax": self._points["p_wmax"].value(words)}

    def _prepared(self, exponent: int) -> Encoder:
        unit = self._unit
        limit, revert = (self._points[n].scaled(exponent) for n in ("limit", "limit_revert"))
        self._wmax_mw = self._full_mw()
        lower, upper = (self._limit_pu(p_mw) for p_mw in (unit.p_min_mw, unit.p_max_mw))
        fallback_pu = self._limit_pu(self._fallback_mw)
        self._revert_words = revert.encode(fallback_pu, lower=lower, upper=upper)
        self._timer_words = self._points["timer"].scaled(0).encode(self._watchdog_s)
        return Encoder(limit, lower=lower, upper=upper)

    def _block(self, setpoint: Encoder, p_mw: float) -> list[int]:
        return [
            ENABLED,
            *setpoint.encode(self._limit_pu(p_mw)),
            *self._revert_words,
            ENABLED,
            *self._timer_words,
        ]

    def _full_mw(self) -> float:
        """What 100 % stands for now; installers change it. Raises LinkError if not reported."""
        for value_mw in (self._values["p_wmax"], self._nameplate_mw):
            if value_mw > 0.0:
                return value_mw
        raise LinkError("neither WMax nor WMaxRtg is reported: % of what?")

    def _limit_pu(self, p_mw: float) -> float:
        return min(max(p_mw / self._wmax_mw, 0.0), 1.0)

    def _reading(self, measured_at_s: float) -> Reading:
        p_meas_mw, p_avail_mw = self._values["p_meas"], self._values["p_avail"]
        if not math.isnan(p_avail_mw):
            p_avail_mw = min(p_avail_mw, self._full_mw())
        return Reading(
            p_meas_mw=p_meas_mw,
            measured_at_s=measured_at_s,
            p_avail_max_mw=p_avail_mw,
            remote=not self._reason,
            quality=REFERENCE_ERR if math.isnan(p_meas_mw) else ONLINE,
            following=self._is_following(),
            reason=self._reason,
            energy_mwh=self._meter.energy_mwh,
            energy_at_s=self._meter.at_s,
        )

    def _has_mode(self) -> bool:
        """True while limit and dead man are armed as the last accepted write left them."""
        value = self._values
        return (
            value["enabled"] == ENABLED
            and value["enabled_revert"] == ENABLED
            and value["timer"] == self._watchdog_s
        )


def create(
    config: SunspecPvConfig,
    unit: UnitConfig,
    link: RegisterLink,
    clock: Callable[[], float],
    *,
    utc: Callable[[], float] = time.time,
    base_dir: Path = Path(),  # noqa: ARG001 - every driver is created by the same call
) -> Driver:
    """Create the driver of a unit. Raises ValueError if it cannot be spoken to like this."""
    return SunspecPv(config, unit, link, clock, utc)
