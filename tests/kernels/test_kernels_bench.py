"""The benchmarks: a peer that is missing is a row, the figures are figures, the file is JSON."""

import json
import math
import sys

import pytest

from benchmarks import ours, run, timing
from benchmarks.peers import frequenz_split, highs, piqp_qp
from benchmarks.peers.frequenz_setup import NotInstalledError
from benchmarks.timing import Row


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch):
    def three(call, **_):
        return timing.repeat(call, budget_s=0.0, at_least=3, at_most=3)

    for module in (ours, highs, piqp_qp, frequenz_split):
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
    assert lp.runs == qp.runs == 3
    assert 0.0 <= lp.cost_over_best < 0.2  # straight pieces lose a little
    assert abs(qp.cost_over_best) < 1e-6
    assert lp.sum_error_mw < 1e-9
    assert qp.sum_error_mw < 1e-6


@pytest.mark.parametrize("measure", [ours.exact, ours.policies, ours.around_the_split])
def test_ours(measure):
    rows = measure(20)
    assert len(rows) == 2
    assert all(r.median_us > 0.0 and r.p99_us >= r.median_us for r in rows)


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
