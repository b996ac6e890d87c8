"""Which tick sent a write that a device received, and which AGC value a tick took up.

Devices record values and instants, no tick numbers: the protocols carry none. A write belongs to
the newest tick before it whose setpoint has its value. Where two ticks have the same value and
the newer one had begun less than the links' least latency before, the older one is taken if it has
no write yet.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil import recording
from hil.measure.inputs import AgcSent, Units
from hil.measure.journal import Ticks

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
HORIZON_S = 4.0  # no write is longer under way: setpoints age out, requests have deadlines
SOCKET_TO_DAEMON_S = 1.0  # an AGC value that takes longer from socket to daemon stays unpaired


def value_slack_mw(units: Units) -> F8:
    """Rounding of setpoints on the wire: 100 W, or .01 % of rated power (docs/points.md)."""
    return np.asarray(1e-4 + 1e-4 * units.p_rated_mw)


def writes_to_ticks(ticks: Ticks, setpoints: NDArray[np.void], units: Units) -> I8:
    """Row of the tick that sent each write; -1 where none fits. Shape as `setpoints`."""
    paired = np.full(setpoints.size, -1, dtype=np.int64)
    if ticks.now_s.size == 0:
        return paired
    slack_mw = value_slack_mw(units)
    newest = np.searchsorted(ticks.now_s, setpoints["t_s"], side="right") - 1
    keep_alive = (setpoints["flags"] & recording.SetpointFlag.KEEP_ALIVE) != 0
    for u in np.unique(setpoints["unit"]):
        mine = np.flatnonzero((setpoints["unit"] == u) & ~keep_alive)
        paired[mine] = _pair_unit(
            ticks.now_s,
            ticks.p_setpoint_mw[:, u],
            setpoints["t_s"][mine],
            setpoints["p_mw"][mine],
            newest[mine],
            float(slack_mw[u]),
            units.latency_min_s,
        )
    return paired


def _pair_unit(
    now_s: F8,
    decided_mw: F8,
    t_s: F8,
    p_mw: F8,
    newest: NDArray[np.intp],
    slack_mw: float,
    in_flight_s: float,
) -> list[int]:
    """Pair the writes of one unit, in the order of their reception."""
    paired: list[int] = []
    last = -1
    for at_s, value_mw, k in zip(t_s.tolist(), p_mw.tolist(), newest.tolist(), strict=True):
        fits: list[int] = []
        while k >= 0 and at_s - now_s[k] <= HORIZON_S and len(fits) < 2:
            if abs(decided_mw[k] - value_mw) <= slack_mw:
                fits.append(k)
            k -= 1
        choice = fits[0] if fits else -1
        if len(fits) == 2 and fits[1] > last and at_s - now_s[fits[0]] < in_flight_s:
            choice = fits[1]
        paired.append(choice)
        last = max(last, choice)
    return paired


@dataclass(frozen=True, slots=True)
class Caused:
    """Ticks that a fresh AGC value caused, shape (k,)."""

    row: I8  # of Ticks
    t_socket_s: F8  # the value reached the daemon's socket
    unpaired: int  # fresh values in the journal that no AGC value of the TSO explains


def agc_to_ticks(ticks: Ticks, agc: AgcSent, since_s: float, until_s: float) -> Caused:
    """Find the AGC value behind each tick with verdict FRESH, by value and instant of reception."""
    on_socket = np.isfinite(agc.t_socket_s)
    # In order: the TSO's link keeps the order in which the values were sent.
    t_socket, pu = agc.t_socket_s[on_socket], agc.pu[on_socket]
    rows, instants, unpaired = [], [], 0
    taken = -1
    for row in np.flatnonzero(ticks.fresh).tolist():
        if not since_s <= ticks.now_s[row] < until_s:
            continue
        received_s = ticks.agc_received_s[row]
        k = int(np.searchsorted(t_socket, received_s + 1e-3, side="right")) - 1
        while k > taken and abs(pu[k] - ticks.agc_pu[row]) > 1e-4:
            k -= 1
        if k <= taken or received_s - t_socket[k] > SOCKET_TO_DAEMON_S:
            unpaired += 1
            continue
        taken = k
        rows.append(row)
        instants.append(float(t_socket[k]))
    return Caused(np.array(rows, dtype=np.int64), np.array(instants), unpaired)
