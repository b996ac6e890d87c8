"""The timers on the real clock: never early, with asyncio and uvloop, and who gets which."""

import asyncio
import time
from pathlib import Path

import pytest
import uvloop
from helpers import Beats, run_async
from virtual_loop import run_virtual

from vppd.runtime.clock import TickClock
from vppd.runtime.timers import LoopTimer, TimerFd, best_timer

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def run_on(new_loop, main):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(asyncio.wait_for(main, 20.0))


def descriptors():
    return set(Path("/proc/self/fd").iterdir())


async def rung_at(timer, deadline_s):
    rung = asyncio.Event()
    timer.arm(deadline_s, rung.set)
    async with asyncio.timeout(5.0):
        await rung.wait()
    return time.monotonic()


@pytest.mark.parametrize("new_loop", LOOPS)
def test_timerfd_is_never_early(new_loop):
    async def scenario():
        timer = TimerFd()
        late_s = []
        for i in range(40):
            deadline_s = time.monotonic() + 0.0007 * (i % 7) + 1e-7 * i
            late_s.append(await rung_at(timer, deadline_s) - deadline_s)
        timer.close()
        return late_s

    assert min(run_on(new_loop, scenario())) >= 0.0


@pytest.mark.parametrize("new_loop", LOOPS)
def test_timerfd_in_the_past_rings_at_once(new_loop):
    async def scenario():
        timer = TimerFd()
        beats = Beats()
        await rung_at(timer, time.monotonic() - 100.0)
        await rung_at(timer, 0.0)  # 0 must not disarm it
        timer.close()
        return beats.stop()

    assert run_on(new_loop, scenario()) < 0.1


@pytest.mark.parametrize("make_timer", [TimerFd, lambda: LoopTimer(time.monotonic)])
def test_armed_again_it_rings_for_the_new_deadline_only(make_timer):
    async def scenario():
        timer = make_timer()
        heard = []
        timer.arm(time.monotonic() + 0.01, lambda: heard.append("old"))
        deadline_s = time.monotonic() + 0.03
        rung_s = await rung_at(timer, deadline_s)
        timer.close()
        return heard, rung_s - deadline_s

    heard, late_s = run_async(scenario())
    assert heard == []
    assert late_s >= 0.0


def test_timerfd_gives_its_descriptor_back():
    async def scenario():
        before = descriptors()
        timer = TimerFd()
        during = descriptors()
        timer.arm(time.monotonic() + 100.0, lambda: None)
        timer.close()
        timer.close()
        return len(during - before), descriptors() - before

    opened, left = run_async(scenario())
    assert opened == 1
    assert left == set()


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("make_timer", [TimerFd, lambda: LoopTimer(time.monotonic)])
def test_real_ticks_are_never_early(new_loop, make_timer):
    async def scenario():
        clock = TickClock(0.0213, time.monotonic, timer=make_timer())
        late_s = []
        async for tick in clock:
            late_s.append(time.monotonic() - tick.due_s)
            if len(late_s) == 12:
                break
        clock.close()
        return late_s

    assert min(run_on(new_loop, scenario())) >= 0.0


def test_best_timer_is_timerfd_on_the_monotonic_clock():
    async def scenario():
        timer = best_timer(time.monotonic)
        timer.close()
        return timer.name

    assert run_async(scenario()) == "timerfd"


def test_another_clock_gets_the_timer_of_the_loop():
    """A timerfd knows nothing of virtual time, and would ring at some other instant."""

    async def scenario(loop):
        clock = TickClock(1.0, loop.time)
        assert clock.timer_name == ""
        async for _ in clock:
            break
        return clock.timer_name

    assert run_virtual(scenario) == "loop"


def test_a_loop_without_readers_gets_its_own_timer(monkeypatch):
    async def scenario():
        loop = asyncio.get_running_loop()
        before = descriptors()

        def add_reader(*_):
            raise NotImplementedError

        monkeypatch.setattr(loop, "add_reader", add_reader)
        timer = best_timer(time.monotonic)
        monkeypatch.undo()
        return timer.name, descriptors() - before

    assert run_async(scenario()) == ("loop", set())


def test_a_system_without_timerfd_gets_the_timer_of_the_loop(monkeypatch):
    def no_timerfd():
        raise OSError(38, "Function not implemented")

    async def scenario():
        monkeypatch.setattr("vppd.runtime.timers._create", no_timerfd)
        return best_timer(time.monotonic).name

    assert run_async(scenario()) == "loop"


def test_wake_starts_a_tick_without_waiting_for_the_grid():
    async def scenario():
        clock = TickClock(1000.0, time.monotonic, min_gap_s=0.0)
        ticks = []
        async for tick in clock:
            ticks.append(tick.trigger.name)
            if len(ticks) == 4:
                break
            asyncio.get_running_loop().call_soon(clock.wake)
        clock.close()
        return ticks

    assert run_async(scenario()) == ["GRID", "AGC", "AGC", "AGC"]
