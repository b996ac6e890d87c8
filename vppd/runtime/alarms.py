"""Feeds the alarms from ticks and from the daemon's own state, and tells of what changes.

Orders of people come here, too: `acknowledge`, `shelve` and the like, all in the event loop.
"""

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from vppd.core.types import I8, EventCode, Image, Mode, Params, Quality, Reason, Verdict
from vppd.journal.writer import JournalWriter
from vppd.kernels.sums import sum_in_order
from vppd.ops.alarms.board import Board, Change, Shown
from vppd.ops.alarms.catalogue import (
    BY_MODE,
    BY_REASON,
    KINDS,
    REFUSALS,
    UNIT_ALARMS,
    Priority,
    Scope,
)
from vppd.ops.alarms.settings import BY_CATALOGUE, Settings
from vppd.ops.alarms.state import State
from vppd.ops.status import AlarmPriority, AlarmStatus, Realtime
from vppd.runtime.loop import Done
from vppd.runtime.offload import Offload
from vppd.signals.base import Signal

ALARM: Final = "alarm"  # the event of each change, in log and journal
DISK_EVERY_S: Final = 60.0
CLOCK_STEP_S: Final = 0.5
UNIT_EVENTS: Final = (EventCode.UNIT_LOST, EventCode.UNIT_BACK, EventCode.UNIT_FALLBACK)
MODE_ALARMS: Final = tuple(dict.fromkeys(BY_MODE.values()))


class AlarmFeed:
    """The alarms of a running plant.

    Parameters
    ----------
    links : sequence of str
        Link of each unit, in the order of the configuration.
    clock, utc : callable
        Monotonic and wall clock, s.
    journal : JournalWriter or None
        Records each change; None: nothing does.
    log_lines_dropped : callable
        Lines of the log that were dropped since the start.
    stopping : callable
        Whether the daemon is on its way to its end, where mode SAFE is no alarm.
    settings : Settings
        Priorities, delays and limits of the plant.
    """

    def __init__(
        self,
        params: Params,
        links: Sequence[str],
        signals: Sequence[Signal],
        *,
        clock: Callable[[], float],
        utc: Callable[[], float],
        realtime: Realtime,
        journal: JournalWriter | None,
        log_lines_dropped: Callable[[], int],
        stopping: Callable[[], bool],
        settings: Settings = BY_CATALOGUE,
    ) -> None:
        self._params = params
        self._links = tuple(links)
        self._gateways = _gateways(links)
        self._signals = tuple(signals)
        self._clock = clock
        self._utc = utc
        self._journal = journal
        self._log_lines_dropped = log_lines_dropped
        self._stopping = stopping
        self._settings = settings
        self._board = Board(
            {
                Scope.UNIT: frozenset(params.ids),
                Scope.LINK: frozenset(self._gateways),
                Scope.TASK: frozenset(),
            },
            settings,
        )
        self._range_mw = params.p_max_mw - params.p_min_mw
        self._seen_counts = (0, 0, 0)  # missed ticks, dropped lines, refused peers
        self._wall_s = math.nan  # wall clock less monotonic, at the last tick
        self._log = structlog.get_logger()
        denied = [text for text in (realtime.scheduler, realtime.memory) if ": " in text]
        if denied:
            self._board.sense("realtime_denied", clock(), present=True, detail="; ".join(denied))

    # -- what is seen --------------------------------------------------------------------------

    def go_by(self, settings: Settings) -> None:
        """Go by other priorities, delays and limits."""
        now_s = self._clock()
        self._settings = settings
        self._board.go_by(settings, now_s)
        self._publish(now_s)

    def of_units(self, params: Params, links: Sequence[str]) -> None:
        """Go on with other units, over these links. What is gone has no alarm any more."""
        now_s, gateways = self._clock(), _gateways(links)
        for unit in set(self._params.ids) - set(params.ids):
            for name in UNIT_ALARMS:
                self._board.sense(name, now_s, present=False, subject=unit)
        for link in self._gateways.keys() - gateways.keys():
            self._board.sense("link_lost", now_s, present=False, subject=link)
        self._board.add_subjects(Scope.UNIT, params.ids)
        self._board.add_subjects(Scope.LINK, gateways)
        self._params, self._links, self._gateways = params, tuple(links), gateways
        self._range_mw = params.p_max_mw - params.p_min_mw
        self._publish(now_s)

    def tell(self, done: Done, missed_ticks: int) -> None:
        """Take in a finished tick."""
        now_s = done.image.now_s
        if done.decision.event_code.size:
            self._events(done, now_s)
        self._site(done, now_s)
        self._gateways_seen(done.image, now_s)
        self._counts(missed_ticks, now_s)
        self._times(done, now_s)
        self._journal_seen(now_s)
        self._publish(now_s)

    def task_failed(self, name: str, given_up: bool) -> None:
        """Take in that a task failed by a bug, and whether it stays down."""
        now_s = self._clock()
        self._board.add_subjects(Scope.TASK, (name,))
        if given_up:
            self._board.sense("task_given_up", now_s, present=True, subject=name)
        else:
            self._board.pulse("task_failed", now_s, subject=name)
        self._publish(now_s)

    def peer_refused(self, detail: str) -> None:
        """Take in that somebody who may not tried to get in, or to give an order."""
        now_s = self._clock()
        self._board.pulse("peer_refused", now_s, detail=detail)
        self._publish(now_s)

    def order_lost(self, detail: str) -> None:
        """Take in that an order of before the start is not in force any more."""
        now_s = self._clock()
        self._board.pulse("order_lost", now_s, detail=detail)
        self._publish(now_s)

    async def watch_disk(self, folder: Path, offload: Offload) -> None:
        """Look at the disk of a folder for ever, in a thread: one that hangs must hold nobody."""
        while True:
            used_pu = await offload(disk_used_pu, folder)
            self._board.measure("disk_low", self._clock(), used_pu)
            await asyncio.sleep(DISK_EVERY_S)

    def _events(self, done: Done, now_s: float) -> None:
        decision = done.decision
        columns = (decision.event_code, decision.event_index, decision.event_value)
        units = False
        for code, index, value in zip(*(column.tolist() for column in columns), strict=True):
            if code in UNIT_EVENTS:
                units = True
                self._unit(index, Reason(int(value)), now_s)
            elif code == EventCode.GUARD_DROPPED:
                self._board.pulse("guard_dropped", now_s, detail=self._params.ids[index])
            elif code == EventCode.ALLOCATION_REFUSED:
                self._board.pulse("allocation_refused", now_s, value=value)
            elif code == EventCode.AWARD_ABOVE_HEADROOM:
                self._board.sense("award_above_headroom", now_s, present=value != 0.0)
            elif code == EventCode.MODE:
                self._mode(Mode(int(value)), now_s)
        if units:
            self._fleet(done, now_s)

    def _unit(self, index: int, reason: Reason, now_s: float) -> None:
        unit, link, wanted = self._params.ids[index], self._links[index], BY_REASON.get(reason)
        cause = f"link_lost:{link}" if link in self._gateways else ""
        for name in UNIT_ALARMS:
            self._board.sense(
                name, now_s, present=name == wanted, subject=unit, detail=reason.name, cause=cause
            )

    def _mode(self, mode: Mode, now_s: float) -> None:
        wanted = BY_MODE.get(mode)
        if mode is Mode.SAFE and self._stopping():
            wanted = None  # the daemon was asked to stop: nobody need act
        for name in MODE_ALARMS:
            self._board.sense(name, now_s, present=name == wanted, detail=mode.name)

    def _fleet(self, done: Done, now_s: float) -> None:
        """Share of the fleet's range that is out, units held by the operator left out."""
        reason = done.after.out_reason
        counted = reason != Reason.OPERATOR
        total_mw = sum_in_order(self._range_mw[counted])
        out_mw = sum_in_order(self._range_mw[counted & (reason != Reason.NONE)])
        self._board.measure("fleet_out", now_s, out_mw / total_mw if total_mw else 0.0)

    def _site(self, done: Done, now_s: float) -> None:
        image, decision, board = done.image, done.decision, self._board
        verdict = Verdict(decision.verdict)
        refused = verdict in REFUSALS
        board.sense("agc_refused", now_s, present=refused, detail=verdict.name)
        sold_mw = max(image.regulation_capacity_up_mw, image.regulation_capacity_down_mw)
        basis_mw = sold_mw or sum_in_order(self._range_mw)
        missing_mw = abs(decision.unserved_mw) if done.after.unserved else 0.0
        board.measure("request_unserved", now_s, missing_mw / basis_mw if basis_mw else 0.0)
        if self._params.droop_enabled:
            board.sense("frequency_lost", now_s, present=not self._hears_frequency(image))

    def _hears_frequency(self, image: Image) -> bool:
        young = image.now_s - image.freq_received_s <= self._params.freq_stale_after_s
        return young and image.freq_quality == Quality.ONLINE

    def _gateways_seen(self, image: Image, now_s: float) -> None:
        """A link of several units of which none is connected."""
        for link, units in self._gateways.items():
            lost = not image.connected[units].any()
            self._board.sense("link_lost", now_s, present=lost, subject=link)

    def _counts(self, missed_ticks: int, now_s: float) -> None:
        """Things that happen, and are over: what was counted since the last tick."""
        counts = (missed_ticks, self._log_lines_dropped(), self._refused_peers())
        if counts == self._seen_counts:
            return
        names = ("ticks_missed", "log_dropped", "peer_refused")
        for name, count, seen in zip(names, counts, self._seen_counts, strict=True):
            if count > seen:
                self._board.pulse(name, now_s, detail=f"{count - seen} more, {count} in all")
        self._seen_counts = counts

    def _refused_peers(self) -> int:
        return sum(getattr(signal, "peers_refused", 0) for signal in self._signals)

    def _times(self, done: Done, now_s: float) -> None:
        board = self._board
        board.measure("tick_late", now_s, done.when.late_s / self._params.tick_s)
        wall_s = self._utc() - self._clock()
        step_s = wall_s - self._wall_s
        self._wall_s = wall_s
        if abs(step_s) > CLOCK_STEP_S:  # not at the first: NaN is not
            board.pulse("clock_stepped", now_s, value=step_s)

    def _journal_seen(self, now_s: float) -> None:
        if self._journal is None:
            return
        state = self._journal.status()
        board = self._board
        detail = state.error or "the disk is too slow"
        board.sense("journal_failed", now_s, present=state.alarm, detail=detail)
        age_s = state.unsynced_age_s
        board.sense("journal_late", now_s, present=state.late, value=age_s)
        board.sense("journal_unsigned", now_s, present=state.key_missing)

    # -- what people order ---------------------------------------------------------------------

    def acknowledge(self, alarm_id: str, who: str, why: str = "") -> None:
        """Take note of an alarm. Raises AlarmError, whose text says what to do."""
        now_s = self._clock()
        self._board.acknowledge(alarm_id, who, why, now_s)
        self._publish(now_s)

    def shelve(self, alarm_id: str, who: str, why: str, for_s: float) -> None:
        """Hide an alarm for some time. Raises AlarmError."""
        now_s = self._clock()
        self._board.shelve(alarm_id, who, why, now_s, for_s)
        self._publish(now_s)

    def unshelve(self, alarm_id: str, who: str, why: str = "") -> None:
        """Show a shelved alarm again. Raises AlarmError."""
        now_s = self._clock()
        self._board.unshelve(alarm_id, who, why, now_s)
        self._publish(now_s)

    def remove_from_service(self, alarm_id: str, who: str, why: str) -> None:
        """Hide an alarm until it is returned to service. Raises AlarmError."""
        now_s = self._clock()
        self._board.remove_from_service(alarm_id, who, why, now_s)
        self._publish(now_s)

    def return_to_service(self, alarm_id: str, who: str, why: str = "") -> None:
        """Show it again. Raises AlarmError."""
        now_s = self._clock()
        self._board.return_to_service(alarm_id, who, why, now_s)
        self._publish(now_s)

    # -- what is told --------------------------------------------------------------------------

    def status(self) -> tuple[AlarmStatus, ...]:
        """Every alarm that is not normal, as of now."""
        now_s = self._clock()
        return tuple(_status(shown, now_s) for shown in self._board.snapshot())

    def priorities(self) -> tuple[AlarmPriority, ...]:
        """Priorities that are not those of the catalogue."""
        return tuple(
            AlarmPriority(name, kind.priority.name)
            for name, kind in self._settings.kinds.items()
            if kind.priority is not KINDS[name].priority
        )

    def _publish(self, now_s: float) -> None:
        self._board.elapse(now_s)
        for change in self._board.take_changes():
            fields = _fields(change)
            urgent = change.kind.priority <= Priority.HIGH
            if change.state is State.UNACKNOWLEDGED and urgent:
                self._log.warning(ALARM, **fields)
            else:
                self._log.info(ALARM, **fields)
            if self._journal is not None:
                self._journal.put_event(self._utc(), ALARM, **fields)


def disk_used_pu(folder: Path) -> float:
    """Part of a disk that is in use, as far as this user may fill it; NaN: it does not say."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return math.nan
    usable = disk.f_blocks - disk.f_bfree + disk.f_bavail
    return 1.0 - disk.f_bavail / usable if usable else math.nan


def _gateways(links: Sequence[str]) -> dict[str, I8]:
    """Links that serve several units, and which."""
    units: dict[str, list[int]] = {}
    for index, link in enumerate(links):
        units.setdefault(link, []).append(index)
    return {link: np.array(found) for link, found in units.items() if len(found) > 1}


def _fields(change: Change) -> dict[str, str | float | bool | None]:
    """A change as fields of one line."""
    return {
        "alarm": change.id,
        "state": change.state.value,
        "was": change.was.value,
        "priority": change.kind.priority.name,
        "first_out": change.alarm.first_out,
        "detail": change.detail,
        "value": None if math.isnan(change.value) else change.value,
        "suppressed_by": change.alarm.suppressed_by,
        "who": change.who,
        "why": change.why,
    }


def _status(shown: Shown, now_s: float) -> AlarmStatus:
    kind, alarm = shown.kind, shown.alarm
    return AlarmStatus(
        id=shown.id,
        name=kind.name,
        subject=shown.subject,
        group=kind.group,
        priority=kind.priority.name,
        state=shown.state.value,
        first_out=alarm.first_out,
        since_s=now_s - shown.since_s,
        raised_s=now_s - alarm.raised_s,
        count=alarm.count,
        title=kind.title,
        action=kind.action,
        value=shown.value,
        unit=kind.unit,
        detail=shown.detail,
        suppressed_by=alarm.suppressed_by,
        shelved_for_s=alarm.shelved_until_s - now_s,
        shelve_max_s=kind.shelve_max_s,
        who=shown.who,
        why=shown.why,
    )
