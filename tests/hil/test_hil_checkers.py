"""What is right passes every checker; what they found together, and how it is told."""

import json

import numpy as np
import pytest
from checked_bench import EV, T0_S, Scene
from hand_made import Run
from hypothesis import given
from hypothesis import strategies as st

from hil import checkers, result
from hil.checkers import excuses, registry, settings
from hil.checkers.evidence import episodes
from hil.checkers.violation import Violation
from hil.scenario import Limit, load
from hil.scenario.acceptance import shortfall


def test_what_is_right_passes_every_checker(tmp_path):
    evidence = Scene().evidence(tmp_path)
    report = checkers.run(evidence)
    assert report.violations == []
    missing = {name for name, found in report.found.items() if not found.done}
    assert missing == {"comfort", "thermal", "departure"}  # no such columns were recorded
    checked = {name: found.checked for name, found in report.found.items() if found.done}
    assert checked.pop("band") == 0  # nobody has one
    for idle in ("resume", "prediction", "log", "back"):  # no fault, nobody away, no line
        assert checked.pop(idle) == 0
    assert min(checked.values()) > 0


def test_an_outage_that_goes_as_it_should_passes_every_checker(tmp_path):
    scene = Scene()
    scene.away(EV, 15.0, 40.0)
    evidence = scene.evidence(tmp_path)
    report = checkers.run(evidence)
    assert report.violations == []
    assert report.found["prediction"].checked == 25


def test_no_journal_leaves_the_checks_of_the_truth(tmp_path):
    evidence = Scene().evidence(tmp_path)
    silent = checkers.Evidence(
        **{name: getattr(evidence, name) for name in evidence.__slots__} | {"ticks": None}
    )
    report = checkers.run(silent)
    assert report.violations == []
    for name in ("setpoint_age", "balance", "prediction"):
        assert not report.found[name].done
        assert "journal" in report.found[name].note
    assert report.found["fallback"].done


def test_none_found_is_no_zero_where_a_record_is_not_there(tmp_path):
    evidence = Scene().evidence(tmp_path)
    (tmp_path / "daemon.log").unlink(missing_ok=True)
    notes: dict[str, str] = {}
    found = checkers.figures(evidence, checkers.run(evidence), notes)
    assert found["by_check"]["log"] is None
    assert found["violations"] is None
    assert notes["checks.violations"] == "not checked, for want of a record: log"
    lenient = {"checks": found, "notes": notes}
    told = shortfall(lenient, "checks.violations", Limit(maximum=0))
    assert told == f"checks.violations: could not be measured ({notes['checks.violations']})"


def test_the_figures_say_what_when_and_whom(tmp_path):
    scene = Scene()
    scene.setpoints = [[t, u, 1.2 if (t, u) == (T0_S + 30.06, 0) else p, f]
                       for t, u, p, f in scene.setpoints]  # fmt: skip
    notes: dict[str, str] = {}
    evidence = scene.evidence(tmp_path)
    found = checkers.figures(evidence, checkers.run(evidence), notes)
    assert found["violations"] == sum(n for n in found["by_check"].values() if n) > 0
    assert found["by_check"]["limits"] == 2  # beyond its rating, and what it had to give
    assert found["by_check"]["comfort"] is None
    assert "room_k" in notes["checks.by_check.comfort"]
    first = next(each for each in found["first"] if each["check"] == "limits")
    assert (first["unit"], first["value"]) == ("battery000", 1.2)
    assert first["t_s"] == pytest.approx(30.06)


def test_the_result_of_a_run_has_them(tmp_path):
    found = result.compute(tmp_path, Run().write(tmp_path))
    checks = json.loads((tmp_path / "result.json").read_text())["checks"]
    assert checks == found["checks"]
    assert set(checks["by_check"]) == set(checkers.ALL)
    # by hand, unserved was made up: .25 MW in each of the 100 ticks
    assert checks["by_check"]["balance"] >= 100
    assert len(checks["first"]) == registry.LISTED


@pytest.mark.parametrize(
    ("unit", "at_s", "kept"),
    [(1, 25.0, 0), (1, 41.0, 0), (1, 44.0, 1), (1, 19.0, 1), (0, 25.0, 1)],
)
def test_a_fault_excuses_its_own_unit_while_it_lasts_and_a_little_longer(
    tmp_path, unit, at_s, kept
):
    scene = Scene(spans=[("device_wrong_sign", 20.0, 35.0, 1)])
    what = "counted by what is not its fallback, MW"
    violation = Violation(T0_S + at_s, unit, "prediction", what)
    found, excused = excuses.sift(scene.evidence(tmp_path), [violation])
    assert (len(found), excused) == (kept, 1 - kept)


def test_a_fault_of_another_kind_excuses_nothing(tmp_path):
    scene = Scene(spans=[("device_trip", 20.0, 35.0, 1)])
    violation = Violation(T0_S + 25.0, 1, "prediction", "counted by what is not its fallback, MW")
    assert excuses.sift(scene.evidence(tmp_path), [violation]) == ([violation], 0)


def test_every_excuse_names_faults_that_exist():
    from hil.checkers.log import CAUSES
    from hil.scenario.fault_kinds import FAULT_KINDS

    named = {kind for excuse in excuses.EXCUSES for kind in excuse.kinds}
    named |= {cause.kind for cause in CAUSES}
    assert named <= set(FAULT_KINDS)
    assert {excuse.check for excuse in excuses.EXCUSES} <= set(checkers.ALL)


def test_settings_are_read_from_the_configuration_and_the_scenario(tmp_path):
    config = tmp_path / "daemon.yaml"
    config.write_text(
        "# comment\nsite:\n  name: x\n\n  tick_s: 0.5\n  setpoint_age_max_s: 1.5\n"
        "droop: {droop_pu: 0.05, power_mw: 3.0}\nfleet:\n  - {id: a}\n"
    )
    told = settings.read(config, {"policy": "pro_rata", "checks": {"resume_within_s": 4}})
    assert (told.tick_s, told.setpoint_age_max_s, told.droop) == (0.5, 1.5, True)
    assert (told.policy, told.resume_within_s, told.resume_error_pct) == ("pro_rata", 4.0, 20.0)
    assert settings.read(tmp_path / "nowhere.yaml", {}) == settings.Settings()


def test_a_scenario_may_set_when_regulation_counts_as_resumed():
    scenario = load("zhejiang", [("checks.resume_within_s", "25")])
    assert (scenario.checks.resume_within_s, scenario.checks.resume_error_pct) == (25.0, 20.0)


def test_the_reference_scenario_asks_for_no_violation():
    assert load("zhejiang").acceptance["checks.violations"].maximum == 0


@given(st.lists(st.booleans(), max_size=40))
def test_episodes_are_the_stretches_of_true(mask):
    found = episodes(np.array(mask, dtype=bool))
    again = np.zeros(len(mask), dtype=bool)
    for first, last in found:
        assert not again[first : last + 1].any()
        again[first : last + 1] = True
        assert first == 0 or not mask[first - 1]
        assert last + 1 == len(mask) or not mask[last + 1]
    assert again.tolist() == mask
