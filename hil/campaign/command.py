"""The command `vppd-hil campaign`: made, written, and told."""

from pathlib import Path

import click
from rich.console import Console

from hil.campaign import page, record
from hil.campaign.campaign import Campaign, Outcome
from hil.campaign.plan import Plan
from hil.campaign.progress import CampaignProgress, in_words
from hil.campaign.terminal import failed_lines, table
from hil.running import MISSED

PIPE_WIDTH = 120  # of the table in a file or a pipe, which has no width of its own


def run(
    plan: Plan, seeds: range, out: Path, *, jobs: int, keep: str, timeout_s: float | None
) -> int:
    """Make a campaign, write its files to OUT, and print its table. Returns the exit code.

    Raises CouldNotRunError, OSError.
    """
    with CampaignProgress(plan.scenario.name, len(seeds)) as progress:
        campaign = Campaign(
            plan, seeds, out, jobs=jobs, keep=keep, timeout_s=timeout_s, view=progress.add
        )
        outcome = campaign.make()
    record.write(outcome, campaign.out_dir / "campaign.json")
    path = page.write(outcome, campaign.out_dir / "campaign.html")
    _tell(outcome, path)
    return outcome.stopped or (MISSED if outcome.summary.failed else 0)


def cost(outcome: Outcome) -> str:
    """What a campaign cost, in words."""
    return (
        f"{in_words(outcome.spent_s)} on {outcome.jobs} cores,"
        f" {outcome.seeds_per_s:.2f} seeds/s, {outcome.speedup:.0f} × real time"
    )


def _tell(outcome: Outcome, path: Path) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    if outcome.rows:
        console.print(table(outcome.plan, outcome.summary, cost(outcome)))
    for line in failed_lines(outcome.plan, outcome.rows):
        click.echo(line)
    here = Path.cwd()
    click.echo(f"report: {path.relative_to(here) if path.is_relative_to(here) else path}")
    if outcome.summary.failed:
        click.echo(f"each failed seed as a scenario: {path.parent / 'failures'}", err=True)
    if outcome.stopped:
        left = len(outcome.seeds) - len(outcome.rows)
        click.echo(f"interrupted; {left} of {len(outcome.seeds)} seeds were not run", err=True)
