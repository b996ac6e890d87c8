"""When faults begin and end, what is recorded of it, and what becomes of a unit's connection."""

import math

import pytest
from small_bench import Bench, unit

from hil import recording
from hil.faults import Fault
from hil.faults.agenda import Agenda
from hil.faults.host import HostFaults
from hil.faults.unit import UnitFaults


class Target:
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, fault, now_s):
        self.told.append(("begin", fault.kind, now_s))

    def end(self, fault, now_s):
        self.told.append(("end", fault.kind, now_s))


def ignore(*_):
    """Record nothing."""


def test_faults_begin_and_end_when_they_are_due():
    target, records = Target(), []
    agenda = Agenda(
        [Fault(5.0, "link_hang", 3, 8.0), Fault(1.0, "device_trip", 4, 5.0)],
        100.0,
        lambda _: target,
        lambda *row: records.append(row),
    )
    assert agenda.next_s() == 101.0
    agenda.run_due(100.9)
    assert records == []
    agenda.run_due(101.0)
    agenda.run_due(107.0)  # late: in their order
    assert agenda.next_s() == 108.0
    agenda.run_due(1000.0)
    assert agenda.next_s() == math.inf
    assert target.told == [
        ("begin", "device_trip", 101.0),
        ("end", "device_trip", 107.0),  # at one instant, ends come first
        ("begin", "link_hang", 107.0),
        ("end", "link_hang", 1000.0),
    ]
    assert records == [
        (101.0, 4, "device_trip", "4.0 s"),
        (107.0, 4, "device_trip_back", ""),
        (107.0, 3, "link_hang", "3.0 s"),
        (1000.0, 3, "link_hang_back", ""),
    ]


def test_a_fault_of_no_duration_begins_before_it_ends():
    target = Target()
    agenda = Agenda([Fault(5.0, "device_reboot", 3, 5.0)], 0.0, lambda _: target, ignore)
    agenda.run_due(5.0)
    assert [what for what, _, _ in target.told] == ["begin", "end"]


def test_faults_can_be_added_while_it_runs():
    target = Target()
    agenda = Agenda((), 0.0, lambda _: target, ignore)
    assert agenda.next_s() == math.inf
    agenda.add(Fault(3.0, "link_hang", 0, 9.0))
    agenda.run_due(5.0)
    assert target.told == [("begin", "link_hang", 5.0)]
    assert agenda.next_s() == 9.0


class Plug:
    """Notes what is done to the connection."""

    def __init__(self):
        self.done = []

    def pull(self):
        self.done.append("pull")

    def push(self):
        self.done.append("push")

    def reset(self):
        self.done.append("reset")


@pytest.fixture
def one(tmp_path):
    """A unit's faults, its device, its plug."""
    bench = Bench(tmp_path, unit("sunspec_battery"))
    plug = Plug()
    yield UnitFaults(bench.device, plug), bench, plug
    bench.writer.close()


def fault(kind, until_s=60.0, how=""):
    return Fault(0.0, kind, 0, until_s, 0.5, how)


@pytest.mark.parametrize("kind", ["link_reset", "device_reboot", "device_old_setpoint"])
def test_what_takes_a_unit_away(one, kind):
    faults, _, plug = one
    faults.begin(fault(kind), 0.0)
    assert (plug.done, faults.away) == (["pull"], True)
    faults.end(fault(kind), 60.0)
    assert (plug.done, faults.away) == (["pull", "push"], False)


def test_overlapping_outages_end_with_the_last(one):
    faults, _, plug = one
    outage, reset = fault("link_outage", how="closed"), fault("link_reset")
    faults.begin(outage, 0.0)
    faults.begin(reset, 1.0)
    faults.end(outage, 2.0)
    assert plug.done == ["pull"]
    faults.end(reset, 3.0)
    assert plug.done == ["pull", "push"]


def test_a_silent_outage_leaves_the_connection(one):
    faults, bench, plug = one
    silent = fault("link_outage", how="silent")
    faults.begin(silent, 0.0)
    assert bench.device.dark
    faults.end(silent, 60.0)
    assert (bench.device.dark, plug.done) == (False, [])


def test_a_half_open_connection_is_silent_and_reset_when_the_peer_is_back(one):
    faults, bench, plug = one
    faults.begin(fault("link_half_open"), 0.0)
    assert (bench.device.dark, plug.done) == (True, [])
    silent = fault("link_outage", how="silent")
    faults.begin(silent, 1.0)
    faults.end(fault("link_half_open"), 60.0)
    assert (bench.device.dark, plug.done) == (True, ["reset"])
    faults.end(silent, 61.0)
    assert not bench.device.dark


def test_faults_of_messages_are_the_link_s_and_others_the_device_s(one):
    faults, bench, plug = one
    faults.begin(fault("link_loss"), 0.0)
    assert (bench.device.link.loss_pu, bench.device.faults.active) == (0.5, False)
    faults.begin(fault("device_wrong_sign"), 0.0)
    assert bench.device.faults.scale == -1.0
    faults.end(fault("link_loss"), 60.0)
    faults.end(fault("device_wrong_sign"), 60.0)
    assert not bench.device.link.active
    assert not bench.device.faults.active
    assert plug.done == []


def test_an_agenda_of_units_writes_events(one, tmp_path):
    faults, bench, _ = one
    found = [Fault(1.0, "device_freeze", 0, 2.0), Fault(1.5, "link_latency", 0, 3.0, 0.25)]
    agenda = Agenda(found, 1000.0, lambda _: faults, bench.writer.event)
    for now_s in (1001.0, 1002.0, 1003.0):
        agenda.run_due(now_s)
    events = [
        (e["t_s"], e["unit"], e["kind"], e["detail"]) for e in recording.read_events(tmp_path)
    ]
    assert events == [
        (1001.0, 0, "device_freeze", "1.0 s"),
        (1002.0, 0, "link_latency", "0.25, 1.5 s"),
        (1002.0, 0, "device_freeze_back", ""),
        (1003.0, 0, "link_latency_back", ""),
    ]


class Runner:
    """Notes what it has to do."""

    def __init__(self):
        self.done = []

    def __getattr__(self, name):
        return lambda *args, **named: self.done.append((name, *args, *named.values()))


@pytest.mark.parametrize(
    ("kind", "during", "after"),
    [
        ("host_tick_overrun", ("overrun", 0.5), ("overrun", 0.0)),
        ("host_disk_full", ("fill_disk", True), ("fill_disk", False)),
        ("host_slow_disk", ("slow_disk", 0.5), ("slow_disk", 0.0)),
        ("host_clock_jump", ("shift_clock", 0.5), ("shift_clock", 0.0)),
        ("host_memory_pressure", ("press_memory", 0.5), ("press_memory", 0.0)),
        ("daemon_kill", ("kill_daemon",), ("start_daemon",)),
        ("daemon_restart", ("stop_daemon",), ("start_daemon",)),
    ],
)
def test_faults_of_the_host_and_of_the_daemon(kind, during, after):
    runner = Runner()
    faults = HostFaults(runner)
    faults.begin(fault(kind), 0.0)
    assert runner.done == [during]
    faults.end(fault(kind), 60.0)
    assert runner.done == [during, after]
    faults.end(fault(kind), 60.0)  # that never began again
    assert runner.done == [during, after]


def test_host_faults_add_up_and_a_daemon_that_is_down_is_not_ended_again():
    runner = Runner()
    faults = HostFaults(runner)
    faults.begin(fault("host_slow_disk"), 0.0)
    faults.begin(fault("host_slow_disk", until_s=5.0), 0.0)
    faults.end(fault("host_slow_disk"), 5.0)
    assert runner.done == [("slow_disk", 0.5), ("slow_disk", 1.0), ("slow_disk", 0.5)]
    runner.done.clear()
    faults.begin(fault("daemon_kill"), 0.0)
    faults.begin(fault("daemon_restart"), 0.0)
    faults.end(fault("daemon_kill"), 1.0)
    faults.end(fault("daemon_restart"), 2.0)
    assert runner.done == [("kill_daemon",), ("start_daemon",)]
