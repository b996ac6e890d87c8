"""Where a daemon goes on: which ticks it starts for units whose links come up late."""

import asyncio
from types import SimpleNamespace

import pytest
from virtual_loop import run_virtual

from vppd.runtime.resume import RESUME_STEP_S, RESUME_STEPS, RESUME_WAIT_S
from vppd.runtime.shell import Shell, _wait_for


def ticks_of(comes_s):
    """When ticks are started for devices that come at these instants, s after the first look."""

    async def main(loop):
        devices = [SimpleNamespace(connected=False) for _ in comes_s]
        for device, at_s in zip(devices, comes_s, strict=True):
            loop.call_later(at_s, setattr, device, "connected", True)
        ticks_s = []
        shell = SimpleNamespace(
            loop=SimpleNamespace(start_now=lambda: ticks_s.append(round(loop.time(), 3)))
        )
        await asyncio.sleep(0.0)
        await Shell._take_in_late(shell, devices)
        return ticks_s, loop.time()

    return run_virtual(main)


def test_each_step_that_brings_units_starts_one_tick():
    assert ticks_of([0.05, 0.15, 0.5])[0] == [pytest.approx(RESUME_STEP_S), 0.6]


def test_nothing_is_started_where_all_are_there():
    ticks_s, ended_s = ticks_of([])
    assert ticks_s == []
    assert ended_s == 0.0


def test_who_does_not_come_is_not_waited_for_for_ever():
    ticks_s, ended_s = ticks_of([0.3, 1e6])
    assert ticks_s == [0.4]
    assert ended_s == pytest.approx(RESUME_STEPS * RESUME_STEP_S)


@pytest.mark.parametrize(("comes_s", "waited_s"), [(0.1, 0.1), (9.0, RESUME_WAIT_S)])
def test_the_first_tick_waits_for_units_but_not_for_long(comes_s, waited_s):
    async def main(loop):
        device = SimpleNamespace(connected=False)
        loop.call_later(comes_s, setattr, device, "connected", True)
        await _wait_for([device])
        return loop.time()

    assert run_virtual(main) == pytest.approx(waited_s, abs=0.006)
