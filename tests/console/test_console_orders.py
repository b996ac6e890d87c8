"""Orders as records: what stands, what the core makes of it, and the file that keeps them."""

import dataclasses
import json

import numpy as np
import pytest
from builders import image, params
from builders import standing as base
from hypothesis import given
from hypothesis import strategies as st

from vppd.core.effect import effect
from vppd.core.orders import (
    Hold,
    ModeOrder,
    PlanOrder,
    Standing,
    StopOrder,
    UnitOrder,
    spread_mw,
    stand,
)
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Order, Policy, Reason
from vppd.ops.orders.book import Book, expired, load, save, with_order, with_plan
from vppd.ops.orders.form import Form, OrderError, members, parse

N = 3


def test_the_last_order_about_a_unit_counts():
    plant = params(N)
    held = UnitOrder(Hold.SETPOINT, (0, 1), (1.0, 2.0))
    standing = stand(base(), (held, UnitOrder(Hold.LOCK_OUT, (1,))), plant)
    assert standing.locked.tolist() == [1, 1, 0]
    assert standing.operator_mw[0] == 1.0
    assert standing.operator_mw[1] == plant.safe_mw[1]


def test_a_bench_follows_the_plan_that_is_accepted_after_it():
    order = PlanOrder((1.0, 2.0, 3.0), 5.0, 6.0)
    standing = stand(base(), (UnitOrder(Hold.BENCH, (2,)), order), params(N))
    assert standing.operator_mw[2] == 3.0
    assert (standing.regulation_capacity_up_mw, standing.regulation_capacity_down_mw) == (5.0, 6.0)


def test_an_emergency_stop_lets_nobody_hold_a_unit_elsewhere():
    orders = (UnitOrder(Hold.SETPOINT, (0,), (9.0,)), StopOrder(), ModeOrder(Order.LOCAL))
    standing = stand(base(), orders, params(N))
    assert standing.order is Order.SAFE
    assert not standing.locked.any()


def test_what_stands_without_orders_is_what_the_configuration_says():
    standing = stand(base(), (), params(N))
    for field in dataclasses.fields(Standing):
        was, now = getattr(base(), field.name), getattr(standing, field.name)
        assert np.array_equal(was, now, equal_nan=field.name == "operator_mw"), field.name


@given(
    st.lists(st.tuples(st.floats(-50, 0), st.floats(0, 50)), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_a_sum_is_spread_within_every_limit(limits, part):
    low, high = [a for a, _ in limits], [b for _, b in limits]
    wanted = sum(low) + part * (sum(high) - sum(low))
    got = spread_mw(wanted, low, high)
    assert sum(got) == pytest.approx(wanted, abs=1e-9)
    assert all(a - 1e-12 <= p <= b + 1e-12 for a, p, b in zip(low, got, high, strict=True))


def test_a_sum_beyond_the_limits_is_refused():
    with pytest.raises(ValueError, match="not within -1 to 2 MW"):
        spread_mw(2.5, [-1.0], [2.0])


def held_tick(standing: Standing):
    plant = params(N, policy=Policy.EXACT)
    inputs = image(N, agc_pu=0.3)
    state, _ = tick(initial_state(plant), inputs, plant)
    later = dataclasses.replace(
        inputs, tick=1, now_s=inputs.now_s + 1.0, order=standing.order, locked=standing.locked,
        operator_mw=standing.operator_mw, measured_at_s=inputs.measured_at_s + 1.0,
        accepted_at_s=inputs.accepted_at_s + 1.0, agc_received_s=inputs.agc_received_s + 1.0,
    )  # fmt: skip
    return plant, state, inputs, later


def test_the_effect_is_what_the_next_tick_does():
    standing = stand(base(), (UnitOrder(Hold.SETPOINT, (0,), (1.0,)),), params(N))
    plant, state, inputs, later = held_tick(standing)
    told = effect(state, inputs, plant, base(), standing)
    shifted = dataclasses.replace(inputs, now_s=later.now_s)
    without = tick(state, dataclasses.replace(shifted, tick=1), plant)[1]
    with_it = tick(
        state,
        dataclasses.replace(
            shifted, tick=1, locked=standing.locked, operator_mw=standing.operator_mw
        ),
        plant,
    )[1]
    assert with_it.held_by[0] == Reason.OPERATOR
    others = float((with_it.p_setpoint_mw - without.p_setpoint_mw)[1:].sum())
    assert told.others_mw == pytest.approx(others)
    assert told.unserved_mw == with_it.unserved_mw
    assert (told.units, told.then_mw) == (1, 1.0)


def test_an_effect_of_nothing_is_nothing():
    plant, state, inputs, _ = held_tick(base())
    told = effect(state, inputs, plant, base(), base())
    assert (told.units, told.moved_mw, told.others_mw) == (0, 0.0, 0.0)
    assert told.unserved_change_mw == 0.0


# -- the book --------------------------------------------------------------------------------


def ordered(book: Book, utc_s: float = 1000.0, **form) -> Book:
    plant = params(N)
    return with_order(
        book, parse(form, plant), plant, np.array([0.1, 0.2, np.nan]), "otto", "a test", utc_s
    )  # fmt: skip


def names(*units: int) -> list[str]:
    return [params(N).ids[i] for i in units]


def test_a_new_order_takes_its_units_from_the_old_ones():
    book = ordered(Book(), kind="lock_out", units=names(0, 1, 2))
    book = ordered(book, kind="hold", units=names(1))
    assert [entry.order.units for entry in book.entries] == [(0, 2), (1,)]
    assert book.entries[1].order.p_mw == (0.2,)  # where it stood
    book = ordered(book, kind="release", units=names(0, 2))
    assert [entry.order.units for entry in book.entries] == [(1,)]


def test_a_unit_that_was_never_told_is_held_nowhere():
    with pytest.raises(OrderError, match="has no setpoint yet: say p_mw"):
        ordered(Book(), kind="hold", units=names(2))


def test_an_order_ends_at_its_time_and_not_before():
    book = ordered(Book(), kind="capacity", up_mw=1.0, down_mw=2.0, expires_in_s=60.0)
    assert expired(book, 1059.9) == (book, ())
    left, over = expired(book, 1060.0)
    assert left.entries == ()
    assert over == book.entries


def test_unbench_ends_the_operators_bench_and_clears_the_doubt():
    book = ordered(Book(), kind="bench", units=names(0, 1))
    book = ordered(book, kind="unbench", units=names(1))
    assert [entry.order.units for entry in book.entries] == [(0,)]
    assert book.pardons == (1,)
    assert book.standing(base(), params(N)).pardon == 1


def test_the_file_brings_back_what_was_in_force(tmp_path):
    plant, path = params(N), tmp_path / "orders.json"
    book = ordered(Book(), kind="lock_out", units=names(0), expires_in_s=60.0)
    book = ordered(book, kind="hold", units=names(1), p_mw=0.5)
    book = ordered(book, kind="mode", mode="LOCAL")
    book = ordered(book, kind="capacity", up_mw=1.0, down_mw=2.0)
    book = with_plan(book, PlanOrder((0.0, 1.0, 2.0), 3.0, 4.0), "elsa", "day ahead", 1.0)
    save(book, plant, path)
    assert load(plant, path) == (book, ())


def test_a_unit_that_left_the_fleet_is_told_and_the_rest_stands(tmp_path):
    path = tmp_path / "orders.json"
    save(ordered(Book(), kind="lock_out", units=names(0, 2)), params(N), path)
    book, lost = load(params(2), path)
    assert book.entries[0].order.units == (0,)
    assert lost == (f"an order about {names(2)[0]}, which is not in the fleet any more",)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 9}', "\x00", "null"])
def test_a_file_that_cannot_be_read_is_told_and_stops_nothing(tmp_path, text):
    path = tmp_path / "orders.json"
    path.write_text(text)
    book, lost = load(params(N), path)
    assert book == Book()
    assert "orders are not in force" in lost[0]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["hold", "mode", "capacity", "cancel", "accept_plan", "bench"])},
        optional=dict.fromkeys(
            ("units", "groups", "p_mw", "expires_in_s", "mode", "up_mw", "plan", "number"), ANYTHING
        ),
    )
    | ANYTHING
)
def test_whatever_comes_is_an_order_or_an_order_error(data):
    try:
        form = parse(data, params(N))
    except OrderError:
        return
    assert isinstance(form, Form)
    assert json.dumps(data, default=str)


def test_a_group_has_the_units_of_the_groups_within_it():
    plant = params(
        4, unit_group=np.array([0, 1, 2, -1]), group_parent=np.array([-1, 0, 1]),
        group_ids=("site", "feeder", "row"), group_lower_mw=np.full(3, -np.inf),
        group_upper_mw=np.full(3, np.inf),
    )  # fmt: skip
    assert members(0, plant) == (0, 1, 2)
    assert members(2, plant) == (2,)
