"""A plant that is served: its ticks, and what is around them while they run.

What is started first is stopped last:
tracer, metrics, status socket, control socket, what runs beside (api process, roller), ticks.
"""

import asyncio
import contextlib
import dataclasses
import functools
import os
import signal as os_signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from vppd.core.types import Params
from vppd.journal.header import About
from vppd.journal.writer import JournalWriter
from vppd.ops.api import past
from vppd.ops.control_socket import ControlServer
from vppd.ops.counted import counted
from vppd.ops.metrics_http import MetricsServer
from vppd.ops.status_socket import StatusServer
from vppd.runtime.console import Console
from vppd.runtime.console_start import Api, url_of
from vppd.runtime.handed import handed, listening_sockets
from vppd.runtime.keepsake import Keepsake
from vppd.runtime.loop import Done, forget
from vppd.runtime.notify import Notifier
from vppd.runtime.plant import Plant
from vppd.runtime.realtime import SlackCollector, apply_realtime, freeze_heap
from vppd.runtime.reloader import Reloader
from vppd.runtime.resume import Resumed
from vppd.runtime.roll import Roller
from vppd.runtime.scrapes import Scrapes, metrics_server
from vppd.runtime.shell import Shell, forget_event
from vppd.runtime.site import CONTROL_NAME, JOURNAL_NAME, SOCKET_NAME, Site
from vppd.runtime.supervisor import Job, restarted
from vppd.runtime.tracing import tick_tracer

log = structlog.get_logger()

STATUS = "status"  # name of the status socket, as the manager keeps it
BESIDE_STOP_S = 1.0  # the api process ends by itself when its pipe does


@dataclass(frozen=True, slots=True)
class Begun:
    """What start-up has made before there is a plant to serve."""

    site: Site
    notifier: Notifier
    shadow: bool
    params: Params
    keepsake: Keepsake | None  # None: nothing is kept for the next daemon
    resume: Resumed | None  # where to go on after a kill; None: a fresh start
    api: Api | None
    roller: Roller | None
    log_lines_dropped: Callable[[], int]


class Serving:
    """One run of the ticks, with all that tells of them and takes orders."""

    def __init__(self, begun: Begun, plant: Plant, journal: JournalWriter | None) -> None:
        config, state_dir = begun.site.config, begun.site.state_dir
        realtime = apply_realtime(config.site.realtime_priority, config.site.lock_memory)
        log.info(
            "realtime", scheduler=realtime.scheduler, memory=realtime.memory, gc=realtime.gc
        )  # fmt: skip
        self._begun = begun
        self._notifier = begun.notifier
        self._journal = journal
        self._slack = SlackCollector(time.monotonic)
        self._shell = shell = Shell(
            config, plant, clock=time.monotonic, utc=time.time, journal=journal,
            notifier=begun.notifier, realtime=realtime, shadow=begun.shadow,
            journal_dir=state_dir if journal is not None else None,
            log_lines_dropped=begun.log_lines_dropped, on_done=self._done,
            offload=asyncio.to_thread, resume=begun.resume,
            keep=forget if begun.keepsake is None else begun.keepsake.write,
        )  # fmt: skip
        self._console = self._open_console()
        self._scrapes = Scrapes(shell.teller.status)
        self._tracer = (
            None
            if config.tracing is None
            else tick_tracer(config.tracing, config.site.name, time.time)
        )
        self._metrics = self._open_metrics()
        self._status = StatusServer(state_dir / SOCKET_NAME, shell.teller.status)
        self._late_status: asyncio.Task[None] | None = None
        self._reloader = Reloader(
            begun.site, shell, begun.notifier, journal, shadow=begun.shadow,
            configured=self._configured,
        )  # fmt: skip
        self._control = ControlServer(state_dir / CONTROL_NAME, {"reload": self._reload})
        self._beside: list[asyncio.Task[None]] = []
        self._reloads: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Serve until a signal of the system, and the last setpoints are out."""
        async with contextlib.AsyncExitStack() as stop:
            if self._tracer is not None:
                stop.push_async_callback(asyncio.to_thread, self._tracer.close)
            if self._metrics is not None:
                stop.push_async_callback(self._metrics.stop)
                await self._metrics.start()
            stop.push_async_callback(self._status.stop)
            stop.callback(self._notifier.forget, STATUS)
            kept = listening_sockets(STATUS)
            self._notifier.forget(STATUS)
            self._notifier.keep(STATUS, self._status.bind(kept))
            stop.push_async_callback(self._control.stop)
            await self._control.start()
            stop.push_async_callback(self._stop_beside)
            if self._begun.resume is None:  # else after the first tick: see `_done`
                await self._status.start()
                self._start_beside()
            await self._shell.run(self._started)

    def _started(self) -> None:
        """Say READY: every task of the plant runs, the first tick comes."""
        freeze_heap()
        self._catch_signals()
        self._notifier.ready(counted(len(self._begun.params.ids), "unit"))
        about = {} if self._begun.api is None else {"console": url_of(self._begun.api)}
        log.info("ready", status_socket=str(self._status.path), **about)

    def _done(self, tick: Done) -> None:
        """Tell of a finished tick whoever is not of the plant itself."""
        if self._late_status is None and self._begun.resume is not None:
            # who came since the crash has waited for this tick
            self._late_status = asyncio.create_task(self._status.start())
            self._start_beside()
        if self._console is not None:
            self._console.publish(tick)
        self._scrapes.add(tick)
        if self._tracer is not None:
            self._tracer.add(tick)
        if self._metrics is not None:
            self._metrics.after_tick()
        # In the middle of what is left: not now, when the devices are about to write.
        slack_s = self._shell.ticks.slack_s
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, 0.5 * slack_s()), lambda: self._slack.collect(slack_s()))

    # -- beside the ticks -----------------------------------------------------------------------

    def _start_beside(self) -> None:
        """Start what takes seconds of CPU: after a crash not before the first tick."""
        jobs: dict[str, Job] = {}
        if self._console is not None:
            jobs["api"] = self._console.run
        roller = self._begun.roller
        if roller is not None and self._journal is not None:
            jobs["roll"] = functools.partial(roller.run, self._journal.put_event, time.time)
        tell = self._shell.alarms.task_failed
        for name, work in jobs.items():
            job = restarted(name, work, clock=time.monotonic, tell=tell)
            self._beside.append(asyncio.create_task(job))

    async def _stop_beside(self) -> None:
        for task in self._beside:
            task.cancel()
        if self._beside:
            await asyncio.wait(self._beside, timeout=BESIDE_STOP_S)

    def _open_metrics(self) -> MetricsServer | None:
        site = self._begun.site
        if site.config.metrics is None:
            return None
        slack_s = self._shell.ticks.slack_s
        return metrics_server(site.config.metrics, site.base_dir, self._scrapes, slack_s)

    def _open_console(self) -> Console | None:
        if self._begun.api is None:
            return None
        site, journal = self._begun.site, self._journal
        console = Console(
            self._begun.api,
            self._shell,
            site=site.config.site.name,
            state_dir=site.state_dir,
            journal=None if journal is None else site.state_dir / JOURNAL_NAME,
            utc=time.time,
            put_event=forget_event if journal is None else journal.put_event,
            history=self._open_history(),
        )
        if journal is not None:
            journal.on_event = console.hear_event
        return console

    def _open_history(self) -> int:
        """Memory file of the api process: the one that the manager keeps, or a new one."""
        kept = handed(past.NAME)
        for spare in kept[1:]:
            os.close(spare)
        history = kept[0] if kept else past.fresh()
        self._notifier.forget(past.NAME)
        self._notifier.keep(past.NAME, history)
        return history

    # -- signals and orders of the system ---------------------------------------------------------

    async def _reload(self, by: str) -> dict[str, Any]:
        return dataclasses.asdict(await self._reloader.reload(by))

    def _configured(self, params: Params, about: About) -> None:
        """Take over another configuration, between two ticks."""
        if self._begun.keepsake is not None:
            self._begun.keepsake.configure(params, about)
        if self._console is not None:
            self._console.of_plant(params)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (os_signal.SIGTERM, os_signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number.name)
        loop.add_signal_handler(os_signal.SIGHUP, self._hang_up)

    def _stop(self, name: str) -> None:
        if self._shell.loop.stopping:
            return  # it is on its way: asking again makes it no faster
        log.info("stopping", by=name)
        self._notifier.stopping("last setpoints")
        if self._journal is not None:
            self._journal.put_event(time.time(), "stop", by=name)
        self._shell.loop.stop()

    def _hang_up(self) -> None:
        task = asyncio.create_task(self._reload("SIGHUP"))
        self._reloads.add(task)  # a task that nobody holds may be collected
        task.add_done_callback(self._reloads.discard)
