"""A killed simulator in recordings whose answers are known: units 1 and 3 die at 40.2 s."""

import pytest
from hand_made import DELAY_S, T0_S, Run
from hand_recovery import BACK_S, CONNECTED_S, DEAD, KILL_S, killed

from hil import report, result
from hil.measure import inputs
from hil.recording import SetpointFlag
from hil.scenario import Limit, Other, figure, load, shortfall

RISE = Limit(
    maximum=20.0,
    unless=Other("recovery.wire_kill.0.others.p99_rise_ms", 10.0),
)
RISE_KEY = "recovery.wire_kill.0.others.p99_rise_pct"


def late(run: Run, by_s: float) -> Run:
    """All writes from the kill to the recovery come later."""
    run.writes = [
        (t + by_s if KILL_S < t < T0_S + 64.5 else t, u, p, f) for t, u, p, f in run.writes
    ]
    return run


def figures(run: Run, tmp_path) -> dict:
    return result.compute(tmp_path, run.write(tmp_path))


def kill_of(run: Run, tmp_path) -> dict:
    (found,) = figures(run, tmp_path)["recovery"]["wire_kill"]
    return found


def test_a_run_without_such_faults_says_so(tmp_path):
    assert figures(Run(), tmp_path)["recovery"] == {
        "wire_kill": [], "agc_cut": [], "outage": [],
    }  # fmt: skip


def test_when_and_whom(tmp_path):
    found = kill_of(killed(), tmp_path)
    assert (found["process"], found["units"]) == (1, 2)
    assert found["at_s"] == pytest.approx(40.2)
    assert found["started_again_s"] == pytest.approx(60.2)
    # pv001 gets the setpoint of tick 64, .032 s after the second
    assert found["recovered_s"] == pytest.approx(64.032 + DELAY_S["pv001"])


def test_the_others_are_compared_before_and_after_the_kill(tmp_path):
    others = kill_of(late(killed(), 0.008), tmp_path)["others"]
    # bat001 after 30 ms, ev001 after 50 ms; ticks 0 to 40, then 41 to 64
    assert (others["units"], others["setpoints_before"], others["setpoints_after"]) == (2, 82, 48)
    assert others["delay_before_ms"] == pytest.approx({"p50": 30.0, "p99": 50.0, "max": 50.0})
    assert others["delay_after_ms"] == pytest.approx({"p50": 38.0, "p99": 58.0, "max": 58.0})
    assert others["p99_rise_ms"] == pytest.approx(8.0)
    assert others["p99_rise_pct"] == pytest.approx(16.0)


@pytest.mark.parametrize(
    ("by_s", "told"),
    [
        (0.0, ""),
        (0.0099, ""),  # 19.8 %
        (0.012, f"{RISE_KEY}: 24 is over its limit 20 by 4, and "
                f"{RISE.unless.key}: 12 is over its limit 10 by 2"),
    ],
)  # fmt: skip
def test_a_rise_must_be_over_both_limits_to_be_missed(tmp_path, by_s, told):
    assert shortfall(figures(late(killed(), by_s), tmp_path), RISE_KEY, RISE) == told


def test_a_rise_of_many_per_cent_but_few_ms_is_none(tmp_path):
    run = late(killed(), 0.009)
    quick = {2: 0.035}  # ev001 after 15 ms instead of 50, bat001 after 30: p99 30 -> 39 ms
    run.writes = [(t - quick.get(u, 0.0), u, p, f) for t, u, p, f in run.writes]
    found = figures(run, tmp_path)
    assert found["recovery"]["wire_kill"][0]["others"]["p99_rise_pct"] == pytest.approx(30.0)
    assert shortfall(found, RISE_KEY, RISE) == ""


def test_lost_writes_and_units_in_an_outage_do_not_count_as_delay(tmp_path):
    run = killed()
    for at, (t, u, p, f) in enumerate(run.writes):
        if u == 0 and 50.0 < t - T0_S < 51.0:
            run.writes[at] = (t + 0.4, u, p, f | SetpointFlag.LOST)
        if u == 2 and 53.0 < t - T0_S < 54.0:  # comes back, and gets its setpoint late
            run.writes[at] = (t + 0.6, u, p, f)
    run.events += [(T0_S + 51.5, 2, "link_outage", ""), (T0_S + 53.4, 2, "link_back", "")]
    others = kill_of(run, tmp_path)["others"]
    assert others["delay_after_ms"]["max"] == pytest.approx(50.0)
    # ticks 52 and 53 of ev001, in its outage; tick 50 of bat001
    assert others["left_out"] == {"lost": 1, "offline": 2}


def test_the_dead_are_out_with_a_reason_and_counted_by_prediction_then_fallback(tmp_path):
    found = kill_of(killed(), tmp_path)
    # ticks 41 to 60 are dead; accepted at 40.032: tick 50 (at 50.032) is the last that holds
    assert found["reported"] == {
        "units": 2,
        "after_s": pytest.approx(0.8),
        "unit_ticks_by_reason": {"FALLBACK": 20, "UNREACHABLE": 20},
        "unit_ticks_without_reason": 0,
    }
    assert found["counted"] == {
        "unit_ticks_by_prediction": 20,
        "unit_ticks_by_fallback": 20,
        "units_by_fallback": 2,
        "wrong": 0,
        "off_w": 0.0,
        "units_as_the_device_had_it": 2,
    }


@pytest.mark.parametrize(("off_mw", "wrong"), [(5e-7, 0), (2e-6, 1)])
@pytest.mark.parametrize("second", [45, 55])
def test_a_number_that_is_off_by_more_than_a_watt_is_wrong(tmp_path, second, off_mw, wrong):
    run = killed()
    run.ticks[second]["p_setpoint_mw"][3] += off_mw
    counted = kill_of(run, tmp_path)["counted"]
    assert counted["wrong"] == wrong
    assert counted["off_w"] == pytest.approx(1e6 * off_mw, abs=1e-5)


@pytest.mark.parametrize(("second", "reason"), [(45, "FALLBACK"), (55, "UNREACHABLE")])
def test_the_wrong_reason_is_wrong_too(tmp_path, second, reason):
    run = killed()
    run.ticks[second]["held_by"][1] = reason
    assert kill_of(run, tmp_path)["counted"]["wrong"] == 1


def test_a_prediction_until_after_the_watchdog_is_wrong(tmp_path):
    run = killed()
    for second in (51, 52):
        run.ticks[second]["p_setpoint_mw"][3] = run.setpoints(40)[3]
        run.ticks[second]["held_by"][3] = "UNREACHABLE"
    assert kill_of(run, tmp_path)["counted"]["wrong"] == 2


def test_a_dead_unit_that_is_not_reported_is_found(tmp_path):
    run = killed()
    run.ticks[41]["held_by"][3] = "NONE"  # not known yet
    run.ticks[47]["held_by"][3] = "NONE"  # forgotten
    reported = kill_of(run, tmp_path)["reported"]
    assert reported["after_s"] == pytest.approx(42.032 - 40.2)
    assert reported["unit_ticks_without_reason"] == 1
    for tick in run.ticks:
        tick["held_by"][1] = "NONE"
    assert kill_of(run, tmp_path / "other")["reported"]["units"] == 1


def test_a_setpoint_that_died_unanswered_is_not_the_prediction(tmp_path):
    run = killed()
    run.writes.append((KILL_S - 0.01, 1, run.setpoints(40)[1] + 0.2, 0))
    counted = kill_of(run, tmp_path)["counted"]
    assert counted["units_as_the_device_had_it"] == 1
    assert counted["wrong"] == 0  # the daemon could not know


def test_the_return_is_timed_from_the_socket_and_counted_in_ticks(tmp_path):
    back = kill_of(killed(), tmp_path)["back"]
    assert (back["units"], back["units_missing"]) == (2, 0)
    assert back["reconnect_s"] == pytest.approx({"p50": 0.6, "p99": 1.4, "max": 1.4})
    # bat002: connected 61.5, ticks 62.032 and 63; pv001: connected 62.3, ticks 63 and 64.032
    assert back["reassert_ticks"] == {"2": 2}
    assert back["reassert_ticks_max"] == 2
    assert back["reassert_s"]["max"] == pytest.approx(64.092 - 62.3)
    assert back["first_lost_by_scenario"] == 0


def test_a_setpoint_that_the_scenario_swallows_has_been_asserted(tmp_path):
    run = killed()
    at = next(i for i, w in enumerate(run.writes) if w[1] == 3 and w[0] > T0_S + 64.0)
    run.writes[at] = (*run.writes[at][:3], int(SetpointFlag.LOST))
    back = kill_of(run, tmp_path)["back"]
    assert (back["reassert_ticks_max"], back["first_lost_by_scenario"]) == (2, 1)


def test_a_keep_alive_is_no_setpoint(tmp_path):
    run = killed()
    run.writes.append((CONNECTED_S[3] + 0.1, 3, 0.0, int(SetpointFlag.KEEP_ALIVE)))
    assert kill_of(run, tmp_path)["back"]["reassert_ticks"] == {"2": 2}


def test_a_slow_return_is_missed_by_how_much(tmp_path):
    run = killed()
    run.writes = [w for w in run.writes if w[1] != 3 or not KILL_S < w[0] < T0_S + 66.0]
    found = figures(run, tmp_path)
    key = "recovery.wire_kill.0.back.reassert_ticks_max"
    assert shortfall(found, key, Limit(maximum=2.0)) == f"{key}: 4 is over its limit 2 by 2"
    key = "recovery.wire_kill.0.back.reconnect_s.max"
    assert shortfall(found, key, Limit(maximum=1.0)) == f"{key}: 1.4 is over its limit 1 by 0.4"


def test_a_unit_that_stays_away_is_named(tmp_path):
    run = killed()
    run.writes = [w for w in run.writes if w[1] != 3 or w[0] < KILL_S]
    found = kill_of(run, tmp_path)
    assert found["back"]["missing"] == ["pv001"]
    assert found["back"]["units_missing"] == 1
    assert found["recovered_s"] == pytest.approx(100.0)  # not within the run


def test_a_unit_with_an_outage_of_its_own_is_left_out_and_named(tmp_path):
    run = killed()
    run.writes = [w for w in run.writes if w[1] != 3 or w[0] < KILL_S]
    run.events += [(T0_S + 39.0, 3, "link_outage", "closed"), (T0_S + 61.0, 3, "link_outage", "")]
    back = kill_of(run, tmp_path)["back"]
    assert back["left_out_in_own_outage"] == ["pv001"]
    assert (back["units"], back["units_missing"]) == (1, 0)


def test_an_outage_that_ends_while_its_simulator_is_dead_is_over(tmp_path):
    run = killed()
    run.events += [(T0_S + 39.0, 3, "link_outage", "closed, 10 s")]  # nobody says link_back
    run.write(tmp_path)
    spans = inputs.spans(inputs.read(tmp_path / "raw"))
    assert [(s.kind, s.units, s.until_s) for s in spans] == [
        ("link_outage", (3,), BACK_S),
        ("wire_kill", (1, 3), BACK_S),
    ]


def test_a_process_that_never_comes_back(tmp_path):
    run = killed()
    run.events.pop()
    run.links.clear()
    run.writes = [w for w in run.writes if w[1] not in DEAD or w[0] < KILL_S]
    found = figures(run, tmp_path)
    kill = found["recovery"]["wire_kill"][0]
    assert kill["started_again_s"] is None
    assert kill["back"]["missing"] == ["bat002", "pv001"]
    assert kill["back"]["reconnect_s"]["max"] is None
    told = shortfall(found, "recovery.wire_kill.0.back.reconnect_s.max", Limit(maximum=2.5))
    assert "could not be measured (no unit of a listening socket was connected again)" in told


def test_two_kills_are_told_apart(tmp_path):
    run = killed()
    run.events += [(T0_S + 80.2, -1, "wire_kill", "process 0")]
    run.events += [(T0_S + 85.2, -1, "wire_back", "process 0")]
    first, second = figures(late(run, 0.2), tmp_path)["recovery"]["wire_kill"]
    assert (first["process"], second["process"]) == (1, 0)
    # before the second one: without the 24 ticks from the first kill to its end
    assert second["others"]["setpoints_before"] == 2 * (81 - 24)
    assert second["others"]["delay_before_ms"]["max"] == pytest.approx(60.0)


def test_without_a_journal_there_are_notes_instead(tmp_path):
    run = killed()
    run.write(tmp_path)
    found = result.compute(tmp_path, ("/nonexistent/vppd",))
    kill = found["recovery"]["wire_kill"][0]
    assert (kill["others"], kill["reported"], kill["counted"]) == (None, None, None)
    assert kill["back"]["reassert_ticks_max"] is None
    assert kill["back"]["reconnect_s"]["max"] == pytest.approx(1.4)
    told = shortfall(found, "recovery.wire_kill.0.counted.wrong", Limit(maximum=0.0))
    assert told.endswith("could not be measured (the journal could not be read)")


def test_the_report_has_a_table_of_it(tmp_path):
    run = killed()
    page = report.write(result.measure(tmp_path, run.write(tmp_path))).read_text()
    body = page[page.index("<body>") :]
    assert "Simulator process 1 killed at 40.2 s" in body
    assert "their prediction in 20 unit ticks, their fallback in 20 (2 units); 0 wrong" in body
    assert "ticks: 2 units after 2" in body


def test_the_limits_of_the_shipped_scenario_name_figures_that_exist(tmp_path):
    found = figures(killed(), tmp_path)
    keys = [key for key in load("wire-kill").acceptance if key.startswith("recovery.")]
    assert len(keys) == 10
    assert [key for key in keys if figure(found, key) is None] == []
    assert figure(found, load("wire-kill").acceptance[RISE_KEY].unless.key) is not None
