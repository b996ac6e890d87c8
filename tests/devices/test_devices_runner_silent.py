"""A device that is silent behind a link that lives: lost is said once, and back once."""

import asyncio

from structlog.testing import capture_logs
from virtual_loop import run_virtual

from vppd.devices.base import Reading
from vppd.devices.runner import DeviceRunner
from vppd.links.base import Answer, LinkError


class Broker:
    """A link that never breaks."""

    connected, epoch, reason = True, 1, ""

    async def wait_connected(self):
        return

    def on_change(self, _listener):
        return


class Depot:
    """Its start asks it nothing: what it once said of itself is kept by the broker."""

    def __init__(self, clock):
        self.clock = clock
        self.silent = False

    async def start(self, read_only=False):
        return

    async def read(self):
        if self.silent:
            raise LinkError("no telemetry for 2.5 s")
        return Reading(p_meas_mw=-0.1, measured_at_s=self.clock())

    async def write(self, p_setpoint_mw):
        raise AssertionError(f"nobody has decided {p_setpoint_mw} MW")


def test_a_depot_that_is_silent_behind_a_broker_is_lost_once_and_back_once():
    async def scenario(loop):
        driver = Depot(loop.time)
        runner = DeviceRunner("u1", driver, Broker(), loop.time, setpoint_age_max_s=2.0)
        task = loop.create_task(runner.run())
        await asyncio.sleep(5.0)
        driver.silent = True
        await asyncio.sleep(60.0)
        assert not runner.connected
        driver.silent = False
        await asyncio.sleep(5.0)
        assert runner.connected
        task.cancel()
        await asyncio.wait([task])
        return runner.reconnects

    with capture_logs() as lines:
        assert run_virtual(scenario) == 1
    assert [line["event"] for line in lines] == ["device_lost", "device_back"]


class Speaker(Depot):
    """It says when it is back; its first telemetry comes later."""

    def on_news(self, listener):
        self.say_online = listener


def test_a_depot_that_says_it_is_back_gets_the_next_setpoint_telemetry_or_not():
    sent_s = []

    class Back(Speaker):
        async def write(self, p_setpoint_mw):
            sent_s.append(self.clock())
            return Answer.ACCEPTED

    async def scenario(loop):
        driver = Back(loop.time)
        runner = DeviceRunner("u1", driver, Broker(), loop.time, setpoint_age_max_s=2.0)
        task = loop.create_task(runner.run())
        await asyncio.sleep(5.0)
        driver.silent = True
        await asyncio.sleep(60.4)  # somewhere between two of its polls
        assert not runner.connected
        driver.say_online()
        await asyncio.sleep(0.01)
        assert runner.connected
        runner.submit(-0.2, loop.time())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    run_virtual(scenario)
    assert len(sent_s) == 1
