"""DNP3 devices of the bench, spoken to by a DNP3 master."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from helpers import run_async
from py1815.control import CommandStatus
from py1815.decode import PointType
from py1815.master import Master
from py1815.master.tasks import Tasks
from small_bench import Bench, unit

from hil import recording
from hil.recording import SetpointFlag
from hil.wire.process import TcpEndpoint


@asynccontextmanager
async def device(folder, maker, fault=None, **changes):
    """A bench with its endpoint open, and a master connected to it."""
    bench = Bench(folder, unit(maker, **changes), **(fault or {}))
    endpoint = TcpEndpoint(bench.device, bench.fleet)
    await endpoint.open()
    async with Master() as masters:
        master = await masters.add(
            "der",
            host="127.0.0.1",
            port=bench.device.unit.port,
            response_timeout=0.3,
            tasks=Tasks.none(),
            reconnect=None,
        )
        try:
            yield bench, master
        finally:
            await endpoint.close(orderly=True)
            bench.writer.close()


async def inputs(master):
    await master.integrity_poll()
    return {i: point.value for i, point in master.store.points(PointType.ANALOG_INPUT).items()}


def test_industrial_load_counts_load_positive_in_kw(tmp_path):
    async def scenario():
        async with device(tmp_path, "dnp3_industrial") as (bench, master):
            found = await inputs(master)
            watchdog_s, fallback_mw = bench.device.watchdog()
            in_force = {5: 0.0, 6: watchdog_s, 7: -1e3 * fallback_mw}
            expected = {0: 600.0, 1: 240.0, 2: 960.0, 3: 1.0, 4: 1.0, **in_force}
            assert found == pytest.approx(expected)
            order = {0: 750.0, 1: 1.0, 2: 8.0, 3: 500.0}
            result = await master.operate(analog_outputs=order, variation=3)
            assert result.accepted
            assert bench.run(1.0) == pytest.approx(-0.75)
            assert bench.device.watchdog() == (8.0, pytest.approx(-0.5))
            found = await inputs(master)
            assert [found[5], found[6], found[7]] == pytest.approx([1.0, 8.0, 500.0])
            assert bench.run(8.0) == pytest.approx(-0.5)

    run_async(scenario())


def test_hvac_of_maker_c_counts_generation_positive_in_w(tmp_path):
    async def scenario():
        async with device(tmp_path, "dnp3_hvac") as (bench, master):
            found = await inputs(master)
            expected = {10: -500e3, 11: -920e3, 12: -80e3, 13: 1.0, 14: 1.0}
            watchdog_s, fallback_mw = bench.device.watchdog()
            in_force = {15: 0.0, 16: watchdog_s, 17: 1e6 * fallback_mw}
            assert found == pytest.approx(expected | in_force)
            result = await master.operate(
                analog_outputs={10: -250e3, 11: 1.0, 12: 8.0, 13: -600e3},
                variation=3,
                mode="select",
            )
            assert result.accepted
            assert bench.run(1.0) == pytest.approx(-0.25)
            assert bench.run(10.0) == pytest.approx(-0.6)

    run_async(scenario())


def test_floats_are_read_by_name_too(tmp_path):
    async def scenario():
        async with device(tmp_path, "dnp3_hvac") as (_, master):
            await master.read(analog_inputs=[10, 11])
            assert master.store.analog_input(11).value == pytest.approx(-920e3)
            assert master.store.analog_input(12) is None

    run_async(scenario())


def test_each_point_has_its_own_status(tmp_path):
    async def scenario():
        async with device(tmp_path, "dnp3_industrial") as (bench, master):
            result = await master.operate(analog_outputs={0: 5000.0, 1: 1.0}, variation=3)
            assert not result.accepted
            assert result.status("ao", 0) is CommandStatus.OUT_OF_RANGE
            assert result.status("ao", 1) is CommandStatus.SUCCESS
            unknown = await master.operate(analog_outputs={7: 1.0}, variation=3)
            assert unknown.status("ao", 7) is CommandStatus.NOT_SUPPORTED
            assert bench.run(1.0) == pytest.approx(-0.6)

    run_async(scenario())


def test_lost_and_dark_requests_are_not_answered(tmp_path):
    async def scenario():
        async with device(tmp_path, "dnp3_industrial", {"write_loss_pct": 100.0}) as (
            bench,
            master,
        ):
            lost = await master.operate(analog_outputs={0: 700.0, 1: 1.0}, variation=3)
            assert lost.accepted is None
            armed = await master.operate(analog_outputs={1: 1.0}, variation=3)
            assert armed.accepted
            bench.device.dark = True
            assert not (await master.integrity_poll()).complete
            dark = await master.operate(analog_outputs={0: 710.0}, variation=3)
            assert dark.accepted is None
            assert bench.run(1.0) == pytest.approx(-0.6)
            bench.writer.flush()
            flags = recording.read_setpoints(tmp_path)["flags"].tolist()
            assert flags == [SetpointFlag.LOST, SetpointFlag.KEEP_ALIVE, SetpointFlag.OFFLINE]

    run_async(scenario())


def test_a_second_master_takes_the_place_of_the_first(tmp_path):
    async def scenario():
        async with device(tmp_path, "dnp3_industrial") as (bench, master):
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.device.unit.port)
            async with asyncio.timeout(5.0):
                while master.connected:
                    await asyncio.sleep(0.01)
            writer.close()
            assert await reader.read() == b""

    run_async(scenario())
