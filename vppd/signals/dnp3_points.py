"""The plant as a TSO's DNP3 master reads it: points, static reads, class events.

The table is `docs/points.md`, "The plant as the TSO sees it". Values are kept as they go on the
wire; they are encoded when somebody reads, so that `update` stays cheap with nobody listening.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from py1815.application import CLASS_GROUP, ObjectHeader, QualifierCode, object_header
from py1815.control import GROUP_ANALOG_OUTPUT_STATUS, encode_analog_output_status
from py1815.events import EventBuffers, EventClass
from py1815.objects import (
    GROUP_ANALOG_INPUT,
    GROUP_BINARY_INPUT,
    AnalogPoint,
    AnalogVariation,
    BinaryPoint,
    BinaryVariation,
    encode_analog,
    encode_binary,
    event_block,
)
from py1815.session import ParameterError, UnknownObject

from vppd.core.types import Mode, Quality
from vppd.points.dnp3_table import COMM_LOST, ONLINE
from vppd.signals.base import HORIZONS, PlantReport

KW_PER_MW = 1000.0
AGC_PER_PU = 10000.0
AGC_MODE = 5  # AI index
AGC_IN_FORCE = 7
UNITS_ONLINE = 8
# headroom around the plan now, in 5, 15 and 30 min: up, down, and the firm part of both
PROMISES = tuple(range(9, 9 + 4 * HORIZONS))
N_ANALOG = 9 + len(PROMISES)
REGULATING = 0  # BI index
AGC_SETPOINT = 0  # AO index
FREQUENCY = 1  # where it is configured

CLASS_OF = dict.fromkeys(range(N_ANALOG), EventClass.CLASS_2)
CLASS_OF[AGC_MODE] = CLASS_OF[AGC_IN_FORCE] = EventClass.CLASS_1
# AI with a dead band: measured, headroom, footroom, capacities, unserved, promises
POWERS = frozenset((0, 1, 2, 3, 4, 6, *PROMISES))
DEADBAND_MIN_KW = 10.0
DEADBAND_OF_CAPACITY = 0.001

STALE_MODES = (Mode.HOLD, Mode.RETURN)


def analog_values(report: PlantReport) -> list[AnalogPoint]:
    """All AI of a report. NaN goes out as 0 with its flag, never as a good 0."""
    stale = report.quality == Quality.COMM_LOST or report.mode in STALE_MODES
    promise = report.promise
    promises_mw = (*promise.up_mw, *promise.down_mw, *promise.firm_up_mw, *promise.firm_down_mw)
    return [
        _point(report.p_meas_mw * KW_PER_MW),
        _point(report.headroom_mw * KW_PER_MW),
        _point(report.footroom_mw * KW_PER_MW),
        _point(promise.capacity_up_mw * KW_PER_MW),
        _point(promise.capacity_down_mw * KW_PER_MW),
        _point(float(report.mode)),
        _point(report.unserved_mw * KW_PER_MW),
        _point(report.agc_pu * AGC_PER_PU, lost=stale),
        _point(float(report.units_online)),
        *(_point(each_mw * KW_PER_MW) for each_mw in promises_mw),
    ]


def _point(value: float, *, lost: bool = False) -> AnalogPoint:
    if not math.isfinite(value):
        return AnalogPoint(0.0, COMM_LOST)
    return AnalogPoint(float(round(value)), COMM_LOST if lost else ONLINE)


def deadband_kw(report: PlantReport) -> float:
    """Change of a power that makes an event: 0.1 % of the capacity, at least 10 kW."""
    capacity_mw = max(report.regulation_capacity_up_mw, report.regulation_capacity_down_mw)
    return max(DEADBAND_MIN_KW, capacity_mw * KW_PER_MW * DEADBAND_OF_CAPACITY)


@dataclass(frozen=True, slots=True)
class _Group:
    """How one group is read: what it asks for without a variation, and how many points."""

    default: int
    variations: tuple[int, ...]
    size: int


GROUPS = {
    GROUP_BINARY_INPUT: _Group(BinaryVariation.WITH_FLAGS, (BinaryVariation.WITH_FLAGS,), 1),
    GROUP_ANALOG_INPUT: _Group(
        AnalogVariation.INT32_WITH_FLAG, tuple(int(v) for v in AnalogVariation), N_ANALOG
    ),
    GROUP_ANALOG_OUTPUT_STATUS: _Group(3, (1, 2, 3, 4), 1),
}
WITH_FREQUENCY = {**GROUPS, GROUP_ANALOG_OUTPUT_STATUS: _Group(3, (1, 2, 3, 4), 2)}


class PlantPoints:
    """Present values and buffered events. A `ReadProvider` of py1815.

    `frequency`: whether there is an AO 1.
    """

    def __init__(self, *, frequency: bool = False) -> None:
        # Until the first report nothing is known: all points say so.
        self.analog = [AnalogPoint(0.0, COMM_LOST) for _ in range(N_ANALOG)]
        self.binary = BinaryPoint(False, COMM_LOST)
        # last values taken, AO 0 in its unit and AO 1
        self.outputs = [AnalogPoint(0.0, COMM_LOST) for _ in range(2 if frequency else 1)]
        self._groups = WITH_FREQUENCY if frequency else GROUPS
        # One event a point, the newest: a master that polls seldom gets no backlog, and the
        # buffer cannot overflow.
        self.events = EventBuffers(capacity=64, analog_latest_only=True)

    def update(self, report: PlantReport, now_ms: int) -> None:
        """Take a report over, and buffer an event for each point that changed enough."""
        deadband = deadband_kw(report)
        self.analog = analog_values(report)
        for index, point in enumerate(self.analog):
            self.events.record_analog(
                index,
                point,
                event_class=CLASS_OF[index],
                deadband=deadband if index in POWERS else 0.0,
                timestamp_ms=now_ms,
            )
        self.binary = BinaryPoint(report.mode == Mode.REGULATING, ONLINE)
        self.events.record_binary(
            REGULATING, self.binary, event_class=EventClass.CLASS_1, timestamp_ms=now_ms
        )

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        """Objects that the headers name. Raises UnknownObject, ParameterError."""
        return b"".join(self._read(header) for header in headers)

    def _read(self, header: ObjectHeader) -> bytes:
        if header.group == CLASS_GROUP and header.variation == 1:  # class 0
            return self._range(GROUP_BINARY_INPUT, 0, 0, 0) + self._range(
                GROUP_ANALOG_INPUT, 0, 0, N_ANALOG - 1
            )
        group = self._groups.get(header.group)
        if group is None or header.variation not in (0, *group.variations):
            raise UnknownObject(f"group {header.group} variation {header.variation}")
        if header.qualifier is QualifierCode.ALL_OBJECTS:
            return self._range(header.group, header.variation, 0, group.size - 1)
        if header.start is not None and header.stop is not None:
            if header.stop >= group.size:
                raise ParameterError(f"group {header.group} has {group.size} points")
            return self._range(header.group, header.variation, header.start, header.stop)
        if header.indices and max(header.indices) < group.size:
            variation = header.variation or group.default
            items = [(i, self._encode(header.group, variation, i)) for i in header.indices]
            return event_block(header.group, variation, items, qualifier=header.qualifier)
        raise ParameterError(f"group {header.group} is read whole, by range or by index")

    def _range(self, group: int, variation: int, start: int, stop: int) -> bytes:
        variation = variation or GROUPS[group].default
        return object_header(group, variation, start=start, stop=stop) + b"".join(
            self._encode(group, variation, index) for index in range(start, stop + 1)
        )

    def _encode(self, group: int, variation: int, index: int) -> bytes:
        if group == GROUP_BINARY_INPUT:
            return encode_binary(self.binary)
        if group == GROUP_ANALOG_OUTPUT_STATUS:
            point = self.outputs[index]
            return encode_analog_output_status(point.value, variation, flags=point.flags)
        return encode_analog(self.analog[index], AnalogVariation(variation))
