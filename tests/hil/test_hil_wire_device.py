"""Noise of readings: the numbers are those of Python's own generator."""

import itertools
import random

import pytest

from hil.wire.device import normal


@pytest.mark.parametrize("seed", [0, 7, "7/3/noise"])
def test_normal_numbers_are_those_of_gauss(seed):
    rng = random.Random(seed)
    assert [*itertools.islice(normal(random.Random(seed)), 1001)] == [
        rng.gauss(0.0, 1.0) for _ in range(1001)
    ]
