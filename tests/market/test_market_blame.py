"""Losses summed over time: signs, points of accuracy, units that come and go."""

import math

import numpy as np
import pytest

from vppd.market.attribution import PLANT, Lost
from vppd.market.blame import Tally
from vppd.market.causes import Cause

SOLD_MW = (10.0, 10.0)


def lost(units, *cells, asked_mw=0.0):
    """A loss of these parts: (row, cause, MW)."""
    part_mw = np.zeros((units + 1, len(Cause)))
    for row, cause, mw in cells:
        part_mw[row, cause] = mw
    return Lost(asked_mw, asked_mw - float(part_mw.sum()), part_mw, 0.0)


def test_too_much_and_too_little_are_both_losses():
    """2 MW short for 3 s, then 1 MW over for 4 s: 6 + 4 = 10 MW.s in 7 s of 10 MW."""
    tally = Tally()
    tally.add(("a", "b"), lost(2, (0, Cause.LATE, 3.0), (1, Cause.RAMP, -1.0)), 3.0, SOLD_MW)
    tally.add(("a", "b"), lost(2, (0, Cause.LATE, -1.0)), 4.0, SOLD_MW)
    tally.skip(2.0)
    blame = tally.blame()
    assert (blame.loss_mws, blame.short_mws) == (10.0, 6.0)
    assert (blame.known_s, blame.unknown_s) == (7.0, 2.0)
    assert blame.by_unit() == {"a": 13.0, "b": -3.0}  # 3 x 3 + 4 x 1; b made up for a
    assert {c: v for c, v in blame.by_cause().items() if v} == {Cause.LATE: 13.0, Cause.RAMP: -3.0}
    assert blame.accuracy_pct == pytest.approx(100.0 * (1.0 - 10.0 / 70.0))
    assert blame.points(13.0) == pytest.approx(100.0 * 13.0 / 70.0)
    assert blame.holds


def test_units_are_known_by_their_names():
    tally = Tally()
    tally.add(("a", "b"), lost(2, (0, Cause.LATE, 1.0), (PLANT, Cause.SIGNAL, 5.0)), 1.0, SOLD_MW)
    tally.add(("b", "c"), lost(2, (0, Cause.LATE, 2.0), (1, Cause.STEPS, 3.0)), 1.0, SOLD_MW)
    blame = tally.blame()
    assert blame.by_unit() == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert blame.part_mws[PLANT, Cause.SIGNAL] == 5.0
    assert blame.loss_mws == 11.0


@pytest.mark.parametrize("sold", [[(10.0, 5.0)], [(10.0, 10.0), (5.0, 5.0)], [(0.0, 0.0)], []])
def test_without_one_figure_for_what_was_sold_there_is_no_accuracy(sold):
    tally = Tally()
    for capacity in sold:
        tally.add(("a",), lost(1, (0, Cause.LATE, 1.0)), 1.0, capacity)
    assert math.isnan(tally.blame().accuracy_pct)


def test_parts_that_do_not_sum_up_are_told():
    tally = Tally()
    whole = lost(1, (0, Cause.LATE, 1.0))
    tally.add(("a",), Lost(3.0, 0.0, whole.part_mw, 0.0), 1.0, SOLD_MW)
    assert not tally.blame().holds
    closed = Tally()
    closed.add(("a",), Lost(1.0, 0.0, whole.part_mw, 0.5), 1.0, SOLD_MW)
    assert closed.blame().missed_mws == 0.0
    assert not closed.blame().holds  # its rest was put to the plant: that is no explanation
