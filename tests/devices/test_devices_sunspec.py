"""SunSpec batteries and PV plants: raw registers by hand, an independent server and client."""

import asyncio
import math

import pytest
from device_rigs import clock, modbus_link
from helpers import run_async
from modbus_peers import IndependentServer
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP
from sunspec_images import (
    BASE,
    BATTERY_CONTROL,
    BATTERY_HEARTBEAT,
    CONN_ST,
    LIM_ENA,
    LIM_SF,
    LIM_TMS,
    NONE_16,
    NONE_U16,
    PCT_SF,
    PV_CONTROL,
    SET,
    SET_ENA,
    SET_ENA_RVRT,
    SET_MOD,
    SET_SF,
    SET_TMS,
    SOC,
    ST,
    W_AVAIL,
    W_SF,
    WMAX,
    WMAX_RTG,
    W,
    battery_image,
    pv_image,
)
from sunspec_rigs import battery_driver, pv_driver, run_with

from vppd.core.types import Quality
from vppd.devices.sunspec import points_of
from vppd.links.base import Answer, LinkError

# The battery


def test_a_setpoint_is_eleven_registers_in_one_transaction():
    """Discharging is positive; 100 W a count; the dead man travels with each setpoint."""

    async def scenario(driver, _device, peer):
        await driver.start()
        assert peer.writes == []
        assert await driver.write(1.5) is Answer.ACCEPTED
        assert await driver.write(-1.5) is Answer.ACCEPTED
        fallback = [0, 5000]  # 0.5 MW
        tail = [*fallback, 123, NONE_16, 1, 0, 10]  # both percentages left as they were
        assert [(f.address, f.words) for f in peer.writes] == [
            (40299, [1, 1, 0, 15000, *tail]),
            (40299, [1, 1, 0xFFFF, 0x10000 - 15000, *tail]),
        ]

    run_with(battery_image(), battery_driver, scenario, fallback_mw=0.5, watchdog_s=10.0)


def test_telemetry_of_a_battery():
    async def scenario(driver, device, _peer):
        await driver.start()
        device.image |= {W: 0x10000 - 1234, SOC: 4321}  # charging with 1,234 kW at 43.21 %
        before_s = clock()
        reading = await driver.read()
        assert reading.p_meas_mw == pytest.approx(-1.234)
        assert reading.soc_pu == pytest.approx(0.4321)
        assert before_s <= reading.measured_at_s <= clock()
        assert (reading.remote, reading.quality, reading.reason) == (True, Quality.ONLINE, "")
        assert math.isnan(reading.p_avail_min_mw)
        device.image[W] = 3900
        assert (await driver.read()).p_meas_mw == pytest.approx(3.9)

    run_with(battery_image(), battery_driver, scenario)


def test_pysunspec2_reads_what_was_written_and_writes_what_is_read():
    """Two implementations that share nothing with ours: pyModbusTCP serves, pysunspec2 asks."""

    def look(port):
        device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port)
        device.scan()
        control = device.DERCtlAC[0]
        measured = device.DERMeasureAC[0]
        measured.W.cvalue = -2_345_000
        device.DERStorageCapacity[0].SoC.cvalue = 66.5
        measured.W.write()
        device.DERStorageCapacity[0].SoC.write()
        seen = {p: getattr(control, p).cvalue for p in ("WSet", "WSetRvrt", "WSetPct")}
        seen |= {p: getattr(control, p).value for p in ("WSetEna", "WSetMod", "WSetEnaRvrt")}
        seen |= {"tms": control.WSetRvrtTms.value, "beat": device.DERCtl[0].ControllerHb.value}
        device.close()
        return seen

    async def scenario():
        with IndependentServer() as server:
            for address, word in battery_image().items():
                server.load(address, [word])
            async with modbus_link(server.port) as link:
                driver = battery_driver(link, fallback_mw=-0.25, watchdog_s=7.0)
                await driver.start()
                assert await driver.write(-3.2) is Answer.ACCEPTED
                await driver.read()
                seen = await asyncio.to_thread(look, server.port)
                reading = await driver.read()
        assert seen == {
            "WSet": -3_200_000,
            "WSetRvrt": -250_000,
            "WSetPct": 123,
            "WSetEna": 1,
            "WSetMod": 1,
            "WSetEnaRvrt": 1,
            "tms": 7,
            "beat": 1,
        }
        assert reading.p_meas_mw == pytest.approx(-2.345)
        assert reading.soc_pu == pytest.approx(0.665)

    run_async(scenario())


def test_a_setpoint_is_rounded_into_the_limits_of_the_unit():
    async def scenario(driver, _device, peer):
        await driver.start()
        await driver.write(3.99996)
        await driver.write(-3.99996)
        high, low = (f.words[2:4] for f in peer.writes)
        assert high == [0, 39999]  # 4.0000 MW would be 40 W too many
        assert low == [0xFFFF, 0x10000 - 39999]

    run_with(battery_image(), battery_driver, scenario, p_max_mw=3.99996, p_min_mw=-3.99996)


def test_the_heartbeat_follows_an_accepted_setpoint_and_never_precedes_one():
    async def scenario(driver, device, peer):
        await driver.start()
        await driver.read()
        assert peer.writes == []  # nothing decided, nothing to beat for
        await driver.write(1.0)
        await driver.read()
        await driver.read()
        await driver.write(1.1)
        await driver.read()
        assert [f.address for f in peer.writes] == [40299, 40358, 40299, 40358]
        assert [device.image[BATTERY_HEARTBEAT], device.image[BATTERY_HEARTBEAT + 1]] == [0, 2]
        device.refuse_writes = 4
        assert await driver.write(1.2) is Answer.REFUSED
        await driver.read()
        assert len(peer.writes) == 5

    run_with(battery_image(), battery_driver, scenario)


def test_start_and_polls_take_few_transactions_and_stay_inside_the_chain():
    """The peer has no register outside of the chain: one read too far would be refused."""

    async def scenario(driver, _device, peer):
        await driver.start()
        assert len(peer.frames) == 7  # one a model, one for the mark
        await driver.read()
        assert [(f.address, f.count) for f in peer.frames[7:]] == [(40073, 118), (40299, 61)]

    run_with(battery_image(), battery_driver, scenario)


def test_positions_come_from_the_chain():
    """A firmware that puts a model in front moves all the others."""
    extra = {40070: 120, 40071: 26} | {40072 + i: 0 for i in range(26)}
    moved = {a + (28 if a >= 40070 else 0): word for a, word in battery_image().items()} | extra

    async def scenario(driver, device, peer):
        await driver.start()
        device.image[W + 28] = 77
        assert (await driver.read()).p_meas_mw == pytest.approx(0.077)
        await driver.write(0.1)
        assert peer.writes[-1].address == SET_ENA + 28

    run_with(moved, battery_driver, scenario)


def test_scale_factors_are_those_of_the_same_answer():
    """A device may come back from a restart with others; nobody tells."""

    async def scenario(driver, device, peer):
        await driver.start()
        device.image |= {W: 12345, W_SF: 2, SOC: 50, PCT_SF: 0, SET_SF: 3}
        reading = await driver.read()
        assert reading.p_meas_mw == pytest.approx(1.2345)
        assert reading.soc_pu == pytest.approx(0.5)
        await driver.write(1.5)
        assert peer.writes[-1].words[2:6] == [0, 1500, 0, 500]  # kW now, the fallback too

    run_with(battery_image(), battery_driver, scenario, fallback_mw=0.5)


def test_what_the_device_does_not_implement_is_not_a_number():
    async def scenario(driver, device, _peer):
        await driver.start()
        device.image |= {W: NONE_16, SOC: NONE_U16, ST: NONE_U16, CONN_ST: NONE_U16}
        device.image[BATTERY_CONTROL] = NONE_U16
        reading = await driver.read()
        assert math.isnan(reading.p_meas_mw)
        assert math.isnan(reading.soc_pu)
        assert reading.quality == Quality.REFERENCE_ERR
        assert reading.remote  # it says nothing against it
        device.image |= {W: 5, PCT_SF: NONE_16, SOC: 5000}
        reading = await driver.read()
        assert reading.quality == Quality.ONLINE
        assert math.isnan(reading.soc_pu)  # a number without a scale is no number

    run_with(battery_image(), battery_driver, scenario)


def test_a_scale_factor_that_is_none_is_an_error():
    async def scenario(driver, device, _peer):
        await driver.start()
        device.image[W_SF] = 99
        with pytest.raises(LinkError, match="scale factor 701 W_SF is 99"):
            await driver.read()

    run_with(battery_image(), battery_driver, scenario)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({ST: 0}, "not on (701 St 0)"),
        ({CONN_ST: 0}, "not connected to the grid (701 ConnSt 0)"),
        ({BATTERY_CONTROL: 1}, "local control"),
    ],
)
def test_a_battery_that_takes_no_orders_says_why(change, reason):
    async def scenario(driver, device, _peer):
        await driver.start()
        device.image |= change
        reading = await driver.read()
        assert (reading.remote, reading.reason) == (False, reason)

    run_with(battery_image(), battery_driver, scenario)


@pytest.mark.parametrize(
    "change", [{SET_ENA: 0}, {SET_MOD: 0}, {SET_ENA_RVRT: 0}, {SET_TMS + 1: 60}, {SET_TMS: 1}]
)
def test_a_mode_or_dead_man_that_fell_back_is_seen(change):
    async def scenario(driver, device, _peer):
        await driver.start()
        assert (await driver.read()).following  # nothing was asserted yet
        await driver.write(1.0)
        assert (await driver.read()).following
        device.image |= change
        assert not (await driver.read()).following
        await driver.write(1.0)  # which asserts them again
        assert (await driver.read()).following

    run_with(battery_image(), battery_driver, scenario)


def test_the_dead_man_of_the_device_is_the_one_of_the_configuration():
    async def scenario(driver, device, _peer):
        await driver.start()
        await driver.write(-2.0)
        assert [device.image[SET_TMS], device.image[SET_TMS + 1]] == [0, 30]
        assert [device.image[SET + 2], device.image[SET + 3]] == [0xFFFF, 0x10000 - 7500]

    run_with(battery_image(), battery_driver, scenario, fallback_mw=-0.75, watchdog_s=30.0)


@pytest.mark.parametrize("watchdog_s", [0.5, 2.5])
def test_a_watchdog_that_the_device_cannot_count_is_refused(watchdog_s):
    with pytest.raises(ValueError, match=r"u1: watchdog_s: must be whole seconds, from 1 s"):
        battery_driver(None, watchdog_s=watchdog_s)


@pytest.mark.parametrize("rating_kw", [3900, 4200, 40])
def test_another_device_than_the_configured_one_is_not_driven(rating_kw):
    async def scenario(driver, _device, peer):
        with pytest.raises(LinkError) as caught:
            await driver.start()
        assert str(caught.value) == (
            f"nameplate: the device reports {rating_kw / 1e3:g} MW, configured 4 MW"
        )
        assert peer.writes == []

    run_with(battery_image(rating_kw), battery_driver, scenario)


@pytest.mark.parametrize(
    ("rating_kw", "keys"),
    [
        (4079, {}),
        (3921, {}),
        (4200, {"nameplate_tolerance_pu": 0.05}),
        (5000, {"nameplate_mw": 5.0}),  # run below its rating
        (9, {"nameplate_tolerance_pu": math.inf}),
    ],
)
def test_a_nameplate_within_its_tolerance_is_taken(rating_kw, keys):
    async def scenario(driver, _device, peer):
        await driver.start()
        assert await driver.write(1.0) is Answer.ACCEPTED

    run_with(battery_image(rating_kw), battery_driver, scenario, **keys)


def test_a_nameplate_that_is_not_reported_is_none():
    async def scenario(driver, _device, _peer):
        with pytest.raises(LinkError, match="reports nan MW, configured 4 MW"):
            await driver.start()

    run_with(battery_image() | {WMAX_RTG: NONE_U16}, battery_driver, scenario)


def test_a_setpoint_that_the_scale_factor_leaves_no_room_for_shows_at_the_start():
    async def scenario(driver, _device, _peer):
        with pytest.raises(LinkError, match=r"cannot be told -4 MW: 704 WSet: .* does not fit"):
            await driver.start()

    run_with(battery_image() | {SET_SF: 0x10000 - 5}, battery_driver, scenario)


def end_at(image, address):
    return {a: w for a, w in image.items() if a < address} | {address: 0xFFFF, address + 1: 0}


BROKEN_CHAINS = {
    "no mark": (battery_image() | {BASE: 0}, "no SunSpec device: 0x0000 0x6e53 at 40000"),
    "no 713": (end_at(battery_image(), 40344), "model 713 missing; the device has 1, 701"),
    "no end": (battery_image() | {40363: 0xFFF0, 40362: 7}, "chain without an end"),
    "ends in the void": (battery_image() | {40362: 7}, "exception 2, illegal address"),
    "cut short": (
        {a: w for a, w in battery_image().items() if a < 40352}
        | {40345: 4, 40350: 0xFFFF, 40351: 0},
        "model 713 of length 4 ends before Pct_SF",
    ),
}


@pytest.mark.parametrize("name", BROKEN_CHAINS)
def test_a_broken_chain_is_an_error_in_words(name):
    image, why = BROKEN_CHAINS[name]

    async def scenario(driver, _device, _peer):
        with pytest.raises(LinkError, match=why):
            await driver.start()

    run_with(dict(image), battery_driver, scenario)


# The PV plant


def test_a_limit_is_six_registers_in_percent_of_wmax():
    async def scenario(driver, _device, peer):
        await driver.start()
        assert await driver.write(0.275) is Answer.ACCEPTED
        await driver.write(1.1)
        await driver.write(0.0)
        tail = [5000, 1, 0, 12]  # fallback is the basepoint, 50 %
        assert [(f.address, f.words) for f in peer.writes] == [
            (40291, [1, 2500, *tail]),
            (40291, [1, 10000, *tail]),
            (40291, [1, 0, *tail]),
        ]

    run_with(pv_image(), pv_driver, scenario, watchdog_s=12.0)


def test_a_limit_is_rounded_into_the_limits_of_the_unit():
    async def scenario(driver, _device, peer):
        await driver.start()
        await driver.write(1.09996)
        await driver.write(0.10004)
        assert [f.words[1] for f in peer.writes] == [9999, 910]  # not 1.1 MW, not 99.99 kW

    run_with(pv_image(), pv_driver, scenario, p_max_mw=1.09996, p_min_mw=0.10004)


def test_telemetry_of_a_pv_plant_takes_two_transactions():
    async def scenario(driver, device, peer):
        await driver.start()
        begun = len(peer.frames)
        reading = await driver.read()
        assert reading.p_meas_mw == pytest.approx(0.9)
        assert reading.p_avail_max_mw == pytest.approx(0.9)
        assert math.isnan(reading.p_avail_min_mw)
        assert math.isnan(reading.soc_pu)
        assert len(peer.frames) - begun == 2
        device.image |= {W_AVAIL: 1_300_000 >> 16, W_AVAIL + 1: 1_300_000 & 0xFFFF}
        assert (await driver.read()).p_avail_max_mw == pytest.approx(1.1)  # no more than WMax
        device.image |= {W_AVAIL: 0xFFFF, W_AVAIL + 1: 0xFFFF}
        assert math.isnan((await driver.read()).p_avail_max_mw)
        device.image[PV_CONTROL] = 1
        assert (await driver.read()).reason == "local control"

    run_with(pv_image(), pv_driver, scenario)


def test_the_limit_follows_wmax_which_installers_change():
    async def scenario(driver, device, peer):
        await driver.start()
        device.image[WMAX] = 550
        await driver.read()
        await driver.write(0.275)
        await driver.write(1.1)
        assert [f.words[1:3] for f in peer.writes] == [[5000, 10000], [10000, 10000]]
        device.image[WMAX] = NONE_U16  # then it is the rating
        await driver.read()
        await driver.write(0.275)
        assert peer.writes[-1].words[1] == 2500

    run_with(pv_image(), pv_driver, scenario)


def test_a_pv_limit_that_fell_back_is_seen():
    async def scenario(driver, device, _peer):
        await driver.start()
        await driver.write(0.5)
        assert (await driver.read()).following
        for change in ({LIM_ENA: 0}, {LIM_TMS + 1: 99}):
            device.image |= change
            assert not (await driver.read()).following
            await driver.write(0.5)
        device.image[LIM_SF] = 0x10000 - 1
        await driver.read()
        await driver.write(0.55)
        assert device.image[LIM_ENA + 1] == 500

    run_with(pv_image(), pv_driver, scenario)


def test_nothing_is_written_in_shadow():
    for image, make in ((battery_image(), battery_driver), (pv_image(), pv_driver)):

        async def scenario(driver, _device, peer):
            await driver.start(read_only=True)
            await driver.read()
            assert peer.writes == []
            assert peer.reads

        run_with(image, make, scenario)


# The models


def test_offsets_of_the_models_against_the_standard():
    """Typed from the SunSpec information models, not from pysunspec2's files."""
    offsets = {
        (701, "St"): 3,
        (701, "ConnSt"): 5,
        (701, "W"): 10,
        (701, "W_SF"): 116,
        (702, "WMaxRtg"): 2,
        (702, "WMax"): 26,
        (704, "WMaxLimPctEna"): 14,
        (704, "WMaxLimPct_SF"): 54,
        (704, "WSetEna"): 22,
        (704, "WSetRvrtTms"): 31,
        (704, "WSet_SF"): 55,
        (713, "SoC"): 4,
        (715, "LocRemCtl"): 2,
        (715, "ControllerHb"): 5,
        (802, "WChaRteMax"): 4,
        (802, "WDisChaRteMax"): 5,
        (802, "V"): 34,
        (802, "AChaMax"): 45,
        (802, "ADisChaMax"): 46,
        (802, "WChaDisChaMax_SF"): 54,
        (802, "V_SF"): 59,
        (802, "AMax_SF"): 62,
        (64901, "WAvail"): 2,
    }
    assert {key: points_of(key[0])[key[1]].offset for key in offsets} == offsets
    with pytest.raises(LookupError, match="no definition of SunSpec model 65000"):
        points_of(65000)
