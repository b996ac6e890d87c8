"""One task a device, over real sockets: what users of other systems complain about, as tests."""

import asyncio
import math
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from device_rigs import clock, make_unit
from helpers import run_async, until
from modbus_peers import WRITE, RawPeer, Registers
from structlog.testing import capture_logs

from vppd.core.types import Quality, WriteResult
from vppd.devices import modbus_load
from vppd.devices.modbus_load import ModbusLoadConfig
from vppd.devices.runner import DeviceRunner
from vppd.links.modbus import ModbusTcpConfig, ModbusTcpLink


def fresh_depot() -> Registers:
    """Maker A as it leaves the factory: autonomous, no dead man, 160 kW."""
    image = dict.fromkeys((*range(17), *range(100, 106)), 0)
    return Registers(image | {0: 0x4556, 1: 1, 2: 1, 11: 1600, 15: 3300})


def set_kw(device: Registers) -> float:
    """Load setpoint in the device."""
    return (device.image[100] << 16 | device.image[101]) / 10.0


@dataclass
class Rig:
    device: Registers
    peer: RawPeer
    link: ModbusTcpLink
    runner: DeviceRunner
    task: asyncio.Task[None]

    def submit(self, load_kw: float, *, age_s: float = 0.0) -> None:
        self.runner.submit(-load_kw / 1e3, clock() - age_s)

    async def settled(self) -> None:
        """The setpoint that was left has been answered, and telemetry after it."""
        reads = self.runner.reads
        await until(lambda: not self.runner.busy and self.runner.reads > reads)


@asynccontextmanager
async def rig(
    device=None,
    *,
    unit_id=1,
    peer=None,
    link=None,
    connect=True,
    timeout_s=0.25,
    pipelining=False,
    **keys,
):
    """A runner on a depot of its own, unless told otherwise."""
    device = fresh_depot() if device is None else device
    own_peer, own_link = peer is None, link is None
    tasks = []
    if own_peer:
        peer = await RawPeer(device).__aenter__()
    if own_link:
        config = ModbusTcpConfig(
            id="l",
            port=peer.port,
            timeout_s=timeout_s,
            backoff_min_s=0.01,
            backoff_max_s=0.05,
            pipelining=pipelining,
        )
        link = ModbusTcpLink(config, random.Random(1))
        tasks.append(asyncio.create_task(link.keep()))
    config = ModbusLoadConfig(link="l", table="ev_hub", unit_id=unit_id)
    unit = make_unit(config, "ev_hub", p_min_mw=-0.33, p_max_mw=0.0, basepoint_mw=-0.165)
    driver = modbus_load.create(config, unit, link, clock)
    keys = {"setpoint_age_max_s": 2.0, "poll_s": 0.05, "settle_s": 0.0} | keys
    runner = DeviceRunner(f"u{unit_id}", driver, link, clock, **keys)
    tasks.append(asyncio.create_task(runner.run()))
    try:
        if connect:
            await until(lambda: runner.connected and runner.latest)
        yield Rig(device, peer, link, runner, tasks[-1])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if own_peer:
            await peer.stop()


# In good weather


def test_a_setpoint_is_written_read_back_and_reported():
    async def scenario():
        async with rig() as r:
            before_s = clock()
            r.submit(150.0)
            await r.settled()
            assert (set_kw(r.device), r.device.image[102]) == (150.0, 1)
            assert r.runner.accepted_mw == -0.15
            assert before_s <= r.runner.accepted_s <= clock()
            assert r.runner.write_result is WriteResult.ACCEPTED
            assert r.runner.latest.p_meas_mw == pytest.approx(-0.16)
            assert r.runner.latest.quality == Quality.ONLINE
            assert (r.runner.connected, r.runner.reason) == (True, "")
            assert (r.runner.writes, r.runner.writes_accepted) == (1, 1)

    run_async(scenario())


def test_before_anything_was_read_there_is_no_value():
    async def scenario():
        async with rig(connect=False) as r:
            assert r.runner.latest is None
            assert math.isnan(r.runner.accepted_mw)
            assert math.isnan(r.runner.accepted_s)
            assert r.runner.write_result is WriteResult.NONE
            assert (r.runner.connected, r.runner.reason) == (False, "not connected yet")

    run_async(scenario())


def test_telemetry_follows_the_write_and_then_comes_by_itself():
    async def scenario():
        async with rig(poll_s=0.02) as r:
            await until(lambda: r.runner.reads >= 3)
            begun = len(r.peer.frames)
            r.submit(100.0)
            await r.settled()
            kinds = [f.function for f in r.peer.frames[begun:]]
            write = kinds.index(WRITE)
            assert kinds[write : write + 3] == [WRITE, 3, 3]

    run_async(scenario())


def test_the_newest_setpoint_wins_and_the_dropped_are_counted():
    async def scenario():
        async with rig() as r:
            for load_kw in (100.0, 110.0, 120.0):
                r.submit(load_kw)
            assert r.runner.busy
            await r.settled()
            assert [f.words[1] for f in r.peer.writes[1:]] == [1200]
            assert r.runner.setpoints_dropped == 2

    run_async(scenario())


def test_an_old_setpoint_is_never_sent():
    async def scenario():
        async with rig(setpoint_age_max_s=2.0) as r:
            r.submit(100.0, age_s=2.1)
            await until(lambda: r.runner.setpoints_expired == 1)
            r.submit(120.0, age_s=1.0)
            await r.settled()
            assert [f.words[1] for f in r.peer.writes[1:]] == [1200]

    run_async(scenario())


@pytest.mark.parametrize("p_mw", [math.nan, math.inf, -math.inf])
def test_a_setpoint_that_is_no_number_is_a_bug(p_mw):
    async def scenario():
        async with rig() as r:
            with pytest.raises(ValueError, match="u1: setpoint"):
                r.runner.submit(p_mw, clock())
            assert not r.runner.busy

    run_async(scenario())


def test_shadow_reads_and_never_writes():
    async def scenario():
        async with rig(hold_writes=True) as r:
            r.submit(100.0)
            reads = r.runner.reads
            await until(lambda: r.runner.reads >= reads + 3)
            assert (r.peer.writes, r.runner.busy, r.runner.writes) == ([], False, 0)
            r.peer.cut()  # nor after it has come back
            await until(lambda: r.runner.reconnects == 1)
            await until(lambda: r.runner.latest.quality == Quality.ONLINE)
            assert r.peer.writes == []

    run_async(scenario())


# 1. One dead or slow device delays or stops the others


def test_a_dead_device_costs_the_others_nothing():
    """frequenz-sdk #91: one dead inverter of 200 held the next setpoint for 5 s."""

    async def scenario():
        async with rig(timeout_s=0.5) as dead, rig(timeout_s=0.5) as slow, rig() as good:
            dead.device.silent = True
            slow.device.swallow_writes = 1
            order = []
            for name, r in (("dead", dead), ("slow", slow), ("good", good)):
                r.submit(100.0)
                answer = r.peer.answer

                def note(frame, name=name, answer=answer):
                    order.append((name, frame.function))
                    return answer(frame)

                r.peer.answer = note
            await good.settled()
            assert set_kw(good.device) == 100.0
            assert dead.runner.writes == slow.runner.writes == 0  # still waiting, alone
            assert ("good", WRITE) in order[:3]
            await until(lambda: not dead.runner.connected)
            await until(lambda: slow.runner.write_result is WriteResult.UNKNOWN)
            good.submit(90.0)
            await good.settled()
            assert set_kw(good.device) == 90.0
            assert (good.runner.writes_accepted, good.runner.reconnects) == (2, 0)

    run_async(scenario())


@pytest.mark.parametrize("pipelining", [False, True])
def test_a_poll_in_flight_gives_way_to_a_setpoint(pipelining):
    """It waits for one answer at most, not for the rest of the poll; pipelined, for none."""

    async def scenario():
        async with rig(timeout_s=10.0, pipelining=pipelining) as r:
            held = []
            r.peer.answer = held.append
            await until(lambda: held)  # the first transaction of a poll
            r.submit(100.0)
            if not pipelining:
                await asyncio.sleep(0.02)
                assert len(held) == 1
                r.peer.send(r.device(held[0]))
            await until(lambda: len(held) == 2)
            assert (held[1].function, held[1].words[1]) == (WRITE, 1000)
            reads, r.peer.answer = r.runner.reads, r.device
            for frame in held[not pipelining :]:
                r.peer.send(r.device(frame))
            await until(lambda: r.runner.accepted_mw == -0.1)
            await until(lambda: r.runner.reads > reads)  # the poll was not lost

    run_async(scenario())


def test_a_silent_unit_behind_a_gateway_is_lost_alone():
    async def scenario():
        gateway = fresh_depot()
        async with (
            rig(gateway, unit_id=1) as one,
            rig(unit_id=2, peer=one.peer, link=one.link, connect=False) as two,
        ):
            await until(lambda: "no response" in two.runner.reason)
            assert "exception 11" in two.runner.reason
            assert not two.runner.connected
            assert one.runner.connected
            gateway.unit_ids.add(2)
            await until(lambda: two.runner.connected and two.runner.latest)
            gateway.unit_ids.remove(2)
            await until(lambda: not two.runner.connected)
            assert two.runner.latest.quality == Quality.COMM_LOST
            one.submit(77.0)
            await one.settled()
            assert (one.runner.connected, one.link.epoch) == (True, 1)

    run_async(scenario())


# 2. Setpoint or mode not asserted again after a reconnect


def test_mode_dead_man_and_setpoint_are_asserted_again_after_a_reconnect():
    """evcc #33459, OpenEMS #3875. The device was restarted meanwhile, and has forgotten all."""

    async def scenario():
        async with rig() as r:
            r.submit(140.0)
            await r.settled()
            r.peer.answer = r.device = fresh_depot()
            r.peer.cut()
            await until(lambda: r.runner.reconnects == 1)
            await r.settled()
            assert (set_kw(r.device), r.device.image[102]) == (140.0, 1)
            assert (r.device.image[103], r.device.image[105]) == (10, 1650)
            first, second = r.peer.writes[-2:]
            assert (first.address, second.address) == (103, 100)  # the dead man before the mode
            assert r.runner.latest.quality == Quality.ONLINE

    run_async(scenario())


def test_what_is_asserted_again_is_never_stale():
    async def scenario():
        ahead_s = [0.0]
        async with rig() as r:
            r.runner._clock = now_s = lambda: clock() + ahead_s[0]
            r.runner.submit(-0.14, now_s())
            await r.settled()
            ahead_s[0] = 3.0  # older than 2 s by now
            r.peer.answer = r.device = fresh_depot()
            r.peer.cut()
            await until(lambda: r.runner.reconnects == 1)
            await r.settled()
            assert (set_kw(r.device), r.device.image[102]) == (0.0, 0)  # its own master, for now
            assert r.runner.setpoints_expired == 0  # it was sent, and is not said again
            r.runner.submit(-0.12, now_s())  # the next tick's
            await r.settled()
            assert (set_kw(r.device), r.device.image[102]) == (120.0, 1)

    run_async(scenario())


def test_the_newest_of_what_was_decided_meanwhile_is_sent():
    async def scenario():
        async with rig() as r:
            r.submit(140.0)
            await r.settled()
            await r.peer.stop()
            await until(lambda: not r.runner.connected)
            for load_kw in (130.0, 131.0, 132.0):
                r.submit(load_kw)
            assert not r.runner.busy  # nothing that a stop should wait for
            again = RawPeer(r.device, port=r.peer.port)
            async with again:
                await until(lambda: r.runner.accepted_mw == -0.132)
                assert [f.words[1] for f in again.writes if f.address == 100] == [1320]
            assert r.runner.setpoints_dropped == 2

    run_async(scenario())


def test_a_restart_behind_a_connection_that_lives_on_is_seen():
    async def scenario():
        async with rig() as r:
            r.submit(140.0)
            await r.settled()
            with capture_logs() as logs:
                r.peer.answer = r.device = fresh_depot()
                await until(lambda: r.device.image[102] == 1)
                await until(lambda: len(logs) == 2)
            assert set_kw(r.device) == 140.0
            assert r.device.image[103] == 10
            assert (r.link.epoch, r.runner.reconnects) == (1, 0)
            assert [line["event"] for line in logs] == ["device_mode_lost", "device_mode_back"]
            assert r.runner.reason == ""

    run_async(scenario())


def test_a_device_that_never_follows_is_not_flooded():
    """Each start takes it five transactions; one a poll is what it gets."""

    async def scenario():
        with capture_logs() as logs:
            await unruly()
        assert [line["event"] for line in logs] == ["device_mode_lost"]  # and never back

    async def unruly():
        async with rig(poll_s=0.1, setpoint_age_max_s=60.0) as r:
            r.device.fixed = {102}  # acknowledges the mode, and ignores it
            r.submit(140.0)
            await until(lambda: r.runner.writes >= 1)
            begun, began_s = len(r.peer.frames), clock()
            await until(lambda: len(r.peer.frames) >= begun + 25)
            assert clock() - began_s > 0.2
            assert r.runner.reason == "its mode or dead man fell back"

    run_async(scenario())


# 3. The last value held for ever; no tested fallback in the device


def test_a_device_that_does_not_take_the_dead_man_never_gets_a_setpoint():
    """venus #1643, evcc #33575."""

    async def scenario():
        device = fresh_depot()
        device.fixed = {103}
        async with rig(device, connect=False) as r:
            for _ in range(3):
                r.submit(140.0)
                writes = len(r.peer.writes)
                await until(lambda n=writes: len(r.peer.writes) > n)
            assert {f.address for f in r.peer.writes} == {103}
            assert r.runner.reason == "dead man not armed: watchdog is 0 s, wanted 10"
            device.fixed.clear()
            r.submit(140.0)
            await until(lambda: set_kw(device) == 140.0)

    run_async(scenario())


def test_a_lost_link_marks_the_value_at_once_and_keeps_it():
    async def scenario():
        async with rig() as r:
            await until(lambda: r.runner.latest is not None)
            r.device.silent = True  # so that nothing newer comes
            before, marked = r.runner.latest, []
            r.link.on_change(lambda up: marked.append((up, r.runner.latest, r.runner.connected)))
            r.peer.cut()
            await until(lambda: marked)
            up, latest, connected = marked[0]
            assert (up, connected, latest.quality) == (False, False, Quality.COMM_LOST)
            assert (latest.p_meas_mw, latest.measured_at_s) == (
                before.p_meas_mw,
                before.measured_at_s,
            )

    run_async(scenario())


def test_a_frozen_device_is_lost_though_its_link_is_up():
    async def scenario():
        async with rig() as r:
            since_s = r.runner.lost_since_s
            r.device.silent = True
            await until(lambda: not r.runner.connected)
            assert r.runner.latest.quality == Quality.COMM_LOST
            assert r.runner.lost_since_s > since_s
            await until(lambda: "no answer" in r.runner.reason)
            r.device.silent = False
            await until(lambda: r.runner.connected)
            await until(lambda: r.runner.latest.quality == Quality.ONLINE)

    run_async(scenario())


# 5. State says Ok while nothing is written; requested watts reported as delivered


def test_a_refused_setpoint_is_not_reported_as_taken():
    """OpenEMS #3752, frequenz-sdk #751."""

    async def scenario():
        async with rig() as r:
            r.submit(140.0)
            await r.settled()
            r.device.refuse_writes = 3
            r.submit(90.0)
            await until(lambda: r.runner.writes_refused == 1)
            assert r.runner.accepted_mw == -0.14
            assert r.runner.write_result is WriteResult.REFUSED
            assert r.runner.reason == "refused its last setpoint"
            assert r.runner.connected  # it does answer
            assert r.runner.latest.p_meas_mw == pytest.approx(-0.16)  # as measured

    run_async(scenario())


def test_an_unanswered_setpoint_is_unknown_and_not_sent_again():
    async def scenario():
        async with rig(poll_s=0.02) as r:
            r.submit(140.0)
            await r.settled()
            accepted_s = r.runner.accepted_s
            r.device.swallow_writes = 1
            r.submit(90.0)
            await until(lambda: r.runner.writes_unknown == 1)
            reads = r.runner.reads
            await until(lambda: r.runner.reads >= reads + 3)  # one lost write loses no device
            assert (r.runner.accepted_mw, r.runner.accepted_s) == (-0.14, accepted_s)
            assert r.runner.write_result is WriteResult.UNKNOWN
            assert [f.words[1] for f in r.peer.writes[1:]] == [1400, 900]
            assert r.runner.connected

    run_async(scenario())


def test_a_device_under_local_control_says_so():
    async def scenario():
        async with rig() as r:
            r.device.image[2] = 0
            await until(lambda: r.runner.latest and not r.runner.latest.remote)
            assert (r.runner.connected, r.runner.reason) == (True, "local control")

    run_async(scenario())


# What else may go wrong


def test_the_log_has_one_line_when_lost_and_one_when_back():
    async def scenario():
        with capture_logs() as logs:
            async with rig() as r:
                await r.peer.stop()
                await until(lambda: r.link.reason == "connection refused")
                async with RawPeer(r.device, port=r.peer.port):
                    await until(lambda: r.runner.connected)
        return [(line["event"], line["device"], line["log_level"]) for line in logs]

    assert run_async(scenario()) == [
        ("device_lost", "u1", "warning"),
        ("device_back", "u1", "info"),
    ]


def test_a_device_that_was_never_there_is_told_once():
    async def scenario():
        async with RawPeer(fresh_depot()) as peer:
            port = peer.port
        closed = RawPeer(fresh_depot(), port=port)
        closed.port = port
        with capture_logs() as logs:
            async with rig(peer=closed, connect=False) as r:
                await until(lambda: r.runner.reason == "connection refused")
        assert [(line["event"], line["reason"]) for line in logs] == [
            ("device_lost", "connection refused")
        ]

    run_async(scenario())


def test_a_bug_in_a_driver_goes_to_the_supervisor_and_benches_the_unit():
    async def scenario():
        async with rig() as r:

            async def broken():
                raise ZeroDivisionError

            r.runner._driver.read = broken
            with pytest.raises(ZeroDivisionError):
                await r.task
            assert (r.runner.connected, r.runner.reason) == (False, "its task failed")
            assert r.runner.latest.quality == Quality.COMM_LOST

    run_async(scenario())


def test_a_stop_is_no_loss():
    async def scenario():
        with capture_logs() as logs:
            async with rig() as r:
                r.submit(140.0)
                await r.settled()
        return logs

    assert run_async(scenario()) == []
