"""Quantiles of the last values, against the definition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vppd.ops.timing import Recent


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 50))
def test_quantiles_are_values_with_enough_below_them(values, size):
    recent = Recent(size)
    for value in values:
        recent.add(value)
    last = values[-size:]
    got = recent.quantiles()
    for share, quantile in ((0.5, got.p50), (0.99, got.p99)):
        assert quantile in last
        assert sum(value <= quantile for value in last) >= share * len(last)
        assert sum(value < quantile for value in last) < share * len(last)
    assert got.max == max(values)
    assert recent.count == len(values)


def test_nothing_measured_is_not_zero():
    got = Recent().quantiles()
    assert all(math.isnan(value) for value in (got.p50, got.p99, got.max))


def test_a_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="size must be at least 1, is 0"):
        Recent(0)
