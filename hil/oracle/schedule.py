"""A schedule that the fleet can carry out, worked out again from the solver's references.

Nothing of the solver's is taken on trust: its references are cut to range, ramp and dead time, and
what they deliver is computed from them by the exact solution of the lag.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.oracle.clusters import Cluster, Traits
from hil.oracle.model import SHORTEST_LAG_S, Grid, freedom_mw
from hil.oracle.request import OracleError

F8 = NDArray[np.float64]
ENERGY_SLACK = 1e-4  # of a store's room: what the solver's tolerance may cost


@dataclass(frozen=True, slots=True)
class Schedule:
    """References of clusters, straight between the full seconds of the grid."""

    grid: Grid
    clusters: list[Cluster]
    knots_mw: F8  # shape (clusters, seconds + 2)
    power_mw: F8  # shape (clusters, seconds + 2): at the knots
    mean_mw: F8  # shape (clusters, seconds): means of the seconds

    def delivered_mw(self, seconds: int) -> F8:
        """Power of the fleet, mean of each second of the run."""
        return np.asarray(self.mean_mw.sum(axis=0)[-seconds:])

    def reference_mw(self, traits: Traits, cluster: int, t_s: F8) -> F8:
        """Reference that each member of a cluster needs at these instants, shape (members, n).

        A member quicker than its cluster follows (1 - t/T) p + t/T r, and so is as slow.
        """
        of = self.clusters[cluster]
        r_mw = np.interp(t_s, self.grid.knots_s, self.knots_mw[cluster])
        p_mw = self._power_at(cluster, t_s)
        quickness = (traits.lag_s[of.members] / max(of.lag_s, SHORTEST_LAG_S))[:, None]
        common_mw = (1.0 - quickness) * p_mw + quickness * r_mw - of.base_mw
        return np.asarray(traits.base_mw[of.members][:, None] + of.share[:, None] * common_mw)

    def _power_at(self, cluster: int, t_s: F8) -> F8:
        """Power of a cluster at any instant: the lag solved from the knot before."""
        knots_s = self.grid.knots_s
        before = np.clip(np.searchsorted(knots_s, t_s, side="right") - 1, 0, knots_s.size - 2)
        since_s = t_s - knots_s[before]
        lag_s = max(self.clusters[cluster].lag_s, SHORTEST_LAG_S)
        r_mw = self.knots_mw[cluster]
        slope = r_mw[before + 1] - r_mw[before]
        off_mw = self.power_mw[cluster][before] - r_mw[before] + slope * lag_s
        now_mw = r_mw[before] + slope * (since_s - lag_s)
        return np.asarray(now_mw + off_mw * np.exp(-since_s / lag_s))


def carry_out(grid: Grid, clusters: list[Cluster], wanted_mw: F8) -> Schedule:
    """Schedule as near to the wanted knots, shape (clusters, seconds + 2), as it can be.

    Raises OracleError if a store would not bear it.
    """
    knots_mw = _feasible(grid, clusters, wanted_mw)
    power_mw, mean_mw = _powers(clusters, knots_mw)
    for cluster, mean in zip(clusters, mean_mw, strict=True):
        _check_store(cluster, mean)
    return Schedule(grid, clusters, knots_mw, power_mw, mean_mw)


def _feasible(grid: Grid, clusters: list[Cluster], wanted_mw: F8) -> F8:
    """Cut to range and dead time, then to the ramp, knot by knot."""
    freedom = np.array([freedom_mw(grid, c, relaxed=False) for c in clusters])
    base, low, high, ramp = (
        np.array([getattr(c, name) for c in clusters])
        for name in ("base_mw", "low_mw", "high_mw", "ramp_mw_per_s")
    )
    lower = np.maximum(low[:, None], base[:, None] - freedom)
    upper = np.minimum(high[:, None], base[:, None] + freedom)
    knots = np.clip(wanted_mw, lower, upper).T.copy()
    for q in range(1, len(knots)):
        knots[q] = np.clip(knots[q], knots[q - 1] - ramp, knots[q - 1] + ramp)
    return np.ascontiguousarray(knots.T)


def _powers(clusters: list[Cluster], knots_mw: F8) -> tuple[F8, F8]:
    """Power at each knot from rest at the basepoint, and means of the seconds of the grid."""
    lag_s = np.maximum([c.lag_s for c in clusters], SHORTEST_LAG_S)
    keep = np.exp(-1.0 / lag_s)
    slope = np.diff(knots_mw, axis=1)
    settled = knots_mw[:, 1:] - slope * lag_s[:, None]
    off = slope * lag_s[:, None] - knots_mw[:, :-1]
    power = np.empty_like(knots_mw)
    power[:, 0] = [c.base_mw for c in clusters]
    for q in range(slope.shape[1]):
        power[:, q + 1] = settled[:, q] + (power[:, q] + off[:, q]) * keep
    mean = 0.5 * (knots_mw[:, 1:] + knots_mw[:, :-1]) - lag_s[:, None] * np.diff(power, axis=1)
    return power, mean[:, 1:]


def _check_store(cluster: Cluster, mean_mw: F8) -> None:
    """Raise OracleError if the schedule empties or fills a store beyond its limits."""
    store = cluster.store
    if store is None:
        return
    with_losses, without = store.drawn_mws(mean_mw)
    given, taken = float(with_losses.cumsum().max()), -float(without.cumsum().min())
    slack_mws = ENERGY_SLACK * (store.give_mws + store.take_mws)
    if given > store.give_mws + slack_mws or taken > store.take_mws + slack_mws:
        raise OracleError("the solver's schedule overdraws a store; its tolerance was not met")
