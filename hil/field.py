"""Devices and a TSO on their sockets, for a daemon that somebody else starts and stops.

The same simulated plant as that of a run, without a daemon of its own and without a score: to try
a configuration by hand, to learn, to show. `daemon.yaml` of the folder fits it.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.fleet import Fleet
from hil.rig import Rig
from hil.scenario import Scenario


class Field(Rig):
    """Serve a scenario's plant for its duration, or until stopped.

    `told` is called once, with the fleet, when every device listens.
    """

    def __init__(
        self,
        scenario: Scenario,
        out_dir: Path,
        told: Callable[[Fleet], None],
        *,
        base_port: int,
        command: str,
    ) -> None:
        super().__init__(scenario, out_dir, _unseen, base_port=base_port, command=command)
        self.take_over_s = 0.0  # nobody is waited for
        self._told = told

    @property
    def began(self) -> bool:
        """False: there is nothing to score."""
        return False

    async def _start_daemon(self, _vppd: str) -> None:
        """Start none: that is somebody else's affair."""

    async def _scored(self) -> None:
        self.t0_s = float(math.ceil(time.monotonic()))
        order = json.dumps({"do": "start", "t0_s": self.t0_s})
        for child in (*self._wires.values(), self._tso):
            if child is not None:
                child.order(order)
        self._told(self.fleet)
        await self._sleep_until(self.t0_s + self.scenario.duration_s)


def describe(fleet: Fleet, out: Path) -> str:
    """Say where each device listens, and what fits them."""
    rows = [f"{'unit':10} {'kind':12} {'spoken to by':16} {'MW':>8}"]
    for unit in fleet.units:
        port = fleet.broker_port if unit.protocol == "mqtt" else unit.port
        rows.append(
            f"{unit.id:10} {unit.kind:12} {unit.protocol:6} port {port:<5} {unit.rated_mw:8.3f}"
        )
    rows.append(f"the TSO calls port {fleet.tso_port} (DNP3), and sends AGC from then on")
    rows.append(f"{out / 'daemon.yaml'} is a configuration that fits")
    rows.append(f"{len(fleet.units)} devices listen; Ctrl-C ends them")
    return "\n".join(rows)


def _unseen(_frame: dict[str, Any]) -> None:
    """Show nothing: there is no run to look at."""
