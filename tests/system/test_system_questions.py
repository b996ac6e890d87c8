"""The ten questions of `docs/questions.md`, asked of a day of which the answers are known."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from test_system_score import SECONDS, UTC_S, journal_of, vppd

from vppd.core.types import Order, Quality, WriteResult

pytest.importorskip("pyarrow")
duckdb = pytest.importorskip("duckdb")
from questions import connected, printed, questions  # noqa: E402  (it needs the library)

REFUSED_S, LOST_S, LOCAL_S, FREQUENCY_S = (200, 230), (400, 460), (700, 760), (601, SECONDS)


def is_in(span, k):
    return span[0] <= k < span[1]


def eventful(k, image):
    """u0 refuses; u1 is not heard; the operator takes the plant; u2 lags by 0.5 MW; two stores."""
    quality, connected_ = image.quality.copy(), image.connected.copy()
    write_result, p_meas_mw = image.write_result.copy(), image.p_meas_mw.copy()
    measured_at_s, locked = image.measured_at_s.copy(), image.locked.copy()
    write_result[0] = WriteResult.REFUSED if is_in(REFUSED_S, k) else WriteResult.ACCEPTED
    if is_in(LOST_S, k):
        quality[1], connected_[1] = Quality.COMM_LOST, 0
        measured_at_s[1] = 100.0 + LOST_S[0] - 1
        p_meas_mw[1] += 4.0
    locked[2] = is_in(LOCAL_S, k)
    return dataclasses.replace(
        image, quality=quality, connected=connected_, write_result=write_result,
        p_meas_mw=p_meas_mw, measured_at_s=measured_at_s, locked=locked,
        order=Order.LOCAL if is_in(LOCAL_S, k) else Order.AUTO,
        accepted_mw=p_meas_mw + np.array([0.0, 0.1, 0.5]),
        soc_pu=np.array([0.3 + k / 1e4, 0.7, np.nan]),
        energy_mwh=np.array([10.0 + k / 3600.0, np.nan, -5.0 - 2.0 * k / 3600.0]),
        energy_at_s=np.full(3, 100.0 + k), operator_mw=np.where(locked == 1, 1.0, np.nan),
    )  # fmt: skip


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    done = vppd("export", journal_of(folder / "journal", eventful), "--parquet", folder / "tables")
    assert done.exit_code == 0
    return connected(folder / "tables")


@pytest.fixture(scope="module")
def answers(day):
    return {number: day.sql(query).fetchall() for number, _, query, _ in questions()}


def test_there_are_ten_each_with_an_answer_in_words(day):
    asked = questions()
    assert [number for number, *_ in asked] == list(range(1, 11))
    for number, words, query, answer in asked:
        assert words.endswith("?")
        assert "ANSWER" not in answer
        columns = [each[0] for each in day.execute(query).description]
        assert answer.splitlines()[0].split() == columns, number
        assert printed(day, query).splitlines()[0].split() == columns
        assert len(answer.splitlines()) > 1


def test_1_who_was_off(answers):
    # u2 by 0.5 MW throughout; u1 by 0.1, but for when it was not read
    assert [(row[0], row[2], row[4]) for row in answers[1]] == [
        ("u2", 0.5, SECONDS + 1), ("u1", 0.1, SECONDS + 1 - 60), ("u0", 0.0, SECONDS + 1),
    ]  # fmt: skip


def test_2_energy_by_the_counters(answers):
    # of 1 MW and of 2; 01:46:40 to 02:06:40, 800 s and 400 s on either side of two o'clock
    assert [(row[0], row[1].hour, row[2], row[3]) for row in answers[2]] == [
        ("u2", 1, -0.4439, 799), ("u2", 2, -0.2222, 400), ("u0", 1, 0.2219, 799),
        ("u0", 2, 0.1111, 400),
    ]  # fmt: skip


def test_3_where_we_were_short(day, answers):
    short = day.execute("SELECT count(*), max(abs(unserved_mw)) FROM ticks"
                    " WHERE abs(unserved_mw) > 0.01").fetchall()[0]  # fmt: skip
    assert 0 < sum(row[1] for row in answers[3]) <= short[0]
    assert all(abs(row[2]) <= round(short[1], 3) for row in answers[3])
    assert {row[3] for row in answers[3] if row[3]} <= {
        "RATING", "RAMP", "SOC", "UNREACHABLE", "OPERATOR", "REFUSED", "FALLBACK", "CAPACITY",
        "TELEMETRY_AGE",
    }  # fmt: skip


def test_4_moves_and_turns(day, answers):
    ((_, units, moves, turns),) = answers[4]
    told: dict[str, list[float]] = {}
    for unit, p_mw in day.sql("SELECT unit, p_setpoint_mw FROM units WHERE sent"
                              " ORDER BY unit, utc").fetchall():  # fmt: skip
        told.setdefault(unit, []).append(p_mw)
    steps = {unit: [d for d in np.diff(p) if abs(d) > 0.001] for unit, p in told.items()}
    moved = {unit: s for unit, s in steps.items() if s}
    turned = sum(a * b < 0 for s in moved.values() for a, b in pairwise(s))
    assert units == len(moved)
    assert moves == pytest.approx(sum(map(len, moved.values())) / len(moved), abs=0.05)
    assert turns == pytest.approx(turned / len(moved), abs=0.05)


def test_5_the_plant_is_three_seconds_late(answers):
    ((_, delay, correlation),) = answers[5]
    assert 1 <= delay <= 4  # setpoints are of the tick, and their ramp takes its time
    assert correlation > 0.8


def test_6_the_frequency(answers):
    ((since, ticks, worst_hz, _, _),) = answers[6]
    assert since.timestamp() == UTC_S + FREQUENCY_S[0]
    assert (ticks, worst_hz) == (FREQUENCY_S[1] - FREQUENCY_S[0] + 1, 49.9)


def test_7_who_refused(answers):
    assert [(row[0], row[2], row[3]) for row in answers[7]] == [("u0", 30, 0)]


def test_8_the_stores(answers):
    assert sum(row[1] for row in answers[8]) == 2 * len(answers[8])
    first, last = answers[8][0], answers[8][-1]
    assert (first[2], first[4], first[5], first[6]) == (0.3, 0.7, "u0", "u1")
    assert last[2] == pytest.approx(0.3 + 1100 / 1e4, abs=0.011)


def test_9_orders(answers):
    found = [(row[0].timestamp() - UTC_S, row[1], row[3]) for row in answers[9]]
    assert (700.0, "LOCAL", 1) in found
    assert (760.0, "AUTO", 0) in found


def test_10_outages(answers):
    ((unit, _, since, ticks, off_mw, more_mw),) = answers[10]
    assert (unit, since.timestamp(), ticks) == ("u1", UTC_S + 400.0, 60)
    assert off_mw > more_mw > 0.0
