"""Replay finds a changed bit and names it; export says what was recorded."""

import dataclasses
import io
import json

import numpy as np
import pytest
from journal_plant import (
    UTC_S,
    Daemon,
    fake_tick,
    first_state,
    make_image,
    make_meta,
    only_segment,
    write_journal,
)

from vppd.core.types import EventCode, Mode, Quality, Reason, Trigger, Verdict, WriteResult
from vppd.journal.appender import Limits
from vppd.journal.errors import JournalError
from vppd.journal.export import export, rows
from vppd.journal.header import About, software
from vppd.journal.reader import SegmentStart, read
from vppd.journal.replay import replay


def one_bit_off(values: np.ndarray, at: int) -> np.ndarray:
    changed = values.copy()
    changed.view(np.uint64)[at] ^= 1
    return changed


def changed_tick(number, change):
    """The tick, but for one number, where the decision is changed."""

    def tick(state, image, params):
        after, decision = fake_tick(state, image, params)
        return after, change(decision) if image.tick == number else decision

    return tick


def test_the_right_core_gives_the_same_bits(tmp_path):
    write_journal(tmp_path, 30, segment_ticks=10)
    report = replay(tmp_path, fake_tick)
    assert (report.ticks, report.differing, report.first_difference) == (30, 0, None)
    assert (report.bit_exact, report.torn, report.unreadable) == (True, 0, ())


def test_one_bit_of_one_unit_is_named(tmp_path):
    write_journal(tmp_path, 30, n=4, segment_ticks=10)

    def change(decision):
        return dataclasses.replace(decision, p_setpoint_mw=one_bit_off(decision.p_setpoint_mw, 2))

    report = replay(tmp_path, changed_tick(17, change))
    first = report.first_difference
    assert (report.bit_exact, report.differing, report.ticks) == (False, 1, 30)
    assert (first.tick, first.field, first.unit) == (17, "p_setpoint_mw", "u2")
    assert first.recorded != first.computed
    assert first.recorded == pytest.approx(first.computed, rel=1e-15)
    assert first.segment.startswith("00000002-")
    assert str(first).startswith(f"{first.segment}: tick 17: p_setpoint_mw of u2: recorded ")


@pytest.mark.parametrize(
    ("change", "field", "unit", "recorded", "computed"),
    [
        ({"mode": 5}, "mode", None, 0, 5),
        ({"served_mw": -0.0}, "served_mw", None, 0.0, -0.0),
        ({"held_by": np.array([0, 3, 0], np.uint8)}, "held_by", "u1", 0, 3),
        ({"event_code": np.zeros(1, np.uint8), "event_index": np.zeros(1, np.int64),
          "event_value": np.zeros(1)}, "event_code", None, 0, None),
    ],
)  # fmt: skip
def test_any_field_counts(tmp_path, change, field, unit, recorded, computed):
    write_journal(tmp_path, 10)
    report = replay(tmp_path, changed_tick(5, lambda d: dataclasses.replace(d, **change)))
    first = report.first_difference
    assert (first.tick, first.field, first.unit) == (5, field, unit)
    assert (first.recorded, first.computed) == (recorded, computed)


def test_nan_is_the_same_only_bit_for_bit(tmp_path):
    write_journal(tmp_path, 3)

    def tick(state, image, params):
        after, decision = fake_tick(state, image, params)
        return after, dataclasses.replace(decision, served_mw=float("nan"))

    first = replay(tmp_path, tick).first_difference
    assert (first.field, first.recorded) == ("served_mw", 0.0)
    assert "nan (bits 7ff8000000000000)" in str(first)


@pytest.mark.parametrize(
    "change",
    [
        {"lam": -0.0},
        {"expected_mw": np.array([0.0, 0.0, -0.0])},
        {"promise_s": np.zeros(7), "promise_up_mw": np.zeros(7), "promise_down_mw": np.zeros(7),
         "promise_firm_up_mw": np.zeros(7), "promise_firm_down_mw": np.zeros(7)},
    ],
)  # fmt: skip
def test_one_bit_of_a_column_that_is_not_stored_is_found(tmp_path, change):
    write_journal(tmp_path, 12, segment_ticks=5)
    report = replay(
        tmp_path, changed_tick(7, lambda decision: dataclasses.replace(decision, **change))
    )
    first = report.first_difference
    assert (first.tick, first.field, report.differing) == (7, "a column that is not stored", 1)
    assert str(first).endswith("tick 7: a column that is not stored differs")


def test_a_state_that_drifts_shows_at_the_border_of_segments(tmp_path):
    write_journal(tmp_path, 30, segment_ticks=10)

    def tick(state, image, params):
        after, decision = fake_tick(state, image, params)
        if image.tick == 9:
            after = dataclasses.replace(after, mode_since_s=1.0)
        return after, decision

    report = replay(tmp_path, tick)
    first = report.first_difference
    assert (first.tick, first.field, first.recorded, first.computed) == (
        10, "state.mode_since_s", 0.0, 1.0,
    )  # fmt: skip
    assert report.differing == 1  # after the border the recorded state is taken


def test_missed_ticks_are_summed_over_runs(tmp_path):
    for first, missed in ((0, [0, 2, 2, 3]), (10, [0, 0, 1])):
        daemon = Daemon(tmp_path, limits=Limits(segment_s=2.0))
        for i, m in enumerate(missed):
            daemon.tick(first + i, m)
        daemon.writer.close()
    report = replay(tmp_path, fake_tick)
    assert (report.missed_ticks, report.runs, report.ticks) == (4, 2, 7)
    # In a segment from the middle of a run, only what it shows itself counts.
    assert replay(sorted(tmp_path.iterdir())[1], fake_tick).missed_ticks == 1


def test_no_ticks_is_not_bit_exact(tmp_path):
    Daemon(tmp_path).writer.close()
    report = replay(tmp_path, fake_tick)
    assert (report.ticks, report.bit_exact) == (0, False)


def test_progress_goes_to_the_end(tmp_path):
    daemon = Daemon(tmp_path, 400, limits=Limits(segment_s=100.0))
    daemon.run(0, 300)
    daemon.writer.close()
    seen = []
    replay(tmp_path, fake_tick, progress=lambda done, total: seen.append((done, total)))
    total = sum(p.stat().st_size for p in tmp_path.iterdir())
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)


def test_export_gives_one_line_a_tick(tmp_path):
    write_journal(tmp_path, 3)
    out = io.StringIO()
    assert export(tmp_path, out, fake_tick) == 3
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["tick"] for line in lines] == [0, 1, 2]
    assert (
        lines[1]
        | {
            "now_s": 101.0,
            "utc_s": UTC_S + 1,
            "trigger": Trigger.GRID.name,
            "verdict": Verdict.NONE.name,
            "mode": Mode.STARTING.name,
            "agc_pu": float(np.sin(1)),
            "agc_received_s": 100.7,
            "late_s": 0.0001,
            "tick_us": 120.0,
            "missed_ticks": 0,
            "unserved_mw": 0.0,
        }
        == lines[1]
    )
    assert lines[0]["agc_received_s"] is None  # NaN: never
    assert "p_setpoint_mw" not in lines[0]


def test_export_with_arrays_names_units_reasons_and_events(tmp_path):
    daemon = Daemon(tmp_path)
    image = dataclasses.replace(
        make_image(0, 3),
        quality=np.array([0, 2, 77], np.uint8),
        write_result=np.array([1, 2, 3], np.uint8),
    )
    after, decision = fake_tick(first_state(3), image, daemon.params)
    decision = dataclasses.replace(
        decision,
        held_by=np.array([0, 2, 6], np.uint8),
        event_code=np.array([2, 1], np.uint8),
        event_index=np.array([1, -1]),
        event_value=np.array([6.0, np.nan]),
    )
    daemon.writer.put(make_meta(0), first_state(3), image, decision)
    daemon.state = after
    daemon.tick(1)
    daemon.writer.close()
    first, second = rows(tmp_path, fake_tick, arrays=True)
    assert first["units"] == ["u0", "u1", "u2"]
    assert "units" not in second
    assert first["quality"] == [Quality.ONLINE.name, Quality.COMM_LOST.name, "77"]
    assert first["write_result"] == [w.name for w in list(WriteResult)[1:]]
    assert first["held_by"] == [r.name for r in (Reason.NONE, Reason.RAMP, Reason.UNREACHABLE)]
    assert first["soc_pu"] == [None] * 3
    assert first["p_setpoint_mw"] == decision.p_setpoint_mw.tolist()
    assert first["events"] == [
        {"event": EventCode.UNIT_LOST.name, "unit": "u1", "value": 6.0},
        {"event": EventCode.MODE.name, "unit": None, "value": None},
    ]


def test_versions_that_the_bits_depend_on_are_recorded(tmp_path):
    assert set(software()) == {"python", "machine", "vppd", "numpy", "numba", "llvmlite"}
    assert software()["numpy"] == np.__version__
    assert About("site", "hash").software == software()
    write_journal(tmp_path, 1)
    assert isinstance(next(read(only_segment(tmp_path))), SegmentStart)
    with pytest.raises(JournalError):
        replay(tmp_path / "nowhere", fake_tick)
