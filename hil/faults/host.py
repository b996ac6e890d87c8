"""Faults of the daemon's machine and of the daemon itself; a runner knows how to do them."""

from typing import Protocol

from hil.faults.fault import Fault


class Runner(Protocol):
    """Who runs the daemon: the rig, or the simulation. Each call sets a state, until the next."""

    def overrun(self, extra_s: float) -> None:
        """Make each tick take that much longer; 0: no more."""

    def fill_disk(self, *, full: bool) -> None:
        """Let the disk of the journal be full, or have room again."""

    def slow_disk(self, extra_s: float) -> None:
        """Make each write to the journal take that much longer; 0: no more."""

    def shift_clock(self, offset_s: float) -> None:
        """Set the wall clock that far off; 0: right again. The monotonic clock goes on."""

    def press_memory(self, size_mb: float) -> None:
        """Take that much memory away; 0: give it back."""

    def kill_daemon(self) -> None:
        """End the daemon without warning, as kill -9 does."""

    def stop_daemon(self) -> None:
        """End the daemon in order, as SIGTERM does."""

    def start_daemon(self) -> None:
        """Start it again, on the same state folder and configuration."""


class HostFaults:
    """Hands faults to a runner. Sizes of faults of one kind that overlap add up.

    The daemon is down until the last fault that took it down is over.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._faults: list[Fault] = []

    def begin(self, fault: Fault, now_s: float) -> None:
        """Have a fault, from now on."""
        del now_s
        was_down = self._is_down()
        self._faults.append(fault)
        if fault.kind.startswith("host_"):
            self._apply(fault.kind)
        elif not was_down and fault.kind == "daemon_kill":
            self._runner.kill_daemon()
        elif not was_down:
            self._runner.stop_daemon()

    def end(self, fault: Fault, now_s: float) -> None:
        """Be rid of it."""
        del now_s
        if fault not in self._faults:
            return
        self._faults.remove(fault)
        if fault.kind.startswith("host_"):
            self._apply(fault.kind)
        elif not self._is_down():
            self._runner.start_daemon()

    def _is_down(self) -> bool:
        return any(fault.kind.startswith("daemon_") for fault in self._faults)

    def _apply(self, kind: str) -> None:
        sizes = [fault.size for fault in self._faults if fault.kind == kind]
        runner, size = self._runner, sum(sizes, 0.0)
        if kind == "host_tick_overrun":
            runner.overrun(size)
        elif kind == "host_disk_full":
            runner.fill_disk(full=bool(sizes))
        elif kind == "host_slow_disk":
            runner.slow_disk(size)
        elif kind == "host_clock_jump":
            runner.shift_clock(size)
        else:
            runner.press_memory(size)
