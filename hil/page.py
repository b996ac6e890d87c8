"""Pieces of the report's page: style sheet, tiles, tables. Everything that comes in is escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from hil.tiles import Tile

CSS = """
:root { --ink:#1f2933; --muted:#5f6c7b; --line:#e4e7eb; --paper:#ffffff; --back:#f5f7fa;
  --good:#00694f; --bad:#a33c00; --accent:#0072B2; }
* { box-sizing:border-box; }
html { -webkit-text-size-adjust:100%; }
body { margin:0; background:var(--back); color:var(--ink);
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif; }
main { max-width:1240px; margin:0 auto; padding:28px 24px 48px; }
h1 { font-size:26px; line-height:1.25; margin:0 0 4px; letter-spacing:-.01em; }
h2 { font-size:17px; margin:0 0 2px; }
p { margin:0; }
a { color:var(--accent); }
.lead { color:var(--muted); font-size:16px; margin-bottom:14px; }
.facts { display:flex; flex-wrap:wrap; gap:4px 22px; margin:0 0 22px; padding:0; list-style:none; }
.facts b { font-weight:600; }
.facts span, .caption, .tile small, .tile .label { color:var(--muted); }
.tiles { display:grid; grid-template-columns:repeat(auto-fill,minmax(178px,1fr)); gap:12px;
  margin-bottom:20px; }
.tile { background:var(--paper); border:1px solid var(--line); border-radius:8px;
  padding:12px 14px; border-top:3px solid var(--line); }
.tile.good { border-top-color:#009E73; } .tile.bad { border-top-color:#D55E00; }
.tile .label { font-size:13px; }
.tile .value { font-size:25px; font-weight:600; line-height:1.25; font-variant-numeric:tabular-nums;
  white-space:nowrap; }
.tile .value span { font-size:14px; font-weight:400; color:var(--muted); margin-left:3px; }
.tile small { display:block; font-size:12.5px; line-height:1.4; }
.tile.good small b { color:var(--good); } .tile.bad small b { color:var(--bad); }
.plots { display:grid; grid-template-columns:repeat(2,minmax(0,1fr)); gap:14px;
  margin-bottom:20px; }
.card { background:var(--paper); border:1px solid var(--line); border-radius:8px;
  padding:14px 16px 10px; min-width:0; margin-bottom:20px; }
.plots .card { margin-bottom:0; }
.wide { grid-column:1 / -1; }
.caption { font-size:13px; line-height:1.45; margin-bottom:4px; }
.scroll { overflow-x:auto; margin:8px -16px 0; padding:0 16px; }
table { border-collapse:collapse; width:100%; font-size:13.5px;
  font-variant-numeric:tabular-nums; }
th { text-align:right; color:var(--muted); font-weight:600; font-size:12.5px; line-height:1.3;
  vertical-align:bottom; padding:6px 10px; border-bottom:2px solid var(--line); }
td { text-align:right; padding:4px 10px; border-bottom:1px solid var(--line);
  white-space:nowrap; }
th.text, td.text { text-align:left; }
td.wrap { white-space:normal; min-width:190px; }
dl { display:grid; grid-template-columns:minmax(120px,max-content) minmax(0,1fr); gap:4px 18px;
  margin:8px 0 4px; font-size:14px; }
dt { color:var(--muted); overflow-wrap:anywhere; } dd { margin:0; overflow-wrap:anywhere; }
code, pre { font:13px/1.45 ui-monospace,"SF Mono",Menlo,Consolas,monospace; }
pre { background:var(--back); border-radius:6px; padding:10px 12px; overflow-x:auto;
  margin:8px 0; }
summary { cursor:pointer; color:var(--accent); font-size:14px; margin:6px 0; }
footer { color:var(--muted); font-size:13px; }
@media (max-width:820px) { .plots { grid-template-columns:minmax(0,1fr); } }
@media (max-width:560px) {
  main { padding:18px 12px 32px; } h1 { font-size:22px; }
  .tiles { grid-template-columns:repeat(2,minmax(0,1fr)); gap:8px; }
  .tile { padding:10px; } .tile .value { font-size:21px; } .tile .value span { font-size:12.5px; }
  .card { padding:12px 10px 8px; } .scroll { margin:8px -10px 0; padding:0 10px; }
  dl { grid-template-columns:minmax(0,1fr); gap:0; } dd { margin-bottom:6px; }
}
@media print {
  body { background:none; } main { max-width:none; padding:0; }
  .card, .tile { break-inside:avoid; box-shadow:none; }
  .plots { display:block; } .plots .card { margin-bottom:12px; }
  .table { break-inside:auto; } tr { break-inside:avoid; } .scroll { overflow:visible; }
}
"""

# Plots take the width of the paper before printing, and that of the screen after.
SCRIPT = """
const fit = () => document.querySelectorAll('.js-plotly-plot').forEach(p => Plotly.Plots.resize(p));
addEventListener('beforeprint', fit); addEventListener('afterprint', fit);
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `text` columns stand left and may wrap."""

    title: str
    text: bool = False
    wrap: bool = False


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
    return f'<section class="card {classes}"><h2>{escape(title)}</h2>{told}{body}</section>'


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
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{CSS}{style}</style>"
        f"<script>{plotly_js}</script></head>"
        f"<body><main>{body}</main><script>{SCRIPT}</script></body></html>\n"
    )
