"""The process image: the newest value of every input, copied at one instant.

Devices and signals write into their own slots at their own pace; nothing below reads a live
value after `freeze`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vppd.core.types import F8, U1, Image, Order, Quality
from vppd.devices.base import Reading
from vppd.runtime.clock import TickTime
from vppd.signals.base import AgcValue, FrequencyValue

NAN = float("nan")
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


@dataclass(frozen=True, slots=True)
class Standing:
    """Inputs that stand until somebody changes them: the plan and the operator's orders."""

    order: Order
    regulation_capacity_up_mw: float
    regulation_capacity_down_mw: float
    basepoint_mw: F8
    locked: U1
    operator_mw: F8


def freeze(
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
    return Image(
        tick=when.number,
        now_s=now_s,
        trigger=when.trigger,
        agc_pu=agc.pu if agc else NAN,
        agc_received_s=agc.received_s if agc else NAN,
        agc_sequence=agc.sequence if agc else -1,
        agc_transit_s=agc.transit_s if agc else NAN,
        agc_quality=agc.quality if agc else Quality.RESTART,
        freq_hz=frequency.freq_hz if frequency else NAN,
        freq_received_s=frequency.received_s if frequency else NAN,
        freq_quality=frequency.quality if frequency else Quality.RESTART,
        order=standing.order,
        regulation_capacity_up_mw=standing.regulation_capacity_up_mw,
        regulation_capacity_down_mw=standing.regulation_capacity_down_mw,
        basepoint_mw=standing.basepoint_mw,
        p_meas_mw=_numbers(newest.p_meas_mw),
        measured_at_s=_numbers(newest.measured_at_s),
        quality=_flags(newest.quality),
        soc_pu=_numbers(newest.soc_pu),
        p_avail_min_mw=_numbers(newest.p_avail_min_mw),
        p_avail_max_mw=_numbers(newest.p_avail_max_mw),
        accepted_mw=_numbers([device.accepted_mw for device in devices]),
        accepted_at_s=_numbers([device.accepted_s for device in devices]),
        write_result=_flags([device.write_result for device in devices]),
        remote=_flags(newest.remote),
        connected=_flags([device.connected for device in devices]),
        locked=standing.locked,
        operator_mw=standing.operator_mw,
        energy_mwh=_numbers(newest.energy_mwh),
        energy_at_s=_numbers(newest.energy_at_s),
    )


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
