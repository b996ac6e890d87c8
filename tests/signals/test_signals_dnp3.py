"""The plant as an outstation, against opendnp3's master in a process of its own."""

import asyncio
import contextlib
import importlib.util
import math
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from helpers import run_async, until
from processes import JsonPeer

from vppd.core.types import Mode, Quality
from vppd.signals.base import PlantReport, PromiseReport
from vppd.signals.dnp3_outstation import Dnp3Outstation, Dnp3OutstationConfig

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("opendnp3") is None, reason="yadnp3 has no wheel for this machine"
)

REPORT = PlantReport(
    p_meas_mw=-12.5,
    headroom_mw=30.0,
    footroom_mw=20.25,
    regulation_capacity_up_mw=80.0,
    regulation_capacity_down_mw=70.0,
    mode=Mode.REGULATING,
    quality=Quality.ONLINE,
    unserved_mw=-1.5,
    agc_pu=0.25,
    units_online=208,
    promise=PromiseReport(
        capacity_up_mw=75.5,
        capacity_down_mw=70.0,
        s=(1.0, 300.0, 900.0, 1800.0),
        up_mw=(20.0, 80.0, 75.5, 60.0),
        down_mw=(21.0, 81.0, 76.0, 61.0),
        firm_up_mw=(10.0, 70.0, 65.0, 50.0),
        firm_down_mw=(11.0, 71.0, 66.0, 0.0),
    ),
)
ANALOGS = [
    *(-12500.0, 30000.0, 20250.0, 75500.0, 70000.0, 2.0, -1500.0, 2500.0, 208.0),
    *(20000.0, 80000.0, 75500.0, 60000.0, 21000.0, 81000.0, 76000.0, 61000.0),
    *(10000.0, 70000.0, 65000.0, 50000.0, 11000.0, 71000.0, 66000.0, 0.0),
]
GOOD, COMM_LOST, STATE = 0x01, 0x04, 0x80


@contextlib.asynccontextmanager
async def serving(**keys: object) -> AsyncIterator[Dnp3Outstation]:
    signal = Dnp3Outstation(Dnp3OutstationConfig(id="tso", port=0, **keys), time.monotonic)
    await signal.bind()
    task = asyncio.create_task(signal.run())
    try:
        yield signal
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def mastered(signal: Dnp3Outstation, outstation: int = 1024, master: int = 1):
    """A master that is through with its start-up sequence."""
    async with JsonPeer("opendnp3_master.py", signal.port, outstation, master) as peer:
        yield peer


async def started(peer: JsonPeer) -> None:
    await peer.wait(event="task", type="MasterTaskType.ENABLE_UNSOLICITED")


async def poll(peer: JsonPeer, order: str) -> dict[tuple[str, int], tuple[float, int]]:
    """Static values that a poll brings: (kind, index) -> (value, flags)."""
    since = len(peer.lines)
    done = {"event": "task", "type": "MasterTaskType.USER_TASK"}
    count = len(peer.found(**done))
    peer.say(**{order: True})
    await peer.wait(count + 1, **done)
    return {
        (line["kind"], line["index"]): (line["value"], line["flags"])
        for line in peer.lines[since:]
        if line["event"] == "value" and not line["is_event"]
    }


@pytest.mark.parametrize("kind", ["float", "int16", "int32"])
@pytest.mark.parametrize("select", [False, True])
def test_agc_by_operate_and_select_before_operate(kind, select):
    async def scenario():
        async with serving() as signal, mastered(signal) as peer:
            await started(peer)
            told = []
            signal.on_agc(lambda: told.append(signal.agc))
            value = -0.75 if kind == "float" else -1
            before_s = time.monotonic()
            result = await peer.ask("result", operate=[0, kind, value], select=select)
            assert result["statuses"] == [["CommandPointState.SUCCESS", "CommandStatus.SUCCESS"]]
            assert [agc.pu for agc in told] == [value]
            assert before_s < signal.agc.received_s < time.monotonic()
            assert (signal.agc.sequence, signal.agc.quality) == (-1, Quality.ONLINE)
            assert math.isnan(signal.agc.transit_s)

    run_async(scenario())


def test_the_same_value_again_is_a_fresh_one():
    async def scenario():
        async with serving() as signal, mastered(signal) as peer:
            await started(peer)
            seen = []
            signal.on_agc(lambda: seen.append(signal.agc.received_s))
            for _ in range(3):
                await peer.ask("result", operate=[0, "float", 0.5])
            assert len(set(seen)) == 3

    run_async(scenario())


@pytest.mark.parametrize(
    ("index", "kind", "value", "status"),
    [
        (0, "float", math.nan, "OUT_OF_RANGE"),
        (0, "float", math.inf, "OUT_OF_RANGE"),
        (1, "float", 0.5, "NOT_SUPPORTED"),
    ],
)
def test_what_cannot_be_an_agc_value_is_refused_and_not_taken(index, kind, value, status):
    async def scenario():
        async with serving() as signal, mastered(signal) as peer:
            await started(peer)
            for select in (False, True):
                result = await peer.ask("result", operate=[index, kind, value], select=select)
                assert result["statuses"][0][1] == f"CommandStatus.{status}"
            assert signal.agc is None
            assert signal.counts["agc_refused"] == 1  # the select was answered, nothing operated

    run_async(scenario())


@pytest.mark.parametrize("kind", ["float", "int16", "int32"])
@pytest.mark.parametrize("select", [False, True])
def test_the_frequency_by_operate_and_select_before_operate(kind, select):
    async def scenario():
        async with serving(frequency=True) as signal, mastered(signal) as peer:
            await started(peer)
            agc, hertz = [], []
            signal.on_agc(lambda: agc.append(signal.agc))
            signal.on_frequency(lambda: hertz.append(signal.frequency))
            value = 49.8125 if kind == "float" else 50
            before_s = time.monotonic()
            result = await peer.ask("result", operate=[1, kind, value], select=select)
            assert result["statuses"][0][1] == "CommandStatus.SUCCESS"
            assert [each.freq_hz for each in hertz] == [value]
            assert before_s < signal.frequency.received_s < time.monotonic()
            assert signal.frequency.quality == Quality.ONLINE
            assert (signal.agc, agc) == (None, [])

    run_async(scenario())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, 9.99, 400.1, -50.0])
def test_what_cannot_be_a_frequency_is_refused_and_not_taken(value):
    async def scenario():
        async with serving(frequency=True) as signal, mastered(signal) as peer:
            await started(peer)
            await peer.ask("result", operate=[1, "float", 50.5])
            for select in (False, True):
                result = await peer.ask("result", operate=[1, "float", value], select=select)
                assert result["statuses"][0][1] == "CommandStatus.OUT_OF_RANGE"
            assert signal.frequency.freq_hz == 50.5
            assert signal.counts["frequency_refused"] == 1
            assert signal.counts["agc_refused"] == 0

    run_async(scenario())


def test_agc_and_frequency_each_have_their_own_instant():
    async def scenario():
        async with serving(frequency=True) as signal, mastered(signal) as peer:
            await started(peer)
            await peer.ask("result", operate=[1, "float", 50.1])
            await peer.ask("result", operate=[0, "float", 0.5])
            assert signal.frequency.received_s < signal.agc.received_s
            assert signal.points.outputs[0].value == 0.5
            assert signal.points.outputs[1].value == pytest.approx(50.1, abs=1e-5)

    run_async(scenario())


def test_mw_become_pu_of_the_capacity_on_that_side():
    async def scenario():
        async with serving(unit="mw") as signal, mastered(signal) as peer:
            await started(peer)
            result = await peer.ask("result", operate=[0, "float", 40.0])
            assert result["statuses"][0][1] == "CommandStatus.AUTOMATION_INHIBIT"
            signal.publish(REPORT)  # now the capacity is known
            await peer.ask("result", operate=[0, "int32", 40])
            assert signal.agc.pu == 0.5
            await peer.ask("result", operate=[0, "float", -35.0])
            assert signal.agc.pu == -0.5

    run_async(scenario())


def test_integrity_poll_and_floats_give_the_points():
    async def scenario():
        async with serving() as signal, mastered(signal) as peer:
            await started(peer)
            signal.publish(REPORT)
            for order in ("integrity", "floats"):
                found = await poll(peer, order)
                assert [found["IndexedAnalog", i] for i in range(25)] == [
                    (v, GOOD) for v in ANALOGS
                ]
            found = await poll(peer, "integrity")
            assert found["IndexedBinary", 0] == (True, GOOD | STATE)

    run_async(scenario())


def test_what_is_not_known_says_so():
    """No unit was ever read, no AGC ever came: flags, not zeros that look good."""

    async def scenario():
        unknown = replace(
            REPORT,
            p_meas_mw=math.nan,
            agc_pu=math.nan,
            mode=Mode.STARTING,
            quality=Quality.COMM_LOST,
        )
        async with serving() as signal, mastered(signal) as peer:
            await started(peer)
            found = await poll(peer, "integrity")  # before any report
            assert {flags for _, flags in found.values()} == {COMM_LOST}
            for report, lost in ((unknown, {0, 7}), (replace(REPORT, mode=Mode.HOLD), {7})):
                signal.publish(report)
                found = await poll(peer, "floats")
                assert {i for i in range(9) if found["IndexedAnalog", i][1] == COMM_LOST} == lost

    run_async(scenario())


def test_changes_come_unasked_and_small_ones_do_not():
    async def scenario():
        async with serving() as signal, mastered(signal) as peer:
            await started(peer)
            signal.publish(REPORT)
            await peer.wait(event="value", kind="IndexedBinary", unsolicited=True, value=True)
            # 0.1 % of 80 MW is 80 kW: 79 kW more is no event, 81 kW is; mode and AGC always are.
            small = replace(REPORT, p_meas_mw=-12.579, agc_pu=0.2501)
            signal.publish(small)
            await peer.wait(event="value", index=7, value=2501.0, unsolicited=True)
            assert not peer.found(event="value", index=0, value=-12579.0)
            signal.publish(replace(small, p_meas_mw=-12.581, mode=Mode.HOLD))
            await peer.wait(event="value", index=0, value=-12581.0, unsolicited=True)
            await peer.wait(event="value", index=5, value=3.0, unsolicited=True)
            lost = await peer.wait(event="value", index=7, value=2501.0, flags=COMM_LOST)
            assert lost["is_event"]

    run_async(scenario())


def test_events_of_a_master_that_polls():
    async def scenario():
        async with serving(unsolicited=False) as signal, mastered(signal) as peer:
            await peer.wait(event="task", type="MasterTaskType.STARTUP_INTEGRITY_POLL")
            signal.publish(REPORT)
            for value in (0.3, 0.4):
                signal.publish(replace(REPORT, agc_pu=value))
            await poll(peer, "classes")
            assert not peer.found(unsolicited=True)
            assert peer.found(event="value", index=7, value=4000.0, is_event=True)
            # The newest of each point, not a backlog.
            assert not peer.found(event="value", index=7, value=3000.0)

    run_async(scenario())


def test_master_killed_and_back_commands_again():
    async def scenario():
        async with serving() as signal, mastered(signal) as peer:
            await started(peer)
            await peer.ask("result", operate=[0, "float", 0.1])
            await peer.kill()
            await peer.start()
            await peer.wait(2, event="task", type="MasterTaskType.STARTUP_INTEGRITY_POLL")
            await peer.ask("result", operate=[0, "float", 0.2])
            assert signal.agc.pu == pytest.approx(0.2)

    run_async(scenario())


def test_other_master_address_is_not_answered():
    async def scenario():
        async with serving() as signal, mastered(signal, master=7) as peer:
            peer.say(operate=[0, "float", 0.5])
            await until(lambda: signal.counts["unexpected_master_address"] > 0)
            assert signal.agc is None
            assert not peer.found(event="result", summary="TaskCompletion.SUCCESS")

    run_async(scenario())
