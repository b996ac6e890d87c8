"""`vppd commission` on a simulated Modbus device: in virtual time, and over real sockets.

What is found is looked at in virtual time; `make accept` does the same on the real clock. Consent,
lock and Ctrl-C are tried on real sockets here.
"""

import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml
from click.testing import CliRunner
from small_bench import Bench, unit

from hil.recording import PHYSICS_STEP_S
from hil.sim import loop as virtual
from hil.wire.process import TcpEndpoint
from vppd.cli import main
from vppd.runtime.lock import StateLock
from vppd.runtime.site import load_site

LINK_S = 0.001  # of the bench: 0 to 2 ms each way
CONFIG = """\
site: {{name: test, state_dir: state, commissioning_dir: commissioning}}
links:
  - {{id: bus, type: modbus_tcp, port: {port}}}
fleet:
  - id: u1
    kind: {kind}
    device: {device}
    p_min_mw: {low}
    p_max_mw: {high}
    basepoint_mw: {base}
    ramp_up_mw_per_s: {ramp}
    ramp_down_mw_per_s: {ramp}
    dead_time_s: {dead}
    lag_s: {lag}
    {store}
signals:
  - {{id: tso, type: dnp3_outstation, port: 20000}}
plan: {{regulation_capacity_up_mw: 0.1, regulation_capacity_down_mw: 0.1}}
"""
UNITS = {  # maker: device, ramp, true dead time and lag
    "sunspec_battery": ("{driver: sunspec_battery, link: bus}", 1.0, 0.3, 0.36),
    "modbus_ev_hub": ("{driver: modbus_load, link: bus, table: ev_hub}", 0.5, 1.2, 0.9),
}


class Rig:
    """One device on its socket, and its plant: in real time in a thread, or virtual in `run`."""

    def __init__(self, folder, maker, **changes):
        device, self.ramp, dead_s, lag_s = UNITS[maker]
        self.one = unit(
            maker, dead_time_true_s=dead_s, lag_true_s=lag_s, ramp_mw_per_s=self.ramp, **changes
        )
        self.truth = dead_s, lag_s
        store = "energy_mwh: 2.0" if self.one.kind == "battery" else "cost: 1.0"
        self.config = folder / "vppd.yaml"
        self.config.write_text(
            CONFIG.format(
                port=self.one.port, kind=self.one.kind, device=device, low=self.one.p_min_mw,
                high=self.one.p_max_mw, base=self.one.basepoint_mw, ramp=self.ramp,
                dead=dead_s * 0.7, lag=lag_s * 1.4, store=store,
            )
        )  # fmt: skip
        self._folder = folder / "raw"
        self._stop = threading.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._folder.mkdir()
        self.bench = Bench(self._folder, self.one, time.monotonic, telemetry_noise_pct=2.0)
        self._thread.start()
        assert self._up.wait(10.0)
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join(10.0)
        self.bench.writer.close()

    async def _serve(self):
        await self._step_while(self._stop)

    def run(self, main):
        """Run a program and the device in virtual time, instead of `asyncio.run`."""
        loop = virtual.VirtualLoop(1000.0)
        self._folder.mkdir()
        self.bench = Bench(self._folder, self.one, loop.time, telemetry_noise_pct=2.0)

        async def both():
            device = asyncio.create_task(self._step_while(self._stop))
            while not self._up.is_set():
                await asyncio.sleep(PHYSICS_STEP_S)
            try:
                return await main
            finally:
                self._stop.set()
                await device

        try:
            return virtual.run(both(), loop)
        finally:
            self.bench.writer.close()

    async def _step_while(self, stop):
        endpoint = TcpEndpoint(self.bench.device, self.bench.fleet)
        await endpoint.open()
        self._up.set()
        now_s = asyncio.get_running_loop().time
        plant, steps, began_s = self.bench.plant, 0, now_s()
        while not stop.is_set():
            while steps * PHYSICS_STEP_S < now_s() - began_s:
                plant.step()
                steps += 1
            await asyncio.sleep(0.5 * PHYSICS_STEP_S)
        await endpoint.close(orderly=True)


def commission(rig, *options):
    arguments = ["commission", str(rig.config), "--der", "u1", *options]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.mark.parametrize("maker", UNITS)
def test_dead_time_and_lag_are_found(tmp_path, maker, monkeypatch):
    rig = Rig(tmp_path, maker)
    monkeypatch.setattr("asyncio.run", rig.run)
    found_what_is_true(rig, tmp_path)


@pytest.mark.accept
@pytest.mark.parametrize("maker", UNITS)
def test_dead_time_and_lag_are_found_on_the_real_clock(tmp_path, maker, monkeypatch):
    monkeypatch.setattr("vppd.runtime.commission.CYCLES_S", 20.0)
    with Rig(tmp_path, maker) as rig:
        found_what_is_true(rig, tmp_path)


def found_what_is_true(rig, folder):
    """The command finds dead time and lag of the device, and brings it back."""
    result = commission(rig, "--yes", "--quick")
    assert result.exit_code == 0, result.output
    base_mw = rig.one.basepoint_mw
    assert rig.bench.device.setpoint_mw == pytest.approx(base_mw, abs=1e-3)  # brought back
    print(result.output)
    found = yaml.safe_load((folder / "commissioning" / "u1.yaml").read_text())
    dead_s, lag_s = rig.truth
    assert found["dead_time_s"] == pytest.approx(dead_s + LINK_S, abs=0.2)
    assert found["lag_s"] == pytest.approx(lag_s, rel=0.1)
    (configured,) = load_site(rig.config).config.fleet  # and it is read
    assert configured.dead_time_s == found["dead_time_s"]
    assert configured.lag_s == found["lag_s"]


def test_ctrl_c_ends_it_and_brings_the_unit_back(tmp_path):
    with Rig(tmp_path, "sunspec_battery") as rig:
        run = "from vppd.cli import main; main()"
        arguments = [sys.executable, "-c", run, "commission", rig.config, "--der", "u1", "--yes"]
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if "step up" in line:
                break
        while abs(rig.bench.device.setpoint_mw) < 0.3:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        words = process.stderr.read()
        assert process.wait(20.0) == 1
        process.stderr.close()
        assert "was sent back to its basepoint" in words
        assert rig.bench.device.setpoint_mw == pytest.approx(0.0, abs=1e-3)
    assert not (tmp_path / "commissioning").exists()


def test_not_while_the_daemon_regulates(tmp_path):
    rig = Rig(tmp_path, "sunspec_battery")
    with StateLock(tmp_path / "state"):
        result = commission(rig, "--yes")
    assert result.exit_code == 3
    assert "not while the daemon regulates" in result.stderr


def test_without_consent_nothing_moves(tmp_path):
    rig = Rig(tmp_path, "sunspec_battery")
    result = CliRunner().invoke(main, ["commission", str(rig.config), "--der", "u1"], input="n\n")
    assert result.exit_code == 1
    assert "within its rating" in result.stdout
    assert "nothing was done" in result.stderr


def test_a_unit_that_is_not_there(tmp_path):
    rig = Rig(tmp_path, "sunspec_battery")
    result = CliRunner().invoke(main, ["commission", str(rig.config), "--der", "u9", "--yes"])
    assert result.exit_code == 2


def test_a_bad_file_of_a_test_is_told_with_its_line(tmp_path):
    rig = Rig(tmp_path, "sunspec_battery")
    (tmp_path / "commissioning").mkdir()
    (tmp_path / "commissioning" / "u1.yaml").write_text("lag_s: 1.0\ndead_time_s: -1.0\n")
    result = CliRunner().invoke(main, ["check", str(rig.config)])
    assert result.exit_code == 2
    assert "u1.yaml:2: dead_time_s" in result.stderr
