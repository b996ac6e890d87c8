"""Who is out, since when, and what they are counted with."""

import numpy as np

from vppd.core.types import Reason
from vppd.ops.bench import COUNTED_AS, Bench

IDS, KINDS = ("a", "b", "c"), ("battery", "pv", "hvac")
MW = np.array([1.0, 2.0, -3.0])


def reasons(*values):
    return np.array(values, dtype=np.uint8)


def listed(bench, now_s):
    units = bench.benched(MW, now_s, detail=lambda i: f"link {i}")
    return [(u.id, u.kind, u.reason, u.since_s, u.counted_as, u.counted_mw) for u in units]


def test_from_prediction_to_fallback_and_back():
    bench = Bench(IDS, KINDS, now_s=100.0)
    bench.update(reasons(0, 0, 0), 101.0)
    assert listed(bench, 101.0) == []
    assert bench.online == 3
    bench.update(reasons(0, Reason.UNREACHABLE, 0), 102.0)
    bench.update(reasons(0, Reason.UNREACHABLE, 0), 105.0)
    assert listed(bench, 105.0) == [("b", "pv", "UNREACHABLE", 3.0, "prediction", 2.0)]
    bench.update(reasons(0, Reason.FALLBACK, 0), 112.0)
    assert listed(bench, 112.0) == [("b", "pv", "FALLBACK", 10.0, "fallback", 2.0)]
    assert bench.online == 2
    bench.update(reasons(0, 0, 0), 113.0)
    assert listed(bench, 113.0) == []
    bench.update(reasons(0, Reason.OPERATOR, 0), 120.0)
    assert listed(bench, 120.5) == [("b", "pv", "OPERATOR", 0.5, "operator's value", 2.0)]


def test_out_from_the_first_tick_counts_from_there():
    bench = Bench(IDS, KINDS, now_s=100.0)
    bench.update(reasons(Reason.TELEMETRY_AGE, 0, Reason.GUARD), 100.0)
    got = [(row[0], row[3], row[4]) for row in listed(bench, 104.0)]
    assert got == [("a", 4.0, "prediction"), ("c", 4.0, "last setpoint")]


def test_the_links_own_words_come_along():
    bench = Bench(IDS, KINDS, now_s=0.0)
    bench.update(reasons(0, 0, Reason.UNREACHABLE), 0.0)
    (unit,) = bench.benched(MW, 1.0, detail=["", "", "connection refused"].__getitem__)
    assert unit.detail == "connection refused"


def test_what_a_unit_is_counted_with_is_said_for_each_reason_of_the_image():
    """A new reason for which a unit is out needs its word here."""
    out = {Reason.TELEMETRY_AGE, Reason.UNREACHABLE, Reason.FALLBACK, Reason.OPERATOR}
    assert out | {Reason.LOCAL_CONTROL, Reason.REFUSED} == set(COUNTED_AS)
