"""The simulated plant in virtual time: physics, devices and their faults, without processes.

What a device does is `hil.wire`'s, as on sockets; here are its address in memory, its plug, and the
step of the physics.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from hil.faults import Fault
from hil.faults.agenda import Agenda
from hil.faults.unit import UnitFaults
from hil.fleet import Fleet
from hil.plant.plant import NOMINAL_HZ, Plant
from hil.recording import PHYSICS_STEP_S, LinkChange, Writer
from hil.sim.broker import Broker, DepotClient
from hil.sim.frequency import Terminals
from hil.sim.outstation import MemoryOutstation
from hil.sim.station import Station
from hil.sim.wires import Wires
from hil.thinning import thin
from hil.wire import dnp3
from hil.wire.device import Device
from hil.wire.mqtt import Depot
from hil.wire.process import registers_of

STEPS_PER_SECOND = round(1.0 / PHYSICS_STEP_S)
MQTT_PORT = 1883


class Plug(Protocol):
    """A device's address, as the faults see it."""

    device: Device

    def pull(self) -> None:
        """Reset the connection, and refuse new ones."""

    def push(self) -> None:
        """Let new ones come."""

    def reset(self) -> None:
        """Reset the connection."""

    def hang_up(self) -> None:
        """End the daemon's connection: it is gone."""


class DepotPlug:
    """A depot's connection to the broker."""

    def __init__(self, depot: Depot, loop: asyncio.AbstractEventLoop) -> None:
        self.device = depot.device
        self.depot = depot
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def pull(self) -> None:
        """Leave the broker, which publishes the last will."""
        self._start(self.depot.close(orderly=False))

    def push(self) -> None:
        """Come back to it."""
        self._start(self.depot.open(MQTT_PORT))

    def reset(self) -> None:
        """Leave and come back."""
        self.pull()
        self.push()

    def hang_up(self) -> None:
        """Stay: this is the depot's connection to the broker, not the daemon's."""

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)  # one after the other: none of them waits
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class SimulatedPlant:
    """All units of a fleet, in virtual time.

    Parameters
    ----------
    wires : Wires
        Links of the units, in memory.
    utc : callable
        Wall clock, s.
    raw_dir : Path
        Where the recording goes.
    terminals : Terminals, optional
        Frequency that the units measure, stepped with the physics.
    units : sequence of int, optional
        Indices of the units that are here; default: all.
    number : int
        Of their recording.
    """

    def __init__(
        self,
        fleet: Fleet,
        wires: Wires,
        broker: Broker,
        raw_dir: Path,
        utc: Callable[[], float],
        terminals: Terminals | None = None,
        *,
        units: Sequence[int] | None = None,
        number: int = 0,
    ) -> None:
        loop = wires.loop
        here = fleet.units if units is None else [fleet.units[index] for index in units]
        indices = [unit.index for unit in here]
        nominal_hz = NOMINAL_HZ if terminals is None else terminals.nominal_hz
        self.terminals = terminals
        self.plant = Plant(here, PHYSICS_STEP_S, loop.time(), fleet.seed * 1000, nominal_hz)
        how = thin(fleet.unit_trace_s, [unit.kind for unit in here])
        self.writer = Writer(raw_dir, number, indices, limits=True, states=True, thin=how)
        self.plugs: list[Plug] = []
        self.by_port: dict[int, Plug] = {}
        self._depots: list[DepotPlug] = []
        # those that report in each step of a second
        self._reporting: list[list[Depot]] = [[] for _ in range(STEPS_PER_SECOND)]
        self._loop = loop
        self._agenda: Agenda | None = None
        for slot, unit in enumerate(here):
            device = Device(unit, slot, fleet, self.plant, self.writer, loop.time)
            self._add(device, wires, broker, utc)

    def _add(self, device: Device, wires: Wires, broker: Broker, utc: Callable[[], float]) -> None:
        plug: Plug
        if device.unit.protocol == "mqtt":

            def client(*args: Any, **options: Any) -> DepotClient:
                return DepotClient(broker, *args, **options)

            rng, latency_s = wires.rng(device), wires.latency_s
            depot = Depot(device, rng, latency_s, make_client=client, utc=utc)
            plug = DepotPlug(depot, self._loop)
            self._depots.append(plug)
            self._reporting[-device.unit.index % STEPS_PER_SECOND].append(depot)
        elif device.unit.protocol == "dnp3":
            points = dnp3.HVAC if device.unit.kind == "hvac" else dnp3.INDUSTRIAL
            plug = MemoryOutstation(device, dnp3.LoadPoints(device, points), wires)
        else:
            plug = Station(device, registers_of(device), wires)
        self.plugs.append(plug)
        self.by_port[device.unit.port] = plug

    async def open(self) -> None:
        """Open every address."""
        for depot in self._depots:
            await depot.depot.open(MQTT_PORT)
        for plug in self.plugs:
            plug.device.linked(LinkChange.LISTENING)

    def start_faults(self, faults: Iterable[Fault], t0_s: float) -> None:
        """Begin the faults of the units that are here; `t0_s`: start of the scored run."""
        targets = {plug.device.unit.index: UnitFaults(plug.device, plug) for plug in self.plugs}
        mine = [fault for fault in faults if fault.unit in targets]
        self._agenda = Agenda(mine, t0_s, lambda each: targets[each.unit], self.writer.event)

    async def run(self) -> None:
        """Step the physics until cancelled."""
        while True:
            await asyncio.sleep(self.plant.now_s + PHYSICS_STEP_S - self._loop.time())
            self._step()

    def _step(self) -> None:
        plant = self.plant
        plant.step()
        if self.terminals is not None:
            self.terminals.step(plant.now_s, float(plant.p_mw.sum()))
            plant.set_frequency(self.terminals.freq_hz)
        limits_mw = (plant.low_mw, plant.high_mw)
        states = plant.states
        self.writer.power(plant.now_s, plant.p_mw, plant.soc_pu, plant.state, limits_mw, states)
        count = round(plant.now_s / PHYSICS_STEP_S)
        for depot in self._reporting[count % STEPS_PER_SECOND]:
            depot.report()
        if self._agenda is not None and self._agenda.next_s() <= plant.now_s:
            self._agenda.run_due(plant.now_s)
        if count % STEPS_PER_SECOND == 0:
            self.writer.flush()

    @property
    def following(self) -> int:
        """Units that follow the daemon."""
        return sum(plug.device.following for plug in self.plugs)
