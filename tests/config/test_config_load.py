"""What loads, what it loads to, and that one problem hides no other."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from config_stubs import GOOD, REGISTRY, BatteryDevice, ModbusLink, OutstationSignal

from vppd.config import document, mappings
from vppd.config.build import shapes_of
from vppd.config.checks import _is_same_place
from vppd.config.errors import ConfigError, Problem
from vppd.config.fields import number
from vppd.config.load import config_hash, load_config, parse_config, read_config, resolve_path
from vppd.config.schema import DeviceConfig


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "f", REGISTRY)
    return [str(problem).removeprefix("f:") for problem in caught.value.problems]


def edited(*edits: tuple[str, str]) -> str:
    text = GOOD
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_a_good_file_loads_into_the_drivers_records():
    config = parse_config(GOOD, "f", REGISTRY)
    assert config.links[0] == ModbusLink(id="plant", host="127.0.0.1", port=502)
    assert config.fleet[1].device == BatteryDevice(link="plant", unit_id=2)
    assert config.signals == (OutstationSignal(id="tso", port=20000),)
    assert [unit.id for unit in config.fleet] == ["b1", "b2", "h1"]
    assert config.guards.agc_stale_after_s == 6.0
    assert config.droop is None
    assert config.templates is None


def test_own_keys_win_over_merged_ones_and_whole_numbers_become_floats():
    config = parse_config(edited(("ramp_up_mw_per_s: 5.0", "ramp_up_mw_per_s: 5")), "f", REGISTRY)
    assert [unit.p_max_mw for unit in config.fleet] == [5.0, 4.0, 0.0]
    assert type(config.fleet[0].ramp_up_mw_per_s) is float
    assert type(config.links[0].port) is int


def test_of_several_merged_mappings_the_first_wins_and_merges_nest():
    text = edited(
        ("site:\n", "  big: &big {<<: *battery, p_max_mw: 7.0, cost: 2.0}\n"
                    "  dear: &dear {cost: 3.0}\nsite:\n"),
        ("  - <<: *battery\n    id: b1", "  - <<: [*dear, *big]\n    id: b1"),
    )  # fmt: skip
    unit = parse_config(text, "f", REGISTRY).fleet[0]
    assert (unit.cost, unit.p_max_mw, unit.p_min_mw) == (3.0, 7.0, -5.0)


def test_a_key_twice_in_a_template_is_refused_though_an_overridden_merge_is_not():
    text = edited(("    p_max_mw: 5.0\n", "    p_max_mw: 5.0\n    p_max_mw: 6.0\n"))
    assert problems(text) == ["6: fleet[0].p_max_mw: given twice, first on line 5"]


def test_lists_flags_and_texts_of_every_form():
    text = edited(
        ("id: broker, type: mqtt", "id: broker, type: mqtt, gains: [1, -2.0, .5]"),
        ("link: plant, unit_id: 1", 'link: plant, unit_id: 1, inverted: yes, note: ""'),
        ("port: 20000", "port: 20000, allowed_peers: [127.0.0.1, '::1']"),
    )
    config = parse_config(text, "f", REGISTRY)
    assert config.links[1].gains == (1.0, -2.0, 0.5)
    assert (config.fleet[0].device.inverted, config.fleet[0].device.note) == (True, "")
    assert config.signals[0].allowed_peers == ("127.0.0.1", "::1")


def test_items_of_a_list_are_told_by_their_index():
    text = edited(
        ("id: broker, type: mqtt", "id: broker, type: mqtt, gains: [1, 3.0, x]"),
        ("port: 20000", "port: 20000, allowed_peers: [[]]"),
    )
    assert problems(text) == [
        "14: links[1].gains[1]: must be at most 2 pu, is 3.0",
        "14: links[1].gains[2]: must be a number in pu, is the text 'x'",
        "34: signals[0].allowed_peers[0]: must be a text, is a list",
    ]


def test_sections_given_and_sections_left_out():
    text = GOOD + "droop:\nguards: {agc_rate_max_pu_per_s: .inf}\npolicy: {}\n"
    config = parse_config(text, "f", REGISTRY)
    assert config.droop is None
    assert config.guards.agc_rate_max_pu_per_s == float("inf")
    assert config.policy.allocation == "response_aware"


def test_a_record_with_a_bad_key_still_has_its_other_rules_checked():
    text = edited(
        ("    energy_mwh: 10.0\n", "    energy_mwh: 10.0\n    soc_min_pu: 0.95\n    cost: cheap\n")
    )
    shared = " (the line is shared: 1 more like this)"
    assert problems(text) == [
        f"10: fleet[0].cost: must be a number, is the text 'cheap'{shared}",
        "18: fleet[0].soc_max_pu: must be above soc_min_pu = 0.95, is 0.9",
        "21: fleet[1].soc_max_pu: must be above soc_min_pu = 0.95, is 0.9",
    ]


def test_a_rule_says_nothing_about_a_key_that_is_complained_of_already():
    assert problems(edited(("    basepoint_mw: -1.0\n", "    basepoint: -1.0\n"))) == [
        "30: fleet[2].basepoint: unknown key; did you mean basepoint_mw?"
    ]
    assert problems(edited(("p_min_mw: -2.0", "p_min_mw: low"))) == [
        "26: fleet[2].p_min_mw: must be a number in MW, is the text 'low'"
    ]


def test_an_unknown_driver_hides_neither_its_link_nor_the_other_units():
    text = edited(("driver: mqtt_load, link: broker", "driver: mqtt_lode, link: nowhere"))
    assert problems(text) == [
        "14: links[1].id: no device and no signal uses this link",
        "25: fleet[2].device.driver: no driver 'mqtt_lode'; did you mean mqtt_load?"
        " There are mqtt_load, sunspec_battery",
        "25: fleet[2].device.link: no link has the id 'nowhere'",
    ]


def test_a_device_has_a_say_in_the_keys_of_its_unit():
    watchdog = ("    stop_mw: -1.5\n", "    stop_mw: -1.5\n    watchdog_s: 2.5\n")
    assert problems(edited(watchdog)) == ["33: fleet[2].watchdog_s: must be whole for site"]
    nameless = ("link: broker}", "link: broker, prefix: 1}")
    assert problems(edited(watchdog, nameless)) == [
        "25: fleet[2].device.prefix: must be a text, is 1; put it in quotes"
    ]


def test_a_link_that_cannot_be_read_is_not_said_to_be_missing():
    assert problems(edited(("{id: plant, type", "{id: 7, type"))) == [
        "13: links[0].id: must be a text, is 7; put it in quotes"
    ]


def test_each_of_many_bad_units_is_told():
    unit = "  - {{id: x{i}, kind: pv, p_min_mw: 1, p_max_mw: 0, ramp_up_mw_per_s: 1,\n     "
    unit += "ramp_down_mw_per_s: 1, device: {{driver: mqtt_load, link: broker}}}}\n"
    units = "".join(unit.format(i=i) for i in range(300))
    found = problems(GOOD.replace("signals:\n", units + "signals:\n"))
    assert found == [
        f"{33 + 2 * i}: fleet[{3 + i}].p_max_mw: must be at least p_min_mw = 1 MW, is 0"
        for i in range(300)
    ]


def test_a_text_of_the_file_stays_on_one_short_line():
    text = edited(("name: test", 'name: test\n  "a\\nb\\u2028c": 1\n  ' + "x" * 500 + ": 2"))
    assert problems(text) == [
        r"11: site.a\nb\u2028c: unknown key",
        f"12: site.{'x' * 60}…: unknown key",
    ]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_nesting_that_would_crash_the_parser_is_refused(opening):
    """At some 20,000 levels libyaml's recursion in C ends the process."""
    assert problems(opening * 100_000) == ["1: yaml: is nested more than 64 levels deep"]


def test_a_long_chain_of_merges_is_refused():
    chain = "".join(f"  - &a{i} {{<<: *a{i - 1}}}\n" for i in range(1, 5000))
    text = "templates:\n  - &a0 {}\n" + chain + "site: *a4999\n"
    assert any("merges itself, or through more than 64" in line for line in problems(text))


def test_aliases_cannot_make_a_small_file_large(monkeypatch):
    monkeypatch.setattr(mappings, "MAX_VALUES", 20_000)
    wide = "{" + ", ".join(f"k{i}: 1" for i in range(1000)) + "}"
    units = "".join(f"  - {{<<: *wide, id: u{i}}}\n" for i in range(1000))
    text = f"templates: &wide {wide}\nfleet:\n{units}"
    assert any("more than 20000 values, aliases and merged keys" in line for line in problems(text))


def test_a_byte_order_mark_and_windows_lines_are_read_and_counted():
    text = b"\xef\xbb\xbf" + GOOD.replace("kind: hvac", "kind: hvak").encode()
    assert problems(text.replace(b"\n", b"\r\n"))[0].startswith("24: fleet[2].kind: must be one")
    assert len(problems(text)) == 1


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x7f", "\x9f", "\ufeff", "\uffff"])
def test_a_character_that_is_not_yaml_is_told_with_its_line(char):
    """The C parser counts bytes up to it, the Python one characters."""
    text = GOOD.replace("name: test", f"name: Aargård\u2028 {char}")
    assert problems(text) == [
        f"11: yaml: has the character U+{ord(char):04X}, which YAML does not allow"
    ]


def test_no_more_than_the_limit_is_read(tmp_path, monkeypatch):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * 3000)
    monkeypatch.setattr("vppd.config.load.MAX_BYTES", 1000)
    monkeypatch.setattr(document, "MAX_BYTES", 1000)
    assert len(read_config(path)) == 1001
    with pytest.raises(ConfigError, match="is larger than 1,000 bytes"):
        load_config(path, REGISTRY)


def test_a_file_that_cannot_be_read_is_no_problem_of_the_configuration(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "none.yaml", REGISTRY)
    with pytest.raises(IsADirectoryError):
        load_config(tmp_path, REGISTRY)


def test_load_hash_and_paths(tmp_path, monkeypatch):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert load_config(path, REGISTRY) == parse_config(GOOD, "f", REGISTRY)
    assert config_hash(read_config(path)) == hashlib.sha256(GOOD.encode()).hexdigest()
    monkeypatch.chdir(tmp_path)
    assert resolve_path(Path("good.yaml"), "state") == tmp_path / "state"
    assert resolve_path(path, "/var/lib/vppd") == Path("/var/lib/vppd")


def test_a_path_of_the_configuration_is_told_without_detours(tmp_path):
    config = tmp_path / "configs" / "good.yaml"
    assert resolve_path(config, "../build/state") == tmp_path / "build" / "state"


def test_more_may_be_sold_than_there_is_where_that_is_wanted():
    sold = ("  regulation_capacity_up_mw: 10.0\n", "  regulation_capacity_up_mw: 10.5\n")
    assert problems(edited(sold)) == [
        "36: plan.regulation_capacity_up_mw: is 10.5 MW,"
        " but the fleet can rise only 10 MW above its basepoints"
    ]
    wanted = edited((sold[0], sold[1] + "  allow_oversold: true\n"))
    assert parse_config(wanted, "f", REGISTRY).plan.allow_oversold is True
    unread = edited((sold[0], sold[1] + "  allow_oversold: perhaps\n"))
    assert problems(unread) == [
        "37: plan.allow_oversold: must be true or false, is the text 'perhaps'"
    ]


@pytest.mark.parametrize(
    ("link", "listens", "same"),
    [
        ("127.0.0.1", "0.0.0.0", True),  # noqa: S104 - nothing is bound
        ("localhost", "127.0.0.1", True),
        ("::1", "::", True),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "0.0.0.0", False),  # noqa: S104 - not known: another machine, or this one
        ("10.0.0.7", "127.0.0.1", False),
    ],
)
def test_a_link_to_the_plant_s_own_listening_address_is_refused(link, listens, same):
    assert _is_same_place((link, 20000), (listens, 20000)) is same
    assert not _is_same_place((link, 20001), (listens, 20000))


def test_problems_are_sorted_by_line_and_written_one_a_line():
    error = ConfigError((Problem("f", 9, "b", "two"), Problem("f", 2, "a", "one")))
    assert str(error) == "f:2: a: one\nf:9: b: two"


@dataclass(frozen=True, slots=True)
class OddDevice(DeviceConfig):
    DRIVER: ClassVar[str] = "odd"

    words: dict[str, str] = field(
        default_factory=dict, metadata=number("", "nothing can read this")
    )


@dataclass(frozen=True, slots=True)
class WrongDevice(DeviceConfig):
    DRIVER: ClassVar[str] = "wrong"

    def cross_checks(self) -> list[tuple[str, str]]:
        return [("link", self.nonesuch)]  # type: ignore[attr-defined]  # the mistake under test


def test_a_record_that_no_file_can_fill_is_an_error_of_the_programmer():
    with pytest.raises(TypeError, match=r"OddDevice.words: dict.* cannot be read"):
        shapes_of(OddDevice)


def test_a_mistake_in_a_drivers_own_rule_is_not_swallowed():
    devices: dict[str, Any] = {**REGISTRY.devices, "mqtt_load": WrongDevice}
    with pytest.raises(AttributeError, match="nonesuch"):
        parse_config(GOOD, "f", replace(REGISTRY, devices=devices))
