"""Scenarios of a day, of 20 kW, of 10,000 units: shortened, and their limits met."""

import numpy as np
import pytest
import yaml
from test_hil_tso_frequency import RECORDS

from hil import daemon_config, fleet, result, scenario
from hil.measure.journal import Replay
from hil.scenario import load, missed
from hil.sim import ticks as recorder
from hil.sim.run import Simulation

REGD = RECORDS.parent / "agc" / "pjm_regd_2017-08-01T16_2s.csv.gz"
REPLAYED = Replay(1, 1, 0, bit_exact=True, chain_ok=True)
FEW = {  # a tenth of the reference fleet
    "regulation_mw": "8",
    "fleet.kinds.battery.makers": "{sunspec_battery: 2}",
    "fleet.kinds.battery.rated_mw": "6",
    "fleet.kinds.ev_hub.makers": "{modbus_ev_hub: 6, mqtt_ev_hub: 2}",
    "fleet.kinds.ev_hub.rated_mw": "3",
    "fleet.kinds.hvac.makers": "{modbus_hvac: 4, dnp3_hvac: 1}",
    "fleet.kinds.hvac.rated_mw": "2.4",
    "fleet.kinds.industrial.makers": "{dnp3_industrial: 3}",
    "fleet.kinds.industrial.rated_mw": "3.9",
    "fleet.kinds.pv.makers": "{sunspec_pv: 2}",
    "fleet.kinds.pv.rated_mw": "2.2",
}


def run(out, name, changes):
    """Make a run; its result, and the limits that it missed."""
    made = load(name, list(changes.items()))
    simulation = Simulation(made, out)
    simulation.make()
    measured = result.figures(out, ticks=simulation.ticks, replay=lambda _: REPLAYED)
    return measured, missed(made, measured.result)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_part_of_the_day_meets_the_limits_of_the_day(tmp_path, seed):
    measured, not_met = run(tmp_path, "regd-day", {**FEW, "seed": str(seed), "duration_s": "110"})
    assert not_met == []
    assert measured.processes[0].step_s == 1.0
    assert measured.result["checks"]["violations"] == 0


@pytest.mark.skipif(not REGD.exists(), reason=f"the record is not here: {REGD}")
def test_the_recorded_regd_is_followed_as_well(tmp_path):
    signal = f"{{kind: file, interval_s: 2.0, file: {REGD}, column: regd_pu}}"
    changes = {**FEW, "duration_s": "110", "signal": signal}
    measured, not_met = run(tmp_path, "regd-day", changes)
    assert not_met == []
    assert measured.result["io"]["agc_values"] > 50


def test_twenty_kilowatts_of_the_whole_fleet(tmp_path):
    measured, not_met = run(tmp_path, "small-signal", {"duration_s": "60"})
    assert not_met == []
    assert measured.result["fleet"]["resources"] == 210
    assert measured.result["faults"]["injected"] == 0
    late = slice(30, None)  # until then the models find where each unit truly is
    error_kw = 1e3 * (measured.rows.plant_mw - measured.rows.request_mw)[late]
    assert np.abs(error_kw).mean() < 5.0
    assert np.ptp(measured.rows.request_mw[15:]) > 0.005


def test_ten_thousand_units_are_drawn_and_configured():
    made = load("fleet-10000")
    drawn = fleet.draw(made, 20000)
    assert len(drawn.units) == 10_000
    assert not drawn.oversold
    assert len({unit.id for unit in drawn.units}) == 10_000
    assert max(unit.port for unit in drawn.units) < 2**16
    text = daemon_config.text(drawn, made, state_dir="state", command="test")
    assert text.count("\n  - {<<: ") == 10_000
    assert yaml.safe_load(text.partition("links:")[0])["plan"]["regulation_capacity_up_mw"] == 3800


def test_ten_thousand_units_are_the_reference_fleet_again():
    """Shares of the kinds, by number and by power, are those of the 210."""
    kinds, reference = (load(name).fleet.kinds for name in ("fleet-10000", "zhejiang"))
    for of in (lambda kind: kind.units, lambda kind: kind.rated_mw):
        share = {k: of(v) / sum(map(of, kinds.values())) for k, v in kinds.items()}
        wanted = {k: of(v) / sum(map(of, reference.values())) for k, v in reference.items()}
        assert share == pytest.approx(wanted, abs=0.003)


@pytest.mark.parametrize("name", ["regd-day", "small-signal", "fleet-10000"])
def test_a_scenario_says_what_it_is(name):
    assert name in scenario.names()
    assert load(name).title
    assert load(name).acceptance["checks.violations"].maximum == 0


def test_ticks_are_kept_in_pieces(tmp_path, monkeypatch):
    """However long the pieces: the same ticks."""
    found = []
    for chunk in (7, 4096):
        monkeypatch.setattr(recorder, "CHUNK", chunk)
        made = load("storm", [("seed", "3"), ("duration_s", "40")])
        simulation = Simulation(made, tmp_path / str(chunk))
        simulation.make()
        assert simulation.ticks is not None
        found.append(simulation.ticks)
    few, many = found
    assert few.now_s.size > 40
    assert few.mode == many.mode
    assert few.out == many.out
    assert few.out
    for key in ("now_s", "p_setpoint_mw", "accepted_mw", "accepted_at_s", "send", "fresh"):
        np.testing.assert_array_equal(getattr(few, key), getattr(many, key))
