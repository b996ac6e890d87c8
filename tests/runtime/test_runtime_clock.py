"""The tick clock in virtual time: tables of sequences, and long runs with a jittering signal."""

import asyncio
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_loop import run_virtual

from vppd.core.types import Trigger
from vppd.runtime.clock import Schedule, TickClock
from vppd.runtime.timers import LoopTimer

GRID, AGC, FREQUENCY = Trigger.GRID, Trigger.AGC, Trigger.FREQUENCY
HEARD = "a frequency that starts no tick"


def tick_times(*, until_s, period_s=1.0, start_s=0.0, agc_s=(), lasting=None, **options):
    """Run a clock: `agc_s` are arrivals, `lasting` maps a tick's number to its duration, s."""
    seen = []

    async def scenario(loop):
        clock = TickClock(period_s, loop.time, timer=LoopTimer(loop.time), **options)
        for at_s in agc_s:
            loop.call_at(at_s, clock.wake)
        async for tick in clock:
            if loop.time() > until_s:
                break
            seen.append((tick, loop.time()))
            await asyncio.sleep((lasting or {}).get(tick.number, 0.0))
        clock.close()
        return clock.missed

    missed = run_virtual(scenario, start_s)
    assert all(tick.due_s <= at_s for tick, at_s in seen), "a tick started before its deadline"
    assert all(tick.late_s == pytest.approx(at_s - tick.due_s) for tick, at_s in seen)
    return seen, missed


def rows(seen):
    """Number, trigger and start of each tick, for comparison with a table."""
    return [(tick.number, tick.trigger, pytest.approx(at_s)) for tick, at_s in seen]


@pytest.mark.parametrize(
    ("name", "options", "expected", "missed"),
    [
        (
            "a free grid",
            {"until_s": 3.5},
            [(0, GRID, 0.0), (1, GRID, 1.0), (2, GRID, 2.0), (3, GRID, 3.0)],
            0,
        ),
        (
            "any start",
            {"until_s": 103.0, "start_s": 101.25},
            [(0, GRID, 101.25), (1, GRID, 102.25)],
            0,
        ),
        (
            "a tick of 2.3 s: two are missed, none runs late",
            {"until_s": 7.5, "lasting": {2: 2.3}},
            [(n, GRID, float(n)) for n in (0, 1, 2, 5, 6, 7)],
            2,
        ),
        (
            "a tick as long as the period misses none",
            {"until_s": 3.5, "lasting": {1: 1.0}},
            [(n, GRID, float(n)) for n in (0, 1, 2, 3)],
            0,
        ),
        (
            "an early tick replaces the next one of the grid, which goes on from there",
            {"until_s": 3.5, "agc_s": [1.3]},
            [(0, GRID, 0.0), (1, GRID, 1.0), (2, AGC, 1.3), (3, GRID, 2.3), (4, GRID, 3.3)],
            0,
        ),
        (
            "a value soon after a tick waits for the gap",
            {"until_s": 2.5, "agc_s": [1.03]},
            [(0, GRID, 0.0), (1, GRID, 1.0), (2, AGC, 1.1), (3, GRID, 2.1)],
            0,
        ),
        (
            "a burst is two ticks: the first value, and the newest after the gap",
            {"until_s": 2.5, "agc_s": [1.5, 1.51, 1.53, 1.58, 1.59]},
            [(0, GRID, 0.0), (1, GRID, 1.0), (2, AGC, 1.5), (3, AGC, 1.6)],
            0,
        ),
        (
            "a value that comes during a tick starts the next one at its end",
            {"until_s": 3.0, "agc_s": [1.2], "lasting": {1: 0.5}},
            [(0, GRID, 0.0), (1, GRID, 1.0), (2, AGC, 1.5), (3, GRID, 2.5)],
            0,
        ),
        (
            "the same with an overrun: the points that passed are missed",
            {"until_s": 5.0, "agc_s": [1.2], "lasting": {1: 2.3}},
            [(0, GRID, 0.0), (1, GRID, 1.0), (4, AGC, 3.3), (5, GRID, 4.3)],
            2,
        ),
        (
            "the grid waits for a value that is a little late",
            {"until_s": 4.0, "agc_s": [0.5, 2.56], "agc_interval_s": 2.0},
            [(0, GRID, 0.0), (1, AGC, 0.5), (2, GRID, 1.5), (3, AGC, 2.56), (4, GRID, 3.56)],
            0,
        ),
        (
            "the grid waits as long as the grace",
            {"until_s": 2.8, "agc_s": [0.5, 2.64], "agc_interval_s": 2.0},
            [(0, GRID, 0.0), (1, AGC, 0.5), (2, GRID, 1.5), (3, AGC, 2.64)],
            0,
        ),
        (
            "the grid waits where the value is expected a little after it",
            {"until_s": 2.7, "agc_s": [0.5, 2.6], "agc_interval_s": 2.1},
            [(0, GRID, 0.0), (1, AGC, 0.5), (2, GRID, 1.5), (3, AGC, 2.6)],
            0,
        ),
        (
            "a tick that ends while the grid would be waiting anyway misses nothing",
            {"until_s": 3.0, "agc_s": [0.5], "agc_interval_s": 2.0, "lasting": {2: 1.1}},
            [(0, GRID, 0.0), (1, AGC, 0.5), (2, GRID, 1.5), (3, GRID, 2.65)],
            0,
        ),
        (
            "a gap longer than the period does not hold up the grid, which takes the value in",
            {"until_s": 0.25, "period_s": 0.1, "agc_s": [0.15], "min_gap_s": 0.5},
            [(0, GRID, 0.0), (1, GRID, 0.1), (2, AGC, 0.2)],
            0,
        ),
        (
            "a lost value: the grid waited, ticks, and keeps its phase",
            {"until_s": 9.6, "agc_s": [0.5], "agc_interval_s": 2.0, "agc_grace_s": 0.1},
            [
                (0, GRID, 0.0),
                (1, AGC, 0.5),
                (2, GRID, 1.5),
                (3, GRID, 2.6),
                (4, GRID, 3.5),
                (5, GRID, 4.6),
                (6, GRID, 5.5),
                (7, GRID, 6.6),
                (8, GRID, 7.5),
                (9, GRID, 8.5),  # three intervals without a value: it is not expected any more
                (10, GRID, 9.5),
            ],
            0,
        ),
        (
            "a fast grid: the grace is a quarter of the period, no point is lost to it",
            {"until_s": 0.65, "period_s": 0.1, "agc_s": [0.195], "agc_interval_s": 0.2},
            [
                (0, GRID, 0.0),
                (1, GRID, 0.1),
                (2, AGC, 0.2),
                (3, GRID, 0.3),
                (4, GRID, 0.42),
                (5, GRID, 0.5),
                (6, GRID, 0.62),
            ],
            0,
        ),
        (
            "AGC as often as the grid: AGC only",
            {"until_s": 4.0, "agc_s": [0.5, 1.52, 2.48, 3.51], "agc_interval_s": 1.0},
            [(0, GRID, 0.0), (1, AGC, 0.5), (2, AGC, 1.52), (3, AGC, 2.48), (4, AGC, 3.51)],
            0,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sequence(name, options, expected, missed):
    seen, counted = tick_times(**options)
    assert rows(seen) == expected
    assert counted == missed


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_jittering_agc_gives_one_tick_each_and_one_between(seed):
    n = 1000
    rng = random.Random(seed)
    agc_s = [0.5 + 2.0 * i + rng.uniform(-0.06, 0.06) for i in range(n)]
    seen, missed = tick_times(agc_s=agc_s, until_s=2.0 * n - 0.6, agc_interval_s=2.0)
    first = next(i for i, (tick, _) in enumerate(seen) if tick.trigger is AGC)
    triggers = [tick.trigger for tick, _ in seen[first:]]
    assert triggers == [AGC, GRID] * (n - 1) + [AGC]
    assert [at_s for tick, at_s in seen if tick.trigger is AGC] == pytest.approx(agc_s)
    assert missed == 0


def test_drifting_agc_is_followed():
    agc_s = [2.013 * i for i in range(1, 300)]  # 0.65 % slow: 2 s of phase in 5 minutes
    seen, _ = tick_times(agc_s=agc_s, until_s=2.013 * 299.2, agc_interval_s=2.0)
    gaps_s = [b - a for (_, a), (_, b) in itertools.pairwise(seen[6:])]
    assert min(gaps_s) > 0.99
    assert max(gaps_s) < 1.02


def test_numbers_grow_and_gaps_are_the_missed_ones():
    rng = random.Random(7)
    lasting = {n: rng.expovariate(1.5) for n in range(400)}
    agc_s = sorted(rng.uniform(0.0, 300.0) for _ in range(200))
    seen, missed = tick_times(agc_s=agc_s, until_s=300.0, lasting=lasting, agc_interval_s=2.0)
    numbers = [tick.number for tick, _ in seen]
    gaps = sum(b - a - 1 for a, b in itertools.pairwise(numbers))
    assert sorted(set(numbers)) == numbers
    assert missed > 20
    assert gaps <= missed <= gaps + 1  # one more when the run ends in a gap


def test_lateness_counts_from_the_first_value_that_waits():
    schedule = Schedule(1.0)
    schedule.skip(0.0)
    schedule.start(0.0)
    for arrival_s in (0.2, 0.3, 0.4):  # while the tick runs
        schedule.wake(arrival_s)
    schedule.skip(0.5)
    tick = schedule.start(0.5)
    assert (tick.trigger, tick.due_s) == (AGC, 0.2)
    assert tick.late_s == pytest.approx(0.3)


def test_a_stalled_loop_is_told_as_lateness_then_skipped():
    schedule = Schedule(1.0)
    schedule.skip(0.0)
    assert schedule.start(0.0).late_s == 0.0
    schedule.skip(0.001)
    tick = schedule.start(3.4)  # nothing ran in between: the machine was paused
    assert (tick.number, tick.due_s) == (1, 1.0)
    assert tick.late_s == pytest.approx(2.4)
    schedule.skip(3.4)
    assert schedule.missed == 2
    assert schedule.due() == (4.0, GRID)


def test_a_year_of_ticks_does_not_drift():
    schedule = Schedule(0.1)
    schedule.skip(1e6)
    schedule.start(1e6)
    schedule.skip(1e6 + 31_536_000.05)
    assert schedule.missed == 315_360_000
    assert schedule.due()[0] == pytest.approx(1e6 + 31_536_000.1, abs=1e-6)


@settings(max_examples=300)
@given(
    period_s=st.sampled_from([0.1, 0.5, 1.0, 4.0]),
    interval_s=st.sampled_from([None, 0.1, 2.0, 4.0]),
    steps=st.lists(
        st.tuples(st.floats(0.0, 10.0), st.sampled_from([GRID, AGC, FREQUENCY, HEARD])),
        max_size=40,
    ),
)
def test_no_tick_is_early_or_closer_than_the_gap(period_s, interval_s, steps):
    """Any interleaving of arrivals, tick lengths and stalls."""
    schedule = Schedule(period_s, interval_s)
    now_s = 5.0
    schedule.skip(now_s)
    last = schedule.start(now_s)
    started_s = now_s
    for forward_s, what in steps:
        now_s += forward_s
        if what is HEARD:
            schedule.hear(now_s, FREQUENCY)
        elif what is not GRID:
            schedule.wake(now_s, what)
        schedule.skip(now_s)
        due_s, trigger = schedule.due()
        assert due_s <= now_s + 1.5 * period_s, "the clock fell asleep"
        now_s = max(now_s, due_s)
        tick = schedule.start(now_s)
        assert tick.number > last.number
        assert tick.trigger is trigger
        assert trigger is (GRID if what is HEARD else what)
        assert now_s - started_s >= min(0.1, period_s / 2.0) - 1e-9
        last, started_s = tick, now_s


def test_agc_names_a_tick_that_a_frequency_started_just_before():
    schedule = Schedule(1.0)
    schedule.skip(0.0)
    schedule.start(0.0)
    schedule.wake(0.04, FREQUENCY)
    schedule.wake(0.06)
    assert schedule.due() == (0.1, AGC)


def test_an_expected_frequency_is_waited_for_until_it_stays_away():
    schedule = Schedule(1.0)
    schedule.skip(0.0)
    schedule.start(0.0)
    for k in range(2):  # each second, shortly after the grid
        schedule.hear(0.05 + k, FREQUENCY)
    schedule.skip(1.06)
    waits = []
    for _ in range(5):
        due_s, trigger = schedule.due()
        waits.append(round(due_s % 1.0, 9))
        schedule.start(due_s)
    assert trigger is GRID
    assert waits == [0.2, 0.2, 0.2, 0.0, 0.0]


def test_what_the_grid_has_waited_for_ends_its_wait_and_is_not_late():
    schedule = Schedule(1.0)
    schedule.skip(0.0)
    schedule.start(0.0)
    schedule.hear(0.05, FREQUENCY)
    schedule.hear(1.05 - 0.1, FREQUENCY)  # a little early: the grid need not wait
    assert schedule.due() == (1.0, GRID)
    schedule.start(1.0)
    schedule.hear(1.9, FREQUENCY)
    schedule.start(2.0)
    assert schedule.due() == (pytest.approx(3.0), GRID)
    schedule = Schedule(1.0)
    schedule.skip(0.0)
    for k in range(2):
        schedule.start(float(k))
        schedule.hear(k + 0.05, FREQUENCY)
    assert schedule.due()[0] == pytest.approx(2.2)
    schedule.hear(2.08, FREQUENCY)
    tick = schedule.start(2.08)
    assert (tick.trigger, tick.due_s, tick.late_s) == (GRID, 2.08, 0.0)
    assert schedule.missed == 0
    assert schedule.due()[0] == pytest.approx(3.08 + 0.03 + 0.15)


def test_slack_is_the_time_to_the_next_tick():
    async def scenario(loop):
        clock = TickClock(1.0, loop.time, timer=LoopTimer(loop.time))
        slacks_s = []
        async for tick in clock:
            await asyncio.sleep(0.25 if tick.number < 2 else 1.5)
            slacks_s.append(clock.slack_s())
            if tick.number == 2:
                break
        return slacks_s

    assert run_virtual(scenario) == pytest.approx([0.75, 0.75, -0.5])


def test_a_period_of_zero_is_refused():
    with pytest.raises(ValueError, match="period_s must be above 0, is 0"):
        Schedule(0.0)
