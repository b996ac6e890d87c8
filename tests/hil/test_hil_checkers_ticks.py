"""Checkers of the daemon's own words: balance, predictions, resumption, log."""

import json
from dataclasses import replace

import numpy as np
import pytest
from checked_bench import BASE_MW, BAT, EV, SECONDS, SOLD_MW, T0_S, Scene
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.checkers import Evidence, agc, balance, log, prediction, resume
from hil.faults import Fault
from hil.measure.inputs import FrequencySent
from hil.scenario import PlantDroopConfig

SECOND = st.integers(0, SECONDS - 1)
BIG_MW = st.floats(1.1e-3, 5.0)
ONCE = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def told(check, scene: Scene, tmp_path) -> list[tuple[str, float]]:
    """Words and second of each violation."""
    found = check(scene.evidence(tmp_path)).violations
    return [(v.what, round(v.t_s - T0_S, 2)) for v in found]


# ------------------------------------------------------------------------- balance


@pytest.mark.parametrize(("key", "words"), [
    ("unserved_mw", {balance.SUM}),
    ("served_mw", {balance.SERVED}),
    ("request_mw", {balance.SUM, balance.REQUEST}),
    ("regulation_mw", {balance.REQUEST, balance.REGULATION}),
])  # fmt: skip
@ONCE
@given(k=SECOND, off_mw=BIG_MW, sign=st.sampled_from((-1.0, 1.0)))
def test_a_number_that_is_off_by_more_than_a_kilowatt_is_found(
    tmp_path, key, words, k, off_mw, sign
):
    scene = Scene()
    scene.ticks[k][key] += sign * off_mw
    found = told(balance.check, scene, tmp_path)
    assert {what for what, _ in found} - {balance.CAPACITY} == words
    assert {at_s for _, at_s in found} == {k + 0.02}


@ONCE
@given(unserved_mw=st.lists(st.floats(-3.0, 3.0), min_size=SECONDS, max_size=SECONDS))
def test_what_cannot_be_served_may_be_any_power_if_it_is_told(tmp_path, unserved_mw):
    scene = Scene()
    for tick, off_mw in zip(scene.ticks, unserved_mw, strict=True):
        tick["p_setpoint_mw"][0] -= off_mw
        tick["served_mw"] -= off_mw
        tick["unserved_mw"] = off_mw
    assert told(balance.check, scene, tmp_path) == []


def test_a_setpoint_that_is_no_number_breaks_the_balance(tmp_path):
    scene = Scene()
    scene.ticks[9]["p_setpoint_mw"][EV] = np.nan
    assert (balance.SUM, 9.02) in told(balance.check, scene, tmp_path)


def test_a_sign_turned_is_found_in_every_tick_that_has_one(tmp_path):
    scene = Scene()
    turned = 0
    for tick in scene.ticks:
        turned += tick["regulation_mw"] != 0.0
        tick["regulation_mw"] *= -1.0
        tick["request_mw"] = sum(BASE_MW) + tick["regulation_mw"]
        tick["unserved_mw"] = tick["request_mw"] - tick["served_mw"]
    found = told(balance.check, scene, tmp_path)
    assert [what for what, _ in found] == [balance.REGULATION] * turned
    assert turned > 50


def test_more_than_was_sold_is_found(tmp_path):
    scene = Scene()
    scene.sent = [(t_s, 3.0 * pu) for t_s, pu in scene.sent]
    for tick in scene.ticks:
        tick["agc_pu"] *= 3.0  # up to 1.2 pu: beyond the limit it is clipped
        regulation_mw = 3.0 * tick["regulation_mw"]
        tick["unserved_mw"] += regulation_mw - tick["regulation_mw"]
        tick["regulation_mw"] = regulation_mw
        tick["request_mw"] = sum(BASE_MW) + regulation_mw
    found = told(balance.check, scene, tmp_path)
    beyond = {tick["now_s"] for tick in scene.ticks if abs(tick["regulation_mw"]) > SOLD_MW}
    assert {what for what, _ in found} == {balance.REGULATION, balance.CAPACITY}
    assert len(found) == 2 * len(beyond) > 0


def test_a_value_that_the_tso_did_not_send_is_found(tmp_path):
    scene = Scene()
    scene.sent = [(t_s, pu if t_s != T0_S + 20 else pu + 0.1) for t_s, pu in scene.sent]
    assert told(balance.check, scene, tmp_path) == [(balance.NEVER_SENT, 20.02)]


def test_hold_keeps_the_last_regulation_and_return_lets_it_go(tmp_path):
    scene = Scene()
    scene.sequence("HOLD", 21.0, 30.0)
    scene.sequence("RETURN", 30.0, 36.0)
    start_mw = scene.ticks[29]["regulation_mw"]
    for k in range(30, 36):
        scene.sequence("RETURN", float(k), k + 0.9, start_mw * (35 - k) / 6.0)
    scene.sequence("BASEPOINT", 36.0, 40.0, 0.0)
    assert told(balance.check, scene, tmp_path) == []
    scene.sequence("HOLD", 25.0, 26.0, start_mw + 0.01)
    scene.sequence("RETURN", 33.0, 33.9, -start_mw)  # past zero
    scene.sequence("BASEPOINT", 38.0, 39.0, 0.01)
    assert {at_s for _, at_s in told(balance.check, scene, tmp_path)} == {
        25.02, 26.02, 33.02, 34.02, 38.02,
    }  # fmt: skip


def test_a_policy_with_another_balance_is_left_out(tmp_path):
    found = balance.check(Scene(run={"policy": "of_somebody_else"}).evidence(tmp_path))
    assert not found.done
    assert "of_somebody_else" in found.note


def by_response(**changes) -> Scene:
    """The scene under policy response_aware, which looks to the middle of each second."""
    scene = Scene(run={"policy": "response_aware"}, config="policy: {look_ahead_s: 0.48}\n")
    for k, tick in enumerate(scene.ticks):
        tick["expected_mw"] = list(tick["p_setpoint_mw"])
        for key, change in changes.items():
            tick[key] = change(k, tick[key])
    return scene


def test_it_is_what_is_expected_that_adds_up_to_the_request(tmp_path):
    """Setpoints need not: slow units are ahead of what they deliver."""
    scene = by_response(p_setpoint_mw=lambda k, p_mw: [p_mw[BAT] - 0.1 * k, *p_mw[1:]])
    assert told(balance.check, scene, tmp_path) == []
    scene.ticks[20]["expected_mw"][EV] += 1.1e-3
    assert set(told(balance.check, scene, tmp_path)) == {
        (balance.SUM, 20.02), (balance.SERVED, 20.02),
    }  # fmt: skip


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("room", "found"), [
    ([False, True, True], True), ([True, False, False], True), ([False] * 3, False),
])  # fmt: skip
def test_nothing_is_unserved_while_a_unit_has_room_that_answers_in_time(
    tmp_path, room, found, sign
):
    """Room in the other direction is no help."""
    scene = by_response()
    key, other = ("rises", "falls") if sign > 0.0 else ("falls", "rises")
    for k in (20, 30):
        scene.ticks[k] |= {key: room, other: [True] * 3}
    scene.ticks[20]["expected_mw"][BAT] -= sign * 0.1
    scene.ticks[20]["served_mw"] -= sign * 0.1
    scene.ticks[20]["unserved_mw"] += sign * 0.1
    assert told(balance.check, scene, tmp_path) == ([(balance.IDLE, 20.02)] if found else [])


@pytest.mark.parametrize("slow", [{"dead_time_s": 0.5}, {"lag_s": 3.0}])
def test_of_a_unit_that_answers_late_nothing_is_asked(tmp_path, slow):
    scene = by_response()
    scene.units = dict.fromkeys(("sunspec_battery", "modbus_ev_hub", "dnp3_hvac"), slow)
    scene.ticks[20] |= {"unserved_mw": 0.1, "served_mw": scene.ticks[20]["served_mw"] - 0.1}
    scene.ticks[20]["expected_mw"][BAT] -= 0.1
    assert told(balance.check, scene, tmp_path) == []


def turned(_, p_mw):
    return [-p_mw[BAT], *p_mw[1:]]


@pytest.mark.parametrize(("expected", "since", "found"), [
    (lambda _, p_mw: [p_mw[BAT] + 0.025, *p_mw[1:]], 0, False),
    (lambda _, p_mw: [p_mw[BAT] + 0.035, *p_mw[1:]], 0, True),
    (turned, 0, True), (turned, 25, True), (turned, 35, False),
], ids=["a little", "more", "sign", "in more than half", "in less than half"])  # fmt: skip
def test_what_is_expected_has_to_come(tmp_path, expected, since, found):
    """Even where request, served and unserved say the same of it."""
    scene = by_response(expected_mw=lambda k, p_mw: expected(k, p_mw) if k >= since else p_mw)
    for tick in scene.ticks:
        tick["served_mw"] = sum(tick["expected_mw"])
        tick["unserved_mw"] = tick["request_mw"] - tick["served_mw"]
        tick["rises"] = tick["falls"] = [False] * 3
    words = [(balance.NOT_COME, SECONDS - 1 + 0.02)] if found else []
    assert told(balance.check, scene, tmp_path) == words


def test_of_a_few_ticks_nothing_is_said(tmp_path):
    scene = by_response(expected_mw=turned)
    for tick in scene.ticks:
        tick["served_mw"] = sum(tick["expected_mw"])
        tick["unserved_mw"] = tick["request_mw"] - tick["served_mw"]
        tick["rises"] = tick["falls"] = [False] * 3
    scene.sequence("BASEPOINT", 19.0, SECONDS, 0.0)
    assert told(balance.check, scene, tmp_path) == []


def with_droop(scene: Scene, tmp_path) -> Evidence:
    """A frequency each second: 50 Hz, from 30 s on 49.9 Hz, which asks for 1 MW of 2."""
    evidence = scene.evidence(tmp_path)
    sent_s = T0_S + np.arange(0.0, SECONDS)
    freq_hz = np.where(sent_s < T0_S + 30.0, 50.0, 49.9)
    droop = PlantDroopConfig(droop_pu=0.004, power_mw=2.0, deadband_hz=0.0)
    run = replace(
        evidence.run,
        frequency=FrequencySent(sent_s, freq_hz),
        grid=replace(evidence.run.grid, droop=droop),
    )
    return replace(evidence, run=run)


@pytest.mark.parametrize(("droop_mw", "seconds"), [
    (1.0, ()), (0.998, range(33, SECONDS)), (-1.0, range(30, SECONDS)),
])  # fmt: skip
def test_the_droop_is_that_of_the_frequency_sent(tmp_path, droop_mw, seconds):
    scene = Scene()
    for tick in scene.ticks[30:]:
        tick["request_mw"] += droop_mw
        tick["unserved_mw"] += droop_mw
    found = balance.check(with_droop(scene, tmp_path)).violations
    assert [(v.what, int(v.t_s - T0_S)) for v in found] == [(balance.REQUEST, k) for k in seconds]


def test_a_droop_that_is_not_answered_is_found(tmp_path):
    found = balance.check(with_droop(Scene(), tmp_path)).violations
    assert {v.what for v in found} == {balance.REQUEST}
    # the frequency before the step may still have been the newest for a while
    assert {int(v.t_s - T0_S) for v in found} == set(range(33, SECONDS))


def test_a_droop_that_the_bench_does_not_know_is_not_derived_anew(tmp_path):
    scene = Scene(config="droop: {droop_pu: 0.05, power_mw: 1.0}\n")
    for tick in scene.ticks:
        tick["request_mw"] += 0.1
        tick["unserved_mw"] += 0.1
    found = balance.check(scene.evidence(tmp_path))
    assert found.violations == []
    assert "droop" in found.note


# ------------------------------------------------------------------------- predictions


def outage() -> Scene:
    """The hub is away from 15 to 40 s; its watchdog runs out at 24.06 s."""
    scene = Scene()
    for tick in scene.ticks[:15]:
        tick["p_setpoint_mw"][EV] = -0.6
    for setpoint in scene.setpoints:
        if setpoint[1] == EV and setpoint[0] < T0_S + 15.0:
            setpoint[2] = -0.6
    scene.away(EV, 15.0, 40.0)
    return scene


def count(scene: Scene, since_s: int, until_s: int, why: str, p_mw: float) -> None:
    """Let the daemon count the hub otherwise."""
    rows = range(since_s, until_s)
    scene.out = [each for each in scene.out if each[0] not in rows]
    scene.out += [(k, EV, why) for k in rows]
    for k in rows:
        scene.ticks[k]["p_setpoint_mw"][EV] = p_mw


def test_an_outage_counted_as_it_should_be(tmp_path):
    assert told(prediction.check, outage(), tmp_path) == []


@pytest.mark.parametrize(("case", "words", "seconds"), [
    ((18, 22, "UNREACHABLE", -0.5), prediction.NOT_ACCEPTED, range(18, 22)),
    ((18, 22, "UNREACHABLE", 0.0), prediction.NOT_ACCEPTED, range(18, 22)),
    ((18, 22, "TELEMETRY_AGE", -0.5), prediction.NOT_ACCEPTED, range(18, 22)),
    ((25, 40, "UNREACHABLE", -0.6), prediction.TOO_LONG, range(25, 40)),
    ((20, 25, "FALLBACK", -0.5), prediction.TOO_EARLY, range(20, 25)),
    ((30, 35, "FALLBACK", 0.0), prediction.NOT_FALLBACK, range(30, 35)),
])  # fmt: skip
def test_a_unit_counted_as_it_should_not_be(tmp_path, case, words, seconds):
    scene = outage()
    count(scene, *case)
    found = told(prediction.check, scene, tmp_path)
    assert set(found) == {(words, k + 0.02) for k in seconds}


@pytest.mark.parametrize(("step_mw", "send", "seconds"), [
    (0.1, 1, ()),  # from -0.6 MW, sent in tick 17, towards the -0.9 MW that it accepted
    (0.05, 1, (18,)),  # too slow
    (0.2, 1, (18,)),  # too fast
    (0.1, 0, (18,)),  # nobody tells it
])  # fmt: skip
def test_a_unit_that_can_be_told_comes_back_within_its_ramp(tmp_path, step_mw, send, seconds):
    scene = outage()
    scene.units["modbus_ev_hub"] = {"ramp_mw_per_s": 0.1}
    count(scene, 18, 19, "UNREACHABLE", -0.6 - step_mw)
    scene.ticks[18]["accepted_mw"][EV] = -0.9
    scene.ticks[17]["send"][EV] = 1
    scene.ticks[18]["send"][EV] = send
    found = told(prediction.check, scene, tmp_path)
    assert set(found) == {(prediction.NOT_ACCEPTED, k + 0.02) for k in seconds}


def test_a_unit_on_its_way_to_its_fallback_may_be_counted_where_it_is(tmp_path):
    scene = outage()
    scene.p_mw[scene.rows(25.0, 33.0), EV] = -0.58
    count(scene, 30, 33, "FALLBACK", -0.55)
    assert told(prediction.check, scene, tmp_path) == []
    count(scene, 30, 33, "FALLBACK", -0.65)
    assert {what for what, _ in told(prediction.check, scene, tmp_path)} == {
        prediction.NOT_FALLBACK
    }


def test_a_clock_that_is_set_back_makes_an_old_reading_seem_fresh(tmp_path):
    """The devices' own instants are held against it: what comes late is as old as that again."""
    scene = outage()
    scene.p_mw[scene.rows(10.0, 13.0), EV] = -0.9
    count(scene, 30, 32, "FALLBACK", -0.8)
    words = {what for what, _ in told(prediction.check, scene, tmp_path)}
    assert words == {prediction.NOT_FALLBACK}
    scene.timed = [Fault(29.0, "host_clock_jump", -1, 33.0, size=20.0)]
    assert {what for what, _ in told(prediction.check, scene, tmp_path)} == words
    scene.timed = [Fault(29.0, "host_clock_jump", -1, 33.0, size=-20.0)]
    assert told(prediction.check, scene, tmp_path) == []


def test_a_unit_that_is_told_to_fall_back_may_be_told_what_it_has_to_give(tmp_path):
    scene = outage()
    scene.high_mw[scene.rows(20.0, 40.0), EV] = -0.7  # cars that cannot wait
    count(scene, 30, 33, "FALLBACK", -0.7)
    assert told(prediction.check, scene, tmp_path) == []
    for k in range(30, 33):
        scene.ticks[k]["send"][EV] = False
    assert {what for what, _ in told(prediction.check, scene, tmp_path)} == {
        prediction.NOT_FALLBACK
    }


def unanswered(counted_mw: float) -> Scene:
    """The hub takes setpoints, and its answers are lost: at 30 s it is no longer in the split."""
    scene = Scene(spans=[("link_hang", 20.0, 40.0, EV)])
    for k in range(20, 40):
        scene.ticks[k]["accepted_mw"][EV] = BASE_MW[EV]
        scene.ticks[k]["accepted_at_s"][EV] = T0_S + 19.06
    count(scene, 30, 31, "FALLBACK", counted_mw)
    return scene


def test_a_unit_without_answers_may_be_on_its_way_from_a_setpoint_that_it_took(tmp_path):
    scene = unanswered(-0.55)
    assert {what for what, _ in told(prediction.check, scene, tmp_path)} == {
        prediction.NOT_FALLBACK
    }
    next(s for s in scene.setpoints if s[1] == EV and s[0] > T0_S + 26.0)[2] = -0.56
    assert told(prediction.check, scene, tmp_path) == []


@pytest.mark.parametrize(("spans", "words"), [
    ([], {prediction.TOOK_ONE}),
    ([("link_hang", 20.0, 40.0, BAT)], {prediction.TOOK_ONE}),  # of another unit
    ([("link_hang", 10.0, 22.0, EV)], set()),  # not yet 10 s ago
])  # fmt: skip
def test_a_unit_that_took_a_setpoint_is_not_in_its_fallback(tmp_path, spans, words):
    scene = unanswered(BASE_MW[EV])
    scene.spans = spans
    assert {what for what, _ in told(prediction.check, scene, tmp_path)} == words


@pytest.mark.parametrize(("second", "words"), [(29, set()), (27, {prediction.NOT_FALLBACK})])
def test_a_unit_without_answers_may_go_by_a_setpoint_under_way(tmp_path, second, words):
    scene = unanswered(-0.55)
    scene.ticks[second]["p_setpoint_mw"][EV] = -0.56
    assert {what for what, _ in told(prediction.check, scene, tmp_path)} == words


@pytest.mark.parametrize(("why", "send", "p_mw", "words"), [
    ("UNREACHABLE", True, -0.55, set()),  # told again what it accepted, then on its way from there
    ("TELEMETRY_AGE", True, -0.55, set()),
    ("UNREACHABLE", True, -0.65, {prediction.NOT_FALLBACK}),  # away from its fallback
    ("UNREACHABLE", False, -0.55, {prediction.NOT_FALLBACK}),  # counted by it, and told nothing
    ("FALLBACK", True, -0.55, {prediction.NOT_FALLBACK}),  # a wrong fallback is no begin of a ramp
])  # fmt: skip
def test_a_unit_read_again_may_go_by_what_it_was_told_again(tmp_path, why, send, p_mw, words):
    scene = outage()
    scene.p_mw[scene.rows(15.0, 40.0), EV] = 0.0  # it tripped
    for k in (20, 21, 22, 23, 24):
        scene.ticks[k]["send"][EV] = False
    count(scene, 24, 25, why, -0.6)
    scene.ticks[24]["send"][EV] = send
    count(scene, 25, 26, "FALLBACK", p_mw)
    found = {what for what, at_s in told(prediction.check, scene, tmp_path) if at_s > 25.0}
    assert found == words


def test_in_a_stop_units_are_told_where_to_go(tmp_path):
    scene = outage()
    count(scene, 30, 35, "FALLBACK", 0.0)
    for k in range(30, 35):
        scene.ticks[k]["mode"] = "SAFE"
    assert told(prediction.check, scene, tmp_path) == []


# ------------------------------------------------------------------------- resumption

LAST = Fault(20.0, "signal_stale", -1, 30.0)


def test_regulation_that_goes_on_is_resumed(tmp_path):
    found = resume.check(Scene(timed=[LAST]).evidence(tmp_path))
    assert (found.checked, found.violations) == (1, [])


@pytest.mark.parametrize(("until_s", "words"), [
    (39.0, set()),
    (43.0, {resume.NOT_RESUMED}),
    (60.0, {resume.NOT_RESUMED, resume.LEFT}),
])  # fmt: skip
def test_regulation_must_be_there_in_time(tmp_path, until_s, words):
    scene = Scene(timed=[LAST])
    scene.sequence("HOLD", 25.0, until_s)
    assert {what for what, _ in told(resume.check, scene, tmp_path)} == words


def test_regulation_must_deliver_what_is_asked(tmp_path):
    scene = Scene(timed=[LAST])
    scene.p_mw[scene.rows(30.0, 60.0), 0] += 0.25  # 25 % of the capacity
    assert told(resume.check, scene, tmp_path) == [(resume.NOT_RESUMED, 40.0)]
    for tick in scene.ticks:
        tick["unserved_mw"] = -0.25  # ... but what is told to be missing
    assert told(resume.check, scene, tmp_path) == []


def test_regulation_may_not_be_left_again(tmp_path):
    scene = Scene(timed=[LAST])
    scene.sequence("RETURN", 50.0, 51.0)
    assert told(resume.check, scene, tmp_path) == [(resume.LEFT, 50.02)]


def test_a_daemon_that_ticks_no_more_has_not_resumed(tmp_path):
    scene = Scene(timed=[LAST])
    scene.ticks = scene.ticks[:28]
    assert told(resume.check, scene, tmp_path) == [(resume.NOT_RESUMED, 40.0)]


def test_the_time_to_resume_is_the_scenarios(tmp_path):
    scene = Scene(timed=[LAST], run={"checks": {"resume_within_s": 20.0}})
    scene.sequence("HOLD", 25.0, 43.0)
    assert told(resume.check, scene, tmp_path) == []


def test_a_fault_at_the_end_leaves_no_time_to_tell(tmp_path):
    scene = Scene(timed=[Fault(40.0, "signal_stale", -1, 50.0)])
    scene.sequence("HOLD", 45.0, 60.0)
    found = resume.check(scene.evidence(tmp_path))
    assert (found.checked, found.violations) == (0, [])
    assert "too late" in found.note


# ------------------------------------------------------------------------- log


def line(at_s: float, event: str, level: str = "error", **fields: object) -> str:
    return json.dumps({"t_s": T0_S + at_s, "event": event, "level": level, **fields})


def test_changes_and_warnings_are_no_errors(tmp_path):
    scene = Scene(log=[line(1.0, "unit_lost", "warning"), line(2.0, "mode_changed", "info")])
    found = log.check(scene.evidence(tmp_path))
    assert (found.checked, found.violations) == (2, [])


@pytest.mark.parametrize("level", ["error", "critical"])
def test_an_error_that_nothing_explains(tmp_path, level):
    scene = Scene(log=[line(5.0, "task_failed", level, device="ev_hub001", exception="a\nOops: b")])
    (violation,) = log.check(scene.evidence(tmp_path)).violations
    assert (violation.t_s, violation.unit) == (T0_S + 5.0, EV)
    assert violation.what == f"{level} task_failed: device=ev_hub001, Oops: b"


def test_an_error_of_a_task_is_its_units(tmp_path):
    scene = Scene(log=[line(5.0, "task_failed", task="device ev_hub001", failures=1)])
    (violation,) = log.check(scene.evidence(tmp_path)).violations
    assert violation.unit == EV


@pytest.mark.parametrize(("kind", "event", "at_s", "explained"), [
    ("host_disk_full", "journal_failed", 21.0, True),
    ("host_disk_full", "journal_failed", 31.5, True),
    ("host_disk_full", "journal_failed", 33.0, False),
    ("host_disk_full", "journal_failed", 10.0, False),
    ("host_disk_full", "task_failed", 21.0, False),
    ("host_slow_disk", "journal_failed", 39.0, True),
    ("link_reset", "journal_failed", 21.0, False),
])  # fmt: skip
def test_a_fault_explains_what_it_may_cause(tmp_path, kind, event, at_s, explained):
    scene = Scene(log=[line(at_s, event)], spans=[(kind, 20.0, 30.0, -1)])
    assert (log.check(scene.evidence(tmp_path)).violations == []) is explained


def test_a_traceback_is_one_violation(tmp_path):
    lines = [line(3.0, "x", "info"), "Traceback (most recent call last):", "  File", "KeyError: 1"]
    (violation,) = log.check(Scene(log=[*lines, lines[0]]).evidence(tmp_path)).violations
    assert violation.what == log.NO_JSON + "Traceback (most recent call last):"


def test_on_sockets_the_log_has_the_wall_clock(tmp_path):
    utc_s = 1_700_000_000.0
    entry = {"timestamp": "2023-11-14T22:13:45Z", "level": "error", "event": "journal_failed"}
    scene = Scene(log=[json.dumps(entry)], run={"utc_offset_s": utc_s - T0_S})  # 25 s into the run
    (violation,) = log.check(scene.evidence(tmp_path)).violations
    assert violation.t_s == pytest.approx(T0_S + 25.0)
    scene.spans = [("host_disk_full", 20.0, 30.0, -1)]
    assert log.check(scene.evidence(tmp_path)).violations == []
    scene.spans = [("host_disk_full", 30.0, 40.0, -1)]
    assert len(log.check(scene.evidence(tmp_path)).violations) == 1


def test_without_a_log_nothing_is_said(tmp_path):
    evidence = Scene().evidence(tmp_path)
    (tmp_path / "daemon.log").unlink()
    assert not log.check(evidence).done


# ------------------------------------------------------------------------- agc


def deaf(scene: Scene, since_s: int, until_s: int) -> None:
    """Let the value of second `since_s` - 2 stay in force until `until_s`."""
    heard_pu = scene.ticks[since_s - 1]["agc_pu"]
    for tick in scene.ticks[since_s:until_s]:
        tick["agc_pu"], tick["fresh"] = heard_pu, False


def test_a_value_taken_up_with_its_tick_or_the_next_ones_is_in_force(tmp_path):
    scene = Scene()
    assert told(agc.check, scene, tmp_path) == []
    assert agc.check(scene.evidence(tmp_path)).checked == SECONDS - 2  # what came before t0
    deaf(scene, 30, 32)
    scene.ticks[32]["fresh"] = True
    assert told(agc.check, scene, tmp_path) == []


def test_a_value_that_is_not_taken_up_is_found(tmp_path):
    scene = Scene()
    deaf(scene, 30, 36)
    assert told(agc.check, scene, tmp_path) == [(agc.WHAT, 32.02)]


@pytest.mark.parametrize(("u", "seconds"), [(-1, []), (EV, [32.02])])
def test_a_value_may_be_refused_while_a_fault_meets_the_plant(tmp_path, u, seconds):
    scene = Scene(spans=[("signal_spike", 29.0, 33.0, u)])
    deaf(scene, 30, 36)
    assert [at_s for _, at_s in told(agc.check, scene, tmp_path)] == seconds


def test_a_value_that_the_socket_never_got_is_not_waited_for(tmp_path):
    scene = Scene()
    deaf(scene, 30, 36)
    evidence = scene.evidence(tmp_path)
    lost = np.isin(evidence.run.agc.t_sent_s - T0_S, (30.0, 32.0, 34.0))
    evidence.run.agc.t_socket_s[lost] = np.nan
    assert agc.check(evidence).violations == []
