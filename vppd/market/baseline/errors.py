"""How good a baseline is: its error where nothing was asked, so that the truth is known."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vppd.market.baseline.record import (
    F8,
    AnyMethod,
    BaselineError,
    Calendar,
    Event,
    History,
)


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of baseline - truth over n intervals. Per cent are of the mean |truth|; NaN: of 0.

    A bias above 0 says more generation, or less load, than there was: the customer loses by it.
    """

    n: int
    bias_mw: float
    bias_pct: float
    rmse_mw: float
    rrmse_pct: float


@dataclass(frozen=True, slots=True)
class BackTest:
    """A method on days without an event, as if they had one. No day, no errors."""

    errors: Errors | None
    n_days: int
    refused: tuple[tuple[str, str], ...]  # day, reason


def errors_of(baseline_mw: F8, truth_mw: F8) -> Errors:
    """Bias and root mean square error of a baseline, MW and % of the mean |truth|.

    Parameters
    ----------
    baseline_mw, truth_mw : ndarray, shape (n,)
        n >= 1, finite; else BaselineError.
    """
    if baseline_mw.shape != truth_mw.shape or baseline_mw.ndim != 1 or not truth_mw.size:
        raise BaselineError("errors need two series of one length")
    off_mw = baseline_mw - truth_mw
    n = int(off_mw.size)
    bias_mw = math.fsum(off_mw) / n
    rmse_mw = math.sqrt(math.fsum(off_mw * off_mw) / n)
    mean_mw = math.fsum(np.abs(truth_mw)) / n
    if not math.isfinite(rmse_mw + mean_mw):
        raise BaselineError("errors need values that are finite")
    to_pct = 100.0 / mean_mw if mean_mw > 0.0 else math.nan
    return Errors(n, bias_mw, bias_mw * to_pct, rmse_mw, rmse_mw * to_pct)


def back_test(
    history: History, calendar: Calendar, first: int, stop: int, method: AnyMethod, rules: object
) -> BackTest:
    """Errors of a method over every day without an event, in intervals `first` to `stop` of it.

    Days of which there is no baseline, or no whole truth, are listed with the reason.
    """
    baselines: list[F8] = []
    truths: list[F8] = []
    refused: list[tuple[str, str]] = []
    for event in _placebos(history, calendar, first, stop):
        truth_mw = history.window(event.day, first, event.count)
        try:
            found = method.compute(history, calendar, event, rules)
        except BaselineError as error:
            refused.append((event.day.isoformat(), str(error)))
            continue
        if not np.isfinite(truth_mw).all():
            refused.append((event.day.isoformat(), "the meter has a gap in these hours"))
            continue
        baselines.append(found.p_mw)
        truths.append(truth_mw)
    if not truths:
        return BackTest(None, 0, tuple(refused))
    errors = errors_of(np.concatenate(baselines), np.concatenate(truths))
    return BackTest(errors, len(truths), tuple(refused))


def _placebos(history: History, calendar: Calendar, first: int, stop: int) -> Iterable[Event]:
    for day in history.days:
        if day not in calendar.events and day not in calendar.excluded:
            yield Event(day, first, stop)
