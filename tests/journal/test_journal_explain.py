"""`vppd explain` finds the right tick, runs it again, and puts into words what held whom."""

import dataclasses
import json
import math
from datetime import UTC, datetime, time, timedelta, timezone

import numpy as np
import pytest
from builders import NAN
from builders import image as core_image
from builders import params as core_params
from journal_plant import ABOUT, UTC_S, make_meta, only_segment

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Policy
from vppd.journal.appender import Limits
from vppd.journal.errors import DamageError, NoTickError
from vppd.journal.find import find
from vppd.journal.frames import HEAD_SIZE
from vppd.journal.instant import (
    At,
    InstantError,
    SinceStart,
    TickNumber,
    TimeOfDay,
    instant_s,
    parse,
    utc_text,
)
from vppd.journal.scan import SegmentScan
from vppd.journal.writer import JournalWriter
from vppd.runtime.explain import UnknownUnitError, explained


def write(folder, params, images, *, first_s=UTC_S, segment_s=1e9, shadow=False, tick=tick):
    """A journal of the real core; one tick a second."""
    writer = JournalWriter(
        folder, params, ABOUT, utc_s=first_s, inline=True, sync=False,
        limits=Limits(segment_s=segment_s),
    )  # fmt: skip
    writer.put_event(first_s, "start", version="1", shadow=shadow)
    state = initial_state(params)
    for k, image in enumerate(images):
        after, decision = tick(state, image, params)
        meta = dataclasses.replace(make_meta(0), utc_s=first_s + k)
        assert writer.put(meta, state, image, decision)
        state = after
    assert writer.close()


def images(count=10, n=3, **changes):
    return [
        core_image(n, tick=k, now_s=100.0 + k, agc_pu=0.03 * k, **changes) for k in range(count)
    ]


def document(folder, at, der=None):
    text, damage = explained(folder, at, der, as_json=True)
    assert damage is None
    return json.loads(text)


def text_of(folder, at, der=None):
    return explained(folder, at, der, as_json=False)[0]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("#123", TickNumber(123)),
        ("+42.5", SinceStart(42.5)),
        ("+42 s", SinceStart(42.0)),
        ("2026-11-22T10:00:00Z", At(datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp())),
        ("2026-11-22T10:00:00+08:00", At(datetime(2026, 11, 22, 2, tzinfo=UTC).timestamp())),
        ("2026-11-22 10:00", At(datetime(2026, 11, 22, 10).astimezone().timestamp())),
        (" 10:00:01.5 ", TimeOfDay(time(10, 0, 1, 500000), None)),
        ("T10:00Z", TimeOfDay(time(10), UTC)),
        ("10:00:00+08:00", TimeOfDay(time(10), timezone(timedelta(hours=8)))),
    ],
)
def test_instants_as_people_write_them(text, instant):
    assert parse(text) == instant


@pytest.mark.parametrize(
    "text",
    ["", "x", "#", "#-1", "#1.5", "+", "+nan", "+1e3", "25:00:00", "10:61", "2026-13-01", "12"],
)
def test_what_is_no_instant_is_told_the_forms(text):
    with pytest.raises(InstantError, match=r"is no instant: .*HH:MM:SS, #TICK"):
        parse(text)


def test_a_time_of_day_is_that_of_the_journal():
    start_s = datetime(2026, 11, 22, 23, 50, tzinfo=UTC).timestamp()
    hour = 3600.0
    at = {
        "23:55:00Z": start_s + 300.0,
        "00:10:00Z": start_s + 1200.0,  # the next day
        "23:50:00Z": start_s,
        "07:55:00+08:00": start_s + 300.0,
    }
    for text, expected_s in at.items():
        assert instant_s(parse(text), start_s, start_s + 2 * hour) == expected_s
    # The first tick may begin within the second that is named.
    assert instant_s(parse("23:50:00Z"), start_s + 0.4, start_s + hour) == start_s + 0.4
    with pytest.raises(InstantError, match="several days of this journal: give the date"):
        instant_s(parse("00:10:00Z"), start_s, start_s + 25 * hour)
    assert instant_s(parse("00:10:00Z"), start_s, start_s + 24 * hour) == start_s + 1200.0


def test_every_form_finds_the_tick_in_force(tmp_path):
    write(tmp_path, core_params(), images(10), segment_s=4.0)
    for at in (
        "#7", "+7", "+7.999", utc_text(UTC_S + 7), utc_text(UTC_S + 7.9),
        f"{datetime.fromtimestamp(UTC_S + 7, UTC):%H:%M:%S}Z",
        f"{datetime.fromtimestamp(UTC_S + 7, UTC).astimezone():%H:%M:%S}",
    ):  # fmt: skip
        found = document(tmp_path, at)
        assert found["tick"]["number"] == 7, at
        assert found["certificate"]["bit_exact"]
    assert document(tmp_path, "+7.25")["tick"]["age_s"] == 0.25
    assert document(tmp_path, "+9.9")["tick"]["number"] == 9
    assert document(tmp_path, "#0")["tick"]["mode"] == "REGULATING"


def test_an_instant_as_printed_is_that_tick(tmp_path):
    """Printed to the millisecond, an instant is a little before the tick."""
    write(tmp_path, core_params(), images(4), first_s=UTC_S + 0.0006)
    printed = text_of(tmp_path, "#2").split("   ")[2].split("\n")[0]
    assert document(tmp_path, printed)["tick"]["number"] == 2


@pytest.mark.parametrize("at", ["#10", "+11.1", "2001-01-01T00:00:00Z"])
def test_outside_of_the_journal_its_range_is_told(tmp_path, at):
    write(tmp_path, core_params(), images(10))
    with pytest.raises(InstantError) as error:
        explained(tmp_path, at, None, as_json=True)
    assert f"from {utc_text(UTC_S)} (#0, +0) to {utc_text(UTC_S + 9)} (#9, +9.000)" in str(
        error.value
    )


def test_numbers_of_two_runs_are_ambiguous(tmp_path):
    write(tmp_path, core_params(), images(5), segment_s=2.0, shadow=True)
    write(tmp_path, core_params(), images(3), first_s=UTC_S + 100.0)
    with pytest.raises(InstantError) as error:
        find(tmp_path, TickNumber(1), tick)
    assert f"several ticks #1, at {utc_text(UTC_S + 1)} and at {utc_text(UTC_S + 101)}" in str(
        error.value
    )
    assert find(tmp_path, TickNumber(4), tick).record.meta.utc_s == UTC_S + 4
    assert find(tmp_path, TickNumber(4), tick).shadow is True
    assert find(tmp_path, SinceStart(101.0), tick).shadow is False
    gap = find(tmp_path, SinceStart(50.0), tick)  # nobody ran: the last tick is old, and says so
    assert (gap.record.image.tick, gap.age_s) == (4, 46.0)


def test_no_tick(tmp_path):
    write(tmp_path, core_params(), [])
    with pytest.raises(NoTickError, match="no whole tick"):
        find(tmp_path, TickNumber(0), tick)


def test_a_core_that_differs_is_told(tmp_path):
    def other(state, image, params):
        after, decision = tick(state, image, params)
        return after, dataclasses.replace(decision, request_mw=9.0)

    write(tmp_path, core_params(), images(3), tick=other)
    proof = document(tmp_path, "#1")["certificate"]
    assert proof["bit_exact"] is False
    assert "tick 1: request_mw: recorded 9.0, computed " in proof["difference"]
    assert "NOT the same" in text_of(tmp_path, "#1")


def test_a_core_that_differs_in_what_is_not_stored_is_told(tmp_path):
    def other(state, image, params):
        after, decision = tick(state, image, params)
        return after, dataclasses.replace(decision, kkt_mw=9.0)

    write(tmp_path, core_params(), images(3), tick=other)
    proof = document(tmp_path, "#1")["certificate"]
    assert proof["bit_exact"] is False
    assert proof["difference"].endswith("tick 1: a column that is not stored differs")


def test_damage_hides_the_tick_or_is_told_behind_it(tmp_path):
    write(tmp_path, core_params(), images(8))
    path = only_segment(tmp_path)
    with SegmentScan(path) as scan:
        records = list(scan)
    data = bytearray(path.read_bytes())
    data[records[6].offset + HEAD_SIZE] ^= 1  # event, state, ticks 0 to 3 stand before it
    path.write_bytes(data)
    for asked in (TickNumber(3), SinceStart(2.0)):
        assert "checksum" in str(find(tmp_path, asked, tick).damage)
    for asked in (TickNumber(4), SinceStart(3.0), SinceStart(6.0)):
        with pytest.raises(DamageError):
            find(tmp_path, asked, tick)


def short():
    """20 MW asked; a ramp of 1 MW, 2 MW of sun, a rating of 10 MW, and a unit that is lost.

    Were they not held, the cheapest way to give the 7 MW that are missing is 3.333 MW each.
    """
    params = core_params(
        4,
        ids=("slow", "sun", "full", "lost"),
        kinds=("battery", "pv", "battery", "ev_hub"),
        ramp_up_mw_per_s=np.array([1.0, 20.0, 20.0, 20.0]),
        watchdog_s=np.full(4, 100.0),
    )
    seen = [
        core_image(4, tick=k, now_s=100.0 + k, agc_pu=float(k), **changes)
        for k, changes in enumerate(
            [{}, {"p_avail_max_mw": np.array([NAN, 2.0, NAN, NAN]),
                  "connected": np.array([1, 1, 1, 0], np.uint8)}]
        )
    ]  # fmt: skip
    return params, seen


@pytest.mark.parametrize("policy", list(Policy))
def test_unserved_power_adds_up(tmp_path, policy):
    params, seen = short()
    write(tmp_path, dataclasses.replace(params, policy=policy), seen)
    found = document(tmp_path, "#1")
    served = found["served"]
    assert served["unserved_mw"] == pytest.approx(7.0)
    assert found["request"]["request_mw"] - served["served_mw"] == served["unserved_mw"]
    parts = sum(reason["unserved_mw"] for reason in found["reasons"])
    assert parts + served["beyond_ratings_mw"] == pytest.approx(7.0)
    held = {unit["id"]: (unit["held_by"], unit["gate"]) for unit in found["units"]}
    assert held == {
        "slow": ("RAMP", "physics"),
        "sun": ("AVAILABLE", "physics"),
        "full": ("RATING", "physics"),
        "lost": ("UNREACHABLE", "operations"),
    }
    by_gate = {gate["gate"]: gate["units"] for gate in found["gates"]}
    assert by_gate == {"physics": 3, "market": 0, "operations": 1}


def test_the_text_says_who_was_held_by_what(tmp_path):
    params, seen = short()
    write(tmp_path, params, seen)
    text = text_of(tmp_path, "#1")
    assert "7.000 MW more were asked for than will be served." in text
    assert "Every unit stands at the upper limit. Of what is missing, " in text
    assert (
        "UNREACHABLE holds 3.333 MW (1 unit), RAMP holds 2.333 MW (1 unit)"
        " and AVAILABLE holds 1.333 MW (1 unit)."
    ) in text
    table = [line.split() for line in text.splitlines()]
    rows = {row[0]: row for row in table if row and row[0] in ("slow", "sun", "full", "lost")}
    assert rows["lost"][:3] == ["lost", "ev_hub", "0.000"]
    assert rows["slow"][-3:] == ["RAMP", "physics", "yes"]
    assert rows["lost"][-3:] == ["UNREACHABLE", "operations", "no"]
    assert max(map(len, text.splitlines())) < 170


def test_one_unit_in_sentences(tmp_path):
    params, seen = short()
    write(tmp_path, dataclasses.replace(params, policy=Policy.RESPONSE_AWARE), seen)
    lost = text_of(tmp_path, "#1", "lost")
    assert lost.startswith("lost (ev_hub)   site   tick #1   ")
    for part in (
        "measured   0.000 MW 0.00 s ago, quality ONLINE, LINK DOWN",
        "its ramp starts from 0.000 MW; it accepted 0.000 MW 0.00 s ago",
        "limits     0.000 MW (UNREACHABLE, operations) to 0.000 MW (UNREACHABLE, operations)",
        "got        0.000 MW; held by UNREACHABLE (operations): link down",
        "sent       no: its link is down",
        "running the tick again gives the same bits",
    ):
        assert part in lost
    slow = text_of(tmp_path, "#1", "slow")
    assert "got        1.000 MW; held by RAMP (physics): as far as its ramp takes it" in slow
    assert "less than its share" in slow
    assert "sent       yes" in slow


def test_a_price_that_moves_nobody_is_told_as_such(tmp_path):
    params, seen = short()
    params = dataclasses.replace(params, policy=Policy.RESPONSE_AWARE)
    write(tmp_path, params, seen)
    text = text_of(tmp_path, "#1")
    assert "all units that count there stand at a limit" in text
    assert "7.000 MW more were asked for than will be delivered at +1 s." in text
    assert "The setpoints are 7.000 MW short of the request; 0.000 MW of them are" in text


def test_an_unknown_unit_is_told_the_near_ones(tmp_path):
    params, seen = short()
    write(tmp_path, params, seen)
    with pytest.raises(UnknownUnitError, match="no unit 'slo' among 4; did you mean slow"):
        explained(tmp_path, "#1", "slo", as_json=False)
    with pytest.raises(UnknownUnitError, match="among 4; the first is slow"):
        explained(tmp_path, "#1", "zzz", as_json=False)


def test_the_keys_of_the_document(tmp_path):
    params, seen = short()
    write(tmp_path, dataclasses.replace(params, policy=Policy.RESPONSE_AWARE), seen)
    found = document(tmp_path, "#1", "sun")
    assert [unit["id"] for unit in found["units"]] == ["sun"]
    keys = {key: list(part) if isinstance(part, dict) else None for key, part in found.items()}
    assert keys == {
        "schema": None,
        "tick": ["site", "segment", "number", "utc_s", "since_start_s", "dt_s", "age_s", "trigger",
                 "mode", "order", "policy", "shadow"],
        "signal": ["agc_pu", "age_s", "quality", "verdict", "used_pu", "in_force_pu",
                   "capacity_up_mw", "capacity_down_mw", "freq_hz"],
        "request": ["basepoint_sum_mw", "regulation_mw", "droop_mw", "request_mw"],
        "served": ["served_mw", "unserved_mw", "counted_mw", "setpoints_mw", "beyond_ratings_mw",
                   "points"],
        "certificate": ["status", "lam", "kkt_mw", "unexplained_mw", "bit_exact", "difference"],
        "gates": None, "reasons": None, "groups": None, "units": None,
    }  # fmt: skip
    assert list(found["served"]["points"][1]) == [
        "ahead_s", "wanted_mw", "expected_mw", "price", "used_price",
    ]  # fmt: skip
    assert list(found["reasons"][0]) == list(found["gates"][0]) == [
        "reason", "gate", "units", "kept_up_mw", "kept_down_mw", "unserved_mw", "room_mw",
        "on_its_way_mw",
    ]  # fmt: skip
    assert list(found["units"][0]) == [
        "id", "kind", "measured_mw", "measured_age_s", "quality", "connected", "remote",
        "operator_mw", "model_mw", "soc_pu", "last_mw", "accepted_mw", "accepted_age_s",
        "write_result", "basepoint_mw", "target_mw", "weight", "gain_pu", "lower", "upper",
        "would_mw", "setpoint_mw", "kept_mw", "held_by", "gate", "bound_by", "room_mw",
        "unserved_mw", "expected_mw", "sent",
    ]  # fmt: skip
    assert found["units"][0]["soc_pu"] is None
    assert not math.isnan(found["units"][0]["kept_mw"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order": 2}, "share      0.000 MW, its safe value"),
        ({"basepoint_mw": np.array([NAN, 0.0, 0.0])}, "the split was refused, nobody has a share"),
        ({"locked": np.array([1, 0, 0], np.uint8)}, "operator   holds it at 0.000 MW"),
        ({"remote": np.array([0, 1, 1], np.uint8)}, "sent       no: it takes no orders"),
        ({"measured_at_s": np.array([NAN] * 3)}, "sent       no: nothing is sent in mode STARTING"),
        ({"accepted_mw": np.array([NAN] * 3)}, "it has accepted none yet"),
        ({}, "free, and this is its share"),
    ],
)
@pytest.mark.parametrize("policy", list(Policy))
def test_every_case_has_its_words(tmp_path, changes, words, policy):
    params = core_params(policy=policy)
    write(tmp_path, params, images(2, **changes))
    assert words in text_of(tmp_path, "#1", "u0")
    whole = text_of(tmp_path, "#1")
    assert "nan" not in whole
    assert whole.count("\n") > 12
