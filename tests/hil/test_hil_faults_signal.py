"""Each fault of the TSO's signal: what is sent instead, that it ends, and what is recorded."""

import asyncio
import csv
import json

import pytest

from hil.faults import Fault, fault
from hil.faults.signal import Sent, SignalState
from hil.scenario import SignalSource
from hil.sim.loop import VirtualLoop, run
from hil.tso.process import Spec, TsoProcess

STEP_S = 2.0


def ramp(t_s):
    """A signal that has each value once."""
    return round(0.01 * t_s - 0.5, 9)


def signal_fault(kind, at_s=20.0, until_s=30.0, size=0.0):
    return Fault(at_s, f"signal_{kind}", -1, until_s, size)


def sent(one, t_s, true_pu=ramp):
    state = SignalState(true_pu, STEP_S)
    state.begin(one, 0.0)
    return state.sent(t_s)


def test_without_a_fault_it_is_what_it_should_be():
    state = SignalState(ramp, STEP_S)
    assert state.sent(20.0) == Sent(-0.3, 20.0)


def test_stale_sends_nothing_whatever_else_is_wrong():
    state = SignalState(ramp, STEP_S)
    for kind in ("spike", "stale", "frozen"):
        state.begin(signal_fault(kind, size=0.5), 0.0)
    assert state.sent(20.0) is None
    state.end(signal_fault("stale", size=0.5), 30.0)
    assert state.sent(20.0) is not None


def test_a_spike_is_off_but_within_the_range():
    assert sent(signal_fault("spike", size=0.7), 20.0) == Sent(pytest.approx(0.4), 20.0)
    assert sent(signal_fault("spike", size=2.0), 20.0) == Sent(1.0, 20.0)
    assert sent(signal_fault("spike", size=-2.0), 20.0) == Sent(-1.0, 20.0)


def test_out_of_range_is_out_of_range():
    assert sent(signal_fault("out_of_range", size=1.5), 20.0) == Sent(1.5, 20.0)


def test_the_opposite_limit():
    assert sent(signal_fault("jump_opposite"), 20.0) == Sent(1.0, 20.0)
    assert sent(signal_fault("jump_opposite"), 80.0) == Sent(-1.0, 80.0)


@pytest.mark.parametrize(("at_s", "last_s"), [(20.0, 18.0), (21.0, 20.0), (0.5, 0.0)])
def test_frozen_keeps_the_last_value_that_left_before(at_s, last_s):
    frozen = signal_fault("frozen", at_s=at_s)
    assert sent(frozen, 22.0) == Sent(ramp(last_s), 22.0)
    assert sent(frozen, 28.0) == Sent(ramp(last_s), 28.0)


def test_replayed_are_the_values_before_in_their_order_with_their_instants():
    replayed = signal_fault("replayed", at_s=20.0, until_s=29.0)
    values = [sent(replayed, t_s) for t_s in (20.0, 22.0, 28.0)]
    assert values == [Sent(ramp(t_s), t_s) for t_s in (10.0, 12.0, 18.0)]
    assert sent(signal_fault("replayed", at_s=1.0, until_s=60.0), 2.0) == Sent(ramp(0.0), 0.0)


def test_faults_that_end_leave_the_signal_as_it_was():
    state = SignalState(ramp, STEP_S)
    one = signal_fault("out_of_range", size=1.5)
    state.begin(one, 0.0)
    state.end(one, 30.0)
    state.end(one, 30.0)
    assert state.sent(30.0) == Sent(ramp(30.0), 30.0)


def test_the_tso_s_process_sends_and_records_them(tmp_path):
    timed = [
        signal_fault("out_of_range", at_s=2.0, until_s=4.0, size=1.5),
        signal_fault("stale", at_s=4.5, until_s=7.0),
        signal_fault("replayed", at_s=8.0, until_s=12.0),
        Fault(2.0, "link_hang", 3, 9.0),  # not the TSO's
    ]
    fault.write(timed, tmp_path / "faults.json")
    steps = tuple((t_s, 0.01 * t_s) for t_s in (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0))
    spec = Spec(1, 1, 60.0, (0.0, 0.0), SignalSource(kind="steps", steps=steps), ())
    loop = VirtualLoop(100.0)

    async def work():
        process = TsoProcess(spec, tmp_path, loop.time)
        process._t0_s = loop.create_future()
        process._t0_s.set_result(110.0)
        sending = asyncio.create_task(process._send())
        await asyncio.sleep(23.5)
        sending.cancel()
        for file in (process._agc_file, process._input_file, process._event_file):
            file.close()

    run(work(), loop)
    with (tmp_path / "tso.csv").open(newline="") as file:
        rows = [(int(r["seq"]), float(r["pu"]), r["status"]) for r in csv.DictReader(file)]
    assert rows == [
        (-2, 0.0, "down"),  # nobody listens in this test
        (-1, 0.0, "down"),
        (0, 0.0, "down"),
        (1, 1.5, "down"),
        (2, 0.04, "down"),
        (3, 0.06, "stale"),
        (2, 0.04, "down"),  # replayed: number and value of 4 s before
        (3, 0.06, "down"),
        (6, 0.12, "down"),
    ]
    events = [json.loads(line) for line in (tmp_path / "tso.events.jsonl").read_text().splitlines()]
    assert [(e["kind"], e["t_s"] - 110.0) for e in events] == [
        ("signal_out_of_range", 2.0),
        ("signal_out_of_range_back", 4.0),
        ("signal_stale", 6.0),
        ("signal_stale_back", 8.0),
        ("signal_replayed", 8.0),
        ("signal_replayed_back", 12.0),
    ]
    assert {e["unit"] for e in events} == {-1}
