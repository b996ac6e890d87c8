"""The page: whole, offline, escaped, and with the figures of the result."""

import re

import pytest
from hand_made import T0_S, Run

from hil import plots, report, result
from hil.measure.units import unit_records
from hil.scenario import Limit
from hil.tiles import number, tiles


def measured(run: Run, tmp_path) -> result.Measured:
    run.run.setdefault("process", {"rss_mb": 180.0, "cpu_pct": 35.0, "startup_s": 2.0})
    return result.measure(tmp_path, run.write(tmp_path))


def body_of(page: str) -> str:
    return page[page.index("<body>") :]


def test_the_page_needs_nothing_but_itself(tmp_path):
    page = report.write(measured(Run(), tmp_path)).read_text()
    assert not re.search(r"<(script|link|img|iframe)\b[^>]*\b(src|href)=[\"']?(https?:)?//", page)
    assert page.count("plotly.js v") == 1
    assert page.startswith("<!doctype html>")
    assert page.count("Plotly.newPlot(") == 7  # the last: what checkers find in a run made by hand


def test_every_plot_has_its_title_and_units(tmp_path):
    run = Run(events=[(T0_S + 5, 0, "link_outage", "")])
    run.run["samples"] = [[0.5, 170.0, 30.0, 120.0], [1.5, 171.0, 31.0, 121.0]]
    found = plots.all_plots(measured(run, tmp_path))
    assert [plot.title for plot in found] == [
        "Signal request and delivered power",
        "Tracking error",
        "Contribution of each kind",
        "From signal to last setpoint",
        "Tick time and lateness",
        "State of charge",
        "Memory and load",
        "Faults",
    ]
    labels = [plot.figure.layout.yaxis.title.text for plot in found[:-1]]
    assert all(re.search(r"(MW|MB|ms|µs|%)", label) for label in labels)
    assert found[0].figure.layout.xaxis.title.text == "time since the start, s"


@pytest.mark.parametrize(("late_s", "shown"), [(0.0, False), (0.7, True)])
def test_in_virtual_time_only_late_ticks_are_drawn(late_s, shown, tmp_path):
    run = Run()
    run.run["clock"] = "virtual"
    for tick in run.ticks[20:25]:
        tick["late_s"] = late_s
    for tick in run.ticks[:20] + run.ticks[25:]:
        tick["late_s"] = 0.0
    found = {plot.title: plot.figure for plot in plots.all_plots(measured(run, tmp_path))}
    assert "Tick time and lateness" not in found
    assert ("Late ticks" in found) is shown
    if shown:
        assert list(found["Late ticks"].data[0].y) == pytest.approx([700.0] * 5)


def test_the_contributions_of_the_kinds_add_up_to_the_plant(tmp_path):
    run = measured(Run(), tmp_path)
    bars = [t for t in plots.contribution(run).figure.data if t.type == "bar"]
    assert [bar.name for bar in bars] == ["battery", "ev hub", "pv"]
    base_mw = run.run.units.basepoint_mw.sum()
    assert sum(bar.y[50] for bar in bars) + base_mw == pytest.approx(
        run.rows.plant_mw[50], abs=1e-3
    )


def test_the_figures_of_the_result_are_on_the_page(tmp_path):
    run = measured(Run(), tmp_path)
    page = body_of(report.write(run).read_text())
    assert f">{run.result['tracking']['accuracy_pct']:.2f}<span>%</span>" in page
    assert ">62<span>ms p99</span>" in page
    assert "the run is shorter than 15 minutes" in page
    for unit in ("bat001", "bat002", "ev001", "pv001"):
        assert f">{unit}</td>" in page


def test_what_comes_in_is_escaped(tmp_path):
    run = Run()
    run.run["title"] = "<script>alert(1)</script>"
    page = report.write(measured(run, tmp_path)).read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_run_without_journal_still_has_a_page(tmp_path):
    run = Run()
    run.write(tmp_path)
    page = body_of(report.write(result.measure(tmp_path, ("/nonexistent/vppd",))).read_text())
    assert "Signal request and delivered power" in page
    assert "Tick time and lateness" not in page
    assert "/nonexistent/vppd" in page


def test_limits_make_tiles_good_or_bad(tmp_path):
    found = measured(Run(), tmp_path).result
    limits = {
        "timing.signal_to_last_setpoint_ms.p99": Limit(maximum=61.0),
        "limits.unexplained": Limit(maximum=0.0),
        "journal.replay_bit_exact": Limit(equals=True),
        "tracking.pjm.score": Limit(minimum=0.75),
    }
    judged = {tile.label: tile for tile in tiles(found, limits)}
    assert judged["Signal to last setpoint"].good is False
    assert judged["Signal to last setpoint"].limit == "≤ 61"
    assert judged["Limit violations"].good is True
    assert judged["Replay"].good is True
    assert judged["Tracking accuracy"].good is None


def test_a_figure_that_was_not_measured_does_not_meet_its_limit(tmp_path):
    run = Run()
    run.run["process"] = {}
    judged = tiles(measured(run, tmp_path).result, {"process.rss_mb": Limit(maximum=300.0)})
    memory = next(tile for tile in judged if tile.label == "Memory")
    assert (memory.value, memory.good) == ("–", False)


def test_units_come_the_worst_first_with_reasons(tmp_path):
    run = Run(holes=[(1, T0_S + 50.0, T0_S + 60.0)])
    run.events += [(T0_S + 20.0, 2, "link_outage", ""), (T0_S + 24.5, 2, "link_back", "")]
    run.writes = [w for w in run.writes if w[1] != 2 or not 20.0 < w[0] - T0_S < 25.0]
    t_s, u, p_mw, _ = run.writes[0]
    run.writes[0] = (t_s, u, p_mw, 1)
    for k in range(20, 25):
        run.ticks[k]["held_by"][2] = "UNREACHABLE"
    made = measured(run, tmp_path)
    records = unit_records(made.run, made.processes, made.ticks, [2])
    assert [made.run.units.ids[r.index] for r in records] == ["ev001", "bat002", "pv001", "bat001"]
    hub, gone, _, last = records
    assert (hub.violations, hub.received, hub.lost) == (1, 95, 0)
    assert hub.reason() == "link outage 4 s; ticks out of vppd's split: 5 unreachable"
    assert hub.longest_silence_s == pytest.approx(6.0, abs=0.1)
    assert gone.unrecorded_s == pytest.approx(10.0)
    assert gone.reason() == "simulator gone 10 s"
    assert (last.received, last.lost) == (99, 1)


def test_figures_for_people():
    assert number(None) == "–"
    assert number(1234.56, 1) == "1,234.6"


def test_limits_and_checks_are_told_one_by_one(tmp_path):
    found = measured(Run(), tmp_path)
    limits = {
        "tracking.accuracy_pct": Limit(minimum=101.0),
        "journal.chain_ok": Limit(equals=True),
        "limits.checked": Limit(minimum=400.0),
    }
    page = body_of(report.write(found, acceptance=limits).read_text())
    assert "<b>✗ 1 limit of 3 not met</b>" in page
    accuracy_pct = found.result["tracking"]["accuracy_pct"]
    assert f"{accuracy_pct:g} is under its limit 101 by {101.0 - accuracy_pct:g}" in page
    assert '<td class="text">journal.chain_ok</td><td class="">true</td>' in page
    checks = found.result["checks"]
    for name in checks["by_check"]:
        assert f'<td class="text">{name.replace("_", " ")}</td>' in page
    assert f'<td class="">{checks["checked"]["setpoint_age"]:,}</td>' in page
    assert "vppd-hil run hand --clock real --seed 7 --duration 100 --out OUT" in page


def test_every_violation_is_drawn_and_counted_though_the_result_lists_a_few(tmp_path):
    run = Run()
    for second in range(20, 80):  # 4 MW is all that bat002 has
        t_s, u, _, flags = run.writes[second * 4 + 1]
        run.writes[second * 4 + 1] = (t_s, u, 4.01, flags)
        run.ticks[second]["p_setpoint_mw"][1] = 4.01
    found = measured(run, tmp_path)
    count = found.result["checks"]["by_check"]["limits"]
    assert count >= 60 > len(found.result["checks"]["first"])
    lanes = {trace.y[0] for trace in plots.faults(found).figure.data}
    assert f"VIOLATION limits ({count})" in lanes
