"""Faults that are always there, as pure streams: each unit has its own, from the run's seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from hil.faults.fault import Fault
from hil.scenario import FaultsConfig


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without link, seconds after the start of the scored run."""

    start_s: float
    end_s: float
    silent: bool  # True: the connection stays and nothing passes; False: closed and refused


def stream(seed: int, unit: int, what: str) -> random.Random:
    """Random numbers of one unit for one purpose, independent of all others."""
    return random.Random(f"{seed}/{unit}/{what}")


def outages(rng: random.Random, faults: FaultsConfig) -> Iterator[Outage]:
    """Yield the outages of one unit, without end; none if the share is zero.

    Up and down times are exponential, so that at any time `offline_pct` of all units are without
    link: mean up = mean down * (100 - offline) / offline. The first one may have begun already.
    """
    share = faults.offline_pct / 100.0
    if share <= 0.0:
        return
    up_per_s = share / (faults.outage_mean_s * (1.0 - share))
    down_per_s = 1.0 / faults.outage_mean_s
    at_s = 0.0 if rng.random() < share else rng.expovariate(up_per_s)
    while True:
        end_s = at_s + rng.expovariate(down_per_s)
        yield Outage(at_s, end_s, silent=rng.random() < 0.5)
        at_s = end_s + rng.expovariate(up_per_s)


def constant_outages(
    seed: int, units: int, faults: FaultsConfig, duration_s: float
) -> tuple[Fault, ...]:
    """Outages of units 0 to `units` - 1 that begin within a run, by time."""
    found = []
    for unit in range(units):
        for each in outages(stream(seed, unit, "outages"), faults):
            if each.start_s >= duration_s:
                break
            how = "silent" if each.silent else "closed"
            found.append(Fault(each.start_s, "link_outage", unit, each.end_s, how=how))
    return tuple(sorted(found))
