"""A settlement as a file: CSV, or Parquet where its library is installed. The same bytes each time.

Numbers are rounded alike in both, to the digits of their column.
"""

import csv
import io
import json
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from vppd.market.settlement.record import Row, Value
from vppd.market.settlement.schema import COLUMNS, NAMES, Column, Kind

FORMATS: Final = (".csv", ".parquet")


class WriteError(ValueError):
    """A file of a kind that cannot be written."""


def check_path(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is computed. Raises WriteError."""
    if path.suffix not in FORMATS:
        raise WriteError(f"{path}: a settlement is written as {' or '.join(FORMATS)}")
    if path.suffix == ".parquet":
        _arrow("pyarrow")


def write(path: Path, rows: tuple[Row, ...]) -> None:
    """Write the rows. Raises WriteError, OSError."""
    check_path(path)
    data = as_csv(rows) if path.suffix == ".csv" else as_parquet(rows)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)  # never half a settlement


def as_csv(rows: tuple[Row, ...]) -> bytes:
    """CSV: a header, then a line a row; an empty cell is not known."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(NAMES)
    out.writerows([_cell(column, row.get(column.name)) for column in COLUMNS] for row in rows)
    return text.getvalue().encode()


def _cell(column: Column, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if column.kind is Kind.INSTANT:
        return _instant(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{_rounded(column, value):.{column.digits}f}"


def _rounded(column: Column, value: float) -> float:
    return round(value, column.digits) + 0.0  # no -0.0


def _instant(utc_s: float) -> datetime:
    return datetime.fromtimestamp(utc_s, UTC)


def as_parquet(rows: tuple[Row, ...]) -> bytes:
    """Parquet: the columns typed, a row group, the schema document in the metadata."""
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    types = {
        Kind.INSTANT: arrow.timestamp("us", tz="UTC"),
        Kind.TEXT: arrow.string(),
        Kind.NUMBER: arrow.float64(),
    }
    about = {"vppd.settlement": json.dumps({c.name: c.about for c in COLUMNS}, sort_keys=True)}
    schema = arrow.schema([(c.name, types[c.kind]) for c in COLUMNS], metadata=about)
    arrays = [
        arrow.array([_typed(c, row.get(c.name)) for row in rows], types[c.kind]) for c in COLUMNS
    ]
    sink = arrow.BufferOutputStream()
    parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _typed(column: Column, value: Value) -> object:
    if value is None or isinstance(value, str):
        return value
    return _instant(value) if column.kind is Kind.INSTANT else _rounded(column, value)


def _arrow(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise WriteError("Parquet needs pyarrow: pip install 'vppd[parquet]'; or --out a .csv") \
            from error  # fmt: skip
