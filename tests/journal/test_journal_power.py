"""Power cuts: a short form of what `make accept` does at length."""

import random

import power_cut
import pytest


@pytest.fixture(scope="module", autouse=True)
def rig():
    if reason := power_cut.why_not():
        pytest.skip(reason)


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path):
    seed = random.randrange(2**31)
    print("seed", seed)
    found = power_cut.cut_often(tmp_path, 4, seed)
    assert found.failures == []
    assert found.cycles == 4
    assert found.acknowledged >= 4


def test_the_rig_finds_a_writer_that_does_not_sync(tmp_path):
    """Else it would prove nothing."""
    found = power_cut.cut_often(tmp_path, 2, 1, sync=False)
    assert any("ticks lost" in failure for failure in found.failures)
