"""The DC side of a simulated battery: read by pysunspec2, and by the daemon's own driver."""

import asyncio
import math

import pytest
from device_rigs import modbus_link
from helpers import run_async
from small_bench import Bench, unit
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP
from sunspec_rigs import battery_driver

from hil.faults import Fault
from hil.faults.device import Reading
from hil.plant.battery import INVERTER
from hil.wire.battery_bank import BatteryBank
from hil.wire.modbus import RefusalError
from hil.wire.process import TcpEndpoint
from hil.wire.sunspec import BatteryRegisters

MANDATORY = (
    "AHRtg", "WHRtg", "WChaRteMax", "WDisChaRteMax", "SoC", "LocRemCtl", "AlmRst", "Typ", "State",
    "Evt1", "Evt2", "EvtVnd1", "EvtVnd2", "V", "A", "W", "SetOp", "SetInvState", "AHRtg_SF",
    "WHRtg_SF", "WChaDisChaMax_SF", "SoC_SF", "V_SF", "CellV_SF", "A_SF", "AMax_SF",
)  # fmt: skip
SPARED = ("DisChaRte", "SoCMax", "NCyc", "ChaSt", "Hb", "WarrDt", "VMax", "CellVAvg", "ReqW")


def bank_as_others_read_it(port):
    """Model 802 of a device, as an independent client decodes it."""
    client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=2.0)
    client.scan()
    client.close()
    (bank,) = client.models[802]
    return bank


def with_device(folder, scenario, **changes):
    """Run `scenario(bench, port)` against a battery of 1 MW with an open endpoint."""

    async def main():
        bench = Bench(folder, unit("sunspec_battery", **changes))
        endpoint = TcpEndpoint(bench.device, bench.fleet)
        await endpoint.open()
        try:
            await scenario(bench, bench.device.unit.port)
        finally:
            await endpoint.close(orderly=True)
            bench.writer.close()

    run_async(main())


def test_the_bank_as_others_read_it(tmp_path):
    async def scenario(bench, port):
        bench.plant.restore(bench.plant.p_mw + 0.4, bench.plant.soc_pu)
        bank = await asyncio.to_thread(bank_as_others_read_it, port)
        assert [n for n in MANDATORY if getattr(bank, n).value is None] == []
        assert [n for n in SPARED if getattr(bank, n).value is not None] == []
        loss_w = 1e6 * sum(INVERTER)
        assert bank.WChaRteMax.cvalue == pytest.approx(1e6 - loss_w, abs=100)
        assert bank.WDisChaRteMax.cvalue == pytest.approx(1e6 + loss_w, abs=100)
        assert bank.WHRtg.cvalue == pytest.approx(2e6)
        assert bank.SoC.cvalue == pytest.approx(60.0)
        assert bank.V.cvalue == pytest.approx(416 * 3.22, abs=0.05)
        for name, dc_w in (("AChaMax", 1e6 - loss_w), ("ADisChaMax", 1e6 + loss_w)):
            count_w = bank.V.cvalue * 10.0**bank.AMax_SF.value
            short_w = dc_w - getattr(bank, name).cvalue * bank.V.cvalue
            assert 0.0 <= short_w < count_w < 150.0  # rounded down
        lost_pu = INVERTER[0] + 0.4 * INVERTER[1] + 0.16 * INVERTER[2]
        assert bank.W.cvalue == pytest.approx((0.4 + lost_pu) * 1e6, abs=50)
        assert bank.A.cvalue == pytest.approx(bank.W.cvalue / bank.V.cvalue, abs=0.1)

    with_device(tmp_path, scenario, soc_start_pu=0.6)


@pytest.mark.parametrize(
    ("changes", "lowest_mw", "highest_mw"),
    [
        ({}, -1.0, 1.0),
        ({"rated_mw": 0.01, "p_min_mw": -0.01, "p_max_mw": 0.01}, -0.01, 0.01),
        ({"rated_mw": 63.0, "p_min_mw": -63.0, "p_max_mw": 63.0}, -63.0, 63.0),
        ({"ambient_c": 50.0}, -0.5, 0.5),
        ({"ambient_c": 54.0}, -0.1, 0.1),
        ({"ambient_c": 57.0}, 0.0, 0.0),
        ({"ambient_c": 4.0}, -0.4, 1.0),  # too cold to be charged
        ({"soc_start_pu": 0.94}, -0.2, 1.0),
        ({"soc_start_pu": 0.06}, -1.0, 0.2),
    ],
)
def test_the_daemon_reads_what_the_cells_leave(tmp_path, changes, lowest_mw, highest_mw):
    """As much as the conversion to AC errs: 0.4 % of the rating; nothing at full power and at 0."""

    async def scenario(bench, port):
        assert (bench.plant.low_mw[0], bench.plant.high_mw[0]) == pytest.approx(
            (lowest_mw, highest_mw), abs=1e-5 * bench.device.unit.rated_mw
        )
        one = bench.device.unit
        limits = {"p_min_mw": one.p_min_mw, "p_max_mw": one.p_max_mw}
        async with modbus_link(port) as link:
            driver = battery_driver(link, **limits)
            await driver.start()
            reading = await driver.read()
        told = (reading.p_avail_min_mw, reading.p_avail_max_mw)
        for mw, true_mw in zip(told, (lowest_mw, highest_mw), strict=True):
            clipped_mw = min(max(mw, one.p_min_mw), one.p_max_mw)  # by the core
            if abs(true_mw) in (0.0, one.rated_mw):
                assert clipped_mw == true_mw
            else:
                assert abs(clipped_mw - true_mw) < 0.004 * one.rated_mw

    with_device(tmp_path, scenario, **changes)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, unit("sunspec_battery"))
    yield made
    made.writer.close()


def word(made, offset):
    return made.read(40000 + made.at[802] + offset, 1)[0]


def test_a_reading_that_is_not_there_and_one_that_is_frozen(bench):
    made = BatteryRegisters(bench.device)
    absent = Fault(0.0, "device_nan", 0, 60.0, 0.0)
    bench.device.begin(absent)
    unsigned, signed = (11, 34, 45, 46), (44, 47)
    assert {word(made, k) for k in unsigned} == {0xFFFF}
    assert {word(made, k) for k in signed} == {0x8000}
    bench.device.end(absent)
    before = [word(made, k) for k in unsigned]
    frozen = Fault(0.0, "device_freeze", 0, 60.0, 0.0)
    bench.device.begin(frozen)
    bench.plant.restore(bench.plant.p_mw, bench.plant.soc_pu * 0.0 + 0.07)
    bench.run(1.0)
    assert [word(made, k) for k in unsigned] == before
    bench.device.end(frozen)
    after = [word(made, k) for k in unsigned]
    assert after[0] == pytest.approx(700, abs=2)
    assert after[3] < 0.5 * before[3]  # nearly empty: little is left to give


def test_nothing_of_the_bank_may_be_written(bench):
    made = BatteryRegisters(bench.device)
    for offset in (11, 20, 50):
        with pytest.raises(RefusalError):
            made.write(40000 + made.at[802] + offset, [1])


def test_a_power_that_a_fault_scales_goes_as_far_as_an_int16_does():
    bank = BatteryBank(unit("sunspec_battery"))
    assert bank.measured(Reading(10.0, -1.0, 1.0, 0.5))[5] == 0x7FFF
    assert bank.measured(Reading(-10.0, -1.0, 1.0, 0.5))[5] == 0x8001


def test_losses_alone_are_no_current_to_charge_with():
    bank = BatteryBank(unit("sunspec_battery"))
    _, _, amperes, charge, discharge, _ = bank.measured(Reading(0.0, -0.003, 0.0, 0.5))
    assert (charge, discharge) == (0, 0)
    assert amperes > 0  # the inverter stands by on the cells
    assert math.isclose(bank.dc_mw(0.0), INVERTER[0])
