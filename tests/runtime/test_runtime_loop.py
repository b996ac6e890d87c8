"""The control loop on virtual time, with devices that are plain slots."""

import dataclasses

import numpy as np
from builders import params, standing
from virtual_loop import run_virtual

from vppd.core.types import Mode, Trigger, WriteResult
from vppd.devices.base import Reading
from vppd.runtime.clock import TickClock
from vppd.runtime.image import NEVER, Freezer, newest_agc
from vppd.runtime.loop import ControlLoop
from vppd.runtime.timers import LoopTimer
from vppd.signals.base import AgcValue, FrequencyValue

NAN = float("nan")


class Slots:
    """A device that does at once what it is told."""

    def __init__(self, clock):
        self.clock = clock
        self.latest = Reading(p_meas_mw=0.0, measured_at_s=clock())
        self.accepted_mw = NAN
        self.accepted_s = NAN
        self.write_result = WriteResult.NONE
        self.connected = True
        self.writes_accepted = self.writes_refused = self.writes_unknown = self.reconnects = 0
        self.got = []

    def submit(self, p_setpoint_mw, decided_s):
        now_s = self.clock()
        self.got.append((now_s, p_setpoint_mw))
        self.accepted_mw, self.accepted_s = p_setpoint_mw, now_s
        self.latest = Reading(p_meas_mw=p_setpoint_mw, measured_at_s=now_s)
        self.write_result = WriteResult.ACCEPTED
        self.writes_accepted += 1


class Spoken:
    """A signal whose value the test sets."""

    def __init__(self):
        self.agc = None
        self.frequency = None
        self.listener = lambda: None
        self.frequency_listener = lambda: None

    def on_agc(self, listener):
        self.listener = listener

    def on_frequency(self, listener):
        self.frequency_listener = listener

    def hum(self, freq_hz, now_s):
        self.frequency = FrequencyValue(freq_hz, now_s)
        self.frequency_listener()

    def say(self, pu, now_s):
        self.agc = AgcValue(pu=pu, received_s=now_s)
        self.listener()


def plant(loop, n=3, **settings):
    """A control loop over n slots; `done` collects the finished ticks."""
    devices = [Slots(loop.time) for _ in range(n)]
    signal = Spoken()
    done = []
    p = params(n, **settings)
    control = ControlLoop(
        p, standing(n), devices, [signal],
        TickClock(p.tick_s, loop.time, timer=LoopTimer(loop.time)),
        clock=loop.time, utc=loop.time, record=lambda *_: True, tell=done.append,
        write_chunk=2, stop_timeout_s=5.0,
    )  # fmt: skip
    return control, devices, signal, done


def test_a_fresh_value_reaches_every_device_in_the_same_instant():
    async def scenario(loop):
        control, devices, signal, done = plant(loop)
        loop.call_at(10.3, lambda: signal.say(0.6, loop.time()))
        loop.call_at(10.4, control.stop)
        await control.run()
        return devices, done

    devices, done = run_virtual(scenario)
    early = [tick for tick in done if tick.image.agc_received_s == 10.3]
    assert early[0].image.now_s == 10.3
    for device in devices:
        at_s, p_mw = next(row for row in device.got if row[0] == 10.3)
        assert (at_s, round(p_mw, 9)) == (10.3, 1.5)  # 0.6 x 20 MW is 4 each; ramp: 0.3 s x 5 MW/s


def ticks_of_frequencies(*said, **settings):
    """Start and trigger of the ticks after 10 s, when frequencies are said: (instant, Hz)."""

    async def scenario(loop):
        control, _, signal, done = plant(loop, **settings)
        for at_s, freq_hz in said:
            loop.call_at(at_s, lambda hz=freq_hz: signal.hum(hz, loop.time()))
        loop.call_at(13.9, control.stop)
        await control.run()
        return [(round(t.image.now_s, 9), t.when.trigger, t.image.freq_hz) for t in done]

    return [row for row in run_virtual(scenario) if 10.0 < row[0] < 13.9]


DROOP = {
    "droop_enabled": True,
    "droop_pu": 0.004,
    "droop_power_mw": 10.0,
    "droop_deadband_hz": 0.03,
}


def test_a_frequency_that_has_moved_starts_a_tick():
    rows = ticks_of_frequencies((9.6, 50.0), (10.3, 49.9), (11.1, 49.85), **DROOP)
    assert rows[:2] == [(10.3, Trigger.FREQUENCY, 49.9), (11.1, Trigger.FREQUENCY, 49.85)]
    assert [row[0] for row in rows[2:]] == [12.1, 13.1]  # the grid goes on from there


def test_the_grid_waits_for_the_next_frequency():
    """Else a tick a few milliseconds earlier would leave the next one no time to ramp."""
    said = [(9.3 + k, 50.0) for k in range(3)]
    rows = ticks_of_frequencies(*said, (12.32, 49.8), (13.35, 49.6), **DROOP)
    assert rows[0][0] == 11.0
    assert (12.32, Trigger.FREQUENCY, 49.8) in rows
    assert rows[-1] == (13.35, Trigger.FREQUENCY, 49.6)


def test_a_frequency_that_is_still_waits_for_the_grid():
    rows = ticks_of_frequencies((9.7, 49.9), (10.2, 49.91), (10.7, 49.92), **DROOP)
    assert [row[:2] for row in rows] == [(float(s), Trigger.GRID) for s in (11, 12, 13)]
    assert rows[0][2] == 49.92


def test_what_creeps_starts_a_tick_once_it_has_left_the_last_tick_s_frequency():
    creep = [(10.1 + 0.1 * k, 49.9 - 0.011 * k) for k in range(6)]
    rows = ticks_of_frequencies((9.5, 49.9), *creep, **DROOP)
    assert rows[0] == (10.4, Trigger.FREQUENCY, 49.9 - 0.011 * 3)


def test_without_droop_no_frequency_starts_a_tick():
    rows = ticks_of_frequencies((9.5, 50.0), (10.3, 49.0), (10.6, 48.0), droop_enabled=False)
    assert [row[:2] for row in rows] == [(float(s), Trigger.GRID) for s in (11, 12, 13)]


def test_a_burst_of_frequencies_is_held_apart():
    burst = [(10.31 + 0.01 * k, 49.9 - 0.1 * k) for k in range(8)]
    rows = ticks_of_frequencies((9.5, 50.0), *burst, **DROOP)
    assert [row[0] for row in rows[:2]] == [10.31, 10.41]
    assert rows[1][2] == burst[-1][1]


def test_stop_brings_every_unit_to_its_last_setpoint_within_its_ramp():
    async def scenario(loop):
        control, devices, signal, done = plant(loop, safe_mw=np.full(3, -4.0))
        loop.call_at(0.5, lambda: signal.say(0.9, loop.time()))
        loop.call_at(3.5, control.stop)
        await control.run()
        return devices, done

    devices, done = run_virtual(scenario)
    assert done[-1].decision.mode == Mode.SAFE
    for device in devices:
        assert device.got[-1][1] == -4.0
        steps = [b[1] - a[1] for a, b in zip(device.got, device.got[1:], strict=False)]
        spans = [b[0] - a[0] for a, b in zip(device.got, device.got[1:], strict=False)]
        assert all(abs(x) <= 5.0 * t + 1e-9 for x, t in zip(steps, spans, strict=True))


def test_stop_ends_after_its_time_even_if_a_unit_is_too_slow():
    async def scenario(loop):
        control, _, _, done = plant(
            loop, safe_mw=np.full(3, -9.0), ramp_down_mw_per_s=np.full(3, 0.1)
        )
        loop.call_at(3.5, control.stop)
        await control.run()
        return loop.time(), done

    ended_s, done = run_virtual(scenario)
    assert 8.0 <= ended_s <= 10.0
    assert done[-1].decision.p_setpoint_mw.max() > -9.0


def stopped_in(prepare, **settings):
    """Seconds from the order to stop to the end of the loop, and the ticks."""

    async def scenario(loop):
        control, devices, _, done = plant(loop, **settings)
        prepare(control, devices)
        loop.call_at(3.5, control.stop)
        await control.run()
        return loop.time() - 3.5, done

    return run_virtual(scenario)


def test_a_stop_does_not_wait_for_a_unit_that_the_operator_holds():
    def hold(control, _devices):
        control.standing = dataclasses.replace(
            control.standing, locked=np.array([0, 1, 0], np.uint8),
            operator_mw=np.array([NAN, 3.0, NAN]),
        )  # fmt: skip

    took_s, done = stopped_in(hold)
    assert took_s < 0.2
    assert done[-1].decision.p_setpoint_mw.tolist() == [0.0, 3.0, 0.0]


def test_a_stop_does_not_wait_for_a_setpoint_that_no_time_makes_reachable():
    """A solar plant at night has no basepoint to go back to."""

    class Dark(Slots):
        def submit(self, p_setpoint_mw, decided_s):
            super().submit(p_setpoint_mw, decided_s)
            self.latest = self.latest._replace(p_avail_max_mw=0.0)

    def darken(_control, devices):
        devices[0].__class__ = Dark

    took_s, done = stopped_in(darken, safe_mw=np.array([2.0, 0.0, 0.0]))
    assert took_s < 0.2
    assert done[-1].decision.p_setpoint_mw[0] == 0.0


def test_a_stop_takes_a_unit_along_that_is_not_read_any_more():
    class Mute(Slots):
        def submit(self, p_setpoint_mw, decided_s):
            reading = self.latest
            super().submit(p_setpoint_mw, decided_s)
            self.latest = reading  # for ever the first one

    def silence(_control, devices):
        devices[1].__class__ = Mute

    took_s, done = stopped_in(
        silence, safe_mw=np.full(3, -8.0), telemetry_age_max_s=np.full(3, 2.0)
    )
    assert took_s < 3.0
    assert done[-1].decision.p_setpoint_mw.tolist() == [-8.0] * 3


def test_never_read_is_not_zero():
    device = Slots(lambda: 1.0)
    device.latest = None
    when = dataclasses.make_dataclass("When", ["number", "trigger"])(0, 0)
    seen = Freezer(np.zeros(1)).freeze(when, 1.0, [device], [Spoken()], standing(1))
    assert np.isnan(seen.p_meas_mw[0])
    assert np.isnan(seen.measured_at_s[0])
    assert np.isnan(seen.agc_pu)
    assert seen.quality[0] == NEVER.quality


def test_the_image_is_read_only_and_later_readings_do_not_reach_it():
    device = Slots(lambda: 1.0)
    when = dataclasses.make_dataclass("When", ["number", "trigger"])(0, 0)
    seen = Freezer(np.zeros(1)).freeze(when, 1.0, [device], [Spoken()], standing(1))
    device.latest = Reading(p_meas_mw=9.0, measured_at_s=2.0)
    assert seen.p_meas_mw[0] == 0.0
    assert not any(
        value.flags.writeable
        for value in (getattr(seen, f.name) for f in dataclasses.fields(seen))
        if isinstance(value, np.ndarray) and value is not seen.basepoint_mw
        and value is not seen.locked and value is not seen.operator_mw
    )  # fmt: skip


def test_of_two_signals_the_one_heard_last_counts():
    first, second = Spoken(), Spoken()
    assert newest_agc([first, second]) is None
    first.say(0.1, 5.0)
    second.say(0.2, 4.0)
    assert newest_agc([first, second]).pu == 0.1
