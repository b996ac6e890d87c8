"""German aFRR, settled second by second: what is accepted, what is missing, what is too much.

Signal
    aFRR setpoint every second, MW; setpoint and response are rounded to 1 kW.
Interval
    A second; summed up by quarter hours from the first row (the last one may be shorter).
Score
    Of each second t, with s the setpoint and P the response (numbers of formulas as in the model):

    - gradients (1, 2): g = max(1 MW, |ext(s, t-301..t-31) - ext(s, t-31..t)|) / 270 s, to 3
      decimals, ext the maximum for the upper, the minimum for the lower one
    - upper acceptance limit (3): U = max(max(s, t-31..t), U before - g); in the ramp after a
      product change not below 0
    - lower acceptance limit (4): mirrored
    - tolerance (5, 6): 5 % beyond them
    - accepted (7, 8): min(P, U) where both are above 0; mirrored below
    - underfulfilment (9, 10): what the accepted lacks of the inner tolerance limit
    - it is charged (17 to 20) only in seconds whose last 300 s carry it in more than 5 %
    - allocable (13 to 16): accepted, but no more than the setpoint and what is still owed of it on
      an account, so that missing energy is not made up for at the end of a call
    - overfulfilment: the response less what is allocable; unpaid

    So: react within 30 s, be there within 300 s, never overshoot.
Payment
    Allocable energy x its price - charged underfulfilment x the penalty price, EUR. (The split to
    bids of a merit order is not done here.)
Thresholds
    5 % tolerance, 5 % of 300 s.
Source
    "Modellbeschreibung aFRR-Abrechnung ab 01.10.2021", regelleistung.net, as in the package
    `afrr-remuneration` 0.0.1 (MIT, energy2market), an independent oracle of the tests. As there,
    nothing of the first two seconds is allocable: the account before them is not known.
Confidence
    [C]
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vppd.market.grid import blocks, check_grid, check_step, signal_of
from vppd.market.record import F8, Confidence, Form, Interval, Market, Scored, Series

STEP_S, QUARTER_S, MWS_PER_MWH = 1.0, 900.0, 3600.0
REACT, RAMP, REACH = 31, 270, 301  # s: the windows of the gradient
FLAG_WINDOW = 300  # s
START = 2  # s without an account
PRODUCT_S = 14_400.0  # products of four hours
RAMP_MAX = 301  # s after a product change
RISE_AHEAD = 66  # s in which a setpoint that does not fall again ends the ramp of a product change


@dataclass(frozen=True, slots=True)
class Rules:
    """Tolerances and prices. A price of NaN pays nothing out.

    `midnight_s` is the instant of a local midnight on the series' own clock (0 where t_s counts
    from one): products change every four hours from it. NaN: no product change is looked for.
    """

    tolerance_pu: float = 0.05
    charged_above_pu: float = 0.05
    midnight_s: float = math.nan
    price_pos_eur_per_mwh: float = math.nan
    price_neg_eur_per_mwh: float = math.nan
    penalty_eur_per_mwh: float = math.nan


@dataclass(frozen=True, slots=True)
class Limits:
    """Acceptance limits of each second, MW, shape (n,)."""

    upper_mw: F8
    lower_mw: F8


@dataclass(frozen=True, slots=True)
class Energy:
    """Power that counts as what, second by second, MW, shape (n,). All are >= 0."""

    accepted_pos_mw: F8
    accepted_neg_mw: F8
    under_pos_mw: F8
    under_neg_mw: F8
    charged_pos_mw: F8  # the part of `under` that is charged
    charged_neg_mw: F8
    allocable_pos_mw: F8  # NaN in the first two seconds
    allocable_neg_mw: F8
    over_pos_mw: F8
    over_neg_mw: F8


NAMES = {
    "acc_pos_mwh": "allocable_pos_mw",
    "acc_neg_mwh": "allocable_neg_mw",
    "under_pos_mwh": "under_pos_mw",
    "under_neg_mwh": "under_neg_mw",
    "alloc_under_pos_mwh": "charged_pos_mw",
    "alloc_under_neg_mwh": "charged_neg_mw",
    "over_pos_mwh": "over_pos_mw",
    "over_neg_mwh": "over_neg_mw",
}


def score(series: Series, rules: Rules) -> Scored:
    """Settle second by second. Raises SeriesError."""
    check_step(check_grid(series), exactly_s=STEP_S)
    setpoint_mw, response_mw = np.round(signal_of(series), 3), np.round(series.response_mw, 3)
    ramps = product_ramps(series.t_s, setpoint_mw, rules.midnight_s)
    limits = acceptance_limits(setpoint_mw, ramps)
    energy = settle(setpoint_mw, response_mw, limits, rules)
    intervals = tuple(
        Interval(float(series.t_s[b.start]), float(series.t_s[b.stop - 1]) + STEP_S,
                 _mwh(energy, b, rules))
        for b in blocks(series.t_s, STEP_S, QUARTER_S)
    )  # fmt: skip
    figures = _mwh(energy, slice(0, series.t_s.size), rules)
    figures["asked_pos_mwh"] = float(np.maximum(0.0, setpoint_mw).sum()) / MWS_PER_MWH
    figures["asked_neg_mwh"] = float(np.maximum(0.0, -setpoint_mw).sum()) / MWS_PER_MWH
    charged = figures["alloc_under_pos_mwh"] + figures["alloc_under_neg_mwh"]
    return Scored(figures, intervals, {"nothing_charged": charged == 0.0})


def acceptance_limits(setpoint_mw: F8, ramps: NDArray[np.bool_]) -> Limits:
    """Upper and lower acceptance limit of each second, from a setpoint in steps of 1 kW.

    `ramps` is true where the ramp of a product change is not over.
    """
    upper_mw = _upper_mw(setpoint_mw, ramps)
    return Limits(upper_mw, -_upper_mw(-setpoint_mw, ramps))


def _upper_mw(setpoint_mw: F8, ramps: NDArray[np.bool_]) -> F8:
    """Formulas 1 and 3."""
    recent = _highest(setpoint_mw, 0, REACT)
    before = _highest(setpoint_mw, REACT, REACH)
    change_mw = np.abs(np.where(np.isfinite(before), before, recent) - recent)
    gradient = np.round(np.maximum(1.0, change_mw) / RAMP, 3)
    # Where there is no second 31 s ago yet, the model has no gradient: the limit stays.
    gradient[:REACT] = np.nan
    upper, last = [], math.nan
    rows = zip(recent.tolist(), gradient.tolist(), ramps.tolist(), strict=True)
    for highest, slope, in_ramp in rows:
        falling = last - slope
        last = falling if falling > highest else highest
        if in_ramp and last < 0.0:
            last = 0.0
        upper.append(last)
    return np.asarray(upper)


def _highest(values: F8, near: int, far: int) -> F8:
    """Highest between `far` and `near` seconds ago, both counted; of those there are."""
    padded = np.concatenate((np.full(far, -np.inf), values))
    return np.asarray(sliding_window_view(padded, far - near + 1)[: values.size].max(axis=1))


def product_ramps(t_s: F8, setpoint_mw: F8, midnight_s: float) -> NDArray[np.bool_]:
    """True in seconds after a product change, until the new product's setpoint has come.

    That is (the model's reversal point) when 301 s have passed, the setpoint does not get nearer to
    0 than now within 66 s, it changes its sign, or it is 0.
    """
    ramps = np.zeros(t_s.size, dtype=np.bool_)
    if math.isnan(midnight_s):
        return ramps
    since_s = np.round(t_s - midnight_s)
    for start in np.flatnonzero(since_s % PRODUCT_S == 0.0).tolist():
        if start == 0:
            continue  # what came before the change is not known
        for k in range(start, t_s.size - 1):
            if k - start == RAMP_MAX or _reversed(setpoint_mw, k):
                break
            ramps[k + 1] = True
    return ramps


def _reversed(setpoint_mw: F8, k: int) -> bool:
    now = float(setpoint_mw[k])
    if now == 0.0 or np.sign(setpoint_mw[k - 1]) != np.sign(now):
        return True
    return bool(np.abs(setpoint_mw[k : k + RISE_AHEAD + 1]).min() >= abs(now))


def settle(setpoint_mw: F8, response_mw: F8, limits: Limits, rules: Rules) -> Energy:
    """Formulas 5 to 22, both ways."""
    pos = _one_way(setpoint_mw, response_mw, limits.upper_mw, limits.lower_mw, rules)
    neg = _one_way(-setpoint_mw, -response_mw, -limits.lower_mw, -limits.upper_mw, rules)
    over_pos = np.where(response_mw >= 0.0, response_mw - pos[3], 0.0)
    over_neg = np.where(response_mw < 0.0, -response_mw - neg[3], 0.0)
    return Energy(
        pos[0], neg[0], pos[1], neg[1], pos[2], neg[2], pos[3], neg[3], over_pos, over_neg
    )


def _one_way(
    setpoint_mw: F8, response_mw: F8, outer_mw: F8, inner_mw: F8, rules: Rules
) -> tuple[F8, F8, F8, F8]:
    """Accepted, missing, charged and allocable of the positive direction, MW."""
    both = (response_mw > 0.0) & (outer_mw > 0.0)
    accepted = np.where(both, np.minimum(response_mw, outer_mw), 0.0)
    least = np.round(inner_mw - np.abs(inner_mw) * rules.tolerance_pu, 3)
    under = np.where(least > 0.0, np.maximum(0.0, least - accepted), 0.0)
    flagged = np.concatenate((np.zeros(1), np.cumsum(under > 0.0, dtype=np.float64)))
    share = np.zeros(under.size)
    share[FLAG_WINDOW - 1 :] = (flagged[FLAG_WINDOW:] - flagged[:-FLAG_WINDOW]) / FLAG_WINDOW
    charged = np.where(share > rules.charged_above_pu, under, 0.0)
    wanted = np.maximum(0.0, setpoint_mw)
    return accepted, under, charged, _allocable(wanted, accepted, outer_mw, inner_mw)


def _allocable(wanted_mw: F8, accepted_mw: F8, outer_mw: F8, inner_mw: F8) -> F8:
    """Formulas 13 and 15: accepted, up to the setpoint and what is owed of it, to 1 kW."""
    allocable, owed = [math.nan] * min(START, wanted_mw.size), 0.0
    inner = np.maximum(0.0, inner_mw)
    columns = (wanted_mw, accepted_mw, outer_mw, inner)
    for wanted, accepted, outer, least in zip(*(c[START:].tolist() for c in columns), strict=True):
        most = wanted + owed
        part = round((most if most < accepted else accepted) * 1000.0) / 1000.0
        allocable.append(part)
        owed = max(0.0, wanted - max(part, least) + owed) if outer > 0.0 else 0.0
    return np.asarray(allocable)


def _mwh(energy: Energy, rows: slice, rules: Rules) -> dict[str, float]:
    figures = {}
    for name, column in NAMES.items():
        values = getattr(energy, column)[rows]
        # only the very first seconds of a series have no allocable part
        figures[name] = float(values[np.isfinite(values)].sum()) / MWS_PER_MWH
    credit = credit_eur(figures, rules)
    if not math.isnan(credit):
        figures["credit_eur"] = credit
    return figures


def credit_eur(mwh: dict[str, float], rules: Rules) -> float:
    """Pay for energies, EUR; NaN without prices."""
    charged = mwh["alloc_under_pos_mwh"] + mwh["alloc_under_neg_mwh"]
    return (
        mwh["acc_pos_mwh"] * rules.price_pos_eur_per_mwh
        + mwh["acc_neg_mwh"] * rules.price_neg_eur_per_mwh
        - charged * rules.penalty_eur_per_mwh
    )


MARKET = Market(
    name="de-afrr",
    title="German aFRR, settlement by the second",
    since="2021-10-01",
    until="",
    form=Form.REGULATION,
    step="1 s",
    interval="1 s, summed by 15 min",
    formula="accepted = min(P, U), U = max(max(s, t-31..t), U before - g); shortfall; overshoot",
    payment="allocable energy x price - charged shortfall x penalty price",
    thresholds="5 % tolerance; shortfall charged in > 5 % of 300 s",
    source="Modellbeschreibung aFRR-Abrechnung, as in PyPI afrr-remuneration 0.0.1",
    confidence=Confidence.CODE,
    rules=Rules,
    needs=(),
    score=score,
)
