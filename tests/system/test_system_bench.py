"""The whole thing on the real clock: 210 units, a simulator killed, the AGC link cut; one run.

What depends on the machine (latencies) has generous bounds here; `make accept` holds the real ones.
"""

import csv
import json
import math

import pytest

DURATION_S = 43
SCENARIO = """\
extends: zhejiang
name: bench-test
title: a simulator killed for 13 s, then the AGC link cut for 12 s
wire: {devices_per_process: 20}
guards: {agc_stale_after_s: 4.0, hold_s: 3.0, return_rate_pu_per_s: 0.005}
events:
  - {at_s: 10, kind: wire_kill, process: 0, duration_s: 13}
  - {at_s: 28, kind: agc_cut, duration_s: 12, how: silent}
"""
KEYS = {  # of the contract, by section
    "": "schema scenario clock seed duration_s vppd_version fleet tracking limits timing faults io"
    " process journal",
    "fleet": "resources capacity_mw regulation_mw by_protocol by_kind",
    "tracking": "basis_mw accuracy_pct mae_mw rate_mw_per_min regulation_accuracy_pct pjm china",
    "limits": "checked violations by_kind",
    "timing": "signal_to_last_setpoint_ms tick_us lateness_ms missed_ticks speedup",
    "timing.signal_to_last_setpoint_ms": "p50 p99 max",
    "timing.tick_us": "p50 p99 max",
    "timing.lateness_ms": "p50 p99 max",
    "faults": "injected kinds",
    "io": "writes failed_writes reconnects",
    "process": "rss_mb cpu_pct startup_s",
    "journal": "ticks bytes replay_bit_exact chain_ok",
}


def runs_of_this_file(folder):
    """The one run of this file."""
    scenario = folder / "bench-test.yaml"
    scenario.write_text(SCENARIO)
    arguments = ["--set", "acceptance={}", "--duration", str(DURATION_S), "--seed", "1"]
    return {"bench": [str(scenario), *arguments]}


@pytest.fixture(scope="module")
def out(bench_runs):
    """The folder of the run."""
    return bench_runs["bench"].result()


@pytest.fixture(scope="module")
def result(out):
    return json.loads((out / "result.json").read_text())


def figure(result, dotted):
    for key in filter(None, dotted.split(".")):
        result = result[key]
    return result


pytestmark = pytest.mark.timeout(240)  # the first test of this file waits for the run


@pytest.mark.parametrize("section", KEYS)
def test_every_key_of_the_contract_is_there(result, section):
    assert set(KEYS[section].split()) <= set(figure(result, section))


def test_every_number_is_finite_or_null_with_a_reason(result):
    def leaves(value, path):
        if isinstance(value, dict):
            for key, each in value.items():
                yield from leaves(each, (*path, key))
        elif isinstance(value, list):
            for place, each in enumerate(value):
                yield from leaves(each, (*path, str(place)))
        else:
            yield path, value

    notes = result["notes"]
    for path, value in leaves(result, ()):
        if value is None:
            parents = [".".join(path[:k]) for k in range(1, len(path) + 1)]
            assert any(parent in notes for parent in parents), ".".join(path)
        elif isinstance(value, float):
            assert math.isfinite(value), ".".join(path)


def test_the_fleet_is_the_contract_s(result):
    fleet = result["fleet"]
    assert (fleet["resources"], fleet["capacity_mw"], fleet["regulation_mw"]) == (210, 175.0, 80.0)
    assert fleet["by_protocol"] == {"modbus": 150, "mqtt": 20, "dnp3": 40}
    assert fleet["by_kind"] == {
        "battery": 14, "ev_hub": 90, "hvac": 60, "industrial": 26, "pv": 20,
    }  # fmt: skip


def test_no_limit_was_broken_and_no_tick_missed(result):
    assert result["limits"]["checked"] > 0.85 * 210 * DURATION_S
    assert result["limits"]["violations"] == 0, result["limits"]["first"]
    assert result["timing"]["missed_ticks"] == 0
    assert result["timing"]["signal_to_last_setpoint_ms"]["p99"] < 3000.0
    assert result["process"]["rss_mb"] < 300.0


def test_the_journal_replays_bit_for_bit(result):
    assert result["journal"]["replay_bit_exact"] is True
    assert result["journal"]["chain_ok"] is True
    assert result["journal"]["ticks"] >= DURATION_S


def test_the_faults_were_injected(result):
    kinds = result["faults"]["kinds"]
    assert (kinds["wire_kill"], kinds["agc_cut"]) == (1, 1)
    assert kinds["write_lost"] > 50


def test_nobody_waited_for_the_killed_twenty(result):
    (kill,) = result["recovery"]["wire_kill"]
    others = kill["others"]
    assert (kill["units"], others["units"]) == (20, 190)
    assert kill["by_protocol"] == {"modbus": 14, "mqtt": 2, "dnp3": 4}
    assert others["setpoints_before"] > 1500
    assert others["setpoints_after"] > 1500
    # a time-out of a dead device that held up the others would be ten times this share of a tick
    assert others["delay_after_ms"]["p50"] < others["delay_before_ms"]["p50"] + 100.0


def test_the_killed_were_reported_and_counted_by_prediction_then_by_fallback(result):
    (kill,) = result["recovery"]["wire_kill"]
    assert kill["reported"]["units"] == 20
    assert kill["reported"]["unit_ticks_without_reason"] == 0
    assert set(kill["reported"]["unit_ticks_by_reason"]) == {"UNREACHABLE", "FALLBACK"}
    counted = kill["counted"]
    assert counted["wrong"] == 0
    assert counted["off_w"] <= 1.0
    # 13 s: longer than the watchdog of batteries, hubs and PV, shorter than that of the others
    assert counted["units_by_fallback"] == 12
    assert counted["unit_ticks_by_prediction"] > counted["unit_ticks_by_fallback"] > 12
    assert counted["units_as_the_device_had_it"] >= 15


def test_the_killed_came_back_and_got_their_setpoints(result):
    back = result["recovery"]["wire_kill"][0]["back"]
    assert back["missing"] == []
    assert back["units"] + len(back["left_out_in_own_outage"]) == 20
    assert back["units"] >= 15
    assert back["reconnect_s"]["max"] < 2.0 + 2.0  # the back-off, and a busy machine
    assert back["reassert_ticks_max"] <= 2 + 2


def test_the_modes_without_agc_are_as_configured(result):
    (cut,) = result["recovery"]["agc_cut"]
    assert [phase["mode"] for phase in cut["modes"]] == [
        "REGULATING",
        "HOLD",
        "RETURN",
        "REGULATING",
    ]
    assert (cut["hold"]["configured_s"], cut["hold"]["configured_stale_after_s"]) == (3.0, 4.0)
    assert cut["hold"]["as_configured"] is True
    assert cut["return"]["configured_pu_per_s"] == 0.005
    assert cut["return"]["as_configured"] is True
    assert cut["return"]["ended_by"] == "signal"


def test_the_tso_saw_it_and_regulation_resumed_by_itself(result):
    (cut,) = result["recovery"]["agc_cut"]
    tso = cut["tso"]
    assert tso["saw_hold"]
    assert tso["saw_return"]
    assert tso["comm_lost"]
    assert tso["good_again"]
    assert cut["resumed_after_s"] < 1.5


def test_the_files_are_there(out):
    with (out / "trace.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == DURATION_S
    assert all(math.isfinite(float(row["plant_mw"])) for row in rows)
    page = (out / "report.html").read_text()
    assert "Simulator process 0 killed at 10.0 s" in page
    assert "AGC link cut at 28.0 s" in page
    assert list((out / "journal").iterdir())
