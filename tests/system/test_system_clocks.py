"""The two clocks agree: what virtual time says of a plant is what sockets and processes say."""

import json

import pytest

DURATION_S, SEED = 45, 3
AGREE_PCT = 0.5
CLOCKS = ("real", "virtual")


def runs_of_this_file(_folder):
    """Runs of the same 30 units, with the faults that are always there."""
    arguments = ["storm", "--set", "random_faults=[]", "--set", "acceptance={}", "--no-oracle"]
    arguments += ["--duration", str(DURATION_S), "--seed", str(SEED)]
    return {clock: [*arguments, "--clock", clock] for clock in CLOCKS}


@pytest.fixture(scope="module")
def results(bench_runs):
    print(f"seed {SEED}")
    folders = {clock: bench_runs[clock].result() for clock in CLOCKS}
    return {
        clock: json.loads((out / "result.json").read_text())
        | {"run": json.loads((out / "raw" / "run.json").read_text())}
        for clock, out in folders.items()
    }


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
    virtual = results["virtual"]
    assert virtual["timing"]["speedup"] == virtual["run"]["speedup"] > 0.0
    # By its processor time: how long that takes is the machine's affair, when others are on it.
    assert virtual["run"]["cpu_s"] < DURATION_S / 2.0
    assert results["virtual"]["process"]["rss_mb"] is None
    assert "process.rss_mb" in results["virtual"]["notes"]
