"""What stands when orders are in force over the configuration."""

import numpy as np
import pytest
from builders import NAN, params, standing
from hypothesis import given
from hypothesis import strategies as st

from vppd.core.orders import (
    CapacityOrder,
    Hold,
    ModeOrder,
    PlanOrder,
    StopOrder,
    UnitOrder,
    spread_mw,
    stand,
)
from vppd.core.types import Order

P = params(3, safe_mw=np.array([1.0, 2.0, 3.0]))
BASE = standing(regulation_capacity_down_mw=10.0, basepoint_mw=np.array([4.0, 5.0, 6.0]))


def held(*orders):
    """Where each unit is held, by its index."""
    standing = stand(BASE, orders, P)
    assert set(standing.locked.tolist()) <= {0, 1}
    return {i: float(standing.operator_mw[i]) for i in range(3) if standing.locked[i]}


def test_without_orders_it_is_the_configuration():
    standing = stand(BASE, [], P)
    assert standing.order is Order.AUTO
    assert standing.basepoint_mw is BASE.basepoint_mw
    assert standing.pardon == -1
    assert held() == {}
    assert np.isnan(standing.operator_mw).all()


def test_a_unit_is_held_at_a_power_at_its_safe_value_or_at_its_plan():
    assert held(UnitOrder(Hold.SETPOINT, (0, 2), (7.0, 8.0))) == {0: 7.0, 2: 8.0}
    assert held(UnitOrder(Hold.LOCK_OUT, (0, 1))) == {0: 1.0, 1: 2.0}
    assert held(UnitOrder(Hold.BENCH, (1, 2))) == {1: 5.0, 2: 6.0}


def test_the_last_order_about_a_unit_stands():
    orders = UnitOrder(Hold.LOCK_OUT, (0, 1)), UnitOrder(Hold.SETPOINT, (1,), (-3.0,))
    assert held(*orders) == {0: 1.0, 1: -3.0}
    assert held(*reversed(orders)) == {0: 1.0, 1: 2.0}


def test_a_plan_outranks_the_configuration_and_a_capacity_the_plan():
    plan = PlanOrder((7.0, 8.0, 9.0), 30.0, 31.0)
    standing = stand(BASE, [plan], P)
    assert standing.basepoint_mw.tolist() == [7.0, 8.0, 9.0]
    assert standing.regulation_capacity_up_mw == 30.0
    assert standing.regulation_capacity_down_mw == 31.0
    assert standing.order is Order.AUTO
    standing = stand(BASE, [plan, CapacityOrder(5.0, 6.0)], P)
    assert standing.basepoint_mw.tolist() == [7.0, 8.0, 9.0]
    assert standing.regulation_capacity_up_mw == 5.0
    assert standing.regulation_capacity_down_mw == 6.0


def test_a_benched_unit_is_at_the_plan_in_force_also_one_that_came_later():
    plan = PlanOrder((7.0, 8.0, 9.0), 30.0, 31.0)
    assert held(UnitOrder(Hold.BENCH, (2,)), plan) == {2: 9.0}


def test_the_mode_is_that_of_the_last_order():
    assert stand(BASE, [ModeOrder(Order.LOCAL)], P).order is Order.LOCAL
    orders = [ModeOrder(Order.LOCAL), ModeOrder(Order.AUTO)]
    assert stand(BASE, orders, P).order is Order.AUTO


@pytest.mark.parametrize("first", [True, False])
def test_a_stop_outranks_every_other_order(first):
    others = [UnitOrder(Hold.SETPOINT, (0,), (9.0,)), ModeOrder(Order.LOCAL)]
    orders = [StopOrder(), *others] if first else [*others, StopOrder()]
    assert stand(BASE, orders, P).order is Order.SAFE
    assert held(*orders) == {}


def test_what_stands_is_read_only_and_the_base_stays_as_it_was():
    standing = stand(BASE, [UnitOrder(Hold.LOCK_OUT, (0,)), PlanOrder((0.0,) * 3, 1.0, 1.0)], P)
    for array in (standing.locked, standing.operator_mw, standing.basepoint_mw):
        assert not array.flags.writeable
    assert BASE.locked.tolist() == [0, 0, 0]
    assert np.isnan(BASE.operator_mw).all()


def test_the_numbers_of_holds_stand_in_the_journal():
    assert {hold.name: hold.value for hold in Hold} == {"SETPOINT": 0, "LOCK_OUT": 1, "BENCH": 2}


ranges = st.lists(
    st.tuples(st.floats(-100.0, 100.0), st.floats(0.0, 100.0)).map(lambda r: (r[0], r[0] + r[1])),
    min_size=1, max_size=6,
)  # fmt: skip


@given(ranges=ranges, part=st.floats(0.0, 1.0))
def test_a_sum_is_spread_at_the_same_part_of_each_range(ranges, part):
    low_mw, high_mw = (list(side) for side in zip(*ranges, strict=True))
    sum_mw = sum(low_mw) + part * (sum(high_mw) - sum(low_mw))
    spread = spread_mw(sum_mw, low_mw, high_mw)
    assert sum(spread) == pytest.approx(sum_mw, abs=1e-9)
    for value_mw, low, high in zip(spread, low_mw, high_mw, strict=True):
        assert low - 1e-9 <= value_mw <= high + 1e-9
        assert value_mw - low == pytest.approx(part * (high - low), abs=1e-6 * (1 + high - low))


def test_a_sum_is_spread_by_hand():
    assert spread_mw(5.0, [0.0, -2.0], [10.0, 2.0]) == pytest.approx([5.0, 0.0])
    assert spread_mw(-2.0, [0.0, -2.0], [10.0, 2.0]) == [0.0, -2.0]
    assert spread_mw(12.0, [0.0, -2.0], [10.0, 2.0]) == [10.0, 2.0]


def test_units_without_a_range_stay_where_they_are():
    assert spread_mw(3.0, [1.0, 2.0], [1.0, 2.0]) == [1.0, 2.0]


@pytest.mark.parametrize("sum_mw", [-2.001, 12.001, NAN])
def test_a_sum_that_they_cannot_make_up_is_refused_with_their_range(sum_mw):
    with pytest.raises(ValueError, match=r"^not within -2 to 12 MW$"):
        spread_mw(sum_mw, [0.0, -2.0], [10.0, 2.0])


def test_rounding_of_a_sum_is_no_reason_to_refuse_it():
    assert spread_mw(0.1 + 0.2 + 1e-15, [0.0] * 2, [0.1, 0.2]) == [0.1, 0.2]
    low_mw, high_mw = [-1e6], [0.0]
    assert spread_mw(-1e6 - 5e-4, low_mw, high_mw) == [-1e6]
    assert spread_mw(5e-4, low_mw, high_mw) == [0.0]
    assert spread_mw(1e6 + 5e-4, [0.0], [1e6]) == [1e6]
    assert spread_mw(5e-10, [-1e-3], [0.0]) == [0.0]
    for sum_mw in (5e-9, -1e-3 - 5e-9):
        with pytest.raises(ValueError, match="not within"):
            spread_mw(sum_mw, [-1e-3], [0.0])
