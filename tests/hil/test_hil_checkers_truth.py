"""Checkers of the simulated truth: fallback, units taken back, what the TSO is told."""

import numpy as np
import pytest
from checked_bench import BASE_MW, BAT, EV, HVAC, RECEIVED_S, SECONDS, T0_S, Scene
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.checkers import back, fallback, told
from hil.faults import Fault
from hil.plant.plant import Plant
from hil.recording import UnitState

FEW = settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def say(check, scene: Scene, tmp_path) -> list[tuple[str, int]]:
    """Words and unit of each violation."""
    return [(v.what, v.unit) for v in check(scene.evidence(tmp_path)).violations]


# ------------------------------------------------------------------------- fallback


def away(**changes: object) -> Scene:
    """The hub is unreachable from 15 to 40 s: it was fed at 14.06 s, and falls back 10 s later."""
    scene = Scene(**changes)
    scene.away(EV, 15.0, 40.0)
    return scene


def test_a_unit_in_its_fallback_in_time(tmp_path):
    found = fallback.check(away().evidence(tmp_path))
    assert found.violations == []
    assert found.checked == SECONDS * 10 * 3


@pytest.mark.parametrize(("until_s", "found"), [(24.2, []), (24.5, [(fallback.LATE, EV)])])
def test_a_unit_that_follows_for_longer_than_its_watchdog(tmp_path, until_s, found):
    scene = away()
    scene.state[scene.rows(24.0, until_s), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == found


def test_a_watchdog_that_was_never_armed(tmp_path):
    scene = away()
    scene.state[scene.rows(15.0, 40.0), EV] = UnitState.FOLLOW
    (violation,) = fallback.check(scene.evidence(tmp_path)).violations
    assert violation.value == pytest.approx(25.45, abs=0.2)  # until shortly before it is fed again
    assert violation.limit == 10.0


@pytest.mark.parametrize("flags", [1, 2, 4, 8])
def test_what_a_unit_does_not_act_on_feeds_no_watchdog(tmp_path, flags):
    scene = away()
    scene.setpoints.append([T0_S + 20.0, EV, -0.5, flags])
    assert say(fallback.check, scene, tmp_path) == []
    scene.state[scene.rows(24.0, 28.0), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == [(fallback.LATE, EV)]


def test_a_setpoint_that_comes_through_an_outage_is_found(tmp_path):
    scene = away()
    scene.setpoints.append([T0_S + 15.9, EV, -0.5, 0])  # was under way
    scene.setpoints.append([T0_S + 30.0, EV, -0.5, 0])
    scene.state[scene.rows(24.0, 26.0), EV] = UnitState.FOLLOW
    scene.state[scene.rows(30.0, 40.0), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == [(fallback.REACHED, EV)]
    # a machine that stands still sees neither the end of the link nor what is under way
    scene.timed = [Fault(14.0, "host_tick_overrun", -1, 16.0, size=14.5)]
    assert say(fallback.check, scene, tmp_path) == []


def test_a_unit_that_wakes_with_its_old_setpoint_feeds_itself(tmp_path):
    scene = Scene()
    scene.away(EV, 15.0, 40.0, "device_old_setpoint")
    scene.spans = [("device_old_setpoint", 15.0, 28.0, EV)]
    scene.state[scene.rows(28.0, 38.0), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == []
    scene.state[scene.rows(38.0, 39.5), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == [(fallback.LATE, EV)]


def test_a_unit_may_wake_while_the_machine_is_about_to_stand_still(tmp_path):
    scene = Scene()
    scene.away(EV, 15.0, 40.0, "device_old_setpoint")
    scene.spans = [("device_old_setpoint", 15.0, 28.0, EV)]
    scene.timed = [Fault(26.0, "host_tick_overrun", -1, 28.0, size=1.8)]
    scene.state[scene.rows(28.0, 38.0), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == []


def test_a_step_that_the_bench_made_late_is_no_matter(tmp_path):
    scene = away()
    scene.state[scene.rows(38.0, 40.0), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == [(fallback.LATE, EV)]
    scene.timed = [Fault(36.0, "host_tick_overrun", -1, 40.0, size=2.3)]
    assert say(fallback.check, scene, tmp_path) == []


@pytest.mark.parametrize("wrong_mw", [0.0, -1.0, -0.53])
def test_a_unit_in_fallback_whose_power_is_not(tmp_path, wrong_mw):
    scene = away()
    scene.p_mw[scene.rows(24.0, 40.0), EV] = wrong_mw
    assert say(fallback.check, scene, tmp_path) == [(fallback.NOT_THERE, EV)]


@pytest.mark.parametrize("kind", ["device_trip", "device_stuck"])
def test_a_fault_that_holds_the_power_comes_first(tmp_path, kind):
    scene = away()
    scene.p_mw[scene.rows(26.0, 35.0), EV] = 0.0
    assert say(fallback.check, scene, tmp_path) == [(fallback.NOT_THERE, EV)]
    scene.spans.append((kind, 26.0, 35.0, EV))
    assert say(fallback.check, scene, tmp_path) == []
    scene.p_mw[scene.rows(35.0, 40.0), EV] = 0.0  # it is over, and nothing changes
    assert say(fallback.check, scene, tmp_path) == [(fallback.NOT_THERE, EV)]


def test_a_units_own_limits_come_first(tmp_path):
    scene = away()
    here = scene.rows(24.0, 40.0)
    scene.p_mw[here, EV] = scene.high_mw[here, EV] = -0.9  # its cars must leave soon
    assert say(fallback.check, scene, tmp_path) == []


def test_a_unit_that_answers_the_frequency_by_itself_is_left_out(tmp_path):
    scene = away(units={"modbus_ev_hub": {"droop_pu": 0.05}})
    scene.p_mw[scene.rows(24.0, 40.0), EV] = -0.6
    assert say(fallback.check, scene, tmp_path) == []


@FEW
@given(
    maker=st.sampled_from(("sunspec_battery", "dnp3_industrial")),
    dead_s=st.floats(0.0, 8.0),
    lag_s=st.floats(0.0, 6.0),
    ramp=st.floats(0.05, 2.0),
    orders=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8),
    fallback_pu=st.floats(0.0, 1.0),
)
def test_the_simulated_units_keep_the_bound(
    tmp_path, maker, dead_s, lag_s, ramp, orders, fallback_pu
):
    """A unit of the plant itself, told this and that, then nothing: never outside the bound.

    In another unit's fallback, which is further off than the slack, it is found.
    """
    from small_bench import unit

    plain = unit(maker)
    width_mw = plain.p_max_mw - plain.p_min_mw
    one = unit(
        maker, 0, dead_time_true_s=dead_s, lag_true_s=lag_s, ramp_mw_per_s=ramp,
        fallback_mw=plain.p_min_mw + fallback_pu * width_mw,
    )  # fmt: skip
    plant = Plant([one], 0.1, T0_S, 1)
    plant.arm(0, watchdog_s=one.watchdog_s, fallback_mw=one.fallback_mw)
    scene = Scene(units={"sunspec_battery": {key: getattr(one, key) for key in (
        "dead_time_true_s", "lag_true_s", "ramp_mw_per_s", "fallback_mw", "p_min_mw", "p_max_mw",
    )}})  # fmt: skip
    scene.setpoints = [s for s in scene.setpoints if s[1] != BAT]
    for k, share in enumerate(orders):
        scene.setpoints.append([T0_S + k + 0.05, BAT, plain.p_min_mw + share * width_mw, 0])
    orders_mw = [(s[0], s[2]) for s in scene.setpoints if s[1] == BAT]
    for row in range(150, 150 + SECONDS * 10):
        while orders_mw and orders_mw[0][0] < scene.t_s[row]:
            at_s, p_mw = orders_mw.pop(0)
            plant.order(0, p_mw, at_s)
        plant.step()
        scene.p_mw[row, BAT], scene.state[row, BAT] = plant.p_mw[0], plant.state[0]
        scene.low_mw[row, BAT], scene.high_mw[row, BAT] = plant.low_mw[0], plant.high_mw[0]
    assert say(fallback.check, scene, tmp_path) == []
    if maker != "sunspec_battery":  # the load's machines may not let it go there
        return
    away_mw = -0.2 * width_mw if fallback_pu > 0.5 else 0.2 * width_mw
    settled = len(orders) + 10.0 + dead_s + width_mw / ramp + 5.0 * lag_s + 3.0
    if settled < SECONDS:
        scene.units["sunspec_battery"]["fallback_mw"] = one.fallback_mw + away_mw
        assert (fallback.NOT_THERE, BAT) in say(fallback.check, scene, tmp_path)


# ------------------------------------------------------------------------- taken back


def alone(since_s: float, until_s: float, state: UnitState, u: int = HVAC) -> Scene:
    scene = Scene()
    scene.state[scene.rows(since_s, until_s), u] = state
    return scene


@pytest.mark.parametrize("state", [UnitState.FALLBACK, UnitState.AUTONOMOUS])
@pytest.mark.parametrize(("until_s", "found"), [(29.0, []), (31.0, [(back.WHAT, HVAC)])])
def test_a_unit_left_to_itself(tmp_path, state, until_s, found):
    assert say(back.check, alone(20.0, until_s, state), tmp_path) == found


@pytest.mark.parametrize(("spans", "found"), [
    ([("link_outage", 15.0, 35.0, HVAC)], []),
    ([("link_outage", 15.0, 29.0, HVAC)], [(back.WHAT, HVAC)]),
    ([("link_outage", 15.0, 35.0, EV)], [(back.WHAT, HVAC)]),
    ([("daemon_kill", 22.0, 33.0, -1)], []),
    ([("link_reset", 21.0, 24.0, HVAC), ("link_loss", 28.0, 38.0, HVAC)], []),
    ([("link_slow_drip", 15.0, 16.0, HVAC)], []),  # what it had queued up comes first
])  # fmt: skip
def test_a_unit_that_has_a_fault_is_waited_for(tmp_path, spans, found):
    scene = alone(20.0, 40.0, UnitState.FALLBACK)
    scene.spans = spans
    assert say(back.check, scene, tmp_path) == found


# ------------------------------------------------------------------------- what the TSO is told


@pytest.mark.parametrize(("until_s", "spans", "found"), [
    (31, [], []),  # for 10 s: lost, started again, read
    (33, [], [(back.LEFT_OUT, HVAC)]),
    (33, [("link_hang", 5.0, 13.0, HVAC)], []),  # to be taken back until 23 s, and seen from there
    (33, [("link_hang", 5.0, 13.0, BAT)], [(back.LEFT_OUT, HVAC)]),
])  # fmt: skip
@pytest.mark.parametrize("why", ["UNREACHABLE", "TELEMETRY_AGE", "FALLBACK"])
def test_a_unit_that_follows_is_not_left_out_for_long(tmp_path, why, until_s, spans, found):
    scene = Scene(spans=spans)
    scene.out = [(k, HVAC, why) for k in range(21, until_s)]
    assert say(back.check, scene, tmp_path) == found


def test_what_is_delivered_may_be_told(tmp_path):
    found = told.check(Scene().evidence(tmp_path))
    assert (found.violations, found.checked > 20) == ([], True)


def stuck_low() -> Scene:
    """The battery gives .3 MW less than it is asked for, from 20 s on."""
    scene = Scene()
    scene.p_mw[scene.rows(20.0, 60.0), BAT] -= 0.3
    return scene


def test_what_was_asked_for_may_not_be_told_instead(tmp_path):
    found = say(told.check, stuck_low(), tmp_path)
    assert len(found) >= 10
    honest = stuck_low()
    honest.tell()
    assert say(told.check, honest, tmp_path) == []


def test_what_was_asked_for_is_known_by_its_lack_of_noise(tmp_path):
    scene = Scene(noise_pct=2.0)  # 1 sigma of the sum: 14 kW at least
    scene.p_mw[:, BAT] = 2.0
    rng = np.random.default_rng(1)
    for poll in scene.told:
        k = int(poll[0] - T0_S)
        scene.ticks[k]["request_mw"] = scene.ticks[k]["served_mw"] = 1.0
        poll[1] = 1000.0 + rng.normal(0.0, 45.0)
    assert say(told.check, scene, tmp_path) == []
    for poll in scene.told:
        poll[1] = 1000.4
    assert say(told.check, scene, tmp_path) == [(told.ASKED, -1)]
    scene.noise_pct = 0.0  # then a plant that does what it is asked to tells just that
    assert say(told.check, scene, tmp_path) == []


@pytest.mark.parametrize("off_kw", [-400.0, 400.0, 1e6, -1e6])
def test_another_power_may_not_be_told(tmp_path, off_kw):
    scene = Scene()
    scene.p_mw[:, BAT] = 0.2
    scene.tell()
    assert say(told.check, scene, tmp_path) == []
    scene.told[20][1] += off_kw
    assert say(told.check, scene, tmp_path) == [(told.WHAT, -1)]


def test_a_power_without_a_good_flag_is_no_claim(tmp_path):
    scene = Scene(spans=[("signal_stale", -5.0, 60.0, -1)])
    for poll in scene.told:
        poll[1], poll[2] = 0.0, 4
    found = told.check(scene.evidence(tmp_path))
    assert (found.violations, found.done) == ([], False)


def test_a_power_is_not_called_bad_without_a_reason(tmp_path):
    scene = Scene(spans=[("signal_stale", 5.0, 30.0, -1)])
    for poll in scene.told:
        poll[1], poll[2] = 0.0, 4
    found = told.check(scene.evidence(tmp_path))
    assert found.done
    assert {v.what for v in found.violations} == {told.BAD}
    assert [v.t_s - T0_S for v in found.violations] == [1.5, 41.5]  # each begin of such a time


def test_noise_of_the_readings_is_allowed_for(tmp_path):
    scene = Scene()
    scene.p_mw[:, BAT] = 0.5
    scene.tell()
    scene.told[20][1] += 60.0
    assert say(told.check, scene, tmp_path) == [(told.WHAT, -1)]
    scene.noise_pct = 2.0  # 6 sigma of three readings of .5 MW: 104 kW
    assert say(told.check, scene, tmp_path) == []
    scene.told[20][1] += 60.0
    assert say(told.check, scene, tmp_path) == [(told.WHAT, -1)]


def test_an_old_reading_may_be_told_and_a_very_old_one_not(tmp_path):
    scene = Scene()
    scene.p_mw[:, BAT] = 0.0
    scene.p_mw[scene.rows(30.0, 60.0), BAT] = 0.5
    for poll in scene.told:
        fresh = poll[0] >= T0_S + 30.0 + 6.0
        poll[1] = 1e3 * (sum(BASE_MW) + (0.5 if fresh else 0.0))
    assert say(told.check, scene, tmp_path) == []
    for poll in scene.told:
        fresh = poll[0] >= T0_S + 30.0 + 8.0
        poll[1] = 1e3 * (sum(BASE_MW) + (0.5 if fresh else 0.0))
    assert say(told.check, scene, tmp_path) == [(told.WHAT, -1)]


def test_a_unit_out_of_the_split_may_be_counted_by_its_prediction(tmp_path):
    scene = Scene()
    scene.p_mw[scene.rows(15.0, 45.0), EV] = -0.1
    for poll in scene.told:
        if poll[0] < T0_S + 15.0 or poll[0] > T0_S + 45.0:
            continue
        poll[1] = 1e3 * (scene.p_mw[np.searchsorted(scene.t_s, poll[0] - 0.2)].sum() - 0.4)
    assert say(told.check, scene, tmp_path) != []
    scene.out = [(k, EV, "UNREACHABLE") for k in range(12, 45)]
    assert say(told.check, scene, tmp_path) == []


@pytest.mark.parametrize(("kind", "size", "shown", "found"), [
    ("device_wrong_sign", 0.0, -1.0, False),
    ("device_wrong_scale", 10.0, 10.0, False),
    ("device_wrong_scale", 10.0, 30.0, True),
    ("device_trip", 0.0, -1.0, True),
])  # fmt: skip
def test_a_reading_that_lies_may_be_told(tmp_path, kind, size, shown, found):
    scene = Scene(timed=[Fault(15.0, kind, EV, 45.0, size=size)])
    for poll in scene.told:
        if T0_S + 15.0 <= poll[0] <= T0_S + 45.0:
            poll[1] += 1e3 * BASE_MW[EV] * (shown - 1.0)
    assert (say(told.check, scene, tmp_path) != []) is found


def test_where_the_bench_has_no_record_nothing_is_judged(tmp_path):
    scene = Scene()
    whole = told.check(scene.evidence(tmp_path)).checked
    keep = (scene.t_s < T0_S + 20.0) | (scene.t_s > T0_S + 24.0)
    for name in ("t_s", "p_mw", "state", "low_mw", "high_mw"):
        setattr(scene, name, getattr(scene, name)[keep])
    found = told.check(scene.evidence(tmp_path))
    assert found.violations == []
    assert 0 < found.checked < whole


def test_fed_at_reception_not_at_the_tick(tmp_path):
    # fed RECEIVED_S after the full second: ten seconds later, to the step
    scene = away()
    first = int(np.flatnonzero(scene.state[:, EV] == UnitState.FALLBACK)[0])
    assert scene.t_s[first] == pytest.approx(T0_S + 14.0 + RECEIVED_S + 10.1, abs=0.1)
