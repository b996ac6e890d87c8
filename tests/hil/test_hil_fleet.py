"""The drawn fleet, and the daemon's configuration for it."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from hil import fleet
from hil.cli import main
from hil.daemon_config import _number
from hil.fleet import draw, read, spread
from hil.records import RecordError
from hil.scenario import load
from hil.unit_draw import sizes_mw
from vppd.cli import main as vppd

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference():
    return draw(load("zhejiang"), 20000)


def test_sums_are_exact(reference):
    by_kind = {}
    for unit in reference.units:
        by_kind[unit.kind] = by_kind.get(unit.kind, 0.0) + unit.rated_mw
    assert reference.capacity_mw == 175.0
    assert {kind: round(mw, 9) for kind, mw in by_kind.items()} == {
        "battery": 60.0, "ev_hub": 30.0, "hvac": 24.0, "industrial": 39.0, "pv": 22.0,
    }  # fmt: skip
    assert reference.counts("protocol") == {"modbus": 150, "mqtt": 20, "dnp3": 40}


def test_the_range_is_the_contract_s(reference):
    up = sum(unit.p_max_mw - unit.basepoint_mw for unit in reference.units)
    down = sum(unit.basepoint_mw - unit.p_min_mw for unit in reference.units)
    assert (up, down) == (pytest.approx(101.1), pytest.approx(117.16))
    for unit in reference.units:
        assert unit.p_min_mw <= unit.basepoint_mw <= unit.p_max_mw
        assert unit.rated_mw * 1000.0 == pytest.approx(round(unit.rated_mw * 1000.0), abs=1e-9)


def test_the_seed_decides_all_and_only_the_fleet_s(reference):
    again = draw(load("zhejiang", [("seed", "9"), ("fleet.seed", "1")]), 20000)
    assert again.units == reference.units
    other = draw(load("zhejiang", [("fleet.seed", "2")]), 20000)
    assert [u.rated_mw for u in other.units] != [u.rated_mw for u in reference.units]


def test_scaling_one_kind_leaves_the_others_alone(reference):
    half = draw(load("zhejiang", [("fleet.scale.battery", "0.5")]), 20000)
    assert half.capacity_mw == 145.0
    assert half.units[14:] == reference.units[14:]
    assert half.units[0].energy_mwh == pytest.approx(2.0 * half.units[0].rated_mw)


def test_true_parameters_are_off_by_a_fifth_and_by_nothing_without_faults(reference):
    slow = [unit for unit in reference.units if unit.kind != "battery"]
    errors = np.array([unit.lag_true_s / unit.lag_s - 1.0 for unit in slow])
    dead = np.array([unit.dead_time_true_s / unit.dead_time_s - 1.0 for unit in slow])
    for found in (errors, dead):
        assert found.std() == pytest.approx(0.2, rel=0.15)
        assert abs(found.mean()) < 0.05
    exact = draw(load("zhejiang", [("faults", "none")]), 20000)
    for unit in exact.units:
        assert unit.lag_true_s == unit.lag_s
        assert unit.dead_time_true_s == pytest.approx(unit.dead_time_s, abs=1e-3)
    assert [u.rated_mw for u in exact.units] == [u.rated_mw for u in reference.units]


def of_kind(drawn, kind):
    return [unit for unit in drawn.units if unit.kind == kind]


def test_the_reference_s_physics_is_comfortable(reference):
    for unit in reference.units:
        assert unit.droop_pu is None
        assert unit.cloud_cover_pu == unit.batch_s == unit.room_start_k == 0.0
        assert 180.0 <= unit.min_on_s <= 300.0
        assert 180.0 <= unit.min_off_s <= 300.0
    rooms, hubs = of_kind(reference, "hvac"), of_kind(reference, "ev_hub")
    assert all(1.5 <= room.comfort_k <= 2.5 for room in rooms)
    assert all(4.0 <= room.room_tau_s / 3600.0 <= 8.0 for room in rooms)
    assert all(2.0 <= hub.departure_s / 3600.0 <= 8.0 for hub in hubs)
    assert {hub.charger_step_a for hub in hubs} == {1.0}
    assert all(unit.departure_s == 0.0 for unit in reference.units if unit.kind != "ev_hub")


def test_a_scenario_can_make_it_less_so(reference):
    made = draw(
        load(
            "zhejiang",
            [
                ("fleet.kinds.battery.droop", "{deadband_hz: 0.02, response_s: 0.3}"),
                ("fleet.kinds.battery.ambient_c", "41"),
                ("fleet.kinds.hvac.room", "{comfort_k: [0.4, 0.8], start_k: [0.1, 0.2]}"),
                ("fleet.kinds.hvac.machines", "{min_on_s: [30, 60], lockout_s: 600}"),
                ("fleet.kinds.ev_hub.cars", "{need_pct: 70, leave_s: [300, 900], step_a: 0}"),
                ("fleet.kinds.industrial.batch", "{period_s: [900, 900], hold_pct: 40}"),
                ("fleet.kinds.pv.sky", "{cover_pct: 20, solar_time_h: 9.5}"),
            ],
        ),
        20000,
    )
    battery, room = of_kind(made, "battery")[0], of_kind(made, "hvac")[0]
    assert (battery.droop_pu, battery.droop_deadband_hz) == (0.05, 0.02)
    assert (battery.droop_response_s, battery.ambient_c) == (0.3, 41.0)
    assert 0.4 <= room.comfort_k <= 0.8
    assert 0.1 <= room.room_start_k <= 0.2
    assert 30.0 <= room.min_on_s <= 60.0 < room.lockout_s == 600.0
    hub, load_, plant = (of_kind(made, kind)[3] for kind in ("ev_hub", "industrial", "pv"))
    assert (hub.need_pu, hub.leave_first_s, hub.leave_last_s) == (0.7, 300.0, 900.0)
    assert (load_.batch_s, load_.batch_hold_s, load_.batch_free_pu) == (900.0, 360.0, 0.25)
    assert 0.0 < load_.batch_phase_s < 900.0
    assert (plant.cloud_cover_pu, plant.solar_time_h) == (0.2, 9.5)
    # and all else is as it was
    assert [u.rated_mw for u in made.units] == [u.rated_mw for u in reference.units]
    assert [u.soc_start_pu for u in made.units] == [u.soc_start_pu for u in reference.units]


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("hvac.cars", "{need_pct: 10}", "hvac: cars is a key of ev_hub"),
        ("ev_hub.energy_h", "2", "ev_hub: energy_h is a key of battery"),
        ("pv.sky", "{cover_pct: 120}", "must be within 0 to 99, is 120"),
        ("hvac.room", "{comfort_k: [2, 1]}", "the lower one first, is [2.0, 1.0]"),
        ("ev_hub.cars", "{leave_s: [20, 10]}", "the lower one first"),
        ("battery.droop", "{drop_pct: 5}", "unknown key; did you mean droop_pct?"),
        ("battery.sun_sigma_pct", "5", "unknown key"),
    ],
)
def test_what_makes_no_sense_is_refused(key, text, message):
    with pytest.raises(RecordError) as caught:
        load("zhejiang", [(f"fleet.kinds.{key}", text)])
    assert message in str(caught.value)


def test_every_process_has_the_same_mixture():
    made = draw(load("zhejiang", [("wire.devices_per_process", "20")]), 20000)
    sizes = [sum(u.process == k for u in made.units) for k in range(made.processes)]
    assert sizes == [20] * 10 + [10]
    for k in range(10):
        kinds = {u.kind for u in made.units if u.process == k}
        assert len(kinds) == 5
    assert spread(["a"] * 4 + ["b"] * 2, 3) == [0, 0, 1, 1, 0, 1]


def test_ports_are_apart(reference):
    ports = [unit.port for unit in reference.units if unit.protocol != "mqtt"]
    taken = {*ports, reference.broker_port, reference.tso_port}
    assert len(taken) == 192
    assert min(ports) == 20000 + fleet.DEVICE_PORT


def test_sizes_add_up_whatever_the_spread():
    rng = np.random.default_rng(1)
    for n, total in ((1, 0.5), (7, 1.0), (90, 29.999)):
        found = sizes_mw(rng, n, total, 0.9)
        assert round(float(found.sum()) * 1000.0) == round(total * 1000.0)
        assert found.min() > 0.0


def test_the_file_keeps_all_of_it(reference, tmp_path):
    reference.write(tmp_path / "fleet.json")
    assert read(tmp_path / "fleet.json") == reference


def config(*arguments: object):
    return CliRunner().invoke(main, ["config", *map(str, arguments)])


def test_the_demo_configuration_is_current(tmp_path):
    shipped = REPO / "configs" / "demo.yaml"
    made = tmp_path / "demo.yaml"
    done = config("zhejiang", "--seed", 1, "--base-port", 20000, "--out", made)
    assert done.exit_code == 0, done.stderr
    text = made.read_text().replace(str(made), "configs/demo.yaml")
    assert text == shipped.read_text(), "make it anew by the command in its second line"


def test_the_daemon_s_configuration_says_what_the_fleet_is(tmp_path, reference):
    shipped = yaml.safe_load((REPO / "configs" / "demo.yaml").read_text())
    assert len(shipped["fleet"]) == 210
    assert len(shipped["links"]) == 191
    for unit, entry in zip(reference.units, shipped["fleet"], strict=True):
        assert entry["id"] == unit.id
        assert entry["kind"] == unit.kind
        assert entry["p_min_mw"] == pytest.approx(unit.p_min_mw, abs=1e-9)
        assert entry["basepoint_mw"] == pytest.approx(unit.basepoint_mw, abs=1e-9)
        assert entry["watchdog_s"] == unit.watchdog_s
    assert shipped["fleet"][0]["energy_mwh"] == reference.units[0].energy_mwh


def test_vppd_takes_the_configuration(tmp_path):
    out = tmp_path / "vppd.yaml"
    assert config("zhejiang", "--set", "allocation.policy=pro_rata", "--out", out).exit_code == 0
    checked = CliRunner().invoke(vppd, ["check", str(out)])
    assert checked.exit_code == 0, checked.stderr
    assert "210 units" in checked.stdout
    assert "pro_rata" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere", "--out", "x"), 2, "no such scenario"),
        (("zhejiang", "--set", "fleet.seeds=3", "--out", "x"), 2, "did you mean seed?"),
        (("zhejiang", "--set", "fleet", "--out", "x"), 2, "must be KEY=VALUE"),
        (("zhejiang", "--out", "/nowhere/x.yaml"), 3, "No such file"),
    ],
)
def test_exit_codes(arguments, code, message):
    done = config(*arguments)
    assert done.exit_code == code
    assert message in done.stderr


def test_numbers_are_numbers_to_yaml():
    for value in (1e-5, 0.0, -0.0, 1.5, 100.0, -4.183, 1e-9, 123456.789):
        text = _number(value)
        assert yaml.safe_load(text) == pytest.approx(value)
        assert isinstance(yaml.safe_load(text), float)
