"""Acceptance runs: every limit in a table and a JSON file, and an exit code."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hand_made import Run
from test_hil_rig import SMALL

from hil import accept, accept_bound, recording, result
from hil.cli import main
from hil.running import MISSED, RunError, StoppedError
from hil.scenario import Limit, load

REPO = Path(__file__).parents[2]
SLOW = "  timing.tick_us.p50: {maximum: 0.001}\n"
FAULTS = """\
faults: none
events:
  - {at_s: 0.5, kind: wire_kill, process: 1, duration_s: 0.5}
  - {at_s: 0.5, kind: link_cut, units: [bat001], duration_s: 0.5, how: silent}
"""
OF_THE_MACHINE = ("timing.missed_ticks", "process.startup_s")  # it may be busy

CALM = "extends: storm\nname: calm\nduration_s: 20\nrandom_faults: []\n"


def small(folder: Path, name: str, more: str = ""):
    path = folder / f"{name}.yaml"
    text = SMALL.replace("name: small", f"name: {name}").replace("duration_s: 4", "duration_s: 3")
    path.write_text(text + more)
    return path


def vppd_hil(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hil.cli", *map(str, arguments)]
    return subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, timeout=100, check=False
    )


def here(*arguments: object):
    """The command in this process."""
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_a_real_run_with_faults_that_misses_one_limit(tmp_path):
    out, raw = tmp_path / "out", tmp_path / "out" / "bad" / "raw"
    path = small(tmp_path, "bad", SLOW + FAULTS)
    done = vppd_hil("accept", path, "--seed", 3, "--out", out)
    assert done.returncode == MISSED, done.stdout + done.stderr
    record = json.loads((out / "bad.json").read_text())
    met = {limit["key"]: limit["met"] for limit in record["limits"]}
    missed = [key for key, good in met.items() if not good]
    assert len(met) > 5
    assert [key for key in missed if key not in OF_THE_MACHINE] == ["timing.tick_us.p50"]
    assert (record["passed"], record["seed"]) == (False, 3)
    assert any("is over its limit 0.001 by" in text for text in record["missed"])
    assert record["result"]["fleet"]["resources"] == 7
    assert f"bad, seed 3: {len(met) - len(missed)} of {len(met)} limits met" in done.stdout
    assert (out / "bad" / "report.html").exists()
    kinds = [event["kind"] for event in recording.read_events(raw)]
    assert sorted(kinds) == ["link_back", "link_outage", "wire_back", "wire_kill"]
    _, rows = recording.read_power(raw, 1)
    assert set(np.round(np.diff(rows["t_s"]) / recording.PHYSICS_STEP_S)) == {1.0}


def test_a_run_in_virtual_time(tmp_path):
    out = tmp_path / "out"
    path = tmp_path / "calm.yaml"
    path.write_text(CALM)
    done = here("accept", path, "--clock", "virtual", "--seed", 3, "--out", out)
    assert done.exit_code == 0, done.output
    record = json.loads((out / "calm.json").read_text())
    assert record["result"]["clock"] == "virtual"
    assert record["result"]["journal"]["replay_bit_exact"] is True
    assert "calm, seed 3: 3 of 3 limits met" in done.stdout
    assert (out / "calm" / "report.html").exists()


def test_limits_are_judged_one_by_one(tmp_path):
    measured = result.compute(tmp_path, Run().write(tmp_path))
    limits = (
        "{limits.violations: {maximum: 0}, tracking.pjm.score: {minimum: 0.75},"
        " journal.replay_bit_exact: {equals: true},"
        " timing.tick_us.p50: {maximum: 1, unless: {key: timing.tick_us.p99, maximum: 200}}}"
    )
    verdict = accept.judge(load("zhejiang", [("acceptance", limits)]), measured)
    assert [(each.key, each.limit, each.met) for each in verdict.limits] == [
        ("limits.violations", "≤ 0", True),
        ("tracking.pjm.score", "≥ 0.75", False),
        ("journal.replay_bit_exact", "true", True),
        ("timing.tick_us.p50", "≤ 1, or p99 ≤ 200", True),
    ]
    assert verdict.code == MISSED
    assert verdict.missed == (
        "tracking.pjm.score: could not be measured (the run is shorter than 15 minutes)",
    )


@pytest.fixture
def failing(monkeypatch):
    def make_failing(error):
        def make(_rig):
            raise error

        monkeypatch.setattr(accept.running, "make", make)

    return make_failing


def test_a_run_that_cannot_be_made_is_a_verdict_and_the_next_one_follows(tmp_path, failing, capsys):
    failing(RunError(3, "port 20000 is in use"))
    scenarios = [load("zhejiang"), load("agc-cut")]
    assert accept.accept(scenarios, tmp_path) == 3
    for name in ("zhejiang", "agc-cut"):
        record = json.loads((tmp_path / f"{name}.json").read_text())
        assert (record["passed"], record["result"]) == (False, None)
        assert record["failure"] == "port 20000 is in use"
    assert "✗ agc-cut, seed 1: port 20000 is in use" in capsys.readouterr().out


def test_who_interrupts_one_run_interrupts_all(tmp_path, failing):
    failing(StoppedError())
    with pytest.raises(StoppedError, match="interrupted"):
        accept.accept([load("zhejiang"), load("agc-cut")], tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_what_was_possible_is_held_against_its_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(accept_bound, "DURATION_S", 60.0)
    at_80, at_95 = accept_bound.scenarios(7)
    assert (at_80.regulation_mw, at_95.regulation_mw, at_95.seed) == (80.0, 95.0, 7)
    assert accept.accept([], tmp_path, "virtual", [at_80]) == 0
    record = json.loads((tmp_path / "oracle-80.json").read_text())
    limits = {each["key"]: each["limit"] for each in record["limits"]}
    assert limits == {"oracle.seconds": "≤ 600", "oracle.gap_pct": "≤ 0.2"}
    assert record["result"]["oracle"]["possible_pct"] > 90.0
    assert (tmp_path / "oracle-80" / "oracle.json").exists()
    monkeypatch.setitem(at_80.acceptance, "oracle.seconds", Limit(maximum=1e-6))
    assert accept.accept([], tmp_path, "virtual", [at_80]) == MISSED


def test_the_gates_in_virtual_time():
    assert {"fleet-2000", "degraded-wan"} <= set(accept.SCENARIOS["virtual"])
    limited = accept._limited(load("fleet-2000"), "virtual").acceptance
    assert limited["timing.speedup"].minimum == 6.0
    assert limited.items() >= load("fleet-2000").acceptance.items()
    assert "timing.speedup" not in accept._limited(load("fleet-2000"), "real").acceptance
    assert load("degraded-wan").acceptance["checks.violations"].maximum == 0


def test_a_folder_of_somebody_else_is_refused_before_anything_is_run(tmp_path, failing):
    failing(AssertionError("it was run"))
    (tmp_path / "passwd").write_text("root")
    done = here("accept", "zhejiang", "--out", tmp_path)
    assert done.exit_code == 3
    assert "is not empty, and vppd-hil did not make it" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["passwd"]


def test_an_unknown_scenario_is_bad_usage(tmp_path):
    done = here("accept", "nowhere", "--out", tmp_path)
    assert done.exit_code == 2
    assert "no such scenario" in done.stderr
