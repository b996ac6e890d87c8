"""The worker: its units, and the daemon's ends of their links, on a clock that follows main's."""

import asyncio
import gc
import json
import random
import signal
import socket
import traceback
from asyncio import events
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hil.faults import Fault
from hil.fleet import Fleet
from hil.sim.broker import Broker
from hil.sim.collector import Collector
from hil.sim.host import Host
from hil.sim.kinds import memory_links
from hil.sim.log import SimulatedLog
from hil.sim.loop import VirtualLoop
from hil.sim.shard.channel import Channel, ClosedError, Kind
from hil.sim.shard.part import Dealt, config_of
from hil.sim.shard.slots import pack
from hil.sim.shard.stand_in import INSTANT, SETPOINT
from hil.sim.wire import SimulatedPlant
from hil.sim.wires import Wires
from vppd.config.schema import Config
from vppd.runtime.plant import build_plant
from vppd.runtime.shell import kept

NUMBER = 1  # of its recording
LOG = "daemon.worker.log"


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to know. `seed`: of the daemon's own chance, as main drew it."""

    drawn: Fleet
    units: tuple[int, ...]
    config: Config
    faults: tuple[Fault, ...]
    out_dir: Path
    start_s: float
    utc_s: float
    seed: float


class CrossedError(Exception):
    """Main has asked for an instant that is over here."""


def serve(task: Task, end: socket.socket) -> None:
    """Follow main until it says that this is the end, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # main is interrupted, and closes the channel
    channel = Channel(end)
    events._set_running_loop(None)  # main's, which was at work when it forked
    loop = VirtualLoop(task.start_s)
    asyncio.set_event_loop(loop)
    gc.disable()
    try:
        with SimulatedLog(task.out_dir / LOG, loop.time) as log, There(task, loop) as there:
            while there.obey(channel, *channel.receive()):
                pass
        channel.last(Kind.DONE, loop.now_s, json.dumps(log.errors, default=str).encode())
    except ClosedError:
        pass  # nobody is left to be told
    except Exception:  # noqa: BLE001  (main tells, whatever it is)
        channel.last(Kind.FAILED, loop.now_s, traceback.format_exc().encode())
    finally:
        channel.close()
        loop.close()


class There:
    """The units of a worker."""

    def __init__(self, task: Task, loop: VirtualLoop) -> None:
        self._loop, self._faults = loop, task.faults
        host, broker = Host(loop, task.utc_s), Broker(loop)
        self._plant = SimulatedPlant(
            task.drawn, Wires(loop, task.drawn), broker, task.out_dir / "raw", host.utc,
            units=task.units, number=NUMBER,
        )  # fmt: skip
        ids = [task.drawn.units[index].id for index in task.units]
        part = config_of(task.config, frozenset(ids), rest=False)
        built = build_plant(
            part, task.out_dir, clock=loop.time, utc=host.utc, shadow=False,
            rng=Dealt(random.Random(task.seed), task.config, part),
            link_kinds=memory_links(self._plant.by_port, broker),
        )  # fmt: skip
        by_id = {device.unit_id: device for device in built.devices}
        self._runners = [by_id[unit_id] for unit_id in ids]
        loop.run_until_complete(self._plant.open())
        self._tasks: list[asyncio.Task[None]] = [loop.create_task(self._plant.run())]
        self._tasks += [loop.create_task(job, name=name) for name, job in kept(built, loop.time)]
        self._collector = Collector(loop.now_s)

    def obey(self, channel: Channel, kind: Kind, at_s: float, payload: bytes) -> bool:
        """Come to an instant, and do what is asked for there. False: that was the end."""
        self._come_to(at_s)
        if kind is Kind.LOOK:
            slots = pack(self._runners, self._plant.following)
            channel.send(Kind.DONE, at_s, slots)
        elif kind is Kind.SUBMIT:
            for k, p_setpoint_mw in SETPOINT.iter_unpack(payload):
                self._runners[k].submit(p_setpoint_mw, at_s)
        elif kind is Kind.FAULTS:
            self._plant.start_faults(self._faults, *INSTANT.unpack(payload))
        return kind is not Kind.END

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all that runs here, and close the records."""
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(_ended(self._tasks))
        self._plant.writer.close()

    def _come_to(self, at_s: float) -> None:
        loop = self._loop
        if at_s < loop.now_s:
            raise CrossedError(f"asked for {at_s:.6f} s at {loop.now_s:.6f} s")
        if at_s > loop.now_s:
            loop.run_to(at_s)
        if self._tasks[0].done():
            self._tasks[0].result()
        self._collector.look(loop.now_s)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def merge(out_dir: Path) -> None:
    """Put the lines of the worker's log among those of the daemon's, by their instants."""
    ours, theirs = out_dir / "daemon.log", out_dir / LOG
    lines = ours.read_text(encoding="utf-8").splitlines(keepends=True)
    lines += theirs.read_text(encoding="utf-8").splitlines(keepends=True)
    lines.sort(key=lambda line: float(json.loads(line)["t_s"]))  # stable: main's go first
    ours.write_text("".join(lines), encoding="utf-8")
    theirs.unlink()
