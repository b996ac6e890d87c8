"""What Great Britain's three dynamic services share: bounds, error, pay factor, stored energy.

Error [C]
    Samples at 20 Hz. The response must lie between bounds made from the highest and lowest
    frequency .2 to .55 s ago, which move 2 pu/s at least and 4 pu/s at most (`envelope`). Error of
    a sample: distance outside the bounds / MW; of it the lowest of the last 4 samples. In the first
    second, 21 samples, the bounds are the whole range of the service. The error of a settlement
    period of 30 min (from the first row; the last one may be shorter) is its highest.
Pay factor [K]
    1 below 3 % error, straight down to 0 at 7 %.
Energy [K]
    A limited store must hold, at the start of a settlement period, MW x duration, less what was
    delivered, plus what could be recovered: of what was delivered three periods before or earlier,
    20 % of the full volume a period at most.

Source: NESO, illustrative performance script for Dynamic Containment [C]; service terms of DC, DM
and DR and the EBR article 18 terms.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vppd.market.envelope import Pace, bounds_pu, curve_pu, outside_pu, rolling_min
from vppd.market.grid import blocks, check_grid, check_step, frequency_of
from vppd.market.record import F8, Confidence, Form, Interval, Market, Scored, Series

STEP_S, PERIOD_S, NOMINAL_HZ = 0.05, 1800.0, 50.0
FIRST_SAMPLES, ERROR_SAMPLES = 21, 4
FULL_PAY_ERROR, NO_PAY_ERROR = 0.03, 0.07
RECOVERED_A_PERIOD, RECOVERED_AFTER = 0.2, 3
Side = Literal["low", "high", "both"]


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its curve by distance from 50 Hz, its pace, how long it must last."""

    points_hz: tuple[float, ...]
    points_pu: tuple[float, ...]
    pace: Pace
    sustain_min: float


@dataclass(frozen=True, slots=True)
class Rules:
    """Contract. `side`: the low service, the high one, or both as one response."""

    capacity_mw: float = math.nan
    side: Side = "low"
    price_gbp_per_mw_h: float = math.nan


def score(series: Series, rules: Rules, service: Service) -> Scored:
    """Score settlement periods. Raises SeriesError."""
    check_step(check_grid(series), exactly_s=STEP_S)
    lower, upper = bounds(frequency_of(series), service, rules.side)
    outside = outside_pu(series.response_mw / rules.capacity_mw, lower, upper)
    error = rolling_min(outside, ERROR_SAMPLES)
    intervals = _periods(series, error, rules, rules.capacity_mw * service.sustain_min / 60.0)
    errors, factors, delivered, payments = (
        [row.values[name] for row in intervals]
        for name in ("error", "pay_factor", "delivered_mwh", "payment_gbp")
    )
    lengths_s = [row.until_s - row.since_s for row in intervals]
    figures = {
        "error": max(errors),
        "pay_factor": float(np.average(factors, weights=lengths_s)),
        "delivered_mwh": math.fsum(delivered),
    }
    if not math.isnan(rules.price_gbp_per_mw_h):
        figures["payment_gbp"] = math.fsum(payments)
    return Scored(figures, intervals, {"full_pay": max(errors) < FULL_PAY_ERROR})


def _periods(series: Series, error: F8, rules: Rules, full_mwh: float) -> tuple[Interval, ...]:
    """Error, pay factor, energy and pay of each settlement period."""
    rows = list(blocks(series.t_s, STEP_S, PERIOD_S))
    hours = [(b.stop - b.start) * STEP_S / 3600.0 for b in rows]
    sign = -1.0 if rules.side == "high" else 1.0
    delivered = [
        sign * float(series.response_mw[b].mean()) * h for b, h in zip(rows, hours, strict=True)
    ]
    floors = stored_floor_mwh(delivered, full_mwh)
    periods = []
    for k, b in enumerate(rows):
        worst = float(error[b].max())
        factor = pay_factor(worst)
        values = {
            "error": worst,
            "pay_factor": factor,
            "delivered_mwh": delivered[k],
            "stored_least_mwh": floors[k],
            "payment_gbp": rules.capacity_mw * rules.price_gbp_per_mw_h * hours[k] * factor,
        }
        since_s = float(series.t_s[b.start])
        periods.append(Interval(since_s, since_s + hours[k] * 3600.0, values))
    return tuple(periods)


def wanted_pu(freq_hz: F8, service: Service, side: Side) -> F8:
    """Response that the curve asks for at a frequency; low services are positive."""
    down_hz = NOMINAL_HZ - freq_hz
    low = curve_pu(down_hz, service.points_hz, service.points_pu)
    high = -curve_pu(-down_hz, service.points_hz, service.points_pu)
    return low if side == "low" else high if side == "high" else low + high


def bounds(freq_hz: F8, service: Service, side: Side) -> tuple[F8, F8]:
    """Lower and upper bound of each sample, pu."""
    wanted = wanted_pu(freq_hz, service, side)
    lower, upper = bounds_pu(wanted, wanted, STEP_S, service.pace)
    lower[:FIRST_SAMPLES] = 0.0 if side == "low" else -1.0
    upper[:FIRST_SAMPLES] = 0.0 if side == "high" else 1.0
    return lower, upper


def pay_factor(error: float) -> float:
    """1 up to 3 %, straight down to 0 at 7 %."""
    return min(1.0, max(0.0, (NO_PAY_ERROR - error) / (NO_PAY_ERROR - FULL_PAY_ERROR)))


def stored_floor_mwh(delivered_mwh: Sequence[float], full_mwh: float) -> list[float]:
    """Least energy to be stored (or, for a high service, room for it) at the start of each period.

    Parameters
    ----------
    delivered_mwh
        Delivered in the direction of the service in each period; below 0 where energy came back.
    full_mwh
        MW x duration.
    """
    floor, owed, floors = full_mwh, 0.0, []
    for k, now in enumerate(delivered_mwh):
        floors.append(floor)
        earlier = delivered_mwh[k - RECOVERED_AFTER] if k >= RECOVERED_AFTER else 0.0
        owed += max(0.0, earlier)
        back = min(owed, RECOVERED_A_PERIOD * full_mwh)
        owed -= back
        floor = min(full_mwh, max(0.0, floor - max(0.0, now) + back))
    return floors


def market(
    scores: Callable[[Series, Rules], Scored],
    *,
    name: str,
    title: str,
    since: str,
    thresholds: str,
    source: str,
    confidence: Confidence,
) -> Market[Rules]:
    """Give the market of one service, by the function of its module that scores it."""
    return Market(
        name=name,
        title=title,
        since=since,
        until="",
        form=Form.FREQUENCY,
        step="0.05 s (20 Hz)",
        interval="30 min",
        formula="highest of the 4-sample rolling minimum of the distance outside the bounds / MW",
        payment="MW x price x hours x pay factor (1 below 3 % error, 0 from 7 %)",
        thresholds=thresholds,
        source=source,
        confidence=confidence,
        rules=Rules,
        needs=("capacity_mw",),
        score=scores,
    )
