"""Loads with a register table: raw registers typed by hand from docs/points.md."""

import math

import pytest
from device_rigs import clock, make_unit, modbus_link
from helpers import run_async
from modbus_peers import READ, IndependentServer, RawPeer, Registers

from vppd.core.types import Quality
from vppd.devices import modbus_load
from vppd.devices.modbus_load import ModbusLoadConfig
from vppd.links.base import Answer, LinkError

# A depot that loads 160 kW of 330, on its own; the addresses of docs/points.md and no others.
EV_HUB = {0: 0x4556, 1: 1, 2: 1, 16: 7} | dict.fromkeys((*range(10, 16), *range(100, 106)), 0)
EV_HUB |= {11: 1600, 15: 3300}
# A building that uses 150 kW; 32-bit floats, low word first.
HVAC = {200: 0x4843, 201: 1, 202: 1, 216: 215} | dict.fromkeys(
    (*range(210, 216), *range(300, 306)), 0
)
HVAC |= {211: 0x4316, 213: 0x42C8, 215: 0x4348}


def with_gaps(image: dict[int, int]) -> dict[int, int]:
    """The same device, if it also answers for the registers between its own."""
    first = min(image)
    return dict.fromkeys(range(first, first + 17), 0) | image


def load_driver(link, table="ev_hub", unit_id=1, **keys):
    config = ModbusLoadConfig(link="link", table=str(table), unit_id=unit_id)
    limits = {"p_min_mw": -0.33, "p_max_mw": 0.0, "basepoint_mw": -0.165, "watchdog_s": 10.0}
    return modbus_load.create(config, make_unit(config, "ev_hub", **(limits | keys)), link, clock)


def run_with(image, scenario, **keys):
    """Run `scenario(driver, device, peer)` against a device that has exactly these registers."""

    async def main():
        device = Registers(dict(image))
        async with RawPeer(device) as peer, modbus_link(peer.port) as link:
            await scenario(load_driver(link, **keys), device, peer)

    run_async(main())


def written(peer):
    return [(frame.address, frame.words) for frame in peer.writes]


def test_a_depot_is_told_its_load_and_the_mode_only_with_it():
    """Mode first would make it follow whatever old setpoint stands in its register."""

    async def scenario(driver, _device, peer):
        await driver.start()
        assert written(peer) == [(103, [10, 0, 1650])]  # watchdog 10 s, then 165.0 kW
        assert await driver.write(-0.15) is Answer.ACCEPTED
        assert await driver.write(-0.3275) is Answer.ACCEPTED
        assert written(peer)[1:] == [(100, [0, 1500, 1]), (100, [0, 3275])]

    run_with(with_gaps(EV_HUB), scenario)


def test_a_building_gets_floats_with_the_low_word_first():
    async def scenario(driver, _device, peer):
        await driver.start()
        await driver.write(-0.15)
        await driver.write(-0.1)
        assert written(peer) == [
            (303, [10, 0, 0x4316]),
            (300, [0, 0x4316, 1]),
            (300, [0, 0x42C8]),
        ]

    run_with(with_gaps(HVAC), scenario, table="hvac", fallback_mw=-0.15)


@pytest.mark.parametrize(("image", "table"), [(EV_HUB, "ev_hub"), (HVAC, "hvac")])
def test_telemetry_turns_load_into_negative_generation(image, table):
    """Its lowest load is our highest power."""
    expected = {"ev_hub": (-0.16, -0.33, 0.0), "hvac": (-0.15, -0.2, -0.1)}[table]

    async def scenario(driver, _device, _peer):
        await driver.start()
        before_s = clock()
        reading = await driver.read()
        found = (reading.p_meas_mw, reading.p_avail_min_mw, reading.p_avail_max_mw)
        assert found == pytest.approx(expected)
        assert before_s <= reading.measured_at_s <= clock()
        assert math.isnan(reading.soc_pu)
        assert (reading.remote, reading.following, reading.reason) == (True, True, "")

    run_with(with_gaps(image), scenario, table=table)


def test_reads_are_joined_as_far_as_the_device_allows():
    """Some refuse an address that they have not got: then without the gaps."""

    async def scenario(driver, device, peer):
        await driver.start()
        begun = len(peer.frames)
        await driver.read()
        spans = [(f.address, f.count) for f in peer.frames[begun:]]
        if 50 in device.image:
            assert spans == [(1, 105)]
        elif 5 in device.image:
            assert spans == [(1, 15), (102, 4)]
        else:
            assert spans == [(1, 2), (10, 6), (102, 4)]
        await driver.start()  # it remembers
        again = [(f.address, f.count) for f in peer.frames[-len(spans) - 2 :] if f.function == READ]
        assert (103, 3) in again

    run_with(dict.fromkeys(range(106), 0) | EV_HUB, scenario)
    run_with(with_gaps(EV_HUB), scenario)
    run_with(EV_HUB, scenario)


def test_an_independent_server_takes_it_all():
    async def scenario():
        with IndependentServer() as server:
            for address, word in HVAC.items():
                server.load(address, [word])
            async with modbus_link(server.port) as link:
                driver = load_driver(link, "hvac", p_min_mw=-0.2)
                await driver.start()
                assert await driver.write(-0.125) is Answer.ACCEPTED
                assert (await driver.read()).following
                assert server.words(300, 6) == [0, 0x42FA, 1, 10, 0, 0x4325]  # 125.0, 165.0

    run_async(scenario())


@pytest.mark.parametrize(
    ("change", "reason"),
    [({1: 0}, "off"), ({1: 2}, "fault"), ({1: 9}, "9"), ({2: 0}, "local control")],
)
def test_a_load_that_takes_no_orders_says_why(change, reason):
    async def scenario(driver, device, _peer):
        await driver.start()
        device.image |= change
        reading = await driver.read()
        assert (reading.remote, reading.reason, reading.quality) == (
            False,
            reason,
            Quality.ONLINE,
        )

    run_with(EV_HUB, scenario)


@pytest.mark.parametrize("change", [{102: 0}, {103: 60}, {105: 0}])
def test_a_mode_or_dead_man_that_fell_back_is_seen(change):
    async def scenario(driver, device, peer):
        await driver.start()
        assert (await driver.read()).following  # it was not told to, yet
        await driver.write(-0.1)
        assert (await driver.read()).following
        device.image |= change
        assert not (await driver.read()).following
        await driver.start()
        assert await driver.write(-0.1) is Answer.ACCEPTED
        assert written(peer)[-1] == (100, [0, 1000, 1])
        assert (await driver.read()).following

    run_with(EV_HUB, scenario)


def test_the_mode_goes_out_until_it_was_accepted():
    async def scenario(driver, device, peer):
        await driver.start()
        device.refuse_writes = 6
        assert await driver.write(-0.1) is Answer.REFUSED
        device.refuse_writes = 0
        await driver.write(-0.1)
        await driver.write(-0.1)
        assert [len(f.words) for f in peer.writes[1:]] == [3, 3, 2]

    run_with(EV_HUB, scenario)


@pytest.mark.parametrize(
    ("fixed", "why"),
    [
        ({103}, "dead man not armed: watchdog is 0 s, wanted 10"),
        ({104, 105}, "dead man not armed: fallback is 0 MW, wanted -0.165"),
    ],
)
def test_a_device_that_does_not_take_the_dead_man_is_not_driven(fixed, why):
    """Acknowledged is not done: the value is read back."""

    async def scenario(driver, device, _peer):
        device.fixed = fixed
        with pytest.raises(LinkError) as caught:
            await driver.start()
        assert str(caught.value) == why

    run_with(EV_HUB, scenario)


def test_a_dead_man_whose_acknowledgement_was_lost_is_armed_all_the_same():
    async def scenario(driver, device, _peer):
        device.swallow_writes = 1
        await driver.start()
        assert device.image[103] == 10

    run_with(EV_HUB, scenario)


def test_another_makers_device_is_not_driven():
    async def scenario(driver, _device, peer):
        with pytest.raises(LinkError, match="type code 0x4843, the table is for 0x4556"):
            await driver.start()
        assert peer.writes == []

    run_with(EV_HUB | {0: 0x4843}, scenario)


def test_nothing_is_written_in_shadow():
    async def scenario(driver, _device, peer):
        await driver.start(read_only=True)
        assert (await driver.read()).following
        assert peer.writes == []

    run_with(EV_HUB, scenario)


def test_a_setpoint_is_rounded_into_the_limits_of_the_unit():
    async def scenario(driver, _device, peer):
        await driver.start()
        await driver.write(-0.32996)
        assert written(peer)[-1] == (100, [0, 3299, 1])  # 330.0 kW would be 40 W too many

    run_with(EV_HUB, scenario, p_min_mw=-0.32996)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"watchdog_s": 2.5}, "watchdog_s: the device counts in steps of 1 s, is 2.5"),
        ({"watchdog_s": 70000.0}, "watchdog: 70000 s does not fit"),
        ({"table": "absent.yaml"}, "No such file"),
    ],
)
def test_what_the_device_cannot_be_told_is_refused_before_it_is_asked(keys, why):
    with pytest.raises(ValueError, match=why):
        load_driver(None, **keys)


TABLE = """\
word_order: high_first
registers:
  p_meas: {address: 0, format: int16, unit: kW}
  mode: {address: 4, format: uint16, values: {follow: 3}}
  p_setpoint: {address: 9, format: int16, unit: kW}
"""


def test_a_table_of_ones_own_with_what_little_the_device_has(tmp_path):
    """No dead man, no state, and the mode not next to the setpoint: setpoint first."""
    (tmp_path / "mine.yaml").write_text(TABLE, encoding="utf-8")

    async def scenario(driver, device, peer):
        await driver.start()
        reading = await driver.read()
        assert (reading.p_meas_mw, reading.remote) == (-0.002, True)
        assert math.isnan(reading.p_avail_max_mw)
        await driver.write(-0.1)
        assert written(peer) == [(9, [0x10000 - 100]), (4, [3])]
        device.refuse_writes = 3
        await driver.start()
        assert await driver.write(-0.2) is Answer.REFUSED
        assert len(peer.writes) == 3  # no mode after a setpoint that was not taken

    run_with({0: 0xFFFE, 4: 0, 9: 0}, scenario, table=tmp_path / "mine.yaml")


def test_a_table_without_a_setpoint_is_no_table_of_a_load(tmp_path):
    (tmp_path / "mine.yaml").write_text(TABLE.replace("p_setpoint", "p_other"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine.yaml:3: registers.p_setpoint: missing"):
        load_driver(None, table=tmp_path / "mine.yaml")


def test_a_power_without_a_unit_is_refused(tmp_path):
    """Raw counts taken for MW would be a thousand times too many."""
    (tmp_path / "mine.yaml").write_text(TABLE.replace(", unit: kW", ""), encoding="utf-8")
    with pytest.raises(ValueError, match=r"p_meas.unit: must be W, kW or MW\n.*p_setpoint.unit"):
        load_driver(None, table=tmp_path / "mine.yaml")
