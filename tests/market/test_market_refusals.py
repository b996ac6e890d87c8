"""Every market refuses what it cannot score, and says what is wrong and where."""

import dataclasses

import numpy as np
import pytest
from market_series import answering, score

from vppd.market.grid import SeriesError, check_grid
from vppd.market.parameters import ParameterError, rules_from
from vppd.market.record import Confidence, Form, Series
from vppd.market.registry import MARKETS, UnknownMarketError, market

# a step that each takes, and one that it does not
STEPS = {
    "pjm-2012": (10.0, 7.0),
    "pjm-2025-10": (2.0, 3.0),
    "caiso": (4.0, 3.0),
    "ercot-gredp": (4.0, 7.0),
    "cn-north-two-rules": (1.0, 6.0),
    "cn-guangdong": (1.0, 2.0),
    "cn-hunan-2025": (1.0, 2.0),
    "cn-jiangsu": (1.0, 2.0),
    "zhejiang-field": (0.1, 1.0),
    "de-afrr": (1.0, 2.0),
    "elia-afrr": (4.0, 5.0),
    "ce-fcr": (1.0, 4.0),
    "gb-dc": (0.05, 1.0),
    "gb-dm": (0.05, 0.1),
    "gb-dr": (0.05, 0.1),
    "nordic-fcr-d": (1.0, 2.0),
    "ieee1547-droop": (1.0, 2.0),
}
ROWS = 1200


def parameters(name: str) -> dict[str, float]:
    return dict.fromkeys(market(name).needs, 100.0)


def good(name: str, step_s: float | None = None) -> Series:
    """A series that the market can score: a step there and back, or a dip of the frequency."""
    n = np.arange(ROWS)
    step_s = STEPS[name][0] if step_s is None else step_s
    form = market(name).form
    if form is Form.FREQUENCY:
        nominal_hz = 60.0 if name == "ieee1547-droop" else 50.0
        return answering(np.where(n > ROWS // 2, nominal_hz - 0.3, nominal_hz),
                         np.where(n > ROWS // 2, 40.0, 0.0), step_s, form)  # fmt: skip
    asked_mw = np.where(n > ROWS // 4, 50.0, 10.0)
    given_mw = 10.0 + np.clip((n - ROWS // 4 - 3) * 2.0, 0.0, 40.0)
    return answering(asked_mw, given_mw, step_s, form)


def changed(series: Series, column: str, row: int, value: float) -> Series:
    values = getattr(series, column).copy()
    values[row] = value
    return dataclasses.replace(series, **{column: values})


def without(series: Series, rows: slice) -> Series:
    kept = np.delete(np.arange(series.t_s.size), rows)
    return dataclasses.replace(series, **{k: v[kept] for k, v in series.columns().items()})


def asked(series: Series) -> str:
    return "signal_mw" if series.signal_mw is not None else "frequency_hz"


def test_every_market_of_the_issue_is_there():
    assert set(MARKETS) == set(STEPS)


@pytest.mark.parametrize("name", MARKETS)
def test_a_good_series_is_scored(name):
    found = score(name, good(name), **parameters(name))
    assert found.score
    assert all(np.isfinite(value) for value in found.score.values())
    assert found.intervals
    assert all(row.until_s > row.since_s for row in found.intervals)


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_place(name, value):
    series = good(name)
    for column in ("response_mw", asked(series)):
        bad = changed(series, column, 17, value)
        with pytest.raises(SeriesError, match=rf"{column} is not finite in row 17, t_s"):
            score(name, bad, **parameters(name))
    with pytest.raises(SeriesError, match="t_s is not finite in row 3"):
        score(name, changed(series, "t_s", 3, value), **parameters(name))


@pytest.mark.parametrize("name", MARKETS)
def test_gaps_are_refused_with_their_place(name):
    with pytest.raises(SeriesError, match="a gap after row 99: t_s goes from"):
        score(name, without(good(name), slice(100, 103)), **parameters(name))


@pytest.mark.parametrize("name", MARKETS)
def test_a_step_that_the_rule_has_no_use_for_is_refused(name):
    wrong_s = STEPS[name][1]
    with pytest.raises(SeriesError, match=f"the step is {wrong_s:g} s, and m"):
        score(name, good(name, wrong_s), **parameters(name))


@pytest.mark.parametrize("name", MARKETS)
def test_columns_of_unequal_length_are_refused(name):
    series = good(name)
    short = dataclasses.replace(series, response_mw=series.response_mw[1:])
    with pytest.raises(SeriesError, match=rf"one length, have .*response_mw {ROWS - 1}"):
        score(name, short, **parameters(name))


@pytest.mark.parametrize("name", MARKETS)
def test_time_must_rise(name):
    series = good(name)
    twice = changed(series, "t_s", 5, series.t_s[4])
    with pytest.raises(SeriesError, match="t_s does not rise after row 4"):
        score(name, twice, **parameters(name))


@pytest.mark.parametrize("name", MARKETS)
def test_a_series_without_what_was_asked_is_refused(name):
    series = good(name)
    bare = Series(series.t_s, series.response_mw)
    with pytest.raises(SeriesError, match=f"there is no {asked(series)}"):
        score(name, bare, **parameters(name))


@pytest.mark.parametrize("name", MARKETS)
def test_one_row_is_no_series(name):
    series = good(name)
    with pytest.raises(SeriesError, match="1 rows: at least 2"):
        score(name, without(series, slice(1, None)), **parameters(name))


@pytest.mark.parametrize("name", ["pjm-2012", "pjm-2025-10", "caiso", "ercot-gredp"])
def test_a_series_shorter_than_an_interval_is_refused(name):
    with pytest.raises(SeriesError, match=r"needed|one interval takes"):
        score(name, without(good(name), slice(30, None)), **parameters(name))


@pytest.mark.parametrize("name", [n for n in MARKETS if n.startswith("cn-")])
def test_a_signal_without_a_command_is_refused(name):
    flat = dataclasses.replace(good(name), signal_mw=np.full(ROWS, 10.0))
    with pytest.raises(SeriesError, match="no command"):
        score(name, flat, **parameters(name))
    stuck = dataclasses.replace(good(name), response_mw=np.zeros(ROWS))
    with pytest.raises(SeriesError, match="no valid command among 1"):
        score(name, stuck, **parameters(name))


def test_a_large_clock_does_not_look_uneven():
    t_s = 1.7e9 + 0.1 * np.arange(5000)
    assert check_grid(Series(t_s, np.zeros(5000))) == pytest.approx(0.1, rel=1e-6)


def test_steps_that_differ_are_named():
    t_s = np.arange(20.0)
    t_s[7] += 0.25
    with pytest.raises(SeriesError, match=r"a gap after row 6: t_s goes from 6 to 7\.25"):
        check_grid(Series(t_s, np.zeros(20)))


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("pjm-2012", [], "needs --param capacity_mw=…"),
        ("pjm-2012", ["capacity_mw=0"], "capacity_mw must be above 0"),
        ("pjm-2012", ["capacity_mw=-3"], "capacity_mw must be above 0"),
        ("pjm-2012", ["capacity_mw=nan"], "must be finite"),
        ("pjm-2012", ["capacity_mw=ten"], "must be a number"),
        ("pjm-2012", ["capacity_mw"], "key=value"),
        ("pjm-2012", ["capacity_mw=1", "capacity_mw=2"], "given twice"),
        ("pjm-2012", ["capacity=1"], "did you mean capacity_mw"),
        ("pjm-2012", ["capacity_mw=1", "rolling=maybe"], "true or false"),
        ("pjm-2012", ["capacity_mw=1", "maximise=all"], "one of joint, correlation"),
        ("cn-hunan-2025", ["rated_mw=1", "kind=wind"], "one of storage, coal, gas, hydro"),
        ("zhejiang-field", ["rated_mw=1"], "capacity_mw"),
        ("pjm-2012", ["capacity_mw=1", "sample_s=0"], "sample_s must be above 0"),
        ("pjm-2012", ["capacity_mw=1", "latency_credit_s=-1"], "must not be below 0"),
        ("cn-jiangsu", ["rated_mw=1", "response_band_pct=0"], "must be above 0"),
        ("cn-guangdong", ["rated_mw=1", "scan_s=0"], "scan_s must be above 0"),
        ("ieee1547-droop", ["rated_mw=1", "droop_pu=0.06"], "droop_pu must be 0.02 to 0.05"),
        ("ieee1547-droop", ["rated_mw=1", "response_s=11"], "response_s must be 0.2 to 10"),
        ("ieee1547-droop", ["rated_mw=1", "deadband_hz=0.01"], "deadband_hz must be 0.017 to 1"),
        ("ce-fcr", ["capacity_mw=1", "begin_s=30"], "under full_s"),
        ("nordic-fcr-d", ["capacity_mw=1", "full_hz=0.1"], "under full_hz"),
        ("nordic-fcr-d", ["capacity_mw=1", "step_part_s=0"], "above 0"),
    ],
)
def test_parameters_that_cannot_be_are_refused(name, words, message):
    with pytest.raises(ParameterError, match=message):
        rules_from(market(name), words)


def test_parameters_are_read_by_their_kind():
    words = ["capacity_mw=12.5", "rolling=no", "maximise=correlation", "latency_credit_s=10"]
    rules = rules_from(market("pjm-2012"), words)
    read = (rules.capacity_mw, rules.rolling, rules.maximise, rules.latency_credit_s)
    assert read == (12.5, False, "correlation", 10.0)


def test_an_unknown_market_names_those_that_are_near():
    with pytest.raises(UnknownMarketError, match="did you mean pjm-2012"):
        market("pjm-2013")


@pytest.mark.parametrize("name", MARKETS)
def test_a_market_says_where_its_rules_are_from(name):
    rules = market(name)
    module = __import__(rules.score.__module__, fromlist=["x"])
    headings = ("Signal", "Interval", "Score", "Payment", "Thresholds", "Source", "Confidence")
    lines = [line for line in module.__doc__.splitlines() if line in headings]
    assert tuple(lines) == headings
    assert rules.source
    assert rules.confidence in Confidence
    assert all(hasattr(rules.rules(), need) for need in rules.needs)
