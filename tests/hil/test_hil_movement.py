"""Mileage of setpoints and switches of machines, by hand and in a run; bands that are kept."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from checked_bench import HVAC, RECEIVED_S, T0_S, Scene
from small_bench import unit

from hil.checkers import band
from hil.checkers.excuses import sift
from hil.measure import movement
from hil.measure.plant import Process
from hil.movement_card import COLUMNS, movement_card
from hil.plant.plant import Plant
from hil.recording import Writer, read_trace
from hil.scenario import Limit, load, shortfall
from hil.thinning import thin
from hil.tiles import Tile, _movement_tile

KINDS = ("battery", "hvac")


def run(duration_s=100.0):
    return SimpleNamespace(t0_s=T0_S, duration_s=duration_s, units=SimpleNamespace(kinds=KINDS))


def ticks(request_mw, setpoints_mw, since_s=20.0, send=None):
    now_s = T0_S + since_s + np.arange(len(request_mw))
    told = np.array(setpoints_mw)
    sent = np.ones(told.shape, dtype=bool) if send is None else np.array(send, dtype=bool)
    return SimpleNamespace(
        now_s=now_s, request_mw=np.array(request_mw), p_setpoint_mw=told, send=sent
    )


def process(t_s, count):
    rows = np.zeros(len(t_s), dtype=[("t_s", "<f8"), ("switches", "<f4", (2,))])
    rows["t_s"], rows["switches"] = T0_S + np.array(t_s), count
    return SimpleNamespace(rows=rows, t_s=rows["t_s"], units=np.array([0, 1]))


def test_mileage_by_hand():
    """The request goes 0, 2, 1: 3 MW. The battery 0, 3, 1: 5; the load 0, -1, 0: 2; 7/3."""
    notes = {}
    found = movement.figures(
        run(), [], ticks([0.0, 2.0, 1.0], [[0.0, 0.0], [3.0, -1.0], [1.0, 0.0]]), notes
    )
    assert (found["mileage_mw"], found["request_mileage_mw"]) == (7.0, 3.0)
    assert found["mileage_ratio"] == pytest.approx(7.0 / 3.0)
    assert found["by_kind"]["battery"] == {
        "mileage_mw": 5.0, "setpoint_changes": 2,
    }  # fmt: skip
    assert found["by_kind"]["hvac"]["setpoint_changes"] == 2
    assert notes == {"movement.by_kind.hvac.switches": "not recorded of every unit"}


def test_a_prediction_moves_nobody():
    """The battery is told 1, is out of reach for two ticks (counted with 9, then 7), is told 2.

    That is a change by 1 MW. The load is told nothing before its -2, then -5: 3 MW.
    """
    found = movement.figures(
        run(), [],
        ticks([0.0, 1.0, 2.0, 3.0], [[1.0, np.nan], [9.0, -0.5], [7.0, -2.0], [2.0, -5.0]],
              send=[[1, 1], [0, 0], [0, 1], [1, 1]]), {},
    )  # fmt: skip
    assert found["mileage_mw"] == 4.0
    assert found["by_kind"]["battery"]["mileage_mw"] == 1.0
    assert [found["by_kind"][kind]["setpoint_changes"] for kind in KINDS] == [1, 1]


def test_what_was_told_before_the_scored_time_stands_in_it():
    """Told 4 at 14 s, not told at 15 s (the first scored tick), told 5 at 16 s: 1 MW."""
    found = movement.figures(
        run(), [],
        ticks([0.0, np.nan, 1.0], [[4.0, 0.0], [9.0, 0.0], [5.0, 0.0]], since_s=14.0,
              send=[[1, 1], [0, 1], [1, 1]]), {},
    )  # fmt: skip
    assert (found["mileage_mw"], found["request_mileage_mw"]) == (1.0, 1.0)


@pytest.mark.parametrize("since_s", [13.0, 99.0])
def test_one_tick_of_the_scored_time_is_no_measurement(since_s):
    """Ticks at 13, 14 and 15 s, or at 99, 100 and 101: one of each is scored."""
    notes = {}
    found = movement.figures(run(), [], ticks([0.0] * 3, [[0.0, 0.0]] * 3, since_s), notes)
    assert {value for key, value in found.items() if key != "by_kind"} == {None}
    assert found["by_kind"]["hvac"]["mileage_mw"] is None
    assert found["by_kind"]["hvac"]["setpoint_changes"] is None
    assert notes["movement"] == "the journal has too few ticks"


def test_only_scored_ticks_count_and_rounding_is_no_change():
    """The first 15 s of 100 are left out, and what is beyond the end."""
    found = movement.figures(
        run(), [], ticks([5.0, 0.0, 0.0, 0.0], [[9.0, 0.0], [0.0, 0.0], [1e-9, 0.0], [0.0, 0.0]],
                         since_s=14.0), {},
    )  # fmt: skip
    assert found["mileage_mw"] == pytest.approx(0.0, abs=1e-8)
    assert found["by_kind"]["battery"]["setpoint_changes"] == 0
    late = ticks([0.0, 0.0, 9.0], [[0.0, 0.0], [0.0, 0.0], [9.0, 0.0]], 98.0)
    assert movement.figures(run(), [], late, {})["mileage_mw"] == 0.0


def test_a_request_that_stands_has_no_ratio():
    notes = {}
    found = movement.figures(run(), [], ticks([1.0, 1.0], [[0.0, 0.0], [1.0, 0.0]]), notes)
    assert found["mileage_ratio"] is None
    assert notes["movement.mileage_ratio"] == "the request did not move"
    assert "–" in movement_card(found)


def test_without_a_journal_machines_are_counted_all_the_same():
    notes = {"journal.export": "no such file"}
    rows = process([0.0, 20.0, 50.0, 99.0], [[np.nan, 3.0], [np.nan, 4.0], [np.nan, 6.0],
                                             [np.nan, 7.0]])  # fmt: skip
    found = movement.figures(run(), [rows], None, notes)
    assert found["mileage_mw"] is None
    assert notes["movement"] == "no such file"
    assert "switches" not in found["by_kind"]["battery"]
    assert found["by_kind"]["hvac"]["switches"] == 3  # from 4 at 20 s on


def test_a_simulator_that_begins_anew_counts_from_nothing():
    """8, 9: one; then it is gone, and has counted 2 since it began anew: 3 in all."""
    rows = process([20.0, 30.0, 50.0], [[0.0, 8.0], [0.0, 9.0], [0.0, 2.0]])
    assert movement.switches([rows], 2, T0_S, T0_S + 100.0).tolist() == [0.0, 3.0]


@pytest.mark.parametrize("step_s", [0.1, 1.0])
def test_a_thinned_record_counts_to_its_last_row(tmp_path, step_s):
    """The load switches each 0.7 s; measured from 15 s to before 30 s.

    It has been 21 times by 15.0 s (the last at 14.7 s), 42 by 29.9 s (29.4 s): 21. The last row of
    a thinned record is that of 29.0 s, by which it has been 41 (28.7 s): 20. Those in between are
    all there, though most rows are not.
    """
    writer = Writer(tmp_path, 0, [0, 1], states=True, thin=thin(step_s, KINDS))
    nothing, state = np.full(2, np.nan), np.zeros(2, dtype=np.uint8)
    for k in range(400):
        counts = np.array([np.nan, (k + 0.5) // 7])
        states = (nothing, nothing, nothing, counts)
        writer.power(T0_S + 0.1 * k, np.zeros(2), nothing, state, (), states)
    writer.close()
    trace = read_trace(tmp_path, 0)
    made = Process(0, np.array(trace.units), trace.rows, trace.step_s, trace.kinds, trace.totals)
    battery, load_ = movement.switches([made], 2, T0_S + 15.0 - 1e-3, T0_S + 30.0 - 1e-3)
    assert np.isnan(battery)
    assert load_ == (21.0 if step_s < 1.0 else 20.0)


def test_a_kind_of_which_a_unit_has_no_record_is_not_counted():
    """Two loads in two processes; one of them left no row in the scored time."""
    of_both = SimpleNamespace(
        t0_s=T0_S, duration_s=100.0, units=SimpleNamespace(kinds=("hvac", "hvac"))
    )
    parts = []
    for unit_index, t_s in ((0, [20.0, 50.0]), (1, [1.0, 2.0])):
        part = process(t_s, [[1.0, 1.0], [4.0, 4.0]])
        rows = np.zeros(2, dtype=[("t_s", "<f8"), ("switches", "<f4", (1,))])
        rows["t_s"], rows["switches"] = part.t_s, part.rows["switches"][:, :1]
        parts.append(SimpleNamespace(rows=rows, t_s=part.t_s, units=np.array([unit_index])))
    notes = {}
    found = movement.figures(of_both, parts, None, notes)
    assert found["by_kind"]["hvac"]["switches"] is None
    assert notes["movement.by_kind.hvac.switches"] == "not recorded of every unit"
    alone = movement.switches(parts[:1], 2, T0_S, T0_S + 100.0)
    assert alone[0] == 3.0
    assert np.isnan(alone[1])


def test_a_hub_that_stops_and_draws_again_is_counted():
    """The floor is 6 A of 0.69 kW each, 4.14 kW; less than half of it is nothing."""
    from test_hil_plant_ev_hub import made

    drive = made(ramp_mw_per_s=0.02, lag_true_s=2.0)
    counts = []
    for p_mw in (-0.05, -0.003, -0.002, 0.0, -0.0021, -0.08, 0.0):
        drive.run(10.0, p_mw)
        counts.append(int(drive.body["switches"][0]))
    assert counts == [0, 0, 1, 1, 2, 2, 3]


def test_a_hub_without_steps_draws_as_little_as_it_is_told():
    from test_hil_plant_ev_hub import made

    drive = made(charger_step_a=0.0)
    for p_mw, count in ((-1e-6, 0), (0.0, 1), (-1e-6, 2)):
        drive.run(10.0, p_mw)
        assert drive.body["switches"][0] == count


def test_the_report_and_the_screen_say_it():
    rows = process([20.0, 50.0], [[np.nan, 4.0], [np.nan, 1006.0]])
    found = movement.figures(
        run(), [rows], ticks([0.0, 2.0, 1.0], [[0.0, 0.0], [3.0, -1.0], [1.0, 0.0]]), {}
    )
    page = movement_card(found)
    assert "moved 2.33 times as far as the request" in page
    assert re.findall(r"<td class=\"text\">hvac</td>(.*?)</tr>", page) == [
        '<td class="">2.000</td><td class="">2</td><td class="">1,002</td>'
    ]
    assert all(re.search(r", MW$|changes|starts", c.title) for c in COLUMNS[1:])
    (told,) = _movement_tile(found)
    assert told == (
        "movement.mileage_ratio",
        Tile("Movement", "2.33", "× request", "mileage of setpoints; starts and stops: 1,002"),
    )


def test_figures_of_movement_can_be_asked_for():
    """7 MW over 3 MW is 2.333, over 1.2 by 1.133."""
    found = movement.figures(
        run(), [], ticks([0.0, 2.0, 1.0], [[0.0, 0.0], [3.0, -1.0], [1.0, 0.0]]), notes := {}
    )
    result = {"movement": found, "notes": notes}
    told = shortfall(result, "movement.mileage_ratio", Limit(maximum=1.2))
    assert told == "movement.mileage_ratio: 2.33333 is over its limit 1.2 by 1.13333"
    assert not shortfall(result, "movement.by_kind.battery.setpoint_changes", Limit(maximum=2))
    assert "not recorded of every unit" in shortfall(
        result, "movement.by_kind.hvac.switches", Limit(maximum=0)
    )


def test_a_machine_that_starts_and_stops_is_counted():
    from test_hil_plant_hvac import made

    drive = made(ramp_mw_per_s=0.02, lag_true_s=10.0, comfort_k=50.0)
    running = drive.kind.machines.started_s > drive.kind.machines.stopped_s
    changed = 0
    for p_mw in (-0.9, -0.1, -0.9, -0.1):
        for _ in range(4):
            drive.run(200.0, p_mw)
            now = drive.kind.machines.started_s > drive.kind.machines.stopped_s
            changed += int((now != running).sum())
            running = now
    assert changed >= 4
    assert drive.body["switches"][0] >= changed  # some twice between two looks


@pytest.mark.parametrize(("told_mw", "stands_mw"), [(-0.5, -0.5), (-0.3, -0.4), (-0.15, -0.1)])
def test_a_unit_with_a_band_stands_at_the_nearer_end(told_mw, stands_mw):
    simulated = Plant([unit("modbus_hvac", band_lower_mw=-0.4, band_upper_mw=-0.1)], 0.1, 0.0, 1)
    simulated.order(0, told_mw, simulated.now_s)
    for _ in range(30):
        simulated.step()
    assert simulated.p_mw[0] == pytest.approx(stands_mw, abs=1e-3)


# ---------------------------------------------------------------------------- the checker


def banded(*told_mw):
    """The building has a band of -0.4 to -0.2 MW, crossed in 2 s; told these, a second apart."""
    scene = Scene(units={
        "dnp3_hvac": {"band_lower_mw": -0.4, "band_upper_mw": -0.2, "ramp_mw_per_s": 0.1}
    })  # fmt: skip
    scene.setpoints = [
        [t, u, told_mw[k] if u == HVAC and 0 <= (k := round(t - T0_S - RECEIVED_S) - 20)
         < len(told_mw) else p, flags]
        for t, u, p, flags in scene.setpoints
    ]  # fmt: skip
    return scene


@pytest.mark.parametrize(
    ("told_mw", "what"),
    [
        ((-0.45, -0.4, -0.2, -0.1), []),
        ((-0.4, -0.35, -0.25, -0.2), []),  # on its way
        ((-0.3,) * 4, []),  # 4 s, and 4.5 s are allowed
        ((-0.3,) * 6, [band.STANDS]),
        ((-0.4, -0.35, -0.25, -0.3, -0.4), [band.TURNS]),
        ((-0.3, -0.35, -0.25, -0.3, -0.25, -0.3), [band.TURNS, band.STANDS]),
    ],
)
def test_nobody_is_told_to_stand_inside_his_band(tmp_path, told_mw, what):
    found = band.check(banded(*told_mw).evidence(tmp_path))
    assert found.checked == 60
    assert [v.what for v in found.violations] == what
    assert all(v.unit == HVAC for v in found.violations)


def test_who_is_out_of_reach_inside_his_band_is_not_told_to_stand_there(tmp_path):
    scene = banded(*(-0.3,) * 10)
    assert [v.what for v in band.check(scene.evidence(tmp_path)).violations] == [band.STANDS]
    scene.setpoints = [s for s in scene.setpoints if s[1] != HVAC or not 21 < s[0] - T0_S < 29]
    assert band.check(scene.evidence(tmp_path)).violations == []


@pytest.mark.parametrize(("why", "what"), [
    ("UNREACHABLE", []), ("TELEMETRY_AGE", []), ("LIMIT", [band.STANDS]),
])  # fmt: skip
def test_who_is_not_read_inside_his_band_is_told_it_again(tmp_path, why, what):
    scene = banded(*(-0.3,) * 10)
    for k in range(20, 30):
        scene.ticks[k]["p_setpoint_mw"][HVAC] = -0.3
    scene.out = [(k, HVAC, why) for k in range(22, 28)]
    assert [v.what for v in band.check(scene.evidence(tmp_path)).violations] == what


@pytest.mark.parametrize(("silent_s", "what"), [(9, [band.TURNS]), (12, [])])
def test_the_watchdog_ends_a_stay(tmp_path, silent_s, what):
    scene = banded(-0.4, -0.35, -0.3, *(-0.3,) * silent_s, -0.35, -0.4)
    until_s = 22.5 + silent_s
    scene.setpoints = [
        s for s in scene.setpoints if s[1] != HVAC or not 22.5 < s[0] - T0_S < until_s
    ]
    assert [v.what for v in band.check(scene.evidence(tmp_path)).violations] == what


def turned():
    """Told to go up, and back again, by the ticks of 20 to 24."""
    told_mw = (-0.4, -0.3, -0.25, -0.3, -0.4)
    scene = banded(*told_mw)
    for k, p_mw in enumerate(told_mw):
        scene.ticks[20 + k]["p_setpoint_mw"][HVAC] = p_mw
    return scene


@pytest.mark.parametrize(("why", "at", "what"), [
    ("FALLBACK", 23, []), ("BENCHED", 23, [band.TURNS]), ("FALLBACK", 24, [band.TURNS]),
])  # fmt: skip
def test_who_was_taken_for_gone_to_its_fallback_begins_anew(tmp_path, why, at, what):
    scene = turned()
    scene.out = [(at, HVAC, why)]
    assert [v.what for v in band.check(scene.evidence(tmp_path)).violations] == what


@pytest.mark.parametrize(("at", "what"), [(22, []), (19, [band.TURNS]), (25, [band.TURNS])])
def test_a_daemon_that_starts_begins_at_what_is_measured(tmp_path, at, what):
    scene = turned()
    scene.ticks[at]["mode"] = "STARTING"
    assert [v.what for v in band.check(scene.evidence(tmp_path)).violations] == what


def test_a_turn_is_told_at_its_instant_and_false_readings_excuse_it(tmp_path):
    scene = turned()
    evidence = scene.evidence(tmp_path)
    (turn,) = band.check(evidence).violations
    assert turn.t_s == pytest.approx(T0_S + 23.0 + RECEIVED_S)
    assert sift(evidence, [turn]) == ([turn], 0)
    scene.spans = [("device_wrong_sign", 22.0, 27.0, HVAC)]
    assert sift(scene.evidence(tmp_path), [turn]) == ([], 1)


def test_a_fleet_without_bands_has_nothing_to_check(tmp_path):
    found = band.check(Scene().evidence(tmp_path))
    assert (found.done, found.checked, found.violations) == (True, 0, [])


def test_bands_of_a_scenario_are_checked():
    with pytest.raises(Exception, match="to_pct: must be above from_pct = 50, is 40"):
        load("small-signal", [("fleet.kinds.hvac.band", "{from_pct: 50, to_pct: 40}")])
