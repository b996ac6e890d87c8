"""Mileage of setpoints and switches of machines, by hand and in a run; bands that are kept."""

from types import SimpleNamespace

import numpy as np
import pytest
from checked_bench import HVAC, RECEIVED_S, T0_S, Scene
from small_bench import unit

from hil.checkers import band
from hil.measure import movement
from hil.movement_card import movement_card
from hil.plant.plant import Plant
from hil.scenario import load

KINDS = ("battery", "hvac")


def run(duration_s=100.0):
    return SimpleNamespace(t0_s=T0_S, duration_s=duration_s, units=SimpleNamespace(kinds=KINDS))


def ticks(request_mw, setpoints_mw, since_s=20.0):
    now_s = T0_S + since_s + np.arange(len(request_mw))
    return SimpleNamespace(
        now_s=now_s, request_mw=np.array(request_mw), p_setpoint_mw=np.array(setpoints_mw)
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
        "mileage_mw": 5.0, "setpoint_changes": 2, "switches": None,
    }  # fmt: skip
    assert found["by_kind"]["hvac"]["setpoint_changes"] == 2
    assert notes == {}


def test_only_scored_ticks_count_and_rounding_is_no_change():
    """The first 15 s of 100 are left out, and what is beyond the end."""
    found = movement.figures(
        run(), [], ticks([5.0, 0.0, 0.0, 0.0], [[9.0, 0.0], [0.0, 0.0], [1e-9, 0.0], [0.0, 0.0]],
                         since_s=14.0), {},
    )  # fmt: skip
    assert found["mileage_mw"] == pytest.approx(0.0, abs=1e-8)
    assert found["by_kind"]["battery"]["setpoint_changes"] == 0
    late = movement.figures(run(), [], ticks([0.0, 9.0], [[0.0, 0.0], [9.0, 0.0]], 99.0), {})
    assert late["mileage_mw"] == 0.0


def test_a_request_that_stands_has_no_ratio():
    notes = {}
    found = movement.figures(run(), [], ticks([1.0, 1.0], [[0.0, 0.0], [1.0, 0.0]]), notes)
    assert found["mileage_ratio"] is None
    assert notes["movement.mileage_ratio"] == "the request did not move"
    assert "–" in movement_card(found)


def test_without_a_journal_machines_are_counted_all_the_same():
    notes = {}
    rows = process([0.0, 20.0, 50.0, 99.0], [[np.nan, 3.0], [np.nan, 4.0], [np.nan, 6.0],
                                             [np.nan, 7.0]])  # fmt: skip
    found = movement.figures(run(), [rows], None, notes)
    assert found["mileage_mw"] is None
    assert notes["movement.mileage_mw"] == "the journal could not be read"
    assert found["by_kind"]["battery"]["switches"] is None
    assert found["by_kind"]["hvac"]["switches"] == 3  # from 4 at 20 s on


def test_a_simulator_that_begins_anew_counts_from_nothing():
    rows = process([20.0, 30.0, 40.0, 50.0], [[0.0, 8.0], [0.0, 9.0], [0.0, 0.0], [0.0, 2.0]])
    assert movement.switches([rows], 2, T0_S, T0_S + 100.0).tolist() == [0.0, 3.0]


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


def test_a_fleet_without_bands_has_nothing_to_check(tmp_path):
    found = band.check(Scene().evidence(tmp_path))
    assert (found.done, found.checked, found.violations) == (True, 0, [])


def test_bands_of_a_scenario_are_checked():
    with pytest.raises(Exception, match="to_pct: must be above from_pct = 50, is 40"):
        load("small-signal", [("fleet.kinds.hvac.band", "{from_pct: 50, to_pct: 40}")])
