"""A grid after a loss of generation: alone, and with a coal unit; a coal unit by itself."""

from dataclasses import replace

import numpy as np
import pytest

from hil.plant import coal
from hil.plant.grid import Area
from hil.plant.losses import area_alone, coal_at, coal_in_area, lost_mw

STEP_S = 0.1
STEPS = 3000
BARE = Area(governed_mw=0.0, agc_gain=0.0)  # inertia and load alone
UNIT = coal.Params(rated_mw=600.0, primary_limit_pu=0.1)
LOSS = ((20.0, 100.0),)


def test_losses_add_up_from_their_step_on():
    losses = ((1.0, 30.0), (2.5, 20.0), (4.0, -10.0))
    instants = (0.9, 1.0, 2.4, 2.5, 3.9, 4.0, 99.0)
    assert [lost_mw(losses, t) for t in instants] == [0.0, 30.0, 30.0, 50.0, 50.0, 40.0, 40.0]
    assert lost_mw(losses, 3 * 0.1 + 22 * 0.1) == 50.0  # 2.5, but for rounding


def test_a_bare_area_settles_where_its_load_gives_way():
    course = area_alone(BARE, LOSS, STEP_S, STEPS)
    assert (course.freq_hz[:200] == 50.0).all()
    slope = (course.freq_hz[200] - 50.0) / STEP_S
    assert slope == pytest.approx(-100.0 * 50.0 / (2.0 * 5.0 * 5000.0), rel=0.01)
    assert course.freq_hz[-1] == pytest.approx(50.0 - 100.0 / (5000.0 / 50.0), abs=1e-6)
    assert not course.delivered_mw.any()


def test_a_coal_unit_lifts_the_nadir_and_the_frequency_moves_it():
    alone = area_alone(Area(), LOSS, STEP_S, STEPS)
    helped = coal_in_area(Area(), LOSS, UNIT, 400.0, STEP_S, STEPS)
    assert helped.freq_hz.min() > alone.freq_hz.min() + 0.005
    assert helped.delivered_mw[:200] == pytest.approx(np.zeros(200), abs=1e-9)
    assert 5.0 < helped.delivered_mw.max() <= 60.0
    # the same unit, at the frequency that it made: the same power
    again = coal_at(np.concatenate(([50.0], helped.freq_hz[:-1])), UNIT, 400.0, STEP_S)
    assert again.delivered_mw == pytest.approx(helped.delivered_mw, abs=1e-9)


def test_a_coal_unit_gives_no_more_than_its_reserve():
    unit = replace(UNIT, primary_limit_pu=0.03)
    freq_hz = np.full(600, 49.0)
    course = coal_at(freq_hz, unit, 400.0, STEP_S)
    assert 15.0 < course.delivered_mw.max() <= 18.0 + 1e-9
    assert coal_at(np.full(600, 50.02), unit, 400.0, STEP_S).delivered_mw == pytest.approx(
        np.zeros(600), abs=1e-9
    )
