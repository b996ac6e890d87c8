"""How quickly, how far and how steadily a plant answers an event: what a TSO asks of a reserve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
NAN = float("nan")
SHARES_AFTER_S = (10.0, 30.0)
SWING_S = 30.0  # the first swing ends with the last share
EVENT_S = 360.0  # an event is over: secondary reserve has five minutes, and a minute to settle


@dataclass(frozen=True, slots=True)
class Response:
    """Answer to one event. Times count from the event; NaN: never, or not defined."""

    required_mw: float  # the most that was asked for, with its sign
    response_50_s: float  # until that share of it is delivered
    response_90_s: float
    share_10s_pct: float  # delivered of what is required at that time
    share_30s_pct: float
    # most that was delivered beyond what was required then, of required_mw
    swing_overshoot_pct: float  # to SWING_S
    overshoot_pct: float  # to EVENT_S; NaN where the run ends before
    # mean of what was delivered too much or too little from SWING_S to EVENT_S, of required_mw; NaN
    # where the run ends before
    recovery_off_pct: float


def measure(t_s: F8, required_mw: F8, delivered_mw: F8) -> Response:
    """Measure an answer.

    Parameters
    ----------
    t_s : ndarray, shape (n,)
        Since the event, rising, from 0 or before on.
    required_mw, delivered_mw : ndarray, shape (n,)
        Beyond the schedule, generation positive. NaN where the delivered power is not known.
    """
    after = t_s >= 0.0
    t_s, required_mw, delivered_mw = t_s[after], required_mw[after], delivered_mw[after]
    if not t_s.size or not np.any(required_mw):
        return Response(0.0, *[NAN] * 7)
    peak_mw = float(required_mw[np.argmax(np.abs(required_mw))])
    asked, given = required_mw / peak_mw, delivered_mw / peak_mw
    shares = [_share(t_s, asked, given, after_s) for after_s in SHARES_AFTER_S]
    beyond = given - asked
    in_event = (t_s <= EVENT_S) & _is_over(t_s, EVENT_S)
    recovery = beyond[in_event & (t_s > SWING_S) & np.isfinite(beyond)]
    return Response(
        required_mw=peak_mw,
        response_50_s=reached_s(t_s, given, 0.5),
        response_90_s=reached_s(t_s, given, 0.9),
        share_10s_pct=shares[0],
        share_30s_pct=shares[1],
        swing_overshoot_pct=100.0 * _most(beyond[t_s <= SWING_S]),
        overshoot_pct=100.0 * _most(beyond[in_event]),
        recovery_off_pct=100.0 * float(np.mean(np.abs(recovery))) if recovery.size else NAN,
    )


def reached_s(t_s: F8, given: F8, share: float) -> float:
    """First instant at which a share is delivered, between samples on a line; NaN: never."""
    there = np.flatnonzero(given >= share)
    if not there.size:
        return NAN
    k = int(there[0])
    if k == 0 or not np.isfinite(given[k - 1]):
        return float(t_s[k])
    return float(np.interp(share, given[k - 1 : k + 1], t_s[k - 1 : k + 1]))


def _most(beyond: F8) -> float:
    """Give the most that was too much, 0.0 if nothing was; NaN: not known."""
    known = beyond[np.isfinite(beyond)]
    return max(float(known.max()), 0.0) if known.size else NAN


def _is_over(t_s: F8, after_s: float) -> bool:
    """Say whether a record goes as far as that."""
    return bool(t_s[-1] >= after_s - 1e-6)


def _share(t_s: F8, asked: F8, given: F8, after_s: float) -> float:
    """Delivered of required at an instant, %; NaN if the run ends before, or nothing is asked."""
    if not _is_over(t_s, after_s):
        return NAN
    k = int(np.argmin(np.abs(t_s - after_s)))
    return 100.0 * float(given[k] / asked[k]) if asked[k] > 0.0 else NAN
