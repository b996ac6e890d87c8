"""What the droop products without a monitoring rule of their own share: bounds, and time outside.

No stored source has a scoring formula for them, so they are scored by what they require: the answer
must lie between the bounds that the requirement gives (`envelope`), less a tolerance.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vppd.market.envelope import outside_pu
from vppd.market.grid import blocks
from vppd.market.record import Interval, Scored, Series

F8 = NDArray[np.float64]
QUARTER_S = 900.0


def scored(
    series: Series, step_s: float, response_pu: F8, lower_pu: F8, upper_pu: F8,
    tolerance_pu: float, capacity_mw: float, price_eur_per_mw_h: float = math.nan,
) -> Scored:  # fmt: skip
    """Error beyond the tolerance and the share of time inside, by quarter hours and over all."""
    outside = outside_pu(response_pu, lower_pu - tolerance_pu, upper_pu + tolerance_pu)
    short = np.abs(response_pu) < np.minimum(np.abs(lower_pu), np.abs(upper_pu)) - tolerance_pu
    intervals = []
    for b in blocks(series.t_s, step_s, QUARTER_S):
        since_s = float(series.t_s[b.start])
        until_s = float(series.t_s[b.stop - 1]) + step_s
        intervals.append(Interval(since_s, until_s, _figures(outside[b], short[b])))
    figures = _figures(outside, short)
    energy = series.response_mw * (step_s / 3600.0)
    figures["given_up_mwh"] = float(np.maximum(0.0, energy).sum())
    figures["given_down_mwh"] = float(np.maximum(0.0, -energy).sum())
    if not math.isnan(price_eur_per_mw_h):
        hours = series.t_s.size * step_s / 3600.0
        figures["payment_eur"] = capacity_mw * price_eur_per_mw_h * hours
    return Scored(figures, tuple(intervals), {"inside": not outside.any()})


def _figures(outside: F8, short: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "error_max_pu": float(outside.max()),
        "error_mean_pu": float(outside.mean()),
        "inside_pct": 100.0 * float((outside == 0.0).mean()),
        "short_pct": 100.0 * float(short.mean()),
    }


def check_range(rules: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise ValueError where a setting is out of the range that the standard allows."""
    for name, (least, most) in ranges.items():
        value = getattr(rules, name)
        if not least <= value <= most:
            raise ValueError(f"{name} must be {least:g} to {most:g}, is {value:g}")
