"""Closed segments of a journal as Parquet, for reading: `TABLE/SEGMENT.parquet`, four tables.

A segment is written once, when nothing is added to it any more: each file aside, then renamed, that
of the table `segments` last, so what has a row there is complete. The same segment gives the same
bytes with the same pyarrow.
"""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from vppd.core.types import EventCode, Mode, Params, Policy, Reason, Verdict
from vppd.journal import tables
from vppd.journal.errors import DamageError
from vppd.journal.reader import EventRecord, SegmentEnd, SegmentStart, TickRecord, read
from vppd.journal.rerun import Tick, WholeTick, rerun
from vppd.journal.rolled import LAST, SUFFIX, damage_path, is_written
from vppd.journal.scan import Ending, Progress, moved_by, segments
from vppd.journal.tables import TABLES, Column, Kind, word_of

ROW_GROUP: Final = 1 << 17  # rows that are read, or passed over, together
SCHEMA_FILE: Final = "schema.json"
SCHEMA_VERSION: Final = 1
WORDS_OF_EVENT: Final = {
    EventCode.MODE: Mode,
    EventCode.SIGNAL_VERDICT: Verdict,
    EventCode.UNIT_LOST: Reason,
}


class ParquetError(ValueError):
    """What stands in the way of writing Parquet."""


@dataclass(slots=True)
class Rolled:
    """What became of the segments."""

    written: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)  # written before
    open: list[str] = field(default_factory=list)  # something may still be added
    damaged: list[DamageError] = field(default_factory=list)  # written up to there


def roll(journal: Path, out: Path, tick: Tick, progress: Progress | None = None) -> Rolled:
    """Write the segments that are not there yet. `progress`: bytes of the journal.

    `tick` computes the columns of a decision that the journal does not hold.

    A segment is closed by its end record; one that was not is over when another came after it.

    Raises
    ------
    ParquetError
        pyarrow is not installed.
    JournalError
        As `journal.reader.read`, but for damage, which `Rolled.damaged` tells.
    """
    _arrow("pyarrow.parquet")
    paths, rolled = segments(journal), Rolled()
    for name in TABLES:
        (out / name).mkdir(parents=True, exist_ok=True)
    _write_whole(out / SCHEMA_FILE, schema_document())
    total, done = sum(path.stat().st_size for path in paths), 0
    for path in paths:
        moved = moved_by(progress, done, total)
        if is_written(out, path):
            rolled.there.append(path.name)
        else:
            _roll_one(path, out, tick, rolled, _without_size(moved), last=path == paths[-1])
        done += path.stat().st_size
    if progress is not None:
        progress(done, total)
    return rolled


def _without_size(moved: Callable[[int], None]) -> Progress:
    """Progress of one segment, told by its place only."""
    return lambda at, _size: moved(at)


def _roll_one(
    path: Path, out: Path, tick: Tick, rolled: Rolled, progress: Progress, *, last: bool
) -> None:
    rows = _Rows()
    for record in rerun(read(path, skip_damaged=True, progress=progress), tick):
        rows.add(record)
    end = rows.end
    if end is None or rows.start is None or (last and end.tail.ending is Ending.OPEN):
        rolled.open.append(path.name)
        return
    if end.tail.ending is Ending.DAMAGED:
        tail = end.tail
        damage = DamageError(path, tail.seq, tail.offset, tail.what)
        rolled.damaged.append(damage)
        _write_whole(damage_path(out, path), f"{damage}\n".encode())
    made = rows.tables()
    for name in (*(each for each in made if each != LAST), LAST):
        _write_whole(out / name / f"{path.stem}{SUFFIX}", as_parquet(name, made[name]))
    rolled.written.append(path.name)


class _Rows:
    """The records of one segment, by table."""

    def __init__(self) -> None:
        self.start: SegmentStart | None = None
        self.end: SegmentEnd | None = None
        self._ticks: list[list[Any]] = []  # a tick, by column
        self._units: list[list[Any]] = [[] for _ in tables.UNITS]  # a column, arrays by tick
        self._events: list[list[Any]] = []

    def add(self, record: object) -> None:
        """Take in one record."""
        if isinstance(record, SegmentStart):
            self.start = record
        elif isinstance(record, WholeTick):
            self._ticks.append([column.get(record) for column in tables.TICKS if column.get])
            for column, kept in zip(tables.UNITS, self._units, strict=True):
                if column.get is not None:
                    kept.append(column.get(record))
            self._add_events(record.record)
        elif isinstance(record, EventRecord):
            told = json.dumps(record.fields, sort_keys=True, ensure_ascii=False)
            unit = record.fields.get("device")
            self._events.append([
                record.utc_s, record.seq, "daemon", record.event,
                unit if isinstance(unit, str) else None, None, None, told,
            ])  # fmt: skip
        elif isinstance(record, SegmentEnd):
            self.end = record

    def _add_events(self, record: TickRecord) -> None:
        decision, ids = record.decision, self._params.ids
        for code, index, value in zip(
            decision.event_code.tolist(), decision.event_index.tolist(),
            decision.event_value.tolist(), strict=True,
        ):  # fmt: skip
            known = code in EventCode._value2member_map_
            words = WORDS_OF_EVENT.get(EventCode(code)) if known else None
            word = word_of(words, int(value)) if words and math.isfinite(value) else None
            unit = ids[index] if 0 <= index < len(ids) else None
            self._events.append([
                record.meta.utc_s, record.seq, "core", word_of(EventCode, code), unit, value, word,
                None,
            ])  # fmt: skip

    @property
    def _params(self) -> Params:
        if self.start is None:
            raise ParquetError("records before the header")
        return self.start.header.params

    def tables(self) -> dict[str, list[Any]]:
        """Columns of each table: arrays, or lists with None for what is not known."""
        ticks = list(zip(*self._ticks, strict=True)) if self._ticks else [()] * len(tables.TICKS)
        events = (
            list(zip(*self._events, strict=True)) if self._events else [()] * len(tables.EVENTS)
        )
        return {
            "ticks": ticks,
            "units": self._unit_columns(),
            "events": events,
            "segments": [[value] for value in self._segment_row()],
        }

    def _unit_columns(self) -> list[Any]:
        ids, kinds, n = self._params.ids, self._params.kinds, len(self._ticks)
        order = sorted(range(len(ids)), key=ids.__getitem__)
        columns: list[Any] = []
        for column, kept in zip(tables.UNITS, self._units, strict=True):
            if column.name in ("unit", "kind"):
                words = ids if column.name == "unit" else kinds
                place: dict[str, int] = {}  # by word: a dictionary has no twins
                codes = [place.setdefault(words[i], len(place)) for i in order]
                columns.append(Coded(np.repeat(codes, n), list(place)))
            elif not kept:
                columns.append(np.zeros(0))
            elif np.ndim(kept[0]) == 0:  # of the whole tick
                columns.append(np.tile(np.asarray(kept), len(ids)))
            else:
                columns.append(np.asarray(kept).T[order].ravel())
        return columns

    def _segment_row(self) -> list[Any]:
        if self.start is None or self.end is None:
            raise ParquetError("a segment without begin or end")
        header, utc = self.start.header, [row[0] for row in self._ticks]
        params = header.params
        return [
            self.start.path.name, header.number, header.about.site, utc[0] if utc else None,
            utc[-1] if utc else None, len(utc), len(params.ids), word_of(Policy, params.policy),
            params.tick_s, header.about.config_hash,
            json.dumps(dict(header.about.software), sort_keys=True, ensure_ascii=False),
            self.end.tail.ending.value,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coded:
    """Words by their number: of many rows there are few."""

    code: Any  # integers, shape (rows,)
    words: Sequence[str]


def as_parquet(table: str, columns: Sequence[Any]) -> bytes:
    """Bytes of one file."""
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    specs = TABLES[table]
    about = {"vppd.table": table, "vppd.schema": str(SCHEMA_VERSION)}
    schema = arrow.schema([(c.name, _type(arrow, c)) for c in specs], metadata=about)
    arrays = [_array(arrow, c, values) for c, values in zip(specs, columns, strict=True)]
    sink = arrow.BufferOutputStream()
    parquet.write_table(
        arrow.Table.from_arrays(arrays, schema=schema), sink,
        compression="zstd", row_group_size=ROW_GROUP, write_statistics=True,
    )  # fmt: skip
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _type(arrow: Any, column: Column) -> Any:
    return {
        Kind.INSTANT: arrow.timestamp("us", tz="UTC"),
        Kind.NUMBER: arrow.float64(),
        Kind.WHOLE: arrow.int64(),
        Kind.FLAG: arrow.bool_(),
        Kind.WORD: arrow.dictionary(arrow.int32(), arrow.string()),
        Kind.JSON: arrow.string(),
    }[column.kind]


def _array(arrow: Any, column: Column, values: Any) -> Any:
    """Arrow array of a column. What is not finite is null: not known is never 0."""
    kind = column.kind
    if kind is Kind.JSON:
        return arrow.array(list(values), arrow.string())
    if kind is Kind.WORD:
        coded = values if isinstance(values, Coded) else _coded(column, values)
        codes = np.asarray(coded.code, dtype=np.int32)
        return arrow.DictionaryArray.from_arrays(
            arrow.array(codes, mask=codes < 0), arrow.array(list(coded.words), arrow.string())
        )
    if kind is Kind.FLAG:
        return arrow.array(np.asarray(values) != 0)
    if kind is Kind.WHOLE:
        return arrow.array(np.asarray(values, dtype=np.int64))
    numbers = np.asarray([math.nan if v is None else v for v in values], dtype=np.float64) \
        if isinstance(values, list | tuple) else np.asarray(values, dtype=np.float64)  # fmt: skip
    missing = ~np.isfinite(numbers)
    if kind is Kind.INSTANT:
        micros = np.rint(np.where(missing, 0.0, numbers) * 1e6).astype(np.int64)
        return arrow.array(micros, mask=missing).cast(_type(arrow, column))
    return arrow.array(numbers, mask=missing)


def _coded(column: Column, values: Any) -> Coded:
    """Words of a column, numbered in the order of their alphabet (of numbers: of their numbers)."""
    if column.words is not None:
        found, code = np.unique(np.asarray(values, dtype=np.int64), return_inverse=True)
        return Coded(code.ravel(), [word_of(column.words, int(value)) for value in found])
    words = sorted({value for value in values if value is not None})
    place = {word: at for at, word in enumerate(words)}
    return Coded(np.array([place.get(v, -1) for v in values], dtype=np.int32), words)


def schema_document() -> bytes:
    """What each table and column holds, as JSON."""
    document = {
        "schema": SCHEMA_VERSION,
        "tables": {
            name: {
                "about": tables.ABOUT[name],
                "files": f"{name}/*{SUFFIX}",
                "columns": [
                    {"name": c.name, "type": c.kind.value, "about": c.about} for c in columns
                ],
            }
            for name, columns in TABLES.items()
        },
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, and stays there when the power goes."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _arrow(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ParquetError("Parquet needs pyarrow: pip install 'vppd[parquet]'") from error
