"""Bands, unit by unit: where one stands, what its limits are called, what it remembers."""

import numpy as np

from vppd.core.types import Reason
from vppd.kernels.bands import find_sides, keep_to_sides, remember_sides
from vppd.kernels.sides import ABOVE, BELOW

NOWHERE, BOTH = 0, 3
LOW, HIGH = 1.0, 3.0  # the band, MW
NAN = float("nan")


def floats(*values):
    return np.array(values, np.float64)


def octets(*values):
    return np.array(values, np.uint8)


def open_sides(last_mw, range_lower_mw, range_upper_mw):
    """Of one unit that has stood for long and may switch as often as it likes."""
    side, sides, why = octets(9), octets(9), octets(9)
    find_sides(
        1e6, 1.0, floats(LOW), floats(HIGH), floats(60.0), floats(60.0), floats(np.inf),
        floats(last_mw), floats(range_lower_mw), floats(range_upper_mw), octets(0), octets(0),
        octets(NOWHERE), floats(NAN), floats(NAN), side, sides, why, floats(0.0), floats(0.0),
    )  # fmt: skip
    return int(side[0]), int(sides[0])


def sides_of(last_mw, was_side, out, was_out):
    """Side of one unit, and since when, that was on a side since 7 s."""
    side, sides, why, since_s = octets(9), octets(9), octets(9), floats(0.0)
    find_sides(
        1e6, 1.0, floats(LOW), floats(HIGH), floats(60.0), floats(60.0), floats(np.inf),
        floats(last_mw), floats(0.0), floats(9.0), octets(out), octets(was_out),
        octets(was_side), floats(7.0), floats(NAN), side, sides, why, since_s, floats(0.0),
    )  # fmt: skip
    return int(side[0]), float(since_s[0])


def test_a_side_that_was_chosen_stays_while_the_unit_is_on_its_way():
    """Whoever has the unit meanwhile; at an edge or beyond it is where it is."""
    gone, here = int(Reason.UNREACHABLE), int(Reason.NONE)
    for out, was_out in ((gone, here), (gone, gone), (here, gone), (here, here)):
        for last_mw in (1.1, 2.9):
            assert sides_of(last_mw, ABOVE, out, was_out) == (ABOVE, 7.0)
            assert sides_of(last_mw, BELOW, out, was_out) == (BELOW, 7.0)
            near = BELOW if last_mw == 1.1 else ABOVE
            assert sides_of(last_mw, NOWHERE, out, was_out) == (near, 1e6)
    for out, was_out in ((gone, here), (gone, gone), (here, gone)):
        assert sides_of(LOW, ABOVE, out, was_out) == (BELOW, 1e6)
        assert sides_of(HIGH, BELOW, out, was_out) == (ABOVE, 1e6)
    assert sides_of(LOW, ABOVE, here, here) == (ABOVE, 7.0)


def test_a_unit_stays_where_it_is_if_it_can_reach_no_side():
    """Its range lies within the band: it is told its nearest edge, and nothing else."""
    assert open_sides(0.5, 1.5, 2.5) == (BELOW, BELOW)
    assert open_sides(3.5, 1.5, 2.5) == (ABOVE, ABOVE)


def test_a_unit_leaves_a_side_that_it_can_reach_no_more():
    assert open_sides(0.5, 1.5, 4.0) == (BELOW, ABOVE)
    assert open_sides(3.5, 0.0, 2.5) == (ABOVE, BELOW)


def kept(lower_mw, upper_mw, chosen):
    """Box of one unit with its reasons, cut to a side; its range is 0 to 4 MW."""
    box = floats(lower_mw), floats(upper_mw)
    reasons = octets(Reason.RAMP), octets(Reason.SOC)
    lasting = floats(NAN), floats(NAN)
    crossing = keep_to_sides(
        floats(LOW), floats(HIGH), octets(0), octets(chosen), octets(chosen), octets(Reason.BAND),
        *box, *reasons, floats(0.0), floats(4.0), *lasting,
    )  # fmt: skip
    lower, upper = (float(a[0]) for a in box)
    return crossing, lower, upper, Reason(reasons[0]), Reason(reasons[1])


def test_a_cut_side_is_held_by_the_band():
    assert kept(0.5, 2.0, BELOW) == (0, 0.5, LOW, Reason.RAMP, Reason.BAND)
    assert kept(2.0, 3.5, ABOVE) == (0, HIGH, 3.5, Reason.BAND, Reason.SOC)
    assert kept(0.5, 1.0, BELOW) == (0, 0.5, LOW, Reason.RAMP, Reason.SOC)


def test_on_its_way_over_the_band_a_unit_is_held_by_what_it_goes_at():
    """Up as fast as its upper limit lets it, down as fast as the lower one does."""
    assert kept(0.5, 2.0, ABOVE) == (1, 2.0, 2.0, Reason.SOC, Reason.SOC)
    assert kept(2.0, 3.5, BELOW) == (1, 2.0, 2.0, Reason.RAMP, Reason.RAMP)
    assert kept(2.0, 2.0, ABOVE) == kept(2.0, 2.0, BELOW) == (1, 2.0, 2.0, Reason.RAMP, Reason.SOC)


def test_only_a_unit_that_takes_part_switches():
    side, since_s, left = octets(BELOW, BELOW, BELOW), floats(1.0, 2.0, 3.0), floats(5.0, 5.0, 5.0)
    switched = remember_sides(
        100.0, floats(LOW, LOW, NAN), octets(ABOVE, ABOVE, BELOW),
        octets(Reason.NONE, Reason.UNREACHABLE, Reason.NONE), side, since_s, left,
    )  # fmt: skip
    assert switched == 1
    assert side.tolist() == [ABOVE, BELOW, NOWHERE]
    assert since_s.tolist() == [100.0, 2.0, 3.0]
    assert left.tolist() == [4.0, 5.0, 5.0]


def test_both_sides_are_promised_where_both_are_open():
    spans = []
    for sides in (BOTH, BELOW):
        range_mw, lasting = (floats(0.0), floats(4.0)), (floats(NAN), floats(NAN))
        keep_to_sides(
            floats(LOW), floats(HIGH), octets(0), octets(BELOW), octets(sides),
            octets(Reason.BAND), floats(0.0), floats(0.5), octets(0), octets(0), *range_mw,
            *lasting,
        )  # fmt: skip
        spans.append([float(a[0]) for a in (*range_mw, *lasting)])
    assert spans == [[0.0, 4.0, 0.0, LOW], [0.0, LOW, 0.0, LOW]]
