"""Pieces of a page that opens by itself: of a day's, and of the bench's reports.

Everything that comes in is escaped; the style sheet is `page.css`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: `text` stands left, `wrap` takes several lines."""

    title: str
    text: bool = False
    wrap: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. `good`: None where there is nothing to hold it against."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    good: bool | None = None


def number(value: float | None, digits: int = 1) -> str:
    """Format a figure for people; a dash where it is not known."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return "–"
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    """Give a table that scrolls sideways on a narrow screen."""
    kinds = [" ".join(k for k in ("text", "wrap") if getattr(c, k)) for c in columns]
    head = "".join(
        f'<th class="{kind}">{escape(c.title)}</th>' for c, kind in zip(columns, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}">{escape(cell)}</td>' for cell, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Give a list of names and values."""
    body = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in items)
    return f"<dl>{body}</dl>"


def card(title: str, caption: str, body: str, classes: str = "") -> str:
    """Give a framed section; `body` is HTML."""
    told = f'<p class="caption">{escape(caption)}</p>' if caption else ""
    named = f"card {classes}".strip()
    return f'<section class="{named}"><h2>{escape(title)}</h2>{told}{body}</section>'


def tiles(made: Iterable[Tile]) -> str:
    """Give the scorecard; a verdict is a word, too, for who cannot see the colour."""
    return f'<div class="tiles">{"".join(map(_tile, made))}</div>'


def _tile(tile: Tile) -> str:
    mood = {None: "", True: " good", False: " bad"}[tile.good]
    unit = f"<span>{escape(tile.unit)}</span>" if tile.unit else ""
    return (
        f'<div class="tile{mood}"><div class="label">{escape(tile.label)}</div>'
        f'<div class="value">{escape(tile.value)}{unit}</div>'
        f"<small>{escape(tile.note)}</small></div>"
    )


def style(name: str) -> str:
    """A style sheet of this folder."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def page(title: str, body: str, more: str = "", head: str = "") -> str:
    """Give the whole page, which needs nothing but itself.

    `more`: added to the style sheet; `head`: HTML that ends the head.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{style('page.css')}{more}</style>{head}</head>"
        f"<body><main>{body}</main></body></html>\n"
    )
