"""A tracking table for the terminal."""

from rich.table import Table
from rich.text import Text

from hil.scorecard import BAD, GOOD
from hil.tracking.cells import caption, cells, titles
from hil.tracking.making import Outcome


def table(outcome: Outcome) -> Table:
    """Give a line for each case and signal; the first column says whether its limits are met."""
    found = Table(box=None, padding=(0, 1), caption=caption(outcome.ask), caption_justify="left")
    for i, title in enumerate(titles()):
        found.add_column(title, justify="left" if i < 2 else "right", overflow="fold")
    for line in outcome.lines:
        first, *others = cells(line)
        mark, style = ("✗", BAD) if line.missed else ("✓", GOOD)
        found.add_row(Text(f"{mark} {first}", style), *others)
    return found
