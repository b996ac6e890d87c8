"""The table of seeds on a campaign's page: figures, what was wrong, and the command for it."""

from collections.abc import Sequence
from html import escape

from hil.campaign.figures import BY_NAME, shown
from hil.campaign.plan import Plan
from hil.campaign.row import Row

NAMES = (
    "accuracy_pct",
    "pjm_score",
    "latency_p99_ms",
    "unserved_mwh",
    "limit_violations",
    "faults",
)
TEXT_LENGTH = 240
# What is told of a seed stands below its figures and does not scroll with them on a phone.
STYLE = """
.seeds td { border-bottom:0; padding-top:8px; }
.seeds tr.told td { border-bottom:1px solid var(--line); white-space:normal; text-align:left;
  padding-top:0; padding-bottom:8px; }
.told div { position:sticky; left:0; max-width:calc(100vw - 56px); font-size:13px; }
.told code { color:var(--muted); overflow-wrap:anywhere; }
.seeds .failed { color:var(--bad); font-weight:600; }
@media print { .told div { position:static; max-width:none; } tr.told { break-before:avoid; } }
"""


def seed_table(plan: Plan, rows: Sequence[Row]) -> str:
    """Give the table; two lines for each seed."""
    names = [name for name in NAMES if any(row.figures.get(name) is not None for row in rows)]
    figures = [BY_NAME[name] for name in names]
    titles = [f"{f.label}, {f.unit}" if f.unit else f.label for f in figures]
    heads = "".join(f"<th>{escape(title)}</th>" for title in (*titles, "checkers"))
    body = "".join(_lines(plan, row, names) for row in rows)
    return (
        '<div class="scroll"><table class="seeds"><thead>'
        f'<tr><th class="text">seed</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _lines(plan: Plan, row: Row, names: Sequence[str]) -> str:
    cells = [shown(BY_NAME[name], row.figures.get(name)) for name in names]
    cells.append(f"{sum(row.checks.values()):,}" if row.figures else "–")
    told = "".join(f"<td>{cell}</td>" for cell in cells)
    mood, sign = ("failed", "✗") if row.failed else ("", "✓")
    seed = f'<td class="text {mood}">{sign} {_link(row)}</td>'
    reasons = "".join(f"<div>{escape(_short(reason.text))}</div>" for reason in row.reasons)
    command = f"<div><code>{escape(plan.command(row.seed))}</code></div>"
    return (
        f"<tr>{seed}{told}</tr>"
        f'<tr class="told"><td colspan="{len(names) + 2}">{reasons}{command}</td></tr>'
    )


def _link(row: Row) -> str:
    if not row.kept:
        return str(row.seed)
    return f'<a href="{escape(row.kept, quote=True)}">{row.seed}</a>'


def _short(text: str) -> str:
    """First line of a text, and the last, which names the error if there was one."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    told = lines[0] if len(lines) < 2 else f"{lines[0]} … {lines[-1]}"
    return told if len(told) <= TEXT_LENGTH else f"{told[:TEXT_LENGTH]} …"
