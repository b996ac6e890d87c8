"""The control loop: image -> tick -> journal -> devices -> reports, once a tick.

Between the freezing and the journal nothing is awaited: inputs cannot change meanwhile.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from vppd.core.carry import carry_state, places
from vppd.core.orders import Standing
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Decision, Image, Order, Params, Reason, State, Trigger
from vppd.journal.schema import Meta
from vppd.runtime.clock import TickClock, TickTime
from vppd.runtime.image import NAN, Device, Freezer, Heard, newest_frequency
from vppd.signals.base import Signal

REACHED_MW = 1e-3  # a unit that is this near its last setpoint has arrived
# What stands in a unit's way for good at a stop. The ramp only takes time, and a unit that was not
# read or refused may yet get there.
FOR_GOOD = (
    Reason.RATING, Reason.SOC, Reason.AVAILABLE, Reason.OPERATOR, Reason.CROSSED, Reason.GUARD,
)  # fmt: skip


class Counts(Protocol):
    """The counters of a device that each tick records."""

    writes_accepted: int
    writes_refused: int
    writes_unknown: int
    reconnects: int


class Sink(Device, Counts, Protocol):
    """A device, as the loop needs it: slots to read, a mailbox to write."""

    def submit(self, p_setpoint_mw: float, decided_s: float) -> None:
        """Leave the setpoint to send next. Never blocks."""


@dataclass(frozen=True, slots=True)
class Done:
    """One finished tick, for those who tell others about it."""

    when: TickTime
    image: Image
    before: State
    after: State
    decision: Decision
    meta: Meta


def forget(_state: State, _image: Image) -> None:
    """Keep nothing."""


class Gone:
    """Counters of devices that a reload took away, so that sums over the plant never fall."""

    NAMES = (
        "writes_accepted", "writes_refused", "writes_unknown", "reconnects", "setpoints_dropped",
        "setpoints_expired", "reads", "read_errors",
    )  # fmt: skip

    def __init__(self) -> None:
        self.writes_accepted = self.writes_refused = self.writes_unknown = self.reconnects = 0
        self.setpoints_dropped = self.setpoints_expired = self.reads = self.read_errors = 0

    def add(self, device: object) -> None:
        """Count in what a device has counted."""
        for name in self.NAMES:
            setattr(self, name, getattr(self, name) + getattr(device, name))


class ControlLoop:
    """Runs ticks until `stop()` was called and the units have reached their last setpoints.

    Parameters
    ----------
    clock, utc : callable
        Monotonic and wall clock, s.
    record : callable
        Takes (meta, state before, image, decision) for the journal; must return at once.
    keep : callable
        Takes (state after, image) of each tick, before its setpoints leave: see `keepsake`.
    tell : callable
        Called with each finished tick, after the setpoints have been handed out.
    write_chunk : int
        Devices that get their setpoint before the event loop breathes: a burst of hundreds of
        writes in one go would hold up everything else.
    stop_timeout_s : float
        Time that units get to reach their last setpoints, s.
    """

    def __init__(
        self,
        params: Params,
        standing: Standing,
        devices: Sequence[Sink],
        signals: Sequence[Signal],
        ticks: TickClock,
        *,
        clock: Callable[[], float],
        utc: Callable[[], float],
        record: Callable[[Meta, State, Image, Decision], object],
        tell: Callable[[Done], None],
        keep: Callable[[State, Image], None] = forget,
        write_chunk: int,
        stop_timeout_s: float,
    ) -> None:
        self.standing = standing
        self._params = params
        self._devices = devices
        self._signals = signals
        self._ticks = ticks
        self._clock = clock
        self._utc = utc
        self._record = record
        self._tell = tell
        self._keep = keep
        self._write_chunk = write_chunk
        self._stop_timeout_s = stop_timeout_s
        self._stop_at_s: float | None = None
        self._freq_hz = NAN  # of the last tick
        self._heard: list[Heard] = list(signals)
        self._change: Callable[[], None] | None = None
        self.gone = Gone()
        self._state = initial_state(params)
        self._freezer = Freezer(params.steps_per_mw)

    @property
    def stopping(self) -> bool:
        """True from the first `stop` on."""
        return self._stop_at_s is not None

    def start_now(self) -> None:
        """Start a tick at once, for what has come to stand."""
        self._ticks.wake()

    def stop(self) -> None:
        """Bring every unit to its last setpoint, within its limits, then end the loop."""
        if self._stop_at_s is None:
            self._stop_at_s = self._clock() + self._stop_timeout_s
            self.standing = replace(self.standing, order=Order.SAFE)
            self._ticks.wake()

    def go_on_from(self, state: State, heard: Heard) -> None:
        """Begin where another loop ended, instead of with nothing known.

        `heard` are the values that it heard last; they stand until newer ones come.
        """
        self._state = state
        self._freezer.after(state.now_s)
        self._heard = [*self._signals, heard]

    def after_tick(self, change: Callable[[], None]) -> None:
        """Call `change()` once, between two ticks."""
        self._change = change

    def of_plant(self, params: Params, standing: Standing, devices: Sequence[Sink]) -> None:
        """Go on with other parameters, orders and devices. Between two ticks: see `after_tick`."""
        self._state = carry_state(self._state, self._params, params)
        self._freezer.of_plant(params.steps_per_mw, places(self._params, params))
        if self.stopping:
            standing = replace(standing, order=Order.SAFE)
        self._params, self.standing, self._devices = params, standing, devices

    async def run(self) -> None:
        """Tick. Returns after a stop."""
        for signal in self._signals:
            signal.on_agc(self._ticks.wake)
            if self._params.droop_enabled:
                signal.on_frequency(self._frequency_came)
        async for when in self._ticks:
            self._state, decision = await self.step(when, self._state)
            if self._change is not None:
                change, self._change = self._change, None
                change()
            if self._stop_at_s is not None and self._has_stopped(decision, self._stop_at_s):
                return

    async def step(self, when: TickTime, state: State) -> tuple[State, Decision]:
        """One tick, from the image to the mailboxes of the devices."""
        started_s = self._clock()
        image = self._freezer.freeze(when, started_s, self._devices, self._heard, self.standing)
        self._freq_hz = image.freq_hz
        frozen_s = self._clock()
        after, decision = tick(state, image, self._params)
        decided_s = self._clock()
        meta = self._meta(when, frozen_s - started_s, decided_s - frozen_s)
        self._record(meta, state, image, decision)
        self._keep(after, image)
        await self._hand_out(decision, decided_s)
        self._tell(Done(when, image, state, after, decision, meta))
        return after, decision

    def _frequency_came(self) -> None:
        """Start a tick for a frequency that has left the last tick's by more than the dead band.

        The droop's answer is as old as the tick: up to a period, where a loss of generation moves
        the frequency 0.1 to 0.5 Hz. To wait then would cost half a second of response. Yet a tick
        for each value would double ticks and writes all day, for a frequency that is still: what
        moves less than the dead band in a period is answered well enough by the grid. Values in a
        burst are held apart by the clock's least gap, as those of AGC.
        """
        newest = newest_frequency(self._heard)
        if newest is None:
            return
        if abs(newest.freq_hz - self._freq_hz) > self._params.droop_deadband_hz:
            self._ticks.wake(Trigger.FREQUENCY)
        else:
            self._ticks.hear(Trigger.FREQUENCY)

    async def _hand_out(self, decision: Decision, decided_s: float) -> None:
        """Put each setpoint into its mailbox, in chunks, so that no burst holds the loop."""
        setpoints_mw = decision.p_setpoint_mw.tolist()
        for count, i in enumerate(np.flatnonzero(decision.send).tolist(), start=1):
            self._devices[i].submit(setpoints_mw[i], decided_s)
            if count % self._write_chunk == 0:
                await asyncio.sleep(0)

    def _meta(self, when: TickTime, freeze_s: float, tick_s: float) -> Meta:
        devices: list[Counts] = [*self._devices, self.gone]
        return Meta(
            utc_s=math.floor(self._utc() * 1e6) / 1e6,  # to what they are worth, see `Freezer`
            late_s=round(when.late_s, 5),
            freeze_us=float(round(1e6 * freeze_s)),
            tick_us=float(round(1e6 * tick_s)),
            missed_ticks=self._ticks.missed,
            writes_accepted=sum([device.writes_accepted for device in devices]),
            writes_refused=sum([device.writes_refused for device in devices]),
            writes_unknown=sum([device.writes_unknown for device in devices]),
            reconnects=sum([device.reconnects for device in devices]),
        )

    def have_arrived(self, units: Sequence[int]) -> bool:
        """True once each of these units was told the operator's value, or cannot be told."""
        state, wanted_mw = self._state, self.standing.operator_mw
        away_mw = np.abs(state.p_setpoint_mw - wanted_mw)[units]
        return bool(np.all((away_mw <= REACHED_MW) | (state.sent[units] == 0)))

    def _has_stopped(self, decision: Decision, stop_at_s: float) -> bool:
        """True once every unit that takes orders is as near as it can get, or time is up."""
        if self._clock() >= stop_at_s:
            return True
        away_mw = np.abs(decision.p_setpoint_mw - self._params.safe_mw)
        on_its_way = (decision.send != 0) & (away_mw > REACHED_MW)
        return bool(np.all(np.isin(decision.held_by[on_its_way], FOR_GOOD)))


def is_early(done: Done) -> bool:
    """True for a tick that a fresh AGC value started."""
    return done.when.trigger is Trigger.AGC
