"""`vppd commission`: consent, lock, the test with a line of progress, and what becomes of it."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from vppd.config.commissioned import SUFFIX
from vppd.config.load import resolve_path
from vppd.runtime.commission import CommissionError, commission, plan_test
from vppd.runtime.lock import StateLock
from vppd.runtime.site import Site
from vppd.runtime.step_report import file_text, plan_words, plot, words, write

FOLDER = "commissioning"

__all__ = ["CommissionError", "Request", "run_commission"]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    config_file: Path
    unit_id: str
    step_pct: float
    out: Path | None
    small: bool


def run_commission(site: Site, request: Request, agree: Callable[[str], bool]) -> bool:
    """Make the test and write what it found; False: nobody agreed.

    Raises KeyError for an unknown unit, StateLockedError while a daemon runs, CommissionError,
    FitError, ValueError or OSError; KeyboardInterrupt when the unit is back.
    """
    unit = {unit.id: unit for unit in site.config.fleet}[request.unit_id]
    plan = plan_test(unit, request.step_pct, small=request.small)
    with StateLock(site.state_dir):
        click.echo(plan_words(plan))
        if not agree("Test it now?"):
            return False
        with _Progress() as progress:
            found = asyncio.run(commission(site.config, site.base_dir, plan, progress.tell))
    path = out_path(site, request)
    write(path, file_text(found))
    click.echo(f"{plot(found)}\n\n{words(found)}\nwritten: {path}")
    if request.out is None and site.config.site.commissioning_dir is None:
        click.echo(f"to use it, write `commissioning_dir: {FOLDER}` under `site:`")
    return True


def out_path(site: Site, request: Request) -> Path:
    """Where the file goes."""
    if request.out is not None:
        return request.out
    folder = resolve_path(request.config_file, site.config.site.commissioning_dir or FOLDER)
    return folder / f"{request.unit_id}{SUFFIX}"


class _Progress:
    """One line that changes on a terminal; elsewhere a line for each step."""

    def __init__(self) -> None:

        self._live = sys.stderr.isatty()
        self._name = ""
        self._shown = ""

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live and self._shown:
            click.echo(err=True)

    def tell(self, name: str, told_mw: float, measured_mw: float) -> None:
        """Show what is going on."""
        if not self._live:
            if name != self._name:
                click.echo(name, err=True)
            self._name = name
            return
        line = f"{name:28} told {told_mw:9.4f} MW   measured {measured_mw:9.4f} MW"
        if line != self._shown:
            click.echo(f"\r{line}", nl=False, err=True)
            self._shown = line
