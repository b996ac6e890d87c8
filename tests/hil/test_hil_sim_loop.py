"""The loop of virtual time: order, jumps, what is taken back, what gets stuck, connections."""

import asyncio
import contextvars
import math
import random

import pytest

from hil.sim import loop as loops
from hil.sim.loop import StuckError, VirtualLoop, run


def runs(scenario, start_s=0.0):
    """Run `scenario(loop)`; return what it returns, and the loop."""
    loop = VirtualLoop(start_s)
    return run(scenario(loop), loop), loop


def notes_of(plan, duration_s=100.0):
    """What `plan(loop, note)` notes, with the instants."""
    noted = []

    async def scenario(loop):
        plan(loop, lambda what: noted.append((round(loop.time(), 9), what)))
        await asyncio.sleep(duration_s)

    runs(scenario)
    return noted


# Order


def test_time_jumps_to_the_next_timer_and_never_waits():
    async def scenario(loop):
        before_s = loop.time()
        await asyncio.sleep(86400.0)
        return loop.time() - before_s

    took_s, loop = runs(scenario, start_s=1000.0)
    assert took_s == 86400.0
    assert loop.time() == loop.now_s == 87400.0


@pytest.mark.parametrize("seed", range(20))
def test_timers_run_by_instant_and_then_as_they_were_asked_for(seed):
    """Near ones and far ones, cancellable or not, asked for at any instant."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    asked, ran = [], []

    def plan(loop, _note):
        def ask():
            when = loop.time() + rng.choice([0.0, 0.01, 0.05, 0.1, 0.3, 1.0, 7.7, rng.random()])
            key = (when, len(asked))
            asked.append(key)
            if rng.random() < 0.5:
                loop.call_at(when, ran.append, key)
            else:
                loop.push([when, loop.number(), ran.append, (key,)])

        def busy():
            for _ in range(rng.randrange(5)):
                ask()
            loop.call_later(rng.random(), busy)

        for _ in range(5):
            busy()

    notes_of(plan, 20.0)
    over = [key for key in asked if key[0] <= 20.0]
    assert len(over) > 100
    assert ran[: len(over)] == sorted(over)


def test_what_is_ready_runs_before_time_moves_on():
    def plan(loop, note):
        loop.call_later(0.0, note, "timer of now")
        loop.call_soon(loop.call_soon, note, "asked by what ran")
        loop.call_soon(note, "soon")
        loop.call_later(1e-9, note, "a moment later")

    assert [what for _, what in notes_of(plan)] == [
        "soon",
        "asked by what ran",
        "timer of now",
        "a moment later",
    ]


def test_tasks_take_turns_and_futures_wake_in_order():
    async def scenario(_loop):
        order, future = [], asyncio.get_running_loop().create_future()

        async def wait(name):
            await asyncio.sleep(0)
            order.append((name, await future))

        tasks = [asyncio.create_task(wait(name)) for name in "abc"]
        await asyncio.sleep(1.0)
        future.set_result(7)
        await asyncio.gather(*tasks)
        return order

    assert runs(scenario)[0] == [("a", 7), ("b", 7), ("c", 7)]


def test_a_stall_runs_late_what_was_due_in_it_and_in_its_order():
    def plan(loop, note):
        loop.call_later(1.0, loop.stall, 2.0)
        loop.push([2.5, loop.number(), note, ("pushed",)])
        for due_s in (3.5, 2.9, 1.2, 2.2):
            loop.call_later(due_s, note, due_s)

    assert notes_of(plan) == [(3.0, 1.2), (3.0, 2.2), (3.0, "pushed"), (3.0, 2.9), (3.5, 3.5)]


def test_a_wait_without_end_ends_with_the_run():
    async def scenario(_loop):
        forever = asyncio.create_task(asyncio.sleep(float("inf")))
        await asyncio.sleep(5.0)
        return forever

    forever, loop = runs(scenario)
    assert forever.cancelled()
    assert loop.time() == 5.0


# What is taken back


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 3.0])
def test_a_timer_that_is_taken_back_does_nothing(delay_s):
    def plan(loop, note):
        timer = loop.call_later(delay_s, note, "never")
        assert (timer.when(), timer.cancelled()) == (delay_s, False)
        timer.cancel()
        assert timer.cancelled()
        loop.call_later(delay_s, note, "after it")

    assert notes_of(plan) == [(delay_s, "after it")]


def test_what_is_ready_can_be_taken_back_by_what_runs_before_it():
    """Also a timer of the same instant, which is on its way already."""

    def plan(loop, note):
        handles = []

        def take_back():
            handles.pop(0).cancel()

        loop.call_soon(take_back)
        handles.append(loop.call_soon(note, "never"))
        loop.call_at(2.0, take_back)
        handles.append(loop.call_at(2.0, note, "never"))
        loop.call_at(2.0, note, "third")

    assert notes_of(plan) == [(2.0, "third")]


def test_time_does_not_stop_where_everything_was_taken_back():
    async def scenario(loop):
        for due_s in (1.0, 2.0, 50.0):
            loop.call_later(due_s, print).cancel()
        stops = []
        loop.call_later(3.0, lambda: stops.append(loop.time()))
        await asyncio.sleep(60.0)
        return stops

    assert runs(scenario)[0] == [3.0]


def test_timeouts_and_waits_of_asyncio_work():
    async def scenario(loop):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await asyncio.sleep(3.0)
        assert loop.time() == 2.0
        async with asyncio.timeout(2.0):
            await asyncio.sleep(1.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout_at(loop.time()):  # over before it begins
                await asyncio.sleep(1.0)
        task = asyncio.create_task(asyncio.sleep(9.0))
        done, waiting = await asyncio.wait([task], timeout=1.5)
        assert (done, waiting) == (set(), {task})
        task.cancel()
        return loop.time()

    assert runs(scenario)[0] == 4.5


# What goes wrong


def test_a_program_that_waits_for_nothing_is_stuck():
    async def scenario(_loop):
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError, match="will not come"):
        runs(scenario)


@pytest.mark.parametrize("how", ["call_soon", "call_later"])
def test_a_program_that_stays_at_one_instant_is_stuck(monkeypatch, how):
    monkeypatch.setattr(loops, "STUCK", 1000)

    async def scenario(loop):
        def again():
            loop.call_soon(again) if how == "call_soon" else loop.call_later(0.0, again)

        again()
        await asyncio.sleep(1.0)

    with pytest.raises(StuckError, match="does not move on from 3 s"):
        runs(scenario, start_s=3.0)


def test_what_is_due_when_nobody_gets_there_waits_for_ever():
    done = []

    async def scenario(loop):
        for when in (math.inf, 1e300):
            loop.call_at(when, done.append, when)
        await asyncio.sleep(1e6)
        done.append(loop.time())

    runs(scenario)
    assert done == [1e6]


def test_many_callbacks_at_many_instants_are_not(monkeypatch):
    monkeypatch.setattr(loops, "STUCK", 50)

    async def scenario(_loop):
        for _ in range(200):
            await asyncio.sleep(0.001)
        return True

    assert runs(scenario)[0]


def test_what_a_callback_raises_is_kept_and_the_rest_goes_on():
    async def scenario(loop):
        loop.call_later(1.0, lambda: 1 / 0)
        loop.call_soon([].pop)
        await asyncio.sleep(2.0)
        return loop.time()

    at_s, loop = runs(scenario)
    assert at_s == 2.0
    assert [type(fault["exception"]) for fault in loop.faults] == [IndexError, ZeroDivisionError]


def test_what_the_program_raises_comes_out_and_its_tasks_are_ended():
    ended = []

    async def other():
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(True)

    async def scenario(_loop):
        task = asyncio.create_task(other())
        await asyncio.sleep(1.0)
        raise LookupError(task.get_name())

    with pytest.raises(LookupError):
        runs(scenario)
    assert ended == [True]


def test_nothing_here_depends_on_contexts():
    """All callbacks share one: whoever needs a context variable would see another's."""
    variable = contextvars.ContextVar("variable", default=0)

    async def scenario(_loop):
        async def put():
            variable.set(5)

        await asyncio.create_task(put())
        return variable.get()

    assert contextvars.copy_context().run(lambda: runs(scenario)[0]) == 5


# Connections in memory


class Peer(asyncio.Protocol):
    """Notes what it hears."""

    def __init__(self, heard=None):
        self.heard = [] if heard is None else heard
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard.append(data)

    def connection_lost(self, exc):
        self.heard.append(exc)


def test_octets_go_both_ways_and_end_with_the_connection():
    async def scenario(loop):
        servers = []

        def accept():
            servers.append(Peer())
            return servers[-1]

        listener = await loop.create_server(accept, "127.0.0.1", 502)
        _, near = await loop.create_connection(Peer, "127.0.0.1", 502)
        (far,) = servers
        near.transport.write(b"to")
        near.transport.write(bytearray(b"get"))
        far.transport.write(b"back")
        near.transport.close()
        far.transport.write(b"too late")
        assert near.transport.is_closing()
        await asyncio.sleep(0.001)
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Peer, "127.0.0.1", 502)
        return near.heard, far.heard

    near, far = runs(scenario)[0]
    assert far == [b"to", b"get", None]
    assert near == [None]


def test_a_port_has_one_listener():
    async def scenario(loop):
        await loop.create_server(Peer, "127.0.0.1", 502)
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(Peer, "127.0.0.1", 502)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Peer, "127.0.0.1", 503)

    runs(scenario)
