"""The benchmarks: a peer that is missing is a row, the figures are figures, the file is JSON."""

import json
import math
import sys

import pytest

from benchmarks import ahead, ours, run, streaming, tick, timing
from benchmarks.peers import frequenz_split, highs, osqp_qp, piqp_qp
from benchmarks.peers.frequenz_setup import NotInstalledError
from benchmarks.timing import Row
from vppd.core.types import Mode
from vppd.kernels import status


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch):
    def three(call, **_):
        return timing.repeat(call, budget_s=0.0, at_least=3, at_most=3)

    for module in (ahead, ours, highs, osqp_qp, piqp_qp, frequenz_split, tick):
        monkeypatch.setattr(module, "repeat", three)


def test_a_peer_that_cannot_be_installed_is_a_row_that_says_why(monkeypatch):
    def ensure():
        raise NotInstalledError("no index can be reached")

    monkeypatch.setattr(frequenz_split, "ensure", ensure)
    same, theirs = frequenz_split.measure(10)
    assert same.median_us > 0.0
    assert theirs.runs == 0
    assert "no index can be reached" in theirs.note


def test_a_peer_that_does_not_run_is_a_row_too(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text("import a_module_that_is_not_there\n")
    monkeypatch.setattr(frequenz_split, "WORKER", worker)
    monkeypatch.setattr(frequenz_split, "ensure", lambda: sys.executable)
    assert "ModuleNotFoundError" in frequenz_split.measure(10)[1].note


def test_figures_of_the_peers_are_of_the_same_problem():
    (lp,) = highs.measure(30)
    (qp,) = piqp_qp.measure(30)
    (split,) = osqp_qp.measure(30)
    assert lp.runs == qp.runs == split.runs == 3
    assert abs(split.cost_over_best) < 1e-3
    assert split.sum_error_mw < 1e-2
    assert split.note == ""
    assert 0.0 <= lp.cost_over_best < 0.2  # straight pieces lose a little
    assert abs(qp.cost_over_best) < 1e-6
    assert lp.sum_error_mw < 1e-9
    assert qp.sum_error_mw < 1e-6


@pytest.mark.parametrize("measure", [ours.exact, ours.policies, ours.around_the_split])
def test_ours(measure):
    rows = measure(20)
    assert len(rows) == 2
    assert all(r.median_us > 0.0 and r.p99_us >= r.median_us for r in rows)


def test_several_points_meet_the_first_one():
    rows = ahead.measure(40)
    assert [r.what for r in rows] == ["2 look-ahead points"] * 2 + ["4 look-ahead points"] * 2
    assert all(r.median_us > 0.0 and r.sum_error_mw < 1e-9 for r in rows)


def test_whole_ticks_regulate_in_a_closed_loop(monkeypatch):
    done = []

    def watched(state, image, params):
        after, decision = real(state, image, params)
        done.append(decision)
        return after, decision

    real = tick.tick
    monkeypatch.setattr(tick, "tick", watched)
    rows = tick.measure(60)
    assert [r.what for r in rows] == [what for what, _, _ in tick.CASES]
    assert all(r.median_us > 0.0 for r in rows)
    regulating = [d for d in done if d.mode == Mode.REGULATING]
    assert len(regulating) > 0.9 * len(done)
    assert len({d.regulation_pu for d in regulating}) > 20
    assert any(d.group_price.any() for d in regulating if d.group_price.size)
    assert all(d.status in (status.OK, status.UNSERVED_UP, status.UNSERVED_DOWN) for d in done)


def test_targets_are_told_beside_what_was_measured():
    what = tick.CASES[0][0]
    rows = [
        Row(tick.WHO, what, 200, 80.0, 400.0, 50),
        Row(f"{ahead.WHO}, cold", "2 look-ahead points", 200, 30.0, 40.0, 50),
        Row(frequenz_split.WHO, frequenz_split.WHAT, 200, 2000.0, 3000.0, 8),
    ]
    told = [(t["what"], t["us"], t["limit_us"], t["met"]) for t in run.targets(rows)]
    assert told == [
        ("median", 80.0, 100.0, True),
        ("p99", 400.0, 300.0, False),
        ("100 times faster than Frequenz", 30.0, 20.0, False),
    ]


def test_passes_of_the_several_point_split_may_not_more_than_double(monkeypatch):
    """30 passes of 5 us at 10,000 units: 60 of 4 ms are allowed to a million."""
    what = "2 look-ahead points"
    rows = [
        Row(streaming.BESIDE, "", 10_000, 5.0), Row(streaming.GROWTH, what, 10_000, 150.0),
        Row(streaming.BESIDE, "", 1_000_000, 4e3), Row(streaming.GROWTH, what, 1_000_000, 241e3),
    ]  # fmt: skip
    (told,) = run.targets(rows)
    assert told["limit_us"] == pytest.approx(240e3)
    assert not told["met"]
    monkeypatch.setattr(streaming, "N", 2_000)
    monkeypatch.setattr(streaming, "SMALL", 1_000)
    monkeypatch.setattr(streaming, "ROUNDS", 1)
    measured = streaming.growth()
    assert [r.n for r in measured] == [1_000, 1_000, 2_000, 2_000]
    assert all(r.median_us > 0.0 for r in measured)
    assert measured[3].note.endswith("streaming passes")


def test_run_writes_table_and_file(monkeypatch, tmp_path, capsys):
    rows = [
        Row(f"{ours.WHO}, warm", ours.WHAT, 200, 2.0, 3.0, 50, 1e-15, 0.0),
        Row(f"{ours.WHO}, cold", ours.WHAT, 200, 6.0, 9.0, 50, 1e-15, 0.0),
        Row("somebody", "something", 200, note="not installed"),
    ]
    monkeypatch.setattr(run, "jobs", lambda *_, **__: [("all", lambda: rows)])
    monkeypatch.setattr(sys, "argv", ["run", "--out", str(tmp_path / "bench")])
    assert run.main() == 0
    result = json.loads((tmp_path / "bench" / "kernels.json").read_text())
    assert [r["median_us"] for r in result["rows"]] == [2.0, 6.0, None]
    assert [t["met"] for t in result["targets"]] == [True, False]
    shown = capsys.readouterr().out
    assert "target MISSED" in shown
    assert "not installed" in shown


@pytest.mark.parametrize(
    ("us", "text"), [(2.345, "2.35 µs"), (2345.0, "2.35 ms"), (2.345e6, "2.35 s"), (math.nan, "-")]
)
def test_times_have_the_unit_that_suits_them(us, text):
    assert run.time_text(us) == text
