"""Checkers of setpoints: limits and where ramps begin, age, and the states that orders drive."""

import numpy as np
import pytest
from checked_bench import BASE_MW, BAT, EV, HVAC, LINK_S, RECEIVED_S, T0_S, Scene

from hil.checkers import age, orders, sent, states
from hil.faults import Fault

RAMP = {"limits": {"setpoint beyond the ramp, MW"}}


def send(scene: Scene, k: int, u: int, p_mw: float, flags: int = 0) -> None:
    """Let unit u receive p_mw in second k, from its tick."""
    scene.ticks[k]["p_setpoint_mw"][u] = p_mw
    row = next(s for s in scene.setpoints if s[:2] == [T0_S + k + RECEIVED_S, u])
    row[2:] = [p_mw, flags]
    if not flags and k + 1 < len(scene.ticks):
        scene.ticks[k + 1]["accepted_mw"][u] = p_mw


def say(scene: Scene, tmp_path) -> dict[str, set[str]]:
    """What the checkers of setpoints say."""
    evidence = scene.evidence(tmp_path)
    checks = {
        "limits": orders.check,
        "setpoint_age": age.check,
        "comfort": states.comfort,
        "thermal": states.thermal,
        "departure": states.departure,
    }
    found = {name: {v.what for v in check(evidence).violations} for name, check in checks.items()}
    return {name: whats for name, whats in found.items() if whats}


# ------------------------------------------------------------------------- limits


def slow_hub() -> Scene:
    """The hub ramps by .02 MW/s."""
    return Scene(units={"modbus_ev_hub": {"ramp_mw_per_s": 0.02}})


def test_a_step_beyond_the_ramp_is_found(tmp_path):
    scene = slow_hub()
    send(scene, 30, EV, -0.53)
    assert say(scene, tmp_path) == RAMP


def test_a_step_within_the_ramp_is_none(tmp_path):
    scene = slow_hub()
    send(scene, 30, EV, -0.52)
    assert say(scene, tmp_path) == {}


def test_a_setpoint_that_is_no_number_is_found(tmp_path):
    scene = Scene()
    send(scene, 30, BAT, float("nan"))
    assert "setpoint outside the rating, MW" in say(scene, tmp_path)["limits"]


def test_a_refused_setpoint_is_not_in_force(tmp_path):
    scene = slow_hub()
    for k, p_mw in ((30, -0.52), (31, -0.54)):
        send(scene, k, EV, p_mw, 8)
    assert say(scene, tmp_path) == {}  # back to -.5 MW, which it never left
    for k, p_mw in ((30, -0.52), (31, -0.54)):
        send(scene, k, EV, p_mw)
    assert say(scene, tmp_path) == RAMP


def test_a_ramp_may_begin_at_what_the_daemon_heard_last(tmp_path):
    scene = slow_hub()
    for k, p_mw in ((30, -0.52), (31, -0.54), (32, -0.56), (33, -0.52)):
        send(scene, k, EV, p_mw)
    assert say(scene, tmp_path) == RAMP  # it had heard of -.56 MW
    for k in (31, 32, 33):  # the answers were lost
        scene.ticks[k]["accepted_mw"][EV] = -0.5
        scene.ticks[k]["accepted_at_s"][EV] = T0_S + 29.06
    assert say(scene, tmp_path) == {}


def silent_hub(after_mw: float) -> Scene:
    """Eleven seconds of silence; a power of its own of -.9 MW; then a setpoint."""
    scene = slow_hub()
    scene.setpoints = [s for s in scene.setpoints if s[1] != EV or not 19.5 < s[0] - T0_S < 31]
    scene.p_mw[scene.rows(25.0, 60.0), EV] = -0.9
    scene.ticks[31]["accepted_at_s"][EV] = T0_S + 19.06
    send(scene, 31, EV, after_mw)
    for k in range(32, 60):
        send(scene, k, EV, after_mw)
    return scene


@pytest.mark.parametrize(("after_mw", "found"), [(-0.92, {}), (-0.95, RAMP), (0.0, RAMP)])
def test_after_the_watchdog_a_ramp_begins_where_the_unit_is(tmp_path, after_mw, found):
    assert say(silent_hub(after_mw), tmp_path) == found


def test_noise_of_the_reading_is_allowed_for(tmp_path):
    scene = silent_hub(-0.96)
    assert say(scene, tmp_path) == RAMP
    scene.noise_pct = 2.0
    assert say(scene, tmp_path) == {}


def test_a_false_reading_may_be_anywhere(tmp_path):
    scene = silent_hub(0.0)
    scene.spans = [("device_wrong_sign", 20.0, 28.0, EV)]
    assert say(scene, tmp_path) == {}
    scene.spans = [("device_wrong_sign", 20.0, 28.0, HVAC)]
    assert say(scene, tmp_path) == RAMP


def test_setpoints_that_were_lost_have_ramped_on(tmp_path):
    scene = silent_hub(-0.96)
    for k in (29, 30):
        scene.setpoints.append([T0_S + k + RECEIVED_S, EV, -0.92 - 0.02 * (k - 29), 1])
    assert say(scene, tmp_path) == {}
    scene = silent_hub(-0.99)
    scene.setpoints.append([T0_S + 30 + RECEIVED_S, EV, -0.94, 1])
    assert say(scene, tmp_path) == RAMP


@pytest.mark.parametrize(("p_mw", "found"), [(-0.7, {}), (-0.71, RAMP)])
def test_a_range_that_shrinks_is_followed_at_once(tmp_path, p_mw, found):
    scene = slow_hub()
    scene.high_mw[scene.rows(29.0, 60.0), EV] = -0.7
    for k in range(31, 60):
        send(scene, k, EV, p_mw)
    assert say(scene, tmp_path) == found
    scene.high_mw[:, EV] = 0.0
    assert say(scene, tmp_path) == RAMP


def test_after_a_trip_a_ramp_begins_at_the_edge_of_the_rating(tmp_path):
    scene = Scene(units={"dnp3_hvac": {"ramp_mw_per_s": 0.02}})
    scene.p_mw[scene.rows(28.0, 32.0), HVAC] = 0.0
    for k in range(31, 60):
        send(scene, k, HVAC, -0.08)
    assert say(scene, tmp_path) == RAMP
    scene.spans = [("device_trip", 28.0, 30.9, HVAC)]
    assert say(scene, tmp_path) == {}


@pytest.mark.parametrize(("p_mw", "found"), [(-0.35, {}), (-0.39, RAMP)])
def test_after_a_trip_a_unit_is_told_the_edge_of_its_range(tmp_path, p_mw, found):
    """It stands at 0 MW, and has said that it can give no more than -.35 MW."""
    scene = Scene(units={"dnp3_hvac": {"ramp_mw_per_s": 0.02}})
    scene.high_mw[scene.rows(20.0, 60.0), HVAC] = -0.35
    scene.p_mw[scene.rows(23.0, 32.0), HVAC] = 0.0
    scene.spans = [("device_trip", 23.0, 30.9, HVAC)]
    for k in range(31, 60):
        send(scene, k, HVAC, p_mw)
    assert say(scene, tmp_path) == found


# ------------------------------------------------------------------------- age


@pytest.mark.parametrize(("late_s", "found"), [
    (1.9, {}), (2.2, {}), (2.4, {"setpoint_age": {age.TOO_OLD}}),
])  # fmt: skip
def test_a_setpoint_that_waited_too_long_is_found(tmp_path, late_s, found):
    # each tick decides another value, so that none is taken for a newer one
    scene = Scene()
    row = next(s for s in scene.setpoints if s[:2] == [T0_S + 30 + RECEIVED_S, BAT])
    row[2] = scene.ticks[30]["p_setpoint_mw"][BAT] = 0.777
    row[0] = scene.ticks[30]["now_s"] + LINK_S + late_s
    assert say(scene, tmp_path) == found


def test_time_in_the_link_is_no_age(tmp_path):
    scene = Scene()
    row = next(s for s in scene.setpoints if s[:2] == [T0_S + 30 + RECEIVED_S, BAT])
    row[2] = scene.ticks[30]["p_setpoint_mw"][BAT] = 0.777
    row[0] = scene.ticks[30]["now_s"] + 3.0
    evidence = scene.evidence(tmp_path)
    assert {v.what for v in age.check(evidence).violations} == {age.TOO_OLD}
    evidence.orders.link_s[np.isclose(evidence.orders.p_mw, 0.777)] = 2.9
    assert age.check(evidence).violations == []


@pytest.mark.parametrize("flags", [1, 2, 4, 8])
def test_a_setpoint_that_nobody_acts_on_may_be_of_any_age(tmp_path, flags):
    scene = Scene()
    scene.setpoints.append([T0_S + 40.5, BAT, 0.777, flags])
    assert "setpoint_age" not in say(scene, tmp_path)


def test_a_setpoint_that_no_tick_decided_is_found(tmp_path):
    scene = Scene()
    scene.setpoints.append([T0_S + 40.5, BAT, 0.777, 0])
    assert say(scene, tmp_path) == {"setpoint_age": {age.NOBODYS}}


def test_the_age_limit_is_that_of_the_configuration(tmp_path):
    scene = Scene(config="site: {name: x, setpoint_age_max_s: 0.5}\n")
    row = next(s for s in scene.setpoints if s[:2] == [T0_S + 30 + RECEIVED_S, BAT])
    row[2] = scene.ticks[30]["p_setpoint_mw"][BAT] = 0.777
    row[0] += 0.9
    assert say(scene, tmp_path) == {"setpoint_age": {age.TOO_OLD}}


@pytest.mark.parametrize(("size_s", "found"), [(2.5, {}), (2.1, {"setpoint_age": {age.TOO_OLD}})])
def test_the_standstill_of_a_tick_is_no_age(tmp_path, size_s, found):
    scene = Scene(timed=[Fault(29.0, "host_tick_overrun", -1, 33.0, size=size_s)])
    row = next(s for s in scene.setpoints if s[:2] == [T0_S + 30 + RECEIVED_S, BAT])
    row[2] = scene.ticks[30]["p_setpoint_mw"][BAT] = 0.777
    row[0] += 2.5
    assert say(scene, tmp_path) == found


def test_the_last_setpoint_of_a_standstill_may_arrive_after_it(tmp_path):
    """Storm seed 383: it left at the standstill's end; its way through the link came on top."""
    fault = Fault(29.0, "host_tick_overrun", -1, 30.1, size=2.5)
    scene = Scene(timed=[fault])
    row = next(s for s in scene.setpoints if s[:2] == [T0_S + 30 + RECEIVED_S, BAT])
    row[2] = scene.ticks[30]["p_setpoint_mw"][BAT] = 0.777
    row[0] = T0_S + 32.58 + LINK_S
    assert say(scene, tmp_path) == {}


@pytest.mark.parametrize(("link_s", "found"), [
    (2.2, {}), (0.1, {"setpoint_age": {age.NOBODYS}}),
])  # fmt: skip
def test_a_setpoint_that_a_standstill_met_on_its_way_is_its_tick_s(tmp_path, link_s, found):
    """It left after 2 s, in its tick's standstill, and arrived after the next tick's."""
    scene = Scene(timed=[Fault(29.0, "host_tick_overrun", -1, 36.0, size=2.0)])
    row = next(s for s in scene.setpoints if s[:2] == [T0_S + 30 + RECEIVED_S, BAT])
    row[2] = scene.ticks[30]["p_setpoint_mw"][BAT] = 0.777
    row[0] = scene.ticks[30]["now_s"] + 4.2
    row.append(link_s)
    assert say(scene, tmp_path) == found


def unread(why: str) -> Scene:
    """From 30 s on the hub is told what it accepted last; it must draw more since."""
    scene = Scene()
    scene.high_mw[scene.rows(28.0, 60.0), EV] = -0.6
    for k in range(60):
        send(scene, k, EV, BASE_MW[EV] if k < 30 else -0.55)
    for k in range(29, 60):
        scene.ticks[k]["accepted_mw"][EV] = -0.55
    scene.out = [(k, EV, why) for k in range(60)] if why else []
    return scene


@pytest.mark.parametrize("why", ["UNREACHABLE", "TELEMETRY_AGE"])
def test_a_unit_without_a_reading_may_be_told_again_what_it_accepted(tmp_path, why):
    scene = unread(why)
    assert say(scene, tmp_path) == {}
    scene.ticks[40]["accepted_mw"][EV] = -0.57  # that is not what it was told
    assert say(scene, tmp_path) == {"limits": {"setpoint beyond what the unit had to give, MW"}}


@pytest.mark.parametrize("why", ["", "FALLBACK"])
def test_a_unit_that_is_read_may_not(tmp_path, why):
    found = say(unread(why), tmp_path)
    assert found == {"limits": {"setpoint beyond what the unit had to give, MW"}}


def shrunk(read_s: float) -> Scene:
    """From 20 s on the hub must draw more; the tick of 24 s has a reading of `read_s`."""
    scene = Scene()
    scene.high_mw[scene.rows(20.0, 60.0), EV] = -0.6
    for k in range(60):
        send(scene, k, EV, BASE_MW[EV] if k < 21 else -0.65)
    send(scene, 24, EV, -0.5)
    scene.ticks[24]["measured_at_s"][EV] = T0_S + read_s
    return scene


def test_a_setpoint_is_held_against_the_reading_that_the_tick_had(tmp_path):
    assert say(shrunk(19.6), tmp_path) == {}


# the range had shrunk by then; a reading too old to count; none at all
@pytest.mark.parametrize("read_s", [20.5, 23.5, 18.0, float("nan")])
def test_but_not_against_one_that_told_it_or_counts_no_more(tmp_path, read_s):
    found = say(shrunk(read_s), tmp_path)
    assert found == {"limits": {"setpoint beyond what the unit had to give, MW"}}


@pytest.mark.parametrize(("soc_pu", "count"), [(0.5, 0), (0.05, 60), (0.95, 60)])
def test_stores_that_were_empty_or_full_are_counted(tmp_path, soc_pu, count):
    evidence = Scene(soc_pu=soc_pu).evidence(tmp_path)
    assert orders.check(evidence).parts == {orders.PART: count}


# ------------------------------------------------------------------------- states


def with_state(column: str, u: int, normal: float) -> Scene:
    """One more column of the truth, for one unit."""
    scene = Scene()
    values = np.full(scene.p_mw.shape, np.nan)
    values[:, u] = normal
    scene.columns[column] = values
    return scene


CASES = [
    # check, column, unit, value beyond its limit, rows, the setpoint to blame
    ("comfort", "room_k", HVAC, 2.2, (-0.5, -0.4), -0.1),
    ("comfort", "room_k", HVAC, -2.2, (-0.6, -0.5), -0.9),
    ("thermal", "temperature_c", BAT, 56.0, (-0.2, 0.2), 0.6),
    ("thermal", "temperature_c", BAT, 56.0, (-0.2, 0.2), -0.6),
]


@pytest.mark.parametrize(("check", "column", "u", "value", "reported_mw", "blamed_mw"), CASES)
def test_a_state_beyond_its_limit_is_blamed_on_an_order_beyond_what_was_reported(
    tmp_path, check, column, u, value, reported_mw, blamed_mw
):
    scene = with_state(column, u, 0.0)
    scene.columns[column][scene.rows(30.0, 40.0), u] = value
    scene.low_mw[scene.rows(20.0, 60.0), u], scene.high_mw[scene.rows(20.0, 60.0), u] = reported_mw
    for k in range(60):
        send(scene, k, u, BASE_MW[u])
    assert say(scene, tmp_path) == {}  # the state left its band by itself
    send(scene, 28, u, blamed_mw)
    found = say(scene, tmp_path)
    assert len(found.pop(check)) == 1
    assert found == {"limits": {"setpoint beyond what the unit had to give, MW"}}


def unread_room(accepted_mw: float, why: str) -> Scene:
    """A room that must draw more than before; its load has -.1 MW in force and is told it again."""
    scene = with_state("room_k", HVAC, 0.0)
    scene.columns["room_k"][scene.rows(30.0, 40.0), HVAC] = 2.2
    scene.high_mw[scene.rows(20.0, 60.0), HVAC] = -0.4
    for k in range(60):
        send(scene, k, HVAC, BASE_MW[HVAC])
    send(scene, 28, HVAC, -0.1)
    scene.ticks[28]["accepted_mw"][HVAC] = accepted_mw
    scene.out = [(28, HVAC, why)] if why else []
    return scene


def test_what_an_unread_unit_has_in_force_pushes_no_state(tmp_path):
    assert "comfort" not in say(unread_room(-0.1, "UNREACHABLE"), tmp_path)


@pytest.mark.parametrize(
    ("accepted_mw", "why"), [(-0.4, "UNREACHABLE"), (-0.1, "FALLBACK"), (-0.1, "")]
)
def test_what_it_had_not_accepted_or_what_a_unit_that_is_read_is_told_does(
    tmp_path, accepted_mw, why
):
    assert "comfort" in say(unread_room(accepted_mw, why), tmp_path)


@pytest.mark.parametrize(("ramp_mw_per_s", "blamed"), [(0.2, False), (0.1, True)])
def test_nor_does_its_way_back_to_that(tmp_path, ramp_mw_per_s, blamed):
    """Told -.5 MW last, which it may have taken or not: from there to -.05 MW by its ramp."""
    scene = unread_room(-0.05, "UNREACHABLE")
    scene.units["dnp3_hvac"] = {"ramp_mw_per_s": ramp_mw_per_s}
    send(scene, 28, HVAC, -0.3)
    assert ("comfort" in say(scene, tmp_path)) == blamed


def test_an_order_that_the_unit_had_allowed_is_not_blamed(tmp_path):
    scene = with_state("room_k", HVAC, 0.0)
    scene.columns["room_k"][scene.rows(30.0, 40.0), HVAC] = 2.2
    send(scene, 28, HVAC, -0.1)
    assert say(scene, tmp_path) == {}


def test_an_order_that_pulls_a_room_back_is_not_blamed(tmp_path):
    scene = with_state("room_k", HVAC, 2.2)
    scene.low_mw[:, HVAC], scene.high_mw[:, HVAC] = -0.6, -0.5
    for k in range(60):
        send(scene, k, HVAC, -0.9)  # more cooling than the site said it could do
    assert "comfort" not in say(scene, tmp_path)


def test_a_room_within_its_band_is_no_matter(tmp_path):
    scene = with_state("room_k", HVAC, 2.04)  # ± 2 K, and the slack
    scene.low_mw[:, HVAC], scene.high_mw[:, HVAC] = -0.5, -0.5
    send(scene, 28, HVAC, -0.1)
    assert "comfort" not in say(scene, tmp_path)


@pytest.mark.parametrize(("check", "column", "u", "value", "near"), [
    (states.comfort, "room_k", HVAC, 1.5, 0),  # of ± 2 K
    (states.comfort, "room_k", HVAC, -1.7, 1),
    (states.thermal, "temperature_c", BAT, 44.0, 0),
    (states.thermal, "temperature_c", BAT, 46.0, 1),
    (states.departure, "departure_missed_mwh", EV, 0.0, 0),
])  # fmt: skip
def test_states_that_came_near_their_limit_are_counted(tmp_path, check, column, u, value, near):
    assert check(with_state(column, u, value).evidence(tmp_path)).checked == near


def test_hubs_with_cars_that_could_not_wait_are_counted(tmp_path):
    scene = with_state("departure_missed_mwh", EV, 0.0)
    scene.high_mw[scene.rows(30.0, 31.0), EV] = -0.1
    assert states.departure(scene.evidence(tmp_path)).checked == 1


@pytest.mark.parametrize(("blamed_s", "found"), [(28, True), (45, False), (None, False)])
def test_cars_that_leave_without_their_energy(tmp_path, blamed_s, found):
    scene = with_state("departure_missed_mwh", EV, 0.0)
    scene.columns["departure_missed_mwh"][scene.rows(40.0, 60.0), EV] = 0.05
    scene.high_mw[:, EV] = -0.5
    if blamed_s is not None:
        send(scene, blamed_s, EV, -0.1)
    assert ("departure" in say(scene, tmp_path)) is found


# ------------------------------------------------------------------------- sent


def unsent(scene: Scene, u: int, since_s: float, until_s: float) -> None:
    """Let nothing leave for a unit, whatever is decided."""
    scene.setpoints = [
        s for s in scene.setpoints if s[1] != u or not since_s <= s[0] - T0_S < until_s
    ]


def unsent_since(scene: Scene, tmp_path) -> list[int]:
    """Second of the tick by which one should have come, for each time in which none did."""
    found = sent.check(scene.evidence(tmp_path)).violations
    assert {v.what for v in found} <= {sent.WHAT}
    return [round(v.t_s - T0_S) for v in found]


@pytest.mark.parametrize(("until_s", "found"), [(33.0, []), (34.0, [34])])
def test_a_unit_that_is_to_get_its_setpoint_and_does_not_is_found(tmp_path, until_s, found):
    """After 29.06 s the next one comes at 33.06 s (age 3.96 s at most), or a second later."""
    scene = Scene(config="site: {name: x, setpoint_age_max_s: 2.8}\n")
    unsent(scene, HVAC, 30.0, until_s)
    assert unsent_since(scene, tmp_path) == found


def test_a_unit_that_never_gets_one_is_found(tmp_path):
    scene = Scene()
    unsent(scene, HVAC, -1.0, 60.0)
    assert unsent_since(scene, tmp_path) == [4]


@pytest.mark.parametrize("flags", [1, 2, 8])
def test_a_setpoint_that_its_device_did_not_take_was_sent(tmp_path, flags):
    scene = Scene()
    for s in scene.setpoints:
        s[3] = flags if s[1] == HVAC and 20.0 <= s[0] - T0_S < 29.0 else 0
    assert unsent_since(scene, tmp_path) == []


@pytest.mark.parametrize(("u", "found"), [(HVAC, []), (-1, []), (EV, [33])])
def test_a_fault_explains_what_does_not_come_and_for_whom(tmp_path, u, found):
    scene = Scene(spans=[("link_hang", 30.0, 35.0, u)])
    unsent(scene, HVAC, 30.0, 40.0)
    assert unsent_since(scene, tmp_path) == found


def test_what_is_not_to_be_sent_need_not_come(tmp_path):
    scene = Scene()
    unsent(scene, HVAC, 30.0, 40.0)
    for tick in scene.ticks[30:40]:
        tick["send"][HVAC] = False
    assert unsent_since(scene, tmp_path) == []


# ------------------------------------------------------------------------- late news


@pytest.mark.parametrize(("kind", "p_mw", "found"), [
    ("link_latency", -0.20, {}),  # as it had said before it was narrowed, 4 s ago
    ("link_latency", -0.10, {"limits": {"setpoint beyond what the unit had to give, MW"}}),
    ("link_duplicate", -0.20, {"limits": {"setpoint beyond what the unit had to give, MW"}}),
])  # fmt: skip
def test_late_news_excuse_what_the_unit_had_said_and_no_more(tmp_path, kind, p_mw, found):
    scene = Scene(spans=[(kind, 20.0, 50.0, HVAC)])
    scene.high_mw[:, HVAC] = -0.18
    scene.high_mw[scene.rows(26.0, 60.0), HVAC] = -0.35
    for tick in scene.ticks[26:36]:
        tick["measured_at_s"][HVAC] = T0_S + 29.9  # when it was heard, not when it left
    for k in range(20, 31):
        send(scene, k, HVAC, p_mw)
    scene.ticks[31]["accepted_mw"][HVAC] = p_mw
    assert say(scene, tmp_path) == found
