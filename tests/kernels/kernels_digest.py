"""One number over the outputs of every kernel on seeded inputs. Also a program that prints it."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

import kernels_participation_cases
import kernels_response
import kernels_trust
from kernels_ahead import FAMILIES as AHEAD_FAMILIES
from kernels_ahead import solve
from kernels_headroom_cases import lasts, promised, random_unit
from kernels_limits_cases import Fleet, guard, random_fleet
from kernels_sides import in_a_tick, sided
from kernels_splits import add_splits, digest_of

from vppd.kernels.grid import fit_to_grid, round_all, round_instants
from vppd.kernels.tree import ROOM_ROWS, project_tree


def on_grids(rng: np.random.Generator, n: int, *, read_only: bool) -> list[np.ndarray]:
    """Setpoints and instants as `kernels.grid` rounds them."""
    per, member = rng.choice([0.0, 1e3, 1e4], n), rng.integers(-1, 3, n + 1)
    low_mw, p_mw, high_mw = np.sort(rng.uniform(-1.0, 1.0, (3, n)), axis=0)
    for a in (per, member, low_mw, high_mw):
        a.setflags(write=not read_only)
    rounded, instants = np.zeros(n), np.zeros(n)
    round_all(low_mw, per, rounded)
    round_instants(5e6, 1e4, high_mw, np.roll(high_mw, 1), low_mw, instants)
    fit_to_grid(per, np.full_like(per, np.nan), low_mw, high_mw, member, np.zeros(4), p_mw)
    return [rounded, instants, p_mw]


def add_all(add: Callable[..., None]) -> None:
    """Hand on all outputs. Inputs are read-only half of the time, as in replay."""
    add_splits(add)
    for k in range(20):
        fleet: Fleet = random_fleet(np.random.default_rng(k), 40)
        box = fleet.fold()
        add(*box.arrays)
        add(*guard(fleet, box.upper_mw), *guard(fleet, box.lower_mw + 0.1))
        rng = np.random.default_rng(k)
        units = [random_unit(rng) for _ in range(40)]
        add(*promised(*units).values(), *lasts(*units))
        add(*sided(rng, 2 + k, k).choose(), *in_a_tick(rng, 40))
        add(*kernels_trust.in_a_tick(rng, 40))
        add(*on_grids(rng, 40, read_only=k % 2 == 0))
        add(*kernels_response.outputs(rng), *kernels_participation_cases.outputs(k))
    for k in range(40):
        split = AHEAD_FAMILIES[k % 4](np.random.default_rng(k), 1 + 3 * k)
        for a in split.arguments:
            a.setflags(write=k % 8 < 4)
        add(*vars(solve(split)).values())
        groups = split.parent.size
        outs = [np.zeros(n) for n in (1 + 3 * k, groups, groups)]
        add(project_tree(*split.arguments[3:], *outs, np.zeros((ROOM_ROWS, groups))), *outs)


@cache
def digest() -> str:
    """SHA-256 of all outputs."""
    return digest_of(add_all)


if __name__ == "__main__":
    print(digest())
