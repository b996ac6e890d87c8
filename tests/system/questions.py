"""The queries of `docs/questions.md`, and their answers; run as a program it writes these anew.

python tests/system/questions.py TABLES
"""

import re
import sys
from pathlib import Path

import duckdb

DOCUMENT = Path(__file__).parents[2] / "docs" / "questions.md"
BLOCK = re.compile(
    r"^## (\d+)\. (.+?)\n(.*?)^```sql\n(.*?)^```\n\n^```text\n(.*?)^```", re.M | re.S
)
TABLES = ("ticks", "units", "events", "segments")


def questions() -> list[tuple[int, str, str, str]]:
    """Number, words, query and printed answer of each."""
    return [
        (int(number), words, query, answer)
        for number, words, _, query, answer in BLOCK.findall(DOCUMENT.read_text())
    ]


def connected(tables: Path) -> duckdb.DuckDBPyConnection:
    """The tables of a folder, as the page says to open them."""
    day = duckdb.connect()
    for table in TABLES:
        path = tables / table / "*.parquet"
        day.execute(f"CREATE VIEW {table} AS FROM read_parquet('{path}')")
    day.execute("SET TimeZone = 'UTC'")
    return day


def printed(day: duckdb.DuckDBPyConnection, query: str) -> str:
    """The answer as the page has it: columns beside each other, numbers to the right."""
    found = day.execute(query)
    names = [each[0] for each in found.description]
    rows = [[_cell(value) for value in row] for row in found.fetchall()]
    right = [str(each[1]) not in ("VARCHAR", "STRING") for each in found.description]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [names, *rows]
    ]
    return "\n".join(lines if rows else [*lines, "(none)"]) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return value.strftime("%H:%M:%S") if hasattr(value, "strftime") else str(value)


def main() -> None:
    """Put the answers of a folder of tables into the page."""
    day, text = connected(Path(sys.argv[1])), DOCUMENT.read_text()
    for _, _, query, answer in questions():
        begin = text.index(query) + len(query)
        at = text.index(f"```text\n{answer}", begin) + len("```text\n")
        text = text[:at] + printed(day, query) + text[at + len(answer) :]
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
