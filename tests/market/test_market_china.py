"""The two detailed rules: commands and answers with known K."""

import math

import numpy as np
import pytest

from vppd.market.china import (
    ChinaRules,
    Outcome,
    new_commands,
    payment_cny,
    rate_commands,
    summarise,
)

RATED_MW = 100.0
T_S = np.round(np.arange(0.0, 300.05, 0.1), 1)


def ramp_plant(t0_s: float, dead_s: float, rate_mw_per_s: float, target_mw: float) -> np.ndarray:
    """At 0 MW, then straight to the target and there it stays."""
    moved = np.clip((T_S - t0_s - dead_s) * rate_mw_per_s, 0.0, abs(target_mw))
    return np.sign(target_mw) * moved


@pytest.mark.parametrize("target_mw", [20.0, -20.0])
def test_a_straight_ramp_has_the_known_k(target_mw):
    # 1 %Pn = 1 MW: from 1 to 19 MW at .5 MW/s are 36 s; T1 = 10 + 3 + 2 s.
    power = ramp_plant(10.0, 3.0, 0.5, target_mw)
    (command,) = rate_commands([(10.0, target_mw)], T_S, power, RATED_MW)
    assert command.outcome is Outcome.VALID
    assert (command.t1_s, command.t2_s) == pytest.approx((15.0, 51.0))
    assert command.rate_mw_per_min == pytest.approx(30.0)
    assert command.k1 == pytest.approx(2.0 - 1.5 / 30.0)
    assert command.k3 == pytest.approx(2.0 - 5.0 / 60.0)
    # 1 MW falling to 0 in 2 s, over the 249 s until the end.
    assert command.error_mw == pytest.approx(1.0 / 249.0, rel=1e-3)
    assert command.k2 == pytest.approx(2.0 - 1.0 / 249.0, rel=1e-4)
    assert command.way_mw == 20.0


def test_a_plant_faster_than_a_sample_divides_by_no_zero():
    power = np.where(T_S > 10.0, 20.0, 0.0)
    (command,) = rate_commands([(10.0, 20.0)], T_S, power, RATED_MW)
    assert command.rate_mw_per_min == pytest.approx(18.0 / 0.09 * 60.0)
    assert command.t1_s == pytest.approx(10.005)


def test_means_are_capped_and_kp_is_their_product():
    power = np.where(T_S > 10.0, 20.0, 0.0)
    score = summarise(rate_commands([(10.0, 20.0)], T_S, power, RATED_MW), RATED_MW)
    assert (score.k1, score.k2, score.k3) == (1.5, 1.5, 1.5)
    assert score.kp == pytest.approx(3.375)
    assert score.regulation_accuracy_pct == pytest.approx(100.0)


def test_a_slow_plant_hits_the_floor():
    # 4 MW off for all of T2..T3 would be below the floor of K2 = 2 - 4; so is .3 %Pn/min for K1.
    power = np.minimum(20.0, np.where(T_S > 10.0, (T_S - 10.0) * 0.1, 0.0))
    power[T_S > 200.0] = 28.0
    (command,) = rate_commands([(10.0, 20.0)], T_S, power, RATED_MW)
    assert command.k2 == 0.1
    assert command.k1 == pytest.approx(2.0 - 1.5 / 6.0)
    slow = rate_commands([(0.0, 4.0)], T_S, T_S * 0.3 / 60.0 * 2.5, RATED_MW)
    assert slow[0].k1 == 0.1


def test_commands_that_cannot_be_rated_say_why():
    power = ramp_plant(10.0, 3.0, 0.5, 20.0)
    rated = rate_commands(
        [(10.0, 20.0), (20.0, 40.0), (100.0, 21.0), (150.0, -30.0)], T_S, power, RATED_MW
    )
    assert [c.outcome for c in rated] == [
        Outcome.NOT_REACHED,  # the next command came first
        Outcome.NOT_REACHED,
        Outcome.TOO_NEAR,
        Outcome.NO_START,
    ]
    assert math.isnan(rated[0].kp)
    assert rated[0].way_mw == 0.0
    with pytest.raises(ValueError, match="no valid command"):
        summarise(rated, RATED_MW)


def test_outcomes_are_counted():
    power = ramp_plant(10.0, 0.0, 5.0, 20.0)
    rated = rate_commands([(10.0, 20.0), (100.0, 21.0)], T_S, power, RATED_MW)
    assert summarise(rated, RATED_MW).outcomes == {"valid": 1, "too_near": 1}


def test_a_scan_finds_changes_that_are_large_enough():
    t_s = np.arange(0.0, 60.0, 2.0)
    request = np.zeros(t_s.size)
    request[t_s >= 6.0] = 1.5  # under 2 % of Pn
    request[t_s >= 14.0] = 3.0  # 3 MW from where things stood: a command
    request[t_s >= 32.0] = 30.0  # comes and goes between two scans of the same
    request[t_s >= 34.0] = 3.0
    request[t_s >= 48.0] = -9.0
    assert new_commands(t_s, request, RATED_MW) == [(14.0, 3.0), (48.0, -9.0)]


def test_what_counts_as_a_command_is_the_smaller_bound():
    assert ChinaRules().command_min_mw(100.0) == 2.0
    assert ChinaRules().command_min_mw(700.0) == 5.0


def test_pay_follows_the_logarithm():
    assert payment_cny(20.0, 1.0) == 100.0
    assert payment_cny(20.0, math.e) == pytest.approx(200.0)
    assert payment_cny(20.0, 0.1) == 0.0


def test_no_command_inside_the_series_is_an_empty_answer():
    t_s = np.arange(0.0, 10.0, 0.1)
    assert rate_commands([(-5.0, 3.0), (10.0, 4.0)], t_s, np.zeros_like(t_s), 100.0) == []
