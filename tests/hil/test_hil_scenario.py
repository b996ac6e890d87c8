"""Scenario files: what they may say, how they are overridden, what they complain of."""

from pathlib import Path

import pytest
import yaml

from hil import daemon_config, fleet
from hil import scenario as scenarios
from hil.checkers import settings
from hil.records import RecordError
from hil.scenario import FaultsConfig, Limit, Scenario, load, missed

SMALL = """\
name: small
regulation_mw: 1.0
fleet:
  kinds:
    battery:
      makers: {sunspec_battery: 2}
      rated_mw: 2.0
      basepoint_pct: 0
      up_pct: 100
      down_pct: 100
      dead_time_s: [0, 0.3]
      lag_s: 0.3
      ramp_pct_per_s: 100
      watchdog_s: 10
      cost: 1
      energy_h: 2
"""
FAULT_KEYS = "write_loss_pct, telemetry_noise_pct, offline_pct, outage_mean_s, model_error_pct"


def write(folder: Path, text: str) -> str:
    path = folder / "small.yaml"
    path.write_text(text)
    return str(path)


def problems(name: str, overrides=()) -> list[str]:
    with pytest.raises(RecordError) as caught:
        load(name, list(overrides))
    return [str(problem) for problem in caught.value.problems]


def test_the_reference_scenario_is_the_contract_s():
    made = load("zhejiang")
    table = {
        kind: (c.units, c.rated_mw, c.up_pct, c.down_pct, c.dead_time_s, c.lag_s, c.ramp_pct_per_s)
        for kind, c in made.fleet.kinds.items()
    }
    assert table == {
        "battery": (14, 60.0, 100.0, 100.0, (0.0, 0.3), 0.3, 100.0),
        "ev_hub": (90, 30.0, 50.0, 50.0, (2.0, 5.0), 2.0, 20.0),
        "hvac": (60, 24.0, 42.0, 42.0, (5.0, 10.0), 25.0, 2.0),
        "industrial": (26, 39.0, 36.0, 36.0, (10.0, 30.0), 40.0, 1.0),
        "pv": (20, 22.0, 9.0, 82.0, (1.0, 1.0), 2.0, 10.0),
    }
    assert made.faults == FaultsConfig(2.0, 2.0, 1.0, 60.0, 20.0)
    assert made.links.latency_ms == (20.0, 80.0)
    assert (made.regulation_mw, made.signal.interval_s, made.events) == (80.0, 2.0, ())


@pytest.mark.parametrize("name", scenarios.names())
def test_every_shipped_scenario_loads(name):
    made = load(name)
    assert made.name == name
    assert made.title


def test_overrides_of_the_command_line():
    made = load(
        "zhejiang",
        [
            ("fleet.seed", "7"),
            ("fleet.scale.battery", "0.5"),
            ("regulation_mw", "60"),
            ("faults", "none"),
            ("allocation.policy", "pro_rata"),
            ("wire.devices_per_process", "20"),
            ("events", "[{at_s: 10, kind: agc_cut}]"),
        ],
    )
    assert (made.seed, made.fleet_seed) == (1, 7)
    assert made.fleet.scale == {"battery": 0.5}
    assert made.regulation_mw == 60.0
    assert made.allocation.policy == "pro_rata"
    assert made.wire.devices_per_process == 20
    assert [event.kind for event in made.events] == ["agc_cut"]
    assert made.faults == FaultsConfig.none()
    assert load("zhejiang", [("faults.write_loss_pct", "3")]).faults.outage_mean_s == 60.0


def test_none_switches_all_faults_off():
    assert load("zhejiang", [("faults", "none")]).faults == FaultsConfig.none()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fleet.scale.batery", "0.5", "unknown key; did you mean battery?"),
        ("regulation", "60", "unknown key; did you mean regulation_mw?"),
        ("regulation_mw", "sixty", "must be a number, is 'sixty'"),
        ("regulation_mw", "-5", "must be within 0 to 1e+06, is -5"),
        ("allocation.policy", "exakt", "did you mean exact?"),
        ("faults", "some", f"must be none, or a mapping with the keys {FAULT_KEYS}"),
        ("links.latency_ms", "[20]", "must have 2 entries, has 1"),
        ("seed", "1.5", "must be a whole number, is 1.5"),
        ("signal.select", "maybe", "must be true or false, is 'maybe'"),
        ("name.first", "x", "what it is part of is a single value"),
        ("name", "[x]", "must be a single value"),
        ("events", "[{at_s: 500, kind: agc_cut}]", "after the end, 120 s"),
        ("signal", "{kind: file}", "needs file and column"),
        ("faults", "{", "yaml"),
    ],
)
def test_overrides_that_make_no_sense(key, value, message):
    found = problems("zhejiang", [(key, value)])
    assert len(found) == 1
    assert message in found[0]


def test_every_problem_at_once_with_its_line(tmp_path):
    text = SMALL.replace("rated_mw: 2.0", "rated_mw: -2.0").replace("lag_s: 0.3", "lagg_s: 0.3")
    text += "regulation_mw: 2.0\nlinks: {latency_ms: [80, 20]}\nfaults: 3\n"
    name = write(tmp_path, text)
    assert problems(name) == [
        f"{name}:7: fleet.kinds.battery.rated_mw: must be within 0.001 to 100000, is -2",
        f"{name}:12: fleet.kinds.battery.lagg_s: unknown key; did you mean lag_s?",
        f"{name}:6: fleet.kinds.battery.lag_s: missing",
        f"{name}:17: regulation_mw: given twice, first on line 2",
        f"{name}:19: faults: must be none, or a mapping with the keys {FAULT_KEYS}",
    ]


def test_rules_over_more_than_one_key(tmp_path):
    text = SMALL.replace("[0, 0.3]", "[0.3, 0]").replace("sunspec_battery: 2", "sunspec_battery: 0")
    name = write(tmp_path, text)
    assert [problem.split(": ", 1)[1] for problem in problems(name)] == [
        "fleet.kinds.battery.dead_time_s: must be two numbers, the lower one first, is [0.3, 0.0]",
        "fleet.kinds.battery.makers: the kind has no unit; leave the kind out instead",
    ]


@pytest.mark.parametrize("text", ["", "- 1\n", "name: [\n", "a: &x\n  b: *y\n"])
def test_what_is_no_scenario_at_all(tmp_path, text):
    found = problems(write(tmp_path, text))
    assert len(found) >= 1
    assert found[0].startswith(str(tmp_path))


def test_a_scenario_extends_another(tmp_path):
    text = "extends: zhejiang\nname: mine\nfleet: {scale: {pv: 2}}\nfaults: {offline_pct: 5}\n"
    made = load(write(tmp_path, text))
    assert (made.name, made.fleet.scale, made.faults.offline_pct) == ("mine", {"pv": 2.0}, 5.0)
    assert made.faults.write_loss_pct == 2.0
    name = write(tmp_path, "extends: nowhere\nname: mine\n")
    assert "no such scenario; known: agc-cut" in problems(name)[0]


def test_a_key_given_twice_is_told_in_a_file_that_extends_another(tmp_path):
    text = "extends: zhejiang\nregulation_mw: 5.0\nlinks:\n  latency_ms: [1, 2]\n"
    name = write(tmp_path, text + "  latency_ms: [3, 4]\nregulation_mw: sixty\n")
    assert problems(name) == [
        f"{name}:5: links.latency_ms: given twice, first on line 4",
        f"{name}:6: regulation_mw: given twice, first on line 2",
    ]


def test_a_scenario_that_is_not_there():
    with pytest.raises(FileNotFoundError, match="known: agc-cut"):
        load("zhejang")


def result(**figures):
    return {"limits": {"violations": 0}, "timing": {"p99": 120.0}, "ok": True, **figures}


def test_limits_that_are_missed_and_by_how_much(tmp_path):
    made = load(write(tmp_path, SMALL), [
        ("acceptance", "{limits.violations: {maximum: 0}, timing.p99: {maximum: 150},"
                       " ok: {equals: true}, tracking.accuracy_pct: {minimum: 95}}"),
    ])  # fmt: skip
    assert isinstance(made, Scenario)
    assert made.acceptance["ok"] == Limit(equals=True)
    good = result(tracking={"accuracy_pct": 97.0})
    assert missed(made, good) == []
    bad = result(
        limits={"violations": 3}, timing={"p99": 151.5}, ok=False, tracking={"accuracy_pct": 94.0}
    )
    assert missed(made, bad) == [
        "limits.violations: 3 is over its limit 0 by 3",
        "timing.p99: 151.5 is over its limit 150 by 1.5",
        "ok: is False, must be True",
        "tracking.accuracy_pct: 94 is under its limit 95 by 1",
    ]
    unknown = result(tracking={"accuracy_pct": None}, notes={"tracking.accuracy_pct": "no trace"})
    assert missed(made, unknown) == ["tracking.accuracy_pct: could not be measured (no trace)"]


def test_a_figure_may_stand_in_a_list_and_its_reason_with_what_it_is_part_of(tmp_path):
    made = load(write(tmp_path, SMALL), [("acceptance", "{a.kills.1.late.max: {maximum: 2}}")])
    found = {"a": {"kills": [{"late": {"max": 1.0}}, {"late": {"max": 2.5}}]}}
    assert missed(made, found) == ["a.kills.1.late.max: 2.5 is over its limit 2 by 0.5"]
    found["a"]["kills"][1]["late"]["max"] = None
    found["notes"] = {"a.kills.1.late": "nobody came"}
    assert missed(made, found) == ["a.kills.1.late.max: could not be measured (nobody came)"]
    found["a"]["kills"].pop()
    found["notes"] = {}
    assert missed(made, found) == ["a.kills.1.late.max: could not be measured (no reason given)"]


def test_a_limit_that_a_second_figure_may_meet_instead(tmp_path):
    limit = "{rise_pct: {maximum: 20, unless: {key: rise_ms, maximum: 10}}}"
    made = load(write(tmp_path, SMALL), [("acceptance", limit)])
    assert missed(made, {"rise_pct": 19.0, "rise_ms": 30.0}) == []
    assert missed(made, {"rise_pct": 90.0, "rise_ms": 9.0}) == []
    assert missed(made, {"rise_pct": 25.0, "rise_ms": 12.5}) == [
        "rise_pct: 25 is over its limit 20 by 5, and rise_ms: 12.5 is over its limit 10 by 2.5"
    ]
    unknown = {"rise_pct": 25.0, "rise_ms": None}
    assert "rise_ms: could not be measured" in missed(made, unknown)[0]
    text = "{rise_pct: {maximum: 20, unless: {key: rise_ms}}}"
    told = problems("zhejiang", [("acceptance", text)])
    assert told[0].endswith("acceptance.rise_pct.unless.maximum: missing")


def test_a_figure_that_no_run_has_is_told_as_a_mistake(tmp_path):
    limits = (
        "{tracking.accuracy_pc: {minimum: 95}, tracking.kp.k1: {minimum: 1}, seeed: {minimum: 0}}"
    )
    made = load(write(tmp_path, SMALL), [("acceptance", limits)])
    found = {"seed": 1, "tracking": {"accuracy_pct": 99.0}}
    assert sorted(missed(made, found)) == [
        "seeed: there is no such figure in result.json; did you mean seed?",
        "tracking.accuracy_pc: there is no such figure in result.json;"
        " did you mean tracking.accuracy_pct?",
        "tracking.kp.k1: there is no such figure in result.json",
    ]


def test_each_event_after_the_end_is_told_at_its_own_line(tmp_path):
    events = "".join(
        f"  - {{kind: agc_cut,\n     at_s: {at_s}, duration_s: 1}}\n" for at_s in (5, 500, 6, 700)
    )
    name = write(tmp_path, f"{SMALL}duration_s: 60\nevents:\n{events}")
    line = SMALL.count("\n") + 2
    assert problems(name) == [
        f"{name}:{line + 4}: events[1].at_s: 500 is after the end, 60 s",
        f"{name}:{line + 8}: events[3].at_s: 700 is after the end, 60 s",
    ]


def test_no_choice_is_not_offered_as_one():
    (told,) = problems("zhejiang", [("events", "[{at_s: 1, kind: agc_cut, of: cars}]")])
    assert "must be one of battery, ev_hub," in told


def test_guards_go_into_the_daemon_s_configuration():
    def guards(*overrides):
        made = load("zhejiang", list(overrides))
        drawn = fleet.draw(made, 20000)
        text = daemon_config.text(drawn, made, state_dir=".", command="test")
        return yaml.safe_load(text)["guards"]

    assert guards() == {"agc_interval_s": 2.0, "agc_stale_after_s": 6.0}
    told = {"agc_stale_after_s": 4.5, "hold_s": 0.0, "return_rate_pu_per_s": 0.005}
    assert guards(("guards", str(told))) == {"agc_interval_s": 2.0, **told}


def test_links_go_into_the_daemon_s_configuration(tmp_path):
    def configured(name):
        made = load(name)
        text = daemon_config.text(fleet.draw(made, 20000), made, state_dir=".", command="test")
        return text, yaml.safe_load(text)

    _, plain = configured("zhejiang")
    assert {"timeout_s", "telemetry_age_max_s"}.isdisjoint(plain["links"][1] | plain["fleet"][0])
    text, wan = configured("degraded-wan")
    assert all(link["timeout_s"] == 3.0 for link in wan["links"][1:])
    assert all(unit["telemetry_age_max_s"] == 15.0 for unit in wan["fleet"])
    (tmp_path / "daemon.yaml").write_text(text)
    assert settings.read(tmp_path / "daemon.yaml", {}).telemetry_age_max_s == 15.0


def test_the_shipped_files_are_plain_yaml():
    for name in scenarios.names():
        assert yaml.safe_load((scenarios.FOLDER / f"{name}.yaml").read_text())["name"] == name


def test_a_latency_the_wrong_way_round_names_its_key(tmp_path):
    found = problems(write(tmp_path, "extends: storm\nlinks:\n  latency_ms: [80, 20]\n"))
    assert found == [
        f"{tmp_path / 'small.yaml'}:3: links.latency_ms: the lower one comes first, is [80.0, 20.0]"
    ]


SOME = "[{kind: device_trip, per_hour: 1}]"


@pytest.mark.parametrize(("settings", "count"), [
    ([("faults", "none")], 0),
    ([("faults", "none"), ("random_faults", SOME)], 1),
    ([("random_faults", SOME), ("faults", "none")], 1),
    ([("faults", "{offline_pct: 1}")], None),
    ([("faults.offline_pct", "0")], None),
])  # fmt: skip
def test_no_faults_are_none_at_all(tmp_path, settings, count):
    shipped = len(load("storm").random_faults)
    assert shipped > 20
    told = "".join(f"{key}: {text}\n" for key, text in settings if "." not in key)
    files = [write(tmp_path, f"extends: storm\nname: mine\n{told}")] if told else []
    for made in (load("storm", settings), *(load(file) for file in files)):
        assert len(made.random_faults) == (shipped if count is None else count)


def test_events_are_asked_for_one_by_one_and_stay():
    assert load("agc-cut", [("faults", "none")]).events == load("agc-cut").events != ()


def test_a_scenario_is_looked_for_beside_the_one_that_extends_it(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "base.yaml").write_text("extends: zhejiang\nregulation_mw: 7\n")
    name = write(tmp_path, "extends: old/base.yaml\nname: mine\n")
    assert load(name).regulation_mw == 7.0


def test_a_scenario_that_extends_itself_is_told_where(tmp_path):
    (tmp_path / "a.yaml").write_text(f"name: a\nextends: {tmp_path / 'b.yaml'}\n")
    (tmp_path / "b.yaml").write_text(f"extends: {tmp_path / 'a.yaml'}\n")
    with pytest.raises(RecordError) as raised:
        load(str(tmp_path / "a.yaml"))
    assert "b.yaml:1: extends: goes in a circle" in str(raised.value)


def test_limits_that_nothing_can_meet_and_limits_of_no_figure():
    with pytest.raises(RecordError, match="minimum: 101 is over maximum, 3"):
        load("zhejiang", [("acceptance", "{tracking.mae_mw: {minimum: 101, maximum: 3}}")])
    made = load("zhejiang", [("acceptance", "{tracking: {maximum: 5}}")])
    assert missed(made, {"tracking": {"mae_mw": 1.0}}) == [
        "tracking: is no figure, it holds several; name one of them"
    ]
