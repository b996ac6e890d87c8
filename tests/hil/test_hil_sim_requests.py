"""Requests in memory: each is answered once, or ends at its deadline and not a moment later."""

import asyncio
import random

import pytest
from small_bench import Bench, unit

from hil.faults import Fault
from hil.sim.loop import VirtualLoop, run
from hil.sim.outstation import MemoryOutstation, MemoryPointLink
from hil.sim.station import Station, StationClient
from hil.sim.wires import Wires
from hil.wire.dnp3 import INDUSTRIAL, LoadPoints
from hil.wire.loads import MAKER_A, LoadRegisters
from vppd.links.base import Answer, LinkError
from vppd.links.dnp3 import Dnp3TcpConfig
from vppd.links.modbus import ModbusTcpConfig, ModbusTcpLink
from vppd.links.modbus_wire import BadReplyError, LostError, SilentError

TIMEOUT_S = 0.5
SETPOINT = [0, 1500]  # of a depot, 150 kW


class Rig:
    """A depot behind a station, and the daemon's connection to it."""

    def __init__(self, folder, loop, *faults, latency_s=(0.02, 0.08), **of_fleet):
        self.loop = loop
        self.bench = Bench(folder, unit("modbus_ev_hub"), loop.time, **of_fleet)
        self.device = self.bench.device
        for kind, size in faults:
            self.device.link.begin(Fault(0.0, f"link_{kind}", 0, 60.0, size))
        wires = Wires(loop, self.bench.fleet)
        wires.latency_s = latency_s
        self.station = Station(self.device, LoadRegisters(self.device, MAKER_A), wires)
        self.lost = []
        self.client = StationClient(self.station, TIMEOUT_S, self.lost.append)

    async def read(self, count=3):
        """What comes of a read, and how long it takes."""
        return await self._timed(self.client.read_holding_registers, 0, count=count, device_id=1)

    async def write(self, words=SETPOINT):
        return await self._timed(self.client.write_registers, 100, words, device_id=1)

    async def _timed(self, ask, *args, **keys):
        begun_s = self.loop.time()
        try:
            reply = await ask(*args, **keys)
        except Exception as error:  # noqa: BLE001
            reply = error
        return reply, self.loop.time() - begun_s


def on(tmp_path, scenario, *faults, **keys):
    async def main():
        rig = Rig(tmp_path, asyncio.get_running_loop(), *faults, **keys)
        await rig.client.connect()
        try:
            return await scenario(rig)
        finally:
            rig.bench.writer.close()

    loop = VirtualLoop(1000.0)
    result = run(main(), loop)
    assert loop.faults == []
    return result


def timers(loop):
    """How much waits for its time."""
    return len(loop._timers) + sum(len(entries) for entries in loop._far.values())


def test_a_request_takes_the_way_there_and_back(tmp_path):
    async def scenario(rig):
        for _ in range(50):
            reply, took_s = await rig.read()
            assert list(reply.registers) == [0x4556, 1, 1]
            assert 0.04 <= took_s <= 0.16
            assert timers(rig.loop) == 0  # a deadline that is kept costs no timer
        reply, _ = await rig.write()
        assert rig.device.setpoint_mw == -0.15
        reply, _ = await rig.read(count=200)
        assert reply.exception_code == 2

    on(tmp_path, scenario)


@pytest.mark.parametrize(
    ("faults", "keys"),
    [
        ([("loss", 1.0)], {}),
        ([("hang", 0.0)], {}),
        ([("latency", 0.3)], {}),  # 0.6 s there and back
        ([], {"latency_s": (0.6, 0.6)}),
        ([], {"latency_s": (0.3, 0.3)}),
        ([("slow_drip", 0.02)], {}),
    ],
)
def test_an_answer_that_does_not_come_in_time_is_silence_at_the_deadline(tmp_path, faults, keys):
    async def scenario(rig):
        for ask in (rig.read, rig.write, rig.read):
            error, took_s = await ask()
            assert isinstance(error, SilentError)
            assert error.string.endswith("no answer within 0.5 s")
            assert took_s == pytest.approx(TIMEOUT_S)
        await asyncio.sleep(5.0)  # late answers are nobody's
        assert timers(rig.loop) == 0
        assert rig.client.connected

    on(tmp_path, scenario, *faults, **keys)


def test_a_device_that_is_dark_or_swallows_a_write_is_silent(tmp_path):
    async def scenario(rig):
        error, took_s = await rig.write()
        assert isinstance(error, SilentError)
        assert took_s == pytest.approx(TIMEOUT_S)
        reply, _ = await rig.read()  # only setpoints are lost
        assert reply.registers
        rig.device.dark = True
        error, took_s = await rig.read()
        assert isinstance(error, SilentError)
        assert took_s == pytest.approx(TIMEOUT_S)

    on(tmp_path, scenario, write_loss_pct=100.0)


def test_an_answer_that_nobody_can_read_ends_the_request_when_it_comes(tmp_path):
    async def scenario(rig):
        error, took_s = await rig.read()
        assert isinstance(error, BadReplyError)
        assert took_s < 0.2

    on(tmp_path, scenario, ("corrupt", 1.0))


def test_what_comes_twice_is_done_twice_and_answered_once(tmp_path):
    async def scenario(rig):
        replies = [await rig.write() for _ in range(3)]
        await asyncio.sleep(1.0)
        assert all(not isinstance(reply, Exception) for reply, _ in replies)
        return len(rig.bench.writer._setpoints)

    assert on(tmp_path, scenario, ("duplicate", 1.0)) == 6


def test_a_connection_that_breaks_ends_what_is_under_way(tmp_path):
    async def scenario(rig):
        asked = [asyncio.create_task(rig.read()) for _ in range(3)]
        await asyncio.sleep(0.01)
        cancelled = asyncio.create_task(rig.read())
        await asyncio.sleep(0.0)
        cancelled.cancel()
        await asyncio.sleep(0.0)
        rig.station.pull()
        for error, took_s in await asyncio.gather(*asked):
            assert isinstance(error, LostError)
            assert took_s == pytest.approx(0.01)
        assert rig.lost == ["connection reset by peer"]
        with pytest.raises(LostError):
            rig.client.read_holding_registers(0, count=1, device_id=1)
        with pytest.raises(ConnectionRefusedError):
            await StationClient(rig.station, TIMEOUT_S, rig.lost.append).connect()
        await asyncio.sleep(1.0)
        rig.station.push()
        again = StationClient(rig.station, TIMEOUT_S, rig.lost.append)
        assert await again.connect()
        assert (await again.read_holding_registers(0, count=1, device_id=1)).registers == [0x4556]

    on(tmp_path, scenario)


def test_answers_keep_the_order_of_their_requests(tmp_path):
    async def scenario(rig):
        order = []

        async def ask(number):
            await rig.read()
            order.append(number)

        await asyncio.gather(*(ask(number) for number in range(30)))
        return order

    assert on(tmp_path, scenario) == list(range(30))


def test_the_daemons_own_link_runs_over_it(tmp_path):
    async def main():
        loop = asyncio.get_running_loop()
        rig = Rig(tmp_path, loop)

        def client(_host, _port, timeout_s, on_lost):
            return StationClient(rig.station, timeout_s, on_lost)

        link = ModbusTcpLink(ModbusTcpConfig(id="l"), random.Random(1), client=client)
        keeper = asyncio.create_task(link.keep())
        await link.wait_connected()
        assert await link.read_registers(1, 0, 2) == [0x4556, 1]
        assert await link.write_registers(1, 100, SETPOINT) is Answer.ACCEPTED
        rig.device.dark = True
        assert await link.write_registers(1, 100, SETPOINT) is Answer.UNKNOWN
        for _ in range(2):
            with pytest.raises(LinkError, match="no answer"):
                await link.read_registers(1, 0, 2)
        assert not link.connected  # three in a row
        assert "3 requests in a row" in link.reason
        keeper.cancel()
        await asyncio.wait([keeper])
        rig.bench.writer.close()

    run(main(), VirtualLoop(1000.0))


def test_an_outstation_answers_in_points_and_is_silent_like_a_station(tmp_path):
    async def main():
        loop = asyncio.get_running_loop()
        bench = Bench(tmp_path, unit("dnp3_industrial"), loop.time)
        device = bench.device
        points = LoadPoints(device, INDUSTRIAL)
        outstation = MemoryOutstation(device, points, Wires(loop, bench.fleet))
        link = MemoryPointLink(Dnp3TcpConfig(id="l"), random.Random(1), outstation)
        keeper = asyncio.create_task(link.keep())
        await link.wait_connected()
        inputs = await link.read_analog_inputs()
        assert inputs[0] == (pytest.approx(600.0), 1)
        assert await link.operate({0: 500.0}) is Answer.ACCEPTED
        assert device.setpoint_mw == -0.5
        assert await link.operate({0: 9000.0}) is Answer.REFUSED
        device.dark = True
        begun_s = loop.time()
        assert await link.operate({0: 400.0}) is Answer.UNKNOWN
        assert loop.time() - begun_s == pytest.approx(TIMEOUT_S)
        device.dark = False
        outstation.pull()
        with pytest.raises(LinkError, match="reset"):
            await link.read_analog_inputs()
        outstation.push()
        await link.wait_connected()
        told = []
        link.on_change(told.append)
        keeper.cancel()
        await asyncio.wait([keeper])
        assert (told, link.connected, link.reason) == ([], False, "stopped")  # no news
        bench.writer.close()

    run(main(), VirtualLoop(1000.0))
