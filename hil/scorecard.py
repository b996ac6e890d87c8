"""The scorecard at the end of a run, for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hil.scenario import Limit
from hil.tiles import number, tiles

GOOD, BAD = "bold #00B386", "bold #FF7043"


def scorecard(
    result: dict[str, Any], acceptance: Mapping[str, Limit] | None = None
) -> RenderableType:
    """Give the figures of a result as a table, held against the scenario's limits if given."""
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_column()
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    for tile in tiles(result, acceptance or {}):
        verdict = Text("")
        if tile.good is not None:
            word = "✓" if tile.good else "✗ must be"
            verdict = Text(f"{word} {tile.limit}", GOOD if tile.good else BAD)
        table.add_row(tile.label, f"{tile.value} {tile.unit}".strip(), verdict, tile.note)
    parts: list[RenderableType] = [table]
    if result["notes"]:
        told = "\n".join(f"{key}: {reason}" for key, reason in sorted(result["notes"].items()))
        parts += [Text(""), Text("Not measured", "bold"), Text(told, "dim")]
    title = (
        f"{result['scenario']}, seed {result['seed']}, {number(result['duration_s'], 0)} s,"
        f" {result['fleet']['resources']} units, {result['fleet']['capacity_mw']:g} MW"
    )
    return Panel(Group(*parts), title=title, title_align="left", expand=False)
