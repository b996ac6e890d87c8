"""Doubt, the bench and the way back, unit by unit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_trust import LIMIT, in_a_tick

from vppd.kernels import trust

NAN = math.nan
IN, AWAY, BENCHED = 0, 6, 20


def judge(doubt=0.0, benched_s=NAN, wait_s=0.0, p_mw=0.0, told_mw=0.0, was=IN, reason=IN, dt_s=1.0):
    """One unit of -5 to 5 MW at 100 s: reason, doubt, benched since, next wait."""
    one = np.ones(1)
    reasons = np.array([reason], np.uint8)
    out = np.empty((3, 1))
    count = trust.judge(
        100.0, dt_s, LIMIT, -5.0 * one, 5.0 * one, p_mw * one, told_mw * one, doubt * one,
        benched_s * one, wait_s * one, np.array([was], np.uint8), reasons, *out,
    )  # fmt: skip
    assert count == (reasons[0] == BENCHED)
    return int(reasons[0]), *out[:, 0].tolist()


def test_who_is_doubted_less_than_the_limit_stays():
    reason, doubt, benched_s, wait_s = judge(doubt=0.1)
    assert (reason, doubt, wait_s) == (IN, 0.1, 0.0)
    assert math.isnan(benched_s)
    assert judge(doubt=NAN)[:2] == (IN, 0.0)  # not known yet


@pytest.mark.parametrize(
    ("wait_s", "next_s"),
    [(0.0, 60.0), (NAN, 60.0), (60.0, 120.0), (960.0, 1920.0), (1920.0, 1920.0)],
)
def test_who_is_doubted_more_is_benched_for_twice_as_long_as_before(wait_s, next_s):
    assert judge(doubt=0.1001, wait_s=wait_s) == (BENCHED, 0.1001, 100.0, next_s)


@pytest.mark.parametrize("p_mw", [1.1, -1.1, NAN])
def test_who_is_not_where_he_is_told_to_be_waits_anew(p_mw):
    """A tenth of 10 MW off is allowed."""
    assert judge(0.2, 50.0, 60.0, p_mw, was=BENCHED) == (BENCHED, 0.2, 100.0, 60.0)
    if not math.isnan(p_mw):
        assert judge(0.2, 50.0, 60.0, p_mw * 0.9, was=BENCHED) == (BENCHED, 0.2, 50.0, 60.0)


def test_who_was_away_meanwhile_waits_anew():
    assert judge(0.2, 50.0, 60.0, was=AWAY) == (BENCHED, 0.2, 100.0, 60.0)
    reason, doubt, benched_s, wait_s = judge(0.2, 50.0, 60.0, was=AWAY, reason=AWAY)
    assert (reason, doubt, benched_s, wait_s) == (AWAY, 0.2, 50.0, 60.0)


@pytest.mark.parametrize(("since_s", "back"), [(40.0, True), (40.01, False)])
def test_who_has_behaved_for_his_time_comes_back_with_doubt_left(since_s, back):
    reason, doubt, benched_s, wait_s = judge(0.2, since_s, 60.0, was=BENCHED)
    assert (reason == IN) is back
    assert doubt == pytest.approx(0.075 if back else 0.2)
    assert math.isnan(benched_s) is back
    assert wait_s == 60.0


def test_the_past_is_forgotten_while_he_is_good():
    assert judge(0.02, wait_s=60.0, dt_s=2.0)[3] == pytest.approx(59.8)
    assert judge(0.03, wait_s=60.0, dt_s=2.0)[3] == 60.0  # in some doubt
    assert judge(0.0, wait_s=0.1, dt_s=2.0)[3] == 0.0


def shrink(doubt, box=(-5.0, 5.0), base_mw=1.0, reason=IN):
    """A unit of -5 to 5 MW: box, its reasons, and range."""
    one = np.ones(1)
    low, high, range_low, range_high = box[0] * one, box[1] * one, -5.0 * one, 5.0 * one
    reasons = np.ones((2, 1), np.uint8)
    count = trust.shrink(
        LIMIT, doubt * one, np.array([reason], np.uint8), base_mw * one, low, high, *reasons,
        range_low, range_high,
    )  # fmt: skip
    return count, (low[0], high[0]), reasons[:, 0].tolist(), (range_low[0], range_high[0])


@pytest.mark.parametrize(
    ("doubt", "part"),
    [(0.0, 1.0), (0.05, 1.0), (0.0625, 0.875), (0.075, 0.75), (0.1, 0.5), (9.0, 0.5)],
)
def test_a_range_shrinks_in_a_straight_line_to_its_half(doubt, part):
    count, box, reasons, span = shrink(doubt)
    assert span == pytest.approx((1.0 - 6.0 * part, 1.0 + 4.0 * part))
    assert box == pytest.approx(span)
    assert count == (part < 1.0)
    assert reasons == ([19, 19] if part < 1.0 else [1, 1])


def test_beyond_its_new_range_a_unit_comes_back_as_fast_as_it_may():
    """Half its range is -2 to 3 MW; the ramp lets it from -5 to -4, or from 5 to 4.5."""
    _, box, reasons, _ = shrink(0.1, (-5.0, -4.0))
    assert (box, reasons) == ((-4.0, -4.0), [19, 1])
    _, box, reasons, _ = shrink(0.1, (4.5, 5.0))
    assert (box, reasons) == ((4.5, 4.5), [1, 19])


def test_a_basepoint_beyond_the_range_counts_at_its_end():
    assert shrink(0.1, base_mw=8.0)[3] == (0.0, 5.0)
    assert shrink(0.1, base_mw=-8.0)[3] == (-5.0, 0.0)


def test_who_takes_no_part_keeps_his_limits():
    assert shrink(0.2, reason=AWAY) == (0, (-5.0, 5.0), [1, 1], (-5.0, 5.0))


def doubt_after(off_mw=1.0, p_mw=2.0, seen_s=100.0, avail=(NAN, NAN), doubt=0.02, was=IN, reason=IN,
                size_mw=5.0):  # fmt: skip
    """Of a unit of -5 to 5 MW whose last reading was 1 s before."""
    one, after = np.ones(1), np.empty(1)
    read = trust.count_doubt(
        LIMIT, 30.0, off_mw * one, p_mw * one, 99.0 * one, seen_s * one, -size_mw * one,
        size_mw * one, avail[0] * one, avail[1] * one, doubt * one, np.array([was], np.uint8),
        np.array([reason], np.uint8), after,
    )  # fmt: skip
    assert read == (after[0] != doubt)
    return float(after[0])


def test_doubt_is_a_mean_that_forgets():
    """1 MW of 10 is 0.1; a reading a second after the last weighs 1 / 31."""
    assert doubt_after() == pytest.approx(0.02 + 0.08 / 31.0)
    assert doubt_after(-1.0) == doubt_after(1.0)
    assert doubt_after(seen_s=101.0) == pytest.approx(0.02 + 0.08 * 2.0 / 32.0)
    assert doubt_after(0.0) == pytest.approx(0.02 * 30.0 / 31.0)


def test_one_reading_counts_with_no_more_than_four_limits():
    assert doubt_after(9.0) == doubt_after(4.0) == pytest.approx(0.02 + 0.38 / 31.0)


@pytest.mark.parametrize(
    "changes",
    [{"off_mw": NAN}, {"seen_s": 99.0}, {"was": AWAY}, {"reason": AWAY}, {"size_mw": 0.0},
     {"was": BENCHED}, {"p_mw": NAN}],
)  # fmt: skip
def test_what_is_no_news_changes_nothing(changes):
    assert doubt_after(**changes) == 0.02


def test_what_the_unit_said_it_could_not_do_is_no_fault_of_its():
    """2 MW where 1 was foretold, and 3 where 5: it had said 1.9 to 3.1 MW."""
    assert doubt_after(1.0, 2.0, avail=(1.9, NAN)) == pytest.approx(0.02 + (0.01 - 0.02) / 31.0)
    assert doubt_after(-2.0, 3.0, avail=(NAN, 3.1)) == pytest.approx(0.02 + (0.01 - 0.02) / 31.0)


@given(st.integers(0, 10_000))
def test_whatever_comes_limits_stay_in_order_and_within_what_they_were(seed):
    counts, reason, doubt, benched, wait, box, _, span, after = in_a_tick(
        np.random.default_rng(seed), 30
    )
    assert np.all(box[0] <= box[1])
    assert np.all(span[0] <= span[1])
    assert np.all((doubt >= 0.0) & (after >= 0.0) & (after <= 0.4))
    assert np.all((wait >= 0.0) & (wait <= 1920.0))
    assert counts[0] == (reason == BENCHED).sum()
    assert not np.isnan(benched[reason == BENCHED]).any()
