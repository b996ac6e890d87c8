"""`vppd settle` of a run on `regd-day`, against the simulated physics in its `trace.csv`.

A tenth of the fleet, so a tenth of 1 kWh is what 1 kWh is to the whole of it: by straight lines
between readings it would be missed, and with the scenario's faults by readings altogether.
"""

import csv
import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from test_hil_long_scenarios import FEW, REPLAYED

from hil import result
from hil.scenario import load
from hil.sim.run import Simulation
from vppd.cli import main
from vppd.journal.instant import utc_text
from vppd.market.settlement.energy import interval_energy
from vppd.runtime.settle_journal import read_plant

VIRTUAL_UTC_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z: the wall clock at 0 of the virtual one
SECONDS = 600
TROUBLED_SECONDS = 900
KWH = 1e-3  # in MWh
TROUBLED_KWH = 0.2  # a unit that is off line at the end weighs as much as in the whole plant


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run without faults; the settlement and the trace of it."""
    return settled_run(tmp_path_factory.mktemp("regd"), SECONDS, [("faults", "none")])


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """The same with the faults of the scenario: noise, lost writes, links down, wrong models."""
    return settled_run(tmp_path_factory.mktemp("troubled"), TROUBLED_SECONDS, [])


def settled_run(out, seconds, more):
    changes = [*FEW.items(), ("duration_s", str(seconds)), *more]
    simulation = Simulation(load("regd-day", changes), out)
    simulation.make()
    result.measure(out, ticks=simulation.ticks, replay=lambda _: REPLAYED)
    t0_s = json.loads((out / "raw" / "run.json").read_text())["t0_s"]
    since = utc_text(VIRTUAL_UTC_S + t0_s)
    until = utc_text(VIRTUAL_UTC_S + t0_s + seconds)
    for name in ("first.csv", "second.csv", "first.parquet", "second.parquet"):
        done = CliRunner().invoke(
            main,
            ["settle", str(out / "journal"), "--market", "pjm-2025-10", "--out", str(out / name),
             "--since", since, "--until", until],
            catch_exceptions=False,
        )  # fmt: skip
        assert (done.exit_code, done.stderr) == (0, "")
    return out


def settled(out, level):
    rows = csv.DictReader((out / "first.csv").read_text().splitlines())
    return [row for row in rows if row["level"] == level]


def traced_mwh(out, column):
    rows = list(csv.DictReader((out / "trace.csv").read_text().splitlines()))
    values = np.array([float(row[column]) for row in rows])
    return values.reshape(-1, 300).sum(axis=1) / 3600.0


def test_energy_is_that_of_the_physics(made):
    plants = settled(made, "plant")
    metered = np.array([float(row["metered_mwh"]) for row in plants])
    assert metered == pytest.approx(traced_mwh(made, "plant_mw"), abs=0.1 * KWH)
    (total,) = settled(made, "total")
    assert float(total["metered_mwh"]) == pytest.approx(
        traced_mwh(made, "plant_mw").sum(), abs=0.1 * KWH
    )


def test_with_faults_it_is_that_of_the_physics_by_the_meters(troubled):
    traced_kwh = 1e3 * traced_mwh(troubled, "plant_mw")
    metered_kwh = 1e3 * np.array([float(r["metered_mwh"]) for r in settled(troubled, "plant")])
    (total,) = settled(troubled, "total")
    print("kWh off by intervals", metered_kwh - traced_kwh)
    assert metered_kwh == pytest.approx(traced_kwh, abs=TROUBLED_KWH)
    assert 1e3 * float(total["metered_mwh"]) == pytest.approx(traced_kwh.sum(), abs=TROUBLED_KWH)
    units = len({row["unit"] for row in settled(troubled, "unit")})
    assert float(total["counted_unit_s"]) > 0.95 * units * TROUBLED_SECONDS
    readings_kwh = 1e3 * readings_mwh(troubled, TROUBLED_SECONDS)
    print("kWh off by readings", readings_kwh - traced_kwh)
    assert np.abs(readings_kwh - traced_kwh).max() > TROUBLED_KWH  # else the meters are no use


def readings_mwh(out, seconds):
    """Energy of the plant by interval, by its readings alone."""
    edges_s = VIRTUAL_UTC_S + json.loads((out / "raw" / "run.json").read_text())["t0_s"]
    edges_s = edges_s + np.arange(0.0, seconds + 1.0, 300.0)
    units = read_plant(out / "journal").units
    return sum(interval_energy(unit.readings, edges_s).readings_mwh for unit in units)


def test_straight_lines_would_not_do(made):
    """Else the test above could not fail."""
    edges_s = VIRTUAL_UTC_S + json.loads((made / "raw" / "run.json").read_text())["t0_s"]
    edges_s = edges_s + np.arange(0.0, SECONDS + 1.0, 300.0)
    lines = [
        interval_energy(dataclasses.replace(unit.readings, lag_s=0.0), edges_s).readings_mwh
        for unit in read_plant(made / "journal").units
    ]
    off = np.abs(np.sum(lines, axis=0) - traced_mwh(made, "plant_mw"))
    assert off.max() > 0.1 * KWH


def test_what_was_asked_is_what_the_tso_sent(made):
    rows = settled(made, "plant")
    asked = np.array([float(row["requested_mwh"]) + float(row["baseline_mwh"]) for row in rows])
    # received some 50 ms after it was sent: at most 16 MW of change x .08 s = .36 kWh
    assert asked == pytest.approx(traced_mwh(made, "request_mw"), abs=0.36 * KWH)


def test_units_sum_up_to_the_plant(made):
    units, plants = settled(made, "unit"), settled(made, "plant")
    assert len(units) == len(plants) * len({row["unit"] for row in units})
    for plant in plants:
        own = [row for row in units if row["since_utc"] == plant["since_utc"]]
        for name in ("metered_mwh", "baseline_mwh", "regulation_mwh", "droop_mwh"):
            total = sum(float(row[name]) for row in own)
            assert total == pytest.approx(float(plant[name]), abs=1e-9 * len(own))


def test_two_runs_give_the_same_bytes(made):
    for kind in ("csv", "parquet"):
        first = (made / f"first.{kind}").read_bytes()
        assert first == (made / f"second.{kind}").read_bytes()
        assert len(first) > 1000
