"""Energy of a day by kind, for its page: what is not known is no 0."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from vppd.market.settlement.energy import UnitSeries
from vppd.runtime.report.energy import Part, by_kind
from vppd.runtime.report.write import _net

NONE = np.zeros(0)


def unit(name, p_mw, since_s=0.0, until_s=3600.0):
    """A unit that stands at a power, read each second."""
    t_s = np.arange(since_s, until_s + 0.5)
    readings = UnitSeries(t_s, np.full(t_s.size, p_mw), NONE, NONE, 0.0, 0.0, 5.0)
    return SimpleNamespace(id=name, readings=readings)


def silent(name):
    of = unit(name, 0.0)
    of.readings = dataclasses.replace(of.readings, t_s=NONE, p_mw=NONE)
    return of


def told(*units, since_s=0.0):
    kinds = {each.id: each.id[:-1] for each in units}
    return by_kind([Part(SimpleNamespace(units=units), since_s, 3600.0)], kinds)


def test_who_gives_and_who_takes_are_summed_by_kind():
    (ev, pv) = told(unit("pv1", 2.0), unit("ev1", -1.0), unit("ev2", -0.5))
    assert (ev.kind, ev.units, ev.unknown) == ("ev", 2, 0)
    assert (ev.given_mwh, ev.taken_mwh) == (0.0, pytest.approx(1.5))
    assert (pv.given_mwh, pv.taken_mwh) == (pytest.approx(2.0), 0.0)
    assert pv.counted_pct == 0.0  # by readings
    assert _net([ev, pv]) == (pytest.approx(0.5), "all units")


def test_a_unit_that_is_first_read_later_counts_from_there_on():
    (pv,) = told(unit("pv1", 2.0, since_s=900.0))
    assert (pv.units, pv.unknown) == (1, 0)
    assert pv.given_mwh == pytest.approx(1.5)


def test_of_a_unit_that_was_never_read_nothing_is_known():
    ev, pv = told(silent("ev1"), unit("pv1", 2.0), silent("pv2"))
    assert (ev.units, ev.unknown) == (1, 1)
    assert math.isnan(ev.given_mwh)
    assert math.isnan(ev.taken_mwh)
    assert math.isnan(ev.counted_pct)
    assert (pv.units, pv.unknown, pv.given_mwh) == (2, 1, pytest.approx(2.0))
    assert _net([ev, pv]) == (pytest.approx(2.0), "1 of 3 units")
    net_mwh, who = _net([ev])
    assert math.isnan(net_mwh)
    assert who == "0 of 1 units"
