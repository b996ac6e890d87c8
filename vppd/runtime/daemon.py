"""Start-up and stop of the daemon, in order.

configuration -> lock -> log -> kernels -> sockets -> links and devices -> READY -> loop
stop: last setpoints, within limits -> sent -> links -> journal -> lock
"""

import asyncio
import contextlib
import dataclasses
import functools
import os
import random
import signal as os_signal
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import structlog
import uvloop

from vppd import __version__
from vppd.config.load import config_hash
from vppd.config.params import build_params
from vppd.core.types import Params
from vppd.journal.header import About
from vppd.journal.recover import Recovery
from vppd.journal.writer import JournalWriter
from vppd.ops.api import past
from vppd.ops.control_socket import ControlServer
from vppd.ops.counted import counted
from vppd.ops.log import LogSetup
from vppd.ops.metrics_http import MetricsServer
from vppd.ops.status_socket import StatusServer
from vppd.runtime import keepsake
from vppd.runtime.console import Console
from vppd.runtime.console_start import Api, open_api, url_of
from vppd.runtime.handed import handed, listening_sockets
from vppd.runtime.heads import HeadTeller
from vppd.runtime.journal_settings import has_key, heads_path, limits_of, signer_of
from vppd.runtime.keepsake import Keepsake
from vppd.runtime.loop import ControlLoop, Done, forget
from vppd.runtime.notify import Notifier
from vppd.runtime.plant import Plant, build_plant
from vppd.runtime.realtime import SlackCollector, apply_realtime, freeze_heap
from vppd.runtime.reloader import Reloader
from vppd.runtime.resume import Resumed, resumed
from vppd.runtime.roll import Roller
from vppd.runtime.scrapes import Scrapes, metrics_server
from vppd.runtime.shell import Shell, forget_event
from vppd.runtime.site import CONTROL_NAME, JOURNAL_NAME, SOCKET_NAME, Site
from vppd.runtime.supervisor import Job, restarted
from vppd.runtime.tracing import tick_tracer

log = structlog.get_logger()

STATUS, API = "status", "api"  # names of the sockets, as the manager keeps them
CONSOLE_STOP_S = 1.0  # the api process ends by itself when its pipe does


def run_daemon(site: Site, notifier: Notifier, log_setup: LogSetup, *, shadow: bool) -> None:
    """Run until SIGTERM or SIGINT, on a state folder that the caller has locked. See `start`.

    Raises ExceptionGroup when something fails that the daemon cannot do without: the loop, or a
    signal. No last setpoint is sent then, for nothing is known to be right: the units go to their
    fallbacks by their own watchdogs.
    """
    log.info(
        "starting", version=__version__, pid=os.getpid(), units=len(site.config.fleet),
        shadow=shadow, config_sha256=config_hash(site.text)[:12],
    )  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_Daemon(site, notifier, log_setup, shadow=shadow).run())
        except ExceptionGroup:
            log.critical("failed", exc_info=True)
            raise
    log.info("stopped")


class _Daemon:
    """One run. Holds what start-up makes until the stop."""

    def __init__(
        self, site: Site, notifier: Notifier, log_setup: LogSetup, *, shadow: bool
    ) -> None:
        self._site = site
        self._log_setup = log_setup
        self._shadow = shadow
        self._params = build_params(site.config)
        self._notifier = notifier
        self._about = About(site.config.site.name, config_hash(site.text))
        self._keepsake = None if shadow else self._open_keepsake()
        self._resume = self._take_up()
        self._late_status: asyncio.Task[None] | None = None
        self._api: Api | None = None
        self._roller = roller_of(site)

    async def run(self) -> None:
        """Start, tick until a signal of the system, stop."""
        config = self._site.config
        plant = build_plant(
            config,
            self._site.base_dir,
            clock=time.monotonic,
            utc=time.time,
            rng=random.Random(),
            shadow=self._shadow,
        )
        for signal in plant.signals:
            await signal.bind()
        try:
            if config.api is not None:
                self._api = open_api(config.api, self._site.base_dir, listening_sockets(API))
                self._notifier.forget(API)
                self._notifier.keep(API, self._api.listening.fileno())
            with self._journal() as journal:
                await self._serve(plant, journal)
        finally:
            if self._api is not None:
                self._notifier.forget(API)
                self._notifier.forget(past.NAME)
                self._api.listening.close()
            # After a stop units are where they were to go; after a failure nothing is known to be
            # right. Only what is killed is gone on with.
            if self._keepsake is not None:
                self._keepsake.clear()
                self._notifier.forget(keepsake.NAME)

    def _open_keepsake(self) -> Keepsake | None:
        """Open what the manager keeps for us; None: there is no manager."""
        fds = handed(keepsake.NAME)
        if not self._notifier.enabled:
            return None
        kept = Keepsake(fds)
        if kept.fds != tuple(fds):
            self._notifier.keep(keepsake.NAME, *kept.fds)
        return kept

    def _take_up(self) -> Resumed | None:
        """Find what a daemon that was killed has left."""
        if self._keepsake is None:
            return None
        kept = self._keepsake.take(time.monotonic())
        self._keepsake.configure(self._params, self._about)
        if kept is None:
            return None
        found = resumed(kept, self._params)
        log.warning(
            "resuming", after_s=round(time.monotonic() - found.at_s, 3), tick=found.tick,
            units=int((found.where >= 0).sum()),
            same_config=kept.config_hash == self._about.config_hash, attempts=kept.attempts + 1,
        )  # fmt: skip
        return found

    async def _serve(self, plant: Plant, journal: JournalWriter | None) -> None:
        site = self._site.config.site
        realtime = apply_realtime(site.realtime_priority, site.lock_memory)
        log.info(
            "realtime", scheduler=realtime.scheduler, memory=realtime.memory, gc=realtime.gc
        )  # fmt: skip
        slack = SlackCollector(time.monotonic)

        def done(tick: Done) -> None:
            if self._late_status is None and self._resume is not None:
                # who came since the crash has waited for this tick
                self._late_status = asyncio.create_task(status.start())
                start_beside()
            if console is not None:
                console.publish(tick)
            scrapes.add(tick)
            if tracer is not None:
                tracer.add(tick)
            if metrics is not None:
                metrics.after_tick()
            # In the middle of what is left: not now, when the devices are about to write.
            rest_s = max(0.0, 0.5 * shell.ticks.slack_s())
            loop = asyncio.get_running_loop()
            loop.call_later(rest_s, lambda: slack.collect(shell.ticks.slack_s()))

        shell = Shell(
            self._site.config, plant, clock=time.monotonic, utc=time.time, journal=journal,
            notifier=self._notifier, realtime=realtime, shadow=self._shadow,
            journal_dir=self._site.state_dir if journal is not None else None,
            log_lines_dropped=lambda: self._log_setup.dropped, on_done=done,
            offload=asyncio.to_thread, resume=self._resume,
            keep=forget if self._keepsake is None else self._keepsake.write,
        )  # fmt: skip
        console = self._console(shell, journal)
        scrapes = Scrapes(shell.teller.status)
        tracing = self._site.config.tracing
        tracer = None if tracing is None else tick_tracer(tracing, site.name, time.time)
        metrics = self._metrics(scrapes, shell.ticks.slack_s)
        if metrics is not None:
            await metrics.start()
        status = StatusServer(self._site.state_dir / SOCKET_NAME, shell.teller.status)
        kept = listening_sockets(STATUS)
        self._notifier.forget(STATUS)
        self._notifier.keep(STATUS, status.bind(kept))
        if self._resume is None:
            await status.start()

        def configured(params: Params, about: About) -> None:
            if self._keepsake is not None:
                self._keepsake.configure(params, about)
            if console is not None:
                console.of_plant(params)

        reloader = Reloader(
            self._site, shell, self._notifier, journal, shadow=self._shadow,
            configured=configured,
        )  # fmt: skip

        async def reload(by: str) -> dict[str, Any]:
            return dataclasses.asdict(await reloader.reload(by))

        control = ControlServer(self._site.state_dir / CONTROL_NAME, {"reload": reload})
        await control.start()

        def started() -> None:
            freeze_heap()
            self._catch_signals(shell.loop, journal)
            self._catch_hangup(reload)
            self._notifier.ready(counted(len(self._params.ids), "unit"))
            log.info("ready", status_socket=str(status.path), **about)

        about = {} if self._api is None else {"console": url_of(self._api)}
        jobs: dict[str, Job] = {}
        if console is not None:
            jobs["api"] = console.run
        if self._roller is not None and journal is not None:
            jobs["roll"] = functools.partial(self._roller.run, journal.put_event, time.time)
        beside: list[asyncio.Task[None]] = []

        def start_beside() -> None:
            """Start what takes seconds of CPU: after a crash not before the first tick."""
            for name, work in jobs.items():
                job = restarted(name, work, clock=time.monotonic, tell=shell.alarms.task_failed)
                beside.append(asyncio.create_task(job))

        if self._resume is None:
            start_beside()
        try:
            await shell.run(started)
        finally:
            for task in beside:
                task.cancel()
            if beside:
                await asyncio.wait(beside, timeout=CONSOLE_STOP_S)
            self._notifier.forget(STATUS)
            await control.stop()
            await status.stop()
            if metrics is not None:
                await metrics.stop()
            if tracer is not None:
                await asyncio.to_thread(tracer.close)

    def _metrics(self, scrapes: Scrapes, slack_s: Callable[[], float]) -> MetricsServer | None:
        config = self._site.config.metrics
        if config is None:
            return None
        return metrics_server(config, self._site.base_dir, scrapes, slack_s)

    def _console(self, shell: Shell, journal: JournalWriter | None) -> Console | None:
        if self._api is None:
            return None
        console = Console(
            self._api,
            shell,
            site=self._site.config.site.name,
            state_dir=self._site.state_dir,
            journal=None if journal is None else self._site.state_dir / JOURNAL_NAME,
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

    def _catch_signals(self, loop: ControlLoop, journal: JournalWriter | None) -> None:
        def stop(name: str) -> None:
            if loop.stopping:
                return  # it is on its way: asking again makes it no faster
            log.info("stopping", by=name)
            self._notifier.stopping("last setpoints")
            if journal is not None:
                journal.put_event(time.time(), "stop", by=name)
            loop.stop()

        for number in (os_signal.SIGTERM, os_signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop, number.name)

    def _catch_hangup(self, reload: Callable[[str], Coroutine[Any, Any, Any]]) -> None:
        running: set[asyncio.Task[Any]] = set()

        def hang_up() -> None:
            task = asyncio.create_task(reload("SIGHUP"))
            running.add(task)  # a task that nobody holds may be collected
            task.add_done_callback(running.discard)

        asyncio.get_running_loop().add_signal_handler(os_signal.SIGHUP, hang_up)

    @contextlib.contextmanager
    def _journal(self) -> Iterator[JournalWriter | None]:
        settings, site = self._site.config.journal, self._site
        if not settings.enabled:
            yield None
            return
        signer = signer_of(settings, site.base_dir)
        heads = HeadTeller(heads_path(settings, site.base_dir))
        writer = JournalWriter(
            site.state_dir / JOURNAL_NAME,
            self._params,
            self._about,
            utc_s=time.time(),
            sync=settings.sync,
            capacity=int(settings.queue_ticks),
            limits=limits_of(settings),
            late_after_s=settings.unsynced_max_s or site.config.site.tick_s,
            signer=signer,
            key_missing=signer is None and has_key(settings),
            with_events=True,
            tell_head=heads.tell,
            keep=forget_segment if self._roller is None else self._roller.is_needed,
        )
        try:
            tell_recovery(writer.status().recovery)
            writer.put_event(
                time.time(), "start", version=__version__, shadow=self._shadow,
                config_sha256=config_hash(site.text),
                resumed=self._resume is not None,
            )  # fmt: skip
            yield writer
        finally:
            writer.close()
            heads.close()


def roller_of(site: Site) -> Roller | None:
    """What writes closed segments as tables; None where nobody wants it."""
    settings = site.config.journal
    if settings.parquet_dir is None or not settings.enabled:
        return None
    return Roller(site.state_dir / JOURNAL_NAME, site.base_dir / settings.parquet_dir)


def forget_segment(_segment: Path) -> bool:
    """Nothing else needs a segment."""
    return False


def tell_recovery(recovery: Recovery | None) -> None:
    """Log what the last daemon left of its journal, if that has no proper end."""
    if recovery is not None and recovery.ending:
        log.warning("journal_recovered", **recovery.fields())
