"""The rig: a small run with the real daemon, and what happens when something is missing or dies."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers import run_async, until
from processes import free_port

from hil import recording
from hil.cli import main
from hil.plumbing import Child, CouldNotRunError, reserve_free_ports, reserve_ports, wait_for_port
from hil.records import RecordError
from hil.rig import DaemonDiedError, Rig
from hil.scenario import load

REPO = Path(__file__).parents[2]
SMALL = """\
extends: zhejiang
name: small
title: a few units
duration_s: 4
regulation_mw: 1.0
signal: {interval_s: 0.5}
fleet:
  kinds:
    battery: {makers: {sunspec_battery: 1}, rated_mw: 2.0}
    ev_hub: {makers: {modbus_ev_hub: 1, mqtt_ev_hub: 1}, rated_mw: 1.0}
    hvac: {makers: {modbus_hvac: 1, dnp3_hvac: 1}, rated_mw: 1.0}
    industrial: {makers: {dnp3_industrial: 1}, rated_mw: 1.0}
    pv: {makers: {sunspec_pv: 1}, rated_mw: 1.0}
wire: {devices_per_process: 4}
acceptance:
  timing.signal_to_last_setpoint_ms.p99: {maximum: 5000}  # the machine may be busy
  limits.violations: {maximum: 0}
  journal.replay_bit_exact: {equals: true}
  process.rss_mb: {maximum: 300}
"""
FAKE = """#!{python}
import os, socket, sys, time
name = os.environ["NOTIFY_SOCKET"]
peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if {ready}:
    peer.sendto(b"READY=1", "\\0" + name[1:])
print("a last word", file=sys.stderr, flush=True)
time.sleep({sleeps})
sys.exit({exits})
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


def vppd_hil(*arguments: object, timeout_s: float = 110.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hil.cli", "run", *map(str, arguments)]
    return subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def fake_vppd(folder: Path, *, ready: bool) -> str:
    """A daemon that says READY and stays, or says its last word and ends."""
    path = folder / "vppd"
    sleeps = 60 if ready else 0
    path.write_text(FAKE.format(python=sys.executable, ready=ready, exits=2, sleeps=sleeps))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def all_ended(rig: Rig) -> bool:
    children = [rig._tso, rig._daemon, rig._broker, *rig._wires.values()]
    for child in children:
        if child is not None:
            with pytest.raises(ProcessLookupError):
                os.kill(child.pid, 0)
    return True


def test_a_small_run_from_one_end_to_the_other(small, tmp_path):
    out = tmp_path / "out"
    done = vppd_hil(small, "--out", out, "--trace-devices", "--set", "faults.offline_pct=0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 1, fleet seed 1" in done.stderr
    assert "request" in done.stderr
    assert "request   " not in done.stdout  # progress is no result
    assert done.stdout.splitlines()[-1] == f"report: {out / 'report.html'}"
    result = json.loads((out / "result.json").read_text())
    assert result["fleet"]["by_protocol"] == {"modbus": 4, "mqtt": 1, "dnp3": 2}
    assert result["fleet"]["resources"] == 7
    assert result["limits"]["violations"] == 0
    assert result["io"]["writes"] > 10
    run = json.loads((out / "raw" / "run.json").read_text())
    assert run["daemon_exit_code"] == 0
    assert run["taken_over"] == 7
    assert run["process"]["startup_s"] > 0.0
    assert run["process"]["rss_mb"] > 10.0
    told = run["process"]["realtime"]
    realtime = result["process"]["realtime"]
    assert {key: realtime[key] for key in told} == told
    assert realtime["granted"] is not ("Real time" in done.stdout)
    assert set(run["bench"]["cpu_pct"]) == {"rig", "wire", "tso", "broker"}
    assert recording.processes(out / "raw") == [0, 1]
    lines = (out / "trace.csv").read_text().splitlines()
    assert len(lines) == 1 + 4
    for name in ("report.html", "devices.csv.gz", "daemon.yaml", "journal"):
        assert (out / name).exists()
    written = (out / "daemon.yaml").read_text().splitlines()
    head = next(line for line in written if line.startswith("# Generated: "))
    assert head.startswith(f"# Generated: vppd-hil run {small} --out {out} ")
    assert "--set faults.offline_pct=0" in head


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere", "--out", "x"), 2, "no such scenario; known: agc-cut"),
        (("zhejiang", "--out", "x", "--clock", "virtual", "--base-port", "2000"), 2, "no ports"),
        (("zhejiang", "--out", "x", "--clock", "lunar"), 2, "Invalid value"),
        (("zhejiang", "--out", "x", "--signal", "none.csv"), 2, "FILE:COLUMN"),
        (("zhejiang", "--out", "{tmp}", "--signal", "none.csv:x"), 3, "No such file"),
        (("zhejiang", "--out", "x", "--set", "faults"), 2, "KEY=VALUE"),
        (("zhejiang", "--out", "{tmp}", "--set", "events=[{at_s: 1, kind: wire_kill, process: 9}]"),
         2, "there are 3 wire processes"),
        (("zhejiang", "--out", "x", "--duration", "-5"), 2, "must be within 1 to 1e+07, is -5"),
    ],
)  # fmt: skip
def test_exit_codes_without_a_run(tmp_path, arguments, code, message):
    typed = [each.replace("{tmp}", str(tmp_path)) for each in arguments]
    done = CliRunner().invoke(main, ["run", *typed])
    assert done.exit_code == code, done.stderr
    assert message in done.stderr


def test_a_port_in_use_is_told_before_anything_starts(small, tmp_path):
    base = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base))
        taken.listen(1)
        typed = [small, "--out", str(tmp_path / "out"), "--base-port", str(base)]
        done = CliRunner().invoke(main, ["run", *typed])
    assert done.exit_code == 3
    assert f"port {base} is in use" in done.stderr
    assert not list((tmp_path / "out" / "raw").glob("*.log"))


def test_two_runs_never_take_the_same_ports():
    base, held = reserve_free_ports(30)
    try:
        with pytest.raises(CouldNotRunError, match="in use"):
            reserve_ports(base, 30)
        other, other_held = reserve_free_ports(30)
        other_held.close()
        assert other != base
    finally:
        held.close()


def test_a_daemon_that_does_not_start(small, tmp_path):
    vppd = fake_vppd(tmp_path, ready=False)
    rig = Rig(load(small), tmp_path / "out", lambda _: None, vppd=vppd)
    with pytest.raises(DaemonDiedError, match="ended with code 2; its last lines:\na last word"):
        run_async(rig.run(), 30.0)
    assert not rig.began
    assert all_ended(rig)


def test_no_daemon_at_all(small, tmp_path):
    rig = Rig(load(small), tmp_path / "out", lambda _: None, vppd=str(tmp_path / "none"))
    with pytest.raises(CouldNotRunError, match="No such file, or no program"):
        run_async(rig.run(), 30.0)
    assert all_ended(rig)


def test_a_daemon_that_dies_in_mid_run_and_a_cancelled_run_leave_nothing_behind(small, tmp_path):
    vppd = fake_vppd(tmp_path, ready=True)
    scenario = load(small, [("duration_s", "30")])

    async def run(act):
        rig = Rig(scenario, tmp_path / "out", lambda _: None, vppd=vppd)
        rig.take_over_s = 0.1  # the fake takes nothing over
        running = asyncio.create_task(rig.run())
        await until(lambda: rig.began or running.done(), 30.0)
        assert rig.began, await running
        act(rig, running)
        with pytest.raises((DaemonDiedError, asyncio.CancelledError)) as caught:
            await running
        return rig, caught.value

    rig, error = run_async(run(lambda rig, _: rig._daemon.signal(signal.SIGKILL)), 60.0)
    assert isinstance(error, DaemonDiedError)
    assert all_ended(rig)
    record = json.loads((tmp_path / "out" / "raw" / "run.json").read_text())
    assert record["daemon_exit_code"] == -signal.SIGKILL
    rig, error = run_async(run(lambda _, running: running.cancel()), 60.0)
    assert isinstance(error, asyncio.CancelledError)
    assert all_ended(rig)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_end_every_process(small, tmp_path, number, code):
    async def scenario():
        argv = [sys.executable, "-m", "hil.cli", "run", small, "--duration", "60"]
        argv += ["--out", str(tmp_path / "out")]
        child = await Child.start("rig", argv, tmp_path / "log", cwd=REPO)
        pids = tmp_path / "out" / "raw" / "wire-0.power.json"
        await until(pids.exists, 30.0)
        os.kill(child.pid, number)
        async with asyncio.timeout(30.0):
            await child.process.wait()
        assert child.returncode == code
        assert "interrupted" in child.last_lines()

    run_async(scenario(), 60.0)
    fleet = json.loads((tmp_path / "out" / "raw" / "fleet.json").read_text())
    held = reserve_ports(fleet["base_port"], 10 + 7)  # nobody has them any more
    held.close()


def test_what_does_not_listen_is_told():
    async def scenario():
        child = await Child.start("mute", [sys.executable, "-c", ""], Path(os.devnull))
        with pytest.raises(CouldNotRunError, match="mute ended"):
            await wait_for_port(free_port(), child, 10.0)
        await child.kill()

    run_async(scenario())


def test_events_of_units_that_are_not_there(small, tmp_path):
    scenario = load(small, [("events", "[{at_s: 1, kind: link_cut, units: [bat007]}]")])
    with pytest.raises(RecordError, match=r"events\[0\].units: there is no unit bat007"):
        run_async(Rig(scenario, tmp_path / "out", lambda _: None).run())
