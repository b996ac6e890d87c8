"""Frequency events in virtual time: the loop closed and open, trace, table, plot, page."""

import csv
import filecmp
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_hil_tso_frequency import GB_2019

from hil import frequency_table, report, result
from hil.cli import main
from hil.frequency_plot import frequency_event
from hil.measure.frequency_event import OFF, ROWS
from hil.plant.losses import area_alone, area_of
from hil.scenario import applicable, load, missed
from hil.scenario.frequency import from_json
from hil.sim.replay import replay
from hil.sim.run import Simulation

SMALL = """\
extends: frequency-event
name: small
duration_s: 60
regulation_mw: 20
fleet:
  kinds:
    battery: {makers: {sunspec_battery: 4}}
    ev_hub: {makers: {modbus_ev_hub: 3, mqtt_ev_hub: 1}}
    hvac: {makers: {modbus_hvac: 2, dnp3_hvac: 1}}
    industrial: {makers: {dnp3_industrial: 2}}
    pv: {makers: {sunspec_pv: 2}}
faults: none
allocation: {policy: exact}  # the response models know the chargers' steps after a minute only
frequency: {grid: {losses: [[15, 300]]}}
"""
OPEN = ("frequency", "{kind: event, event: {at_s: 15, nadir_hz: 49.4, nadir_after_s: 12}}")


def simulate(out: Path, *overrides: tuple[str, str], text: str = SMALL) -> result.Measured:
    out.parent.mkdir(parents=True, exist_ok=True)
    file = out.parent / f"{out.name}.yaml"
    file.write_text(text)
    simulation = Simulation(load(str(file), list(overrides)), out)
    simulation.make()
    assert not simulation.errors
    return result.measure(out, ticks=simulation.ticks, replay=replay)


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("closed") / "out")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("opened") / "out", OPEN)


def rows(path: Path) -> dict[str, np.ndarray]:
    with path.open() as file:
        read = list(csv.DictReader(file))
    keys = [key for key in read[0] if key != "status"]
    return {key: np.array([float(row[key] or "nan") for row in read]) for key in keys}


def unmet(measured) -> list[str]:
    """Limits of the event that are missed."""
    return [line for line in missed(load("frequency-event"), measured.result) if "freq" in line]


def test_a_recovery_that_the_run_does_not_see_has_no_limit(closed):
    limits = load("frequency-event")
    for key in ("recovery_off_pct", "overshoot_pct"):
        key = f"frequency_event.ahead.{key}"
        assert key not in applicable(limits, closed.result)
        assert key in applicable(limits, {**closed.result, "duration_s": 380.0})


def test_the_plant_is_better_than_the_coal_unit_in_each_row(closed):
    told = closed.result["frequency_event"]
    assert tuple(told["ahead"]) == ROWS
    assert all(told["ahead"][row] > 0.0 for row in ROWS if row not in OFF)
    for key in OFF:
        assert told["ahead"][key] is None
        why = closed.result["notes"][f"frequency_event.ahead.{key}"]
        assert why == "the run ends before 360 s after the event"
    vpp, unit = told["vpp"], told["coal"]
    assert 0.5 < vpp["response_50_s"] < vpp["response_90_s"] < 3.5
    assert vpp["share_10s_pct"] == pytest.approx(100.0, abs=1.5)
    assert unit["response_50_s"] > 3.0
    assert (unit["rated_mw"], unit["reserve_pct"]) == (175.0, 10.0)
    assert told["neither"]["nadir_hz"] < unit["nadir_hz"] < vpp["nadir_hz"] < 49.5
    assert unmet(closed) == []


def test_what_the_plant_delivers_moves_the_frequency(closed):
    grid = rows(closed.out_dir / "raw" / "grid.csv")
    event = closed.event
    assert grid["freq_hz"][: event.t_s.size] == pytest.approx(event.vpp.freq_hz)
    source = from_json(
        json.loads((closed.out_dir / "raw" / "frequency.json").read_text())["source"]
    )
    alone = area_alone(area_of(source), source.grid.losses, 0.1, event.t_s.size)
    assert (event.neither.freq_hz == alone.freq_hz).all()
    lifted_hz = event.vpp.freq_hz - alone.freq_hz
    assert np.abs(lifted_hz[: 15 * 10]).max() < 0.01
    assert lifted_hz[40 * 10] > 0.02
    # in the first half second nobody has answered yet, but for what the plant does by itself
    assert np.abs(np.diff(lifted_hz[150:155])).max() < 0.001


def test_the_tso_sends_what_the_grid_has(closed):
    sent, grid = (rows(closed.out_dir / "raw" / f"{n}.csv") for n in ("tso.frequency", "grid"))
    after = sent["t_sent_s"] > closed.run.t0_s
    # of the step that has ended; the one that ends just then is not known yet
    at = np.searchsorted(grid["t_s"], sent["t_sent_s"][after] - 1e-6) - 1
    assert sent["freq_hz"][after] == pytest.approx(grid["freq_hz"][at])
    assert np.diff(sent["t_sent_s"]) == pytest.approx(np.ones(after.size - 1))
    assert closed.run.frequency.freq_hz[-1] == sent["freq_hz"][-1]


def test_the_trace_has_the_frequency_and_a_request_with_the_droop(opened):
    trace, sent = rows(opened.out_dir / "trace.csv"), opened.run.frequency
    base_mw = opened.run.units.basepoint_mw.sum()
    for k in (5, 15, 16, 20, 40):
        # sent in the middle of each second, and held
        pair = sent.freq_hz[np.searchsorted(sent.t_sent_s, opened.run.t0_s + k) + np.array([-1, 0])]
        assert trace["frequency_hz"][k] == pytest.approx(pair.mean(), abs=1e-6)
        beyond = np.clip((50.0 - 0.033 - pair) / 0.2, 0.0, 1.0)
        assert trace["request_mw"][k] == pytest.approx(base_mw + 17.5 * beyond.mean(), abs=1e-5)
    late = trace["t_s"] > 20
    error_mw = np.abs(trace["plant_mw"] - trace["request_mw"])[late]
    assert error_mw.mean() < 1.0
    assert opened.result["tracking"]["accuracy_pct"] > 95.0


def test_in_the_open_loop_nobody_moves_the_frequency(opened):
    told = opened.result["frequency_event"]
    assert not told["closed_loop"]
    assert (opened.event.vpp.freq_hz == opened.event.coal.freq_hz).all()
    assert [told[name]["nadir_hz"] for name in ("vpp", "coal", "neither")] == [None] * 3
    assert "open loop" in opened.result["notes"]["frequency_event.vpp.nadir_hz"]
    assert told["ahead"]["response_90_s"] > 1.0
    assert not (opened.out_dir / "raw" / "grid.csv").exists()
    assert unmet(opened) == []


def test_one_seed_gives_the_same_bytes(closed, tmp_path):
    simulate(tmp_path / "again")
    names = ["trace.csv", "raw/grid.csv", "raw/tso.frequency.csv", "raw/wire-0.power.bin"]
    again = filecmp.cmpfiles(closed.out_dir, tmp_path / "again", names, shallow=False)
    assert again == (names, [], [])


def test_inverters_with_a_droop_of_their_own_answer_before_the_daemon(tmp_path):
    own = ("fleet.kinds.battery.droop", "{droop_pct: 2, response_s: 0.2}")
    event = ("frequency", "{kind: event, interval_s: 20, event: {at_s: 10, nadir_hz: 49.5}}")
    found = simulate(tmp_path / "own", own, event, ("droop.power_mw", "1"), ("duration_s", "25"))
    second = found.event.vpp.delivered_mw[125]  # 2.6 s after the event: 0.34 Hz are missing
    asked_mw = 60.0 * (50.0 - found.event.vpp.freq_hz[125] - 0.036) / (0.02 * 50.0)
    assert second == pytest.approx(asked_mw, rel=0.15)
    assert second > 10.0


def test_a_frequency_without_droop_is_sent_and_changes_nothing(tmp_path):
    text = SMALL.replace("extends: frequency-event", "extends: zhejiang").replace("60", "20")
    made = simulate(tmp_path / "none", ("frequency", "{kind: event, event: {at_s: 5}}"), text=text)
    assert made.event is None
    assert "frequency_event" not in made.result
    trace = rows(tmp_path / "none" / "trace.csv")
    assert trace["frequency_hz"][-1] < 49.5
    base_mw, sold_mw = made.run.units.basepoint_mw.sum(), made.run.units.regulation_mw
    expected_mw = base_mw + sold_mw * trace["signal_pu"]
    assert trace["request_mw"] == pytest.approx(expected_mw, abs=1e-4)
    assert made.ticks.now_s.size < 1.2 * 30  # and no tick more


def test_a_frequency_that_never_leaves_the_dead_band_is_no_event(tmp_path):
    still = ("frequency", "{kind: file, file: %s, column: hz}" % (tmp_path / "still.csv"))
    lines = [f"{k},{50.0 + 0.02 * (-1) ** k}" for k in range(30)]
    (tmp_path / "still.csv").write_text("\n".join(["t_s,hz", *lines]))
    made = simulate(tmp_path / "out", still, ("duration_s", "20"))
    assert made.result["frequency_event"]["event_s"] is None
    assert "dead band" in made.result["notes"]["frequency_event"]
    assert frequency_table.happened(made.result) is None
    assert frequency_table.frequency_card(made.result) == ""


def test_the_table_says_the_figures_and_who_never_got_there(closed):
    told = json.loads(json.dumps(closed.result["frequency_event"]))
    told["coal"]["response_90_s"] = None
    found = {row[0]: row[1:] for row in frequency_table.rows(told)}
    assert found["response to 90 %, s"][:3] == (f"{told['vpp']['response_90_s']:.2f}", "never", "–")
    assert found["frequency at its worst, Hz"][2] == f"{told['neither']['nadir_hz']:.3f}"
    assert len(found) == 7
    told["closed_loop"] = False
    assert len(frequency_table.rows(told)) == 6


def test_the_page_has_the_table_and_the_plot(closed):
    page = report.write(closed).read_text()
    assert "Frequency event" in page
    assert "response to 50 %, s" in page
    plot = frequency_event(closed)
    names = [trace.name for trace in plot.figure.data]
    assert names == [
        "required of the plant", "plant", "coal unit", "plant", "coal unit", "neither",
    ]  # fmt: skip
    assert max(plot.figure.data[1].y) == pytest.approx(17.5, rel=0.02)


@pytest.mark.skipif(not GB_2019.exists(), reason=f"the record is not here: {GB_2019}")
def test_the_record_of_9_august_2019_from_the_command_line(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    arguments = [
        "run", str(file), "--clock", "virtual", "--duration", "130", "--out", str(tmp_path / "out"),
        "--frequency", f"{GB_2019}:frequency_hz", "--no-oracle",
    ]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.stderr
    assert "plant is ahead by" in done.stdout
    told = json.loads((tmp_path / "out" / "result.json").read_text())["frequency_event"]
    assert (told["kind"], told["event_s"]) == ("file", pytest.approx(93.9, abs=0.2))
    assert told["vpp"]["response_90_s"] < 4.0 < told["coal"]["response_50_s"]
