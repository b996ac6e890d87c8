"""An event loop whose time jumps to the next timer. Nothing ever waits.

Tasks, futures and timers are asyncio's own; replaced is the one thing that waits, the selector.
There are no sockets, no threads and no signals: `create_server` and `create_connection` lead to
`net`, in memory. Callbacks that are due at one instant run in the order in which they were asked
for, so that the same program takes the same course each time.
"""

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable
from typing import Any

from hil.sim.net import Net

STUCK = 1_000_000  # callbacks at one instant: something asks for itself without end


class StuckError(Exception):
    """Nothing is left to run, or time does not move on."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop in virtual time.

    Parameters
    ----------
    start_s : float
        `time()` at the start, s.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        super().__init__()
        self.net = Net(self)
        self._now_s = start_s
        self._ready: deque[events.Handle] = deque()
        self._timers: list[tuple[float, int, events.TimerHandle]] = []
        self._count = itertools.count()
        self._at_this_instant = 0
        self._faults: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self._faults.append(context))

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What callbacks raised, and nobody else would tell of."""
        return self._faults

    def stall(self, duration_s: float) -> None:
        """Let time pass in which nothing runs, as in a callback that takes so long."""
        self._now_s += duration_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> events.Handle:
        """Run a callback at this instant, after those that are waiting."""
        handle = events.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no threads

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> events.TimerHandle:
        """Run a callback at an instant."""
        timer = events.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> events.TimerHandle:
        """Run a callback after a time, s."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        """Keep it until it is due: that is cheaper than to search for it."""

    def _run_once(self) -> None:
        """Run what is ready; when nothing is, jump to the next timer."""
        ready, timers = self._ready, self._timers
        if not ready:
            self._jump()
        while timers and timers[0][0] <= self._now_s:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
        self._at_this_instant += 1
        if self._at_this_instant > STUCK:
            raise StuckError(f"time does not move on from {self._now_s:g} s")

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            if getattr(self, "_stopping", False):
                return
            raise StuckError("every task waits for something that will not come")
        if timers[0][0] > self._now_s:
            self._now_s = timers[0][0]
            self._at_this_instant = 0

    # ------------------------------------------------------------- no sockets

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], _host: Any, port: Any, **_: Any
    ) -> Any:
        """Listen, in memory."""
        return self.net.listen(protocol_factory, int(port))

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], _host: Any, port: Any, **_: Any
    ) -> Any:
        """Connect, in memory. Raises ConnectionRefusedError."""
        return self.net.connect(protocol_factory, int(port))

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken."""


def run(main: Any, loop: VirtualLoop) -> Any:
    """Run a coroutine to its end in virtual time; end what it left behind."""
    events._set_running_loop(None)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
