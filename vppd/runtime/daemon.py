"""Start-up and stop of the daemon, in order.

configuration -> lock -> log -> kernels -> sockets -> links and devices -> READY -> loop
stop: last setpoints, within limits -> sent -> links -> journal -> lock
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvloop

from vppd import __version__
from vppd.config.load import config_hash
from vppd.config.params import build_params
from vppd.journal.header import About
from vppd.journal.recover import Recovery
from vppd.journal.writer import JournalWriter
from vppd.ops.api import past
from vppd.ops.log import LogSetup
from vppd.runtime import keepsake
from vppd.runtime.console_start import Api, open_api
from vppd.runtime.handed import handed, listening_sockets
from vppd.runtime.heads import HeadTeller
from vppd.runtime.journal_settings import has_key, heads_path, limits_of, signer_of
from vppd.runtime.keepsake import Keepsake
from vppd.runtime.notify import Notifier
from vppd.runtime.plant import build_plant
from vppd.runtime.resume import Resumed, resumed
from vppd.runtime.roll import Roller
from vppd.runtime.serving import Begun, Serving
from vppd.runtime.site import JOURNAL_NAME, Site

log = structlog.get_logger()

API = "api"  # name of the console's socket, as the manager keeps it


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
                await Serving(self._begun(), plant, journal).run()
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

    def _begun(self) -> Begun:
        return Begun(
            self._site, self._notifier, self._shadow, self._params, self._keepsake, self._resume,
            self._api, self._roller, log_lines_dropped=lambda: self._log_setup.dropped,
        )  # fmt: skip

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
