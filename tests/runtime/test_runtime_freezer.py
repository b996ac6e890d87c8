"""What an image is rounded to: nothing that matters is lost, above all no order of instants."""

import math
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vppd.core.types import Order, Quality
from vppd.devices.base import Reading
from vppd.runtime.image import Freezer, Standing
from vppd.signals.base import AgcValue

NAN = float("nan")


def device(measured_at_s=NAN, accepted_s=NAN, accepted_mw=NAN, **reading):
    values = {"p_meas_mw": 0.0, "quality": Quality.ONLINE} | reading
    return SimpleNamespace(
        latest=Reading(measured_at_s=measured_at_s, **values), accepted_mw=accepted_mw,
        accepted_s=accepted_s, write_result=0, connected=True,
    )  # fmt: skip


def frozen(freezer, now_s, *devices, agc_s=None):
    signals = []
    if agc_s is not None:
        agc = AgcValue(pu=0.1, received_s=agc_s, sequence=-1, quality=Quality.ONLINE, transit_s=NAN)
        signals = [SimpleNamespace(agc=agc, frequency=None)]
    n = len(devices)
    standing = Standing(Order.AUTO, 1.0, 1.0, np.zeros(n), np.zeros(n, np.uint8), np.full(n, NAN))
    when = SimpleNamespace(number=1, trigger=0)
    return freezer.freeze(when, now_s, list(devices), signals, standing)


def test_values_go_to_grids_and_what_was_accepted_stays_as_it_was():
    seen = frozen(
        Freezer(np.array([1e4, 0.0])), 5.0,
        device(
            p_meas_mw=0.123456, soc_pu=0.51239, p_avail_min_mw=-0.00004, p_avail_max_mw=0.76543,
            accepted_mw=0.123456,
        ),
        device(p_meas_mw=0.123456, soc_pu=NAN, accepted_mw=0.123456),
    )  # fmt: skip
    assert seen.p_meas_mw.tolist() == [0.1235, 0.123456]
    assert seen.soc_pu[0] == 0.5124
    assert math.isnan(seen.soc_pu[1])
    assert (seen.p_avail_min_mw[0], seen.p_avail_max_mw[0]) == (0.0, 0.7654)
    assert math.copysign(1.0, seen.p_avail_min_mw[0]) == 1.0
    assert seen.accepted_mw.tolist() == [0.123456] * 2


def test_instants_are_counted_from_the_tick_before_and_stay_what_they_became():
    freezer = Freezer(np.zeros(1))
    assert frozen(freezer, 10.0001234, device()).now_s == 10.000123
    seen = frozen(freezer, 11.0, device(measured_at_s=10.2354999, accepted_s=10.0001239))
    assert seen.measured_at_s[0] == 10.230123
    assert seen.accepted_at_s[0] == 10.000123  # at the tick or behind it, not before
    again = frozen(freezer, 12.0, device(measured_at_s=10.2354999, accepted_s=11.0))
    assert again.measured_at_s[0] == 10.230123
    assert again.accepted_at_s[0] == 11.0


def test_the_signal_is_never_from_after_the_tick():
    seen = frozen(Freezer(np.zeros(1)), 7.7777779, device(), agc_s=7.7777779)
    assert seen.agc_received_s == seen.now_s == 7.777777


@given(
    ticks=st.lists(st.floats(0.001, 1.5), min_size=2, max_size=6),
    part=st.floats(0.0, 1.0, exclude_max=True),
    at=st.integers(0, 4),
)
def test_no_instant_changes_places_with_a_tick(ticks, part, at):
    now_s = 1000.0 + np.cumsum(ticks)
    at = min(at, len(ticks) - 2)
    event_s = now_s[at] + part * (now_s[at + 1] - now_s[at])
    freezer, instants = Freezer(np.zeros(1)), []
    for k, tick_s in enumerate(now_s.tolist()):
        seen = frozen(freezer, tick_s, device(measured_at_s=event_s if k > at else NAN))
        instants.append(seen.now_s)
        if k > at:
            assert instants[at] <= seen.measured_at_s[0] <= instants[at + 1]
            assert event_s - 0.01001 <= seen.measured_at_s[0] <= event_s


def test_other_units_take_their_instants_along():
    freezer = Freezer(np.array([1e3, 1e4]))
    first, second = device(measured_at_s=1.0067), device(measured_at_s=1.0099, p_meas_mw=0.00019)
    frozen(freezer, 1.0, first, second)
    before = frozen(freezer, 1.5, first, second)
    freezer.of_plant(np.array([1e4, 1e3, 1e3]), np.array([1, -1, 0]))
    after = frozen(freezer, 2.0031, second, device(measured_at_s=2.0), first)
    assert after.measured_at_s[[0, 2]].tolist() == before.measured_at_s[[1, 0]].tolist()
    assert after.measured_at_s[1] == 2.0
    assert (before.p_meas_mw[1], after.p_meas_mw[0]) == (0.0002, 0.0002)


def test_it_goes_on_behind_the_tick_of_another():
    freezer = Freezer(np.zeros(1))
    freezer.after(100.000005)
    assert frozen(freezer, 101.0, device(measured_at_s=100.000006)).measured_at_s[0] == 100.000005
    freezer = Freezer(np.zeros(1))
    freezer.after(NAN)
    assert frozen(freezer, 101.0, device(measured_at_s=100.999)).measured_at_s[0] == 100.99
