"""The PJM score: golden values of a scorer by others, and series with known answers."""

import csv
import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vppd.market.pjm import (
    GMLC_RULES,
    RULES,
    PjmScore,
    combine,
    mileage_pu,
    score_samples,
    score_series,
)

DATA = Path(__file__).parents[3] / "shared" / "data"
SIGNAL = DATA / "agc" / "pjm_regd_2017-08-01T16_2s.csv.gz"
GOLDEN = DATA / "scoring" / "reference_scores.json"


def parts(score: PjmScore) -> tuple[float, float, float]:
    return score.correlation, score.delay, score.precision


def wave(n: int = 480, seed: int = 3) -> np.ndarray:
    """A signal in pu that never repeats within its length, 10 s apart."""
    rng = np.random.default_rng(seed)
    k = np.arange(n)
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = [np.sin(2 * np.pi * k / p + a) for p, a in zip((37.3, 23.1, 91.7), phases, strict=True)]
    return 0.3 * np.sum(waves, axis=0)


def delayed(x: np.ndarray, samples: int) -> np.ndarray:
    return np.concatenate((np.full(samples, x[0]), x[: x.size - samples]))


def low_pass(x: np.ndarray, tau_s: float) -> np.ndarray:
    y, state = np.empty_like(x), x[0]
    for k, value in enumerate(x):
        state += 2.0 / (tau_s + 2.0) * (value - state)
        y[k] = state
    return y


RESPONSES = {
    "perfect": lambda x: x,
    **{f"delay{s}s": lambda x, s=s: delayed(x, s // 2) for s in (4, 10, 20, 30, 60)},
    "gain0.95": lambda x: 0.95 * x,
    "gain0.8": lambda x: 0.8 * x,
    **{f"tau{s}s": lambda x, s=s: low_pass(x, s) for s in (10, 30, 60)},
    "noise2pct": lambda x: x + np.random.default_rng(0).normal(0.0, 0.02, x.size),
}


@pytest.fixture(scope="module")
def regd() -> np.ndarray:
    if not SIGNAL.exists():
        pytest.skip(f"recorded signal absent: {SIGNAL}")
    with gzip.open(SIGNAL, "rt") as file:
        return np.array([float(row["regd_pu"]) for row in csv.DictReader(file)])


@pytest.mark.parametrize("case", RESPONSES)
def test_agrees_with_the_gmlc_scorer_on_real_regd(case, regd):
    golden = json.loads(GOLDEN.read_text())["gmlc_perf_score"]
    expected = golden["mean_over_19h_[score,delay,corr,prec]"][case]
    response = RESPONSES[case](regd)
    hours = [slice(h * 1800, h * 1800 + 391 * 5, 5) for h in range(1, 20)]
    scores = [score_samples(regd[h], response[h], GMLC_RULES) for h in hours]
    mean = np.mean([(s.score, s.delay, s.correlation, s.precision) for s in scores], axis=0)
    assert mean == pytest.approx(expected, abs=1e-3)


def test_a_perfect_plant_scores_one():
    score = score_samples(wave(), wave())
    assert parts(score) == pytest.approx((1.0, 1.0, 1.0))
    assert score.score == pytest.approx(1.0)
    assert score.until_s == 4500.0


def test_too_small_an_answer_costs_precision_only():
    assert parts(score_samples(wave(), 0.8 * wave())) == pytest.approx((1.0, 1.0, 0.8))


@pytest.mark.parametrize(("samples", "delay"), [(1, 290 / 300), (6, 240 / 300), (30, 0.0)])
def test_correlation_alone_finds_the_delay(samples, delay):
    rules = replace(RULES, maximise="correlation")
    score = score_samples(wave(), delayed(wave(), samples), rules)
    # The first windows see the held start of the signal, whose correlation is not exact.
    assert score.delay == pytest.approx(delay, abs=0.01)
    assert score.correlation > 0.99


def test_the_latency_credit_forgives_one_sample():
    rules = replace(RULES, maximise="correlation", latency_credit_s=10.0)
    x = wave()
    score = score_samples(x[1:], x[:-1], rules)
    assert score.delay == pytest.approx(1.0)
    assert score.precision < 0.95


def test_the_joint_maximum_is_never_below_either_part_alone():
    x = wave()
    y = delayed(x, 4) + np.random.default_rng(1).normal(0.0, 0.2, x.size)
    joint = score_samples(x, y)
    alone = score_samples(x, y, replace(RULES, maximise="correlation"))
    assert joint.correlation + joint.delay >= alone.correlation + alone.delay
    assert joint.correlation <= alone.correlation


def test_a_plant_that_does_not_move_earns_nothing():
    assert parts(score_samples(wave(), np.zeros(480))) == (0.0, 0.0, 0.0)


def test_a_plant_that_runs_the_wrong_way_has_no_negative_parts():
    x = np.concatenate((np.linspace(0.0, 1.0, 30), np.linspace(1.0, 2.0, 60)))
    assert parts(score_samples(x, -x)) == (0.0, 1.0, 0.0)


def test_a_flat_signal_compares_slopes():
    x = np.full(120, 0.5)
    drift = x + 0.01 * np.arange(120)
    assert parts(score_samples(x, x)) == (1.0, 1.0, 1.0)
    assert score_samples(x, drift).correlation == pytest.approx(0.99)


def test_blocks_have_their_own_mean():
    x = np.concatenate((np.full(30, 1.0), np.full(30, 0.1), np.full(30, 0.1)))
    y = x.copy()
    y[30:60] = 0.0
    blocks = score_samples(x, y, replace(RULES, rolling=False))
    rolling = score_samples(x, y)
    assert blocks.precision == pytest.approx(0.5)
    assert rolling.precision == pytest.approx(1.0 - 3.0 / 33.0)


def test_recordings_are_cut_into_hours_with_the_rest_joined():
    t_s = np.arange(0.0, 7600.0, 2.0)
    x = np.repeat(wave(761), 5)[: t_s.size]
    intervals = score_series(t_s, x, 0.9 * x)
    assert [(i.since_s, i.until_s) for i in intervals] == [(0.0, 3600.0), (3600.0, 7300.0)]
    assert combine(intervals).precision == pytest.approx(0.9)


def test_hours_count_by_their_length():
    first = PjmScore(0.9, 1.0, 1.0, 0.7, 0.0, 3600.0)
    second = PjmScore(0.6, 0.6, 0.6, 0.6, 3600.0, 4800.0)
    assert combine([first, second]).score == pytest.approx((3 * 0.9 + 0.6) / 4)


def test_a_short_recording_gives_no_score():
    t_s = np.arange(0.0, 590.0, 2.0)
    assert score_series(t_s, np.sin(t_s), np.sin(t_s)) == []
    with pytest.raises(ValueError, match="no interval"):
        combine([])


def test_values_that_are_not_finite_are_refused():
    x = wave()
    y = x.copy()
    y[7] = np.nan
    with pytest.raises(ValueError, match="finite"):
        score_samples(x, y)
    with pytest.raises(ValueError, match="one shape"):
        score_samples(x, y[1:])


def test_mileage_is_the_way_asked():
    assert mileage_pu(np.array([0.0, 1.0, -1.0, -1.0])) == 3.0
