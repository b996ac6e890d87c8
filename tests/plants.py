"""The bench's devices and TSO as processes, for a daemon that somebody else runs.

`enter` goes before each command: `nsenter` leads into the network of a container, while clock and
files stay those of this machine.
"""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import daemon_config, fleet, recording
from hil.plumbing import reserve_free_ports
from hil.scenario.load import load
from hil.tso import process as tso

ROOT = Path(__file__).parents[1]
# Nothing by chance: what a unit gets late or not at all is the daemon's doing. No broker, either.
CALM = [
    ("faults", "none"),
    ("fleet.kinds.ev_hub.makers", "{modbus_ev_hub: 90}"),
]


class RunningPlant:
    """Devices and TSO of a scenario. The TSO sends from the start on."""

    def __init__(
        self,
        folder: Path,
        *,
        state_dir: str,
        overrides: Sequence[tuple[str, str]] = (),
        scenario: str = "zhejiang",
        base_port: int | None = None,
        enter: Sequence[str] = (),
    ) -> None:
        self.raw_dir = folder / "raw"
        self.raw_dir.mkdir(parents=True)
        self.scenario = load(scenario, [*CALM, *overrides])
        self._ports = None
        if base_port is None:
            base_port, self._ports = reserve_free_ports(fleet.ports(self.scenario))
        self.fleet = fleet.draw(self.scenario, base_port)
        self.fleet.write(self.raw_dir / "fleet.json")
        self.config_text = daemon_config.text(
            self.fleet, self.scenario, state_dir=state_dir, command="the tests"
        )
        self._spec = tso.Spec(
            port=self.fleet.tso_port, seed=self.scenario.seed, duration_s=3600.0,
            latency_s=self.fleet.latency_s, source=self.scenario.signal, cuts=(),
        )  # fmt: skip
        self._enter = list(enter)
        self._log = folder / "plant.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "RunningPlant":
        self._spec.write(self.raw_dir / "tso.json")
        fleet_file = self.raw_dir / "fleet.json"
        for k in range(self.fleet.processes):
            self._start("hil.wire", fleet_file, k)
        self._start("hil.tso", self.raw_dir / "tso.json")
        order = {"do": "start", "t0_s": time.monotonic() + 1.0}
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            assert process.stdin is not None
            process.stdin.close()  # its end is a stop
        for process in self._processes:
            try:
                process.wait(15.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5.0)
        if self._ports is not None:
            self._ports.close()

    def _start(self, module: str, *arguments: object) -> None:
        with self._log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [*self._enter, sys.executable, "-m", module, *map(str, arguments)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                )
            )

    def setpoints(self) -> NDArray[np.void]:
        """Setpoints that devices have got so far, by time: rows of `recording.SETPOINT`.

        Rows are flushed once a second.
        """
        rows = recording.read_setpoints(self.raw_dir)
        flags = rows["flags"]
        unheard = recording.SetpointFlag.LOST | recording.SetpointFlag.OFFLINE
        return rows[flags & (unheard | recording.SetpointFlag.KEEP_ALIVE) == 0]

    def agc_sent(self) -> list[dict[str, str]]:
        """Rows of `recording.TSO_COLUMNS`."""
        with (self.raw_dir / "tso.csv").open(newline="") as file:
            return list(csv.DictReader(file))
