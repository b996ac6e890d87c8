"""The process image: the newest value of every input, copied at one instant.

Devices and signals write into their own slots at their own pace; nothing below reads a live
value after `freeze`.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from vppd.core.orders import Standing
from vppd.core.types import F8, I8, U1, Image, Quality
from vppd.devices.base import Reading
from vppd.kernels.grid import round_all as _round_all
from vppd.kernels.grid import round_instants as _round_instants
from vppd.runtime.clock import TickTime
from vppd.signals.base import AgcValue, FrequencyValue

NAN = float("nan")
SOC_PER_PU = 1e4
PER_MWH = 1e6  # counters count Wh, or more
INSTANT_STEP_US = 1e4
NEVER = Reading(p_meas_mw=NAN, measured_at_s=NAN, quality=Quality.RESTART)


class Heard(Protocol):
    """The slots of one signal that the image is copied from; None: it never gave a value."""

    @property
    def agc(self) -> AgcValue | None:
        """Newest AGC value."""

    @property
    def frequency(self) -> FrequencyValue | None:
        """Newest frequency."""


class Device(Protocol):
    """The slots of one device that the image is copied from."""

    @property
    def latest(self) -> Reading | None:
        """Newest reading; None: never read."""

    @property
    def accepted_mw(self) -> float:
        """Last setpoint that the device accepted, MW; NaN: none yet."""

    @property
    def accepted_s(self) -> float:
        """When it did, monotonic s; NaN: never."""

    @property
    def write_result(self) -> int:
        """WriteResult of the newest write that ended."""

    @property
    def connected(self) -> bool:
        """True while its link is up."""


class Freezer:
    """Copies every input into images, rounded to what can be known of it.

    What is measured goes to the grid of its unit, a state of charge to 0.01 %, a counter to 1 Wh,
    when something was read or accepted to 10 ms, other instants to 1 us: a journal keeps them as
    small whole numbers, and a replay begins with the same bits. Rounding keeps the order of two
    limits, and that of a tick and of what came before or after it.

    Parameters
    ----------
    steps_per_mw : shape (n,)
        Grids of the units, see `Params`.
    """

    def __init__(self, steps_per_mw: F8) -> None:
        self._set_grids(steps_per_mw)
        self._anchor_us = NAN  # the last tick
        never = np.full(steps_per_mw.size, NAN)
        # instants as they came, and as rounded
        self._measured = self._accepted = self._metered = never, never

    def after(self, tick_s: float) -> None:
        """Go on behind a tick that another has frozen; NaN: there was none."""
        self._anchor_us = np.rint(tick_s * 1e6)

    def of_plant(self, steps_per_mw: F8, places: I8) -> None:
        """Go on with other units; `places`: where each was before, -1: nowhere."""
        self._set_grids(steps_per_mw)

        def carried(both: tuple[F8, F8]) -> tuple[F8, F8]:
            came, rounded = (np.append(values, NAN) for values in both)
            known = places >= 0
            return np.where(known, came[places], NAN), np.where(known, rounded[places], NAN)

        self._measured = carried(self._measured)
        self._accepted = carried(self._accepted)
        self._metered = carried(self._metered)

    def _set_grids(self, steps_per_mw: F8) -> None:
        n = steps_per_mw.size
        self._per_mw = steps_per_mw
        self._per_pu, self._per_mwh = np.full(n, SOC_PER_PU), np.full(n, PER_MWH)

    def freeze(
        self,
        when: TickTime,
        now_s: float,
        devices: Sequence[Device],
        signals: Sequence[Heard],
        standing: Standing,
    ) -> Image:
        """Copy every input into one Image. Arrays are fresh and read-only."""
        agc = newest_agc(signals)
        frequency = newest_frequency(signals)
        newest = _columns([device.latest or NEVER for device in devices])
        now_us = math.floor(now_s * 1e6)
        if math.isnan(self._anchor_us):
            self._anchor_us = now_us
        self._measured = self._instants(newest.measured_at_s, self._measured)
        self._accepted = self._instants([d.accepted_s for d in devices], self._accepted)
        self._metered = self._instants(newest.energy_at_s, self._metered)
        self._anchor_us = now_us
        return Image(
            tick=when.number,
            now_s=now_us / 1e6,
            trigger=when.trigger,
            agc_pu=agc.pu if agc else NAN,
            agc_received_s=_whole_us(agc.received_s) if agc else NAN,
            agc_sequence=agc.sequence if agc else -1,
            agc_transit_s=agc.transit_s if agc else NAN,
            agc_quality=agc.quality if agc else Quality.RESTART,
            freq_hz=frequency.freq_hz if frequency else NAN,
            freq_received_s=_whole_us(frequency.received_s) if frequency else NAN,
            freq_quality=frequency.quality if frequency else Quality.RESTART,
            order=standing.order,
            regulation_capacity_up_mw=standing.regulation_capacity_up_mw,
            regulation_capacity_down_mw=standing.regulation_capacity_down_mw,
            basepoint_mw=standing.basepoint_mw,
            p_meas_mw=self._rounded(newest.p_meas_mw, self._per_mw),
            measured_at_s=self._measured[1],
            quality=_flags(newest.quality),
            soc_pu=self._rounded(newest.soc_pu, self._per_pu),
            p_avail_min_mw=self._rounded(newest.p_avail_min_mw, self._per_mw),
            p_avail_max_mw=self._rounded(newest.p_avail_max_mw, self._per_mw),
            accepted_mw=_numbers([device.accepted_mw for device in devices]),
            accepted_at_s=self._accepted[1],
            write_result=_flags([device.write_result for device in devices]),
            remote=_flags(newest.remote),
            connected=_flags([device.connected for device in devices]),
            locked=standing.locked,
            operator_mw=standing.operator_mw,
            pardon=standing.pardon,
            energy_mwh=self._rounded(newest.energy_mwh, self._per_mwh),
            energy_at_s=self._metered[1],
        )

    def _rounded(self, values: Sequence[float], per: F8) -> F8:
        out = np.empty(per.size)
        _round_all(_numbers(values), per, out)
        out.setflags(write=False)
        return out

    def _instants(self, values: Sequence[float], before: tuple[F8, F8]) -> tuple[F8, F8]:
        """Instants as they came, and rounded; those that did not change keep their value."""
        now_s, out_s = _numbers(values), np.empty(self._per_mw.size)
        _round_instants(self._anchor_us, INSTANT_STEP_US, now_s, *before, out_s)
        out_s.setflags(write=False)
        return now_s, out_s


def _whole_us(instant_s: float) -> float:
    """An instant in whole microseconds, never later than it was; NaN stays NaN."""
    return math.floor(instant_s * 1e6) / 1e6 if math.isfinite(instant_s) else instant_s


def newest_agc(signals: Sequence[Heard]) -> AgcValue | None:
    """The AGC value that was received last; None if no signal ever gave one."""
    values = [signal.agc for signal in signals if signal.agc is not None]
    return max(values, key=lambda value: value.received_s, default=None)


def newest_frequency(signals: Sequence[Heard]) -> FrequencyValue | None:
    """The frequency that was received last; None if no signal ever gave one."""
    values = [signal.frequency for signal in signals if signal.frequency is not None]
    return max(values, key=lambda value: value.received_s, default=None)


def _columns(readings: Sequence[Reading]) -> Any:
    """Readings as one: each field a tuple over the devices."""
    return Reading(*zip(*readings, strict=True))  # type: ignore[arg-type]


def _numbers(values: Sequence[float]) -> F8:
    """Read-only array."""
    return np.frombuffer(struct.pack(f"{len(values)}d", *values), dtype=np.float64)


def _flags(values: Sequence[int]) -> U1:
    """Read-only array."""
    return np.frombuffer(bytes(values), dtype=np.uint8)
