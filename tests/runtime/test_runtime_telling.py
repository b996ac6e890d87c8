"""What the TSO is told of the plant's power."""

import numpy as np
import pytest
from builders import NAN, at, image, params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Quality, Trigger
from vppd.journal.schema import Meta
from vppd.runtime.clock import TickTime
from vppd.runtime.loop import Done
from vppd.runtime.telling import measured_mw, plant_report

P = params(fallback_mw=np.full(3, -1.0))
META = Meta(0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0)


def done(**changes):
    """The first tick over an image."""
    seen = image(p_meas_mw=np.full(3, 2.0), **changes)
    before = initial_state(P)
    after, decision = tick(before, seen, P)
    return Done(TickTime(0, Trigger.GRID, 0.0, 0.0), seen, before, after, decision, META)


def test_measured_is_the_sum_of_the_readings():
    assert measured_mw(done(), P) == pytest.approx(6.0)


def test_a_unit_that_is_not_read_counts_by_its_prediction():
    lost = done(
        connected=at(image().connected, 1, 0), accepted_at_s=np.full(3, 1.0),
    )  # fmt: skip
    assert measured_mw(lost, P) == pytest.approx(2.0 - 1.0 + 2.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"connected": np.zeros(3, np.uint8)},
        {"measured_at_s": np.full(3, 50.0)},
        {"measured_at_s": np.full(3, NAN)},
        {"quality": np.full(3, Quality.COMM_LOST, np.uint8)},
    ],
)
def test_nothing_but_predictions_is_no_measurement(changes):
    blind = done(**changes)
    assert np.isnan(measured_mw(blind, P))
    assert np.isnan(plant_report(blind, P, 0).p_meas_mw)
    assert plant_report(blind, P, 0).quality == Quality.ONLINE  # the TSO itself is heard
