"""One wire process as the rig runs it: orders, records, kill -9 and return."""

import asyncio
import contextlib
import json
import random
import signal
import struct
import sys
import time

import numpy as np
import pytest
from helpers import START_S, run_async, until
from small_bench import Bench, Clock, fleet, unit

from hil import recording
from hil.faults import Outage, outages, stream
from hil.plumbing import Child
from hil.recording import PHYSICS_STEP_S, UnitState
from hil.scenario import FaultsConfig
from hil.wire.line import Line
from hil.wire.process import WireProcess

MAKERS = ("sunspec_battery", "modbus_ev_hub", "modbus_hvac", "dnp3_industrial", "sunspec_pv")


class Wire:
    """A wire process on a folder."""

    def __init__(self, folder, **faults):
        self.raw = folder
        self.units = [unit(maker, i) for i, maker in enumerate(MAKERS)]
        self.lines = []
        fleet(self.units, **faults).write(folder / "fleet.json")

    async def start(self):
        argv = [sys.executable, "-m", "hil.wire", str(self.raw / "fleet.json"), "0"]
        before = len(self.lines)
        self.child = await Child.start("wire", argv, self.raw / "log", on_line=self.hear)
        ended = lambda: self.child.returncode is not None  # noqa: E731
        await until(lambda: len(self.lines) > before or ended(), START_S)
        assert self.lines[before]["ready"], self.child.last_lines()

    def hear(self, line):
        self.lines.append(json.loads(line))

    def rows(self):
        return recording.read_power(self.raw, 0)[1]

    def hub_mw(self):
        rows = self.rows()
        return float(rows["p_mw"][-1][1]) if len(rows) else 0.0

    async def write_load(self, load_tenth_kw):
        """Follow a setpoint: the EV hub, over a socket of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.units[1].port)
        body = struct.pack(">BHHBiH", 16, 100, 3, 6, load_tenth_kw, 1)
        writer.write(struct.pack(">HHHB", 1, 0, len(body) + 1, 1) + body)
        await reader.readexactly(12)
        writer.close()


async def listening(port):
    """Wait until a connection is taken there."""
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.01)


def test_records_on_the_grid_and_ends_with_its_orders(tmp_path):
    async def scenario():
        wire = Wire(tmp_path)
        await wire.start()
        await wire.write_load(9000)
        await until(lambda: any("p_mw" in line for line in wire.lines))
        await until(lambda: wire.hub_mw() < -0.89)
        wire.child.process.stdin.close()  # the rig is gone
        await wire.child.process.wait()
        assert wire.child.returncode == 0
        rows = wire.rows()
        steps = rows["t_s"] / PHYSICS_STEP_S
        assert np.abs(steps - np.round(steps)).max() < 1e-6
        assert set(np.round(np.diff(steps))) == {1.0}
        assert rows["state"][-1].tolist() == [0, UnitState.FOLLOW, 0, 0, 0]
        written = recording.read_setpoints(tmp_path)
        assert written["p_mw"].tolist() == [-0.9]
        assert abs(written["t_s"][0] - time.monotonic()) < 20.0
        await wire.child.stop(1.0)

    run_async(scenario(), 2.0 * START_S)


def test_killed_and_back_the_record_has_no_hole_and_the_plant_no_jump(tmp_path):
    async def scenario():
        wire = Wire(tmp_path)
        await wire.start()
        await wire.write_load(9000)
        await until(lambda: wire.hub_mw() < -0.89)
        await wire.child.kill()
        with (tmp_path / "wire-0.power.bin").open("ab") as file:
            file.write(b"torn")
        before = len(wire.rows())
        await wire.start()  # takes half a second, in which nobody is there
        await until(lambda: len(wire.rows()) > before + 5)
        await wire.child.stop(5.0)
        assert wire.child.returncode == 0
        rows = wire.rows()
        assert set(np.round(np.diff(rows["t_s"]) / PHYSICS_STEP_S)) == {1.0}
        after = rows[before:]
        assert after["p_mw"][:, 1] == pytest.approx(-0.9)  # it still holds its setpoint
        assert after["state"][0][1] == UnitState.FOLLOW
        assert wire.child.returncode == 0

    run_async(scenario(), 2.0 * START_S)


def test_a_new_simulator_finds_the_watchdogs_of_its_units_armed(tmp_path):
    one = unit("sunspec_battery", watchdog_s=4.0, fallback_mw=0.25)
    before = Bench(tmp_path, one)
    for k in range(1, 21):
        before.plant.step()
        before.writer.power(
            1000.0 + 0.1 * k, before.plant.p_mw, before.plant.soc_pu, before.plant.state
        )
    before.device.follow(on=True)
    before.clock.now_s = 1001.9
    before.device.setpoint(1.0)
    before.writer.close()

    after = WireProcess(fleet([one]), 0, tmp_path, Clock(1002.0))
    after.plant.step()
    assert after.plant.state[0] == UnitState.FOLLOW
    for _ in range(45):
        after.plant.step()
    assert after.plant.state[0] == UnitState.FALLBACK
    assert after.plant.p_mw[0] == pytest.approx(0.25)
    after.writer.close()


def test_cut_links_come_back(tmp_path):
    async def scenario():
        wire = Wire(tmp_path)
        await wire.start()
        port = wire.units[0].port
        order = {"do": "cut", "units": ["battery000"], "duration_s": 0.3, "silent": False}
        wire.child.order(json.dumps(order))
        await until(lambda: len(recording.read_events(tmp_path)) == 2)
        kinds = [e["kind"] for e in recording.read_events(tmp_path)]
        assert kinds == ["link_outage", "link_back"]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        wire.child.order(json.dumps({"do": "stop"}))
        await wire.child.process.wait()
        await wire.child.stop(1.0)
        assert wire.child.returncode == 0

    run_async(scenario(), 2.0 * START_S)


def test_outages_begin_with_the_run(tmp_path):
    async def scenario():
        wire = Wire(tmp_path, offline_pct=50.0, outage_mean_s=0.5)
        await wire.start()
        assert not recording.read_events(tmp_path)
        wire.child.order(json.dumps({"do": "start", "t0_s": time.monotonic()}))
        await until(lambda: len(recording.read_events(tmp_path)) >= 10)
        wire.child.signal(signal.SIGTERM)
        await wire.child.process.wait()
        await wire.child.stop(1.0)
        assert wire.child.returncode == 0
        by_unit = {}
        for event in recording.read_events(tmp_path):
            by_unit.setdefault(event["unit"], []).append(event["kind"])
        for kinds in by_unit.values():
            assert kinds == (["link_outage", "link_back"] * len(kinds))[: len(kinds)]

    run_async(scenario(), 2.0 * START_S)


def test_a_line_keeps_the_order_and_its_latency():
    async def scenario():
        loop = asyncio.get_running_loop()
        arrived = []
        started = time.monotonic()
        line = Line(
            loop,
            random.Random(1),
            (0.02, 0.08),
            lambda message: arrived.append((message, line.took_s, time.monotonic() - started)),
            time.monotonic,
        )
        for k in range(50):
            line.put(k)
        await until(lambda: len(arrived) == 50)
        assert [message for message, _, _ in arrived] == list(range(50))
        assert arrived[0][2] > 0.018
        assert all(took_s > 0.018 for _, took_s, _ in arrived)
        later = asyncio.Event()
        other = Line(loop, random.Random(1), (0.1, 0.1), lambda _: later.set(), time.monotonic)
        line.put(50)
        line.cut()
        other.put(None)
        await later.wait()  # slower than the slowest: what was cut would be here
        assert len(arrived) == 50

    run_async(scenario(), 2.0 * START_S)


def test_outages_have_the_share_and_length_that_were_asked_for():
    faults = FaultsConfig(offline_pct=5.0, outage_mean_s=60.0)
    horizon_s, down_s, count = 50_000.0, 0.0, 0
    for index in range(100):
        for outage in outages(stream(4, index, "outages"), faults):
            if outage.start_s > horizon_s:
                break
            down_s += min(outage.end_s, horizon_s) - outage.start_s
            count += 1
    assert down_s / (100 * horizon_s) == pytest.approx(0.05, rel=0.05)
    assert down_s / count == pytest.approx(60.0, rel=0.05)


def test_outages_are_the_seed_s_and_none_without_faults():
    faults = FaultsConfig()
    first, again, other = (next(outages(stream(seed, 3, "outages"), faults)) for seed in (1, 1, 2))
    assert first == again != other
    assert isinstance(first, Outage)
    assert list(outages(stream(1, 3, "outages"), FaultsConfig.none())) == []
