"""The installed `vppd run` as its own process, on a plant of one MQTT-free battery."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from helpers import START_S
from processes import free_port

VPPD = Path(sys.executable).with_name("vppd")

CONFIG = """\
site:
  name: test
  state_dir: state
  tick_s: {tick_s}
  realtime_priority: 0
  lock_memory: false
  stop_timeout_s: 1.0
links:
  - {{id: battery-1, type: modbus_tcp, host: 127.0.0.1, port: {modbus_port}}}
fleet:
  - id: battery-1
    kind: battery
    device: {{driver: sunspec_battery, link: battery-1, unit_id: 1}}
    p_min_mw: -5.0
    p_max_mw: 5.0
    ramp_up_mw_per_s: 5.0
    ramp_down_mw_per_s: 5.0
    energy_mwh: 10.0
signals:
  - {{id: tso, type: dnp3_outstation, host: 127.0.0.1, port: {dnp3_port}}}
plan:
  regulation_capacity_up_mw: 4.0
  regulation_capacity_down_mw: 4.0
guards:
  agc_interval_s: 2.0
"""


def write_config(folder: Path, *, tick_s: float = 0.1, modbus_port: int | None = None) -> Path:
    """A configuration with free ports in `folder`."""
    path = folder / "vppd.yaml"
    path.write_text(
        CONFIG.format(tick_s=tick_s, modbus_port=modbus_port or free_port(), dnp3_port=free_port())
    )
    return path


class Forked:
    """A daemon that the warm process has started; as much of a Popen as a `Daemon` needs."""

    def __init__(self, warm: "WarmDaemons", pid: int) -> None:
        self._warm = warm
        self.pid = pid
        self.returncode: int | None = None

    def kill(self) -> None:
        """SIGKILL, unless it was collected."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, _timeout_s: float) -> int:
        """Collect it; the test's own time limit bounds this."""
        if self.returncode is None:
            self.returncode = self._warm.ask(pid=self.pid)
        return self.returncode


class WarmDaemons:
    """The process of `warm_daemons.py`: daemons that start in a tenth of the time."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("warm_daemons.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_error):
        self._process.communicate(timeout=START_S)

    def start(self, config: Path, notify: Path, log: str) -> Forked:
        """`vppd run`, forked."""
        return Forked(self, self.ask(config=str(config), notify=str(notify), log=log))

    def ask(self, **order: object) -> int:
        """Give an order; its answer."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Daemon:
    """A running `vppd run`, heard through a notify socket. Killed at the end of the `with`."""

    def __init__(self, config: Path, *options: str, warm: WarmDaemons | None = None) -> None:
        self.config = config
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = config.parent / "notify.sock"
        address.unlink(missing_ok=True)
        self._socket.bind(str(address))
        self._socket.settimeout(60.0)
        self.log = (config.parent / "daemon.log").open("ab")
        if warm is not None:
            self.process = warm.start(config, address, self.log.name)
            return
        self.process = subprocess.Popen(
            [VPPD, "run", config, *options],
            env=os.environ | {"NOTIFY_SOCKET": str(address)},
            stderr=self.log,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10.0)
        self._socket.close()
        self.log.close()

    def hear(self, line: str) -> None:
        """Wait until the daemon says `line` to the service manager."""
        while line not in self._socket.recv(4096).decode().splitlines():
            pass

    def hear_ticks(self, count: int) -> None:
        """Wait for so many finished ticks."""
        for _ in range(count):
            self.hear("WATCHDOG=1")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20.0)


def vppd(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command of vppd to its end."""
    return subprocess.run(
        [VPPD, *map(str, arguments)], capture_output=True, text=True, timeout=60.0, check=False
    )
