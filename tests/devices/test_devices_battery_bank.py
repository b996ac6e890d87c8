"""What the cells of a SunSpec battery leave of its power (802): registers by hand, and the law."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sunspec_images import (
    ACHA,
    ACHA_ADIS_SF,
    ADIS,
    BANK,
    DC_V,
    DC_V_SF,
    NONE_16,
    NONE_U16,
    SOC,
    WCHA,
    WDIS,
    W,
    banked_image,
)
from sunspec_rigs import battery_driver, run_with

from vppd.devices.dc_side import DcSide, charging, discharging

MW_PER_COUNT = 1331.2 * 0.1 * 1e-6


def ranges(image, *changes, **keys):
    """The range that the driver reads, as the device stands and after each change."""
    seen = []

    async def scenario(driver, device, _peer):
        await driver.start()
        for change in ({}, *changes):
            device.image |= change
            reading = await driver.read()
            seen.append((reading.p_avail_min_mw, reading.p_avail_max_mw))

    run_with(image, battery_driver, scenario, **keys)
    return seen


def test_cells_that_leave_everything_leave_the_rating_exactly():
    """The device rounds its amperes down, and volts move while it stands still."""
    volts = {DC_V: 13330, ACHA: 29407, ADIS: 30607}
    limits = {"p_min_mw": -4.0, "p_max_mw": 4.0}
    assert ranges(banked_image(), volts, **limits) == [(-4.0, 4.0), (-4.0, 4.0)]


def test_cells_at_half_of_their_nameplate_leave_half():
    hot = {ACHA: 29447 // 2, ADIS: 30649 // 2}
    _, (lowest_mw, highest_mw) = ranges(banked_image(), hot)
    assert lowest_mw == pytest.approx(-(29447 // 2) * MW_PER_COUNT * 4.0 / 3.92, rel=1e-12)
    assert highest_mw == pytest.approx((30649 // 2) * MW_PER_COUNT * 4.0 / 4.08, rel=1e-12)
    assert (lowest_mw, highest_mw) == pytest.approx((-2.0, 2.0), abs=2 * MW_PER_COUNT)


def test_no_current_is_no_power():
    """Also when one count would be more than the nameplate."""
    none = {ACHA: 0, ADIS: 0}
    coarse = {ACHA_ADIS_SF: 4}
    seen = ranges(banked_image(), none, coarse)[1:]
    assert seen == [(0.0, 0.0), (0.0, 0.0)]
    assert [math.copysign(1.0, low) for low, _ in seen] == [1.0, 1.0]


def test_each_direction_stands_for_itself():
    full, empty, neither = {ACHA: 0}, {ACHA: 29447, ADIS: 0}, {ADIS: 30649}
    assert ranges(banked_image(), full, empty, neither)[1:] == [
        (0.0, 4.0),
        (-4.0, 0.0),
        (-4.0, 4.0),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({ACHA: NONE_U16}, (math.nan, 4.0)),
        ({ADIS: NONE_U16}, (-4.0, math.nan)),
        ({DC_V: NONE_U16}, (math.nan, math.nan)),
        ({DC_V_SF: NONE_16}, (math.nan, math.nan)),
        ({ACHA_ADIS_SF: NONE_16}, (math.nan, math.nan)),
    ],
)
def test_what_is_not_implemented_is_no_limit(change, told):
    (_, after) = ranges(banked_image(), change)
    assert after == pytest.approx(told, nan_ok=True)


def test_scales_are_those_of_the_same_answer():
    whole_amperes = {ACHA_ADIS_SF: 0, ACHA: 1472, ADIS: 1532, DC_V: 1331, DC_V_SF: 0}
    _, (lowest_mw, highest_mw) = ranges(banked_image(), whole_amperes)
    assert lowest_mw == pytest.approx(-1331 * 1472e-6 * 4.0 / 3.92)
    assert highest_mw == pytest.approx(1331 * 1532e-6 * 4.0 / 4.08)


def test_without_a_nameplate_the_conversion_is_on_the_safe_side():
    image = banked_image() | {WCHA: NONE_U16, WDIS: NONE_U16}
    ((lowest_mw, highest_mw),) = ranges(image)
    assert lowest_mw == pytest.approx(-29447 * MW_PER_COUNT)
    assert highest_mw == pytest.approx(0.95 * 30649 * MW_PER_COUNT)


def chained(first, second):
    """Image of a battery with these words at 40353 and 40417, where 802 and 715 are."""
    image = banked_image()
    image |= dict(enumerate(first, start=BANK))
    return image | dict(enumerate(second, start=BANK + 64))


BLANK_802 = [802, 62, *([NONE_U16] * 62)]
OTHER_CHAINS = {
    "no 802": chained([64200, 62], []),
    "an 802 that ends early": banked_image() | {BANK + 1: 50, BANK + 52: 64201, BANK + 53: 10},
    "two 802": chained([], [*BLANK_802, 715, 7, *([0] * 7), 0xFFFF, 0]),
}


@pytest.mark.parametrize("name", OTHER_CHAINS)
def test_a_battery_without_one_whole_bank_is_read_as_ever(name):
    """Two banks have two models, and neither speaks for the unit."""

    async def scenario(driver, device, peer):
        await driver.start()
        device.image |= {W: 1234, SOC: 4321}
        reading = await driver.read()
        assert reading.p_meas_mw == pytest.approx(1.234)
        assert reading.soc_pu == pytest.approx(0.4321)
        assert math.isnan(reading.p_avail_min_mw)
        assert math.isnan(reading.p_avail_max_mw)
        assert not any(BANK + 45 in range(f.address, f.address + 2) for f in peer.reads[-2:])

    run_with(dict(OTHER_CHAINS[name]), battery_driver, scenario)


def test_it_costs_no_transaction_where_it_stands_beside_713():
    async def scenario(driver, _device, peer):
        await driver.start()
        begun = len(peer.frames)
        assert begun == 8  # one a model, one for the mark
        await driver.read()
        assert [(f.address, f.count) for f in peer.frames[begun:]] == [(40073, 118), (40299, 125)]

    run_with(banked_image(), battery_driver, scenario)


# The law


@st.composite
def sides(draw):
    """A direction, its side, AC for DC in truth, and the size of one count of DC power."""
    rating_mw = draw(st.floats(0.01, 60.0))
    loss = draw(st.floats(0.0, 0.049))
    charges = draw(st.booleans())
    factor = 1.0 / (1.0 - loss) if charges else 1.0 - loss
    side = (charging if charges else discharging)(rating_mw, rating_mw / factor, 0.0)
    return rating_mw, side, factor


@example((0.01, DcSide(1.0, 0.01, 0.0, 0.01), 1.0), 0.9375, 600.0, 1.0, round)
@given(
    sides(),
    st.floats(0.0, 1.0),
    st.sampled_from([600.0, 1331.2, 1498.3]),
    st.sampled_from([0.01, 0.1, 1.0]),
    st.sampled_from([math.floor, round]),
)
def test_what_registers_hide_moves_a_limit_by_the_count_they_may_hide(
    made, share, volts, count_a, to
):
    """A device that cuts off hides up to a count; one that rounds up has told half of one more."""
    rating_mw, side, factor = made
    true_mw = share * rating_mw
    amperes = to(true_mw / factor / volts * 1e6 / count_a) * count_a
    told_mw = side.left_mw(volts, amperes, 0.0, count_a)
    count_mw = volts * count_a * 1e-6 * factor * (1.0 + 1e-9)
    counts = 1.0 if to is math.floor else 1.5
    assert min(told_mw, rating_mw) <= true_mw + counts * count_mw
    assert told_mw >= true_mw - count_mw
    if share == 1.0 and amperes > 0.0:
        assert told_mw >= rating_mw
    if share == 0.0:
        assert told_mw == 0.0


@given(st.floats(0.95, 1.0), st.floats(0.0, 1.0))
def test_a_bank_larger_than_its_inverter_is_counted_on_the_safe_side(efficiency_pu, share):
    """8 MW of cells behind 4 MW: their nameplate says nothing about the inverter."""
    dc_mw = 8.0 * share
    for side, truth_pu in (
        (charging(4.0, 8.0, 0.0), 1.0 / efficiency_pu),
        (discharging(4.0, 8.0, 0.0), efficiency_pu),
    ):
        told_mw = side.left_mw(1000.0, dc_mw * 1e3, 0.0, 0.0)
        assert 0.949 * truth_pu * dc_mw <= told_mw <= truth_pu * dc_mw * (1.0 + 1e-12)
        if share == 1.0:
            assert told_mw >= 4.0


def test_a_bank_smaller_than_its_inverter_never_gives_its_rating():
    assert charging(4.0, 3.0, 0.0).left_mw(1000.0, 3000.0, 0.1, 0.1) == pytest.approx(3.0)
    assert discharging(4.0, 3.0, 0.0).left_mw(1000.0, 3000.0, 0.1, 0.1) == pytest.approx(2.85)
