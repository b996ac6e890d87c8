"""Belgian aFRR (Elia): setpoints every 4 s, energy by quarter hours, compliance by time step.

Signal
    Requested power every 4 s, sent 8 s ahead of its time step; full activation time 5 min (7.5 min
    before the link to PICASSO). The response is measured less baseline. [S]
Interval
    A time step of 4 s; summed up by 15 min from the first row (the last one may be shorter). The
    activation control looks at 4-s values. [S]
Score
    Energy asked and given each way; given in the direction asked, up to what was asked, counts as
    delivered. A time step is compliant while |given - asked| is within 15 % of the awarded
    power. [K]
Payment
    Delivered energy x the cleared price of its direction (paid as cleared [S]), EUR; the penalty of
    the activation control is a contract matter and not computed.
Thresholds
    15 % of the award. [K]
Source
    Elia, "Activation for balancing" and "Testing and control" (elia.be), T&C BSP aFRR.
Confidence
    [K] for the tolerance and its basis: both are parameters.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market.grid import blocks, check_grid, check_step, every, signal_of
from vppd.market.record import F8, Confidence, Form, Interval, Market, Scored, Series

STEP_S, QUARTER_S = 4.0, 900.0
SUMS = ("asked_pos_mwh", "asked_neg_mwh", "delivered_pos_mwh", "delivered_neg_mwh",
        "missing_mwh", "excess_mwh")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """Award, tolerance of a time step, prices. A price of NaN pays nothing out."""

    capacity_mw: float = math.nan
    tolerance_pu: float = 0.15
    price_pos_eur_per_mwh: float = math.nan
    price_neg_eur_per_mwh: float = math.nan


def score(series: Series, rules: Rules) -> Scored:
    """Settle quarter hours of 4-s steps. Raises SeriesError."""
    step_s = check_grid(series)
    check_step(step_s, divides_s=STEP_S)
    t_s = every(series.t_s, step_s, STEP_S)
    x_mw = every(signal_of(series), step_s, STEP_S)
    y_mw = every(series.response_mw, step_s, STEP_S)
    intervals = tuple(
        Interval(float(t_s[b.start]), float(t_s[b.stop - 1]) + STEP_S,
                 figures_of(x_mw[b], y_mw[b], rules))
        for b in blocks(t_s, STEP_S, QUARTER_S)
    )  # fmt: skip
    return Scored(figures_of(x_mw, y_mw, rules), intervals)


def figures_of(x_mw: F8, y_mw: F8, rules: Rules) -> dict[str, float]:
    """Energies, and the share of compliant steps, of 4-s samples."""
    hours = STEP_S / 3600.0
    asked_pos, asked_neg = np.maximum(0.0, x_mw), np.maximum(0.0, -x_mw)
    given_pos, given_neg = np.maximum(0.0, y_mw), np.maximum(0.0, -y_mw)
    delivered_pos = np.minimum(asked_pos, given_pos)
    delivered_neg = np.minimum(asked_neg, given_neg)
    columns = (
        asked_pos, asked_neg, delivered_pos, delivered_neg,
        asked_pos + asked_neg - delivered_pos - delivered_neg,
        given_pos + given_neg - delivered_pos - delivered_neg,
    )  # fmt: skip
    figures = {
        name: float(column.sum()) * hours for name, column in zip(SUMS, columns, strict=True)
    }
    off_mw = np.abs(y_mw - x_mw)
    compliant = off_mw <= rules.tolerance_pu * rules.capacity_mw + 1e-9
    figures["compliant_pct"] = 100.0 * float(compliant.mean())
    figures["off_mean_mw"] = float(off_mw.mean())
    credit = (
        figures["delivered_pos_mwh"] * rules.price_pos_eur_per_mwh
        + figures["delivered_neg_mwh"] * rules.price_neg_eur_per_mwh
    )
    if not math.isnan(credit):
        figures["credit_eur"] = credit
    return figures


MARKET = Market(
    name="elia-afrr",
    title="Belgian aFRR, 4-s setpoints",
    since="2024",
    until="",
    form=Form.REGULATION,
    step="4 s or a whole part of it",
    interval="4 s, summed by 15 min",
    formula="delivered = min(asked, given) each way; steps within 15 % of the award",
    payment="delivered energy x price",
    thresholds="15 % of the award",
    source="elia.be: activation for balancing, testing and control; T&C BSP aFRR",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=("capacity_mw",),
    score=score,
)
