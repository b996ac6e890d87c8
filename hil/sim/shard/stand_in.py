"""Main's side: the worker, and what stands for its units in the daemon's loop."""

import asyncio
import json
import math
import multiprocessing
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hil.plumbing import CouldNotRunError
from hil.sim.loop import VirtualLoop
from hil.sim.shard.channel import Channel, ClosedError, Kind
from hil.sim.shard.slots import COLUMNS, unpack

STRIDE_S = 0.1  # main says how far it has come that often, where no more is known of the future
# No tick begins within that of the one before (`vppd.runtime.clock.Schedule`, min_gap_s).
GAP_S = 0.099
SETPOINT = struct.Struct("<Id")
INSTANT = struct.Struct("<d")
END_S = 2.0  # to the end of a process whose channel is closed


class Worker:
    """The other process of a run, on main's clock.

    `serve(end)` is called there. It is forked: what is loaded here is loaded there.
    """

    def __init__(
        self, serve: Callable[[socket.socket], None], ids: tuple[str, ...], loop: VirtualLoop
    ) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._loop = loop
        self.following = 0  # of its devices, as of the last look
        self._seen_s = float("nan")
        self._orders: list[bytes] = []
        self._ordered_s = float("nan")
        self._next_look_s = -math.inf
        self._sent_s = -math.inf  # so far it may go
        self.errors: list[dict[str, Any]] = []
        self.failure = ""  # why it has ended
        self._in_order = [StandIn(self, k, unit_id) for k, unit_id in enumerate(ids)]
        self.units = {unit.unit_id: unit for unit in self._in_order}

        def there() -> None:
            ours.close()  # else it would never see that we are gone
            serve(theirs)

        self._process = multiprocessing.get_context("fork").Process(target=there, daemon=True)
        self._process.start()
        theirs.close()

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
        self._ordered_s = self._loop.now_s

    def look(self) -> None:
        """Let every stand-in show what stands in its slots now. Raises CouldNotRunError."""
        if self._seen_s == self._loop.now_s:
            return
        self._seen_s = self._loop.now_s
        self._send(Kind.LOOK)
        seen = unpack(self._answer())
        self.following = seen.following
        for unit, *values in zip(self._in_order, *seen.columns, strict=True):
            unit.show(*values)

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

    def _send(self, kind: Kind, payload: bytes = b"", until_s: float = -math.inf) -> None:
        """Send what waits, then a message, as of now or later. Raises CouldNotRunError."""
        if self.failure:
            raise CouldNotRunError(self.failure)
        at_s = max(self._loop.now_s, until_s)
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
    """Stands for the runner of a unit of the worker: its slots, as of the last look."""

    __slots__ = (*COLUMNS, "_k", "_worker", "unit_id")

    def __init__(self, worker: Worker, k: int, unit_id: str) -> None:
        self.unit_id = unit_id
        self._worker = worker
        self._k = k

    def show(self, *values: Any) -> None:
        """Show these values of `COLUMNS`."""
        (
            self.latest, self.reason, self.accepted_mw, self.accepted_s, self.write_result,
            self.connected, self.busy, self.writes_accepted, self.writes_refused,
            self.writes_unknown, self.reconnects, self.setpoints_dropped, self.setpoints_expired,
            self.reads, self.read_errors,
        ) = values  # fmt: skip

    async def run(self) -> None:
        """Do nothing: it runs elsewhere."""
        await asyncio.Event().wait()

    def submit(self, p_setpoint_mw: float, decided_s: float) -> None:
        """Leave the setpoint to send next; it is decided at this instant."""
        del decided_s
        self._worker.submit(self._k, p_setpoint_mw)


class Devices(Sequence[Any]):
    """All devices of the plant, for the daemon. Who goes through them sees them as of now."""

    def __init__(self, worker: Worker, devices: Sequence[Any]) -> None:
        self._worker, self._devices = worker, devices

    def __len__(self) -> int:
        return len(self._devices)

    def __getitem__(self, index: Any) -> Any:
        self._worker.look()
        return self._devices[index]

    def __iter__(self) -> Iterator[Any]:
        self._worker.look()
        return iter(self._devices)
