"""What follows from the parameters alone, computed once and not in every tick."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from vppd.kernels import fits, headroom, limits, response, rows, share, tally

if TYPE_CHECKING:
    from vppd.core.types import Params

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

RESPONSE_AWARE: Final = 3  # `core.types.Policy`, which imports this
GAIN_MIN_PU: Final = 0.1  # of a unit that answers less until a point, nothing is asked for it
SNAP_PU: Final = 0.25  # of a unit's range: further off, its model begins anew
HORIZONS_S: Final = (300.0, 900.0, 1800.0)  # of promises; the first is the next look-ahead point


@dataclass(frozen=True, slots=True)
class Fixed:
    """Arrays of shape (n,) where nothing else is said; all read-only."""

    n: int  # units
    stiff: int  # units that cannot take any number
    banded: int  # units with an exclusion band
    gridless: bool  # no unit has a grid
    doubt_max_pu: float  # doubt that benches a unit, in parts of its range; 0: nobody is doubted
    units: F8  # (rows.UNIT_FIELDS, n)
    snap_mw: F8
    past_end: I8  # where the past setpoints of each unit end (`kernels.response.foresee`)
    past_rows: int
    when_rows: int
    share_work: int  # numbers of room for `kernels.share`
    ahead_s: F8  # (K,) look-ahead points, s from now
    gain_pu: F8  # (K, n) part of a change that has arrived by then
    horizons_s: F8  # (4,) of promises
    left_pu: F8  # (4, n) part of a step that has not arrived by then
    member: I8  # (n + 1,) lowest group of each unit; of the fast ones as one: none


def fixed(params: "Params") -> Fixed:
    """Compute it.

    Raises
    ------
    TypeError, ValueError
        An array has not the type of its field, or not one entry a unit or group; a group does not
        stand below its parent.
    """
    n = len(params.ids)
    _look_at(params, n)
    dead_s, lag_s = params.dead_time_s, params.lag_s
    past_end = np.empty(n, dtype=np.int64)
    past_rows = response.find_ends(dead_s, params.tick_s, past_end)
    ahead_s = np.array([params.look_ahead_s, params.settle_s], dtype=np.float64)
    gain_pu = np.empty((ahead_s.size, n))
    response.find_gains(dead_s, lag_s, ahead_s, GAIN_MIN_PU, gain_pu)
    horizons_s = np.array([params.look_ahead_s, *HORIZONS_S], dtype=np.float64)
    left_pu = np.empty((horizons_s.size, n))
    headroom.find_left(dead_s, lag_s, horizons_s, left_pu)
    units = np.stack([getattr(params, name) for name in rows.UNIT_FIELDS])
    snap_mw = SNAP_PU * (params.p_max_mw - params.p_min_mw)
    member = np.append(params.unit_group, -1)
    for array in (units, snap_mw, past_end, ahead_s, gain_pu, horizons_s, left_pu, member):
        array.setflags(write=False)
    return Fixed(
        n=n,
        stiff=limits.count_stiff(params.resolution_mw, params.step_min_mw),
        banded=tally.count_known(params.band_lower_mw),
        gridless=not params.steps_per_mw.any(),
        doubt_max_pu=_doubt_max_pu(params),
        units=units,
        snap_mw=snap_mw,
        past_end=past_end,
        past_rows=past_rows,
        when_rows=response.count_rows(np.array([dead_s.max(initial=0.0)]), params.tick_s),
        share_work=share.work_size(n, ahead_s.size),
        ahead_s=ahead_s,
        gain_pu=gain_pu,
        horizons_s=horizons_s,
        left_pu=left_pu,
        member=member,
    )


def _doubt_max_pu(params: "Params") -> float:
    """Only the response-aware policy foretells readings; with the others nobody is doubted."""
    foretells = params.policy == RESPONSE_AWARE and params.trust_error_pu > 0.0
    return params.trust_error_pu if foretells else 0.0


def _look_at(params: "Params", n: int) -> None:
    """Look at type and length of every array: in a tick nothing does (`kernels.fits`)."""
    for field in fields(params):
        of_units = field.type == F8 and not field.name.startswith("group_")
        if of_units and not fits.fits(n, getattr(params, field.name)):
            raise ValueError(f"{field.name} is not of {n} units")
    tree = params.unit_group, params.group_parent, params.group_lower_mw, params.group_upper_mw
    if not fits.tree_fits(n, *tree):
        raise ValueError("units and groups are no tree")
