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
from hil.measure.inputs import AgcSent, Units, rows_by_unit
from hil.measure.journal import Ticks

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
HORIZON_S = 4.0  # no write leaves later: setpoints age out, requests have deadlines
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
    t_s, p_mw = setpoints["t_s"], setpoints["p_mw"]
    newest = np.searchsorted(ticks.now_s, t_s, side="right") - 1
    carries = (setpoints["flags"] & int(recording.SetpointFlag.KEEP_ALIVE)) == 0
    for u, mine in enumerate(rows_by_unit(setpoints["unit"], carries, len(units.ids))):
        paired[mine] = _pair_unit(
            ticks.now_s,
            ticks.p_setpoint_mw[:, u],
            t_s[mine],
            t_s[mine] - setpoints["link_s"][mine],
            p_mw[mine],
            newest[mine],
            float(slack_mw[u]),
            units.latency_min_s,
        )
    return paired


def _pair_unit(
    now_s: F8,
    decided_mw: F8,
    t_s: F8,
    left_s: F8,
    p_mw: F8,
    newest: I8,
    slack_mw: float,
    in_flight_s: float,
) -> I8:
    """Pair the writes of one unit, in the order of their reception.

    Almost every write has the value of the newest tick, which is old enough to have sent it: those
    are paired at once, and the others one by one.
    """
    age_s = t_s - now_s[newest]
    plain = (newest >= 0) & (np.abs(decided_mw[newest] - p_mw) <= slack_mw)
    plain &= (age_s >= in_flight_s) & (left_s - now_s[newest] <= HORIZON_S)
    paired = np.where(plain, newest, -1)
    last = np.maximum.accumulate(paired)  # newest tick of the plain writes so far
    of_others = -1  # and of the others
    for j in np.flatnonzero(~plain).tolist():
        fits = _fits(now_s, decided_mw, float(left_s[j]), float(p_mw[j]), int(newest[j]), slack_mw)
        choice = fits[0] if fits else -1
        before = max(int(last[j]), of_others)
        if len(fits) == 2 and fits[1] > before and t_s[j] - now_s[fits[0]] < in_flight_s:
            choice = fits[1]
        paired[j] = choice
        of_others = max(of_others, choice)
    return paired


def _fits(
    now_s: F8, decided_mw: F8, left_s: float, value_mw: float, newest: int, slack_mw: float
) -> list[int]:
    """The one or two newest ticks, not after `newest`, that have decided a value."""
    fits: list[int] = []
    k = newest
    while k >= 0 and left_s - now_s[k] <= HORIZON_S and len(fits) < 2:
        if abs(decided_mw[k] - value_mw) <= slack_mw:
            fits.append(k)
        k -= 1
    return fits


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
