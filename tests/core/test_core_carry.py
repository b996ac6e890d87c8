"""The state of a plant under other parameters."""

import dataclasses

import numpy as np
from builders import image, params
from hypothesis import given
from hypothesis import strategies as st

from vppd.core.carry import OWN_LENGTH, carry_state, places
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Policy, State

ARRAYS = [
    f.name
    for f in dataclasses.fields(State)
    if isinstance(getattr(initial_state(params(1)), f.name), np.ndarray)
]


def fleet(ids, dead_time_s, **changes):
    return params(
        len(ids), ids=tuple(ids), dead_time_s=np.array(dead_time_s, dtype=float),
        policy=Policy.RESPONSE_AWARE, **changes,
    )  # fmt: skip


def ticked(p, ticks=6):
    """A state with a history: a signal that goes up and down."""
    state, n = initial_state(p), len(p.ids)
    for k in range(ticks):
        given_pu = 0.5 * (-1) ** (k // 2)
        now_s = 100.0 + k
        state, _ = tick(state, image(n, k, now_s, agc_pu=given_pu), p)
    return state


def same(a, b):
    return np.array_equal(a, b, equal_nan=True)


fleets = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.floats(0.0, 5.0)),
    min_size=1, max_size=6, unique_by=lambda unit: unit[0],
)  # fmt: skip


def test_the_same_units_have_the_same_state_bit_for_bit():
    p = fleet("abc", [0.0, 2.5, 4.0])
    state = ticked(p)
    carried = carry_state(state, p, p)
    for field in dataclasses.fields(State):
        old, new = getattr(state, field.name), getattr(carried, field.name)
        assert old.tobytes() == new.tobytes() if field.name in ARRAYS else old is new


@given(old=fleets, new=fleets)
def test_who_stays_keeps_all_and_who_is_new_has_nothing(old, new):
    before, after = (fleet(*zip(*units, strict=True)) for units in (old, new))
    state = ticked(before)
    carried, fresh = carry_state(state, before, after), initial_state(after)
    where = places(before, after)
    for name in ARRAYS:
        if name in OWN_LENGTH:
            continue
        was, becomes, nothing = (getattr(s, name) for s in (state, carried, fresh))
        for i, j in enumerate(where):
            assert same(becomes[i], was[j] if j >= 0 else nothing[i]), name


@given(old=fleets, new=fleets)
def test_the_next_tick_takes_it(old, new):
    """Arrays fit, past setpoints too: a tick refuses any that do not."""
    before, after = (fleet(*zip(*units, strict=True)) for units in (old, new))
    carried = carry_state(ticked(before), before, after)
    n = len(after.ids)
    assert carried.past_mw.size == after.fixed.past_rows
    state, decision = tick(carried, image(n, 7, 106.0), after)
    assert decision.p_setpoint_mw.shape == (n,)
    stays = np.flatnonzero(places(before, after) >= 0)
    step_mw = np.abs(decision.p_setpoint_mw - carried.p_setpoint_mw)[stays]
    assert np.all(step_mw <= after.ramp_up_mw_per_s[stays] * 1.0 + 1e-9)
    assert state.past_mw.size == after.fixed.past_rows


@given(old=fleets, new=fleets)
def test_past_setpoints_go_with_their_unit(old, new):
    """The newest stand last, as many as the unit's dead time now needs."""
    before, after = (fleet(*zip(*units, strict=True)) for units in (old, new))
    state = ticked(before)
    carried = carry_state(state, before, after)
    rows = (rows_of(before, state.past_mw), rows_of(after, carried.past_mw))
    for i, j in enumerate(places(before, after)):
        is_now = rows[1][i]
        count = 0 if j < 0 else min(len(is_now), len(rows[0][j]))
        assert np.all(np.isnan(is_now[: len(is_now) - count]))
        if count:
            assert same(is_now[-count:], rows[0][j][-count:])


def rows_of(p, past_mw):
    return np.split(past_mw, p.fixed.past_end[:-1])


def test_rows_of_another_tick_length_are_forgotten():
    before, after = fleet("ab", [2.0, 3.0]), fleet("ab", [2.0, 3.0], tick_s=0.5)
    carried = carry_state(ticked(before), before, after)
    assert np.all(np.isnan(carried.past_mw))
    assert np.all(np.isneginf(carried.when_s))
    assert not np.any(np.isnan(carried.p_setpoint_mw))


def test_what_it_gives_cannot_be_written():
    p = fleet("ab", [0.0, 1.0])
    carried = carry_state(ticked(p), p, fleet("bc", [0.0, 1.0]))
    assert not any(
        getattr(carried, name).flags.writeable for name in ARRAYS if name != "ahead_price"
    )
