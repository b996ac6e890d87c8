"""Synthesised AGC signal, RegD-like: fast, energy-neutral, often saturated.

White noise through four first-order low-passes and a high-pass, with a little white noise on top,
times a gain, clipped at one. The constants were fitted to the statistics of the recorded PJM
RegD of 1 to 2 August 2017: standard deviation .66, mileage 32.5 pu/h, saturated 24.5 % of the
time, autocorrelation of the increments .94, .74, .38 at 2, 10 and 20 s.
"""

import math

import numpy as np
from numpy.typing import NDArray

STEP_S = 2.0
LOW_PASS_S = (9.6, 9.6, 9.6, 162.0)
HIGH_PASS_S = 440.0
NOISE_SHARE = 0.0039
GAIN = 0.838
SETTLE_STEPS = 900  # until the filters have forgotten that they began at rest


def _low_pass(values: list[float], tau_s: float) -> list[float]:
    keep = math.exp(-STEP_S / tau_s)
    y = 0.0
    out = []
    for x in values:
        y = keep * y + (1.0 - keep) * x
        out.append(y)
    return out


def _high_pass(values: list[float], tau_s: float) -> list[float]:
    keep = math.exp(-STEP_S / tau_s)
    y = before = 0.0
    out = []
    for x in values:
        y = keep * y + 0.5 * (1.0 + keep) * (x - before)
        before = x
        out.append(y)
    return out


def _slow(values: list[float]) -> list[float]:
    for tau_s in LOW_PASS_S:
        values = _low_pass(values, tau_s)
    return _high_pass(values, HIGH_PASS_S)


def _norm(values: list[float]) -> float:
    """Square root of the sum of squares: what an impulse response does to white noise."""
    return math.sqrt(math.fsum(v * v for v in values))


def synthesise(seed: int, duration_s: float) -> NDArray[np.float64]:
    """AGC in pu, one value each 2 s; the seed decides all, a longer run begins as a shorter one."""
    noise = [np.random.default_rng([seed, stream]) for stream in (2, 3)]
    n = math.ceil(duration_s / STEP_S) + 1
    impulse = [1.0] + [0.0] * 2000
    slow = _slow(noise[0].standard_normal(n + SETTLE_STEPS).tolist())
    latent = np.array(slow) / _norm(_slow(impulse))
    latent += NOISE_SHARE * noise[1].standard_normal(n + SETTLE_STEPS)
    return np.clip(GAIN * latent[SETTLE_STEPS:], -1.0, 1.0)
