"""Which units are trusted to do what their model says (`kernels/trust.py` tells how).

Only the response-aware policy foretells readings; with the others nobody is doubted.
"""

from dataclasses import replace

import numpy as np

from vppd.core.response import Foresight
from vppd.core.types import U1, Image, State
from vppd.kernels import trust

BENCHED = trust.BENCHED


def pardoned(state: State, unit: int) -> State:
    """The same, with the past of the unit forgotten that the operator trusts again."""
    if not 0 <= unit < state.doubt.size:
        return state
    columns = state.doubt.copy(), state.benched_s.copy(), state.bench_wait_s.copy()
    for column in columns:
        column[unit] = np.nan
    doubt, benched_s, bench_wait_s = columns
    return replace(state, doubt=doubt, benched_s=benched_s, bench_wait_s=bench_wait_s)


def as_measured(ahead: Foresight, image: Image, reason: U1) -> Foresight:
    """Foresight in which benched units stay where they are, whatever they are told."""
    stays = (reason == BENCHED) & ~np.isnan(image.p_meas_mw)
    return ahead._replace(
        free_mw=np.where(stays, image.p_meas_mw, ahead.free_mw),
        gain_pu=np.where(stays, 0.0, ahead.gain_pu),
    )
