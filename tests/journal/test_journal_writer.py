"""The writer: order, segments, queue, thread, events, and what it tells of itself."""

import dataclasses
import threading

import numpy as np
import pytest
from journal_plant import (
    ABOUT,
    UTC_S,
    Daemon,
    bits,
    fake_tick,
    first_state,
    make_image,
    make_meta,
    make_params,
    tick_numbers,
    write_journal,
)

from vppd.journal.appender import Limits
from vppd.journal.kept import keep
from vppd.journal.layout import Block
from vppd.journal.reader import EventRecord, SegmentEnd, SegmentStart, StateRecord, TickRecord, read
from vppd.journal.replay import replay
from vppd.journal.scan import Ending
from vppd.journal.schema import SCHEMA
from vppd.journal.verify import verify


@pytest.mark.parametrize("inline", [True, False])
def test_what_was_put_is_read_in_order_and_bit_for_bit(tmp_path, inline):
    daemon = Daemon(tmp_path, 5, inline=inline, sync=not inline)
    state, put = daemon.state, []
    for number in range(30):
        image = make_image(number, 5)
        after, decision = fake_tick(state, image, daemon.params)
        assert daemon.writer.put(make_meta(number), state, image, decision)
        put.append((make_meta(number), image, decision))
        state = after
    assert daemon.writer.close()
    found = [r for r in read(tmp_path) if isinstance(r, TickRecord)]
    assert len(found) == 30
    block = Block("Decision", SCHEMA.decision, 5)
    for record, (meta, image, decision) in zip(found, put, strict=True):
        assert bits(record.meta) == bits(meta)
        assert bits(record.image) == bits(image)
        assert bits(record.decision) == bits(keep(block, decision))
    assert verify(tmp_path).ok


def test_the_header_says_whose_journal_it_is(tmp_path):
    write_journal(tmp_path, 2, n=4)
    start = next(read(tmp_path))
    assert isinstance(start, SegmentStart)
    assert start.path.name == "00000001-20260921T141320Z.vppj"
    assert start.header.about == ABOUT
    assert start.header.created_utc_s == UTC_S
    assert bits(start.header.params) == bits(make_params(4))


def test_segments_turn_over_and_each_reads_alone(tmp_path):
    write_journal(tmp_path, 25, segment_ticks=10)
    paths = sorted(tmp_path.iterdir())
    assert [tick_numbers(p) for p in paths] == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 25)),
    ]
    for path in paths:
        report = replay(path, fake_tick)
        assert (report.bit_exact, report.runs) == (True, 1)
        assert verify(path).closed
    whole = replay(tmp_path, fake_tick)
    assert (whole.ticks, whole.bit_exact, whole.runs, whole.segments) == (25, True, 1, 3)
    assert whole.bytes == sum(p.stat().st_size for p in paths)


def test_segments_turn_over_by_size(tmp_path):
    daemon = Daemon(tmp_path, 50, limits=Limits(segment_bytes=30_000))
    daemon.run(0, 60)
    daemon.writer.close()
    sizes = [p.stat().st_size for p in sorted(tmp_path.iterdir())]
    assert len(sizes) > 2
    assert max(sizes) < 32_500
    assert replay(tmp_path, fake_tick).bit_exact


def test_other_params_begin_a_segment_and_a_run(tmp_path):
    daemon = Daemon(tmp_path, 3)
    daemon.run(0, 4)
    daemon.params, daemon.state = make_params(5, seed=9), first_state(5)
    about = dataclasses.replace(ABOUT, config_hash="beef")
    daemon.writer.reconfigure(daemon.params, about, UTC_S + 4)
    daemon.run(4, 8)
    daemon.writer.close()
    starts = [r.header for r in read(tmp_path) if isinstance(r, SegmentStart)]
    assert [(h.n, h.about.config_hash) for h in starts] == [(3, "c0ffee"), (5, "beef")]
    report = replay(tmp_path, fake_tick)
    assert (report.ticks, report.bit_exact, report.runs) == (8, True, 2)
    assert verify(tmp_path).ok


def test_events_stand_among_the_ticks(tmp_path):
    daemon = Daemon(tmp_path)
    daemon.writer.put_event(UTC_S, "start", version="0.1.0", shadow=False)
    daemon.run(0, 2)
    daemon.writer.put_event(float("nan"), "order", order="LOCAL", room_mw=float("inf"))
    daemon.writer.close()
    kinds = [type(r) for r in read(tmp_path)]
    assert kinds == [
        SegmentStart, EventRecord, StateRecord, TickRecord, TickRecord, EventRecord, SegmentEnd,
    ]  # fmt: skip
    start, order = [r for r in read(tmp_path) if isinstance(r, EventRecord)]
    assert (start.utc_s, start.event) == (UTC_S, "start")
    assert start.fields == {"version": "0.1.0", "shadow": False}
    assert (order.utc_s, order.fields) == (None, {"order": "LOCAL", "room_mw": None})


class Gate:
    """Holds the thread of a writer until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self) -> None:
        assert self.open.wait(10.0)


def test_a_full_queue_drops_counts_and_alarms_and_control_never_waits(tmp_path):
    gate = Gate()
    daemon = Daemon(tmp_path, inline=False, capacity=4, on_thread_start=gate)
    assert [daemon.tick(i) for i in range(7)] == [True] * 4 + [False] * 3
    status = daemon.writer.status()
    assert (status.queued, status.dropped, status.alarm) == (4, 3, True)
    assert status.unsynced_age_s > 0.0
    gate.open.set()
    assert daemon.writer.drain(10.0)
    daemon.run(7, 9)
    assert daemon.writer.drain(10.0)
    status = daemon.writer.status()
    assert (status.dropped, status.alarm, status.unsynced_age_s) == (3, False, 0.0)
    assert daemon.writer.close()
    assert tick_numbers(tmp_path) == [0, 1, 2, 3, 7, 8]
    (gap,) = [r for r in read(tmp_path) if isinstance(r, EventRecord)]
    assert (gap.event, gap.fields) == ("journal_gap", {"lost": 3})
    report = replay(tmp_path, fake_tick)  # the state after the gap is on record
    assert (report.bit_exact, report.runs) == (True, 2)


def test_the_queue_leaves_room_for_events(tmp_path):
    gate = Gate()
    daemon = Daemon(tmp_path, inline=False, capacity=2, on_thread_start=gate)
    daemon.run(0, 2)
    assert not daemon.tick(2)
    assert daemon.writer.put_event(UTC_S, "stop", reason="SIGTERM")
    gate.open.set()
    assert daemon.writer.close()
    assert [r.event for r in read(tmp_path) if isinstance(r, EventRecord)] == ["stop"]


def test_close_gives_up_after_its_time_and_the_thread_still_ends(tmp_path):
    gate = Gate()
    daemon = Daemon(tmp_path, inline=False, on_thread_start=gate)
    daemon.run(0, 3)
    assert not daemon.writer.close(timeout_s=0.01)
    assert not daemon.tick(3)
    gate.open.set()
    assert daemon.writer.close(timeout_s=10.0)
    assert tick_numbers(tmp_path) == [0, 1, 2]
    assert [r.tail.ending for r in read(tmp_path) if isinstance(r, SegmentEnd)] == [Ending.CLOSED]


def test_a_tick_that_does_not_fit_is_counted_and_the_next_one_is_written(tmp_path):
    daemon = Daemon(tmp_path)
    daemon.run(0, 2)
    image = dataclasses.replace(make_image(2, 3), soc_pu=np.zeros(9))
    after, decision = fake_tick(daemon.state, make_image(2, 3), daemon.params)
    daemon.writer.put(make_meta(2), daemon.state, image, decision)
    daemon.state = after
    status = daemon.writer.status()
    assert (status.alarm, status.lost) == (True, 1)
    assert "Image.soc_pu" in status.error
    daemon.run(3, 5)
    assert not daemon.writer.status().alarm
    daemon.writer.close()
    report = replay(tmp_path, fake_tick)
    assert (report.ticks, report.bit_exact, report.runs) == (4, True, 2)


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_journal(tmp_path / name, 20, segment_ticks=8)
    a, b = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [p.name for p in a] == [p.name for p in b]
    assert [p.read_bytes() for p in a] == [p.read_bytes() for p in b]


def test_a_clock_that_makes_no_sense_names_the_segment_undated(tmp_path):
    daemon = Daemon(tmp_path)
    daemon.writer.reconfigure(daemon.params, ABOUT, 1e300)
    image = make_image(0, 3)
    _, decision = fake_tick(daemon.state, image, daemon.params)
    meta = dataclasses.replace(make_meta(0), utc_s=float("nan"))
    assert daemon.writer.put(meta, daemon.state, image, decision)
    daemon.writer.close()
    assert sorted(p.name for p in tmp_path.iterdir())[1] == "00000002-undated.vppj"
    starts = [r.header for r in read(tmp_path) if isinstance(r, SegmentStart)]
    assert np.isnan(starts[1].created_utc_s)


def test_a_live_journal_is_read_while_it_is_written(tmp_path):
    daemon = Daemon(tmp_path, inline=False)
    daemon.run(0, 5)
    assert daemon.writer.drain(10.0)
    assert tick_numbers(tmp_path) == [0, 1, 2, 3, 4]
    report = verify(tmp_path)
    assert (report.ok, report.closed) == (True, False)
    daemon.writer.close()
    assert verify(tmp_path).closed
