"""Checkers on a run in virtual time: nothing to find, and what a spoilt record would show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil import checkers
from hil.checkers import Evidence, balance, fallback, told
from hil.measure import inputs, limits, pairing, plant, tracking
from hil.recording import UnitState
from hil.scenario import load
from hil.sim.run import Simulation

SEED = 4
STEPS = "{kind: steps, interval_s: 2.0, steps: [[0, 0.2], [12, 1.0], [28, -1.0]]}"


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Thirty units, more sold than they can give, every sixth of them away at any time."""
    out: Path = tmp_path_factory.mktemp("run")
    overrides = {"seed": str(SEED), "duration_s": "45", "random_faults": "[]", "signal": STEPS,
                 "regulation_mw": "30", "faults.offline_pct": "15"}  # fmt: skip
    print(f"seed {SEED}")
    simulation = Simulation(load("storm", list(overrides.items())), out)
    simulation.make()
    ticks = simulation.ticks
    assert ticks is not None
    run = inputs.read(out / "raw")
    processes = plant.read_processes(run)
    paired = pairing.writes_to_ticks(ticks, run.setpoints, run.units)
    checked = limits.check(run, processes, run.setpoints, limits.tick_instants(ticks, paired))
    rows = tracking.seconds(run, plant.traces(run, processes), ticks)
    return checkers.gather(out, run, processes, rows, ticks, paired, checked)


def words(found: checkers.Found) -> set[str]:
    return {violation.what for violation in found.violations}


def test_a_run_without_a_bug_has_no_violation(evidence):
    report = checkers.run(evidence)
    assert report.violations == []
    for name in ("limits", "setpoint_age", "balance", "prediction", "fallback", "told"):
        assert report.found[name].checked > 10, name
    assert report.found["back"].checked > 0  # units that were left to themselves meanwhile
    assert np.abs(evidence.ticks.unserved_mw).max() > 1.0
    assert (evidence.processes[0].rows["state"] == UnitState.FALLBACK).any()


def test_the_request_told_as_delivered_is_found(evidence):
    ticks, polls = evidence.ticks, evidence.run.told
    asked_mw = ticks.request_mw[np.searchsorted(ticks.now_s, polls.t_s) - 1]
    lied = replace(polls, p_kw=np.round(1e3 * asked_mw))
    found = told.check(replace(evidence, run=replace(evidence.run, told=lied)))
    assert told.WHAT in words(found)


def test_unserved_power_that_is_dropped_is_found(evidence):
    silent = replace(evidence.ticks, unserved_mw=np.zeros_like(evidence.ticks.unserved_mw))
    assert balance.SUM in words(balance.check(replace(evidence, ticks=silent)))


def test_fallbacks_that_are_skipped_are_found(evidence):
    (process,) = evidence.processes
    rows = process.rows.copy()
    rows["state"] = UnitState.FOLLOW
    found = fallback.check(replace(evidence, processes=[replace(process, rows=rows)]))
    assert words(found) == {fallback.LATE}
