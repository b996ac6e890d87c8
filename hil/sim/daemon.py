"""The daemon in virtual time: started, stopped, killed and started again, as a process would be."""

import asyncio
import math
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hil.sim.broker import Broker
from hil.sim.host import Host
from hil.sim.journal import SimulatedJournal
from hil.sim.kinds import memory_links
from hil.sim.shard.part import Dealt, config_of
from hil.sim.shard.stand_in import GAP_S, Devices, Worker
from hil.sim.ticks import TickRecorder
from hil.sim.wire import Plug
from vppd import __version__
from vppd.config.load import config_hash, parse_config
from vppd.config.params import build_params
from vppd.config.schema import Config
from vppd.journal.header import About
from vppd.journal.writer import JournalWriter
from vppd.ops.status import Realtime
from vppd.runtime.loop import Done
from vppd.runtime.notify import Notifier
from vppd.runtime.plant import Plant, build_plant
from vppd.runtime.registry import installed
from vppd.runtime.shell import Shell

REALTIME = Realtime("virtual", "virtual", "off")
Clock = Callable[[], float]
IO = ("writes", "failed_writes", "reconnects")


def parsed(text: bytes) -> Config:
    """Configuration of a daemon. Raises what `vppd run` would print."""
    return parse_config(text, "daemon.yaml", installed())


def chance(seed: int) -> random.Random:
    """Where the daemon's own chance comes from; each start draws one number of it."""
    return random.Random(f"{seed}/vppd")


class SimulatedDaemon:
    """One configuration and one state folder, over any number of starts.

    Parameters
    ----------
    text : bytes
        The configuration, for its hash.
    state_dir : Path
        Where its journal goes.
    plugs : mapping
        Simulated units by port.
    host : Host
        The machine that it runs on.
    seed : int
        Of its own chance: the jitter of back-offs.
    config : Config
        The same as `parsed`.
    worker : Worker, optional
        Another process, which drives some of the units.
    """

    def __init__(
        self,
        text: bytes,
        state_dir: Path,
        plugs: Mapping[int, Plug],
        broker: Broker,
        *,
        clock: Clock,
        host: Host,
        seed: int,
        config: Config,
        worker: Worker | None = None,
    ) -> None:
        self.config = config
        self._worker = worker
        self.params = build_params(self.config)
        self.recorder = TickRecorder()
        self.starts = 0
        self._about = About(self.config.site.name, config_hash(text))
        self._journal_dir = state_dir / "journal"
        self._state_dir = state_dir
        self._links = memory_links(plugs, broker)
        self._broker = broker
        self._plugs = tuple(plugs.values())
        self._clock = clock
        self.host = host
        self._utc = host.utc
        self._rng = chance(seed)
        self._shell: Shell | None = None
        self._plant: Plant | None = None
        self._journal: JournalWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._before: dict[str, int] = {}  # counts of earlier starts
        self._ending = False  # somebody ends it
        self._failed = asyncio.Event()
        self.quiet_until_s: Clock = lambda: -math.inf  # no AGC value comes before

    async def failure(self) -> None:
        """Wait for ever, unless the daemon ends by itself: raise what ended it."""
        await self._failed.wait()
        self.task.result()
        raise RuntimeError("the daemon has ended by itself")

    @property
    def task(self) -> asyncio.Task[None]:
        """The run of the last start. Raises RuntimeError before the first."""
        if self._task is None:
            raise RuntimeError("not started")
        return self._task

    async def start(self) -> None:
        """Start, as `vppd run` does. Raises what a daemon that could not start would print."""
        self.starts += 1
        self._plant = plant = self._build(random.Random(self._rng.random()))
        for signal in plant.signals:
            await signal.bind()
        self._journal = SimulatedJournal(
            self.host, self._journal_dir, self.params, self._about,
            utc_s=self._utc(), sync=False, clock=self._clock,
        )  # fmt: skip
        self._journal.put_event(self._utc(), "start", version=__version__, shadow=False)
        self._shell = Shell(
            self.config, plant, clock=self._clock, utc=self._utc, journal=self._journal,
            notifier=Notifier(environ={}), realtime=REALTIME, on_done=self._done,
        )  # fmt: skip
        self._ending = False
        self._task = asyncio.create_task(self._shell.run(lambda: None))
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop in order, as on SIGTERM."""
        if self._shell is None or self._journal is None:
            return
        self._before, shell, self._shell = self.io(), self._shell, None
        self._ending = True
        shell.loop.stop()
        try:
            await self.task
        finally:
            self._journal.close()

    async def kill(self, torn: int) -> None:
        """End at once, as by kill -9; the last `torn` octets of the journal never got to disk."""
        journal = self._journal
        if journal is None or self._shell is None:
            return
        self._before, self._shell = self.io(), None
        self._ending = True
        self._broker.break_off()
        for plug in self._plugs:  # in their order, as the kernel closes sockets
            plug.hang_up()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        path = journal.status().path
        size = 0 if path is None else path.stat().st_size
        journal.close()  # gives the file back; what it writes last is taken away again
        if path is not None:
            os.truncate(path, max(size - torn, 0))

    def _build(self, rng: random.Random) -> Plant:
        """Make links, devices and signals; of units that another process drives what stands in."""
        if self._worker is None:
            return self._build_part(self.config, rng)
        away = self._worker.units
        ids = {unit.id for unit in self.config.fleet} - away.keys()
        plant = self._build_part(config_of(self.config, ids, rest=True), rng)
        devices: dict[str, Any] = {device.unit_id: device for device in plant.devices} | away
        in_order = [devices[unit.id] for unit in self.config.fleet]
        return Plant(plant.links, Devices(self._worker, in_order), plant.signals)

    def _build_part(self, part: Config, rng: random.Random) -> Plant:
        return build_plant(
            part, self._state_dir, clock=self._clock, utc=self._utc, shadow=False,
            rng=Dealt(rng, self.config, part), link_kinds=self._links,
        )  # fmt: skip

    def _done(self, done: Done) -> None:
        self.recorder.add(done)
        self.let_worker_go(self._clock() + GAP_S)
        self.host.after_tick()

    def let_worker_go(self, least_s: float = -math.inf) -> None:
        """Let the worker go on ahead: until an AGC value can come, or the next tick is due.

        At least until an instant before which no tick begins, whatever comes.
        """
        if self._worker is not None and self._shell is not None:
            due_s = self._clock() + self._shell.ticks.slack_s()
            self._worker.go_on(max(min(self.quiet_until_s(), due_s), least_s))

    def _ended(self, _task: asyncio.Task[None]) -> None:
        if not self._ending:
            self._failed.set()

    def io(self) -> dict[str, int]:
        """Writes, failed writes and reconnects since the first start."""
        counts = {key: self._before.get(key, 0) for key in IO}
        status: Any = None if self._shell is None else self._shell.teller.status()
        if status is not None:
            for key in counts:
                counts[key] += getattr(status.io, key)
        return counts
