"""A step test of one unit: told, watched until it has settled, fitted, brought back.

The unit is driven by the same links and drivers as by the daemon, and by nobody else meanwhile:
whoever calls holds the lock of the state folder. It never leaves its rating, its ramp, or what it
says it can do, and it is brought back to its basepoint however the test ends.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vppd.config.schema import Config, UnitConfig
from vppd.devices.runner import DeviceRunner
from vppd.links.base import Link
from vppd.runtime.plant import build_plant
from vppd.runtime.step_fit import Estimate, Fit, FitError, Record, fit

POLL_S = 0.1  # telemetry is read that often, where the device is as fast
TELL_S = 1.0  # setpoints are said again that often, and ramps go in such steps
LOOK_S = 0.02
CONNECT_S = 15.0
HOLD_LEAST_S = 3.0
HOLD_UNKNOWN_S = 15.0  # of a unit without dead time and lag in its configuration
LAGS = 5.0  # that many, and the unit has settled
PATIENCE = 3.0  # times the hold that is due, then the test goes on
RETURN_S = 5.0  # the last setpoint gets that long to be accepted, beside its ramp
CYCLES_S = 60.0  # a quick unit goes through its steps again and again, for so long
CYCLES_MAX = 4
SMALL_PCT = (0.25, 0.5, 1.0, 2.0)  # steps that look for the dead band, of the range
SIGMAS = 3.0

Tell = Callable[[str, float, float], None]  # what is going on; told and measured, MW


class CommissionError(Exception):
    """The test could not be made; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a test will do."""

    unit: UnitConfig
    up_mw: float  # level of the step up, and down; the basepoint where there is no room
    down_mw: float
    hold_s: float  # at each level
    cycles: int
    small_mw: tuple[float, ...]  # steps that look for the dead band

    @property
    def least_s(self) -> float:
        """How long it takes at least."""
        return self.hold_s * (1.0 + 4.0 * self.cycles + 2.0 * len(self.small_mw))


@dataclass(frozen=True, slots=True)
class Found:
    """What a test has found."""

    plan: Plan
    record: Record
    fit: Fit
    dead_band_mw: Estimate  # value: largest step that it did not act on
    resolution_mw: float  # no coarser than that


def plan_test(unit: UnitConfig, step_pct: float, *, small: bool) -> Plan:
    """Say what a test does. Raises CommissionError where there is no room for a step."""
    range_mw = unit.p_max_mw - unit.p_min_mw
    step_mw = range_mw * step_pct / 100.0
    up_mw = min(unit.basepoint_mw + step_mw, unit.p_max_mw)
    down_mw = max(unit.basepoint_mw - step_mw, unit.p_min_mw)
    if not up_mw - down_mw > 0.0:
        raise CommissionError(f"{unit.id}: its limits leave no room for a step")
    slowest = min(unit.ramp_up_mw_per_s, unit.ramp_down_mw_per_s)
    answer_s = unit.dead_time_s + LAGS * unit.lag_s
    hold_s = max(HOLD_LEAST_S, answer_s if answer_s > 0.0 else HOLD_UNKNOWN_S)
    hold_s += max(up_mw - unit.basepoint_mw, unit.basepoint_mw - down_mw) / slowest
    cycles = min(max(math.ceil(CYCLES_S / (4.0 * hold_s)), 1), CYCLES_MAX)
    small_mw = tuple(range_mw * pct / 100.0 for pct in SMALL_PCT) if small else ()
    return Plan(unit, up_mw, down_mw, hold_s, cycles, small_mw)


async def commission(config: Config, base_dir: Path, plan: Plan, tell: Tell) -> Found:
    """Make the test. Raises CommissionError, FitError, ValueError, OSError."""
    async with _driven(config, base_dir, plan.unit) as runner:
        test = StepTest(runner, plan, tell)
        try:
            await test.run()
        finally:
            await test.back()
    return test.found()


@contextlib.asynccontextmanager
async def _driven(config: Config, base_dir: Path, unit: UnitConfig) -> AsyncIterator[DeviceRunner]:
    """Give the unit's runner, with its link, and nothing else of the plant."""
    alone = replace(
        config,
        site=replace(config.site, tick_s=POLL_S),
        links=tuple(link for link in config.links if link.id == unit.device.link),
        fleet=(unit,),
        signals=(),
    )
    clock, rng = asyncio.get_running_loop().time, random.Random()
    plant = build_plant(alone, base_dir, clock=clock, utc=time.time, rng=rng, shadow=False)
    runner, (link,) = plant.devices[0], plant.links.values()
    tasks = [asyncio.create_task(link.keep()), asyncio.create_task(runner.run())]
    try:
        await _connected(runner, link, tasks)
        yield runner
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _now_s() -> float:
    """Monotonic s, of the loop: its time may be virtual."""
    return asyncio.get_running_loop().time()


async def _connected(runner: DeviceRunner, link: Link, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the first reading."""
    give_up_s = _now_s() + CONNECT_S
    while not runner.connected or runner.latest is None:
        for task in tasks:
            if task.done():
                task.result()
        if _now_s() > give_up_s:
            why = runner.reason or link.reason or "no reading"
            raise CommissionError(f"{runner.unit_id} cannot be reached: {why}")
        await asyncio.sleep(LOOK_S)
    if not runner.latest.remote:
        raise CommissionError(f"{runner.unit_id} is in local control and takes no orders")


class StepTest:
    """One test under way."""

    def __init__(self, runner: DeviceRunner, plan: Plan, tell: Tell) -> None:
        self._runner = runner
        self._plan = plan
        self._tell = tell
        self._told: list[tuple[float, float]] = []  # instant and MW of each accepted setpoint
        self._seen: list[tuple[float, float]] = []
        self._levels: list[tuple[float, float, float]] = []  # MW; settled from, until
        latest, unit = runner.latest, plan.unit
        here_mw = unit.basepoint_mw if latest is None else latest.p_meas_mw
        here_mw = unit.basepoint_mw if math.isnan(here_mw) else here_mw
        self._aim_mw = min(max(here_mw, unit.p_min_mw), unit.p_max_mw)
        self._sent_s = -math.inf

    async def run(self) -> None:
        """Up, back, down, back, then small steps. Raises CommissionError."""
        plan, base_mw = self._plan, self._plan.unit.basepoint_mw
        await self._hold(base_mw, "to its basepoint")
        for k in range(plan.cycles):
            of = f" ({k + 1} of {plan.cycles})" if plan.cycles > 1 else ""
            for level_mw, name in ((plan.up_mw, "step up"), (plan.down_mw, "step down")):
                if level_mw != base_mw:
                    await self._hold(level_mw, name + of)
                    await self._hold(base_mw, "back" + of)
        sign = 1.0 if plan.up_mw > base_mw else -1.0
        for size_mw in plan.small_mw:
            await self._hold(base_mw + sign * size_mw, f"small step of {1e3 * size_mw:.0f} kW")
            await self._hold(base_mw, "back")

    async def back(self) -> None:
        """Bring the unit to its basepoint, whatever has happened; never for long."""
        unit = self._plan.unit
        slowest = min(unit.ramp_up_mw_per_s, unit.ramp_down_mw_per_s)
        until_s = _now_s() + RETURN_S + abs(self._aim_mw - unit.basepoint_mw) / slowest
        asked_s = _now_s()
        while _now_s() < until_s:
            self._step_towards(unit.basepoint_mw)
            runner = self._runner
            arrived = runner.accepted_mw == unit.basepoint_mw and runner.accepted_s >= asked_s
            if arrived and not runner.busy:
                return
            await asyncio.sleep(LOOK_S)

    async def _hold(self, level_mw: float, name: str) -> None:
        """Go to a level and stay until the unit has settled there."""
        began_s, plan = _now_s(), self._plan
        while True:
            self._step_towards(level_mw)
            self._watch()
            now_s = _now_s()
            measured_mw = self._seen[-1][1] if self._seen else math.nan
            self._tell(name, self._aim_mw, measured_mw)
            due = now_s - began_s >= plan.hold_s
            if due and (self._is_still() or now_s - began_s >= PATIENCE * plan.hold_s):
                break
            await asyncio.sleep(LOOK_S)
        self._levels.append((level_mw, now_s - 0.3 * plan.hold_s, now_s))

    def _step_towards(self, level_mw: float) -> None:
        """Tell the next setpoint, once in `TELL_S`: within rating, ramp and what it can do."""
        now_s, unit, latest = _now_s(), self._plan.unit, self._runner.latest
        if now_s - self._sent_s < TELL_S:
            return
        low_mw, high_mw = unit.p_min_mw, unit.p_max_mw
        if latest is not None:
            low_mw = float(np.fmax(low_mw, latest.p_avail_min_mw))
            high_mw = float(np.fmin(high_mw, latest.p_avail_max_mw))
        rise_mw, fall_mw = unit.ramp_up_mw_per_s * TELL_S, unit.ramp_down_mw_per_s * TELL_S
        aim_mw = min(max(level_mw, self._aim_mw - fall_mw), self._aim_mw + rise_mw)
        self._aim_mw = min(max(aim_mw, low_mw), max(low_mw, high_mw))
        self._runner.submit(self._aim_mw, now_s)
        self._sent_s = now_s

    def _watch(self) -> None:
        """Take in what was accepted and what was read since."""
        runner = self._runner
        if not runner.connected:
            raise CommissionError(f"{runner.unit_id} was lost: {runner.reason}")
        told = (runner.accepted_s, runner.accepted_mw)
        if not math.isnan(told[0]) and (not self._told or told[0] > self._told[-1][0]):
            self._told.append(told)
        reading = runner.latest
        if reading is None or math.isnan(reading.p_meas_mw):
            return
        if not reading.remote:
            raise CommissionError(f"{runner.unit_id} went into local control")
        if not self._seen or reading.measured_at_s > self._seen[-1][0]:
            self._seen.append((reading.measured_at_s, reading.p_meas_mw))

    def _is_still(self) -> bool:
        """Whether the power moved no more over the last third of a hold than noise does."""
        third_s, now_s = self._plan.hold_s / 3.0, _now_s()
        late = [p for t, p in self._seen if t > now_s - 0.5 * third_s]
        early = [p for t, p in self._seen if now_s - third_s < t <= now_s - 0.5 * third_s]
        if min(len(late), len(early)) < 2:
            return True
        noise_mw = math.hypot(np.std(late), np.std(early)) / math.sqrt(min(len(late), len(early)))
        least_mw = 0.01 * (self._plan.up_mw - self._plan.down_mw)
        return abs(float(np.mean(late) - np.mean(early))) <= SIGMAS * noise_mw + least_mw

    def found(self) -> Found:
        """Fit what was recorded. Raises FitError."""
        unit = self._plan.unit
        (told_s, told_mw), (seen_s, seen_mw) = (
            np.array(pairs).reshape(-1, 2).T for pairs in (self._told, self._seen)
        )
        moved = np.concatenate(([True], np.diff(told_mw) != 0.0))  # said again is nothing new
        if not moved.size:
            raise FitError("no setpoint was accepted")
        record = Record(told_s[moved], told_mw[moved], seen_s, seen_mw)
        result = fit(
            record, dead_max_s=0.7 * self._plan.hold_s, lag_max_s=0.5 * self._plan.hold_s,
            up_mw_per_s=unit.ramp_up_mw_per_s, down_mw_per_s=unit.ramp_down_mw_per_s,
        )  # fmt: skip
        settled = [self._settled(result, *level) for level in self._levels]
        coarse_mw = max((abs(off) + SIGMAS * bound for off, bound, _ in settled), default=0.0)
        return Found(self._plan, record, result, self._dead_band(settled), 2.0 * coarse_mw)

    def _settled(
        self, result: Fit, level_mw: float, from_s: float, until_s: float
    ) -> tuple[float, float, float]:
        """How far a settled level is off the fit, its bound, and the level measured, MW."""
        there = [p for t, p in self._seen if from_s < t <= until_s]
        if not there:
            return 0.0, math.inf, math.nan
        mean_mw = float(np.mean(there))
        bound_mw = result.noise_mw / math.sqrt(len(there))
        return mean_mw - result.gain.value * level_mw - result.offset_mw, bound_mw, mean_mw

    def _dead_band(self, settled: list[tuple[float, float, float]]) -> Estimate:
        """Largest small step that the unit did not act on, and what noise leaves unseen."""
        sizes, ignored_mw, unseen_mw = self._plan.small_mw, 0.0, 0.0
        first = len(settled) - 2 * len(sizes)
        for k, size_mw in enumerate(sizes):
            at, before = settled[first + 2 * k], settled[first + 2 * k - 1]
            noise_mw = SIGMAS * math.hypot(at[1], before[1])
            moved_mw = abs(at[2] - before[2])
            if size_mw <= noise_mw:
                unseen_mw = max(unseen_mw, size_mw)
            elif moved_mw < 0.5 * size_mw:
                ignored_mw = max(ignored_mw, size_mw)
        return Estimate(ignored_mw, unseen_mw)
