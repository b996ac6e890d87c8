"""A journal as what is settled: readings, plans and setpoints of each unit, and what was sold.

Instants are turned to UTC by the wall clock of the tick that saw them first. Only what changed is
kept: a day of 200 units fits in memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vppd.core.types import Image, Params, Quality
from vppd.journal.errors import NoTickError
from vppd.journal.reader import Record, SegmentStart, TickRecord, read
from vppd.journal.scan import Progress
from vppd.market.attribution import signal_mw
from vppd.market.settlement.energy import UnitSeries
from vppd.market.settlement.record import Plant, SettlementError, Steps, Unit

F8 = NDArray[np.float64]
CHUNK: Final = 1024  # ticks that are sorted by units together
ONLINE: Final = int(Quality.ONLINE)


def read_plant(path: Path, progress: Progress | None = None) -> Plant:
    """Read what a journal tells of its units; their lags are those of its last segment.

    Raises
    ------
    SettlementError
        The units are not the same throughout.
    JournalError
        As `journal.reader.read`.
    """
    log = SettleLog()
    for record in read(path, progress=progress):
        log.add(record)
    return log.plant()


class SettleLog:
    """What is settled of each tick, while a journal is read."""

    def __init__(self) -> None:
        self._params: Params | None = None
        self._plant, self._units = _PlantLog(), _UnitLogs()

    def add(self, record: Record) -> None:
        """Take in one record. Raises SettlementError where the units change."""
        if isinstance(record, SegmentStart):
            if self._params is not None and self._params.ids != record.header.params.ids:
                raise SettlementError(f"the units change at {record.path.name}: settle each part")
            self._params = record.header.params
        elif isinstance(record, TickRecord):
            self._plant.add(record)
            self._units.add(record)

    def plant(self) -> Plant:
        """All so far. Raises NoTickError where there is no tick."""
        if self._params is None or not self._plant.utc_s:
            raise NoTickError("no whole tick in this journal")
        return self._plant.as_plant(self._units.as_units(self._params))


@dataclass(slots=True)
class _PlantLog:
    """What each tick says of the whole plant."""

    utc_s: list[float] = field(default_factory=list)
    decided: list[tuple[float, float, float, float]] = field(default_factory=list)
    signal: list[tuple[float, float]] = field(default_factory=list)
    received_s: float = math.nan

    def add(self, record: TickRecord) -> None:
        """Take in one tick."""
        image, utc_s = record.image, record.meta.utc_s
        self.utc_s.append(utc_s)
        self.decided.append(
            (
                record.decision.regulation_mw,
                record.decision.droop_mw,
                image.regulation_capacity_up_mw,
                image.regulation_capacity_down_mw,
            )
        )
        self._add_signal(image, utc_s)

    def _add_signal(self, image: Image, utc_s: float) -> None:
        """A value counts from when it came, not from its tick; another capacity from its tick."""
        value_mw = signal_mw(image)
        if not math.isfinite(value_mw):
            return
        received_s = image.agc_received_s
        if math.isfinite(received_s) and received_s != self.received_s:
            self.received_s = received_s
            self.signal.append((utc_s - (image.now_s - received_s), value_mw))
        elif not self.signal or value_mw != self.signal[-1][1]:
            self.signal.append((utc_s, value_mw))

    def as_plant(self, units: tuple[Unit, ...]) -> Plant:
        """All of it, with the units."""
        utc_s = np.asarray(self.utc_s)
        columns = np.ascontiguousarray(np.asarray(self.decided).T)
        regulation, droop, up, down = (_changes(utc_s, column) for column in columns)
        t_s, value_mw = np.asarray(self.signal, dtype=np.float64).reshape(-1, 2).T
        order = np.argsort(t_s, kind="stable")
        return Plant(units, regulation, droop, Steps(t_s[order], value_mw[order]), up, down)


class _UnitLogs:
    """What each tick says of each unit, chunk by chunk, then unit by unit."""

    def __init__(self) -> None:
        self._ticks: list[TickRecord] = []
        self._before: Image | None = None
        self._parts: dict[str, list[list[tuple[F8, F8]]]] = {
            name: [] for name in ("readings", "accepted", "basepoints", "counted", "meter")
        }

    def add(self, record: TickRecord) -> None:
        """Take in one tick."""
        self._ticks.append(record)
        if len(self._ticks) == CHUNK:
            self._sort()

    def as_units(self, params: Params) -> tuple[Unit, ...]:
        """All units, in the order of the configuration."""
        self._sort()
        units = []
        for i, unit_id in enumerate(params.ids):
            t_s, p_mw = _rising(self._parts["readings"], i)
            accepted_s, accepted_mw = _rising(self._parts["accepted"], i)
            readings = UnitSeries(
                t_s, p_mw, accepted_s, accepted_mw, float(params.dead_time_s[i]),
                float(params.lag_s[i]), float(params.telemetry_age_max_s[i]),
                *_rising(self._parts["counted"], i), *_rising(self._parts["meter"], i),
                max(abs(float(params.p_min_mw[i])), abs(float(params.p_max_mw[i]))),
            )  # fmt: skip
            basepoints = Steps(*_rising(self._parts["basepoints"], i))
            range_mw = float(params.p_max_mw[i] - params.p_min_mw[i])
            units.append(Unit(unit_id, readings, basepoints, range_mw))
        return tuple(units)

    def _sort(self) -> None:
        """From ticks to units: of each, the instants and values that are new."""
        if not self._ticks:
            return
        images = [record.image for record in self._ticks]
        utc_s = np.asarray([record.meta.utc_s for record in self._ticks])[:, None]
        now_s = np.asarray([image.now_s for image in images])[:, None]
        first, before = self._before is None, self._before or images[0]
        measured_s = np.asarray([image.measured_at_s for image in images])
        read_mw = np.asarray([image.p_meas_mw for image in images])
        good = np.asarray([image.quality for image in images]) == ONLINE
        good &= np.isfinite(measured_s) & np.isfinite(read_mw)
        is_read = good & _new(measured_s, before.measured_at_s, first)
        self._keep("readings", measured_s + (utc_s - now_s), read_mw, is_read)
        accepted_s = np.asarray([image.accepted_at_s for image in images])
        accepted_mw = np.asarray([image.accepted_mw for image in images])
        is_new = np.isfinite(accepted_s) & np.isfinite(accepted_mw)
        is_new &= _new(accepted_s, before.accepted_at_s, first)
        self._keep("accepted", accepted_s + (utc_s - now_s), accepted_mw, is_new)
        base_mw = np.asarray([image.basepoint_mw for image in images])
        at_utc_s = np.broadcast_to(utc_s, base_mw.shape)
        self._keep("basepoints", at_utc_s, base_mw, _new(base_mw, before.basepoint_mw, first))
        counted_mw = np.asarray([record.decision.p_setpoint_mw for record in self._ticks])
        is_counted = np.asarray([record.decision.send for record in self._ticks]) == 0
        is_counted &= np.isfinite(counted_mw) & ~is_read
        self._keep("counted", at_utc_s, counted_mw, is_counted)
        metered_s = np.asarray([image.energy_at_s for image in images])
        metered_mwh = np.asarray([image.energy_mwh for image in images])
        is_counted = np.isfinite(metered_s) & np.isfinite(metered_mwh)
        is_counted &= _new(metered_s, before.energy_at_s, first)
        self._keep("meter", metered_s + (utc_s - now_s), metered_mwh, is_counted)
        self._before, self._ticks = images[-1], []

    def _keep(self, name: str, t_s: F8, value: F8, is_new: NDArray[np.bool_]) -> None:
        at = [np.flatnonzero(is_new[:, i]) for i in range(is_new.shape[1])]
        self._parts[name].append([(t_s[k, i], value[k, i]) for i, k in enumerate(at)])


def _new(values: F8, before: F8, first: bool) -> NDArray[np.bool_]:
    """Where a column differs from the row before it; in the very first row everywhere."""
    is_new = np.empty(values.shape, dtype=np.bool_)
    is_new[0] = True if first else values[0] != before
    is_new[1:] = values[1:] != values[:-1]
    return is_new


def _changes(t_s: F8, value: F8) -> Steps:
    """A value of every tick as the steps of it."""
    is_new = np.concatenate(([True], value[1:] != value[:-1]))
    return Steps(t_s[is_new], value[is_new])


def _rising(parts: Sequence[Sequence[tuple[F8, F8]]], i: int) -> tuple[F8, F8]:
    """All chunks of one unit; what does not come after what was before it is left out."""
    t_s = np.concatenate([part[i][0] for part in parts])
    value = np.concatenate([part[i][1] for part in parts])
    highest_s = np.maximum.accumulate(np.concatenate(([-np.inf], t_s[:-1])))
    is_after = t_s > highest_s
    return t_s[is_after], value[is_after]
