"""Metrics of the running plant, made once a tick and only when somebody asks."""

from collections.abc import Callable
from pathlib import Path

from vppd.config.sections import MetricsConfig
from vppd.links.tls import server_context
from vppd.ops.metrics import TickMetrics, render
from vppd.ops.metrics_http import MetricsServer
from vppd.ops.status import Status
from vppd.runtime.loop import Done


class Scrapes:
    """Counts ticks, and gives the text for a scrape.

    `status` is asked at most once a tick and form.
    """

    def __init__(self, status: Callable[[], Status | None]) -> None:
        self._status = status
        self._ticks = TickMetrics()
        self._made: dict[str, tuple[bytes, str]] = {}  # of this tick, by what was asked for

    def add(self, done: Done) -> None:
        """Take in a finished tick."""
        self._ticks.add(1e-6 * done.meta.tick_us, done.when.late_s)
        self._made.clear()

    def text(self, accept: str) -> tuple[bytes, str] | None:
        """Text and content type for an Accept header; None before the first tick."""
        form = "openmetrics" if "application/openmetrics-text" in accept else "text"
        made = self._made.get(form)
        if made is None:
            status = self._status()
            if status is None:
                return None
            wanted = "application/openmetrics-text; version=1.0.0" if form == "openmetrics" else ""
            made = self._made[form] = render(status, self._ticks, wanted)
        return made


def metrics_server(
    config: MetricsConfig, base_dir: Path, scrapes: Scrapes, slack_s: Callable[[], float]
) -> MetricsServer:
    """Make the listener of a configuration. Raises OSError for unreadable certificates."""
    tls = None
    if config.ca_file is not None and config.cert_file is not None:
        tls = server_context(base_dir, config.ca_file, config.cert_file, config.key_file)
    return MetricsServer(config.host, int(config.port), scrapes.text, slack_s, tls)
