"""An event loop whose time jumps to the next timer. Nothing ever waits.

Tasks, futures and timers are asyncio's own; replaced is what runs callbacks and what waits, the
selector. There are no sockets, no threads and no signals: `create_server` and `create_connection`
lead to `net`, in memory. Callbacks that are due at one instant run in the order in which they were
asked for, so that the same program takes the same course each time.

What asyncio's own loop does for each callback, and nobody here needs, is left out: contexts (all
callbacks run in the context of the loop), and a handle for what nobody ever takes back.
"""

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from hil.sim.net import Net

STUCK = 1_000_000  # callbacks at one instant: something asks for itself without end

Callback = Callable[..., object]


class StuckError(Exception):
    """Nothing is left to run, or time does not move on."""


class Asked(list[Any]):
    """A callback that was asked for: when, s; number; callback; its arguments.

    It stands itself in the queue, and orders itself there. To take it back makes it do nothing
    when its time has come: that is cheaper than to search for it.
    """

    __slots__ = ()

    def cancel(self) -> None:
        """Take it back."""
        self[2:] = _nothing, ()

    def cancelled(self) -> bool:
        """Say whether it was taken back."""
        return self[2] is _nothing

    def when(self) -> float:
        """Instant for which it was asked, s."""
        return float(self[0])


def _nothing() -> None:
    """Do nothing."""


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
        self.now_s = start_s  # to read; `time()` for those who want a function
        self._ready: deque[Any] = deque()  # what ends with a callback and its arguments
        self._timers: list[Asked | list[Any]] = []  # a heap; by instant, then by number
        self._faults: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self._faults.append(context))
        # For who asks very often, and takes nothing back: `push([when, number(), callback, args])`.
        self.push: Callable[[list[Any]], None] = partial(heapq.heappush, self._timers)
        self.number = itertools.count().__next__

    get_debug = staticmethod(bool)  # never; each future asks
    _stopping: bool  # asyncio's own: somebody called `stop`

    def _stopped(self) -> bool:
        return self._stopping

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What callbacks raised, and nobody else would tell of."""
        return self._faults

    def stall(self, duration_s: float) -> None:
        """Let time pass in which nothing runs, as in a callback that takes so long."""
        self.now_s += duration_s

    def call_soon(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: Any = None
    ) -> Asked | None:
        """Run a callback at this instant, after those that are waiting.

        With a context it is asked for by a future or a task, which never take anything back:
        they get no handle.
        """
        if context is not None:
            self._ready.append((callback, args))
            return None
        handle = Asked((self.now_s, 0, callback, args))
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no threads

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callback, *args: Any, context: Any = None
    ) -> Asked:
        """Run a callback at an instant."""
        del context
        timer = Asked((when, self.number(), callback, args))
        self.push(timer)
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callback, *args: Any, context: Any = None
    ) -> Asked:
        """Run a callback after a time, s."""
        del context
        number, push = self.number, self.push
        timer = Asked((self.now_s + delay, number(), callback, args))
        push(timer)
        return timer

    def _run_once(self) -> None:
        """Work until the loop is stopped, or a callback raises what nobody caught."""
        try:
            self._work()
        except (StuckError, SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  (as asyncio's own loop does)
            self.call_exception_handler({"message": "a callback raised", "exception": error})

    def _work(self) -> None:
        """Run what is ready; when nothing is, jump to the next timer."""
        ready, timers = self._ready, self._timers
        at_this_instant = 0
        while not self._stopping:
            for _ in range(STUCK):
                if not ready:
                    break
                asked = ready.popleft()
                asked[-2](*asked[-1])
            else:
                raise self._stuck()
            if self._stopped():  # by what has just run
                return
            if not timers:
                raise StuckError("every task waits for something that will not come")
            when, _, callback, args = heapq.heappop(timers)
            if when > self.now_s:
                self.now_s = when
                at_this_instant = 0
            elif (at_this_instant := at_this_instant + 1) > STUCK:
                raise self._stuck()
            while timers and timers[0][0] <= self.now_s:  # one of those may take back another
                ready.append(heapq.heappop(timers))
            callback(*args)

    def _stuck(self) -> StuckError:
        return StuckError(f"time does not move on from {self.now_s:g} s")

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
