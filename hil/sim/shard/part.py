"""Which units go to the worker, and when there is one at all."""

import os
import random
from collections.abc import Collection, Iterator
from dataclasses import replace

from hil.faults import Fault
from hil.fleet import Fleet
from hil.scenario import Scenario
from vppd.config.schema import Config

ALONE = ("host_", "daemon_")  # faults that end or hold the daemon: all of it is in one process then
WORTH_UNIT_S = 20_000.0  # units x seconds; below, one process is done before two have begun
CENTRAL_UNITS = 30  # what main does beside the units while the worker is at its own, in units


def processes(scenario: Scenario, units: int) -> int:
    """How many processes a run is worth on this machine: 1 or 2."""
    cores = len(os.sched_getaffinity(0))
    return 2 if cores > 1 and units * scenario.duration_s >= WORTH_UNIT_S else 1


def away(drawn: Fleet, timed: tuple[Fault, ...], *, frequency: bool) -> tuple[int, ...]:
    """Give the indices of the units that a worker takes; none where the run must stay in one piece.

    That is so where every unit measures a frequency, which the plant's power may move, and where a
    fault ends the daemon or holds it up. Units that share a broker stay with it.
    """
    if frequency or any(each.kind.startswith(ALONE) for each in timed):
        return ()
    able = [unit.index for unit in drawn.units if unit.protocol != "mqtt"]
    many = min((len(drawn.units) + CENTRAL_UNITS) // 2, len(able))
    # every so many: of each kind about the same part
    return tuple(able[k * len(able) // many] for k in range(many)) if many else ()


def config_of(config: Config, ids: Collection[str], *, rest: bool) -> Config:
    """The configuration of the units named; `rest`: with the signals, and links of nobody else."""
    ours = [unit for unit in config.fleet if unit.id in ids]
    foreign = {unit.device.link for unit in config.fleet if unit.id not in ids}
    links = {unit.device.link for unit in ours}
    if rest:
        links |= {link.id for link in config.links if link.id not in foreign}
    return replace(
        config,
        fleet=tuple(ours),
        links=tuple(link for link in config.links if link.id in links),
        signals=config.signals if rest else (),
    )


class Dealt(random.Random):
    """Gives the numbers that links of a part would have drawn among all links."""

    def __init__(self, rng: random.Random, config: Config, part: Config) -> None:
        super().__init__(0)
        kept = {link.id for link in part.links}
        drawn = [(link.id, rng.random()) for link in config.links]
        self._left: Iterator[float] = iter([number for name, number in drawn if name in kept])

    def random(self) -> float:
        """Give the next one."""
        return next(self._left)
