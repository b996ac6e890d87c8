"""`de-afrr` against the package `afrr-remuneration` (MIT, energy2market) on 1,000 random series.

The package asks for an older pandas and pytest than the project has, and works with these: it is
installed apart (`make oracle`), without its dependencies.
"""

import numpy as np
import pytest

from vppd.market.rules import de_afrr

REASON = "afrr-remuneration is not installed: `make oracle`"
package = pytest.importorskip("afrr_remuneration.aFRR", reason=REASON)
pandas = pytest.importorskip("pandas")

SECONDS = 700
SERIES, AT_ONCE = 1000, 50
COLUMNS = {
    "acceptance_pool_pos": "accepted_pos_mw",
    "acceptance_pool_neg": "accepted_neg_mw",
    "underfulfill_pool_pos": "under_pos_mw",
    "underfulfill_pool_neg": "under_neg_mw",
    "allocable_underfulfill_pos": "charged_pos_mw",
    "allocable_underfulfill_neg": "charged_neg_mw",
    "allocable_acceptance_pos": "allocable_pos_mw",
    "allocable_acceptance_neg": "allocable_neg_mw",
}


def random_call(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A setpoint in steps and ramps, and an answer: late, slow, too large or small, noisy."""
    setpoint_mw = np.zeros(SECONDS)
    at = 0
    while at < SECONDS:
        until = min(SECONDS, at + int(rng.integers(1, 200)))
        level_mw = rng.choice([0.0, 0.4, 5.0, 60.0]) * rng.uniform(-1.0, 1.0)
        start_mw = setpoint_mw[at - 1] if at and rng.random() < 0.5 else level_mw
        setpoint_mw[at:until] = np.linspace(start_mw, level_mw, until - at)
        at = until
    late = int(rng.integers(0, 90))
    answer_mw = np.concatenate((np.zeros(late), setpoint_mw[: SECONDS - late]))
    rate = rng.choice([0.05, 0.5, 1e9])
    for k in range(1, SECONDS):
        before_mw = answer_mw[k - 1]
        answer_mw[k] = before_mw + np.clip(answer_mw[k] - before_mw, -rate, rate)
    noise_mw = rng.choice([0.0, 0.3]) * rng.standard_normal(SECONDS)
    return setpoint_mw, rng.choice([0.9, 1.0, 1.1]) * answer_mw + noise_mw


def of_the_package(setpoint_mw, response_mw, start):
    index = pandas.date_range(start, periods=SECONDS, freq="s")
    band = package.calc_acceptance_tolerance_band(
        setpoint=pandas.Series(setpoint_mw, index=index),
        measured=pandas.Series(response_mw, index=index),
    )
    limits = [f"{side}_{kind}_limit" for side in ("upper", "lower")
              for kind in ("acceptance", "tolerance")]  # fmt: skip
    found = package.calc_underfulfillment_and_account(
        setpoint=band.setpoint, measured=band.measured, **{name: band[name] for name in limits}
    )
    return band, found


@pytest.mark.parametrize("first", range(0, SERIES, AT_ONCE))
def test_equals_the_package_second_by_second(first):
    rules = de_afrr.Rules()
    for seed in range(first, first + AT_ONCE):
        rng = np.random.default_rng(seed)
        setpoint_mw, response_mw = random_call(rng)
        # half of the series have a product change in them, at 04:00:00
        before_s = int(rng.integers(1, SECONDS)) if seed % 2 else 7200
        start = pandas.Timestamp("2021-12-31 04:00:00") - pandas.Timedelta(seconds=before_s)
        band, found = of_the_package(setpoint_mw, response_mw, start)
        s_mw, p_mw = np.round(setpoint_mw, 3), np.round(response_mw, 3)
        t_s = 14_400.0 - before_s + np.arange(SECONDS)
        ramps = de_afrr.product_ramps(t_s, s_mw, 0.0)
        limits = de_afrr.acceptance_limits(s_mw, ramps)
        energy = de_afrr.settle(s_mw, p_mw, limits, rules)
        close = {"rtol": 0.0, "atol": 1e-9, "err_msg": f"seed {seed}"}
        np.testing.assert_allclose(limits.upper_mw, band.upper_acceptance_limit, **close)
        np.testing.assert_allclose(limits.lower_mw, band.lower_acceptance_limit, **close)
        for theirs, ours in COLUMNS.items():
            expected = found[theirs].to_numpy(dtype=float)
            np.testing.assert_allclose(getattr(energy, ours), expected, **close)
        for way in ("pos", "neg"):  # the package leaves NaN where the response goes the other way
            expected = found[f"overfulfill_{way}"].to_numpy(dtype=float)
            ours = getattr(energy, f"over_{way}_mw")
            np.testing.assert_allclose(ours, expected, **close)
