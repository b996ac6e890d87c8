"""What came of a campaign, for the terminal: one table, and a command for each seed that failed."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hil.campaign.figures import BY_NAME, shown
from hil.campaign.plan import Plan
from hil.campaign.row import Row, worst_first
from hil.campaign.summary import Summary
from hil.scorecard import BAD, GOOD
from hil.tiles import counted

SEEDS = 10  # failed ones told one by one
FEWEST = 3  # checks that had something to check in the fewest seeds


def table(plan: Plan, summary: Summary, told: str) -> RenderableType:
    """Give the figures over all seeds, and what failed. `told`: what it cost, for the title."""
    title = f"{plan.scenario.name}, {counted(summary.seeds, 'seed')}, {told}"
    parts = Group(_figures(summary), Text(), _checks(summary), Text(), _verdict(summary))
    return Panel(parts, title=title, title_align="left", expand=False)


def failed_lines(plan: Plan, rows: Sequence[Row]) -> Iterator[str]:
    """Give why the worst seeds failed, and the command that shows it, in lines to copy."""
    failed = [row for row in worst_first(rows) if row.failed]
    for row in failed[:SEEDS]:
        yield f"seed {row.seed}: {row.reasons[0].text.strip().splitlines()[0]}"
        yield f"    {plan.command(row.seed)}"
    if len(failed) > SEEDS:
        yield f"and {len(failed) - SEEDS} more"


def _figures(summary: Summary) -> Table:
    found = Table(box=None, padding=(0, 1))
    found.add_column("")
    for name in ("lowest", "5 %", "median", "95 %", "highest", "worst seed"):
        found.add_column(name, justify="right")
    for name, spread in summary.figures.items():
        figure = BY_NAME[name]
        values = (spread.minimum, spread.p5, spread.p50, spread.p95, spread.maximum)
        label = f"{figure.label}, {figure.unit}" if figure.unit else figure.label
        constant = spread.minimum == spread.maximum
        worst = "–" if constant else str(spread.worst_seed)
        found.add_row(label, *(shown(figure, value) for value in values), worst)
    return found


def _checks(summary: Summary) -> Text:
    """Say what the checks were about: one that had nothing to check has found nothing."""
    least = sorted(summary.checked.items(), key=lambda pair: pair[1])[:FEWEST]
    seeds = ", ".join(f"{check} in {count} of {summary.seeds} seeds" for check, count in least)
    return Text(f"Checks: {summary.covered}.\nFewest: {seeds}." if seeds else "")


def _verdict(summary: Summary) -> Text:
    if not summary.failed:
        return Text(f"✓ {counted(summary.seeds, 'seed')}, none failed", GOOD)
    text = Text(f"✗ {summary.failed} of {counted(summary.seeds, 'seed')} failed", BAD)
    for what, seeds in summary.reasons.items():
        text.append(f"\n    {what}: {counted(seeds, 'seed')}", "not bold")
    return text
