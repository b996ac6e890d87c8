"""Who is restarted, and how often."""

import asyncio

import pytest
from virtual_loop import run_virtual

from vppd.runtime.supervisor import RESTARTS_MAX, essential, restarted


def test_a_job_that_keeps_failing_is_given_up():
    starts = []

    async def fails():
        starts.append(1)
        raise ValueError("bug")

    async def scenario(loop):
        await restarted("device x", fails, clock=loop.time)

    run_virtual(scenario)
    assert len(starts) == RESTARTS_MAX + 1


def test_failures_long_ago_are_forgiven():
    starts = []

    async def fails_now_and_then():
        starts.append(1)
        if len(starts) == 20:
            await asyncio.Event().wait()
        await asyncio.sleep(100.0)
        raise ValueError("rare bug")

    async def scenario(loop):
        task = loop.create_task(restarted("device x", fails_now_and_then, clock=loop.time))
        while len(starts) < 20:
            await asyncio.sleep(10.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(scenario)
    assert len(starts) == 20


def test_cancelling_ends_it_at_once():
    async def scenario(loop):
        task = loop.create_task(restarted("x", asyncio.Event().wait, clock=loop.time))
        await asyncio.sleep(0.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert run_virtual(scenario)


def test_an_essential_job_that_ends_by_itself_ends_the_daemon():
    async def ends():
        return None

    async def scenario(_loop):
        async with asyncio.TaskGroup() as group:
            group.create_task(essential("signal tso", ends))
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(scenario)
    assert "signal tso" in str(caught.value.exceptions[0])


def test_an_essential_job_that_is_cancelled_just_ends():
    async def scenario(loop):
        task = loop.create_task(essential("signal tso", asyncio.Event().wait))
        await asyncio.sleep(0.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert run_virtual(scenario)
