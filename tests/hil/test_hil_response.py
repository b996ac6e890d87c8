"""Response times, shares and overshoot: answers whose figures are known in closed form."""

import math

import numpy as np
import pytest

from hil.measure.response import measure, reached_s

T_S = np.arange(-50, 3801) * 0.1
STEP = np.where(T_S >= 0.0, 20.0, 0.0)


def first_order(tau_s, size=20.0, gain=1.0):
    return np.where(T_S >= 0.0, gain * size * (1.0 - np.exp(-T_S / tau_s)), 0.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("tau_s", [0.7, 3.0, 8.0])
def test_a_first_order_answer_to_a_step(tau_s, sign):
    found = measure(T_S, sign * STEP, sign * first_order(tau_s))
    assert found.required_mw == sign * 20.0
    assert found.response_50_s == pytest.approx(tau_s * math.log(2.0), abs=0.005)
    assert found.response_90_s == pytest.approx(tau_s * math.log(10.0), abs=0.005)
    assert found.share_10s_pct == pytest.approx(100.0 * (1.0 - math.exp(-10.0 / tau_s)))
    assert found.share_30s_pct == pytest.approx(100.0 * (1.0 - math.exp(-30.0 / tau_s)))
    assert found.overshoot_pct == 0.0


def test_too_much_is_overshoot_and_too_little_is_never_there():
    assert measure(T_S, STEP, first_order(1.0, gain=1.07)).overshoot_pct == pytest.approx(7.0)
    weak = measure(T_S, STEP, first_order(1.0, gain=0.6))
    assert weak.response_50_s == pytest.approx(math.log(6.0), abs=0.005)
    assert math.isnan(weak.response_90_s)
    assert weak.share_30s_pct == pytest.approx(60.0)


LONG_S = np.arange(-50, 6001) * 0.1
FALLS = np.where(LONG_S < 0.0, 0.0, np.where(LONG_S < 60.0, 20.0, 5.0))


def test_what_is_still_delivered_when_less_is_required_is_of_the_recovery():
    late = np.where((LONG_S >= 0.0) & (LONG_S < 87.0), 20.0, 5.0)  # 27 s too long, of 330 s
    found = measure(LONG_S, FALLS, late)
    assert found.swing_overshoot_pct == 0.0
    assert found.overshoot_pct == pytest.approx(75.0)
    assert found.recovery_off_pct == pytest.approx(100.0 * 27 / 330 * 0.75, rel=1e-6)
    assert found.share_30s_pct == pytest.approx(100.0)


def test_too_little_in_the_recovery_counts_as_much():
    found = measure(LONG_S, FALLS, 0.9 * FALLS)
    assert found.overshoot_pct == 0.0
    part = (30.0 * 2.0 + 300.0 * 0.5) / 330.0 / 20.0
    assert found.recovery_off_pct == pytest.approx(100.0 * part, rel=1e-3)


@pytest.mark.parametrize("until_s", [360.1, 420.0, 500.0])
def test_no_figure_depends_on_how_long_the_run_goes_on(until_s):
    given = np.where(LONG_S < 360.05, 1.2 * FALLS, 40.0)
    cut = until_s >= LONG_S
    found = measure(LONG_S[cut], FALLS[cut], given[cut])
    assert found == measure(LONG_S, FALLS, given)
    assert found.overshoot_pct == pytest.approx(20.0)


def test_a_run_that_ends_in_the_recovery_has_none():
    cut = LONG_S < 359.0
    found = measure(LONG_S[cut], FALLS[cut], FALLS[cut])
    assert math.isnan(found.recovery_off_pct)
    assert math.isnan(found.overshoot_pct)


def test_what_lies_before_the_event_does_not_count():
    early = np.where(T_S < 0.0, 30.0, 0.0)
    found = measure(T_S, STEP, early + first_order(2.0))
    assert repr(found) == repr(measure(T_S, STEP, first_order(2.0)))  # NaN differs from itself


def test_nothing_required_nothing_to_measure():
    found = measure(T_S, 0.0 * T_S, first_order(1.0))
    assert found.required_mw == 0.0
    assert math.isnan(found.response_50_s)
    assert math.isnan(found.overshoot_pct)


def test_a_run_that_ends_early_has_no_later_share():
    short = T_S < 20.0
    found = measure(T_S[short], STEP[short], first_order(1.0)[short])
    assert found.share_10s_pct == pytest.approx(100.0, abs=0.01)
    assert math.isnan(found.share_30s_pct)


def test_holes_in_the_record_are_not_taken_for_power():
    given = np.array([0.0, np.nan, 0.8, 1.0])
    assert reached_s(np.arange(4.0), given, 0.5) == 2.0
    holed = first_order(2.0)
    holed[np.abs(T_S - 10.0) < 0.05] = np.nan
    found = measure(T_S, STEP, holed)
    assert math.isnan(found.share_10s_pct)
    assert found.overshoot_pct == 0.0
