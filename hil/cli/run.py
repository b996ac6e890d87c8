"""`vppd-hil run`: a scenario, made, measured and held against its limits."""

import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
from rich.console import Console

from hil import devices_csv, frequency_table, options, report, result, running
from hil import scenario as scenarios
from hil.cli.common import SET, draw, fail, load, main, stoppable
from hil.measure.journal import Ticks
from hil.possible import Possible
from hil.progress import VirtualProgress
from hil.rig import Rig
from hil.running import BAD, MISSED
from hil.scenario import Scenario
from hil.screen import Frame, Screen, scorecard
from hil.sim.replay_beside import ReplayBeside

PIPE_WIDTH = 110  # of the scorecard in a file or a pipe, which has no width of its own


class Known(NamedTuple):
    """What is at hand after a run in virtual time; else the daemon's commands are asked for it."""

    ticks: Ticks | None = None
    replay: result.Replayer | None = None


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--clock", type=click.Choice(["real", "virtual"]), default="real", show_default=True)
@click.option("--duration", type=float, metavar="S", help="Length of the scored run.")
@click.option("--seed", type=int, metavar="N", help="Seed of fleet, signal and faults.")
@click.option("--signal", "signal_", metavar="FILE:COLUMN", help="AGC from a CSV with t_s, in pu.")
@click.option("--frequency", metavar="FILE:COLUMN", help="Frequency from a CSV with t_s, in Hz.")
@SET
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
        fail(BAD, "--base-port: there are no ports in virtual time")
    if clock == "real" and processes is not None:
        fail(BAD, "--processes: on the real clock the scenario says how many (wire)")
    with stoppable():
        scenario = load(name, settings, options.typed(seed, duration, signal_, frequency), clock)
        draw(scenario, base_port)
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
        fail(error.code, str(error))
    replay.begin(out / "journal")
    return Known(simulation.ticks, replay.wait)


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
    fail(failure.code, str(failure))  # the screen is gone by then


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
