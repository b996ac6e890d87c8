"""Reload: read, check, build, swap. Whatever is wrong with the new file, the old one stays."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from vppd.config.errors import ConfigError
from vppd.config.load import config_hash
from vppd.config.params import build_params
from vppd.core.types import Params
from vppd.journal.header import About
from vppd.journal.writer import JournalWriter
from vppd.ops.counted import counted
from vppd.ops.status import ConfigStatus
from vppd.runtime.notify import Notifier
from vppd.runtime.plant import build_plant, standing_orders
from vppd.runtime.reload import Change, check_changes, what_changes
from vppd.runtime.shell import Shell
from vppd.runtime.site import Site, load_site

log = structlog.get_logger()


class Reloader:
    """Takes orders to reload, one after the other.

    `configured(params, about)` is called between the two ticks, too.
    """

    def __init__(
        self,
        site: Site,
        shell: Shell,
        notifier: Notifier,
        journal: JournalWriter | None,
        *,
        shadow: bool,
        configured: Callable[[Params, About], None],
    ) -> None:
        self._site = site
        self._shell = shell
        self._notifier = notifier
        self._journal = journal
        self._shadow = shadow
        self._configured = configured
        self._one = asyncio.Lock()
        shell.teller.config = ConfigStatus(sha256=config_hash(site.text))

    async def reload(self, by: str) -> ConfigStatus:
        """Reload, and say how it ended; never raises for what is wrong with a file."""
        async with self._one:
            self._notifier.reloading()
            log.info("reloading", by=by)
            try:
                site, said = await self._try()
            except ConfigError as error:
                self._end(by, self._site, tuple(str(problem) for problem in error.problems))
            except (OSError, ValueError, RuntimeError) as error:
                self._end(by, self._site, (f"{self._site.path}: {_words(error)}",))
            else:
                self._end(by, site, said, successful=True)
            return self._shell.teller.config

    async def _try(self) -> tuple[Site, tuple[str, ...]]:
        path = self._site.path
        site = await asyncio.to_thread(load_site, path)
        old, new = self._shell.config, site.config
        check_changes(old, new, site.text, str(path))
        params = await asyncio.to_thread(_params, site)
        about = About(new.site.name, config_hash(site.text))
        plant = build_plant(
            new, site.base_dir, clock=time.monotonic, utc=time.time, rng=random.Random(),
            shadow=self._shadow, before=(old, self._shell.plant),
        )  # fmt: skip
        said = what_changes(old, new)
        change = Change(new, params, about, standing_orders(new), plant, self._configured)
        await self._shell.change_over(change)
        return site, said

    def _end(self, by: str, site: Site, said: tuple[str, ...], *, successful: bool = False) -> None:
        now_s = time.time()
        self._site = site
        sha256 = config_hash(site.text)
        utc = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds")
        self._shell.teller.config = ConfigStatus(sha256, successful, utc, said)
        if self._journal is not None:
            self._journal.put_event(
                now_s, "reload", by=by, successful=successful, config_hash=sha256,
                said="\n".join(said),
            )  # fmt: skip
        if successful:
            log.info("reloaded", by=by, config_sha256=sha256[:12], changes=said)
        else:
            log.error("reload_refused", by=by, problems=said, note="the old configuration stands")
        units = counted(len(site.config.fleet), "unit")
        self._notifier.ready(units if successful else f"{units}; reload refused: {said[0]}")


def _params(site: Site) -> Params:
    """Compute all that follows from the parameters, too: not in the first tick."""
    params = build_params(site.config)
    _ = params.fixed
    return params


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
