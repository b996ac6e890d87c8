"""One run in virtual time: the daemon's own code, the simulated plant and the TSO on one clock.

It leaves the same record as a run on sockets (`hil.rig`), so that the same code measures both.
"""

import asyncio
import gc
import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from hil import daemon_config, faults, fleet, folder, frequency
from hil.faults.fault import write as write_faults
from hil.measure.journal import Ticks
from hil.plumbing import CouldNotRunError
from hil.rig import PACKAGES, check_events
from hil.scenario import Scenario
from hil.sim.broker import Broker
from hil.sim.collector import Collector
from hil.sim.daemon import SimulatedDaemon, chance, parsed
from hil.sim.frequency import terminals
from hil.sim.host import Host
from hil.sim.host_faults import keep_faults
from hil.sim.log import SimulatedLog
from hil.sim.loop import StuckError, VirtualLoop, run
from hil.sim.shard import part
from hil.sim.shard.stand_in import Worker
from hil.sim.shard.worker import Task, merge, serve
from hil.sim.tso import SimulatedTso
from hil.sim.wire import SimulatedPlant
from hil.sim.wires import Wires
from hil.tso import process as tso
from vppd.config.schema import Config

BASE_PORT = 20000  # of addresses that exist in memory only
START_S = 1000.0  # of the virtual clock
UTC_S = 1_767_225_600.0  # wall clock of instant 0: 2026-01-01
TAKE_OVER_S = 15.0  # at most that long are the units waited for before t0
TAKE_OVER_SHARE = 0.95
LAST_STEPS_S = 0.3  # after the end: the last steps of the physics are written
VIEW_S = 1.0  # virtual time between two views
View = Callable[[float, float], None]  # seconds since t0, speed

log = structlog.get_logger()


class Simulation:
    """One run of a scenario in virtual time, into a folder.

    Parameters
    ----------
    view : callable, optional
        Told how far it is: virtual seconds since t0, and how many times faster than real.
    command : str
        What asked for this run, for the header of its daemon.yaml.
    processes : int, optional
        1, or 2: another one takes a part of the units where the scenario allows it. None: as many
        as it is worth on this machine.
    """

    def __init__(
        self,
        scenario: Scenario,
        out_dir: Path,
        view: View | None = None,
        *,
        command: str = "",
        processes: int | None = 1,
    ) -> None:
        self.scenario = scenario
        self.out_dir = out_dir.resolve()
        self.raw_dir = self.out_dir / "raw"
        self.errors: list[dict[str, Any]] = []  # what went wrong in the daemon, from its log
        self.ticks: Ticks | None = None  # of the daemon, once the run is made
        self.t0_s = math.nan
        self._view = view
        self._command = command
        self._processes = processes
        self._worker: Worker | None = None
        self._taken_over = 0
        self._collector = Collector(START_S)
        self._io: dict[str, int] = {}

    def make(self) -> None:
        """Make the run. Raises CouldNotRunError, SignalError, RecordError.

        What the daemon raises goes through: it is the one thing that must never happen.
        """
        began_s, started = time.monotonic(), datetime.now(UTC)
        cpu_began_s = time.process_time()
        marker = folder.take(self.out_dir)
        loop = VirtualLoop(START_S)
        collecting = gc.isenabled()
        try:
            with SimulatedLog(self.out_dir / "daemon.log", loop.time) as written:
                gc.disable()  # `_watch` collects, seldom
                loop.set_exception_handler(_log_fault)
                run(self._main(loop), loop)
            self.errors = written.errors
            if self._worker is not None:
                self.errors += self._worker.errors
                merge(self.out_dir)
            cpu_s = time.process_time() - cpu_began_s
            self._write_run(started, time.monotonic() - began_s, cpu_s)
        except StuckError as error:
            raise CouldNotRunError(f"virtual time: {error}") from error
        except Exception as error:
            if self._worker is not None and self._worker.failure:
                raise CouldNotRunError(self._worker.failure) from error  # the rest follows from it
            raise
        finally:
            loop.set_exception_handler(lambda *_: None)  # of tasks that an interrupt has ended
            if self._worker is not None:
                self._worker.close()
            if self._collector.froze:  # else what the caller has frozen stays so
                gc.unfreeze()
            if collecting:
                gc.enable()
            os.close(marker)

    async def _main(self, loop: VirtualLoop) -> None:
        scenario = self.scenario
        drawn = fleet.draw(scenario, BASE_PORT)
        check_events(scenario, drawn)
        drawn.write(self.raw_dir / "fleet.json")
        text = daemon_config.text(drawn, scenario, state_dir=".", command=self._command).encode()
        (self.out_dir / "daemon.yaml").write_bytes(text)

        timed = faults.schedule(scenario, drawn.units)
        write_faults(timed, self.raw_dir / "faults.json")
        frequency.write(scenario, self.raw_dir)
        config = parsed(text)
        ends = terminals(scenario, drawn.basepoint_mw, self.raw_dir)
        wanted = self._processes or part.processes(scenario, len(drawn.units))
        away = part.away(drawn, timed, frequency=ends is not None) if wanted > 1 else ()
        constant = faults.constant_outages(
            scenario.seed, len(drawn.units), scenario.faults, scenario.duration_s
        )
        all_faults = (*timed, *constant)
        if away:
            self._fork(self.task(drawn, away, all_faults, config), loop)
        worker = self._worker
        broker, host = Broker(loop), Host(loop, UTC_S)
        plant = SimulatedPlant(
            drawn, Wires(loop, drawn), broker, self.raw_dir, lambda: UTC_S + loop.time(), ends,
            units=[unit.index for unit in drawn.units if unit.index not in away],
        )  # fmt: skip
        await plant.open()
        daemon = SimulatedDaemon(
            text, self.out_dir, plant.by_port, broker,
            clock=loop.time, host=host, seed=scenario.seed, config=config, worker=worker,
        )  # fmt: skip
        measured = None if ends is None else lambda _: ends.freq_hz
        master = SimulatedTso(self._spec(drawn), self.raw_dir, loop.time, measured)
        await daemon.start()
        others = [plant.run(), master.serve(), daemon.failure(), self._watch(loop)]
        if worker is not None:
            daemon.quiet_until_s = lambda: master.quiet_until_s
            master.on_quiet = daemon.let_worker_go
            others.append(worker.lead())
        tasks = [asyncio.create_task(work) for work in others]
        try:
            scored = asyncio.create_task(self._scored(loop, plant, master, daemon, all_faults))
            tasks.append(scored)
            await _first_of(scored, tasks)
            await daemon.stop()
            if worker is not None:
                worker.end()
            self.ticks = daemon.recorder.ticks(daemon.params.ids, [u.id for u in drawn.units])
        finally:
            for task in (daemon.task, *tasks):
                task.cancel()
            await asyncio.gather(daemon.task, *tasks, return_exceptions=True)
            plant.writer.close()
            if ends is not None:
                ends.close()

    async def _scored(
        self,
        loop: VirtualLoop,
        plant: SimulatedPlant,
        master: SimulatedTso,
        daemon: SimulatedDaemon,
        all_faults: tuple[faults.Fault, ...],
    ) -> None:
        """From the start to the end of the scored run."""
        scenario, units, worker = self.scenario, len(daemon.params.ids), self._worker
        give_up_s = loop.time() + TAKE_OVER_S
        while self._following(plant) < TAKE_OVER_SHARE * units and loop.time() < give_up_s:
            await asyncio.sleep(0.1)
        lead_s = tso.LEAD_VALUES * scenario.signal.interval_s
        self.t0_s = float(math.ceil(loop.time() + 1.5 + lead_s))
        plant.start_faults(all_faults, self.t0_s)
        if worker is not None:
            worker.start_faults(self.t0_s)
            worker.expect_looks(self.t0_s)
        master.start(self.t0_s)
        if plant.terminals is not None:
            plant.terminals.start(self.t0_s)
        machine = asyncio.create_task(
            keep_faults(all_faults, daemon, self.t0_s, loop, plant.writer, scenario.seed)
        )
        await asyncio.sleep(self.t0_s - loop.time())
        self._taken_over = self._following(plant)
        before = daemon.io()
        end_s = self.t0_s + scenario.duration_s + LAST_STEPS_S
        if worker is not None:
            worker.expect_looks(end_s)
        await asyncio.sleep(end_s - loop.time())
        if worker is not None:
            worker.expect_looks(-math.inf)
        self._io = {key: n - before[key] for key, n in daemon.io().items()}
        machine.cancel()

    def _fork(self, task: Task, loop: VirtualLoop) -> None:
        """Start the worker."""
        ids = tuple(task.drawn.units[index].id for index in task.units)
        self._worker = Worker(partial(serve, task), ids, loop)

    def task(
        self,
        drawn: fleet.Fleet,
        units: tuple[int, ...],
        all_faults: tuple[faults.Fault, ...],
        config: Config,
    ) -> Task:
        """What a worker has to know that takes these units."""
        return Task(
            drawn, units, config, all_faults, self.out_dir, START_S, UTC_S,
            seed=chance(self.scenario.seed).random(),
        )  # fmt: skip

    def _following(self, plant: SimulatedPlant) -> int:
        """Units that follow the daemon."""
        if self._worker is None:
            return plant.following
        self._worker.look()
        return plant.following + self._worker.following

    async def _watch(self, loop: VirtualLoop) -> None:
        """Tell how far it is, and let the collector of cycles work now and then."""
        began_s, began_virtual_s = time.monotonic(), loop.time()
        while True:
            await asyncio.sleep(VIEW_S)
            self._collector.look(loop.time())
            if self._view is not None:
                spent_s = max(time.monotonic() - began_s, 1e-6)
                self._view(loop.time() - self.t0_s, (loop.time() - began_virtual_s) / spent_s)

    def _spec(self, drawn: fleet.Fleet) -> tso.Spec:
        scenario = self.scenario
        return tso.Spec(
            port=drawn.tso_port,
            seed=scenario.seed,
            duration_s=scenario.duration_s,
            latency_s=drawn.latency_s,
            source=scenario.signal,
            cuts=tuple(event for event in scenario.events if event.kind == "agc_cut"),
            frequency=scenario.frequency,
        )

    def _write_run(self, started: datetime, spent_s: float, cpu_s: float) -> None:
        """Write run.json."""
        scenario = self.scenario
        record = {
            "t0_s": self.t0_s,
            "duration_s": scenario.duration_s,
            "scenario": scenario.name,
            "title": scenario.title,
            "seed": scenario.seed,
            "fleet_seed": scenario.fleet_seed,
            "clock": "virtual",
            "processes": 1 if self._worker is None else 2,
            "speedup": round(scenario.duration_s / spent_s, 1),
            "cpu_s": round(cpu_s, 3),  # of this process: what others on the machine do not change
            "started_utc": started.isoformat(timespec="seconds"),
            "policy": scenario.allocation.policy,
            "checks": asdict(scenario.checks),
            "taken_over": self._taken_over,
            "io": self._io,
            "versions": {
                "python": platform.python_version(),
                "kernel": platform.release(),
                **{name: version(name) for name in PACKAGES},
            },
        }
        (self.raw_dir / "run.json").write_text(json.dumps(record, indent=1))


def _log_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody caught in a task or a callback, as asyncio's own handler does."""
    raised = context.get("exception")
    log.error("loop_exception", message=context.get("message"), error=repr(raised))


async def _first_of(wanted: asyncio.Task[None], tasks: list[asyncio.Task[None]]) -> None:
    """Wait until the wanted task ends. Raises what ended another one before it."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    if wanted not in done:
        raise CouldNotRunError("something ended before the run did")
