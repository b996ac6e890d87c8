"""Promises by unit type in closed form, against a simulation, and what must always hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_headroom_cases import (
    HORIZONS_S,
    NAMES,
    NAN,
    counted,
    lasts,
    promised,
    random_unit,
    simulated_up_mw,
    unit,
)

from vppd.core.types import Reason
from vppd.kernels import headroom

seeds = st.integers(0, 2**32 - 1)


def fleet(seed, size=12):
    rng = np.random.default_rng(seed)
    return [random_unit(rng) for _ in range(int(rng.integers(0, size)))]


def test_a_battery_that_is_nearly_empty_gives_what_its_energy_leaves():
    battery = unit(soc_pu=0.2, energy_mwh=20.0, efficiency_charge_pu=0.9,
                   efficiency_discharge_pu=0.8)  # fmt: skip
    got = promised(battery)
    held_s = np.array(HORIZONS_S) + 60.0  # the tick keeps the band a minute ahead
    assert got["up"] == pytest.approx(np.minimum(10.0, 0.1 * 20.0 * 0.8 * 3600.0 / held_s))
    assert got["up"][3] == pytest.approx(5760.0 / 1860.0)
    assert got["down"] == pytest.approx([10.0] * 4)
    full = unit(soc_pu=0.8, energy_mwh=20.0, efficiency_charge_pu=0.9)
    assert promised(full)["down"][2:] == pytest.approx([10.0 * 20.0 / 25.0, 2.0 / 0.9 / 0.5166667],
                                                       rel=0.2)  # fmt: skip
    assert promised(full)["down"][3] == pytest.approx(0.1 * 20.0 / 0.9 * 3600.0 / 1860.0)


def test_a_store_that_discharges_by_plan_promises_what_it_can_hold_beyond():
    battery = unit(soc_pu=0.2, energy_mwh=20.0, base_mw=4.0, told_mw=4.0, output_mw=4.0)
    got = promised(battery, unit(range_lower_mw=0.0, ramp_up_mw_per_s=1e9))
    assert got["up"][2] == pytest.approx(10.0 + 2.0 / (960.0 / 3600.0) - 4.0)
    # it cannot even hold its plan for half an hour: the other one carries what is missing
    assert got["up"][3] == pytest.approx(10.0 - (4.0 - 2.0 / (1860.0 / 3600.0)))
    assert got["down"] == pytest.approx([14.0] * 4)


@pytest.mark.parametrize("soc_pu", [0.0, 0.05, 0.1])
def test_a_store_at_or_below_its_band_gives_nothing(soc_pu):
    got = promised(unit(soc_pu=soc_pu, energy_mwh=20.0, range_upper_mw=0.0))
    assert got["up"].tolist() == [0.0] * 4
    assert got["down"][0] == 10.0


def test_a_slow_load_has_nothing_within_its_dead_time_and_comes_by_its_ramp():
    load = unit(
        base_mw=-6.0, told_mw=-6.0, output_mw=-6.0, range_lower_mw=-9.0, range_upper_mw=-2.0,
        ramp_up_mw_per_s=0.01, ramp_down_mw_per_s=0.02, dead_time_s=20.0, lag_s=40.0,
    )  # fmt: skip
    got = promised(load)
    assert got["up"][0] == got["down"][0] == 0.0
    since_s = 300.0 - 20.0  # still on the ramp, the lag behind
    on_ramp_mw = 0.01 * (since_s - 40.0 * (1.0 - math.exp(-since_s / 40.0)))
    assert got["up"][1] == pytest.approx(on_ramp_mw, abs=1e-4)
    ramped_s = 3.0 / 0.02
    missing_mw = 0.02 * 40.0 * (math.exp(-(since_s - ramped_s) / 40.0) - math.exp(-since_s / 40.0))
    assert got["down"][1] == pytest.approx(3.0 - missing_mw, abs=1e-4)
    assert got["up"][2:] == pytest.approx([4.0, 4.0], abs=1e-4)


def test_a_pv_plant_promises_what_the_sun_leaves_and_all_of_its_power_downwards():
    pv = unit(base_mw=8.0, told_mw=8.0, output_mw=8.0, range_lower_mw=0.0, range_upper_mw=8.8,
              ramp_up_mw_per_s=1.0, ramp_down_mw_per_s=1.0)  # fmt: skip
    got = promised(pv)
    assert got["up"] == pytest.approx([0.8] * 4)
    assert got["down"] == pytest.approx([1.0, 8.0, 8.0, 8.0])  # the ramp, at first


def test_the_way_begins_where_the_plant_is_and_the_room_counts_from_the_plan():
    """It regulates downwards now: within its dead time nothing lies above the plan."""
    below = unit(told_mw=-5.0, output_mw=-5.0, dead_time_s=2.0)
    got = promised(below)
    assert got["up"].tolist() == [0.0, 10.0, 10.0, 10.0]
    assert got["down"].tolist() == [5.0, 10.0, 10.0, 10.0]


def test_what_is_under_way_to_the_setpoint_in_force_arrives():
    rising = unit(told_mw=10.0, lag_s=2.0)
    assert promised(rising)["up"][0] == pytest.approx(10.0 * (1.0 - math.exp(-0.5)), abs=1e-3)


def test_a_unit_out_of_the_split_has_no_room_and_its_lack_counts():
    there = unit()
    lacks = unit(out_reason=6, base_mw=3.0, range_lower_mw=1.0, range_upper_mw=1.0)
    got = promised(there, lacks)
    assert got["up"].tolist() == [8.0] * 4
    assert got["down"].tolist() == [10.0] * 4  # that it gives less is no promise downwards
    for reason in Reason:
        if reason is not Reason.NONE:
            alone = promised(unit(out_reason=int(reason)), lacks | {"out_reason": int(reason)})
            assert all(alone[name].tolist() == [0.0] * 4 for name in NAMES)


def test_a_store_without_a_soc_has_no_room():
    """Its range is the point where it stands, above its plan."""
    blind = unit(soc_pu=NAN, energy_mwh=20.0, range_lower_mw=4.0, range_upper_mw=4.0)
    assert all(promised(blind)[name].tolist() == [0.0] * 4 for name in NAMES)
    assert promised(blind, unit())["up"].tolist() == [10.0] * 4
    assert promised(blind, unit())["down"].tolist() == [6.0] * 4


def test_a_store_bridges_what_a_slow_load_has_not_delivered_yet_and_lacks_it_later():
    load = unit(base_mw=-6.0, told_mw=-6.0, output_mw=-6.0, range_upper_mw=-2.0,
                ramp_up_mw_per_s=0.1, dead_time_s=20.0, lag_s=30.0)  # fmt: skip
    late_mwh = 4.0 * (20.0 + 30.0 + 0.5 * 4.0 / 0.1) / 3600.0
    for_mwh = 1.0  # what the battery has
    battery = unit(soc_pu=0.2, energy_mwh=10.0)
    got = promised(load, battery)
    assert got["up"][3] == pytest.approx(4.0 + (for_mwh - late_mwh) * 3600.0 / 1860.0)
    spare = unit(soc_pu=0.8, energy_mwh=100.0)  # it can bridge, and give all of its power
    assert promised(load, spare)["up"][3] == pytest.approx(14.0)
    # a store that has hardly any gives none of the load's away
    empty = unit(soc_pu=0.1001, energy_mwh=10.0)
    assert promised(load, empty)["up"][3] == pytest.approx(4.0)
    # that the load moves on its own, bridged by nobody, costs nothing
    assert promised(load)["up"][3] == pytest.approx(4.0)


def test_firm_is_without_the_largest_unit_and_its_output():
    small, large = unit(range_upper_mw=3.0), unit(range_upper_mw=7.0)
    assert promised(small, large)["firm_up"].tolist() == [3.0] * 4
    generating = unit(base_mw=6.0, told_mw=6.0, output_mw=6.0)  # 4 MW of room, 6 MW of plan
    assert promised(small, large, generating)["up"].tolist() == [14.0] * 4
    assert promised(small, large, generating)["firm_up"].tolist() == [4.0] * 4
    assert promised(small, large, generating)["firm_down"].tolist() == [20.0] * 4
    assert promised(large)["firm_up"].tolist() == [0.0] * 4


def test_firm_counts_what_is_firm_of_a_unit():
    got = promised(unit(firm_pu=0.25), unit(firm_pu=0.5), unit(firm_pu=0.0))
    assert got["firm_up"].tolist() == [2.5] * 4
    assert got["up"].tolist() == [30.0] * 4


def test_firm_allows_for_an_error_of_the_soc():
    battery = unit(soc_pu=0.2, energy_mwh=20.0)
    got = promised(battery, battery, soc_error_pu=0.03)
    assert got["up"][3] == pytest.approx(2.0 * 2.0 * 3600.0 / 1860.0)
    assert got["firm_up"][3] == pytest.approx(0.07 * 20.0 * 3600.0 / 1860.0)
    empty = promised(battery, battery, soc_error_pu=0.5)
    assert empty["firm_up"].tolist() == [0.0] * 4


@given(seed=seeds)
def test_never_negative_and_firm_never_more_than_expected(seed):
    got = promised(*fleet(seed))
    assert all((got[name] >= 0.0).all() for name in NAMES)
    assert (got["firm_up"] <= got["up"] + 1e-9).all()
    assert (got["firm_down"] <= got["down"] + 1e-9).all()


@given(seed=seeds)
def test_stores_that_answer_at_once_promise_less_for_longer(seed):
    at_once = {"dead_time_s": 0.0, "lag_s": 0.0, "ramp_up_mw_per_s": 1e3, "ramp_down_mw_per_s": 1e3}
    stores = [one | at_once | {"energy_mwh": 3.0} for one in fleet(seed)]
    got = promised(*stores)
    for name in NAMES:
        assert (np.diff(got[name]) <= 1e-9).all()


@given(seed=seeds)
def test_up_and_down_are_mirror_images(seed):
    units = fleet(seed)
    mirrored = [
        one
        | {key: -one[key] for key in ("base_mw", "told_mw", "output_mw")}
        | {"range_lower_mw": -one["range_upper_mw"], "range_upper_mw": -one["range_lower_mw"]}
        | {"ramp_up_mw_per_s": one["ramp_down_mw_per_s"]}
        | {"ramp_down_mw_per_s": one["ramp_up_mw_per_s"]}
        | {"soc_pu": 1.0 - one["soc_pu"]}
        | {"efficiency_charge_pu": 1.0 / one["efficiency_discharge_pu"]}
        | {"efficiency_discharge_pu": 1.0 / one["efficiency_charge_pu"]}
        for one in units
    ]
    got, turned = promised(*units), promised(*mirrored)
    assert turned["up"] == pytest.approx(got["down"], abs=1e-9)
    assert turned["firm_down"] == pytest.approx(got["firm_up"], abs=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_a_unit_simulated_by_small_steps_comes_as_far(seed):
    rng = np.random.default_rng(seed)
    one = random_unit(rng) | {"out_reason": 0, "dead_time_s": rng.uniform(0.0, 10.0)}
    one["soc_pu"] = rng.uniform(0.1, 0.9)
    for horizon_s in (1.0, 12.0, 90.0):
        wanted_mw = max(0.0, simulated_up_mw(one, horizon_s))
        got_mw = promised(one, horizons_s=(horizon_s,))["up"][0]
        assert got_mw == pytest.approx(wanted_mw, abs=0.02 + 0.01 * one["ramp_up_mw_per_s"])


@pytest.mark.parametrize("key", ["base_mw", "told_mw", "output_mw"])
def test_what_is_not_known_is_not_promised_as_a_number(key):
    got = promised(unit(), unit(**{key: NAN}, lag_s=1e3))
    assert np.isnan(got["up"]).all()


def test_no_units_and_no_horizons():
    assert all(promised()[name].tolist() == [0.0] * 4 for name in NAMES)
    assert promised(unit(), horizons_s=())["up"].size == 0


def test_those_are_counted_who_have_room():
    out = unit(out_reason=Reason.UNREACHABLE)
    for units, count in (((unit(),), 1), ((unit(), out, unit()), 2), ((out,), 0)):
        assert counted(*units)[0] == count
        assert counted(*units, horizons_s=(60.0,))[0] == count
        assert counted(*units, horizons_s=())[0] == 0


def test_those_are_counted_of_whose_way_all_is_left():
    left_pu = np.full((2, 4), NAN)
    dead_time_s, lag_s = np.array([10.0, 10.0, 90.0, 400.0]), np.array([0.0, 5.0, 5.0, 0.0])
    count = headroom.find_left(dead_time_s, lag_s, np.array([60.0, 300.0]), left_pu)
    assert count == (left_pu == 1.0).sum() == 3


def test_who_has_nowhere_to_go_is_not_late():
    assert headroom._late(0.0, 300.0, 20.0, 0.1) == headroom._late(-2.0, 300.0, 20.0, 0.1) == 0.0
    assert headroom._late(2.0, 300.0, 20.0, 0.1) == 2.0 * (20.0 + 10.0)


def test_what_a_lag_has_left_is_never_less_than_the_exponential():
    left = np.array([headroom._left(x) for x in np.linspace(0.0, 60.0, 6001)])
    exact = np.exp(-np.linspace(0.0, 60.0, 6001))
    assert (left >= exact * (1.0 - 1e-13) - 1e-17).all()
    assert (left - exact).max() < 3e-5
    assert (np.diff(left) <= 0.0).all()
    assert left[0] == 1.0


def test_what_lasts_is_the_range_of_a_store_as_far_as_its_energy_goes():
    battery = unit(soc_pu=0.2, energy_mwh=20.0, efficiency_charge_pu=0.8,
                   efficiency_discharge_pu=0.9)  # fmt: skip
    full = unit(soc_pu=0.95, energy_mwh=20.0)
    bounds, count = lasts(unit(), battery, full, unit(energy_mwh=20.0))
    assert bounds[0].tolist() == [-10.0, -10.0, 0.0, -10.0]
    assert bounds[1] == pytest.approx([10.0, 7.2, 10.0, 10.0])
    assert count == 2
    bounds, _ = lasts(unit(soc_pu=0.1, energy_mwh=20.0, range_lower_mw=2.0))
    assert bounds[:, 0].tolist() == [2.0, 2.0]  # never out of its range


INF = math.inf


def test_a_group_promises_no_more_than_its_limit_carries():
    """Two of 10 MW behind a feeder of -7 to 12 MW, and one outside it."""
    feeder = {"member": [0, 0, -1], "parent": [-1], "lower_mw": [-7.0], "upper_mw": [12.0]}
    got = promised(unit(), unit(), unit(), groups=feeder)
    assert got["up"].tolist() == [22.0] * 4
    assert got["down"].tolist() == [17.0] * 4
    assert got["firm_up"].tolist() == [12.0] * 4  # less the largest unit
    loaded = promised(unit(base_mw=4.0), unit(), unit(), groups=feeder)
    assert loaded["up"].tolist() == [18.0] * 4  # 8 of them through the feeder
    assert loaded["down"].tolist() == [21.0] * 4


def test_a_plan_that_a_group_cannot_carry_is_carried_by_the_others_first():
    feeder = {"member": [0, 0, -1], "parent": [-1], "lower_mw": [-INF], "upper_mw": [12.0]}
    got = promised(unit(base_mw=9.0), unit(base_mw=9.0), unit(), groups=feeder)
    assert got["up"].tolist() == [4.0] * 4
    assert got["down"].tolist() == [48.0] * 4


def test_groups_within_groups_hold_together():
    """A site of 15 MW has a feeder of 12 MW (two units) and one unit of its own."""
    site = {"member": [1, 1, 0], "parent": [-1, 0], "lower_mw": [-15.0, -INF],
            "upper_mw": [15.0, 12.0]}  # fmt: skip
    assert promised(unit(), unit(), unit(), groups=site)["up"].tolist() == [15.0] * 4
    assert promised(unit(), unit(), unit(), groups=site)["down"].tolist() == [15.0] * 4
    wide = site | {"upper_mw": [INF, 12.0]}
    assert promised(unit(), unit(), unit(), groups=wide)["up"].tolist() == [22.0] * 4


def test_a_unit_that_is_out_fills_its_group_all_the_same():
    feeder = {"member": [0, 0], "parent": [-1], "lower_mw": [-INF], "upper_mw": [6.0]}
    out = unit(out_reason=int(Reason.UNREACHABLE), base_mw=5.0, range_lower_mw=5.0,
               range_upper_mw=5.0)  # fmt: skip
    assert promised(out, unit(), groups=feeder)["up"].tolist() == [1.0] * 4


@given(seeds)
def test_limits_that_bind_nobody_change_no_bit_and_tighter_ones_promise_less(seed):
    rng = np.random.default_rng(seed)
    units = [random_unit(rng) for _ in range(int(rng.integers(1, 12)))]
    member = rng.integers(-1, 3, len(units)).tolist()
    parent = [-1, int(rng.integers(-1, 1)), int(rng.integers(-1, 2))]
    free = {"member": member, "parent": parent, "lower_mw": [-INF] * 3, "upper_mw": [INF] * 3}
    plain, open_ = promised(*units), promised(*units, groups=free)
    assert all(plain[name].tobytes() == open_[name].tobytes() for name in NAMES)
    room_mw = rng.uniform(0.0, 40.0, 3)
    tight = free | {"lower_mw": (-room_mw).tolist(), "upper_mw": room_mw.tolist()}
    wider = free | {"lower_mw": (-1.3 * room_mw).tolist(), "upper_mw": (1.3 * room_mw).tolist()}
    less, more = promised(*units, groups=tight), promised(*units, groups=wider)
    for name in NAMES:
        assert (less[name] <= more[name] + 1e-9).all(), name
        assert (more[name] <= plain[name] + 1e-9).all(), name
