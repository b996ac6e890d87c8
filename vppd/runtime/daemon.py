"""Start-up and stop of the daemon, in order.

configuration -> lock -> log -> kernels -> sockets -> links and devices -> READY -> loop
stop: last setpoints, within limits -> sent -> links -> journal -> lock
"""

import asyncio
import contextlib
import os
import random
import signal as os_signal
import time
from collections.abc import Callable, Iterator

import structlog
import uvloop

from vppd import __version__
from vppd.config.load import config_hash
from vppd.config.params import build_params
from vppd.journal.header import About
from vppd.journal.recover import Recovery
from vppd.journal.writer import JournalWriter
from vppd.ops.counted import counted
from vppd.ops.log import LogSetup
from vppd.ops.metrics_http import MetricsServer
from vppd.ops.status_socket import StatusServer
from vppd.runtime.heads import HeadTeller
from vppd.runtime.journal_settings import has_key, heads_path, limits_of, signer_of
from vppd.runtime.loop import ControlLoop, Done
from vppd.runtime.notify import Notifier
from vppd.runtime.plant import Plant, build_plant
from vppd.runtime.realtime import SlackCollector, apply_realtime, freeze_heap
from vppd.runtime.scrapes import Scrapes, metrics_server
from vppd.runtime.shell import Shell
from vppd.runtime.site import JOURNAL_NAME, SOCKET_NAME, Site
from vppd.runtime.tracing import tick_tracer

log = structlog.get_logger()


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
        with self._journal() as journal:
            await self._serve(plant, journal)

    async def _serve(self, plant: Plant, journal: JournalWriter | None) -> None:
        site = self._site.config.site
        realtime = apply_realtime(site.realtime_priority, site.lock_memory)
        log.info(
            "realtime", scheduler=realtime.scheduler, memory=realtime.memory, gc=realtime.gc
        )  # fmt: skip
        slack = SlackCollector(time.monotonic)

        def collect(done: Done) -> None:
            scrapes.add(done)
            if tracer is not None:
                tracer.add(done)
            if metrics is not None:
                metrics.after_tick()
            # In the middle of what is left: not now, when the devices are about to write.
            rest_s = max(0.0, 0.5 * shell.ticks.slack_s())
            loop = asyncio.get_running_loop()
            loop.call_later(rest_s, lambda: slack.collect(shell.ticks.slack_s()))

        shell = Shell(
            self._site.config, plant, clock=time.monotonic, utc=time.time, journal=journal,
            notifier=self._notifier, realtime=realtime, shadow=self._shadow,
            log_lines_dropped=lambda: self._log_setup.dropped, on_done=collect,
            offload=asyncio.to_thread,
            journal_dir=self._site.state_dir if journal is not None else None,
        )  # fmt: skip
        scrapes = Scrapes(shell.teller.status)
        tracing = self._site.config.tracing
        tracer = None if tracing is None else tick_tracer(tracing, site.name, time.time)
        metrics = self._metrics(scrapes, shell.ticks.slack_s)
        if metrics is not None:
            await metrics.start()
        status = StatusServer(self._site.state_dir / SOCKET_NAME, shell.teller.status)
        await status.start()

        def started() -> None:
            freeze_heap()
            self._catch_signals(shell.loop, journal)
            self._notifier.ready(counted(len(self._params.ids), "unit"))
            log.info("ready", status_socket=str(status.path))

        try:
            await shell.run(started)
        finally:
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
            About(site.config.site.name, config_hash(site.text)),
            utc_s=time.time(),
            sync=settings.sync,
            capacity=int(settings.queue_ticks),
            limits=limits_of(settings),
            late_after_s=settings.unsynced_max_s or site.config.site.tick_s,
            signer=signer,
            key_missing=signer is None and has_key(settings),
            with_events=True,
            tell_head=heads.tell,
        )
        try:
            tell_recovery(writer.status().recovery)
            writer.put_event(
                time.time(), "start", version=__version__, shadow=self._shadow,
                config_sha256=config_hash(site.text),
            )  # fmt: skip
            yield writer
        finally:
            writer.close()
            heads.close()


def tell_recovery(recovery: Recovery | None) -> None:
    """Log what the last daemon left of its journal, if that has no proper end."""
    if recovery is not None and recovery.ending:
        log.warning("journal_recovered", **recovery.fields())
