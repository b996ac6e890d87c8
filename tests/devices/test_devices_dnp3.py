"""DNP3 loads, against an outstation that types the makers' points again (docs/points.md)."""

import math
import struct
import time

import pytest
from dnp3_frames import READ, WRITE, Peer, Request, fragment, response
from dnp3_links import linked
from helpers import run_async

from vppd.config.schema import UnitConfig
from vppd.core.types import Quality
from vppd.devices.dnp3_load import TABLES, Dnp3LoadConfig, create
from vppd.links.base import Answer, LinkError
from vppd.points.dnp3_table import load_table, quality_of
from vppd.points.table import TableError

CONFIG = Dnp3LoadConfig(link="d", table="industrial")
OBJECT_UNKNOWN = b"\x00\x02"  # IIN2.1


class Outstation:
    """Points of one maker: analog inputs for a poll, analog outputs as they were written."""

    def __init__(self, inputs: dict[int, float], status: int = 0) -> None:
        self.inputs = inputs
        self.flags = dict.fromkeys(inputs, 0x01)
        self.status = status
        self.written: list[dict[int, float]] = []
        self.counters: dict[int, tuple[int, int]] = {}  # value, flags; without one it refuses

    def answer(self, request: Request) -> bytes:
        objects = request.objects
        if request.function == READ and objects == bytes([20, 0, 6]):
            if not self.counters:
                return fragment(response(request.sequence, b"", iin=OBJECT_UNKNOWN))
            body = b"".join(
                bytes([index]) + struct.pack("<BI", flags, value)
                for index, (value, flags) in self.counters.items()
            )
            objects = bytes([20, 1, 0x17, len(self.counters)]) + body
        elif request.function == READ:
            assert objects == bytes([30, 5, 6])  # all of group 30 as 32-bit floats
            body = b"".join(
                bytes([index]) + struct.pack("<Bf", self.flags[index], value)
                for index, value in self.inputs.items()
            )
            objects = bytes([30, 5, 0x17, len(self.inputs)]) + body
        elif request.function != WRITE:
            assert objects[:3] == bytes([41, 3, 0x17])  # 32-bit floats, each with its index
            items = [objects[4 + 6 * i : 10 + 6 * i] for i in range(objects[3])]
            self.written.append({item[0]: struct.unpack("<f", item[1:5])[0] for item in items})
            objects = objects[:4] + b"".join(item[:5] + bytes([self.status]) for item in items)
        return fragment(response(request.sequence, objects))


def industrial() -> Outstation:
    """Load positive, kW: AI 0 load, 1 lowest, 2 highest, 3 state, 4 control."""
    return Outstation({0: 1200.0, 1: 800.0, 2: 1500.0, 3: 1.0, 4: 1.0})


def maker_c() -> Outstation:
    """Generation positive, W: AI 10 power, 11 lowest, 12 highest, 13 state, 14 control."""
    return Outstation({10: -300e3, 11: -400e3, 12: -150e3, 13: 1.0, 14: 1.0})


def unit(**keys: object) -> UnitConfig:
    return UnitConfig(
        id="u",
        kind="industrial",
        device=CONFIG,
        **{
            "p_min_mw": -1.5,
            "p_max_mw": 0.0,
            "ramp_up_mw_per_s": 1.0,
            "ramp_down_mw_per_s": 1.0,
            "basepoint_mw": -1.0,
            "watchdog_s": 12.0,
            **keys,
        },
    )


def driven(
    outstation: Outstation,
    body,
    *,
    table: str = "industrial",
    clock=time.monotonic,
    **keys: object,
) -> None:
    """Run `body(driver)` with a driver on a link to the outstation."""

    async def scenario():
        async with Peer(outstation.answer) as peer, linked(peer.port) as link:
            await link.wait_connected()
            config = Dnp3LoadConfig(link="d", table=table)
            await body(create(config, unit(**keys), link, clock))

    run_async(scenario())


def test_industrial_load_reads_and_writes_kw_of_load():
    outstation = industrial()

    async def body(driver):
        reading = await driver.read()
        assert reading.p_meas_mw == pytest.approx(-1.2)
        assert (reading.p_avail_min_mw, reading.p_avail_max_mw) == pytest.approx((-1.5, -0.8))
        assert (reading.remote, reading.quality, reading.reason) == (True, Quality.ONLINE, "")
        assert time.monotonic() - reading.measured_at_s < 1.0
        await driver.start()
        assert await driver.write(-0.9) is Answer.ACCEPTED
        assert await driver.write(-1.1) is Answer.ACCEPTED

    driven(outstation, body, fallback_mw=-0.75)
    assert outstation.written == [
        {2: 12.0, 3: 750.0},  # watchdog and fallback
        {0: 900.0, 1: 1.0},  # the mode waits for the first setpoint
        {0: 1100.0},
    ]


def test_maker_c_reads_and_writes_watts_of_generation():
    outstation = maker_c()

    async def body(driver):
        reading = await driver.read()
        assert reading.p_meas_mw == pytest.approx(-0.3)
        assert (reading.p_avail_min_mw, reading.p_avail_max_mw) == pytest.approx((-0.4, -0.15))
        await driver.start()
        assert await driver.write(-0.25) is Answer.ACCEPTED

    driven(outstation, body, table="hvac", basepoint_mw=-0.2)
    assert outstation.written == [{12: 12.0, 13: -200e3}, {10: -250e3, 11: 1.0}]


def test_shadow_writes_nothing():
    outstation = industrial()

    async def body(driver):
        await driver.start(read_only=True)
        await driver.read()

    driven(outstation, body)
    assert outstation.written == []


def test_mode_goes_out_until_it_was_accepted():
    outstation = industrial()

    async def body(driver):
        await driver.start()
        outstation.status = 12  # out of range
        assert await driver.write(-1.0) is Answer.REFUSED
        outstation.status = 0
        assert await driver.write(-1.0) is Answer.ACCEPTED
        assert await driver.write(-1.0) is Answer.ACCEPTED

    driven(outstation, body)
    assert [sorted(values) for values in outstation.written[1:]] == [[0, 1], [0, 1], [0]]


def test_watchdog_that_cannot_be_armed_stops_the_start():
    outstation = industrial()
    outstation.status = 4  # not supported

    async def body(driver):
        with pytest.raises(LinkError, match="watchdog not armed: refused"):
            await driver.start()

    driven(outstation, body)


class ToldOutstation(Outstation):
    """One that tells mode, watchdog and fallback, AI 5 to 7, and does what it is told."""

    def __init__(self) -> None:
        super().__init__({**industrial().inputs, 5: 0.0, 6: 30.0, 7: 900.0})
        self.obeys = True

    def answer(self, request: Request) -> bytes:
        answered = super().answer(request)
        if request.function not in (READ, WRITE) and self.obeys:
            for index in (1, 2, 3):
                if index in self.written[-1]:
                    self.inputs[index + 4] = self.written[-1][index]
        return answered


def test_mode_that_is_told_is_read_back():
    outstation = ToldOutstation()

    async def body(driver):
        await driver.start()
        assert (await driver.read()).following  # nothing was asserted yet
        assert await driver.write(-0.9) is Answer.ACCEPTED
        assert (await driver.read()).following
        assert await driver.write(-0.9) is Answer.ACCEPTED
        assert sorted(outstation.written[-1]) == [0]

    driven(outstation, body, fallback_mw=-0.7501)  # no float32 has it


@pytest.mark.parametrize(("index", "value"), [(5, 0.0), (6, 11.0), (7, 1000.0)])
def test_mode_or_dead_man_that_fell_back_is_seen(index, value):
    outstation = ToldOutstation()

    async def body(driver):
        await driver.start()
        assert await driver.write(-0.9) is Answer.ACCEPTED
        outstation.inputs[index] = value
        assert not (await driver.read()).following
        await driver.start()
        assert await driver.write(-0.9) is Answer.ACCEPTED
        assert (await driver.read()).following

    driven(outstation, body, fallback_mw=-0.75)


def test_mode_that_was_accepted_and_ignored_is_seen():
    outstation = ToldOutstation()

    async def body(driver):
        await driver.start()
        outstation.obeys = False
        assert await driver.write(-0.9) is Answer.ACCEPTED
        assert not (await driver.read()).following
        outstation.inputs[3] = 2.0  # who says that it takes no orders has not lost the mode
        assert (await driver.read()).following

    driven(outstation, body)


def test_watchdog_that_was_accepted_and_ignored_stops_the_start():
    outstation = ToldOutstation()
    outstation.obeys = False

    async def body(driver):
        with pytest.raises(LinkError, match="dead man not armed: watchdog is 30, wanted 12"):
            await driver.start()

    driven(outstation, body)


def test_mode_that_is_not_told_is_asserted_again_twice_in_a_watchdog():
    outstation, now_s = industrial(), [100.0]

    async def body(driver):
        await driver.start()
        for _ in range(9):
            assert (await driver.read()).following
            assert await driver.write(-0.9) is Answer.ACCEPTED
            now_s[0] += 2.0

    driven(outstation, body, clock=lambda: now_s[0], watchdog_s=12.0)
    whole, alone = [0, 1, 2, 3], [0]
    assert [sorted(values) for values in outstation.written] == [
        [2, 3], [0, 1], alone, alone, whole, alone, alone, whole, alone, alone
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("index", "value", "reason"),
    [(3, 0.0, "off"), (3, 2.0, "fault"), (3, 7.0, "unknown state 7"), (4, 0.0, "local control")],
)
def test_device_that_takes_no_orders_says_why(index, value, reason):
    outstation = industrial()
    outstation.inputs[index] = value

    async def body(driver):
        reading = await driver.read()
        assert (reading.remote, reading.reason) == (False, reason)

    driven(outstation, body)


@pytest.mark.parametrize(
    ("index", "flags", "quality"),
    [
        (0, 0x05, Quality.COMM_LOST),
        (0, 0x00, Quality.COMM_LOST),
        (0, 0x03, Quality.RESTART),
        (0, 0x11, Quality.LOCAL_FORCED),
        (3, 0x04, Quality.COMM_LOST),
        (4, 0x09, Quality.REMOTE_FORCED),
        (1, 0x04, Quality.ONLINE),
    ],
)
def test_flags_become_quality(index, flags, quality):
    outstation = industrial()
    outstation.flags[index] = flags

    async def body(driver):
        reading = await driver.read()
        assert reading.quality == quality
        assert math.isnan(reading.p_avail_max_mw) is (index == 1)

    driven(outstation, body)


def test_nan_on_the_wire_is_no_measurement():
    outstation = industrial()
    outstation.inputs[0] = math.nan

    async def body(driver):
        reading = await driver.read()
        assert math.isnan(reading.p_meas_mw)
        assert reading.quality == Quality.REFERENCE_ERR

    driven(outstation, body)


def test_outstation_of_another_maker_is_found_out():
    async def body(driver):
        with pytest.raises(LinkError, match="no analog input 0, 1, 2, 3, 4"):
            await driver.start()

    driven(maker_c(), body)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_setpoint_that_is_no_number_is_not_sent(value):
    outstation = industrial()

    async def body(driver):
        with pytest.raises(LinkError):
            await driver.write(value)

    driven(outstation, body)
    assert outstation.written == []


@pytest.mark.parametrize(
    ("flags", "quality"),
    [(0x01, Quality.ONLINE), (0x21, Quality.OVER_RANGE), (0x41, Quality.REFERENCE_ERR)],
)
def test_quality_of_flags(flags, quality):
    assert quality_of(flags) == quality


def test_bad_table_is_refused_with_every_line(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "inputs:\n"
        "  p_meas: {index: -1, unit: GW, sign: 2}\n"
        "  p_avail_max: {unit: kW}\n"
        "  p_avail_min: 3\n"
        "  state: {index: 3, scale: 1}\n"
        "outputs:\n"
        "  p_setpoint: {index: 0}\n"
        "  mode: {index: 1}\n"
        "  watchdog: {index: 2}\n"
    )
    with pytest.raises(TableError) as caught:
        load_table(path)
    found = {problem.removeprefix(f"{path}:").split(" ")[0] for problem in caught.value.problems}
    assert found == {"2:", "3:", "4:", "5:", "7:"}
    assert len(caught.value.problems) == 8


def test_table_of_ones_own_beside_the_configuration(tmp_path):
    built_in = load_table(TABLES / "dnp3_industrial.yaml")
    text = (TABLES / "dnp3_industrial.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text)
    config = Dnp3LoadConfig(link="d", table="mine.yaml")
    assert create(config, unit(), None, time.monotonic, base_dir=tmp_path)
    (tmp_path / "mine.yaml").write_text(text.replace("index: 1}", "index: 0}"))
    with pytest.raises(TableError, match="is that of p_setpoint"):
        create(config, unit(), None, time.monotonic, base_dir=tmp_path)
    assert built_in.outputs["mode"].index == 1
