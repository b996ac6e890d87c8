"""The linear program of clusters that follow a request; see `hil.oracle` for what it means.

Second j counts from `Grid.first_s`. Knot q is the instant `first_s + q - 1`. Powers P (means of
seconds) and knots v:

    P_j = a P_{j-1} + c0 v_j + c1 v_{j+1} + c2 v_{j+2},    a = e^(-1/lag),  c0 + c1 + c2 = 1 - a
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.oracle.clusters import Cluster, Store
from hil.oracle.program import Program
from hil.oracle.request import Request

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
SHORTEST_LAG_S = 1e-6  # as in hil.plant.actuator
ENERGY_MWS = 60.0  # unit of the energy columns: brings them near the powers
ENERGY_PRICE = 0.01 * ENERGY_MWS  # of that unit, MW s of error: decides between equals only


@dataclass(frozen=True, slots=True)
class Grid:
    """Seconds of a program: those of the run and the lead before it, or a window of them."""

    first_s: int  # of the run's time; the lead is before 0
    seconds: int
    lead_s: float

    @classmethod
    def of(cls, request: Request) -> "Grid":
        """Grid of a whole run."""
        lead = math.ceil(request.lead_s)
        return cls(-lead, request.seconds + lead, request.lead_s)

    @property
    def end_s(self) -> int:
        """End of the last second."""
        return self.first_s + self.seconds

    @property
    def knots_s(self) -> F8:
        """Instants of the knots, shape (seconds + 2,)."""
        return self.first_s - 1.0 + np.arange(self.seconds + 2.0)


@dataclass(frozen=True, slots=True)
class Start:
    """How a cluster comes into a grid: MW, and MW s of its store above the start of the run."""

    mean_mw: float  # of the second before
    knots_mw: tuple[float, float]  # the first two
    energy_mws: float = 0.0
    lossless_mws: float = 0.0

    @classmethod
    def at_rest(cls, cluster: Cluster) -> "Start":
        """At the basepoint."""
        return cls(cluster.base_mw, (cluster.base_mw, cluster.base_mw))


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a cluster is in a program. Powers begin with the second before the grid."""

    power: I8
    knots: I8


@dataclass(frozen=True, slots=True)
class Kernel:
    """How the mean of a second comes from the one before and three knots."""

    keep: float  # a
    weights: tuple[float, float, float]  # c0, c1, c2


def straight(lag_s: float) -> Kernel:
    """Kernel of a reference that runs straight from knot to knot (first-order hold, exact)."""
    lag_s = max(lag_s, SHORTEST_LAG_S)
    keep = math.exp(-1.0 / lag_s)
    settled = -math.expm1(-1.0 / lag_s) * lag_s
    old, new = settled - keep, 1.0 - settled  # of p at a knot, from the two knots around
    return Kernel(
        keep,
        (
            lag_s * old - 0.5 * keep,
            0.5 * (1.0 - keep) - lag_s * (old - new),
            0.5 - lag_s * new,
        ),
    )


def any_shape(lag_s: float) -> Kernel:
    """Kernel for which `v` is itself the weighted mean of a reference of whatever shape."""
    keep = math.exp(-1.0 / max(lag_s, SHORTEST_LAG_S))
    return Kernel(keep, (0.0, 1.0 - keep, 0.0))


def freedom_mw(grid: Grid, cluster: Cluster, *, relaxed: bool) -> F8:
    """How far from the basepoint each knot may be after the dead time, MW."""
    moved_s = grid.lead_s - cluster.dead_s
    since_s = grid.knots_s + (1.0 + moved_s if relaxed else math.floor(moved_s))
    return cluster.ramp_mw_per_s * np.maximum(since_s, 0.0)


def build(
    request: Request,
    grid: Grid,
    clusters: list[Cluster],
    starts: list[Start] | None,
    *,
    relaxed: bool,
) -> tuple[Program, list[Columns]]:
    """Program that minimises the sum of |error| over the grid, MW s.

    `starts`: None lets every cluster begin in whatever state (relaxed only). A restricted program
    that ends before the run prefers, at next to no price, to leave the stores as they began.
    """
    program = Program()
    columns = []
    for i, cluster in enumerate(clusters):
        start = None if starts is None else starts[i]
        found = _motion(program, grid, cluster, start, relaxed=relaxed)
        columns.append(found)
        if cluster.store is not None:
            _lossless(program, cluster.store, found.power, start)
            if not relaxed and start is not None:
                energy = _losses(program, cluster, cluster.store, found.power, start)
                if grid.end_s < request.seconds:
                    _prefer_as_began(program, cluster.store, energy)
    _errors(program, request, grid, clusters, [found.power for found in columns])
    return program, columns


def _errors(
    program: Program, request: Request, grid: Grid, clusters: list[Cluster], powers: list[I8]
) -> None:
    """Cost of each second that counts: what is delivered above the request or below it."""
    first_s = max(grid.first_s, request.skipped)
    if first_s >= grid.end_s:
        return
    asked_mw = request.mw[first_s : grid.end_s]
    most_mw = float(np.abs(asked_mw).max()) + sum(
        max(abs(c.low_mw), abs(c.high_mw)) for c in clusters
    )
    above = program.variables(asked_mw.size, 0.0, most_mw, cost=1.0)
    below = program.variables(asked_mw.size, 0.0, most_mw, cost=1.0)
    balance = [(power[-asked_mw.size :], 1.0) for power in powers]
    program.constrain([*balance, (above, -1.0), (below, 1.0)], asked_mw, asked_mw)


def _motion(
    program: Program, grid: Grid, cluster: Cluster, start: Start | None, *, relaxed: bool
) -> Columns:
    """Lag, ramp and range of a cluster."""
    n = grid.seconds
    kernel = any_shape(cluster.lag_s) if relaxed else straight(cluster.lag_s)
    freedom = freedom_mw(grid, cluster, relaxed=relaxed)
    low_mw = np.maximum(cluster.low_mw, cluster.base_mw - freedom)
    high_mw = np.minimum(cluster.high_mw, cluster.base_mw + freedom)
    if start is not None and not relaxed:
        low_mw[:2] = high_mw[:2] = start.knots_mw
    knots = program.variables(n + 2, low_mw, high_mw)
    low_mw, high_mw = np.full(n + 1, cluster.low_mw), np.full(n + 1, cluster.high_mw)
    if start is not None:
        low_mw[0] = high_mw[0] = start.mean_mw
    power = program.variables(n + 1, low_mw, high_mw)
    parts = [(knots[i : n + i], -weight) for i, weight in enumerate(kernel.weights)]
    program.constrain([(power[1:], 1.0), (power[:-1], -kernel.keep), *parts], 0.0, 0.0)
    reach_mw = cluster.ramp_mw_per_s
    if reach_mw < cluster.high_mw - cluster.low_mw:
        program.constrain([(knots[1:], 1.0), (knots[:-1], -1.0)], -reach_mw, reach_mw)
    return Columns(power, knots)


def _lossless(program: Program, store: Store, power: I8, start: Start | None) -> None:
    """Energy without losses within the limits.

    It is more than the true one, so in a restricted program it keeps the upper limit.
    """
    before_mws = None if start is None else start.lossless_mws
    energy = _energy(program, store, power.size, before_mws)
    change = [(energy[1:], 1.0), (energy[:-1], -1.0)]
    program.constrain([*change, (power[1:], 1.0 / ENERGY_MWS)], 0.0, 0.0)


def _losses(program: Program, cluster: Cluster, store: Store, power: I8, start: Start) -> I8:
    """Energy with all losses within the limits: less than the true one, keeps the lower limit.

    The power is split into what goes out and what comes in; both at once only lose more.
    """
    n = power.size - 1
    most_mw = max(cluster.high_mw, -cluster.low_mw, 0.0)
    out = program.variables(n, 0.0, most_mw)
    into = program.variables(n, 0.0, most_mw)
    program.constrain([(power[1:], 1.0), (out, -1.0), (into, 1.0)], 0.0, 0.0)
    energy = _energy(program, store, n + 1, start.energy_mws)
    lost, gained = 1.0 / store.efficiency_out_pu, store.efficiency_in_pu
    change = [(energy[1:], 1.0), (energy[:-1], -1.0)]
    terms = [(out, lost / ENERGY_MWS), (into, -gained / ENERGY_MWS)]
    standby = -store.standby_mw / ENERGY_MWS
    program.constrain([*change, *terms], standby, standby)
    return energy


def _energy(program: Program, store: Store, n: int, before_mws: float | None) -> I8:
    """Columns of an energy; the first one is that before the grid, None: whatever it is."""
    low, high = np.full(n, -store.give_mws), np.full(n, store.take_mws)
    if before_mws is not None:
        low[0] = high[0] = before_mws
    return program.variables(n, low / ENERGY_MWS, high / ENERGY_MWS)


def _prefer_as_began(program: Program, store: Store, energy: I8) -> None:
    """Make the last energy cost a little for what it is off 0."""
    most = (store.give_mws + store.take_mws) / ENERGY_MWS
    more, less = (program.variables(1, 0.0, most, cost=ENERGY_PRICE) for _ in range(2))
    program.constrain([(energy[-1:], 1.0), (more, -1.0), (less, 1.0)], 0.0, 0.0)
