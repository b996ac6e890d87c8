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
import math
from asyncio import events
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from hil.sim.net import Net

STUCK = 1_000_000  # callbacks at one instant: something asks for itself without end
SLOTS_PER_S = 10  # of what is not due soon
FOREVER_S = 1e12  # nobody gets there
NEVER = int(FOREVER_S) * SLOTS_PER_S  # the slot of what is due then

Callback = Callable[..., object]
Entry = list[Any]  # what waits for its time: when, s; number; callback; its arguments


class StuckError(Exception):
    """Nothing is left to run, or time does not move on."""


class Asked:
    """A callback that was asked for, to be taken back.

    It keeps its place, and does nothing when its time has come: cheaper than to search for it.
    """

    __slots__ = ("_entry",)

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def cancel(self) -> None:
        """Take it back."""
        self._entry[2:] = _nothing, ()

    def cancelled(self) -> bool:
        """Say whether it was taken back."""
        return self._entry[2] is _nothing

    def when(self) -> float:
        """Instant for which it was asked, s."""
        return float(self._entry[0])


def _nothing() -> None:
    """Do nothing."""


def _run(entry: Entry) -> None:
    """Run what an entry asks for by now."""
    entry[2](*entry[3])


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
        self._ready: deque[tuple[Callback, tuple[Any, ...]]] = deque()
        # What is due soon is in a heap; the rest waits in slots of a tenth of a second. Most timers
        # are taken back before they ever get into the heap.
        self._timers: list[Entry] = []
        self._far: defaultdict[int, list[Entry]] = defaultdict(list)
        self._slot = -1  # up to this one it is soon
        self._soon_until_s = -math.inf  # which is until then
        self._faults: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self._faults.append(context))
        # For who asks very often, and takes nothing back: `push([when, number(), callback, args])`.
        self.push: Callable[[Entry], None] = partial(heapq.heappush, self._timers)
        self.number = itertools.count().__next__
        # as asyncio's own loop does, without a frame of Python for each
        self.create_future = partial(asyncio.Future, loop=self)  # type: ignore[method-assign]

    get_debug = staticmethod(bool)  # never; each future asks
    _stopping: bool  # asyncio's own: somebody called `stop`

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What callbacks raised, and nobody else would tell of."""
        return self._faults

    def run_to(self, when: float) -> None:
        """Run what is due before an instant, and be there. For who keeps this clock to another."""
        before = math.nextafter(when, -math.inf)
        if before > self.now_s:
            self.call_at(before, self.stop)
            self.run_forever()
        self.now_s = when

    def stall(self, duration_s: float) -> None:
        """Let time pass in which nothing runs, as in a callback that takes so long."""
        self.now_s += duration_s
        self._reach(int(self.now_s * SLOTS_PER_S))

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
        entry = [self.now_s, 0, callback, args]
        self._ready.append((_run, (entry,)))
        return Asked(entry)

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no threads

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callback, *args: Any, context: Any = None
    ) -> Asked:
        """Run a callback at an instant."""
        del context
        return self._wait([when, self.number(), callback, args])

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callback, *args: Any, context: Any = None
    ) -> Asked:
        """Run a callback after a time, s."""
        del context
        number = self.number
        return self._wait([self.now_s + delay, number(), callback, args])

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
        ready, timers, pop = self._ready, self._timers, heapq.heappop
        at_this_instant = 0
        while True:
            if ready:
                callback, args = ready.popleft()
            elif self._stopping:
                return
            else:
                if not timers or timers[0][0] >= self._soon_until_s:
                    self._fetch()
                when, _, callback, args = pop(timers)
                if when > self.now_s:
                    self.now_s = when
                    at_this_instant = 0
                while timers and timers[0][0] <= self.now_s:
                    ready.append((_run, (pop(timers),)))  # the one before may take it back
            callback(*args)
            at_this_instant += 1
            if at_this_instant > STUCK:
                raise StuckError(f"time does not move on from {self.now_s:g} s")

    def _wait(self, entry: Entry) -> Asked:
        """Let an entry wait for its time."""
        when = entry[0]
        if when < self._soon_until_s:
            heapq.heappush(self._timers, entry)
        else:
            self._far[NEVER if when >= FOREVER_S else int(when * SLOTS_PER_S)].append(entry)
        return Asked(entry)

    def _fetch(self) -> None:
        """Take into the heap what is due in the slot of the next entry."""
        timers, far = self._timers, self._far
        while not timers or int(timers[0][0] * SLOTS_PER_S) > self._slot:
            slots = [min(far)] if far else []
            slots += [int(timers[0][0] * SLOTS_PER_S)] if timers else []
            if not slots:
                raise StuckError("every task waits for something that will not come")
            self._reach(min(slots))

    def _reach(self, slot: int) -> None:
        """Take into the heap what is due up to a slot, and was not taken back."""
        for near in [each for each in self._far if each <= slot]:
            for entry in self._far.pop(near):
                if entry[2] is not _nothing:
                    heapq.heappush(self._timers, entry)
        self._slot = slot
        self._soon_until_s = (slot + 1) / SLOTS_PER_S

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
