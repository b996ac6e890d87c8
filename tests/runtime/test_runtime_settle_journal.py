"""What a journal gives to a settlement: only what is new, at its own instant, in UTC."""

import dataclasses

import numpy as np
import pytest
from builders import image as core_image
from builders import params as core_params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Quality
from vppd.journal.errors import NoTickError
from vppd.journal.header import About
from vppd.journal.schema import Meta
from vppd.journal.writer import JournalWriter
from vppd.market.settlement.record import SettlementError
from vppd.runtime import settle_journal
from vppd.runtime.settle_journal import read_plant

UTC_S = 1_000_000_000.0
ZEROS = [0] * (len(dataclasses.fields(Meta)) - 1)


def write(folder, images, params=None, to_utc_s=UTC_S):
    params = params or core_params()
    writer = JournalWriter(folder, params, About("site", "c0ffee"), utc_s=UTC_S, inline=True,
                           sync=False)  # fmt: skip
    state = initial_state(params)
    for image in images:
        after, decision = tick(state, image, params)
        assert writer.put(Meta(to_utc_s + image.now_s, *ZEROS), state, image, decision)
        state = after
    assert writer.close()
    return folder


def images(n, changes=lambda _k: {}):
    return [
        dataclasses.replace(
            core_image(tick=k, now_s=100.0 + k), p_meas_mw=np.full(3, float(k)), **changes(k)
        )
        for k in range(n)
    ]


@pytest.fixture(params=[1, 3, 1024])
def chunk(request, monkeypatch):
    """However the ticks are cut, nothing is lost or doubled at a cut."""
    monkeypatch.setattr(settle_journal, "CHUNK", request.param)


def test_readings_at_their_own_instants(tmp_path, chunk):
    def late(k):  # read every other tick, .25 s before it
        return {"measured_at_s": np.full(3, 99.75 + k - k % 2)}

    plant = read_plant(write(tmp_path, images(8, late)))
    for unit in plant.units:
        assert (unit.readings.t_s - UTC_S).tolist() == [99.75, 101.75, 103.75, 105.75]
        assert unit.readings.p_mw.tolist() == [0.0, 2.0, 4.0, 6.0]


def test_what_is_not_good_is_no_reading(tmp_path, chunk):
    def changes(k):
        quality = np.full(3, int(Quality.ONLINE), dtype=np.uint8)
        quality[1] = Quality.COMM_LOST if k in (2, 3) else quality[1]
        return {"quality": quality}

    bad = images(6, changes)
    bad[4] = dataclasses.replace(bad[4], p_meas_mw=np.array([np.nan, 4.0, 4.0]))
    plant = read_plant(write(tmp_path, bad))
    assert [unit.readings.p_mw.tolist() for unit in plant.units] == [
        [0.0, 1.0, 2.0, 3.0, 5.0], [0.0, 1.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    ]  # fmt: skip


def test_plans_and_setpoints_are_kept_when_they_change(tmp_path, chunk):
    def changes(k):
        return {
            "basepoint_mw": np.array([2.0, 2.0 + (k >= 3), 2.0]),
            "accepted_mw": np.array([np.nan, 1.0, 1.0 + (k >= 2)]),
            "accepted_at_s": np.array([np.nan, 100.0, 100.0 + (k >= 2)]),
        }

    a, b, c = read_plant(write(tmp_path, images(5, changes))).units
    assert (a.basepoint_mw.t_s - UTC_S).tolist() == [100.0]
    assert (b.basepoint_mw.t_s - UTC_S).tolist() == [100.0, 103.0]
    assert b.basepoint_mw.value.tolist() == [2.0, 3.0]
    assert a.readings.accepted_s.size == 0
    assert (c.readings.accepted_s - UTC_S).tolist() == [100.0, 101.0]
    assert c.readings.accepted_mw.tolist() == [1.0, 2.0]


def test_the_signal_counts_from_when_it_came_and_capacity_from_its_tick(tmp_path):
    def changes(k):
        sold_mw = 20.0 if k < 4 else 10.0
        return {
            "agc_pu": 0.5 if k < 2 else -0.25,
            "agc_received_s": 99.5 if k < 2 else 101.5,
            "regulation_capacity_up_mw": sold_mw,
            "regulation_capacity_down_mw": sold_mw,
        }

    plant = read_plant(write(tmp_path, images(6, changes)))
    assert (plant.signal_mw.t_s - UTC_S).tolist() == [99.5, 101.5, 104.0]
    assert plant.signal_mw.value.tolist() == [10.0, -5.0, -2.5]
    assert (plant.capacity_up_mw.t_s - UTC_S).tolist() == [100.0, 104.0]


def test_a_unit_that_is_not_heard_is_counted_with_what_the_core_says(tmp_path, chunk):
    """From 103 on, one unit's link is down; its last reading stands in every image."""
    lost = images(60)
    for k in range(3, 60):
        measured_s, connected = lost[k].measured_at_s.copy(), lost[k].connected.copy()
        measured_s[1], connected[1] = lost[2].measured_at_s[1], 0
        lost[k] = dataclasses.replace(lost[k], measured_at_s=measured_s, connected=connected)
    plant = read_plant(write(tmp_path, lost))
    counted = [unit.readings for unit in plant.units]
    assert [one.counted_s.size > 0 for one in counted] == [False, True, False]
    assert counted[1].counted_s[-1] - UTC_S == 159.0
    assert counted[1].t_s[-1] == UTC_S + float(lost[2].measured_at_s[1])


def test_other_units_are_refused_and_so_is_no_tick(tmp_path):
    params = core_params()
    write(tmp_path, images(3))
    others = dataclasses.replace(params, ids=tuple(f"new-{name}" for name in params.ids))
    with pytest.raises(NoTickError):
        read_plant(write(tmp_path / "none", []))
    later = [dataclasses.replace(one, now_s=one.now_s + 10.0) for one in images(3)]
    write(tmp_path, later, others)
    with pytest.raises(SettlementError, match="the units change at 00000002"):
        read_plant(tmp_path)
