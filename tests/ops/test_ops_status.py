"""The status record: to JSON and back, and as text for people."""

import dataclasses
import json
import math

import pytest
from ops_builders import status

from vppd.ops.status import (
    AlarmStatus,
    Benched,
    IoStatus,
    JournalStatus,
    PowerStatus,
    PromiseStatus,
    SignalStatus,
    StatusError,
    TimingStatus,
    from_json,
    to_json,
)
from vppd.ops.status_text import duration, render
from vppd.ops.timing import Quantiles

LOST = Benched("ev-07", "ev_hub", "UNREACHABLE", 12.5, "prediction", -0.25, "connection refused")
ALARM = AlarmStatus(
    id="unit_lost:ev-07", name="unit_lost", subject="ev-07", group="units", priority="LOW",
    state="unacknowledged", first_out=True, since_s=61.0, raised_s=61.0, count=2,
    title="A unit is out of reach", action="Have its link looked at.", value=0.25, unit="pu",
    detail="UNREACHABLE\x1b", suppressed_by="", shelved_for_s=float("nan"), shelve_max_s=28800.0,
    who="", why="",
)  # fmt: skip
FULL = status(
    alarms=(ALARM, dataclasses.replace(ALARM, id="agc_lost", state="shelved", shelved_for_s=9.0)),
    signal=SignalStatus(agc_pu=-0.5, age_s=1.25, verdict="UNCHANGED"),
    power=PowerStatus(-67.5, -66.0, -65.5, -1.5),
    timing=TimingStatus(1.0, "timerfd", Quantiles(101.0, 202.0, 909.0), Quantiles(), 500, 2),
    io=IoStatus(writes=1000, failed_writes=20, reconnects=3),
    journal=JournalStatus("state/journal", 1000, 2_500_000, 0, "No space left on device"),
    benched=(LOST,),
    shadow=True,
    promise=(
        PromiseStatus(1.0, 20.0, 21.0, 10.0, 11.0),
        PromiseStatus(900.0, 75.5, 76.0, 65.0, float("nan")),
    ),
    award_short=True,
)


def plain(value):
    """NaN compares unequal to itself; as text it does not."""
    return repr(dataclasses.astuple(value))


@pytest.mark.parametrize("record", [status(), FULL], ids=["fresh", "full"])
def test_json_and_back_is_the_same(record):
    assert plain(from_json(to_json(record))) == plain(record)


def test_never_is_null_in_json_and_nan_in_the_record():
    document = json.loads(to_json(status()))
    assert document["signal"]["agc_pu"] is None
    assert document["schema"] == 1
    assert math.isnan(from_json(json.dumps(document)).signal.agc_pu)


def test_a_key_of_a_newer_daemon_is_passed_over():
    document = json.loads(to_json(FULL)) | {"planner": {"solver": "highs"}}
    assert plain(from_json(json.dumps(document))) == plain(FULL)


def changed(**changes):
    return json.dumps(json.loads(to_json(FULL)) | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON document"),
        ('{"schema": 1, "site"', "no JSON document"),
        ("[]", "no status of schema 1: another version"),
        (changed(schema=2), "no status of schema 1: another version"),
        (changed(pid="4711"), "pid: unexpected '4711'"),
        (changed(pid=True), "pid: unexpected True"),
        (changed(uptime_s="long"), "uptime_s: unexpected 'long'"),
        (changed(benched=[{"id": "x"}]), "missing 5 required"),
        (changed(benched={}), "benched: unexpected {}"),
        (changed(signal=[]), r"signal: unexpected \[\]"),
        ('{"schema": 1}', "missing 15 required"),
    ],
)
def test_another_answer_is_refused_with_its_reason(text, message):
    with pytest.raises(StatusError, match=message):
        from_json(text)


def test_people_see_what_is_wrong():
    text = render(FULL)
    for part in (
        "REGULATING for 1 min 1 s",
        "SHADOW: nothing is written to devices",
        "units 210/210",
        "AGC -0.500 pu, 1.2 s old, UNCHANGED",
        "basepoint -27.500 MW, regulation +80.000/-80.000 MW",
        "asked -67.500 MW, set -66.000 MW, measured -65.500 MW, unserved -1.500 MW",
        "1 s by timerfd, missed 2, early 500",
        "took p50 101.00, p99 202.00, max 909.00 µs",
        "late p50 -, p99 -, max - ms",
        "writes 1000, failed 20",
        "SCHED_FIFO 40; memory locked as used",
        "state/journal: 1000 ticks, 2.5 MB, dropped 0, ERROR No space left on device",
        "pid 4711, up 1 d 1 h, tick 90061",
        "alarms    1 alarm, 1 shelved",
        "LOW      unacknowledged for 1 min 1 s   unit_lost:ev-07 UNREACHABLE? (0.25 pu)   FIRST",
        "A unit is out of reach. Have its link looked at.",
        "UNREACHABLE   for   12.5 s   counted as prediction -0.250 MW   connection refused",
    ):
        assert part in text


def test_people_see_that_nothing_is_wrong():
    text = render(status())
    assert "never received" in text
    assert "benched   none" in text
    assert "alarms    none" in text
    assert "journal   none" in text
    assert "SHADOW" not in text
    assert "order" not in text
    assert "lines dropped" not in text


def test_what_rounds_to_nothing_has_no_minus():
    text = render(
        status(
            power=PowerStatus(request_mw=-0.0, unserved_mw=-1e-9), signal=SignalStatus(agc_pu=-1e-9)
        )
    )
    assert "asked 0.000 MW" in text
    assert "unserved 0.000 MW" in text
    assert "AGC +0.000 pu" in text


def test_an_order_and_a_log_that_loses_lines_are_shown():
    text = render(status(order="LOCAL", log_lines_dropped=7))
    assert "order LOCAL" in text
    assert "7 lines dropped" in text


def test_words_of_a_device_do_not_move_the_cursor():
    evil = dataclasses.replace(LOST, detail="\x1b[2J\x9b1Aall is well\nmode SAFE")
    text = render(status(benched=(evil,)))
    assert "?[2J?1Aall is well?mode SAFE" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (60.0, "1 min 0 s"),
        (3599.9, "59 min 59 s"),
        (3600.0, "1 h 0 min"),
        (90_000.0, "1 d 1 h"),
        (math.nan, "-"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_promises_stand_under_the_headroom_one_line_a_horizon():
    lines = render(FULL).splitlines()
    (first,) = (k for k, line in enumerate(lines) if line.startswith("promise"))
    assert lines[first - 1].startswith("headroom")
    assert "in 1.0 s " in lines[first]
    assert "+20.000/-21.000 MW around the plan, firm +10.000/-11.000 MW" in lines[first]
    assert "in 15 min 0 s" in lines[first + 1]
    assert "firm +65.000/-- MW" in lines[first + 1]
    assert "MORE REGULATION WAS SOLD" in lines[first + 2]
    assert "promise" not in render(status())
