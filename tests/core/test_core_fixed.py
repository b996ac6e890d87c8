"""What is computed once of the parameters: figures by hand, and that a copy has its own."""

import copy
import dataclasses
import math

import numpy as np
import pytest
from builders import NAN, params

from vppd.core.fixed import GAIN_MIN_PU, HORIZONS_S


def test_figures_by_hand():
    p = params(
        3, dead_time_s=np.array([0.0, 0.5, 12.0]), lag_s=np.array([0.0, 1.0, 10.0]), tick_s=1.0,
        look_ahead_s=1.0, settle_s=8.0, resolution_mw=np.array([0.0, 0.5, 0.0]),
        step_min_mw=np.array([0.0, 0.1, 0.1]), band_lower_mw=np.array([NAN, NAN, 1.0]),
        band_upper_mw=np.array([NAN, NAN, 2.0]), unit_group=np.array([0, -1, 0]),
        group_ids=("g",), group_parent=np.array([-1]), group_lower_mw=np.zeros(1),
        group_upper_mw=np.ones(1),
        p_max_mw=np.array([10.0, 0.0, 30.0]),
    )  # fmt: skip
    fixed = p.fixed
    assert (fixed.stiff, fixed.banded) == (2, 1)
    # two ticks in each period of the dead time, and five to spare: 5, 1 + 5, 24 + 5
    assert fixed.past_end.tolist() == [5, 11, 40]
    assert (fixed.past_rows, fixed.when_rows) == (40, 29)
    assert fixed.snap_mw.tolist() == [5.0, 2.5, 10.0]  # a quarter of 20, 10 and 40 MW
    assert fixed.member.tolist() == [0, -1, 0, -1]
    assert fixed.ahead_s.tolist() == [1.0, 8.0]
    assert fixed.horizons_s.tolist() == [1.0, *HORIZONS_S]
    half_s, rest_s = 1.0 - math.exp(-0.5), 1.0 - math.exp(-7.5)
    assert fixed.gain_pu[0] == pytest.approx([1.0, half_s, 0.0], rel=1e-12)
    assert fixed.gain_pu[1] == pytest.approx([1.0, rest_s, 0.0], rel=1e-12)
    assert fixed.left_pu[0] == pytest.approx([0.0, math.exp(-0.5), 1.0], rel=3e-5)
    assert fixed.left_pu[1] == pytest.approx([0.0, 0.0, math.exp(-28.8)], abs=3e-5)


def test_a_plant_without_any_grid_is_known():
    assert params(2, steps_per_mw=np.zeros(2)).fixed.gridless
    assert not params(2, steps_per_mw=np.array([0.0, 1e3])).fixed.gridless


def test_a_gain_below_the_least_is_none():
    """1 - exp(-1 / lag) is GAIN_MIN_PU for a lag of -1 / log(1 - GAIN_MIN_PU)."""
    edge_s = -1.0 / math.log1p(-GAIN_MIN_PU)
    fixed = params(2, lag_s=np.array([0.999, 1.001]) * edge_s, look_ahead_s=1.0).fixed
    assert fixed.gain_pu[0].tolist() == [pytest.approx(GAIN_MIN_PU, rel=2e-3), 0.0]


def test_it_is_computed_once_and_read_only():
    p = params()
    assert p.fixed is p.fixed
    with pytest.raises(ValueError, match="read-only"):
        p.fixed.gain_pu[0, 0] = 2.0


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_it_is_no_field_and_a_copy_computes_its_own(copied):
    """Else the journal would keep it, and changed parameters would have that of the old ones."""
    p = params(dead_time_s=np.zeros(3))
    before = p.fixed
    assert "fixed" not in {field.name.strip("_") for field in dataclasses.fields(p)}
    late = dataclasses.replace(p, dead_time_s=np.full(3, 2.0))
    assert late.fixed.past_end.tolist() == [9, 18, 27]
    assert copied(p).fixed.past_end.tolist() == before.past_end.tolist() == [5, 10, 15]
