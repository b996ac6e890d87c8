"""Each checker bites: a daemon with one mistake in it makes a run fail, and here is what finds it.

A mutant is the production code with one line wrong, put in by hand for one run in virtual time of
ten units. The same run without a mutant passes every check.
"""

from dataclasses import replace

import numpy as np
import pytest
from small_campaign import SMALL

import vppd.config.params
import vppd.core.tick
import vppd.devices.runner as runner
import vppd.runtime.loop as loop
import vppd.runtime.shell as shell
import vppd.runtime.telling as telling
from hil import result
from hil.checkers import orders, registry
from hil.scenario import load
from hil.sim.replay import replay
from hil.sim.run import Simulation
from vppd.core.types import WriteResult
from vppd.devices.modbus_load import ModbusLoad
from vppd.devices.sunspec_driver import SunspecDriver
from vppd.kernels import response

SEED = 5
# One unit silent for longer than its watchdog, another one cut, the signal away for a while.
EVENTS = """
  - {at_s: 5, kind: link_half_open, units: [bat001], duration_s: 14}
  - {at_s: 5, kind: link_half_open, units: [ev001], duration_s: 14}
  - {at_s: 8, kind: link_reset, units: [ind001], duration_s: 6}
"""
SCENARIO = SMALL.replace("duration_s: 20", f"duration_s: 40\nfaults: none\nevents: {EVENTS}")
# Stores, rooms and cars are all at their limits, and no unit protects them itself.
AT_THE_LIMITS = (
    ("events", "[{at_s: 0, kind: device_unguarded, share_pct: 100, duration_s: 100}]"),
    ("regulation_mw", "6.0"),
    ("fleet.kinds.battery.ambient_c", "57"),
    ("fleet.kinds.hvac.room", "{comfort_k: [0.05, 0.05], start_k: [0.2, 0.2]}"),
    ("fleet.kinds.ev_hub.cars", "{stay_h: [1, 2], need_pct: 80, leave_s: [10, 30]}"),
    ("signal", "{kind: steps, steps: [[0, 1]]}"),
)


def checked(folder, *overrides):
    """Run, and give what the checks found."""
    folder.mkdir(exist_ok=True)
    path = folder / "mutant.yaml"
    path.write_text(SCENARIO)
    scenario = load(str(path), [("seed", str(SEED)), ("acceptance", "{}"), *overrides])
    simulation = Simulation(scenario, folder / "out")
    simulation.make()
    measured = result.figures(folder / "out", ticks=simulation.ticks, replay=replay)
    found = measured.result["checks"]
    print(found["first"][:5])
    return found


def checks(folder, *overrides):
    """Run, and give violations by check."""
    found = checked(folder, *overrides)
    return {name: count for name, count in found["by_check"].items() if count}


def turned_sign(patch):
    """Every setpoint goes out with its sign turned."""
    submit = runner.DeviceRunner.submit
    patch.setattr(runner.DeviceRunner, "submit", lambda self, p, at: submit(self, -p, at))


def with_params(patch, **factors):
    """The daemon takes constants of its units to be larger than they are configured."""
    build = vppd.config.params.build_params

    def built(config):
        params = build(config)
        return replace(params, **{k: getattr(params, k) * f for k, f in factors.items()})

    patch.setattr(shell, "build_params", built)
    patch.setattr("hil.sim.daemon.build_params", built)


def no_ramp(patch):
    """The ramp of no unit is looked at, neither by the limits nor by the second guard."""
    with_params(patch, ramp_up_mw_per_s=1e6, ramp_down_mw_per_s=1e6)


def stale_setpoint(patch):
    """The setpoint of ten ticks ago is sent, as if it were new."""
    submit = runner.DeviceRunner.submit
    earlier = {}

    def late(self, p_mw, decided_s):
        told = earlier.setdefault(self.unit_id, [])
        told.append(p_mw)
        submit(self, told[max(len(told) - 10, 0)], decided_s)

    patch.setattr(runner.DeviceRunner, "submit", late)


def seldom_sent(patch):
    """Of five setpoints that are decided one leaves."""
    submit = runner.DeviceRunner.submit
    decided = {}

    def seldom(self, p_mw, decided_s):
        decided[self.unit_id] = decided.get(self.unit_id, 0) + 1
        if decided[self.unit_id] % 5 == 0:
            submit(self, p_mw, decided_s)

    patch.setattr(runner.DeviceRunner, "submit", seldom)


def hard_of_hearing(patch):
    """Of the values that the TSO sends one in five seconds is heard."""
    tick = loop.tick
    heard = {}

    def deaf(state, image, params):
        now_s = image.now_s
        if not heard or now_s - heard["at_s"] >= 5.0:
            heard.update(at_s=now_s, image=image)
        last = heard["image"]
        image = replace(
            image, agc_pu=last.agc_pu, agc_received_s=last.agc_received_s,
            agc_sequence=last.agc_sequence,
        )  # fmt: skip
        return tick(state, image, params)

    patch.setattr(loop, "tick", deaf)


def power_never_told(patch):
    """The TSO is told that nobody knows the power."""
    report = telling.plant_report

    def told(done, params, online):
        return replace(report(done, params, online), p_meas_mw=np.nan)

    patch.setattr(telling, "plant_report", told)


def unserved_dropped(patch):
    """What could not be served is reported as nothing."""
    tick = loop.tick

    def silent(state, image, params):
        after, decision = tick(state, image, params)
        return after, replace(decision, unserved_mw=0.0)

    patch.setattr(loop, "tick", silent)


def requested_as_delivered(patch):
    """The TSO is told what was asked for."""
    report = telling.plant_report

    def told(done, params, online):
        return replace(report(done, params, online), p_meas_mw=done.decision.request_mw)

    patch.setattr(telling, "plant_report", told)


def ranges_ignored(patch):
    """What the units say they can give is not looked at."""
    tick = loop.tick

    def blind(state, image, params):
        unknown_mw = np.full_like(image.p_avail_min_mw, np.nan)
        image = replace(image, p_avail_min_mw=unknown_mw, p_avail_max_mw=unknown_mw)
        return tick(state, image, params)

    patch.setattr(loop, "tick", blind)


def never_armed(patch):
    """The watchdog in the unit stays as it came from the factory."""

    async def nothing(self):
        """Believe that it is done."""

    patch.setattr(ModbusLoad, "_arm", nothing)
    patch.setattr(ModbusLoad, "_is_armed", lambda self, value: value["mode"] == self._follow)


def no_watchdog(patch):
    """The watchdog in the unit is armed with an hour."""
    start = SunspecDriver.start

    async def careless(self, read_only=False):
        self._watchdog_s = 3600
        await start(self, read_only)

    patch.setattr(SunspecDriver, "start", careless)


def counted_for_ever(patch):
    """A unit out of reach is counted by its last setpoint for ever."""
    with_params(patch, watchdog_s=1e6)


def answers_forgotten(patch):
    """For half of the time no answer to a setpoint is noted: the watchdog seems to run out."""
    write = runner.DeviceRunner._write
    written = {}

    async def forgetful(self, setpoint):
        before = self.accepted_mw, self.accepted_s
        await write(self, setpoint)
        written[self.unit_id] = written.get(self.unit_id, 0) + 1
        if written[self.unit_id] % 50 >= 25:
            self.accepted_mw, self.accepted_s = before
            self.write_result = WriteResult.UNKNOWN

    patch.setattr(runner.DeviceRunner, "_write", forgetful)


def benched_for_ever(patch):
    """A unit whose link was gone is never read again, though it is told what it had accepted."""
    tick = loop.tick
    lost_s = {}

    def wary(state, image, params):
        measured_s = image.measured_at_s.copy()
        for i in np.flatnonzero(image.connected == 0).tolist():
            if np.isfinite(measured_s[i]):
                lost_s.setdefault(i, measured_s[i])
        for i, at_s in lost_s.items():
            measured_s[i] = at_s
        return tick(state, replace(image, measured_at_s=measured_s), params)

    patch.setattr(loop, "tick", wary)


def not_taken_back(patch):
    """A unit that comes back is not started again."""
    start = runner.DeviceRunner._start
    started = set()

    async def once(self):
        if self.unit_id in started:
            return False
        if await start(self):
            started.add(self.unit_id)
        return self.unit_id in started

    patch.setattr(runner.DeviceRunner, "_start", once)


def regulation_halved(patch):
    """Half of the regulation is asked for."""
    patch.setattr("vppd.core.tick.regulation_mw", lambda pu, up, down: 0.5 * pu * up)


def answers_at_once(patch):
    """Every unit is thought to be where it is told to be, a second later at the latest."""
    with_params(patch, dead_time_s=0.0, lag_s=0.0)


def gain_turned(patch):
    """A unit is thought to answer the other way round."""
    find_gains = response.find_gains

    def turned(*arrays):
        count = find_gains(*arrays)
        arrays[-1][:] *= -1.0
        return count

    patch.setattr("vppd.core.fixed.response.find_gains", turned)


def never_again(patch):
    """After a signal that was away, the plant stays at its basepoints."""
    tick = loop.tick

    def stuck(state, image, params):
        return tick(state, replace(image, agc_received_s=min(image.agc_received_s, 1020.0)), params)

    patch.setattr(loop, "tick", stuck)


def cries(patch):
    """An error is logged that nothing explains."""
    tell = telling.Teller.tell

    def loudly(self, done):
        tell(self, done)
        if done.image.tick == 20:
            runner.log.error("something_is_wrong")

    patch.setattr(telling.Teller, "tell", loudly)


def no_bands(patch):
    """Nobody looks where units cannot stand."""
    patch.setattr(vppd.core.tick, "what_bands_leave", lambda *given: given[4])


def beyond_rating(patch):
    """Batteries are taken to be twice as large, whatever they say."""
    with_params(patch, p_min_mw=2.0, p_max_mw=2.0)
    ranges_ignored(patch)


def drained(patch):
    """Nobody looks at the state of charge, nor at what the battery says of it."""
    with_params(patch, soc_min_pu=0.0, soc_max_pu=10.0)
    ranges_ignored(patch)


# Buildings that would be told to stand inside: quick enough not to be on their way.
BANDED = (
    ("fleet.kinds.hvac.band", "{from_pct: 5, to_pct: 95}"), ("regulation_mw", "3.0"),
    ("fleet.kinds.hvac.ramp_pct_per_s", "50"), ("signal", "{kind: steps, steps: [[0, 0.5]]}"),
)  # fmt: skip
OVERSOLD = ("regulation_mw", "6.0")
MUTANTS = (  # mutant, the checks that must find it, and what the run needs
    (turned_sign, "setpoint_age", ()),
    (no_ramp, "limits", (("signal", "{kind: steps, steps: [[0, -1], [20, 1]]}"),)),
    (ranges_ignored, "comfort departure thermal", AT_THE_LIMITS),
    (no_bands, "band", BANDED),
    (stale_setpoint, "setpoint_age", ()),
    (seldom_sent, "sent", ()),
    (hard_of_hearing, "agc", ()),
    (unserved_dropped, "balance", (OVERSOLD,)),
    (regulation_halved, "balance", ()),
    (answers_at_once, "balance", ()),
    (gain_turned, "balance", ()),
    (requested_as_delivered, "told", (OVERSOLD,)),
    (power_never_told, "told", ()),
    (no_watchdog, "fallback", ()),
    (never_armed, "fallback", ()),
    (counted_for_ever, "prediction", ()),
    (answers_forgotten, "prediction", (("duration_s", "70"),)),
    (benched_for_ever, "back", (("duration_s", "70"),)),
    (not_taken_back, "back", ()),
    (never_again, "resume", ()),
    (cries, "log", ()),
)


def test_there_is_a_mutant_for_each_check():
    assert {check for _, checks_, _ in MUTANTS for check in checks_.split()} == set(registry.ALL)


@pytest.mark.parametrize(
    "overrides", [(), AT_THE_LIMITS, BANDED], ids=["as it is", "at the limits", "banded"]
)
def test_without_a_mutant_every_check_passes(overrides, tmp_path):
    assert checks(tmp_path, *overrides) == {}


@pytest.mark.parametrize(
    ("mutant", "by", "overrides"),
    MUTANTS,
    ids=[f"{mutant.__name__}-{by.replace(' ', '-')}" for mutant, by, _ in MUTANTS],
)
def test_killed(mutant, by, overrides, tmp_path, monkeypatch):
    print(f"seed {SEED}")
    mutant(monkeypatch)
    found = checks(tmp_path, *overrides)
    assert set(by.split()) <= set(found), f"{mutant.__doc__} {found}"


EMPTY = (
    ("regulation_mw", "2.0"), ("fleet.kinds.battery.soc_start_pu", "[0.07, 0.07]"),
    ("fleet.kinds.battery.soc_pu", "[0.1, 0.9]"), ("signal", "{kind: steps, steps: [[0, 0.5]]}"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "part", "overrides"),
    [(beyond_rating, "rating", AT_THE_LIMITS), (drained, "soc", EMPTY)],
    ids=["rating", "soc"],
)
def test_each_part_of_the_limits_is_killed(mutant, part, overrides, tmp_path, monkeypatch):
    what = orders.WHAT[part]
    assert what not in {
        each["what"] for each in checked(tmp_path / "as it is", *overrides)["first"]
    }
    mutant(monkeypatch)
    assert what in {each["what"] for each in checked(tmp_path / "mutant", *overrides)["first"]}
