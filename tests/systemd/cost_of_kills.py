"""What kills of the daemon cost in a score: a plant whose daemon is killed, and one beside it.

    .venv/bin/python tests/systemd/cost_of_kills.py [SECONDS [BETWEEN_S]]

Both follow the same signal at once, on the real clock, each under a stand-in for the service
manager that starts the daemon again at once, with what it kept. What is scored is the power of the
simulated units and not what the daemon knows. Prints both scores and the error that a kill adds.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from managers import Manager, realtime  # noqa: E402
from plants import RunningPlant  # noqa: E402

from hil import recording  # noqa: E402

VPPD = Path(sys.executable).with_name("vppd")
MARKET = "pjm-2025-10"  # by 5 min
CAPACITY_MW = 80.0  # sold
SKIPPED_S = 60.0  # at the start, until all follow


def run(folder: Path, base_port: int, duration_s: float, kill_every_s: float) -> None:
    """Regulate for that long; a kill every so often, the first after the start is left out."""
    plant = RunningPlant(folder / "plant", state_dir=str(folder / "state"), base_port=base_port)
    (folder / "state").mkdir(mode=0o750)
    config = folder / "vppd.yaml"
    config.write_text(plant.config_text)
    with plant, Manager(folder, [*realtime(), str(VPPD), "run", str(config)]) as manager:
        manager.start()
        manager.hear("READY=1")
        began_s = time.monotonic()
        end_s = began_s + SKIPPED_S + duration_s
        kill_s = began_s + SKIPPED_S + 0.5 * kill_every_s
        while (next_s := min(kill_s, end_s)) < end_s:
            time.sleep(max(0.0, next_s - time.monotonic()))
            manager.kill()
            manager.start()
            kill_s += kill_every_s
        time.sleep(max(0.0, end_s - time.monotonic()))
        manager.stop()
    write_series(plant, folder / "series.csv", began_s + SKIPPED_S, end_s)


def write_series(plant: RunningPlant, file: Path, since_s: float, until_s: float) -> None:
    """Request and delivered power at each second, as `vppd score --csv` reads them."""
    instants_s = np.arange(np.ceil(since_s), until_s - 1.0)
    sent = np.genfromtxt(plant.raw_dir / "tso.csv", delimiter=",", skip_header=1, usecols=(0, 3))
    signal_pu = sent[np.searchsorted(sent[:, 0], instants_s, side="right") - 1, 1]
    total_mw = np.zeros(instants_s.size)
    for process in range(plant.fleet.processes):
        _, rows = recording.read_power(plant.raw_dir, process)
        of_all_mw = rows["p_mw"].sum(axis=1)
        total_mw += of_all_mw[np.searchsorted(rows["t_s"], instants_s, side="right") - 1]
    base_mw = sum(unit.basepoint_mw for unit in plant.fleet.units)
    signal_mw = signal_pu * plant.scenario.regulation_mw
    lines = (
        f"{t:.0f},{wanted:.6f},{got:.6f}"
        for t, wanted, got in zip(
            instants_s - instants_s[0], signal_mw, total_mw - base_mw, strict=True
        )
    )
    file.write_text("t_s,signal_mw,response_mw\n" + "\n".join(lines) + "\n")


def main(duration_s: float = 600.0, between_s: float = 60.0) -> None:
    """Run both, print both."""
    with tempfile.TemporaryDirectory() as place:
        killed, beside = Path(place) / "killed", Path(place) / "beside"
        jobs = [(killed, 21000, between_s), (beside, 23000, 2.0 * duration_s + 1e3)]
        runs = []
        for folder, port, every_s in jobs:
            folder.mkdir()
            runs.append(threading.Thread(target=run, args=(folder, port, duration_s, every_s)))
            runs[-1].start()
        for each in runs:
            each.join()
        kills = int((duration_s - 0.5 * between_s) // between_s) + 1
        error_mws = {}
        for folder in (killed, beside):
            file = folder / "series.csv"
            _, signal_mw, response_mw = np.loadtxt(file, delimiter=",", skiprows=1).T
            error_mws[folder] = float(np.abs(signal_mw - response_mw).sum())
            command = [VPPD, "score", "--csv", file, "--market", MARKET, "--json"]
            command += ["--param", f"capacity_mw={CAPACITY_MW:g}"]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            print(f"{folder.name}: mean error {error_mws[folder] / signal_mw.size:.3f} MW,"
                  f" request -{-signal_mw.min():.0f} to +{signal_mw.max():.0f} MW")  # fmt: skip
            print(json.dumps(json.loads(said.stdout), indent=1) if said.stdout else said.stderr)
        added = (error_mws[killed] - error_mws[beside]) / kills
        print(f"{kills} kills in {duration_s:g} s; each adds {added:.1f} MW.s of error")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
