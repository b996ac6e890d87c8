"""The two figures of Zhejiang's field reports, regulation rate and accuracy, and a stricter third.

Zhejiang's own formula was not found; this is what its reports name, each with its denominator.

Signal
    AGC commands for the whole output, MW.
Interval
    One command, found as in north China (`vppd.market.china`): T1 and T2 are where the output
    leaves and enters dead bands of 1 % of Pn, interpolated on a trace of 0.1 s or finer.
Score
    regulation rate = mean over valid commands of |P2 - P1| / (T2 - T1), MW/min
    regulation accuracy = 100 (1 - mean over T2..T3 of |P - P_cmd| / Pn), % of rated power
    tracking accuracy = 100 (1 - mean over ALL seconds of |P - P_cmd| / regulation capacity), % of
    the regulation capacity, of means over whole seconds, with no credit for latency
Payment
    None.
Thresholds
    None.
Source
    Field reports of AGC tests in Zhejiang; the commands as in north China's two detailed rules.
Confidence
    [K]: names and denominators are ours.
"""

import math
from dataclasses import dataclass

import numpy as np

from vppd.market import china
from vppd.market.grid import SeriesError, check_grid, check_step, signal_of
from vppd.market.record import F8, Confidence, Form, Interval, Market, Scored, Series
from vppd.market.series import hold_means
from vppd.market.tracking import accuracy_pct


@dataclass(frozen=True, slots=True)
class Rules(china.ChinaRules):
    """As `ChinaRules`, with both denominators."""

    rated_mw: float = math.nan
    capacity_mw: float = math.nan
    trace_step_max_s: float = 0.1


def score(series: Series, rules: Rules) -> Scored:
    """Rate command by command, and every second. Raises SeriesError."""
    step_s = check_grid(series)
    _check_trace(step_s, rules)
    signal_mw = signal_of(series)
    asked_mw, given_mw = second_means(series.t_s, signal_mw, series.response_mw, step_s)
    tracking_pct = accuracy_pct(asked_mw, given_mw, rules.capacity_mw)
    commands = china.new_commands(series.t_s, signal_mw, rules.rated_mw, rules)
    rated = china.rate_commands(commands, series.t_s, series.response_mw, rules.rated_mw, rules)
    intervals = tuple(_interval(command, rules.rated_mw) for command in rated)
    notes = ["regulation accuracy: % of rated_mw; tracking accuracy: % of capacity_mw"]
    figures = {"tracking_accuracy_pct": tracking_pct, "commands": float(len(rated))}
    try:
        means = china.summarise(rated, rules.rated_mw, rules)
        figures["rate_mw_per_min"] = means.rate_mw_per_min
        figures["regulation_accuracy_pct"] = means.regulation_accuracy_pct
        figures["valid_commands"] = float(means.valid)
    except ValueError as error:
        figures |= {"rate_mw_per_min": math.nan, "regulation_accuracy_pct": math.nan}
        notes.append(f"{error}: no rate and no regulation accuracy")
    return Scored(figures, intervals, {}, tuple(notes))


def _check_trace(step_s: float, rules: Rules) -> None:
    """Refuse a trace that is too coarse for a rate, unless who asks wants it all the same."""
    try:
        check_step(step_s, at_most_s=rules.trace_step_max_s)
    except SeriesError as error:
        raise SeriesError(
            f"{error}; --param trace_step_max_s={step_s:.6g} takes it: what moves within a step"
            " has a rate that is too low"
        ) from error


def second_means(t_s: F8, signal_mw: F8, response_mw: F8, step_s: float) -> tuple[F8, F8]:
    """Means over whole seconds, of values that hold until the next. Raises SeriesError."""
    seconds = math.floor(t_s.size * step_s + 1e-6)
    if seconds < 1:
        raise SeriesError(f"the series covers {t_s.size * step_s:.6g} s, less than one second")
    edges_s = t_s[0] + np.arange(seconds + 1.0)
    return hold_means(t_s, signal_mw, edges_s), hold_means(t_s, response_mw, edges_s)


def _interval(command: china.Command, rated_mw: float) -> Interval:
    values = {
        "p0_mw": command.p0_mw,
        "p_cmd_mw": command.p_cmd_mw,
        "rate_mw_per_min": command.rate_mw_per_min,
        "regulation_accuracy_pct": 100.0 * (1.0 - command.error_mw / rated_mw),
        "error_mw": command.error_mw,
    }
    return Interval(command.t0_s, command.t3_s, values, command.outcome.value)


MARKET = Market(
    name="zhejiang-field",
    title="Zhejiang field figures: regulation rate, regulation and tracking accuracy",
    since="",
    until="",
    form=Form.OUTPUT,
    step="0.1 s at most",
    interval="a command; every second for tracking",
    formula="|P2 - P1|/(T2 - T1); 100 (1 - e/Pn); 100 (1 - e over all seconds/capacity)",
    payment="none",
    thresholds="none",
    source="field reports of AGC tests in Zhejiang; no rule was found",
    confidence=Confidence.KNOWN,
    rules=Rules,
    needs=("rated_mw", "capacity_mw"),
    score=score,
)
