"""Killed and started anew by a stand-in for the service manager: for machines without systemd.

`tests/systemd/test_systemd_resume.py` does it with the real one, on a whole plant.
"""

import json
import sys
from pathlib import Path

import pytest
from daemons import write_config
from managers import Manager, realtime

from vppd.core.tick import tick
from vppd.journal.reader import TickRecord, read
from vppd.journal.replay import replay

VPPD = Path(sys.executable).with_name("vppd")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A daemon that was killed between two ticks and started anew: (manager, numbers of ticks)."""
    folder = tmp_path_factory.mktemp("killed")
    with Manager(folder, [*realtime(), str(VPPD), "run", str(write_config(folder))]) as manager:
        manager.start()
        manager.hear("READY=1")
        for _ in range(5):
            manager.hear("WATCHDOG=1")
        stored = [name for name, _ in manager.stored]
        manager.kill()
        manager.start()
        manager.hear("READY=1")
        for _ in range(5):
            manager.hear("WATCHDOG=1")
        code = manager.stop()
        yield {"manager": manager, "stored": stored, "code": code, "folder": folder}


def events(killed, name):
    """Lines of the log with that event."""
    lines = (json.loads(line) for line in killed["manager"].log.read_text().splitlines())
    return [line for line in lines if line["event"] == name]


def test_it_keeps_two_files_and_its_socket(killed):
    assert killed["stored"] == ["state", "state", "status"]


def test_the_next_one_goes_on(killed):
    (resuming,) = events(killed, "resuming")
    assert resuming["units"] == 1
    assert resuming["same_config"] is True
    assert resuming["attempts"] == 1
    assert resuming["tick"] >= 4


def test_numbers_of_ticks_go_on_and_the_journal_replays(killed):
    journal = killed["folder"] / "state" / "journal"
    numbers = [record.image.tick for record in read(journal) if isinstance(record, TickRecord)]
    assert numbers == sorted(set(numbers))
    (resuming,) = events(killed, "resuming")
    assert max(numbers) > resuming["tick"]
    assert replay(journal, tick).bit_exact


def test_after_a_stop_nothing_is_kept(killed):
    assert killed["code"] == 0
    assert killed["manager"].stored == []
