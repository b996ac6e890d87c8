"""A journal as Parquet: what stands in the tables, once for each closed segment, the same bytes."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from builders import image as core_image
from builders import params as core_params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Quality, WriteResult
from vppd.journal import parquet
from vppd.journal.header import About
from vppd.journal.parquet import roll
from vppd.journal.schema import Meta
from vppd.journal.tables import TABLES
from vppd.journal.writer import JournalWriter

pq = pytest.importorskip("pyarrow.parquet")
DOCUMENT = Path(__file__).parents[2] / "docs" / "reading.md"
UTC_S = 1_000_000_000.0  # 2001-09-09T01:46:40Z


def write(folder: Path, first: int, count: int, close: bool = True, n: int = 3) -> JournalWriter:
    """Ticks of the real core: unit u1 is read as NaN, u2 refuses, u0 counts energy."""
    params = core_params(n)
    writer = JournalWriter(
        folder, params, About("site", "c0ffee"), utc_s=UTC_S + first, inline=True, sync=False
    )
    writer.put_event(UTC_S + first, "start", version="1", device="u2")
    state = initial_state(params)
    zeros = [0] * (len(dataclasses.fields(Meta)) - 1)
    for k in range(first, first + count):
        image = dataclasses.replace(
            core_image(n, tick=k, now_s=100.0 + k), agc_pu=0.5 if k % 2 else np.nan,
            agc_received_s=99.5 + k, measured_at_s=np.full(n, 99.0 + k),
            p_meas_mw=np.array([1.5 + k, np.nan, -2.0]),
            energy_mwh=np.array([0.25 * k, np.nan, np.nan]),
            energy_at_s=np.array([98.0 + k, np.nan, np.nan]),
            quality=np.array([Quality.ONLINE, Quality.RESTART, Quality.ONLINE], dtype=np.uint8),
            write_result=np.array([1, 0, WriteResult.REFUSED], dtype=np.uint8),
        )  # fmt: skip
        after, decision = tick(state, image, params)
        assert writer.put(Meta(UTC_S + k, *zeros), state, image, decision)
        state = after
    if close:
        assert writer.close()
    return writer


def rows(out: Path, table: str) -> list[dict]:
    return [row for path in sorted((out / table).glob("*.parquet"))
            for row in pq.read_table(path).to_pylist()]  # fmt: skip


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_the_tables_have_what_the_ticks_had(tmp_path):
    write(tmp_path / "journal", 0, 4)
    rolled = roll(tmp_path / "journal", tmp_path / "out", tick)
    (name,) = rolled.written
    ticks, units = rows(tmp_path / "out", "ticks"), rows(tmp_path / "out", "units")
    assert [row["utc"].timestamp() for row in ticks] == [UTC_S + k for k in range(4)]
    assert [row["agc_pu"] for row in ticks] == [None, 0.5, None, 0.5]  # not known is not 0
    assert {row["agc_age_s"] for row in ticks} == {0.5}
    assert {row["measured_mw"] for row in ticks} == {None}  # one unit was never read
    assert {row["operator_order"] for row in ticks} == {"AUTO"}
    assert [(row["unit"], row["tick"]) for row in units] == [
        (f"u{i}", k) for i in range(3) for k in range(4)
    ]
    first, second, third = units[0], units[4], units[8]
    assert (first["p_meas_mw"], first["measured_age_s"], first["quality"]) == (1.5, 1.0, "ONLINE")
    assert (units[2]["energy_mwh"], units[2]["energy_age_s"]) == (0.5, 2.0)
    assert (second["p_meas_mw"], second["quality"], second["write_result"]) == (
        None, "RESTART", "NONE",
    )  # fmt: skip
    assert (third["p_meas_mw"], third["write_result"], third["connected"]) == (
        -2.0, "REFUSED", True,
    )  # fmt: skip
    (segment,) = rows(tmp_path / "out", "segments")
    assert (segment["segment"], segment["ticks"], segment["ending"]) == (name, 4, "closed")
    assert (segment["site"], segment["config_hash"]) == ("site", "c0ffee")
    start = rows(tmp_path / "out", "events")[0]
    assert (start["source"], start["event"], start["unit"]) == ("daemon", "start", "u2")
    assert json.loads(start["fields"])["version"] == "1"
    modes = [row["word"] for row in rows(tmp_path / "out", "events") if row["event"] == "MODE"]
    assert modes
    assert set(modes) <= {"REGULATING", "HOLD", "BASEPOINT", "STARTING"}


def test_only_what_is_closed_and_each_segment_once(tmp_path):
    journal, out = tmp_path / "journal", tmp_path / "out"
    write(journal, 0, 3)
    writer = write(journal, 3, 3, close=False)
    rolled = roll(journal, out, tick)
    assert (len(rolled.written), len(rolled.open)) == (1, 1)
    before = files(out)
    writer.close()
    write(journal, 6, 2)
    rolled = roll(journal, out, tick)
    assert (len(rolled.written), len(rolled.there), rolled.open) == (2, 1, [])
    assert {name: data for name, data in files(out).items() if name in before} == before
    assert [row["tick"] for row in rows(out, "ticks")] == list(range(8))


def test_the_same_segment_gives_the_same_bytes(tmp_path):
    write(tmp_path / "journal", 0, 5)
    for name in ("a", "b"):
        roll(tmp_path / "journal", tmp_path / name, tick)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert not [name for name in files(tmp_path / "a") if name.endswith(".part")]


def test_a_segment_without_its_row_is_written_again(tmp_path):
    """Killed between two tables: the table `segments` comes last."""
    write(tmp_path / "journal", 0, 5)
    whole = tmp_path / "whole"
    roll(tmp_path / "journal", whole, tick)
    half = tmp_path / "half"
    roll(tmp_path / "journal", half, tick)
    for table in ("segments", "events"):
        for path in (half / table).iterdir():
            path.unlink()
    for path in (half / "units").iterdir():
        path.write_bytes(b"torn")
    assert len(roll(tmp_path / "journal", half, tick).written) == 1
    assert files(half) == files(whole)


def test_damage_is_told_and_what_is_before_it_is_written(tmp_path):
    journal, out = tmp_path / "journal", tmp_path / "out"
    write(journal, 0, 30)
    (path,) = journal.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)
    rolled = roll(journal, out, tick)
    (damage,) = rolled.damaged
    assert path.name in str(damage)
    assert 0 < len(rows(out, "ticks")) < 30
    assert [row["ending"] for row in rows(out, "segments")] == ["damaged"]


def test_a_segment_without_ticks(tmp_path):
    write(tmp_path / "journal", 0, 0)
    roll(tmp_path / "journal", tmp_path / "out", tick)
    assert rows(tmp_path / "out", "ticks") == rows(tmp_path / "out", "units") == []
    (segment,) = rows(tmp_path / "out", "segments")
    assert (segment["since"], segment["ticks"]) == (None, 0)


def test_rows_of_a_unit_lie_together(tmp_path, monkeypatch):
    """So that a query for one unit passes over the row groups of all others."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 50)
    write(tmp_path / "journal", 0, 50)
    roll(tmp_path / "journal", tmp_path / "out", tick)
    (path,) = (tmp_path / "out" / "units").iterdir()
    meta = pq.ParquetFile(path).metadata
    spans = [meta.row_group(i).column(0).statistics for i in range(meta.num_row_groups)]
    assert [(each.min, each.max) for each in spans] == [(f"u{i}", f"u{i}") for i in range(3)]


def test_without_its_library_it_says_what_to_install(tmp_path, monkeypatch):
    def missing(name: str):
        raise ImportError(name)

    write(tmp_path / "journal", 0, 1)
    monkeypatch.setattr(parquet, "import_module", missing)
    with pytest.raises(parquet.ParquetError, match=r"vppd\[parquet\]"):
        roll(tmp_path / "journal", tmp_path / "out", tick)
    assert not (tmp_path / "out").exists()


def test_the_document_has_every_column(tmp_path):
    text = DOCUMENT.read_text()
    told = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", text, re.M)
    assert told == [
        (c.name, c.kind.value, c.about.replace("|", "/")) for t in TABLES.values() for c in t
    ]
    write(tmp_path / "journal", 0, 1)
    roll(tmp_path / "journal", tmp_path / "out", tick)
    written = json.loads((tmp_path / "out" / "schema.json").read_text())
    assert list(written["tables"]) == list(TABLES)
    for table, columns in TABLES.items():
        (path,) = (tmp_path / "out" / table).iterdir()
        assert pq.read_schema(path).names == [c.name for c in columns]
