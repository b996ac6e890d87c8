"""The tick source: absolute deadlines, skip and resync, ticks started early by the signal.

    grid   |         |         |         |        one tick a period
    AGC        *                   *              a fresh value starts a tick at once …
    ticks  |   |         |         |         |    … and the grid goes on from there

A frequency that has moved starts one, too; `ControlLoop` says when it has.

`Schedule` decides and knows no event loop; `TickClock` waits.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from vppd.core.types import Trigger
from vppd.runtime.timers import Timer, best_timer

EXPECTED_INTERVALS = 3  # after that many intervals without a value the grid waits no more


@dataclass(frozen=True, slots=True)
class TickTime:
    """When a tick starts, and why. Instants are monotonic seconds."""

    number: int  # a gap in the numbers is a missed tick
    trigger: Trigger
    due_s: float
    late_s: float  # >= 0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When values of one kind come. NaN: not known."""

    interval_s: float = math.nan
    last_s: float = math.nan

    def near(self, instant_s: float) -> float:
        """Expected arrival next to an instant; NaN if none is."""
        intervals = (instant_s - self.last_s) / self.interval_s
        if not 0.5 < intervals < EXPECTED_INTERVALS + 0.5:  # NaN is not, either
            return math.nan
        return self.last_s + round(intervals) * self.interval_s


class Schedule:
    """When the next tick is due. Pure: instants come in as arguments, monotonic seconds.

    Numbers belong to points of the grid. A tick that a fresh value starts takes the number
    of the next point in its place, and the grid goes on one period after it. Points that pass
    while a tick still runs are missed: counted, their numbers not used again, never run late in
    a burst.

    A point of the grid that lies around the instant at which the next value is expected waits
    for that value: otherwise two ticks would follow each other within milliseconds, the writes
    of the first would stand in the way of the second, and no unit could ramp far in between. AGC
    is expected by its configured interval, the frequency by that of its last two arrivals.

    Parameters
    ----------
    period_s : float
        Period of the grid, s.
    agc_interval_s : float or None
        How often AGC values are expected, s. None: the grid waits for none.
    agc_grace_s : float
        Half width of the expected arrival, s; at most a quarter of the period is used. Intervals
        between two arrivals jitter twice as far as one arrival: 0.15 s bears ±75 ms.
    min_gap_s : float
        Least time from a tick to one that a value starts, s: a burst of values is two
        ticks, for the first and for the newest. The grid does not wait for it.
    """

    def __init__(
        self,
        period_s: float,
        agc_interval_s: float | None = None,
        agc_grace_s: float = 0.15,
        min_gap_s: float = 0.1,
    ) -> None:
        if not period_s > 0.0:
            raise ValueError(f"period_s must be above 0, is {period_s}")
        self.missed = 0
        self._period_s = period_s
        self._grace_s = min(agc_grace_s, period_s / 4.0)
        self._min_gap_s = min_gap_s
        self._number = 0  # of the next point of the grid
        self._anchor_s = math.nan  # the grid is anchor + k * period: no error adds up
        self._k = 0
        self._started_s = -math.inf  # the last tick
        self._arrivals = {
            Trigger.AGC: Arrivals(math.nan if agc_interval_s is None else agc_interval_s),
            Trigger.FREQUENCY: Arrivals(),
        }
        self._woken_s = math.nan  # first arrival that no tick has taken in yet
        self._woken_by = Trigger.AGC
        self._waited_until_s = math.nan  # a value has come that the next point waited for

    def go_on_from(self, number: int, now_s: float, last_s: float) -> None:
        """Count on from the tick of that number, which began at `last_s`; the next is due now.

        Points that passed since keep their numbers for themselves, as those of missed ticks.
        """
        passed = max(0, math.floor((now_s - last_s) / self._period_s) - 1)
        self._number = number + 1 + passed

    def hear(self, now_s: float, what: Trigger) -> None:
        """Note that a value has come. It starts the tick that waited for it, if one did."""
        if self._grid_s() <= now_s < self._grid_due_s():
            self._waited_until_s = now_s
        before = self._arrivals[what]
        interval_s = before.interval_s
        if what is Trigger.FREQUENCY and before.last_s != now_s:
            interval_s = now_s - before.last_s
        self._arrivals[what] = Arrivals(interval_s, now_s)

    def wake(self, now_s: float, trigger: Trigger = Trigger.AGC) -> None:
        """Note a fresh value that starts a tick."""
        self.hear(now_s, trigger)
        if math.isnan(self._woken_s):
            self._woken_s, self._woken_by = now_s, trigger
        elif trigger is Trigger.AGC:
            self._woken_by = trigger

    def due(self) -> tuple[float, Trigger]:
        """Instant of the next tick, and what starts it."""
        due_s = self._grid_due_s()
        if math.isnan(self._woken_s):
            return due_s, Trigger.GRID
        return min(due_s, max(self._woken_s, self._started_s + self._min_gap_s)), self._woken_by

    def start(self, now_s: float) -> TickTime:
        """Take the tick that is due at `now_s` or was before, and move the grid on."""
        due_s, trigger = self.due()
        tick = TickTime(self._number, trigger, due_s, now_s - due_s)
        self._number += 1
        if trigger is not Trigger.GRID:
            self._anchor_s, self._k = now_s, 1
        else:
            self._k += 1
        self._woken_s = self._waited_until_s = math.nan
        self._started_s = now_s
        return tick

    def skip(self, now_s: float) -> None:
        """Drop the points that passed while the last tick ran. Call when it has ended."""
        if math.isnan(self._anchor_s):
            self._anchor_s = now_s  # the first tick is due at once
        if self._grid_due_s() >= now_s:
            return
        self._waited_until_s = math.nan
        points = math.floor((now_s - self._grid_s()) / self._period_s) + 1
        self.missed += points
        self._number += points
        self._k += points

    def _grid_s(self) -> float:
        return self._anchor_s + self._k * self._period_s

    def _grid_due_s(self) -> float:
        """Next point of the grid, moved behind an expected arrival if it lies around it."""
        if not math.isnan(self._waited_until_s):
            return self._waited_until_s
        grid_s = self._grid_s()
        for heard in self._arrivals.values():
            expected_s = heard.near(grid_s)
            if abs(grid_s - expected_s) <= self._grace_s:
                return expected_s + self._grace_s
        return grid_s


class TickClock:
    """Asynchronous iterator over the ticks, for ever.

    `async for tick in clock:` gives a `TickTime`; the body of the loop is the tick. A tick never
    starts before its deadline by `clock`. `wake()` may be called by any callback of the loop.
    See `Schedule` for the parameters; `timer` is the source of the alarm, by default the best
    that system, loop and clock give.
    """

    def __init__(
        self,
        period_s: float,
        clock: Callable[[], float],
        agc_interval_s: float | None = None,
        agc_grace_s: float = 0.15,
        min_gap_s: float = 0.1,
        timer: Timer | None = None,
    ) -> None:
        self._schedule = Schedule(period_s, agc_interval_s, agc_grace_s, min_gap_s)
        self._clock = clock
        self._timer = timer
        self._bell = asyncio.Event()

    @property
    def missed(self) -> int:
        """Points of the grid that were skipped since the start."""
        return self._schedule.missed

    @property
    def timer_name(self) -> str:
        """What rings: `timerfd`, `loop`; empty before the first tick."""
        return self._timer.name if self._timer is not None else ""

    def go_on_from(self, number: int, last_s: float) -> None:
        """Count on from another clock's last tick. Call it before the first one."""
        self._schedule.go_on_from(number, self._clock(), last_s)

    def wake(self, trigger: Trigger = Trigger.AGC) -> None:
        """Start a tick now: a fresh value is there."""
        self._schedule.wake(self._clock(), trigger)
        self._bell.set()

    def hear(self, what: Trigger) -> None:
        """Note a value that starts no tick of its own; the grid may wait for the next one."""
        self._schedule.hear(self._clock(), what)
        self._bell.set()

    def slack_s(self) -> float:
        """Time until the next tick is due, s; negative when it is late. For the tick's end."""
        return self._schedule.due()[0] - self._clock()

    def close(self) -> None:
        """Give the timer back. The clock does not tick again."""
        if self._timer is not None:
            self._timer.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TickTime:
        if self._timer is None:
            self._timer = best_timer(self._clock)
        self._schedule.skip(self._clock())
        while True:
            self._bell.clear()
            due_s, _ = self._schedule.due()
            now_s = self._clock()
            if now_s >= due_s:
                return self._schedule.start(now_s)
            self._timer.arm(due_s, self._bell.set)
            await self._bell.wait()
