"""The TSO in virtual time: `hil.tso`, its DNP3 octets included, without a process around it."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.faults.signal import Sent
from hil.tso.frequency import At
from hil.tso.process import Spec, TsoProcess


class SimulatedTso(TsoProcess):
    """Sends AGC and frequency by the same clock as everybody."""

    def __init__(
        self, spec: Spec, raw_dir: Path, clock: Callable[[], float], measured: At | None = None
    ) -> None:
        super().__init__(spec, raw_dir, clock, measured)
        self.told: dict[str, Any] = {}
        self.quiet_until_s = -math.inf  # no AGC value is on its way, and none leaves before
        self.on_quiet: Callable[[], None] = lambda: None

    async def serve(self) -> None:
        """Connect, wait for the start, send until cancelled."""
        self._t0_s = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep())
                group.create_task(self._send())
                group.create_task(self._send_frequency())
        finally:
            self.link.close()
            self.close_files()

    def start(self, t0_s: float) -> None:
        """Begin to send; `t0_s`: start of the scored run."""
        if self._t0_s is not None:
            self._t0_s.set_result(t0_s)

    async def _send_one(self, t_s: float, value: Sent | None) -> None:
        """Send the value; nothing is on its way before that and after it."""
        self.quiet_until_s = -math.inf
        await super()._send_one(t_s, value)
        if self._t0_s is not None:
            self.quiet_until_s = self._t0_s.result() + t_s + self.spec.source.interval_s
        self.on_quiet()

    def _say(self, message: dict[str, Any]) -> None:  # type: ignore[override]
        self.told.update(message)
