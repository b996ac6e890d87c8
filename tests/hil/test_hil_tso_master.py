"""The TSO against a DNP3 outstation: values, times, select before operate, cuts."""

import asyncio
import csv
import json
import sys
import time
from dataclasses import replace

import pytest
from helpers import START_S, run_async, until
from processes import free_port
from py1815 import OutstationServer, Session
from py1815.control import CommandStatus
from py1815.objects import AnalogPoint, AnalogVariation, analog_range

from hil import recording
from hil.faults import stream
from hil.plumbing import Child
from hil.scenario import EventConfig, FrequencySource, SignalSource
from hil.scenario.frequency import GridConfig, SagConfig
from hil.sim.loop import VirtualLoop, run
from hil.sim.tso import SimulatedTso
from hil.tso.master import TsoLink
from hil.tso.process import Spec, read

COMM_LOST = 0x04
T0_S = 1.0  # start of the runs in virtual time
SPEC = Spec(port=0, seed=1, duration_s=60.0, latency_s=(0.0, 0.002), source=SignalSource(), cuts=())


class Plant:
    """A plant as the TSO sees it: keeps what it is told, reports nine inputs."""

    def __init__(self, clock=time.monotonic):
        self.port = free_port()
        self.clock = clock
        self.received = []
        self.functions = []
        self.answer = CommandStatus.SUCCESS

    def read(self, headers):
        values = [1234.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 5000.0, 210.0]
        points = [AnalogPoint(value, 0x01) for value in values]
        points[7] = AnalogPoint(5000.0, COMM_LOST)
        return analog_range(0, points, variation=AnalogVariation.INT32_WITH_FLAG)

    def select(self, controls):
        self.functions.append("select")
        return [CommandStatus.SUCCESS] * len(controls)

    def operate(self, controls):
        self.functions.append("operate")
        self.received += [(self.clock(), c.index, c.command.value) for c in controls]
        return [self.answer] * len(controls)

    def values(self, index):
        return [value for _, received, value in self.received if received == index]

    async def __aenter__(self):
        session = Session(self, control_provider=self)
        self.server = OutstationServer(session, bind=f"127.0.0.1:{self.port}")
        await self.server.start()
        return self

    async def __aexit__(self, *_):
        await self.server.stop()


def link_to(plant, latency_s=(0.0, 0.002), timeout_s=1.0):
    return TsoLink(plant.port, stream(1, -1, "tso"), latency_s, time.monotonic, timeout_s=timeout_s)


def test_a_value_arrives_as_a_float_and_is_confirmed():
    async def scenario():
        async with Plant() as plant:
            link = link_to(plant, (0.02, 0.04))
            keeper = asyncio.create_task(link.keep())
            await until(lambda: link.connected)
            sent_s = time.monotonic()
            assert await link.send_agc(-0.123456) == "accepted"
            ((at_s, index, value),) = plant.received
            assert (index, value) == (0, pytest.approx(-0.123456, abs=1e-7))
            assert sent_s + 0.018 < link.socket_s <= at_s
            plant.answer = CommandStatus.NOT_AUTHORIZED
            assert await link.send_agc(0.5) == "refused"
            keeper.cancel()
            link.close()

    run_async(scenario())


def test_select_before_operate():
    async def scenario():
        async with Plant() as plant:
            link = link_to(plant)
            keeper = asyncio.create_task(link.keep())
            await until(lambda: link.connected)
            assert await link.send_agc(0.25, select=True) == "accepted"
            assert plant.functions == ["select", "operate"]
            keeper.cancel()
            link.close()

    run_async(scenario())


def test_inputs_with_their_flags():
    async def scenario():
        async with Plant() as plant:
            link = link_to(plant)
            assert await link.poll() is None
            keeper = asyncio.create_task(link.keep())
            await until(lambda: link.connected)
            for _ in range(2):  # the second one clears the restart indication first
                told = await link.poll()
                assert (told.p_kw, told.mode, told.units_online) == (1234.0, 2, 210)
                assert (told.agc_pu, told.agc_flags) == (0.5, COMM_LOST)
            keeper.cancel()
            link.close()

    run_async(scenario())


def test_without_a_plant_or_an_answer():
    async def scenario():
        writers = []
        silent = await asyncio.start_server(lambda _, w: writers.append(w), "127.0.0.1", 0)
        plant = Plant()
        link = link_to(plant, timeout_s=0.1)
        assert await link.send_agc(0.5) == "down"
        plant.port = silent.sockets[0].getsockname()[1]
        link = link_to(plant, timeout_s=0.1)
        keeper = asyncio.create_task(link.keep())
        await until(lambda: link.connected)
        assert await link.send_agc(0.5) == "unknown"
        assert await link.poll() is None
        keeper.cancel()
        link.close()
        for writer in writers:
            writer.close()
        silent.close()
        await silent.wait_closed()

    run_async(scenario())


def test_the_spec_survives_its_file(tmp_path):
    spec = Spec(
        port=20001,
        seed=4,
        duration_s=60.0,
        latency_s=(0.02, 0.08),
        source=SignalSource(kind="steps", steps=((0.0, 0.5),), select=True),
        cuts=(EventConfig(at_s=10.0, kind="agc_cut", how="silent"),),
        frequency=FrequencySource(kind="grid", grid=GridConfig(losses=((3.0, 40.0),))),
    )
    spec.write(tmp_path / "tso.json")
    assert read(tmp_path / "tso.json") == spec


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def sent_in_virtual_time(folder, spec, enough):
    """What the plant was told until `enough(plant)`; the records are in the folder."""
    loop = VirtualLoop()

    async def scenario():
        async with Plant(loop.time) as plant:
            tso = SimulatedTso(replace(spec, port=plant.port), folder, loop.time)
            serving = asyncio.create_task(tso.serve())
            await until(lambda: tso.link.connected)
            tso.start(T0_S)
            await until(lambda: enough(plant))
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            return plant

    plant = run(scenario(), loop)
    assert loop.faults == []
    return plant


def instants(rows):
    return [float(row["t_sent_s"]) - T0_S for row in rows]


@pytest.mark.parametrize(("how", "after"), [("silent", []), ("closed", ["down"])])
def test_values_go_out_by_the_clock_but_in_a_cut(tmp_path, how, after):
    """A link that was closed connects while the first value behind the cut is due already."""
    cut = EventConfig(at_s=0.7, kind="agc_cut", duration_s=0.9, how=how)
    spec = replace(SPEC, source=SignalSource(interval_s=0.2), cuts=(cut,))
    plant = sent_in_virtual_time(tmp_path, spec, lambda plant: len(plant.received) == 14)
    rows = rows_of(tmp_path / "tso.csv")
    assert tuple(rows[0]) == recording.TSO_COLUMNS
    assert [int(row["seq"]) for row in rows] == list(range(-2, len(rows) - 2))
    assert rows[0]["pu"] == rows[1]["pu"] == rows[2]["pu"]  # the plant is on AGC at t0
    assert instants(rows) == pytest.approx([0.2 * seq for seq in range(-2, len(rows) - 2)])
    status = [row["status"] for row in rows]
    assert status[:10] == ["accepted"] * 6 + ["cut"] * 4  # 0.8 to 1.4 s
    assert status[10:] == [*after, *["accepted"] * 8]
    assert all((row["t_socket_s"] == "nan") == (row["status"] != "accepted") for row in rows)
    told = [row for row in rows if row["status"] == "accepted"]
    assert plant.values(0) == pytest.approx([float(row["pu"]) for row in told], abs=1e-7)
    events = [(event["kind"], event["t_s"] - T0_S) for event in recording.read_events(tmp_path)]
    assert events == [("agc_cut", pytest.approx(0.7)), ("agc_back", pytest.approx(1.6))]
    polled = {row["p_kw"] for row in rows_of(tmp_path / "tso.inputs.csv")}
    assert polled == {"1234.0"}


@pytest.mark.parametrize("select", [False, True])
def test_the_frequency_goes_out_each_interval_between_the_agc_values(tmp_path, select):
    spec = replace(
        SPEC,
        source=SignalSource(interval_s=0.4, select=select),
        cuts=(EventConfig(at_s=0.7, kind="agc_cut", duration_s=0.5, how="silent"),),
        frequency=FrequencySource(
            kind="event", interval_s=0.2, event=SagConfig(at_s=0.5, nadir_after_s=10.0)
        ),
    )
    plant = sent_in_virtual_time(tmp_path, spec, lambda plant: len(plant.values(1)) == 12)
    rows = rows_of(tmp_path / "tso.frequency.csv")
    assert tuple(rows[0]) == recording.FREQUENCY_COLUMNS
    # from two AGC values before the start on
    assert instants(rows) == pytest.approx([0.2 * number - 0.7 for number in range(len(rows))])
    status = [row["status"] for row in rows]
    assert status[:14] == ["accepted"] * 7 + ["cut"] * 3 + ["accepted"] * 4  # 0.7, 0.9, 1.1 s
    sent = [float(row["freq_hz"]) for row in rows if row["status"] == "accepted"]
    assert plant.values(1)[: len(sent)] == pytest.approx(sent, abs=1e-5)
    assert sent[:7] == [50.0] * 7
    assert 49.7 < sent[-1] < 49.9
    assert ("select" in plant.functions) == select


def test_a_process_sends_from_the_instant_that_it_is_told_until_it_is_told_to_stop(tmp_path):
    async def scenario():
        async with Plant() as plant:
            frequency = FrequencySource(kind="event", interval_s=0.2)
            source = SignalSource(interval_s=0.2)
            spec = replace(SPEC, port=plant.port, source=source, frequency=frequency)
            spec.write(tmp_path / "tso.json")
            lines = []
            argv = [sys.executable, "-m", "hil.tso", str(tmp_path / "tso.json")]
            child = await Child.start("tso", argv, tmp_path / "log", on_line=lines.append)
            await until(lambda: lines, START_S)
            t0_s = time.monotonic() + 0.5
            child.order(json.dumps({"do": "start", "t0_s": t0_s}))
            await until(lambda: len(plant.values(0)) >= 4 and len(plant.values(1)) >= 4, START_S)
            child.order(json.dumps({"do": "stop"}))
            await child.process.wait()
            await child.stop(1.0)
            assert child.returncode == 0, child.last_lines()
            return t0_s, plant

    t0_s, plant = run_async(scenario(), 2.0 * START_S)
    rows, hertz = rows_of(tmp_path / "tso.csv"), rows_of(tmp_path / "tso.frequency.csv")
    assert [int(row["seq"]) for row in rows] == list(range(-2, len(rows) - 2))
    # How late it may be is the machine's affair; too early it never is.
    assert all(float(row["t_sent_s"]) >= t0_s + 0.2 * int(row["seq"]) - 1e-6 for row in rows)
    for index, column, told in ((0, "pu", rows), (1, "freq_hz", hertz)):
        sent = [float(row[column]) for row in told if row["status"] == "accepted"]
        assert len(sent) >= 3
        assert plant.values(index)[: len(sent)] == pytest.approx(sent, abs=1e-5)
