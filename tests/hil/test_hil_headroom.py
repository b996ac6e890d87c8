"""What is promised can be had: ordered as a step, it is delivered within its horizon."""

import csv

import numpy as np
import pytest
from small_bench import FAR_FROM_LIMITS

from hil import result
from hil.scenario import load
from hil.sim.replay import replay
from hil.sim.run import Simulation
from vppd.core.tick import tick
from vppd.journal.reader import read
from vppd.journal.rerun import WholeTick, rerun

SEED = 7
STEP_S = 60.0  # until then AGC is 0, in every run the same
HORIZONS_S = {1: 300.0, 2: 900.0}
UP, DOWN = 1.0, -1.0
NEARLY_EMPTY = 0.15  # SoC: 5 % above the end of the band
TOLERANCE_PU = 0.005  # of the step: devices round, and what is available moves a little


def simulate(out, *, regulation_mw, pu, duration_s, soc_pu=NEARLY_EMPTY):
    """Thirty units far from their limits, without faults; AGC is 0, then one step."""
    scenario = load(
        FAR_FROM_LIMITS,
        [
            ("seed", str(SEED)),
            ("duration_s", str(duration_s)),
            ("random_faults", "[]"),
            ("faults", "none"),
            ("regulation_mw", str(regulation_mw)),
            ("signal", f"{{kind: steps, interval_s: 2.0, steps: [[0, 0.0], [{STEP_S}, {pu}]]}}"),
            ("fleet.kinds.battery.soc_start_pu", f"[{soc_pu}, {soc_pu}]"),
        ],
    )
    simulation = Simulation(scenario, out)
    simulation.make()
    return simulation


def decisions(simulation):
    """Decision of each tick by time of the run."""
    steps = rerun(read(simulation.out_dir / "journal"), tick)
    return {
        step.record.image.now_s - simulation.t0_s: step.decision
        for step in steps
        if isinstance(step, WholeTick)
    }


def at_step(simulation):
    """Decision of the last tick before the step."""
    ticks = decisions(simulation)
    return ticks[max(t_s for t_s in ticks if t_s < STEP_S)]


def plant_mw(simulation):
    """Power of the simulated plant in each second."""
    result.measure(simulation.out_dir, ticks=simulation.ticks, replay=replay)
    with (simulation.out_dir / "trace.csv").open() as file:
        return np.array([float(row["plant_mw"]) for row in csv.DictReader(file)])


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """Decision and record of a plant at rest, of which nothing was ordered yet."""
    out = tmp_path_factory.mktemp("headroom") / "rest"
    simulation = simulate(out, regulation_mw=10.0, pu=0.0, duration_s=STEP_S + 2.0)
    return simulation, at_step(simulation)


@pytest.mark.parametrize(("horizon", "pu"), [(1, UP), (1, DOWN), (2, UP)])
def test_what_is_promised_is_delivered_within_its_horizon_and_held(tmp_path, before, horizon, pu):
    """Ordered as one step of just that; nearly empty batteries bridge, and the others take over."""
    _, promise = before
    promised = promise.promise_up_mw if pu > 0.0 else promise.promise_down_mw
    promised_mw, until_s = float(promised[horizon]), STEP_S + HORIZONS_S[horizon]
    ordered = simulate(
        tmp_path / "step", regulation_mw=promised_mw, pu=pu, duration_s=until_s + 5.0
    )
    delivered_mw = pu * (plant_mw(ordered) - promise.basepoint_sum_mw)
    there_mw = delivered_mw[int(until_s) - 1]
    print(f"seed {SEED}: {promised_mw:.3f} MW promised, {there_mw:.3f} MW there")
    last = slice(int(until_s) - 30, int(until_s))
    assert delivered_mw[last].min() >= (1.0 - TOLERANCE_PU) * promised_mw
    after = decisions(ordered)
    at_end = after[max(t_s for t_s in after if t_s < until_s)]
    assert abs(at_end.unserved_mw) <= TOLERANCE_PU * promised_mw


def test_the_energy_of_the_batteries_is_in_it(before):
    _, promise = before
    up_mw, firm_mw = promise.promise_up_mw, promise.promise_firm_up_mw
    assert up_mw[1] > up_mw[2] + 3.0 > up_mw[3] + 4.0
    assert (firm_mw <= up_mw).all()
    assert up_mw[0] < 0.5 * up_mw[1]  # in the next second there are batteries and hardly more


def test_the_tso_is_told_what_is_promised(before):
    simulation, promise = before
    with (simulation.raw_dir / "tso.inputs.csv").open() as file:
        told = [row for row in csv.DictReader(file) if row["mode"] == "2"][-1]
    pairs = {
        "promise_up_kw": promise.promise_up_mw, "promise_down_kw": promise.promise_down_mw,
        "firm_up_kw": promise.promise_firm_up_mw, "firm_down_kw": promise.promise_firm_down_mw,
    }  # fmt: skip
    for key, values_mw in pairs.items():
        assert float(told[key]) == pytest.approx(1e3 * values_mw[2], abs=50.0)
    # 10 MW were sold, and are not there for 15 min
    assert float(told["capacity_up_kw"]) == pytest.approx(float(told["promise_up_kw"]))
    assert float(told["capacity_down_kw"]) == 10_000.0
    events = (simulation.out_dir / "daemon.log").read_text()
    assert "award_above_headroom" in events
