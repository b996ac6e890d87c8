"""North China's "two detailed rules" for AGC: Kp = K1 K2 K3, of rate, accuracy and response.

Signal
    AGC commands for the whole output, MW, scanned every 5 s; a new one is a change of 5 MW or 2 %
    of Pn (the smaller: [K]). [C]
Interval
    One command. Dead bands 1 % of Pn. [C]
Score
    v = |P2 - P1| / (T2 - T1) in MW/min
    K1 = max(.1, 2 - v_std / v), v_std = 1.5 % of Pn a minute
    K2 = max(.1, 2 - mean over T2..T3 of |P - P_cmd| / (1 % of Pn))
    K3 = max(.1, 2 - (T1 - T0) / 60 s)
    Kp = K1 K2 K3, of daily means (here: of the series), each capped at 1.5. [C]
Payment
    D (ln Kp + 1) 5 CNY/MW, D the sum of |reached - P0|. [C]
Thresholds
    A command counts if the plant leaves the one dead band and enters the other before the next.
Source
    North China Energy Regulatory Bureau, implementation rules of grid-connected operation and of
    ancillary services ("two detailed rules"), as in public code. See `vppd.market.china`.
Confidence
    [C] but for the two [K] of `vppd.market.china`.
"""

import math
from dataclasses import dataclass

from vppd.market import china
from vppd.market.answers import Outcome
from vppd.market.grid import SeriesError, check_grid, check_step, signal_of
from vppd.market.record import Confidence, Form, Interval, Market, Scored, Series


@dataclass(frozen=True, slots=True)
class Rules(china.ChinaRules):
    """As `ChinaRules`, with rated power."""

    rated_mw: float = math.nan


def score(series: Series, rules: Rules) -> Scored:
    """Rate command by command. Raises SeriesError."""
    check_step(check_grid(series), at_most_s=rules.scan_s)
    signal_mw = signal_of(series)
    commands = china.new_commands(series.t_s, signal_mw, rules.rated_mw, rules)
    if not commands:
        least_mw = rules.command_min_mw(rules.rated_mw)
        raise SeriesError(f"no command: the signal never changes by {least_mw:g} MW or more")
    rated = china.rate_commands(commands, series.t_s, series.response_mw, rules.rated_mw, rules)
    try:
        means = china.summarise(rated, rules.rated_mw, rules)
    except ValueError as error:
        told = ", ".join(sorted({c.outcome.value.replace("_", " ") for c in rated}))
        raise SeriesError(f"{error} among {len(rated)} ({told})") from error
    way_mw = math.fsum(command.way_mw for command in rated)
    figures = {
        "k1": means.k1,
        "k2": means.k2,
        "k3": means.k3,
        "kp": means.kp,
        "rate_mw_per_min": means.rate_mw_per_min,
        "regulation_accuracy_pct": means.regulation_accuracy_pct,
        "way_mw": way_mw,
        "payment_cny": china.payment_cny(way_mw, means.kp, rules),
        "commands": float(len(rated)),
        "valid_commands": float(means.valid),
    }
    others = {k: n for k, n in means.outcomes.items() if k != Outcome.VALID.value}
    notes = tuple(f"not rated: {n} {k.replace('_', ' ')}" for k, n in others.items())
    return Scored(figures, tuple(_interval(command) for command in rated), {}, notes)


def _interval(command: china.Command) -> Interval:
    values = {
        "p0_mw": command.p0_mw,
        "p_cmd_mw": command.p_cmd_mw,
        "k1": command.k1,
        "k2": command.k2,
        "k3": command.k3,
        "kp": command.kp,
        "rate_mw_per_min": command.rate_mw_per_min,
        "error_mw": command.error_mw,
        "response_s": command.t1_s - command.t0_s,
    }
    return Interval(command.t0_s, command.t3_s, values, command.outcome.value)


MARKET = Market(
    name="cn-north-two-rules",
    title="North China, two detailed rules, Kp = K1 K2 K3",
    since="",
    until="",
    form=Form.OUTPUT,
    step="5 s at most; 0.1 s for a fast plant",
    interval="a command",
    formula="K1 = 2 - v_std/v, K2 = 2 - e/(1 % Pn), K3 = 2 - t/60 s, each >= .1, means <= 1.5",
    payment="D (ln Kp + 1) 5 CNY/MW",
    thresholds="dead bands 1 % of Pn; command >= 5 MW or 2 % of Pn",
    source="North China two detailed rules, as in public code",
    confidence=Confidence.CODE,
    rules=Rules,
    needs=("rated_mw",),
    score=score,
)
