"""Turns on a connection that takes one request at a time, in virtual time."""

import asyncio

import pytest
from runtime.virtual_loop import run_virtual

from vppd.links.base import ExpiredError
from vppd.links.turn import Turn


def test_writers_go_first_and_each_kind_in_its_order():
    order = []

    async def main(_loop):
        turn = Turn()

        async def hold(name, wait):
            await wait()
            order.append(name)
            turn.give()

        assert turn.take()
        assert not turn.take()
        kinds = {"r": turn.wait_to_read, "w": turn.wait_to_write}
        tasks = [asyncio.create_task(hold(n, kinds[n[0]])) for n in ("r1", "w1", "r2", "w2")]
        await asyncio.sleep(0)
        turn.give()
        await asyncio.wait(tasks)
        assert turn.take()

    run_virtual(main)
    assert order == ["w1", "w2", "r1", "r2"]


@pytest.mark.parametrize(
    ("keys", "waited_s"),
    [
        ({"before_s": 102.0, "wait_max_s": 5.0}, 2.0),
        ({"before_s": 102.0}, 2.0),
        ({"before_s": 99.0}, 0.0),
        ({"before_s": 110.0, "wait_max_s": 1.0}, 1.0),
        ({"wait_max_s": 1.0}, 1.0),
    ],
)
def test_a_turn_that_does_not_come_in_time(keys, waited_s):
    async def main(loop):
        turn = Turn(loop.time)
        assert turn.take()
        with pytest.raises(ExpiredError, match="no turn on the connection within"):
            await turn.wait_to_write(**keys)
        assert loop.time() - 100.0 == pytest.approx(waited_s, abs=2e-3)
        turn.give()
        assert turn.take()  # nobody waits any more

    run_virtual(main, start_s=100.0)


def test_a_turn_that_comes_in_time_and_is_noticed_too_late_is_passed_on():
    """The machine stood still between the two."""

    async def main(loop):
        turn = Turn(loop.time)
        assert turn.take()
        late = asyncio.create_task(turn.wait_to_write(before_s=102.0))
        await asyncio.sleep(1.0)
        turn.give()
        loop.now_s += 1.5
        with pytest.raises(ExpiredError):
            await late
        assert turn.take()

    run_virtual(main, start_s=100.0)
