"""The scorecard at the end of a run, for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hil.scenario import Limit, figure
from hil.tiles import Tile, counted, number, tiles

GOOD, BAD = "bold #00B386", "bold #FF7043"
NAMED = 3  # figures named in one line of notes


def scorecard(
    result: dict[str, Any], acceptance: Mapping[str, Limit] | None = None
) -> RenderableType:
    """Give the figures of a result as a table, held against the scenario's limits if given."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for tile in tiles(result, acceptance or {}):
        table.add_row(tile.label, f"{tile.value} {tile.unit}".strip(), _told(tile))
    title = (
        f"{result['scenario']}, seed {result['seed']}, {number(result['duration_s'], 0)} s,"
        f" {counted(result['fleet']['resources'], 'unit')},"
        f" {result['fleet']['capacity_mw']:g} MW"
    )
    parts = Group(table, *_notes(result))
    return Panel(parts, title=title, title_align="left", expand=False)


def _told(tile: Tile) -> Text:
    """Verdict, if there is one, and note, in one column: most have no verdict."""
    told = Text()
    if tile.good is not None:
        word = "✓" if tile.good else "✗ must be"
        told.append(f"{word} {tile.limit}", GOOD if tile.good else BAD)
        told.append("; " if tile.note else "", "dim")
    return told.append(tile.note, "dim")


def _notes(result: dict[str, Any]) -> Iterator[Text]:
    """Name the figures that have a note; the reasons stand in `result.json` and in the report."""
    keys = sorted(result["notes"])
    missing = [key for key in keys if figure(result, key) is None]
    for label, some in (("not measured", missing), ("notes", sorted({*keys} - {*missing}))):
        if some:
            more = f", {len(some) - NAMED} more" if len(some) > NAMED else ""
            yield Text(
                f"{label}: {', '.join(some[:NAMED])}{more} (see notes in result.json)", "dim"
            )
