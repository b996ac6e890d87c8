"""The two clocks agree: what virtual time says of a plant is what sockets and processes say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DURATION_S, SEED = 45, 3
AGREE_PCT = 0.5
ROOT = Path(__file__).parents[2]


def started(folder, clock):
    """Start a run of the same 30 units, with the faults that are always there."""
    argv = [sys.executable, "-m", "hil.cli", "run", "storm", "--clock", clock]
    argv += ["--set", "random_faults=[]", "--set", "acceptance={}", "--no-oracle"]
    argv += ["--duration", str(DURATION_S), "--seed", str(SEED), "--out", str(folder / clock)]
    with (folder / f"{clock}.log").open("w") as log:
        return subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    print(f"seed {SEED}")
    folder = tmp_path_factory.mktemp("clocks")
    running = {clock: started(folder, clock) for clock in ("real", "virtual")}
    try:
        for clock, run in running.items():
            assert run.wait(200.0) == 0, (folder / f"{clock}.log").read_text()
    finally:
        for run in running.values():
            run.kill()
            run.wait()
    return {c: json.loads((folder / c / "result.json").read_text()) for c in running}


def test_both_say_which_clock_it_was(results):
    assert {clock: result["clock"] for clock, result in results.items()} == {
        "real": "real",
        "virtual": "virtual",
    }


def test_tracking_accuracy_agrees(results):
    real, virtual = (results[clock]["tracking"]["accuracy_pct"] for clock in ("real", "virtual"))
    print(f"real {real:.3f} %, virtual {virtual:.3f} %")
    assert abs(real - virtual) <= AGREE_PCT
    assert min(real, virtual) > 95.0


def test_the_same_fleet_gets_as_many_setpoints(results):
    real, virtual = (results[clock] for clock in ("real", "virtual"))
    assert real["fleet"] == virtual["fleet"]
    assert virtual["limits"]["checked"] == pytest.approx(real["limits"]["checked"], rel=0.05)
    assert virtual["limits"]["violations"] == real["limits"]["violations"] == 0


def test_virtual_time_is_faster_and_says_so(results):
    assert results["virtual"]["timing"]["speedup"] > 1.0
    assert results["virtual"]["process"]["rss_mb"] is None
    assert "process.rss_mb" in results["virtual"]["notes"]
