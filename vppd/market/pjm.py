"""PJM's three-part performance score of a regulating resource (in force 2012 to 30 Sep 2025).

Sources
-------
[C] rules as in PJM Manual 12, section 4.5.6, as implemented in public code
    (GMLC-1-4-2/battery_interface, `RegService.perf_score`); that code takes the shift of the best
    correlation alone, in fixed blocks of five minutes: `GMLC_RULES`.
[K] latency credit, and the unit of the slopes in the rule for a flat signal (per 10-s sample, of
    values in pu of the award): no stored source confirmed them, so they are parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vppd.market.series import check_series, hold

F8 = NDArray[np.float64]
HOUR_S = 3600.0
SHORTEST_REST_S = 900.0  # a rest of an hour that is shorter is scored with the hour before it


@dataclass(frozen=True, slots=True)
class PjmRules:
    """Parameters of the score. Series are in pu of the award (the thresholds are, too)."""

    sample_s: float = 10.0
    window_s: float = 300.0
    shift_max_s: float = 300.0
    rolling: bool = True  # False: windows follow each other as blocks, each with its own mean |x|
    maximise: Literal["joint", "correlation"] = "joint"  # joint: r + delay
    latency_credit_s: float = 0.0  # [K] PJM gave 10 s
    flat_signal_pu: float = 0.01  # std of x in a window under which slopes are compared
    stuck_response_pu: float = 1e-5  # std of y under which the correlation is 0

    @property
    def window(self) -> int:
        """Samples of one window."""
        return round(self.window_s / self.sample_s)

    @property
    def shifts(self) -> int:
        """Largest shift, samples."""
        return round(self.shift_max_s / self.sample_s)


RULES = PjmRules()
GMLC_RULES = PjmRules(rolling=False, maximise="correlation")


@dataclass(frozen=True, slots=True)
class PjmScore:
    """Score of one interval, all parts 0 to 1."""

    score: float
    correlation: float
    delay: float
    precision: float
    since_s: float
    until_s: float  # end of the part that was scored


def score_samples(
    signal_pu: F8, response_pu: F8, rules: PjmRules = RULES, since_s: float = 0.0
) -> PjmScore:
    """Score samples that are already `rules.sample_s` apart.

    Parameters
    ----------
    signal_pu, response_pu : ndarray, shape (n,)
        pu of the award, generation positive. The last `shifts` samples only serve as the shifted
        response; what is scored ends before them.

    Raises
    ------
    ValueError
        Shapes differ, a value is not finite, or not even one window fits.
    """
    check_series(signal_pu, response_pu)
    scored = signal_pu.size - rules.shifts
    if scored < rules.window:
        raise ValueError(
            f"{signal_pu.size} samples; at least {rules.window + rules.shifts} are needed"
        )
    starts = np.arange(0, scored - rules.window + 1, 1 if rules.rolling else rules.window)
    correlation, delay = _best_shift(signal_pu, response_pu, starts, rules)
    if rules.rolling:
        precision = _precision(signal_pu[:scored], response_pu[:scored])
    else:
        blocks = [slice(s, s + rules.window) for s in starts]
        precision = float(np.mean([_precision(signal_pu[b], response_pu[b]) for b in blocks]))
    parts = (float(correlation.mean()), float(delay.mean()), precision)
    return PjmScore(sum(parts) / 3.0, *parts, since_s, since_s + scored * rules.sample_s)


def score_series(
    t_s: F8, signal_pu: F8, response_pu: F8, rules: PjmRules = RULES
) -> list[PjmScore]:
    """Score a recording hour by hour, from point samples (each value holds until the next).

    The five minutes after an hour serve as its shifted response. The last interval gives up its
    own last five minutes for that. A recording shorter than window + shift gives an empty list.

    Parameters
    ----------
    t_s : ndarray, shape (n,)
        Rising, s.
    signal_pu, response_pu : ndarray, shape (n,)
        pu of the award, generation positive.
    """
    check_series(t_s, signal_pu, response_pu)
    n = int(np.floor((t_s[-1] - t_s[0]) / rules.sample_s + 1e-9)) + 1
    at_s = t_s[0] + rules.sample_s * np.arange(n)
    x, y = hold(t_s, signal_pu, at_s), hold(t_s, response_pu, at_s)
    if n < rules.window + rules.shifts:
        return []
    hour, rest = round(HOUR_S / rules.sample_s), round(SHORTEST_REST_S / rules.sample_s)
    starts = [s for s in range(0, n, hour) if s == 0 or n - s >= rest]
    ends = [s + rules.shifts for s in starts[1:]] + [n]
    return [
        score_samples(x[s:e], y[s:e], rules, float(at_s[s]))
        for s, e in zip(starts, ends, strict=True)
    ]


def combine(intervals: Sequence[PjmScore]) -> PjmScore:
    """Mean of intervals, weighted by their length. Raises ValueError if there is none."""
    if not intervals:
        raise ValueError("no interval was scored")
    weights = [i.until_s - i.since_s for i in intervals]

    def mean(part: str) -> float:
        return float(np.average([getattr(i, part) for i in intervals], weights=weights))

    return PjmScore(
        mean("score"),
        mean("correlation"),
        mean("delay"),
        mean("precision"),
        intervals[0].since_s,
        intervals[-1].until_s,
    )


def mileage_pu(signal_pu: F8) -> float:
    """Way that a signal asks for: the sum of its changes, pu."""
    return float(np.abs(np.diff(signal_pu)).sum())


def _best_shift(x: F8, y: F8, starts: NDArray[np.int64], rules: PjmRules) -> tuple[F8, F8]:
    """Correlation and delay score of each window, at the shift that maximises them."""
    w = rules.window
    windows_x = sliding_window_view(x, w)[starts]
    windows_y = sliding_window_view(y, w)
    r = _pearson(windows_x, windows_y, starts, rules)
    late_s = np.maximum(
        0.0, rules.sample_s * np.arange(rules.shifts + 1.0) - rules.latency_credit_s
    )
    delay = np.abs((late_s - rules.shift_max_s) / rules.shift_max_s)
    best = np.argmax(r + delay if rules.maximise == "joint" else r, axis=1)
    correlation = np.maximum(0.0, r[np.arange(starts.size), best])
    delay_score = delay[best]
    # A plant that does not move at all earns nothing for being "in time".
    stuck = (r == 0.0).all(axis=1)
    delay_score[stuck] = delay[-1]
    flat = windows_x.std(axis=1) < rules.flat_signal_pu
    slopes = _slope(windows_x[flat]) - _slope(windows_y[starts[flat]])
    correlation[flat] = np.maximum(0.0, 1.0 - np.abs(slopes))
    delay_score[flat] = 1.0
    return correlation, delay_score


def _pearson(windows_x: F8, windows_y: F8, starts: NDArray[np.int64], rules: PjmRules) -> F8:
    """Pearson r of each window at each shift, shape (windows, shifts + 1); 0 where y is stuck."""
    x = windows_x - windows_x.mean(axis=1, keepdims=True)
    y = windows_y - windows_y.mean(axis=1, keepdims=True)
    length_x, length_y = np.sqrt((x * x).sum(axis=1)), np.sqrt((y * y).sum(axis=1))
    moves_y = length_y >= rules.stuck_response_pu * np.sqrt(rules.window)
    r = np.zeros((starts.size, rules.shifts + 1))
    for d in range(rules.shifts + 1):
        at = starts + d
        ok = moves_y[at] & (length_x > 0.0)
        r[ok, d] = (x[ok] * y[at[ok]]).sum(axis=1) / (length_x[ok] * length_y[at[ok]])
    return r


def _slope(windows: F8) -> F8:
    """Slope of each row by least squares, per sample."""
    k = np.arange(windows.shape[1]) - (windows.shape[1] - 1) / 2.0
    return np.asarray((windows * k).sum(axis=1) / (k * k).sum())


def _precision(x: F8, y: F8) -> float:
    """1 - mean|y - x| / mean|x|, not below 0. Of a signal that asks nothing: 1 if y is 0, too."""
    asked, missed = float(np.abs(x).mean()), float(np.abs(y - x).mean())
    if asked == 0.0:
        return 1.0 if missed == 0.0 else 0.0
    return max(0.0, 1.0 - missed / asked)
