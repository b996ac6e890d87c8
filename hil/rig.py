"""The bench by the real clock: the installed `vppd run` as a process, devices on real sockets.

    ports -> fleet.json, daemon.yaml -> broker -> wire processes, TSO -> daemon (READY=1) -> t0
    each second: status of the daemon, load and memory; faults by their time
    end, Ctrl-C or a failure: TSO -> daemon (SIGTERM) -> wire processes -> broker -> run.json

`run.json`: `t0_s` (start of the scored run, CLOCK_MONOTONIC), `duration_s`, `scenario`, `title`,
`seed`, `fleet_seed`, `clock`, `started_utc`, `policy`, `checks` (of the scenario), `utc_offset_s`
(wall clock less CLOCK_MONOTONIC), `daemon_exit_code`, `taken_over` (units that followed the daemon
at t0), `io` (writes, failed_writes, reconnects of the scored run), `process`
(rss_mb: largest, cpu_pct: mean, startup_s: spawn to READY, `connected_s`: READY to t0,
`realtime`: what the daemon says the kernel granted it, null if it was not asked), `bench`
(cpu_pct by process), `samples` (each second: t_s, rss_mb and cpu_pct of the daemon, cpu_pct of the
bench), `versions`.
"""

import asyncio
import contextlib
import json
import math
import os
import platform
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hil import broker, daemon_config, faults, fleet, folder, frequency, recording
from hil.notify import NotifySocket
from hil.plumbing import Child, CouldNotRunError, reserve_free_ports, reserve_ports
from hil.priority import raise_priority
from hil.records import Problem, RecordError
from hil.scenario import EventConfig, Scenario
from hil.tiles import counted
from hil.tso import frequency as tso_frequency
from hil.tso import process as tso
from hil.tso import signal as tso_signal
from hil.watch import DAEMON, Load, Watch, machine

READY_TIMEOUT_S = 60.0
WIRE_TIMEOUT_S = 30.0
TAKE_OVER_S = 15.0  # at most that long are the units waited for before t0
TAKE_OVER_SHARE = 0.95
STOP_TIMEOUT_S = 15.0
HOG, HOG_MB = "host_memory_pressure", 256.0
UPDATE_S = 0.5
PACKAGES = ("vppd", "numpy", "numba", "py1815", "pymodbus", "gmqtt", "uvloop")

View = Callable[[dict[str, Any]], None]


class TooLateError(CouldNotRunError):
    """Something that a run needs did not come in time."""


class DaemonDiedError(Exception):
    """The daemon ended before the run did. The text has its last log lines."""


def find_vppd() -> str:
    """Command of the installed daemon. Raises CouldNotRunError."""
    beside = Path(sys.executable).with_name("vppd")
    found = str(beside) if beside.exists() else shutil.which("vppd")
    if found is None:
        raise CouldNotRunError("vppd is not installed: no command of this name")
    return found


def check_events(scenario: Scenario, drawn: fleet.Fleet) -> None:
    """Raise RecordError for faults of units or processes that the fleet has not."""
    known = {unit.id for unit in drawn.units}
    problems = []
    for number, event in enumerate(scenario.events):
        where = f"events[{number}]"
        problems += [f"{where}.units: there is no unit {u}" for u in event.units if u not in known]
        if event.kind == "wire_kill" and event.process >= drawn.processes:
            problems.append(f"{where}.process: there are {drawn.processes} wire processes, from 0")
    if problems:
        raise RecordError([Problem(scenario.name, 1, *p.split(": ", 1)) for p in problems])


def check_clock(scenario: Scenario) -> None:
    """Raise RecordError for what only virtual time can do."""
    if scenario.frequency.closed_loop:
        message = (
            "grid: a closed loop runs in virtual time only; add --clock virtual,"
            " or open the loop by --frequency FILE:COLUMN"
        )
        raise RecordError([Problem(scenario.name, 1, "frequency.kind", message)])


class Rig:
    """One run. `view` is called twice a second with what there is to show.

    `command`: what asks for this run, for the header of its daemon.yaml; `more_config`: YAML
    that stands at the end of that file.
    """

    def __init__(
        self,
        scenario: Scenario,
        out_dir: Path,
        view: View,
        *,
        base_port: int | None = None,
        vppd: str | None = None,
        command: str = "",
        more_config: str = "",
    ) -> None:
        self.scenario = scenario
        self.out_dir = out_dir.resolve()
        self.raw_dir = self.out_dir / "raw"
        self.watch = Watch()
        self.load = Load()
        self.t0_s = float("nan")
        self.take_over_s = TAKE_OVER_S
        self._view = view
        self._base_port = base_port
        self._vppd = vppd
        self._command = command
        self._more_config = more_config
        self._phase = "starting"
        self._started_utc = datetime.now(UTC)
        self._wires: dict[int, Child] = {}
        self._broker: Child | None = None
        self._daemon: Child | None = None
        self._tso: Child | None = None
        self._startup_s: float | None = None
        self._ready_s = float("nan")
        self._taken_over = 0
        self._io: dict[str, int] = {}
        self._load_pct: dict[str, float] = {}
        self._ports: socket.socket | None = None  # keeps the ports for this run
        self._marker = -1  # keeps OUT for this run
        self._hogs: dict[EventConfig, Child] = {}  # faults that press on memory now
        self._killed: set[int] = set()  # wire processes that the scenario holds down

    @property
    def began(self) -> bool:
        """True once the scored run has begun."""
        return not math.isnan(self.t0_s) and time.monotonic() >= self.t0_s

    async def run(self) -> None:
        """Make the run and leave its record in OUT/raw.

        Raises CouldNotRunError, DaemonDiedError, SignalError; ends every process in any case.
        """
        scenario = self.scenario
        check_clock(scenario)
        tso_signal.series(scenario.signal, scenario.seed, scenario.duration_s)  # fails early
        tso_frequency.source(scenario.frequency, scenario.duration_s)
        vppd = self._vppd or find_vppd()
        self._marker = folder.take(self.out_dir)
        try:
            await self._run(vppd)
        finally:
            os.close(self._marker)

    async def _run(self, vppd: str) -> None:
        self.fleet = self._draw()
        this = asyncio.current_task()
        if this is not None:  # SIGTERM ends a run as orderly as Ctrl-C
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
        showing = asyncio.create_task(self._show())
        try:
            await self._start(vppd)
            await self._scored()
        finally:
            self._phase = "stopping"
            await self._stop()
            showing.cancel()
            if self.began:
                self._write_run()

    def _draw(self) -> fleet.Fleet:
        check_events(self.scenario, fleet.draw(self.scenario, 0))
        count = fleet.ports(self.scenario)
        if self._base_port is None:
            base_port, self._ports = reserve_free_ports(count)
        else:
            base_port, self._ports = self._base_port, reserve_ports(self._base_port, count)
        drawn = fleet.draw(self.scenario, base_port)
        drawn.write(self.raw_dir / "fleet.json")
        timed = faults.schedule(self.scenario, drawn.units)
        faults.fault.write(timed, self.raw_dir / "faults.json")
        frequency.write(self.scenario, self.raw_dir)
        self.watch.grid = frequency.read(self.raw_dir)
        plain = ("vppd-hil", "run", self.scenario.name, "--seed", str(self.scenario.seed))
        command = self._command or shlex.join(plain)
        text = daemon_config.text(drawn, self.scenario, state_dir=".", command=command)
        (self.out_dir / "daemon.yaml").write_text(text + self._more_config)
        cuts = tuple(event for event in self.scenario.events if event.kind == "agc_cut")
        tso.Spec(
            port=drawn.tso_port,
            seed=self.scenario.seed,
            duration_s=self.scenario.duration_s,
            latency_s=drawn.latency_s,
            source=self.scenario.signal,
            cuts=cuts,
            frequency=self.scenario.frequency,
        ).write(self.raw_dir / "tso.json")
        return drawn

    async def _start(self, vppd: str) -> None:
        """Bring everything up, in order."""
        if "mqtt" in self.fleet.counts("protocol"):
            self._phase = "starting the MQTT broker"
            self._broker = await broker.start(self.fleet.broker_port, self.raw_dir)
            self.load.add("broker", self._broker)
            raise_priority(self._broker.pid)
        self._phase = f"starting {counted(len(self.fleet.units), 'device')}"
        for k in range(self.fleet.processes):
            await self._start_wire(k)
        await self._start_tso()
        await self._until(self._others_ready, WIRE_TIMEOUT_S)
        await self._start_daemon(vppd)
        wanted = TAKE_OVER_SHARE * len(self.fleet.units)
        self._phase = "waiting until the daemon has taken over the units"
        with contextlib.suppress(TooLateError):  # its affair: the run shows it
            await self._until(lambda: self.watch.following >= wanted, self.take_over_s)

    def _others_ready(self) -> bool:
        return self.watch.tso_ready and self.watch.wires_ready == self.fleet.processes

    async def _start_tso(self) -> None:
        """Start the TSO; it connects as soon as the plant listens."""
        argv = [sys.executable, "-m", "hil.tso", str(self.raw_dir / "tso.json")]
        self._tso = await Child.start(
            "tso", argv, self.raw_dir / "tso.log", on_line=self.watch.hear_tso
        )
        self.load.add("tso", self._tso)

    async def _start_wire(self, k: int) -> None:
        argv = [sys.executable, "-m", "hil.wire", str(self.raw_dir / "fleet.json"), str(k)]
        log = self.raw_dir / f"wire-{k}.log"
        self._wires[k] = await Child.start(
            f"wire process {k}", argv, log, on_line=lambda line: self.watch.hear_wire(k, line)
        )
        self.load.add("wire", self._wires[k])

    async def _start_daemon(self, vppd: str) -> None:
        """Start the daemon and wait for READY=1."""
        notify = NotifySocket()
        try:
            began_s = time.monotonic()
            self._daemon = await Child.start(
                "vppd",
                [vppd, "run", str(self.out_dir / "daemon.yaml")],
                self.out_dir / "daemon.log",
                env={**os.environ, "NOTIFY_SOCKET": notify.address},
            )
            self.load.add(DAEMON, self._daemon)
            self._phase = "starting vppd (the first start compiles its kernels)"
            await self._until(notify.ready.is_set, READY_TIMEOUT_S)
            self._ready_s = time.monotonic()
            self._startup_s = self._ready_s - began_s
        finally:
            notify.close()

    async def _scored(self) -> None:
        """From t0 to the end: faults by their time, samples, status."""
        lead_s = tso.LEAD_VALUES * self.scenario.signal.interval_s
        self.t0_s = float(int(time.monotonic() + 1.5 + lead_s))
        self._phase = "the first AGC values go out"
        order = json.dumps({"do": "start", "t0_s": self.t0_s})
        for wire in self._wires.values():
            wire.order(order)
        if self._tso is not None:
            self._tso.order(order)
        await self._sleep_until(self.t0_s)
        self._phase = ""
        self._taken_over = self.watch.following
        await self._ask_status()
        io_before, cpu_before = self.watch.io(), self.load.cpu_s()
        agenda = sorted(self._agenda(), key=lambda entry: entry[0])
        end_s = self.t0_s + self.scenario.duration_s
        sampler = asyncio.create_task(self._sample())
        try:
            for at_s, event, begins in agenda:
                await self._sleep_until(min(self.t0_s + at_s, end_s))
                if self.t0_s + at_s < end_s:
                    await self._act(event, begins=begins)
            await self._sleep_until(end_s)
        finally:
            sampler.cancel()
        await self._ask_status()
        self._io = {k: n - io_before.get(k, 0) for k, n in self.watch.io().items()}
        self._load_pct = self.load.mean_pct(cpu_before, self.t0_s)
        await self._sleep_until(end_s + 0.3)  # the last steps of the physics are written

    def _agenda(self) -> list[tuple[float, EventConfig, bool]]:
        """Begin and end of the faults that the rig itself injects."""
        entries = []
        for event in self.scenario.events:
            if event.kind in ("link_cut", "wire_kill", HOG):
                entries.append((event.at_s, event, True))
            if event.kind in ("wire_kill", HOG):
                entries.append((event.at_s + event.duration_s, event, False))
        return entries

    async def _act(self, event: EventConfig, *, begins: bool) -> None:
        if event.kind == "link_cut":
            order = {
                "do": "cut",
                "units": event.units,
                "duration_s": event.duration_s,
                "silent": event.how == "silent",
            }
            for wire in self._wires.values():
                wire.order(json.dumps(order))
        elif event.kind == HOG:
            await self._press_memory(event, begins=begins)
        elif begins:
            await self._kill_wire(event.process)
        else:
            self._record("wire_back", f"process {event.process}")
            self.watch.alarms.clear()
            await self._start_wire(event.process)
            order_text = json.dumps({"do": "start", "t0_s": self.t0_s})
            self._wires[event.process].order(order_text)
            self._killed.discard(event.process)

    async def _press_memory(self, event: EventConfig, *, begins: bool) -> None:
        """Let another process have memory and use it, or end that."""
        hog = self._hogs.pop(event, None)
        if hog is not None:
            await hog.stop(STOP_TIMEOUT_S)
            self._record(f"{HOG}_back", "")
        elif begins:
            size_mb = HOG_MB if event.size_mb is None else event.size_mb
            self._record(HOG, f"{size_mb:g}, {event.duration_s:.1f} s")
            argv = [sys.executable, "-m", "hil.hog", f"{size_mb:g}"]
            self._hogs[event] = await Child.start("hog", argv, self.raw_dir / "hog.log")

    async def _kill_wire(self, k: int) -> None:
        """Kill one wire process (kill -9): its devices are gone at once."""
        wire = self._wires[k]
        self._killed.add(k)
        self.watch.alarms.append(f"wire process {k} is killed")
        self.load.retire("wire", wire)
        self._record("wire_kill", f"process {k}")
        wire.signal(signal.SIGKILL)
        await wire.process.wait()

    def _record(self, kind: str, detail: str) -> None:
        event = {"t_s": time.monotonic(), "unit": -1, "kind": kind, "detail": detail}
        with recording.append_file(self.raw_dir / "rig.events.jsonl") as file:
            file.write((json.dumps(event) + "\n").encode())

    def _check(self) -> None:
        """Raise if a process is gone that should be there."""
        if self._daemon is not None and self._daemon.returncode is not None:
            code, log = self._daemon.returncode, self._daemon.last_lines()
            raise DaemonDiedError(f"vppd ended with code {code}; its last lines:\n{log}")
        others = [self._tso, self._broker]
        others += [wire for k, wire in self._wires.items() if k not in self._killed]
        for child in others:
            if child is not None and child.returncode is not None:
                raise CouldNotRunError(
                    f"{child.name} ended with code {child.returncode}:\n{child.last_lines()}"
                )

    async def _until(self, condition: Callable[[], object], timeout_s: float) -> None:
        """Wait for a condition. Raises CouldNotRunError if it does not come, or a process dies."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            self._check()
            if time.monotonic() > end_s:
                raise TooLateError(f"{self._phase}: not done after {timeout_s:g} s")
            await asyncio.sleep(0.02)

    async def _sleep_until(self, instant_s: float) -> None:
        while (left_s := instant_s - time.monotonic()) > 0.0:
            self._check()
            await asyncio.sleep(min(left_s, 0.25))

    async def _sample(self) -> None:
        """Once a second: the daemon's status, memory, and load."""
        while True:
            self.load.sample(self.t0_s)
            await asyncio.sleep(1.0)
            await self._ask_status()

    async def _ask_status(self) -> None:
        """Read the daemon's status socket; what cannot be had is None."""
        self.watch.daemon = {}
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(1.0):
                path = self.out_dir / "vppd.sock"
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    self.watch.daemon = json.loads(await reader.read())
                    self.watch.realtime = self.watch.daemon.get("realtime")
                finally:
                    writer.close()

    async def _show(self) -> None:
        """Show how things are, twice a second."""
        while True:
            self._view(self.watch.frame(self.fleet, self._phase, time.monotonic() - self.t0_s))
            await asyncio.sleep(UPDATE_S)

    async def _stop(self) -> None:
        """End every process, those that command first."""
        others = (*self._wires.values(), *self._hogs.values(), self._broker)
        children = (self._tso, self._daemon, *others)
        started = [child for child in children if child is not None]
        try:
            for child in started:
                await child.stop(STOP_TIMEOUT_S)
        finally:  # an impatient second Ctrl-C
            for child in started:
                child.signal(signal.SIGKILL)
            if self._ports is not None:
                self._ports.close()

    def _write_run(self) -> None:
        """Write run.json."""
        scenario, samples = self.scenario, self.load.samples
        daemon_pct = self._load_pct.pop(DAEMON, None)
        record = {
            "t0_s": self.t0_s,
            "duration_s": scenario.duration_s,
            "scenario": scenario.name,
            "title": scenario.title,
            "seed": scenario.seed,
            "fleet_seed": scenario.fleet_seed,
            "clock": "real",
            "started_utc": self._started_utc.isoformat(timespec="seconds"),
            "policy": scenario.allocation.policy,
            "checks": asdict(scenario.checks),
            "utc_offset_s": time.time() - time.monotonic(),
            "daemon_exit_code": self._daemon.returncode if self._daemon else None,
            "taken_over": self._taken_over,
            "io": self._io,
            "process": {
                "rss_mb": max((s.daemon_rss_mb for s in samples), default=None),
                "cpu_pct": daemon_pct,
                "startup_s": round(self._startup_s, 3) if self._startup_s is not None else None,
                "connected_s": round(self.t0_s - self._ready_s, 3),
                "realtime": self.watch.realtime,
            },
            "bench": {"cpu_pct": self._load_pct, **machine()},
            "samples": [sample.row() for sample in samples],
            "versions": {
                "python": platform.python_version(),
                "kernel": platform.release(),
                **{name: version(name) for name in PACKAGES},
            },
        }
        (self.raw_dir / "run.json").write_text(json.dumps(record, indent=1))
