"""`fold_limits`: one box that never crosses, with the right reason on each side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_limits_cases import NAN, one, random_fleet

from vppd.core.types import Reason
from vppd.kernels import status
from vppd.kernels.exact import split_exact

RATING, RAMP, SOC = Reason.RATING, Reason.RAMP, Reason.SOC
AVAILABLE, TELEMETRY_AGE, CROSSED = Reason.AVAILABLE, Reason.TELEMETRY_AGE, Reason.CROSSED

# numbers of the unit -> lower, its reason, upper, its reason
BOXES = {
    "ramp in both directions": ({}, -2.0, RAMP, 2.0, RAMP),
    "ramp differs by direction": (
        {"ramp_up_mw_per_s": 1.0, "ramp_down_mw_per_s": 3.0}, -3.0, RAMP, 1.0, RAMP,
    ),
    "ramp takes the time since the last tick": ({"dt_s": 0.25}, -0.5, RAMP, 0.5, RAMP),
    "no time has passed": ({"dt_s": 0.0, "last_mw": 3.0}, 3.0, RAMP, 3.0, RAMP),
    "time that is no number": ({"dt_s": NAN, "last_mw": 3.0}, 3.0, RAMP, 3.0, RAMP),
    "ramp starts at the last setpoint": ({"last_mw": -5.0}, -7.0, RAMP, -3.0, RAMP),
    "rating above": ({"last_mw": 9.0}, 7.0, RAMP, 10.0, RATING),
    "rating below": ({"last_mw": -9.5}, -10.0, RATING, -7.5, RAMP),
    "a unit of one direction": ({"p_min_mw": 0.0}, 0.0, RATING, 2.0, RAMP),
    "available above": ({"p_avail_max_mw": 1.5}, -2.0, RAMP, 1.5, AVAILABLE),
    "available below": ({"p_avail_min_mw": -0.5}, -0.5, AVAILABLE, 2.0, RAMP),
    "more available than rated": (
        {"last_mw": 9.0, "p_avail_max_mw": 99.0}, 7.0, RAMP, 10.0, RATING,
    ),
    "available falls below the ramp's window: physics wins": (
        {"last_mw": 8.0, "p_avail_max_mw": 1.0}, 1.0, AVAILABLE, 1.0, AVAILABLE,
    ),
    "available rises above the ramp's window": (
        {"last_mw": -8.0, "p_avail_min_mw": -1.0}, -1.0, AVAILABLE, -1.0, AVAILABLE,
    ),
    "more must be given than can be": (
        {"last_mw": 3.0, "p_avail_min_mw": 5.0, "p_avail_max_mw": 4.0}, 3.0, CROSSED, 3.0, CROSSED,
    ),
    "available below the rating of a generator": (
        {"p_min_mw": 2.0, "last_mw": 6.0, "energy_mwh": NAN, "p_avail_max_mw": 0.0},
        6.0, CROSSED, 6.0, CROSSED,
    ),
    "crossed, and outside the rating": (
        {"p_max_mw": 5.0, "last_mw": 8.0, "p_avail_min_mw": 6.0}, 5.0, CROSSED, 5.0, CROSSED,
    ),
    "crossed, and below the rating": (
        {"p_min_mw": -5.0, "last_mw": -8.0, "p_avail_max_mw": -6.0}, -5.0, CROSSED, -5.0, CROSSED,
    ),
    # 10 MWh, 900 s: 0.025 pu above the floor is 0.25 MWh, for a quarter of an hour 1 MW.
    "nearly empty": ({"soc_pu": 0.125}, -2.0, RAMP, 1.0, SOC),
    "nearly full": ({"soc_pu": 0.875}, -1.0, SOC, 2.0, RAMP),
    "empty": ({"soc_pu": 0.1}, -2.0, RAMP, 0.0, SOC),
    "below its band: no further out": ({"soc_pu": 0.05}, -2.0, RAMP, 0.0, SOC),
    "above its band": ({"soc_pu": 0.99}, 0.0, SOC, 2.0, RAMP),
    "empty while it gives: physics beats ramp": (
        {"soc_pu": 0.1, "last_mw": 8.0}, 0.0, SOC, 0.0, SOC,
    ),
    "full while it takes": ({"soc_pu": 0.9, "last_mw": -8.0}, 0.0, SOC, 0.0, SOC),
    "losses when it gives": (
        {"soc_pu": 0.125, "efficiency_discharge_pu": 0.8}, -2.0, RAMP, 0.8, SOC,
    ),
    "losses when it takes": (
        {"soc_pu": 0.875, "efficiency_charge_pu": 0.8}, -1.25, SOC, 2.0, RAMP,
    ),
    "a longer horizon": ({"soc_pu": 0.125, "soc_horizon_s": 3600.0}, -2.0, RAMP, 0.25, SOC),
    "no store: state of charge means nothing": (
        {"soc_pu": 0.0, "energy_mwh": NAN}, -2.0, RAMP, 2.0, RAMP,
    ),
    "state of charge unknown": (
        {"soc_pu": NAN, "last_mw": 3.0}, 3.0, TELEMETRY_AGE, 3.0, TELEMETRY_AGE,
    ),
    "state of charge unknown, and less available": (
        {"soc_pu": NAN, "last_mw": 3.0, "p_avail_max_mw": 1.0},
        1.0, TELEMETRY_AGE, 1.0, TELEMETRY_AGE,
    ),
    "state of charge unknown, limits crossed": (
        {"soc_pu": NAN, "last_mw": 3.0, "p_avail_min_mw": 5.0, "p_avail_max_mw": 4.0},
        3.0, CROSSED, 3.0, CROSSED,
    ),
    "must give, and is empty": (
        {"soc_pu": 0.1, "last_mw": 1.0, "p_avail_min_mw": 0.5}, 1.0, CROSSED, 1.0, CROSSED,
    ),
    "time that ran backwards": ({"dt_s": -0.5, "last_mw": 3.0}, 3.0, RAMP, 3.0, RAMP),
    "no ramp at all": (
        {"p_max_mw": 0.0, "ramp_up_mw_per_s": np.inf, "ramp_down_mw_per_s": np.inf},
        -10.0, RATING, 0.0, RATING,
    ),
    "a unit of no power": ({"p_min_mw": 0.0, "p_max_mw": 0.0}, 0.0, RATING, 0.0, RATING),
    "a store of no band": (
        {"soc_min_pu": 0.5, "soc_max_pu": 0.5}, 0.0, SOC, 0.0, SOC,
    ),
    "available is just what the ramp allows at least": (
        {"last_mw": 2.0, "p_avail_max_mw": 0.0}, 0.0, RAMP, 0.0, AVAILABLE,
    ),
    "available is just what the ramp allows at most": (
        {"last_mw": -2.0, "p_avail_min_mw": 0.0}, 0.0, AVAILABLE, 0.0, RAMP,
    ),
    "state of charge unknown, and one power available": (
        {"soc_pu": NAN, "last_mw": 3.0, "p_avail_min_mw": 1.0, "p_avail_max_mw": 1.0},
        1.0, TELEMETRY_AGE, 1.0, TELEMETRY_AGE,
    ),
    "takes no part": (
        {"out_reason": Reason.FALLBACK, "pinned_mw": -4.0, "soc_pu": 0.9},
        -4.0, Reason.FALLBACK, -4.0, Reason.FALLBACK,
    ),
    "equal limits: the first named keeps the reason": (
        {
            "p_max_mw": 1.0, "p_avail_max_mw": 1.0, "ramp_up_mw_per_s": 1.0,
            "soc_pu": 0.625, "soc_min_pu": 0.5, "energy_mwh": 8.0, "soc_horizon_s": 3600.0,
        },
        -2.0, RAMP, 1.0, RATING,
    ),
    "equal limits below": (
        {
            "p_min_mw": -1.0, "p_avail_min_mw": -1.0, "ramp_down_mw_per_s": 1.0,
            "soc_pu": 0.375, "soc_max_pu": 0.5, "energy_mwh": 8.0, "soc_horizon_s": 3600.0,
        },
        -1.0, RATING, 2.0, RAMP,
    ),
    "what is available equals what the store can carry": (
        {
            "p_avail_min_mw": -1.0, "p_avail_max_mw": 1.0, "soc_max_pu": 0.625,
            "soc_pu": 0.5, "soc_min_pu": 0.375, "energy_mwh": 8.0, "soc_horizon_s": 3600.0,
        },
        -1.0, AVAILABLE, 1.0, AVAILABLE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BOXES.values(), ids=BOXES)
def test_box(case):
    numbers, lower, lower_reason, upper, upper_reason = case
    box = one(**numbers).fold()
    assert box.lower_mw[0] == pytest.approx(lower, abs=1e-12)
    assert box.upper_mw[0] == pytest.approx(upper, abs=1e-12)
    assert Reason(box.lower_reason[0]) is lower_reason
    assert Reason(box.upper_reason[0]) is upper_reason
    assert box.crossed == (lower_reason is CROSSED)


@pytest.mark.parametrize(
    ("numbers", "lower", "upper"),
    [
        ({}, -10.0, 10.0),
        ({"soc_pu": 0.125}, -10.0, 1.0),
        ({"last_mw": 8.0, "p_avail_max_mw": 1.0}, -10.0, 1.0),
        ({"soc_pu": NAN, "last_mw": 3.0}, 3.0, 3.0),
        ({"out_reason": Reason.UNREACHABLE, "pinned_mw": -4.0}, -4.0, -4.0),
        ({"last_mw": 3.0, "p_avail_min_mw": 5.0, "p_avail_max_mw": 4.0}, 3.0, 3.0),
    ],
)
def test_the_range_is_the_box_without_the_ramp(numbers, lower, upper):
    box = one(**numbers).fold()
    assert box.range_lower_mw[0] == pytest.approx(lower, abs=1e-12)
    assert box.range_upper_mw[0] == pytest.approx(upper, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("p_min_mw", CROSSED),
        ("p_max_mw", CROSSED),
        ("ramp_up_mw_per_s", CROSSED),
        ("ramp_down_mw_per_s", CROSSED),
        ("soc_pu", TELEMETRY_AGE),
        ("soc_min_pu", TELEMETRY_AGE),
        ("soc_max_pu", TELEMETRY_AGE),
        ("efficiency_charge_pu", TELEMETRY_AGE),
        ("efficiency_discharge_pu", TELEMETRY_AGE),
        ("soc_horizon_s", TELEMETRY_AGE),
    ],
)
def test_a_nan_is_never_a_limit_that_is_not_there(name, reason):
    box = one(**{"last_mw": 3.0, name: NAN}).fold()
    assert box.lower_mw[0] == box.upper_mw[0] == 3.0
    assert box.lower_reason[0] == box.upper_reason[0] == reason
    assert box.crossed == (reason is CROSSED)


@pytest.mark.parametrize("soc_pu", [0.5, 0.1, 0.9, NAN])
def test_an_unknown_last_setpoint_gives_no_box_at_all(soc_pu):
    """Nowhere to ramp from: the split refuses the whole, and the core holds."""
    box = one(last_mw=NAN, soc_pu=soc_pu).fold()
    out = np.full(1, 7.25)
    box_mw = (box.lower_mw, box.upper_mw)
    code, _, _ = split_exact(1.0, np.zeros(1), np.ones(1), *box_mw, NAN, out)
    assert code == status.BAD_INPUT
    assert out[0] == 7.25


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_the_box_never_crosses_and_keeps_every_limit(seed, n):
    fleet = random_fleet(np.random.default_rng(seed), n)
    box = fleet.fold()
    part = fleet.out_reason == 0
    assert np.all(box.lower_mw <= box.upper_mw)
    assert np.all(box.range_lower_mw <= box.lower_mw)
    assert np.all(box.upper_mw <= box.range_upper_mw)
    assert np.all(box.lower_reason != Reason.NONE)
    assert np.all(box.upper_reason != Reason.NONE)
    assert np.array_equal(box.lower_mw[~part], fleet.pinned_mw[~part])
    assert np.all(fleet.p_min_mw[part] <= box.lower_mw[part])
    assert np.all(box.upper_mw[part] <= fleet.p_max_mw[part])
    good = part & (box.lower_reason != CROSSED)
    above = ~np.isnan(fleet.p_avail_max_mw) & good
    below = ~np.isnan(fleet.p_avail_min_mw) & good
    assert np.all(box.upper_mw[above] <= fleet.p_avail_max_mw[above])
    assert np.all(box.lower_mw[below] >= fleet.p_avail_min_mw[below])
    assert box.crossed == np.count_nonzero(part & (box.lower_reason == CROSSED))


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_a_store_stays_in_its_band_for_the_horizon(seed, n):
    """Checked by letting the store run at the edge of its box."""
    fleet = random_fleet(np.random.default_rng(seed), n)
    box = fleet.fold()
    hours = fleet.soc_horizon_s / 3600.0
    stores = (fleet.out_reason == 0) & ~np.isnan(fleet.energy_mwh) & ~np.isnan(fleet.soc_pu)
    for i in np.flatnonzero(stores & (box.lower_reason != CROSSED)):
        soc, energy = fleet.soc_pu[i], fleet.energy_mwh[i]
        if box.upper_mw[i] > 0.0:
            end = soc - box.upper_mw[i] * hours / fleet.efficiency_discharge_pu[i] / energy
            assert end >= 0.1 - 1e-12
        if box.lower_mw[i] < 0.0:
            end = soc - box.lower_mw[i] * hours * fleet.efficiency_charge_pu[i] / energy
            assert end <= 0.9 + 1e-12
