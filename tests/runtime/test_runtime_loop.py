"""The control loop on virtual time, with devices that are plain slots."""

import dataclasses

import numpy as np
from builders import image as an_image
from builders import params
from virtual_loop import run_virtual

from vppd.core.types import Mode, Order, WriteResult
from vppd.devices.base import Reading
from vppd.runtime.clock import TickClock
from vppd.runtime.image import NEVER, Standing, freeze, newest_agc
from vppd.runtime.loop import ControlLoop
from vppd.runtime.timers import LoopTimer
from vppd.signals.base import AgcValue

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

    frequency = None

    def __init__(self):
        self.agc = None
        self.listener = lambda: None

    def on_agc(self, listener):
        self.listener = listener

    def say(self, pu, now_s):
        self.agc = AgcValue(pu=pu, received_s=now_s)
        self.listener()


def standing(n=3):
    base = an_image(n)
    return Standing(Order.AUTO, 20.0, 20.0, base.basepoint_mw, base.locked, base.operator_mw)


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
            self.latest = dataclasses.replace(self.latest, p_avail_max_mw=0.0)

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
    seen = freeze(when, 1.0, [device], [Spoken()], standing(1))
    assert np.isnan(seen.p_meas_mw[0])
    assert np.isnan(seen.measured_at_s[0])
    assert np.isnan(seen.agc_pu)
    assert seen.quality[0] == NEVER.quality


def test_the_image_is_read_only_and_later_readings_do_not_reach_it():
    device = Slots(lambda: 1.0)
    when = dataclasses.make_dataclass("When", ["number", "trigger"])(0, 0)
    seen = freeze(when, 1.0, [device], [Spoken()], standing(1))
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
