"""Kernels return how many units they were about: a number for a log, and a check of the loop."""

import kernels_participation_cases as cases
import kernels_taking_part as who
import numpy as np
import pytest

from vppd.core.participation import has_good_reading
from vppd.core.types import Mode, Reason
from vppd.kernels import aims, limits, participation, tally


def spied(monkeypatch):
    """What each kernel of who takes part returned last, by name."""
    said = {}

    def spy(name, function):
        def call(*arguments):
            said[name] = function(*arguments)
            return said[name]

        return call

    for name in ("take_part", "counted", "within_ramp", "pinned"):
        monkeypatch.setattr(participation, name, spy(name, getattr(participation, name)))
    good = spy("good_readings", participation.good_readings)
    monkeypatch.setattr("vppd.core.participation._good_readings", good)
    return said


@pytest.mark.parametrize("seed", range(4))
def test_of_those_who_take_part_and_those_who_do_not(monkeypatch, seed):
    said = spied(monkeypatch)
    before, image, params = cases.plant(seed)
    with np.errstate(all="ignore"):
        reason, adrift, last_mw = who.who_takes_part(before, image, params)
        good = has_good_reading(image, params)
        who.counted_mw(reason, last_mw, image, params)
        who.within_ramp_mw(image.operator_mw, last_mw, image, params, 0.7)
        for mode in (Mode.REGULATING, Mode.SAFE):
            _, takes = who.pinned_mw(mode, reason, adrift, last_mw, image, params, 0.7)
            told = takes != 0
            moves = reason == Reason.OPERATOR
            moves |= told & np.isin(reason, (Reason.FALLBACK, Reason.REFUSED, Reason.BENCHED))
            moves |= told & (mode is Mode.SAFE)
            assert said["pinned"] == moves.sum()
    assert said["take_part"] == (reason != 0).sum()
    assert said["good_readings"] == good.sum()
    assert said["counted"] == said["within_ramp"] == cases.N


def test_a_reading_is_broken_beyond_the_largest_unit_there_is():
    one, flag = np.ones(1), np.ones(1, np.uint8)
    good = np.zeros(1, np.uint8)
    for p_mw, known in ((1e5, 1), (-1e5, 1), (1.00001e5, 0), (np.nan, 0)):
        count = participation.good_readings(
            100.0, p_mw * one, 99.0 * one, 5.0 * one, 0 * flag, flag, good
        )
        assert (count, good[0]) == (known, known)


def far(p_mw, last_mw, limits=((-5.0, 5.0),) * 3, quiet_pu=0.01, held=(0, 0, 0)):
    """Units of -5 to 5 MW, nobody still."""
    n = len(p_mw)
    low, high = np.array(limits[:n]).T.copy()
    return aims.find_far(
        quiet_pu, np.array(p_mw), np.array(last_mw), np.full(n, -5.0), np.full(n, 5.0), low, high,
        np.zeros(n, np.uint8), np.array(held[:n], np.uint8),
    )  # fmt: skip


def test_those_are_far_who_are_to_move_by_a_part_of_their_range():
    """A hundredth of 10 MW."""
    assert far([0.0, 0.099, -0.099], [0.0, 0.0, 0.0]) == (0, 30.0)
    assert far([0.1, 0.2, -0.1], [0.0, 0.0, 0.0]) == (3, 30.0)
    assert far([0.0, 0.1], [0.0, 0.0]) == (1, 20.0)


def test_those_are_far_who_may_not_stay():
    assert far([0.0], [0.0], [(0.0, 0.0)])[0] == 0
    assert far([0.01], [0.0], [(0.01, 5.0)])[0] == 1
    assert far([-0.01], [0.0], [(-5.0, -0.01)])[0] == 1


def test_who_stays_exactly_is_near_whatever_little_is_allowed():
    assert far([1.0, 1.0], [1.0, 1.0 + 1e-9], quiet_pu=0.0) == (1, 20.0)


def test_who_is_on_his_way_as_fast_as_his_ramp_lets_him_is_far():
    assert far([0.0, 0.0], [0.0, 0.0], held=(Reason.RAMP, Reason.SOC)) == (1, 20.0)


def test_who_is_still_and_free_is_held_by_that():
    held = np.array([0, 0, Reason.SOC], np.uint8)
    still = np.array([0, 1, 1], np.uint8)
    three, five = np.zeros(3), np.full(3, 5.0)
    assert aims.find_far(0.01, three, three, -five, five, -five, five, still, held) == (0, 30.0)
    assert held.tolist() == [0, Reason.DEAD_BAND, Reason.SOC]


def test_those_are_counted_whose_reason_has_changed():
    before = np.array([0, 6, 7, 0], np.uint8)
    assert tally.count_changed(before, before) == 0
    assert tally.count_changed(before, np.array([6, 6, 0, 0], np.uint8)) == 2


def test_those_are_stiff_who_cannot_take_any_number():
    none, some = np.zeros(4), np.array([0.0, 0.5, 0.0, 0.5])
    assert limits.count_stiff(none, none) == 0
    assert limits.count_stiff(some, none) == limits.count_stiff(none, some) == 2
    assert limits.count_stiff(some, np.array([0.0, 0.0, 1e-3, 0.5])) == 3


def test_those_are_counted_whom_a_limit_holds():
    p_mw, held = np.array([0.0, 1.0, 2.0, 1.0]), np.full(4, 99, np.uint8)
    lower_mw, upper_mw = np.array([0.0, 0.0, 0.0, 1.0]), np.array([2.0, 2.0, 2.0, 1.0])
    below, above = np.full(4, Reason.SOC, np.uint8), np.full(4, Reason.RAMP, np.uint8)
    assert limits.find_holders(p_mw, lower_mw, upper_mw, below, above, held) == 3
    assert held.tolist() == [Reason.SOC, Reason.NONE, Reason.RAMP, Reason.RAMP]
    assert (
        limits.find_holders(*(a[1:2] for a in (p_mw, lower_mw, upper_mw, below, above, held))) == 0
    )


def test_those_are_counted_whose_value_is_known():
    assert tally.count_known(np.array([np.nan, 0.0, -1.0, np.inf, np.nan])) == 3
    assert tally.count_known(np.full(3, np.nan)) == tally.count_known(np.empty(0)) == 0
