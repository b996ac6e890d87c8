"""The running plant: links, devices, signals and the control loop, started and stopped in order.

What the process around it has (sockets of the service manager, real-time settings, signals of the
system, threads) is not here but in `daemon`. So that this runs under a virtual clock as it does
under the real one, every clock comes from outside.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vppd.config.params import build_params
from vppd.config.schema import Config
from vppd.core.orders import Standing
from vppd.core.types import Decision, Image, Params, State
from vppd.devices.runner import DeviceRunner
from vppd.journal.schema import Meta
from vppd.journal.writer import JournalWriter
from vppd.ops.alarms.settings import settings_of
from vppd.ops.status import ProductStatus, Realtime
from vppd.runtime.alarms import AlarmFeed
from vppd.runtime.clock import TickClock
from vppd.runtime.loop import ControlLoop, Done, forget
from vppd.runtime.notify import Notifier
from vppd.runtime.offload import Offload, here
from vppd.runtime.plant import Plant, standing_orders
from vppd.runtime.reload import Change, led_out
from vppd.runtime.resume import RESUME_STEP_S, RESUME_STEPS, RESUME_WAIT_S, Resumed, recall_slots
from vppd.runtime.supervisor import Job, Tell, essential, restarted, tell_nobody
from vppd.runtime.telling import Teller

if TYPE_CHECKING:
    from vppd.runtime.live_scores import LiveScores

FLUSH_S = 1.0  # the last writes get that long to be answered


class Shell:
    """One plant of one configuration, for one run.

    Parameters
    ----------
    plant : Plant
        See `build_plant`. Its signals are bound by whoever made it.
    journal : JournalWriter or None
        None: nothing is recorded.
    clock, utc : callable
        Monotonic and wall clock, s.
    notifier : Notifier
        Hears of each finished tick.
    on_done : callable, optional
        Called with each finished tick, after everybody has been told.
    offload : callable
        Where products are scored: `asyncio.to_thread`, or in the loop.
    journal_dir : Path or None
        Whose disk is watched; None: no disk is.
    keep : callable
        Takes state and image of each tick, for a daemon that goes on after this one.
    resume : Resumed or None
        Where to go on; None: nothing is known.
    """

    def __init__(
        self,
        config: Config,
        plant: Plant,
        *,
        clock: Callable[[], float],
        utc: Callable[[], float],
        journal: JournalWriter | None,
        notifier: Notifier,
        realtime: Realtime,
        log_lines_dropped: Callable[[], int] = lambda: 0,
        shadow: bool = False,
        on_done: Callable[[Done], None] | None = None,
        offload: Offload = here,
        journal_dir: Path | None = None,
        keep: Callable[[State, Image], None] = forget,
        resume: Resumed | None = None,
    ) -> None:
        site = config.site
        self.params: Params = build_params(config)
        self.scores = _scores(config, self.params, utc, offload, journal)
        self.alarms = AlarmFeed(
            self.params, tuple(unit.device.link for unit in config.fleet), plant.signals,
            clock=clock, utc=utc, realtime=realtime, journal=journal,
            log_lines_dropped=log_lines_dropped, stopping=lambda: self.loop.stopping,
            settings=settings_of(config.alarms),
        )  # fmt: skip
        self.ticks = TickClock(site.tick_s, clock, config.guards.agc_interval_s)
        self.teller = Teller(
            site.name, self.params, plant.devices, plant.signals, self.ticks, notifier,
            clock=clock, realtime=realtime, journal=journal,
            log_lines_dropped=log_lines_dropped, shadow=shadow, alarms=self.alarms.status,
            priorities=self.alarms.priorities,
            products=_no_products if self.scores is None else self.scores.status,
        )  # fmt: skip
        self.loop = ControlLoop(
            self.params, standing_orders(config), plant.devices, plant.signals, self.ticks,
            clock=clock, utc=utc, tell=self._tell, keep=keep,
            record=_forget if journal is None else journal.put,
            write_chunk=int(site.write_chunk),
            stop_timeout_s=0.0 if shadow else site.stop_timeout_s,  # nobody would move
        )  # fmt: skip
        self.teller.count_in(self.loop.gone)
        self._journal = journal
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._ticked = asyncio.Event()
        self._utc = utc
        self._config = config
        self._plant = plant
        self._clock = clock
        self._on_done = on_done
        self._journal_dir = journal_dir
        self._leaving: list[int] = []  # units that a reload is about to take away
        self._offload = offload
        self._resume = resume
        if resume is not None:
            recall_slots(plant.devices, resume)
            self.ticks.go_on_from(resume.tick, resume.at_s)
            self.loop.go_on_from(resume.state, resume.heard)

    async def run(self, on_started: Callable[[], None]) -> None:
        """Serve until `loop.stop()` was called and the last setpoints are out.

        Raises ExceptionGroup when something fails that the plant cannot do without: the loop, or
        a signal.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._start_others(group)
                on_started()
                if self._resume is not None:
                    awaited = [self._plant.devices[i] for i in self._resume.took_part]
                    await _wait_for(awaited)
                    late = group.create_task(self._take_in_late(awaited), name="resume")
                    self._tasks["resume"] = late
                await self.loop.run()
                await flush(self._plant)
                self._group = None  # from here on nothing is changed over
                for task in self._tasks.values():
                    task.cancel()
        finally:
            self.ticks.close()

    async def _take_in_late(self, awaited: Sequence[DeviceRunner]) -> None:
        """Start a tick for those who come after the first one."""
        absent = _absent(awaited)
        for _ in range(RESUME_STEPS):
            if not absent:
                return
            await asyncio.sleep(RESUME_STEP_S)
            before, absent = absent, _absent(awaited)
            if absent < before:
                self.loop.start_now()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @property
    def plant(self) -> Plant:
        """The plant of it."""
        return self._plant

    async def change_over(self, change: Change) -> None:
        """Go on with another configuration: lead out who goes, then swap between two ticks.

        What stays the same in both stays connected, and knows what it knew. Raises RuntimeError
        where the plant is being stopped.
        """
        await self._lead_out(change.params)
        if self._group is None or self.loop.stopping:
            raise RuntimeError("the plant is being stopped")
        swapped = asyncio.get_running_loop().create_future()

        def swap() -> None:
            self._swap(change)
            swapped.set_result(None)

        self.loop.after_tick(swap)
        await swapped

    def with_leaving(self, standing: Standing) -> Standing:
        """Orders with those that lead units out which a reload takes away."""
        return led_out(standing, self.params, self._leaving) if self._leaving else standing

    async def _lead_out(self, params: Params) -> None:
        """Move units that will go to their safe values; the others take over what they leave."""
        stays = set(params.ids)
        gone = [i for i, unit in enumerate(self.params.ids) if unit not in stays]
        if not gone:
            return
        self._leaving = gone
        self.loop.standing = self.with_leaving(self.loop.standing)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.site.stop_timeout_s):
                arrived = False
                while not arrived:
                    self._ticked.clear()
                    await self._ticked.wait()
                    arrived = self.loop.have_arrived(gone)
            async with asyncio.timeout(FLUSH_S):
                while any(self._plant.devices[i].busy for i in gone):
                    await asyncio.sleep(0.01)

    def _swap(self, change: Change) -> None:
        """Put the new plant in the place of the old one. Nothing is awaited here."""
        old, stays = self._plant, {id(device) for device in change.plant.devices}
        for device in old.devices:
            if id(device) not in stays:
                device.retire()
                self._end_task(f"device {device.unit_id}")
                if device.unit_id not in change.params.ids:
                    self.loop.gone.add(device)
        for name, link in old.links.items():
            if change.plant.links.get(name) is not link:
                self._end_task(f"link {name}")
        self._leaving = []
        self.loop.of_plant(change.params, change.standing, change.plant.devices)
        self.teller.of_plant(change.params, change.plant.devices)
        links = [unit.device.link for unit in change.config.fleet]
        self.alarms.go_by(settings_of(change.config.alarms))
        self.alarms.of_units(change.params, links)
        if self.scores is not None:
            self.scores.of_units(change.params)
        if self._journal is not None:
            self._journal.reconfigure(change.params, change.about, self._utc())
        change.configured(change.params, change.about)
        self.params, self._config, self._plant = change.params, change.config, change.plant
        if self._group is not None:
            self._start_kept(self._group)

    def _end_task(self, name: str) -> None:
        self._tasks.pop(name).cancel()

    def _start_kept(self, group: asyncio.TaskGroup) -> None:
        """Start what keeps each link and drives each device, where that does not run yet."""
        for name, job in kept(self._plant, self._clock, self.alarms.task_failed):
            if name in self._tasks:
                job.close()
            else:
                self._tasks[name] = group.create_task(job, name=name)

    def _start_others(self, group: asyncio.TaskGroup) -> None:
        """Start every task but the loop. A signal that fails ends the plant; a device does not."""
        self._start_kept(group)
        beside: dict[str, Job] = {}
        if self._journal_dir is not None:
            beside["disk"] = partial(self.alarms.watch_disk, self._journal_dir, self._offload)
        if self.scores is not None:
            beside["scores"] = self.scores.run
        for name, work in beside.items():
            job = restarted(name, work, clock=self._clock, tell=self.alarms.task_failed)
            self._tasks[name] = group.create_task(job, name=name)
        for config, signal in zip(self._config.signals, self._plant.signals, strict=True):
            name = f"signal {config.id}"
            self._tasks[name] = group.create_task(essential(name, signal.run), name=config.id)

    def _tell(self, done: Done) -> None:
        self._ticked.set()
        self.teller.tell(done)
        self.alarms.tell(done, self.ticks.missed)
        if self.scores is not None:
            self.scores.add(done)
        if self._on_done is not None:
            self._on_done(done)


async def _wait_for(devices: Sequence[DeviceRunner]) -> None:
    """Where a daemon goes on: wait for the links of those who take part, though not for long.

    A tick before they are up would count them as out of reach and tell them nothing, and the next
    one is a period away.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RESUME_WAIT_S):
            while _absent(devices):
                await asyncio.sleep(0.005)


def _absent(devices: Sequence[DeviceRunner]) -> int:
    """How many are not connected yet."""
    return sum(not device.connected for device in devices)


def _scores(
    config: Config,
    params: Params,
    utc: Callable[[], float],
    offload: Offload,
    journal: JournalWriter | None,
) -> "LiveScores | None":
    """Make what scores the products; None: there are none, and the markets are not loaded."""
    if not config.plan.products:
        return None
    from vppd.runtime.live_scores import LiveScores, products_of  # noqa: PLC0415 - takes 0.1 s

    return LiveScores(
        products_of(config), params, utc=utc, offload=offload,
        record=forget_event if journal is None else journal.put_event,
    )  # fmt: skip


def _no_products() -> tuple[ProductStatus, ...]:
    return ()


def forget_event(utc_s: float, event: str, **fields: Any) -> None:
    """Record nothing."""


def _forget(_meta: Meta, _state: State, _image: Image, _decision: Decision) -> None:
    """Record nothing."""


def kept(
    plant: Plant, clock: Callable[[], float], tell: Tell = tell_nobody
) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Give what keeps each link and drives each device, by name; started again where it fails."""
    jobs = [(f"link {name}", link.keep) for name, link in plant.links.items()]
    jobs += [(f"device {device.unit_id}", device.run) for device in plant.devices]
    for name, job in jobs:
        yield name, restarted(name, job, clock=clock, tell=tell)


async def flush(plant: Plant) -> None:
    """Wait until every setpoint that can still be sent was sent and answered, or time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_S):
            while any(device.busy for device in plant.devices):
                await asyncio.sleep(0.01)
