"""Main's side: the worker, and what stands for its units in the daemon's loop."""

import asyncio
import json
import math
import multiprocessing
import socket
import struct
from collections.abc import Callable
from typing import Any

from hil.plumbing import CouldNotRunError
from hil.sim.loop import VirtualLoop
from hil.sim.shard.channel import Channel, ClosedError, Kind
from hil.sim.shard.slots import COUNTS, Slots, unpack
from vppd.devices.base import Reading

STRIDE_S = 0.1  # main says how far it has come that often, where no more is known of the future
# No tick begins within that of the one before (`vppd.runtime.clock.Schedule`, min_gap_s).
GAP_S = 0.099
SETPOINT = struct.Struct("<Id")
INSTANT = struct.Struct("<d")
END_S = 2.0  # to the end of a process whose channel is closed


class Worker:
    """The other process of a run.

    `serve(end, others_end)` is called there. It is forked: what is loaded here is loaded there.
    """

    def __init__(self, serve: Callable[[socket.socket], None], ids: tuple[str, ...]) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._loop: VirtualLoop | None = None
        self._seen: Slots | None = None
        self._seen_s = float("nan")
        self._orders: list[bytes] = []
        self._ordered_s = float("nan")
        self._next_look_s = -math.inf
        self._sent_s = -math.inf  # so far it may go
        self.errors: list[dict[str, Any]] = []
        self.failure = ""  # why it has ended
        self.units = {unit_id: StandIn(self, k, unit_id) for k, unit_id in enumerate(ids)}

        def there() -> None:
            ours.close()  # else it would never see that we are gone
            serve(theirs)

        self._process = multiprocessing.get_context("fork").Process(target=there, daemon=True)
        self._process.start()
        theirs.close()

    def join(self, loop: VirtualLoop) -> None:
        """From now on the clock is this one's."""
        self._loop = loop

    async def lead(self) -> None:
        """Tell how far we have come, until cancelled."""
        while True:
            await asyncio.sleep(STRIDE_S)
            self._send(Kind.GO)

    def expect_looks(self, next_s: float) -> None:
        """Say when somebody looks next who is no tick; -inf: at any time."""
        self._next_look_s = next_s

    def go_on(self, next_tick_s: float) -> None:
        """Let it go on, ahead of main, until a tick can begin. Were that wrong, it would say so."""
        self._send(Kind.GO, until_s=min(next_tick_s, self._next_look_s))

    def start_faults(self, t0_s: float) -> None:
        """Begin the faults of its units; `t0_s`: start of the scored run."""
        self._send(Kind.FAULTS, INSTANT.pack(t0_s))

    def submit(self, k: int, p_setpoint_mw: float) -> None:
        """Hand a setpoint of this instant to its unit k."""
        self._orders.append(SETPOINT.pack(k, p_setpoint_mw))
        self._ordered_s = self._now_s

    @property
    def slots(self) -> Slots:
        """What stands in its slots now. Raises CouldNotRunError."""
        if self._seen is None or self._seen_s != self._now_s:
            self._seen_s = self._now_s
            self._send(Kind.LOOK)
            self._seen = unpack(self._answer())
        return self._seen

    def end(self) -> None:
        """End it in order, and learn what was wrong there."""
        self._send(Kind.END)
        self.errors = json.loads(self._answer())

    def close(self) -> None:
        """End it, whatever it does."""
        self._channel.close()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    @property
    def _now_s(self) -> float:
        if self._loop is None:
            raise RuntimeError("no clock yet")
        return self._loop.now_s

    def _send(self, kind: Kind, payload: bytes = b"", until_s: float = -math.inf) -> None:
        """Send what waits, then a message, as of now or later. Raises CouldNotRunError."""
        if self.failure:
            raise CouldNotRunError(self.failure)
        at_s = max(self._now_s, until_s)
        if kind is Kind.GO and at_s <= self._sent_s and not self._orders:
            return  # it is there already
        self._sent_s = at_s
        try:
            if self._orders:
                self._channel.send(Kind.SUBMIT, self._ordered_s, b"".join(self._orders))
                self._orders.clear()
            self._channel.send(kind, at_s, payload)
        except ClosedError:
            self._answer()  # says why
            raise

    def _answer(self) -> bytes:
        try:
            kind, _, payload = self._channel.receive()
        except ClosedError as error:
            self.failure = f"the second process of the run: {error}"
            raise CouldNotRunError(self.failure) from error
        if kind is Kind.FAILED:
            self.failure = f"the second process of the run:\n{payload.decode()}"
            raise CouldNotRunError(self.failure)
        return payload


class StandIn:
    """Stands for the runner of a unit of the worker."""

    def __init__(self, worker: Worker, k: int, unit_id: str) -> None:
        self.unit_id = unit_id
        self._worker = worker
        self._k = k

    async def run(self) -> None:
        """Do nothing: it runs elsewhere."""
        await asyncio.Event().wait()

    def submit(self, p_setpoint_mw: float, decided_s: float) -> None:
        """Leave the setpoint to send next; it is decided at this instant."""
        del decided_s
        self._worker.submit(self._k, p_setpoint_mw)

    @property
    def latest(self) -> Reading | None:
        """Newest reading; None: never read."""
        return self._worker.slots.latest[self._k]

    @property
    def reason(self) -> str:
        """Why the device does not do what it is told, in words."""
        return self._worker.slots.reason[self._k]

    @property
    def accepted_mw(self) -> float:
        """Last setpoint that the device accepted, MW; NaN: none yet."""
        return self._worker.slots.accepted_mw[self._k]

    @property
    def accepted_s(self) -> float:
        """When it did, s; NaN: never."""
        return self._worker.slots.accepted_s[self._k]

    @property
    def write_result(self) -> int:
        """WriteResult of the newest write that ended."""
        return self._worker.slots.write_result[self._k]

    @property
    def connected(self) -> bool:
        """True while its link is up."""
        return self._worker.slots.connected[self._k]

    @property
    def busy(self) -> bool:
        """True while a setpoint waits or is on its way."""
        return self._worker.slots.busy[self._k]


def _count(name: str) -> property:
    def count(self: StandIn) -> int:
        return self._worker.slots.counts[name][self._k]

    return property(count, doc="As of `DeviceRunner`.")


for _name in COUNTS:
    setattr(StandIn, _name, _count(_name))
