"""From the AGC value on the daemon's socket to the last setpoint in its device."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.measure.journal import Ticks
from hil.measure.pairing import Caused
from hil.recording import SetpointFlag

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Outages = dict[int, list[tuple[float, float]]]  # unit -> (since, until), s
UNDER_WAY_S = 0.2  # a write that left shortly before an outage is lost with it


@dataclass(frozen=True, slots=True)
class Latencies:
    """One entry a tick that a fresh AGC value caused, shape (k,), s. NaN: no device got a write."""

    at_s: F8  # the value reached the socket, on the monotonic clock
    signal_to_last_s: F8
    without_links_s: F8  # each write's own time in its simulated link taken off
    signal_to_tick_s: F8  # to the start of the tick: the daemon's own waiting
    receptions: int  # writes that count
    lost: int  # swallowed by the scenario: left out
    offline: int  # for a unit in an outage, whether it saw the write or not: left out
    not_received: int  # decided, and never seen by the device, without an outage: left out


def latencies(
    ticks: Ticks,
    setpoints: NDArray[np.void],
    paired: I8,
    caused: Caused,
    outages: Outages,
) -> Latencies:
    """Measure each tick at the devices: the last first reception of its writes."""
    flags = setpoints["flags"]
    place = np.full(ticks.now_s.size, -1, dtype=np.int64)
    place[caused.row] = np.arange(caused.row.size)
    mine = np.where(paired >= 0, place[paired], -1)
    first = first_of_each(mine, setpoints["unit"])
    lost = (flags & SetpointFlag.LOST) != 0
    offline = (flags & SetpointFlag.OFFLINE) != 0
    counts = first & ~lost & ~offline
    at_s = setpoints["t_s"]
    n = caused.row.size
    bare_s = at_s - setpoints["link_s"]
    seen = np.zeros((n, ticks.send.shape[1]), dtype=bool)
    seen[mine[first], setpoints["unit"][first]] = True
    away, not_received = _not_received(ticks, caused, seen, outages)
    return Latencies(
        at_s=caused.t_socket_s,
        signal_to_last_s=_last(mine[counts], at_s[counts], n) - caused.t_socket_s,
        without_links_s=_last(mine[counts], bare_s[counts], n) - caused.t_socket_s,
        signal_to_tick_s=ticks.now_s[caused.row] - caused.t_socket_s,
        receptions=int(counts.sum()),
        lost=int((first & lost).sum()),
        offline=int((first & offline & ~lost).sum()) + away,
        not_received=not_received,
    )


def first_of_each(tick: I8, unit: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mark the first write of each (tick, unit); later ones assert the same setpoint again."""
    first = np.zeros(tick.size, dtype=bool)
    valid = np.flatnonzero(tick >= 0)
    if valid.size:
        both = tick[valid] * (1 + int(unit.max())) + unit[valid]
        first[valid[np.unique(both, return_index=True)[1]]] = True
    return first


def _last(place: I8, at_s: F8, size: int) -> F8:
    """Latest instant of each tick; NaN where there is none."""
    last = np.full(size, -np.inf)
    np.maximum.at(last, place, at_s)
    return np.where(np.isneginf(last), np.nan, last)


def _not_received(
    ticks: Ticks, caused: Caused, seen: NDArray[np.bool_], outages: Outages
) -> tuple[int, int]:
    """Count setpoints that no device saw: of units in an outage at that time, and others."""
    missing = np.argwhere(ticks.send[caused.row] & ~seen)
    away = sum(
        any(
            since <= caused.t_socket_s[k] + UNDER_WAY_S and caused.t_socket_s[k] < until
            for since, until in outages.get(u, ())
        )
        for k, u in missing.tolist()
    )
    return away, len(missing) - away
