"""Sends the frequency to the plant, each interval, between the AGC values; keeps the record."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil import recording
from hil.tso.frequency import At
from hil.tso.master import TsoLink

PHASE = 0.5  # of an interval: AGC goes out at its begin, and one request waits for the other


class FrequencySender:
    """Operates AO 1.

    Parameters
    ----------
    at : callable
        Frequency at an instant of the run.
    held_back : callable
        Whether the TSO is mute at an instant of the run.
    say : callable
        Told of each value.
    """

    def __init__(
        self,
        link: TsoLink,
        at: At,
        interval_s: float,
        path: Path,
        clock: Callable[[], float],
        held_back: Callable[[float], bool],
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        self._link = link
        self._at = at
        self._interval_s = interval_s
        self._clock = clock
        self._held_back = held_back
        self._say = say
        self._file = recording.append_file(path)
        self._row(*recording.FREQUENCY_COLUMNS)

    async def run(self, t0_s: float, lead_s: float, *, select: bool) -> None:
        """Send for ever, from `lead_s` before the start of the scored run on."""
        number = -math.ceil(lead_s / self._interval_s)
        while True:
            t_s = (number + PHASE) * self._interval_s
            while (left_s := t0_s + t_s - self._clock()) > 0.0:
                await asyncio.sleep(left_s)
            await self._send(t_s, select=select)
            number += 1

    async def _send(self, t_s: float, *, select: bool) -> None:
        freq_hz, sent_s, socket_s = self._at(t_s), self._clock(), math.nan
        status = "cut"
        if not self._held_back(t_s):
            status = await self._link.send_frequency(freq_hz, select=select)
            socket_s = self._link.socket_s if status != "down" else math.nan
        self._row(f"{sent_s:.6f}", f"{socket_s:.6f}", f"{freq_hz:.9g}", status)
        self._say({"freq_hz": freq_hz})

    def close(self) -> None:
        """End the record."""
        self._file.close()

    def _row(self, *values: object) -> None:
        self._file.write((",".join(map(str, values)) + "\n").encode())
