"""The ring of figures that outlives the api process."""

import os

import numpy as np
import pytest

from vppd.ops.api import past
from vppd.ops.api.frame import SCALARS
from vppd.ops.api.past import TICKS, Past


def row(tick):
    return tuple(float(tick + 1000 * k) for k in range(len(SCALARS)))


@pytest.fixture
def file():
    fd = past.fresh()
    yield fd
    os.close(fd)


def test_there_is_nothing_at_first():
    assert Past().count == 0
    assert Past().rows().shape == (0, len(SCALARS))


@pytest.mark.parametrize("count", [1, TICKS - 1, TICKS, TICKS + 3])
def test_the_newest_are_kept_in_their_order(count):
    kept = Past()
    for tick in range(count):
        kept.add(row(tick))
    first = max(0, count - TICKS)
    np.testing.assert_array_equal(kept.rows()[:, 0], np.arange(first, count, dtype=np.float64))
    assert tuple(kept.rows()[-1]) == row(count - 1)


def test_the_next_process_goes_on(file):
    before = Past(file)
    for tick in range(5):
        before.add(row(tick))
    after = Past(file)
    after.add(row(5))
    assert after.rows()[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_what_is_of_other_columns_is_begun_anew(file, monkeypatch):
    Past(file).add(row(0))
    monkeypatch.setattr(past, "_MARK", b"VPPHxxxx")
    assert Past(file).count == 0


def test_a_file_of_something_else_is_begun_anew(file):
    os.write(file, b"something else" * 100)
    assert Past(file).count == 0
