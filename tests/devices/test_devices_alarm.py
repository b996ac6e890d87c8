"""Bell and alarm: what wakes the task of a device, and when."""

import asyncio
import math

import pytest
from virtual_loop import run_virtual

from vppd.devices.alarm import Alarm, Bell

NEVER = math.inf


def instants_of(*acts, waits=1, first_s=NEVER, then_s=NEVER):
    """When an alarm goes off for one who waits; `acts`: (instant, what to do with it)."""

    async def main(loop):
        alarm, went_off = Alarm(loop.time), []

        async def wait():
            await alarm.wait(first_s)
            went_off.append(loop.time())
            for _ in range(waits - 1):
                await alarm.wait(then_s)
                went_off.append(loop.time())

        task = asyncio.create_task(wait())
        for at_s, act in sorted(acts, key=lambda each: each[0]):
            loop.call_at(at_s, act, alarm)
        await asyncio.sleep(100.0)
        task.cancel()
        await asyncio.wait([task])
        return went_off

    return run_virtual(main)


def test_a_bell_wakes_who_waits_once_for_any_number_of_rings():
    async def main(loop):
        bell, woken = Bell(), []

        async def listen():
            while True:
                await bell.wait()
                woken.append(loop.time())

        task = asyncio.create_task(listen())
        await asyncio.sleep(1.0)
        bell.ring()
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        return woken

    assert run_virtual(main) == [1.0]


def test_a_ring_that_nobody_heard_lets_the_next_wait_pass_and_no_more():
    async def main(loop):
        bell = Bell()
        bell.ring()
        bell.ring()
        await bell.wait()
        assert loop.time() == 0.0
        loop.call_later(2.0, bell.ring)
        await bell.wait()
        return loop.time()

    assert run_virtual(main) == 2.0


def test_a_ring_between_two_waits_is_not_lost():
    """Also one that comes after the task was woken, and before it got to run."""

    async def main(loop):
        bell, woken = Bell(), []

        async def listen():
            for _ in range(2):
                await bell.wait()
                woken.append(loop.time())

        task = asyncio.create_task(listen())
        await asyncio.sleep(1.0)
        bell.ring()
        bell.ring()
        await asyncio.sleep(1.0)
        await task
        return woken

    assert run_virtual(main) == [1.0, 1.0]


def test_a_bell_whose_listener_was_cancelled_wakes_the_next():
    async def main(loop):
        bell = Bell()

        async def listen():
            await bell.wait()

        task = asyncio.create_task(listen())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        bell.ring()
        await listen()
        return loop.time()

    assert run_virtual(main) == 1.0


def test_an_alarm_goes_off_when_it_is_due():
    assert instants_of(first_s=3.0) == pytest.approx([3.0])
    assert instants_of(first_s=-1.0) == [0.0]
    assert instants_of() == []


def test_it_can_be_brought_forward_and_never_put_off():
    forward = [(1.0, lambda a: a.bring_forward(2.0)), (1.5, lambda a: a.bring_forward(50.0))]
    assert instants_of(*forward, first_s=9.0) == pytest.approx([2.0])
    at_once = (1.0, lambda a: a.bring_forward(-math.inf))
    assert instants_of(at_once, first_s=9.0) == pytest.approx([1.0])


def test_it_is_not_set_any_more_when_it_has_gone_off():
    assert instants_of(waits=2, first_s=1.0) == pytest.approx([1.0])
    assert instants_of(waits=3, first_s=1.0, then_s=4.0) == pytest.approx([1.0, 4.0, 4.0])


def test_held_it_does_not_go_off_until_released():
    hold = (1.0, Alarm.hold)
    assert instants_of(hold, first_s=2.0) == []
    release = (5.0, lambda a: a.release(NEVER))
    assert instants_of(hold, release, first_s=2.0) == pytest.approx([5.0])
    assert instants_of(hold, release, first_s=7.0) == pytest.approx([7.0])
    soon = (5.0, lambda a: a.release(5.05))
    assert instants_of(hold, soon, first_s=7.0) == pytest.approx([5.05])
    meanwhile = (2.0, lambda a: a.bring_forward(3.0))
    assert instants_of(hold, meanwhile, release, first_s=7.0) == pytest.approx([5.0])


def test_what_is_set_while_nobody_waits_counts_for_the_next_wait():
    async def main(loop):
        alarm = Alarm(loop.time)
        alarm.hold()
        alarm.release(2.0)
        alarm.bring_forward(1.0)
        await alarm.wait(5.0)
        first_s = loop.time()
        await alarm.wait(5.0)
        return first_s, loop.time()

    assert run_virtual(main) == pytest.approx((1.0, 5.0))


def test_one_that_is_given_up_leaves_nothing_behind():
    async def main(loop):
        alarm = Alarm(loop.time)

        async def wait():
            await alarm.wait(3.0)

        task = asyncio.create_task(wait())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(5.0)  # its timer finds nobody
        alarm.bring_forward(4.0)
        await alarm.wait(NEVER)
        return loop.time()

    assert run_virtual(main) == 6.0
