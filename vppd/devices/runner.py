"""One task a device: a mailbox for the newest setpoint, and the newest reading for the image.

Nothing waits for a device. The control loop leaves a setpoint with `submit` and reads the slots
(`latest`, `accepted_mw`, …) when it likes; what the device does to this task stays in this task.
"""

import asyncio
import inspect
import math
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, runtime_checkable

import structlog

from vppd.core.types import Quality, WriteResult
from vppd.devices.alarm import Alarm, Bell
from vppd.devices.base import Driver, Reading
from vppd.links.base import Answer, ExpiredError, Link, LinkError

log = structlog.get_logger()

# Looking up members of an enumeration takes long in Python 3.11, and this is done by the thousand.
ACCEPTED, REFUSED, UNKNOWN = Answer.ACCEPTED, Answer.REFUSED, Answer.UNKNOWN
WRITE_ACCEPTED = WriteResult.ACCEPTED
ERRORS_MAX = 3  # exchanges in a row without a good answer: the device is lost, the link may live


@runtime_checkable
class Speaker(Protocol):
    """A driver whose device sends telemetry by itself."""

    def on_news(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when there is something new to read."""


COUNTERS = (
    "writes", "writes_accepted", "writes_refused", "writes_unknown", "setpoints_dropped",
    "setpoints_expired", "setpoints_unsent", "reads", "read_errors", "reconnects",
)  # fmt: skip

Setpoint = tuple[float, float]  # what the tick decided, MW, and when, s


class DeviceRunner:
    """Drives one device at its own pace, until cancelled.

    Parameters
    ----------
    clock
        Monotonic s, the clock of `decided_s`.
    setpoint_age_max_s
        An older setpoint is never sent. One that grows old while it waits for its turn on the
        connection is dropped there, and the newest goes in its place.
    poll_s
        Without a setpoint, telemetry is read that often.
    phase_s
        Where in that period a shadow runner polls, so that a fleet does not poll in one burst.
    settle_s
        Time between a setpoint's answer and the read after it. The other devices' setpoints of
        the same tick leave first: with reads in between, the last of 150 left after 88 ms, and
        without them after 13 to 32 ms.
    hold_writes
        `--shadow`: everything but writing.
    """

    __slots__ = (
        "_clock", "_driver", "_errors", "_hold_writes", "_link", "_log", "_mailbox",
        "_mode_lost", "_newest", "_online", "_phase_s", "_poll_s", "_polling", "_read_due",
        "_retired", "_retry", "_setpoint_age_max_s", "_settle_s", "_started_s", "_takes_deadlines",
        "_wake", "_why_lost", "_writing", "accepted_mw", "accepted_s", "latest",
        "lost_since_s", "read_errors", "reads", "reconnects", "setpoints_dropped",
        "setpoints_expired", "setpoints_unsent", "unit_id", "write_result", "writes",
        "writes_accepted", "writes_refused", "writes_unknown",
    )  # fmt: skip

    def __init__(
        self,
        unit_id: str,
        driver: Driver,
        link: Link,
        clock: Callable[[], float],
        *,
        setpoint_age_max_s: float,
        poll_s: float = 1.0,
        phase_s: float = 0.0,
        settle_s: float = 0.05,
        hold_writes: bool = False,
    ) -> None:
        self.unit_id = unit_id
        self.latest: Reading | None = None  # never read is not 0.0
        self.accepted_mw = math.nan
        self.accepted_s = math.nan  # when that setpoint was sent: its watchdog runs from there
        self.write_result = WriteResult.NONE
        self.lost_since_s = clock()  # holds while not connected
        self.writes = 0  # setpoints sent
        self.writes_accepted = 0
        self.writes_refused = 0
        self.writes_unknown = 0
        self.setpoints_dropped = 0  # replaced by a newer one before they were sent
        self.setpoints_expired = 0  # too old to be sent, or without a turn on their connection
        self.setpoints_unsent = 0  # taken from the mailbox, but the link was down
        self.reads = 0
        self.read_errors = 0
        self.reconnects = 0  # times the device came back
        self._driver = driver
        self._takes_deadlines = len(inspect.signature(driver.write).parameters) > 1
        self._link = link
        self._clock = clock
        self._setpoint_age_max_s = setpoint_age_max_s
        self._poll_s = poll_s
        self._phase_s = phase_s
        self._settle_s = settle_s
        self._hold_writes = hold_writes
        self._mailbox: Setpoint | None = None
        self._newest: Setpoint | None = None  # decided last, sent or not
        self._writing = False
        self._wake = Bell()  # a setpoint came, the link changed, or a poll ended badly
        self._retry = Alarm(clock)  # when to start again; the link changed, a lost device spoke
        self._read_due = Alarm(clock)
        self._online: bool | None = None  # None: never was
        self._errors = 0  # in a row
        self._mode_lost = False
        self._polling = False
        self._retired = False
        self._started_s = -math.inf
        self._why_lost = "not connected yet"
        self._log = log.bind(device=unit_id)
        link.on_change(self._link_changed)
        if isinstance(driver, Speaker):
            driver.on_news(self._has_spoken)

    @property
    def connected(self) -> bool:
        """True while the link is up and the device is what it should be, and answers."""
        return self._online is True

    @property
    def reason(self) -> str:
        """Why the device does not do what it is told, in words; empty while it does."""
        if not self.connected:
            return self._link.reason or self._why_lost
        if self.latest is not None and self.latest.reason:
            return self.latest.reason
        if self._mode_lost:
            return "its mode or dead man fell back"
        if self.write_result is WriteResult.REFUSED:
            return "refused its last setpoint"
        return ""

    @property
    def busy(self) -> bool:
        """True while a setpoint waits or is on its way. A graceful stop waits for the end of it."""
        return self._writing or (self.connected and self._mailbox is not None)

    def submit(self, p_setpoint_mw: float, decided_s: float) -> None:
        """Leave the setpoint to send next. Never blocks. Raises ValueError if it is not finite."""
        if not math.isfinite(p_setpoint_mw):
            raise ValueError(f"{self.unit_id}: setpoint {p_setpoint_mw} MW")
        if self._hold_writes:
            return
        if self._mailbox is not None:
            self.setpoints_dropped += 1
        self._mailbox = self._newest = (p_setpoint_mw, decided_s)
        self._wake.ring()

    def recall(
        self, latest: Reading | None, accepted_mw: float, accepted_s: float, result: WriteResult
    ) -> None:
        """Take up what a runner before this one knew. Call it before `run`."""
        self.latest = latest
        self.accepted_mw, self.accepted_s = accepted_mw, accepted_s
        self.write_result = result

    def take_over(self, old: "DeviceRunner") -> None:
        """Take up all that the runner before this one knew and counted. Call it before `run`."""
        self.recall(old.latest, old.accepted_mw, old.accepted_s, old.write_result)
        for name in COUNTERS:
            setattr(self, name, getattr(old, name))

    def retire(self) -> None:
        """Mark it as one that is gone: its link, which others may use, is no news to it."""
        self._retired = True

    async def run(self) -> None:
        """Start the device after each connection, then serve it. Ends only when cancelled.

        A LinkError is the device's business and stays here; any other error is a bug and goes to
        the supervisor.
        """
        try:
            while True:
                await self._link.wait_connected()
                epoch = self._link.epoch
                self._retry = Alarm(self._clock)
                if await self._start():
                    await self._serve(epoch)
                else:
                    await self._retry.wait(self._clock() + self._poll_s)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._set_lost("its task failed")
            raise

    async def _start(self) -> bool:
        self._started_s = self._clock()
        try:
            await self._driver.start(read_only=self._hold_writes)
            if self._errors >= ERRORS_MAX:
                # Lost while its link lived (a depot behind a broker): a start that asks the device
                # nothing proves nothing, and "lost" and "back" would alternate once a poll.
                self.latest = await self._driver.read()
        except LinkError as error:
            self._set_lost(str(error))
            return False
        self._errors = 0
        self._set_online()
        if self._mailbox is None and self._newest is not None and self._is_fresh(self._newest):
            self._mailbox = self._newest  # said again: the device may have forgotten it
        return True

    async def _serve(self, epoch: int) -> None:
        """Write and read for as long as the connection is this one and the device answers.

        A setpoint does not wait for a poll that is under way: the link lets it go first.
        """
        self._read_due = Alarm(self._clock)
        # A task of its own: what wakes one goes down through all its coroutines, each time. It is
        # the first: a setpoint that waits goes before the first poll.
        writes = asyncio.create_task(self._write_all(epoch))
        polls = asyncio.create_task(self._poll(epoch))
        polls.add_done_callback(self._polls_ended)
        self._polling = True
        try:
            await writes
        finally:
            polls.cancel()
            await asyncio.wait([polls])
            if not polls.cancelled():
                polls.result()  # a bug in the driver

    def _polls_ended(self, _polls: asyncio.Task[None]) -> None:
        self._polling = False
        self._wake.ring()

    async def _write_all(self, epoch: int) -> None:
        """Write each setpoint that comes, while it is polled, too. Ends with the connection."""
        wake = self._wake
        while self._polling and not self._is_over(epoch):
            setpoint, self._mailbox = self._mailbox, None
            if setpoint is not None:
                await self._write(setpoint)
            await wake.wait()  # at once if it was rung since the loop began

    async def _poll(self, epoch: int) -> None:
        """Read whenever it is due. Ends when it finds that `_serve` is over."""
        due_s = self._clock()
        while True:
            await self._read_due.wait(due_s)
            if self._is_over(epoch):
                return
            try:
                reading = await self._driver.read()
            except LinkError as error:
                self.read_errors += 1
                self._note_error(str(error))
            else:
                self.reads += 1
                self.latest = reading
                self._errors = 0
                if self._mode_lost or not reading.following:
                    self._note_mode(following=reading.following)
            due_s = self._next_poll_s()

    def _is_over(self, epoch: int) -> bool:
        """True when the device must be started again, or another connection is needed."""
        link = self._link
        if link.epoch != epoch or not link.connected:
            return True
        if self._errors >= ERRORS_MAX:
            self._set_lost(self._why_lost)
            return True
        return self.latest is not None and not self.latest.following and self._must_restart()

    def _is_fresh(self, setpoint: Setpoint) -> bool:
        _, decided_s = setpoint
        return self._clock() - decided_s <= self._setpoint_age_max_s

    async def _write(self, setpoint: Setpoint) -> None:
        """Send one setpoint, once, unless it has grown old. Telemetry is due soon after it."""
        clock = self._clock
        sent_s, (p_mw, decided_s) = clock(), setpoint
        if sent_s - decided_s > self._setpoint_age_max_s:
            self.setpoints_expired += 1
            return
        settle_s = 0.0
        self._writing = True
        self._read_due.hold()
        try:
            answer = await self._send(p_mw, decided_s + self._setpoint_age_max_s)
            if answer is not UNKNOWN:
                settle_s = self._settle_s
        except ExpiredError:  # no error of the device: it had to wait for another request's answer
            self.setpoints_expired += 1
            return
        except LinkError as error:  # it never left
            self.setpoints_unsent += 1
            self._note_error(str(error))
            return
        finally:
            self._writing = False
            self._read_due.release(clock() + settle_s)
        self.writes += 1
        if answer is ACCEPTED:
            self.write_result = WRITE_ACCEPTED
            self.writes_accepted += 1
            self.accepted_mw, self.accepted_s = p_mw, sent_s
            self._errors = 0
        elif answer is REFUSED:
            self.write_result = WriteResult.REFUSED
            self.writes_refused += 1
            self._errors = 0
        else:
            self.write_result = WriteResult.UNKNOWN
            self.writes_unknown += 1
            self._note_error("no answer to a setpoint")

    def _send(self, p_mw: float, before_s: float) -> Coroutine[Any, Any, Answer]:
        """Let the driver send it; a driver made for an earlier vppd knows of no deadlines."""
        if self._takes_deadlines:
            return self._driver.write(p_mw, before_s)
        return self._driver.write(p_mw)

    def _note_error(self, why: str) -> None:
        self._errors += 1
        self._why_lost = why
        self._wake.ring()

    def _note_mode(self, *, following: bool) -> None:
        """Log a mode that fell back, and its return: once it was asserted and is still there."""
        self._wake.ring()
        if not following and not self._mode_lost:
            self._mode_lost = True
            self._log.warning("device_mode_lost")
        elif following and self._mode_lost and self.accepted_s > self._started_s:
            self._mode_lost = False
            self._log.info("device_mode_back")

    def _must_restart(self) -> bool:
        """True when mode and dead man must be asserted anew; once a poll, lest it be flooded."""
        return not self._hold_writes and self._clock() - self._started_s >= self._poll_s

    def _next_poll_s(self) -> float:
        """When to read if nothing else happens."""
        now_s = self._clock()
        if not self._hold_writes:
            return now_s + self._poll_s  # from the last one: none is in flight at the next tick
        return now_s + self._poll_s - (now_s - self._phase_s) % self._poll_s

    def _has_spoken(self) -> None:
        self._read_due.bring_forward(-math.inf)
        if not self.connected:  # it lives: start it now, and need no reading to believe it
            self._errors = 0
            self._retry.bring_forward(-math.inf)

    def _link_changed(self, connected: bool) -> None:
        if self._retired:
            return
        self._wake.ring()
        self._retry.bring_forward(-math.inf)
        if not connected:
            self._set_lost(self._link.reason)

    def _set_lost(self, why: str) -> None:
        """Mark the reading at once; its value and its time stay. Log the change, not the state."""
        self._why_lost = why
        if self.latest is not None and self.latest.quality != Quality.COMM_LOST:
            self.latest = self.latest._replace(quality=Quality.COMM_LOST)
        if self._online is not False:
            self._online = False
            self.lost_since_s = self._clock()
            self._log.warning("device_lost", reason=why)

    def _set_online(self) -> None:
        if self._online is False:
            self.reconnects += 1
            self._log.info("device_back", after_s=self._clock() - self.lost_since_s)
        self._online = True
