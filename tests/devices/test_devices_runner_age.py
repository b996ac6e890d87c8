"""No setpoint leaves older than its age limit, however long it waits for its turn."""

import asyncio
import random

import pytest
from runtime.virtual_loop import run_virtual

from vppd.devices.base import Reading
from vppd.devices.runner import DeviceRunner
from vppd.links.base import Answer
from vppd.links.modbus import ModbusTcpConfig, ModbusTcpLink

AGE_MAX_S = 2.0


class Reply:
    registers = (0,)


class SlowClient:
    """One connection to a device far away: each answer takes its time."""

    def __init__(self, loop, answer_s, left):
        self.connected, self.ctx = True, self
        self._loop, self._answer_s, self._left = loop, answer_s, left

    async def connect(self):
        return True

    async def read_holding_registers(self, _address, *, count, device_id):
        await asyncio.sleep(self._answer_s())
        return Reply()

    async def write_registers(self, _address, words, *, device_id):
        self._left.append((words[0], self._loop.time()))
        await asyncio.sleep(self._answer_s())
        return Reply()

    def drop(self, _reason):
        self.connected = False


class Far:
    """A driver of that device. A setpoint of -k MW is written as k."""

    def __init__(self, link, loop):
        self._link, self._loop = link, loop

    async def start(self, read_only=False):
        del read_only

    async def write(self, p_setpoint_mw, *deadline):
        return await self._link.write_registers(1, 0, [round(-p_setpoint_mw)], *deadline)

    async def read(self):
        await self._link.read_registers(1, 0, 1)
        return Reading(0.0, self._loop.time())


class Timely(Far):
    async def write(self, p_setpoint_mw, before_s):
        return await super().write(p_setpoint_mw, before_s)


def run(answer_s, ticks, driver=Timely):
    """Send a setpoint each second; what left (number, at), when each was decided, the runner."""
    left, decided_s = [], []

    async def main(loop):
        config = ModbusTcpConfig(id="l", timeout_s=5.0, write_wait_max_s=60.0)
        link = ModbusTcpLink(
            config,
            random.Random(1),
            clock=loop.time,
            client=lambda *_: SlowClient(loop, answer_s, left),
        )
        runner = DeviceRunner(
            "u1", driver(link, loop), link, loop.time, setpoint_age_max_s=AGE_MAX_S
        )
        tasks = [asyncio.create_task(link.keep()), asyncio.create_task(runner.run())]
        await asyncio.sleep(0.1)  # the first read is under way
        for number in range(ticks):
            decided_s.append(loop.time())
            runner.submit(-float(number), loop.time())
            await asyncio.sleep(1.0)
        await asyncio.sleep(10.0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return runner

    return left, decided_s, run_virtual(main, start_s=1000.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_setpoint_that_grows_old_while_it_waits_for_its_turn_is_not_sent(seed):
    rng = random.Random(seed)
    left, decided_s, runner = run(lambda: rng.uniform(0.4, 4.0), 60)
    assert len(left) > 10
    for number, at_s in left:
        assert at_s - decided_s[number] <= AGE_MAX_S + 1e-3, number
    assert runner.setpoints_expired > 0
    assert runner.writes == len(left)
    assert runner.connected  # a slow device is not a lost one


def test_a_younger_one_is_sent_in_its_place_as_soon_as_the_turn_comes():
    answers_s = iter([3.5, *[0.1] * 100])  # the first read
    left, _, runner = run(lambda: next(answers_s), 6)
    numbers, instants_s = zip(*left, strict=True)
    assert numbers == (2, 3, 4, 5)  # 0 and 1 had grown old, one after the other
    assert instants_s[:2] == pytest.approx((1003.5, 1003.6), abs=0.01)
    assert (runner.setpoints_expired, runner.setpoints_unsent) == (2, 0)


def test_a_driver_that_knows_no_deadlines_is_served_all_the_same():
    class Early(Far):
        async def write(self, p_setpoint_mw):
            return await super().write(p_setpoint_mw)

    left, _, runner = run(lambda: 0.1, 3, driver=Early)
    assert [number for number, _ in left] == [0, 1, 2]
    assert runner.write_result == Answer.ACCEPTED.value
