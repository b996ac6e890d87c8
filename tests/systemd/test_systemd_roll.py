"""Segments become Parquet under the real unit: its sandbox, its limits, its service manager."""

import json
from pathlib import Path

import pytest
from container import Container, condition, why_not
from test_systemd_daemon import COMMAND, CONFIG, minimal_config, status, vppd

from vppd.runtime.console_worker import past_events
from vppd.runtime.roll import LOOK_S

SKIP = why_not()
# It looks for closed segments once a minute, on the real clock.
pytestmark = [
    pytest.mark.skipif(SKIP is not None, reason=SKIP or ""),
    pytest.mark.accept,
    pytest.mark.timeout(300),
]

SEGMENT_S = 10
TABLES = "/var/lib/vppd/tables"  # beside the journal: the unit may write nowhere else
JOURNAL = f"\njournal: {{segment_s: {SEGMENT_S}, parquet_dir: {TABLES}}}\n"


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    """The unit with a daemon that rolls its journal."""
    container = Container(tmp_path_factory.mktemp("roll"))
    container.install_unit()
    container.install_program(COMMAND)
    container.write(CONFIG, minimal_config() + JOURNAL)
    container.install_kernels(but="")
    try:
        container.boot()
        container.run("systemctl", "start", "vppd")
        yield container
    finally:
        container.halt()


def events(container, name):
    rows = past_events(container.path("/var/lib/vppd/journal"))
    return [row for row in rows if row["event"] == name]


def test_closed_segments_become_tables_and_no_tick_is_missed(container):
    rolled = condition(
        lambda: events(container, "journal_rolled"), 2.0 * LOOK_S + SEGMENT_S, "a rolled segment"
    )
    assert events(container, "journal_not_rolled") == []
    assert rolled[0]["segments"] >= 1
    assert status(container).timing.missed_ticks == 0
    names = container.run("sh", "-c", f"ls -R {TABLES}")
    assert f"{Path(rolled[0]['last']).stem}.parquet" in names
    owner = container.run("stat", "-c", "%U:%G", TABLES)
    assert owner == "vppd:vppd"
    assert container.show("NRestarts")["NRestarts"] == "0"
    found = vppd(container, "verify", "/var/lib/vppd/journal", "--json")
    assert json.loads(found)["chain_ok"]
