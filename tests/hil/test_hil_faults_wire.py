"""Timed faults in a wire process of its own, on real sockets, as the rig runs it."""

import asyncio
import json
import time

import pytest
from helpers import run_async, until
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from small_bench import Bench, unit
from test_hil_wire_process import Wire

from hil import recording
from hil.faults import Fault, fault
from hil.faults.unit import UnitFaults
from hil.wire.plug import EndpointPlug
from hil.wire.process import TcpEndpoint


class Faulty(Wire):
    """A wire process with timed faults; its units: battery 0, EV hub 1, HVAC 2, industrial 3."""

    def __init__(self, folder, *faults):
        super().__init__(folder)
        fault.write(faults, folder / "faults.json")

    def begin(self):
        self.child.order(json.dumps({"do": "start", "t0_s": time.monotonic()}))

    def events(self, unit_index):
        return [e["kind"] for e in recording.read_events(self.raw) if e["unit"] == unit_index]

    async def connects(self, index):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.units[index].port)
        except OSError:
            return False
        writer.close()
        return True


def test_faults_of_the_file_begin_and_end(tmp_path):
    async def scenario():
        wire = Faulty(
            tmp_path,
            Fault(0.1, "device_trip", 1, 0.6),
            Fault(0.1, "link_reset", 3, 0.9),
            Fault(0.1, "link_outage", 0, 900.0, how="closed"),  # the rig orders this one
            Fault(0.1, "signal_stale", -1, 900.0),  # the TSO's
            Fault(0.1, "link_hang", 77, 900.0),  # of another process
        )
        await wire.start()
        assert wire.events(1) == []
        wire.begin()
        await until(lambda: wire.events(3) == ["link_reset"])
        await until(lambda: len(rows := wire.rows()) and rows["p_mw"][-1][1] == 0.0)
        assert not await wire.connects(3)
        await until(lambda: wire.events(3) == ["link_reset", "link_reset_back"])
        await until(lambda: wire.rows()["p_mw"][-1][1] < -0.49)
        links = recording.read_links(tmp_path)
        assert links["change"][links["unit"] == 3].tolist()[-1] == recording.LinkChange.LISTENING
        assert await wire.connects(3)
        assert wire.events(1) == ["device_trip", "device_trip_back"]
        assert {e["unit"] for e in recording.read_events(tmp_path)} == {1, 3}
        await wire.child.stop(5.0)
        assert wire.child.returncode == 0

    run_async(scenario())


def test_a_successor_begins_what_goes_on_and_leaves_out_what_is_over(tmp_path):
    async def scenario():
        wire = Faulty(
            tmp_path,
            Fault(-60.0, "device_trip", 1, 300.0),
            Fault(-60.0, "device_stuck", 2, -30.0),
        )
        await wire.start()
        wire.begin()
        await until(lambda: wire.events(1) == ["device_trip"])
        await wire.child.kill()
        await wire.start()
        wire.begin()
        await until(lambda: wire.events(1) == ["device_trip", "device_trip"])
        assert wire.events(2) == []
        await wire.child.stop(5.0)

    run_async(scenario())


def test_a_half_open_connection_on_a_socket(tmp_path):
    async def scenario():
        bench = Bench(tmp_path, unit("modbus_ev_hub"), time.monotonic)
        endpoint = TcpEndpoint(bench.device, bench.fleet)
        faults = UnitFaults(bench.device, EndpointPlug(endpoint))
        await endpoint.open()
        client = AsyncModbusTcpClient(
            "127.0.0.1", port=bench.device.unit.port, timeout=0.2, retries=0, reconnect_delay=0
        )
        half_open = Fault(0.0, "link_half_open", 0, 60.0)
        try:
            await client.connect()
            assert (await client.read_holding_registers(0, count=1)).registers == [0x4556]
            faults.begin(half_open, 0.0)
            with pytest.raises(ModbusException):
                await client.read_holding_registers(0, count=1)
            _, other = await asyncio.open_connection("127.0.0.1", bench.device.unit.port)
            await until(lambda: (recording.read_links(tmp_path)["change"] == 1).sum() == 2)
            faults.end(half_open, 60.0)
            await until(lambda: (recording.read_links(tmp_path)["change"] == 2).sum() == 2)
            other.close()
            await until(lambda: recording.read_links(tmp_path)["change"][-1] == 0)
            await client.connect()
            assert (await client.read_holding_registers(0, count=1)).registers == [0x4556]
        finally:
            client.close()
            await endpoint.close(orderly=True)
            bench.writer.close()

    run_async(scenario())


def test_a_device_that_is_away_refuses_and_is_back(tmp_path):
    async def scenario():
        bench = Bench(tmp_path, unit("dnp3_industrial"), time.monotonic)
        endpoint = TcpEndpoint(bench.device, bench.fleet)
        faults = UnitFaults(bench.device, EndpointPlug(endpoint))
        await endpoint.open()
        port = bench.device.unit.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reboot = Fault(0.0, "device_reboot", 0, 60.0)
        try:
            await until(lambda: recording.read_links(tmp_path)["change"][-1] == 1)
            faults.begin(reboot, 0.0)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            faults.end(reboot, 60.0)
            await until(lambda: recording.read_links(tmp_path)["change"][-1] == 0)
            _, again = await asyncio.open_connection("127.0.0.1", port)
            again.close()
        finally:
            writer.close()
            await endpoint.close(orderly=True)
            bench.writer.close()

    run_async(scenario())
