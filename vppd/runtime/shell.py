"""The running plant: links, devices, signals and the control loop, started and stopped in order.

What the process around it has (sockets of the service manager, real-time settings, signals of the
system, threads) is not here but in `daemon`. So that this runs under a virtual clock as it does
under the real one, every clock comes from outside.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vppd.config.params import build_params
from vppd.config.schema import Config
from vppd.core.types import Decision, Image, Params, State
from vppd.journal.schema import Meta
from vppd.journal.writer import JournalWriter
from vppd.ops.status import Realtime
from vppd.runtime.alarms import AlarmFeed
from vppd.runtime.clock import TickClock
from vppd.runtime.live_scores import LiveScores, Offload, here, products_of
from vppd.runtime.loop import ControlLoop, Done
from vppd.runtime.notify import Notifier
from vppd.runtime.plant import Plant, standing_orders
from vppd.runtime.supervisor import Tell, essential, restarted, tell_nobody
from vppd.runtime.telling import Teller

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
    ) -> None:
        site = config.site
        self.params: Params = build_params(config)
        self.scores = LiveScores(
            products_of(config), self.params, utc=utc, offload=offload,
            record=_forget_event if journal is None else journal.put_event,
        )  # fmt: skip
        self.alarms = AlarmFeed(
            self.params, tuple(unit.device.link for unit in config.fleet), plant.signals,
            clock=clock, utc=utc, realtime=realtime, journal=journal,
            log_lines_dropped=log_lines_dropped, stopping=lambda: self.loop.stopping,
        )  # fmt: skip
        self.ticks = TickClock(site.tick_s, clock, config.guards.agc_interval_s)
        self.teller = Teller(
            site.name, self.params, plant.devices, plant.signals, self.ticks, notifier,
            clock=clock, realtime=realtime, journal=journal,
            log_lines_dropped=log_lines_dropped, shadow=shadow, products=self.scores.status,
            alarms=self.alarms.status,
        )  # fmt: skip
        self.loop = ControlLoop(
            self.params, standing_orders(config), plant.devices, plant.signals, self.ticks,
            clock=clock, utc=utc, tell=self._tell,
            record=_forget if journal is None else journal.put,
            write_chunk=int(site.write_chunk),
            stop_timeout_s=0.0 if shadow else site.stop_timeout_s,  # nobody would move
        )  # fmt: skip
        self._config = config
        self._plant = plant
        self._clock = clock
        self._on_done = on_done
        self._journal_dir = journal_dir
        self._offload = offload

    async def run(self, on_started: Callable[[], None]) -> None:
        """Serve until `loop.stop()` was called and the last setpoints are out.

        Raises ExceptionGroup when something fails that the plant cannot do without: the loop, or
        a signal.
        """
        try:
            async with asyncio.TaskGroup() as group:
                others = self._start_others(group)
                on_started()
                await self.loop.run()
                await flush(self._plant)
                for task in others:
                    task.cancel()
        finally:
            self.ticks.close()

    def _start_others(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start every task but the loop. A signal that fails ends the plant; a device does not."""
        plant = self._plant
        jobs = kept(plant, self._clock, self.alarms.task_failed)
        tasks = [group.create_task(job, name=name) for name, job in jobs]
        if self._journal_dir is not None:
            disk = partial(self.alarms.watch_disk, self._journal_dir, self._offload)
            job = restarted("disk", disk, clock=self._clock, tell=self.alarms.task_failed)
            tasks.append(group.create_task(job, name="disk"))
        if self._config.plan.products:
            job = restarted(
                "scores", self.scores.run, clock=self._clock, tell=self.alarms.task_failed
            )
            tasks.append(group.create_task(job, name="scores"))
        signals = zip(self._config.signals, plant.signals, strict=True)
        return tasks + [
            group.create_task(essential(f"signal {config.id}", signal.run), name=config.id)
            for config, signal in signals
        ]

    def _tell(self, done: Done) -> None:
        self.teller.tell(done)
        self.alarms.tell(done, self.ticks.missed)
        if self._config.plan.products:
            self.scores.add(done)
        if self._on_done is not None:
            self._on_done(done)


def _forget_event(utc_s: float, event: str, **fields: Any) -> None:
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
