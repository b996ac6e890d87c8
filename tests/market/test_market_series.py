"""Held series, their means, and tracking figures."""

import numpy as np
import pytest

from vppd.market.series import hold, hold_means
from vppd.market.tracking import accuracy_pct, mae_mw


def test_hold_gives_the_newest_value():
    at = hold(np.array([1.0, 2.0]), np.array([5.0, 7.0]), np.array([0.5, 1.0, 1.9, 2.0, 9.0]))
    assert np.isnan(at[0])
    assert at[1:].tolist() == [5.0, 5.0, 7.0, 7.0]


def test_hold_takes_instants_that_differ_by_rounding_as_the_same():
    assert hold(np.array([0.0, 0.1 + 0.2]), np.array([1.0, 2.0]), np.array([0.3])).tolist() == [2.0]


def test_means_of_a_held_value_are_weighted_by_time():
    t_s, value = np.array([0.0, 1.25, 1.5, 3.0]), np.array([0.0, 8.0, 4.0, 1.0])
    means = hold_means(t_s, value, np.array([0.0, 1.0, 2.0, 3.0, 4.0]))
    assert means.tolist() == [0.0, 0.25 * 8 + 0.5 * 4, 4.0, 1.0]


def test_means_before_the_first_value_are_unknown():
    means = hold_means(np.array([0.5]), np.array([1.0]), np.array([0.0, 1.0, 2.0]))
    assert np.isnan(means[0])
    assert means[1] == 1.0
    assert np.isnan(hold_means(np.zeros(0), np.zeros(0), np.array([0.0, 1.0]))).all()


def test_accuracy_names_its_basis():
    request, plant = np.array([10.0, 20.0]), np.array([9.0, 23.0])
    assert mae_mw(request, plant) == 2.0
    assert accuracy_pct(request, plant, 80.0) == pytest.approx(97.5)
    assert accuracy_pct(request, -request, 10.0) == -200.0
    with pytest.raises(ValueError, match="above 0 MW"):
        accuracy_pct(request, plant, 0.0)
