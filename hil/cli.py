"""The command `vppd-hil`.

Results go to stdout, progress and messages to stderr. Exit codes: 0 good, 1 a limit of the scenario
is not met, 2 bad usage or a bad scenario, 3 could not run (a port in use, a program or a file
missing, OUT not to be used), 130 interrupted (Ctrl-C), 143 ended (SIGTERM).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import click
from rich.console import Console

from hil import accept as acceptance
from hil import (
    accept_bound,
    daemon_config,
    devices_csv,
    fault_list,
    frequency_table,
    options,
    report,
    result,
    running,
)
from hil import fleet as fleets
from hil import scenario as scenarios
from hil.measure.journal import Ticks
from hil.options import Overrides
from hil.plumbing import CouldNotRunError
from hil.possible import Possible
from hil.progress import BoundProgress, VirtualProgress
from hil.records import RecordError
from hil.rig import Rig, check_events
from hil.running import BAD, COULD_NOT, INTERRUPTED, MISSED
from hil.scenario import Scenario
from hil.screen import Frame, Screen, scorecard
from hil.sim.replay_beside import ReplayBeside
from hil.tracking import cases
from hil.tso import frequency as tso_frequency
from hil.tso import signal as tso_signal
from hil.tso.signal import NoSignalError, SignalError

SET_HELP = "A key of the scenario, for example faults=none or fleet.scale.battery=0.5."
PIPE_WIDTH = 110  # of the scorecard in a file or a pipe, which has no width of its own
FAULTS_WIDTH = 160  # of the list of faults there


class Known(NamedTuple):
    """What is at hand after a run in virtual time; else the daemon's commands are asked for it."""

    ticks: Ticks | None = None
    replay: result.Replayer | None = None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vppd")
def main() -> None:
    """Qualify a virtual power plant: simulated DERs, a TSO, faults, and a score."""


def _fail(code: int, message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C at any time ends the program with the exit code that shells know."""
    try:
        yield
    except KeyboardInterrupt:
        _fail(INTERRUPTED, "interrupted")


def _load(name: str, settings: tuple[str, ...], typed: Overrides, clock: str = "real") -> Scenario:
    """Scenario with overrides; ends the program with every problem."""
    try:
        return options.load(name, options.overrides(settings), typed, clock)
    except (RecordError, FileNotFoundError) as error:
        _fail(BAD, str(error))
    except OSError as error:
        _fail(COULD_NOT, f"{name}: {error.strerror}")


def _draw(scenario: Scenario, base_port: int | None) -> fleets.Fleet:
    """Draw the fleet and check what can be checked before a run; ends the program if that fails."""
    if base_port is not None:
        options.check_base_port(base_port, scenario)
    drawn = fleets.draw(scenario, base_port or 0)
    try:
        check_events(scenario, drawn)
        tso_signal.series(scenario.signal, scenario.seed, scenario.duration_s)
        tso_frequency.source(scenario.frequency, scenario.duration_s)
    except NoSignalError as error:
        _fail(COULD_NOT, str(error))
    except (RecordError, SignalError) as error:
        _fail(BAD, str(error))
    if drawn.oversold:
        click.echo(drawn.oversold, err=True)
    return drawn


@main.command("list")
def list_() -> None:
    """Name the scenarios."""
    for name in scenarios.names():
        click.echo(f"{name:16} {scenarios.load(name).title}")


@main.command("faults")
def faults_() -> None:
    """Name the kinds of faults that a scenario can have."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FAULTS_WIDTH)
    console.print(fault_list.table())


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--clock", type=click.Choice(["real", "virtual"]), default="real", show_default=True)
@click.option("--duration", type=float, metavar="S", help="Length of the scored run.")
@click.option("--seed", type=int, metavar="N", help="Seed of fleet, signal and faults.")
@click.option("--signal", "signal_", metavar="FILE:COLUMN", help="AGC from a CSV with t_s, in pu.")
@click.option("--frequency", metavar="FILE:COLUMN", help="Frequency from a CSV with t_s, in Hz.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--base-port", type=int, metavar="N", help="First of the TCP ports (default: free).")
@click.option(
    "--oracle/--no-oracle",
    "with_oracle",
    default=True,
    help="Work out what was possible, too (after the run; beside it in virtual time).",
)
@click.option("--trace-devices", is_flag=True, help="Write devices.csv.gz, each unit each second.")
@click.option(
    "--processes",
    type=click.IntRange(1, 2),
    metavar="N",
    help="In virtual time: 1 or 2; the same bits. Default: 2 where two cores make it faster.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path))
def run(
    name: str,
    clock: str,
    duration: float | None,
    seed: int | None,
    signal_: str | None,
    frequency: str | None,
    settings: tuple[str, ...],
    base_port: int | None,
    with_oracle: bool,
    trace_devices: bool,
    processes: int | None,
    out: Path,
) -> None:
    """Run a scenario and score it; files go to the folder OUT.

    OUT is made, or emptied if vppd-hil made it. A regulation_mw beyond what the fleet can give is
    run as oversold, and told.
    """
    if clock == "virtual" and base_port is not None:
        _fail(BAD, "--base-port: there are no ports in virtual time")
    if clock == "real" and processes is not None:
        _fail(BAD, "--processes: on the real clock the scenario says how many (wire)")
    with _stoppable():
        scenario = _load(name, settings, options.typed(seed, duration, signal_, frequency), clock)
        _draw(scenario, base_port)
        told = f"{scenario.name}: seed {scenario.seed}, fleet seed {scenario.fleet_seed}"
        click.echo(told, err=True)
        arguments = _oracle_arguments(name, scenario, settings, signal_)
        if clock == "virtual":
            command = _command(arguments, frequency)
            possible = Possible(arguments) if with_oracle else None
            replay = ReplayBeside()
            try:
                made = _simulate(scenario, out, command, replay, processes)
                _judge(scenario, out.resolve(), made, possible, trace_devices=trace_devices)
            finally:
                replay.close()
                if possible is not None:
                    possible.close()
        else:
            _run(scenario, out, base_port, options.command(*sys.argv[1:]))
            possible = Possible(arguments) if with_oracle else None
            _judge(scenario, out.resolve(), Known(), possible, trace_devices=trace_devices)


def _oracle_arguments(
    name: str, scenario: Scenario, settings: tuple[str, ...], signal_: str | None
) -> list[str]:
    """Arguments of `oracle` for the same run."""
    arguments = [name, "--seed", str(scenario.seed), "--duration", str(scenario.duration_s)]
    if signal_ is not None:
        arguments += ["--signal", signal_]
    for setting in settings:
        arguments += ["--set", setting]
    return arguments


def _command(arguments: list[str], frequency: str | None) -> str:
    """Command that makes a run in virtual time again, for the header of its daemon.yaml.

    Where the files go and what is done with them is left out: the journal has a hash of that file,
    and the same run is to have the same journal.
    """
    measured = [] if frequency is None else ["--frequency", frequency]
    return options.command("run", *arguments, *measured, "--clock", "virtual", "--out", "OUT")


def _simulate(
    scenario: Scenario, out: Path, command: str, replay: ReplayBeside, processes: int | None
) -> Known:
    """Make the run in virtual time; ends the program when it could not be made."""
    click.echo("loading the kernels (the first time compiles them)", err=True)
    from hil.sim.run import Simulation

    try:
        with VirtualProgress(scenario.name, scenario.duration_s) as progress:
            simulation = Simulation(
                scenario, out, progress.update, command=command, processes=processes
            )
            running.make_virtual(simulation.make)
    except running.RunError as error:
        failure = error
    else:
        replay.begin(out / "journal")
        return Known(simulation.ticks, replay.wait)
    _fail(failure.code, str(failure))


def _run(scenario: Scenario, out: Path, base_port: int | None, command: str) -> None:
    """Make the run on sockets; ends the program when it could not be made."""
    with Screen(scenario, scenario.duration_s, Console(stderr=True)) as screen:

        def view(frame: dict[str, Any]) -> None:
            screen.update(cast("Frame", frame))

        try:
            running.make(Rig(scenario, out, view, base_port=base_port, command=command))
        except running.RunError as error:
            failure = error
        else:
            return
    _fail(failure.code, str(failure))


def _judge(
    scenario: Scenario,
    out: Path,
    made: Known,
    possible: Possible | None,
    *,
    trace_devices: bool,
) -> None:
    """Work out the figures, write the report, and hold them against the limits."""
    measured = result.measure(out, ticks=made.ticks, replay=made.replay)
    if possible is not None:
        click.echo("working out what was possible", err=True)
        measured.result["oracle"] = bound = possible.wait(out)
        if "note" in bound:
            measured.result["notes"]["oracle"] = bound["note"]
        result.write(measured)
    acceptance = scenarios.applicable(scenario, measured.result)
    page = report.write(measured, acceptance=acceptance)
    if trace_devices:
        run_ = measured.run
        ids = list(run_.units.ids)
        devices_csv.write(out / "raw", out / "devices.csv.gz", ids, run_.t0_s, run_.seconds)
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(scorecard(measured.result, acceptance))
    if event := frequency_table.happened(measured.result):
        console.print(frequency_table.terminal(event))
    click.echo(f"report: {_shown(page)}")
    missed = scenarios.missed(scenario, measured.result)
    for line in missed:
        click.echo(f"not met: {line}", err=True)
    if missed:
        sys.exit(MISSED)


def _shown(path: Path) -> Path:
    """Path for people: without dots, and from here if it is below."""
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--duration", type=float, metavar="S", help="Length of the scored run.")
@click.option("--seed", type=int, metavar="N", help="Seed of the run, and of the fleet.")
@click.option("--signal", "signal_", metavar="FILE:COLUMN", help="CSV(.gz) instead of the signal.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
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

    with _stoppable():
        scenario = _load(name, settings, options.typed(seed, duration, signal_), "virtual")
        drawn = _draw(scenario, None)
        try:
            with BoundProgress(scenario.name) as progress:
                found = bounds.bound(scenario, drawn, progress=progress.update)
            if out is not None:
                bounds.write(found, out)
        except bounds.OracleError as error:
            _fail(BAD, str(error))
        except OSError as error:
            _fail(COULD_NOT, f"{out}: {error.strerror}")
    click.echo(found.describe())


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--seeds", required=True, metavar="A..B", help="First and last seed.")
@click.option("--duration", type=float, metavar="S", help="Length of each scored run.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="N", help="Default: all cores.")
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
    with _stoppable():
        scenario = _load(name, settings, options.typed(chosen[0], duration), "virtual")
        _draw(scenario, None)
        try:
            code = command.run(
                plan.Plan(name, settings, duration, scenario), chosen, out,
                jobs=jobs or len(os.sched_getaffinity(0)), keep=keep, timeout_s=timeout_s,
            )  # fmt: skip
        except CouldNotRunError as error:
            _fail(COULD_NOT, str(error))
        except OSError as error:
            _fail(COULD_NOT, f"{error.filename or out}: {error.strerror}")
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
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="N", help="Default: all cores.")
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
    with _stoppable():
        try:
            code = command.run(ask, out, processes=jobs or len(os.sched_getaffinity(0)))
        except (CouldNotRunError, NoSignalError) as error:
            _fail(COULD_NOT, str(error))
        except (RecordError, SignalError) as error:
            _fail(BAD, str(error))
        except OSError as error:
            _fail(COULD_NOT, f"{error.filename or out}: {error.strerror}")
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
    chosen = [_load(name, (), options.typed(seed), clock) for name in names]
    with _stoppable():
        try:
            code = acceptance.accept(chosen, out, clock, bounds)
        except CouldNotRunError as error:
            _fail(COULD_NOT, str(error))
        except running.StoppedError as error:
            _fail(error.code, str(error))
        except OSError as error:
            _fail(COULD_NOT, f"{error.filename or out}: {error.strerror}")
    if code:
        sys.exit(code)


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--seed", type=int, metavar="N", help="Seed of the fleet.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--base-port", type=int, default=20000, show_default=True, metavar="N")
@click.option("--state-dir", default="../build/state", show_default=True, help="Of the daemon.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
def config(
    name: str,
    seed: int | None,
    settings: tuple[str, ...],
    base_port: int,
    state_dir: str,
    out: Path,
) -> None:
    """Write the daemon's configuration for the fleet of a scenario."""
    scenario = _load(name, settings, options.typed(seed))
    drawn = _draw(scenario, base_port)
    words: list[object] = ["config", name, "--seed", scenario.seed]
    for setting in settings:
        words += ["--set", setting]
    command = options.command(*words, "--base-port", base_port, "--out", out)
    text = daemon_config.text(drawn, scenario, state_dir=state_dir, command=command)
    try:
        out.write_text(text)
    except OSError as error:
        _fail(COULD_NOT, f"{out}: {error.strerror}")


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--duration", type=float, default=3600.0, show_default=True, metavar="S")
@click.option("--seed", type=int, metavar="N", help="Seed of the fleet and of the signal.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--base-port", type=int, default=20000, show_default=True, metavar="N")
@click.option("--out", required=True, type=click.Path(path_type=Path))
def field(
    name: str,
    duration: float,
    seed: int | None,
    settings: tuple[str, ...],
    base_port: int,
    out: Path,
) -> None:
    """Serve a scenario's devices and TSO, for a `vppd run` that you start yourself."""
    from hil.field import Field, describe

    scenario = _load(name, settings, options.typed(seed, duration))
    _draw(scenario, base_port)
    words: list[object] = ["field", name, "--seed", scenario.seed]
    command = options.command(*words, "--base-port", base_port, "--out", out)
    made = Field(
        scenario, out, lambda fleet: click.echo(describe(fleet, out)),
        base_port=base_port, command=command,
    )  # fmt: skip
    try:
        running.make(made)
    except running.RunError as error:
        _fail(error.code, str(error))


if __name__ == "__main__":
    main()
