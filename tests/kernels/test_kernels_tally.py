"""Sums over the fleet that a decision tells."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vppd.core.types import Reason
from vppd.kernels import tally as kernel

NAN = float("nan")


def summed(p_mw, lower_mw, upper_mw, range_lower_mw, range_upper_mw, out_reason):
    held = np.full(len(p_mw), Reason.RAMP, np.uint8)
    arrays = [np.array(a, float) for a in (p_mw, lower_mw, upper_mw)]
    arrays += [np.array(a, float) for a in (range_lower_mw, range_upper_mw)]
    return kernel.tally(*arrays, np.array(out_reason, np.uint8), held), held.tolist()


def test_the_number_of_a_unit_in_the_split_is_that_of_the_core():
    assert int(kernel.IN_SPLIT) == Reason.NONE


def test_room_is_that_of_the_units_that_take_part_and_never_below_zero():
    sums, held = summed(
        [1.0, 2.0, 5.0], [0.0, 2.5, 0.0], [3.0, 1.0, 9.0], [-4.0, 0.0, 0.0], [6.0, 2.0, 9.0],
        [0, 0, Reason.UNREACHABLE],
    )  # fmt: skip
    assert sums == (5.0, 2.0, 1.0, 5.0, 7.0)
    assert held == [Reason.RAMP, Reason.RAMP, Reason.UNREACHABLE]


def test_no_unit_in_the_split_has_no_room():
    sums, _ = summed([1.0], [0.0], [9.0], [0.0], [9.0], [Reason.FALLBACK])
    assert sums == (1.0, 0.0, 0.0, 0.0, 0.0)


def test_a_limit_that_is_no_number_is_not_hidden():
    sums, _ = summed([1.0], [0.0], [NAN], [0.0], [9.0], [0])
    assert math.isnan(sums[1])
    assert sums[2:] == (1.0, 8.0, 1.0)


def test_known_values_are_counted():
    assert kernel.count_known(np.array([NAN, 0.0, math.inf, NAN])) == 2
    assert kernel.count_known(np.empty(0)) == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.0, 1e3))
def test_sums_are_exact_to_rounding(powers_mw, room_mw):
    p_mw = np.array(powers_mw)
    sums, _ = summed(p_mw, p_mw, p_mw + room_mw, p_mw, p_mw, np.zeros(p_mw.size))
    assert sums[1] == pytest.approx(math.fsum((p_mw + room_mw - p_mw).tolist()), rel=1e-15)
