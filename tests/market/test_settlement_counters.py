"""Energy by a meter's counter: hand-computed, and when a counter is not believed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vppd.market.settlement.energy import UnitSeries, interval_energy

NONE = np.zeros(0)
MWS = 3600.0  # in a MWh


def metered(t_s, p_mw, counter, most_mw=10.0, age_max_s=10.0) -> UnitSeries:
    """Readings, and a counter in MW s, of a unit without a model."""
    at, mws = np.asarray(counter, dtype=np.float64).reshape(-1, 2).T
    t_s, p_mw = np.asarray(t_s, dtype=np.float64), np.asarray(p_mw, dtype=np.float64)
    return UnitSeries(t_s, p_mw, NONE, NONE, 0.0, 0.0, age_max_s,
                      meter_s=at, meter_mwh=mws / MWS, most_mw=most_mw)  # fmt: skip


def test_the_counter_says_how_much_and_the_readings_when():
    # 2 MW, then 4: by the readings 20 and 40 MW s; the counter has 66 for both, 6 more in 20 s
    one = metered([0, 10, 10.001, 20], [2, 2, 4, 4], [(0, 1000), (20, 1066)])
    found = interval_energy(one, np.array([0.0, 10.0, 20.0]))
    assert (found.readings_mwh * MWS).tolist() == pytest.approx([20.0, 40.0], abs=2e-3)
    assert (found.energy_mwh * MWS).tolist() == pytest.approx([23.0, 43.0], abs=2e-3)
    assert found.counted_s.tolist() == pytest.approx([10.0, 10.0])
    assert found.estimated_s.tolist() == [0.0, 0.0]


def test_before_the_first_value_and_after_the_last_are_the_readings():
    one = metered([0, 10, 20, 30], [2, 2, 2, 2], [(10, 5), (20, 35)])
    found = interval_energy(one, np.array([0.0, 10.0, 15.0, 20.0, 30.0]))
    assert (found.energy_mwh * MWS).tolist() == pytest.approx([20.0, 15.0, 15.0, 20.0])
    assert found.counted_s.tolist() == pytest.approx([0.0, 5.0, 5.0, 0.0])


def test_a_hole_that_the_counter_spans_is_no_estimate():
    # without a reading from 10 to 40 s, in which it drew 90 MW s and nobody saw it
    one = metered([0, 10, 40, 50], [2, 2, 2, 2], [(0, 500), (10, 520), (40, 430), (50, 450)])
    found = interval_energy(one, np.array([0.0, 25.0, 50.0]))
    assert math.fsum(found.energy_mwh * MWS) == pytest.approx(20.0 - 90.0 + 20.0)
    assert found.estimated_s.tolist() == [0.0, 0.0]
    alone = interval_energy(metered([0, 10, 40, 50], [2, 2, 2, 2], []), np.array([0.0, 25.0, 50.0]))
    assert alone.estimated_s.tolist() == pytest.approx([15.0, 15.0])
    # a counter that was last read within the hole leaves the rest of it an estimate
    part = metered([0, 10, 40, 50], [2, 2, 2, 2], [(0, 500), (10, 520), (25, 550)])
    left = interval_energy(part, np.array([0.0, 25.0, 50.0]))
    assert left.estimated_s.tolist() == pytest.approx([0.0, 15.0])


@pytest.mark.parametrize(
    "counter",
    [
        [(0, 5000.0), (20, 1.0)],  # began anew
        [(0, 5.0), (20, 70000.0)],  # another meter
        [(0, 5000.0), (20, 5000.0 + 11.1 * 20 + 7.3)],  # more than 1.1 × 10 MW, and 2 kWh
        [(0, 5000.0)],  # one value is no difference
        [],
        [(-5, 4990.0), (-1, 4998.0)],  # of a time before the readings
    ],
)
def test_what_a_unit_cannot_have_done_is_not_taken(counter):
    one = metered([0, 10, 20], [2, 2, 2], counter)
    found = interval_energy(one, np.array([0.0, 20.0]))
    assert (found.energy_mwh * MWS).tolist() == pytest.approx([40.0])
    assert found.counted_s.tolist() == [0.0]


def test_after_a_new_beginning_it_counts_again():
    one = metered([0, 10, 20, 30], [2, 2, 2, 2], [(0, 5000), (10, 5030), (20, 4), (30, 44)])
    found = interval_energy(one, np.array([0.0, 10.0, 20.0, 30.0]))
    assert (found.energy_mwh * MWS).tolist() == pytest.approx([30.0, 20.0, 40.0])
    assert found.counted_s.tolist() == pytest.approx([10.0, 0.0, 10.0])


@given(
    st.lists(st.floats(-9.0, 9.0), min_size=3, max_size=40),
    st.floats(-1e5, 1e5),
    st.integers(1, 7),
)
def test_a_true_counter_gives_what_it_counted_whatever_the_readings_say(p_mw, start_mws, every):
    """Between two of its values; the readings are off by anything."""
    t_s = np.arange(float(len(p_mw)))
    truth = np.concatenate(([0.0], np.cumsum(0.5 * (np.array(p_mw)[1:] + np.array(p_mw)[:-1]))))
    at = np.unique(np.append(t_s[::every], t_s[-1]))
    one = metered(t_s, np.array(p_mw) * 1.7 + 3.0, [(t, start_mws + truth[int(t)]) for t in at])
    found = interval_energy(one, at)
    counted = np.diff(truth[at.astype(int)]).tolist()
    assert (found.energy_mwh * MWS).tolist() == pytest.approx(counted, abs=1e-6)
    assert found.counted_s.tolist() == pytest.approx(np.diff(at).tolist())
