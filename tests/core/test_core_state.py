"""What one tick hands to the next: the first state, what is kept; nobody can write to it."""

import dataclasses
from math import isnan

import numpy as np
import pytest
from builders import image, params

from vppd.core.state import initial_state
from vppd.core.tick import elapsed_s, tick
from vppd.core.types import Mode, Policy, Reason, Verdict


def test_at_first_nothing_is_known():
    state = initial_state(params(2))
    for name in ("now_s", "mode_since_s", "agc_pu", "agc_accepted_s", "agc_seen_s"):
        assert isnan(getattr(state, name)), name
    assert (state.mode, state.verdict) == (Mode.STARTING, Verdict.NONE)
    assert (state.agc_sequence, state.regulation_pu, state.lam, state.unserved) == (-1, 0.0, 0.0, 0)
    assert np.isnan(state.p_setpoint_mw).tolist() == [True, True]
    assert state.out_reason.tolist() == [Reason.FALLBACK] * 2


def test_arrays_are_shared_without_copies_so_none_can_be_written():
    p = params()
    first = initial_state(p)
    state, decision = tick(first, image(), p)
    arrays = {
        (k, f.name): getattr(record, f.name)
        for k, record in enumerate((first, state, decision))
        for f in dataclasses.fields(record)
        if isinstance(getattr(record, f.name), np.ndarray)
    }
    assert len(arrays) > 10
    assert [name for name, array in arrays.items() if array.flags.writeable] == []


def test_what_a_refused_value_carries_is_not_kept():
    p = params()
    state, _ = tick(initial_state(p), image(agc_pu=0.3, agc_sequence=7), p)
    assert (state.agc_sequence, state.agc_pu, state.agc_accepted_s) == (7, 0.3, 100.0)
    state, _ = tick(state, image(now_s=101.0, agc_pu=9.0, agc_sequence=8), p)
    assert (state.agc_sequence, state.agc_pu, state.agc_accepted_s) == (7, 0.3, 100.0)
    assert state.agc_seen_s == 101.0


def test_the_mode_counts_from_its_first_tick():
    p = params()
    state, _ = tick(initial_state(p), image(), p)
    assert (state.mode, state.mode_since_s) == (Mode.REGULATING, 100.0)
    state, _ = tick(state, image(now_s=101.0), p)
    assert state.mode_since_s == 100.0


def test_the_multiplier_is_kept_where_there_is_one():
    p = params()
    state, decision = tick(initial_state(p), image(agc_pu=0.3), p)
    assert state.lam == decision.lam == pytest.approx(2.0)
    state, decision = tick(state, image(agc_pu=0.3), params(policy=Policy.PRO_RATA))
    assert isnan(decision.lam)
    assert state.lam == 0.0


@pytest.mark.parametrize(
    ("now_s", "passed_s"), [(100.0, 0.0), (100.3, 0.3), (99.0, 0.0), (102.0, 2.0), (102.5, 2.0)]
)
def test_time_since_the_last_tick(now_s, passed_s):
    p = params()
    before = dataclasses.replace(initial_state(p), now_s=100.0)
    assert elapsed_s(before, image(now_s=now_s), p) == pytest.approx(passed_s)
    assert elapsed_s(initial_state(p), image(now_s=now_s), p) == 1.0
    assert elapsed_s(before, image(now_s=190.0), params(tick_s=4.0)) == 8.0
