"""What the TSO is told of the plant's power."""

import dataclasses

import numpy as np
import pytest
from builders import NAN, at, image, params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import AwardGuard, Quality, Trigger
from vppd.journal.schema import Meta
from vppd.runtime.clock import TickTime
from vppd.runtime.loop import Done
from vppd.runtime.telling import measured_mw, plant_report, promise_status

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


def test_the_tso_is_told_of_no_more_capacity_than_can_be_promised():
    """Three units of 10 MW above their plan, of which 20 MW are sold; two cannot be reached."""
    guarded = dataclasses.replace(P, award_guard=AwardGuard.CLAMP)
    gone = np.array([1, 0, 0], np.uint8)
    seen = image(connected=gone)
    after, decision = tick(initial_state(guarded), seen, guarded)
    this = Done(TickTime(0, Trigger.GRID, 0.0, 0.0), seen, after, after, decision, META)
    report = plant_report(this, guarded, 1)
    assert report.regulation_capacity_up_mw == 20.0  # what AGC is in pu of
    assert report.promise.capacity_up_mw == pytest.approx(10.0)
    assert report.promise.up_mw[2] == pytest.approx(10.0)
    assert report.promise.s == (1.0, 300.0, 900.0, 1800.0)
    rows = promise_status(decision)
    assert [row.s for row in rows] == [1.0, 300.0, 900.0, 1800.0]
    assert (rows[2].up_mw, rows[2].firm_up_mw) == pytest.approx((10.0, 0.0))
