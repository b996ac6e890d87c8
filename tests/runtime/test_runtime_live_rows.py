"""What ticks leave for the scores: order, gaps, what is forgotten."""

import numpy as np

from vppd.runtime.live_rows import LiveRows
from vppd.runtime.score_journal import COLUMNS


def filled(*utc_s):
    rows = LiveRows(1.0)
    for at_s in utc_s:
        rows.add((at_s, *([at_s] * (len(COLUMNS) - 1))))
    return rows


def test_rows_grow_and_are_copied():
    rows = filled(*(0.5 + k for k in range(600)))
    ticks = rows.ticks()
    assert ticks.utc_s.tolist() == [0.5 + k for k in range(600)]
    assert ticks.power_mw.tolist() == ticks.utc_s.tolist()
    rows.drop_before(1e9)
    assert ticks.utc_s.size == 600


def test_what_holds_until_the_interval_begins_is_kept():
    rows = filled(0.2, 1.2, 2.2, 3.2)
    rows.drop_before(2.5)
    assert rows.ticks().utc_s.tolist() == [2.2, 3.2]
    rows.drop_before(0.0)
    assert rows.ticks().utc_s.tolist() == [2.2, 3.2]


def test_a_gap_or_a_clock_set_back_begins_anew():
    assert filled(0.2, 1.2, 4.2).ticks().utc_s.size == 3  # three periods are none
    late = filled(0.2, 1.2, 4.3, 5.3)
    assert late.ticks().utc_s.tolist() == [4.3, 5.3]
    assert late.known_since_s == 4.3
    back = filled(10.2, 11.2, 3.2)
    assert back.ticks().utc_s.tolist() == [3.2]


def test_whole_seconds_from_when_ticks_are_known():
    rows = filled(7.4, 8.4, 9.4)
    assert rows.grid_s(0.0, 11.0).tolist() == [8.0, 9.0, 10.0]
    assert rows.grid_s(9.0, 11.0).tolist() == [9.0, 10.0]
    assert np.size(LiveRows(1.0).grid_s(0.0, 11.0)) == 0
