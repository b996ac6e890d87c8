"""What a wire process records of its links: when a device could be reached, and was."""

import asyncio

import aiomqtt
import numpy as np
import pytest
from helpers import run_async, until
from processes import free_port
from small_bench import Bench, Clock, fleet, unit

from hil import broker, recording
from hil.recording import LinkChange, Writer
from hil.wire.mqtt import Depot
from hil.wire.process import TcpEndpoint


@pytest.mark.parametrize("maker", ["modbus_hvac", "dnp3_industrial"])
def test_a_device_that_listens_is_connected_and_lost(tmp_path, maker):
    async def scenario():
        clock = Clock(5000.0)
        bench = Bench(tmp_path, unit(maker), clock)
        endpoint = TcpEndpoint(bench.device, fleet([bench.device.unit]))
        await endpoint.open()
        clock.now_s = 5001.0
        _, writer = await asyncio.open_connection("127.0.0.1", bench.device.unit.port)
        await until(lambda: recording.read_links(tmp_path).size == 2)
        clock.now_s = 5002.0
        writer.close()
        await until(lambda: recording.read_links(tmp_path).size == 3)
        await endpoint.close(orderly=True)
        bench.writer.close()

    run_async(scenario())
    rows = recording.read_links(tmp_path)
    assert rows["unit"].tolist() == [0, 0, 0]
    assert rows["t_s"].tolist() == [5000.0, 5001.0, 5002.0]
    assert rows["change"].tolist() == [
        LinkChange.LISTENING,
        LinkChange.CONNECTED,
        LinkChange.LOST,
    ]


def test_a_depot_is_connected_when_it_says_online(tmp_path):
    async def scenario():
        port = free_port()
        process = await broker.start(port, tmp_path)
        bench = Bench(tmp_path, unit("mqtt_ev_hub"), Clock(5000.0))
        depot = Depot(bench.device, bench.device._loss_rng, (0.0, 0.002))
        try:
            async with aiomqtt.Client(
                "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5
            ) as client:
                await client.subscribe("ev/+/state", qos=1)
                await depot.open(port)
                message = await anext(aiter(client.messages))
                assert message.payload == b"online"
            rows = recording.read_links(tmp_path)
            assert [(r["t_s"], r["change"]) for r in rows] == [(5000.0, LinkChange.CONNECTED)]
        finally:
            await depot.close(orderly=False)
            await process.kill()
            bench.writer.close()

    run_async(scenario())


def test_a_killed_writer_s_successor_goes_on_behind_whole_rows(tmp_path):
    first = Writer(tmp_path, 0, [3, 4])
    first.link(1.0, 3, LinkChange.CONNECTED)
    with (tmp_path / "wire-0.links.bin").open("ab") as file:
        file.write(b"torn")
    second = Writer(tmp_path, 0, [3, 4])
    second.link(2.0, 4, LinkChange.LISTENING)
    second.close()
    second.link(3.0, 4, LinkChange.LOST)  # the links end with their process: no news
    rows = recording.read_links(tmp_path)
    assert np.array_equal(rows["t_s"], [1.0, 2.0])
    assert rows["unit"].tolist() == [3, 4]
    first.close()
