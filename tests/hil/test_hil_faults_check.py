"""Mistakes in the faults of a scenario: each told with its file and line."""

import pytest

from hil.faults import check
from hil.records import RecordError
from hil.scenario import load
from hil.scenario.fault_kinds import BOTH, FAULT_KINDS, VIRTUAL

BASE = """\
name: small
extends: zhejiang
duration_s: 100
events:
"""


def told(folder, *lines, clock="virtual", base=BASE):
    path = folder / "small.yaml"
    path.write_text(base + "\n".join(lines) + "\n")
    with pytest.raises(RecordError) as caught:
        check.load(str(path), [], clock)
    return [str(each).replace(f"{path}:", "") for each in caught.value.problems]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("at_s: 1, kind: link_hnag, units: [bat001]", "kind: must be one of link_cut"),
        ("at_s: 1, kind: link_hang", "kind: link_hang needs units or share_pct: whom"),
        ("at_s: 1, kind: link_hang, units: [bat001], share_pct: 5", "share_pct: units or"),
        ("at_s: 1, kind: link_cut, share_pct: 5", "share_pct: a link_cut takes units"),
        ("at_s: 1, kind: link_hang, units: [bat001], delay_ms: 5", "delay_ms: link_hang takes no"),
        ("at_s: 1, kind: link_loss, share_pct: 5, delay_ms: 5", "delay_ms: link_loss takes prob"),
        (
            "at_s: 1, kind: link_loss, share_pct: 5, probability_pct: 120",
            "probability_pct: must be within 0 to 1",
        ),
        ("at_s: 1, kind: signal_spike, share_pct: 5", "share_pct: signal_spike does"),
        ("at_s: 1, kind: host_disk_full, units: [bat001]", "units: host_disk_full does not meet"),
        ("at_s: 1, kind: link_hang, units: [bat001], of: battery", "of: goes with share_pct"),
        ("at_s: 1, kind: link_hang, share_pct: 5, of: diesel", "of: must be one of"),
        ("at_s: 1, kind: link_hang, units: [bat999]", "units: there is no unit bat999"),
        ("at_s: 1, kind: device_clock_step, units: [bat001]", "units: bat001 cannot"),
        ("at_s: 1, kind: device_clock_step, share_pct: 5, of: pv", "kind: no unit of pv can"),
    ],
)
def test_mistakes_of_an_event(tmp_path, line, message):
    (found,) = told(tmp_path, f"  - {{{line}}}")
    assert found.startswith(f"5: events[0].{message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kind: link_hang", "kind: link_hang needs per_unit_hour or per_hour"),
        ("kind: link_hang, per_hour: 1, per_unit_hour: 1", "kind: link_hang needs per_unit"),
        ("kind: signal_stale, per_unit_hour: 1", "per_unit_hour: signal_stale does not"),
        ("kind: wire_kill, per_hour: 1", "kind: wire_kill is for events"),
        (
            "kind: link_hang, per_hour: 1, duration_s: [9, 5]",
            "duration_s: the lower one comes first",
        ),
        ("kind: link_loss, per_hour: 1, probability_pct: [9, 500]", "probability_pct: must be"),
        ("kind: link_loss, per_hour: 1, probability_pct: 9", "probability_pct: must be a list"),
        (
            "kind: link_hang, per_hour: 1, from_s: 50, until_s: 50",
            "until_s: 50 is not after from_s, 50",
        ),
        ("kind: device_clock_step, per_hour: 1, of: pv", "kind: no unit of pv can have"),
    ],
)
def test_mistakes_of_a_random_fault(tmp_path, line, message):
    base = BASE.replace("events:", "random_faults:")
    (found,) = told(tmp_path, f"  - {{{line}}}", base=base)
    assert found.startswith(f"5: random_faults[0].{message}")


def test_a_fault_that_the_clock_cannot_inject(tmp_path):
    found = told(
        tmp_path,
        "  - {at_s: 1, kind: link_hang, share_pct: 5}",
        "  - at_s: 2",
        "    kind: host_disk_full",
        "  - {at_s: 2, kind: wire_kill, process: 7}",
        "random_faults:",
        "  - {kind: daemon_kill, per_hour: 3}",
        clock="real",
    )
    assert found == [
        "7: events[1].kind: host_disk_full is not for --clock real; it is for --clock virtual",
        "8: events[2].process: there are 3 wire processes, from 0",
        "10: random_faults[0].kind: daemon_kill is not for --clock real; it is for --clock virtual",
    ]
    found = told(tmp_path, "  - {at_s: 2, kind: wire_kill}", clock="virtual")
    assert found == [
        "5: events[0].kind: wire_kill is not for --clock virtual; it is for --clock real"
    ]


def test_what_is_right_is_read_as_ever(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(BASE + "  - {at_s: 1, kind: link_hang, share_pct: 5}\n")
    assert check.load(str(path), [], "real") == load(str(path))
    assert check.load("zhejiang", [("seed", "7")], "virtual").seed == 7


def test_every_kind_of_the_links_the_devices_and_the_signal_is_for_both_clocks():
    for name, kind in FAULT_KINDS.items():
        if name.startswith(("link_", "device_", "signal_", "agc_")):
            assert kind.clocks == BOTH
        if name.startswith("daemon_"):
            assert VIRTUAL in kind.clocks
        assert kind.clocks, f"{name} can be injected nowhere"
