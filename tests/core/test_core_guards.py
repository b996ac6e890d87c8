"""Guards on the signal: a table of values and verdicts."""

import dataclasses

import pytest
from builders import NAN, image, params

from vppd.core.guards import judge_agc
from vppd.core.state import initial_state
from vppd.core.types import Quality, Verdict

P = params()
HEARD = dataclasses.replace(
    initial_state(P), agc_pu=0.2, agc_accepted_s=98.0, agc_seen_s=98.0, agc_sequence=7,
    verdict=Verdict.FRESH,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "verdict", "accepted_pu"),
    [
        ({}, Verdict.FRESH, 0.0),
        ({"agc_pu": 1.02}, Verdict.FRESH, 1.0),
        ({"agc_pu": -1.05}, Verdict.FRESH, -1.0),
        ({"agc_pu": 1.051}, Verdict.OUT_OF_RANGE, 0.2),
        ({"agc_pu": -7.0}, Verdict.OUT_OF_RANGE, 0.2),
        ({"agc_pu": NAN}, Verdict.NOT_FINITE, 0.2),
        ({"agc_pu": float("inf")}, Verdict.NOT_FINITE, 0.2),
        ({"agc_quality": Quality.COMM_LOST}, Verdict.BAD_QUALITY, 0.2),
        ({"agc_received_s": 98.0}, Verdict.UNCHANGED, 0.2),
        ({"agc_received_s": NAN}, Verdict.NONE, 0.2),
        ({"agc_received_s": 93.9}, Verdict.STALE, 0.2),
        ({"agc_sequence": 7}, Verdict.REPEATED, 0.2),
        ({"agc_sequence": 3}, Verdict.REPEATED, 0.2),
        ({"agc_sequence": 8}, Verdict.FRESH, 0.0),
        ({"agc_transit_s": 6.1}, Verdict.OLD, 0.2),
        ({"agc_transit_s": -2.1}, Verdict.OLD, 0.2),
        ({"agc_transit_s": 1.0}, Verdict.FRESH, 0.0),
    ],
)
def test_verdicts(changes, verdict, accepted_pu):
    assert judge_agc(HEARD, image(**changes), P) == (verdict, accepted_pu)


def test_a_fast_move_is_refused_only_where_the_market_bounds_it():
    slow = params(agc_rate_max_pu_per_s=0.3)
    assert judge_agc(HEARD, image(agc_pu=0.9), slow) == (Verdict.RATE, 0.2)
    assert judge_agc(HEARD, image(agc_pu=0.79), slow) == (Verdict.FRESH, 0.79)
    assert judge_agc(HEARD, image(agc_pu=-1.0), P) == (Verdict.FRESH, -1.0)


def test_after_silence_a_restarted_counter_and_a_far_value_are_heard():
    """A TSO that restarts begins its sequence anew; refusing it for ever would be a dead plant."""
    silent = dataclasses.replace(HEARD, agc_accepted_s=90.0, agc_seen_s=90.0)
    slow = params(agc_rate_max_pu_per_s=0.01)
    assert judge_agc(silent, image(agc_pu=-1.0, agc_sequence=1), slow) == (Verdict.FRESH, -1.0)


def test_a_refused_value_stays_refused_until_the_next_one_or_until_stale():
    refused = dataclasses.replace(HEARD, agc_seen_s=99.0, verdict=Verdict.OUT_OF_RANGE)
    assert judge_agc(refused, image(agc_received_s=99.0), P)[0] is Verdict.OUT_OF_RANGE
    later = image(now_s=104.1, agc_received_s=99.0)
    assert judge_agc(refused, later, P)[0] is Verdict.STALE


def test_a_move_is_judged_by_what_would_come_of_it():
    """Clipped at +1 it does not move at all, whatever stands behind the comma."""
    full = dataclasses.replace(HEARD, agc_pu=1.0)
    slow = params(agc_rate_max_pu_per_s=0.01)
    assert judge_agc(full, image(agc_pu=1.04), slow) == (Verdict.FRESH, 1.0)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"agc_transit_s": -2.0}, Verdict.FRESH),
        ({"agc_transit_s": -1.5}, Verdict.FRESH),
        ({"agc_transit_s": 6.0}, Verdict.FRESH),
        ({"agc_sequence": 0}, Verdict.REPEATED),
        ({"agc_sequence": -1}, Verdict.FRESH),
    ],
)
def test_on_the_edge(changes, verdict):
    assert judge_agc(HEARD, image(**changes), P)[0] is verdict


def test_a_move_just_as_fast_as_the_market_allows_is_heard():
    quarter = params(agc_rate_max_pu_per_s=0.25)
    zero = dataclasses.replace(HEARD, agc_pu=0.0)
    assert judge_agc(zero, image(agc_pu=0.5), quarter) == (Verdict.FRESH, 0.5)


def test_before_the_first_value_was_accepted_none_stays_none():
    """A value that was refused, and then nothing new: no verdict turns into a good one."""
    none = dataclasses.replace(HEARD, agc_seen_s=99.0, verdict=Verdict.NONE)
    assert judge_agc(none, image(agc_received_s=99.0), P)[0] is Verdict.NONE
