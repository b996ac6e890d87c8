"""The command `vppd-hil tracking`: made, written, and told."""

from pathlib import Path

import click
from rich.console import Console

from hil.campaign.progress import in_words
from hil.running import MISSED
from hil.tiles import counted
from hil.tracking import page, record
from hil.tracking.making import Outcome, Table
from hil.tracking.plan import Ask, jobs
from hil.tracking.progress import TableProgress
from hil.tracking.terminal import table

PIPE_WIDTH = 180  # of the table in a file or a pipe, which has no width of its own
TOLD = 20  # misses told one by one; all of them are in the files


def run(ask: Ask, out: Path, *, processes: int) -> int:
    """Make a table, write its files to OUT, and print it. Returns the exit code.

    Raises CouldNotRunError, OSError, RecordError, SignalError.
    """
    made = Table(ask, jobs(ask), out, processes)
    waiting = made.open()
    if before := made.before:
        click.echo(f"{counted(before, 'run')} done before, {len(waiting)} to go", err=True)
    with TableProgress(len(waiting), sum(job.work for job in waiting)) as progress:
        outcome = made.make(waiting, progress.add)
    record.write(outcome, made.out_dir / "tracking.json")
    path = page.write(outcome, made.out_dir / "tracking.html")
    _tell(outcome, path)
    return outcome.stopped or (MISSED if outcome.missed else 0)


def _tell(outcome: Outcome, path: Path) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    if outcome.lines:
        console.print(table(outcome))
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    spent = f"{in_words(outcome.spent_s)} on {counted(outcome.processes, 'core')}"
    click.echo(f"{counted(len(outcome.done), 'run')}, {spent}; report: {shown}")
    for text in outcome.missed[:TOLD]:
        click.echo(f"not met: {text}", err=True)
    if len(outcome.missed) > TOLD:
        click.echo(f"and {len(outcome.missed) - TOLD} more, see tracking.json", err=True)
    if outcome.stopped:
        done = f"{len(outcome.done)} of {counted(outcome.asked, 'run')}"
        click.echo(f"interrupted; {done} are kept, the same command goes on from there", err=True)
