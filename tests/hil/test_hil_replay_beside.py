"""The journal replayed by a process of its own says what the replay in this process does."""

import pytest

from hil.measure.journal import JournalError
from hil.scenario import load
from hil.sim.replay import replay
from hil.sim.replay_beside import ReplayBeside
from hil.sim.run import Simulation


@pytest.fixture
def beside():
    process = ReplayBeside()
    yield process
    process.close()


def test_it_says_what_a_replay_in_this_process_says(tmp_path, beside):
    Simulation(load("storm", [("seed", "7"), ("duration_s", "10.0")]), tmp_path / "out").make()
    beside.begin(tmp_path / "out" / "journal")
    told = beside.wait(tmp_path / "out" / "journal")
    assert told == replay(tmp_path / "out" / "journal")
    assert told.bit_exact
    assert told.ticks > 5


def test_a_journal_that_is_not_there_is_told(tmp_path, beside):
    beside.begin(tmp_path / "journal")
    with pytest.raises(JournalError, match="vppd replay"):
        beside.wait(tmp_path / "journal")


def test_without_a_run_it_ends(beside):
    beside.close()
    assert beside._process.returncode is not None
