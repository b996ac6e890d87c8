"""The split by policy, and what units with a grid of values or a smallest step make of it."""

import math

import numpy as np
import pytest
from builders import NAN, params

from vppd.core.allocation import Box, held_by, split, split_of
from vppd.core.tick import fleet_status
from vppd.core.types import Policy, Reason
from vppd.kernels import status

REST = np.zeros(3)


def box(lower_mw=(-5.0,) * 3, upper_mw=(5.0,) * 3, reason=Reason.RATING):
    """A box whose lower side has the reason AVAILABLE, the upper one another."""
    return Box(
        np.array(lower_mw), np.array(upper_mw), np.full(3, Reason.AVAILABLE, np.uint8),
        np.full(3, reason, np.uint8), np.array(lower_mw), np.array(upper_mw),
    )  # fmt: skip


def run(request_mw, limits=None, last_mw=REST, **changes):
    done, held = split(request_mw, REST, np.array(last_mw), limits or box(), NAN, params(**changes))
    return done, [Reason(r) for r in held.tolist()]


def test_a_unit_of_twice_the_cost_does_half_of_the_work():
    done, held = run(7.0, cost=np.array([1.0, 2.0, 0.5]))
    assert done.p_mw == pytest.approx([2.0, 1.0, 4.0])
    assert done.lam == pytest.approx(2.0)
    assert held == [Reason.NONE] * 3


def test_pro_rata_takes_the_same_part_of_every_room_whatever_the_cost():
    done, _ = run(
        3.0, box(upper_mw=(1.0, 2.0, 3.0)), policy=Policy.PRO_RATA, cost=np.array([9.0, 1.0, 5.0])
    )
    assert done.p_mw == pytest.approx([0.5, 1.0, 1.5])
    assert math.isnan(done.lam)
    assert math.isnan(done.kkt_mw)


def test_merit_order_takes_the_cheapest_and_of_equals_the_first():
    done, _ = run(7.0, policy=Policy.MERIT_ORDER, cost=np.array([2.0, 1.0, 1.0]))
    assert done.p_mw == pytest.approx([0.0, 5.0, 2.0])


def test_bad_limits_are_refused_and_nobody_is_held():
    done, held = run(1.0, box(upper_mw=(5.0, NAN, 5.0)), step_min_mw=np.full(3, 1.0))
    assert done.status == status.BAD_INPUT
    assert held == [Reason.NONE] * 3


@pytest.mark.parametrize("request_mw", [99.0, -99.0])
def test_units_with_steps_are_fitted_where_the_request_cannot_be_served_too(request_mw):
    """The last unit is all but at its limit: going there is less than it acts on."""
    last = np.full(3, math.copysign(4.5, request_mw))
    done, held = run(request_mw, last_mw=last, step_min_mw=np.array([0.0, 0.0, 1.0]))
    assert done.p_mw == pytest.approx(np.copysign([5.0, 5.0, 5.0], request_mw))
    limit = Reason.RATING if request_mw > 0.0 else Reason.AVAILABLE
    assert held == [limit] * 3  # serving comes first


@pytest.mark.parametrize("resolution", [0.0, 2.0])
def test_a_unit_with_grid_and_step_is_pinned_and_the_others_absorb(resolution):
    done, held = run(
        3.6, step_min_mw=np.array([1.5, 0.0, 0.0]), resolution_mw=np.array([resolution, 0.0, 0.0])
    )
    assert done.p_mw == pytest.approx([2.0, 0.8, 0.8] if resolution else [0.0, 1.8, 1.8])
    assert held == [Reason.NONE if resolution else Reason.DEAD_BAND, Reason.NONE, Reason.NONE]


def test_a_small_step_counts_too():
    done, held = run(1.5, step_min_mw=np.array([0.6, 0.0, 0.0]))
    assert done.p_mw == pytest.approx([0.0, 0.75, 0.75])
    assert held[0] is Reason.DEAD_BAND


@pytest.mark.parametrize(("step_mw", "moves"), [(1.0, True), (1.001, False)])
def test_a_change_as_large_as_the_smallest_step_is_made(step_mw, moves):
    done, _ = run(3.0, step_min_mw=np.array([step_mw, 0.0, 0.0]))
    assert done.p_mw == pytest.approx([1.0] * 3 if moves else [0.0, 1.5, 1.5])


def test_the_step_counts_from_the_last_setpoint():
    """From -3 MW to 3 MW is a large step, and from 3 MW to 3.2 MW a small one."""
    steps = np.array([1.0, 0.0, 0.0])
    done, held = run(9.6, last_mw=[-3.0, 0.0, 0.0], step_min_mw=steps)
    assert done.p_mw == pytest.approx([3.2] * 3)
    done, held = run(9.6, last_mw=[3.0, 0.0, 0.0], step_min_mw=steps)
    assert done.p_mw == pytest.approx([3.0, 3.3, 3.3])
    assert held[0] is Reason.DEAD_BAND


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (box(), [2.0, 1.25, 1.25]),
        (box(upper_mw=(2.0, 5.0, 5.0)), [2.0, 1.25, 1.25]),
        (box(upper_mw=(1.9, 5.0, 5.0)), [1.5, 1.5, 1.5]),
        (box(lower_mw=(-5.0, -5.0, 0.0)), [2.0, 1.25, 1.25]),
    ],
)
def test_the_grid_is_kept_as_far_as_the_limits_allow(limits, expected):
    done, _ = run(4.5, limits, resolution_mw=np.array([2.0, 0.0, 0.0]))
    assert done.p_mw == pytest.approx(expected)


def test_the_lower_limit_may_be_a_point_of_the_grid_and_keeps_it():
    grid = np.array([2.0, 0.0, 0.0])
    done, _ = run(-4.5, box(lower_mw=(-2.0, -5.0, -5.0)), resolution_mw=grid)
    assert done.p_mw == pytest.approx([-2.0, -1.25, -1.25])
    done, _ = run(-4.5, box(lower_mw=(-1.9, -5.0, -5.0)), resolution_mw=grid)
    assert done.p_mw == pytest.approx([-1.5, -1.5, -1.5])


@pytest.mark.parametrize("last_mw", [0.8, -0.8])
def test_no_unit_stays_in_its_dead_band_beyond_its_limits(last_mw):
    """What is available has fallen a little below where it stands."""
    limits = box(upper_mw=(0.5, 5.0, 5.0), lower_mw=(-0.5, -5.0, -5.0))
    request_mw = math.copysign(9.0, last_mw)
    done, held = run(request_mw, limits, [last_mw, 0.0, 0.0], step_min_mw=np.array([2.0, 0, 0]))
    assert done.p_mw[0] == pytest.approx(math.copysign(0.5, last_mw))
    assert Reason.DEAD_BAND not in held


@pytest.mark.parametrize("edge_mw", [0.5, -0.5])
def test_a_unit_may_stay_in_its_dead_band_on_its_limit(edge_mw):
    limits = box(upper_mw=(0.5, 5.0, 5.0), lower_mw=(-0.5, -5.0, -5.0))
    done, held = run(0.0, limits, [edge_mw, 0.0, 0.0], step_min_mw=np.array([2.0, 0.0, 0.0]))
    assert done.p_mw == pytest.approx([edge_mw, -edge_mw / 2.0, -edge_mw / 2.0])
    assert held[0] is Reason.DEAD_BAND


@pytest.mark.parametrize("reason", [Reason.SOC, Reason.AVAILABLE, Reason.RATING])
def test_only_a_ramp_excuses_from_grid_and_step(reason):
    """A unit that is held by another limit has arrived: its step counts."""
    limits = box(upper_mw=(1.0, 5.0, 5.0), reason=reason)
    done, _ = run(6.0, limits, [0.5, 0.0, 0.0], step_min_mw=np.array([2.0, 0.0, 0.0]))
    assert done.p_mw == pytest.approx([0.5, 2.75, 2.75])
    limits = box(upper_mw=(1.0, 5.0, 5.0), reason=Reason.RAMP)
    done, _ = run(6.0, limits, [0.5, 0.0, 0.0], step_min_mw=np.array([2.0, 0.0, 0.0]))
    assert done.p_mw == pytest.approx([1.0, 2.5, 2.5])


def test_a_dead_band_that_costs_the_sum_is_left():
    """The others are full: better a step that may be ignored than a request that is not served."""
    limits = box(upper_mw=(5.0, 0.5, 0.5))
    done, held = run(2.0, limits, step_min_mw=np.array([1.5, 0.0, 0.0]))
    assert done.p_mw == pytest.approx([1.0, 0.5, 0.5])
    assert held == [Reason.NONE, Reason.RATING, Reason.RATING]


def test_a_watt_lost_by_fitting_is_too_much():
    limits = box(upper_mw=(5.0, 0.5, 0.5))
    done, _ = run(1.0 + 1e-6, limits, step_min_mw=np.array([1.5, 0.0, 0.0]))
    assert done.p_mw.sum() == pytest.approx(1.0 + 1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("request_mw", "missed_mw", "stays"),
    [(1e-3, 0.9e-9, True), (1e-3, 1.5e-9, False), (999.0, 5e-7, True), (999.0, 2e-6, False)],
)
def test_what_rounding_may_miss_costs_nobody_its_dead_band(request_mw, missed_mw, stays):
    """A billionth of 1 MW and of the request: the others can serve all but `missed_mw`."""
    others_mw = (request_mw - missed_mw) / 2.0
    limits = box(upper_mw=(1e3, others_mw, others_mw))
    done, _ = run(request_mw, limits, step_min_mw=np.array([500.0, 0.0, 0.0]))
    assert (done.p_mw[0] == 0.0) == stays


def test_who_holds_a_unit():
    p_mw = np.array([-5.0, 0.0, 5.0])
    assert held_by(p_mw, box()).tolist() == [Reason.AVAILABLE, Reason.NONE, Reason.RATING]
    beyond = held_by(np.array([-6.0, 0.0, 6.0]), box())
    assert beyond.tolist() == [Reason.AVAILABLE, Reason.NONE, Reason.RATING]
    pinned = box(lower_mw=(1.0,) * 3, upper_mw=(1.0,) * 3)
    assert held_by(np.ones(3), pinned).tolist() == [Reason.RATING] * 3


def test_served_means_that_the_sum_is_right_to_a_kilowatt():
    done = split_of(np.array([1.0, 2.0]), status.OK, 0.0, 0.0, 3.0)
    assert fleet_status(done, 3.0) == status.OK
    assert fleet_status(done, 3.0 + 0.9e-3) == status.OK
    assert fleet_status(done, 3.0 + 1.1e-3) == status.MISMATCH
    assert fleet_status(done, 3.0 - 1.1e-3) == status.MISMATCH
    assert fleet_status(split_of(REST, status.OK, 0.0, 0.0, 0.0), 1e-3) == status.OK
    for code in (status.UNSERVED_UP, status.UNSERVED_DOWN, status.BAD_INPUT):
        assert fleet_status(split_of(done.p_mw, code, 0.0, 0.0, 3.0), 9.0) == code
