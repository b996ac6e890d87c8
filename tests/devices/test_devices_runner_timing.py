"""When a runner does what, in virtual time: a device that answers after 0.1 s."""

import asyncio
import random

import pytest
from runtime.virtual_loop import run_virtual

from vppd.devices.base import Reading
from vppd.devices.runner import DeviceRunner
from vppd.links.base import Answer, LinkError
from vppd.links.supervise import LinkState

ANSWER_S = 0.1
SETTLE_S = 0.05


class SlowDevice:
    """A driver that notes when it was asked for what."""

    def __init__(self, loop) -> None:
        self.loop, self.calls = loop, []
        self.start_fails = self.read_hangs = False
        self.following = True

    async def start(self, read_only: bool = False) -> None:
        self.calls.append(("start", self.loop.time()))
        await asyncio.sleep(ANSWER_S)
        if self.start_fails:
            raise LinkError("nameplate: another device")

    async def write(self, p_setpoint_mw: float) -> Answer:
        self.calls.append(("write", self.loop.time()))
        await asyncio.sleep(ANSWER_S)
        return Answer.ACCEPTED

    async def read(self) -> Reading:
        self.calls.append(("read", self.loop.time()))
        await asyncio.sleep(3600.0 if self.read_hangs else ANSWER_S)
        return Reading(-0.1, self.loop.time(), following=self.following)

    def times(self, kind: str) -> list[float]:
        return [at_s for call, at_s in self.calls if call == kind]


def run_for(duration_s: float, act=None, device=SlowDevice, **keys):
    """Run one runner on a link that is up; `act(runner, device, loop)` beside it."""

    async def main(loop):
        link, spoken_to = LinkState(), device(loop)
        fixed = {"setpoint_age_max_s": 2.0, "settle_s": SETTLE_S}
        runner = DeviceRunner("u1", spoken_to, link, loop.time, **(fixed | keys))
        task = asyncio.create_task(runner.run())
        link.set_up()
        beside = asyncio.create_task(act(runner, spoken_to, loop)) if act else None
        await asyncio.sleep(duration_s)
        tasks = [each for each in (task, beside) if each]
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)
        for each in tasks:
            assert each.cancelled() or each.exception() is None, each
        return runner, spoken_to

    return run_virtual(main, start_s=1000.0)


def test_without_setpoints_telemetry_comes_once_a_poll():
    _, device = run_for(5.0)
    assert device.times("read") == pytest.approx([1000.1, 1001.2, 1002.3, 1003.4, 1004.5])


def test_with_a_setpoint_each_second_no_poll_is_ever_in_its_way():
    async def act(runner, _device, loop):
        for tick in range(10):
            runner.submit(-0.1, loop.time())
            await asyncio.sleep(1.0)
            assert not runner.busy, tick

    runner, device = run_for(9.9, act)
    writes_s, reads_s = device.times("write"), device.times("read")
    assert writes_s == pytest.approx([1000.1] + [1000.0 + tick for tick in range(1, 10)])
    following_s = [at_s + ANSWER_S + SETTLE_S for at_s in writes_s]
    following_s[0] -= SETTLE_S  # the first read of all was due before
    assert reads_s == pytest.approx(following_s)
    assert runner.setpoints_dropped == 0


def test_shadow_runners_poll_at_their_phase():
    for phase_s in (0.25, 0.75):
        _, device = run_for(5.0, hold_writes=True, phase_s=phase_s)
        reads_s = device.times("read")[1:]
        assert [at_s % 1.0 for at_s in reads_s] == pytest.approx([phase_s] * len(reads_s))
        assert len(reads_s) >= 4


def test_a_device_that_cannot_be_started_is_asked_again_at_leisure():
    async def act(runner, device, loop):
        device.start_fails = True
        while True:  # setpoints do not hurry it
            runner.submit(-0.1, loop.time())
            await asyncio.sleep(0.2)

    runner, device = run_for(5.0, act)
    starts_s = device.times("start")
    assert starts_s == pytest.approx([1000.0, 1001.1, 1002.2, 1003.3, 1004.4])
    assert (runner.connected, runner.reason) == (False, "nameplate: another device")
    assert device.times("write") == []


def test_a_setpoint_does_not_wait_for_a_poll_and_is_read_back_after_it():
    async def act(runner, device, loop):
        await asyncio.sleep(1.25)  # a poll is under way from 1.2 to 1.3 s
        runner.submit(-0.1, loop.time())

    _, device = run_for(2.0, act)
    assert device.times("write") == pytest.approx([1001.25])
    assert device.times("read") == pytest.approx([1000.1, 1001.2, 1001.35 + SETTLE_S])


def test_polls_are_not_starved_by_setpoints_that_never_end():
    async def act(runner, _device, loop):
        while True:
            runner.submit(-0.1, loop.time())
            await asyncio.sleep(0.01)

    runner, device = run_for(5.0, act)
    assert len(device.times("write")) > 40
    assert len(device.times("read")) > 15
    assert runner.setpoints_dropped > 300


def test_a_poll_that_hangs_holds_no_setpoint():
    async def act(runner, device, loop):
        await asyncio.sleep(0.5)
        device.read_hangs = True
        await asyncio.sleep(2.0)
        runner.submit(-0.1, loop.time())

    _, device = run_for(9.0, act)
    assert device.times("write") == pytest.approx([1002.5])


def test_a_setpoint_that_grew_old_behind_another_is_not_sent():
    async def act(runner, device, loop):
        await asyncio.sleep(0.5)

        async def write(_p_mw):
            device.calls.append(("write", loop.time()))
            await asyncio.sleep(2.5)
            return Answer.UNKNOWN

        device.write = write
        runner.submit(-0.1, loop.time())
        await asyncio.sleep(0.1)
        runner.submit(-0.2, loop.time())

    runner, device = run_for(9.0, act)
    assert device.times("write") == pytest.approx([1000.5])
    assert runner.setpoints_expired == 1


def test_a_device_that_speaks_by_itself_is_read_when_it_has_spoken():
    class Speaking(SlowDevice):
        def on_news(self, listener):
            self.tell = listener

    async def act(_runner, device, _loop):
        for _ in range(3):
            await asyncio.sleep(0.4)
            device.tell()

    _, device = run_for(2.0, act, device=Speaking)
    assert device.times("read") == pytest.approx([1000.1, 1000.4, 1000.8, 1001.2])


def test_a_new_connection_that_nobody_saw_break_means_a_new_start():
    """Broken and made again within one answer, or a restart that the link itself noticed."""

    async def act(runner, _device, loop):
        await asyncio.sleep(0.5)
        runner.submit(-0.1, loop.time())
        await asyncio.sleep(1.0)
        runner._link.set_up()

    _, device = run_for(3.0, act, settle_s=0.0)
    assert device.times("start") == pytest.approx([1000.0, 1001.7])  # in place of the next poll
    assert device.times("write") == pytest.approx([1000.5, 1001.8])


def test_a_mode_that_fell_back_is_asserted_once_a_poll():
    async def act(_runner, device, _loop):
        await asyncio.sleep(0.5)
        device.following = False

    _, device = run_for(5.0, act)
    assert device.times("start") == pytest.approx([1000.0, 1001.3, 1002.5, 1003.7, 1004.9])


def test_a_mode_is_back_when_it_was_asserted_again_and_not_when_it_was_asked_for():
    seen = []

    async def act(runner, device, loop):
        await asyncio.sleep(0.5)
        device.following = False
        await asyncio.sleep(1.0)
        device.following = True  # nothing is asserted after the start at 1.3 s: no contradiction
        await asyncio.sleep(2.0)
        seen.append(runner.reason)
        runner.submit(-0.1, loop.time())
        await asyncio.sleep(0.5)
        seen.append(runner.reason)

    _, device = run_for(5.0, act)
    assert len(device.times("start")) == 2
    assert seen == ["its mode or dead man fell back", ""]


@pytest.mark.parametrize("seed", range(30))
def test_no_order_of_events_sends_what_nobody_decided_or_what_is_old(seed):
    """Links that come and go, setpoints and answers at random: invariants held."""
    rng, decided, sent = random.Random(seed), {}, []

    async def main(loop):
        link, device = LinkState(), SlowDevice(loop)
        runner = DeviceRunner("u1", device, link, loop.time, setpoint_age_max_s=2.0)

        async def write(p_mw):
            sent.append((p_mw, loop.time(), link.connected))
            await asyncio.sleep(rng.uniform(0.0, 0.8))
            return rng.choice(list(Answer))

        device.write = write
        task = asyncio.create_task(runner.run())
        for number in range(60):
            if rng.random() < 0.3:
                link.set_down("cut") if link.connected else link.set_up()
            if rng.random() < 0.7:
                decided[-float(number)] = loop.time()
                runner.submit(-float(number), loop.time())
            await asyncio.sleep(rng.uniform(0.0, 1.5))
        task.cancel()
        await asyncio.wait([task])
        return runner

    runner = run_virtual(main)
    assert len(sent) > 5
    for p_mw, at_s, connected in sent:
        assert connected
        assert 0.0 <= at_s - decided[p_mw] <= 2.0
    order = [decided[p_mw] for p_mw, _, _ in sent]
    assert order == sorted(order)  # never back to an older one
    answered = runner.writes_accepted + runner.writes_refused + runner.writes_unknown
    assert runner.writes == answered
    assert answered in (len(sent), len(sent) - 1)  # the last one may be on its way
