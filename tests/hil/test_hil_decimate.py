"""Long series in plots: nothing that stands out is lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.decimate import COLUMNS, kept
from hil.fault_marks import POINTS_MAX, drawn


def test_a_short_series_is_drawn_whole():
    y = np.sin(np.arange(2.0 * COLUMNS))
    np.testing.assert_array_equal(kept(y), np.arange(y.size))


def test_a_day_becomes_a_few_thousand_values_and_keeps_its_spikes():
    y = np.zeros(86_400)
    y[12_345], y[54_321] = 7.0, -3.0
    index = kept(y)
    assert index.size <= 3 * COLUMNS
    assert {12_345, 54_321} <= set(index.tolist())


def test_a_hole_stays_a_hole():
    y = np.zeros(50_000)
    y[31_000:31_005] = np.nan
    assert np.isnan(y[kept(y)]).any()
    y[:] = np.nan
    assert np.isnan(y[kept(y)]).all()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 400), columns=st.integers(1, 40))
def test_each_column_has_its_extremes(seed, n, columns):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    y[rng.random(n) < 0.1] = np.nan
    index = kept(y, columns)
    assert np.all(np.diff(index) > 0)
    if n <= 2 * columns:
        assert index.size == n
        return
    width = -(-n // columns)
    for first in range(0, n, width):
        cell = y[first : first + width]
        mine = y[index[(index >= first) & (index < first + width)]]
        assert np.isnan(mine).any() == np.isnan(cell).any()
        if np.isfinite(cell).any():
            assert np.nanmin(mine) == np.nanmin(cell)
            assert np.nanmax(mine) == np.nanmax(cell)


def test_a_day_of_lost_writes_is_a_thousand_marks():
    marks = [(1.0 * k, 1.0 * k, f"unit{k % 7}") for k in range(86_400)]
    x, text = drawn(marks)
    instants = [v for v in x.tolist() if v is not None]
    assert len(instants) <= POINTS_MAX + 1
    assert (instants[0], text[0]) == (0.0, "unit0, unit1, unit2, unit3 and 83 more")
