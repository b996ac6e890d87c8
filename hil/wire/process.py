"""One wire process: physics, devices on their sockets, faults, and the record of all of it.

Lines of JSON on stdin are the rig's orders (`start`, `cut`, `stop`; its end is a stop, too), lines
on stdout tell it how things are, twice a second.
"""

import asyncio
import gc
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from hil import frequency, recording
from hil.faults import Fault, fault, stream
from hil.faults.agenda import Agenda
from hil.faults.unit import UnitFaults
from hil.fleet import Fleet, Unit
from hil.plant.plant import Plant
from hil.recording import PHYSICS_STEP_S, LinkChange, Writer
from hil.thinning import thin
from hil.tso.frequency import At, source
from hil.wire import dnp3
from hil.wire.device import Device
from hil.wire.loads import MAKER_A, MAKER_B, LoadRegisters
from hil.wire.modbus import ModbusConnection, Registers
from hil.wire.mqtt import Depot
from hil.wire.outages import OutagePlan
from hil.wire.plug import EndpointPlug
from hil.wire.sunspec import BatteryRegisters, PvRegisters

STEPS_PER_SECOND = round(1.0 / PHYSICS_STEP_S)
REPORT_STEPS = STEPS_PER_SECOND // 2
REPLAY_S = 120.0  # setpoints that may still be on their way through a dead time
LOCALHOST = "127.0.0.1"


class Ending(Protocol):
    """A connection that can be ended."""

    def abort(self) -> None:
        """End it."""

    def reset(self) -> None:
        """Reset it, as a peer does that is gone."""


class TcpEndpoint:
    """Listener of one device, with its connections."""

    def __init__(self, device: Device, fleet: Fleet) -> None:
        self.device = device
        self._port = device.unit.port
        self._connections: set[Ending] = set()
        self._server: asyncio.Server | None = None
        self._make = self._factory(fleet)

    async def open(self) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make, LOCALHOST, self._port)
        self.device.linked(LinkChange.LISTENING)

    async def close(self, *, orderly: bool) -> None:
        """Stop listening, and end the connections; not `orderly`: by a reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            if orderly:
                connection.abort()
            else:
                connection.reset()

    def _factory(self, fleet: Fleet) -> Callable[[], asyncio.Protocol]:
        rng = stream(fleet.seed, self.device.unit.index, "latency")
        if self.device.unit.protocol == "dnp3":
            points = dnp3.HVAC if self.device.unit.kind == "hvac" else dnp3.INDUSTRIAL
            outstation = dnp3.Outstation(self.device, points, rng, fleet.latency_s, self._ended)
            return lambda: self._began(dnp3.Dnp3Connection(outstation))
        registers = registers_of(self.device)
        return lambda: self._began(
            ModbusConnection(self.device, registers, rng, fleet.latency_s, self._ended)
        )

    def _began(self, connection: Any) -> Any:
        self._connections.add(connection)
        return connection

    def _ended(self, connection: Any) -> None:
        self._connections.discard(connection)


class DepotEndpoint:
    """Connection of one depot to the broker."""

    def __init__(self, device: Device, fleet: Fleet) -> None:
        self.device = device
        rng = stream(fleet.seed, device.unit.index, "latency")
        self.depot = Depot(device, rng, fleet.latency_s)
        self._port = fleet.broker_port

    async def open(self) -> None:
        """Connect to the broker. Raises OSError."""
        await self.depot.open(self._port)

    async def close(self, *, orderly: bool) -> None:
        """Leave the broker."""
        await self.depot.close(orderly=orderly)


def registers_of(device: Device) -> Registers:
    """Registers of a Modbus device, by its maker."""
    maker = device.unit.maker
    if maker == "sunspec_battery":
        return BatteryRegisters(device)
    if maker == "sunspec_pv":
        return PvRegisters(device)
    return LoadRegisters(device, MAKER_A if maker == "modbus_ev_hub" else MAKER_B)


def frequency_for(units: Sequence[Unit], raw_dir: Path) -> At | None:
    """Frequency that these units measure; None: there is none, or they are blind to it."""
    if all(unit.droop_pu is None for unit in units):
        return None
    return source(frequency.read(raw_dir).source, 0.0)


class WireProcess:
    """All devices of one process."""

    def __init__(
        self,
        fleet: Fleet,
        process: int,
        raw_dir: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fleet = fleet
        self.process = process
        self.units = [unit for unit in fleet.units if unit.process == process]
        self.clock = clock
        self.stopping = asyncio.Event()
        self._open = False  # whether anybody hears what is said
        self.plant = self._plant(raw_dir)
        indices = [unit.index for unit in self.units]
        how = thin(fleet.unit_trace_s, [unit.kind for unit in self.units])
        self.writer = Writer(
            raw_dir, process, indices, limits=True, states=True, threaded=True, thin=how
        )
        self.endpoints: list[TcpEndpoint | DepotEndpoint] = []
        for slot, unit in enumerate(self.units):
            device = Device(unit, slot, fleet, self.plant, self.writer, clock)
            kind = DepotEndpoint if unit.protocol == "mqtt" else TcpEndpoint
            self.endpoints.append(kind(device, fleet))
        self._depots = [e for e in self.endpoints if isinstance(e, DepotEndpoint)]
        targets = {
            endpoint.device.unit.index: UnitFaults(endpoint.device, EndpointPlug(endpoint))
            for endpoint in self.endpoints
        }
        # what the rig orders, and what is always there, is not in the file
        self._timed = [
            each
            for each in fault.read(raw_dir / "faults.json")
            if each.unit in targets and each.kind != "link_outage"
        ]
        self._hertz = frequency_for(self.units, raw_dir)
        self._t0_s = math.nan
        self._agenda = Agenda((), 0.0, lambda each: targets[each.unit], self.writer.event)
        self._outages: OutagePlan | None = None

    def _plant(self, raw_dir: Path) -> Plant:
        """Physics, from the basepoints, or from where a killed predecessor was."""
        seed = self.fleet.seed * 1000 + self.process
        nominal_hz = frequency.read(raw_dir).source.nominal_hz
        if self.process in recording.processes(raw_dir):
            _, rows = recording.read_power(raw_dir, self.process)
            if len(rows):
                last = rows[-1]
                plant = Plant(self.units, PHYSICS_STEP_S, float(last["t_s"]), seed, nominal_hz)
                plant.restore(last["p_mw"], last["soc"])
                self._replay(plant, raw_dir)
                return plant
        return Plant(self.units, PHYSICS_STEP_S, self.clock(), seed, nominal_hz)

    def _replay(self, plant: Plant, raw_dir: Path) -> None:
        """Give the units again what they were told shortly before the predecessor died.

        What died is their simulator: their watchdogs are as the daemon had armed them.
        """
        slots = {unit.index: slot for slot, unit in enumerate(self.units)}
        for i, unit in enumerate(self.units):
            plant.arm(i, watchdog_s=unit.watchdog_s, fallback_mw=unit.fallback_mw)
        for row in recording.read_setpoints(raw_dir):
            slot = slots.get(int(row["unit"]))
            if slot is not None and row["flags"] == 0 and row["t_s"] > plant.now_s - REPLAY_S:
                plant.order(slot, float(row["p_mw"]), float(row["t_s"]))

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C: the rig stops us in order
        self._catch_up()  # before anybody can wait for an answer
        await asyncio.gather(*(endpoint.open() for endpoint in self.endpoints))
        self._open = True
        orders = asyncio.create_task(self._orders())
        physics = asyncio.create_task(self._physics())
        gc.collect()
        gc.freeze()
        self._say({"ready": True, "units": len(self.units), "seed": self.fleet.seed})
        stop = asyncio.create_task(self.stopping.wait())
        try:
            done, _ = await asyncio.wait(
                {orders, physics, stop}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()  # a failure of the physics ends the process, visibly
        finally:
            for task in (orders, physics, stop):
                task.cancel()
            await asyncio.gather(
                *(endpoint.close(orderly=True) for endpoint in self.endpoints),
                return_exceptions=True,
            )
            self.writer.close()

    async def _physics(self) -> None:
        """Step the plant on the grid of the clock, for ever."""
        while True:
            self._catch_up()
            self._faults()
            self.writer.flush()
            await asyncio.sleep(max(self.plant.now_s + PHYSICS_STEP_S - self.clock(), 0.001))

    def _catch_up(self) -> None:
        """Step the plant to the present."""
        while self.plant.now_s + PHYSICS_STEP_S <= self.clock():
            self._step()

    def _step(self) -> None:
        plant = self.plant
        plant.step()
        if self._hertz is not None and not math.isnan(self._t0_s):
            plant.set_frequency(self._hertz(plant.now_s - self._t0_s))
        limits_mw = (plant.low_mw, plant.high_mw)
        states = plant.states
        self.writer.power(plant.now_s, plant.p_mw, plant.soc_pu, plant.state, limits_mw, states)
        count = round(plant.now_s / PHYSICS_STEP_S)
        for endpoint in self._depots if self._open else ():
            if (count + endpoint.device.unit.index) % STEPS_PER_SECOND == 0:
                endpoint.depot.report()
        if self._open and count % REPORT_STEPS == 0:
            self._report()

    def _report(self) -> None:
        following = sum(endpoint.device.following for endpoint in self.endpoints)
        self._say(
            {
                "process": self.process,
                "t_s": self.plant.now_s,
                "p_mw": float(self.plant.p_mw.sum()),
                "following": following,
                "by_kind": self._by_kind(),
            }
        )

    def _by_kind(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        for unit, p_mw in zip(self.units, self.plant.p_mw.tolist(), strict=True):
            sums[unit.kind] = sums.get(unit.kind, 0.0) + p_mw
        return sums

    @staticmethod
    def _say(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    async def _orders(self) -> None:
        """Take the rig's orders from stdin; its end is a stop."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            order = json.loads(line)
            if order["do"] == "start":
                self.start(float(order["t0_s"]))
            elif order["do"] == "cut":
                self._cut(order)
            else:
                break
        self.stopping.set()

    def start(self, t0_s: float) -> None:
        """Begin the faults; `t0_s`: start of the scored run."""
        now_s, self._t0_s = self.clock(), t0_s
        self._outages = OutagePlan(self.units, self.fleet.faults, self.fleet.seed, t0_s, now_s)
        for each in self._timed:
            if t0_s + each.until_s > now_s:  # a successor begins those that go on
                self._agenda.add(each.after(t0_s))

    def _cut(self, order: dict[str, Any]) -> None:
        """Cut the links that the rig names, at once."""
        wanted, now_s = set(order["units"]), self.clock()
        until_s = now_s + float(order["duration_s"])
        how = "silent" if order["silent"] else "closed"
        for unit in self.units:
            if unit.id in wanted:
                self._agenda.add(Fault(now_s, "link_outage", unit.index, until_s, how=how))

    def _faults(self) -> None:
        """Begin and end the faults that are due."""
        now_s = self.clock()
        if self._outages is not None:
            self._outages.extend(self._agenda, now_s)
        self._agenda.run_due(now_s)
