"""One unit behind a link that loses writes, answers and readings: what it truly does is known.

It takes what reaches it, and goes to its fallback by itself when it took nothing for longer than
its watchdog. The daemon's side of it is what a `DeviceRunner` tells the image.
"""

from dataclasses import dataclass

import numpy as np
from builders import NAN

from vppd.core.types import Quality, WriteResult

TICK_S = 1.0
RAMP_MW_PER_S = 1.0
WATCHDOG_S = 10.0
READING_S = 7.0  # age of a reading that still counts, and a tick for its way
AGE_MAX_S = 2.0  # of a setpoint that is said again after a reconnect
SLACK_MW = 1e-6


@dataclass(frozen=True)
class Way:
    """What gets through between two ticks."""

    up: bool = True  # the link, as the daemon sees it
    writes: bool = True
    answers: bool = True
    reads: bool = True
    refuses: bool = False
    late_s: float = 0.0  # age of a reading when it comes


WAYS = {
    "well": Way(),
    "no answer": Way(answers=False),
    "write lost": Way(writes=False, answers=False),
    "not read": Way(reads=False),
    "neither answer nor reading": Way(answers=False, reads=False),
    "read late": Way(late_s=2.0),
    "no answer, read late": Way(answers=False, late_s=2.0),
    "hangs": Way(writes=False, answers=False, reads=False),
    "down": Way(up=False, writes=False, answers=False, reads=False),
    "refuses": Way(refuses=True),
    "refuses, not read": Way(refuses=True, reads=False),
}


class LossyUnit:
    """The unit, and the slots that its runner would show."""

    def __init__(self, fallback_mw: float, now_s: float) -> None:
        self.fallback_mw = fallback_mw
        self.p_mw = self.taken_mw = 0.0
        self.taken_s = now_s
        self.power = [(now_s, 0.0)]
        self.accepted_mw, self.accepted_s = 0.0, now_s
        self.result = WriteResult.ACCEPTED
        self.read_mw, self.read_s, self.quality = 0.0, now_s, Quality.ONLINE
        self.connected = True
        self.newest = (NAN, -np.inf)
        self.lost_s = NAN  # the first setpoint since the last one taken that was not
        self.broken = []

    def live(self, until_s: float) -> None:
        """Follow what is in force, within the ramp."""
        silent = until_s - self.taken_s > WATCHDOG_S
        aim_mw = self.fallback_mw if silent else self.taken_mw
        reach_mw = RAMP_MW_PER_S * (until_s - self.power[-1][0])
        self.p_mw += float(np.clip(aim_mw - self.p_mw, -reach_mw, reach_mw))
        self.power.append((until_s, self.p_mw))

    def hear(self, now_s: float, way: Way) -> None:
        """Before a tick: the link, what a reconnect says again, and a reading."""
        back = way.up and not self.connected
        self.connected = way.up
        if not way.up:
            self.quality = Quality.COMM_LOST
        if back and now_s - self.newest[1] <= AGE_MAX_S:
            self._write(*self.newest, now_s, way)
        if way.reads and now_s - way.late_s > self.read_s:
            self.read_s, self.read_mw = [at for at in self.power if at[0] <= now_s - way.late_s][-1]
            self.quality = Quality.ONLINE

    def tell(self, p_mw: float, now_s: float, way: Way) -> None:
        """After a tick that sends it a setpoint."""
        self.newest = (p_mw, now_s)
        if self.connected:
            self._write(p_mw, now_s, now_s, way)

    def _write(self, p_mw: float, decided_s: float, now_s: float, way: Way) -> None:
        if way.writes and not self._may_be_told(p_mw, decided_s, now_s):
            self.broken.append((now_s, p_mw, self.taken_mw, self.accepted_mw, self.p_mw))
        if way.writes and not way.refuses:
            self.taken_mw, self.taken_s, self.lost_s = p_mw, now_s, NAN
        elif np.isnan(self.lost_s):
            self.lost_s = now_s
        if not way.answers:
            self.result = WriteResult.UNKNOWN
        elif way.refuses:
            self.result = WriteResult.REFUSED
        else:
            self.result = WriteResult.ACCEPTED
            self.accepted_mw, self.accepted_s = p_mw, now_s

    def _may_be_told(self, p_mw: float, decided_s: float, now_s: float) -> bool:
        """The ramp allows it from what it last took, from what the daemon last heard of, or, when
        either is long ago, from where it truly is.
        """
        reach_mw = RAMP_MW_PER_S * max(now_s - self.taken_s, TICK_S) + SLACK_MW
        if abs(p_mw - self.taken_mw) <= reach_mw:
            return True
        if abs(p_mw - self.accepted_mw) <= RAMP_MW_PER_S * TICK_S + SLACK_MW:
            return True
        if max(now_s - self.taken_s, decided_s - self.accepted_s) <= WATCHDOG_S:
            return False
        lost_for_s = 0.0 if np.isnan(self.lost_s) else now_s - self.lost_s
        reach_mw = RAMP_MW_PER_S * (TICK_S + lost_for_s) + SLACK_MW
        lately = [p for t, p in self.power if t >= now_s - READING_S]
        return any(abs(p_mw - p) <= reach_mw for p in lately)
