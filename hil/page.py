"""The bench's pages: as the page of a day, with interactive plots and tiles that have limits."""

from html import escape

from hil.tiles import Tile
from vppd.runtime.report import html
from vppd.runtime.report.html import Column, card, pairs, table

__all__ = ["Column", "card", "page", "pairs", "table", "tile_html"]

# Plots take the width of the paper before printing, and that of the screen after.
SCRIPT = """
const fit = () => document.querySelectorAll('.js-plotly-plot').forEach(p => Plotly.Plots.resize(p));
addEventListener('beforeprint', fit); addEventListener('afterprint', fit);
"""


def tile_html(tile: Tile) -> str:
    """Give a tile; its verdict is a word, too, for who cannot see the colour."""
    mood = {None: "", True: " good", False: " bad"}[tile.good]
    sign = {None: "", True: "✓", False: "✗ must be"}[tile.good]
    word = f"<b>{sign} {escape(tile.limit)}</b>" if sign else ""
    unit = f"<span>{escape(tile.unit)}</span>" if tile.unit else ""
    return (
        f'<div class="tile{mood}"><div class="label">{escape(tile.label)}</div>'
        f'<div class="value">{escape(tile.value)}{unit}</div>'
        f"<small>{word}</small><small>{escape(tile.note)}</small></div>"
    )


def page(title: str, plotly_js: str, body: str, style: str = "") -> str:
    """Give the whole page, which needs nothing but itself. `style`: more of the style sheet."""
    head = f"<script>{plotly_js}</script><script>{SCRIPT}</script>"
    return html.page(title, body, style, head)
