"""Frequency and droop in scenario files: mistakes by their lines, the daemon's configuration."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hil import daemon_config, fleet, frequency
from hil.cli import main
from hil.plant.grid import Area
from hil.plant.losses import area_of
from hil.records import RecordError
from hil.scenario import FrequencySource, PlantDroopConfig, load
from hil.scenario.frequency import GridConfig, from_json
from vppd.config.load import parse_config
from vppd.config.params import build_params
from vppd.runtime.registry import installed

BASE = "extends: zhejiang\nname: mine\n"
DROOP = "droop: {droop_pu: 0.004, power_mw: 20}\n"


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "mine.yaml"
    path.write_text(BASE + text)
    with pytest.raises(RecordError) as caught:
        load(str(path))
    return [str(each).removeprefix(f"{path}:") for each in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frequency: {kind: sine}\n",
         "3: frequency.kind: must be one of none, file, event, grid, is 'sine'"),
        ("frequency:\n  kind: file\n  file: f.csv\n",
         "5: frequency.file: a frequency of kind file needs file and column"),
        ("frequency:\n  kind: event\n  interval_s: 0\n",
         "5: frequency.interval_s: must be within 0.1 to 20, is 0"),
        ("frequency:\n  kind: event\n  event:\n    rocof_hz_per_s: 0.01\n",
         "6: frequency.event: nadir_hz 48.79 is not reached after 75 s at 0.01 Hz/s;"
         " rocof_hz_per_s must be 0.0161333 at least"),
        ("frequency:\n  kind: grid\n  grid: {losses: []}\n",
         "5: frequency.grid.losses: a closed loop needs a loss of generation: [[at_s, MW]]"),
        ("frequency:\n  kind: grid\n  grid: {losses: [[-1, 30]]}\n",
         "5: frequency.grid.losses: [at_s, MW]: at_s is -1, before the start"),
        ("frequency:\n  kind: grid\n  grid: {inertia: 4}\n",
         "5: frequency.grid.inertia: unknown key; did you mean inertia_s?"),
        ("frequency: {kind: grid, grid: {losses: [[500, 30]]}}\n",
         "3: frequency: the event at 500 s is after the end, 120 s"),
        ("frequency: {kind: event, event: {at_s: 120}}\n",
         "3: frequency: the event at 120 s is after the end, 120 s"),
        (DROOP, "3: droop: needs a frequency: frequency.kind file, event or grid"),
        ("frequency: {kind: event}\ndroop:\n  droop_pu: 0\n  power_mw: 20\n",
         "5: droop.droop_pu: must be within 1e-05 to 1, is 0"),
        ("frequency: {kind: event}\ndroop: {droop_pu: 0.004}\n", "4: droop.power_mw: missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path, text, expected):
    assert problems(tmp_path, text) == [expected]


def daemon_yaml(*overrides: tuple[str, str]) -> str:
    made = load("zhejiang", list(overrides))
    return daemon_config.text(fleet.draw(made, 20000), made, state_dir=".", command="test")


def test_without_a_frequency_the_daemon_takes_none():
    made = yaml.safe_load(daemon_yaml())
    assert "frequency" not in made["signals"][0]
    assert "droop" not in made


def test_a_frequency_alone_is_taken_and_not_answered():
    config = parse_config(daemon_yaml(("frequency.kind", "event")).encode(), "d", installed())
    assert config.signals[0].brings() == ("agc", "frequency")
    assert not build_params(config).droop_enabled


def test_the_droop_of_the_scenario_is_the_daemon_s():
    text = daemon_yaml(
        ("frequency", "{kind: event, nominal_hz: 60, interval_s: 4, event: {nadir_hz: 59.5}}"),
        ("droop", "{droop_pu: 0.005, power_mw: 17.5, deadband_hz: 0.017}"),
    )
    params = build_params(parse_config(text.encode(), "d", installed()))
    assert (params.droop_enabled, params.droop_pu, params.droop_power_mw) == (True, 0.005, 17.5)
    assert (params.droop_deadband_hz, params.freq_nominal_hz) == (0.017, 60.0)
    assert params.freq_stale_after_s == 12.0  # three intervals


def test_the_files_of_a_run_say_what_the_scenario_said(tmp_path):
    made = load("frequency-event")
    frequency.write(made, tmp_path)
    found = frequency.read(tmp_path)
    assert found == frequency.Frequency(made.frequency, made.droop)
    assert found.source.closed_loop
    assert frequency.read(tmp_path / "none") == frequency.Frequency(FrequencySource(), None)
    again = from_json(json.loads(json.dumps(dataclasses.asdict(made.frequency))))
    assert again == made.frequency


def test_the_grid_of_a_scenario_is_the_model_s_unless_it_says_otherwise():
    assert area_of(FrequencySource()) == Area()
    keys = {f.name for f in dataclasses.fields(GridConfig)} - {"losses"}
    given = GridConfig(**dict.fromkeys(keys, 1.25))
    area = area_of(FrequencySource(grid=given, nominal_hz=60.0))
    assert {key: getattr(area, key) for key in keys} == dict.fromkeys(keys, 1.25)
    assert area.nominal_hz == 60.0


def test_the_shipped_event_has_the_reserve_of_a_coal_unit_of_its_size():
    made = load("frequency-event")
    capacity_mw = sum(kind.rated_mw for kind in made.fleet.kinds.values())
    assert made.droop == PlantDroopConfig(0.004, 0.1 * capacity_mw, 0.033)
    rows = ("response_50_s", "response_90_s", "share_10s_pct", "share_30s_pct", "nadir_hz")
    ahead = {row: made.acceptance[f"frequency_event.ahead.{row}"].minimum for row in rows}
    assert all(least > 0.0 for least in ahead.values())
    assert made.acceptance["frequency_event.ahead.overshoot_pct"].minimum == 0.0
    assert made.acceptance["frequency_event.ahead.recovery_off_pct"].minimum == 5.0


def run(*arguments: object):
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def test_a_closed_loop_needs_virtual_time(tmp_path):
    out = tmp_path / "out"
    done = run("frequency-event", "--clock", "real", "--out", out)
    assert done.exit_code == 2
    assert "grid: a closed loop runs in virtual time only; add --clock virtual" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("typed", "code", "message"),
    [
        ("f.csv", 2, "must be FILE:COLUMN, for example"),
        ("{tmp}/none.csv:hz", 3, "none.csv: No such file"),
        ("{tmp}/short.csv:hz", 2, "short.csv: is 1 s long, the run 120 s"),
        ("{tmp}/short.csv:f", 2, "short.csv: no column f; has t_s, hz"),
    ],
)
@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_records_that_are_refused_before_anything_starts(tmp_path, clock, typed, code, message):
    (tmp_path / "short.csv").write_text("t_s,hz\n0,50\n1,49.9\n")
    out, file = tmp_path / "out", typed.replace("{tmp}", str(tmp_path))
    done = run("zhejiang", "--clock", clock, "--frequency", file, "--out", out)
    assert done.exit_code == code, done.stderr
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not out.exists()
