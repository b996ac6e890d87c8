"""Response times, shares and overshoot: answers whose figures are known in closed form."""

import math

import numpy as np
import pytest

from hil.measure.response import measure, reached_s

T_S = np.arange(-50, 1201) * 0.1
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


def test_what_is_still_delivered_when_less_is_required_is_overshoot():
    required = np.where(T_S < 60.0, STEP, 5.0)
    found = measure(T_S, required, STEP)
    assert found.overshoot_pct == pytest.approx(75.0)
    assert found.share_30s_pct == pytest.approx(100.0)


def test_what_lies_before_the_event_does_not_count():
    early = np.where(T_S < 0.0, 30.0, 0.0)
    found = measure(T_S, STEP, early + first_order(2.0))
    assert found == measure(T_S, STEP, first_order(2.0))


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
