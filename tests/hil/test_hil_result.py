"""The figures of recordings whose answers are known."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from hand_made import BASE_SUM_MW, NAMES, RATED_MW, REGULATION_MW, T0_S, Run

from hil import result
from hil.measure import inputs, limits, plant
from hil.tiles import tiles

AVAILABLE = ("p_avail_min_mw", "p_avail_max_mw")
HALF_ROW_S = 0.05  # the plant is a straight line from row to row of its trace


def figures(run: Run, tmp_path) -> dict:
    return result.compute(tmp_path, run.write(tmp_path))


def trace(tmp_path) -> dict[str, np.ndarray]:
    with (tmp_path / "trace.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {k: np.array([float(r[k] or "nan") for r in rows]) for k in rows[0]}


def test_a_clean_run_has_every_key_of_the_contract(tmp_path):
    run = Run()
    run.run = {
        "io": {"writes": 400, "failed_writes": 0, "reconnects": 0},
        "process": {
            "rss_mb": 180.0,
            "cpu_pct": 35.0,
            "startup_s": 2.0,
            "realtime": {"scheduler": "SCHED_FIFO 40", "memory": "locked as used", "gc": "off"},
        },
    }
    found = figures(run, tmp_path)
    assert json.loads((tmp_path / "result.json").read_text()) == found
    assert found["schema"] == 1
    assert (found["scenario"], found["clock"], found["seed"]) == ("hand", "real", 7)
    assert found["fleet"]["resources"] == 4
    assert found["fleet"]["capacity_mw"] == 20.0
    assert found["fleet"]["regulation_mw"] == 10.0
    assert found["fleet"]["by_protocol"] == {"modbus": 3, "mqtt": 1}
    assert found["fleet"]["by_kind"] == {"battery": 2, "ev_hub": 1, "pv": 1}
    assert found["limits"]["checked"] == 400
    assert (found["limits"]["violations"], found["limits"]["by_kind"]) == (0, {})
    assert found["faults"] == {"injected": 0, "kinds": {}}
    assert found["io"]["writes"] == 400
    realtime = found["process"].pop("realtime")
    assert realtime["granted"] is True
    assert realtime["scheduler"] == "SCHED_FIFO 40"
    assert found["process"] == {"rss_mb": 180.0, "cpu_pct": 35.0, "startup_s": 2.0}
    assert found["journal"] == {
        "ticks": 100,
        "bytes": 12345,
        "replay_bit_exact": True,
        "chain_ok": True,
    }


@pytest.mark.parametrize(
    ("scheduler", "memory", "lacking"),
    [
        ("SCHED_OTHER: EPERM for SCHED_FIFO 40", "locked as used", "no SCHED_FIFO"),
        ("SCHED_FIFO 40", "not locked: limit of 8 MB", "memory not locked"),
        ("SCHED_OTHER: EPERM for SCHED_FIFO 40", "not locked: EPERM",
         "no SCHED_FIFO, memory not locked"),
    ],
)  # fmt: skip
def test_what_the_kernel_did_not_grant_is_told(tmp_path, scheduler, memory, lacking):
    run = Run()
    run.run = {"process": {"realtime": {"scheduler": scheduler, "memory": memory, "gc": ""}}}
    found = figures(run, tmp_path)
    assert found["process"]["realtime"]["granted"] is False
    assert found["process"]["realtime"]["memory"] == memory
    shown = [tile for tile in tiles(found, {}) if tile.label == "Real time"]
    assert [(tile.value, tile.note) for tile in shown] == [("not granted", lacking)]


def test_what_the_daemon_was_granted_is_not_guessed(tmp_path):
    found = figures(Run(), tmp_path)
    assert found["process"]["realtime"] is None
    assert "process.realtime" in found["notes"]


def test_a_plant_four_seconds_late_misses_four_of_twenty(tmp_path):
    # The signal swings by 2 x 10 MW each 20 s; the first 15 s are left out, so swings at 20, 40,
    # 60 and 80 s count: 4 x 4 s x 20 MW over 85 s, less half of the row in which the plant goes.
    found = figures(Run(), tmp_path)["tracking"]
    mae_mw = 4 * (4 - HALF_ROW_S) * 20.0 / 85
    assert found["basis_mw"] == REGULATION_MW
    assert found["mae_mw"] == pytest.approx(mae_mw, abs=1e-6)
    assert found["accuracy_pct"] == pytest.approx(100 * (1 - mae_mw / REGULATION_MW), abs=1e-5)
    assert found["seconds_not_measured"] == 0


def test_a_plant_without_lag_is_exact(tmp_path):
    """But for the rows in which it goes, half of it early: at 20, 40, 60, 80 and 100 s."""
    found = figures(Run(lag_s=0.0), tmp_path)["tracking"]
    mae_mw = 5 * HALF_ROW_S * 20.0 / 85
    assert found["accuracy_pct"] == pytest.approx(100 * (1 - mae_mw / REGULATION_MW), abs=1e-5)


def test_long_runs_leave_out_a_minute(tmp_path):
    found = figures(Run(duration_s=120.0), tmp_path)["tracking"]
    assert found["skipped_s"] == 60.0
    assert found["seconds"] == 60


def test_the_trace_has_the_request_as_it_was_sent(tmp_path):
    figures(Run(), tmp_path)
    found = trace(tmp_path)
    assert list(found) == [
        "t_s",
        "signal_pu",
        "request_mw",
        "plant_mw",
        "frequency_hz",
        "unserved_mw",
    ]
    assert found["t_s"].tolist() == list(range(100))
    assert found["signal_pu"][[19, 20]].tolist() == [-1.0, 1.0]
    assert found["request_mw"] == pytest.approx(
        BASE_SUM_MW + found["signal_pu"] * REGULATION_MW, abs=1e-5
    )
    swing_mw = HALF_ROW_S * 20.0  # within the second before, on the way to its last row
    assert found["plant_mw"][[22, 23, 24]] == pytest.approx(
        [BASE_SUM_MW - 10, BASE_SUM_MW - 10 + swing_mw, BASE_SUM_MW + 10]
    )
    assert np.isnan(found["frequency_hz"]).all()
    assert found["unserved_mw"][5] == 0.25


def test_values_that_were_not_sent_are_not_asked_for(tmp_path):
    found = figures(Run(cut=(20.0, 40.0)), tmp_path)
    rows = trace(tmp_path)
    assert (rows["signal_pu"][20:40] == -1.0).all()
    assert found["io"]["agc_values_not_sent"] == 10


@pytest.mark.parametrize(
    ("sent", "asked_pu"), [("-38.8", None), ("-1.06", None), ("-1.02", -1.0), ("1.05", 1.0)]
)
def test_what_was_not_sold_is_not_asked_for(sent, asked_pu, tmp_path):
    run = Run(lag_s=0.0)
    command = run.write(tmp_path)
    path = tmp_path / "raw" / "tso.csv"
    rows = [row.split(",") for row in path.read_text().splitlines()]
    for row in rows[1:]:
        if 1040.0 <= float(row[0]) < 1050.0:
            row[3] = sent
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    found = result.compute(tmp_path, command)["tracking"]
    signal_pu = trace(tmp_path)["signal_pu"]
    assert (signal_pu[40:50] == (signal_pu[39] if asked_pu is None else asked_pu)).all()
    assert found["seconds_not_measured"] == 0
    kept = np.abs(trace(tmp_path)["request_mw"] - trace(tmp_path)["plant_mw"])[15:]
    assert found["mae_mw"] == pytest.approx(kept.mean(), abs=1e-6)


def test_the_first_value_counts_from_the_start_of_its_second(tmp_path):
    run = Run()
    command = run.write(tmp_path)
    path = tmp_path / "raw" / "tso.csv"
    head, _, first, *rest = path.read_text().splitlines()
    assert first.startswith("1000.0,")
    path.write_text("\n".join([head, first.replace("1000.0,", "1000.4,", 1), *rest]) + "\n")
    result.compute(tmp_path, command)
    assert trace(tmp_path)["signal_pu"][0] == -1.0


def test_latency_is_from_the_socket_to_the_last_device(tmp_path):
    found = figures(Run(), tmp_path)["timing"]
    # tick .002 s after the socket, the slowest unit gets its setpoint .060 s later
    assert found["signal_to_last_setpoint_ms"] == pytest.approx(
        {"p50": 62.0, "p99": 62.0, "max": 62.0}
    )
    # without its 45 ms in the link the slowest is another one: .002 + .050 - .010 s
    assert found["signal_to_last_setpoint_without_links_ms"]["p99"] == pytest.approx(42.0)
    assert found["signal_to_tick_ms"]["p50"] == pytest.approx(2.0)
    assert found["agc_ticks"] == 50
    assert found["left_out"] == {"lost": 0, "offline": 0, "not_received": 0}
    assert found["tick_us"] == {"p50": 149.0, "p99": 198.0, "max": 199.0}
    assert found["lateness_ms"]["max"] == pytest.approx(0.9)


def test_one_late_unit_makes_its_tick_late(tmp_path):
    run = Run()
    late = 40 * 4 + 1  # second unit of tick 40
    t_s, u, p_mw, flags = run.writes[late]
    run.writes[late] = (t_s + 0.5, u, p_mw, flags)
    found = figures(run, tmp_path)["timing"]["signal_to_last_setpoint_ms"]
    assert found["max"] == pytest.approx(542.0)
    assert found["p50"] == pytest.approx(62.0)


@pytest.mark.parametrize(("flags", "where"), [(1, "lost"), (2, "offline")])
def test_lost_and_offline_writes_are_left_out_and_counted(tmp_path, flags, where):
    run = Run()
    for k in (40, 41):  # 40 was caused by AGC, 41 by the grid
        row = k * 4 + 3  # the slowest unit
        t_s, u, p_mw, _ = run.writes[row]
        run.writes[row] = (t_s + 0.4, u, p_mw, flags)
    found = figures(run, tmp_path)
    assert found["timing"]["left_out"][where] == 1
    assert found["timing"]["signal_to_last_setpoint_ms"]["max"] == pytest.approx(62.0)
    assert found["limits"]["checked"] == 398
    assert found["io"]["seen_by_devices"] == 400
    assert found["io"]["lost_by_scenario"] == (2 if where == "lost" else 0)


def test_a_write_that_never_came_is_counted(tmp_path):
    run = Run()
    del run.writes[40 * 4 + 3]
    found = figures(run, tmp_path)
    assert found["timing"]["left_out"]["not_received"] == 1
    assert "1 setpoints reached no device" in found["notes"]["timing.left_out.not_received"]
    assert found["timing"]["signal_to_last_setpoint_ms"]["max"] == pytest.approx(62.0)


def test_what_a_unit_in_an_outage_did_not_get_is_counted_apart(tmp_path):
    run = Run(events=[(T0_S + 38.5, 3, "link_outage", ""), (T0_S + 42.5, 3, "link_back", "")])
    run.writes = [w for w in run.writes if w[1] != 3 or not 38.5 < w[0] - T0_S < 42.5]
    found = figures(run, tmp_path)
    # ticks 40 and 42 were caused by AGC
    assert found["timing"]["left_out"] == {"lost": 0, "offline": 2, "not_received": 0}
    assert found["faults"]["kinds"] == {"link_outage": 1}


def test_a_killed_simulator_takes_its_units_out_of_the_timing(tmp_path):
    run = Run(events=[(T0_S + 38.5, -1, "wire_kill", "process 1")])
    run.events.append((T0_S + 42.5, -1, "wire_back", "process 1"))
    run.writes = [w for w in run.writes if w[1] not in (1, 3) or not 38.5 < w[0] - T0_S < 42.5]
    found = figures(run, tmp_path)
    assert found["timing"]["left_out"] == {"lost": 0, "offline": 4, "not_received": 0}
    assert found["faults"] == {"injected": 1, "kinds": {"wire_kill": 1}}


def test_the_same_setpoint_asserted_again_is_not_late(tmp_path):
    run = Run()
    t_s, u, p_mw, _ = run.writes[40 * 4]
    run.writes.append((t_s + 0.6, u, p_mw, 0))
    run.writes.append((t_s + 0.7, u, 0.0, 4))  # a keep-alive carries no setpoint
    found = figures(run, tmp_path)
    assert found["timing"]["signal_to_last_setpoint_ms"]["max"] == pytest.approx(62.0)
    assert found["limits"]["checked"] == 401


def test_equal_setpoints_go_to_the_newest_tick_that_can_have_sent_them(tmp_path):
    run = Run()
    for k in range(40, 50):
        run.ticks[k]["p_setpoint_mw"] = run.setpoints(39)
    run.writes = [
        (t, u, run.setpoints(39)[u] if 40 <= int(t - T0_S) < 50 else p, f)
        for t, u, p, f in run.writes
    ]
    found = figures(run, tmp_path)["timing"]
    assert found["signal_to_last_setpoint_ms"]["max"] == pytest.approx(62.0)
    assert found["left_out"]["not_received"] == 0


def test_a_write_that_comes_faster_than_its_link_is_an_older_one(tmp_path):
    run = Run()
    same = run.setpoints(40)[3]
    run.ticks[41]["p_setpoint_mw"][3] = same
    run.writes = [w for w in run.writes if w[1] != 3 or not 40 <= w[0] - T0_S < 42]
    run.writes += [(T0_S + 41.005, 3, same, 0), (T0_S + 41.060, 3, same, 0)]
    found = figures(run, tmp_path)["timing"]
    assert found["left_out"]["not_received"] == 0
    assert found["signal_to_last_setpoint_ms"]["max"] == pytest.approx(975.0)


def planted(run: Run, second: int, u: int, p_mw: float) -> None:
    """Let unit u receive p_mw in that second, from its tick."""
    row = second * 4 + u
    t_s, _, _, flags = run.writes[row]
    run.writes[row] = (t_s, u, p_mw, flags)
    run.ticks[second]["p_setpoint_mw"][u] = p_mw


def test_a_setpoint_over_the_rating_is_found(tmp_path):
    run = Run()
    planted(run, 30, 1, 4.01)
    found = figures(run, tmp_path)["limits"]
    assert found["by_kind"]["rating"] == 1
    first = next(v for v in found["first"] if v["kind"] == "rating")
    assert (first["unit"], first["p_mw"], first["limit_mw"]) == ("bat002", 4.01, 4.0)
    assert first["t_s"] == pytest.approx(30.072)


def test_rounding_on_the_wire_is_no_violation(tmp_path):
    run = Run()
    planted(run, 30, 1, 4.0001)
    assert "rating" not in figures(run, tmp_path)["limits"]["by_kind"]


def test_a_step_over_the_ramp_is_found(tmp_path):
    # ev001: 3 MW, .6 MW/s; the setpoints before and after are the planted one's neighbours.
    run = Run()
    before = run.setpoints(29)[2]
    planted(run, 30, 2, before - 0.75)
    found = figures(run, tmp_path)["limits"]
    assert found["by_kind"] == {"ramp": 1}  # the step back is within .6 MW/s
    assert found["unexplained"] == 1
    assert found["first"][0]["t_s"] == pytest.approx(30.082)


def test_a_step_within_ramp_and_stated_slack_is_none(tmp_path):
    run = Run()
    before = run.setpoints(29)[2]
    # 1.032 s between the ticks, and .1 s of slack
    planted(run, 30, 2, before - 0.6 * (1.032 + 0.09))
    assert figures(run, tmp_path)["limits"]["violations"] == 0


def test_writes_that_bunch_are_judged_by_their_ticks(tmp_path):
    run = Run()
    planted(run, 30, 2, run.setpoints(31)[2] - 0.6)
    t_s, u, p_mw, flags = run.writes[30 * 4 + 2]
    run.writes[30 * 4 + 2] = (t_s + 0.6, u, p_mw, flags)  # .4 s before its successor
    found = figures(run, tmp_path)["limits"]
    assert found["by_kind"].get("ramp", 0) == 0
    assert found["ramps_allowed_by_tick_clock_only"] == 1


@pytest.mark.parametrize(("after_mw", "violations"), [(-1.45, 0), (-2.5, 1)])
def test_after_the_watchdog_ramps_begin_at_the_fallback(tmp_path, after_mw, violations):
    # .06 MW/s; -.01 MW, then 11 s of silence, in which the unit goes to its fallback of -1.5 MW
    run = Run(slow={"ev001": 0.06})
    for k, tick in enumerate(run.ticks):
        tick["p_setpoint_mw"][2] = -0.01 if k < 39 else after_mw
    run.writes = [w for w in run.writes if w[1] != 2 or not 28 <= w[0] - T0_S < 39]
    run.writes = [
        (t, u, (-0.01 if t - T0_S < 39 else after_mw) if u == 2 else p, f)
        for t, u, p, f in run.writes
    ]
    found = figures(run, tmp_path)["limits"]
    assert found["violations"] == violations


def test_a_unit_that_nobody_had_taken_is_at_its_basepoint(tmp_path):
    run = Run(slow={"ev001": 0.06}, autonomous=(2, T0_S + 49.0, T0_S + 50.05))
    for k, tick in enumerate(run.ticks):
        tick["p_setpoint_mw"][2] = -0.01 if k < 50 else -1.55
    run.writes = [
        (t, u, (-0.01 if t - T0_S < 50 else -1.55) if u == 2 else p, f) for t, u, p, f in run.writes
    ]
    assert figures(run, tmp_path)["limits"]["violations"] == 0


def test_discharging_an_empty_store_is_found(tmp_path):
    run = Run(soc={**dict.fromkeys(NAMES, 0.5), "bat001": 0.05})
    found = figures(run, tmp_path)["limits"]
    discharging = sum(1 for t, u, p, f in run.writes if u == 0 and p > 1e-4 + 1e-4 * 8.0)
    assert discharging > 10
    assert found["by_kind"] == {"soc": discharging}
    assert found["soc_checked"] == 200


def test_more_than_a_unit_has_to_give_is_found_if_that_was_recorded(tmp_path):
    Run().write(tmp_path)
    run = inputs.read(tmp_path / "raw")
    first = plant.read_processes(run)[0]  # bat001, ev001
    wider = np.dtype([*first.rows.dtype.descr, *((k, "<f8", (2,)) for k in AVAILABLE)])
    rows = np.zeros(first.rows.size, dtype=wider)
    for name in first.rows.dtype.names:
        rows[name] = first.rows[name]
    rows["p_avail_min_mw"], rows["p_avail_max_mw"] = -8.0, 8.0
    rows["p_avail_min_mw"][rows["t_s"] >= T0_S + 50.0, 1] = -1.2  # the hub's cars are full
    nothing = np.full(run.setpoints.size, np.nan)
    found = limits.check(run, [replace(first, rows=rows)], run.setpoints, nothing)
    mine = run.setpoints[(run.setpoints["unit"] == 2) & (run.setpoints["t_s"] > T0_S + 53.1)]
    assert found.by_kind == {"available": int((mine["p_mw"] < -1.2 - 0.0604).sum())}
    assert found.by_kind["available"] > 10
    assert found.available == 400


def test_charging_a_full_store_is_found(tmp_path):
    run = Run(soc={**dict.fromkeys(NAMES, 0.5), "bat002": 0.95})
    found = figures(run, tmp_path)["limits"]
    charging = sum(1 for _, u, p, _ in run.writes if u == 1 and p < -1e-4 - 1e-4 * 4.0)
    assert charging > 10
    assert found["by_kind"] == {"soc": charging}


def test_units_that_nobody_recorded_are_not_taken_for_zero(tmp_path):
    run = Run()
    command = run.write(tmp_path)
    for path in (tmp_path / "raw").glob("wire-1.power.*"):
        path.unlink()
    tracked = result.compute(tmp_path, command)["tracking"]
    assert tracked["accuracy_pct"] is None
    assert tracked["measured_seconds_only"] == {"accuracy_pct": None, "mae_mw": None}


def test_a_killed_process_gives_null_and_a_note(tmp_path):
    run = Run(holes=[(1, T0_S + 50.0, T0_S + 60.0)])
    found = figures(run, tmp_path)
    tracked = found["tracking"]
    assert tracked["accuracy_pct"] is None
    assert tracked["mae_mw"] is None
    assert tracked["china"] is None
    assert "record" in found["notes"]["tracking.accuracy_pct"]
    assert "process 1: 10.0 s" in found["notes"]["tracking"]
    assert tracked["seconds_not_measured"] == 10
    assert found["timing"]["left_out"]["not_received"] == 0
    # outside of the hole: swings at 20, 40 and 80 s, and the one at 60 s, over 75 s
    assert tracked["measured_seconds_only"]["mae_mw"] == pytest.approx(
        4 * (4 - HALF_ROW_S) * 20.0 / 75
    )
    assert np.isnan(trace(tmp_path)["plant_mw"]).sum() == 10


def test_one_late_step_of_the_bench_is_no_hole(tmp_path):
    run = Run(holes=[(1, T0_S + 50.0, T0_S + 50.35)])
    assert figures(run, tmp_path)["tracking"]["accuracy_pct"] is not None


def test_an_unreadable_journal_gives_null_and_its_reason(tmp_path):
    run = Run()
    run.write(tmp_path)
    found = result.compute(tmp_path, ("/nonexistent/vppd",))
    assert found["journal"] == dict.fromkeys(("ticks", "bytes", "replay_bit_exact", "chain_ok"))
    assert found["timing"]["missed_ticks"] is None
    assert found["timing"]["signal_to_last_setpoint_ms"]["p99"] is None
    for key in ("journal.ticks", "timing.missed_ticks", "timing.signal_to_last_setpoint_ms"):
        assert "/nonexistent/vppd" in found["notes"][key]
    assert found["limits"]["checked"] == 400
    assert found["tracking"]["accuracy_pct"] is not None


def test_an_export_that_fails_leaves_the_replay(tmp_path):
    run = Run()
    run.ticks[7].pop("agc_received_s")
    found = figures(run, tmp_path)
    assert found["journal"]["replay_bit_exact"] is True
    assert found["timing"]["missed_ticks"] == 0
    assert found["timing"]["tick_us"]["p50"] is None
    assert "agc_received_s" in found["notes"]["timing.tick_us"]


def test_a_replay_that_ends_in_an_error_is_told_with_its_words(tmp_path):
    command = Run().write(tmp_path)
    (tmp_path / "raw" / "replay.json").unlink()
    found = result.compute(tmp_path, command)
    assert found["journal"]["replay_bit_exact"] is None
    assert "replay.json: No such file" in found["notes"]["journal.replay_bit_exact"]


def test_a_replay_that_differs_is_told(tmp_path):
    run = Run()
    run.replay["bit_exact"] = False
    assert figures(run, tmp_path)["journal"]["replay_bit_exact"] is False


def test_what_was_not_measured_is_null_with_a_reason(tmp_path):
    found = figures(Run(), tmp_path)
    for key in ("process.rss_mb", "io.reconnects", "tracking.pjm"):
        assert found["notes"][key]
    assert found["process"]["rss_mb"] is None
    assert found["io"]["reconnects"] is None
    assert found["tracking"]["pjm"] is None
    assert "15 minutes" in found["notes"]["tracking.pjm"]


def test_faults_are_counted_by_kind(tmp_path):
    run = Run(events=[(T0_S - 1, 0, "write_lost", "")])  # before the run
    run.events += [(T0_S + k, k, "link_outage", "") for k in (0, 1)]
    run.events += [(T0_S + 3, -1, "agc_cut", "30 s"), (T0_S + 9, 0, "link_back", "")]
    found = figures(run, tmp_path)["faults"]
    assert found == {"injected": 3, "kinds": {"agc_cut": 1, "link_outage": 2}}


def test_rate_and_the_k_of_a_fast_plant(tmp_path):
    # Swings of 20 MW each 20 s, answered in one physics step after 4 s; rated 20 MW, dead bands
    # .2 MW: 19.6 MW in .098 s.
    found = figures(Run(), tmp_path)["tracking"]
    assert found["china"]["commands"]["valid"] == 4
    assert found["rate_mw_per_min"] == pytest.approx(20.0 / 0.1 * 60.0, rel=1e-3)
    assert found["china"]["k3"] == 1.5
    assert found["china"]["kp"] == pytest.approx(3.375)
    assert found["regulation_accuracy_pct"] == pytest.approx(100.0, abs=0.01)
    assert found["china"]["rated_mw"] == sum(RATED_MW.values())


def test_long_runs_get_the_three_part_score(tmp_path):
    rng = np.random.default_rng(5)
    values = np.clip(np.cumsum(rng.normal(0.0, 0.2, 600)), -1.0, 1.0)
    run = Run(duration_s=960.0, lag_s=0.0, agc_pu=lambda t: float(values[int(t // 2)]))
    found = figures(run, tmp_path)["tracking"]["pjm"]
    assert found["score"] == pytest.approx(1.0, abs=1e-6)


def test_the_three_part_score_does_not_hang_on_where_its_samples_begin(tmp_path):
    # The plant answers .6 s after each step of 2 s: samples see the step missed in 2 of 4 places
    # (on it, and half a second behind it), where each may be all of them in a run of one start.
    values = np.tile([-0.5, 0.5], 300)
    run = Run(duration_s=960.0, lag_s=0.6, agc_pu=lambda t: float(values[int(t // 2)]))
    found = figures(run, tmp_path)["tracking"]["pjm"]
    missed = 1.0 / 0.5  # a step of 1 pu over a mean signal of .5 pu
    assert found["precision"] == pytest.approx(0.5 * max(0.0, 1.0 - missed) + 0.5, abs=0.01)
    assert found["lowest"] < found["score"] < found["highest"]


def test_numbers_that_are_not_finite_become_null(tmp_path):
    run = Run()
    run.ticks[10]["tick_us"] = None
    planted(run, 30, 1, float("nan"))
    found = figures(run, tmp_path)
    assert found["limits"]["by_kind"]["rating"] == 1
    assert found["limits"]["first"][0]["p_mw"] is None
    text = (tmp_path / "result.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
