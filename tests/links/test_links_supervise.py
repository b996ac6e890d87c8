"""The helper that keeps every link connected: back-off, state, loop."""

import asyncio
import random

import pytest
from helpers import run_async, until

from vppd.links.base import LinkError
from vppd.links.supervise import Backoff, LinkState, keep_connected, words


def test_backoff_doubles_its_ceiling_up_to_the_cap():
    backoff = Backoff(0.1, 2.0, random.Random(1))
    ceilings = []
    for _ in range(7):
        ceilings.append(backoff.ceiling_s)
        assert 0.0 <= backoff.next_s() <= ceilings[-1]
    assert ceilings == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])


def test_backoff_has_full_jitter_and_its_seed_fixes_it():
    waits_s = []
    for seed in range(200):
        backoff = Backoff(1.0, 1.0, random.Random(seed))
        waits_s.append(backoff.next_s())
        assert Backoff(1.0, 1.0, random.Random(seed)).next_s() == waits_s[-1]
    assert min(waits_s) < 0.05  # a storm of links that lost their peer together is spread
    assert max(waits_s) > 0.95


def test_backoff_begins_anew_after_a_reset():
    backoff = Backoff(0.1, 2.0, random.Random(1))
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.ceiling_s == 0.1


@pytest.mark.parametrize(("minimum_s", "maximum_s"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_backoff_refuses_a_range_that_is_none(minimum_s, maximum_s):
    with pytest.raises(ValueError, match="back-off"):
        Backoff(minimum_s, maximum_s, random.Random(1))


def test_state_tells_changes_and_not_states():
    async def scenario():
        state, seen = LinkState(), []
        state.on_change(seen.append)
        assert (state.connected, state.epoch, state.reason) == (False, 0, "not connected yet")
        state.set_down("connection refused")  # the first failure is news
        state.set_down("no route to host")  # the next one is not, but its reason is kept
        assert (seen, state.reason) == ([False], "no route to host")
        state.set_up()
        assert (state.connected, state.epoch, state.reason) == (True, 1, "")
        await state.wait_connected()
        state.set_down("closed by the peer")
        assert seen == [False, True, False]
        state.set_up()
        assert state.epoch == 2

    run_async(scenario())


def test_keep_connected_keeps_the_reason_of_each_failure():
    async def scenario():
        state, reasons = LinkState(), []
        outcomes = iter(
            [ConnectionRefusedError(111, "x"), TimeoutError("no connection"), LinkError("bad"), ""]
        )

        async def session():
            reasons.append(state.reason)
            outcome = next(outcomes)
            if outcome:
                raise outcome
            state.set_up()
            await asyncio.Event().wait()
            return "never"

        keeper = asyncio.create_task(
            keep_connected(state, session, Backoff(1e-4, 1e-3, random.Random(1)))
        )
        await until(lambda: state.connected)
        keeper.cancel()
        state.on_change(lambda up: reasons.append(f"told {up}"))
        with pytest.raises(asyncio.CancelledError):
            await keeper
        assert (state.connected, state.reason) == (False, "stopped")
        assert reasons == ["not connected yet", "connection refused", "no connection", "bad"]

    run_async(scenario())


def test_a_bug_in_a_session_is_not_taken_for_a_lost_link():
    async def session():
        raise ZeroDivisionError

    async def scenario():
        state = LinkState()
        with pytest.raises(ZeroDivisionError):
            await keep_connected(state, session, Backoff(0.1, 1.0, random.Random(1)))
        assert state.reason == "its task failed"

    run_async(scenario())


def test_words_are_the_same_under_every_event_loop():
    assert words(ConnectionRefusedError(111, "Connect call failed ('::1', 1)")) == (
        "connection refused"
    )
    assert words(OSError(-2, "Name or service not known")) == "name or service not known"
    assert words(TimeoutError()) == "TimeoutError"
