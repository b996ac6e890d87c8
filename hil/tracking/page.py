"""`tracking.html`: one page with everything in it that opens without a network."""

from html import escape
from pathlib import Path

from plotly.offline import get_plotlyjs

from hil.campaign.page import plot_card
from hil.campaign.progress import in_words
from hil.campaign.record import versions
from hil.page import Column, card, page, pairs, table, tile_html
from hil.scenario import in_words as limit_in_words
from hil.tiles import Tile, counted, number
from hil.tracking.cells import OWN, caption, cells, titles
from hil.tracking.making import Outcome
from hil.tracking.plan import BOUND
from hil.tracking.plots import all_plots
from hil.tracking.table import figures, possible

RUNS = (
    Column("case", text=True),
    Column("signal", text=True),
    Column("policy", text=True),
    Column("seed"),
    *(Column(title) for title, _, _ in OWN),
    Column("command", text=True),
)


def write(outcome: Outcome, path: Path) -> Path:
    """Write the page of a table; return its path."""
    plots = enumerate(all_plots(outcome))
    body = "".join(
        (
            _header(outcome),
            '<div class="tiles">',
            *(tile_html(tile) for tile in _tiles(outcome)),
            "</div>",
            _table(outcome),
            '<div class="plots">',
            *(plot_card(i, plot) for i, plot in plots),
            "</div>",
            _limits(outcome),
            _runs(outcome),
            _configuration(outcome),
            "<footer>Accuracy: 100·(1 − mean |request − delivered| / regulation capacity) over all"
            " seconds but the first 60.</footer>",
        )
    )
    path.write_text(page("Tracking", get_plotlyjs(), body), encoding="utf-8")
    return path


def _header(outcome: Outcome) -> str:
    ask = outcome.ask
    facts = [
        ("started", outcome.started_utc),
        ("seeds", f"{ask.seeds[0]} to {ask.seeds[-1]}"),
        ("each", f"{ask.duration_s:g} s, virtual clock"),
        ("signals", ", ".join(signal.name for signal in ask.signals)),
        ("vppd", versions()["vppd"]),
    ]
    items = "".join(f"<li><span>{escape(k)}</span> <b>{escape(v)}</b></li>" for k, v in facts)
    told = ""
    if outcome.left:
        told = f'<p class="lead">Not complete: {counted(outcome.left, "run")} not made.</p>'
    title = "Tracking: how closely each allocation policy follows"
    return f'<h1>{title}</h1>{told}<ul class="facts">{items}</ul>'


def _tiles(outcome: Outcome) -> list[Tile]:
    lines, missed = outcome.lines, len(outcome.missed)
    bad = sum(bool(line.missed) for line in lines)
    tiles = [
        Tile("Cases and signals", f"{len(lines) - bad} of {len(lines)}", "", "with all limits met"),
        Tile("Limits missed", f"{missed:,}", "", "", not missed, "0"),
    ]
    for title, figure, digits in OWN:
        known = [spread.mean for line in lines if (spread := line.spread(figure)) is not None]
        if known:
            worst = max(known) if figure == "mae_mw" else min(known)
            label, _, unit = title.partition(", ")
            tiles.append(Tile(f"Worst {label}", number(worst, digits), unit, "of all cases"))
    spent = f"in {in_words(outcome.spent_s)} on {counted(outcome.processes, 'core')}"
    return [*tiles, Tile("Runs", f"{len(outcome.done):,}", "", f"{outcome.kept:,} before; {spent}")]


def _table(outcome: Outcome) -> str:
    columns = [Column(title, text=i < 2) for i, title in enumerate(titles())]
    rows = [
        [f"{'✗' if line.missed else '✓'} {first}", *others]
        for line in outcome.lines
        for first, *others in [cells(line)]
    ]
    body = table(columns, rows)
    if outcome.missed:
        body += "".join(f"<p>✗ {escape(text)}</p>" for text in outcome.missed)
    return card("Cases", caption(outcome.ask), body, "table")


def _limits(outcome: Outcome) -> str:
    cases = dict.fromkeys(line.case for line in outcome.lines)
    rows = [
        (
            f"{case.name}: {', '.join(case.settings)}",
            "; ".join(
                f"{key.replace('_', ' ')} {limit_in_words(limit)}"
                for key, limit in case.limits.items()
            ),
        )
        for case in cases
    ]
    return card("Limits", "Of each seed and signal (hil/tracking/cases.py).", pairs(rows))


def _runs(outcome: Outcome) -> str:
    bounds = possible(outcome.done)
    rows = []
    for job, row in outcome.done:
        if job.policy == BOUND:
            continue
        found = figures(row, bounds.get((job.case, job.signal, job.seed)))
        told = [number(found.get(figure), digits) for _, figure, digits in OWN]
        command = job.plan.command(job.seed)
        rows.append([job.case.name, job.signal, job.policy, str(job.seed), *told, command])
    body = f"<details><summary>{counted(len(rows), 'run')}</summary>{table(RUNS, rows)}</details>"
    return card("Runs", "Each with the command that makes it again.", body, "table")


def _configuration(outcome: Outcome) -> str:
    files = [(s.name, "; ".join(s.settings) or "synthesised by seed") for s in outcome.ask.signals]
    return card("Signals and versions", "", pairs([*files, *versions().items()]))
