"""How closely a plant follows its request. Always against a named basis."""

import numpy as np
from numpy.typing import NDArray

from vppd.market.series import check_series

F8 = NDArray[np.float64]


def mae_mw(request_mw: F8, response_mw: F8) -> float:
    """Mean of |request - response| over all samples, MW."""
    check_series(request_mw, response_mw)
    return float(np.abs(request_mw - response_mw).mean())


def accuracy_pct(request_mw: F8, response_mw: F8, basis_mw: float) -> float:
    """Tracking accuracy: 100 (1 - mean|request - response| / basis) over all samples, %.

    No credit for latency, no sample left out, no floor: a plant that moves the wrong way is below
    zero. `basis_mw` (> 0) is the regulation capacity unless said otherwise.
    """
    if not basis_mw > 0.0:
        raise ValueError(f"basis_mw must be above 0 MW, is {basis_mw:g}")
    return 100.0 * (1.0 - mae_mw(request_mw, response_mw) / basis_mw)
