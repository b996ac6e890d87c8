"""The state of a plant under other parameters: after a reload, or a restart.

A unit that stays, by its id, keeps all that is known of it; a new one begins as one of which
nothing is known; one that went is forgotten.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vppd.core.response import nothing_sent
from vppd.core.state import initial_state
from vppd.core.types import F8, I8, Params, State

# Their lengths are no number of units: see `kernels.response.foresee`.
OWN_LENGTH = ("past_mw", "when_s", "ahead_price")


def places(before: Params, params: Params) -> I8:
    """Where each unit stood before, shape (n,); -1: it is new."""
    was = {unit: i for i, unit in enumerate(before.ids)}
    return np.array([was.get(unit, -1) for unit in params.ids], dtype=np.int64)


def carry_state(state: State, before: Params, params: Params) -> State:
    """State for the first tick under `params`, of the last one under `before`.

    With the same units, dead times and tick it is the same, bit for bit.
    """
    where = places(before, params)
    new = initial_state(params)
    changes: dict[str, Any] = {
        each.name: _carried(getattr(state, each.name), getattr(new, each.name), where)
        for each in fields(State)
        if isinstance(getattr(new, each.name), np.ndarray) and each.name not in OWN_LENGTH
    }
    past_mw, when_s = _carried_past(state, before, params, where)
    return replace(state, **changes, past_mw=past_mw, when_s=when_s)


def _carried(old: NDArray[Any], new: NDArray[Any], where: I8) -> NDArray[Any]:
    """Give `new`, shape (n,), with the old value of each unit that has one; read-only."""
    out = new.copy()
    stays = where >= 0
    out[stays] = old[where[stays]]
    out.setflags(write=False)
    return out


def _carried_past(state: State, before: Params, params: Params, where: I8) -> tuple[F8, F8]:
    """Past setpoints of each unit, the newest last, and when they left.

    Rows stand for ticks: of another length they say nothing. A unit whose dead time has
    changed keeps as many of its newest as it now has room for.
    """
    past_mw, when_s = nothing_sent(params)
    old, new = before.fixed, params.fixed
    fits = state.past_mw.size == old.past_rows and state.when_s.size == old.when_rows
    if fits and before.tick_s == params.tick_s:
        _fill_newest(when_s, state.when_s)
        for i, j in enumerate(where.tolist()):
            if j >= 0:
                _fill_newest(_rows(past_mw, new.past_end, i), _rows(state.past_mw, old.past_end, j))
    for array in (past_mw, when_s):
        array.setflags(write=False)
    return past_mw, when_s


def _rows(past_mw: F8, past_end: I8, i: int) -> F8:
    return past_mw[past_end[i - 1] if i else 0 : past_end[i]]


def _fill_newest(out: F8, old: F8) -> None:
    """Copy as many of the newest, which stand last, as there is room for."""
    count = min(out.size, old.size)
    out[out.size - count :] = old[old.size - count :]
