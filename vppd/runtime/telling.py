"""What others are told after each tick: the TSO, the log, the status socket, the watchdog."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from vppd import __version__
from vppd.core.carry import places
from vppd.core.headroom import capacity_told_mw
from vppd.core.participation import has_good_reading
from vppd.core.types import Decision, Mode, Order, Params, Quality, Verdict
from vppd.journal.instant import utc_text
from vppd.journal.writer import JournalWriter
from vppd.kernels.sums import sum_in_order
from vppd.ops.bench import Bench
from vppd.ops.counted import counted
from vppd.ops.events import DecisionLog, JournalLog
from vppd.ops.status import (
    AlarmPriority,
    AlarmStatus,
    Benched,
    ConfigStatus,
    HeadroomStatus,
    IoStatus,
    JournalStatus,
    PlanStatus,
    PowerStatus,
    ProductStatus,
    PromiseStatus,
    Realtime,
    SignalStatus,
    Status,
    TimingStatus,
)
from vppd.ops.timing import Recent
from vppd.runtime.changes import ChangeRecorder
from vppd.runtime.clock import TickClock
from vppd.runtime.loop import Counts, Done, Gone, Sink, is_early
from vppd.runtime.notify import Notifier
from vppd.signals.base import PlantReport, PromiseReport, Signal

NAN = float("nan")
SIGNAL_GOOD = (Verdict.FRESH, Verdict.UNCHANGED)
STATUS_EVERY_S = 10.0  # the line of `systemctl status`


class AllCounts(Counts, Protocol):
    """All counters of a device that status shows."""

    setpoints_dropped: int
    setpoints_expired: int
    reads: int
    read_errors: int


class Counted(Sink, AllCounts, Protocol):
    """A device with the counters that status shows."""

    @property
    def reason(self) -> str:
        """Why the device does not do what it is told, in words; empty while it does."""


class Teller:
    """Takes each finished tick and tells everybody. Status is only put together when asked for."""

    def __init__(
        self,
        site: str,
        params: Params,
        devices: Sequence[Counted],
        signals: Sequence[Signal],
        ticks: TickClock,
        notifier: Notifier,
        *,
        clock: Callable[[], float],
        realtime: Realtime,
        journal: JournalWriter | None,
        log_lines_dropped: Callable[[], int],
        shadow: bool,
        products: Callable[[], tuple[ProductStatus, ...]] = tuple,
        alarms: Callable[[], tuple[AlarmStatus, ...]] = tuple,
        priorities: Callable[[], tuple[AlarmPriority, ...]] = tuple,
    ) -> None:
        self.config = ConfigStatus()
        self._gone = Gone()
        self._site = site
        self._params = params
        self._devices = devices
        self._signals = signals
        self._ticks = ticks
        self._notifier = notifier
        self._clock = clock
        self._realtime = realtime
        self._journal = journal
        self._log_lines_dropped = log_lines_dropped
        self._shadow = shadow
        self._products = products
        self._alarms = alarms
        self._priorities = priorities
        self._started_s = clock()
        self._log = DecisionLog(params.ids, clock)
        self._journal_log = JournalLog()
        self._changes = None if journal is None else ChangeRecorder(journal)
        self._bench = Bench(params.ids, params.kinds, clock())
        self._tick_us = Recent()
        self._lateness_ms = Recent()
        self._early_ticks = 0
        self._told_manager_s = -STATUS_EVERY_S
        self._done: Done | None = None
        self._last: Status | None = None  # before a reload, until the next tick

    def count_in(self, gone: Gone) -> None:
        """Count in what devices have counted that are gone."""
        self._gone = gone

    def of_plant(self, params: Params, devices: Sequence[Counted]) -> None:
        """Go on with other units. Between two ticks."""
        self._last = self.status()
        where = places(self._params, params)
        self._bench.of_units(params.ids, params.kinds, where)
        self._log.of_units(params.ids)
        self._params, self._devices = params, devices
        self._done = None  # the last tick was of other units

    def tell(self, done: Done) -> None:
        """Tell TSO, log and service manager. The watchdog is fed here and nowhere else."""
        self._done = done
        self._tick_us.add(done.meta.tick_us)
        self._lateness_ms.add(1e3 * done.when.late_s)
        self._early_ticks += is_early(done)
        self._bench.update(done.after.out_reason, done.image.now_s)
        report = plant_report(done, self._params, self._bench.online)
        for signal in self._signals:
            signal.publish(report)
        self._log.publish(
            done.image,
            done.decision,
            duration_s=1e-6 * done.meta.tick_us,
            late_s=done.when.late_s,
        )
        if self._journal is not None:
            state = self._journal.status()
            lost = state.dropped + state.lost
            self._journal_log.publish(failed=state.alarm, reason=state.error, records_lost=lost)
        if self._changes is not None:
            self._changes.tell(done)
        self._feed_watchdog(done)

    @property
    def units_online(self) -> int:
        """Number of units that take part."""
        return self._bench.online

    def _feed_watchdog(self, done: Done) -> None:
        line = None
        if done.image.now_s - self._told_manager_s >= STATUS_EVERY_S:
            self._told_manager_s = done.image.now_s
            line = (
                f"{Mode(done.decision.mode).name}, request {done.decision.request_mw:z.1f} MW,"
                f" {self._bench.online} of {counted(len(self._params.ids), 'unit')}"
            )
        self._notifier.watchdog(line)

    def status(self, *, units: bool = True) -> Status | None:
        """Everything as of the last tick, `units` false: without a list of those that are out.

        None before the first tick.
        """
        done = self._done
        if done is None:
            return None if self._last is None else replace(self._last, config=self.config)
        now_s = self._clock()
        decision, after = done.decision, done.after
        return Status(
            site=self._site,
            version=__version__,
            pid=os.getpid(),
            utc=datetime.fromtimestamp(done.meta.utc_s, UTC).isoformat(timespec="milliseconds"),
            uptime_s=now_s - self._started_s,
            shadow=self._shadow,
            mode=Mode(decision.mode).name,
            mode_since_s=now_s - after.mode_since_s,
            order=Order(done.image.order).name,
            tick=decision.tick,
            units_online=self._bench.online,
            units_total=len(self._params.ids),
            plan=PlanStatus(
                done.image.regulation_capacity_up_mw,
                done.image.regulation_capacity_down_mw,
                decision.basepoint_sum_mw,
            ),
            timing=TimingStatus(
                tick_s=self._params.tick_s,
                timer=self._ticks.timer_name,
                tick_us=self._tick_us.quantiles(),
                lateness_ms=self._lateness_ms.quantiles(),
                early_ticks=self._early_ticks,
                missed_ticks=self._ticks.missed,
            ),
            realtime=self._realtime,
            signal=SignalStatus(
                agc_pu=after.agc_pu,
                age_s=now_s - after.agc_accepted_s,
                verdict=Verdict(decision.verdict).name,
            ),
            power=PowerStatus(
                request_mw=decision.request_mw,
                served_mw=decision.served_mw,
                measured_mw=measured_mw(done, self._params),
                unserved_mw=decision.unserved_mw,
            ),
            headroom=HeadroomStatus(
                up_mw=decision.headroom_mw,
                down_mw=decision.footroom_mw,
                range_up_mw=decision.range_up_mw,
                range_down_mw=decision.range_down_mw,
            ),
            promise=promise_status(decision),
            award_short=bool(after.award_short),
            products=self._products(),
            io=self._io(),
            journal=self._journal_status(),
            benched=self._benched(decision, now_s) if units else (),
            alarms=self._alarms(),
            alarm_priorities=self._priorities(),
            log_lines_dropped=self._log_lines_dropped(),
            config=self.config,
        )

    def _benched(self, decision: Decision, now_s: float) -> tuple[Benched, ...]:
        return self._bench.benched(decision.p_setpoint_mw, now_s, lambda i: self._devices[i].reason)

    def _io(self) -> IoStatus:
        devices: list[AllCounts] = [*self._devices, self._gone]
        refused = sum(device.writes_refused for device in devices)
        unknown = sum(device.writes_unknown for device in devices)
        return IoStatus(
            writes=sum(device.writes_accepted for device in devices) + refused + unknown,
            failed_writes=refused + unknown,
            refused_writes=refused,
            dropped_setpoints=sum(d.setpoints_dropped + d.setpoints_expired for d in devices),
            reads=sum(device.reads for device in devices),
            failed_reads=sum(device.read_errors for device in devices),
            reconnects=sum(device.reconnects for device in devices),
        )

    def _journal_status(self) -> JournalStatus:
        if self._journal is None:
            return JournalStatus()
        state = self._journal.status()
        path = "" if state.path is None else str(state.path)
        lost = state.dropped + state.lost
        return JournalStatus(
            path, state.ticks, state.bytes, lost, state.error,
            unsynced_age_s=state.unsynced_age_s,
            events=state.events,
            events_lost=state.events_lost,
            removed=state.removed,
            held=state.held,
            reserve=state.reserve,
            key_id=state.key_id,
            signed_utc=utc_text(state.signed_utc_s) if math.isfinite(state.signed_utc_s) else "",
        )  # fmt: skip


def measured_mw(done: Done, params: Params) -> float:
    """Power of the plant as measured, MW: readings, and predictions where there is no good one.

    NaN while no unit is read: unknown is not zero, and nothing but predictions is no measurement.
    """
    read = has_good_reading(done.image, params)
    if not read.any():
        return NAN
    return sum_in_order(np.where(read, done.image.p_meas_mw, done.decision.p_setpoint_mw))


def plant_report(done: Done, params: Params, units_online: int) -> PlantReport:
    """What the TSO is told. Its quality flag says whether vppd still hears the TSO."""
    good = done.decision.verdict in SIGNAL_GOOD or done.decision.mode == Mode.REGULATING
    return PlantReport(
        p_meas_mw=measured_mw(done, params),
        headroom_mw=done.decision.headroom_mw,
        footroom_mw=done.decision.footroom_mw,
        regulation_capacity_up_mw=done.image.regulation_capacity_up_mw,
        regulation_capacity_down_mw=done.image.regulation_capacity_down_mw,
        mode=done.decision.mode,
        quality=Quality.ONLINE if good else Quality.COMM_LOST,
        unserved_mw=done.decision.unserved_mw,
        agc_pu=done.after.agc_pu,
        units_online=units_online,
        promise=promise_report(done, params),
    )


def promise_report(done: Done, params: Params) -> PromiseReport:
    """Headroom that the TSO can count on."""
    decision = done.decision
    return PromiseReport(
        *capacity_told_mw(done.image, decision, params),
        s=tuple(decision.promise_s.tolist()),
        up_mw=tuple(decision.promise_up_mw.tolist()),
        down_mw=tuple(decision.promise_down_mw.tolist()),
        firm_up_mw=tuple(decision.promise_firm_up_mw.tolist()),
        firm_down_mw=tuple(decision.promise_firm_down_mw.tolist()),
    )


def promise_status(decision: Decision) -> tuple[PromiseStatus, ...]:
    """Headroom that can be promised, one row a horizon."""
    columns = (
        decision.promise_s, decision.promise_up_mw, decision.promise_down_mw,
        decision.promise_firm_up_mw, decision.promise_firm_down_mw,
    )  # fmt: skip
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(PromiseStatus(*row) for row in rows)
