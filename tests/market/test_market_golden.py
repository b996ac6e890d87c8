"""Golden values of scorers written by others, to 1e-3; they skip where the recordings are absent.

The inputs are those of `reference_scores.json`. PJM's are in `test_market_pjm.py`, and once more
here through the market itself.
"""

import numpy as np
import pytest
from market_series import answering, delayed, golden, limited, recorded, score, tracking
from test_market_pjm import RESPONSES

from vppd.market.record import Form
from vppd.market.rules import de_afrr

MW = 50.0
STEPS_A_S = 20


@pytest.mark.parametrize("case", RESPONSES)
def test_pjm_2012_agrees_with_the_gmlc_scorer(case):
    names = ("score", "delay", "correlation", "precision")
    expected = golden("gmlc_perf_score")["mean_over_19h_[score,delay,corr,prec]"][case]
    regd = recorded("agc/pjm_regd_2017-08-01T16_2s.csv.gz", "regd_pu")
    response = RESPONSES[case](regd)
    hours = [slice(h * 1800, h * 1800 + 391 * 5, 5) for h in range(1, 20)]
    found = [
        score("pjm-2012", tracking(20.0 * regd[h], 20.0 * response[h], 10.0),
              capacity_mw=20, rolling="false", maximise="correlation").score
        for h in hours
    ]  # fmt: skip
    assert np.mean([[f[n] for n in names] for f in found], axis=0) == pytest.approx(
        expected, abs=1e-3
    )


@pytest.fixture(scope="module")
def august_hz() -> np.ndarray:
    """The record of 9 Aug 2019, at 20 Hz."""
    freq_hz = recorded("frequency/gb_2019-08-09_event_1s.csv", "frequency_hz")
    at = np.arange((freq_hz.size - 1) * STEPS_A_S + 1) / STEPS_A_S
    return np.interp(at, np.arange(freq_hz.size), freq_hz)


def contained(freq_hz: np.ndarray) -> np.ndarray:
    """Dynamic Containment's low curve, typed again."""
    return np.interp(freq_hz, [49.5, 49.8, 49.985], [1.0, 0.05, 0.0])


def each_second(values: np.ndarray) -> np.ndarray:
    """A controller that acts once a second, and holds in between."""
    return values[np.arange(values.size) // STEPS_A_S * STEPS_A_S]


CONTAINED = {
    "ideal_no_lag": lambda y: y,
    "lag0.3s": lambda y: delayed(y, 6),
    "lag0.5s": lambda y: delayed(y, 10),
    "lag1s": lambda y: delayed(y, 20),
    "lag2s": lambda y: delayed(y, 40),
    "gain0.97_lag0.3": lambda y: 0.97 * delayed(y, 6),
    "gain0.93_lag0.3": lambda y: 0.93 * delayed(y, 6),
    "1s_zero_order_hold_plus_0.3s": lambda y: each_second(delayed(y, 6)),
}


@pytest.mark.parametrize("case", CONTAINED)
def test_gb_dc_agrees_with_the_illustrative_script(case, august_hz):
    expected = golden("neso_dc_low_error")["error"][case]
    response_mw = MW * CONTAINED[case](contained(august_hz))
    series = answering(august_hz, response_mw, 1.0 / STEPS_A_S, Form.FREQUENCY)
    found = score("gb-dc", series, capacity_mw=MW)
    assert found.score["error"] == pytest.approx(expected, abs=1e-3)


def call_mw() -> np.ndarray:
    """Setpoint: 0, +20 MW from 60 s, -10 MW from 900 s, 0 from 1500 s, for 2400 s."""
    at = np.arange(2400)
    return np.select([at < 60, at < 900, at < 1500], [0.0, 20.0, -10.0], 0.0)


CALLED = {
    "instant": lambda s: s,
    "ideal_270s_ramp_after_30s": lambda s: limited(delayed(s, 30), 20.0 / 270.0),
    "delay60_instant": lambda s: delayed(s, 60),
    "ramp_600s": lambda s: limited(s, 20.0 / 600.0),
    "under_90pct": lambda s: 0.9 * s,
    "over_110pct": lambda s: 1.1 * s,
}
BOTH = {"under": ("under_pos", "under_neg"), "over": ("over_pos", "over_neg"),
        "alloc_under": ("alloc_under_pos", "alloc_under_neg")}  # fmt: skip


@pytest.mark.parametrize("case", CALLED)
def test_de_afrr_agrees_with_the_package(case):
    expected = golden("german_afrr")["MWh"][case]
    found = score("de-afrr", tracking(call_mw(), CALLED[case](call_mw()), 1.0)).score
    for name, mwh in expected.items():
        total = sum(found[f"{part}_mwh"] for part in BOTH.get(name, (name,)))
        assert total == pytest.approx(mwh, abs=1e-3), name


def test_the_acceptance_limits_agree_with_the_package():
    still = np.zeros(2400, dtype=np.bool_)
    limits = de_afrr.acceptance_limits(call_mw(), still)
    for t, upper_mw, lower_mw in golden("german_afrr")["limits_instant_(t,upper,lower)"]:
        assert limits.upper_mw[t] == pytest.approx(upper_mw, abs=1e-3)
        assert limits.lower_mw[t] == pytest.approx(lower_mw, abs=1e-3)
