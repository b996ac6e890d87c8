"""Commands that make many runs, or say what a run could have been."""

import os
import sys
from pathlib import Path

import click

from hil import accept as acceptance
from hil import accept_bound, options, running
from hil.cli.common import JOBS, SET, draw, fail, load, main, stoppable
from hil.plumbing import CouldNotRunError
from hil.progress import BoundProgress
from hil.records import RecordError
from hil.running import BAD, COULD_NOT
from hil.tracking import cases
from hil.tso.signal import NoSignalError, SignalError


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--duration", type=float, metavar="S", help="Length of the scored run.")
@click.option("--seed", type=int, metavar="N", help="Seed of the run, and of the fleet.")
@click.option("--signal", "signal_", metavar="FILE:COLUMN", help="CSV(.gz) instead of the signal.")
@SET
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it as JSON.")
def oracle(
    name: str,
    duration: float | None,
    seed: int | None,
    signal_: str | None,
    settings: tuple[str, ...],
    out: Path | None,
) -> None:
    """Say how well any controller could do in a run, if it knew the future."""
    from hil import oracle as bounds

    with stoppable():
        scenario = load(name, settings, options.typed(seed, duration, signal_), "virtual")
        drawn = draw(scenario, None)
        try:
            with BoundProgress(scenario.name) as progress:
                found = bounds.bound(scenario, drawn, progress=progress.update)
            if out is not None:
                bounds.write(found, out)
        except bounds.OracleError as error:
            fail(BAD, str(error))
        except OSError as error:
            fail(COULD_NOT, f"{out}: {error.strerror}")
    click.echo(found.describe())


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--seeds", required=True, metavar="A..B", help="First and last seed.")
@click.option("--duration", type=float, metavar="S", help="Length of each scored run.")
@SET
@JOBS
@click.option(
    "--keep",
    type=click.Choice(["failed", "all", "none"]),
    default="failed",
    show_default=True,
    help="Seeds whose files and report stay in OUT/seeds (of failed ones the first 50).",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1),
    metavar="S",
    help="Of one seed (default: 60 s and twice its duration).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path))
def campaign(
    name: str,
    seeds: str,
    duration: float | None,
    settings: tuple[str, ...],
    jobs: int | None,
    keep: str,
    timeout_s: float | None,
    out: Path,
) -> None:
    """Run a scenario over many seeds in virtual time, on all cores, and sum them up.

    OUT gets campaign.json, campaign.html, and each failed seed as a scenario in failures/.
    """
    from hil.campaign import command, plan

    chosen = plan.seeds(seeds)
    with stoppable():
        scenario = load(name, settings, options.typed(chosen[0], duration), "virtual")
        draw(scenario, None)
        try:
            code = command.run(
                plan.Plan(name, settings, duration, scenario), chosen, out,
                jobs=jobs or len(os.sched_getaffinity(0)), keep=keep, timeout_s=timeout_s,
            )  # fmt: skip
        except CouldNotRunError as error:
            fail(COULD_NOT, str(error))
        except OSError as error:
            fail(COULD_NOT, f"{error.filename or out}: {error.strerror}")
    sys.exit(code)


@main.command()
@click.option("--seeds", metavar="A..B", help=f"Of response_aware [default: {cases.SEEDS}].")
@click.option(
    "--duration",
    type=click.FloatRange(90.0),
    metavar="S",
    help=f"Length of each scored run [default: {cases.DURATION_S:g}].",
)
@click.option(
    "--signal",
    "files",
    multiple=True,
    metavar="FILE:COLUMN",
    help="Beside the shipped signal: AGC from a CSV with t_s, in pu.",
)
@click.option("--all-seeds", is_flag=True, help="The other policies over all seeds, too.")
@click.option(
    "--quick",
    is_flag=True,
    help=f"A first look: seeds {cases.QUICK_SEEDS} of {cases.QUICK_S:g} s.",
)
@JOBS
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build/tracking"),
    show_default=True,
    help="Runs that are done there, by the same code, are not made again.",
)
def tracking(
    seeds: str | None,
    duration: float | None,
    files: tuple[str, ...],
    all_seeds: bool,
    quick: bool,
    jobs: int | None,
    out: Path,
) -> None:
    """Say how closely each allocation policy follows, against its limits and what was possible.

    OUT gets tracking.json and tracking.html. Interrupted, the same command goes on from there.
    """
    from hil.campaign import plan
    from hil.tracking import command
    from hil.tracking.plan import Ask, signals

    chosen = plan.seeds(seeds or (cases.QUICK_SEEDS if quick else cases.SEEDS))
    duration_s = duration or (cases.QUICK_S if quick else cases.DURATION_S)
    ask = Ask(chosen, duration_s, signals(files), all_seeds)
    with stoppable():
        try:
            code = command.run(ask, out, processes=jobs or len(os.sched_getaffinity(0)))
        except (CouldNotRunError, NoSignalError) as error:
            fail(COULD_NOT, str(error))
        except (RecordError, SignalError) as error:
            fail(BAD, str(error))
        except OSError as error:
            fail(COULD_NOT, f"{error.filename or out}: {error.strerror}")
    sys.exit(code)


@main.command()
@click.argument("names", metavar="[SCENARIO]…", nargs=-1)
@click.option("--clock", type=click.Choice(["real", "virtual"]), default="real", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, metavar="N")
@click.option("--out", required=True, type=click.Path(path_type=Path))
def accept(names: tuple[str, ...], clock: str, seed: int, out: Path) -> None:
    """Run the scenarios of acceptance one after the other; one JSON each, and a table.

    Without SCENARIO: those that the clock is made for, and in virtual time what was possible in an
    hour.
    """
    bounds = [] if names or clock == "real" else accept_bound.scenarios(seed)
    names = names or acceptance.SCENARIOS[clock]
    chosen = [load(name, (), options.typed(seed), clock) for name in names]
    with stoppable():
        try:
            code = acceptance.accept(chosen, out, clock, bounds)
        except CouldNotRunError as error:
            fail(COULD_NOT, str(error))
        except running.StoppedError as error:
            fail(error.code, str(error))
        except OSError as error:
            fail(COULD_NOT, f"{error.filename or out}: {error.strerror}")
    if code:
        sys.exit(code)
