"""A run in virtual time on two processes: the same bits as on one, and nothing left behind."""

import filecmp
import json
import math
import multiprocessing
import signal
import socket
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from hil import daemon_config, fleet, result
from hil.faults import Fault, schedule
from hil.measure import inputs, plant
from hil.plumbing import CouldNotRunError
from hil.scenario import load
from hil.sim.daemon import parsed
from hil.sim.loop import VirtualLoop
from hil.sim.replay import replay
from hil.sim.run import BASE_PORT, Simulation
from hil.sim.shard import part, slots
from hil.sim.shard.channel import Channel, Kind
from hil.sim.shard.slots import COUNTS
from hil.sim.shard.stand_in import Worker
from hil.sim.shard.worker import There, serve
from vppd.devices.base import Reading

SEED, DURATION_S = 11, 60.0
FAULTS = (
    "[{kind: link_reset, per_unit_hour: 60, duration_s: [2, 9]},"
    " {kind: link_loss, per_unit_hour: 60, duration_s: [5, 20], probability_pct: [10, 60]},"
    " {kind: device_trip, per_unit_hour: 40, duration_s: [5, 20]},"
    " {kind: device_reboot, per_unit_hour: 30, duration_s: [1, 2]},"
    " {kind: signal_spike, per_hour: 100, duration_s: [2, 4]}]"
)


def scenario(*overrides):
    settings = [("seed", str(SEED)), ("duration_s", str(DURATION_S)), ("random_faults", FAULTS)]
    return load("storm", [*settings, *overrides])


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """One seed on one process and on two."""
    print(f"seed {SEED}")
    folder = tmp_path_factory.mktemp("shard")
    made = []
    for processes in (1, 2):
        simulation = Simulation(scenario(), folder / str(processes), processes=processes)
        simulation.make()
        out = simulation.out_dir
        made.append((out, result.measure(out, ticks=simulation.ticks, replay=replay).result))
    assert json.loads((made[1][0] / "raw" / "run.json").read_text())["processes"] == 2
    return made


def test_journal_and_log_are_the_same_to_the_bit(pair):
    (one, _), (two, _) = pair
    names = [path.name for path in (one / "journal").iterdir()]
    assert names == [path.name for path in (two / "journal").iterdir()]
    assert filecmp.cmpfiles(one / "journal", two / "journal", names, shallow=False)[0] == names
    lines = [sorted((out / "daemon.log").read_text().splitlines()) for out in (one, two)]
    assert lines[0] == lines[1]
    assert not (two / "daemon.worker.log").exists()


def test_the_figures_are_the_same(pair):
    (one, first), (two, second) = pair
    assert (one / "trace.csv").read_bytes() == (two / "trace.csv").read_bytes()
    for key in ("tracking", "limits", "checks", "movement", "faults", "io", "journal"):
        assert first[key] == second[key], key
    assert first["io"]["reconnects"] > 0
    assert first["faults"]["kinds"]["device_trip"] > 0
    assert second["journal"]["replay_bit_exact"] is True


def test_machines_switch_at_the_same_instants(pair):
    """Whichever process simulates a unit: its starts and stops are the same in each row."""
    counts = []
    for out, _ in pair:
        run = inputs.read(out / "raw")
        by_unit = {}
        for process in plant.read_processes(run):
            inside = (process.t_s >= run.t0_s) & (process.t_s < run.t0_s + DURATION_S)
            switches = process.rows["switches"][inside]
            by_unit |= dict(zip(process.units.tolist(), switches.T, strict=True))
        counts.append(np.array([by_unit[unit] for unit in sorted(by_unit)]))
    np.testing.assert_array_equal(counts[0], counts[1])
    assert counts[0].shape[0] == 30
    assert np.nanmax(counts[0]) > 0.0  # trips stop machines and hubs


def test_each_process_records_its_units(pair):
    units = [
        json.loads((pair[1][0] / "raw" / f"wire-{k}.power.json").read_text())["units"]
        for k in (0, 1)
    ]
    assert sorted(units[0] + units[1]) == list(range(30))
    assert len(units[1]) > 20  # but for the tick, they would take the same time


def test_nothing_is_left_behind(pair):
    assert pair
    assert multiprocessing.active_children() == []


# ------------------------------------------------------------------ who goes there


def drawn(name, *overrides):
    made = load(name, [("seed", "1"), *overrides])
    return made, fleet.draw(made, BASE_PORT)


def test_about_half_of_each_kind_goes_and_whoever_shares_a_broker_stays():
    _, all_of_it = drawn("zhejiang")
    away = part.away(all_of_it, (), frequency=False)
    gone = [all_of_it.units[index] for index in away]
    assert 80 < len(gone) < 150
    assert len(set(away)) == len(away)
    assert {unit.protocol for unit in gone} == {"modbus", "dnp3"}
    assert {unit.kind for unit in gone} == set(all_of_it.counts("kind"))


@pytest.mark.parametrize("kind", ["host_tick_overrun", "daemon_kill"])
def test_what_holds_up_the_daemon_keeps_a_run_in_one_piece(kind):
    _, all_of_it = drawn("zhejiang")
    assert part.away(all_of_it, (Fault(1.0, kind, -1, 2.0),), frequency=False) == ()
    assert part.away(all_of_it, (), frequency=True) == ()
    assert part.away(all_of_it, (Fault(1.0, "signal_stale", -1, 2.0),), frequency=False)


def test_a_short_run_of_few_units_is_worth_one_process(monkeypatch):
    monkeypatch.setattr(part.os, "sched_getaffinity", lambda _: {0, 1})
    made, _ = drawn("zhejiang", ("duration_s", "3600"))
    assert part.processes(made, 210) == 2
    assert part.processes(made, 2) == 1
    monkeypatch.setattr(part.os, "sched_getaffinity", lambda _: {0})
    assert part.processes(made, 210) == 1


# ------------------------------------------------------------------ across the border


class Runner:
    """Slots of a runner."""

    def __init__(self, k):
        words = "local control" if k == 2 else ""
        reading = Reading(0.1 * k, 100.0 + k, 0.5, -1.0, math.nan, k != 2, k % 3, k != 0, words)
        self.latest = None if k == 1 else reading
        self.accepted_mw, self.accepted_s = (math.nan, math.nan) if k == 1 else (k / 3.0, 99.0)
        self.write_result, self.connected, self.busy = k % 4, k != 1, k == 0
        self.reason = "link down" if k == 1 else ""
        for place, name in enumerate(COUNTS):
            setattr(self, name, 10 * k + place)


def test_slots_come_back_as_they_were():
    runners = [Runner(k) for k in range(5)]
    seen = slots.unpack(slots.pack(runners, 3))
    assert seen.following == 3
    assert len(seen.columns) == len(slots.COLUMNS)
    for name, column in zip(slots.COLUMNS, seen.columns, strict=True):
        # with their types, and nan
        assert list(map(repr, column)) == [repr(getattr(runner, name)) for runner in runners], name


def test_a_stand_in_shows_what_was_seen():
    runner = Runner(2)
    with worker_that(lambda channel: channel.close()) as worker:
        (unit,) = worker.units.values()
        unit.show(*[getattr(runner, name) for name in slots.COLUMNS])
    assert [getattr(unit, n) for n in slots.COLUMNS] == [getattr(runner, n) for n in slots.COLUMNS]


@contextmanager
def worker_that(answers):
    """A worker of one unit that does no more than that."""
    loop = VirtualLoop(1000.0)
    worker = Worker(lambda end: answers(Channel(end)), ("a",), loop)
    yield worker
    worker.close()
    loop.close()
    assert multiprocessing.active_children() == []


def test_a_worker_that_fails_says_why():
    def fails(channel):
        channel.receive()
        channel.send(Kind.FAILED, 1000.0, b"a bug in the physics")

    told = pytest.raises(CouldNotRunError, match="a bug in the physics")
    with worker_that(fails) as worker, told:
        worker.look()


def test_a_worker_that_is_gone_is_told():
    told = pytest.raises(CouldNotRunError, match="the other process has ended")
    with worker_that(lambda channel: channel.close()) as worker, told:
        worker.look()


def test_a_failure_of_the_worker_ends_the_run(monkeypatch, tmp_path):
    def breaks(*_):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(There, "_come_to", breaks)
    with pytest.raises(CouldNotRunError, match="ZeroDivisionError: planted"):
        Simulation(scenario(("duration_s", "15.0")), tmp_path / "out", processes=2).make()
    assert multiprocessing.active_children() == []


def test_an_interrupt_ends_both(tmp_path):
    def interrupted(t_s, _speed):
        if t_s > 3.0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Simulation(scenario(), tmp_path / "out", interrupted, processes=2).make()
    assert multiprocessing.active_children() == []


def test_an_instant_that_is_over_is_no_order(monkeypatch, tmp_path):
    """Main must not have let it go on so far: that would be a bug, and is told."""
    ours, theirs = socket.socketpair()
    made, all_of_it = drawn("storm")
    (tmp_path / "raw").mkdir()
    simulation = Simulation(made, tmp_path)
    text = daemon_config.text(all_of_it, made, state_dir=".", command="").encode()
    timed = schedule(made, all_of_it.units)
    task = simulation.task(all_of_it, (14, 15), timed, parsed(text))
    channel = Channel(ours)
    channel.send(Kind.GO, 1002.0)
    channel.send(Kind.GO, 1001.0)
    there = threading.Thread(target=serve, args=(task, theirs))
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # for main threads only
    there.start()
    kind, _, text = channel.receive()
    channel.close()
    there.join()
    assert kind is Kind.FAILED
    assert b"CrossedError: asked for 1001.000000 s at 1002.000000 s" in text
