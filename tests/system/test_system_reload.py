"""The real daemon takes over another fleet while it regulates, and refuses what it cannot."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from managers import Manager, realtime
from plants import RunningPlant

from vppd.core.tick import tick
from vppd.journal.reader import SegmentStart, TickRecord, read
from vppd.journal.replay import replay
from vppd.ops.status_socket import read_status

VPPD = Path(sys.executable).with_name("vppd")
# Five units of each kind are enough, and leave the machine to the daemon.
SMALL = [
    ("fleet.kinds.battery.makers", "{sunspec_battery: 4}"),
    ("fleet.kinds.ev_hub.makers", "{modbus_ev_hub: 4}"),
    ("fleet.kinds.hvac.makers", "{modbus_hvac: 3, dnp3_hvac: 3}"),
    ("fleet.kinds.industrial.makers", "{dnp3_industrial: 3}"),
    ("fleet.kinds.pv.makers", "{sunspec_pv: 3}"),
    ("regulation_mw", "40.0"),
]
NEW, GONE, CHANGED = "bat004", "bat002", "bat001"


def without(text: str, unit: str) -> str:
    """Take one unit and its link out of a configuration."""
    text, links = re.subn(rf"  - {{type: \w+, id: {unit},.*}}\n", "", text)
    text, units = re.subn(
        rf"  - {{<<: \*\w+, id: {unit},.*?}}\n(?=  - |\n|\Z)", "", text, flags=re.DOTALL
    )
    assert (links, units) == (1, 1)
    return text


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """A daemon that was given one unit more, one less and another limit: what became of it."""
    folder = tmp_path_factory.mktemp("reload")
    plant = RunningPlant(folder, state_dir=str(folder / "state"), overrides=SMALL)
    full, path = plant.config_text, folder / "vppd.yaml"
    path.write_text(without(full, NEW))
    changed = re.sub(
        rf"(id: {CHANGED},.*?p_max_mw: )[\d.]+", r"\g<1>3.0", without(full, GONE), flags=re.S
    )
    with plant, Manager(folder, [*realtime(), str(VPPD), "run", str(path)]) as manager:
        manager.start()
        manager.hear("READY=1")
        told = lambda: read_status(folder / "state" / "vppd.sock")  # noqa: E731
        wait(lambda: manager.hear("WATCHDOG=1") and told().units_online == told().units_total)
        before = told()
        path.write_text(changed)
        order = vppd("reload", "--config", path)
        manager.hear("RELOADING=1")
        manager.hear("READY=1")
        for _ in range(3):
            manager.hear("WATCHDOG=1")
        after, said = told(), [line for _, line in manager.said]
        path.write_text(changed.replace("p_max_mw: 3.0", "p_max_mw: -99"))
        refused = vppd("reload", "--socket", folder / "state" / "vppd.sock")
        path.write_text(changed + "\njournal: {sync: false}\n")
        restart = vppd("reload", "--socket", folder / "state" / "vppd.sock")
        stands = told()
        path.write_text(full)
        manager.process.send_signal(signal.SIGHUP)
        wait(lambda: told().units_total == before.units_total + 1)
        code = manager.stop()
    return {
        "plant": plant, "before": before, "after": after, "order": order, "said": said,
        "refused": refused, "restart": restart, "stands": stands, "code": code,
        "folder": folder, "log": (folder / "service.log").read_text(),
    }  # fmt: skip


def wait(holds, timeout_s: float = 30.0):
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def vppd(*arguments):
    return subprocess.run(
        [VPPD, *map(str, arguments)], capture_output=True, text=True, timeout=60.0, check=False
    )


def test_the_order_says_what_has_changed(reloaded):
    order = reloaded["order"]
    assert order.returncode == 0, order.stderr
    assert f"fleet: {NEW} is new" in order.stdout
    assert f"fleet: {GONE} is gone" in order.stdout
    assert re.search(rf"fleet: {CHANGED}: p_max_mw [\d.]+ -> 3.0", order.stdout)


def test_no_tick_is_missed_and_no_connection_lost(reloaded):
    before, after = reloaded["before"], reloaded["after"]
    assert after.timing.missed_ticks == before.timing.missed_ticks
    assert after.io.reconnects == before.io.reconnects
    assert after.io.writes > before.io.writes
    assert after.units_online == after.units_total == before.units_total
    assert after.pid == before.pid
    assert after.tick > before.tick


def test_the_manager_hears_of_it(reloaded):
    said = reloaded["said"]
    began = said.index("RELOADING=1")
    assert said[began + 1].startswith("MONOTONIC_USEC=")
    assert "READY=1" in said[began:]


def test_the_unit_that_goes_is_led_to_its_safe_value(reloaded):
    plant = reloaded["plant"]
    unit = next(unit for unit in plant.fleet.units if unit.id == GONE)
    rows = plant.setpoints()
    own = rows[rows["unit"] == unit.index]["p_mw"]
    moved = np.flatnonzero(np.abs(own - unit.basepoint_mw) > 0.01 * unit.rated_mw)
    assert moved.size > 0  # it took part
    assert np.any(np.abs(own[moved[0] :] - unit.basepoint_mw) < 1e-3)


def test_no_step_over_the_ramp(reloaded):
    """By the ticks that sent them: what waits for its turn arrives closer to the next one."""
    last = {}  # setpoint, MW, and instant of its tick, by unit
    steps = 0
    for record in read(reloaded["folder"] / "state" / "journal"):
        if isinstance(record, SegmentStart):
            params = record.header.params
        if not isinstance(record, TickRecord):
            continue
        now_s, p_mw = record.image.now_s, record.decision.p_setpoint_mw
        for i in np.flatnonzero(record.decision.send).tolist():
            before_mw, at_s = last.get(params.ids[i], (p_mw[i], now_s))
            room_mw = params.ramp_up_mw_per_s[i] * (now_s - at_s) + 1e-9
            assert abs(p_mw[i] - before_mw) <= room_mw, params.ids[i]
            last[params.ids[i]] = p_mw[i], now_s
            steps += 1
    assert steps > len(last)


def test_a_bad_file_is_refused_with_its_lines_and_the_old_one_stands(reloaded):
    refused, stands = reloaded["refused"], reloaded["stands"]
    assert refused.returncode == 2
    assert re.search(r"vppd\.yaml:\d+: fleet\[0\]\.p_m\w+: ", refused.stderr)
    assert not stands.config.last_reload_successful
    assert stands.config.last_reload_messages != ()
    assert stands.units_total == reloaded["after"].units_total
    assert '"event": "reload_refused"' in reloaded["log"]


def test_what_takes_a_restart_is_said_with_its_line(reloaded):
    restart = reloaded["restart"]
    assert restart.returncode == 2
    assert re.search(r"vppd\.yaml:\d+: journal: takes a restart", restart.stderr)


def test_the_journal_has_a_segment_of_each_and_replays(reloaded):
    report = replay(reloaded["folder"] / "state" / "journal", tick)
    assert report.bit_exact
    assert report.segments >= 3
    assert reloaded["code"] == 0
