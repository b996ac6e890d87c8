"""The clairvoyant bound of whole runs, and closed forms that it must meet."""

import json

import numpy as np
import pytest
from oracle_bench import bare, fleet, request, scenario, unit

from hil import fleet as fleets
from hil import oracle
from hil.oracle import clusters, windows
from hil.oracle.bound import least_mae_mw, schedule_of
from hil.oracle.request import OracleError

SHORT = ("seed=5", "duration_s=240")


def bounds(asked, *units, parts=None):
    """Mean errors of both sides: nobody is below the first, a schedule has the second."""
    traits = clusters.traits(units)
    groups = [np.array(p) for p in parts] if parts else clusters.partition(traits, asked, 99)
    found = schedule_of(asked, traits, groups)
    return least_mae_mw(asked, traits, groups), asked.mae_mw(found.delivered_mw(asked.seconds))


@pytest.fixture(scope="module")
def tight():
    """A run that the fleet cannot follow: a third of the batteries."""
    chosen = scenario(*SHORT, "fleet.scale.battery=0.3")
    return oracle.bound(chosen, fleets.draw(chosen, 0))


def test_a_run_within_reach_is_reached():
    chosen = scenario(*SHORT)
    found = oracle.bound(chosen, fleets.draw(chosen, 0))
    assert found.accuracy_pct == pytest.approx(100.0, abs=1e-6)
    assert found.reachable_pct > 99.98
    assert found.units == 210


def test_a_run_out_of_reach_has_a_small_gap(tight):
    assert 80.0 < tight.reachable_pct <= tight.accuracy_pct < 99.5
    assert tight.gap_pct <= 0.2
    error_mw = np.abs(tight.request_mw - tight.delivered_mw)[tight.skipped_s :]
    assert error_mw.mean() == pytest.approx(tight.reachable_mae_mw)
    assert tight.reachable_pct == pytest.approx(100.0 * (1.0 - error_mw.mean() / 80.0))


def test_the_same_run_gives_the_same_bound(tight):
    chosen = scenario(*SHORT, "fleet.scale.battery=0.3")
    told = []
    again = oracle.bound(
        chosen, fleets.draw(chosen, 0), progress=lambda share, text: told.append((share, text))
    )
    assert again.accuracy_pct == tight.accuracy_pct
    assert again.delivered_mw.tobytes() == tight.delivered_mw.tobytes()
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert told[-1] == (1.0, "done")


def test_it_is_told_written_and_read(tight, tmp_path):
    path = tmp_path / "oracle.json"
    oracle.write(tight, path)
    record = json.loads(path.read_text())
    assert record["gap_pct"] == pytest.approx(tight.gap_pct)
    assert len(record["series"]["delivered_mw"]) == 240
    assert oracle.to_dict(oracle.read(path)) == record
    assert f"{tight.accuracy_pct:.3f} % of 80 MW" in tight.describe()
    assert f"gap {tight.gap_pct:.3f} points" in tight.describe()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("duration_s=60.5", "regulation_mw=0"), "regulation_mw: is 0"),
        (("duration_s=15",), "leaves nothing to score: the first 15 s"),
        (("duration_s=2000000",), "2000000 s is too long for the bound, at most 1000000 s"),
    ],
)
def test_what_cannot_be_worked_out_is_said(settings, message):
    chosen = scenario(*settings)
    with pytest.raises(OracleError, match=message):
        oracle.bound(chosen, fleets.draw(chosen, 0))


def test_the_request_of_a_run_may_be_given():
    chosen = scenario("duration_s=30", "regulation_mw=1")
    drawn = fleet(bare())
    level = oracle.bound(chosen, drawn, request_mw=np.full(30, -0.5))
    assert level.accuracy_pct == pytest.approx(100.0)
    over = oracle.bound(chosen, drawn, request_mw=np.full(30, 0.25))
    assert over.accuracy_pct == pytest.approx(75.0, abs=1e-4)
    assert over.reachable_pct == pytest.approx(75.0, abs=1e-4)
    with pytest.raises(OracleError, match="needs 30 finite values"):
        oracle.bound(chosen, drawn, request_mw=np.full(29, 0.25))


def test_what_is_out_of_range_is_missed_by_just_that():
    asked = request(np.where(np.arange(40) < 20, 0.5, -2.25))
    for found in bounds(asked, bare()):
        assert found == pytest.approx(0.5 * 0.5 + 0.5 * 0.25, abs=0.06)  # and the way between


def test_a_dead_time_costs_its_time_at_the_start():
    asked = request(np.full(60, -0.5), lead_s=2.0)
    found = bounds(asked, bare(dead_time_true_s=22.0))
    assert found == (pytest.approx(0.5 * 20 / 60, abs=1e-4), pytest.approx(0.5 * 20 / 60, abs=1e-4))


def test_a_ramp_costs_what_a_clairvoyant_cannot_save():
    """A step by 1 MW at t = 50 s, 0.02 MW/s: best is a ramp of 50 s around the step."""
    asked = request(np.where(np.arange(100) < 50, -1.5, -0.5), lead_s=30.0)
    least, reached = bounds(asked, bare(ramp_mw_per_s=0.02))
    best = 2 * 25 * 0.25 / 100
    assert least <= best + 1e-6 <= reached + 2e-6
    assert reached - least < 0.01


def test_a_store_gives_what_is_in_it():
    battery = unit(
        "battery", rated_mw=1.0, p_min_mw=-1.0, p_max_mw=1.0, ramp_mw_per_s=1.0, energy_mwh=0.02,
        soc_start_pu=0.6, soc_min_pu=0.1, efficiency_discharge_pu=0.95,
    )  # fmt: skip
    least, reached = bounds(request(np.full(120, 0.8), lead_s=0.0), battery)
    asked_mws, stored_mws = 0.8 * 120, 0.5 * 0.02 * 3600.0
    assert least == pytest.approx((asked_mws - stored_mws) / 120, rel=1e-3)
    with_losses_mws = 0.95 * (stored_mws - 0.004 * 60)
    assert reached == pytest.approx((asked_mws - with_losses_mws) / 120, rel=0.01)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"ramp_mw_per_s": 0.06}, {"ramp_mw_per_s": 0.05}),
        ({"lag_true_s": 4.0}, {"lag_true_s": 6.0}),
        ({"dead_time_true_s": 5.0}, {"dead_time_true_s": 15.0}),
        ({"p_max_mw": -0.3}, {"p_max_mw": -0.6}),
    ],
)
def test_more_freedom_never_lowers_the_bound(better, worse):
    rng = np.random.default_rng(7)
    walk = np.cumsum(rng.normal(0.0, 0.12, 120))
    asked = request(-1.0 + np.clip(walk - walk.mean(), -0.9, 0.9))
    common = {"ramp_mw_per_s": 0.055, "lag_true_s": 5.0, "dead_time_true_s": 10.0}
    good = bounds(asked, bare(**{**common, **better}))
    bad = bounds(asked, bare(**{**common, **worse}))
    assert good[0] < bad[0]
    assert good[1] < bad[1]


def test_fewer_clusters_are_looser_on_both_sides():
    asked = request(-4.0 + 3.0 * np.sign(np.sin(np.arange(160) / 12.0)), regulation_mw=3.0)
    units = [bare(lag_true_s=lag_s, ramp_mw_per_s=0.08) for lag_s in (2.0, 6.0, 10.0, 20.0)]
    together = bounds(asked, *units, parts=[[0, 1, 2, 3]])
    apart = bounds(asked, *units, parts=[[0], [1], [2], [3]])
    assert together[0] < apart[0] < apart[1] < together[1]


@pytest.fixture
def short_windows(monkeypatch):
    for name, value in (("LONG_S", 100), ("WINDOW_S", 60), ("AHEAD_S", 30), ("BLOCK_S", 10)):
        monkeypatch.setattr(windows, name, value)


def test_windows_are_looser_than_the_whole_but_not_by_much(short_windows, monkeypatch):
    units = [unit("battery", p_min_mw=-1.0, p_max_mw=1.0, energy_mwh=0.1, rated_mw=1.0)]
    units += [bare(lag_true_s=lag_s, ramp_mw_per_s=0.03) for lag_s in (4.0, 12.0)]
    asked = request(-2.0 + 2.2 * np.sin(np.arange(330) / 20.0), skipped=15)
    shares = []
    traits = clusters.traits(units)
    parts = clusters.partition(traits, asked, 3)
    least = least_mae_mw(asked, traits, parts, shares.append)
    reached = asked.mae_mw(schedule_of(asked, traits, parts).delivered_mw(330))
    monkeypatch.setattr(windows, "LONG_S", 1000)
    whole = bounds(asked, *units)
    assert len(shares) == 6
    assert least <= whole[0] + 1e-6
    assert whole[1] <= reached + 1e-6
    assert reached - least < 0.05


def test_long_runs_remember_what_stores_hold(short_windows):
    battery = unit(
        "battery", rated_mw=1.0, basepoint_mw=0.0, p_min_mw=-1.0, p_max_mw=1.0, ramp_mw_per_s=1.0,
        energy_mwh=0.02, soc_start_pu=0.6, soc_min_pu=0.1,
    )  # fmt: skip
    least, reached = bounds(request(np.full(200, 0.8), lead_s=0.0), battery)
    stored_mws = 0.5 * 0.02 * 3600.0
    assert least == pytest.approx((0.8 * 200 - stored_mws) / 200, rel=0.01)
    assert least <= reached < 1.1 * least
