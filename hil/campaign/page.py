"""`campaign.html`: one page with everything in it that opens without a network."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.io
from plotly.offline import get_plotlyjs

from hil.campaign.campaign import Outcome
from hil.campaign.figures import BY_NAME, FIGURES, Figure, shown
from hil.campaign.plots import all_plots
from hil.campaign.progress import in_words
from hil.campaign.record import versions
from hil.campaign.row import worst_first
from hil.campaign.seed_table import STYLE, seed_table
from hil.page import Column, card, page, pairs, table, tile_html
from hil.plots import Plot
from hil.report import PLOT_OPTIONS
from hil.tiles import Tile, counted

OPEN, FOLDED = 25, 400  # rows of the worst seeds; more stand in campaign.json
SPREAD_COLUMNS = (
    Column("figure", text=True),
    Column("lowest"),
    Column("5 %"),
    Column("median"),
    Column("95 %"),
    Column("highest"),
    Column("mean"),
    Column("worst seed"),
)


def write(outcome: Outcome, path: Path) -> Path:
    """Write the page of a campaign; return its path."""
    plan, summary = outcome.plan, outcome.summary
    title = f"{plan.scenario.name}, seeds {outcome.seeds[0]} to {outcome.seeds[-1]}"
    plots = enumerate(all_plots(outcome.rows, summary))
    body = "".join(
        (
            _header(outcome),
            '<div class="tiles">',
            *(tile_html(tile) for tile in _tiles(outcome)),
            "</div>",
            _worst(outcome),
            '<div class="plots">',
            *(plot_card(i, plot) for i, plot in plots),
            "</div>",
            _spreads(outcome),
            _counts(outcome),
            _configuration(outcome),
            "<footer>Power in MW, generation positive: a load is negative.</footer>",
        )
    )
    path.write_text(page(title, get_plotlyjs(), body, STYLE), encoding="utf-8")
    return path


def _header(outcome: Outcome) -> str:
    scenario, seeds = outcome.plan.scenario, outcome.seeds
    facts = [
        ("started", outcome.started_utc),
        ("scenario", scenario.name),
        ("seeds", f"{seeds[0]} to {seeds[-1]}"),
        ("each", f"{scenario.duration_s:g} s, virtual clock"),
        ("regulation", f"±{scenario.regulation_mw:g} MW"),
        ("allocation", scenario.allocation.policy),
        ("overrides", ", ".join(outcome.plan.settings) or "none"),
        ("vppd", versions()["vppd"]),
    ]
    items = "".join(f"<li><span>{escape(k)}</span> <b>{escape(v)}</b></li>" for k, v in facts)
    told = ""
    if outcome.stopped:
        left = counted(len(seeds) - len(outcome.rows), "seed")
        told = f'<p class="lead">Interrupted: {left} not run.</p>'
    title = escape(f"Campaign: {scenario.title or scenario.name}")
    return f'<h1>{title}</h1>{told}<ul class="facts">{items}</ul>'


def _tiles(outcome: Outcome) -> list[Tile]:
    summary = outcome.summary
    return [
        Tile("Seeds", f"{summary.seeds:,}", "", f"of {len(outcome.seeds):,} asked for"),
        Tile("Failed", f"{summary.failed:,}", "", _most(summary.reasons), not summary.failed, "0"),
        *(_figure_tile(outcome, BY_NAME[name]) for name in ("accuracy_pct", "latency_p99_ms")),
        _count_tile(outcome, "Limit violations", "limit_violations"),
        Tile(
            "Checkers",
            f"{sum(summary.checks.values()):,}",
            "violations",
            _most(summary.checks) or summary.covered,
            not summary.checks,
            "0",
        ),
        _count_tile(outcome, "Faults injected", "faults"),
        Tile(
            "Simulated",
            in_words(summary.seeds * outcome.plan.scenario.duration_s),
            "",
            f"in {in_words(outcome.spent_s)}, {outcome.speedup:.0f} × real time",
        ),
    ]


def _figure_tile(outcome: Outcome, figure: Figure) -> Tile:
    """Tile of the worst value, with the median."""
    label = f"Worst {figure.label}".replace(", p99", "")
    spread = outcome.summary.figures.get(figure.name)
    if spread is None:
        return Tile(label, "–", "", "not measured")
    note = f"seed {spread.worst_seed}; median {shown(figure, spread.p50)}"
    return Tile(label, shown(figure, spread.worst), figure.unit, note)


def _count_tile(outcome: Outcome, label: str, name: str) -> Tile:
    """Tile of a figure that is counted, added up."""
    counts = [row.figures.get(name) or 0 for row in outcome.rows]
    where = sum(count > 0 for count in counts)
    return Tile(label, f"{sum(counts):,.0f}", "", f"in {counted(where, 'seed')}")


def _most(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in list(counts.items())[:3])


def _worst(outcome: Outcome) -> str:
    rows = worst_first(outcome.rows)
    failed = sum(row.failed for row in rows)
    shown_rows = rows[: OPEN + max(FOLDED, 0)]
    body = seed_table(outcome.plan, shown_rows[:OPEN])
    rest = shown_rows[OPEN:]
    if rest:
        folded = seed_table(outcome.plan, rest)
        body += f"<details><summary>the next {len(rest)} seeds</summary>{folded}</details>"
    left = len(rows) - len(shown_rows)
    more = f" The other {left:,} stand in campaign.json." if left else ""
    caption = (
        f"{counted(failed, 'seed')} failed; they come first. Then the lowest accuracy."
        f" Under each seed is the command that makes its run again.{more}"
    )
    return card("Worst seeds", caption, body, "table")


def plot_card(i: int, plot: Plot) -> str:
    """Give a framed plot."""
    body = plotly.io.to_html(
        plot.figure,
        full_html=False,
        include_plotlyjs=False,
        config=PLOT_OPTIONS,
        div_id=f"plot-{i}",
        default_height=f"{plot.figure.layout.height}px",
    )
    return card(plot.title, plot.caption, body, "wide" if plot.wide else "")


def _spreads(outcome: Outcome) -> str:
    rows = []
    for figure in FIGURES:
        spread = outcome.summary.figures.get(figure.name)
        if spread is not None:
            values = (
                spread.minimum, spread.p5, spread.p50, spread.p95, spread.maximum, spread.mean,
            )  # fmt: skip
            label = f"{figure.label}, {figure.unit}" if figure.unit else figure.label
            told = [shown(figure, value) for value in values]
            rows.append([label, *told, str(spread.worst_seed)])
    return card("All figures", "Over all seeds that have them.", table(SPREAD_COLUMNS, rows))


def _counts(outcome: Outcome) -> str:
    summary = outcome.summary
    lists: Sequence[tuple[str, dict[str, int]]] = (
        ("Why seeds failed", summary.reasons),
        ("Violations that checkers found", summary.checks),
        ("Seeds in which a check had something to check", summary.checked),
        ("Faults injected", summary.fault_kinds),
    )
    cards = [
        card(title, "", pairs((what.replace("_", " "), f"{n:,}") for what, n in counts.items()))
        for title, counts in lists
        if counts
    ]
    return f'<div class="plots">{"".join(cards)}</div>' if cards else ""


def _configuration(outcome: Outcome) -> str:
    plan = outcome.plan
    rows = [
        ("asked for", plan.name),
        ("overrides", "; ".join(plan.settings) or "none"),
        ("seeds", f"{outcome.seeds[0]} to {outcome.seeds[-1]}"),
        ("duration of each", f"{plan.scenario.duration_s:g} s"),
        ("processes", str(outcome.jobs)),
        ("time spent", in_words(outcome.spent_s)),
        ("lines of level error in the logs", f"{outcome.summary.errors:,}"),
        *versions().items(),
    ]
    return card("Configuration and versions", "", pairs(rows))
