"""A cut AGC link in recordings whose answers are known: cut at 40 s for 30 s, guards 6, 10, .02."""

import dataclasses

import pytest
from hand_made import T0_S, Run
from hand_recovery import NUMBERS, RATE, YAML, cut

from hil import report, result
from hil.measure.agc_cut import COMM_LOST, ONLINE, Guards, read_guards
from hil.scenario import Limit, figure, load, shortfall
from vppd.config.schema import SiteConfig
from vppd.config.sections import GuardsConfig


def figures(run: Run, tmp_path) -> dict:
    return result.compute(tmp_path, run.write(tmp_path))


def cut_of(run: Run, tmp_path) -> dict:
    (found,) = figures(run, tmp_path)["recovery"]["agc_cut"]
    return found


def row(run: Run, mode: str, last: bool = False) -> int:
    """First or last tick in a mode."""
    rows = [k for k, tick in enumerate(run.ticks) if tick["mode"] == mode]
    return rows[-1 if last else 0]


def test_the_modes_and_their_times(tmp_path):
    found = cut_of(cut(), tmp_path)
    assert (found["at_s"], found["duration_s"]) == (40.0, 30.0)
    assert [(m["mode"], round(m["at_s"], 3), m["ticks"]) for m in found["modes"]] == [
        ("REGULATING", 0.032, 45),
        ("HOLD", 45.0, 10),
        ("RETURN", 55.0, 7),
        ("BASEPOINT", 62.0, 8),
        ("REGULATING", 70.032, 1),
    ]


def test_hold_and_return_as_configured(tmp_path):
    found = cut_of(cut(), tmp_path)
    assert found["hold"] == {
        "after_last_value_s": pytest.approx(6.969),
        "lasted_s": pytest.approx(10.0),
        "regulation_mw": 1.25,
        "constant": True,
        "configured_stale_after_s": 6.0,
        "configured_s": 10.0,
        "as_configured": True,
    }
    assert found["return"] == {
        "lasted_s": pytest.approx(7.0),
        "rate_pu_per_s": pytest.approx(RATE),
        "ended_by": "zero",
        "configured_pu_per_s": RATE,
        "as_configured": True,
    }


def test_a_value_ends_return_before_it_is_at_zero(tmp_path):
    found = cut_of(cut(pu=-0.9), tmp_path)
    assert [m["mode"] for m in found["modes"]] == ["REGULATING", "HOLD", "RETURN", "REGULATING"]
    assert found["return"]["ended_by"] == "signal"
    assert found["return"]["as_configured"] is True
    assert found["return"]["rate_pu_per_s"] == pytest.approx(RATE)


def one_tick_more_of_hold(run: Run) -> None:
    first = row(run, "RETURN")
    run.ticks[first] |= {"mode": "HOLD", "regulation_mw": run.ticks[first - 1]["regulation_mw"]}


def one_tick_less_of_hold(run: Run) -> None:
    run.ticks[row(run, "HOLD", last=True)]["mode"] = "RETURN"


def held_too_late(run: Run) -> None:
    run.ticks[row(run, "HOLD")]["mode"] = "REGULATING"


def held_too_early(run: Run) -> None:
    run.ticks[row(run, "HOLD") - 1]["mode"] = "HOLD"


def moved_while_held(run: Run) -> None:
    run.ticks[row(run, "HOLD") + 3]["regulation_mw"] += 1e-4


@pytest.mark.parametrize(
    "spoil",
    [one_tick_more_of_hold, one_tick_less_of_hold, held_too_late, held_too_early, moved_while_held],
)
def test_a_hold_that_is_not_as_configured(tmp_path, spoil):
    run = cut()
    spoil(run)
    found = figures(run, tmp_path)
    assert found["recovery"]["agc_cut"][0]["hold"]["as_configured"] is False
    key = "recovery.agc_cut.0.hold.as_configured"
    assert shortfall(found, key, Limit(equals=True)) == f"{key}: is False, must be True"


def too_fast(run: Run) -> None:
    run.ticks[row(run, "RETURN") + 2]["regulation_mw"] -= 1e-3


def stands_still(run: Run) -> None:
    at = row(run, "RETURN") + 2
    run.ticks[at]["regulation_mw"] = run.ticks[at - 1]["regulation_mw"]


def ends_before_zero(run: Run) -> None:
    run.ticks[row(run, "RETURN", last=True)] |= {"mode": "BASEPOINT", "regulation_mw": 0.0}


def goes_on_at_zero(run: Run) -> None:
    run.ticks[row(run, "BASEPOINT")]["mode"] = "RETURN"


def ended_by_order(run: Run) -> None:
    run.ticks[row(run, "BASEPOINT")]["mode"] = "LOCAL"


@pytest.mark.parametrize(
    "spoil", [too_fast, stands_still, ends_before_zero, goes_on_at_zero, ended_by_order]
)
def test_a_return_that_is_not_as_configured(tmp_path, spoil):
    run = cut()
    spoil(run)
    assert cut_of(run, tmp_path)["return"]["as_configured"] is False


def test_other_guards_are_what_the_configuration_says(tmp_path):
    run = cut()
    run.daemon_yaml = YAML.replace("hold_s: 10.0", "hold_s: 9.0")
    found = cut_of(run, tmp_path)
    assert (found["hold"]["configured_s"], found["hold"]["as_configured"]) == (9.0, False)
    assert found["return"]["as_configured"] is True


def test_what_the_tso_read(tmp_path):
    assert cut_of(cut(), tmp_path)["tso"] == {
        "polls": 15,
        "modes": ["REGULATING", "HOLD", "RETURN", "BASEPOINT"],
        "saw_hold": True,
        "saw_return": True,
        "stale_polls": 9,
        "comm_lost": True,
        "good_again": True,
    }


def test_one_good_flag_while_the_signal_is_stale_is_told(tmp_path):
    run = cut()
    at = next(k for k, (_, _, mode) in enumerate(run.told) if mode == NUMBERS["RETURN"])
    run.told[at] = (run.told[at][0], ONLINE, NUMBERS["RETURN"])
    assert cut_of(run, tmp_path)["tso"]["comm_lost"] is False


def test_flags_that_stay_bad_are_told(tmp_path):
    run = cut()
    run.told = [(t, COMM_LOST if t > T0_S + 60.0 else f, m) for t, f, m in run.told]
    assert cut_of(run, tmp_path)["tso"]["good_again"] is False


def test_a_tso_that_could_not_poll_is_told(tmp_path):
    run = cut()
    run.told = [each for each in run.told if not 40.0 < each[0] - T0_S < 70.0]
    found = figures(run, tmp_path)
    assert found["recovery"]["agc_cut"][0]["tso"]["comm_lost"] is False
    assert "could not poll" in found["notes"]["recovery.agc_cut.0.tso"]


def test_regulation_resumes_by_the_first_value(tmp_path):
    found = cut_of(cut(), tmp_path)
    assert found["first_value_s"] == pytest.approx(70.03)
    assert found["resumed_after_s"] == pytest.approx(0.002)
    run = cut()
    run.ticks[70] |= {"mode": "BASEPOINT", "regulation_mw": 0.0}
    late = cut_of(run, tmp_path / "late")
    assert late["resumed_after_s"] == pytest.approx(71.0 - 70.03)


def test_a_plant_that_does_not_resume_is_told(tmp_path):
    run = cut()
    for tick in run.ticks[70:]:
        tick["mode"] = "BASEPOINT"
    found = figures(run, tmp_path)
    assert found["recovery"]["agc_cut"][0]["resumed_after_s"] is None
    key = "recovery.agc_cut.0.resumed_after_s"
    assert "did not regulate again" in shortfall(found, key, Limit(maximum=1.0))


def test_a_cut_that_nobody_ends(tmp_path):
    run = cut()
    run.events.pop()
    run.cut = (40.0, 1e9)
    found = figures(run, tmp_path)
    assert found["recovery"]["agc_cut"][0]["first_value_s"] is None
    assert found["recovery"]["agc_cut"][0]["resumed_after_s"] is None


def test_a_short_cut_has_no_hold_and_says_so(tmp_path):
    run = Run(agc_pu=lambda _t: 0.1, cut=(40.0, 44.0), daemon_yaml=YAML)
    run.events = [(T0_S + 40.0, -1, "agc_cut", "closed"), (T0_S + 44.0, -1, "agc_back", "")]
    found = figures(run, tmp_path)
    assert found["recovery"]["agc_cut"][0]["hold"] is None
    assert found["notes"]["recovery.agc_cut.0.hold"] == "the mode never was HOLD"


def test_without_journal_or_configuration_there_are_notes_instead(tmp_path):
    run = cut()
    run.daemon_yaml = ""
    found = figures(run, tmp_path)
    assert found["recovery"]["agc_cut"][0]["hold"]["as_configured"] is None
    assert "FileNotFoundError" in found["notes"]["recovery.agc_cut.0.hold.as_configured"]
    found = result.compute(tmp_path, ("/nonexistent/vppd",))
    assert found["recovery"]["agc_cut"][0]["modes"] is None
    assert found["recovery"]["agc_cut"][0]["tso"]["comm_lost"] is True
    assert "journal" in found["notes"]["recovery.agc_cut.0.modes"]


def test_the_defaults_are_the_daemon_s(tmp_path):
    path = tmp_path / "daemon.yaml"
    path.write_text("site: {name: x}\n")
    defaults = {f.name: f.default for f in dataclasses.fields(GuardsConfig)}
    defaults |= {f.name: f.default for f in dataclasses.fields(SiteConfig)}
    assert read_guards(path) == Guards(*(defaults[f.name] for f in dataclasses.fields(Guards)))


def test_the_limits_of_the_shipped_scenario_are_met_by_a_good_run(tmp_path):
    found = figures(cut(), tmp_path)
    limits = {k: v for k, v in load("agc-cut").acceptance.items() if k.startswith("recovery.")}
    assert len(limits) == 7
    assert [key for key in limits if figure(found, key) is None] == []
    assert [key for key, limit in limits.items() if shortfall(found, key, limit)] == []


def test_the_report_has_a_table_of_it(tmp_path):
    run = cut()
    page = report.write(result.measure(tmp_path, run.write(tmp_path))).read_text()
    body = page[page.index("<body>") :]
    assert "AGC link cut at 40.0 s for 30.0 s" in body
    assert "HOLD from 45.0 s, RETURN from 55.0 s" in body
    assert "REGULATING, HOLD, RETURN, BASEPOINT; COMM_LOST on the AGC in force" in body
