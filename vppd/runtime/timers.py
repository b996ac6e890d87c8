"""Alarm clocks of the event loop: ring once, at or after an absolute instant."""

import asyncio
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

NS = 1_000_000_000
TFD_TIMER_ABSTIME = 1


class Timer(Protocol):
    """One alarm. May ring early or without need: the one who waits looks at the clock."""

    @property
    def name(self) -> str:
        """What it is made of, for status and log."""

    def arm(self, deadline_s: float, ring: Callable[[], None]) -> None:
        """Call `ring()` in the event loop at `deadline_s`, instead of what was armed before."""

    def close(self) -> None:
        """Never ring again."""


class LoopTimer:
    """The loop's own `call_later`: works everywhere, and in virtual time.

    asyncio rounds up to whole milliseconds; uvloop rounds, and so rings up to 1 ms early, after
    which the rest of a millisecond is spent arming again.
    """

    name = "loop"

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, deadline_s: float, ring: Callable[[], None]) -> None:
        """Call `ring()` in the event loop at `deadline_s`."""
        self.close()
        delay_s = max(0.0, deadline_s - self._clock())
        self._handle = asyncio.get_running_loop().call_later(delay_s, ring)

    def close(self) -> None:
        """Never ring again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class TimerFd:
    """Linux timerfd on CLOCK_MONOTONIC, absolute: microseconds instead of milliseconds.

    Raises OSError where the system has none, and NotImplementedError where the loop has no
    `add_reader`. Deadlines are on the scale of `time.monotonic`.
    """

    name = "timerfd"

    def __init__(self) -> None:
        self._ring: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._fd = _create()
        try:
            self._loop.add_reader(self._fd, self._on_readable)
        except NotImplementedError:
            os.close(self._fd)
            raise

    def arm(self, deadline_s: float, ring: Callable[[], None]) -> None:
        """Call `ring()` in the event loop at `deadline_s`; at once when that is past."""
        self._ring = ring
        # Rounded up: an alarm that rings one nanosecond early rings for nothing.
        # 0 would disarm the timer instead of ringing at once.
        _set(self._fd, max(1, math.ceil(deadline_s * NS)))

    def close(self) -> None:
        """Never ring again, and give the descriptor back."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _on_readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # armed anew between the poll and this call
        if self._ring is not None:
            self._ring()


def best_timer(clock: Callable[[], float]) -> Timer:
    """Give timerfd where system, loop and clock allow it, else the loop's own timer."""
    if clock is time.monotonic:
        try:
            return TimerFd()
        except (OSError, NotImplementedError):
            pass
    return LoopTimer(clock)


if sys.version_info >= (3, 13):

    def _create() -> int:
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def _set(fd: int, deadline_ns: int) -> None:
        os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=deadline_ns)

else:

    class _Timespec(ctypes.Structure):
        _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))

    class _Itimerspec(ctypes.Structure):
        _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))

    _libc = ctypes.CDLL(None, use_errno=True)

    def _create() -> int:
        if not hasattr(_libc, "timerfd_create"):
            raise OSError("this system has no timerfd")
        # TFD_NONBLOCK and TFD_CLOEXEC are O_NONBLOCK and O_CLOEXEC (timerfd_create(2))
        return _checked(_libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))

    def _set(fd: int, deadline_ns: int) -> None:
        spec = _Itimerspec(it_value=_Timespec(*divmod(deadline_ns, NS)))
        _checked(_libc.timerfd_settime(fd, TFD_TIMER_ABSTIME, ctypes.byref(spec), None))

    def _checked(result: int) -> int:
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return result
