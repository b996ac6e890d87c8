"""Modbus devices of the bench, spoken to by pymodbus, pysunspec2 and raw octets."""

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest
from helpers import run_async
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from small_bench import Bench, unit
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from hil import recording
from hil.plant.plant import FACTORY_WATCHDOG_S
from hil.recording import SetpointFlag, UnitState
from hil.wire.process import TcpEndpoint


@asynccontextmanager
async def device(folder, maker, fault=None, **changes):
    """A bench with its endpoint open, and a client that never repeats anything."""
    bench = Bench(folder, unit(maker, **changes), **(fault or {}))
    endpoint = TcpEndpoint(bench.device, bench.fleet)
    await endpoint.open()
    port = bench.device.unit.port
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=0.3, retries=0)
    await client.connect()
    try:
        yield bench, client
    finally:
        client.close()
        await endpoint.close(orderly=True)
        bench.writer.close()


def words32(value, fmt=">i"):
    return list(struct.unpack(">HH", struct.pack(fmt, value)))


def number32(registers, fmt=">i"):
    return struct.unpack(fmt, struct.pack(">HH", *registers))[0]


def test_maker_a_reports_load_positive_and_follows(tmp_path):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub") as (bench, client):
            head = (await client.read_holding_registers(0, count=17)).registers
            assert head[:3] == [0x4556, 1, 1]
            assert [number32(head[k : k + 2]) for k in (10, 12, 14)] == [5000, 0, 10000]
            order = [*words32(3000), 1, 7, *words32(2500)]
            assert not (await client.write_registers(100, order)).isError()
            assert bench.run(1.0) == pytest.approx(-0.3)
            assert bench.device.watchdog() == (7.0, -0.25)
            assert bench.run(7.0) == pytest.approx(-0.25)
            assert bench.device.in_fallback
            back = (await client.read_holding_registers(100, count=6)).registers
            assert back == order

    run_async(scenario())


def test_maker_b_has_floats_with_the_low_word_first(tmp_path):
    async def scenario():
        async with device(tmp_path, "modbus_hvac") as (bench, client):
            head = (await client.read_holding_registers(200, count=17)).registers
            assert head[:3] == [0x4843, 1, 1]
            loads = [number32(head[k : k + 2][::-1], ">f") for k in (10, 12, 14)]
            assert loads == pytest.approx([500.0, 80.0, 920.0])
            assert head[16] == 240  # 24 degrees
            order = [*words32(612.5, ">f")[::-1], 1]
            assert not (await client.write_registers(300, order)).isError()
            assert bench.run(1.0) == pytest.approx(-0.6125)

    run_async(scenario())


def test_a_setpoint_before_the_mode_is_not_followed(tmp_path):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub") as (bench, client):
            await client.write_registers(100, words32(9000))
            assert bench.run(1.0) == pytest.approx(-0.5)
            assert bench.plant.state[0] == UnitState.AUTONOMOUS
            await client.write_registers(102, [1])
            await client.write_registers(100, words32(9000))
            assert bench.run(1.0) == pytest.approx(-0.9)
            await client.write_register(102, 0)  # function 6
            assert bench.run(1.0) == pytest.approx(-0.5)
            flags = recording_flags(bench, tmp_path)
            assert flags == [0, SetpointFlag.KEEP_ALIVE, 0, SetpointFlag.KEEP_ALIVE]

    run_async(scenario())


def recording_flags(bench, folder):
    bench.writer.flush()
    return recording.read_setpoints(folder)["flags"].tolist()


@pytest.mark.parametrize(
    ("address", "values", "code"),
    [
        (101, [0], 2),  # half of the setpoint
        (100, [0], 2),
        (90, [0, 0], 2),
        (102, [2], 3),  # no such mode
        (100, [0x7FFF, 0xFFFF], 3),  # beyond the nameplate
        (106, [0], 2),
    ],
)
def test_writes_that_make_no_sense_are_refused(tmp_path, address, values, code):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub") as (bench, client):
            answer = await client.write_registers(address, values)
            assert answer.exception_code == code
            assert bench.run(1.0) == pytest.approx(-0.5)

    run_async(scenario())


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        (b"\x03\x00\x00\x00\x00", b"\x83\x03"),  # no registers at all
        (b"\x03\x00\x60\x00\x0b", b"\x83\x02"),  # beyond the last
        (b"\x03\x00\x00", b"\x83\x03"),
        (b"\x04\x00\x00\x00\x01", b"\x84\x01"),  # no such function here
        (b"\x10\x00\x64\x00\x02\x02\x00\x00", b"\x90\x03"),  # count and size disagree
    ],
)
def test_requests_that_make_no_sense_get_the_right_exception(tmp_path, pdu, answer):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub") as (bench, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.device.unit.port)
            writer.write(struct.pack(">HHHB", 9, 0, len(pdu) + 1, 1) + pdu)
            assert await reader.readexactly(9) == struct.pack(">HHHB", 9, 0, 3, 1) + answer
            writer.close()

    run_async(scenario())


def test_pipelined_and_cut_up_requests_are_answered_in_their_order(tmp_path):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub") as (bench, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.device.unit.port)
            requests = b"".join(
                struct.pack(">HHHBBHH", tid, 0, 6, 1, 3, tid, 1) for tid in range(3)
            )
            writer.write(requests[:5])
            await writer.drain()
            writer.write(requests[5:])
            answers = await reader.readexactly(3 * 11)
            heads = [struct.unpack_from(">H6xB", answers, 11 * k)[0] for k in range(3)]
            values = [struct.unpack_from(">H", answers, 11 * k + 9)[0] for k in range(3)]
            assert (heads, values) == ([0, 1, 2], [0x4556, 1, 1])
            writer.write(struct.pack(">HHHB", 1, 7, 2, 1))  # protocol 7: out of step
            assert await reader.read() == b""
            writer.close()

    run_async(scenario())


def test_another_unit_id_is_not_here(tmp_path):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub") as (_, client):
            answer = await client.read_holding_registers(0, count=1, device_id=2)
            assert answer.exception_code == 0x0A

    run_async(scenario())


def test_a_lost_write_has_no_effect_and_no_answer(tmp_path):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub", {"write_loss_pct": 100.0}) as (bench, client):
            with pytest.raises(ModbusIOException):
                await client.write_registers(100, [*words32(9000), 1, 3])
            assert bench.run(1.0) == pytest.approx(-0.5)
            assert bench.device.watchdog()[0] == FACTORY_WATCHDOG_S
            bench.writer.flush()
            row = recording.read_setpoints(tmp_path)[0]
            assert (row["flags"], row["p_mw"]) == (SetpointFlag.LOST, -0.9)
            assert recording.read_events(tmp_path)[0]["kind"] == "write_lost"

    run_async(scenario())


def test_a_dark_device_hears_and_says_nothing(tmp_path):
    async def scenario():
        async with device(tmp_path, "modbus_ev_hub") as (bench, client):
            bench.device.dark = True
            for request in (
                client.write_registers(100, [*words32(9000), 1]),
                client.read_holding_registers(0, count=1),
            ):
                with pytest.raises(ModbusIOException):
                    await request
            assert bench.run(1.0) == pytest.approx(-0.5)
            assert recording_flags(bench, tmp_path) == [SetpointFlag.OFFLINE]
            bench.device.dark = False
            assert (await client.read_holding_registers(0, count=1)).registers == [0x4556]

    run_async(scenario())


def test_a_closed_endpoint_refuses_and_comes_back(tmp_path):
    async def scenario():
        bench = Bench(tmp_path, unit("modbus_ev_hub"))
        endpoint = TcpEndpoint(bench.device, bench.fleet)
        await endpoint.open()
        port = bench.device.unit.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await endpoint.close(orderly=False)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await endpoint.open()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await endpoint.close(orderly=True)
        bench.writer.close()

    run_async(scenario())


def sunspec_scan(port):
    """Models as an independent client finds, reads and decodes them."""
    client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=2.0)
    client.scan()
    client.close()
    return client.models


def test_sunspec_battery_as_others_read_it(tmp_path):
    async def scenario():
        async with device(tmp_path, "sunspec_battery", soc_start_pu=0.37) as (bench, client):
            bench.plant.restore(bench.plant.p_mw + 0.25, bench.plant.soc_pu)
            port = bench.device.unit.port
            models = await asyncio.to_thread(sunspec_scan, port)
            assert [m for m in models if isinstance(m, int)] == [1, 701, 702, 704, 713, 802, 715]
            measured, nameplate = models[701][0], models[702][0]
            assert (measured.W.cvalue, measured.St.value, measured.ConnSt.value) == (250e3, 1, 1)
            assert nameplate.WMaxRtg.cvalue == nameplate.WMax.cvalue == 1e6
            assert models[713][0].SoC.cvalue == pytest.approx(37.0)
            assert models[713][0].WHRtg.cvalue == 2e6
            assert models[715][0].LocRemCtl.value == 0
            assert models[704][0].WSetEna.value == 0
            order = [1, 1, *words32(-4000), *words32(1000), 0xFFFF, 0xFFFF, 1, 0, 6]
            at = models[704][0].model_addr + 22
            assert not (await client.write_registers(at, order)).isError()
            assert bench.run(1.0) == pytest.approx(-0.4)
            control = (await asyncio.to_thread(sunspec_scan, port))[704][0]
            assert (control.WSet.cvalue, control.WSetRvrt.cvalue) == (-400e3, 100e3)
            assert (control.WSetRvrtTms.value, control.WSetRvrtRem.value) == (6, 5)
            assert bench.run(6.0) == pytest.approx(0.1)
            disable = await client.write_registers(at, [0])
            assert not disable.isError()
            assert bench.run(1.0) == pytest.approx(0.0)

    run_async(scenario())


def test_sunspec_heartbeat_and_what_may_not_be_written(tmp_path):
    async def scenario():
        async with device(tmp_path, "sunspec_battery") as (bench, client):
            models = await asyncio.to_thread(sunspec_scan, bench.device.unit.port)
            der, control = models[715][0].model_addr, models[704][0].model_addr
            assert not (await client.write_registers(der + 5, [0, 41])).isError()
            assert (await client.read_holding_registers(der + 5, count=2)).registers == [0, 41]
            for address, values in (
                (der + 2, [1]),  # local or remote is not ours to say
                (control + 25, [0]),  # half of WSet
                (control + 40, [0, 0]),
                (39999, [0]),
            ):
                assert (await client.write_registers(address, values)).exception_code == 2
            by_percent = await client.write_registers(control + 22, [1, 0, 0, 0])
            assert by_percent.exception_code == 3
            end = await client.read_holding_registers(der + 9, count=2)
            assert end.registers == [0xFFFF, 0]
            assert (await client.read_holding_registers(der + 9, count=3)).exception_code == 2

    run_async(scenario())


def test_sunspec_pv_takes_a_limit_in_percent(tmp_path):
    async def scenario():
        async with device(tmp_path, "sunspec_pv") as (bench, client):
            models = await asyncio.to_thread(sunspec_scan, bench.device.unit.port)
            assert [m for m in models if isinstance(m, int)] == [1, 701, 702, 704, 715, 64901]
            assert models[701][0].W.cvalue == 820e3
            control = models[704][0].model_addr
            vendor = models[715][0].model_addr + 9
            read = (await client.read_holding_registers(vendor, count=4)).registers
            assert read[:2] == [64901, 2]
            assert number32(read[2:]) == 910_000
            order = [1, 4025, 8200, 1, 0, 5]
            assert not (await client.write_registers(control + 14, order)).isError()
            assert bench.run(1.0) == pytest.approx(0.4025)
            assert bench.run(5.0) == pytest.approx(0.82)
            await client.write_registers(control + 14, [1, 10000, 8200, 1, 0, 5])
            assert bench.run(1.0) == pytest.approx(0.91)  # the sun, not the limit
            over = await client.write_registers(control + 14, [1, 10001])
            assert over.exception_code == 3

    run_async(scenario())


def test_readings_have_the_noise_of_the_scenario(tmp_path):
    async def scenario():
        noise = {"telemetry_noise_pct": 2.0}
        async with device(tmp_path, "modbus_hvac", noise) as (bench, _):
            readings = [bench.device.reading().p_mw / -0.5 for _ in range(4000)]
            mean = sum(readings) / len(readings)
            sigma = (sum((r - mean) ** 2 for r in readings) / len(readings)) ** 0.5
            assert mean == pytest.approx(1.0, abs=0.002)
            assert sigma == pytest.approx(0.02, rel=0.1)

    run_async(scenario())
