"""The bench reads the journal through the daemon's own command."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hil.measure import journal

sys.path.insert(0, str(Path(__file__).parents[1] / "journal"))
from journal_plant import make_image, write_journal

IDS = ("u2", "u0", "u1")


def test_ticks_come_as_the_daemon_wrote_them(tmp_path):
    write_journal(tmp_path / "journal", 6)
    ticks = journal.export_ticks(
        journal.find_vppd(), tmp_path / "journal", tmp_path / "ticks.jsonl", IDS
    )
    images = [make_image(k, 3) for k in range(6)]
    assert ticks.now_s.tolist() == [image.now_s for image in images]
    assert ticks.agc_pu.tolist() == [image.agc_pu for image in images]
    assert np.isnan(ticks.agc_received_s).tolist() == [True, *[False] * 5]
    assert ticks.tick_us.tolist() == [120.0] * 6
    # the stand-in core moves from 0 by a quarter of basepoint (1 + agc); basepoints -1, 0, 1 MW
    assert ticks.p_setpoint_mw[0].tolist() == [0.25, -0.25, 0.0]
    assert ticks.send.shape == (6, 3)
    assert not ticks.fresh.any()
    assert ticks.mode == ("STARTING",) * 6


def test_a_missing_journal_is_told(tmp_path):
    with pytest.raises(journal.JournalError, match="export"):
        journal.export_ticks(journal.find_vppd(), tmp_path / "none", tmp_path / "t.jsonl", IDS)


def test_units_that_the_journal_does_not_have_are_told(tmp_path):
    write_journal(tmp_path / "journal", 2)
    with pytest.raises(journal.JournalError, match="u7"):
        journal.export_ticks(
            journal.find_vppd(), tmp_path / "journal", tmp_path / "ticks.jsonl", ("u7",)
        )
