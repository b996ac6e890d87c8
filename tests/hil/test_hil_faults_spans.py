"""Events of faults, read back in pairs: kinds with the same first word are not confused."""

import pytest
from hand_made import T0_S, Run

from hil.faults import Fault
from hil.faults.fault import BACK
from hil.measure import inputs
from hil.scenario.fault_kinds import FAULT_KINDS


def spans(folder, events):
    run = Run()
    run.events = [(T0_S + t_s, unit, kind, detail) for t_s, unit, kind, detail in events]
    run.write(folder)
    read = inputs.read(folder / "raw")
    return read, [(s.kind, s.units, s.since_s - T0_S, s.until_s - T0_S) for s in inputs.spans(read)]


def test_each_end_ends_its_own_kind(tmp_path):
    _, found = spans(
        tmp_path,
        [
            (10.0, 0, "link_latency", "0.5, 20.0 s"),
            (11.0, 0, "link_hang", "4.0 s"),
            (12.0, 0, "link_outage", "closed, 10.0 s"),
            (13.0, 1, "link_hang", "9.0 s"),
            (15.0, 0, "link_hang_back", ""),
            (22.0, 0, "link_back", ""),
            (22.0, 1, "link_hang_back", ""),
            (30.0, 0, "link_latency_back", ""),
        ],
    )
    assert found == [
        ("link_latency", (0,), 10.0, 30.0),
        ("link_hang", (0,), 11.0, 15.0),
        ("link_outage", (0,), 12.0, 22.0),
        ("link_hang", (1,), 13.0, 22.0),
    ]


def test_faults_of_one_kind_that_overlap_are_one_span(tmp_path):
    _, found = spans(
        tmp_path,
        [
            (10.0, 0, "device_trip", ""),
            (12.0, 0, "device_trip", ""),
            (14.0, 0, "device_trip_back", ""),
            (19.0, 0, "device_trip_back", ""),
            (25.0, 0, "device_trip", ""),
        ],
    )
    assert found == [
        ("device_trip", (0,), 10.0, 19.0),
        ("device_trip", (0,), 25.0, pytest.approx(inputs.read(tmp_path / "raw").duration_s)),
    ]


def test_faults_of_the_plant_have_no_units(tmp_path):
    _, found = spans(
        tmp_path,
        [
            (10.0, -1, "signal_spike", "1, 4.0 s"),
            (11.0, -1, "host_disk_full", "4.0 s"),
            (14.0, -1, "signal_spike_back", ""),
            (15.0, -1, "host_disk_full_back", ""),
        ],
    )
    assert found == [("signal_spike", (), 10.0, 14.0), ("host_disk_full", (), 11.0, 15.0)]


def test_a_simulator_that_comes_back_begins_what_goes_on_anew(tmp_path):
    _, found = spans(
        tmp_path,
        [
            (10.0, 1, "device_stuck", "60.0 s"),
            (11.0, 1, "device_stuck", "20.0 s"),
            (12.0, 0, "device_stuck", "60.0 s"),  # in the other process
            (20.0, -1, "wire_kill", "process 1"),
            (25.0, -1, "wire_back", "process 1"),
            (25.5, 1, "device_stuck", "60.0 s"),
            (40.0, 1, "device_stuck_back", ""),
            (50.0, 0, "device_stuck_back", ""),
        ],
    )
    assert found == [
        ("device_stuck", (1,), 10.0, 25.0),
        ("device_stuck", (0,), 12.0, 50.0),
        ("wire_kill", (1, 3), 20.0, 25.0),
        ("device_stuck", (1,), 25.5, 40.0),
    ]


def test_only_what_makes_a_unit_hard_to_reach_is_an_outage(tmp_path):
    kinds = ["link_jitter", "device_freeze", "device_reboot", "device_wrong_sign", "link_half_open"]
    events = [(10.0 + k, 0, kind, "") for k, kind in enumerate(kinds)]
    events += [(20.0 + k, 0, f"{kind}_back", "") for k, kind in enumerate(kinds)]
    read, found = spans(tmp_path, events)
    assert len(found) == 5
    away = [(a - T0_S, b - T0_S) for a, b in inputs.outages(read)[0]]
    assert away == [(10.0, 20.0), (12.0, 22.0), (14.0, 24.0)]


def test_the_end_of_every_kind_is_no_fault_and_its_own():
    ends = {kind: Fault(0.0, kind, 0, 1.0).back for kind in (*FAULT_KINDS, *BACK)}
    assert len(set(ends.values())) == len(ends)
    for begin, back in ends.items():
        assert inputs.is_fault({"kind": begin})
        assert not inputs.is_fault({"kind": back})
