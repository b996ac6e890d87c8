"""A running daemon is scraped without end, and no tick waits for it."""

import socket
import threading
import urllib.request

from daemons import Daemon, write_config
from processes import free_port
from prometheus_client.openmetrics.parser import text_string_to_metric_families

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def scrape(port, accept=OPENMETRICS):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10.0) as answer:  # noqa: S310
        families = text_string_to_metric_families(answer.read().decode())
        return {sample.name: sample for family in families for sample in family.samples}


def test_a_daemon_that_is_scraped_without_end_misses_no_tick_of_its_own_doing(tmp_path):
    config, port = write_config(tmp_path), free_port()
    config.write_text(config.read_text() + f"metrics: {{port: {port}}}\n")
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(3)
        ended = threading.Event()
        counts = []

        def hammer():
            while not ended.is_set():
                scrape(port)
                counts.append(1)

        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]  # ask nothing
        scrapers = [threading.Thread(target=hammer) for _ in range(3)]
        for scraper in scrapers:
            scraper.start()
        before = scrape(port)
        daemon.hear_ticks(30)
        after = scrape(port)
        ended.set()
        for scraper in scrapers:
            scraper.join()
        for connection in idle:
            connection.close()
        assert len(counts) > 30  # ten ticks a second: far more scrapes than ticks
        ticks = after["vppd_ticks_total"].value - before["vppd_ticks_total"].value
        assert 25 <= ticks <= 40
        assert after["vppd_tick_duration_seconds_count"].value == after["vppd_ticks_total"].value
        assert after["vppd_journal_ticks_total"].value > 0
        assert daemon.stop() == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_metrics_for_others_without_tls_are_refused_before_anything_is_opened(tmp_path):
    from daemons import vppd

    config = write_config(tmp_path)
    text = config.read_text()
    config.write_text(text + "metrics: {host: 0.0.0.0}\n")
    for command in ("check", "run"):
        told = vppd(command, config)
        assert told.returncode == 2
        line = text.count("\n") + 1
        assert f"{config}:{line}: metrics.host: 0.0.0.0 is not this machine" in told.stderr
    config.write_text(text + "metrics: {host: 0.0.0.0, insecure: true}\n")
    assert vppd("check", config).returncode == 0
