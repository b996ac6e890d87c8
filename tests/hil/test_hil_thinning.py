"""Thinned power traces: what they keep, and that no checker loses its bite by them."""

import json

import numpy as np
import pytest
from checked_bench import BAT, EV, SECONDS, Scene
from hypothesis import given, settings
from hypothesis import strategies as st
from thin_bench import thinned

from hil import recording, result
from hil.checkers import back, fallback, told
from hil.measure import inputs, plant
from hil.measure.journal import Replay
from hil.recording import UnitState, Writer
from hil.scenario import load
from hil.sim.run import Simulation
from hil.thinning import Thin, thin

KINDS = ("battery", "ev_hub", "hvac")
SEED = 11
REPLAYED = Replay(1, 1, 0, bit_exact=True, chain_ok=True)


class ThinScene(Scene):
    """A scene whose recording is thinned."""

    def _process(self) -> plant.Process:
        return thinned(super()._process(), KINDS)


def away() -> ThinScene:
    """The hub is unreachable from 15 to 40 s: it was fed at 14.06 s, and falls back 10 s later."""
    scene = ThinScene()
    scene.away(EV, 15.0, 40.0)
    return scene


def say(check, scene, tmp_path):
    return [(v.what, v.unit) for v in check(scene.evidence(tmp_path)).violations]


# ------------------------------------------------------------------------- what is kept


def test_each_step_has_its_row_where_nothing_is_thinned():
    assert thin(0.1, KINDS) is None
    assert thin(1.0, KINDS) == Thin(1.0, KINDS)


def process(p_mw, state):
    n = len(p_mw)
    dtype = [("t_s", "<f8"), ("p_mw", "<f8", (3,)), ("state", "u1", (3,))]
    rows = np.zeros(n, dtype=np.dtype(dtype))
    rows["t_s"] = 50.0 + 0.1 * np.arange(n)
    rows["p_mw"], rows["state"] = p_mw, state
    return plant.Process(0, np.arange(3), rows)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 120), changes=st.integers(0, 12))
def test_states_are_known_to_a_step_and_extremes_to_a_row(seed, n, changes):
    rng = np.random.default_rng(seed)
    p_mw = rng.normal(size=(n, 3)).astype(np.float32).astype(np.float64)
    state = np.zeros((n, 3), dtype=np.uint8)
    for row in rng.integers(0, n, changes).tolist():
        state[row:, rng.integers(3)] ^= 1
    full = process(p_mw, state)
    made = thinned(full, KINDS)
    t_s, kept_s = full.rows["t_s"], made.rows["t_s"]
    at = np.searchsorted(kept_s, t_s - 1e-6)  # the row that stands for each step
    assert kept_s[-1] == t_s[-1]
    assert np.diff(kept_s).max(initial=0.0) <= 1.0 + 1e-6
    np.testing.assert_array_equal(made.rows["state"][at], state)
    for k in range(len(made.rows)):
        mine = p_mw[at == k]
        np.testing.assert_array_equal(made.low_mw[k], mine.min(axis=0))
        np.testing.assert_array_equal(made.high_mw[k], mine.max(axis=0))
        assert made.stands_s[k] == pytest.approx(0.1 * len(mine))
    np.testing.assert_allclose(made.totals["p_mw"], p_mw.sum(axis=1), atol=1e-12)


def test_a_file_is_read_as_it_was_written(tmp_path):
    kinds = ("pv", "battery", "pv")
    rng = np.random.default_rng(SEED)
    p_mw = rng.normal(size=(35, 3))
    state = np.full(3, int(UnitState.FOLLOW), dtype=np.uint8)
    for part in (range(20), range(20, 35)):  # a process that was started anew
        writer = Writer(tmp_path, 4, [7, 8, 9], thin=thin(1.0, kinds))
        for k in part:
            writer.power(100.1 + 0.1 * k, p_mw[k], np.full(3, 0.5), state)
        writer.close()
    trace = recording.read_trace(tmp_path, 4)
    assert (trace.units, trace.step_s, trace.kinds) == ([7, 8, 9], 1.0, ("pv", "battery"))
    assert trace.totals is not None
    np.testing.assert_allclose(trace.totals["p_mw"], p_mw.sum(axis=1))
    np.testing.assert_allclose(trace.totals["kind_mw"][:, 1], p_mw[:, 1])
    np.testing.assert_allclose(trace.rows["t_s"], [100.1, 101.0, 102.0, 102.1, 103.0, 103.5])
    np.testing.assert_allclose(trace.rows["p_mw"][-1], p_mw[-1], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "changes", "step_s"),
    [
        ("zhejiang", {"duration_s": "3600"}, 0.1),
        ("zhejiang", {"duration_s": "7200"}, 1.0),
        ("zhejiang", {"duration_s": "7200", "unit_trace_s": "0.1"}, 0.1),
        ("storm", {}, 0.1),
        ("regd-day", {"duration_s": "60"}, 1.0),
        ("fleet-10000", {}, 1.0),
    ],
)
def test_long_runs_of_many_units_are_thinned(name, changes, step_s):
    assert load(name, list(changes.items())).trace_s == step_s


# ------------------------------------------------------------------------- what comes of it


def test_the_figures_of_a_run_are_the_same(tmp_path):
    """All faults at once, recorded in both ways: the same figures, and the same violations."""
    print(f"seed {SEED}")
    found = []
    for step_s in ("0.1", "1.0"):
        changes = {"seed": str(SEED), "duration_s": "60", "unit_trace_s": step_s}
        out = tmp_path / step_s
        simulation = Simulation(load("storm", list(changes.items())), out)
        simulation.make()
        made = result.figures(out, ticks=simulation.ticks, replay=lambda _: REPLAYED)
        found.append(made.result)
    sizes = [(tmp_path / s / "raw" / "wire-0.power.bin").stat().st_size for s in ("0.1", "1.0")]
    assert sizes[1] < 0.4 * sizes[0]
    for each in found:
        each["timing"].pop("speedup")
        assert each["checks"]["checked"].pop("fallback") > 0  # rows that were looked at
    assert found[0]["faults"]["injected"] > 30
    assert found[0] == found[1]


def test_the_plants_power_is_known_to_a_step(tmp_path):
    changes = {"seed": str(SEED), "duration_s": "30", "random_faults": "[]"}
    traces = []
    for step_s in ("0.1", "1.0"):
        settings_ = [*changes.items(), ("unit_trace_s", step_s)]
        Simulation(load("storm", settings_), tmp_path / step_s).make()
        run = inputs.read(tmp_path / step_s / "raw")
        traces.append(plant.traces(run, plant.read_processes(run)))
    full, thin_ = traces
    np.testing.assert_allclose(thin_.total_mw, full.total_mw, atol=1e-9)
    for kind, power_mw in full.kind_mw.items():
        np.testing.assert_allclose(thin_.kind_mw[kind], power_mw, atol=1e-9)
    np.testing.assert_allclose(thin_.soc_pu, full.soc_pu, rtol=1e-6)


# ------------------------------------------------------------------------- checkers still bite


def test_a_right_run_has_no_violation(tmp_path):
    assert away().found(tmp_path) == {}


@pytest.mark.parametrize(("until_s", "found"), [(24.2, []), (24.4, [(fallback.LATE, EV)])])
def test_a_fifth_of_a_second_beyond_the_watchdog_is_found(tmp_path, until_s, found):
    scene = away()
    scene.state[scene.rows(24.0, until_s), EV] = UnitState.FOLLOW
    assert say(fallback.check, scene, tmp_path) == found


def test_a_single_step_away_from_the_fallback_is_found(tmp_path):
    scene = away()
    scene.p_mw[scene.rows(38.4, 38.5), EV] -= 0.2
    assert say(fallback.check, scene, tmp_path) == [(fallback.NOT_THERE, EV)]


def test_a_unit_left_to_itself_is_found(tmp_path):
    scene = ThinScene()
    scene.state[scene.rows(20.0, 30.3), BAT] = UnitState.AUTONOMOUS
    assert say(back.check, scene, tmp_path) == [(back.WHAT, BAT)]


@pytest.mark.parametrize("off_kw", [-60.0, 60.0])
def test_another_power_than_that_delivered_is_found(tmp_path, off_kw):
    scene = ThinScene()
    scene.p_mw[:, BAT] = 0.0  # it stands still: readings of any age say the same
    scene.tell()
    assert say(told.check, scene, tmp_path) == []
    scene.told[SECONDS // 4][1] += off_kw
    assert say(told.check, scene, tmp_path) == [(told.WHAT, -1)]


def test_a_reading_taken_between_two_rows_may_be_told(tmp_path):
    scene = ThinScene()
    scene.p_mw[:, BAT] = 0.0
    spike = scene.rows(30.2, 30.5)
    scene.p_mw[spike, BAT] = 0.3
    scene.tell()
    poll = next(p for p in scene.told if p[0] > scene.t_s[spike][-1])
    poll[1] = 1e3 * float(scene.p_mw[spike][0].sum())
    assert say(told.check, scene, tmp_path) == []


def test_a_simulator_that_was_gone_leaves_a_gap(tmp_path):
    scene = ThinScene()
    made = scene.evidence(tmp_path).processes[0]
    assert made.gaps() == []
    lost = (made.rows["t_s"] > 1020.0) & (made.rows["t_s"] < 1024.0)
    holed = plant.Process(0, made.units, made.rows[~lost], 1.0, made.kinds, made.totals)
    (gap,) = holed.gaps()
    assert gap == pytest.approx((1020.0, 1024.0))


def test_the_fleet_tells_the_simulators_how_to_record(tmp_path):
    from hil import fleet

    drawn = fleet.draw(load("storm", [("unit_trace_s", "2.0")]), 20000)
    drawn.write(tmp_path / "fleet.json")
    assert fleet.read(tmp_path / "fleet.json").unit_trace_s == 2.0
    old = json.loads((tmp_path / "fleet.json").read_text())
    del old["unit_trace_s"]
    (tmp_path / "fleet.json").write_text(json.dumps(old))
    assert fleet.read(tmp_path / "fleet.json").unit_trace_s == 0.1
