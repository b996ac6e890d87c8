"""A product that runs: what it has so far, what its interval ends with, what is not known."""

import math

import numpy as np
import pytest

from vppd.market.grid import SeriesError
from vppd.market.parameters import ParameterError
from vppd.market.product import NotLiveError, outlook, product
from vppd.market.record import Form, Series
from vppd.market.registry import MARKETS, UnknownMarketError

END_S = 1300.0  # of an interval of 300 s
NAN = math.nan


def of(signal_mw, response_mw):
    t_s = 1000.0 + np.arange(float(len(signal_mw)))
    return Series(t_s, np.array(response_mw, float), signal_mw=np.array(signal_mw, float))


def pjm(capacity_mw=10.0):
    return product("pjm-2025-10", [], capacity_mw)


def test_so_far_and_if_nothing_changes():
    """100 s at 1 MW off of 10: 0.9. Then it is on the spot for 50 s, and stays: 200 of 300 s are.

    So far 1 - (100 x 1) / (150 x 10) = 0.9333; at the end 1 - 100 / (300 x 10) = 0.9667.
    """
    found = outlook(pjm(), of([5.0] * 150, [4.0] * 100 + [5.0] * 50), END_S)
    assert found.rows == 150
    assert found.so_far["score"] == pytest.approx(1.0 - 100.0 / 1500.0)
    assert found.ends_with["score"] == pytest.approx(1.0 - 100.0 / 3000.0)
    assert found.error == ""


def test_the_whole_interval_is_what_the_market_says():
    series = of(np.sin(np.arange(300) / 9.0), np.sin((np.arange(300) - 3) / 9.0))
    found = outlook(pjm(), series, END_S)
    whole = pjm().market.score(series, pjm().rules)
    assert found.so_far == found.ends_with == whole.score


def test_what_began_late_is_scored_as_far_as_it_goes():
    """The last 100 s of the interval, 2 MW off of 10."""
    series = of([5.0] * 100, [3.0] * 100)
    found = outlook(pjm(), series, 1100.0)
    assert found.so_far["score"] == pytest.approx(0.8)
    assert found.ends_with == found.so_far


def test_what_is_not_known_is_not_scored_and_not_taken_for_zero():
    """Of 100 s the 41st is not known: the 59 after it count, of which all are 1 MW off."""
    response = [0.0] * 40 + [NAN] + [4.0] * 59
    found = outlook(pjm(), of([5.0] * 100, response), END_S)
    assert found.rows == 59
    assert found.so_far["score"] == pytest.approx(0.9)
    nothing = outlook(pjm(), of([5.0] * 3, [4.0, 4.0, NAN]), END_S)
    assert (nothing.so_far, nothing.ends_with, nothing.rows) == ({}, {}, 0)
    assert nothing.error


def test_a_market_that_needs_more_says_so_and_tells_what_comes():
    """Three parts of PJM's old score need 10 min: half a minute has no score, the hour has one."""
    found = outlook(product("pjm-2012", [], 10.0), of([5.0] * 30, [4.0] * 30), 1000.0 + 3600.0)
    assert found.so_far == {}
    assert "600 s are needed" in found.error
    assert found.ends_with["precision"] == pytest.approx(0.8)  # 1 MW off of a mean of 5


def test_who_sold_one_figure_need_not_give_it_again():
    assert pjm().rules.capacity_mw == 10.0
    assert product("pjm-2025-10", ["capacity_mw=4"], 10.0).rules.capacity_mw == 4.0
    with pytest.raises(ParameterError, match="needs --param capacity_mw"):
        pjm(NAN)
    with pytest.raises(UnknownMarketError):
        product("pjm", [], 10.0)


FAST = ("zhejiang-field", "gb-dc", "gb-dm", "gb-dr")


@pytest.mark.parametrize("name", MARKETS)
def test_every_market_runs_live_but_those_that_want_faster_values(name):
    words = [f"{need}=10" for need in MARKETS[name].needs]
    if name in FAST:
        with pytest.raises(NotLiveError, match="the step is 1 s"):
            product(name, words, 10.0)
        return
    running = product(name, words, 10.0)
    count = round(running.market.live_s)
    t_s = np.arange(float(count))
    asked = 10.0 * (np.floor(t_s / 240.0) % 2.0)
    given = np.convolve(asked, np.full(30, 1.0 / 30.0))[:count]
    series = (
        Series(t_s, given, frequency_hz=50.0 - asked / 100.0)
        if running.market.form is Form.FREQUENCY
        else Series(t_s, given, signal_mw=asked)
    )
    found = outlook(running, series, float(count))
    assert found.error == ""
    try:
        whole = dict(running.market.score(series, running.rules).score)
    except SeriesError as error:
        pytest.fail(str(error))
    assert set(found.so_far) == set(whole)
    for name_of, value in whole.items():
        assert found.so_far[name_of] == pytest.approx(value, nan_ok=True)
