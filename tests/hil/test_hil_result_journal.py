"""The bench reads the journal through the daemon's own command."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hil.measure import journal

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parents[1] / "journal"))
from journal_core import N, images, write

IDS = ("u2", "u0", "u1")


def test_ticks_come_as_the_daemon_wrote_them(tmp_path):
    write(tmp_path / "journal", 6)
    ticks = journal.export_ticks(
        journal.find_vppd(), tmp_path / "journal", tmp_path / "ticks.jsonl", IDS
    )
    seen = list(images(6))
    assert ticks.now_s.tolist() == [image.now_s for image in seen]
    assert ticks.agc_pu.tolist() == [image.agc_pu for image in seen]
    assert ticks.tick_us.tolist() == [120.0] * 6
    order = [int(unit[1:]) for unit in IDS]
    assert ticks.accepted_mw.tolist() == [image.accepted_mw[order].tolist() for image in seen]
    # No capacity was sold, so nothing moves a unit; where it stands is expected of it.
    assert ticks.p_setpoint_mw.shape == ticks.expected_mw.shape == (6, len(IDS))
    assert np.isfinite(ticks.expected_mw).all()
    assert ticks.send.all()
    assert ticks.fresh.all()
    assert ticks.mode == ("REGULATING",) * 6
    assert len(IDS) < N


def test_a_missing_journal_is_told(tmp_path):
    with pytest.raises(journal.JournalError, match="export"):
        journal.export_ticks(journal.find_vppd(), tmp_path / "none", tmp_path / "t.jsonl", IDS)


def test_units_that_the_journal_does_not_have_are_told(tmp_path):
    write(tmp_path / "journal", 2)
    with pytest.raises(journal.JournalError, match="u7"):
        journal.export_ticks(
            journal.find_vppd(), tmp_path / "journal", tmp_path / "ticks.jsonl", ("u7",)
        )
