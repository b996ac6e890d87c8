"""What of a journal is there as tables: retention asks that before it removes a segment."""

import asyncio

import pytest
from journal_core import write

from vppd.core.tick import tick
from vppd.journal.parquet import roll
from vppd.journal.rolled import is_rolled, is_written
from vppd.journal.scan import segments
from vppd.runtime.roll import Roller, export_beside

pytest.importorskip("pyarrow")


def test_a_damaged_segment_is_written_for_reading_and_stays(tmp_path):
    journal, out = tmp_path / "journal", tmp_path / "tables"
    write(journal, 20, segment_s=7.5)
    whole, hurt, _ = segments(journal)
    data = bytearray(hurt.read_bytes())
    data[-900] ^= 1
    hurt.write_bytes(data)
    roll(journal, out, tick)
    assert (is_written(out, whole), is_rolled(out, whole)) == (True, True)
    assert (is_written(out, hurt), is_rolled(out, hurt)) == (True, False)
    roller = Roller(journal, out)
    assert (roller.is_needed(whole), roller.is_needed(hurt)) == (False, True)
    assert roll(journal, out, tick).written == []


def test_the_process_says_why_it_did_nothing(tmp_path):
    """A folder without a journal: the last line of what the command says."""
    why = asyncio.run(export_beside(tmp_path, tmp_path / "tables"))
    assert "no segment" in why
    write(tmp_path / "journal", 10, segment_s=7.5)
    assert asyncio.run(export_beside(tmp_path / "journal", tmp_path / "tables")) == ""
    assert is_rolled(tmp_path / "tables", segments(tmp_path / "journal")[0])
