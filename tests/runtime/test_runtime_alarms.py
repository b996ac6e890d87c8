"""What ticks and the daemon do to the alarms, and what is told of them."""

import asyncio
import dataclasses
import json

import numpy as np
import pytest
import structlog
from builders import NAN, image, params
from structlog.testing import capture_logs
from virtual_loop import run_virtual

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import EventCode, Mode, Order, Quality, Reason, Trigger
from vppd.journal.schema import Meta
from vppd.ops.alarms.board import AlarmError
from vppd.ops.alarms.catalogue import CATALOGUE
from vppd.ops.status import Realtime
from vppd.runtime import alarms as feed_module
from vppd.runtime.alarms import AlarmFeed, disk_used_pu
from vppd.runtime.clock import TickTime
from vppd.runtime.live_scores import here
from vppd.runtime.loop import Done
from vppd.runtime.supervisor import restarted

N = 4
LINKS = ("gw", "gw", "a", "b")
START_S = 1000.0
WALL_S = 1_790_000_000.0
FINE = Realtime("SCHED_FIFO 40", "locked as used", "100 objects frozen")


class FakeJournal:
    def __init__(self):
        self.events = []
        self.alarm, self.error, self.unsynced_age_s = False, "", 0.0
        self.late = self.key_missing = False

    def status(self):
        return self

    def put_event(self, utc_s, event, **fields):
        json.dumps(fields, allow_nan=False)  # what the journal can hold
        self.events.append((utc_s, event, fields))


class FakeSignal:
    peers_refused = 0


class Bench:
    """A plant of four units, two of them behind one gateway; a tick a second by the core."""

    def __init__(self, realtime=FINE, has_frequency=False, **changes):
        self.has_frequency = has_frequency
        self.now_s = START_S
        self.step_s = 0.0
        self.missed = self.dropped = 0
        self.late_s = 0.0
        self.stopping = False
        self.journal = FakeJournal()
        self.signal = FakeSignal()
        self.params = params(N, **changes)
        self.state = initial_state(self.params)
        self.feed = AlarmFeed(
            self.params, LINKS, [self.signal], clock=lambda: self.now_s, utc=self.utc,
            realtime=realtime, journal=self.journal, log_lines_dropped=lambda: self.dropped,
            stopping=lambda: self.stopping,
        )  # fmt: skip

    def utc(self):
        return WALL_S + self.now_s + self.step_s

    def ticks(self, count, events=(), unserved_mw=None, **changes):
        for _ in range(count):
            self.now_s += 1.0
            heard = {"agc_received_s": self.now_s}
            if self.has_frequency:
                heard |= {"freq_hz": 50.0, "freq_received_s": self.now_s}
                heard |= {"freq_quality": Quality.ONLINE}
            seen = image(N, now_s=self.now_s, **(heard | changes))
            before = self.state
            self.state, decision = tick(before, seen, self.params)
            if events:
                columns = zip(*events, strict=True)
                code, index, value = (np.array(column) for column in columns)
                decision = dataclasses.replace(
                    decision, event_code=code, event_index=index, event_value=value
                )
            if unserved_mw is not None:
                decision = dataclasses.replace(decision, unserved_mw=unserved_mw)
                self.state = dataclasses.replace(self.state, unserved=1)
            meta = Meta(self.utc(), 0.0, 0.0, 0.0, 0, 0, 0, 0, 0)
            when = TickTime(0, Trigger.GRID, self.now_s, self.late_s)
            self.feed.tell(Done(when, seen, before, self.state, decision, meta), self.missed)

    def states(self):
        return {alarm.id: alarm.state for alarm in self.feed.status()}


def after(count, bench=None, **changes):
    bench = bench or Bench()
    bench.ticks(3)
    bench.ticks(count, **changes)
    return bench


def flags(*values):
    return np.array(values, np.uint8)


def all_lost(count):
    return after(count, connected=flags(0, 0, 0, 0))


def changed(count=2, **fields):
    bench = after(0)
    for name, value in fields.items():
        owner = bench.journal if hasattr(bench.journal, name) else bench
        setattr(owner, name, value)
    bench.ticks(count)
    return bench


def refused_peer():
    bench = after(0)
    bench.signal.peers_refused = 2
    bench.ticks(1)
    return bench


def disk(used_pu):
    bench = after(0)

    async def main(_loop):
        watching = asyncio.create_task(bench.feed.watch_disk("folder", here))
        await asyncio.sleep(1.0)
        watching.cancel()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_module, "disk_used_pu", lambda _folder: used_pu)
        run_virtual(main)
    bench.ticks(1)
    return bench


def failing_task(times):
    bench = after(0)

    async def main(loop):
        async def fails():
            if loop.time() > 10.0 * times:
                await asyncio.Event().wait()
            raise ValueError("a bug")

        job = restarted("device u0", fails, clock=loop.time, tell=bench.feed.task_failed)
        with capture_logs():
            task = asyncio.create_task(job)
            await asyncio.sleep(100.0)
            task.cancel()

    run_virtual(main)
    return bench


def lost_order():
    bench = after(0)
    bench.feed.order_lost("hold of u9: the fleet has no such unit")
    return bench


def flood():
    bench = after(0)
    for k in range(12):
        bench.feed.task_failed(f"device u{k}", False)
    return bench


BENCHED = (EventCode.UNIT_LOST, 2, float(Reason.BENCHED))


PROVOKED = {
    "plant_safe": lambda: after(1, order=Order.SAFE),
    "allocation_refused": lambda: after(1, events=[(EventCode.ALLOCATION_REFUSED, -1, 3.0)]),
    "agc_lost": lambda: after(12, agc_received_s=START_S + 3.0),
    "agc_refused": lambda: after(1, agc_pu=5.0),
    "frequency_lost": lambda: after(4, Bench(droop_enabled=True)),
    "request_unserved": lambda: after(12, unserved_mw=1.0),
    "award_above_headroom": lambda: after(
        31, events=[(EventCode.AWARD_ABOVE_HEADROOM, -1, 5.0)]
    ),
    "fleet_out": lambda: all_lost(7),
    "link_lost:gw": lambda: all_lost(12),
    "unit_lost:u2": lambda: all_lost(62),
    "unit_local:u2": lambda: after(12, remote=flags(1, 1, 0, 1)),
    "unit_refusing:u2": lambda: after(32, write_result=flags(1, 1, 2, 1)),
    "unit_benched:u2": lambda: after(1, events=[BENCHED]),
    "guard_dropped": lambda: after(1, events=[(EventCode.GUARD_DROPPED, 1, 99.0)]),
    "tick_late": lambda: changed(7, late_s=0.3),
    "ticks_missed": lambda: changed(missed=3),
    "clock_stepped": lambda: changed(step_s=-2.0),
    "realtime_denied": lambda: Bench(Realtime("SCHED_OTHER: EPERM", "locked", "off")),
    "journal_failed": lambda: changed(alarm=True, error="No space left on device"),
    "journal_late": lambda: changed(7, late=True, unsynced_age_s=6.0),
    "journal_unsigned": lambda: changed(key_missing=True),
    "disk_low": lambda: disk(0.95),
    "task_failed:device u0": lambda: failing_task(0.1),
    "task_given_up:device u0": lambda: failing_task(10),
    "peer_refused": refused_peer,
    "order_lost": lost_order,
    "log_dropped": lambda: changed(dropped=7),
    "alarm_flood": flood,
}  # fmt: skip


def test_each_alarm_of_the_catalogue_is_provoked_here():
    assert {each.partition(":")[0] for each in PROVOKED} == {kind.name for kind in CATALOGUE}


@pytest.mark.parametrize("wanted", PROVOKED)
def test_what_happens_raises_its_alarm(wanted):
    bench = PROVOKED[wanted]()
    assert bench.states()[wanted] in ("unacknowledged", "returned")


def test_a_plant_that_is_well_has_no_alarm():
    bench = after(100)
    assert bench.states() == {}
    assert bench.journal.events == []
    assert after(100, Bench(has_frequency=True, droop_enabled=True)).states() == {}


def test_units_behind_a_lost_gateway_have_no_alarms_of_their_own():
    found = all_lost(65).states()
    assert {found["unit_lost:u0"], found["unit_lost:u1"]} == {"suppressed"}
    assert {found["unit_lost:u2"], found["unit_lost:u3"]} == {"unacknowledged"}


def test_one_unit_of_a_gateway_that_is_lost_is_its_own_alarm():
    found = after(62, connected=flags(0, 1, 1, 1)).states()
    assert found == {"unit_lost:u0": "unacknowledged", "fleet_out": "unacknowledged"}


def test_a_new_reason_is_the_same_alarm_or_takes_its_place():
    bench = after(62, connected=flags(1, 1, 0, 1))
    (lost,) = [alarm for alarm in bench.feed.status() if alarm.name == "unit_lost"]
    assert lost.detail in (Reason.UNREACHABLE.name, Reason.FALLBACK.name)
    bench.ticks(12, remote=flags(1, 1, 0, 1))
    assert bench.states()["unit_lost:u2"] == "returned"
    assert bench.states()["unit_local:u2"] == "unacknowledged"


def test_a_stop_is_no_alarm():
    bench = after(0)
    bench.stopping = True
    bench.ticks(2, order=Order.SAFE)
    assert bench.state.mode is Mode.SAFE
    assert bench.states() == {}


def test_each_change_is_one_event_in_the_journal_and_one_line_in_the_log():
    bench = after(0)
    with capture_logs() as lines:
        bench.ticks(2, agc_pu=5.0)
        bench.feed.acknowledge("agc_refused", "ann", "asked the TSO")
        bench.ticks(12)
    told = [
        (fields["was"], fields["state"], fields["who"]) for _, _, fields in bench.journal.events
    ]
    assert told == [
        ("normal", "unacknowledged", ""),
        ("unacknowledged", "acknowledged", "ann"),
        ("acknowledged", "normal", ""),
    ]
    assert {event for _, event, _ in bench.journal.events} == {"alarm"}
    utc_s, _, fields = bench.journal.events[1]
    assert utc_s == WALL_S + START_S + 5.0
    assert fields["why"] == "asked the TSO"
    assert fields["detail"] == "OUT_OF_RANGE"
    lines = [line for line in lines if line["event"] == "alarm"]
    assert [(line["alarm"], line["state"], line["log_level"]) for line in lines] == [
        ("agc_refused", "unacknowledged", "info"),
        ("agc_refused", "acknowledged", "info"),
        ("agc_refused", "normal", "info"),
    ]


def test_an_urgent_one_is_a_warning():
    bench = after(0)
    with capture_logs() as lines:
        bench.ticks(1, order=Order.SAFE)
    assert [line["log_level"] for line in lines if line["event"] == "alarm"] == ["warning"]


def test_orders_are_carried_out_at_once_and_shown():
    bench = after(1, agc_pu=5.0)
    bench.feed.shelve("agc_refused", "ann", "the TSO tests", 60.0)
    (shown,) = bench.feed.status()
    assert (shown.state, shown.who, shown.why) == ("shelved", "ann", "the TSO tests")
    assert shown.shelved_for_s == 60.0
    bench.feed.unshelve("agc_refused", "ann")
    assert bench.states() == {"agc_refused": "unacknowledged"}
    bench.feed.remove_from_service("agc_refused", "ann", "works on the line")
    assert bench.states() == {"agc_refused": "out_of_service"}
    bench.feed.return_to_service("agc_refused", "ann")
    assert bench.states() == {"agc_refused": "unacknowledged"}
    with pytest.raises(AlarmError):
        bench.feed.unshelve("agc_refused", "ann")
    assert len(bench.journal.events) == 5


def test_somebody_whom_the_api_refuses_is_an_alarm_too():
    bench = after(0)
    bench.feed.peer_refused("10.0.0.7: no such user")
    (shown,) = bench.feed.status()
    assert (shown.id, shown.detail) == ("peer_refused", "10.0.0.7: no such user")


def test_a_disk_that_cannot_be_asked_is_not_known(tmp_path):
    assert 0.0 < disk_used_pu(tmp_path) < 1.0
    assert np.isnan(disk_used_pu(tmp_path / "missing"))
    assert disk(NAN).states() == {}


def test_a_quiet_tick_costs_the_alarms_little():
    """Nothing is walked through while nothing happens: no call per alarm that stands."""
    bench = after(1, events=[BENCHED], agc_pu=5.0)
    bench.ticks(1)
    assert bench.feed._board.due_s > bench.now_s


@pytest.fixture(autouse=True)
def _plain_log():
    yield
    structlog.reset_defaults()
