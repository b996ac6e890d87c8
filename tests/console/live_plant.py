"""A plant of simulated units with a daemon that has a console."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from api_daemon import Client


@dataclass
class LivePlant:
    """210 simulated units that regulate."""

    port: int
    out: Path

    def kill_daemon(self) -> int:
        """Kill it as a bug would; its keeper starts another one. The old one's pid."""
        pid = int((self.out / "daemon.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        return pid

    def status(self) -> dict | None:
        try:
            answer = Client(self.port)("GET", "/api/status")
        except OSError:
            return None
        return answer.data["status"] if answer.status == 200 else None
