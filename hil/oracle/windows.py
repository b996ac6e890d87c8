"""Both programs of a run, whole or, where it is long, window by window.

Solving takes more than twice as long for a run of twice the length. A long schedule is made in
windows that overlap: each looks ahead beyond what is kept of it. For the bound, each window may
begin in whatever state suits it best, so that the sum of their least errors is below that of any
schedule. What stores hold is then forgotten from window to window; another bound remembers it and
forgets ramps and lags instead: that for means of blocks, for the error of a mean is never above
the mean of the errors.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hil.oracle import highs, model
from hil.oracle.clusters import Cluster, Store
from hil.oracle.model import Columns, Grid, Start
from hil.oracle.request import Request

F8 = NDArray[np.float64]
Tell = Callable[[float], None]  # share done
LONG_S = 14400  # of a run that is cut into windows
WINDOW_S = 1800
AHEAD_S = 300  # slower units need less than that to cross their range
BLOCK_S = 60


def silent(share: float) -> None:
    """Tell nobody."""


def windows(asked: Request, ahead_s: int) -> list[tuple[Grid, int]]:
    """Grids, each with the seconds that are kept of it."""
    whole = Grid.of(asked)
    if asked.seconds <= LONG_S:
        return [(whole, whole.seconds)]
    found = []
    for first_s in range(whole.first_s, whole.end_s, WINDOW_S):
        kept = min(WINDOW_S, whole.end_s - first_s)
        seconds = min(WINDOW_S + ahead_s, whole.end_s - first_s)
        found.append((Grid(first_s, seconds, whole.lead_s), kept))
    return found


def wanted_mw(asked: Request, clusters: list[Cluster], tell: Tell) -> F8:
    """Knots of the best schedule of restricted clusters, shape (clusters, seconds + 2)."""
    starts = [Start.at_rest(cluster) for cluster in clusters]
    pieces = [np.array([start.knots_mw for start in starts])]
    cut = windows(asked, AHEAD_S)
    for number, (grid, kept) in enumerate(cut):
        tell(number / len(cut))
        program, columns = model.build(asked, grid, clusters, starts, relaxed=False)
        x = highs.solve(program).x
        pieces.append(np.array([x[c.knots[2 : kept + 2]] for c in columns]))
        starts = [
            _after(cluster, start, x, c, kept)
            for cluster, start, c in zip(clusters, starts, columns, strict=True)
        ]
    return np.concatenate(pieces, axis=1)


def _after(cluster: Cluster, start: Start, x: F8, columns: Columns, kept: int) -> Start:
    """State of a cluster after the seconds that are kept. Energies are counted anew."""
    knots = x[columns.knots[kept : kept + 2]]
    mean_mw = x[columns.power[1 : kept + 1]]
    found = Start(float(mean_mw[-1]), (float(knots[0]), float(knots[1])))
    if cluster.store is None:
        return found
    used_mws, lossless_mws = cluster.store.drawn_mws(mean_mw)
    return replace(
        found,
        energy_mws=_within(cluster.store, start.energy_mws - float(used_mws.sum())),
        lossless_mws=_within(cluster.store, start.lossless_mws - float(lossless_mws.sum())),
    )


def _within(store: Store, energy_mws: float) -> float:
    """Without the solver's tolerance, which would make the next window infeasible."""
    return min(max(energy_mws, -store.give_mws), store.take_mws)


def least_mws(asked: Request, clusters: list[Cluster], tell: Tell) -> float:
    """Sum of |error| that no schedule of relaxed clusters is below, MW s."""
    cut = windows(asked, 0)
    total_mws = 0.0
    for number, (grid, _) in enumerate(cut):
        tell(number / len(cut))
        starts = None if number else [Start.at_rest(cluster) for cluster in clusters]
        program, _ = model.build(asked, grid, clusters, starts, relaxed=True)
        total_mws += max(highs.solve(program).least, 0.0)
    if len(cut) == 1:
        return total_mws
    return max(total_mws, _least_of_blocks_mws(asked, clusters))


def _least_of_blocks_mws(asked: Request, clusters: list[Cluster]) -> float:
    """Sum of |error| that range and energy alone leave, by means of blocks; the rest is left out.

    A block is a second of a program in which everything but the energy is immediate.
    """
    blocks = asked.seconds // BLOCK_S
    means_mw = asked.mw[: blocks * BLOCK_S].reshape(blocks, BLOCK_S).mean(axis=1)
    lead = -(-Grid.of(asked).first_s // BLOCK_S)
    coarse = Request(means_mw, -(-asked.skipped // BLOCK_S), float(lead), asked.regulation_mw)
    quick = [_immediate(cluster) for cluster in clusters]
    starts = [Start.at_rest(cluster) for cluster in quick]
    program, _ = model.build(coarse, Grid.of(coarse), quick, starts, relaxed=True)
    return BLOCK_S * max(highs.solve(program).least, 0.0)


def _immediate(cluster: Cluster) -> Cluster:
    store = cluster.store
    if store is not None:
        give, take = store.give_mws / BLOCK_S, store.take_mws / BLOCK_S
        store = replace(store, give_mws=give, take_mws=take)
    ramp = cluster.high_mw - cluster.low_mw
    return replace(cluster, lag_s=0.0, dead_s=0.0, ramp_mw_per_s=ramp, store=store)
