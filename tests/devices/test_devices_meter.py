"""Energy counters: how often they are read, and what each driver makes of the maker's registers."""

import math
import time

import pytest
from helpers import run_async
from sunspec_images import battery_image, pv_image
from sunspec_rigs import battery_driver, pv_driver
from sunspec_rigs import run_with as run_sunspec
from test_devices_dnp3 import driven, industrial, maker_c, unit
from test_devices_modbus_load import EV_HUB, HVAC, with_gaps
from test_devices_modbus_load import run_with as run_load
from test_devices_mqtt import CONFIG as DEPOT
from test_devices_mqtt import T0_UTC, UNIT, Wire, telemetry

from vppd.devices.meter import Meter
from vppd.devices.mqtt_load import MqttLoad


class Wall:
    """A wall clock that stands still until it is told."""

    def __init__(self, now_s: float = 1_790_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("ramp_mw_per_s", "lag_s", "every_s"),
    [(1.0, 0.3, 0.0), (0.2, 2.0, 10.0), (0.1, 2.0, 10.0), (0.03, 25.0, 30.0), (1.0, 40.0, 30.0)],
)
def test_the_faster_a_unit_the_oftener_it_is_counted(ramp_mw_per_s, lag_s, every_s):
    """From end to end, 1.5 MW: in 1.8, 9.5, 17, 75 and 41.5 s."""
    wall = Wall()
    ramp = {"ramp_up_mw_per_s": ramp_mw_per_s, "ramp_down_mw_per_s": 9.0}
    meter = Meter(unit(lag_s=lag_s, **ramp), wall)
    due = []
    for k in range(120):
        wall.now_s = 1_790_000_000.0 + 0.4 + k
        due.append(meter.is_due())
        if due[-1]:
            meter.take(1.0 + k, 100.0 + k)
    expected = [not every_s or k == 0 or (1_790_000_000 + k) % every_s == 0 for k in range(120)]
    assert due == expected
    last = max(k for k in range(120) if due[k])
    assert (meter.energy_mwh, meter.at_s) == (1.0 + last, 100.0 + last)


def test_nothing_is_taken_for_a_value():
    meter = Meter(unit(), Wall())
    assert math.isnan(meter.energy_mwh)
    assert math.isnan(meter.at_s)
    meter.take(math.nan, 1.0)
    meter.take(0.0, 2.0)  # what many devices say of a register that they have not got
    assert math.isnan(meter.energy_mwh)
    meter.take(-7.5, 3.0)
    meter.take(math.nan, 4.0)
    assert (meter.energy_mwh, meter.at_s) == (-7.5, 3.0)


def test_a_clock_that_is_set_back_does_not_stop_it():
    wall = Wall()
    meter = Meter(unit(lag_s=40.0), wall)
    meter.take(1.0, 1.0)
    assert not meter.is_due()
    wall.now_s -= 3600.0
    assert meter.is_due()


# ------------------------------------------------------------------ SunSpec, model 701

INJECTED, ABSORBED, ENERGY_SF = 40070 + 19, 40070 + 23, 40070 + 120


def energies(injected: list[int], absorbed: list[int], exponent: int = 0) -> dict[int, int]:
    words = {INJECTED + k: word for k, word in enumerate(injected)}
    words |= {ABSORBED + k: word for k, word in enumerate(absorbed)}
    return words | {ENERGY_SF: exponent & 0xFFFF}


@pytest.mark.parametrize(
    ("words", "energy_mwh"),
    [
        # 2^32 + 5 Wh out of it, 2^16 + 1 Wh into it
        (energies([0, 1, 0, 5], [0, 0, 1, 1]), (4_294_967_301 - 65_537) / 1e6),
        (energies([0, 0, 0, 12], [0, 0, 0, 2], 2), 1e-3),  # 1200 Wh - 200 Wh
    ],
)
@pytest.mark.parametrize(
    ("make", "image"), [(battery_driver, battery_image), (pv_driver, pv_image)]
)
def test_sunspec_counts_both_ways(make, image, words, energy_mwh):
    async def scenario(driver, _device, _peer):
        await driver.start()
        reading = await driver.read()
        assert reading.energy_mwh == pytest.approx(energy_mwh, abs=1e-12)
        assert reading.energy_at_s == reading.measured_at_s

    run_sunspec(image() | words, make, scenario)


@pytest.mark.parametrize(
    "words",
    [
        energies([0xFFFF] * 4, [0xFFFF] * 4),  # not implemented
        energies([0, 0, 0, 7], [0xFFFF] * 4),  # half a meter is none
        energies([0, 0, 0, 7], [0, 0, 0, 1], -0x8000),  # in what unit?
        energies([0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_sunspec_without_a_meter(words):
    async def scenario(driver, _device, _peer):
        await driver.start()
        reading = await driver.read()
        assert math.isnan(reading.energy_mwh)
        assert math.isnan(reading.energy_at_s)
        assert math.isfinite(reading.p_meas_mw)

    run_sunspec(battery_image() | words, battery_driver, scenario)


# ------------------------------------------------------------------ loads on Modbus


@pytest.mark.parametrize(
    ("image", "table", "meter"),
    [
        (EV_HUB, "ev_hub", {20: 0x0001, 21: 0x86A0}),  # 100,000 counts of 0.01 kWh
        (HVAC, "hvac", {220: 0x86A0, 221: 0x0001}),  # the low word first
    ],
)
def test_energy_that_a_load_drew_is_negative(image, table, meter):
    async def scenario(driver, _device, _peer):
        await driver.start()
        reading = await driver.read()
        assert reading.energy_mwh == pytest.approx(-1.0, abs=1e-12)
        assert reading.energy_at_s == reading.measured_at_s

    run_load(with_gaps(image) | meter, scenario, table=table)


@pytest.mark.parametrize("meter", [{}, {20: 0, 21: 0}, {20: 0xFFFF, 21: 0xFFFF}])
def test_a_load_without_a_meter_is_driven_as_well(meter):
    """It refuses the address, reads 0 there, or says that it is not there."""

    async def scenario(driver, _device, _peer):
        await driver.start()
        reading = await driver.read()
        assert math.isnan(reading.energy_mwh)
        assert reading.p_meas_mw == pytest.approx(-0.16)

    run_load(with_gaps(EV_HUB) | meter, scenario)


# ------------------------------------------------------------------ DNP3, group 20


@pytest.mark.parametrize(
    ("outstation", "table", "index"), [(industrial(), "industrial", 0), (maker_c(), "hvac", 10)]
)
def test_dnp3_counters_are_read_beside_the_inputs(outstation, table, index):
    outstation.counters = {index: (3_000_000_000, 0x01)}  # Wh

    async def body(driver):
        await driver.start()
        reading = await driver.read()
        assert reading.energy_mwh == -3000.0
        assert 0.0 < time.monotonic() - reading.energy_at_s < 1.0
        outstation.counters = {}
        assert (await driver.read()).energy_mwh == -3000.0  # not asked again so soon

    driven(outstation, body, table=table)


@pytest.mark.parametrize("counters", [{}, {0: (7, 0x05)}, {3: (7, 0x01)}])
def test_dnp3_without_a_meter(counters):
    """It refuses group 20, has lost the meter, or has another counter."""
    outstation = industrial()
    outstation.counters = counters

    async def body(driver):
        await driver.start()
        for _ in range(3):
            reading = await driver.read()
            assert math.isnan(reading.energy_mwh)
            assert reading.p_meas_mw == pytest.approx(-1.2)

    driven(outstation, body)


# ------------------------------------------------------------------ MQTT


@pytest.mark.parametrize(
    ("message", "energy_mwh"),
    [({"e_kwh": 12345.678}, -12.345678), ({}, None), ({"e_kwh": None}, None)],
)
def test_a_depot_tells_what_it_drew(message, energy_mwh):
    wire = Wire()

    async def scenario():
        driver = MqttLoad(DEPOT, UNIT, wire, lambda: 50.0, wall=lambda: T0_UTC + 0.5)
        wire.say("state", b"online", retained=True)
        wire.say("telemetry", telemetry(t=T0_UTC) | message)
        reading = await driver.read()
        if energy_mwh is None:
            assert math.isnan(reading.energy_mwh)
        else:
            assert reading.energy_mwh == pytest.approx(energy_mwh)
            assert reading.energy_at_s == pytest.approx(49.5)

    run_async(scenario())
